"""The page as it is served: what it asks of Python, who may ask, and what else is there."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from diracgan.cli.app import main
from diracgan.errors import InputError
from diracgan.web import limits, live, served
from diracgan.web.served import Explorer, answered
from diracgan.web.server import Guard

TOKEN = "t0ken-of-this-start"
START = {"rule": {"name": "flow"}, "phi0": "0.1", "theta0": "0.2", "length": "40"}


def state(name="ns", **typed):
    return {"variants": [{"name": name, "typed": typed}], **START}


def asked(path, body=b"", method="GET", host="127.0.0.1:8000", origin=None, **about):
    """Status and body of what the guarded explorer answers."""
    about.setdefault("app", Explorer(lambda: "the page", f"/{TOKEN}"))
    guard = Guard(about.pop("app"), 8000, TOKEN, **about)
    named = [("host", host), ("content-length", str(len(body)))] + ([("origin", origin)] if origin else [])
    scope = {
        "type": "http",
        "path": path,
        "method": method,
        "headers": [(k.encode(), v.encode()) for k, v in named],
    }
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": body}

    asyncio.run(guard(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


def question(**given):
    return json.dumps(given).encode()


def test_the_page_is_at_the_root_and_loads_nothing_else():
    assert asked(f"/{TOKEN}/") == (200, b"the page")
    assert asked(f"/{TOKEN}/nothing")[0] == 404
    assert asked(f"/{TOKEN}/ask")[0] == 404  # only questions are answered


@pytest.mark.parametrize(
    ("path", "how"),
    [
        (f"/{TOKEN}/ask", {"origin": "http://evil.example"}),
        (f"/{TOKEN}/ask", {"host": "evil.example:8000"}),
        (f"/{TOKEN}/train", {"origin": "null"}),
        ("/ask", {}),
        (f"/{TOKEN[:-1]}/ask", {}),
    ],
)
def test_strangers_ask_nothing(path, how):
    code, body = asked(path, question(what="verdict", state=state()), "POST", **how)
    assert code in (403, 421) and b"lines" not in body


def test_a_verdict_is_the_commands():
    code, body = asked(f"/{TOKEN}/ask", question(what="verdict", state=state(r1="0.3")), "POST")
    assert code == 200
    assert json.loads(body)["lines"][0].startswith("converges to the equilibrium like exp(−0.15 t)")


def test_thresholds_are_where_stability_changes():
    """Simultaneous steps on ns with R1: |mu| = 1 at h = 4 gamma, and mu = -1 at gamma = (4 + h^2/4)/(2 h)."""
    given = {**state(r1="0.1"), "rule": {"name": "simultaneous", "typed": {"lr": "0.2"}}}
    found = answered({"what": "thresholds", "parameter": "r1", "state": given})
    assert found["lines"] == [
        "stability changes at γ = 0.05: unstable below, stable above; γ = 10.025: stable below, unstable above"
    ]
    wrong = answered({"what": "thresholds", "parameter": "r", "state": given})
    assert "r1" in wrong["lines"][0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (question(what="verdict", state=state("nss")), "did you mean 'ns'"),
        (question(what="verdict", state=state("/etc/passwd.py:ns")), "unknown variant"),
        (question(what="verdict", state=state(r1="-1")), "out of range"),
        (question(what="verdict", state=state(r1="1e300")), "too much for this page"),
        (question(what="nothing", state=state()), "allowed: verdict, thresholds, picture, numbers"),
        (question(what="verdict", state=[1]), "not a state"),
        (b"[]", "not a question"),
        (b"{", "that is not JSON"),
        (b"\xff", "that is not JSON"),
        (b'{"what": ' + b"9" * 5000 + b"}", "that is not JSON"),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "nested too deeply"),
    ],
)
def test_bad_questions_are_answered_in_one_line(given, said):
    code, body = asked(f"/{TOKEN}/ask", given, "POST")
    assert code == 200 and said in json.loads(body)["error"] and "\n" not in json.loads(body)["error"]


def test_an_answer_that_recurs_without_end_is_not_blamed_on_the_question():
    def endless(given):
        return endless(given)

    said = served._guarded(endless, b"{}")["error"]
    assert "recursion" in said and "nested" not in said


def test_a_question_that_is_taken_back_ends(monkeypatch):
    from diracgan.web import limits, scene

    def endless(*_):
        while True:
            time.sleep(0.01)

    async def left():
        said = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

        async def receive():
            return said.pop(0)

        async def send(message):
            sent.append(message)

        await Explorer(lambda: "the page")({"type": "http", "path": "/ask", "method": "POST"}, receive, send)

    monkeypatch.setattr(scene, "judged", endless)
    body, sent = question(what="verdict", state=state()), []
    asyncio.run(asyncio.wait_for(left(), 30))
    assert json.loads(sent[1]["body"])["lines"] == ["cancelled"]
    assert not any(thread.is_alive() for thread in limits._running)


def test_behind_a_proxy_its_address_is_let_in_with_and_without_its_path():
    public = "https://hub.example/user/me/proxy/8000"
    own = {"host": "hub.example", "origin": "https://hub.example", "public": public}
    assert asked(f"/user/me/proxy/8000/{TOKEN}/", **own)[0] == 200
    assert asked(f"/{TOKEN}/", **own)[0] == 200
    assert asked("/user/me/proxy/8000/", **own)[0] == 403
    assert asked(f"/{TOKEN}/", host="hub.example", origin="http://hub.example", public=public)[0] == 403
    assert asked(f"/{TOKEN}/", host="hub.example.evil", public=public)[0] == 421


@pytest.mark.parametrize(
    ("words", "why"),
    [
        *(
            (["--base-url", wrong], "begins with http")
            for wrong in ("hub/x", "http://", "https://[", "http://h:x")
        ),
        (["--base-url", "http://hub/x?y=1"], "without ? and #"),
        *(
            (["--host", wrong], f"host = {wrong!r}")
            for wrong in ("no.such.host.invalid", "192.0.2.1", "x" * 64)
        ),
    ],
)
def test_bad_addresses_are_one_line(words, why, capsys):
    pytest.importorskip("uvicorn", reason="the extra explore is not installed")
    assert main(["explore", "--no-browser", *words]) == 2
    assert why in capsys.readouterr().err


def test_the_page_is_written_once_for_what_it_is_made_from(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(served, "shipped", lambda: None)  # as where the package was changed
    made = []
    monkeypatch.setattr(served, "_made", lambda: made.append(1) or f"page {len(made)}")
    assert [served.page_text(), served.page_text()] == ["page 1", "page 1"]
    monkeypatch.setattr(served, "_key", lambda: "of other sources")
    assert served.page_text() == "page 2"


@pytest.mark.slow  # fast, without a browser: test_a_verdict_is_the_commands
def test_the_served_page_says_what_truly_happens(tmp_path):
    """In a browser, from a second start on: the picture at once, the verdict without holding a move up."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="the extra explore-test is not installed")
    pytest.importorskip("uvicorn", reason="the extra explore is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium is installed")
    process = subprocess.Popen(
        [sys.executable, "-m", "diracgan", "explore", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        for _ in range(240):
            try:
                urllib.request.urlopen(address, timeout=300).read()
                break
            except OSError:
                time.sleep(0.25)
        with sync_api.sync_playwright() as driver:
            shown = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
            tab = shown.new_page(viewport={"width": 1366, "height": 768}, reduced_motion="reduce")
            wrong = []
            tab.on("pageerror", lambda e: wrong.append(str(e)))
            tab.goto(f"{address}#v=ns:r1=0.3&d=1&z=0.1,0.2&show=field,trail")
            tab.wait_for_selector("#planes canvas", timeout=60_000)
            tab.wait_for_selector("#verdicts :text('exp(−0.15 t)')", timeout=120_000)
            tab.select_option("#turned", "r1")
            tab.click("text=Find thresholds")
            tab.wait_for_selector("#thresholds :text('γ = 0')", timeout=120_000)
            tab.evaluate("() => { location.hash = '#v=wgan-linear&d=1&z=0.1,0.2&show=field'; }")
            tab.wait_for_selector("#verdicts :text('orbit')", timeout=120_000)
            assert wrong == []
            shown.close()
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_thresholds_and_verdicts_are_of_the_datum_that_is_shown():
    """A datum a damps the critic by a multiple of a^2, so that steps of h = 0.5 need less of R1 than 0.125."""
    import diracgan as dg

    moved = state(r1="0.3") | {"rule": {"name": "simultaneous", "typed": {"lr": "0.5"}}, "x0": "1.5"}
    moved["length"] = "100"
    found = dg.critical(dg.variant("ns"), "r1", rule=dg.rule("simultaneous", lr=0.5), dim=1, x0=[1.5])
    usual = answered({"what": "thresholds", "parameter": "r1", "state": {**moved, "x0": "0"}})["lines"][0]
    there = answered({"what": "thresholds", "parameter": "r1", "state": moved})["lines"][0]
    assert "0.125" in usual and "0.125" not in there
    assert all(f"{t.value:.6g}"[:6] in there for t in found.thresholds)
    with pytest.raises(InputError, match="x0 has 2 numbers; allowed: 1"):
        answered({"what": "verdict", "state": {**moved, "x0": "1,2"}})
    with pytest.raises(InputError, match="x0 = 0"):
        served.LiveTraining().asked({"do": "start", "state": moved})


def training_without_an_end(monkeypatch, do):
    """What a page is told last of a real GAN that compiles for ever, once it has sent ``do``."""
    entered = threading.Event()

    def compiling(shown):
        entered.set()
        while True:
            sum(range(100))
            if not shown:
                yield

    monkeypatch.setattr(live, "progress_of", compiling)
    training = served.LiveTraining()
    assert training.asked({"do": "start", "state": state(r1="0.3")})["running"]
    assert entered.wait(60)
    if do:
        training.asked({"do": do})
    end = time.monotonic() + 60
    while training._now["running"] and time.monotonic() < end:
        time.sleep(0.02)
    return training.asked({"do": "look"})


def test_a_real_gan_that_compiles_can_be_stopped(monkeypatch):
    assert training_without_an_end(monkeypatch, "stop") == {"running": False, "text": "cancelled", "png": ""}


def test_a_real_gan_at_which_no_page_looks_ends(monkeypatch):
    monkeypatch.setattr(limits, "UNSEEN_S", 0.2)
    assert not training_without_an_end(monkeypatch, "")["running"]
