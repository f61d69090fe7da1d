"""The page as ``diracgan explore`` serves it, with the answers that need Python.

The page draws by itself and asks when a move has ended; nothing that is asked holds a move up. The page is sent before
JAX is imported, which a thread does meanwhile.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import hashlib
import importlib
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..errors import InputError, one_line
from ..files import forget_oldest, user_cache, write_text
from . import limits
from .shipped import FILES, shipped


class Explorer:
    """An ASGI application: ``/`` the page, ``/ask`` and ``/train`` what it asks.

    Args:
        page: the text of the page, made when it is asked for.
        base: what every path begins with.
    """

    def __init__(self, page: Callable[[], str], base: str = "") -> None:
        self._page, self._base = page, base
        self._training = LiveTraining()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _alive(receive, send)
            return
        path = scope["path"].removeprefix(self._base)
        if path == "":  # what the page asks is relative to the address that ends in /
            where = f"{self._base.rpartition('/')[2]}/".encode()
            await _send(send, 307, "text/plain; charset=utf-8", b"", (b"location", where))
        elif path == "/" and scope["method"] in ("GET", "HEAD"):
            text = await asyncio.to_thread(self._page)
            await _send(send, 200, "text/html; charset=utf-8", text.encode())
            load_soon()
        elif path in ("/ask", "/train") and scope["method"] == "POST":
            given, gone = await _body(receive), threading.Event()
            answer = functools.partial(answered, gone=gone.is_set) if path == "/ask" else self._training.asked
            noticing = asyncio.create_task(_notice(receive, gone))
            said = await asyncio.to_thread(_guarded, answer, given)
            noticing.cancel()
            await _send(send, 200, "application/json", json.dumps(said).encode())
        else:
            await _send(send, 404, "text/plain; charset=utf-8", b"nothing is here")


@functools.cache  # once a process
def load_soon() -> None:
    """Import what the first question needs, while the page is drawn."""

    def load() -> None:
        for needed in ("scene", "controls"):
            importlib.import_module(f"diracgan.web.{needed}")
        from ..analysis import verdict as verdict

    threading.Thread(target=load, daemon=True).start()


def answered(given: Mapping[str, Any], gone: Callable[[], bool] = lambda: False) -> dict[str, Any]:
    """What truly happens in what the page shows, where stability changes, and the same as a picture or as numbers.

    Args:
        given: ``what`` ("verdict", "thresholds", "picture" or "numbers"), ``state`` as
            :func:`diracgan.web.controls.read` takes it, and for thresholds ``parameter``.
        gone: whether nobody waits for the answer any more, which ends the computation.

    Returns:
        ``lines``, one for each variant; or a file: ``name``, ``type`` and its bytes in base 64, ``data``.

    Example:
        >>> state = {"variants": [{"name": "ns", "typed": {"r1": "0.3"}}], "rule": {"name": "flow"}}
        >>> start = {"phi0": "0.1", "theta0": "0.2", "length": "40"}
        >>> answered({"what": "verdict", "state": {**state, **start}})["lines"][0].split(";")[0]
        'converges to the equilibrium like exp(−0.15 t)'
    """
    from . import scene

    shown = _scene(given)
    count, x0 = range(len(shown.variants)), _datum(given["state"], shown.dim)
    what = given.get("what")
    if what == "verdict":
        return {"lines": [_line(lambda k=k: scene.judged(shown, k, x0), gone) for k in count]}
    if what in ("picture", "numbers"):
        return limits.limited(lambda: _file(shown, what), limits.ANSWER_S, gone)
    if what == "thresholds":
        name = str(given.get("parameter"))
        return {
            "lines": [
                _line(lambda k=k: _with_symbol(scene.thresholds(shown, k, name, x0), name), gone)
                for k in count
            ]
        }
    raise InputError(f"what = {what!r}; allowed: verdict, thresholds, picture, numbers")


def _with_symbol(text: str, parameter: str) -> str:
    """A sentence with a parameter's symbol in place of its name."""
    from .programs import SYMBOLS

    return re.sub(rf"(?<!\w){re.escape(parameter)}(?!\w)", SYMBOLS.get(parameter, parameter), text)


_drawing = threading.Lock()  # matplotlib's settings and its parser of formulas belong to the whole process


def _file(shown: Any, what: str) -> dict[str, str]:
    from ..plotting.saving import png
    from . import scene

    if what == "numbers":
        name, kind, content = "diracgan.csv", "text/csv", scene.data(shown).encode()
    else:
        found = scene.answers(shown)
        with _drawing:
            name, kind, content = "diracgan.png", "image/png", png(scene.picture(shown, found), dpi=200)
    return {"name": name, "type": kind, "data": base64.b64encode(content).decode()}


def _scene(given: Mapping[str, Any]) -> Any:
    """What the page shows, every name and number checked; no file is opened for it."""
    from .controls import read

    state = given.get("state")
    shown, wrong = read(state) if isinstance(state, dict) else (None, {})
    if shown is None:
        raise InputError(next(iter(wrong.values()), "that is not a state of the page"))
    return shown


def _datum(state: Mapping[str, Any], dim: int) -> tuple[float, ...]:
    from .scene import start_of

    x0 = start_of("x0", state["x0"]) if "x0" in state else (0.0,) * dim
    if len(x0) != dim:
        raise InputError(f"x0 has {len(x0)} numbers; allowed: {dim}")
    return x0


def _line(work: Callable[[], str], gone: Callable[[], bool]) -> str:
    try:
        return limits.limited(work, limits.VERDICT_S, gone)
    except InputError as error:
        return str(error)


def _guarded(answer: Callable[[Mapping[str, Any]], dict[str, Any]], body: bytes) -> dict[str, Any]:
    """An answer, or one line on what is wrong: whatever a user's loss does, the page goes on."""
    try:
        return answer(_question(body))
    except InputError as error:
        return {"error": str(error)}
    except Exception as error:
        return {"error": one_line(error)}


def _question(body: bytes) -> Mapping[str, Any]:
    try:
        given = json.loads(body)
    except RecursionError:
        raise InputError("that is nested too deeply for a question of the page") from None
    except ValueError:  # other bytes, or an integer of more digits than Python reads
        raise InputError("that is not JSON, in which the page asks") from None
    if not isinstance(given, dict):
        raise InputError("that is not a question of the page")
    return given


class LiveTraining:
    """The one real GAN that trains for this page."""

    def __init__(self) -> None:
        self._now: dict[str, Any] = {"running": False, "text": "", "png": ""}
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._seen = time.monotonic()

    def asked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Start, stop, or say how far it has come: ``do`` is "start", "stop" or "look"."""
        self._seen = time.monotonic()
        if given.get("do") == "stop":
            self._stop.set()
        elif given.get("do") == "start":
            shown = _scene(given)
            if any(_datum(given["state"], shown.dim)):
                raise InputError("a real GAN trains here on the datum x0 = 0; allowed: x0 = 0")
            with self._lock:
                if self._now["running"]:
                    raise InputError("a GAN is being trained; stop it first")
                self._stop = threading.Event()
                self._now = {"running": True, "text": "Compiling …", "png": ""}
                run = (shown, self._now, self._stop)
                threading.Thread(target=self._train, args=run, daemon=True).start()
        return dict(self._now)

    def _train(self, shown: Any, now: dict[str, Any], stop: threading.Event) -> None:
        """Train, with what there is to see kept in ``now``, until ``stop`` is set, its time is over or nobody looks.

        Compiling may take a minute, and is interrupted as well.
        """

        def unwanted() -> bool:
            return stop.is_set() or time.monotonic() - self._seen > limits.UNSEEN_S

        try:
            limits.limited(lambda: _followed(shown, now), limits.LIVE_S, unwanted)
        except InputError as error:
            now["text"] = f"Stopped. {now['text']}" if now["png"] else str(error)
        except Exception as error:  # whatever a user's loss does, the page goes on
            now["text"] = one_line(error)
        now["running"] = False


def _followed(shown: Any, now: dict[str, Any]) -> None:
    from ..plotting.saving import png
    from . import live

    with contextlib.closing(live.progress_of(shown)) as run:
        for seen in run:
            with _drawing:
                picture = base64.b64encode(png(live.picture(seen))).decode()
            now.update(text=seen.text, png=picture)


# ---------------- the page's text


def page_text() -> str:
    """The page with every registered variant that runs in it.

    It is put together from what is shipped; from the user's cache where files of theirs, or changes to the package, are
    in it and nothing has changed since.
    """
    from .bundle import assembled

    if not os.environ.get(FILES) and (known := shipped()) is not None:
        return assembled(known["variants"].values(), known, served=True)
    cache = user_cache("page")
    if cache is None:
        return _made()
    kept = cache / f"{_key()}.html"
    with _writing:  # who asks meanwhile waits for the same page
        with contextlib.suppress(OSError):
            return kept.read_text(encoding="utf-8")
        text = _made()
        _keep(kept, text)
    return text


_writing = threading.Lock()


def _keep(kept: Path, text: str) -> None:
    """Keep a page for the next start, and forget the oldest."""
    with contextlib.suppress(OSError, InputError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        forget_oldest(kept.parent, "*.html", 4)
        write_text(str(kept), text)


def _made() -> str:
    from ..variants import parse, variants
    from .bundle import assembled, generated, with_own_rules
    from .controls import load_files
    from .programs import variant_source

    load_files()
    known = shipped()
    if known is None:
        print("diracgan: writing the page, once for this version", file=sys.stderr, flush=True)
        known = generated([])
    own = []
    for name in variants():
        if name not in known["variants"]:
            with contextlib.suppress(
                InputError
            ):  # one that cannot be written as scalar operations stays with Python
                own.append(variant_source(parse(name)))
    return assembled([*own, *known["variants"].values()], with_own_rules(known), served=True)


def _key() -> str:
    """What the page is made from: this package's files, JAX, and the user's files."""
    root = Path(__file__).parents[1]
    sources = [p for p in sorted(root.rglob("*")) if p.suffix in (".py", ".js", ".css", ".html")]
    sources += [Path(p) for p in os.environ.get(FILES, "").split(os.pathsep) if p]
    seen = [f"{p}:{p.stat().st_size}:{p.stat().st_mtime_ns}" for p in sources]
    return hashlib.sha256("\n".join([version("jax"), *seen]).encode()).hexdigest()[:32]


# ---------------- ASGI


async def _alive(receive: Any, send: Any) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


async def _body(receive: Any) -> bytes:
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _notice(receive: Any, gone: threading.Event) -> None:
    """What comes after a request's body is that its sender has left."""
    if (await receive())["type"] == "http.disconnect":
        gone.set()


async def _send(send: Any, status: int, kind: str, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", kind.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
