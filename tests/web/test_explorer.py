"""What the page asks of Python: pictures and numbers are exact, bad values are named, no file is opened for it."""

from __future__ import annotations

import socket
import sys

import numpy as np
import pytest

import diracgan as dg
from diracgan.web import live
from diracgan.web.controls import read, spec
from diracgan.web.scene import Scene, answers, data, picture
from diracgan.web.shipped import FILES

USUAL = {
    "variants": [{"name": "ns", "typed": {}}],
    "rule": {"name": "flow"},
    "phi0": "0.1,0.2",
    "theta0": "0.2,0.1",
    "length": "40",
}


def test_picture_and_numbers_are_of_what_is_shown():
    shown = Scene(variants=("gan-qp", "ns:r1=0.123456789"), rule="alternating:lr=0.2,n_critic=2", length=6.0)
    found = answers(shown)
    run = dg.simulate(
        dg.variant("gan-qp"), [0.1, 0.2], [0.2, 0.1], rule=dg.rule("alternating", lr=0.2, n_critic=2), steps=6
    )
    rows = [line.split(",") for line in data(shown, found).splitlines()]
    assert rows[0] == ["variant", "time", "phi_0", "phi_1", "theta_0", "theta_1"]
    assert len(rows) == 1 + 2 * 7
    np.testing.assert_allclose([float(x) for x in rows[7][2:]], [*run.phi[-1], *run.theta[-1]], rtol=1e-12)
    assert len(picture(shown, found).axes) >= 2


def test_a_users_file_loads_from_the_command_line_alone(folder, monkeypatch):
    from diracgan.variants import VARIANTS
    from diracgan.web.controls import load_files

    monkeypatch.setattr(VARIANTS, "entries", dict(VARIANTS.entries))
    (folder / "my loss.py").write_text(
        "import jax.numpy as jnp, diracgan as dg\n"
        "@dg.register('my-wgan')\n"
        "class Mine(dg.Variant):\n"
        "    def critic_loss(self, real, fake, x_real, x_fake): return jnp.mean(fake) - jnp.mean(real)\n"
        "    def generator_loss(self, real, fake, x_real, x_fake): return -jnp.mean(fake)\n"
    )
    mine = {**USUAL, "variants": [{"name": "my-wgan", "typed": {"l2": "0.1"}}]}
    for name in ("my-wgan", f"{folder / 'my loss.py'}:my-wgan", "my loss:my-wgan"):
        assert read({**USUAL, "variants": [{"name": name, "typed": {}}]})[0] is None
    monkeypatch.setenv(FILES, str(folder / "my loss.py"))
    load_files()
    shown, wrong = read(mine)
    assert shown is not None and wrong == {} and shown.variants == ("my-wgan:l2=0.1",)
    sys.modules.pop("my loss", None)


def typed(name="ns", rule="flow", moved=None, **fields):
    own = {k: fields.pop(k) for k in list(fields) if k not in ("phi0", "theta0", "length")}
    return {
        **USUAL,
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
        ({**USUAL, "variants": "ns"}, "0", "not a state of its controls"),
        ({**USUAL, "variants": {"name": "ns"}}, "0", "not a state of its controls"),
        ({**USUAL, "variants": [7]}, "0", "not a state of its controls"),
        ({**USUAL, "rule": {"name": "adam", "typed": [1]}}, "0", "not a state of its controls"),
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


@pytest.mark.slow  # no fast witness: it trains
def test_a_real_gan_runs_beside_its_prediction():
    """Plain steps of networks start as the Dirac game does: same place, and the same first turn."""
    last = [*live.progress_of(Scene(variants=("ns",)), steps=600, pause=0.5)][-1]
    assert last.text.startswith("Step 600 of 600")
    assert len(last.path) == len(last.predicted) == len(last.corrected) == 121
    np.testing.assert_allclose(last.path[0], last.predicted[0], atol=1e-6)
    # over the run, what the network's critic adds takes away most of what the Dirac game misses
    off = [np.linalg.norm(x - last.path) for x in (last.corrected, last.predicted)]
    assert off[0] < 0.4 * off[1]
    moved = last.path[4] - last.path[0]
    expected = last.predicted[4] - last.predicted[0]
    # the first turn; what it differs by is the networks' curvature, which the linear players have not
    assert np.linalg.norm(moved - expected) < 0.3 * np.linalg.norm(expected)
    assert len(live.picture(last).axes) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "70000"], "port = 70000 is too large"),
        (["--file", "gone.py"], "'gone.py' is not a file"),
    ],
)
def test_bad_input_is_one_line(cli, words, said):
    pytest.importorskip("uvicorn", reason="the extra explore is not installed")
    code_, out, err = cli("explore", *words)
    assert (code_, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_file_that_registers_nothing_is_said_in_one_line(cli, folder):
    pytest.importorskip("uvicorn", reason="the extra explore is not installed")
    (folder / "empty.py").write_text("x = 1\n")
    status, out, err = cli("explore", "--no-browser", "--file", "empty.py")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "empty.py: no variant and no rule is registered there" in err


def test_a_port_that_is_taken_is_said_in_one_line(cli):
    pytest.importorskip("uvicorn", reason="the extra explore is not installed")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        status, out, err = cli("explore", "--no-browser", "--port", other.getsockname()[1])
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "is not available" in err
