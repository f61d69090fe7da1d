"""Rest points, rotating states and Lyapunov exponents of motions written down here, against their closed forms."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

import diracgan as dg
from diracgan import dirac
from diracgan.analysis.dynamical_system import ContinuousSystem
from diracgan.analysis.orbits.lyapunov_exponents import multipliers
from diracgan.analysis.orbits.orbit import Method, Orbit, by_modulus
from diracgan.analysis.orbits.rest_points import family, rest_near
from diracgan.analysis.orbits.rotating_states import commutes_with_rotations, rotating_state
from diracgan.analysis.orbits.shooting import periodic_orbit, returns
from diracgan.dynamics.filippov import DiracSystem
from diracgan.game import Players
from diracgan.numerics.lyapunov import stretching

J = np.array([[0.0, -1.0], [1.0, 0.0]])


class Written:
    """A motion with a change and a Jacobian written down."""

    period = 1

    def __init__(self, change, jacobian, dim, discrete=False):
        self._change, self._jacobian, self.dim, self.discrete = change, jacobian, dim, discrete

    def flat(self, state):
        return state

    def side(self, flat):
        return None

    def ways(self, flat, side):
        return np.eye(len(flat))

    def change(self, flat, side=None):
        return self._change(flat)

    def jacobian(self, flat, side=None):
        return self._jacobian(flat)

    @property
    def near_rest(self):
        return self


def test_newton_finds_a_rest_point_and_says_how_well_it_knows_the_jacobian():
    # x' = sin x, y' = -y: the rest point pi has the Jacobian diag(-1, -1)
    motion = Written(
        lambda z: np.array([np.sin(z[0]), -z[1]]), lambda z: np.diag([np.cos(z[0]), -1.0]), dim=1
    )
    rest = rest_near(motion, np.array([3.0, 0.2]), reach=1.0)
    assert rest is not None and rest.error < 1e-9
    np.testing.assert_allclose(rest.flat, [np.pi, 0.0], atol=1e-12)
    np.testing.assert_allclose(rest.jacobian, -np.eye(2), atol=1e-12)
    assert rest_near(motion, np.array([3.0, 0.2]), reach=0.1) is None


def test_a_component_that_drifts_is_not_at_rest_however_large_another_is():
    # x' = -(x - 1e19)/100 rests at 1e19, beside which y' = 1/10 is nothing: so Adam throws ns, with beta1 = 0.9999
    motion = Written(lambda z: np.array([-(z[0] - 1e19) / 100, 0.1]), lambda z: np.diag([-0.01, 0.0]), dim=1)
    assert rest_near(motion, np.array([0.9e19, -2e12]), reach=1e19) is None


def test_a_line_of_rest_points_is_met_at_the_nearest_and_is_a_family_of_one_dimension():
    # x' = -(x + y), y' = x + y rests on x = -y; the foot of (1, 0) is (1/2, -1/2)
    a = np.array([[-1.0, -1.0], [1.0, 1.0]])
    motion = Written(lambda z: a @ z, lambda z: a, dim=1)
    rest = rest_near(motion, np.array([1.0, 0.0]), reach=2.0)
    assert rest is not None and family(motion, rest, 1.0) == 1
    np.testing.assert_allclose(rest.flat, [0.5, -0.5], atol=1e-12)


def test_a_state_that_only_turns_has_the_multipliers_of_its_frame():
    # phi' = (1 - |phi|^2) phi + w J phi, theta' = phi - theta. On |phi| = 1 it turns at w; in the turning frame phi has
    # the exponents 0 and -2, theta has -1 +- i w, which over one turn 2 pi/w are exp(-2 pi/w) twice.
    w = 1.7

    def change(z):
        phi, theta = z[:2], z[2:]
        return np.concatenate([(1 - phi @ phi) * phi + w * J @ phi, phi - theta])

    def jacobian(z):
        phi = z[:2]
        top = (1 - phi @ phi) * np.eye(2) - 2 * np.outer(phi, phi) + w * J
        return np.block([[top, np.zeros((2, 2))], [np.eye(2), -np.eye(2)]])

    theta = np.linalg.solve(np.eye(2) + w * J, [1.0, 0.0])
    near = np.concatenate([[1.02, 0.01], theta])
    orbit = rotating_state(Written(change, jacobian, dim=2), near, 1.6, np.zeros(4))
    assert orbit is not None and orbit.method is Method.ROTATING_STATE
    assert orbit.period == pytest.approx(2 * np.pi / w, rel=1e-12)
    assert np.linalg.norm(orbit.flat[:2]) == pytest.approx(1.0, rel=1e-12)
    turn = 2 * np.pi / w
    np.testing.assert_allclose(np.abs(orbit.multipliers), np.exp([0, -turn, -turn, -2 * turn]), atol=1e-6)
    assert orbit.attracts and not orbit.repels


def ns_far_out(far, wedge):
    """ns about its datum, and where it slides to the circle with |theta - x0| = far: s' = 0 there."""

    def change(z):
        phi, theta = np.split(z, 2)
        s = phi @ theta
        return np.concatenate([-expit(s) * theta, expit(-s) * phi])

    def jacobian(z):
        phi, theta = np.split(z, 2)
        s, e = phi @ theta, np.eye(2)
        k = expit(s) * expit(-s)
        top = [-k * np.outer(theta, theta), -expit(s) * e - k * np.outer(theta, phi)]
        return np.block([top, [expit(-s) * e - k * np.outer(phi, theta), -k * np.outer(phi, phi)]])

    s = 2 * np.log(
        wedge / far**2
    )  # exp(s) |theta|^2 = |phi|^2, where phi is all but at right angles to theta
    return Written(change, jacobian, dim=2), np.array([s / far, wedge / far, far, 0.0])


@pytest.mark.parametrize("wedge", [1e5, 1e3])
def test_a_slow_fall_is_no_circle_beside_a_player_that_is_far_larger(wedge):
    # |theta|^2 falls at 2 s = -60 until |phi| = |theta| = sqrt(wedge), for 3e9; phi is 0.2 or 0.002 here. Newton once
    # made 400 of it, which was no further than a thousandth of theta, with a period of 6,800 and multipliers to 0.3
    motion, z = ns_far_out(4.432e5, wedge)
    omega = wedge / 4.432e5**2
    assert rotating_state(motion, z, omega, np.zeros(4)) is None


@pytest.mark.parametrize("wedge", [1e2, 1e4])
def test_the_circle_of_ns_is_found_from_beside_it(wedge):
    # |phi| = |theta| = sqrt(l), T = 4 pi, mu^2 + (l/2) mu + 1 = 0, and 1 twice: its own direction and other wedges
    motion, z = ns_far_out(1.01 * np.sqrt(wedge), wedge)
    z[0] = 0.0
    orbit = rotating_state(motion, z, 0.5, np.zeros(4))
    assert orbit is not None and orbit.attracts and orbit.is_told
    assert orbit.period == pytest.approx(4 * np.pi, rel=1e-9)
    np.testing.assert_allclose([np.linalg.norm(p) ** 2 for p in np.split(orbit.flat, 2)], wedge, rtol=1e-3)
    lengths = [np.linalg.norm(p) for p in np.split(orbit.flat, 2)]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-9)
    slow = np.max(np.roots([1.0, lengths[0] * lengths[1] / 2, 1.0]).real)
    np.testing.assert_allclose(np.abs(orbit.multipliers[:3]), [1, 1, np.exp(4 * np.pi * slow)], atol=1e-6)


def test_multipliers_of_a_skewed_rotation_and_of_the_doubling_map():
    # a rotation about (0, 0) shrunk by 0.9 in the second of two planes: moduli 1, 1, .9, .9 an iteration
    def rotation(a):
        return np.cos(a) * np.eye(2) + np.sin(a) * J

    skew = np.array([[1.0, 0.4, 0, 0], [0, 1, 0, 0.3], [0, 0, 1, 0.2], [0, 0, 0, 1]])
    turn = np.block([[rotation(0.3), np.zeros((2, 2))], [np.zeros((2, 2)), 0.9 * rotation(1.1)]])
    step = skew @ turn @ np.linalg.inv(skew)
    with jax.enable_x64(True):
        _, logs = stretching(lambda z: step @ z, jnp.ones(4), 3000)
    found, errors = multipliers(np.asarray(logs), period=3.0)
    np.testing.assert_allclose(np.abs(found), [1, 1, 0.9**3, 0.9**3], rtol=2e-3)
    assert errors.max() < 1e-2
    # x -> 2x mod 1 has the exponent log 2 everywhere
    with jax.enable_x64(True):
        _, logs = stretching(lambda z: (2 * z) % 1.0, jnp.array([0.2137]), 500)
    found, errors = multipliers(np.asarray(logs), period=1.0)
    assert np.abs(found[0]) == pytest.approx(2.0, rel=1e-12)
    assert Orbit(np.zeros(1), 1.0, found, Method.LYAPUNOV, errors).repels


@pytest.mark.parametrize(
    ("multipliers", "errors", "attracts", "repels"),
    [
        ([1.0, 0.5], [1e-4, 1e-4], True, False),
        ([1.0, 1.0], [1e-4, 1e-4], False, False),
        ([1.29, 1.0, 0.5], [1e-3, 1e-3, 1e-3], False, True),  # one direction leaves: no attractor
        ([1.29, 0.5], [0.5, 0.6], False, False),  # nothing known
    ],
)
def test_an_orbit_attracts_only_where_no_multiplier_says_otherwise(multipliers, errors, attracts, repels):
    orbit = Orbit(np.zeros(2), 1.0, np.array(multipliers, complex), Method.SHOOTING, np.array(errors))
    assert (orbit.attracts, orbit.repels) == (attracts, repels)


def test_what_is_not_told_from_the_unit_circle_may_leave_unless_it_is_known_well():
    # the second may be 1.17 or 0.83: after the eight turns of a window neighbours are 3.5 times as far, or gone
    for error, told in ((0.17, False), (1e-6, True)):
        values, errors = np.array([1.0, 1.0, 0.0], complex), np.array([1e-6, error, 1e-6])
        for method in Method:
            orbit = Orbit(np.zeros(3), 1.0, values, method, errors)
            assert orbit.attracts and orbit.is_told is told


def test_returns_and_order():
    t = np.linspace(0, 30, 3001)
    zs = np.stack([np.cos(t), np.sin(t)], axis=1)
    np.testing.assert_allclose(returns(t, zs), 2 * np.pi * np.arange(1, 5), atol=0.01)
    np.testing.assert_allclose(by_modulus(np.array([0.5, -1j, 1j])), [1j, -1j, 0.5])


def test_what_is_kept_of_a_state_cannot_be_written_into():
    with jax.enable_x64(True):
        system = DiracSystem(
            *dirac.cast((dg.variant("ns"), np.zeros(1)), np.float64), Players(1.0, 1.0), None
        )
        flow, z = ContinuousSystem(system), np.array([0.3, 0.2])
    for kept in (flow.change(z), flow.jacobian(z)):
        with pytest.raises(ValueError, match="read-only"):
            kept += 1.0


@pytest.mark.parametrize("lam", [0.1, 0.9, 0.99])
def test_the_cycle_of_wgan_gp_has_the_multipliers_one_and_exp_of_minus_lam_t(lam):
    # in d = 1 on either side of phi = 0 it is phi'' + 2 lam phi' + phi = 0, so that neighbours shrink by exp(-2 lam T)
    # in area over a turn T = 2 pi/w, w^2 = 1 - lam^2, and the two jumps give back exp(lam T); on phi = 0 theta is
    # +- 2 lam c coth(pi lam/(2 w)) by the jump 4 lam c of the velocity
    w = np.sqrt(1 - lam**2)
    with jax.enable_x64(True):
        system = DiracSystem(
            *dirac.cast((dg.variant("wgan-gp", c=1.0, lam=lam), np.zeros(1)), np.float64),
            Players(1.0, 1.0),
            None,
        )
        top = 2 * lam / np.tanh(np.pi * lam / (2 * w))
        flow = ContinuousSystem(system)
        away = flow.advance(np.array([1e-3, -top]), 0.0, 1.0, 0).end  # from the jump
        orbit = periodic_orbit(flow, away, 2 * np.pi / w * 1.001)
    assert orbit is not None and orbit.period == pytest.approx(2 * np.pi / w, rel=1e-5)
    assert orbit.multipliers[0] == pytest.approx(1.0, abs=1e-6)
    assert orbit.multipliers[1] == pytest.approx(np.exp(-lam * orbit.period), abs=1e-6)


@pytest.mark.parametrize(("fast", "alike"), [(1.0, True), (1e200, False)])
def test_speeds_whose_squares_leave_the_float_range_turn_in_no_plane(fast, alike):
    # F(z) = -fast z commutes with every rotation; at 1e200 |F| is no float, and tells nothing of rounding
    motion = SimpleNamespace(
        dim=2,
        discrete=False,
        system=SimpleNamespace(x0=np.zeros(2)),
        side=lambda flat: None,
        change=lambda flat, side: -fast * flat,
        jacobian=lambda flat, side: -fast * np.eye(4),
    )
    with np.errstate(over="ignore"):
        assert commutes_with_rotations(motion, np.array([0.1, 0.2, 0.2, 0.1])) is alike
