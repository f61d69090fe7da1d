"""Flows against JaxCont 0.4 (extra ``dev``): folds, Hopf points, cycles and their Floquet multipliers, to 1e-6.

JaxCont has collocation on a mesh of equal steps where we shoot, and solves for a point with its eigenvector where we
refine a sign change. It knows no maps, no switchings and no branch switching. Folds of cycles and period doublings are
held against a closed form and SciPy in test_cycles.py.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import written_games as games

import diracgan as dg
from diracgan.analysis.bifurcation import born_cycles, branch

jaxcont = pytest.importorskip("jaxcont", reason="JaxCont is not installed; it comes with the extra dev")


def two_folds(u, p, _):
    return jnp.array([p + u[0] - u[0] ** 3 / 3, -u[1]])


def van_der_pol(u, p, _):
    return jnp.array([(p - u[1] ** 2) * u[0] - u[1], u[0]])


def ns_with_r1(u, p, _):
    s = u[0] * u[1]
    return jnp.array([-jax.nn.sigmoid(s) * u[1] - p * u[0], jax.nn.sigmoid(-s) * u[0]])


@pytest.mark.slow  # fast: test_branch.py::test_both_folds_are_found_and_the_unstable_part_between_them
def test_folds():
    found = branch(games.TwoFolds(k=-1.0), over="k=-1:1", start=([-2.1038], [0.0]), x0=1.0)
    with jax.enable_x64(True):
        for point in found.points:
            _, theirs, _, converged = jaxcont.fold_point(
                two_folds, jnp.array(point.state + 0.05), point.value + 0.02
            )
            assert converged and point.value == pytest.approx(float(theirs), abs=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(
            (games.VanDerPol(k=0.3), "k=-1:1", ([0.0], [0.0]), 1.0), van_der_pol, marks=pytest.mark.slow
        ),
        # the same point by its closed form: test_branch.py, the closed forms are points of a branch
        pytest.param((dg.variant("ns"), "gamma=0:1", None, None), ns_with_r1, marks=pytest.mark.slow),
    ],
)
def test_hopf_points(ours, theirs):
    variant, over, start, x0 = ours
    (point,) = branch(variant, over=over, start=start, x0=x0).points
    with jax.enable_x64(True):
        _, value, _, _, frequency, converged = jaxcont.hopf_point(theirs, jnp.zeros(2), point.value + 0.05)
        assert converged and point.value == pytest.approx(float(value), abs=1e-6)
        assert abs(point.eigenvalue.imag) == pytest.approx(abs(float(frequency)), abs=1e-6)


@pytest.mark.slow  # fast, by a closed form: orbits/test_orbits.py, the cycle of WGAN-GP
def test_cycles_and_their_floquet_multipliers():
    from jaxcont.core.collocation import Collocation
    from jaxcont.problems.periodic import periodic_orbit_problem
    from jaxcont.stability.floquet import floquet_multipliers

    (hopf,) = branch(games.VanDerPol(k=0.3), over="k=-1:1", start=([0.0], [0.0]), x0=1.0).points
    found = born_cycles(hopf, -1.0, 1.0)
    k = int(np.argmin(np.abs(found.values - 0.5)))
    value, period = float(found.values[k]), float(found.periods[k])
    start = np.concatenate([found.phi[k], found.theta[k]])
    with jax.enable_x64(True):
        ts = np.linspace(0.0, period, 400)
        seen = dg.simulate(
            games.VanDerPol(k=value), [start[0]], [start[1]], x0=1.0, t1=period, ts=ts, rtol=1e-10, atol=1e-12
        )
        rows = jnp.asarray(np.concatenate([seen.phi.values, seen.theta.values], axis=1))
        mesh = Collocation(ntst=60, ncol=4)
        problem = periodic_orbit_problem(van_der_pol, rows, jnp.asarray(ts), period, value, mesh)
        multipliers = np.asarray(floquet_multipliers(van_der_pol, mesh, problem.u0, problem.p0))
    assert period == pytest.approx(float(problem.u0[-1]), abs=1e-6)
    np.testing.assert_allclose(np.sort(np.abs(found.multipliers[k])), np.sort(np.abs(multipliers)), atol=1e-6)
