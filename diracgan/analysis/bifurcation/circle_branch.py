"""A branch of invariant circles of a rule's map, stable or not, followed from the Neimark-Sacker point that bears it.

References:
    Haro, Canadell, Figueras, Luque, Mondelo 2016, The Parameterization Method for Invariant Manifolds, chapter 2.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from ...errors import InputError
from ...numerics.continuation import SolutionPath, continue_path
from ...numerics.invariant_circle import TAIL, CircleEquations, InvariantCircle
from ...numerics.path_following import PathPoint, StepControl
from ...numerics.sign_changes import SignChange
from ...records import Record
from ..linear.settings import AskedAbout
from .born_path import SHOWN, path_to
from .branch import bounds
from .circle_exponents import exponents_on
from .family import Family
from .points import FARTHEST, Bifurcation, PointKind, check_point, said

_FIRST = 0.02  # of the way to the end of the range: the first circle, or before
_CONTROL = StepControl(first=0.005, largest=0.05, least=1e-6, turn=0.9, points=150, tolerance=1e-10)
_UPRIGHT = 1e-8  # of a tangent: the parameter stands still
_NEARLY = 0.5  # of a circle's largest tail: where that stops a branch, more points are taken
_MOST = 65  # points of a circle
_NO_ROOM = 1e-9  # of the range: a point nearer to its end lies on it
_DIFFERENCE = 1e-6  # of the range: derivatives by the parameter
_TURNS = 2000  # applications of the map along which exponents are taken


@dataclasses.dataclass(frozen=True)
class CirclePoint(Record):
    """A fold of invariant circles: two of them meet there and vanish.

    Attributes:
        kind: fold-of-circles.
        parameter: its name; ``value`` where it happens.
        rotation: the angle by which the map turns the circle there, in radians.
        residual: largest entry of the circle's equations.
        side: 1 where the two circles exist above ``value``, -1 below.
        text: one sentence in words.
    """

    kind: str
    parameter: str
    value: float
    rotation: float
    residual: float
    side: int
    text: str


@dataclasses.dataclass(frozen=True)
class CircleBranch(AskedAbout, Record):
    """A branch of invariant circles and everything it was computed from.

    Attributes:
        kind: invariant circles.
        parameter: its name; ``low`` and ``high`` the range.
        values: of the parameter, in the order along the branch, (K,).
        radii: largest |(phi, theta - x0)| on each, (K,); ``least_radii`` the smallest.
        rotations: the angles by which the map turns them, in radians, (K,).
        exponents: Lyapunov exponents across each per application, largest first, (K, n - 1).
        exponent_errors: how far each may be off.
        statuses: what these decide: stable, unstable, marginal.
        residuals: largest entry of the circles' equations, (K,).
        points: the folds on it.
        ends: why it goes no further, at its first and at its last point.
        born_at: the parameter of the Neimark-Sacker point.
        text: one sentence in words.
    """

    kind: str
    parameter: str
    low: float
    high: float
    values: np.ndarray
    radii: np.ndarray
    least_radii: np.ndarray
    rotations: np.ndarray
    exponents: np.ndarray
    exponent_errors: np.ndarray
    statuses: list[str]
    residuals: np.ndarray
    points: list[CirclePoint]
    ends: tuple[str, str]
    born_at: float
    text: str


def born_circles(point: Bifurcation, low: float, high: float) -> CircleBranch:
    """The branch of invariant circles that is born at a Neimark-Sacker point, followed away from it, through folds.

    Args:
        point: a Neimark-Sacker point.
        low: least value of the parameter; ``high`` the largest.

    Returns:
        A :class:`CircleBranch` that begins near the point.

    Raises:
        InputError: for another kind of point, or where no smooth circle is found beside it in the range.

    Example:
        >>> import diracgan as dg
        >>> v, rule = dg.variant("ns").with_(r1=0.05), dg.rule("simultaneous", lr=0.1)
        >>> point = dg.bifurcation.branch(v, over="lr=0.01:0.4", rule=rule).points[0]
        >>> found = born_circles(point, 0.01, 0.22)
        >>> set(found.statuses), found.ends[1]
        ({'stable'}, 'the end of the range')
    """
    if check_point(point).kind is not PointKind.NEIMARK_SACKER:
        raise InputError(f"a {point.kind.words} gives birth to no circles; allowed: Neimark-Sacker points")
    low, high = bounds(point.family.handles[0], low, high)
    if point.coefficient is None or not point.side:
        raise InputError(f"{point.text}: there is no normal form to start from")
    room = (high - point.value) if point.side > 0 else (point.value - low)
    if room <= _NO_ROOM * (high - low):
        side = "above" if point.side > 0 else "below"
        raise InputError(
            f"the circles that are born at {point.parameter} = {said(point.value)} exist {side}, outside the range"
        )
    way = list(path_to(point.origin, point.value + point.side * _FIRST * room))
    if not way or way[-1].circle is None:
        raise InputError(
            f"{point.parameter} = {point.value:g}: no smooth circle was found beside the Neimark-Sacker point"
        )
    family = point.family.repeated(point.family.times or 1)
    pieces, end = _followed(family, way[-1].circle, way[-1].value, low, high)
    return _record(family, pieces, end, (low, high), point)


class _SameCount(NamedTuple):
    """A stretch of the branch with as many points on every circle."""

    equations: CircleEquations
    path: SolutionPath


def _followed(
    family: Family, first: InvariantCircle, value: float, low: float, high: float
) -> tuple[list[_SameCount], str]:
    """The branch away from the first circle, with more points on a circle where its series needs them."""
    pieces: list[_SameCount] = []
    circle, way = first, first._replace(points=first.points - first.points.mean(axis=0), rotation=0.0)
    turned = 0.0  # how the parameter moves along the way: of the first circle, which grows, not known
    while len(circle.points) <= _MOST:
        equations = _equations(family, circle, high - low)
        u0, toward = equations.unknowns(circle, value), equations.unknowns(way, turned)
        control = dataclasses.replace(_CONTROL, bound=FARTHEST * (1.0 + float(np.max(np.abs(u0)))))
        try:
            path = continue_path(equations, u0, low, high, _upright, control, toward)
        except (ValueError, np.linalg.LinAlgError):
            return pieces, "no smooth circle was found beyond: it ends or locks there"
        pieces.append(_SameCount(equations, path))
        last = path.points[-1]
        circle, way, value, turned = (
            equations.circle(last.u),
            equations.circle(last.tangent),
            float(last.u[-1]),
            float(last.tangent[-1]),
        )
        if "finite" not in path.ends[1] or circle.tail < _NEARLY * TAIL:
            return pieces, _why(path)
        more = 2 * len(circle.points) - 1
        circle, way = (c._replace(points=c.dense(more)) for c in (circle, way))
    return pieces, f"the circle loses its smoothness: its series would need more than {_MOST} points"


def _upright(point: PathPoint) -> tuple[np.ndarray, np.ndarray]:
    return point.tangent[-1:], np.array([_UPRIGHT])


def _why(path: SolutionPath) -> str:
    end = path.ends[1]
    if "Newton" in end or "finite" in end:
        return "no smooth circle was found beyond: it ends or locks there"
    return end


def _equations(family: Family, circle: InvariantCircle, span: float) -> CircleEquations:
    def at(points: np.ndarray, value: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        h = _DIFFERENCE * span
        change, slopes = family.at_many(points, [value])
        turned = (family.at_many(points, [value + h])[0] - family.at_many(points, [value - h])[0]) / (2 * h)
        return points + change, slopes, turned

    return CircleEquations(at, circle.points)


def _record(
    family: Family, pieces: list[_SameCount], end: str, span: tuple[float, float], point: Bifurcation
) -> CircleBranch:
    if not pieces:
        raise InputError(f"{point.parameter} = {point.value:g}: {end}")
    on = [(s.equations, p) for k, s in enumerate(pieces) for p in s.path.points[1 if k else 0 :]]
    circles, values = [e.circle(p.u) for e, p in on], np.array([float(p.u[-1]) for _, p in on])
    found = exponents_on(family, circles, values.tolist(), _TURNS)
    extents = [_extent(family, c) for c in circles]
    points = [_fold(s, c, point.parameter) for s in pieces for c in s.path.changes if not c.at_end]
    what = "; ".join(f"fold of circles at {p.value:.10g}" for p in points) or "without a fold"
    name = point.parameter
    return CircleBranch(
        kind="invariant circles",
        parameter=name,
        low=span[0],
        high=span[1],
        values=values,
        radii=np.array([most for _, most in extents]),
        least_radii=np.array([least for least, _ in extents]),
        rotations=np.array([c.rotation for c in circles]),
        exponents=np.array([e.across for e in found]),
        exponent_errors=np.array([e.across_errors for e in found]),
        statuses=[e.status for e in found],
        residuals=np.array([p.residual for _, p in on]),
        points=points,
        ends=("a Neimark-Sacker point", end),
        born_at=point.value,
        text=f"{len(on)} invariant circles for {name} from {values.min():.6g} to {values.max():.6g}: {what}",
        **family.around.provenance,
    )


def _extent(family: Family, circle: InvariantCircle) -> tuple[float, float]:
    phi, theta = family.players(circle.dense(SHOWN))
    sizes = np.linalg.norm(np.concatenate([phi, theta - family.around.x0], axis=1), axis=1)
    return float(sizes.min()), float(sizes.max())


def _fold(piece: _SameCount, change: SignChange, name: str) -> CirclePoint:
    value = float(change.point.u[-1])
    near = piece.path.points[change.before : change.after + 1]
    side = int(np.sign(np.sum([p.u[-1] - value for p in near])))
    where = f"for {name} {'>' if side > 0 else '<'} {value:.6g}"
    return CirclePoint(
        kind="fold-of-circles",
        parameter=name,
        value=value,
        rotation=piece.equations.circle(change.point.u).rotation,
        residual=change.point.residual,
        side=side,
        text=f"{name} = {value:.10g}: fold of circles; {where} there are two circles, which meet and vanish there",
    )
