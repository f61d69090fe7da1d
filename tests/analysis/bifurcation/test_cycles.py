"""Branches of cycles of flows against closed forms and shooting by SciPy's DOP853."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
import written_games as games
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, fsolve, minimize_scalar

import diracgan as dg
from diracgan.analysis.bifurcation import born_cycles, branch, curve, cycles, doubled_cycles
from diracgan.analysis.bifurcation.contacts import _places, touching_between
from diracgan.analysis.bifurcation.cycle_equations import CycleEquations
from diracgan.analysis.bifurcation.cycle_points import CycleKind, _at_surface


@pytest.fixture(scope="module")
def two_cycles():
    (hopf,) = branch(games.TwoCycles(k=0.3), over="k=-1:1", start=([0.0], [0.0]), x0=1.0).points
    return born_cycles(hopf, -1.0, 1.0)


def test_the_law_of_an_unstable_cycle_ends_where_the_closed_form_leaves_it():
    # 0 = k + s - s^2 with s = r^2: sqrt(-k)/r = sqrt(1 - s) is 0.98 at s = 0.0396; no cycle is left below k = -1/4
    (hopf,) = branch(games.TwoCycles(k=0.3), over="k=-1:1", start=([0.0], [0.0]), x0=1.0).points
    s = 1 - 0.98**2
    end = s * s - s
    assert hopf.scale == pytest.approx(1.0) and 0.95 * end > hopf.law_until(0.02) > end
    assert hopf.radius(-0.1) == pytest.approx(np.sqrt((1 - np.sqrt(0.6)) / 2), rel=1e-8)
    assert hopf.radius(-0.3) is None and hopf.radius(0.1) is None


def test_cycles_born_at_a_subcritical_hopf_point_turn_back_in_a_fold(two_cycles):
    found = two_cycles
    (fold,) = found.points
    assert (fold.kind, fold.side) == ("fold-of-cycles", 1) and fold.value == pytest.approx(-0.25, abs=1e-10)
    assert abs(fold.multiplier - 1.0) < 1e-6
    square = np.sum(np.concatenate([found.phi, found.theta], axis=1) ** 2, axis=1)
    np.testing.assert_allclose(found.values, square**2 - square, atol=1e-10)  # 0 = k + r^2 - r^4
    np.testing.assert_allclose(found.periods, 2 * np.pi, rtol=1e-10)
    np.testing.assert_allclose(found.radii_phi**2, square, rtol=1e-8)
    # r' has the derivative k + 3 r^2 - 5 r^4 = 2 r^2 - 4 r^4 on a cycle
    expected = np.exp(2 * np.pi * (2 * square - 4 * square**2))
    measured = np.prod(found.multipliers, axis=1)  # the other one is 1
    np.testing.assert_allclose(measured.real, expected, atol=1e-8)
    assert found.trivial_errors.max() < 1e-6 and found.residuals.max() < 1e-10
    inner = square < 0.499
    assert {s for s, i in zip(found.statuses, inner, strict=True) if i} == {"unstable"}
    assert {s for s, q in zip(found.statuses, square, strict=True) if q > 0.501} == {"stable"}
    assert found.ends == ("a Hopf point", "the end of the range") and found.born_at == pytest.approx(
        0, abs=1e-12
    )


def test_the_fold_in_two_numbers_is_a_parabola(two_cycles):
    # 0 = k + a s - s^2 with s = r^2 has a double root where k = -a^2/4
    (fold,) = two_cycles.points
    found = curve(fold, over=("k=-0.5:0", "a=0.7:1.3"))
    k, a = found.values.T
    np.testing.assert_allclose(k, -(a**2) / 4, atol=1e-9)
    assert np.ptp(a) > 0.55 and found.residuals.max() < 1e-9
    with pytest.raises(dg.InputError, match="one parameter"):
        curve(fold, over=("k=-1:1", "k=-1:1"))
    with pytest.raises(dg.InputError, match="ranges that hold the point"):
        curve(fold, over=("k=0:1", "a=0:2"))


@pytest.mark.slow  # closed forms: the two cycles above
def test_the_cycles_of_van_der_pol_against_dop853():
    (hopf,) = branch(games.VanDerPol(k=0.3), over="k=-1:1.5", start=([0.0], [0.0]), x0=1.0).points
    found = born_cycles(hopf, -1.0, 1.5)
    k = int(np.argmin(np.abs(found.values - 1.0)))
    mu = found.values[k]

    def turned(start, period):
        def rates(_, z):
            return [(mu - z[1] ** 2) * z[0] - z[1], z[0]]

        return solve_ivp(rates, (0, period), start, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]

    # from theta = its height on the section, with phi and the period unknown
    theta = found.theta[k, 0]

    def miss(u):
        return turned([u[0], theta], u[1]) - [u[0], theta]

    phi, period = fsolve(miss, [found.phi[k, 0], found.periods[k]], xtol=1e-12)
    assert found.phi[k, 0] == pytest.approx(phi, abs=1e-8)
    assert found.periods[k] == pytest.approx(period, abs=1e-8)
    # area shrinks by exp of the integral of the divergence mu - theta^2
    ts = np.linspace(0, period, 4001)
    whole = solve_ivp(
        lambda _, z: [(mu - z[1] ** 2) * z[0] - z[1], z[0]],
        (0, period),
        [phi, theta],
        t_eval=ts,
        rtol=1e-11,
        atol=1e-12,
    )
    shrinks = np.exp(np.trapezoid(mu - whole.y[1] ** 2, ts))
    assert np.prod(found.multipliers[k]).real == pytest.approx(shrinks, abs=1e-6)
    assert found.trivial_errors.max() < 1e-6 and set(found.statuses) == {"stable"}
    # near the Hopf point the amplitude is that of the normal form
    assert found.values[0] == pytest.approx((0.02 / hopf.scale) ** 2, rel=0.01)


@pytest.mark.slow  # fast, without a jump: the two cycles above
def test_cycles_through_the_jump_of_wgan_gp_have_the_closed_form():
    # phi'' + 2 lam phi' + phi = 0 on either side of phi = 0, see tests/analysis/orbits/test_orbits.py
    lam = 0.3
    w = np.sqrt(1 - lam**2)
    top = 2 * lam / np.tanh(np.pi * lam / (2 * w))
    start = dg.simulate(dg.variant("wgan-gp", c=1.0, lam=lam), [1e-3], [-top], t1=1.0)
    at = (start.phi.values[-1], start.theta.values[-1])
    found = cycles(dg.variant("wgan-gp", c=1.0, lam=lam), "lam=0.25:0.35", at, period=2 * np.pi / w)
    w = np.sqrt(1 - found.values**2)
    np.testing.assert_allclose(found.periods, 2 * np.pi / w, rtol=1e-9)
    np.testing.assert_allclose(found.multipliers[:, 1].real, np.exp(-found.values * found.periods), atol=1e-9)
    tops = 2 * found.values / np.tanh(np.pi * found.values / (2 * w))
    np.testing.assert_allclose(found.radii_theta, tops, rtol=1e-4)
    assert found.trivial_errors.max() < 1e-6 and set(found.statuses) == {"stable"}
    assert found.ends == ("the beginning of the range", "the end of the range")


@pytest.mark.slow  # no fast witness: too dear
def test_the_cycles_of_a_linear_flow_all_lie_at_one_value():
    (hopf,) = branch(dg.variant("wgan-linear"), over="gamma=0:1").points
    found = born_cycles(hopf, 0.0, 1.0)
    assert set(found.statuses) == {"marginal"} and not found.points
    np.testing.assert_allclose(found.values, 0.0, atol=1e-9)
    assert np.ptp(found.radii) > 0.5 and len(found.values) == 41


@pytest.mark.slow  # no fast witness: too dear
def test_the_period_doublings_of_the_roessler_flow():
    at = ([0.0, 0.0], [-4.0, 0.1])
    found = cycles(games.Rossler(c=2.3).with_(l2=1.0), "c=2:3.5", at, x0=[1.0, 0.0])
    (first,) = found.points
    assert first.kind == "period-doubling"

    def multiplier(c):
        """The smallest multiplier of the cycle at c, from returns to y = 0 with x < 0."""

        def rates(_, z):
            return [-z[1] - z[2], z[0] + 0.2 * z[1], 0.2 + z[2] * (z[0] - c)]

        def section(_, z):
            return z[1]

        section.direction = -1.0

        def back(point):
            out = solve_ivp(
                rates,
                (0, 8),
                [point[0], 0.0, point[1]],
                events=section,
                method="DOP853",
                rtol=1e-12,
                atol=1e-13,
            )
            late = [z for t, z in zip(out.t_events[0], out.y_events[0], strict=True) if t > 1]
            return late[0][[0, 2]]

        at = fsolve(lambda p: back(p) - p, [-4.0, 0.03], xtol=1e-12)
        h = 1e-5
        slope = np.column_stack([(back(at + h * e) - back(at - h * e)) / (2 * h) for e in np.eye(2)])
        return np.linalg.eigvals(slope).real.min()

    threshold = brentq(lambda c: multiplier(c) + 1.0, 2.7, 2.95, xtol=1e-8)
    assert first.value == pytest.approx(threshold, abs=1e-6)
    doubled = doubled_cycles(first, 2.0, 3.5)
    np.testing.assert_allclose(doubled.periods[0], 2 * first.period, rtol=1e-3)
    assert "stable" in doubled.statuses and found.trivial_errors.max() < 1e-6


@pytest.mark.slow  # no fast witness: too dear
def test_cycles_that_near_a_homoclinic_orbit_end_with_a_reason():
    (hopf,) = branch(
        games.BogdanovTakens(k=0.0, m=-0.5), over="k=-0.3:0.06", start=([0.0], [0.0]), x0=1.0
    ).points
    found = born_cycles(hopf, -0.3, 0.06)
    assert "homoclinic" in found.ends[1] and found.trivial_errors.max() < 1e-6
    assert found.periods[-1] > 2 * found.periods[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"over": "gamma=0:1", "start": ([0.1], [0.2])}, "leads to no cycle"),
        ({"over": "gamma=1:2", "start": ([0.1], [0.2])}, "allowed: a value from 1 to 2"),
        ({"over": "gamma=0:1", "start": ([0.1, 0.2], [0.2, 0.1])}, "commutes with rotations"),
        ({"over": "gamma=0:1", "start": ([0.1], [0.2]), "period": -1.0}, "period = -1"),
    ],
)
def test_bad_input_is_one_line(arguments, words):
    with pytest.raises(dg.InputError, match=words) as error:
        cycles(dg.variant("ns").with_(r1=0.3), **arguments)
    assert "\n" not in str(error.value)


def test_a_huge_range_lets_in_no_cycles_outside_it():
    # the cycles of ns at gamma = 0 exist for gamma < 0, which is not allowed
    (hopf,) = branch(dg.variant("ns"), over="gamma=0:1e8").points
    with pytest.raises(dg.InputError, match="outside the range"):
        born_cycles(hopf, 0.0, 1e8)


def test_cycles_outside_the_range_are_said():
    (hopf,) = branch(dg.variant("ns"), over="gamma=0:1").points
    with pytest.raises(dg.InputError, match="exist below, outside the range"):
        born_cycles(hopf, 0.0, 1.0)


def test_what_is_no_point_is_said(two_cycles):
    with pytest.raises(dg.InputError, match="point = None"):
        born_cycles(None, 0.0, 1.0)
    with pytest.raises(dg.InputError, match="allowed: period doublings"):
        doubled_cycles(two_cycles.points[0], -1.0, 1.0)


def _rings(game, over):
    return cycles(game, over, ([game.k**0.5], [0.0]), period=2 * np.pi, x0=1.0)


@pytest.mark.slow  # where it touches and of which kind that is: in another unit of time, below
def test_a_cycle_that_reaches_a_kink_of_the_loss_grazes_there_and_beyond_slides():
    # the circle r^2 = k reaches the logit phi = 1, at which c max(0, phi - 1) has its kink, at k = 1
    found = _rings(games.Stopped(k=0.95), "k=0.92:1.04")
    (point,) = found.points
    assert point.kind == "grazing-sliding" and point.value == pytest.approx(1.0, abs=1e-10)
    np.testing.assert_allclose(point.state, [1.0, 0.0], atol=1e-7)
    assert point.residual < 1e-10 and found.ends[1] == "the end of the range"
    below = found.values < 1.0
    np.testing.assert_allclose(found.periods[below], 2 * np.pi, rtol=1e-9)
    # beyond, it leaves phi = 1 at theta = 0 in place of going round: from there the circle is met from within
    assert found.values[~below].max() == 1.04 and found.multipliers[~below, 1].max() < 1e-9
    # wherever on the circle the way round begins, also between its last row and its first one
    for angle in (np.pi, 1e-3, -1e-3):
        z = 0.95**0.5 * np.array([np.cos(angle), np.sin(angle)])
        u = np.append(z, [2 * np.pi / point.equations.unit, 0.95])
        ((contact, x),) = _places(point.equations, u)
        assert contact.happens == "" and abs(x[1]) < 0.01


def slide_begins(c, between):
    """k at which the cycle of ``Stopped`` lands on phi = 1 where the far side's velocity is along it.

    The cycle leaves phi = 1 where the near side no longer pushes, k - 1 - theta - theta^2 = 0, and comes back by the
    near side's motion.
    """

    def far_speed(k):
        def rates(_, z):
            g = k - z @ z
            return [g * z[0] - z[1], g * z[1] + z[0]]

        def lands(t, z):
            return z[0] - 1.0 if t > 1.0 else -1.0

        left = (np.sqrt(4 * k - 3) - 1) / 2
        out = solve_ivp(rates, (0, 8), [1.0, left], events=lands, method="DOP853", rtol=1e-12, atol=1e-13)
        theta = next(z[1] for t, z in zip(out.t_events[0], out.y_events[0], strict=True) if t > 1.0)
        return k - 1 - theta - theta**2 - c

    return brentq(far_speed, *between, xtol=1e-13)


@pytest.mark.slow  # no fast witness: too dear
def test_a_cycle_crosses_before_it_slides_where_the_surface_first_lets_it_through():
    # c < 1/2: at the landing the far side's velocity turns towards the surface
    found = _rings(games.Stopped(k=1.0, c=0.4), "k=0.95:1.22")
    assert [str(p.kind) for p in found.points] == ["grazing-sliding", "switching-sliding"]
    expected = [1.0, slide_begins(0.4, (1.1, 1.22))]
    np.testing.assert_allclose([p.value for p in found.points], expected, atol=1e-10)


@pytest.mark.slow  # no fast witness: too dear
def test_a_slide_is_left_on_its_way_and_at_last_not_begun():
    # c > 1/2: while it slides the near side pushes by k - 1 - theta - theta^2, at most k - 3/4, which the far side's c
    # holds up to k = c + 3/4; later the far side's velocity at the landing turns away from the surface
    found = cycles(games.Stopped(k=1.42, c=0.7), "k=1.4:1.53", ([1.0], [0.0]), period=2 * np.pi, x0=1.0)
    assert [str(p.kind) for p in found.points] == ["adding-sliding", "crossing-sliding"]
    expected = [1.45, slide_begins(0.7, (1.4, 1.53))]
    np.testing.assert_allclose([p.value for p in found.points], expected, atol=1e-10)
    assert max(p.residual for p in found.points) < 1e-10 and found.trivial_errors.max() < 1e-6
    assert found.ends == ("the beginning of the range", "the end of the range")


@pytest.mark.slow  # no fast witness: too dear
def test_a_slide_is_left_for_a_while_on_the_side_that_it_came_from():
    def least_push(m):
        def push(theta):
            return 0.2 - theta - theta**2 - m / (1 + (10 * theta + 2) ** 2)

        return minimize_scalar(push, bounds=(-0.35, -0.05), method="bounded", options={"xatol": 1e-12}).fun

    found = cycles(games.Relents(k=1.2, m=0.32), "m=0.3:0.4", ([1.0], [0.0]), period=2 * np.pi, x0=1.0)
    (point,) = found.points
    assert point.kind == "adding-sliding" and "comes back" in point.text
    assert point.value == pytest.approx(brentq(least_push, 0.1, 0.6, xtol=1e-14), abs=1e-10)


@pytest.mark.slow  # its own contact: the next test
def test_a_contact_of_cycles_far_from_this_one_is_not_its_own():
    # r^2 = k touches phi = 1 at k = 1: from r^2 = 0.35 Newton's method gets there too
    family = branch(games.Stopped(k=0.5), over="k=0.1:2", start=([0.0], [0.0]), x0=1.0).family
    for k, is_its_own in ((0.9, True), (0.35, False)):
        equations = CycleEquations(
            family, np.array([0.0, -(k**0.5)]), np.array([1.0, 0.0]), 2 * np.pi, 2 * np.pi, 2 * np.pi * k**0.5
        )
        u = np.append(equations.anchor, [1.0, k])
        assert _places(equations, u)
        found = touching_between(equations, u, -np.inf, np.inf)
        assert (found is not None and abs(found.number - 1.0) < 1e-10) == is_its_own


def test_in_another_unit_of_time_a_cycle_touches_a_kink_at_the_same_number():
    unit, k = 1e-6, 0.9
    game, how = games.Stopped(k=k), dict(rate_d=1 / unit, rate_g=1 / unit)
    family = branch(game, over="k=0.8:1.2", start=([0.0], [0.0]), x0=1.0, **how).family
    turn = 2 * np.pi * unit
    equations = CycleEquations(
        family, np.array([0.0, -(k**0.5)]), np.array([1.0, 0.0]), turn, turn, 2 * np.pi * k**0.5
    )
    u = np.append(equations.anchor, [turn / equations.unit, k])
    found = touching_between(equations, u, -np.inf, np.inf)
    assert found.number == pytest.approx(1.0, abs=1e-10) and found.residual < 1e-10
    assert _at_surface(found) is CycleKind.GRAZING_SLIDING  # the far side's velocity pushes it back
    assert found.period == pytest.approx(turn, rel=1e-9)
    np.testing.assert_allclose(found.state, [1.0, 0.0], atol=1e-7)


@pytest.mark.slow  # the contact alone: the test above
@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_in_another_unit_of_time_a_cycle_has_the_same_events(unit):
    found = cycles(
        games.Stopped(k=0.99),
        "k=0.98:1.02",
        ([0.99**0.5], [0.0]),
        period=2 * np.pi * unit,
        x0=1.0,
        rate_d=1 / unit,
        rate_g=1 / unit,
    )
    (point,) = found.points
    assert point.kind == "grazing-sliding" and point.value == pytest.approx(1.0, abs=1e-10)
    np.testing.assert_allclose(found.periods[found.values < 1.0], 2 * np.pi * unit, rtol=1e-9)
    assert found.trivial_errors.max() < 1e-6


@pytest.mark.slow  # fast, of one that holds it: test_in_another_unit_of_time_a_cycle_touches_a_kink_at_the_same_number
@pytest.mark.parametrize("game", [games.Grazes, games.Bent])
def test_a_cycle_grazes_a_surface_that_does_not_hold_it(game):
    found = _rings(game(k=0.95), "k=0.92:1.04")
    (point,) = found.points
    assert point.kind == "grazing" and point.value == pytest.approx(1.0, abs=1e-10)
    assert found.ends[1] == "the end of the range" and found.trivial_errors.max() < 1e-6


@pytest.mark.slow  # no fast witness: too dear
def test_a_cycle_that_a_surface_carries_away_ends_its_branch():
    found = _rings(games.Stopped(k=0.95, c=-0.5), "k=0.92:1.04")
    (point,) = found.points
    assert point.kind == "grazing" and point.value == pytest.approx(1.0, abs=1e-10) and point.is_thrown
    assert "carries it away" in found.ends[1] and found.values.max() < 1.0


class Torus(dg.Variant):
    """x' = z x - y, y' = x, z' = k z - (x^2 - 1/2) - z^3 for x = phi_1 and theta = (y, z); phi_2 only decays.

    With the datum (1, 0) and l2 = 1. To first order the amplitude of (x, y) and z oscillate about (1, 0), damped by
    k < 0.
    """

    k: float = -0.1

    def critic_loss(self, real, fake, x_real, x_fake):
        y, z = x_fake[:, 0], x_fake[:, 1]
        return -jnp.mean(z * real**2 / 2 - y * real + real**2 / 2)

    def generator_loss(self, real, fake, x_real, x_fake):
        y, z = x_fake[:, 0], x_fake[:, 1]
        return -jnp.mean(real * y + self.k * z**2 / 2 - (real**2 - 0.5) * z - z**4 / 4)


@pytest.mark.slow  # multipliers against DOP853: van der Pol's
def test_a_torus_point_lies_where_a_pair_of_multipliers_crosses_the_unit_circle_by_dop853():
    game, start = Torus().with_(l2=1.0), ([1.0, 0.0], [0.0, 0.0])
    found = cycles(game, "k=-0.1:0.6", start, period=2 * np.pi, x0=[1.0, 0.0])
    (point,) = (p for p in found.points if p.kind == "torus")

    def rates(_, u):
        (x, y, z), m = u[:3], u[3:].reshape(3, 3)
        slope = np.array([[z, -1, x], [1, 0, 0], [-2 * x, 0, point.value - 3 * z**2]])
        motion = [z * x - y, x, point.value * z - (x**2 - 0.5) - z**3]
        return np.concatenate([motion, (slope @ m).ravel()])

    at = np.concatenate([point.state[[0, 2, 3]], np.eye(3).ravel()])
    end = solve_ivp(rates, (0, point.period), at, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(end[:3], at[:3], atol=1e-9)
    values = np.linalg.eigvals(end[3:].reshape(3, 3))
    pair = values[np.abs(values.imag) > 1e-3]
    np.testing.assert_allclose(np.abs(pair), 1.0, atol=1e-9)
    assert abs(point.multiplier.imag) == pytest.approx(abs(pair[0].imag), abs=1e-8) and not point.resonance
    before, after = (
        np.array(found.statuses)[side] for side in (found.values < point.value, found.values > point.value)
    )
    assert set(before) == {"stable"} and set(after) == {"unstable"}
