"""Maps of known character, written as games, are named right."""

from __future__ import annotations

import numpy as np
import pytest
import written_games as games

import diracgan as dg

STEP = dg.rule("simultaneous", lr=1.0)


def judge(variant, phi, theta):
    return dg.verdict(variant, [phi], [theta], x0=[1.0], rule=STEP)


def test_henon_is_chaotic_with_its_known_exponent_and_dimension():
    # 0.419 a step (Grassberger, Badii, Politi 1988); dimension 1 + 0.419/(0.419 - log 0.3)
    v = judge(games.Henon(k=1.4), 0.1, 0.1)
    assert v.kind == "chaotic" and v.numbers["lyapunov_exponent"] == pytest.approx(0.419, rel=0.03)
    assert sum(v.numbers["lyapunov_exponents"]) == pytest.approx(np.log(0.3), abs=1e-9)
    assert v.numbers["dimension"] == pytest.approx(1.258, abs=0.01)


@pytest.mark.parametrize(("k", "period"), [(3.2, 2), (3.5, 4), (3.83, 3)])
def test_orbits_that_come_back_have_their_period_and_multiplier(k, period):
    v = judge(games.Logistic(k=k), 0.3, 0.0)
    x = 0.3
    for _ in range(4000):
        x = k * x * (1 - x)
    slope = 1.0
    for _ in range(period):
        slope, x = slope * k * (1 - 2 * x), k * x * (1 - x)
    assert v.kind == "limit-cycle" and v.numbers["period"] == period
    assert v.numbers["floquet"][0] == pytest.approx(slope, abs=1e-6)


@pytest.mark.slow
def test_beyond_its_circle_the_delayed_logistic_map_is_chaotic():
    assert judge(games.DelayedLogistic(k=2.1), 0.4, 0.5).kind == "limit-cycle"
    assert judge(games.DelayedLogistic(k=2.27), 0.4, 0.5).kind == "chaotic"
    v = judge(games.Logistic(k=3.9), 0.3, 0.0)
    assert v.kind == "chaotic" and v.numbers["lyapunov_exponent"] == pytest.approx(0.495, rel=0.03)
