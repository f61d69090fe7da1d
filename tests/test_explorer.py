"""The explorer: its state goes to the address and back, its commands and code are exact, its page runs."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

from diracgan.errors import InputError
from diracgan.explorer.controls import names, spec, start
from diracgan.explorer.scene import Scene, answers, code, command, data, picture, query, scene

SCENES = [
    Scene(),
    Scene(variants=("ns:r1=0.3", "wgan-gp:lam=0.5,c=0"), phi0=(1.0,), theta0=(-0.5,), length=12.5),
    Scene(variants=("gan-qp",), rule="alternating:lr=0.2,n_critic=2", length=60.0),
]


@pytest.mark.parametrize("shown", SCENES)
def test_the_address_leads_back(shown):
    assert scene(query(shown)) == shown


@pytest.mark.parametrize("shown", [*(pytest.param(s, marks=pytest.mark.slow) for s in SCENES[:2]), SCENES[2]])
def test_command_and_code_compute_what_is_shown(shown, cli, folder):
    found = answers(shown)
    assert cli(*shlex.split(command(shown))[1:], "--out", "a.png")[0] == 0
    space: dict[str, object] = {}
    exec(code(shown), space)
    last = found[-1][1]
    for name in ("phi", "theta"):
        here = np.asarray(space["traj"][name])[-1]  # type: ignore[index]
        np.testing.assert_allclose(here, np.asarray(last[name])[-1], rtol=1e-4, atol=1e-6)
    assert space["s"].status == found[-1][2].status  # type: ignore[attr-defined]
    table = data(shown, found).splitlines()
    assert len(table) == 1 + sum(len(np.asarray(t["time"])) for _, t, _ in found)
    assert len(picture(shown, found).axes) >= len(found)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"v": "nss"}, "did you mean 'ns'"),
        ({"v": "my.py:loss"}, "unknown variant 'my.py'"),
        ({"v": "os.path:join"}, "unknown variant 'os.path'"),
        ({"v": "ns;" * 5}, "5 variants; allowed: 1 to 4"),
        ({"v": "ns:r1=-1"}, "r1 = -1"),
        ({"v": "ns:r1"}, "no setting"),
        ({"rule": "adamm"}, "did you mean 'adam'"),
        ({"rule": "alternating:lr=0"}, "lr = 0"),
        ({"phi0": "nan", "theta0": "1"}, "not finite"),
        ({"phi0": "1e9", "theta0": "1"}, "out of range"),
        ({"phi0": "1,2,3", "theta0": "1,2,3"}, "3 numbers; allowed: 1 or 2"),
        ({"phi0": "1"}, "as many"),
        ({"length": "1e9"}, "out of range"),
    ],
)
def test_a_bad_address_is_said_in_one_line(given, said):
    with pytest.raises(InputError, match=said.replace("(", r"\(")) as error:
        scene(given)
    assert "\n" not in str(error.value)


def test_controls_say_only_what_differs():
    assert spec("ns", {"l2": 0.0, "r1": 0.30000000000000004, "noise": 0.0}) == "ns:r1=0.3"
    assert spec("wgan-gp", {"lam": 0.1, "c": 0.0, "one_sided": True}) == "wgan-gp:c=0,one_sided=True"
    assert names(SCENES[1]) == ["ns", "wgan-gp"]
    assert start({"dim": 1, "points": [[0.123456, -2]]}) == {"phi0": "0.1235", "theta0": "-2"}


@pytest.mark.parametrize(
    ("words", "said"),
    [(["--port", "70000"], "port = 70000 is out of range"), (["--file", "gone.py"], "'gone.py' is no file")],
)
def test_bad_input_is_one_line(cli, words, said):
    pytest.importorskip("marimo", reason="the extra explore is not installed")
    code_, out, err = cli("explore", *words)
    assert (code_, out, err.count("\n")) == (2, "", 1)
    assert said in err


@pytest.mark.slow
def test_the_page_runs_and_shows_what_its_controls_say():
    pytest.importorskip("marimo", reason="the extra explore is not installed")
    pytest.importorskip("anywidget", reason="the extra explore is not installed")
    from diracgan.explorer import page

    _, names_ = page.app.run()
    assert names_["said"] == "" and names_["shown"] == Scene()
    assert "data:image/png" in names_["image"].text


@pytest.mark.slow
def test_the_page_is_served_on_this_machine_alone(folder):
    pytest.importorskip("marimo", reason="the extra explore is not installed")
    words = [sys.executable, "-m", "diracgan", "explore", "--no-browser"]
    served = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        assert served.stdout is not None
        address = served.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        for _ in range(120):
            try:
                with urllib.request.urlopen(address, timeout=5) as answer:
                    assert answer.status == 200
                    assert b"diracgan explorer" in answer.read()
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail("the page did not come up")
    finally:
        served.terminate()
        served.wait(timeout=30)
