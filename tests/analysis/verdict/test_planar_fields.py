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


class Slaved(Planar):
    """u' = phi^2 - u, so u = phi^2 in the end, and phi' = -phi u^2 = -phi^5."""

    def of_critic(self, phi, u):
        return phi**2 * u**2 / 2

    def of_generator(self, phi, u):
        return u**2 / 2 - phi**2 * u


class MoreSlaved(Slaved):
    """phi' = -phi u^3 = -phi^7."""

    def of_critic(self, phi, u):
        return phi**2 * u**3 / 2


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


@pytest.mark.parametrize(("phi", "u"), [(0.7, 0.4), (0.3, -0.2)])
def test_a_creep_like_the_fourth_root_is_to_the_equilibrium_itself(phi, u):
    # (phi^-4)' = 4: phi = (4 t)^-1/4, of which half is left after 16 times as long; it was crept "elsewhere", 5e-4 away
    v = verdict(Slaved, phi, u)
    assert v.kind == "converges-sublinearly" and v.numbers["exponent"] == pytest.approx(0.25, rel=1e-2)
    assert v.numbers["constant"] == pytest.approx(4**-0.25, rel=1e-2)


@pytest.mark.slow  # fast, of a creep that is told: the test above
def test_a_creep_too_slow_to_show_its_end_is_not_to_another_point():
    # (phi^-6)' = 6: the distance falls by 8 % from window to window
    assert verdict(MoreSlaved, 0.7, 0.4).kind in ("converges-sublinearly", "undecided")


def cycle_of_wgan_gp(lam):
    """Period, largest |phi| and |theta| and the multiplier of wgan-gp's cycle for c = 1, x0 = 0 and d = 1.

    For phi > 0 the motion is z'' + 2 lam z' + z = 0 about (0, 2 lam), z = theta - 2 lam: from phi = 0 at theta = -T it
    is back at phi = 0 after the half turn pi/w, w^2 = 1 - lam^2, with z turned and smaller by q = exp(-lam pi/w). By
    symmetry it closes where theta is T there, q (T + 2 lam) = T - 2 lam, and a half turn multiplies by q. phi is
    largest where tan w t = w/lam, where w t = arccos lam and sin w t = w.
    """
    w = math.sqrt(1 - lam**2)
    q = math.exp(-lam * math.pi / w)
    turned = 2 * lam * (1 + q) / (1 - q)
    return 2 * math.pi / w, (turned + 2 * lam) * math.exp(-lam * math.acos(lam) / w), turned, q**2


@pytest.mark.parametrize(("lam", "start"), [(0.3, 1e-3), (0.5, 3e-4), (0.9, 3e-4), (0.95, 3e-4)])
def test_a_cycle_is_found_by_windows_as_short_as_the_start_was_small(lam, start):
    # no eigenvalue tells a turn, which takes 1e4 times as long as the first guess: it was undecided, and at lam = 0.9
    # it converged to (0, 1.8), about which one side of the jump alone spirals: it leaves within half a turn
    period, phi, theta, multiplier = cycle_of_wgan_gp(lam)
    v = dg.verdict(dg.variant("wgan-gp", c=1.0, lam=lam), [start], [start], edge=False)
    assert v.kind == "limit-cycle" and v.numbers["period"] == pytest.approx(period, rel=1e-6)
    assert v.numbers["radius_phi"] == pytest.approx(phi, rel=1e-4)
    assert v.numbers["radius_theta"] == pytest.approx(theta, rel=1e-4)
    assert v.numbers["floquet"][1] == pytest.approx(multiplier, rel=1e-3)


@pytest.mark.parametrize("lr", [1.05, 1.2])
def test_steps_that_outgrow_their_first_window_have_a_rate(lr):
    # phi' = -theta, theta' = phi under extragradient: the multiplier 1 - h^2 + i h; at 1.2 a window of 1,024 sees 1e109
    v = dg.verdict(dg.variant("wgan-linear"), [0.3], [0.3], rule=dg.rule("extragradient", lr=lr), edge=False)
    assert v.kind == "diverges" and v.numbers["rate"] == pytest.approx(
        math.log(1 - lr**2 + lr**4) / 2, rel=1e-6
    )
