"""Attacks on the explorer: pages of other origins, names that resolve to this machine, huge numbers, many questions."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest

from diracgan.cli import explore
from diracgan.errors import InputError
from diracgan.web import limits, server
from diracgan.web.server import MOST_BYTES, Guard

TOKEN = "t0ken-of-this-start"
OWN = "http://127.0.0.1:8000"


def asked(guard, kind="http", path=f"/{TOKEN}/", host="127.0.0.1:8000", origin=None, method="GET", **headers):
    """What the guard answers: the messages that it sends."""
    named = [("host", h) for h in ([host] if isinstance(host, str) else host)]
    named += [] if origin is None else [("origin", origin)]
    named += [(k.replace("_", "-"), str(v)) for k, v in headers.items()]
    scope = {"type": kind, "path": path, "headers": [(k.encode(), v.encode()) for k, v in named]}
    if kind == "http":
        scope["method"] = method
    sent: list[dict] = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    asyncio.run(guard(scope, receive, send))
    return sent


async def page(scope, receive, send):
    """The application behind the guard: it lets in whoever comes, and every origin read what it says."""
    headers = [(b"access-control-allow-origin", b"*"), (b"referrer-policy", b"origin")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"the page"})


@pytest.fixture
def guard():
    return Guard(page, 8000, TOKEN)


def test_the_page_itself_is_let_in(guard):
    for host in ("127.0.0.1:8000", "localhost:8000"):
        for origin in (None, f"http://{host}"):
            start, body = asked(guard, host=host, origin=origin)
            assert (start["status"], body["body"]) == (200, b"the page")
    headers = dict(start["headers"])
    assert headers[b"referrer-policy"] == b"no-referrer"
    assert headers[b"x-frame-options"] == b"DENY"
    assert b"access-control-allow-origin" not in headers
    assert asked(guard, method="POST", origin=OWN, content_length=100)[0]["status"] == 200


def test_a_port_that_browsers_leave_out_is_not_asked_for():
    usual = Guard(page, 80, TOKEN)
    assert asked(usual, host="127.0.0.1", origin="http://127.0.0.1")[0]["status"] == 200
    assert asked(usual, host="evil.example")[0]["status"] == 421
    offered = Guard(page, 8000, TOKEN, public="https://Me@Hub.example:443/x")
    for host in ("hub.example", "hub.example:443"):
        assert asked(offered, host=host, origin="https://hub.example")[0]["status"] == 200
    assert asked(offered, host="hub.example:80")[0]["status"] == 421


STRANGERS = [
    dict(host="evil.example:8000"),  # a name of the attacker's that resolves to this machine
    dict(host="evil.example"),
    dict(host="127.0.0.1"),  # another server of this machine
    dict(host="127.0.0.1:8001"),
    dict(host="127.0.0.1:8000.evil.example"),
    dict(host=[]),
    dict(host=["127.0.0.1:8000", "evil.example"]),
    dict(origin="http://evil.example"),
    dict(origin="null"),  # a sandboxed frame, a file
    dict(origin="http://127.0.0.1:8001"),
    dict(origin="https://127.0.0.1:8000"),
    dict(origin=f"{OWN}.evil.example"),
    dict(origin=f"{OWN}/"),
    dict(path="/"),  # without the token
    dict(path=""),
    dict(path="//"),
    dict(path="/ws"),
    dict(path=f"/{TOKEN[:-1]}/"),
    dict(path=f"/{TOKEN}x/"),
    dict(path=f"/x/{TOKEN}/"),
    dict(path=f"/../{TOKEN}/"),
    dict(path=f"/{TOKEN.upper()}/"),
    dict(path="/t\u00f6ken/"),
]


@pytest.mark.parametrize("attack", STRANGERS, ids=str)
def test_strangers_are_refused(guard, attack):
    sent = asked(guard, **attack)
    assert sent[0]["status"] in (403, 421)
    assert b"the page" not in sent[1]["body"] and TOKEN.encode() not in sent[1]["body"]


def test_there_are_no_websockets(guard):
    assert asked(guard, "websocket", origin=OWN) == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    "size",
    [
        {},
        {"content_length": MOST_BYTES + 1},
        {"content_length": "-1"},
        {"content_length": "5", "transfer_encoding": "chunked"},
    ],
)
def test_a_body_has_a_bound(guard, size):
    assert asked(guard, method="POST", origin=OWN, **size)[0]["status"] == 413


# ---------------- what the page may ask for


def spin(stop=lambda: False):
    while not stop():
        sum(range(100))


def test_a_computation_ends_when_its_time_is_over_or_nobody_waits():
    before = set(threading.enumerate())
    with pytest.raises(InputError, match="longer than 0.1 seconds"):
        limits.limited(spin, 0.1)
    gone = threading.Event()
    threading.Timer(0.1, gone.set).start()
    with pytest.raises(InputError, match="cancelled"):
        limits.limited(spin, 60.0, gone.is_set)
    left = [t for t in set(threading.enumerate()) - before if not isinstance(t, threading.Timer)]
    for thread in left:
        thread.join(5.0)
        assert not thread.is_alive()


def test_no_handler_of_errors_keeps_an_interrupted_computation():
    def stubborn():
        while True:
            with contextlib.suppress(Exception):
                spin()

    with pytest.raises(InputError, match="longer than 0.1 seconds"):
        limits.limited(stubborn, 0.1)


def test_an_error_of_the_computation_itself_is_raised_as_it_is():
    with pytest.raises(ZeroDivisionError):
        limits.limited(lambda: 1 // 0, 5.0)


def test_only_so_many_computations_at_once():
    release, found = threading.Event(), []

    def one():
        try:
            found.append(limits.limited(lambda: spin(release.is_set), 30.0))
        except InputError as error:
            found.append(str(error))

    threads = [threading.Thread(target=one) for _ in range(limits.MOST_AT_ONCE + 2)]
    for t in threads:
        t.start()
    end = time.monotonic() + 10
    while len(found) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert (
        found
        == [f"{limits.MOST_AT_ONCE} computations are running; change something once they have ended"] * 2
    )
    release.set()
    for t in threads:
        t.join()
    assert limits.limited(lambda: 1, 5.0) == 1


# ---------------- the server as it is started


def test_a_host_of_ipv6_is_in_brackets():
    there = Guard(page, 8000, TOKEN, names=["::1"])
    assert there.hosts == {"[::1]:8000"} and there.origins == {"http://[::1]:8000"}
    assert asked(there, host="[::1]:8000", origin="http://[::1]:8000")[0]["status"] == 200
    assert asked(there, host="::1:8000")[0]["status"] == 421


def test_a_free_port_is_found_where_it_is_listened(folder):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("there is no IPv6 here")
    assert 0 < explore._free(0, "::1") < 65_536
    with pytest.raises(InputError, match="is not this machine's"):
        explore._free(0, "a" * 300)


@contextlib.contextmanager
def listening(app):
    """A server in this process that reads requests as the explorer's does; its port."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra explore is not installed")
    with socket.create_server(("127.0.0.1", 0)) as at:
        made = uvicorn.Server(
            uvicorn.Config(app, log_level="critical", ws="none", http=server.prompt_protocol())
        )
        thread = threading.Thread(target=made.run, args=([at],))
        thread.start()
        try:
            yield at.getsockname()[1]
        finally:
            made.should_exit = True
            thread.join()


async def page_for_a_question(scope, receive, send):
    """The page, once all of the request has come."""
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await page(scope, receive, send)


@pytest.mark.parametrize(
    "first", ["", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["at once", "after an answer"]
)
@pytest.mark.parametrize(
    "begun",
    ["GET / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"],
    ids=["head", "body"],
)
def test_a_request_that_never_ends_does_not_hold_its_connection(monkeypatch, first, begun):
    monkeypatch.setattr(server, "HEAD_S", 0.1)
    with (
        listening(page_for_a_question) as port,
        socket.create_connection(("127.0.0.1", port), timeout=60) as link,
    ):
        link.sendall(f"{first}{begun}".encode())
        said = b""
        while more := link.recv(4096):  # until it is closed
            said += more
    assert said.count(b"the page") == bool(first)


def test_an_answer_that_takes_long_is_waited_for(monkeypatch):
    monkeypatch.setattr(server, "HEAD_S", 0.05)

    async def slow(scope, receive, send):
        if scope["type"] == "http":
            await asyncio.sleep(10 * server.HEAD_S)
            await page(scope, receive, send)

    with listening(slow) as port:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(link):
            link.request("GET", "/")
            assert link.getresponse().read() == b"the page"


def test_connections_that_ask_nothing_keep_nobody_out(monkeypatch):
    """Beyond the bound the oldest goes that is given no answer: neither who asks next nor who waits for one."""
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 8)
    come, go_on = threading.Event(), threading.Event()

    async def waits(scope, receive, send):
        if scope["type"] != "http":
            return
        if scope["path"] == "/waits":
            come.set()
            await asyncio.to_thread(go_on.wait, 60)
        await page(scope, receive, send)

    with listening(waits) as port, contextlib.ExitStack() as links:
        waiting = links.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, 60)))
        waiting.request("GET", "/waits")
        assert come.wait(60)
        idle = [
            links.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60)) for _ in range(40)
        ]
        for link in idle[:33]:  # 41 have come, and then one more
            with contextlib.suppress(ConnectionResetError):
                assert link.recv(1) == b""
        own = links.enter_context(contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, 60)))
        own.request("GET", "/")
        assert own.getresponse().read() == b"the page"
        go_on.set()
        assert waiting.getresponse().read() == b"the page"


@pytest.mark.slow  # fast, without a server: test_strangers_are_refused
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_served_page_refuses_strangers(folder, host):
    pytest.importorskip("uvicorn", reason="the extra explore is not installed")
    words = [sys.executable, "-m", "diracgan", "explore", "--no-browser", "--host", host]
    served = subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert served.stdout is not None
        address = urlsplit(served.stdout.readline().strip())
        assert address.hostname == host and address.port

        def get(path, **headers):
            for _ in range(120):
                link = http.client.HTTPConnection(host, address.port, timeout=300)
                try:
                    link.request("GET", path, headers=headers)
                    answer = link.getresponse()
                    return answer.status, answer.read(), dict(answer.getheaders())
                except ConnectionRefusedError:
                    time.sleep(0.25)
                finally:
                    link.close()
            raise AssertionError("the page did not come up")

        status, body, _ = get(address.path)
        assert status == 200 and b"asked of Python" in body
        token = address.path.strip("/").encode()
        assert len(token) >= 32
        attacks = [
            ("/", {}, 403),
            (address.path, {"Host": "evil.example"}, 421),
            (address.path, {"Origin": "http://evil.example"}, 403),
            (f"{address.path}ask", {"Origin": "http://evil.example"}, 403),
            ("/ask", {}, 403),
        ]
        for path, headers, expected in attacks:
            status, body, _ = get(path, **headers)
            assert status == expected, (path, headers)
            assert token not in body
        with contextlib.ExitStack() as slow:  # who begin a question and never end it
            for _ in range(200):
                link = slow.enter_context(socket.create_connection((host, address.port)))
                begun = f"POST {address.path}ask HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 99\r\n\r\n{{"
                link.sendall(begun.encode())
            assert get(address.path)[0] == 200
    finally:
        served.terminate()
        assert served.wait(timeout=30) is not None
