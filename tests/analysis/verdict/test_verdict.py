"""What truly happens, against closed forms (derivations in theory comments) and against traps."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from selection import slow_but

import diracgan as dg
from diracgan.errors import InputError
from diracgan.variants import Variant, parse

TURN = 2 * np.pi


def judge(spec: str, phi0, theta0, **more):
    return dg.verdict(parse(spec) if isinstance(spec, str) else spec, phi0, theta0, **more, edge=False)


def close(values, expected, tolerance=1e-3):
    """Compare multisets of complex numbers."""
    left = list(np.asarray(values, complex))
    for e in np.asarray(expected, complex):
        k = int(np.argmin([abs(x - e) for x in left]))
        assert abs(left.pop(k) - e) <= tolerance * max(1.0, abs(e)), (values, expected)


@pytest.mark.slow  # fast: a tiny start obeys the normal form in test_kinds_of_wrong_answers.py
def test_non_saturating_converges_in_one_dimension_by_a_power_law():
    # E' = -s (a - b)/(1/2) with a - b = tanh(s/2): averaged over a turn r' = -r^3/16, so r^2 t -> 8.
    v = judge("ns", [0.1], [0.2])
    assert v.kind == "converges-sublinearly"
    assert v.numbers["exponent"] == pytest.approx(0.5, rel=0.02)
    assert v.numbers["constant"] == pytest.approx(np.sqrt(8), rel=0.01)


@pytest.mark.slow  # fast, from a smaller one: as above
def test_a_start_too_small_to_move_visibly_is_not_called_neutral():
    v = judge("ns", [1e-4], [2e-4])
    assert v.kind == "converges-sublinearly" and v.numbers["constant"] == pytest.approx(np.sqrt(8), rel=0.01)


@pytest.mark.parametrize(
    ("phi0", "theta0"),
    slow_but([([0.1, 0.2], [0.2, 0.1]), ([1.0, 0.4], [-0.3, 1.2])], ([1.0, 0.4], [-0.3, 1.2])),
)
def test_non_saturating_ends_on_a_circle_in_two_dimensions(phi0, theta0):
    # The wedge l is conserved; the end is |phi| = |theta| = sqrt(l), s = 0, at the angular velocity 1/2.
    v = judge("ns", phi0, theta0)
    wedge = abs(phi0[0] * theta0[1] - phi0[1] * theta0[0])
    assert v.kind == "limit-circle"
    assert v.numbers["radius_phi"] == pytest.approx(np.sqrt(wedge), rel=1e-4)
    assert v.numbers["radius_theta"] == pytest.approx(np.sqrt(wedge), rel=1e-4)
    assert v.numbers["period"] == pytest.approx(2 * TURN, rel=1e-6)
    close(v.numbers["floquet"], [1, 1, *np.exp(np.roots([1, wedge / 2, 1]) * 2 * TURN)])


def test_saturating_is_neutral_with_its_period():
    phi0, theta0 = [1.0, 0.3], [-0.2, 0.8]
    v = judge("saturating", phi0, theta0)
    square = np.dot(phi0, phi0) + np.dot(theta0, theta0)
    wedge = phi0[0] * theta0[1] - phi0[1] * theta0[0]
    size = np.sqrt(square**2 / 4 - wedge**2)
    assert v.kind == "neutral-orbit"
    # T = 2 pi (1 + I0(R)), R^2 = r^4/4 - l^2: two swings of s in one closed turn
    assert v.numbers["period"] == pytest.approx(TURN * (1 + np.i0(size)), rel=1e-5)
    assert "|phi|^2 + |theta - x0|^2" in v.numbers["conserved"]


@pytest.mark.parametrize("dim", slow_but([1, 2, 3], 2))
def test_linear_wgan_is_neutral(dim):
    v = dg.verdict(dg.variant("wgan-linear"), dim=dim, edge=False)
    assert v.kind == "neutral-orbit" and v.numbers["period"] == pytest.approx(TURN, rel=1e-6)


@pytest.mark.slow  # fast, the motion: truth/test_trajectories.py::test_the_normalised_critic
def test_normalised_wgan_leaves_linearly_in_one_dimension_and_is_neutral_in_two():
    v = judge("wgan", [0.1], [0.2])
    assert v.kind == "diverges" and v.numbers["exponent"] == pytest.approx(-1, rel=0.02)
    w = judge("wgan", [0.1, 0.2], [0.2, 0.1])
    assert w.kind == "neutral-orbit" and w.numbers["radius_phi"] == pytest.approx(np.sqrt(0.05), rel=1e-6)


@pytest.mark.parametrize("rule", slow_but(["simultaneous", "alternating"], "alternating"))
def test_steps_of_the_normalised_wgan_leave_by_a_law(rule):
    # d = 1: theta_n = theta_0 + h n. d = 2: steps of phi are orthogonal to it, and both radii grow by h^2 a step
    h = 0.1
    v = judge("wgan", [0.1, 0.2], [0.2, 0.1], rule=dg.rule(rule, lr=h), effort=0.1)
    assert v.kind == "diverges" and v.numbers["exponent"] == pytest.approx(-0.5, abs=0.01)
    assert v.numbers["constant"] == pytest.approx(np.sqrt(2) * h, rel=1e-3)
    assert judge("wgan", [0.1], [0.2], rule=dg.rule(rule, lr=h), effort=0.1).kind == "diverges"


@pytest.mark.slow  # fast, the same law: the test before
@pytest.mark.parametrize("rule", ["simultaneous", "alternating", "adam", "rmsprop"])
def test_steps_of_the_normalised_wgan_go_equally_far_on_a_line(rule):
    # theta_n = theta_0 + h n, under Adam too: a gradient of constant size is divided by that size
    v = judge("wgan", [2.87], [-1.34], rule=dg.rule(rule, lr=0.1))
    assert v.kind == "diverges" and v.numbers["exponent"] == pytest.approx(-1, rel=0.01)
    assert v.numbers["constant"] == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize(
    ("lam", "rate"), slow_but([(0.5, 0.5), (1.0, 1.0), (1.5, 1.5 - np.sqrt(1.25))], (1.0, 1.0))
)
def test_zero_centred_penalty_converges_exponentially(lam, rate):
    v = judge(f"wgan-gp:c=0,lam={lam}", [0.4, 0.1], [0.2, -0.5])
    assert v.kind == "converges-exponentially" and v.numbers["rate"] == pytest.approx(rate, rel=1e-3)


@pytest.mark.parametrize(
    ("lam", "c", "mu"),
    slow_but([(0.1, 1.0, 0.0), (0.4, 0.6, 0.0), (0.1, 1.0, 0.1)], (0.4, 0.6, 0.0), (0.1, 1.0, 0.1)),
)
def test_one_centred_penalty_ends_on_a_circle_that_l2_only_shrinks(lam, c, mu):
    v = judge(dg.variant("wgan-gp", lam=lam, c=c).with_(l2=mu), [0.1, 0.2], [0.2, 0.1])
    radius = 2 * lam * c / (2 * lam + mu)
    assert v.kind == "limit-circle"
    assert v.numbers["radius_phi"] == pytest.approx(radius, rel=1e-4)
    assert v.numbers["period"] == pytest.approx(TURN, rel=1e-6)
    if mu == 0:
        exponents = np.roots([1, 2 * lam, 4, 4 * lam])
        close(v.numbers["floquet"], [1, *np.exp(exponents * TURN)])


def test_one_centred_penalty_in_one_dimension_cycles_or_creeps():
    v = judge("wgan-gp", [0.1], [0.2])
    assert v.kind == "limit-cycle"
    # phi' = -u - 2 lam phi with u = theta - 2 lam c turns at sqrt(1 - lam^2) between the crossings of phi = 0, where
    # theta returns to -theta after half a period: theta* = 2 lam c coth(lam T/4), T = 2 pi/sqrt(1 - lam^2)
    lam, c = 0.1, 1.0
    half = np.pi / np.sqrt(1 - lam**2)
    top = 2 * lam * c / np.tanh(lam * half / 2)
    assert v.numbers["period"] == pytest.approx(2 * half, rel=1e-4)
    assert v.numbers["radius_theta"] == pytest.approx(top, rel=1e-3)
    # Liouville's formula for the divergence -2 lam over T = 2 half, times what the jumps of phi' at phi = 0 add: there
    # the derivative of the flow is multiplied by phi'(after)/phi'(before) = (theta* + 2 lam c)/(theta* - 2 lam c),
    # twice in a turn. With theta* = 2 lam c coth(lam half/2) that is exp(lam half) each: exp(-4 lam half + 2 lam half).
    close(v.numbers["floquet"], [1, np.exp(-2 * lam * half)], tolerance=1e-3)
    w = judge("wgan-gp:lam=1.5", [0.1], [0.2])
    assert w.kind == "converges-elsewhere" and w.numbers["limit_theta"] == pytest.approx([3.0], rel=1e-6)


@pytest.mark.slow  # fast, at lam = 0.99: the cycle that lingers in test_kinds_of_wrong_answers.py
def test_a_cycle_that_lingers_at_its_corners_is_seen_whole():
    # close to lam = 1 a turn takes 2 pi/sqrt(1 - lam^2), far longer than the start's speed suggests
    v = judge("wgan-gp:c=1,lam=0.9", [0.1], [0.2])
    half = np.pi / np.sqrt(1 - 0.9**2)
    assert v.kind == "limit-cycle" and v.numbers["period"] == pytest.approx(2 * half, rel=1e-4)
    assert v.numbers["radius_theta"] == pytest.approx(1.8 / np.tanh(0.9 * half / 2), rel=1e-3)


@pytest.mark.parametrize(
    ("start", "lam", "x0"), slow_but([(0.1, 1.0, 0.0), (0.4, 1.0, 0.0), (0.4, 1.2, 0.5)], (0.4, 1.2, 0.5))
)
def test_a_point_on_the_edge_of_a_jump_is_where_a_heavy_penalty_ends(start, lam, x0):
    # u = theta - x0 - 2 lam c obeys u'' + 2 lam u' + u = 0, which does not turn: phi = 0 is not crossed again
    v = judge(f"wgan-gp:c=1,lam={lam}", [start], [2 * start + x0], x0=[x0])
    assert v.kind == "converges-elsewhere" and v.numbers["limit_phi"] == pytest.approx([0.0], abs=1e-9)
    assert v.numbers["limit_theta"] == pytest.approx([x0 + 2 * lam], rel=1e-6)
    assert v.numbers["rate"] == pytest.approx(lam - np.sqrt(lam**2 - 1), rel=1e-3)


@pytest.mark.slow  # fast, the circle: truth/test_trajectories.py::test_gan_qp_rotates_on_its_circle
def test_gan_qp_converges_like_one_over_t_in_one_dimension_and_circles_in_two():
    v = judge("gan-qp", [0.1], [0.2])
    assert v.kind == "converges-sublinearly" and v.numbers["exponent"] == pytest.approx(1, rel=0.02)
    assert v.numbers["constant"] == pytest.approx(1.5 * np.pi, rel=0.01)
    w = judge("gan-qp", [0.1, 0.2], [0.2, 0.1])
    assert w.kind == "limit-circle" and w.numbers["radius_phi"] == pytest.approx(np.sqrt(0.03), rel=1e-4)
    close(w.numbers["floquet"], [1, 1, *np.exp(np.roots([1, np.sqrt(0.03), 4]) * TURN)])


def test_a_shifted_datum_damps_the_non_saturating_gan():
    v = judge("ns", [0.1], [0.2], x0=[1.0])
    assert v.kind == "converges-exponentially" and v.numbers["rate"] == pytest.approx(0.25, rel=1e-6)
    assert v.numbers["limit_theta"] == pytest.approx([1.0])
    assert repr(judge("ns", [0.1], [0.2], x0=[1.0]).as_dict()) == repr(v.as_dict())


# ---------------------------------------------------------------- the user's own


class Told(Variant):
    """A generator that climbs the critic."""

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


class Blow(Told):
    """phi' = phi^2: blows up at t = 1/phi0."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.zeros(())

    def penalty(self, critic, phi, x_real, x_fake):
        return -jnp.sum(phi**3) / 3


class Grow(Told):
    """phi' = 0.6 phi - theta, theta' = phi: an unstable spiral of rate 0.3."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return -0.3 * jnp.sum(phi**2)


class Sticky(Told):
    """An L1 penalty: phi sticks at 0 where |theta| < mu."""

    mu: float = 0.5

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return self.mu * jnp.sum(jnp.abs(phi))


class VanDerPol(Told):
    """theta'' - mu (1 - theta'^2/3) theta' + theta = 0."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake)

    def penalty(self, critic, phi, x_real, x_fake):
        return -(jnp.sum(phi**2) / 2 - jnp.sum(phi**4) / 12)


class Friction(Told):
    """phi' = -theta (1 + m sign(phi theta)): each half turn shrinks by sqrt((1 - m)/(1 + m))."""

    m: float = 0.05

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake) + self.m * jnp.mean(jnp.abs(fake - real))


class Broken(Told):
    """A loss without a finite value."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(jnp.log(-jnp.abs(fake) - 1.0) * fake)


def test_blow_up_growth_capture_and_nan_are_told_apart():
    v = judge(Blow(), [0.1], [0.2])
    assert v.kind == "finite-time" and v.numbers["blow_up_time"] == pytest.approx(10, rel=1e-6)
    assert judge(Grow(), [0.1], [0.2]).kind == "diverges"
    assert judge(Broken(), [0.1], [0.2]).kind == "undecided"


@pytest.mark.slow  # fast, the motion: tracing/test_switching.py::test_an_l1_penalty_holds_the_critic_at_zero
def test_capture_on_one_and_on_two_surfaces():
    # d = 1: (phi - ., theta) turns about (0, -mu) from (0.3, 0.2): theta + mu = r cos, phi = r sin
    v = judge(Sticky(), [0.3], [0.2])
    assert v.kind == "stuck"
    assert v.numbers["capture_time"] == pytest.approx(np.arctan2(0.3, 0.7), rel=1e-8)
    assert v.numbers["limit_theta"] == pytest.approx([np.hypot(0.3, 0.7) - 0.5], rel=1e-8)
    w = judge(Sticky(), [0.1, 0.2], [0.2, 0.1])
    assert w.kind == "stuck" and w.numbers["capture_time"] == pytest.approx(np.arctan2(0.2, 0.6), rel=1e-6)


@pytest.mark.slow  # fast, of two fields alike: tracing/test_stopped.py::test_a_cycle_has_the_multipliers_of_its_field
def test_a_smooth_limit_cycle():
    v = judge(VanDerPol(), [0.1], [0.2])
    assert v.kind == "limit-cycle"
    assert v.numbers["period"] == pytest.approx(6.6632868593, rel=1e-6)
    assert v.numbers["radius_phi"] == pytest.approx(2.00861986, rel=1e-4)
    assert abs(v.numbers["floquet"][1]) == pytest.approx(8.5970e-4, rel=1e-2)


@pytest.mark.parametrize("m", slow_but([0.05, 0.2, 0.9], 0.2))
def test_decay_without_a_derivative_is_measured(m):
    # however fast: a window of eight turns shrinks the motion by 2 or by 6e4
    v = judge(Friction(m=m), [0.1], [0.2])
    half = np.pi / 2 / np.sqrt(1 + m) + np.pi / 2 / np.sqrt(1 - m)
    assert v.kind == "converges-exponentially"
    assert v.numbers["rate"] == pytest.approx(np.log((1 + m) / (1 - m)) / 2 / half, rel=2e-3)
    assert v.numbers["period"] == pytest.approx(2 * half, rel=2e-3)


@pytest.mark.slow  # no fast witness: too dear
def test_sliding_onto_one_of_many_circles_is_neutral():
    # d = 2: s = phi.theta is reached in finite time; on s = 0 |phi| and |theta| keep whatever they have
    v = judge(Friction(m=0.2), [0.1, 0.2], [0.2, 0.1])
    n = v.numbers
    assert v.kind == "neutral-orbit" and n["radius_phi"] * n["radius_theta"] == pytest.approx(0.03, rel=1e-6)
    # s' = 0 with phi' = -a theta: a = |phi|^2/|theta|^2, so the angular velocity is |phi|/|theta|
    assert n["period"] == pytest.approx(2 * np.pi * n["radius_theta"] / n["radius_phi"], rel=1e-6)


@pytest.mark.slow  # no fast witness: too dear
def test_a_semistable_circle_attracts_from_outside_alone():
    # inside |phi| = c the one-sided penalty does nothing; outside a turn takes delta^(3/2): delta ~ t^-2
    v = judge("wgan-gp:c=0.5,lam=0.1,one_sided=true", [1.0], [0.2])
    assert v.kind == "limit-cycle" and v.numbers["period"] == pytest.approx(TURN, rel=1e-3)
    assert v.numbers["radius_phi"] == pytest.approx(0.5, rel=2e-3)
    assert v.numbers["radius_theta"] == pytest.approx(0.5, rel=2e-3)
    assert any("it attracts from the other alone" in line for line in v.evidence)
    # a stronger penalty ends there as well; hinge gets there in finite time
    v = judge("wgan-gp:c=0.5,lam=0.5,one_sided=true", [1.0], [0.8])
    assert v.kind == "limit-cycle" and v.numbers["radius_phi"] == pytest.approx(0.5, rel=2e-3)
    assert judge("hinge", [2.0], [1.0]).kind == "neutral-orbit"


@pytest.mark.slow  # fast, of a written growth: test_judges.py::test_growth_is_told_by_its_law_once_it_has_gone_far
def test_a_line_of_equilibria_is_elsewhere_and_its_neighbourhood_in_two_dimensions_creeps_away():
    class Half(Told):
        def critic_loss(self, real, fake, x_real, x_fake):
            return 0.5 * jnp.mean((real - 1) ** 2) + 0.5 * jnp.mean(fake**2)

        def generator_loss(self, real, fake, x_real, x_fake):
            return 0.5 * jnp.mean((fake - 1) ** 2)

    assert judge(Half(), [0.1], [0.2]).kind == "converges-elsewhere"
    v = judge(Half(), [0.1, 0.2], [0.2, 0.1])
    # the wedge l stays, so |theta|^6 ~ 6 l^2 t
    assert v.kind == "diverges" and v.numbers["exponent"] == pytest.approx(-1 / 6, rel=0.02)


# ---------------------------------------------------------------- steps


def test_steps_have_circles_of_their_own():
    # Euler steps of 0.1 with lam = 0.1: the turning state needs lam (1 - c/r) h ... and its radius is 2, not 1
    v = judge("wgan-gp", [0.1, 0.2], [0.2, 0.1], rule=dg.rule("simultaneous", lr=0.1))
    assert v.kind == "limit-circle" and v.numbers["radius_phi"] == pytest.approx(2.0, rel=1e-4)
    w = judge("ns", [0.1], [0.2], rule=dg.rule("simultaneous", lr=0.1))
    assert w.kind == "limit-cycle" and w.numbers["radius_phi"] == pytest.approx(np.sqrt(0.2), rel=0.01)


@pytest.mark.slow  # fast, of written steps: test_judges.py::test_steps_that_only_lead_outward_have_no_limit
@pytest.mark.parametrize(
    ("phi0", "theta0"), [([1.0], [1.0]), pytest.param([0.1, 0.2], [0.2, 0.1], marks=pytest.mark.slow)]
)
def test_steps_along_the_circles_of_a_conserved_radius_only_lead_outward(phi0, theta0):
    simultaneous = dg.rule("simultaneous", lr=0.1)
    assert (
        judge("saturating", phi0, theta0, rule=simultaneous).kind == "diverges"
    )  # though only like sqrt(log n)
    minimax = dg.variant("fgan-kl", mode="minimax")  # whose steps get smaller than floats: not told from rest
    assert dg.verdict(minimax, phi0=phi0, theta0=theta0, rule=simultaneous, edge=False).kind != "limit-cycle"


def test_slow_exponential_growth_of_steps_has_its_rate():
    v = judge("wgan-linear", [1.0], [1.0], rule=dg.rule("simultaneous", lr=1e-3))
    assert (v.kind, v.numbers["rate"]) == ("diverges", pytest.approx(0.5 * np.log1p(1e-6), rel=1e-6))


@pytest.mark.slow  # fast, a rate: test_rates_of_a_lazy_rule_are_per_iteration; a growth: the test above
def test_steps_that_converge_stay_or_leave():
    slow = judge("ns", [0.1], [0.2], rule=dg.rule("alternating", lr=0.1))
    assert slow.kind == "converges-sublinearly"
    assert slow.numbers["constant"] == pytest.approx(np.sqrt(8 / 0.1), rel=0.01)
    assert judge("wgan-linear", [0.1], [0.2], rule=dg.rule("alternating", lr=0.1)).kind == "neutral-orbit"
    assert judge("wgan-linear", [0.1], [0.2], rule=dg.rule("simultaneous", lr=0.1)).kind == "diverges"
    fast = judge("ns:r1=0.3", [0.1], [0.2], rule=dg.rule("simultaneous", lr=0.1))
    s = dg.spectrum(parse("ns:r1=0.3"), rule=dg.rule("simultaneous", lr=0.1))
    assert fast.numbers["rate"] == pytest.approx(-np.log(s.spectral_radius), rel=1e-6)


def test_rates_of_a_lazy_rule_are_per_iteration():
    # the multipliers are those of four iterations together
    rule = dg.rule("alternating", lr=0.1, lazy=4)
    v = judge("ns:r1=0.3", [0.4], [0.7], rule=rule)
    s = dg.spectrum(parse("ns:r1=0.3"), rule=rule)
    assert s.period == 4 and v.numbers["rate"] == pytest.approx(-np.log(s.spectral_radius) / 4, rel=1e-6)


@pytest.mark.slow  # fast, of slow growth: test_slow_exponential_growth_of_steps_has_its_rate
def test_a_pull_too_slow_to_arrive_is_still_seen():
    # Runge-Kutta steps shrink a rotation by (omega h)^6/144 each, here 6.9e-9
    v = judge("saturating", [0.4], [0.7], rule=dg.rule("rk4", lr=0.2))
    assert v.kind == "converges-exponentially" and v.numbers["rate"] == pytest.approx(1e-6 / 144, rel=0.01)


def test_ema_does_not_change_the_verdict():
    for ema in (None, 0.99):
        v = judge("wgan-gp", [0.1, 0.2], [0.2, 0.1], rule=dg.rule("simultaneous", lr=0.1, ema=ema))
        assert v.kind == "limit-circle"


# ---------------------------------------------------------------- invariances


@pytest.mark.slow  # test_invariants.py scales losses drawn at random
@pytest.mark.parametrize(("phi0", "theta0"), [([0.1], [0.2]), ([0.1, 0.2], [0.2, 0.1])])
def test_a_scaled_loss_runs_faster_and_is_judged_alike(phi0, theta0):
    k = 3.0
    base = dg.variant("gan-qp")

    class Renamed(Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            return k * base.critic_loss(real, fake, x_real, x_fake)

        def generator_loss(self, real, fake, x_real, x_fake):
            return k * base.generator_loss(real, fake, x_real, x_fake)

    plain, scaled = judge(base, phi0, theta0), judge(Renamed(), phi0, theta0)
    assert plain.kind == scaled.kind
    if plain.kind == "limit-circle":
        assert scaled.numbers["period"] == pytest.approx(plain.numbers["period"] / k, rel=1e-6)
        assert scaled.numbers["radius_phi"] == pytest.approx(plain.numbers["radius_phi"], rel=1e-4)
    else:
        factor = k ** plain.numbers["exponent"]
        assert scaled.numbers["constant"] == pytest.approx(plain.numbers["constant"] / factor, rel=0.01)


@pytest.mark.slow  # fast, of ns: test_a_shifted_datum_damps_the_non_saturating_gan
def test_a_verdict_is_deterministic():
    one, two = (judge("gan-qp", [0.3, 0.1], [0.2, -0.4]).as_dict() for _ in range(2))
    assert repr(one) == repr(two)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="phi0 has 1"):
        judge("ns", [0.1], [0.2, 0.3])
    with pytest.raises(InputError, match="effort"):
        judge("ns", [0.1], [0.2], effort=0)


@pytest.mark.slow  # fast, the coefficient: numerics/test_normal_form.py::test_the_hopf_normal_form
def test_the_first_lyapunov_coefficient_predicts_the_constant():
    # rho' = omega l1 rho^3 with r = sqrt(2) rho on a circle: r ~ (-omega l1 t)^(-1/2)
    v = judge("ns", [0.3], [0.1])
    assert v.numbers["lyapunov_coefficient"] == pytest.approx(-0.25, rel=1e-9)
    assert v.numbers["constant"] == pytest.approx((0.5 * 0.25) ** -0.5, rel=0.01)


@pytest.mark.slow  # fast, with equal weights: test_saturating_is_neutral_with_its_period
def test_a_weighted_energy_is_found_and_its_drift_is_the_solvers():
    v = judge("wgan-linear", [0.1], [0.2], rate_d=2.0)
    # phi' = -2 theta, theta' = phi keep |phi|^2 + 2 |theta|^2
    assert any(name.startswith("|phi|^2 + 2 ") for name in v.numbers["conserved"])
    assert any("rtol 1e-9" in line for line in v.evidence)


@pytest.mark.slow  # fast, of another field: test_kinds_of_wrong_answers.py::test_a_tangency_is_crept_to_by_a_law
def test_another_equilibrium_may_be_neared_by_a_power_law():
    # fgan-kl rests where x0 = theta exp(-1), a bias that its critic does not have; across x0 it is marginal
    x0 = np.array([-0.23, 0.22])
    v = dg.verdict(dg.variant("fgan-kl"), [0.29, 0.8], [0.08, -0.39], x0=x0, edge=False)
    assert v.kind == "converges-elsewhere"
    assert v.numbers["exponent"] == pytest.approx(0.5, rel=0.01)
    np.testing.assert_allclose(v.numbers["limit_theta"], np.e * x0, rtol=1e-9)
    np.testing.assert_allclose(v.numbers["limit_phi"], 0.0, atol=1e-9)


def test_an_orbit_that_does_not_close_is_not_given_a_period_of_its_own():
    """wgan in d = 2: of theta, a along phi and b across it, a' = 1 - b^2/rho^2 and b' = a b/rho^2, rho = |phi|.

    They keep (a^2 + b^2)/2 - rho^2 log b, and come back after T = 2 int rho^2 db / (a b); phi has turned by an angle
    that is not a whole share of a turn.
    """
    phi, theta = np.array([0.1, 0.2]), np.array([0.2, 0.1])
    rho = np.linalg.norm(phi)
    a, b = phi @ theta / rho, abs(phi[0] * theta[1] - phi[1] * theta[0]) / rho
    kept = (a**2 + b**2) / 2 - rho**2 * np.log(b)

    def along(b):
        return 2 * (kept + rho**2 * np.log(b)) - b**2

    ends = brentq(along, 1e-9, rho), brentq(along, rho, 10.0)
    middle, half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2

    def share(s):  # b = middle + half sin(s) takes the square roots at both ends away
        b = middle + half * np.sin(s)
        return rho**2 / b * half * np.cos(s) / np.sqrt(along(b))

    period = 2 * quad(share, -np.pi / 2, np.pi / 2)[0]
    v = dg.verdict(dg.variant("wgan"), phi, theta, edge=False)
    assert v.kind == "neutral-orbit"
    assert v.numbers["period"] == pytest.approx(period, rel=1e-4)
    assert f"an orbit whose radii repeat with period {v.numbers['period']:.6g}" in v.text
