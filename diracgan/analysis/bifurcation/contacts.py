"""Where a cycle meets a switching surface in a new way: it grazes one, or begins or ends to slide along it.

At such a cycle a guard h of its motion is 0 at a point x of it, and a velocity f beside is tangent to h = 0:
h' . f = 0. Where h is a switching function and f the cycle's own velocity it grazes the surface. Where the cycle
crosses it or lands on it and f is that of the far side, the place lies at the border of those at which it slides; where
it slides and h is one of Filippov's shares, it touches that border on its way. These two equations and that of the
cycle, Phi_T(x; p) = x, are solved by Newton's method for x, T and p. Near x the motion is that of the branches held on
either side, which is smooth there; the rest of the way is followed with its switchings.

References:
    di Bernardo, Budd, Champneys, Kowalczyk 2008, Piecewise-smooth Dynamical Systems, chapters 7 and 8.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from ...dynamics import filippov, switchings
from ...dynamics.filippov import Regime
from ...jax_settings import own_settings
from ..orbits.neighbours import Carried, Switching
from .cycle_equations import CycleEquations

_BESIDE = 0.02  # of a turn: how long branches are held on either side of the point
_TRIED, _NEAREST = 4, 0.3  # places of one cycle, and their merit, at which a contact is looked for
_ITERATIONS, _TOLERANCE = 12, 1e-11
_SOLVED = 1e-8  # of what each equation is made of: its residual
_NEAR = 0.25  # of a cycle's extent and of its period: a contact further away is another cycle's
_TANGENT = 1e-6  # of a velocity: a normal part that is none
_SMALLEST = 1e-300  # a normal or a velocity that is 0 has a normal part of no size


@dataclasses.dataclass(frozen=True)
class Contact:
    """A point of a cycle at which it may meet a surface in a new way.

    Attributes:
        guard: which guard of the regime before it.
        before: the regime before the point; ``after`` the one after it.
        tangent: the regime whose velocity is tangent to the surface there.
        happens: what the motion does there: "" where it only comes near, else crossing or slide.
    """

    guard: int
    before: Regime
    after: Regime
    tangent: Regime
    happens: str


class Touching(NamedTuple):
    """A cycle with a contact.

    Attributes:
        contact: where.
        state: its point on the surface, (n,).
        period: T.
        number: the value of the parameter.
        residual: largest of the equations', each in units of what it is made of.
        pushed: the normal part of the far side's velocity, of that velocity: > 0 where it pushes the cycle back.
        departs: how the tangent velocity goes on from the surface, in units of a turn: < 0 to the far side.
    """

    contact: Contact
    state: np.ndarray
    period: float
    number: float
    residual: float
    pushed: float
    departs: float

    @property
    def within_slide(self) -> bool:
        """Whether the cycle slides there, and touches the border of where it does."""
        return self.contact.guard >= len(self.contact.before.modes)


def touching_between(equations: CycleEquations, u: np.ndarray, low: float, high: float) -> Touching | None:
    """The cycle with a contact whose parameter is within [low, high], from a cycle near it; None without one."""
    for contact, x in _places(equations, u):
        found = _solved(equations, contact, x, u)
        if found is not None and low <= found.number <= high and _is_near(equations, u, found):
            return found
    return None


def _is_near(equations: CycleEquations, u: np.ndarray, found: Touching) -> bool:
    """Whether a contact is one of cycles like that at ``u``, and not of another branch that Newton's method met."""
    rows, period = equations.rows(u), equations.parts(u)[1]
    extent = float(np.max(np.ptp(rows, axis=0)))
    away = float(np.min(np.linalg.norm(rows - found.state, axis=1)))
    return away <= _NEAR * extent and abs(found.period / period - 1.0) <= _NEAR


def _places(equations: CycleEquations, u: np.ndarray) -> list[tuple[Contact, np.ndarray]]:
    """Points of a cycle that are nearly contacts, nearest ones first."""
    z, span, _ = equations.parts(u)
    numbers = equations.numbers(u)
    carried = equations.family.flow.carried(z, span, numbers)
    if carried is None:
        return []
    with own_settings(True):
        system = equations.family.flow.system(numbers)
        near = _nearings(system, carried, equations.rows(u), span)
        for switching in carried.switchings:
            near += _border(equations, system, switching, numbers)
    near.sort(key=lambda part: part[0])
    return [(contact, x) for merit, contact, x in near[:_TRIED] if merit <= _NEAREST]


_Place = tuple[float, Contact, np.ndarray]


def _nearings(system: filippov.DiracSystem, carried: Carried, rows: np.ndarray, span: float) -> list[_Place]:
    """Where a guard comes near 0 and withdraws from it, with its least value of its largest one."""
    times = np.arange(len(rows) + 1) * (span / len(rows))
    rows = np.vstack([rows, rows[:1]])  # all the way round
    starts = np.array([0.0, *(s.time for s in carried.switchings)])
    last = carried.regime
    regimes = [*(s.before for s in carried.switchings), *([] if last is None else [last])]
    piece = np.searchsorted(starts, times, side="right") - 1
    seen = [filippov.watch(system, y, regimes[k]) for y, k in zip(rows, piece, strict=True)]
    heights, slopes = ([np.asarray(s[k])[:-1] for s in seen] for k in (0, 1))  # without the float range
    m = len(regimes[0].modes)
    scales = np.maximum(np.max([np.abs(h[:m]) for h in heights], axis=0, initial=0.0), _SMALLEST)
    found = []
    for i in np.flatnonzero(piece[:-1] == piece[1:]):
        regime = regimes[piece[i]]
        before, after = slopes[i], slopes[i + 1]
        for k in np.flatnonzero((before < 0) & (after >= 0)):
            share = before[k] / (before[k] - after[k])
            x = rows[i] + share * (rows[i + 1] - rows[i])
            held = regime._replace(slack=np.zeros(m))
            scale = scales[k] if k < m else 1.0
            found.append((float(abs(heights[i][k]) / scale), Contact(int(k), held, held, held, ""), x))
    return found


def _border(
    equations: CycleEquations, system: filippov.DiracSystem, at: Switching, numbers: np.ndarray
) -> list[_Place]:
    """A crossing or a landing, with how far it is from the border of where the motion slides."""
    losses = len(at.before.modes) - filippov.face_count(system)
    happens = "slide" if "slide" in at.met else "crossing"
    if at.guard >= losses or happens not in at.met:
        return []
    none = np.zeros(len(at.before.modes))
    before, after = at.before._replace(slack=none), at.after._replace(slack=none)
    far = filippov.plain(switchings.beyond(system, at.state, before, at.guard).modes)
    contact = Contact(at.guard, before, after, far, happens)
    value, slope = equations.family.flow.tangency((before, far), at.guard, at.state, numbers)
    normal, f = slope[0, : len(at.state)], np.asarray(filippov.flow_in(system, at.state, far))
    return [
        (float(abs(value[1]) / max(np.linalg.norm(normal) * np.linalg.norm(f), _SMALLEST)), contact, at.state)
    ]


def _solved(equations: CycleEquations, contact: Contact, x: np.ndarray, u: np.ndarray) -> Touching | None:
    """The cycle with a contact near a point, by Newton's method."""
    n, unit = len(x), equations.parts(u)[1]
    now = np.concatenate([x, [1.0], equations.numbers(u)])
    for _ in range(_ITERATIONS):
        found = _residual(equations, contact, unit, now)
        if found is None:
            return None
        try:
            move = np.linalg.solve(found[1], -found[0])
        except np.linalg.LinAlgError:
            return None
        now = now + move
        if not np.all(np.isfinite(now)) or not 0.5 < now[n] < 2.0:
            return None
        if np.linalg.norm(move) <= _TOLERANCE * (1.0 + np.linalg.norm(now)):
            break
    found = _residual(equations, contact, unit, now)
    if found is None:
        return None
    beside = _beside(equations, contact, now)
    residual = float(np.max(np.abs(found[0]) / np.append(np.full(n, beside.size), beside.made_of)))
    if not residual <= _SOLVED:
        return None
    departs = beside.departs * float(now[n]) * unit
    return Touching(
        contact,
        now[:n],
        float(now[n]) * unit,
        float(now[n + 1]),
        residual,
        _pushed(equations, contact, now),
        departs if abs(departs) > _TANGENT else 0.0,
    )


class _Beside(NamedTuple):
    """The sizes of what the equations at a contact are made of.

    Attributes:
        size: of the state.
        made_of: the same for h and h' . f.
        departs: (h' . f)' . f in units of the latter.
    """

    size: float
    made_of: tuple[float, float]
    departs: float


def _beside(equations: CycleEquations, contact: Contact, v: np.ndarray) -> _Beside:
    n = len(equations.anchor)
    x, numbers = v[:n], v[n + 1 :]
    with own_settings(True):
        f = np.asarray(filippov.flow_in(equations.family.flow.system(numbers), x, contact.tangent))
    _, slope = equations.family.flow.tangency((contact.before, contact.tangent), contact.guard, x, numbers)
    size = 1.0 + float(np.max(np.abs(x)))
    steep = max(float(np.linalg.norm(slope[0, :n])), _SMALLEST)
    speed = max(steep * float(np.linalg.norm(f)), _SMALLEST)
    return _Beside(size, (size * steep, speed), float(slope[1, :n] @ f) / speed)


def _residual(
    equations: CycleEquations, contact: Contact, unit: float, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """(Phi_T(x; p) - x, h, h' . f) at v = (x, T/unit, p) and its Jacobian; None without a way round."""
    n, family, beside = len(equations.anchor), equations.family, _BESIDE * unit
    x, span, numbers = v[:n], v[n] * unit - 2 * beside, v[n + 1 :]
    out = family.flow.carried_within(contact.after, x, beside, numbers)
    into = family.flow.carried_within(contact.before, x, -beside, numbers)
    if out is None or into is None:
        return None
    way = family.flow.carried(out.end, span, numbers)
    if way is None:
        return None
    value, slope = family.flow.tangency((contact.before, contact.tangent), contact.guard, x, numbers)
    by_state = way.by_state @ out.by_state - into.by_state
    by_numbers = way.by_state @ out.by_numbers + way.by_numbers - into.by_numbers
    turn = np.column_stack([by_state, unit * way.velocity, by_numbers])
    touch = np.insert(slope, n, 0.0, axis=1)
    found = np.concatenate([way.end - into.end, value]), np.vstack([turn, touch])
    return found if all(np.all(np.isfinite(part)) for part in found) else None


def _pushed(equations: CycleEquations, contact: Contact, v: np.ndarray) -> float:
    n, numbers = len(equations.anchor), v[len(equations.anchor) + 1 :]
    with own_settings(True):
        system = equations.family.flow.system(numbers)
        if contact.guard >= len(contact.before.modes) - filippov.face_count(system):
            return 1.0  # a face of the box holds what it meets, and a slide has no far side
        far = switchings.beyond(system, v[:n], contact.before, contact.guard)
        f = np.asarray(filippov.flow_in(system, v[:n], far))
    value, slope = equations.family.flow.tangency((contact.before, far), contact.guard, v[:n], numbers)
    part = value[1] / max(np.linalg.norm(slope[0, :n]) * np.linalg.norm(f), _SMALLEST)
    return float(part) if abs(part) > _TANGENT else 0.0
