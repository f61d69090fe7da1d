"""Switching functions that are zero for ever, and branches without a value beyond their surface.

The truth is DOP853 with the field typed in by hand: for L_D = a(s) + b(r) and L_G = c(s), with s = phi.theta and
r = phi.x0, phi' = -a'(s) theta - b'(r) x0 and theta' = -c'(s) phi.
"""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from written_games import Bowl

import diracgan as dg
from diracgan.analysis.dynamical_system import ContinuousSystem
from diracgan.analysis.orbits.rest_points import rest_near
from diracgan.dynamics import run
from diracgan.dynamics.engines import TimeSpan, engine, first_to_fall
from diracgan.dynamics.event_loop import event_loop
from diracgan.dynamics.filippov import DiracSystem, Regime, flow_in, guards, plain, told_from_a_root
from diracgan.dynamics.regimes import integrate
from diracgan.dynamics.switchings import speeds, start
from diracgan.game import Players


def huber(x):
    """x^2/2 for |x| < 1, else |x| - 1/2; its slope is x cut off at -1 and 1."""
    return jnp.where(jnp.abs(x) < 1, x**2 / 2, jnp.abs(x) - 0.5)


class Split(dg.Variant):
    """L_D = a(fake) + b(real), L_G = c(fake), of plain functions of one logit."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(self.losses[0](fake)) + jnp.mean(self.losses[1](real))

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(self.losses[2](fake))


def split(a, b, c) -> Split:
    """The variant of three functions of a logit."""
    return type("Split", (Split,), {"losses": (a, b, c), "__module__": __name__})()


def linear(s):
    return -s


# losses a(s), b(r), c(s), and the slopes a', b', c' on paper
GAMES = {
    "huber": (
        (lambda s: huber(s + 1), lambda r: huber(r - 1), lambda s: huber(s - 1)),
        (lambda s: np.clip(s + 1, -1, 1), lambda r: np.clip(r - 1, -1, 1), lambda s: np.clip(s - 1, -1, 1)),
    ),
    "perceptron": (
        (jax.nn.relu, lambda r: jax.nn.relu(-r), linear),
        (lambda s: float(s > 0), lambda r: -float(r < 0), lambda s: -1.0),
    ),
    "perceptron-squared": (
        (lambda s: jax.nn.relu(s + 0.2) ** 2, lambda r: jnp.abs(r) + jax.nn.relu(-r), linear),
        (lambda s: 2 * max(s + 0.2, 0.0), lambda r: np.sign(r) - float(r < 0), lambda s: -1.0),
    ),
    "power": (
        (lambda s: s + jnp.abs(s) ** 1.5 / 1.5, lambda r: -r, linear),
        (lambda s: 1 + np.sign(s) * abs(s) ** 0.5, lambda r: -1.0, lambda s: -1.0),
    ),
    "logarithm": (
        (lambda s: s + 0.3 * s**2 * jnp.log(jnp.abs(s)), lambda r: -r, linear),
        (lambda s: 1 + 0.3 * (2 * s * np.log(abs(s)) + s), lambda r: -1.0, lambda s: -1.0),
    ),
    "ramp": (
        (lambda s: s + jax.nn.relu(s - 0.1) ** 1.5, lambda r: -r, linear),
        (lambda s: 1 + 1.5 * max(s - 0.1, 0.0) ** 0.5, lambda r: -1.0, lambda s: -1.0),
    ),
}
STARTS = {
    1: ([0.5], [0.4]),
    2: ([0.5, 0.3], [0.4, -0.2]),
    3: ([-0.3, 0.6, 0.1], [0.2, 0.9, -0.4]),
}


def truth(slopes, phi, theta, x0, t1) -> np.ndarray:
    d = len(phi)

    def right(_t, y):
        p, q = y[:d], y[d:]
        s, r = p @ q, p @ x0
        return np.concatenate([-slopes[0](s) * q - slopes[1](r) * x0, -slopes[2](s) * p])

    out = solve_ivp(right, (0, t1), [*phi, *theta], method="DOP853", rtol=1e-10, atol=1e-11, max_step=0.05)
    return out.y[:, -1]


def last(traj) -> np.ndarray:
    return np.concatenate([traj["phi"][-1], traj["theta"][-1]])


def check(name, dim, x0, **how):
    losses, slopes = GAMES[name]
    phi, theta = STARTS[dim]
    traj = run(split(*losses), phi, theta, x0=np.full(dim, x0), t1=5.0, **how)
    assert traj.attrs["result"] == "ok"
    np.testing.assert_allclose(last(traj), truth(slopes, phi, theta, np.full(dim, x0), 5.0), atol=3e-7)


@pytest.mark.parametrize("name", [pytest.param("huber", marks=pytest.mark.slow), "power"])  # Huber: below
def test_it_agrees_with_the_field_typed_in(name):
    check(name, 1, 0.0, backend="scipy")


# where a critic jumps at r = 0 the motion slides along it, which the field typed in cannot follow: with x0 = 0 only
SMOOTH_IN_TIME = [
    (n, x0)
    for n in GAMES
    for x0 in (0.0, 0.4)
    if n != "perceptron" and (n, x0) != ("perceptron-squared", 0.4)
]


@pytest.mark.slow  # fast, of one: the test above
@pytest.mark.parametrize("backend", ["scipy", "diffrax"])
@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize(("name", "x0"), SMOOTH_IN_TIME)
def test_so_it_does_in_every_dimension_and_with_both_backends(name, dim, x0, backend):
    check(name, dim, x0, backend=backend)


# a(s) = s + s |s| log|s|, whose slope is even: under (phi, t) -> (-phi, -t) the flow of d = 1 stays, so
# that every orbit that meets phi = 0 twice closes. The relu of the real logit is zero for ever
EVEN = (
    (lambda s: s + s * jnp.abs(s) * jnp.log(jnp.abs(s)), jax.nn.relu, linear),
    (lambda s: 1 + 2 * abs(s) * np.log(abs(s)) + abs(s), lambda r: 0.0, lambda s: -1.0),
)


def test_a_surface_beyond_which_a_branch_has_no_value_is_met_every_time():
    losses, slopes = EVEN
    with jax.enable_x64(True):
        system = DiracSystem(split(*losses), np.zeros(1), Players(1.0, 1.0), None)
        span = TimeSpan(0.0, 20.0, np.array([20.0]), 1e-11, 1e-13)
        out = integrate(event_loop, system, np.array([0.5, 0.4]), span)
    zero = np.zeros(1)
    np.testing.assert_allclose(out.y, truth(slopes, np.array([0.5]), np.array([0.4]), zero, 20.0), atol=1e-7)
    assert len(out.events) == 10


@pytest.mark.slow  # fast: the test above
def test_a_flow_that_time_reverses_into_itself_is_neutral_across_such_a_surface():
    v = dg.verdict(split(*EVEN[0]), phi0=[0.5], theta0=[0.4])
    assert v.kind == "neutral-orbit"
    _, slopes = EVEN
    start, period = np.array([0.5, 0.4]), v.numbers["period"]
    back = truth(slopes, start[:1], start[1:], np.zeros(1), period)
    np.testing.assert_allclose(back, start, atol=1e-6)


def test_of_guards_that_are_as_low_the_one_that_falls_is_met():
    """A function that is zero for ever stands at its slack, below one that falls to 0 from twice as far."""
    far = 1e150  # of the float range, the last
    assert first_to_fall(np.array([1.3e-13, 0.8e-13, far]), np.array([-0.3, 0.0, 0.0])) == 0
    assert first_to_fall(np.array([1.3e-13, 0.8e-13, far]), np.array([-0.3, -0.3, 0.0])) == 1
    assert first_to_fall(np.array([1.3e-13, 0.8e-13, -1.0]), np.array([-0.3, 0.0, 0.0])) == 2
    assert first_to_fall(np.array([1.3e-13, 0.8e-13, far]), np.array([0.3, 0.0, 0.0])) == 1


@pytest.mark.slow  # fast: the test above
def test_a_long_motion_meets_its_own_surface_and_not_one_that_is_zero_for_ever():
    losses, slopes = EVEN
    traj = run(split(*losses), [0.5], [0.4], t1=500.0)
    assert traj.attrs["result"] == "ok"
    far = truth(slopes, np.array([0.5]), np.array([0.4]), np.zeros(1), 500.0)
    np.testing.assert_allclose(last(traj), far, atol=2e-6)


@pytest.mark.parametrize("backend", ["scipy", pytest.param("diffrax", marks=pytest.mark.slow)])
def test_a_huber_loss_whose_real_logit_is_zero_for_ever(backend):
    losses, _ = GAMES["huber"]
    traj = run(split(*losses), [0.5], [0.4], t1=5.0, backend=backend)
    np.testing.assert_allclose(last(traj), [0.3319, -0.3986], atol=5e-5)


@pytest.mark.slow  # fast, of an L1 penalty: tracing/test_switching.py::test_an_l1_penalty_holds_the_critic_at_zero
def test_a_perceptron_comes_to_rest_where_its_critic_is_zero():
    # s > 0: phi' = -theta, theta' = phi turns (0.5, 0.4) until phi = 0, at theta = |(0.5, 0.4)|; beyond, s < 0 and
    # phi' = 0: the field (-theta, 0) on one side and 0 on the other holds it there
    losses, _ = GAMES["perceptron"]
    traj = run(split(*losses), [0.5], [0.4], t1=5.0, backend="scipy")
    np.testing.assert_allclose(last(traj), [0.0, np.hypot(0.5, 0.4)], atol=1e-9)
    assert traj.attrs["result_time"] == pytest.approx(np.arctan2(0.5, 0.4), abs=1e-9)


@pytest.mark.slow  # a slide that ends: tracing/test_switching.py; a kink and a root met together: below
@pytest.mark.parametrize("backend", ["scipy", "diffrax"])
def test_a_slide_ends_where_another_surface_lets_it_go(backend):
    # On s = 0 the perceptron slides while r > 0; from r < 0 its critic is pushed by x0 as well, and so hard that on
    # both sides of s = 0 the motion leaves for s > 0: s' = -a |theta|^2 + x0.theta + |phi|^2 > 0 for a = 0 and a = 1.
    # The truth is the field with the steps made smooth, by a solver for stiff systems.
    losses, _ = GAMES["perceptron"]
    phi, theta, x0 = np.array([0.5, 0.3]), np.array([0.4, -0.2]), np.full(2, 0.4)

    def right(_t, y):
        a, b = (0.5 * (1 + np.tanh(x / 1e-6)) for x in (y[:2] @ y[2:], -(y[:2] @ x0)))
        return np.concatenate([-a * y[2:] + b * x0, y[:2]])

    # until before both logits are 0 again, where what follows depends on how the steps are made smooth
    out = solve_ivp(right, (0, 3.0), [*phi, *theta], method="Radau", rtol=1e-9, atol=1e-11)
    traj = run(split(*losses), phi, theta, x0=x0, t1=3.0, backend=backend)
    np.testing.assert_allclose(last(traj), out.y[:, -1], atol=2e-5)
    assert [e["kind"] for e in json.loads(traj.attrs["events"])] == ["slide", "crossing", "leave"]


def test_a_kink_and_a_root_on_one_surface_are_met_together():
    # In d = 1 both logits vanish with phi. For phi > 0: phi' = -(1 + s/2) theta + (1 - 1.5 sqrt(r)) x0; the slope of
    # the leaky rectifier falls to 0.3 beyond, so that with theta = 0.7 and x0 = 0.4 both sides push to phi = 0, where
    # theta' = phi = 0 as well. sqrt(r) has no value beyond, and -0.3 theta there must not hold the step up.
    losses = (
        lambda s: jax.nn.leaky_relu(s, 0.3) + s**2 / 4,
        lambda r: -r + jnp.abs(r) ** 1.5,
        linear,
    )

    def right(_t, y):
        s, r = y[0] * y[1], 0.4 * max(y[0], 0.0)
        return [-(1 + s / 2) * y[1] + 0.4 * (1 - 1.5 * np.sqrt(r)), y[0]]

    def meets(_t, y):
        return y[0]

    meets.terminal = True
    out = solve_ivp(right, (0, 5), [0.5, 0.4], method="DOP853", rtol=1e-11, atol=1e-13, events=meets)
    traj = run(split(*losses), [0.5], [0.4], x0=[0.4], t1=5.0, backend="scipy")
    assert traj.attrs["result"] == "stuck"
    assert traj.attrs["result_time"] == pytest.approx(out.t[-1], abs=1e-6)
    np.testing.assert_allclose(last(traj), [0.0, out.y[1, -1]], atol=1e-7)


class Lifted(dg.Variant):
    """phi' = theta - sgn(phi) |phi|^p, theta' = -1, with x0 = 1."""

    p: float = 0.5

    def critic_loss(self, real, fake, x_real, x_fake):
        q = 1 + self.p
        return jnp.mean(jnp.abs(real) ** q) / q - jnp.mean(real) * jnp.mean(x_fake)

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(x_fake)


@pytest.mark.parametrize(("theta", "fallen"), [(0.0, None), (1e-12, None), (0.3, 0), (-0.3, 1)])
def test_a_slide_by_roots_ends_on_the_side_to_which_the_field_pushes(theta, fallen):
    # on phi = 0 the speed through it is theta, on both sides: no share of theirs is 0 unless theta is
    system = DiracSystem(Lifted(), np.ones(1), Players(1.0, 1.0), None)
    regime = plain(np.ones(1))._replace(flips=np.ones((1, 1), bool), surfaces=np.zeros(1, int))
    shares = np.asarray(guards(system, np.array([0.0, theta]), regime))[1:3]
    assert np.flatnonzero(shares <= 0).tolist() == ([] if fallen is None else [fallen])


@pytest.mark.parametrize("p", [0.15, 1 / 4, 1 / 3, 0.5, 0.8])
@pytest.mark.parametrize("beside", [0.0, 1e-17, 1e-15, -1e-14, 1e-13])
def test_a_root_holds_a_motion_that_rounding_leaves_beside_its_surface(p, beside):
    # at 1e-13 of the surface |phi|^(1/4) is 6e-4, and at 1e-7 not much more: it vanishes on the surface itself
    system = DiracSystem(Lifted(p=p), np.ones(1), Players(1.0, 1.0), None)
    with jax.enable_x64(True):
        for theta in (0.0, 0.3):  # the speed through it on the surface, on both sides
            y = np.array([beside, theta])
            towards = speeds(system, y, plain(np.ones(1)), 0, np.ones(1, bool))
            here = theta - np.sign(beside) * abs(beside) ** p
            expected = (here, here) if theta else (-(1e-7**p), 1e-7**p)
            assert towards == pytest.approx(expected, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("p", [1 / 3, 0.5, 2 / 3])
@pytest.mark.parametrize("push", [0.0, 1e-3, -1e-3])
@pytest.mark.parametrize("even", [False, True])
def test_a_push_is_told_from_a_root_by_a_speed_that_dies_with_the_distance(p, push, even):
    # v = a - b |g|^p, beyond g = 0 with -b where the root leads back there too; the foot lies 1e-17 off the surface
    left, off, b = 1e-17, 1e-12, 0.3
    g = np.array([left, off, 16 * off, -off, -16 * off])
    v = push - b * (1.0 if even else np.sign(g)) * np.abs(g) ** p
    seen, root = (float(a) for a in told_from_a_root(v, left, off))
    if push == 0:
        assert abs(seen) <= root
    else:  # b |g|^p = a at 3e-8, 1e-5 or 2e-4, far off: nothing holds the motion here
        assert seen == pytest.approx(push, rel=1e-2)
        assert root < 0.1 * abs(push)


def test_a_push_that_the_root_balances_beside_the_surface_is_none():
    # b |g|^(1/3) = a at g = 4e-14: the motion stays there, about which it is 3e8 times as fast as anything else
    g = np.array([0.0, 1e-12, 1.6e-11, -1e-12, -1.6e-11])
    push, _ = told_from_a_root(1e-5 - 0.3 * np.cbrt(g), 0.0, 1e-12)
    assert push == 0.0


@pytest.mark.parametrize(("p", "left"), [(1 / 3, 1e-17), (0.5, -1e-17), (2 / 3, 1e-16)])
def test_the_root_beside_a_surface_does_not_end_a_slide(p, left):
    # left^p is up to 2e-6 of the field, which moves along the surface with 1
    system = DiracSystem(Lifted(p=p), np.ones(1), Players(1.0, 1.0), None)
    regime = plain(np.ones(1))._replace(flips=np.ones((1, 1), bool), surfaces=np.zeros(1, int))
    for y in ([left, 0.0], [left, 1e-13]):
        shares = np.asarray(guards(system, np.array(y), regime))[1:3]
        np.testing.assert_allclose(shares, 0.5, atol=0.4)


@pytest.mark.slow  # the guards of such slides: above
@pytest.mark.parametrize("p", [1 / 3, 2 / 3])
def test_a_surface_is_left_by_the_push_whatever_the_root(p):
    # as below; for p = 1/3 the motion stays where |phi|^p = t, for p = 2/3 it is -t^2/2 at first
    def field(t, z):
        return -t - np.sign(z) * np.abs(z) ** p

    traj = run(Lifted(p=p), [0.0], [0.0], x0=[1.0], t1=2.0, backend="scipy")
    times = traj["time"]
    out = solve_ivp(field, (0, 2), [0.0], method="Radau", rtol=1e-9, atol=1e-14, t_eval=times, max_step=0.01)
    np.testing.assert_allclose(traj["phi"][:, 0], out.y[0], atol=1e-7)


@pytest.mark.slow  # the guards of such a slide: above
def test_a_surface_on_which_the_field_vanished_is_left_when_a_speed_through_it_comes_up():
    # at the start phi' = 0 on phi = 0, and beside it the root leads back; but theta = -t pushes, and phi = -c t^2 with
    # -2 c t = -t + sqrt(c) t has c = 1/4. To stay at phi = 0 is no solution from then on.
    traj = run(Lifted(), [0.0], [0.0], x0=[1.0], t1=2.0, backend="scipy")
    np.testing.assert_allclose(traj["phi"][:, 0], -(traj["time"] ** 2) / 4, atol=1e-6)


class Passed(dg.Variant):
    """phi' = -|phi|^(2/3) - theta^2, theta' = -5 theta, with x0 = 1."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(0.6 * jnp.sign(real) * jnp.abs(real) ** (5 / 3)) + jnp.mean(real) * jnp.mean(
            x_fake**2
        )

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(2.5 * x_fake**2)


def test_a_surface_on_which_a_root_vanishes_is_passed_while_anything_pushes_through_it():
    # u = phi^(1/3) has u' = -1/3 - theta^2/(3 u^2): smooth as long as u is far above theta, and then -1/3. Beyond 0 it
    # goes on like that, since theta^2, though it is 1e-13 there, lets nothing stay.
    slope = solve_ivp(
        lambda t, u: -1 / 3 - np.exp(-10 * t) / (3 * u**2), (0, 2.5), [1.0], rtol=1e-12, atol=1e-14
    )
    passes = 2.5 + 3 * slope.y[0, -1]
    traj = run(Passed(), [1.0], [1.0], x0=[1.0], t1=6.0, backend="scipy")
    late = traj["time"] > passes
    assert np.sum(late) > 3
    # a surface is met to 1e-13 or so, whose cube root is 5e-5: so well the moment is known
    roots = np.cbrt(traj["phi"][late, 0])
    np.testing.assert_allclose(roots, (passes - traj["time"][late]) / 3, atol=2e-4)


@pytest.mark.parametrize(
    ("real_is", "taken"),
    [
        (lambda r: r > 0, 0.5),
        (lambda r: r >= 0, 2.0),
        pytest.param(lambda r: r < 0, 0.5, marks=pytest.mark.slow),
        pytest.param(lambda r: r <= 0, 2.0, marks=pytest.mark.slow),
    ],
)
def test_at_a_lasting_tie_the_branch_is_the_one_that_the_loss_takes(real_is, taken):
    # r = phi.0 = 0 for ever; phi' = -k theta with k = 2 where the condition holds and 1/2 where it does not, and
    # theta' = phi: phi^2 + k theta^2 is conserved; 0 |s| gives every run a surface to cross
    class Tie(dg.Variant):
        def critic_loss(self, real, fake, x_real, x_fake):
            s = jnp.mean(fake)
            return jnp.where(real_is(jnp.mean(real)), 2.0 * s, 0.5 * s) + 0.0 * jnp.abs(s)

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    traj = run(Tie(), [0.5], [0.4], t1=4.0, backend="scipy")
    kept = traj["phi"][:, 0] ** 2 + taken * traj["theta"][:, 0] ** 2
    np.testing.assert_allclose(kept, 0.25 + taken * 0.16, rtol=1e-7)


@pytest.mark.slow  # fast, the motion: test_a_huber_loss_whose_real_logit_is_zero_for_ever
def test_the_verdict_of_the_huber_loss_is_sublinear():
    # near 0 one of the two slopes is cut off on each side of s = 0, and phi.phi' + theta.theta' = -s^2 on both: with
    # s^2 = r^4/8 in the mean, (r^2)' = -r^4/4 and r = 2/sqrt(t)
    losses, _ = GAMES["huber"]
    r = dg.verdict(split(*losses), phi0=[0.5], theta0=[0.4], edge=False)
    assert r.kind == "converges-sublinearly"
    assert r.numbers["constant"] == pytest.approx(2.0, rel=0.01)


class Steeper(dg.Variant):
    """phi' = -(1 + sgn(s)/2) theta, theta' = phi: homogeneous, and a third of the size is left after every turn."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake + jnp.abs(fake) / 2)

    def generator_loss(self, real, fake, x_real, x_fake):
        return -jnp.mean(fake)


# the loop without a compiler, which takes the same slack, is itself compiled by XLA: ten times as dear
@pytest.mark.parametrize("compiled", [pytest.param("0", marks=pytest.mark.slow), "1"])
def test_a_small_motion_through_kinks_is_the_large_one_made_smaller(compiled, monkeypatch):
    """A quarter turn takes pi/2/sqrt(a) with a = 3/2 or 1/2; each pair of them scales the axis by sqrt(1/3)."""
    monkeypatch.setenv("DIRACGAN_C", compiled)
    turn = np.pi * (1 / np.sqrt(1.5) + 1 / np.sqrt(0.5))
    for size in (1.0, 1e-6):
        end = dg.simulate(
            Steeper(), phi0=[size], theta0=[2 * size], ts=[0.0, 4 * turn], t1=4 * turn, atol=1e-24
        )
        np.testing.assert_allclose(
            [end.phi[-1, 0], end.theta[-1, 0]], np.array([1, 2]) * size / 81, rtol=1e-4
        )


class Skewed(dg.Variant):
    """Slopes 1/2 above and -0.7 below 0, and phi^2/20: theta' = -0.7 phi for s > 0, phi/2 for s < 0."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(jnp.maximum(0.5 * fake, -0.7 * fake))

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(jnp.maximum(-0.5 * fake, 0.7 * fake))

    def penalty(self, critic, phi, x_real, x_fake):
        return 0.05 * jnp.sum(phi**2)


def test_a_slide_keeps_to_its_surface_where_the_gradient_vanishes():
    """phi > 0 pushes theta to 0 from both sides, and on theta = 0 phi' = -phi/10. s = phi theta has the gradient phi.

    What holds s still there lets theta grow like rounding / phi, until it is as large as phi.
    """
    system = DiracSystem(Skewed(), np.zeros(1), Players(1.0, 1.0), None)
    slide = Regime(np.array([1.0, -1.0]), np.ones((1, 2), bool), np.zeros(1, int), np.zeros(2))
    phi, theta = np.asarray(flow_in(system, np.array([1e-9, 1e-19]), slide)) / [1e-9, 1e-19]
    assert phi == pytest.approx(-0.1, rel=1e-6)
    assert theta < phi


@pytest.mark.slow  # the slide above is its fast witness
@pytest.mark.parametrize("size", [1.0, 1e6])
def test_a_slide_into_a_corner_has_the_rate_of_the_slide(size):
    """Above: phi' = -phi/10 on theta = 0. The pieces' own Jacobians at (0, 0) say others."""
    r = dg.verdict(Skewed(), phi0=[0.2 * size], theta0=[0.1 * size], edge=False)
    assert r.kind == "converges-exponentially"
    assert r.numbers["rate"] == pytest.approx(0.1, rel=1e-3)
    assert "frequency" not in r.numbers


class HeldGenerator(dg.Variant):
    """phi' = -f theta - 0.3 phi, theta' = -sgn(f) phi: on f = phi . theta = 0 theta stands and phi' = -0.3 phi."""

    def critic_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(fake**2) / 2

    def generator_loss(self, real, fake, x_real, x_fake):
        return jnp.mean(jnp.abs(fake))

    def penalty(self, critic, phi, x_real, x_fake):
        return 0.15 * jnp.sum(phi**2)


def test_what_lies_off_the_surface_of_a_slide_is_no_mode_of_its_end():
    """Along f = 0 phi stays across theta; the fourth direction, phi along theta, would push theta for ever."""
    system = DiracSystem(HeldGenerator(), np.zeros(2), Players(1.0, 1.0), None)
    theta = np.array([0.6, 0.8])
    with jax.enable_x64(True):
        rest = rest_near(ContinuousSystem(system), np.array([0.8e-5, -0.6e-5, *theta]), 1e-3)
    assert rest is not None
    np.testing.assert_allclose(rest.flat, [0.0, 0.0, *theta], atol=1e-9)
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(rest.along)), [-0.3, 0.0, 0.0], atol=1e-9)


@pytest.mark.slow  # its end, above, is the fast witness
@pytest.mark.parametrize("theta", [[0.7, 0.2], [0.7, 0.2, -0.4]])
def test_a_slide_to_a_family_of_equilibria_has_its_rate(theta):
    phi = [0.5, -1.0, 1.2][: len(theta)]
    r = dg.verdict(HeldGenerator(), phi, theta, edge=False)
    assert r.kind == "converges-elsewhere" and r.numbers["rate"] == pytest.approx(0.3, rel=1e-6)


def test_times_in_words_count_from_the_start_of_the_motion():
    """A stretch of half a unit of time, before which the motion has lasted 7."""
    system = DiracSystem(Skewed(), np.zeros(1), Players(1.0, 1.0), None)
    span = TimeSpan(0.0, 0.5, np.array([0.5]), 1e-9, 1e-12)
    out = integrate(event_loop, system, np.array([1.0, 0.2]), span, before=7.0)
    assert out.t == 0.5
    assert out.text == "reached t = 7.5"


@pytest.mark.parametrize("method", ["DOP853", "RK45", "LSODA", "Radau"])
def test_a_solver_of_scipy_ends_where_the_field_has_no_value(method):
    # as along surfaces that coincide, of which no share is known; wgan's critic phi/|phi| has none at 0
    system = DiracSystem(dg.variant("wgan"), np.zeros(1), Players(1.0, 1.0), None)
    ts = np.array([0.0, 1.0])
    span = TimeSpan(0.5, 1.0, ts, rtol=1e-9, atol=1e-12)
    found = engine(method, "scipy")[1](system, plain(np.zeros(0)), np.zeros(2), span)
    assert (found.failure, found.t, found.steps) == ("stiff", 0.5, 0)
    assert np.isnan(found.ys).all()


@pytest.mark.parametrize(
    ("q", "dim", "theta"),
    # beside 1e9 the absolute tolerance is 1e-5
    [(2.0, 1, 0.0), (2.5, 2, 0.0), (3.0, 1, 0.0), (3.0, 2, 1e9), (4.0, 1, 0.0), (4.0, 1, 1e9), (6.0, 1, 1e9)],
)
def test_a_surface_where_nothing_jumps_holds_no_motion(q, dim, theta):
    """Beside a large theta each new stretch began on phi = 0, where a motion that only nears it was held for ever."""
    with jax.enable_x64(True):
        system = DiracSystem(Bowl(q=q), np.zeros(dim), Players(1.0, 1.0), None)
        motion, phi0 = ContinuousSystem(system), 1e-3 * np.arange(1.0, dim + 1)
        z, t = np.concatenate([phi0, np.full(dim, theta)]), 0.0
        for k in range(8):
            stretch = motion.advance(z, t, 10.0 ** (k + 1) * phi0[0] ** (1 - q), 0)
            z, t = stretch.end, stretch.time
            exact = (phi0 ** (1 - q) + (q - 1) * t) ** (-1 / (q - 1))
            np.testing.assert_allclose(z[:dim], exact, rtol=1e-4)


@pytest.mark.parametrize("slope", [0.0, 1e3])
@pytest.mark.parametrize("jump", [1.0, 1e-6])
def test_a_surface_where_the_field_jumps_holds_one_however_steep_it_is_beside(jump, slope):
    """phi' = -jump sign(phi) - slope phi from 0: it stays, by Filippov, and theta rests."""
    game = split(lambda s: 0.0 * s, lambda r: jump * jnp.abs(r) + slope * r**2 / 2, linear)
    system = DiracSystem(game, np.ones(1), Players(1.0, 1.0), None)
    with jax.enable_x64(True):
        assert start(system, np.array([0.0, 3.0])).sliding == 1
