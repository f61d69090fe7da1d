"""Where one regime ends and the next begins: which sites switch at a surface, and whether it is crossed or slid along.

References:
    Filippov 1988, Differential Equations with Discontinuous Righthand Sides, chapter 2.
"""

# A regime's arrays are traced or of the host, as the caller's are: functions take both, and are declared for one.
# pyright: reportArgumentType=false

from __future__ import annotations

import math
from functools import cached_property, partial
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from ..tracing.host import at_once
from .filippov import (
    SLACK,
    Crossing,
    DiracSystem,
    Regime,
    Velocity,
    beside_foot,
    every_branch,
    face_count,
    flow_by,
    flow_in,
    frozen_velocity,
    guards,
    look,
    natural,
    natural_velocity,
    plain,
    surface_count,
    told_from_a_root,
    velocity,
)


def start(system: DiracSystem, y: Array | np.ndarray) -> Regime:
    """The regime in which a trajectory from ``y`` begins."""
    if not surface_count(system):
        return plain(np.zeros(0))
    g, v = (np.asarray(a) for a in natural(system, y))
    losses = len(g) - face_count(system)
    regime = plain(np.where(g >= 0, 1.0, -1.0))
    near = look(system, y, regime.modes)
    on_face = _vanishing(near, y) & (np.arange(len(g)) >= losses)
    flat = _flat(system, near, y, regime)
    regime = _leaving(system, y, _as_it_stands(system, y, regime, flat), flat | on_face)
    seen = set(np.flatnonzero(flat).tolist())
    for _ in range(losses):
        near = look(system, y, regime.modes)
        on = [k for k in np.flatnonzero(_vanishing(near, y)[:losses]) if k not in seen]
        if not on:
            break
        k = int(on[0])
        tied, flips = _switching(system, near, y, regime, k)
        seen.update(int(i) for i in np.flatnonzero(tied))
        here, there = speeds(system, y, regime, k, flips)
        if (here >= 0 and there >= 0) or _rests(system, y, regime, flips, AT_REST):
            regime = _leaving(system, y, regime, tied)
        elif here <= 0 and there <= 0:
            beyond = _leaving(system, y, _across(regime, flips), tied)
            # from a little before the surface it is still to be crossed
            regime = beyond if abs(float(near.g[k])) <= beyond.slack[k] else regime
        elif here < 0 < there:
            regime = _onto(regime, k, flips)
        else:  # pushed off on both sides: the solution is not unique, the loss as it stands chooses
            chosen = float(np.asarray(near.normals)[k] @ v) * regime.modes[k] >= 0
            regime = _leaving(system, y, regime if chosen else _across(regime, flips), tied)
    return regime


AT_REST = 1e-9  # times as slow as beyond a surface


def after(
    system: DiracSystem, y: Array, regime: Regime, guard: int, at_rest: float = AT_REST
) -> tuple[Regime, str]:
    """The regime that follows when ``guard`` has fallen to 0, and what happened: crossing, slide, leave or rest.

    At rest is what is ``at_rest`` times as slow as the field beyond.
    """
    m = len(regime.modes)
    losses = m - face_count(system)
    if guard >= m:  # the end of a slide, on this side or on the far one
        k = (guard - m) % regime.sliding
        shared, left = regime.flips[k], _off(regime, k)
        off = left if guard < m + regime.sliding else _across(left, shared)
        return _leaving(system, y, off, shared), "leave"
    if guard >= losses:  # a face of the box takes a weight, or lets it go
        alone = np.arange(m) == guard
        what = "slide" if regime.modes[guard] > 0 else "leave"
        return _leaving(system, y, _across(regime, alone), alone), what
    tied, flips = _switching(system, look(system, y, regime.modes), y, regime, guard)
    if _rests(system, y, regime, flips, at_rest):
        return regime, "rest"
    here, there = speeds_where_met(system, y, regime, guard, flips)
    if here <= 0 < there:
        return _onto(regime, guard, flips), "slide"
    return _leaving(system, y, _across(regime, flips), tied), "crossing"


def settle(
    system: DiracSystem, y: Array | np.ndarray, regime: Regime, guard: int, at_rest: float = AT_REST
) -> tuple[Regime, list[str]]:
    """The regime after ``guard`` has fallen, and with it every surface that is met at the same moment.

    An engine sees a guard fall only from above 0, so a second one that is not above it must not be left behind.
    A surface on which the motion has stayed since the regime began is still being left, and keeps its slack.
    """
    regime = Regime(*(np.asarray(a) for a in regime))
    m = len(regime.modes)
    losses = m - face_count(system)
    still = np.asarray(guards(system, y, regime))[:m] <= 2 * regime.slack
    regime = regime._replace(slack=np.where(still & (np.arange(m) != guard), regime.slack, 0.0))
    met: set[int] = set()
    late, happened = [guard], []
    flat = np.zeros(m, bool)
    while late:
        met.add(late[0])
        if late[0] >= losses or not flat[late[0]]:
            regime, what = after(system, y, regime, late[0], at_rest)
            happened.append(what)
            if what == "rest":
                return regime, happened
            if regime.sliding > (what == "slide"):
                regime, released = _released(system, y, regime)
                happened += released
        fallen = np.asarray(guards(system, y, regime))[:m] <= 0
        fallen &= (regime.slack == 0) & ~np.isin(np.arange(m), list(met))
        if np.any(fallen):
            flat = fallen & _flat(system, look(system, y, regime.modes), y, regime)
            regime = _leaving(system, y, _as_it_stands(system, y, regime, flat), flat)
        late = [int(k) for k in np.flatnonzero(fallen & ~flat)]
    return regime, happened


def _released(system: DiracSystem, y: Array, regime: Regime) -> tuple[Regime, list[str]]:
    """The regime off every surface slid upon to which the field no longer pushes back from both sides.

    Where another surface is crossed the field jumps, and with it Filippov's shares: no guard falls.
    """
    happened = []
    for k in reversed(range(regime.sliding)):
        shared, left = regime.flips[k], _off(regime, k)
        here, there = speeds_where_met(system, y, left, int(regime.surfaces[k]), shared)
        least = 1e-9 * (abs(here) + abs(there))
        if here <= least and there >= -least:
            continue
        regime = _leaving(system, y, left if here > least else _across(left, shared), shared)
        happened.append("leave")
    return regime, happened


def speeds(system: DiracSystem, y: Array, regime: Regime, k: int, shared: np.ndarray) -> tuple[float, float]:
    """How fast the motion on this side, and the one on the far side, move away from surface k towards this side.

    Where both vanish on the surface but not beside it, as sqrt|g| does, it is reached in a finite time, and to stay is
    a solution while nothing pushes, also where the other side leads away: then the speeds are those beside it, both as
    if they led back. Both are 0 where they lead back beside the surface alone and not as a root does, as g and -|g|^3:
    no motion comes to it in a finite time, and nothing holds one there.
    """
    return _told(_SpeedsBeside(system, y, regime, k, shared))


def speeds_where_met(
    system: DiracSystem, y: Array, regime: Regime, k: int, shared: np.ndarray
) -> tuple[float, float]:
    """:func:`speeds` at a surface that a motion has met.

    Where both sides lead back, however slowly, no more than an error of integration has met it: then the speeds are
    those beside it, as if they led back.
    """
    seen = _SpeedsBeside(system, y, regime, k, shared)
    slower = max(far for far, _ in seen.beside)
    held = slower < 0 and seen.root is None and slower < -_VANISHES * seen.foot.through
    if held and _stands(system, y, regime, seen.normal, -slower):
        return seen.on if seen.foot.pushes else (slower, -slower)
    return _told(seen)


def _told(seen: _SpeedsBeside) -> tuple[float, float]:
    here, there = seen.on
    if (back := seen.root) is not None:
        return (here, there) if seen.foot.pushes else (back, -back)
    return (here, there) if not here < 0 < there or seen.foot.jumps else (0.0, 0.0)


class _Foot(NamedTuple):
    """What the motions on both sides do at the foot of a point on a surface.

    Attributes:
        pushes: whether there is a speed through the surface on the surface itself: to stay there is not a solution.
        jumps: whether the speed through it is another one on the far side: as much on it as beside it.
        through: the larger of the two sides' speeds through it, 0 where a root may be all of it.
    """

    pushes: bool
    jumps: bool
    through: float


class _SpeedsBeside:
    """Speeds away from surface k along its ``normal``, towards this side.

    Attributes:
        normal: the gradient towards this side.
        on: those at the point itself, by the branches of this side and of the far one.
        beside: on either side the speed away from the surface, at two distances from it.
    """

    def __init__(self, system: DiracSystem, y: Array, regime: Regime, k: int, shared: np.ndarray) -> None:
        self._near, self._far = regime, _across(regime, shared)
        self._system, self._y, self._k = system, y, k
        self._look = look(system, y, regime.modes)
        self.normal = np.asarray(self._look.normals)[k] * regime.modes[k]
        here, there = (float(self.normal @ np.asarray(flow_in(system, y, r))) for r in (regime, self._far))
        self.on = (here, there)
        self.beside = [
            [_beside_surface(system, y, side, off) for off in _OFF] for side in (self.normal, -self.normal)
        ]

    @cached_property
    def root(self) -> float | None:
        """The speed with which a side leads back that does so as a root; None where neither does.

        It vanishes on the surface: that is asked at its foot, for beside it, at 1e-13, a third root is 1e-4.
        """
        steep, level = _STEEP
        back = [far for far, near in self.beside if far < 0 and level * far < near < steep * far]
        return next((far for far in back if far < -_VANISHES * self.foot.through), None)

    @cached_property
    def foot(self) -> _Foot:
        system, near, far = self._system, self._near, self._far
        side = near.modes[self._k]
        g = side * np.asarray(self._look.g)[self._k]
        points, off = (np.asarray(a) for a in beside_foot(system, self._y, g, self.normal))
        places = [*zip(points, [near] * 3 + [far] * 2, strict=True), (points[0], far)]
        v = np.array([np.asarray(flow_in(system, *at)) for at in places])
        left = side * np.asarray(look(system, points[0], near.modes).g)[self._k]
        *through, across = v @ self.normal
        push, root = (float(a) for a in told_from_a_root(np.array(through), left, off))
        pushes = abs(push) > _ROUNDING * float(np.linalg.norm(self.normal) * np.max(np.abs(v[0]))) + root
        here, *beside, beyond, further = through
        sides = np.array([[here, *beside, *beside], [across, beyond, further, beyond, further]])
        largest = max(abs(x[0]) if abs(x[0]) > told_from_a_root(x, left, off)[1] else 0.0 for x in sides)
        jumps = abs(across - here) > _AS_LARGE * abs(beyond - beside[0])
        return _Foot(pushes, bool(jumps), float(largest))


# of the change of a speed across a surface a little beside it, on it: of a kink nothing is left
_AS_LARGE = 0.5


def _stands(system: DiracSystem, y: Array, regime: Regime, normal: np.ndarray, beside: float) -> bool:
    """Whether the speed through a surface vanishes a little further on along the motion too: it is not only touched."""
    along = _ahead(system, y, regime)
    return abs(float(normal @ np.asarray(flow_in(system, along, regime)))) * _VANISHES < beside


def _ahead(system: DiracSystem, y: Array, regime: Regime) -> np.ndarray | Array:
    """A little further on along the motion."""
    v = np.asarray(flow_in(system, y, regime))
    speed = float(np.max(np.abs(v)))
    return y + (_OFF[0] * size_of(system, y) / speed) * v if speed > 0 else y


_OFF = (1e-7, 1e-9)  # of the state: how far beside a surface the field is looked at
_ROUNDING = 64 * np.finfo(float).eps  # of a velocity: what is told from the rounding of its other entries
_VANISHES = 1e3  # times slower on a surface than beside it
# of the speed at the first distance, that of a root at the second: a field with a slope has 0.01 of it, with a jump all
_STEEP = (0.02, 0.98)


def _beside_surface(system: DiracSystem, y: Array, normal: np.ndarray, off: float) -> float:
    """The speed away from a surface, a little off it on the side of its normal."""
    length = float(np.linalg.norm(normal))
    if length == 0:
        return math.nan
    point = np.asarray(y) + off * size_of(system, y) * normal / length
    return float(normal @ np.asarray(natural_velocity(system, point)))


def size_of(system: DiracSystem, y: Array | np.ndarray) -> float:
    """Of the state and the datum; 1 where both are 0."""
    return max(float(np.max(np.abs(y))), float(np.max(np.abs(np.asarray(system.x0))))) or 1.0


def _rests(
    system: DiracSystem, y: Array | np.ndarray, regime: Regime, flips: np.ndarray, at_rest: float
) -> bool:
    """Whether the motion has come to rest where it meets a surface, and the field beyond would carry it away.

    A node on a surface is approached for ever: that the surface is met at all is an error of integration, and to stay
    there is a solution. A focus is turned about, and so crosses.
    """
    if regime.sliding:
        return False
    sides = (regime, _across(regime, flips))
    here, there = (float(np.max(np.abs(np.asarray(flow_in(system, y, r))))) for r in sides)
    if not here <= at_rest * there:
        return False
    values = np.linalg.eigvals(np.asarray(_slope_in(system, y, regime)))
    slowest = values[np.argmax(values.real)]
    return bool(abs(slowest.imag) <= _TURNS * abs(slowest))


_TURNS = 1e-6  # of an eigenvalue's size: a smaller imaginary part is the rounding of a double one


def _slope_by(velocity: Velocity, system: DiracSystem, y: Array, regime: Regime) -> Array:
    return jax.jacfwd(lambda y: flow_by(velocity, system, y, regime))(y)


@at_once(partial(_slope_by, frozen_velocity), partial(_slope_by, every_branch))
def _slope_in(system: DiracSystem, y: Array, regime: Regime) -> Array:
    """The Jacobian in a regime, (n, n)."""
    return _slope_by(velocity, system, y, regime)


def inside(system: DiracSystem, y: np.ndarray, regime: Regime, surface: int) -> np.ndarray:
    """The point of a surface next to ``y``, by a few roundings on the side of the regime."""
    near = look(system, y, regime.modes)
    normal = np.asarray(near.normals)[surface]
    off = regime.modes[surface] * 8 * np.finfo(float).eps * size_of(system, y) * np.linalg.norm(normal)
    return y + (off - float(np.asarray(near.g)[surface])) * normal / float(normal @ normal)


def beyond(system: DiracSystem, y: Array | np.ndarray, regime: Regime, surface: int) -> Regime:
    """The regime on the far side of a surface of the losses, at a point of it."""
    return _across(regime, _switching(system, look(system, y, regime.modes), y, regime, surface)[1])


def _across(regime: Regime, shared: np.ndarray) -> Regime:
    return regime._replace(modes=np.where(shared, -np.asarray(regime.modes), regime.modes))


def _off(regime: Regime, k: int) -> Regime:
    """The regime that no longer slides along the k-th of its surfaces."""
    return regime._replace(flips=np.delete(regime.flips, k, 0), surfaces=np.delete(regime.surfaces, k))


def _leaving(system: DiracSystem, y: Array | np.ndarray, regime: Regime, shared: np.ndarray) -> Regime:
    """The regime that starts on these surfaces, and on those before, and leaves them.

    The slack of each is what its switching function changes by over a share of the state, whatever the units of both:
    of a small state phi theta is far below any fixed one between two crossings.
    """
    if not np.any(shared):
        return regime
    near = look(system, y, regime.modes)
    lengths = np.linalg.norm(np.asarray(near.normals), axis=1)
    if np.any(shared & ~(lengths > 0)):
        lengths = np.where(lengths > 0, lengths, _steepest(system, near, y, regime))
        lengths = np.where(lengths > 0, lengths, 1.0)  # what is 0 everywhere has no unit, and needs none
    slack = SLACK * _scale(y) * np.nan_to_num(lengths)
    return regime._replace(slack=np.where(shared, slack, regime.slack))


def _onto(regime: Regime, k: int, shared: np.ndarray) -> Regime:
    """The regime that slides along surface k as well."""
    shared = shared | (np.arange(len(shared)) == k)
    flips, surfaces = np.vstack([regime.flips, shared]), np.append(regime.surfaces, k)
    return regime._replace(flips=flips, surfaces=surfaces, slack=np.where(shared, 0.0, regime.slack))


_PARALLEL = 1e-9
_LEVEL = 1e-6  # of a gradient elsewhere: a function with less of it has no surface here
_BEYOND = 1e-5  # of the state: where the branches beyond a surface are read
_FLAT = 8 * np.finfo(float).eps
_MET = 1e-12  # of a state: a surface nearer than this is met
# the same for a second one that is met with the first, which was located by following the motion
_TIED = 1e-9
# of the state: no surface that a loss is written with is there
_ELSEWHERE = np.array([0.6, -0.8, -0.7, 0.5, 0.9])


def _scale(y: Array | np.ndarray) -> float:
    """The largest entry of a state; 1 where all are 0."""
    return float(np.max(np.abs(y))) or 1.0


def _vanishing(near: Crossing, y: Array | np.ndarray) -> np.ndarray:
    """Which switching functions are 0 to rounding: booleans, (m,)."""
    lengths = np.linalg.norm(np.asarray(near.normals), axis=1)
    return np.abs(np.asarray(near.g)) <= _MET * _scale(y) * lengths


def _steepest(system: DiracSystem, near: Crossing, y: Array | np.ndarray, regime: Regime) -> np.ndarray:
    """The largest gradient of each switching function here and at a state as large, (m,): its unit, where it is flat.

    Of one that is 0 everywhere both are 0.
    """
    ways = _ELSEWHERE[np.arange(len(y)) % len(_ELSEWHERE)]
    elsewhere = look(system, np.asarray(y) + _scale(y) * ways, regime.modes)
    normals = np.abs(np.stack([np.asarray(near.normals), np.nan_to_num(np.asarray(elsewhere.normals))]))
    return np.max(normals, axis=(0, 2), initial=0.0)


def _flat(system: DiracSystem, near: Crossing, y: Array | np.ndarray, regime: Regime) -> np.ndarray:
    """Which switching functions of the losses are 0 with a gradient of 0, to rounding: booleans, (m,).

    They stay 0 wherever the motion goes, like the real logit phi.x0 with x0 = 0, and so are not surfaces to cross: a
    gradient of 0 is parallel to every other one.
    """
    return _level(system, near, y, regime, (_FLAT, _FLAT))


def _level(
    system: DiracSystem, near: Crossing, y: Array | np.ndarray, regime: Regime, least: tuple[float, float]
) -> np.ndarray:
    """Which switching functions of the losses are 0, and their gradients, up to shares of what they are elsewhere."""
    unit = _steepest(system, near, y, regime)
    slopes = np.max(np.abs(np.asarray(near.normals)), axis=1, initial=0.0)
    level = (slopes <= least[0] * unit) & (np.abs(np.asarray(near.g)) <= least[1] * unit * _scale(y))
    return level & (np.arange(len(level)) < len(level) - face_count(system))


def _as_it_stands(system: DiracSystem, y: Array, regime: Regime, flat: np.ndarray) -> Regime:
    """The regime whose flat sites take the branches that the losses themselves take, a little further on.

    At a tie ``r > 0`` and ``r >= 0`` choose differently, which the sign of r = 0 does not tell.
    """
    if not np.any(flat) or regime.sliding:
        return regime
    ahead = _ahead(system, y, regime)
    wanted = np.asarray(natural_velocity(system, ahead))

    def miss(modes: np.ndarray) -> float:
        return float(np.max(np.abs(np.asarray(velocity(system, ahead, modes)) - wanted)))

    modes, least = np.asarray(regime.modes), miss(np.asarray(regime.modes))
    for k in np.flatnonzero(flat):
        if not least > _MET * np.max(np.abs(wanted)):
            break
        other = np.where(np.arange(len(modes)) == k, -modes, modes)
        if (missed := miss(other)) < 0.5 * least:
            modes, least = other, missed
    return regime._replace(modes=modes)


def _shared(near: Crossing, y: Array, k: int, losses: int) -> np.ndarray:
    """Which sites of the losses share surface k, and so switch with it: booleans, (m,)."""
    normals = np.asarray(near.normals)
    lengths = np.linalg.norm(normals, axis=1)
    parallel = np.abs(normals @ normals[k]) >= (1 - _PARALLEL) * lengths * lengths[k]
    parallel &= bool(lengths[k] > 0)
    # as near as the one that is met: a motion towards 0 may have met it where its whole state is no further off
    met = abs(float(near.g[k])) / lengths[k] if lengths[k] > 0 else 0.0
    within = np.maximum(_TIED * _scale(y), (1 + _PARALLEL) * met)
    shared = parallel & (lengths > 0) & (np.abs(np.asarray(near.g)) <= within * lengths)
    shared &= np.arange(len(lengths)) < losses
    shared[k] = True
    return shared


def _switching(
    system: DiracSystem, near: Crossing, y: Array, regime: Regime, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which sites are tied on surface k, and which of them have the other branch beyond it: booleans, (m,) each.

    Sites that share the surface all switch, but for a sort's: what one of them compares hangs on the branches of those
    before. Where several are tied, a point beyond tells.
    """
    losses = len(regime.modes) - face_count(system)
    shared, lengths = _shared(near, y, k, losses), np.linalg.norm(np.asarray(near.normals), axis=1)
    tied = shared | _level(system, near, y, regime, (_LEVEL, _TIED))
    if np.sum(tied) == 1 or lengths[k] == 0:
        return shared, shared
    modes = np.asarray(regime.modes)
    across = np.asarray(near.normals)[k] * modes[k] / lengths[k]
    beyond = np.asarray(natural(system, np.asarray(y) - _BEYOND * size_of(system, y) * across)[0])
    flips = np.where(np.isnan(beyond), shared, tied & (beyond * modes < 0))
    return tied, flips if np.any(flips) else shared
