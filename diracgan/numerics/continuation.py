"""Pseudo-arclength continuation of F(u) = 0 with one more unknown than equations, the parameters last.

The solutions form curves. One is followed by a predictor along its tangent and Newton's method in the plane across it,
so that folds are passed like any other point; sign changes of monitors along it are refined by Brent's method, and
looked for between two points of one sign where the monitor comes near 0.

References:
    Keller 1977, in Applications of Bifurcation Theory, 359; Kuznetsov 2004, Elements of Applied Bifurcation Theory,
    chapter 10.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .path_following import Equations, PathFollower, PathPoint, StepControl
from .sign_changes import Monitor, SignChange, sign_changes


class SolutionPath(NamedTuple):
    """A stretch of a curve of solutions.

    Attributes:
        points: in their order along the curve.
        changes: the sign changes of the monitors, in that order.
        ends: why it goes on no further, at its first and at its last point.
    """

    points: list[PathPoint]
    changes: list[SignChange]
    ends: tuple[str, str]

    def backwards(self) -> SolutionPath:
        """The same stretch from its last point to its first."""
        points = [p._replace(tangent=-p.tangent) for p in reversed(self.points)]
        last = len(points) - 1
        changes = [c._replace(before=last - c.after, after=last - c.before) for c in reversed(self.changes)]
        return SolutionPath(points, changes, (self.ends[1], self.ends[0]))


def no_monitors(point: PathPoint) -> tuple[np.ndarray, np.ndarray]:
    """Nothing to watch for."""
    return np.empty(0), np.empty(0)


def continue_path(
    equations: Equations,
    u0: np.ndarray,
    low: float | np.ndarray,
    high: float | np.ndarray,
    monitors: Monitor = no_monitors,
    control: StepControl | None = None,
    toward: np.ndarray | None = None,
) -> SolutionPath:
    """Follow the curve of solutions through ``u0`` both ways while its parameters are within [low, high].

    Args:
        equations: F and its Jacobian.
        u0: a solution, or close to one, (n + 1,).
        low: least value of the parameter, or of the last m unknowns, (m,).
        high: largest value, likewise.
        monitors: what is watched for sign changes.
        control: how far a step goes.
        toward: follow only the side to which this direction points, and start along it.

    Returns:
        A :class:`SolutionPath`.

    Raises:
        ValueError: where Newton's method finds no solution at ``u0``.

    Example:
        >>> def circle(u):
        ...     return np.array([u @ u - 1.0]), 2 * u[None]
        >>> path = continue_path(circle, np.array([0.0, -1.0]), -2.0, 2.0)
        >>> path.ends[1], bool(max(p.residual for p in path.points) < 1e-10)
        ('the curve closes', True)
    """
    control = control or StepControl()
    lows, highs = np.atleast_1d(np.asarray(low, float)), np.atleast_1d(np.asarray(high, float))
    unit = np.ones(len(u0))
    unit[-len(lows) :] = highs - lows
    walk = PathFollower(_in_units(equations, unit), lows / (highs - lows), highs / (highs - lows), control)
    first = walk.start(u0 / unit, None if toward is None else toward / unit)
    ahead, end = walk.follow(first)
    behind, begin = ([], "the branch begins there") if toward is not None else ([], "the curve closes")
    if toward is None and end != "the curve closes":
        behind, begin = walk.follow(first._replace(tangent=-first.tangent))
    before = [p._replace(tangent=-p.tangent) for p in reversed(behind)]
    points = [*before, first, *ahead]

    def seen(point: PathPoint) -> tuple[np.ndarray, np.ndarray]:
        return monitors(_out_of_units(point, unit))

    points, changes = sign_changes(walk, points, seen)
    changes = [c._replace(point=_out_of_units(c.point, unit)) for c in changes]
    return SolutionPath([_out_of_units(p, unit) for p in points], changes, (begin, end))


def _in_units(equations: Equations, unit: np.ndarray) -> Equations:
    def scaled(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, slope = equations(u * unit)
        return value, slope * unit

    return scaled


def _out_of_units(point: PathPoint, unit: np.ndarray) -> PathPoint:
    tangent = point.tangent * unit
    return PathPoint(point.u * unit, tangent / np.linalg.norm(tangent), point.jacobian / unit, point.residual)
