"""``diracgan bifurcation``."""

from __future__ import annotations

import json

import pytest

import diracgan as dg

NS = ("bifurcation", "ns", "--r1", "0.05", "--over", "lr=0.01:0.4", "--rule", "simultaneous")


def test_a_branch_in_words_as_json_and_as_a_picture(cli, folder):
    code, out, err = cli(*NS, "--out", "a.png")
    assert (code, err) == (0, "") and (folder / "a.png").stat().st_size > 5000
    assert out.splitlines()[-1] == "a.png"
    assert "lr = 0.2: Neimark-Sacker, supercritical" in out and "stable circle of radius about 1.45" in out
    code, out, _ = cli(*NS, "--format", "json")
    found = json.loads(out)
    assert found["schema"] == "diracgan.bifurcation/1" and found["parameter"] == "lr"
    (point,) = found["points"]
    # ns under simultaneous steps: stable below lr = 4 gamma
    assert point["kind"] == "neimark-sacker" and point["value"] == pytest.approx(0.2, abs=1e-10)
    assert len(found["values"]) == len(found["statuses"]) == len(found["residuals"])


ATLAS = ("bifurcation", "ns", "--over", "gamma=0.1:0.6", "--over", "lr=0.1:2", "--rule", "simultaneous")


@pytest.mark.slow  # fast, of a branch: the test above; what it says: bifurcation/test_curves.py
def test_an_atlas_in_words_and_as_a_picture(cli, folder):
    code, out, err = cli(*ATLAS, "--out", "a.png")
    assert (code, err) == (0, "") and (folder / "a.png").stat().st_size > 5000
    assert out.splitlines()[-1] == "a.png" and "Neimark-Sacker curve" in out


@pytest.mark.slow  # an atlas: tests/analysis/bifurcation/test_curves.py
def test_an_atlas_as_json(cli):
    found = json.loads(cli(*ATLAS, "--format", "json")[1])
    (curve,) = found["curves"]
    assert curve["parameters"] == ["gamma", "lr"] and curve["kind"] == "neimark-sacker"
    assert all(abs(h - 4 * g) < 1e-8 for g, h in curve["values"])


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        ([], "which variant"),
        (["ns"], "which parameter"),
        (["ns", "--over", "gama=0:1"], "gamma"),
        (["ns", "--over", "gamma=1:0"], "empty interval"),
        (["ns", "--over", "gamma=0:1:2"], "NAME=LOW:HIGH"),
        (["ns", "--over", "gamma=0:1e300"], "1e+300"),
        (["ns", "--over", "gamma=0.1:0.1000000000000001"], "as narrow as rounding"),
        (["ns", "--over", "gamma=0:1", "--phi0", "0.3"], "both --phi0 and --theta0"),
        (["ns", "--over", "gamma=0:x"], "high"),
        (["ns", "--over", "gamma=0:1", "--phi0", "0.3", "--theta0", "0.1"], "not an equilibrium"),
        (["wgan-gp", "--c", "1", "--over", "lam=0.1:1"], "no derivative"),
        (["ns", "-v", "wgan", "--over", "gamma=0:1"], "two variants"),
        (["wgan", "--over", "l2=0.1:1"], "no finite field"),
        (["ns", "--over", "gamma=0:1", "--over", "r1=0:1"], "one parameter"),
        (
            ["ns", "--over", "gamma=0:1", "--over", "lr=0.1:1", "--rule", "adam", "--dim", "2"],
            "no useful linearisation",
        ),
        (["ns", "--over", "gamma=0:1", "--over", "rate_d", "--switch"], "one --over"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(cli, folder, words, holds):
    code, out, err = cli("bifurcation", *words, "--out", "a.png")
    assert (code, out) == (2, "") and holds in err and err.count("\n") == 1
    assert not list(folder.iterdir())


def test_attractors_in_words_as_json_and_kept(cli, folder):
    words = ("attractors", "ns", "--r1", "0.5", "--rule", "simultaneous", "--starts", "5", "--steps", "1024")
    code, out, _ = cli(*words)
    assert code == 0 and "converges-exponentially" in out
    found = json.loads(cli(*words, "--format", "json")[1])
    assert found["schema"] == "diracgan.attractors/1" and found["found"][0]["share"] == 1.0
    code, out, err = cli(*words, "--out", "a.json")
    kept = dg.bifurcation.Attractors.load(folder / "a.json")
    assert code == 0 and out.splitlines()[-1] == "a.json"
    assert json.loads(json.dumps(kept.as_dict())) == {k: v for k, v in found.items() if k != "schema"}
    code, out, err = cli(*words, "--out", "a.png")
    assert code == 0 and (folder / "a.png").stat().st_size > 5000 and out.splitlines()[-1] == "a.png"
    (folder / "b.json").write_text("{}")
    for path in ("b.json", "c.json", "a.png"):
        with pytest.raises(dg.InputError, match=path) as error:
            dg.bifurcation.Attractors.load(folder / path)
        assert "\n" not in str(error.value)
    code, out, err = cli("attractors", "ns", "--starts", "0", "--out", "d.json")
    assert not (folder / "d.json").exists()
    assert (code, out) == (2, "") and "starts = 0" in err and err.count("\n") == 1


def test_a_step_size_of_the_flow_is_not_ignored_beside_a_rule(cli, folder):
    code, out, err = cli(
        "attractors", "ns", "--rule", "simultaneous", "--step-size", "0.1", "--out", "a.json"
    )
    assert (code, out) == (2, "") and "--step-size belongs to the flow" in err and err.count("\n") == 1
    assert not list(folder.iterdir())


def test_switch_says_that_there_is_nothing_to_switch_to(cli):
    code, out, err = cli("bifurcation", "ns", "--over", "gamma=0.1:1", "--switch")
    assert code == 0 and "without a bifurcation" in out and "nothing to switch to" in err


def test_the_cycles_of_a_hopf_point_are_followed(cli):
    # of a linear flow: all at one value, neutral
    code, out, err = cli("bifurcation", "wgan-linear", "--over", "gamma=0:1")
    assert code == 0 and not err and "41 cycles for gamma" in out and "begins: a Hopf point" in out


def test_circles_are_followed(cli):
    words = ("bifurcation", "wgan-gp", "--c", "1", "--lam", "0.5", "--over", "lam=0.4:0.6", "--circles")
    code, out, err = cli(*words, "--phi0", "1,0", "--theta0", "0,-1")
    assert code == 0 and not err and "circles for lam from 0.4 to 0.6" in out
    code, _, err = cli(*words)
    assert code == 2 and "--phi0" in err


@pytest.mark.slow  # fast, why it has none: bifurcation/test_adaptive_chart.py
def test_of_adam_with_a_small_eps_the_cycles_are_drawn(cli, folder):
    words = ("bifurcation", "ns", "--over", "gamma=0.01:0.1", "--over", "lr=0.001:0.01")
    code, out, err = cli(*words, "--rule", "adam:beta1=0.5,beta2=0.99", "--out", "a.png")
    assert code == 0 and (folder / "a.png").stat().st_size > 5000 and out.splitlines()[-1] == "a.png"
    assert "169 limit-cycle" in out and "no useful linearisation: shown are the cycles" in err
    code, _, err = cli("bifurcation", "ns", "--over", "gamma=0.1:1", "--rule", "adam")
    assert code == 0 and "no useful linearisation" in err


def test_a_cascade_of_period_doublings_is_followed_and_where_it_stops_is_said(cli, folder):
    (folder / "logistic.py").write_text(LOGISTIC)
    words = ("logistic.py:my-logistic", "--over", "k=2.5:3.58", "--phi0", "0.6", "--theta0", "0", "--x0", "1")
    code, out, err = cli("bifurcation", *words, "--rule", "simultaneous:lr=1", "--switch")
    assert code == 0
    for k, value in ((1, 3.0), (2, 3.449489743), (4, 3.5440903)):  # the second is 1 + sqrt(6)
        assert f"k = {value:.8g}" in out and f"orbit of period {2 * k} " in out
    assert "not followed" in err


LOGISTIC = """
import jax.numpy as jnp, diracgan as dg

@dg.register("my-logistic", reference="x+ = k x (1 - x) for x = phi")
class MyLogistic(dg.Variant):
    k: float = 2.5
    def critic_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(self.k * (real**2 / 2 - real**3 / 3) - real**2 / 2)
    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(x_fake**2) / 2
"""
