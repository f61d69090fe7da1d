"""The same system in other units of its players, or with scales far apart, has the same verdict."""

import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.analysis.verdict import formatting
from diracgan.variants import Variant


class InUnits(Variant):
    """l(D) -> k^2 l(D/k^2): the players are k times as large, and as fast."""

    k: float = 1.0

    def critic_loss(self, real, fake, x_real, x_fake):
        return self.k**2 * jnp.mean(self.h((fake - real) / self.k**2))

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


class Kink(InUnits):
    """h(s) = s + b |s|, b = 0.3."""

    def h(self, s):
        return s + 0.3 * jnp.abs(s)


class DeadZone(InUnits):
    """h(s) = s + max(|s| - 1, 0)^2/2."""

    def h(self, s):
        return s + jnp.maximum(jnp.abs(s) - 1.0, 0.0) ** 2 / 2


def kink_rate(b):
    """y = theta - x0 falls by sqrt((1 - b)/(1 + b)) in half a turn, of a quarter with each of the two frequencies.

    y'' = -(1 -+ b) y, so phi^2 + (1 -+ b) y^2 is kept in each quarter.
    """
    half = np.pi / 2 * ((1 - b) ** -0.5 + (1 + b) ** -0.5)
    return np.log((1 + b) / (1 - b)) / 2 / half


@pytest.mark.parametrize("k", slow_but([1e6, 1.0, 1e-6], 1e6))
def test_a_kink_is_crossed_in_any_unit_of_the_players(k):
    # the switching function D/k^2 has a slope of 1e-6 for k = 1e6: an absolute slack hid every crossing below 1e-4 k
    v = dg.verdict(Kink(k=k), [0.5 * k], [0.4 * k], x0=[0.3 * k], edge=False)
    assert v.kind == "converges-exponentially" and v.numbers["rate"] == pytest.approx(
        kink_rate(0.3), rel=1e-4
    )


@pytest.mark.slow  # test_a_kink_is_crossed_in_any_unit_of_the_players has such surfaces in the fast suite
@pytest.mark.parametrize("k", [1e6, 1e-6])
def test_a_cycle_through_kinks_is_found_in_any_unit(k):
    # s stays within 1 on the circle of radius sqrt(2), where the flow is a rotation; outside the critic is pulled in
    v = dg.verdict(DeadZone(k=k), [2.5 * k], [1.4 * k], edge=False)
    assert v.kind == "limit-cycle" and v.numbers["period"] == pytest.approx(2 * np.pi, rel=1e-6)
    assert v.numbers["radius_phi"] / k == pytest.approx(np.sqrt(2), rel=1e-3)


@pytest.mark.slow  # test_a_kink_is_crossed_in_any_unit_of_the_players has such surfaces in the fast suite
def test_what_is_tiny_beside_its_datum_is_on_no_cycle_of_rounding():
    v = dg.verdict(Kink(), [1e-14], [0.3 + 1e-9], x0=[0.3], edge=False)
    assert v.kind == "converges-exponentially" and v.numbers["rate"] == pytest.approx(
        kink_rate(0.3), rel=5e-3
    )


def test_a_slow_player_beside_a_fast_one_is_at_no_equilibrium():
    # (0, 0) alone is one: phi = -theta/(2 l2), theta' = phi/2; the solver sees no motion at theta = 0.2
    v = dg.verdict(dg.variant("ns").with_(l2=1e30), [0.1], [0.2], effort=1e-3, edge=False)
    assert v.kind == "undecided" and "one equilibrium, isolated: (0, 0)" in v.evidence[-2]


def test_a_point_is_told_from_0_beside_its_own_size():
    assert formatting.vector(np.array([2e-14, 1e-14])) == "(2e-14, 1e-14)"
    assert formatting.vector(np.array([2e-14, 1e-14]), 1.0) == "(0, 0)"


@pytest.mark.parametrize("far", [{"x0": [1e300]}, {"phi0": [1e154]}, {"theta0": [-1e308]}], ids=str)
@pytest.mark.parametrize("rule", [None, dg.rule("simultaneous")], ids=str)
def test_of_a_start_whose_square_leaves_the_float_range_nothing_is_claimed(far, rule):
    """The speeds of ns are below |z|: a start of 1e154 moves by itself in a unit of time, and does not diverge."""
    found = dg.verdict(dg.variant("ns"), **{"phi0": [0.1], "theta0": [0.2], **far}, rule=rule)
    assert found.kind == "undecided"
    assert "squares that leave the float range" in found.text


@pytest.mark.parametrize("far", [1e50, 1e120])
def test_a_datum_beyond_all_scales_that_are_looked_at_keeps_its_verdict(far):
    """phi' = x0 - theta, theta' = phi: a rotation of period 2 pi about (0, x0), from every distance."""
    found = dg.verdict(dg.variant("wgan-linear"), phi0=[0.1], theta0=[0.2], x0=[far])
    assert found.kind == "neutral-orbit"
    assert found.numbers["period"] == pytest.approx(2 * np.pi)
