"""Curves of folds and period doublings of cycles in two parameters.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 10.3; Govaerts 2000, Numerical Methods for
    Bifurcations of Dynamical Equilibria, chapters 3 and 4 (bordered matrices).
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from ...errors import InputError
from ...numerics.continuation import SolutionPath, continue_path
from ...numerics.path_following import PathPoint, StepControl
from .cycle_equations import CycleEquations, moved_tangent, sections
from .cycle_points import CycleKind, CyclePoint
from .family import Family
from .points import FARTHEST

CONTROL = StepControl(first=0.01, largest=0.06, least=1e-5, turn=0.9, points=150, tolerance=1e-9)
_DIFFERENCE = 1e-4  # of a state: second derivatives of the motion are differences of its first ones
_RESTARTS = 30  # sections along one curve
_UNCERTAIN = 1e-6  # of a multiplier's distance from where it is critical, and of a quadratic coefficient
_NAMES = {
    CycleKind.FOLD: ["cusp of cycles", "1:1 resonance of cycles", "fold-flip of cycles"],
    CycleKind.PERIOD_DOUBLING: ["1:2 resonance of cycles", "fold-flip of cycles"],
}
FOLLOWED = tuple(_NAMES)


class CriticalCycle:
    """The shooting equations together with what vanishes at a fold or a period doubling of their orbit.

    With A = dF/d(z, T) (fold) or M + 1 (period doubling), which is singular there, [[A, b], [c^T, 0]] (v, g) = (0, 1)
    defines g, which vanishes with det A; dg = -w^T dA v with w of the transposed system, and w^T dA v is the
    derivative of w^T dF along v.

    Attributes:
        equations: of the orbit, with two parameters.
        kind: of the points on the curve.
    """

    def __init__(self, equations: CycleEquations, kind: CycleKind, u: np.ndarray) -> None:
        self.equations, self.kind = equations, kind
        left, _, right = np.linalg.svd(self._matrix(equations(u)[1]))
        self._b, self._c = left[:, -1], right[-1]

    def _matrix(self, slope: np.ndarray) -> np.ndarray:
        n = len(self.equations.anchor)
        return slope[:, : n + 1] if self.kind is CycleKind.FOLD else slope[:n, :n] + 2.0 * np.eye(n)

    def _vectors(self, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        a = self._matrix(slope)
        bordered = np.block([[a, self._b[:, None]], [self._c[None], np.zeros((1, 1))]])
        end = np.eye(len(bordered))[-1]
        right, left = np.linalg.solve(bordered, end), np.linalg.solve(bordered.T, end)
        return right[:-1], left[:-1], float(right[-1])

    def __call__(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Their values and Jacobian; NaN where the motion does not get around."""
        value, slope = self.equations(u)
        nothing = np.full(len(u) - 1, np.nan), np.full((len(u) - 1, len(u)), np.nan)
        if not np.all(np.isfinite(slope)):
            return nothing
        v, w, g = self._vectors(slope)
        way = np.zeros(len(u))
        way[: len(v)] = v * (_DIFFERENCE / np.linalg.norm(v))
        bent = self.equations(u + way)[1] - self.equations(u - way)[1]
        turned = -(w @ bent[: len(w)]) * (np.linalg.norm(v) / (2.0 * _DIFFERENCE))
        if not np.all(np.isfinite(turned)):
            return nothing
        return np.append(value, g), np.vstack([slope, turned])

    def quadratic(self, jacobian: np.ndarray) -> float:
        """Of a fold the coefficient w^T F''(v, v), which is 0 at a cusp."""
        v = self._vectors(jacobian[:-1])[0]
        return -float(jacobian[-1, : len(v)] @ v)

    def others(self, jacobian: np.ndarray) -> np.ndarray:
        """The multipliers but the trivial and the critical one."""
        values = self.equations.multipliers(jacobian)[0]
        return np.delete(values, int(np.argmin(np.abs(values - self.critical))))

    @property
    def critical(self) -> float:
        """The critical multiplier."""
        return 1.0 if self.kind is CycleKind.FOLD else -1.0

    @property
    def names(self) -> list[str]:
        """Of the points of codimension two, in the order of :meth:`monitors`."""
        return _NAMES[self.kind]

    def monitors(self, point: PathPoint) -> tuple[np.ndarray, np.ndarray]:
        """What changes its sign at points of codimension two, and how far each may be off."""
        values = self.others(point.jacobian)
        products = [float(np.prod(values - side).real) for side in (self.critical, -self.critical)]
        if self.kind is CycleKind.FOLD:
            products.insert(0, self.quadratic(point.jacobian))
        return np.array(products), np.full(len(products), _UNCERTAIN)


class Piece(NamedTuple):
    """A stretch of a curve on one section."""

    critical: CriticalCycle
    path: SolutionPath


class CyclePath(NamedTuple):
    """A curve through a point, and why it goes no further at its first and at its last point."""

    pieces: list[Piece]
    ends: tuple[str, str]


def follow_cycle_points(
    family: Family, point: CyclePoint, begin: np.ndarray, low: np.ndarray, high: np.ndarray
) -> CyclePath:
    """The curve of folds or period doublings of cycles through a point.

    Args:
        family: the flow over two parameters.
        point: a fold or a period doubling of a branch of cycles.
        begin: the values of both there, (2,).
        low: least values of both, (2,); ``high`` the largest.

    Raises:
        InputError: where no curve passes.
    """
    equations = dataclasses.replace(point.equations, family=family)
    u0 = np.concatenate([point.state, [point.period / equations.unit], begin])
    first = _walk(CriticalCycle(equations, point.kind, u0), u0, low, high, None)
    if first is None:
        raise InputError(
            f"{point.parameter} = {point.value:g}: Newton's method finds no curve through the point"
        )
    if first.path.ends[1] == "the curve closes":
        return CyclePath([first], ("the curve closes", "the curve closes"))
    ahead, end = _onwards(first, low, high)
    behind, beginning = _onwards(_reversed(first), low, high)
    return CyclePath([*(_reversed(p) for p in reversed(behind)), first, *ahead], (beginning, end))


def _walk(
    critical: CriticalCycle, u0: np.ndarray, low: np.ndarray, high: np.ndarray, toward: np.ndarray | None
) -> Piece | None:
    size = FARTHEST * (1.0 + float(np.max(np.abs(u0[:-2]))))
    control = dataclasses.replace(CONTROL, bound=size)
    try:
        path = continue_path(critical, u0, low, high, critical.monitors, control, toward)
    except (ValueError, np.linalg.LinAlgError):
        return None
    return Piece(critical, path)


def _onwards(first: Piece, low: np.ndarray, high: np.ndarray) -> tuple[list[Piece], str]:
    """Pieces beyond the last point of one, each on a section of its own, and why they end."""
    pieces, now = [], first
    for _ in range(_RESTARTS):
        last, end = now.path.points[-1], now.path.ends[1]
        if not ("finite value" in end or "Newton" in end):
            return pieces, end
        if why := now.critical.equations.why_not_beyond(last):
            return pieces, why
        following = None
        for made, u, time in sections(now.critical.equations, last.u):
            way = moved_tangent(now.critical.equations, last.u, last.tangent, made, time)
            if way is None:
                continue
            following = _walk(CriticalCycle(made, now.critical.kind, u), u, low, high, way)
            if following is not None and len(following.path.points) > 2:
                break
            following = None
        if following is None:
            return pieces, "Newton's method no longer converges: no smooth curve was found beyond"
        pieces.append(following)
        now = following
    return pieces, f"{_RESTARTS} sections were used"


def _reversed(piece: Piece) -> Piece:
    return piece._replace(path=piece.path.backwards())
