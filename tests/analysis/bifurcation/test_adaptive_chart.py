"""Cycles of adaptive rules in two parameters, where the equilibrium has no useful linearisation."""

from __future__ import annotations

import numpy as np
import pytest

import diracgan as dg

OVER = ("gamma=0.02:0.2", "lr=0.001:0.004")


def test_in_a_linear_game_without_eps_cycles_grow_in_proportion_to_the_learning_rate():
    """(z, lr) -> (s z, s lr) is a symmetry of a step whose size does not depend on the gradient's."""
    rule = dg.rule("adam", beta1=0.5, beta2=0.99, eps=1e-12)
    found = dg.bifurcation.adaptive_chart(dg.variant("wgan-linear"), OVER, rule, cells=2)
    np.testing.assert_allclose(found.second, [0.001, 0.004])
    scaled = found.amplitudes / found.second
    np.testing.assert_allclose(scaled, np.tile(scaled[:, :1], (1, 2)), rtol=1e-3)
    assert {k for row in found.kinds for k in row} == {"limit-cycle"}
    assert np.all(np.diff(scaled[:, 0]) < 0)  # damping shrinks the cycle
    direct = dg.averaged(
        dg.variant("wgan-linear").with_(r1=0.2), dg.rule("adam:beta1=0.5,beta2=0.99,eps=1e-12,lr=0.004")
    )
    assert found.amplitudes[-1, -1] == pytest.approx(direct.amplitude, rel=1e-9)


def test_a_rule_whose_steps_follow_the_gradient_is_refused():
    with pytest.raises(dg.InputError, match="follow"):
        dg.bifurcation.adaptive_chart(dg.variant("ns"), OVER, dg.rule("simultaneous"), cells=2)


def test_the_atlas_says_that_the_equilibrium_decides_nothing():
    with pytest.raises(dg.InputError, match="no useful linearisation; allowed.*adaptive_chart"):
        dg.bifurcation.atlas(dg.variant("ns"), OVER, rule=dg.rule("adam"))
    assert dg.bifurcation.no_useful_linearisation(dg.rule("adam", eps=1e-3)) == ""
