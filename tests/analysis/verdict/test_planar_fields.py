"""Verdicts on any field of the plane, whose end is known in closed form: the losses see both players through x_fake."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg


class Planar(dg.Variant):
    """phi' = -dA/dphi, u' = -dB/du with u = theta - 1, at the datum 1, where the real logit is phi."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return self.of_critic(real[0], x_fake[0, 0] - 1.0)

    def generator_loss(self, real, fake, x_real, x_fake):
        return self.of_generator(jax.lax.stop_gradient(real[0]), x_fake[0, 0] - 1.0)


class Radial(Planar):
    """r' = 0.1 r K(r^2) and an angular velocity of 1; ``whole`` is the integral of K."""

    def of_critic(self, phi, u):
        return u * phi - 0.05 * self.whole(phi**2 + u**2)

    def of_generator(self, phi, u):
        return -u * phi - 0.05 * self.whole(phi**2 + u**2)


class Repelling(Radial):
    """K = rho - 1: the cycle of radius 1 repels."""

    def whole(self, rho):
        return rho**2 / 2 - rho


class Semistable(Radial):
    """K = -(rho - 1)^2: it attracts from outside alone, like 1/t."""

    def whole(self, rho):
        return -((rho - 1) ** 3) / 3


class Friction(Radial):
    """K = -1/r: r' = -0.1, at rest in the singular centre after 10 r0."""

    def whole(self, rho):
        return -2 * jnp.sqrt(rho)


class Separate(Planar):
    """phi' = -phi, u' = -u: steps of 1 arrive at once."""

    def of_critic(self, phi, u):
        return phi**2 / 2

    def of_generator(self, phi, u):
        return u**2 / 2


class Sliding(Separate):
    """phi' = -sign(phi): phi rests from t = phi0 on, and u = u0 e^-t creeps along the surface."""

    def of_critic(self, phi, u):
        return jnp.abs(phi)


def verdict(kind, phi, u, **more):
    return dg.verdict(kind(), [phi], [1.0 + u], x0=1.0, **more, edge=False)


def test_inside_a_repelling_cycle_all_spirals_in_and_outside_it_blows_up():
    # r' = 0.1 (r^3 - r): from r0 > 1 the time to infinity is 5 log(r0^2/(r0^2 - 1))
    inside, outside = verdict(Repelling, 0.5, 0.2), verdict(Repelling, 1.2, 0.0)
    assert inside.kind == "converges-exponentially"
    assert inside.numbers["rate"] == pytest.approx(0.1) and inside.numbers["frequency"] == pytest.approx(1.0)
    assert outside.kind == "finite-time"
    assert outside.numbers["blow_up_time"] == pytest.approx(5 * math.log(1.44 / 0.44), rel=1e-5)


@pytest.mark.slow  # fast, of a repelling cycle: the test above
def test_a_semistable_cycle_attracts_from_one_side():
    outside, inside = verdict(Semistable, 1.5, 0.0), verdict(Semistable, 0.6, 0.0)
    assert outside.kind == "limit-cycle" and outside.numbers["radius_phi"] == pytest.approx(1.0, rel=1e-3)
    assert inside.kind == "converges-exponentially" and inside.numbers["rate"] == pytest.approx(0.1)


def test_steps_that_arrive_before_the_first_window_are_dead_beat():
    v = verdict(Separate, 0.5, 0.3, rule=dg.rule("simultaneous", lr=1.0))
    assert v.kind == "converges-exponentially" and v.numbers["rate"] == np.inf
    assert v.numbers["limit_theta"] == [1.0]


@pytest.mark.slow  # fast, along a jump: test_verdict.py, a point on the edge of a jump
def test_what_creeps_along_a_surface_is_not_stuck_on_it():
    v = verdict(Sliding, 0.5, 0.3)
    assert v.kind == "converges-exponentially" and v.numbers["rate"] == pytest.approx(1.0, rel=1e-3)


@pytest.mark.slow  # fast, of a written end: test_judges.py::test_a_capture_has_its_time_and_its_place
def test_a_singular_centre_is_reached_and_rested_in():
    v = verdict(Friction, 0.5, 0.0)
    assert v.kind == "stuck" and v.numbers["capture_time"] == pytest.approx(5.0, rel=1e-6)
