"""Linear quantities of whole arrays."""

from __future__ import annotations

import numpy as np

import diracgan as dg


def test_a_rule_inside_a_rule_is_turned_with_it():
    rule = dg.rule("lookahead", inner=dg.rule("simultaneous", lr=0.1))
    v = dg.variant("wgan-linear").with_(l2=1.0)
    found = dg.sweep(v, {"lr": [0.05, 0.1]}, "spectral_radius", rule=rule)
    # k = 5 steps with 1 + h mu, then half-way back: mu = -1/2 +- i sqrt(3)/2
    inner = 1 + found.lr.values * np.exp(2j * np.pi / 3)
    np.testing.assert_allclose(found.spectral_radius, np.abs(0.5 + 0.5 * inner**5), rtol=1e-12)


def test_the_eps_of_adam_is_an_axis_and_its_zero_has_no_derivative():
    rule, v = dg.rule("adam", lr=0.01), dg.variant("wgan-linear").with_(l2=2.0)
    found = dg.sweep(v, {"eps": [0.0, 0.1]}, ("status", "margin"), rule=rule, dim=1)
    assert found.status.values.tolist() == [3, 0]  # no-derivative, stable
    assert np.isnan(found.margin[0])
    alone = dg.spectrum(v, dim=1, rule=dg.rule("adam", lr=0.01, eps=0.1)).margin
    np.testing.assert_allclose(found.margin[1], alone, rtol=1e-12)
