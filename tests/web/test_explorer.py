"""The explorer: its state goes to the address and back, its commands and code are exact, bad values are named."""

from __future__ import annotations

import shlex
import socket
import sys

import numpy as np
import pytest

from diracgan.errors import InputError
from diracgan.web import live
from diracgan.web.controls import catalogue, read, spec, state
from diracgan.web.scene import (
    EFFORT,
    Scene,
    answers,
    code,
    command,
    data,
    judged,
    picture,
    query,
    scene,
    table,
)

SCENES = [
    Scene(),
    Scene(variants=("ns:r1=0.3", "wgan-gp:lam=0.5,c=0"), phi0=(1.0,), theta0=(-0.5,), length=12.5),
    Scene(variants=("gan-qp",), rule="alternating:lr=0.2,n_critic=2", length=60.0),
    Scene(variants=("ns", "ns:r1=0.123456789"), phi0=(0.123456789,), theta0=(1.0,), length=5.0),
]


@pytest.mark.parametrize("shown", SCENES)
def test_the_address_and_the_controls_lead_back(shown):
    assert scene(query(shown)) == shown
    back, wrong = read(state(shown))
    assert wrong == {}
    assert back is not None and scene(query(back)) == back
    assert (back.rule, back.phi0, back.theta0, back.length) == (
        shown.rule,
        shown.phi0,
        shown.theta0,
        shown.length,
    )
    assert [v.partition(":")[0] for v in back.variants] == [v.partition(":")[0] for v in shown.variants]


@pytest.mark.parametrize("shown", [*(pytest.param(s, marks=pytest.mark.slow) for s in SCENES[:2]), SCENES[2]])
def test_command_and_code_compute_what_is_shown(shown, cli, folder):
    found = answers(shown)
    said = [cli(*shlex.split(line)[1:]) for line in command(shown).splitlines()]
    assert all(status == 0 for status, _, _ in said)
    words = " ".join(" ".join(out for _, out, _ in said).split())
    if len(shown.variants) == 1:
        assert judged(shown) in words and found[0][2].text in words
    space: dict[str, object] = {}
    exec(code(shown), space)
    last = found[-1][1]
    for name in ("phi", "theta"):
        here = np.asarray(space["traj"][name])[-1]  # type: ignore[index]
        np.testing.assert_allclose(here, np.asarray(last[name])[-1], rtol=1e-4, atol=1e-6)
    assert space["s"].status == found[-1][2].status  # type: ignore[attr-defined]
    lines = data(shown, found).splitlines()
    assert len(lines) == 1 + sum(len(np.asarray(t["time"])) for _, t, _ in found)
    assert len(picture(shown, found).axes) >= len(found)
    sizes = [np.linalg.norm(np.asarray(last[n])[-1]) for n in ("phi", "theta")]
    assert [
        float(x.split(" = ")[1]) for x in table(found)[-1]["end"].replace("−", "-").split(", ")
    ] == pytest.approx(sizes, rel=1e-3)


def test_the_command_names_the_file_of_a_users_variant(folder, monkeypatch, cli):
    from diracgan.variants import VARIANTS
    from diracgan.web.controls import FILES, load_files

    monkeypatch.setattr(VARIANTS, "entries", dict(VARIANTS.entries))
    (folder / "my loss.py").write_text(
        "import jax.numpy as jnp, diracgan as dg\n"
        "@dg.register('my-wgan')\n"
        "class Mine(dg.Variant):\n"
        "    def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake) - jnp.mean(real)\n"
        "    def generator_loss(self, real, fake, x_real, x_fake): return -jnp.mean(fake)\n"
    )
    assert read({**state(Scene()), "variants": [{"name": "my-wgan", "typed": {}}]})[0] is None
    monkeypatch.setenv(FILES, str(folder / "my loss.py"))
    load_files()
    shown, wrong = read(
        {**state(Scene(length=3.0)), "variants": [{"name": "my-wgan", "typed": {"l2": "0.1"}}]}
    )
    assert shown is not None and wrong == {}
    first = shlex.split(command(shown).splitlines()[0])
    assert f"{folder / 'my loss.py'}:my-wgan:l2=0.1" in first
    assert cli(*first[1:])[0] == 0
    assert "my-wgan" in catalogue()["variants"]
    sys.modules.pop("my loss", None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"v": "nss"}, "did you mean 'ns'"),
        ({"v": "my.py:loss"}, "unknown variant 'my.py'"),
        ({"v": "os.path:join"}, "unknown variant 'os.path'"),
        ({"v": "ns;" * 5}, "5 variants; allowed: 1 to 4"),
        ({"v": "ns:r1=-1"}, "r1 = -1"),
        ({"v": "ns:r1"}, "not a setting"),
        ({"rule": "adamm"}, "did you mean 'adam'"),
        ({"rule": "alternating:lr=0"}, "lr = 0"),
        ({"phi0": "nan", "theta0": "1"}, "not finite"),
        ({"phi0": "1e9", "theta0": "1"}, "out of range"),
        ({"phi0": "1,2,3", "theta0": "1,2,3"}, "3 numbers; allowed: 1 or 2"),
        ({"phi0": "1"}, "as many"),
        ({"length": "1e9"}, "out of range"),
        ({"v": "ns:r1=1e7"}, "r1 = 10000000 is too much for this page"),
        ({"v": "ns:" + "r1=0.1," * 400}, "letters of settings"),
        ({"rule": "alternating:n_critic=4000000000"}, "n_critic = 4000000000 is too large"),
        ({"rule": "simultaneous:lazy=101"}, "lazy = 101 is too much"),
        ({"rule": "alternating:n_critic=100", "length": "20000"}, "allowed: at most 4000 steps"),
        ({"rule": "lookahead:k=100", "length": "5000"}, "5000 steps of 100 updates"),
        ({"rule": "lookahead:inner=adam"}, "unknown parameter of lookahead in the page 'inner'"),
    ],
)
def test_a_bad_address_is_said_in_one_line(given, said):
    with pytest.raises(InputError, match=said.replace("(", r"\(")) as error:
        scene(given)
    assert "\n" not in str(error.value)


def typed(name="ns", rule="flow", moved=None, **fields):
    own = {k: fields.pop(k) for k in list(fields) if k not in ("phi0", "theta0", "length")}
    return {
        **state(Scene()),
        **fields,
        "variants": [{"name": name, "typed": own}],
        "rule": {"name": rule, "typed": moved or {}},
    }


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        (typed(r1="-1"), "0.r1", "r1 = -1 is out of range"),
        (typed(r1="x"), "0.r1", "x"),
        (typed(r1=""), "0.r1", "r1 needs a value"),
        (typed("nss"), "0", "did you mean 'ns'"),
        (typed("my.py:loss"), "0", "unknown variant 'my.py:loss'"),
        (typed("gan-qp", norm="l3"), "0.norm", "l3"),
        (typed(rr1="1"), "0", "unknown parameter of ns 'rr1'"),
        (typed(rule="alternating", moved={"lr": "0"}), "rule.lr", "lr = 0"),
        (typed(rule="alternating", moved={"n_critic": "1.5"}), "rule.n_critic", "1.5"),
        (typed(rule="newton"), "rule", "unknown rule 'newton'"),
        (typed(phi0="1,2,3"), "phi0", "3 numbers"),
        (typed(phi0="1"), "theta0", "as many"),
        (typed(theta0="1,"), "theta0", "theta0"),
        (typed(length="-3"), "length", "end time = -3"),
        (typed(length=""), "length", "end time needs a value"),
        (typed(length="2.5", rule="adam"), "length", "2.5"),
        (typed(rule="alternating", moved={"n_critic": "4e9"}), "rule.n_critic", "4e9"),
        (
            typed(rule="alternating", moved={"n_critic": "101"}),
            "rule.n_critic",
            "is too much for this page",
        ),
        (
            typed(rule="alternating", moved={"n_critic": "100"}, length="20000"),
            "length",
            "at most 4000 steps",
        ),
        (typed(r1="1e300"), "0.r1", "too much for this page"),
        ({**state(Scene()), "variants": "ns"}, "0", "not a state of its controls"),
        ({**state(Scene()), "variants": [7]}, "0", "not a state of its controls"),
        ({**state(Scene()), "rule": {"name": "adam", "typed": [1]}}, "0", "not a state of its controls"),
    ],
)
def test_a_bad_value_is_named_beside_its_field(given, field, said):
    shown, wrong = read(given)
    assert shown is None
    assert list(wrong) == [field]
    assert said in wrong[field] and "\n" not in wrong[field]


def test_controls_say_only_what_differs():
    assert spec("ns", {"l2": 0.0, "r1": 0.30000000000000004, "noise": 0.0}) == "ns:r1=0.3"
    assert spec("wgan-gp", {"lam": 0.1, "c": 0.0, "one_sided": True}) == "wgan-gp:c=0,one_sided=True"


def test_every_slider_holds_its_default_and_every_field_its_parameter():
    both = catalogue()
    for fields in [*both["variants"].values(), *both["rules"].values()]:
        assert len({f["name"] for f in fields}) == len(fields)
        for f in fields:
            if f["kind"] in ("number", "integer") and f["default"] != "":
                assert f["min"] <= float(f["default"]) <= f["max"], f


@pytest.mark.slow
def test_a_real_gan_runs_beside_its_prediction():
    """Plain steps of networks start as the Dirac game does: same place, and the same first turn."""
    last = [*live.progress_of(Scene(variants=("ns",)), steps=100, pause=0.0)][-1]
    assert last.text.startswith("Step 100 of 100")
    assert len(last.path) == len(last.predicted) == 21
    np.testing.assert_allclose(last.path[0], last.predicted[0], atol=1e-6)
    moved = last.path[4] - last.path[0]
    expected = last.predicted[4] - last.predicted[0]
    # the first turn; what it differs by is the networks' curvature, which the linear players have not
    assert np.linalg.norm(moved - expected) < 0.25 * np.linalg.norm(expected)
    assert len(live.picture(last).axes) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "port = 70000 is too large"),
        (["--file", "gone.py"], "'gone.py' is not a file"),
    ],
)
def test_bad_input_is_one_line(cli, words, said):
    pytest.importorskip("marimo", reason="the extra explore is not installed")
    code_, out, err = cli("explore", *words)
    assert (code_, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_port_that_is_taken_is_said_in_one_line(cli):
    pytest.importorskip("marimo", reason="the extra explore is not installed")
    pytest.importorskip("anywidget", reason="the extra explore is not installed")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        status, out, err = cli("explore", "--no-browser", "--port", other.getsockname()[1])
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "cannot be had" in err


@pytest.mark.slow
def test_the_page_runs_and_shows_what_its_controls_say():
    pytest.importorskip("marimo", reason="the extra explore is not installed")
    pytest.importorskip("anywidget", reason="the extra explore is not installed")
    from diracgan.web import page

    _, names = page.app.run()
    here = names["here"]
    assert here.shown == Scene() and here.page.answer["wrong"] == {}
    assert here.page.png.startswith(b"\x89PNG")
    here.judge(here.page.state)
    assert here.page.verdicts == [judged(Scene())] and EFFORT < 1
