"""The server of ``diracgan explore``: access by token, on this machine alone unless told otherwise.

Any page in the same browser can send requests to 127.0.0.1. Three checks keep it out, each on every request: the Host
header names this server (a foreign name that resolves to 127.0.0.1 does not), an Origin, where one is sent, is this
server's, and the path begins with a token that is drawn at each start. Browsers show a path to no page of another
origin, and ``Referrer-Policy`` keeps it out of what they send on.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from ..errors import one_line

HOST = "127.0.0.1"
_LOAD_AFTER_S = 1.0  # a browser that comes at once is sent the page first
MOST_BYTES = 1 << 20  # of one request: what the controls hold is a few thousand
HEAD_S = 20.0  # within which a connection asks: who only holds it open takes a place from the page
# a browser opens six to one server; each takes a file's number, of which a process has few
MOST_CONNECTIONS = 128

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEADERS = {
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"x-content-type-options": b"nosniff",
    b"cross-origin-resource-policy": b"same-origin",
}


class Guard:
    """Lets through what comes from this start's own page; answers everything else itself, and closes every websocket.

    Args:
        app: the ASGI application behind it.
        port: where it is served.
        token: the first part of every path.
        names: under which this machine is reached.
        public: the address at which a proxy offers this server, if one does; its path may have been taken off or not.
    """

    def __init__(
        self,
        app: App,
        port: int,
        token: str,
        *,
        names: Iterable[str] = (HOST, "localhost"),
        public: str = "",
    ) -> None:
        self._app, self._token = app, token
        self.hosts = {h for name in names for h in _hosts(name, port, "http")}
        self.origins = {f"http://{h}" for h in self.hosts}
        outside = urlsplit(public)
        self._base = outside.path.rstrip("/")
        if outside.hostname:
            named = _hosts(outside.hostname, outside.port, outside.scheme)
            self.hosts |= named
            self.origins |= {f"{outside.scheme}://{h}" for h in named}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on or refuse."""
        kind = scope["type"]
        if self._base and scope.get("path", "").startswith(f"{self._base}/"):
            scope = {**scope, "path": scope["path"].removeprefix(self._base)}
        if kind == "websocket":  # closed before it is accepted, it is answered with 403
            await send({"type": "websocket.close", "code": 1008})
        elif kind != "http":
            await self._app(scope, receive, send)
        elif (refused := self._refusal(scope)) is not None:
            await _deny(send, *refused)
        else:
            try:
                await self._app(scope, receive, _with_headers(send))
            except Exception as error:  # answered with 500
                print(
                    f"diracgan: {scope['path'].rpartition('/')[2] or 'page'}: {one_line(error)}",
                    file=sys.stderr,
                )
                raise

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Why a request is not this start's own page's: the HTTP status and one line; None where it is."""
        headers = [(k.lower(), v.decode("latin-1")) for k, v in scope["headers"]]
        hosts, origins = ([v for k, v in headers if k == name] for name in (b"host", b"origin"))
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return 421, f"this server answers to {' and '.join(sorted(self.hosts))} alone"
        if any(o.lower() not in self.origins for o in origins):
            return 403, "pages of other origins are not let in"
        first = scope["path"].split("/")[1] if "/" in scope["path"] else ""
        if not secrets.compare_digest(first.encode(), self._token.encode()):
            return (
                403,
                "open the whole address that `diracgan explore` printed: it ends in this start's token",
            )
        if scope.get("method") not in ("GET", "HEAD", "OPTIONS", None):
            sizes = [v for k, v in headers if k in (b"content-length", b"transfer-encoding")]
            if len(sizes) != 1 or not sizes[0].isdigit() or int(sizes[0]) > MOST_BYTES:
                return 413, f"a request's body has at most {MOST_BYTES} bytes, and says how many"
        return None


def _hosts(name: str, port: int | None, scheme: str) -> set[str]:
    """The Host headers that name a server: browsers leave out the port that the scheme has by default."""
    name, default = in_address(name), 443 if scheme == "https" else 80
    return {f"{name}:{port or default}".lower()} | ({name.lower()} if port in (None, default) else set())


def in_address(name: str) -> str:
    """A host as addresses write it: a number of IPv6 in brackets.

    Example:
        >>> in_address("::1"), in_address("localhost")
        ('[::1]', 'localhost')
    """
    return f"[{name}]" if ":" in name else name


async def _deny(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _with_headers(send: Send) -> Send:
    async def sent(message: Any) -> None:
        if message["type"] == "http.response.start":
            kept = [(k, v) for k, v in message.get("headers", ()) if k.lower() not in _HEADERS]
            kept = [(k, v) for k, v in kept if not k.lower().startswith(b"access-control-")]
            message = {**message, "headers": [*kept, *_HEADERS.items()]}
        await send(message)

    return sent


def guarded(port: int, token: str, **about: Any) -> Guard:
    """The explorer behind its guard, at ``/TOKEN/``; ``about`` is ``names`` and ``public`` of :class:`Guard`."""
    from .served import Explorer, page_text

    whole = functools.cache(page_text)  # a page that is loaded again is sent at once
    return Guard(Explorer(whole, base=f"/{token}"), port, token, **about)


def prompt_protocol() -> type[asyncio.Protocol]:
    """What uvicorn reads requests by, so that connections which ask nothing keep nobody out.

    One is closed that asks nothing for :data:`HEAD_S` or a little more (uvicorn itself waits for the end of a
    request for ever), and beyond :data:`MOST_CONNECTIONS` the oldest that is given no answer.
    """
    from uvicorn.protocols.http.auto import AutoHTTPProtocol  # pyright: ignore[reportMissingImports]

    base: Any = AutoHTTPProtocol  # declared as asyncio's, without what it keeps of a connection

    class Prompt(base):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            held[self] = None
            if len(held) > MOST_CONNECTIONS:
                out = next(c for c in held if c._idle())
                del held[out]
                out.transport.abort()
            self.loop.call_later(HEAD_S, self._look, (None, False))

        def connection_lost(self, exc: Exception | None) -> None:
            held.pop(self, None)
            super().connection_lost(exc)

        def _asks(self) -> tuple[Any, bool]:
            """The request that came last, and whether more of it is to come."""
            return self.cycle, self.cycle is not None and self.cycle.more_body

        def _idle(self) -> bool:
            """Whether no answer is on its way: nothing was asked, all of it is answered, or the rest never comes."""
            last, unfinished = self._asks()
            return last is None or last.response_complete or unfinished

        def _look(self, before: object) -> None:
            idle, now = self._idle(), self._asks()
            if idle and now == before:  # nothing has been asked since the last look
                self.transport.close()
            elif not self.transport.is_closing():
                # an answer that is under way is no mark, so that after its end the next request has a whole while
                self.loop.call_later(HEAD_S, self._look, now if idle else None)

    held: dict[Prompt, None] = {}  # oldest first
    return Prompt


def serve(port: int, browser: bool = True, host: str = HOST, public: str = "") -> None:
    """Serve the explorer until the process is told to stop.

    Args:
        port: a free one.
        browser: whether to open the page.
        host: the name or number under which this machine listens; 0.0.0.0 for all of them.
        public: the address at which a proxy or a tunnel offers it, if one does.
    """
    import socket
    import threading
    import time
    import webbrowser

    import uvicorn  # pyright: ignore[reportMissingImports]

    from .served import load_soon

    token = secrets.token_urlsafe(24)
    everywhere = host in ("0.0.0.0", "::")
    names = {HOST, "::1", "localhost", *([socket.gethostname(), socket.getfqdn()] if everywhere else [host])}
    at = public.rstrip("/") or f"http://{in_address(socket.gethostname() if everywhere else host)}:{port}"
    address = f"{at}/{token}/"
    config = uvicorn.Config(
        guarded(port, token, names=names, public=public),
        host,
        port,
        log_level="critical",  # it would print what is cancelled at the end with all its frames
        access_log=False,
        ws="none",
        http=prompt_protocol(),
        timeout_graceful_shutdown=1,
        backlog=MOST_CONNECTIONS,  # so many are accepted before the first of them is counted
    )
    server = uvicorn.Server(config)

    def started() -> None:
        while not server.started:
            time.sleep(0.01)
        print(address, flush=True)  # only now can it be opened
        if browser:
            webbrowser.open(address)
        time.sleep(_LOAD_AFTER_S)
        load_soon()

    threading.Thread(target=started, daemon=True).start()
    server.run()
