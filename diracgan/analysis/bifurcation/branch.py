"""A branch of equilibria of the flow, or of fixed points or period-k orbits of a rule's map, in one parameter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError, instance, integer, number, shown
from ...numerics.branching import crossing_tangent
from ...numerics.continuation import SolutionPath, continue_path
from ...numerics.deflation import deflated_roots
from ...numerics.path_following import PathPoint, StepControl
from ...numerics.sign_changes import SignChange
from ...records import Record
from ...registry import parameter_range
from ...rules import Rule
from ...variants import Variant
from ..decision_thresholds import T
from ..linear.decision import decide_matrices
from ..linear.margins import Margin, each, margins
from ..linear.parameter_handle import ParameterHandle, parameter_handle
from ..linear.settings import AskedAbout, LinearSettings, settings
from ..linear.status import Status
from .family import Family
from .orbit_starts import DIGITS, checked_orbit, times_of
from .points import FARTHEST, Bifurcation, PointKind, check_point, classify

_STILL = 1e-9  # of a tangent: its share along the parameter of a point that lies on a fold itself
_TANGENT = 1e-12  # error of a tangent's component along the parameter
_SAME_SOLUTION = 1e-6  # in units of the state and of the range: two branches that begin nearer are one
_LEAVE = 0.02  # of a branch point, in units of the state: the first step onto the other branch
_SHARE = 0.3  # of the radius at the end of the range, likewise
_NARROWEST = 1e-12  # of its ends: a range
_ROUNDING = 1e-14  # likewise: a point of a branch no further from 0 is said to be there
_AT_ONE_VALUE, _STANDS = 1e-9, 5  # of the range: where a branch stands upright, for so many points at least
_OPEN = 1e-6  # of the range: how far from an end that is not allowed itself


@dataclasses.dataclass(frozen=True, kw_only=True)
class FollowedBranch(AskedAbout, Record):
    """What branches of equilibria and of cycles have in common; :class:`Branch` says what each entry is."""

    kind: str
    parameter: str
    low: float
    high: float
    values: np.ndarray
    phi: np.ndarray
    theta: np.ndarray
    residuals: np.ndarray
    statuses: list[str]
    margins: np.ndarray
    errors: np.ndarray
    ends: tuple[str, str]
    born_at: float | None
    text: str
    family: Family = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Branch(FollowedBranch):
    """A branch and everything it was computed from.

    Attributes:
        kind: equilibria, fixed points, or orbits of period k.
        parameter: its name; ``low`` and ``high`` the range.
        values: of the parameter, in the order along the branch, (K,).
        phi: the critic, (K, d); ``theta`` the generator, (K, d); ``states`` all that evolves, (K, n).
        residuals: largest |F_i| at every point, (K,).
        eigenvalues: or multipliers, in the order of a spectrum, (K, n).
        statuses: what the linearisation decides at every point; ``margins`` and ``errors`` by what, (K,).
        points: the bifurcations on it, in their order along the branch.
        ends: why it goes no further, at its first and at its last point.
        born_at: the parameter of the branch point or flip that it was followed from; None of a start.
        text: one sentence in words.
        period: k of a rule's k-fold iterate.
        orbits: phi and theta at all points of the map's orbits, (K, k, 2d); None where these are single points.
    """

    states: np.ndarray
    eigenvalues: np.ndarray
    points: list[Bifurcation]
    period: int
    orbits: np.ndarray | None


def branch(
    variant: Variant,
    over: str,
    rule: Rule | None = None,
    start: tuple[ArrayLike, ArrayLike] | None = None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    low: float | None = None,
    high: float | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    period: int | None = None,
) -> Branch:
    """Follow an equilibrium of the flow, or a fixed point or an orbit of a rule's map, as one parameter varies.

    Pseudo-arclength continuation of F(x, p) = 0 (of a rule: step(x) - x on everything that it remembers), through folds
    and along what is unstable. Where an eigenvalue's growth rate changes its sign the point is refined to rounding and
    its normal form taken.

    Args:
        variant: from :func:`diracgan.variant`.
        over: the parameter that varies, as :func:`diracgan.critical` takes it, also with its range: ``"gamma=0:2"``.
        rule: from :func:`diracgan.rule`; None for the flow.
        start: an equilibrium (phi, theta) at the number's present value, or with ``period`` a point of an orbit of the
            map, to a few digits; None for (0, x0).
        dim: dimension d (1, or that of ``x0`` or ``start``).
        x0: the datum; None for 0.
        low: least value of the number; by default its least allowed one.
        high: largest value; by default twice the present one, or 1.
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).
        period: after how many iterations the orbit through ``start`` comes back; None for a fixed point.

    Returns:
        A :class:`Branch`; its ``points`` say what is born where.

    Raises:
        InputError: for arguments that are not allowed, a start that is not an equilibrium, or one without a derivative.

    References:
        Kuznetsov 2004, Elements of Applied Bifurcation Theory, chapter 10.

    Example:
        >>> import diracgan as dg
        >>> v = dg.variant("ns").with_(r1=0.05)
        >>> found = dg.bifurcation.branch(v, over="lr=0.01:0.4", rule=dg.rule("simultaneous", lr=0.1))
        >>> [(str(p.kind), round(p.value, 10), p.criticality) for p in found.points]
        [('neimark-sacker', 0.2, 'supercritical')]
    """
    around = settings(variant, rule, dim, x0, start, rate_d, rate_g)
    handle, low_, high_ = varied(around, over, low, high)
    family = Family(around, [handle], times_of(period, rule))
    begin = _beginning(handle, low_, high_)
    here = family.parameters.at([begin], np.concatenate(around.point))
    if family.times is not None:
        return follow(family, np.append(checked_orbit(here, handle.name, begin, family), begin), low_, high_)
    x = family.rest(checked_start(here, handle.name, begin, np.concatenate(around.point), family), [begin])
    return follow(family, np.append(x, begin), low_, high_)


def follow(
    family: Family,
    u0: np.ndarray,
    low: float,
    high: float,
    toward: np.ndarray | None = None,
    largest: float = 0.01,
) -> Branch:
    """The branch through a solution u0 = (x, p), both ways, or to the side of ``toward``."""

    def growth(point: PathPoint) -> tuple[np.ndarray, np.ndarray]:
        values, found, errors = family.spectrum(point.jacobian)
        off = values - (1.0 if family.discrete else 0.0)
        # its sign also tells where a pair on the border of stability meets, as where a centre becomes a saddle
        known = np.min(np.abs(off)) > np.max(errors)
        return (
            np.append(found, [point.tangent[-1], np.prod(off).real]),
            np.append(errors, [_TANGENT, 0.0 if known else np.inf]),
        )

    size = FARTHEST * (1.0 + float(np.max(np.abs(u0[:-1]), initial=0.0)))
    control = StepControl(largest=largest, bound=size, far=1.0)
    try:
        path = continue_path(family.equations, u0, low, high, growth, control, toward)
    except ValueError as error:
        raise InputError(
            f"{error}: no equilibrium near {u0[:-1].tolist()} at {family.handles[0].name} = {u0[-1]:g}"
        ) from None
    return _record(family, path, low, high)


def others(
    branch: Branch, value: float | None = None, reach: float = 3.0, starts: int = 40
) -> list[np.ndarray]:
    """Further equilibria at one value of the parameter, found by deflation of those that are known.

    Args:
        branch: a branch of them.
        value: of the parameter; by default in the middle of the range.
        reach: how far from (0, x0) Newton's method starts.
        starts: from how many points.

    Returns:
        States (phi, theta, memory) that are not on the branch.

    Example:
        >>> import diracgan as dg
        >>> others(dg.bifurcation.branch(dg.variant("ns"), over="gamma=0:1"), 0.5)
        []
    """
    family = instance("branch", branch, Branch, "what dg.bifurcation.branch returns").family
    reach = number("reach", reach, low=0.0, open_low=True)
    p = 0.5 * (branch.low + branch.high) if value is None else number("value", value)
    near = [
        branch.states[k] for k in np.flatnonzero(np.abs(branch.values - p) <= (branch.high - branch.low) / 20)
    ]
    function = family.fixed([p])
    known = deflated_roots(function, np.array(near)) if near else []
    d = family.dim
    draws = np.random.default_rng(0).normal(size=(integer("starts", starts, low=1, high=10_000), 2 * d))
    centre = np.concatenate([np.zeros(d), family.around.x0])
    points = np.array([family.rest(centre + reach * z, [p]) for z in draws])
    return deflated_roots(function, points, known)[len(known) :]


def switch(point: Bifurcation, low: float, high: float) -> list[Branch]:
    """The branches that are born at a branch point (equilibria) or at a flip (orbits of period 2), to both sides.

    Args:
        point: of a branch.
        low: least value of the parameter; ``high`` the largest.

    Raises:
        InputError: for another kind of point, or where second derivatives do not tell where the other branch goes.

    Example:
        >>> import diracgan as dg
        >>> v = dg.variant("wgan-gp", c=0.0, lam=0.5)
        >>> found = dg.bifurcation.branch(v, over="lr=0.1:3", rule=dg.rule("simultaneous"))
        >>> [p.kind.words for p in found.points]
        ['Neimark-Sacker']
    """
    family = check_point(point).family
    low, high = bounds(family.handles[0], low, high)
    if point.kind is PointKind.FLIP:
        doubled = family.repeated(2 * (family.times or 1))
        values, vectors = np.linalg.eig(
            family.matrix(family.equations(np.append(point.state, point.value))[1])
        )
        q = np.real(vectors[:, int(np.argmin(np.abs(values + 1.0)))])
        way = np.append(q / np.linalg.norm(q), 0.0)
        family = doubled
    elif point.kind is PointKind.BRANCH_POINT:
        u = np.append(point.state, point.value)
        found = crossing_tangent(
            family.equations, PathPoint(u, point.tangent, family.equations(u)[1], point.residual)
        )
        if found is None:
            raise InputError(
                f"{point.parameter} = {point.value:g}: no second branch crosses transversally there"
            )
        way = found
    else:
        raise InputError(
            f"a {point.kind.words} point has no branch of equilibria to switch to; allowed: branch-point, flip, and "
            "hopf by born_cycles"
        )
    u, out, leave = np.append(point.state, point.value), [], _first_step(point, low, high)
    for sign in (1.0,) if point.kind is PointKind.FLIP else (1.0, -1.0):
        try:
            made = follow(family, u + leave * sign * way, low, high, toward=sign * way)
        except InputError:
            continue
        out.append(
            dataclasses.replace(made, born_at=point.value, text=made.text + _upright(made, point.value))
        )
    return out


def _upright(made: Branch, value: float) -> str:
    """Said of a branch that leaves its point upright, as where the losses are linear nearby; else empty."""
    moved = np.append(np.abs(made.values - value) > _AT_ONE_VALUE * (made.high - made.low), True)
    stays = int(np.argmax(moved))
    if stays < _STANDS:
        return ""
    size = np.linalg.norm(np.append(made.phi[stays - 1], made.theta[stays - 1] - made.family.around.x0))
    return f"; it stands upright: up to |z| = {size:.3g} they all lie at {made.parameter} = {value:.10g}"


def _first_step(point: Bifurcation, low: float, high: float) -> float:
    """How far from a point the branch born there is met, within what its law reaches in the range."""
    room = (high - point.value) if point.side > 0 else (point.value - low)
    if point.scale is None or room <= 0:
        return _LEAVE
    return min(_LEAVE, _SHARE * point.scale * float(np.sqrt(room)))


def real_handle(around: LinearSettings, name: str) -> ParameterHandle:
    """The number called ``name``; refused where it is an integer."""
    handle = parameter_handle(around, name)
    if handle.is_integer:
        raise InputError(
            f"{handle.name} is an integer, along which there is no branch; allowed: numbers, e.g. lr, gamma"
        )
    return handle


def varied(
    around: LinearSettings, over: str, low: float | None, high: float | None
) -> tuple[ParameterHandle, float, float]:
    """The number that varies along a branch, and its range."""
    name, low, high = named_range(over, low, high)
    handle = real_handle(around, name)
    return handle, *bounds(handle, low, high)


def present(handle: ParameterHandle) -> float:
    """The present value of a number, or InputError where it has none."""
    if handle.now is None:
        raise InputError(
            f"{handle.name} has no value yet; allowed: one to start from, e.g. {handle.name} = 0.1"
        )
    return float(handle.now)


def present_within(handle: ParameterHandle, low: float, high: float, what: str) -> float:
    """The present value of a number, at which a start is ``what``; InputError where it is not in the range."""
    now = None if handle.now is None else float(handle.now)
    if now is None or not low <= now <= high:
        stands = f"{handle.name} = {now:g}" if now is not None else f"{handle.name} has no value, which"
        raise InputError(f"{stands} is where the {what}; allowed: a value from {low:g} to {high:g}")
    return now


def bounds(handle: ParameterHandle, low: float | None, high: float | None) -> tuple[float, float]:
    """The range of a number, without ends that are not allowed themselves."""
    domain, now = handle.domain, handle.now
    limits = {"low": domain.low, "high": T.unbounded if domain.high is None else domain.high}
    first = number(handle.name, low, **limits) if low is not None else domain.low
    usual = max(1.0, 2.0 * float(now)) if now is not None else 1.0
    usual = usual if domain.high is None else min(usual, domain.high)
    last = number(handle.name, high, **limits) if high is not None else usual
    first = -1.0 if first is None else first
    if not last - first > _NARROWEST * max(abs(first), abs(last)):
        what = "an empty interval" if not first < last else "an interval as narrow as rounding"
        raise InputError(f"{handle.name} from {first!r} to {last!r} is {what}; allowed: low < high")
    inside = _OPEN * (last - first)
    first += inside if domain.open_low and first == domain.low else 0.0
    last -= inside if domain.open_high and last == domain.high else 0.0
    return first, last


def named_range(over: str, low: float | None, high: float | None) -> tuple[str, float | None, float | None]:
    """A name, and the range that stands behind it or is given apart."""
    if not isinstance(over, str):
        raise InputError(f"over = {shown(over)} is not a parameter; allowed: a name, as in over='gamma=0:2'")
    name, ends = parameter_range(over)
    if ends is None:
        return name, low, high
    if low is not None or high is not None:
        raise InputError(f"the range is given twice, in {shown(over)} and by low or high; allowed: once")
    return name, *ends


def _beginning(handle: ParameterHandle, low: float, high: float) -> float:
    """The value at which the start is an equilibrium: the present one, or the middle of the range."""
    if handle.now is not None and low <= float(handle.now) <= high:
        return float(handle.now)
    return 0.5 * (low + high)


def checked_start(
    here: LinearSettings, name: str, value: float, at: np.ndarray, family: Family
) -> np.ndarray:
    """The equilibrium (phi, theta) at a start, which may be off by what a few digits leave out.

    Raises:
        InputError: for a start that is not an equilibrium, or one without a derivative.
    """
    status = margins([here])[0].status
    where = f"(phi, theta) = {tuple(np.round(at, 6).tolist())} at {name} = {value:g}"
    if status == Status.NO_DERIVATIVE:
        reason = None if here.rule is None else here.rule.why_not_linearisable()
        raise InputError(
            f"{here.variant.label} has no derivative at {where}"
            + (f" ({reason})" if reason else "")
            + ", so that there is no branch to follow; see diracgan verdict"
        )
    function = family.fixed([value])
    x = family.rest(at, [value])
    change, slope = function(x)
    if status != Status.NOT_AN_EQUILIBRIUM:
        if not np.all(np.isfinite(slope)):
            raise InputError(
                f"the derivative of {here.variant.label} has no value by its formula at {where}, as that of |x|^1.5 "
                "at 0, so that there is no branch to follow; diracgan eig finds it by differences"
            )
        return at
    if not np.all(np.isfinite(change)):
        raise InputError(
            f"{here.variant.label} has no finite field at {where}, so that there is no equilibrium there; "
            "allowed: a start where the critic itself has a value"
        )
    found = [r[: len(at)] for r in deflated_roots(function, x[None])]
    if found and np.linalg.norm(found[0] - at) <= DIGITS * (1.0 + np.linalg.norm(at)):
        return found[0]
    size = float(np.max(np.abs(change)))
    near = f"; Newton's method finds {np.round(found[0], 6).tolist()}" if found else ""
    raise InputError(f"{where} is not an equilibrium: |F| = {size:.3g}{near}")


def _record(family: Family, path: SolutionPath, low: float, high: float) -> Branch:
    us = np.array([p.u for p in path.points])
    values, (phi, theta) = us[:, -1], family.players(us[:, :-1])
    if family.times is None:
        decided = margins([family.parameters.at([u[-1]], u[:-1]) for u in us])
        pairs = zip(decided, path.points, strict=True)
        rows = [m.eigenvalues if len(m.eigenvalues) else family.spectrum(p.jacobian)[0] for m, p in pairs]
    else:
        decided = _orbit_margins(family, path)
        rows = [m.eigenvalues for m in decided]
    points = _points(family, path, high - low)
    return Branch(
        kind=family.kind,
        parameter=family.handles[0].name,
        low=low,
        high=high,
        values=values,
        phi=phi,
        theta=theta,
        states=us[:, :-1],
        residuals=np.array([p.residual for p in path.points]),
        eigenvalues=np.array(rows),
        statuses=[str(m.status) for m in decided],
        margins=np.array([m.value for m in decided]),
        errors=np.array([m.error for m in decided]),
        points=points,
        ends=path.ends,
        born_at=None,
        text=words(family.kind, family.handles[0].name, values, points) + _unseen(decided),
        period=family.period,
        orbits=_orbits(family, us),
        family=family,
        **family.around.provenance,
    )


def _orbits(family: Family, us: np.ndarray) -> np.ndarray | None:
    """phi and theta at the points that the map visits in turn from each u = (x, p); None of fixed points."""
    if (times := family.times or 1) == 1:
        return None
    once, visited = family.repeated(1), [us]
    for _ in range(times - 1):
        moves = np.array([once.equations(u)[0] for u in visited[-1]])
        visited.append(np.column_stack([visited[-1][:, :-1] + moves, us[:, -1]]))
    return np.stack(visited, axis=1)[:, :, : 2 * family.dim]


def _orbit_margins(family: Family, path: SolutionPath) -> list[Margin]:
    """What the linearisation decides of period-k orbits, from the Jacobians of the map applied k times."""
    found = decide_matrices(np.stack([family.matrix(p.jacobian) for p in path.points]), family.discrete)
    return [m._replace(eigenvalues=family.counted(m.eigenvalues)) for m in each(found)]


def _points(family: Family, path: SolutionPath, span: float) -> list[Bifurcation]:
    found: list[Bifurcation] = []
    for change in path.changes:
        made = classify(family, change.point, _turns(path, change), change.at_end)
        if made is None:
            continue
        u = np.append(made.state, made.value)
        scale = np.append(np.ones(len(u) - 1), 1.0 / span)
        if all(np.linalg.norm((np.append(b.state, b.value) - u) * scale) > _SAME_SOLUTION for b in found):
            found.append(made)
    return found


def _turns(path: SolutionPath, change: SignChange) -> bool:
    """Whether the parameter turns back between the neighbours of a change."""
    along = np.array([p.tangent[-1] for p in path.points])
    moves = np.abs(along) > _STILL
    before, after = np.flatnonzero(moves[: change.before + 1]), np.flatnonzero(moves[change.after :])
    return bool(len(before) and len(after) and along[before[-1]] * along[change.after + after[0]] < 0)


def _unseen(decided: Sequence[Margin]) -> str:
    """Said of points without a derivative, of which no eigenvalue tells a bifurcation; empty where all have one."""
    count = sum(m.status == Status.NO_DERIVATIVE for m in decided)
    return f"; {count} of them have no derivative: what happens there no eigenvalue tells" if count else ""


def words(kind: str, name: str, values: np.ndarray, points: Sequence[Any]) -> str:
    """A branch in words: its range, and the bifurcations on it."""
    span = f"{len(values)} {kind} for {name} from {values.min():.6g} to {values.max():.6g}"
    rounding = _ROUNDING * np.ptp(values)
    at = [0.0 if abs(p.value) <= rounding else p.value for p in points]
    what = "; ".join(f"{p.kind.words} at {value:.10g}" for p, value in zip(points, at, strict=True))
    return f"{span}: {what}" if points else f"{span}, without a bifurcation"
