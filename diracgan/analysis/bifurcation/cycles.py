"""A branch of cycles: periodic orbits of the flow, stable or not, continued in one parameter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError, instance
from ...jax_settings import own_settings
from ...numerics.continuation import SolutionPath, continue_path
from ...numerics.path_following import PathPoint, StepControl
from ...variants import Variant
from ..dynamical_system import ContinuousSystem
from ..linear.decision import decide_matrices, status_of
from ..linear.settings import settings
from ..linear.status import STATUSES
from ..orbits.orbit import order_by_modulus
from .branch import FollowedBranch, bounds, present_within, varied, words
from .contacts import touching_between
from .cycle_equations import TRIVIAL, CycleEquations, Spread, moved_tangent, sections
from .cycle_points import CycleKind, CyclePoint, classify_cycle, cycle_at_surface, cycle_monitors
from .cycle_starts import check_isolated, cycle_from
from .equilibrium_forms import cubic_form
from .family import Family
from .points import FARTHEST, Bifurcation, PointKind, check_point, said

_AMPLITUDES = (0.02, 0.005, 1e-3)  # of the first cycle at a Hopf point, in units of the state
_LEAVE = (0.02, 0.005, 1e-3)  # of a period doubling: the first step onto the doubled orbit
_CONTROL = StepControl(first=0.01, largest=0.08, least=1e-6, turn=0.9, points=200)
_UPRIGHT = 40  # points of a branch that stands upright, as every linear flow's does
_SLACK = (
    1e-9  # of the range, or of 1: the cycles of a linear flow all lie at one value, which may be an end of it
)
_RESTARTS = 40  # sections along one branch
_MARGINAL = 1e-6  # a multiplier nearer to the unit circle is not told from it by shooting
_JUST_AFTER = 1e-3  # of the range: how far beyond the last point of a path a contact with a surface may lie
_STEPS_BEYOND = (1e-5, 1e-4, 1e-3)  # of the range beyond a contact, where a cycle is looked for
_NEAR_CONTACT = 0.05  # of a cycle's length: what one beyond may differ by
_SAME_POINT = 1e-6  # of the range and of the period: two points that differ by less are one


@dataclasses.dataclass(frozen=True, kw_only=True)
class CycleBranch(FollowedBranch):
    """A branch of cycles and everything it was computed from.

    Attributes:
        kind: cycles.
        parameter: its name; ``low`` and ``high`` the range.
        values: of the parameter, in the order along the branch, (K,).
        phi: the critic at a point of each cycle, (K, d); ``theta`` the generator.
        periods: (K,).
        radii_phi: largest |phi| on each, (K,); ``radii_theta`` largest |theta - x0|; ``radii`` of both together.
        residuals: largest entry of the shooting equations, (K,).
        multipliers: Floquet multipliers by decreasing modulus, the trivial one included, (K, 2d).
        trivial_errors: |M f - f|/|f| of the monodromy matrix and the velocity: how far the trivial one is from 1, (K,).
        statuses: what the linearisation decides by the others; ``margins`` and ``errors`` by what, (K,).
        points: the bifurcations on it, in their order along the branch.
        ends: why it goes no further, at its first and at its last point.
        born_at: the parameter of the Hopf point or period doubling that it was followed from; None of a start.
        text: one sentence in words.
    """

    periods: np.ndarray
    radii_phi: np.ndarray
    radii_theta: np.ndarray
    radii: np.ndarray
    multipliers: np.ndarray
    trivial_errors: np.ndarray
    points: list[CyclePoint]


def cycles(
    variant: Variant,
    over: str,
    start: tuple[ArrayLike, ArrayLike],
    period: float | None = None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    low: float | None = None,
    high: float | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> CycleBranch:
    """Follow a cycle of the flow as one parameter varies, through folds and along its unstable parts.

    Pseudo-arclength continuation of Phi_T(z; p) = z on a section across the orbit, Phi the flow followed with its
    switchings and sliding segments; its derivative by the variational equation, with saltation matrices where the field
    jumps. :func:`born_cycles` follows the cycles that are born at a Hopf point.

    Args:
        variant: from :func:`diracgan.variant`.
        over: the parameter that varies, as :func:`diracgan.critical` takes it, also with its range: ``"gamma=0:2"``.
        start: (phi, theta) that the motion leads from to the cycle; with ``period`` a point close to it.
        period: about the period of a cycle that passes close to ``start``, which may be unstable.
        dim: dimension d (that of ``start``).
        x0: the datum; None for 0.
        low: least value of the number; by default its least allowed one.
        high: largest value; by default twice the present one, or 1.
        rate_d: factor on the critic's velocity.
        rate_g: factor on the generator's velocity.

    Returns:
        A :class:`CycleBranch`; its ``points`` are folds of cycles, period doublings, tori and branch points.

    Raises:
        InputError: for arguments that are not allowed, or a start that does not lead to a cycle.

    References:
        Kuznetsov 2004, Elements of Applied Bifurcation Theory, chapters 5 and 10.

    Example:
        >>> import diracgan as dg
        >>> v = dg.variant("wgan-gp", c=1.0, lam=0.3)
        >>> found = dg.bifurcation.cycles(v, over="lam=0.28:0.32", start=([1.45], [0.3]), period=6.6)
        >>> set(found.statuses), bool(found.trivial_errors.max() < 1e-6)
        ({'stable'}, True)
    """
    around = settings(variant, None, dim, x0, start, rate_d, rate_g)
    handle, low_, high_ = varied(around, over, low, high)
    now = present_within(handle, low_, high_, "cycle is looked for")
    family = Family(around, [handle])
    z = np.concatenate(around.point)
    with own_settings(True):
        motion = ContinuousSystem(family.flow.system([now]))
        check_isolated(motion, z)
        orbit = cycle_from(motion, around, period)
    f = motion_velocity(family, orbit.flat, now)
    equations = CycleEquations(
        family,
        orbit.flat,
        f / np.linalg.norm(f),
        orbit.period,
        orbit.period,
        float(np.linalg.norm(f)) * orbit.period,
    )
    u0 = np.concatenate([orbit.flat, [1.0, now]])
    equations, u0, _ = sections(equations, u0)[0]
    ahead, behind = (_one_way(equations, u0, low_, high_, sign * np.eye(len(u0))[-1]) for sign in (1.0, -1.0))
    return _record(
        family, [*_reversed(behind.pieces), *ahead.pieces], (behind.end, ahead.end), (low_, high_), None
    )


def born_cycles(point: Bifurcation, low: float, high: float) -> CycleBranch:
    """The branch of cycles that is born at a Hopf point, followed away from it.

    Args:
        point: a Hopf point.
        low: least value of the parameter; ``high`` the largest.

    Returns:
        A :class:`CycleBranch` that begins at the point.

    Raises:
        InputError: for another kind of point, or where no cycles are found in the range.

    Example:
        >>> import diracgan as dg
        >>> v = dg.variant("wgan-linear")
        >>> point = dg.bifurcation.branch(v, over="gamma=0:1").points[0]
        >>> set(born_cycles(point, 0.0, 1.0).statuses)  # of a linear flow, all at gamma = 0
        {'marginal'}
    """
    if check_point(point).kind is not PointKind.HOPF:
        raise InputError(f"a {point.kind.words} point gives birth to no cycles; allowed: Hopf points")
    low, high = bounds(point.family.handles[0], low, high)
    if point.multiplicity > 1:
        raise InputError(
            f"{point.parameter} = {point.value:g}: {point.multiplicity} pairs are critical at once, so that cycles "
            "come in families by rotations; allowed: dim=1, or rotating_states for the circles"
        )
    form = cubic_form(point.family, point.state, point.value, point.eigenvalue)
    if form is None:
        raise InputError(f"{point.parameter} = {point.value:g}: a derivative is not finite there")
    q = form.vector * np.exp(-0.5j * np.angle(np.sum(form.vector**2)))  # Re q is orthogonal to Im q
    way, normal = q.real / np.linalg.norm(q.real), -q.imag / np.linalg.norm(q.imag)
    period = 2 * np.pi / form.eigenvalue.imag
    for amplitude in _AMPLITUDES:
        z = point.state + amplitude * way
        f = motion_velocity(point.family, z, point.value)
        facing = normal if normal @ f > 0 else -normal
        equations = CycleEquations(
            point.family, point.state, facing, period, period, float(np.linalg.norm(f)) * period
        )
        u0 = np.concatenate([z, [1.0, point.value]])
        most = _UPRIGHT if point.criticality == "degenerate" else _CONTROL.points
        found = _one_way(equations, u0, low, high, np.concatenate([way, [0.0, 0.0]]), False, most)
        if not found.pieces:
            continue
        begins, slack = found.pieces[0].path.points[0].u[-1], _SLACK * min(high - low, 1.0)
        if not (low - slack <= begins <= high + slack):
            side = "above" if begins > point.value else "below"
            raise InputError(
                f"the cycles that are born at {point.parameter} = {said(point.value)} exist {side}, outside the range"
            )
        return _record(point.family, found.pieces, ("a Hopf point", found.end), (low, high), point.value)
    raise InputError(
        f"{point.parameter} = {point.value:g}: Newton's method finds no cycle near the Hopf point"
    )


def doubled_cycles(point: CyclePoint, low: float, high: float) -> CycleBranch:
    """The branch of cycles of twice the period that is born at a period doubling.

    Args:
        point: a period doubling of a branch of cycles.
        low: least value of the parameter; ``high`` the largest.

    Returns:
        A :class:`CycleBranch` that begins at the point.

    Raises:
        InputError: for another kind of point, or where no such cycles are found.
    """
    instance("point", point, CyclePoint, "one of the points of a branch of cycles")
    if point.kind is not CycleKind.PERIOD_DOUBLING:
        raise InputError(
            f"a {point.kind.words} gives birth to no cycles of twice the period; allowed: period doublings"
        )
    equations, jacobian = point.equations, point.path_point.jacobian
    low, high = bounds(equations.family.handles[0], low, high)
    n = len(equations.anchor)
    values, vectors = np.linalg.eig(jacobian[:n, :n] + np.eye(n))
    way = np.real(vectors[:, int(np.argmin(np.abs(values + 1.0)))])
    way -= (
        equations.velocity(jacobian)
        * (equations.normal @ way)
        / (equations.normal @ equations.velocity(jacobian))
    )
    way /= np.linalg.norm(way)
    doubled = dataclasses.replace(
        equations, unit=2 * point.period, first=2 * point.period, length=2 * equations.length
    )
    for leave in _LEAVE:
        u0 = np.concatenate([point.state + leave * way, [1.0, point.value]])
        found = _one_way(doubled, u0, low, high, np.concatenate([way, [0.0, 0.0]]), False)
        if found.pieces and low <= found.pieces[0].path.points[0].u[-1] <= high:
            ends = ("a period doubling", found.end)
            return _record(equations.family, found.pieces, ends, (low, high), point.value)
    raise InputError(
        f"{point.parameter} = {point.value:g}: Newton's method finds no cycle of twice the period in the range"
    )


def motion_velocity(family: Family, z: np.ndarray, value: float) -> np.ndarray:
    """The flow's velocity at a state, (2d,), at a value of the parameter."""
    return family.equations(np.append(z, value))[0]


class _OnSection(NamedTuple):
    """A stretch of the branch on one section; contacts with surfaces come after the path's point of their index."""

    equations: CycleEquations
    path: SolutionPath
    contacts: list[tuple[int, CyclePoint]]


class _Way(NamedTuple):
    """A branch to one side, and why it ends."""

    pieces: list[_OnSection]
    end: str


def _one_way(
    equations: CycleEquations,
    u0: np.ndarray,
    low: float,
    high: float,
    toward: np.ndarray,
    required: bool = True,
    most: int = _CONTROL.points,
) -> _Way:
    """Follow the branch to the side of ``toward``; where the orbit no longer crosses the section, on another one."""
    name, pieces, others = equations.family.handles[0].name, [], []
    for _ in range(_RESTARTS):
        size = FARTHEST * (1.0 + float(np.max(np.abs(u0[:-1]))))
        control = dataclasses.replace(_CONTROL, bound=size, points=most)
        slack = _SLACK * min(high - low, 1.0)
        try:
            path = continue_path(
                equations, u0, low - slack, high + slack, cycle_monitors(equations), control, toward
            )
        except ValueError:
            path = None
        if path is None or (len(path.points) < 3 and others):
            if not others:
                break
            equations, u0, toward = others.pop(0)
            continue
        path, why = _accurate(equations, path)
        path, contacts = _contacts(equations, path)
        pieces.append(_OnSection(equations, path, contacts))
        if why := why or _thrown(contacts):
            return _Way(pieces, why)
        last, end = path.points[-1], path.ends[1]
        if not ("finite value" in end or "Newton" in end):
            return _Way(pieces, end)
        if why := equations.why_not_beyond(last):
            return _Way(pieces, why)
        if (contact := _contact_at_end(equations, path, high - low)) is not None:
            contacts.append((len(path.points) - 1, contact))
            following = None if contact.is_thrown else _beyond(equations, contact, last, low, high)
            if following is None:
                return _Way(pieces, _thrown(contacts) or _lost(contact))
            u0, toward = following
            others = []
            continue
        if sum(len(p.path.points) for p in pieces) > most:
            return _Way(pieces, f"{most} points were made")
        if len(path.points) < 3:
            break
        others = []
        for made, u, time in sections(equations, last.u):
            way = moved_tangent(equations, last.u, last.tangent, made, time)
            if way is not None:
                others.append((made, u, way))
        if not others:
            break
        equations, u0, toward = others.pop(0)
    if required and not pieces:
        raise InputError(f"Newton's method finds no cycle at {name} = {u0[-1]:g} near the start")
    return _Way(pieces, _stopped(pieces))


def _contacts(
    equations: CycleEquations, path: SolutionPath
) -> tuple[SolutionPath, list[tuple[int, CyclePoint]]]:
    """Where the switchings on the way round change between two points, and the path as far as it is one branch."""
    found: list[tuple[int, CyclePoint]] = []
    if not equations.family.flow.switches:
        return path, found
    met = [sorted(equations.met(p.u)) for p in path.points]
    for k in (k for k in range(len(met) - 1) if met[k] != met[k + 1]):
        ends = sorted(float(p.u[-1]) for p in path.points[k : k + 2])
        for j in sorted((k, k + 1), key=lambda j: len(met[j])):
            touching = touching_between(equations, path.points[j].u, *ends)
            if touching is not None:
                found.append((k, cycle_at_surface(equations, touching, path.points[j])))
                break
        if found and found[-1][1].is_thrown:
            kept = [c for c in path.changes if c.before < k]
            return SolutionPath(path.points[: k + 1], kept, path.ends), found
    return path, found


def _thrown(contacts: list[tuple[int, CyclePoint]]) -> str:
    """Why a branch ends at its last contact; empty where it does not."""
    if not contacts or not contacts[-1][1].is_thrown:
        return ""
    point = contacts[-1][1]
    return (
        f"at {point.parameter} = {point.value:.10g} the cycle grazes a surface that carries it away: beyond, what "
        "attracts is not near it"
    )


def _lost(contact: CyclePoint) -> str:
    return f"{contact.kind.words} at {contact.parameter} = {contact.value:.10g}: no cycle was found near it beyond"


def _contact_at_end(equations: CycleEquations, path: SolutionPath, span: float) -> CyclePoint | None:
    """What the cycle meets right after the last point of a path."""
    last = path.points[-1]
    if not equations.family.flow.switches:
        return None
    value, reach = float(last.u[-1]), _JUST_AFTER * span
    touching = touching_between(equations, last.u, value - reach, value + reach)
    return None if touching is None else cycle_at_surface(equations, touching, last)


def _beyond(
    equations: CycleEquations, contact: CyclePoint, last: PathPoint, low: float, high: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """A cycle on the far side of a contact, and the direction away from it; None where none is found near."""
    way = 1.0 if last.tangent[-1] >= 0 else -1.0
    for share in _STEPS_BEYOND:
        u = np.append(last.u[:-1], contact.value + way * share * (high - low))
        for _ in range(_CONTROL.iterations):
            value, slope = equations(u)
            if not (low <= u[-1] <= high and np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
                break
            move = np.linalg.lstsq(slope[:, :-1], -value, rcond=None)[0]
            u[:-1] += move
            if np.linalg.norm(move) <= _CONTROL.tolerance * (1.0 + np.linalg.norm(u)):
                if np.linalg.norm(u[:-1] - last.u[:-1]) <= _NEAR_CONTACT * equations.length:
                    return u, way * np.eye(len(u))[-1]
                break
    return None


def _accurate(equations: CycleEquations, path: SolutionPath) -> tuple[SolutionPath, str]:
    """The path as far as its trivial multiplier is known to be 1, and why it ends there; empty where it all is."""
    off = [equations.trivial(p.jacobian) > TRIVIAL for p in path.points]
    if not any(off) or off[0]:
        return path, equations.why_not_beyond(path.points[0]) if off[0] else ""
    bad = off.index(True)
    kept = [c for c in path.changes if c.before < bad - 1]
    return SolutionPath(path.points[:bad], kept, path.ends), equations.why_not_beyond(path.points[bad])


def _stopped(pieces: Sequence[_OnSection]) -> str:
    """What is known where no section goes on."""
    if not pieces:
        return "no cycle was found"
    equations, path = pieces[-1].equations, pieces[-1].path
    last = path.points[-1]
    n = len(equations.anchor)
    found = equations.family.flow.carried(last.u[:n], float(last.u[n] * equations.unit), last.u[-1:])
    if found is not None and found.met:
        return (
            f"Newton's method no longer converges at {equations.family.handles[0].name} = {last.u[-1]:.8g}, where the "
            f"motion meets surfaces ({', '.join(found.met)}), as where it grazes one, or begins or ends to slide; what "
            "lies beyond is not followed"
        )
    return "Newton's method no longer converges: no smooth branch of cycles was found beyond"


def _reversed(pieces: Sequence[_OnSection]) -> list[_OnSection]:
    out = []
    for piece in reversed(pieces):
        last = len(piece.path.points) - 2
        contacts = [(last - k, point) for k, point in reversed(piece.contacts)]
        out.append(piece._replace(path=piece.path.backwards(), contacts=contacts))
    return out


def _record(
    family: Family,
    pieces: Sequence[_OnSection],
    ends: tuple[str, str],
    span: tuple[float, float],
    born_at: float | None,
) -> CycleBranch:
    on = [(s.equations, p) for k, s in enumerate(pieces) for p in s.path.points[1 if k else 0 :]]
    found = [e.multipliers(p.jacobian) for e, p in on]
    multipliers = [_with_trivial(e, p, values) for (e, p), (values, _) in zip(on, found, strict=True)]
    decided = decide_matrices(np.stack([e.return_map(p.jacobian) for e, p in on]), discrete=True)
    errors = np.maximum(decided.error, _MARGINAL)
    statuses = [STATUSES[s] for s in status_of(decided.margin, errors)]
    parts = [e.parts(p.u) for e, p in on]
    spreads: list[Spread] = [e.spread(e.rows(p.u)) for e, p in on]
    states, values, d = np.array([z for z, _, _ in parts]), np.array([p for _, _, p in parts]), family.dim
    points = _points(pieces, span[1] - span[0])
    return CycleBranch(
        kind="cycles",
        parameter=family.handles[0].name,
        low=span[0],
        high=span[1],
        values=np.clip(values, *span),
        phi=states[:, :d],
        theta=states[:, d:],
        periods=np.array([t for _, t, _ in parts]),
        radii_phi=np.array([s.phi for s in spreads]),
        radii_theta=np.array([s.theta for s in spreads]),
        radii=np.array([s.both for s in spreads]),
        residuals=np.array([p.residual for _, p in on]),
        multipliers=np.array(multipliers),
        trivial_errors=np.array([e.trivial(p.jacobian) for e, p in on]),
        statuses=statuses,
        margins=decided.margin,
        errors=errors,
        points=points,
        ends=ends,
        born_at=born_at,
        text=words("cycles", family.handles[0].name, values, points),
        family=family,
        **family.around.provenance,
    )


def _with_trivial(equations: CycleEquations, point: PathPoint, others: np.ndarray) -> np.ndarray:
    """All multipliers: those of the return map and, by its Rayleigh quotient, that of the orbit's own direction."""
    n, f = len(equations.anchor), equations.velocity(point.jacobian)
    own = 1.0 + float(f @ point.jacobian[:n, :n] @ f) / float(f @ f)
    values = np.append(others, own)
    return values[order_by_modulus(values)]


def _points(pieces: Sequence[_OnSection], span: float) -> list[CyclePoint]:
    found: list[CyclePoint] = []
    for equations, path, contacts in pieces:
        made = [(c.before, classify_cycle(equations, path, c)) for c in path.changes] + contacts
        for _, point in sorted(made, key=lambda part: part[0]):
            if point is not None and all(
                abs(b.value - point.value) / span + abs(b.period / point.period - 1) > _SAME_POINT
                for b in found
            ):
                found.append(point)
    return found
