"""Continuation against curves whose folds, branch points and ends are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.numerics.branching import crossing_tangent
from diracgan.numerics.continuation import continue_path
from diracgan.numerics.path_following import StepControl


def slope_in_x(point):
    """The eigenvalue of a scalar equation."""
    return np.array([point.jacobian[0, 0]]), np.array([1e-14])


def test_both_folds_of_the_cubic_are_passed_and_refined():
    # p = x - x^3/3 has its folds at x = +-1, p = +-2/3
    def cubic(u):
        x, p = u
        return np.array([p - x + x**3 / 3]), np.array([[-1 + x**2, 1.0]])

    path = continue_path(cubic, np.array([2.1038034, -1.0]), -1.0, 1.0, slope_in_x)
    assert path.ends == ("the beginning of the range", "the end of the range")
    values = [c.point.u[-1] for c in path.changes]
    np.testing.assert_allclose(values, [2 / 3, -2 / 3], atol=1e-12)
    np.testing.assert_allclose([c.point.u[0] for c in path.changes], [1, -1], atol=1e-7)
    assert max(p.residual for p in path.points) < 1e-12
    # lengths of steps never exceed the bound, and the curve is seen from end to end
    assert path.points[0].u[-1] == pytest.approx(-1.0) and path.points[-1].u[-1] == pytest.approx(1.0)


def test_a_branch_point_is_passed_and_the_other_branch_is_found():
    # x (p - 0.3 - x^2) = 0: the line x = 0 and the parabola p = 0.3 + x^2
    def pitchfork(u):
        x, p = u
        return np.array([x * (p - 0.3 - x**2)]), np.array([[p - 0.3 - 3 * x**2, x]])

    line = continue_path(pitchfork, np.array([0.0, 0.0]), 0.0, 1.0, slope_in_x)
    (change,) = line.changes
    assert change.point.u[-1] == pytest.approx(0.3, abs=1e-13)
    way = crossing_tangent(pitchfork, change.point)
    assert way is not None
    branch = continue_path(pitchfork, change.point.u + 0.05 * way, 0.0, 1.0, slope_in_x, toward=way)
    np.testing.assert_allclose([p.u[1] - 0.3 - p.u[0] ** 2 for p in branch.points], 0, atol=1e-12)
    assert branch.ends[1] == "the end of the range"


def test_branch_points_where_nothing_is_exactly_zero():
    # the line x = p/2 through the circle x^2 + p^2 = 1, both ways round
    def crossed(u):
        x, p = u
        ring, line = x * x + p * p - 1, x - p / 2
        return np.array([ring * line]), np.array([[2 * x * line + ring, 2 * p * line - ring / 2]])

    path = continue_path(crossed, np.array([0.0, 0.0]), -2.0, 2.0, slope_in_x)
    at = np.array([[-1, -2], [1, 2]]) / np.sqrt(5)
    np.testing.assert_allclose([c.point.u for c in path.changes], at, atol=1e-12)
    path = continue_path(crossed, np.array([-1.0, 0.0]), -2.0, 2.0, slope_in_x)
    assert path.ends[1] == "the curve closes"
    np.testing.assert_allclose(sorted(abs(c.point.u[1]) for c in path.changes), [at[1, 1]] * 2 + [1, 1])


def test_an_upright_curve_is_followed_from_its_start():
    # p = 1/3 for every x, to rounding: held at p, x is not determined
    def upright(u):
        return np.array([3 * u[1] - 1 + 1e-17 * u[0]]), np.array([[1e-17, 3.0]])

    path = continue_path(upright, np.array([0.5, 1 / 3]), 0.0, 1.0, control=StepControl(bound=2.0))
    assert path.ends == ("|x| grows beyond 2", "|x| grows beyond 2")
    assert max(abs(p.u[1] - 1 / 3) for p in path.points) < 1e-15


def test_steps_grow_with_the_way_where_a_curve_leads_far():
    # x = 1/p from p = 1 to 1e-3: in steps of at most 0.02 there would be 50,000
    def pole(u):
        return np.array([u[0] * u[1] - 1.0]), np.array([[u[1], u[0]]])

    path = continue_path(pole, np.array([1.0, 1.0]), -1.0, 1.0, control=StepControl(bound=1e3, far=1.0))
    assert path.ends[0] == "|x| grows beyond 1000" and len(path.points) < 1000
    np.testing.assert_allclose([p.u[0] * p.u[1] for p in path.points], 1.0, rtol=1e-12)


def test_a_start_on_a_zero_of_a_monitor_is_an_event_at_the_end():
    def line(u):
        return np.array([u[0] * (1.0 + u[1])]), np.array([[1.0 + u[1], u[0]]])

    path = continue_path(line, np.array([0.0, 0.0]), 0.0, 1.0, lambda p: (p.u[-1:], np.array([1e-14])))
    (change,) = path.changes
    assert change.at_end and change.point.u[-1] == 0.0


def test_a_branch_ends_where_the_equations_do():
    # sqrt(1 - p) - x = 0 exists up to p = 1, where its tangent turns vertical
    def root(u):
        x, p = u
        with np.errstate(invalid="ignore", divide="ignore"):
            r = np.sqrt(1 - p)
            return np.array([r - x]), np.array([[-1.0, -0.5 / r]])

    path = continue_path(root, np.array([1.0, 0.0]), -1.0, 3.0)
    assert path.points[-1].u[-1] == pytest.approx(1.0, abs=1e-5)
    assert "no" in path.ends[1] and path.ends[0] == "the beginning of the range"


def test_a_runaway_branch_says_so():
    # x = 1/(1 - p) leaves every bound as p nears 1
    def pole(u):
        x, p = u
        return np.array([x * (1 - p) - 1]), np.array([[1 - p, -x]])

    path = continue_path(pole, np.array([1.0, 0.0]), 0.0, 2.0, control=StepControl(bound=50.0, largest=1.0))
    assert path.ends[1] == "|x| grows beyond 50"


def test_a_start_without_a_solution_is_refused():
    with pytest.raises(ValueError, match="no solution"):
        continue_path(
            lambda u: (np.array([u[0] ** 2 + 1]), np.array([[2 * u[0], 0.0]])), np.zeros(2), 0.0, 1.0
        )


@pytest.mark.filterwarnings("error")
def test_an_iterate_whose_square_is_no_float_is_no_solution():
    with pytest.raises(ValueError, match="no solution"):
        continue_path(
            lambda u: (np.array([1.0 - 1e-200 * u[0]]), np.array([[-1e-200, 0.0]])), np.zeros(2), -1.0, 1.0
        )


@pytest.mark.parametrize("first", [-1.0, -0.993, -0.9871])
def test_two_folds_within_one_step_are_found(first):
    # p = x^3/3 - d^2 x turns back at x = +-d, nearer to each other than a twentieth of a step
    d = 5e-4

    def bent(u):
        x, p = u
        return np.array([p - x**3 / 3 + d**2 * x]), np.array([[d**2 - x**2, 1.0]])

    def turns(point):
        return np.array([point.tangent[-1]]), np.array([1e-12])

    path = continue_path(bent, np.array([first, first**3 / 3 - d**2 * first]), -1.0, 1.0, turns)
    np.testing.assert_allclose([c.point.u[0] for c in path.changes], [-d, d], atol=1e-9)
    assert [c.after - c.before for c in path.changes] == [1, 1]
    back = path.backwards()
    assert [back.points[c.before].u[0] > c.point.u[0] > back.points[c.after].u[0] for c in back.changes] == [
        True,
        True,
    ]


def test_a_monitor_that_only_comes_near_0_changes_no_sign():
    def line(u):
        return np.array([u[0]]), np.array([[1.0, 0.0]])

    def near(point):
        return np.array([(point.u[1] - 0.503) ** 2 + 1e-9, abs(point.u[1] - 0.503) - 1e-4]), np.array(
            [1e-14] * 2
        )

    path = continue_path(line, np.zeros(2), 0.0, 1.0, near)
    assert [c.monitor for c in path.changes] == [1, 1]
    np.testing.assert_allclose([c.point.u[1] for c in path.changes], [0.5029, 0.5031], atol=1e-12)
