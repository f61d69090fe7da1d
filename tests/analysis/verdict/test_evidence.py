"""What a case measures of states that are given: distances from (0, x0), sizes and times of windows."""

from __future__ import annotations

import jax
import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.dynamical_system import Stretch
from diracgan.analysis.verdict.decide import decide
from diracgan.analysis.verdict.evidence import Case
from diracgan.dynamics.filippov import DiracSystem
from diracgan.game import Players

X0 = 0.7


@pytest.fixture
def case():
    with jax.enable_x64(True):
        rates = Players(np.float64(1.0), np.float64(1.0))
        system = DiracSystem(dg.variant("wgan-gp", c=0.0), np.array([X0]), rates, tau=None)
        return Case(system.variant, system, None, Players(np.zeros(1), np.zeros(1)), None, 1e4, decide)


def window(t, zs):
    return Stretch(np.array(t), np.array(zs), None, t[-1], "ok", 0.0, "", 1.0, 0)


def test_distances_are_from_the_equilibrium_and_not_from_the_origin(case):
    # (0, x0) itself; 3 and 4 beside it; the origin, x0 away
    states = np.array([[0.0, X0], [3.0, X0 + 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(case.distances_of(states), [0.0, 5.0, 0.7], rtol=1e-15)


def test_a_window_is_at_its_middle_whenever_its_rows_are(case):
    # rows at 2, 3 and 8: the middle of [2, 8] is 5, neither an end nor their mean, 13/3
    look = case.look(window([2.0, 3.0, 8.0], [[0.3, X0], [0.0, X0 + 0.3], [-0.3, X0]]))
    assert look.time == 5.0
    case.looks = [look]
    assert case.times.tolist() == [5.0]


def test_a_circle_around_the_equilibrium_is_measured_by_its_radius(case):
    t = np.linspace(0.0, 2 * np.pi, 401)
    look = case.look(window(t, np.column_stack([0.3 * np.cos(t), X0 + 0.3 * np.sin(t)])))
    assert look.rms == pytest.approx(0.3, rel=1e-12)  # |z - (0, x0)| is 0.3 throughout
    assert look.radii["radius_phi"] == pytest.approx(0.3, rel=1e-9)
    assert look.radii["radius_theta"] == pytest.approx(0.3, rel=1e-9)
    assert look.diameter == pytest.approx(0.6, rel=1e-9)
    np.testing.assert_allclose(case.distances(look), 0.3, rtol=1e-12)
