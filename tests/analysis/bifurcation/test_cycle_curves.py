"""Folds and period doublings of cycles in two parameters, against closed forms and DOP853."""

from __future__ import annotations

import numpy as np
import pytest
import written_games as games
from matplotlib.figure import Figure
from scipy.integrate import solve_ivp

from diracgan.analysis.bifurcation import atlas, born_cycles, branch, curve, cycles
from diracgan.plotting.atlas import atlas as atlas_axes


@pytest.mark.slow  # fast, of one fold: test_cycles.py::test_the_fold_in_two_numbers_is_a_parabola
def test_two_folds_of_cycles_meet_in_a_cusp_and_end_at_a_bautin_point():
    """0 = k + a s + s^2 - s^3 with s = r^2 has a double root where a = 3 s^2 - 2 s, k = s^2 - 2 s^3."""
    game = games.TwoCycles(k=0.0, a=-0.2, b=1.0, c=1.0)
    (hopf,) = branch(game, over="k=-0.2:0.2", start=([0.0], [0.0]), x0=1.0).points
    folds = born_cycles(hopf, -0.2, 0.2).points
    assert [f.kind for f in folds] == ["fold-of-cycles", "fold-of-cycles"]
    found = curve(folds[0], over=("k=-0.2:0.2", "a=-0.4:0.4"))
    square = np.sum(found.states**2, axis=1)
    np.testing.assert_allclose(found.values[:, 0], square**2 - 2 * square**3, atol=1e-8)
    np.testing.assert_allclose(found.values[:, 1], 3 * square**2 - 2 * square, atol=1e-8)
    np.testing.assert_allclose(found.periods, 2 * np.pi, rtol=1e-10)
    (cusp,) = found.points
    assert cusp.name == "cusp of cycles" and cusp.values == pytest.approx((1 / 27, -1 / 3), abs=1e-8)
    assert found.residuals.max() < 1e-9 and "shrink" in " ".join(found.ends)  # the Bautin point (0, 0)
    assert found.as_dict()["kind"] == "fold-of-cycles"


@pytest.mark.slow  # no fast witness: too dear
def test_a_period_doubling_of_the_roessler_flow_in_two_numbers_against_dop853():
    game = games.Rossler(c=2.3).with_(l2=1.0)
    start = ([0.0, 0.0], [-4.0, 0.1])
    found = cycles(game, over="c=2:3.5", start=start, x0=[1.0, 0.0])
    (point,) = (p for p in found.points if p.kind == "period-doubling")
    traced = curve(point, over=("c=2.2:4", "a=0.15:0.25"))
    assert np.ptp(traced.values[:, 1]) > 0.05

    def rates(_, z, c, a):
        m = z[3:].reshape(3, 3)
        slope = np.array([[0, -1, -1], [1, a, 0], [z[2], 0, z[0] - c]])
        return np.concatenate([[-z[1] - z[2], z[0] + a * z[1], 0.2 + z[2] * (z[0] - c)], (slope @ m).ravel()])

    for k in (0, len(traced.values) // 2, -1):
        at = np.concatenate([traced.states[k, [0, 2, 3]], np.eye(3).ravel()])
        end = solve_ivp(
            rates, (0, traced.periods[k]), at, method="DOP853", rtol=1e-11, atol=1e-12, args=traced.values[k]
        ).y[:, -1]
        np.testing.assert_allclose(end[:3], at[:3], atol=1e-7)
        assert np.abs(np.linalg.eigvals(end[3:].reshape(3, 3)) + 1.0).min() < 1e-6


@pytest.mark.slow  # the curve of folds: test_cycles.py
def test_an_atlas_of_a_flow_holds_the_folds_of_its_cycles():
    game = games.TwoCycles(k=0.0, a=0.5)
    found = atlas(game, ("k=-0.3:0.2", "a=-0.8:0.9"), start=([0.0], [0.0]), x0=1.0)
    assert [c.kind for c in found.curves] == ["hopf", "fold-of-cycles"]
    assert [p.name for p in found.curves[0].points] == ["Bautin"]
    k, a = found.curves[1].values.T
    np.testing.assert_allclose(k, -(a**2) / 4, atol=1e-9)
    assert np.ptp(a) > 0.85 and len(atlas_axes(found, Figure().add_subplot()).lines) == 3
