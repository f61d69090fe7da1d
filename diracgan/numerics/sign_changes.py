"""Where monitors change their signs along a curve of solutions, refined by Brent's method, dips towards 0 included."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .path_following import RESIDUAL, UPRIGHT, PathFollower, PathPoint

_DIP = 0.25  # of what a monitor bends by over a step: how near to 0 it comes where two sign changes may lie within one
_NARROW = 1e-5  # of two steps: how well the place is found where it comes nearest
_LOOKS = 12  # in how many looks
_NODES, _ENOUGH = 9, 6  # between two neighbours, of a curve that is interpolated, and how many of them

#: A point -> values that change sign where something happens, (m,), and how far each may be off, (m,).
Monitor = Callable[[PathPoint], tuple[np.ndarray, np.ndarray]]


class SignChange(NamedTuple):
    """Where a monitor changes its sign.

    Attributes:
        monitor: its index.
        point: the refined point.
        before: index of the path's last point before it; ``after`` of the first one after it.
        at_end: whether it lies on the first or last point of the path, beyond which nothing was seen.
    """

    monitor: int
    point: PathPoint
    before: int
    after: int
    at_end: bool


def sign_changes(
    walk: PathFollower, points: Sequence[PathPoint], monitors: Monitor
) -> tuple[list[PathPoint], list[SignChange]]:
    """Where monitors change their signs along a path, refined; a monitor within its error has no sign.

    Returns:
        The points, with those added that lie between two sign changes within one step, and the changes.
    """
    points, seen = list(points), [monitors(p) for p in points]
    _add_dips(walk, points, seen, monitors)
    signs = np.array([np.where(np.abs(v) <= e, 0.0, np.sign(v)) for v, e in seen])
    found: list[SignChange] = []
    for m in range(signs.shape[1]):
        known = np.flatnonzero(signs[:, m])
        if not len(known):
            continue
        for i, j in zip(known[:-1].tolist(), known[1:].tolist(), strict=True):
            if signs[i, m] == signs[j, m] or j > i + 2:  # a longer stretch without a sign has no one point
                continue
            if j == i + 2:
                found.append(SignChange(m, points[i + 1], i, j, False))
                continue
            point = _between(walk, points[i], points[j], lambda p, m=m: float(monitors(p)[0][m]))
            if point is not None:
                found.append(SignChange(m, point, i, j, False))
        last = len(points) - 1
        if known[0] == 1:
            found.append(SignChange(m, points[0], 0, 1, True))
        if known[-1] == last - 1:
            found.append(SignChange(m, points[-1], last - 1, last, True))
    return points, sorted(found, key=lambda c: (c.before, float(points[c.before].tangent @ c.point.u)))


def _add_dips(walk: PathFollower, points: list[PathPoint], seen: list[Any], monitors: Monitor) -> None:
    """Add to the points, and to what is seen there, those where a monitor has another sign than at both neighbours."""
    for m in range(len(seen[0][0])):
        k = 1
        while k < len(points) - 1:
            near = [(float(values[m]), float(errors[m])) for values, errors in seen[k - 1 : k + 2]]
            found = _dip(walk, points[k - 1 : k + 2], near, lambda p, m=m: float(monitors(p)[0][m]))
            if found is not None:
                after, point = found
                values, errors = monitors(point)
                if -np.sign(near[1][0]) * values[m] > errors[m]:
                    points.insert(k + after, point)
                    seen.insert(k + after, (values, errors))
                k += 1  # a dip that was looked at is not looked at once more
            k += 1


def _dip(
    walk: PathFollower,
    points: Sequence[PathPoint],
    near: Sequence[tuple[float, float]],
    value: Callable[[PathPoint], float],
) -> tuple[int, PathPoint] | None:
    """Where a monitor of one sign at three neighbours comes nearest to 0, and whether that is beyond the middle one.

    Looked for where the parabola through the three comes nearer to 0 than it bends over a step. None elsewhere.
    """
    # asked of every three neighbours: plain numbers, which are ten times as fast as arrays of three
    sign = math.copysign(1.0, near[1][0])
    first, middle, last = (sign * v for v, _ in near)
    before, ahead = (math.dist(a.u, b.u) for a, b in itertools.pairwise(points))
    if not (all(sign * v > e for v, e in near) and before > 0 and ahead > 0):
        return None
    falls, rises = (middle - first) / before, (last - middle) / ahead
    bend = (rises - falls) / (before + ahead)
    tilt = falls + bend * before
    if not (bend > 0 and -2 * bend * ahead < tilt < 2 * bend * before):
        return None
    if middle - tilt**2 / (4 * bend) > _DIP * bend * max(before, ahead) ** 2:
        return None

    def at(s: float) -> PathPoint | None:
        a, b = points[1:] if s > 0 else points[:2]
        found = walk.correct(a.u + (s / ahead if s > 0 else 1 + s / before) * (b.u - a.u), a.tangent)
        return None if found is None else found[0]

    def height(s: float) -> float:
        point = at(s)
        return np.inf if point is None else sign * value(point)

    s = -tilt / (2 * bend)
    if not height(s) < 0:
        from scipy.optimize import minimize_scalar

        within: Any = {
            "bounds": (-before, ahead),
            "options": {"xatol": _NARROW * (before + ahead), "maxiter": _LOOKS},
        }
        found: Any = minimize_scalar(height, method="bounded", **within)
        s = float(found.x)
    point = at(s)
    return None if point is None else (int(s > 0), point)


def _between(
    walk: PathFollower, a: PathPoint, b: PathPoint, value: Callable[[PathPoint], float]
) -> PathPoint | None:
    """The point between two neighbours at which ``value`` is zero, to rounding."""
    from scipy.optimize import brentq

    length = float(a.tangent @ (b.u - a.u))

    def at(s: float) -> PathPoint | None:
        found = walk.correct(a.u + (s / length) * (b.u - a.u), a.tangent)
        return None if found is None else found[0]

    def height(s: float) -> float:
        point = at(s)
        if point is None:
            raise ArithmeticError("no solution between two neighbours")
        return value(point)

    try:
        root: Any = brentq(height, 0.0, length, xtol=1e-14 * length, rtol=np.float64(1e-15), maxiter=200)
        return at(root)
    except (ArithmeticError, ValueError, RuntimeError):
        return _across_singular(walk, a, b, at, value)


def _across_singular(
    walk: PathFollower,
    a: PathPoint,
    b: PathPoint,
    at: Callable[[float], PathPoint | None],
    value: Callable[[PathPoint], float],
) -> PathPoint | None:
    """The same where the equations are singular, as at a branch point: by the polynomial through points around it.

    Newton's method leaves rounding divided by the distance from such a point, and so never converges on it; the
    curve itself is smooth.
    """
    from scipy.interpolate import BarycentricInterpolator
    from scipy.optimize import brentq

    length = float(a.tangent @ (b.u - a.u))
    nodes = 0.5 * length * (1.0 - np.cos(np.pi * np.arange(1, _NODES - 1) / (_NODES - 1)))
    found = [(0.0, a), *((s, p) for s in nodes if (p := at(float(s))) is not None), (length, b)]
    if len(found) < _ENOUGH:
        return None
    curve = BarycentricInterpolator([s for s, _ in found], np.array([p.u for _, p in found]))

    def point(s: float) -> PathPoint:
        residual, slope = walk.equations(u := curve(s))
        u = u - np.linalg.lstsq(slope, residual, rcond=UPRIGHT)[0]
        residual, slope = walk.equations(u)
        tangent = curve.derivative(s)
        size = float(np.max(np.abs(residual), initial=0.0))
        return PathPoint(u, tangent / np.linalg.norm(tangent), slope, size)

    try:
        root: Any = brentq(lambda s: value(point(s)), 0.0, length, xtol=1e-14 * length)
    except (ArithmeticError, ValueError, RuntimeError):
        return None
    there = point(root)
    return there if there.residual <= RESIDUAL * (1.0 + np.linalg.norm(there.jacobian)) else None
