"""Best values against their closed forms, each derived beside it."""

import math

import numpy as np
import pytest

import diracgan as dg

GP = dg.variant("wgan-gp", c=0.0, lam=0.4)


def test_the_flow_of_wgan_gp_is_fastest_at_critical_damping():
    t = dg.tune(GP, ["lam"])
    assert t.best["lam"] == pytest.approx(1.0, abs=1e-9)
    assert t.rate == pytest.approx(1.0, abs=1e-6)
    assert not t.smooth  # both eigenvalues meet at -1
    assert "eigenvalues meet" in t.text


@pytest.mark.slow  # fast: the same value by the command, cli/test_questions.py
def test_simultaneous_steps_of_wgan_gp_are_fastest_at_h_equal_lam():
    # |1 + h mu|^2 = 1 - 2 h lam + h^2 for lam < 1
    t = dg.tune(GP, {"lr": (0.0, 2.0)}, rule=dg.rule("simultaneous"))
    assert t.best["lr"] == pytest.approx(0.4, abs=1e-10)
    assert t.smooth
    assert t.margin == pytest.approx(1 - math.sqrt(1 - 0.16), abs=1e-12)
    assert t.rate == pytest.approx(-0.5 * math.log(0.84), abs=1e-12)
    assert np.allclose(t.intervals["lr"], (0.0, 0.8), atol=1e-9)


@pytest.mark.slow  # no fast witness of two parameters: too dear
def test_alternating_ns_r1_can_be_made_deadbeat():
    # det = 1 - h g and trace = 2 - h g - h^2/4 both vanish at h = 2, g = 1/2
    t = dg.tune(dg.variant("ns"), ["r1", "lr"], rule=dg.rule("alternating"))
    assert t.best == pytest.approx({"r1": 0.5, "lr": 2.0}, abs=1e-7)
    assert t.rate > 5
    # at r1 = 1/2: h^2/8 + h/2 < 2, so h < 2 (sqrt(5) - 1)
    assert np.allclose(t.intervals["lr"], (0.0, 2 * (math.sqrt(5) - 1)), atol=1e-6)
    assert np.allclose(t.intervals["r1"], (0.0, 0.75), atol=1e-6)


@pytest.mark.slow  # a closed form of steps: cli/test_questions.py, tune as JSON
def test_extragradient_on_a_rotation():
    # |1 + i eta - eta^2|^2 = 1 - eta^2 + eta^4, least at eta = 1/sqrt(2)
    t = dg.tune(dg.variant("wgan-linear"), ["lr"], rule=dg.rule("extragradient"))
    assert t.best["lr"] == pytest.approx(math.sqrt(0.5), abs=1e-10)
    assert t.rate == pytest.approx(-0.5 * math.log(0.75), abs=1e-12)


@pytest.mark.slow  # a closed form: WGAN-GP's, above
def test_optimistic_steps_are_fastest_where_their_multipliers_meet():
    # x^2 - (1 + 2 zeta) x + zeta has the discriminant 1 + 4 zeta^2, 0 at eta = 1/2: |x|^2 = eta
    t = dg.tune(dg.variant("wgan-linear"), ["lr"], rule=dg.rule("optimistic"))
    assert t.best["lr"] == pytest.approx(0.5, abs=1e-9)
    assert t.rate == pytest.approx(0.5 * math.log(2.0), abs=1e-6)


@pytest.mark.slow  # no fast witness of two parameters: too dear
def test_a_ridge_and_an_open_end_are_named():
    ridge = dg.tune(dg.variant("ns"), {"r1": (0, 2), "l2": (0, 2)})
    assert sum(ridge.best.values()) == pytest.approx(1.0, abs=1e-6)  # critical damping of mu = r1 + l2
    assert not ridge.unique
    nowhere = dg.tune(dg.variant("wgan-linear"), ["lr"], rule=dg.rule("simultaneous"))
    assert nowhere.at_bound == ["lr"]
    assert "nowhere stable" in nowhere.text


@pytest.mark.slow  # fast, where it never vanishes: test_no_derivative_anywhere_is_said
def test_a_kink_that_vanishes_at_an_end_is_found_there():
    t = dg.tune(dg.variant("wgan-gp", c=1.0), {"lam": (0, 3), "c": (0, 1)})
    assert t.best["c"] == 0.0
    assert t.best["lam"] == pytest.approx(1.0, abs=1e-8)
    assert "elsewhere" in t.text


@pytest.mark.slow  # fast, of thresholds: test_critical.py::test_whole_numbers_end_between_neighbours
def test_whole_numbers_are_tried_one_by_one():
    # two critic steps of wgan-gp equal one of a doubled rate to first order; the rate per iteration decides
    t = dg.tune(GP, {"n_critic": (1, 2), "lr": (0.05, 0.1)}, rule=dg.rule("alternating"))
    rates = {
        n: dg.tune(GP, {"lr": (0.05, 0.1)}, rule=dg.rule("alternating", n_critic=n)).rate for n in (1, 2)
    }
    assert t.best["n_critic"] == max(rates, key=rates.__getitem__)
    assert t.rate == pytest.approx(max(rates.values()), rel=1e-9)


def test_no_derivative_anywhere_is_said():
    t = dg.tune(dg.variant("wgan-gp"), {"lam": (0.1, 2.0)}, dim=2)
    assert t.best == {}
    assert math.isnan(t.rate)
    assert "no derivative" in t.text


@pytest.mark.slow  # fast, to 1e-9 of a closed form: test_the_flow_of_wgan_gp_is_fastest_at_critical_damping
def test_it_is_deterministic():
    one, two = (dg.tune(GP, ["lr", "lam"], rule=dg.rule("simultaneous")) for _ in range(2))
    assert one.best == two.best
    assert one.evaluations == two.evaluations


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ([], "nothing to tune"),
        (["ema"], "ema moves no multiplier"),
        ({"r1": (2.0, 1.0)}, "low = 2 of r1 must be below high = 1; allowed: low < high, as 1 and 2"),
        ({"r1": (1.0, 1.0)}, "allowed: low < high, as 0.5 and 1"),
        ({"r1": (0.0, 1e30)}, r"high of r1 = 1e\+30 is out of range; allowed: numbers in \[0, 1e\+06\]"),
        ({"r1": (-1.0, 1.0)}, "out of range"),
        ({"r1": 3.0}, "is not a range"),
        (["nope"], "unknown parameter"),
    ],
)
def test_bad_input_is_named(over, says):
    with pytest.raises(dg.InputError, match=says):
        dg.tune(dg.variant("ns"), over, rule=dg.rule("simultaneous"))


@pytest.mark.slow  # fast, that it goes no further: the test above
def test_the_widest_range_that_is_allowed_finds_what_a_narrow_one_does():
    # the eigenvalues solve mu^2 + r1 mu + 1/4 = 0, and meet at r1 = 1, mu = -1/2
    found = dg.tune(dg.variant("ns"), {"r1": (0.0, 1e6)})
    assert found.best["r1"] == pytest.approx(1.0) and found.rate == pytest.approx(0.5)
    assert found.at_bound == []


def test_an_adaptive_rule_is_told_what_linear_theory_leaves_out():
    variant, rule = dg.variant("ns").with_(r1=0.3), dg.rule("adam", lr_d=0.01, lr_g=0.01, beta1=0.5)
    found, flow = dg.critical(variant, "r1", rule=rule, dim=1).text, dg.averaged(variant, rule)
    assert "while velocities stay below 1e-08" in found and flow.text in found
    assert "averaged flow" not in dg.critical(variant, "r1", rule=dg.rule("simultaneous"), dim=1).text


def test_a_rule_that_does_not_end_at_rest_is_refused():
    variant, rule = dg.variant("ns").with_(r1=0.1), dg.rule("adam", lr=0.001)
    flow = dg.averaged(variant, rule)
    with pytest.raises(
        dg.InputError, match=r"no fastest rate.*tune --amplitude SIZE, or dg\.analysis\.tune_cycle"
    ) as refused:
        dg.tune(variant, "beta1", rule=rule)
    assert flow.text in str(refused.value)
