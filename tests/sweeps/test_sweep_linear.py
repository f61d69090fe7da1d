"""Linear quantities of whole arrays against the careful analysis of one point at a time, for everything registered."""

from __future__ import annotations

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.linear.margins import margins, setup
from diracgan.sweeps.linear import STATUS, linear, part

POINTS = 24


def agree(v: dg.Variant, rule: dg.dynamics.Rule | None = None, dim: int = 1, x0: float = 0.0) -> None:
    """Hold an array of L2 weights against as many careful answers."""
    weights = np.linspace(0.0, 1.2, POINTS)
    many = setup(v.with_(l2=weights), rule, dim=dim, x0=x0)
    found = linear(many, POINTS)
    for i, truth in enumerate(margins([part(many, i) for i in range(POINTS)])):
        assert STATUS[found.status[i]] == truth.status, (v.label, rule, weights[i])
        if len(truth.eigenvalues):
            assert abs(found.margin[i] - truth.value) <= 1e-12 + 2 * truth.error, (v.label, rule, weights[i])
        else:
            assert np.isnan(found.margin[i])


@pytest.mark.slow
@pytest.mark.parametrize("name", list(dg.variants()))
def test_every_variant(name: str):
    agree(dg.variant(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", list(dg.rules()))
def test_every_rule(name: str):
    agree(dg.variant("ns"), dg.rule(name))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dim", "x0"), [("gan-qp", 2, 0.0), ("wgan-gp", 3, 0.0), ("ns", 1, 0.7), ("wgan-clip", 3, 0.0)]
)
def test_dimensions_and_data(name: str, dim: int, x0: float):
    agree(dg.variant(name), dim=dim, x0=x0)


def test_a_rule_inside_a_rule_is_turned_with_it():
    rule = dg.rule("lookahead", inner=dg.rule("simultaneous", lr=0.1))
    v = dg.variant("wgan-gp", c=0.0, lam=0.5)
    found = dg.sweep(v, {"lr": [0.05, 0.1]}, "spectral_radius", rule=rule)
    # k = 5 steps with 1 + h mu, then half-way back: mu = -1/2 +- i sqrt(3)/2
    inner = 1 + found.lr.values * np.exp(2j * np.pi / 3)
    np.testing.assert_allclose(found.spectral_radius, np.abs(0.5 + 0.5 * inner**5), rtol=1e-12)
