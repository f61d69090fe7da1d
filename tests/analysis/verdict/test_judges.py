"""Each judge on windows of motions written down here, whose end is known on paper."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import diracgan as dg
from diracgan.analysis.decision_thresholds import T
from diracgan.analysis.dynamical_system import Stretch
from diracgan.analysis.kinds import Kind
from diracgan.analysis.orbits import rest_points
from diracgan.analysis.orbits.orbit import Method, Orbit
from diracgan.analysis.verdict import budget_spent, consistency, enclosing, termination
from diracgan.analysis.verdict.evidence import Answer, Case
from diracgan.analysis.verdict.judges import attractors, fixed_points, periodic_orbits, settled, trends
from diracgan.analysis.verdict.steepening import Steepening
from diracgan.dynamics.filippov import DiracSystem
from diracgan.game import Players

TURN = 2 * np.pi
GROWING_TIMES = np.geomspace(100, 1e6, 12)


def stretch(path, t, result="ok", when=np.nan):
    zs = path(t)
    return Stretch(t, zs, zs[-1], float(t[-1]), result, when, f"the motion ended: {result}", 1.0, 0)


class Written:
    """A motion z' = change(z) (or z+ = z + change(z)) with its Jacobian and, where asked for, its solution."""

    period = 1

    def __init__(self, change=None, jacobian=None, solution=None, dim=1, discrete=False):
        self._change, self._jacobian, self._solution = change, jacobian, solution
        self.dim, self.discrete, self.near_rest = dim, discrete, self

    def flat(self, state):
        return state

    def side(self, flat):
        return None

    def ways(self, flat, side):
        return np.eye(len(flat))

    def begin(self, phi, theta):
        return np.concatenate([phi, theta])

    def change(self, flat, side=None):
        return self._change(flat)

    def as_it_stands(self, flat):
        return self._change(flat)

    def begun(self, zs):
        return zs

    def at_many(self, flats):
        return np.array([self._change(flat) for flat in flats])

    def jacobian(self, flat, side=None):
        return self._jacobian(flat)

    def advance(self, state, time, span, rows):
        t = np.linspace(0, span, 801)
        made = stretch(lambda t: self._solution(state, t), t)
        return made._replace(t=time + t, time=time + span)


def case_of(path, times, motion=None, status="marginal", dim=1):
    """A case that has seen ``path`` in windows of eight turns that begin at ``times``."""
    case = object.__new__(Case)
    case.motion = Written(dim=dim) if motion is None else motion
    case.system = DiracSystem(dg.variant("wgan-linear"), np.zeros(dim), Players(1.0, 1.0), tau=None)
    case.origin, case.line, case.lyapunov, case.rule = np.zeros(2 * dim), None, None, None
    case.linear = SimpleNamespace(status=status, jacobian=None, differentiable=True)
    case.linear.multipliers = case.linear.eigenvalues = np.empty(0)
    case.turn, case.spent, case.budget, case.nested, case.ended = TURN, 1.0, 1.0, False, False
    case.evidence, case.looks, case.balance = [], [], None
    for t0 in times:
        case.looks.append(case.look(stretch(path, t0 + np.linspace(0, 8 * TURN, 801))))
    case.time = case.before = float(times[-1] + 8 * TURN) if len(times) else 0.0
    case.r0 = float(np.linalg.norm(path(np.zeros(1)))) if len(times) else 1.0
    return case


def asked(judge, case):
    """What a judge says after the case's last window."""
    return judge(case, case.looks[-1].stretch)


def spiral(radius, omega=1.0):
    return lambda t: radius(t)[:, None] * np.stack([np.cos(omega * t), np.sin(omega * t)], axis=1)


# ---------------------------------------------------------------- laws


def test_growth_is_told_by_its_law_once_it_has_gone_far():
    grown = asked(trends.grows, case_of(spiral(lambda t: (t + 1) ** 0.75), np.geomspace(10, 1e6, 12)))
    assert grown is not None and grown.kind == Kind.DIVERGES
    assert grown.numbers["exponent"] == pytest.approx(-0.75, rel=1e-3)
    assert (
        asked(trends.grows, case_of(spiral(lambda t: (t + 1) ** 0.25), np.geomspace(10, 1e6, 12))) is None
    )  # tenfold
    assert (
        asked(trends.grows, case_of(spiral(lambda t: np.exp(1e-5 * t)), np.geomspace(10, 1e6, 12))) is None
    )  # no power law


def test_a_law_of_growth_is_read_after_the_transient():
    # the first two windows have another law, and six decades of one are a narrow valley: it was 0.5 +- 8
    path = spiral(lambda t: np.sqrt(t + 1) * (1 - 0.99 * np.exp(-t / 20)))
    grown = asked(trends.grows, case_of(path, [0.0, 55.0, *np.geomspace(200, 1e8, 10)]))
    assert grown is not None and grown.numbers["exponent"] == -0.5
    assert grown.numbers["exponent_error"] < 0.01
    assert grown.text.startswith("diverges like t^0.5 (p = -0.5")


def test_a_slow_fall_has_the_law_of_its_amplitude():
    case = case_of(spiral(lambda t: np.sqrt(8 / (t + 30))), GROWING_TIMES)
    found = asked(trends.falls_slowly, case)
    assert found is not None and found.kind == Kind.CONVERGES_SUBLINEARLY
    assert found.numbers["exponent"] == 0.5
    assert found.numbers["constant"] == pytest.approx(np.sqrt(8), rel=1e-3)
    assert found.numbers["limit_theta"] == [0.0]
    # an amplitude with a floor, or that has hardly fallen, obeys none
    assert asked(trends.falls_slowly, case_of(spiral(lambda t: 0.6 + 1 / (t + 30)), GROWING_TIMES)) is None


def test_a_conserved_wedge_holds_a_motion_up():
    def plane(a, b):  # phi = a e1, theta = b e2: the wedge is a b
        return lambda t: np.stack([a(t), 0 * t, 0 * t, b(t)], axis=1)

    kept = case_of(plane(lambda t: 2 + np.sin(t), lambda t: 1 / (2 + np.sin(t))), [0.0, 1e3], dim=2)
    lost = case_of(plane(lambda t: 1 / (1 + t), lambda t: 1 / (1 + t)), [0.0, 1e3], dim=2)
    assert trends.held_up(kept) and not trends.held_up(lost)


@pytest.mark.parametrize("h", [0.1, 0.3])
def test_steps_that_only_lead_outward_have_no_limit(h):
    # simultaneous steps on the rotation: r grows by sqrt(1 + h^2), everywhere
    rate = 0.5 * np.log1p(h**2)
    motion = Written(lambda z: h * np.array([-z[1], z[0]]), discrete=True)
    path = spiral(lambda t: 1e-3 * np.exp(rate * t), np.arctan(h))
    found = trends.only_outward(case_of(path, 60.0 * np.arange(6), motion))
    assert found is not None and found.kind == Kind.DIVERGES
    assert found.numbers["rate"] == pytest.approx(rate, rel=1e-3)
    # half the circle further in
    pulled = Written(lambda z: h * np.array([-z[1], z[0]]) - 0.9 * h**2 * z, discrete=True)
    assert trends.only_outward(case_of(path, 60.0 * np.arange(6), pulled)) is None


# ---------------------------------------------------------------- points


def test_a_point_is_neared_at_the_rate_of_its_eigenvalue():
    # z' = A z with the eigenvalues -0.05 +- i
    a = np.array([[-0.05, -1.0], [1.0, -0.05]])
    motion = Written(lambda z: a @ z, lambda z: a)
    path = spiral(lambda t: np.exp(-0.05 * t))
    case = case_of(path, [0.0, 100.0, 200.0], motion, status="stable")
    found = fixed_points.to_a_point(case, case.looks[-1].stretch)
    assert found is not None and found.kind == Kind.CONVERGES_EXPONENTIALLY
    assert found.numbers["rate"] == pytest.approx(0.05, rel=1e-12)
    assert found.numbers["frequency"] == pytest.approx(1.0, rel=1e-12)
    # a motion that does not shrink nears no point
    round_ = case_of(spiral(np.ones_like), [0.0, 100.0], motion)
    assert fixed_points.to_a_point(round_, round_.looks[-1].stretch) is None


def test_a_point_elsewhere_is_named():
    motion = Written(lambda z: -0.05 * (z - [1.0, 2.0]), lambda z: -0.05 * np.eye(2))
    case = case_of(
        lambda t: [1.0, 2.0] + np.exp(-0.05 * t)[:, None] * [0.3, -0.1], [0.0, 100.0, 200.0], motion
    )
    found = fixed_points.to_a_point(case, case.looks[-1].stretch)
    assert found is not None and found.kind == Kind.CONVERGES_ELSEWHERE
    np.testing.assert_allclose([*found.numbers["limit_phi"], *found.numbers["limit_theta"]], [1.0, 2.0])


def test_a_fall_that_no_window_shows_has_no_rate():
    # it is at its first size in one window and gone in the next, as where a slide ends between them
    case = case_of(spiral(lambda t: np.where(t < 90.0, 1.0, 1e-200)), [0.0, 100.0])
    assert fixed_points._along_a_kink(case, np.zeros(2), 4.0) is None


def test_where_surfaces_leave_no_way_there_is_no_rate():
    case = case_of(spiral(lambda t: np.exp(-t)), [0.0, 10.0], Written(lambda z: -z, lambda z: -np.eye(2)))
    corner = rest_points.Rest(np.zeros(2), np.zeros((2, 2)), 0.0, np.zeros((2, 0)))
    assert fixed_points._at_point(case, corner, 0.0, 0.0) is None


def test_units_that_no_float_holds_leave_newton_its_plain_step():
    # a column of 1e-320 alone would have to be multiplied by 1e320: LAPACK raises an error at what is infinite
    slope = np.array([[1e-320, 1e-10], [0.0, 1.0]])
    move, _ = rest_points._step(Written(None, lambda z: slope), np.ones(2), None, np.array([0.0, 1.0]), slope)
    np.testing.assert_allclose(move, [0.0, -1.0], atol=1e-9)


# ---------------------------------------------------------------- orbits


def test_what_an_orbit_does_is_read_off_its_extents():
    times = np.linspace(0, 3000, 6)
    kept = case_of(spiral(np.ones_like), times)
    assert settled._is_settled(kept, 1e-5) and not settled._has_moved(kept) and not settled._still_nears(kept)
    reached = case_of(spiral(lambda t: 1 + np.exp(-t / 50)), times)
    assert settled._is_settled(reached, 1e-5) and settled._has_moved(reached)
    nears = case_of(spiral(lambda t: 1 + np.exp(-t / 2000)), times)
    assert not settled._is_settled(nears, 1e-5) and settled._still_nears(nears)
    gone = case_of(spiral(lambda t: np.exp(-t / 50)), times)
    assert not settled._is_settled(gone, 1e-5)  # at a point


@pytest.mark.parametrize(("error", "told"), [(0.17, False), (1e-6, True)])
def test_no_orbit_attracts_of_which_some_neighbours_may_leave(monkeypatch, error, told):
    # a circle that is reached, with neighbours of which one kind comes at once and another by exp(+-error) a turn
    turning = Written(lambda z: np.array([-z[1], z[0]]) - 0.1 * (1 - 1 / np.linalg.norm(z)) * z)
    reached = case_of(spiral(lambda t: 1 + np.exp(-t / 10)), [0.0, 100.0, 300.0, 1000.0, 5000.0], turning)
    values = np.array([1.0, 1.0, 0.0], complex)
    errors = np.array([1e-6, error, 1e-6])
    orbit = Orbit(np.array([1.0, 0.0]), TURN, values, Method.SHOOTING, errors)
    monkeypatch.setattr(periodic_orbits, "refined", lambda *_: orbit)
    monkeypatch.setattr(periodic_orbits, "radii_of", lambda *_: {})
    for answer in (asked(settled.no_longer_changes, reached), budget_spent._still_relaxing(reached)):
        assert (answer is not None) is told
        assert answer is None or answer.kind == Kind.LIMIT_CYCLE


SLOW = 1e-3


def cycling(state, t):
    """r' = SLOW r (1 - r^2), turning by 1: r^-2 - 1 dies like exp(-2 SLOW t)."""
    r0, angle = np.linalg.norm(state), np.arctan2(state[1], state[0])
    r = (1 + (r0**-2 - 1) * np.exp(-2 * SLOW * t)) ** -0.5
    return r[:, None] * np.stack([np.cos(angle + t), np.sin(angle + t)], axis=1)


def inside(factor=0.1, status="unstable"):
    """The motion of ``cycling`` seen at the radius ``factor``."""
    motion = Written(solution=cycling, change=lambda z: np.array([-z[1], z[0]]))
    case = case_of(lambda t: cycling(np.array([factor, 0.0]), 0 * t + 0.0) * 1.0, [0.0], motion, status)
    case.budget, case.rule = 1e3, None  # for more than a few looks
    return case


def test_an_amplitude_drifts_outward_inside_a_cycle_and_inward_outside():
    case = inside(1.0)
    for factor in (0.1, 0.5, 2.0):
        # the drift is measured in the third window of eight turns: there r has its solution's value
        r = np.linalg.norm(cycling(np.array([factor, 0.0]), np.array([2.0 * 8 * TURN])))
        found = enclosing.drift(case, factor)
        assert found.rate == pytest.approx(SLOW * (1 - r**2), rel=2e-2)
        assert found.sign == (1 if factor < 1 else -1)
    assert enclosing.drift(case, 1.0).sign == 0


def test_a_look_at_a_drift_that_would_take_longer_than_the_budget_is_not_taken():
    """The steps of a game far out may take very long turns: a look at one came back after hours."""
    case = inside()
    case.motion.discrete, case.turn = True, 1e6
    seen = enclosing.drift(case, 1.0)
    assert seen.sign == 0 and np.isinf(seen.error) and case.spent == 1.0
    case.turn, case.spent = TURN, 1e6  # so many have been taken that there are no more
    assert np.isinf(enclosing.drift(case, 1.0).error) and case.spent == 1e6
    case.spent = 1.0
    assert enclosing.drift(case, 1.0).sign == 1 and case.spent > 1.0
    grown = Answer(Kind.DIVERGES, {}, "")
    case.turn = 1e6
    (said,) = filter(None, [check(case, grown) for check in consistency._CHECKS])
    assert "takes too long to be followed" in said


def test_the_cycle_between_growth_and_decay_is_found_from_either_side():
    for found in (
        enclosing.between(inside(), 1.0, 100.0),
        enclosing.outside(inside()),
        enclosing.in_the_end(inside(3.0)),
    ):
        assert found is not None and found.kind == Kind.LIMIT_CYCLE
        assert found.numbers["radius_phi"] == pytest.approx(1.0, rel=1e-3)
        assert found.numbers["period"] == pytest.approx(TURN, rel=1e-3)
    assert enclosing.between(inside(), 1.0, 2.0) is None  # both inside


# ---------------------------------------------------------------- ends


def test_a_capture_has_its_time_and_its_place():
    jump = Written(lambda z: np.array([-np.sign(z[0]), 0.0]))
    case = case_of(spiral(np.ones_like), [0.0], jump)
    end = stretch(lambda t: np.stack([0 * t, 0 * t + 0.4], axis=1), np.linspace(0, 1, 9), "stuck", 0.7)
    found = termination.ended(case, end)
    assert (found.kind, found.numbers) == (
        Kind.STUCK,
        {"capture_time": 0.7, "limit_phi": [0.0], "limit_theta": [0.4]},
    )
    assert case.ended and "discontinuity" in found.text
    root = Written(lambda z: np.array([-np.sign(z[0]) * np.sqrt(abs(z[0])), 0.0]))
    found = termination.ended(case_of(spiral(np.ones_like), [0.0], root), end)
    assert found.kind == Kind.STUCK and "continuous" in found.text


def test_a_blow_up_is_told_from_exponential_growth():
    t = 1 - np.geomspace(1, 1e-12, 200)
    pole = stretch(lambda t: np.stack([1 / (1 - t), 0 * t], axis=1), t, "diverged", 1.0)
    found = termination.ended(case_of(spiral(np.ones_like), [], Written(lambda z: z * np.abs(z))), pole)
    assert (found.kind, found.numbers) == (Kind.FINITE_TIME, {"blow_up_time": 1.0})
    t = np.linspace(0, 60, 200)
    grown = stretch(lambda t: np.stack([np.exp(0.5 * t), 0 * t], axis=1), t, "diverged", 60.0)
    found = termination.ended(case_of(spiral(np.ones_like), [], Written(lambda z: 0.5 * z)), grown)
    assert found.kind == Kind.DIVERGES
    assert found.numbers["rate"] == pytest.approx(0.5, rel=1e-9)


def test_the_rate_of_an_exponential_growth_is_that_of_its_end_or_the_eigenvalue_itself():
    # away from (0, x0) = (0, 10): log |z| stands still until the motion is as large as x0
    def path(t, swing=0.0):
        r = 1e-3 * np.exp(0.3 * t) * (1 + swing * np.cos(2 * t))
        return np.array([0.0, 10.0]) + spiral(lambda t: r)(t)

    t = np.linspace(0, 1150, 2001)
    case = case_of(spiral(np.ones_like), [], Written(lambda z: 0.3 * z))
    case.origin = np.array([0.0, 10.0])
    found = termination.ended(case, stretch(path, t, "diverged", 1150.0))
    assert found.numbers["rate"] == pytest.approx(0.3, rel=1e-9)
    case.linear.eigenvalues = np.array([0.3 + 1j, 0.3 - 1j])
    found = termination.ended(case, stretch(lambda t: path(t, 0.5), t, "diverged", 1150.0))
    assert found.numbers["rate"] == 0.3
    # an eigenvalue that holds near (0, x0) alone is not what was seen far away
    case.linear.eigenvalues = np.array([0.4 + 1j, 0.4 - 1j])
    found = termination.ended(case, stretch(path, t, "diverged", 1150.0))
    assert found.numbers["rate"] == pytest.approx(0.3, rel=1e-9)


def test_a_growth_that_ends_at_once_has_the_rate_of_the_last_window():
    """A sheared spiral, z = exp(0.2 t) (cos t, 3 sin t): |F|/|z| changes as it turns, log r rises on average."""

    def path(t):
        return np.exp(0.2 * t)[:, None] * np.stack([np.cos(t), 3 * np.sin(t)], axis=1)

    shear = np.diag([1.0, 3.0])
    jacobian = shear @ np.array([[0.2, -1.0], [1.0, 0.2]]) @ np.linalg.inv(shear)
    case = case_of(path, [0.0, 500.0], Written(lambda z: jacobian @ z), status="unstable")
    case.linear.jacobian, case.linear.eigenvalues = jacobian, np.array([0.2 + 1j, 0.2 - 1j])
    over = stretch(
        path, np.array([case.time]), "diverged", case.time
    )  # one row: the field has no value beyond
    found = termination.ended(case, over)
    assert (found.kind, found.numbers) == (Kind.DIVERGES, {"rate": 0.2})
    # and the budget's end says the same of what it has seen over 43 decades
    found = budget_spent._grows_exponentially(case, case.times, case.sizes)
    assert found is not None and (found.kind, found.numbers) == (Kind.DIVERGES, {"rate": 0.2})
    # also where the last row of the last window is beyond all numbers
    case.looks[-1].stretch.zs[-1] = np.nan
    found = budget_spent._grows_exponentially(case, case.times, case.sizes)
    assert found is not None and found.numbers == {"rate": 0.2} and "nan" not in case.evidence[-1]
    # but neither of a growth that has not left the scale of the losses, nor of one that slows down
    near = case_of(lambda t: 1e-9 * path(t), [0.0, 50.0], Written(lambda z: jacobian @ z))
    near.linear.jacobian, near.linear.eigenvalues = jacobian, case.linear.eigenvalues
    assert budget_spent._grows_exponentially(near, near.times, near.sizes) is None
    slower = case_of(spiral(lambda t: np.exp(4 * t**0.5)), [0.0, 500.0])
    assert slower.sizes[-1] > 1e30
    assert budget_spent._grows_exponentially(slower, slower.times, slower.sizes) is None


def test_a_fall_in_one_last_window_has_its_law_where_that_is_a_power():
    """z = (0, r): a hundredth of the start, and then r = 1e-3/(t - 90) or an exponential in the last window alone."""

    def seen(late):
        def path(t):
            r = np.where(t < 100, np.exp(-0.05 * t), late(np.maximum(t, 100.0)))
            return np.stack([np.zeros_like(t), r], axis=1)

        case = case_of(path, [0.0, 100.0])
        return case, budget_spent._falls_within(case)

    _, found = seen(lambda t: 1e-3 / (t - 90))
    assert found is not None and found.numbers["exponent"] == 1
    assert found.numbers["constant"] == pytest.approx(1e-3, rel=1e-6)
    assert seen(lambda t: 1e-4 * np.exp(-0.05 * (t - 100)))[1] is None
    assert seen(lambda t: 1e-4 * np.exp(-0.015 * (t - 100)))[1] is None  # halved, like a steep power
    assert seen(lambda t: 1e-4 + 1e-3 / (t - 90))[1] is None  # to a limit beside


def test_a_singularity_of_the_field_near_by_is_no_growth():
    case = case_of(spiral(np.ones_like), [0.0], Written(lambda z: z * 1e9))
    assert (
        termination.ended(case, stretch(spiral(np.ones_like), np.linspace(0, 1, 9), "stiff")).kind
        == Kind.UNDECIDED
    )


def test_what_falls_below_rounding_at_one_rate_converges():
    def ended(radius, is_equilibrium=True):
        case = case_of(spiral(radius), 60.0 * np.arange(6), Written(lambda z: z * 1e9))
        case.linear.differentiable, case.linear.is_equilibrium = False, is_equilibrium
        return termination.ended(case, stretch(spiral(np.zeros_like), np.linspace(0, 1, 9), "stiff"))

    found = ended(lambda t: np.exp(-0.15 * t) * (1 + 0.3 * np.cos(0.05 * t)))
    assert found.kind == Kind.CONVERGES_EXPONENTIALLY
    assert abs(found.numbers["rate"] - 0.15) < found.numbers["rate_error"] < 0.015
    # no equilibrium, a fall that has not gone far, one that stops, and one that speeds up
    assert ended(lambda t: np.exp(-0.15 * t), is_equilibrium=False).kind == Kind.UNDECIDED
    assert ended(lambda t: np.exp(-0.05 * t)).kind == Kind.UNDECIDED
    assert ended(lambda t: np.exp(-0.15 * t) + 1e-13).kind == Kind.UNDECIDED
    assert ended(lambda t: np.exp(-((0.03 * t) ** 2))).kind == Kind.UNDECIDED


def test_a_fall_over_decades_has_a_rate_though_a_turn_is_longer_than_a_window():
    def rate(radius):
        case = case_of(spiral(radius), np.geomspace(1e3, 3e6, 12))
        return fixed_points._over_decades(case, case.looks)

    swings = 0.05  # of log r with a period of 5000, a hundred windows: within one the rate is 0.4 to 1.6 times as large
    found = rate(lambda t: np.exp(-1e-4 * t + swings * np.cos(2 * np.pi * t / 5000)))
    assert found is not None and found[0] == pytest.approx(1e-4, rel=0.01)
    assert rate(lambda t: np.exp(-5e-6 * t)) is None  # not far enough
    assert rate(lambda t: np.exp(-((3e-4 * t) ** 0.8))) is None  # stretched
    assert rate(lambda t: 1 / (1 + t) ** 8) is None


# ---------------------------------------------------------------- the cross-examination


@pytest.mark.parametrize(
    ("kind", "numbers", "status", "says"),
    [
        (Kind.CONVERGES_EXPONENTIALLY, {"rate": -0.1}, "stable", "rate = -0.1 is not positive"),
        (Kind.CONVERGES_EXPONENTIALLY, {"rate": np.inf, "half_life": 0.0}, "stable", None),  # dead beat
        (Kind.CONVERGES_EXPONENTIALLY, {"rate": 0.1}, "unstable", "(0, x0) is unstable by its eigenvalues"),
        (Kind.CONVERGES_SUBLINEARLY, {"constant": 1.0}, "stable", "(0, x0) is stable by its eigenvalues"),
        (Kind.CONVERGES_SUBLINEARLY, {"constant": 1.0}, "marginal", None),
        (Kind.LIMIT_CYCLE, {"radius_phi": 0.0, "radius_theta": 0.0}, "unstable", "the orbit has no size"),
        (
            Kind.LIMIT_CYCLE,
            {"radius_phi": 1.0, "floquet": [1.0, 1.3j], "floquet_error": 0.1},
            "unstable",
            "a multiplier of the orbit is 1.3",
        ),
        (
            Kind.LIMIT_CYCLE,
            {"radius_phi": 1.0, "floquet": [1.1, 0.3], "floquet_error": 0.2},
            "unstable",
            None,
        ),
    ],
)
def test_a_verdict_that_contradicts_itself_is_undecided(kind, numbers, status, says):
    case, answer = case_of(spiral(np.ones_like), [0.0], status=status), Answer(kind, numbers, "does so")
    assert consistency.objection(case, answer) == says
    assert consistency.examined(case, answer).kind == (kind if says is None else Kind.UNDECIDED)
    assert consistency.agrees(case, answer) == (says is None)
    assert consistency.agrees(case, answer) == (says is None)
    assert len(case.evidence) == (says is not None)  # noted once


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("neutral: it keeps its orbit for ever", "it keeps its orbit for ever"),
        ("chaotic: it stays bounded", "it stays bounded"),
        ("undecided: its orbit looks neutral", "its orbit looks neutral"),
        ("converges like exp(-0.1 n) to (1; 2)", "it converges like exp(-0.1 n) to (1; 2)"),
        ("diverges like n: it passes 1e+150", "it diverges like n: it passes 1e+150"),
    ],
)
def test_what_an_answer_claims_reads_on_as_a_clause(text, claim):
    case = case_of(spiral(np.ones_like), [0.0], status="unstable")
    answer = Answer(Kind.LIMIT_CYCLE, {"radius_phi": 0.0, "radius_theta": 0.0}, text)
    expected = f"undecided: it looks as if {claim}, but the orbit has no size"
    assert consistency.examined(case, answer).text == expected


def test_a_drifting_orbit_is_not_neutral_and_growth_towards_a_cycle_does_not_last():
    reason = consistency.objection(inside(0.3), Answer(Kind.NEUTRAL_ORBIT, {"radius_phi": 0.3}, ""))
    assert reason is not None and reason.startswith("its amplitude drifts by 0.00089")
    reason = consistency.objection(inside(0.3), Answer(Kind.DIVERGES, {}, ""))
    assert reason is not None and reason.endswith("comes back, so something bounded lies between")


@pytest.mark.parametrize(("k", "until"), [(1e-6, 1e-12), (1e-9, 1e-18), (1.0, None)])
def test_a_root_under_a_slope_rests_in_a_finite_time(k, until):
    # r' = -r - k r^(1/2): u = r^(1/2) has u' = -(u + k)/2, and is 0 at 2 log((u0 + k)/k); like exp(-t) while u > k
    radii = np.array(T.beside_root)
    seen = Steepening(3.0, np.array([0.01]), radii, 1 + k / radii**0.5, lambda z: -z - k * np.sqrt(z))
    assert seen.ends_like_a_root
    assert seen.rest_time == pytest.approx(3.0 + 2 * np.log(0.1 / k + 1), rel=1e-6)
    # to within the three decades between two distances
    assert seen.lasts_until is None if until is None else 0.999e-3 < seen.lasts_until / until < 1.001


def test_a_motion_that_turns_on_its_way_rests_when_its_last_player_does():
    # phi' = -phi^(1/2) from 0.04 rests at 0.4, theta' = -theta^(1/2) from 0.01 at 0.2
    radii = np.array(T.beside_root)
    way = np.array([0.04, 0.01])
    rates = [np.linalg.norm((r * way / np.linalg.norm(way)) ** 0.5) / r for r in radii]
    seen = Steepening(3.0, way, radii, np.array(rates), lambda z: -np.sign(z) * np.abs(z) ** 0.5)
    assert seen.ends_like_a_root
    assert seen.rest_time == pytest.approx(3.4, rel=1e-4)


def test_a_family_of_equilibria_has_others_beside_each():
    # F = (-x - sqrt|x| sgn x, -y): beside the slope without bound of x that of y is nothing, and 0 is alone
    def family(change, jacobian):
        rest = rest_points.Rest(np.zeros(2), jacobian(np.zeros(2)), 0.0, np.eye(2))
        return rest_points.family(Written(change, jacobian), rest, 1.0)

    def root(z):
        return -np.array([z[0] + np.sign(z[0]) * np.abs(z[0]) ** 0.5, z[1]])

    assert family(root, lambda z: -np.diag([1 + 0.5 / max(abs(z[0]), 1e-24) ** 0.5, 1.0])) == 0
    # (-x, -y^3) has no slope in y, and no other equilibrium; (-x - y^2, 0) has a curve of them
    assert family(lambda z: -np.array([z[0], z[1] ** 3]), lambda z: -np.diag([1.0, 3 * z[1] ** 2])) == 0
    bent = lambda z: np.array([[-1.0, -2 * z[1]], [0.0, 0.0]])  # noqa: E731
    assert family(lambda z: np.array([-z[0] - z[1] ** 2, 0.0]), bent) == 1


def test_a_logarithm_is_no_root():
    # r' = r log r never arrives
    radii = np.array(T.beside_root)
    seen = Steepening(0.0, np.array([0.01]), radii, -np.log(radii), lambda z: z * np.log(z))
    assert not seen.ends_like_a_root and seen.never_ends


@pytest.mark.parametrize("degree", [1.0, 3.0])
def test_degrees_that_are_alike_to_the_last_bit_hold_no_logarithm(degree, monkeypatch):
    # r' = -r^3 has the same degree at every amplitude: 0/0 for the limit of what does not drift
    monkeypatch.setattr(trends, "_degrees", lambda case, share: np.full(6, degree))
    assert trends._with_logarithm(None, SimpleNamespace(exponent=0.5), np.full(6, degree)) is None


def test_the_power_of_a_logarithm_is_read_off_degrees():
    # r' = -r^3 |log r|^2 has the degree 3 - 2/|log r|
    def degrees(case, share):
        return np.full(6, 3 - 2 / abs(np.log(1e-3 * share)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trends, "_degrees", degrees)
        found = trends._with_logarithm(None, SimpleNamespace(exponent=0.45), degrees(None, 1.0))
    assert found == pytest.approx((3.0, 2.0))


def repeats(advance, exponent):
    motion = SimpleNamespace(discrete=True, advance=lambda *_: SimpleNamespace(zs=advance(_[2])))
    look = SimpleNamespace(stretch=SimpleNamespace(end=None))
    case = SimpleNamespace(motion=motion, looks=[look], affordable=lambda span: span)
    return attractors._repeats(case, exponent)


@pytest.mark.parametrize(
    ("map_", "expected"),
    [
        (lambda x: (x + 0.7 * np.sqrt(2)) % (2 * np.pi), True),  # a rotation
        (lambda x: (x + 0.02 * np.sqrt(2)) % (2 * np.pi), True),  # five turns in all
        (
            lambda x: (x + 0.7 * np.sqrt(2) + 0.9 * np.sin(x)) % (2 * np.pi),
            True,
        ),  # up to 19 times as fast as elsewhere
        (lambda x: (x + np.pi / 2) % (2 * np.pi), True),  # four points
        (lambda x: (2.0 * x + 1e-9 * np.sqrt(2)) % (2 * np.pi), False),  # the circle doubled: exponent log 2
    ],
)
def test_what_comes_near_itself_and_stays_near_is_not_strange(map_, expected):
    angles = [0.3]
    for _ in range(1023):
        angles.append(map_(angles[-1]))
    zs = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert repeats(lambda span: zs, np.log(2)) == expected


@pytest.mark.parametrize("slope", [1.9, 1.2, 1.1, 1.03, 1.01])
def test_a_strange_set_in_small_pieces_is_strange(slope):
    # x -> slope min(x, 1 - x), exponent log slope: on 2^k intervals for a slope below 2^(1/2^k), which it visits in
    # turn, so that pairs never part by more than one of these: a hundredth of the set at 1.03
    def advance(span):
        every = max(1, round(span / 1024))
        x, xs = 0.3, []
        for _ in range(1024 * every):
            x = slope * min(x, 1.0 - x)
            xs.append(x)
        return np.stack([xs[::every], xs[::every]], axis=1)

    assert not repeats(advance, np.log(slope))


def test_a_motion_that_never_turns_has_its_law_from_every_row_and_from_its_start_on():
    # r = 1 + t/7: windows longer than the time before them have no mean that lies on the law
    def path(t):
        return np.stack([1 + t / 7, 0 * t], axis=1)

    case = case_of(path, [0.0], motion=Written(discrete=True))
    rows = [np.linspace(0.1 * end, end, 64) for end in (10, 100, 1000, 10_000, 100_000)]
    case.looks = [case.look(stretch(path, t)) for t in rows]
    answer = asked(trends.grows, case)
    assert answer is not None and answer.kind == Kind.DIVERGES
    assert abs(answer.numbers["exponent"] + 1) < 1e-6 and abs(answer.numbers["constant"] - 1 / 7) < 1e-5


def test_no_drift_is_told_of_a_motion_so_fast_that_floats_do_not_tell_its_times_apart():
    # wgan with l2 = 1e308: it was divided by the length of such a window
    case = inside()
    case.turn = 0.0
    seen = enclosing.drift(case, 1.0)
    assert seen.sign == 0 and np.isinf(seen.error) and seen.look is None


def test_the_rate_of_a_fall_and_how_it_varies_from_window_to_window():
    # log r = -0.2 t - 1e-4 t^2: its mean falls between two windows of middles m by 0.2 + 1e-4 (m + m')
    case = case_of(spiral(lambda t: np.exp(-0.2 * t - 1e-4 * t**2)), [0.0, 100.0, 300.0])
    rate, off = case.rate_of_fall(case.looks)
    first, middle, last = case.times
    assert rate == pytest.approx(0.2 + 1e-4 * (first + last), rel=1e-6)
    assert off == pytest.approx(1e-4 * (last - middle), rel=1e-3)  # of the first two, at first + middle
