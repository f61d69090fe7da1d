"""The gain of weight averages: docs/theory.md's numbers, and a long simulation as an independent oracle."""

import math

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.thresholds.weight_averaging import _of_steps, decay_for, flow_gain, gain


def test_the_three_numbers():
    a = dg.ema(omega=0.5, h=0.1, decay=[0.99, 0.999, 0.9999])
    assert [float(f"{g:.4g}") for g in a.gains] == [0.1971, 0.02001, 0.002]
    assert a.angle == pytest.approx(0.05)


def test_gain_is_the_formula_where_that_is_accurate():
    beta, w = np.meshgrid([0.0, 0.3, 0.9, 0.999], [1e-3, 0.1, 1.0, 3.0])
    assert np.allclose(gain(beta, w), (1 - beta) / np.abs(1 - beta * np.exp(-1j * w)), rtol=1e-12)


@pytest.mark.parametrize("k", [1.0, 1.0001, 2.0, 50.0, 1e6])
@pytest.mark.parametrize("w", [1e-4, 0.05, 1.0, 3.0])
def test_the_wanted_decay_does_it(k, w):
    beta, rest = decay_for(k, w)
    assert 0 <= beta < 1
    assert rest / math.hypot(rest, 2 * math.sqrt(beta) * math.sin(w / 2)) == pytest.approx(1 / k, rel=1e-11)


def test_no_decay_reduces_an_orbit_that_stands_still():
    found = _of_steps(0.0, 0.1, None, 10.0)
    assert all(math.isnan(found[n]) for n in ("decay", "tau", "horizon"))
    assert _of_steps(0.0, 0.1, None, 1.0)["tau"] == 0.0


def test_against_a_simulated_orbit():
    # alternating steps keep the orbit's amplitude; after long the average turns with it, |G| as large
    rule = dg.rule("alternating", lr=0.1, ema=0.98)
    a = dg.ema(dg.variant("wgan-linear"), rule)
    traj = dg.simulate(dg.variant("wgan-linear"), phi0=[1.0], theta0=[0.0], rule=rule, steps=3000)
    late = slice(1500, None)
    size = [float(np.ptp(traj[n].values[late])) for n in ("theta", "theta_ema")]
    assert size[1] / size[0] == pytest.approx(a.gains[0], rel=2e-3)
    assert a.decays.tolist() == [0.98]
    # cos(angle) = 1 - h^2/2, from the trace 2 - h^2
    assert a.angle == pytest.approx(math.acos(1 - 0.005), rel=1e-12)


def test_the_phase_lags():
    a = dg.ema(omega=1.0, h=0.2, decay=0.9)
    assert a.phases[0] == pytest.approx(np.angle(0.1 / (1 - 0.9 * np.exp(-0.2j))), rel=1e-12)
    assert a.phases[0] < 0


def test_the_flow_has_a_time_constant():
    a = dg.ema(dg.variant("ns"), tau=[1.0, 10.0], reduction=50.0)
    assert a.kind == "flow"
    assert a.omega == pytest.approx(0.5)
    assert np.allclose(a.gains, flow_gain([1.0, 10.0], 0.5), rtol=1e-12)
    assert a.tau == pytest.approx(math.sqrt(50.0**2 - 1) / 0.5, rel=1e-12)
    # many small steps approach it: beta = exp(-h/tau)
    assert gain(math.exp(-1e-5 / 10.0), 0.5e-5) == pytest.approx(flow_gain(10.0, 0.5), rel=1e-4)


def test_when_it_slows_a_convergent_run():
    v, h = dg.variant("wgan-gp", c=0.0, lam=0.5), 0.1
    a = dg.ema(v, dg.rule("simultaneous", lr=h))
    assert a.slows_above == pytest.approx(math.sqrt(1 - 2 * h * 0.5 + h * h), rel=1e-12)
    assert a.status == "stable"
    flow = dg.ema(v)
    assert flow.slows_above == pytest.approx(2.0)  # 1/rate
    assert dg.ema(v, rule=dg.rule("simultaneous", lr=1.5)).slows_above is None


def test_it_cannot_cure_divergence():
    assert "cannot make it converge" in dg.ema(dg.variant("ns"), dg.rule("simultaneous")).text


def test_an_overdamped_run_has_no_orbit():
    a = dg.ema(dg.variant("wgan-gp", c=0.0, lam=2.0), dg.rule("simultaneous", lr=0.1))
    assert a.omega == 0.0
    assert np.all(a.gains == 1.0)
    with pytest.raises(dg.InputError, match="nothing turns"):
        dg.ema(dg.variant("wgan-gp", c=0.0, lam=2.0), dg.rule("simultaneous", lr=0.1), reduction=2.0)


def test_the_default_is_a_falling_curve():
    a = dg.ema(omega=0.5, h=0.1)
    assert a.decays[0] == 0.0
    assert a.gains[0] == 1.0
    assert np.all(np.diff(a.gains) < 0)
    assert len(a.decays) == len(a.taus) == len(a.gains) == len(a.phases)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "whose orbit"),
        ({"omega": -1.0}, "out of range"),
        ({"omega": 1e308, "h": 1e308}, r"omega \* h = inf is not finite"),
        ({"omega": 1.0, "decay": 1.0}, "out of range"),
        ({"omega": 1.0, "decay": 0.9, "tau": 1.0}, "give one"),
        ({"omega": 1.0, "reduction": 0.5}, "out of range"),
        ({"omega": 1.0, "decay": []}, "no decay"),
        ({"variant": dg.variant("wgan-gp")}, "no frequency"),
        ({"variant": dg.variant("ns"), "rule": dg.rule("simultaneous"), "tau": 1.0}, "belongs to the flow"),
        ({"variant": dg.variant("ns"), "rule": dg.rule("simultaneous"), "h": 1.0}, "time step of its own"),
    ],
)
def test_bad_input_is_named(given, says):
    with pytest.raises(dg.InputError, match=says):
        dg.ema(**given)
