"""Steps along a curve of solutions of F(u) = 0 with one more unknown than equations: predictor, Newton, step size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_LOST = 1e100  # an iterate of Newton's method, whose square is near the end of what a float holds
RESIDUAL = 1e-9  # of the size of the equations' terms: what is larger is not a solution
_SINGULAR = 1e-9  # of its terms: of a tangent with a larger J t the equations for it were singular
_TINY = 1e-300  # in place of 0
_RANK = 1e-13  # of the largest singular value: what is smaller counts as 0
_BEYOND = 1e-12  # of the parameters' range: as far ahead a start on the border is asked whether it leaves
_OUTWARD = 0.5  # of a unit tangent: its share across the border from which on it leaves
_AT_BORDER = 1e-9  # of a step: where less of it lies within the range the last point is on the border
_GROWTH, _SHRINKAGE = 1.5, 0.7  # of a step after which Newton's method took few iterations, or more
_FEW = 4  # such iterations
_OPEN = 8  # points, before which no curve has closed
_PASSES = 0.2  # of a step: as near to the first point it closes the curve
_AHEAD = 1e-3  # how far beyond the last point the equations are asked for a value
UPRIGHT = 1e-6  # of a unit tangent: its share along the last parameter below which that cannot be held

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


class PathFollower:
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
            across = np.eye(len(u0))[-1] if abs(along[-1]) > UPRIGHT else along
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
        if residual > RESIDUAL * (1.0 + float(np.linalg.norm(slope)) * (1.0 + float(np.linalg.norm(u)))):
            return None  # a singular Jacobian may stop Newton's method anywhere
        tangent = solve(np.vstack([slope, along]), np.eye(len(u))[-1])
        terms = (_TINY + np.linalg.norm(slope)) * np.linalg.norm(tangent)
        if not np.linalg.norm(slope @ tangent) <= _SINGULAR * terms:  # singular: at a fold
            tangent = np.linalg.svd(slope)[2][-1]
            tangent = tangent if tangent @ along >= 0 else -tangent
        return PathPoint(u, tangent / np.linalg.norm(tangent), slope, residual), iterations

    def follow(self, first: PathPoint) -> tuple[list[PathPoint], str]:
        """The points after ``first`` along its tangent, and why they end."""
        c, points, now, step = self.control, [first], first, self.control.first
        way = first.tangent[self.parameters]
        out = self._leaves(first.u[self.parameters] + _BEYOND * np.sign(way)) & (np.abs(way) > _OUTWARD)
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
            if len(points) > _OPEN and self._closes(first, now, new):
                return points[1:], "the curve closes"
            now = new
            step = min(step * (_GROWTH if iterations <= _FEW else _SHRINKAGE), self._longest(first, now))
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
        if share < _AT_BORDER:
            return None, direction
        found = self.correct(guess, np.eye(len(guess))[at] * np.sign(new.tangent[at] or 1.0))
        return None if found is None else found[0], direction

    def _closes(self, first: PathPoint, now: PathPoint, new: PathPoint) -> bool:
        way = new.u - now.u
        share = np.clip((first.u - now.u) @ way / (way @ way), 0.0, 1.0)
        near = np.linalg.norm(now.u + share * way - first.u) < _PASSES * np.linalg.norm(way)
        return bool(near and first.tangent @ new.tangent > self.control.turn)

    def _stops(self, now: PathPoint) -> str:
        value, slope = self.equations(now.u + _AHEAD * now.tangent)
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return "the equations have no finite value beyond"
        return "Newton's method no longer converges: no smooth solution was found beyond"


def solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The solution, in the sense of least squares where the matrix is singular."""
    try:
        return np.linalg.solve(matrix, right)
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(matrix, right, rcond=_RANK)[0]
