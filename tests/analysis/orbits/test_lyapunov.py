"""Lyapunov exponents of flows and of iterations against what is known of their motions."""

from __future__ import annotations

import numpy as np
import pytest
import written_games as games
from scipy.integrate import solve_ivp

import diracgan as dg


def test_a_conserved_flow_neither_stretches_nor_shrinks():
    # saturating: r^2 is conserved; neighbours on other circles turn at another speed, which grows like t, not exp
    found = dg.lyapunov(dg.variant("saturating"), [0.4], [0.5])
    assert np.abs(found.values).max() < 0.01 and abs(found.values.sum()) < 1e-4
    assert np.all(np.abs(found.values) < found.errors) and found.errors.max() < 0.01


@pytest.mark.parametrize("name", ["wgan-linear", "ns"])
def test_the_error_of_a_neutral_flow_covers_zero(name):
    # the linear centre keeps distances; of ns r ~ t^-1/2, so that neighbours close in like t^-3/2 across and t^-1/2
    # along: all exponents are 0, and the means are log t / t
    found = dg.lyapunov(dg.variant(name), [0.4], [0.5])
    assert np.all(np.abs(found.values) < found.errors) and found.errors.max() < 0.01


@pytest.mark.slow  # powers of time: tests/numerics/test_lyapunov.py
def test_the_error_of_a_slow_decay_does_not_cover_zero():
    # ns in d = 2 ends on circles of r^2 = 2 |phi x theta| = 0.06, to which it decays at the rate r^2 / 8
    found = dg.lyapunov(dg.variant("ns"), [0.1, 0.2], [0.2, 0.1])
    assert np.all(np.abs(found.values[:2]) < found.errors[:2])
    np.testing.assert_allclose(found.values[2:], -0.06 / 8, atol=found.errors[2:].max())
    assert found.values[2] < -2 * found.errors[2]


def test_a_limit_cycle_of_a_flow_has_one_exponent_zero_and_a_negative_one():
    # Van der Pol: the other is the mean divergence k - <theta^2> along the cycle
    v = games.VanDerPol(k=0.5)
    found = dg.lyapunov(v, [0.5], [1.0], x0=[1.0])
    cycle = solve_ivp(
        lambda t, z: [(0.5 - z[1] ** 2) * z[0] - z[1], z[0]],
        (0.0, 200.0),
        [0.5, 1.0],
        method="DOP853",
        t_eval=np.linspace(100, 200, 10001),
        rtol=1e-8,
    )
    divergence = 0.5 - np.mean(cycle.y[1] ** 2)
    assert abs(found.values[0]) < 2e-3 + 3 * found.errors[0]
    assert found.values[1] == pytest.approx(divergence, rel=0.02)


def test_iterations_have_those_of_their_map():
    found = dg.lyapunov(games.Henon(k=1.4), [0.1], [0.1], rule=dg.rule("simultaneous", lr=1.0), x0=[1.0])
    assert found.values[0] == pytest.approx(0.419, rel=0.03)
    assert found.values.sum() == pytest.approx(np.log(0.3), abs=1e-9)
    assert found.dimension == pytest.approx(1.258, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"variant": dg.variant("wgan-gp", c=1.0)}, "switches"),
        ({"variant": games.Logistic(k=5.0), "rule": dg.rule("simultaneous", lr=1.0), "x0": [1.0]}, "leaves"),
        ({"variant": dg.variant("ns"), "steps": 5}, "steps = 5"),
        ({"variant": dg.variant("ns"), "step_size": 0.0}, "step_size"),
    ],
)
def test_bad_input_is_one_line(arguments, words):
    with pytest.raises(dg.InputError, match=words) as error:
        dg.lyapunov(phi0=[0.1], theta0=[0.2], **arguments)
    assert "\n" not in str(error.value)
