"""Curves of bifurcations in two parameters, and their points of codimension two."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError, shown, word
from ...numerics.continuation import SolutionPath, continue_path
from ...numerics.path_following import PathPoint, StepControl
from ...numerics.sign_changes import SignChange
from ...records import Record
from ...rules import Rule, check_rule
from ..linear.decision import heights, status_of
from ..linear.margins import Margin, margins
from ..linear.parameter_handle import ParameterHandle
from ..linear.settings import LinearSettings
from ..linear.status import STATUSES, WITH_EIGENVALUES, Status
from .branch import bounds, named_range, present, real_handle
from .critical_system import CriticalSystem
from .cycle_curves import FOLLOWED, follow_cycle_points
from .cycle_points import CycleKind, CyclePoint
from .family import Family
from .points import FARTHEST, Bifurcation, PointKind, check_point

_SLACK = 1e-12  # of a range: a curve may run along its border, and a value below is 0
_ZERO = 1e-3  # of its neighbours: a value that changes its sign without this is at a pole
_BY_COEFFICIENT = ("Bautin", "Chenciner", "generalised flip", "cusp")
_ENDS = ("Bogdanov-Takens", "1:1 resonance", "1:2 resonance")  # of a curve of a pair, which is real beyond
SAME_POINT = 1e-6  # relative: two points of codimension two that differ by less are one
_SINGULAR = 1e10  # condition beyond which equations are not solved
_BEYOND = 1e-6  # the unit circle: a multiplier there is unstable
_LINEAR = 1e-6  # a velocity: a linearisation that holds only below says nothing of training


@dataclasses.dataclass(frozen=True)
class CodimensionTwo:
    """A point of codimension two.

    Attributes:
        name: as in Kuznetsov 2004: cusp, Bautin, Bogdanov-Takens, 1:1 to 1:4 resonance, Chenciner, generalised flip,
            fold-flip, ...
        values: of the two parameters.
        phi: the critic there; ``theta`` the generator.
        eigenvalue: the critical one.
        residual: of the curve's equations.
    """

    name: str
    values: tuple[float, float]
    phi: list[float]
    theta: list[float]
    eigenvalue: complex
    residual: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rectangle:
    """Base of a result over two parameters.

    Attributes:
        parameters: the two names; ``low`` and ``high`` their ranges.
    """

    parameters: tuple[str, str]
    low: tuple[float, float]
    high: tuple[float, float]


def rectangle(handles: Sequence[ParameterHandle], low: np.ndarray, high: np.ndarray) -> dict[str, Any]:
    """The fields of a :class:`Rectangle`."""
    names = [h.name for h in handles]
    return {"parameters": tuple(names), "low": tuple(low.tolist()), "high": tuple(high.tolist())}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Curve(Rectangle, Record):
    """Bifurcation points of one kind in two parameters.

    Attributes:
        kind: of the points.
        parameters: the two names; ``low`` and ``high`` their ranges.
        values: of both, in the order along the curve, (K, 2).
        states: all that evolves, of a cycle a point of it, (K, n).
        eigenvalues: the critical one, of a cycle its multiplier, with an imaginary part >= 0, (K,).
        coefficients: of the normal form, as of a :class:`Bifurcation`; NaN where there is none, (K,).
        periods: of cycles, (K,); None of equilibria and of orbits of a map.
        statuses: of the linearisation: unstable where another eigenvalue is already beyond, else marginal, (K,).
        residuals: largest entry of the equations, (K,).
        points: those of codimension two.
        ends: why it goes no further, at its first and at its last point.
        text: one sentence in words.
    """

    kind: PointKind | CycleKind
    values: np.ndarray
    states: np.ndarray
    eigenvalues: np.ndarray
    coefficients: np.ndarray
    periods: np.ndarray | None
    statuses: list[str]
    residuals: np.ndarray
    points: list[CodimensionTwo]
    ends: tuple[str, str]
    text: str


def curve(
    point: Bifurcation | CyclePoint,
    over: Sequence[str],
    low: Sequence[float | None] = (None, None),
    high: Sequence[float | None] = (None, None),
) -> Curve:
    """Follow a fold, branch point, Hopf, Neimark-Sacker or flip point in two parameters, or a fold or period doubling
    of cycles.

    Continuation of F(x, p, q) = 0 together with the function of the critical eigenvalues that vanishes there, with its
    derivatives by autodiff: det E - 1 of a pair of multipliers, tr E of a pair of eigenvalues, det(E - 1), det(E + 1)
    or det E, with E the matrix on their invariant subspace. It is smooth also where two of them meet, so that
    Bogdanov-Takens points and the resonances 1:1 and 1:2 are met like others; beyond, the pair is real and
    the curve ends. Of cycles it is the shooting equations together with a bordered matrix that is singular at the
    point.

    Args:
        point: of a branch, also of a branch of cycles.
        over: two parameters, also with their ranges: ``("gamma", "lr")``, ``("gamma=0:1", "lr=0.01:2")``.
        low: least values of both; by default the least allowed ones.
        high: largest values; by default twice the present ones, or 1.

    Returns:
        A :class:`Curve`.

    Raises:
        InputError: for arguments that are not allowed, or where several critical pairs coincide.

    References:
        Kuznetsov 2004, Elements of Applied Bifurcation Theory, chapters 8, 9 and 10.

    Example:
        >>> import diracgan as dg
        >>> v, rule = dg.variant("ns").with_(r1=0.05), dg.rule("simultaneous", lr=0.1)
        >>> point = dg.bifurcation.branch(v, over="lr=0.01:0.4", rule=rule).points[0]
        >>> found = dg.bifurcation.curve(point, over=("gamma=0.01:0.4", "lr=0.01:2"))
        >>> bool(abs(found.values[:, 1] - 4 * found.values[:, 0]).max() < 1e-9)
        True
    """
    if isinstance(point, CyclePoint):
        return _cycle_curve(point, over, low, high)
    family, begin, lows, highs = _through(point, over, low, high)
    check_noiseless(family)
    return follow_curve(family, point, begin, lows, highs)


def sensitivity(point: Bifurcation, other: str) -> float:
    """How a bifurcation's parameter value moves as another number does, d value / d other.

    By the implicit function theorem: with G(x, p, q) = 0 the equations of the curve through the point,
    (dx/dq, dp/dq) = -(G_x, G_p)^(-1) G_q, by autodiff. :func:`diracgan.bifurcation.threshold` gives the value
    itself as a function that passes jit, vmap and grad.

    Args:
        point: of a branch.
        other: the other number, which has a value.

    Raises:
        InputError: for arguments that are not allowed, or where the curve stands upright.

    Example:
        >>> import diracgan as dg
        >>> v, rule = dg.variant("ns").with_(r1=0.05), dg.rule("simultaneous", lr=0.1)
        >>> point = dg.bifurcation.branch(v, over="lr=0.01:0.4", rule=rule).points[0]
        >>> round(dg.bifurcation.sensitivity(point, "gamma"), 9)  # lr = 4 gamma
        4.0
    """
    family, begin, low, high = _through(point, (word("other", other), check_point(point).parameter))
    system = _system(family, point, begin, np.minimum(low, begin), np.maximum(high, begin))
    slope = system.equations(system.start)[1]
    turned = np.delete(slope, -2, axis=1)
    if not np.all(np.isfinite(slope)) or np.linalg.cond(turned) > _SINGULAR:
        raise InputError(
            f"the curve through {point.parameter} = {point.value:g} stands upright over {other}, so that the "
            "threshold has no derivative there"
        )
    return float(-np.linalg.solve(turned, slope[:, -2])[-1])


def _through(
    point: Bifurcation,
    over: Sequence[str],
    low: Sequence[float | None] = (None, None),
    high: Sequence[float | None] = (None, None),
) -> tuple[Family, np.ndarray, np.ndarray, np.ndarray]:
    """The family over two parameters at a point, their values there, and their ranges."""
    around = check_point(point).family.parameters.at([point.value], point.state)
    handles, lows, highs = plane(around, over, low, high)
    if point.multiplicity > 1:
        raise InputError(coincide(point))
    check_linear(around)
    begin = np.array([present(h) for h in handles])
    return Family(around, handles, point.family.times), begin, lows, highs


def _cycle_curve(
    point: CyclePoint,
    over: Sequence[str],
    low: Sequence[float | None],
    high: Sequence[float | None],
) -> Curve:
    """The curve through a fold or a period doubling of cycles."""
    if point.kind not in FOLLOWED:
        allowed = " and ".join(f"{k.words} points" for k in FOLLOWED)
        raise InputError(
            f"a {point.kind.words} point of cycles is not followed in two parameters; allowed: {allowed}"
        )
    around = point.equations.family.parameters.at([point.value])
    handles, lows, highs = plane(around, over, low, high)
    begin = np.array([present(h) for h in handles])
    check_inside([h.name for h in handles], begin, lows, highs)
    return follow_cycle_curve(Family(around, handles), point, begin, lows, highs)


def follow_cycle_curve(
    family: Family, point: CyclePoint, begin: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Curve:
    """The curve through a fold or a period doubling of cycles at ``begin`` of a flow over two parameters."""
    found = follow_cycle_points(family, point, begin, low, high)
    on = [(c, p) for k, (c, path) in enumerate(found.pieces) for p in path.points[min(k, 1) :]]
    parts = [c.equations.parts(p.u) for c, p in on]
    others = [c.others(p.jacobian) for c, p in on]
    made = [
        _codimension_two(c.names[change.monitor], change.point, change.point.u, family.dim, c.critical)
        for c, path in found.pieces
        for change in path.changes
    ]
    place, is_fold = rectangle(family.handles, low, high), point.kind is CycleKind.FOLD
    return Curve(
        kind=point.kind,
        values=np.clip([p.u[-2:] for _, p in on], low, high),
        states=np.array([z for z, _, _ in parts]),
        eigenvalues=np.array([complex(c.critical) for c, _ in on]),
        coefficients=np.array([c.quadratic(p.jacobian) if is_fold else np.nan for c, p in on]),
        periods=np.array([span for _, span, _ in parts]),
        statuses=[_beside_critical(w, _BEYOND, discrete=True) for w in others],
        residuals=np.array([p.residual for _, p in on]),
        points=made,
        ends=found.ends,
        text=_words(point.kind, len(on), place, made),
        **place,
    )


def _words(
    kind: PointKind | CycleKind, count: int, place: Mapping[str, Any], points: Sequence[CodimensionTwo]
) -> str:
    least = _SLACK * np.subtract(place["high"], place["low"])
    at = [f"{p.name} at ({_pair(np.where(np.abs(p.values) > least, p.values, 0.0))})" for p in points]
    head = f"{kind.words} curve of {count} points in ({', '.join(place['parameters'])})"
    return f"{head}: {'; '.join(at)}" if at else head


def check_inside(names: Sequence[str], begin: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """Refuse ranges that do not hold the point from which a curve starts."""
    if np.any(begin < low) or np.any(begin > high):
        raise InputError(
            f"{tuple(names)} = {tuple(begin.tolist())} lies outside {tuple(low.tolist())} to {tuple(high.tolist())}; "
            "allowed: ranges that hold the point"
        )


def _system(
    family: Family, point: Bifurcation, begin: np.ndarray, low: np.ndarray, high: np.ndarray
) -> CriticalSystem:
    corners = np.array([[a, b] for a in (low[0], high[0]) for b in (low[1], high[1])])
    return CriticalSystem(family, point.kind, point.state, begin, complex(point.eigenvalue), corners)


def plane(
    around: LinearSettings,
    over: Sequence[str],
    low: Sequence[float | None] = (None, None),
    high: Sequence[float | None] = (None, None),
) -> tuple[list[ParameterHandle], np.ndarray, np.ndarray]:
    """Two numbers and their ranges, (2,) each.

    Raises:
        InputError: where they are not two different numbers that decide something.
    """
    if not isinstance(over, (list, tuple)) or len(over) != 2:
        raise InputError(
            f"over = {shown(over)} are not two parameters; allowed: two names, as in ('gamma', 'lr')"
        )
    for n, limits in (("low", low), ("high", high)):
        if not isinstance(limits, (list, tuple, np.ndarray)) or len(limits) != 2:
            raise InputError(
                f"{n} = {shown(limits)} are not two limits; allowed: two numbers or None, as in (0, None)"
            )
    named = [named_range(name, a, b) for name, a, b in zip(over, low, high, strict=True)]
    handles = [real_handle(around, name) for name, _, _ in named]
    names = [h.name for h in handles]
    if len(set(names)) < 2 or not Family(around, handles).parameters.independent:
        raise InputError(f"{names[0]} and {names[1]} are one parameter; allowed: two different ones")
    ranges = np.array([bounds(h, a, b) for h, (_, a, b) in zip(handles, named, strict=True)])
    return handles, ranges[:, 0], ranges[:, 1]


def coincide(point: Bifurcation) -> str:
    """Why no curve is followed from a point where several eigenvalues are critical at once."""
    many = f"{point.multiplicity} {'pairs of ' if point.eigenvalue.imag else ''}critical eigenvalues"
    where = "dim=1, on a line through the datum, where rotations play no part"
    return (
        f"{point.kind.words.removesuffix(' point')} points at which {many} coincide are on no curve of simple ones; "
        f"allowed: {where if point.family.dim > 1 else 'a point with a single one'}"
    )


def no_useful_linearisation(rule: Rule | None) -> str:
    """Why the equilibrium's linearisation holds too near to it to say anything of training; empty where it does say.

    Example:
        >>> import diracgan as dg
        >>> no_useful_linearisation(dg.rule("adam")).partition(") ")[2].partition(", so")[0]
        'is linear only where the velocity is below eps = 1e-08'
    """
    below = None if rule is None else check_rule(rule).linear_below
    if rule is None or below is None or below >= _LINEAR:
        return ""
    return (
        f"{rule.label} is linear only where the velocity is below eps = {below:g}, so that the equilibrium gives no "
        "useful linearisation"
    )


def check_linear(around: LinearSettings) -> None:
    """Refuse an equilibrium whose linearisation holds too near to it to say anything of training."""
    if why := no_useful_linearisation(around.rule):
        raise InputError(
            f"{why}; allowed: eps >= {_LINEAR:g}, or ask diracgan averaged, dg.bifurcation.adaptive_chart or "
            "diracgan map basins"
        )


def check_noiseless(family: Family) -> None:
    """Refuse instance noise, whose quadrature takes up to a minute to trace with all the derivatives of one curve."""
    if "noise" in family.around.variant.extras or any(h.name == "noise" for h in family.handles):
        raise InputError(
            "instance noise is integrated over by quadrature, with which the derivatives that curves in two parameters "
            "need take up to a minute to trace for each; allowed: no noise here, a branch along one number, or "
            "diracgan map stability"
        )


def follow_curve(
    family: Family, point: Bifurcation, begin: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Curve:
    """The curve through a point at ``begin`` of a family of two parameters."""
    names = (family.handles[0].name, family.handles[1].name)
    check_inside(names, begin, low, high)
    system = _system(family, point, begin, low, high)
    system.check_regular()
    least, most = low - _SLACK * (high - low), high + _SLACK * (high - low)
    control = StepControl(bound=FARTHEST * (1.0 + float(np.max(np.abs(point.state), initial=0.0))), far=1.0)
    try:
        path = continue_path(system.equations, system.start, least, most, system.monitors, control)
    except ValueError as error:
        raise InputError(f"{error}: no curve passes at {names} = {tuple(begin.tolist())}") from None
    return _record(system, path, low, high)


def _record(system: CriticalSystem, path: SolutionPath, low: np.ndarray, high: np.ndarray) -> Curve:
    family, kind = system.family, system.kind
    us, ends = _pure(system, path)
    wholes = np.array([system.whole(u) for u in us])
    values = np.clip(wholes[:, -2:], low, high)
    states = wholes[:, :-2]
    decided = margins([family.parameters.at(p, x) for p, x in zip(values, states, strict=True)])
    points, place = _points(system, path), rectangle(family.handles, low, high)
    kept, ends = _differentiable(decided, values, system.start[-2:], ends)
    if len(values[kept]) < len(values):
        points = [p for p in points if kept.start <= _nearest(values, p.values) < kept.stop]
        us, values, states, decided = us[kept], values[kept], states[kept], decided[kept]
    critical = [system.eigenvalue(u) for u in us]
    return Curve(
        kind=kind,
        values=values,
        states=states,
        eigenvalues=np.array(critical),
        coefficients=np.array([system.coefficient(u)[0] for u in us]),
        periods=None,
        statuses=[_status(m, c, family.discrete) for m, c in zip(decided, critical, strict=True)],
        residuals=np.array([float(np.max(np.abs(system.equations(u)[0]))) for u in us]),
        points=points,
        ends=ends,
        text=_words(kind, len(us), place, points),
        **place,
    )


def _differentiable(
    decided: list[Margin], values: np.ndarray, begin: np.ndarray, ends: tuple[str, str]
) -> tuple[slice, tuple[str, str]]:
    """The stretch about the start on which the equilibrium has a derivative, and why it ends."""
    lost = np.array([m.status == Status.NO_DERIVATIVE for m in decided])
    at = _nearest(values, begin)
    before, after = np.flatnonzero(lost[:at]), np.flatnonzero(lost[at + 1 :])
    first = int(before[-1]) + 1 if len(before) else 0
    last = at + int(after[0]) if len(after) else len(lost) - 1
    if lost[at] or (np.any(lost) and first == last):
        raise InputError(
            f"off the point itself the field has no derivative at this equilibrium ({_pair(values[at])}), so that no "
            "curve passes there; allowed: parameters along which it keeps one"
        )
    why = "beyond, the field has no derivative at the equilibrium"
    return slice(first, last + 1), (why if len(before) else ends[0], why if len(after) else ends[1])


def _nearest(values: np.ndarray, place: Sequence[float] | np.ndarray) -> int:
    """Which of a curve's values lies nearest to a place, each number in units of its extent along the curve."""
    units = np.maximum(np.ptp(values, axis=0), _SLACK * (1.0 + np.max(np.abs(values), axis=0)))
    return int(np.argmin(np.linalg.norm((values - place) / units, axis=1)))


def _pair(values: np.ndarray) -> str:
    return ", ".join(f"{x:.6g}" for x in values)


def _status(found: Margin, critical: complex, discrete: bool) -> str:
    """What the eigenvalues other than the critical ones decide, whose own growth rates are 0 up to rounding."""
    if found.status not in WITH_EIGENVALUES:
        return found.status
    others = found.eigenvalues
    for one in {critical, critical.conjugate()}:
        others = np.delete(others, int(np.argmin(np.abs(others - one))))
    return _beside_critical(others, found.error, discrete)


def _beside_critical(others: np.ndarray, error: float, discrete: bool) -> str:
    """What the eigenvalues beside critical ones decide: the margin of those is 0."""
    growth = heights(others, discrete) - (1.0 if discrete else 0.0)
    return STATUSES[status_of(-np.max(growth, initial=0.0), error)]


def _pure(system: CriticalSystem, path: SolutionPath) -> tuple[list[np.ndarray], tuple[str, str]]:
    """The stretch about the start on which the pair is complex, with the points at which it ends."""
    us = [p.u for p in path.points]
    holds = [system.is_bifurcation(u) for u in us]
    at = int(np.argmin([np.linalg.norm(u - system.start) for u in us]))
    first = last = at
    while first > 0 and holds[first - 1]:
        first -= 1
    while last < len(us) - 1 and holds[last + 1]:
        last += 1
    kept, ends = us[first : last + 1], list(path.ends)
    borders = {c.before: c for c in path.changes if system.names[c.monitor] in _ENDS}
    if first > 0 and first - 1 in borders:
        kept, ends[0] = [borders[first - 1].point.u, *kept], _beyond(system, borders[first - 1])
    if last < len(us) - 1 and last in borders:
        kept, ends[1] = [*kept, borders[last].point.u], _beyond(system, borders[last])
    return kept, (ends[0], ends[1])


def _beyond(system: CriticalSystem, change: SignChange) -> str:
    return f"{system.names[change.monitor]}: beyond, the pair is real"


def _points(system: CriticalSystem, path: SolutionPath) -> list[CodimensionTwo]:
    """Those of codimension two; where two coincide, a coefficient that is 0 or infinite there names nothing."""
    names, d = system.names, system.family.dim
    found = [
        _codimension_two(names[c.monitor], c.point, system.whole(c.point.u), d, system.eigenvalue(c.point.u))
        for c in path.changes
        if names[c.monitor] and _is_zero(system, path, c) and system.is_bifurcation(c.point.u)
    ]
    others = [p.values for p in found if p.name not in _BY_COEFFICIENT]
    return [
        p
        for p in found
        if p.name not in _BY_COEFFICIENT or not any(np.allclose(p.values, v, rtol=SAME_POINT) for v in others)
    ]


def _is_zero(system: CriticalSystem, path: SolutionPath, change: SignChange) -> bool:
    """Whether what changes its sign passes through 0 there, and does not jump or is unknown."""
    values, errors = system.monitors(change.point)
    if change.at_end:
        return bool(np.isfinite(errors[change.monitor]))
    here = abs(values[change.monitor])
    around = [abs(system.monitors(path.points[k])[0][change.monitor]) for k in (change.before, change.after)]
    return bool(here <= _ZERO * max(around))


def _codimension_two(
    name: str, point: PathPoint, whole: np.ndarray, dim: int, eigenvalue: complex
) -> CodimensionTwo:
    """At a refined point of a path, with its state and its two numbers as one vector."""
    phi, theta = whole[:dim].tolist(), whole[dim : 2 * dim].tolist()
    values = (float(whole[-2]), float(whole[-1]))
    return CodimensionTwo(name, values, phi, theta, complex(eigenvalue), point.residual)
