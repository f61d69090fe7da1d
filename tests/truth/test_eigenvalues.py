"""The eigenvalues of docs/theory.md section 3 for the classical variants, in d = 1, 2, 3, with penalties and rates."""

from __future__ import annotations

import numpy as np
import pytest
from selection import slow_but

import diracgan as dg


def roots(trace: float, det: float) -> list[complex]:
    """w^2 - trace w + det = 0, by decreasing real part, then imaginary part."""
    w = np.sqrt(complex(trace**2 / 4 - det))
    return sorted((trace / 2 + w, trace / 2 - w), key=lambda z: (-z.real, -z.imag))


# phi' = -a0 theta - k phi, theta' = b0 phi per component: w^2 + k w + a0 b0 = 0
LINEARISED = [
    ("saturating", {}, 0.0, 0.25),
    ("ns", {}, 0.0, 0.25),
    ("wgan-linear", {}, 0.0, 1.0),
    ("gan-qp", {"lam": 0.3}, 0.0, 1.0),
    ("wgan-gp", {"c": 0.0, "lam": 0.1}, 0.2, 1.0),
    ("wgan-gp", {"c": 0.0, "lam": 1.7}, 3.4, 1.0),
]


CASES = [(*row, dim) for row in LINEARISED for dim in (1, 2, 3)]


@pytest.mark.parametrize(
    ("name", "own", "k", "ab", "dim"),
    slow_but(CASES, (*LINEARISED[1], 1), (*LINEARISED[3], 3), (*LINEARISED[5], 1)),
)
def test_eigenvalues_with_damping_and_rates(name, own, k, ab, dim):
    # rates scale rows: D J has trace -rate_d (k + damping) and determinant rate_d rate_g a0 b0
    for damping, rate_d, rate_g in (({}, 1.0, 1.0), ({"l2": 0.1, "r1": 0.3, "r2": 0.05}, 0.7, 2.5)):
        s = dg.spectrum(dg.variant(name, **own).with_(**damping), dim=dim, rate_d=rate_d, rate_g=rate_g)
        truth = np.repeat(roots(-rate_d * (k + sum(damping.values())), rate_d * rate_g * ab), dim)
        np.testing.assert_allclose(s.eigenvalues, truth, atol=1e-13)
        assert s.is_equilibrium
        assert s.differentiable
        assert s.residual == 0.0
        assert s.status == ("stable" if k or damping else "marginal")
        assert s.margin == pytest.approx(-max(w.real for w in truth), abs=1e-14)


@pytest.mark.parametrize("name", ["wgan-linear", "gan-qp", "wgan-gp"])
def test_losses_of_the_difference_do_not_see_the_datum(name):
    own = {"c": 0.0} if name == "wgan-gp" else {}
    v = dg.variant(name, **own)
    here, there = dg.spectrum(v, dim=2), dg.spectrum(v, x0=[3.0, -7.0])
    np.testing.assert_allclose(here.eigenvalues, there.eigenvalues, atol=1e-12)
    assert there.at == {"phi": [0.0, 0.0], "theta": [3.0, -7.0]}


@pytest.mark.parametrize("name", ["ns", pytest.param("saturating", marks=pytest.mark.slow)])
def test_the_others_are_damped_along_the_datum(name):
    # -dL_D/dphi = sigma(-r) x0 - sigma(s) theta at (0, x0): J_phiphi = -x0 x0^T/4 - x0 x0^T/4
    x0 = np.array([0.3, -0.4, 1.2])
    s = dg.spectrum(dg.variant(name), x0=x0)
    truth = [*roots(-(x0 @ x0) / 2, 0.25), 0.5j, -0.5j]
    for w in truth:
        assert np.min(np.abs(s.eigenvalues - w)) < 1e-13
    assert s.status == "marginal"  # across the datum nothing damps
    one = dg.spectrum(dg.variant(name), x0=[0.9])
    np.testing.assert_allclose(one.eigenvalues, roots(-0.405, 0.25), atol=1e-13)
    assert one.status == "stable"


def test_the_fastest_penalty_is_critical_damping():
    margins = [dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=lam)).margin for lam in (0.5, 0.9, 1.0, 1.1, 2.0)]
    np.testing.assert_allclose(margins, [0.5, 0.9, 1.0, 1.1 - np.sqrt(0.21), 2 - np.sqrt(3)], atol=1e-12)
    assert np.argmax(margins) == 2


@pytest.mark.slow  # fast, each without L2: analysis/linear/test_spectrum.py
def test_one_sided_and_normalised():
    for dim in (1, 2, 3):
        assert dg.spectrum(dg.variant("wgan-gp", c=0.6, lam=0.37), dim=dim).status == "no-derivative"
        assert dg.spectrum(dg.variant("wgan-gp", c=0.6).with_(l2=0.1), dim=dim).status == "no-derivative"
        assert dg.spectrum(dg.variant("wgan"), dim=dim).status == "not-an-equilibrium"
        assert dg.spectrum(dg.variant("wgan").with_(l2=0.1), dim=dim).status == "not-an-equilibrium"
