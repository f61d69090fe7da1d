"""Pseudo-arclength continuation of F(u) = 0 with one more unknown than equations, the parameters last.

The solutions form curves. One is followed by a predictor along its tangent and Newton's method in the plane across it,
so that folds are passed like any other point; sign changes of monitors along it are refined by Brent's method.

References:
    Keller 1977, in Applications of Bifurcation Theory, 359; Kuznetsov 2004, Elements of Applied Bifurcation Theory,
    chapter 10; Farrell, Birkisson, Funke 2015, SIAM J. Sci. Comput. 37, A2026 (deflation).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

_LOST = 1e100  # an iterate of Newton's method, whose square is near the end of what a float holds
_RESIDUAL = 1e-9  # of the size of the equations' terms: what is larger is not a solution
_UPRIGHT = 1e-6  # of a unit tangent: its share along the last parameter below which that cannot be held
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
        before: index of the path's last point before it.
        at_end: whether it lies on the first or last point of the path, beyond which nothing was seen.
    """

    monitor: int
    point: PathPoint
    before: int
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
        changes = [c._replace(before=len(points) - 2 - c.before) for c in reversed(self.changes)]
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

    changes = sign_changes(walk, points, seen)
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

    def correct(self, guess: np.ndarray, across: np.ndarray) -> tuple[PathPoint, int] | None:
        """Newton's method from ``guess`` in the plane perpendicular to ``across``; and how many iterations."""
        with np.errstate(over="ignore"):  # of derivatives near a pole, as of log p beside 0
            return self._newton(guess, across)

    def _newton(self, guess: np.ndarray, across: np.ndarray) -> tuple[PathPoint, int] | None:
        u, offset = guess.copy(), across @ guess
        for k in range(self.control.iterations):
            value, slope = self.equations(u)
            if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
                return None
            u = u + (move := _solve(np.vstack([slope, across]), -np.append(value, across @ u - offset)))
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
        tangent = _solve(np.vstack([slope, along]), np.eye(len(u))[-1])
        off = np.linalg.norm(slope @ tangent)
        if not off <= 1e-9 * (1e-300 + np.linalg.norm(slope)) * np.linalg.norm(
            tangent
        ):  # singular: at a fold
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


def sign_changes(walk: _Walk, points: Sequence[PathPoint], monitors: Monitor) -> list[SignChange]:
    """Where monitors change their signs along a path, refined; a monitor within its error has no sign."""
    seen = [monitors(p) for p in points]
    if not len(seen[0][0]):
        return []
    values = np.array([v for v, _ in seen])
    signs = np.where(np.abs(values) <= np.array([e for _, e in seen]), 0.0, np.sign(values))
    found: list[SignChange] = []
    for m in range(signs.shape[1]):
        known = np.flatnonzero(signs[:, m])
        if not len(known):
            continue
        for i, j in zip(known[:-1], known[1:], strict=True):
            if signs[i, m] == signs[j, m] or j > i + 2:  # a longer stretch without a sign has no one point
                continue
            if j == i + 2:
                found.append(SignChange(m, points[i + 1], int(i), False))
                continue
            point = walk.between(points[i], points[j], lambda p, m=m: float(monitors(p)[0][m]))
            if point is not None:
                found.append(SignChange(m, point, int(i), False))
        if known[0] == 1:
            found.append(SignChange(m, points[0], 0, True))
        if known[-1] == len(points) - 2:
            found.append(SignChange(m, points[-1], len(points) - 2, True))
    return sorted(found, key=lambda c: (c.before, float(points[c.before].tangent @ c.point.u)))


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution, in the sense of least squares where the matrix is singular."""
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=1e-13)[0]


def crossing_tangent(equations: Equations, point: PathPoint) -> np.ndarray | None:
    """The tangent of the other curve through a branch point, or None where the second derivatives do not tell.

    In the two-dimensional kernel of F' spanned by a and b, with w F' = 0, the tangents x a + y b of the two curves
    solve x^2 w F''(a, a) + 2 x y w F''(a, b) + y^2 w F''(b, b) = 0.

    Args:
        equations: F and its Jacobian.
        point: the branch point.

    Example:
        >>> def pitchfork(u):
        ...     return np.array([u[0] * u[1] - u[0] ** 3]), np.array([[u[1] - 3 * u[0] ** 2, u[0]]])
        >>> at = PathPoint(np.zeros(2), np.array([0.0, 1.0]), np.zeros((1, 2)), 0.0)
        >>> np.abs(crossing_tangent(pitchfork, at)).round(6).tolist()
        [1.0, 0.0]
    """
    left, _, right = np.linalg.svd(point.jacobian)
    w, basis = left[:, -1], right[-2:]
    h = 1e-4 * max(1.0, float(np.linalg.norm(point.u)))
    form = np.empty((2, 2))
    for i, a in enumerate(basis):
        bent = (equations(point.u + h * a)[1] - equations(point.u - h * a)[1]) / (2 * h)
        form[i] = [w @ bent @ b for b in basis]
    form = 0.5 * (form + form.T)
    values, vectors = np.linalg.eigh(form)
    if not (
        values[0] < 0 < values[1]
    ):  # the two curves cross transversally only where the form is indefinite
        return None
    ways = [
        np.sqrt(values[1]) * vectors[:, 0] + sign * np.sqrt(-values[0]) * vectors[:, 1] for sign in (1, -1)
    ]
    tangents = [(x @ basis) / np.linalg.norm(x @ basis) for x in ways]
    return min(tangents, key=lambda t: abs(float(t @ point.tangent)))


def deflated_roots(
    function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    starts: np.ndarray,
    known: Sequence[np.ndarray] = (),
    iterations: int = 60,
) -> list[np.ndarray]:
    """Roots of G(x) = 0 that Newton's method finds with the known ones, and each that it finds, taken out.

    Newton's method is applied to M(x) G(x), M(x) = prod_k (1/|x - x_k|^2 + 1), which has no root at an x_k.

    Args:
        function: G and its Jacobian, (n,) -> (n,), (n, n).
        starts: from where, (m, n).
        known: roots that are known.
        iterations: most of them from each start.

    Returns:
        The known roots and the new ones.

    Example:
        >>> def cubic(x):
        ...     return x**3 - x, np.array([3 * x**2 - 1])
        >>> sorted(round(float(r[0]), 9) for r in deflated_roots(cubic, np.array([[0.4], [0.7]] * 2)))
        [-1.0, 0.0, 1.0]
    """
    found = [np.asarray(r, float) for r in known]
    for start in starts:
        root = _newton(function, np.asarray(start, float), found, iterations)
        if root is None:
            continue
        polished = _newton(function, root, [], 20)
        if polished is None or np.linalg.norm(polished - root) > 1e-6 * (1.0 + np.linalg.norm(root)):
            continue
        if all(np.linalg.norm(polished - r) > 1e-7 * (1.0 + np.linalg.norm(r)) for r in found):
            found.append(polished)
    return found


def _newton(
    function: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    x: np.ndarray,
    taken_out: Sequence[np.ndarray],
    iterations: int,
) -> np.ndarray | None:
    for _ in range(iterations):
        value, slope = function(x)
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return None
        off = np.array([x - r for r in taken_out]).reshape(len(taken_out), len(x))
        squares = np.sum(off**2, axis=1)
        if np.any(squares < 1e-24):
            return None
        # (M F)' = M (F' + F (grad log M)^T)
        log_slope = np.sum((-2 * off.T / (squares**2 * (1 / squares + 1))).T, axis=0)
        x = x + (move := _solve(slope + np.outer(value, log_slope), -value))
        if np.linalg.norm(move) <= 1e-13 * (1.0 + np.linalg.norm(x)):
            return x
    return None
