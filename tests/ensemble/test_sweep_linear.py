"""Linear quantities of whole arrays against the careful analysis of one point at a time, for everything registered."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.margins import margins, setup
from diracgan.ensemble.linear import STATUS, linear, part

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


def test_numbers_that_a_rule_nests_are_arrays_too():
    lrs = np.array([0.05, 0.1])
    rule = dg.rule("lookahead", inner=dg.rule("simultaneous", lr=0.1))
    many = dataclasses.replace(rule, inner=dataclasses.replace(rule.inner, lr=lrs))
    found = linear(setup(dg.variant("wgan-gp", c=0.0, lam=0.5), many), 2)
    # k = 5 steps with |1 + h mu|, then half-way back: mu = -1/2 +- i sqrt(3)/2
    mu = 1 + lrs * np.exp(2j * np.pi / 3)
    np.testing.assert_allclose(found.radius, np.abs(0.5 + 0.5 * mu**5), rtol=1e-12)
