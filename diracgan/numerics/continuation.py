"""Pseudo-arclength continuation of F(u) = 0 with one more unknown than equations, the parameters last.

The solutions form curves. One is followed by a predictor along its tangent and Newton's method in the plane across it,
so that folds are passed like any other point; sign changes of monitors along it are refined by Brent's method, and
looked for between two points of one sign where the monitor comes near 0.

References:
    Keller 1977, in Applications of Bifurcation Theory, 359; Kuznetsov 2004, Elements of Applied Bifurcation Theory,
    chapter 10.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

_LOST = 1e100  # an iterate of Newton's method, whose square is near the end of what a float holds
_RESIDUAL = 1e-9  # of the size of the equations' terms: what is larger is not a solution
_UPRIGHT = 1e-6  # of a unit tangent: its share along the last parameter below which that cannot be held
_DIP = 0.25  # of what a monitor bends by over a step: how near to 0 it comes where two sign changes may lie within one
_NARROW = 1e-5  # of two steps: how well the place is found where it comes nearest
_LOOKS = 12  # in how many looks
_NODES, _ENOUGH = 9, 6  # between two neighbours, of a curve that is interpolated, and how many of them

#: u (n + 1,) -> F(u) (n,) and its Jacobian (n, n + 1).
Equations = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


class PathPoint(NamedTuple):
    """A solution.

    Attributes:
        u: the unknowns, the parameters last, (n + 1,).
        tangent: unit tangent of the curve, (n + 1,).
        jacobian: of F, (n, n + 1).
        residual: largest entry of |F|.
    """

    u: np.ndarray
    tangent: np.ndarray
    jacobian: np.ndarray
    residual: float


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


@dataclasses.dataclass(frozen=True)
class StepControl:
    """How far a step goes.

    Attributes:
        first: the first step; ``largest`` and ``least`` the bounds of all, in units of u, where a parameter counts
            in units of its range.
        turn: least cosine of the angle between successive tangents.
        points: most points on either side of the start.
        bound: largest |u_i| but the parameters'.
        far: how far these may lie from where they began before steps grow in proportion to that distance.
        tolerance: relative size of Newton's last step.
        iterations: of Newton's method before a step is halved.
    """

    first: float = 0.005
    largest: float = 0.02
    least: float = 1e-9
    turn: float = 0.95
    points: int = 2000
    bound: float = 1e6
    far: float = np.inf
    tolerance: float = 1e-11
    iterations: int = 8


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
    walk = _Walk(_in_units(equations, unit), lows / (highs - lows), highs / (highs - lows), control)
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


class _Walk:
    """Steps along one curve."""

    def __init__(self, equations: Equations, low: np.ndarray, high: np.ndarray, control: StepControl) -> None:
        self.equations, self.low, self.high, self.control = equations, low, high, control
        self.parameters = slice(-len(low), None)

    def start(self, u0: np.ndarray, toward: np.ndarray | None) -> PathPoint:
        """The solution at ``u0``, with its tangent."""
        value, slope = self.equations(u0)
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            raise ValueError("the equations have no finite value at the start")
        along = np.linalg.svd(slope)[2][-1]
        if toward is not None:
            across = toward / np.linalg.norm(toward)
        else:  # at a fold, or on a curve that stands upright, the last parameter cannot be held
            across = np.eye(len(u0))[-1] if abs(along[-1]) > _UPRIGHT else along
        found = self.correct(u0, across)
        if found is None:
            found = self.correct(u0, along)
        if found is None:
            raise ValueError("Newton's method finds no solution at the start")
        return found[0]

    @np.errstate(over="ignore")  # of derivatives near a pole, as of log p beside 0
    def correct(self, guess: np.ndarray, across: np.ndarray) -> tuple[PathPoint, int] | None:
        """Newton's method from ``guess`` in the plane perpendicular to ``across``; and how many iterations."""
        u, offset = guess.copy(), across @ guess
        for k in range(self.control.iterations):
            value, slope = self.equations(u)
            if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
                return None
            u = u + (move := solve(np.vstack([slope, across]), -np.append(value, across @ u - offset)))
            if not np.max(np.abs(u)) <= _LOST:
                return None
            if np.linalg.norm(move) <= self.control.tolerance * (1.0 + np.linalg.norm(u)):
                return self._point(u, across, k + 1)
        return None

    def _point(self, u: np.ndarray, along: np.ndarray, iterations: int) -> tuple[PathPoint, int] | None:
        value, slope = self.equations(u)
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return None
        residual = float(np.max(np.abs(value), initial=0.0))
        if residual > _RESIDUAL * (1.0 + float(np.linalg.norm(slope)) * (1.0 + float(np.linalg.norm(u)))):
            return None  # a singular Jacobian may stop Newton's method anywhere
        tangent = solve(np.vstack([slope, along]), np.eye(len(u))[-1])
        terms = (1e-300 + np.linalg.norm(slope)) * np.linalg.norm(tangent)
        if not np.linalg.norm(slope @ tangent) <= 1e-9 * terms:  # singular: at a fold
            tangent = np.linalg.svd(slope)[2][-1]
            tangent = tangent if tangent @ along >= 0 else -tangent
        return PathPoint(u, tangent / np.linalg.norm(tangent), slope, residual), iterations

    def follow(self, first: PathPoint) -> tuple[list[PathPoint], str]:
        """The points after ``first`` along its tangent, and why they end."""
        c, points, now, step = self.control, [first], first, self.control.first
        way = first.tangent[self.parameters]
        out = self._leaves(first.u[self.parameters] + 1e-12 * np.sign(way)) & (np.abs(way) > 0.5)
        if np.any(out):
            return [], self._border(float(way[out][0]))
        while len(points) <= c.points:
            found = self.correct(now.u + step * now.tangent, now.tangent)
            if found is None or found[0].tangent @ now.tangent < c.turn:
                step *= 0.5
                if step < c.least:
                    return points[1:], self._stops(now)
                continue
            new, iterations = found
            if np.any(self._leaves(new.u[self.parameters])):
                edge, direction = self._land(now, new)
                return points[1:] + ([edge] if edge is not None else []), self._border(direction)
            points.append(new)
            if np.max(np.abs(new.u[: -len(self.low)]), initial=0.0) > c.bound:
                return points[1:], f"|x| grows beyond {c.bound:g}"
            if len(points) > 8 and self._closes(first, now, new):
                return points[1:], "the curve closes"
            now = new
            step = min(step * (1.5 if iterations <= 4 else 0.7), self._longest(first, now))
        return points[1:], f"{c.points} points were made"

    def _longest(self, first: PathPoint, now: PathPoint) -> float:
        """The longest step: bounded along the parameters, relative to the way so far along the rest."""
        split = len(now.u) - len(self.low)
        away = np.max(np.abs((now.u - first.u)[:split]), initial=0.0)
        rest = np.linalg.norm(now.tangent[:split]) / max(1.0, away / self.control.far)
        return self.control.largest / float(np.hypot(rest, np.linalg.norm(now.tangent[split:])))

    def _leaves(self, ps: np.ndarray) -> np.ndarray:
        return ~((self.low <= ps) & (ps <= self.high))

    def _border(self, direction: float) -> str:
        return "the end of the range" if direction > 0 else "the beginning of the range"

    def _land(self, now: PathPoint, new: PathPoint) -> tuple[PathPoint | None, float]:
        """The point on the border of the range that is met first, and which way its parameter went."""
        before, after = now.u[self.parameters], new.u[self.parameters]
        border = np.where(after > self.high, self.high, self.low)
        shares = np.full(len(border), np.inf)
        out = self._leaves(after)
        shares[out] = (border[out] - before[out]) / (after[out] - before[out])
        k = int(np.argmin(shares))
        share, direction = float(shares[k]), float(after[k] - before[k])
        at = len(now.u) - len(border) + k
        guess = now.u + share * (new.u - now.u)
        guess[at] = border[k]
        if share < 1e-9:
            return None, direction
        found = self.correct(guess, np.eye(len(guess))[at] * np.sign(new.tangent[at] or 1.0))
        return None if found is None else found[0], direction

    def _closes(self, first: PathPoint, now: PathPoint, new: PathPoint) -> bool:
        way = new.u - now.u
        share = np.clip((first.u - now.u) @ way / (way @ way), 0.0, 1.0)
        near = np.linalg.norm(now.u + share * way - first.u) < 0.2 * np.linalg.norm(way)
        return bool(near and first.tangent @ new.tangent > self.control.turn)

    def _stops(self, now: PathPoint) -> str:
        value, slope = self.equations(now.u + 1e-3 * now.tangent)
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return "the equations have no finite value beyond"
        return "Newton's method no longer converges: no smooth solution was found beyond"

    def between(self, a: PathPoint, b: PathPoint, value: Callable[[PathPoint], float]) -> PathPoint | None:
        """The point between two neighbours at which ``value`` is zero, to rounding."""
        from scipy.optimize import brentq

        length = float(a.tangent @ (b.u - a.u))

        def at(s: float) -> PathPoint | None:
            found = self.correct(a.u + (s / length) * (b.u - a.u), a.tangent)
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
            return self._across_singular(a, b, at, value)

    def _across_singular(
        self,
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
            residual, slope = self.equations(u := curve(s))
            u = u - np.linalg.lstsq(slope, residual, rcond=_UPRIGHT)[0]
            residual, slope = self.equations(u)
            tangent = curve.derivative(s)
            size = float(np.max(np.abs(residual), initial=0.0))
            return PathPoint(u, tangent / np.linalg.norm(tangent), slope, size)

        try:
            root: Any = brentq(lambda s: value(point(s)), 0.0, length, xtol=1e-14 * length)
        except (ArithmeticError, ValueError, RuntimeError):
            return None
        there = point(root)
        return there if there.residual <= _RESIDUAL * (1.0 + np.linalg.norm(there.jacobian)) else None


def sign_changes(
    walk: _Walk, points: Sequence[PathPoint], monitors: Monitor
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
            point = walk.between(points[i], points[j], lambda p, m=m: float(monitors(p)[0][m]))
            if point is not None:
                found.append(SignChange(m, point, i, j, False))
        last = len(points) - 1
        if known[0] == 1:
            found.append(SignChange(m, points[0], 0, 1, True))
        if known[-1] == last - 1:
            found.append(SignChange(m, points[-1], last - 1, last, True))
    return points, sorted(found, key=lambda c: (c.before, float(points[c.before].tangent @ c.point.u)))


def _add_dips(walk: _Walk, points: list[PathPoint], seen: list[Any], monitors: Monitor) -> None:
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
    walk: _Walk,
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
        s = float(minimize_scalar(height, method="bounded", **within).x)
    point = at(s)
    return None if point is None else (int(s > 0), point)


def solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution, in the sense of least squares where the matrix is singular."""
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=1e-13)[0]
