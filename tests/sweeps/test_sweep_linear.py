"""Linear quantities of whole arrays."""

from __future__ import annotations

import numpy as np

import diracgan as dg


def test_a_rule_inside_a_rule_is_turned_with_it():
    rule = dg.rule("lookahead", inner=dg.rule("simultaneous", lr=0.1))
    v = dg.variant("wgan-gp", c=0.0, lam=0.5)
    found = dg.sweep(v, {"lr": [0.05, 0.1]}, "spectral_radius", rule=rule)
    # k = 5 steps with 1 + h mu, then half-way back: mu = -1/2 +- i sqrt(3)/2
    inner = 1 + found.lr.values * np.exp(2j * np.pi / 3)
    np.testing.assert_allclose(found.spectral_radius, np.abs(0.5 + 0.5 * inner**5), rtol=1e-12)
