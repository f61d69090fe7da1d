"""The loop over regimes: from one smooth piece of the motion to the next, until its end or until it cannot go on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax import Array

from .. import dirac
from ..instance_noise import UNKNOWN_MEAN
from ..numerics.convex_hull import distance_to_hull
from ..numerics.float_range import LARGEST
from ..tracing.host import along
from . import filippov, switchings
from .engines import Engine, TimeSpan
from .filippov import DiracSystem, natural_velocity
from .motion_result import MotionResult

_STAYS = 1e-9  # of a motion: what moves less rests on a surface or beside it
_LOST = 1e8  # times as large as at the start: where steps that come to nothing have no future
_NO_TIME = 1e-13  # of the span, whatever its unit: a regime that ends so soon has not gone on
_BLOW_UP = 1e-7  # a state that would double within this share of its time has no future


class Integrated(NamedTuple):
    """A trajectory over its regimes: rows, where and when it ended, how, the switchings on the way, and how many of
    them the engine passed by itself."""

    ys: np.ndarray
    y: np.ndarray
    t: float
    result: MotionResult
    when: float
    text: str
    events: list[tuple[float, str]]
    steps: int
    passed: int = 0


def integrate(
    use: Engine, system: DiracSystem, y: np.ndarray, span: TimeSpan, before: float = 0.0
) -> Integrated:
    """Integrate regime after regime until the end of ``span`` or until the motion cannot go on.

    Args:
        use: an engine with its solver.
        system: what flows.
        y: the state at time 0, (n,).
        span: from 0 to its end, with the times to keep.
        before: how long the motion has lasted until then, which the times in words include.

    Returns:
        An :class:`Integrated`; rows after the end are NaN.
    """
    ts, t1 = span.ts, span.t1
    ys = np.full((len(ts), len(y)), np.nan)
    ys[ts == 0] = y
    t, steps, passed = 0.0, 0, 0
    events: list[tuple[float, str]] = []

    def ended(result: MotionResult, when: float, text: str) -> Integrated:
        return Integrated(ys, y, t, result, when, text, events, steps, passed)

    def at(time: float) -> str:
        return f"t = {before + time:.10g}"

    v = np.asarray(natural_velocity(system, y))
    if not np.all(np.isfinite(v)):
        return ended(MotionResult.STIFF, 0.0, without_a_value(system, y))
    if not np.any(v):  # also where the field jumps away on every side: to stay is a solution
        ys[:], t = y, t1
        return ended(MotionResult.OK, math.nan, "rests at an equilibrium")
    regime, size = switchings.start(system, y), switchings.size_of(system, y)
    extent = float(np.max(np.abs(y))) or size
    repeats = 0
    shared = np.zeros((len(regime.modes),) * 2, bool)
    while True:
        left = span._replace(steps=span.steps - steps, switchings=span.switchings - len(events))
        part = use(system, regime, y, left._replace(t=t, shared=shared))
        regime = regime if part.regime is None else part.regime
        events += [(float(when), "crossing") for when in part.crossings]
        passed += len(part.crossings)
        rows = (ts > t) & (ts <= part.t)
        ys[rows] = part.ys[rows]
        repeats = repeats + 1 if part.t - t <= _NO_TIME * span.t1 else 0
        t, y, steps = part.t, part.y, steps + part.steps
        if part.failure or (part.guard is not None and part.guard == filippov.guard_count(regime) - 1):
            if part.failure and rests(system, y, extent):
                ys[ts > t] = y
                return ended(MotionResult.STUCK, t, f"rests on a discontinuity since {at(t)}")
            return ended(*_failure(system, part.failure, (t, t1, at(t)), y, size))
        if part.guard is None:
            return ended(*_end(system, regime, (ts, ys), y, t, events, at))
        modes = np.asarray(regime.modes)
        at_rest = max(switchings.AT_REST, 10 * span.rtol)
        regime, happened = switchings.settle(system, y, regime, part.guard, at_rest)
        if "rest" in happened:
            y, since = switchings.inside(system, y, regime, part.guard), t
            ys[ts > t], t = y, t1
            return ended(MotionResult.OK, math.nan, f"rests at the edge of a discontinuity since {at(since)}")
        if happened == ["crossing"]:
            flipped = modes != regime.modes
            shared = np.where(flipped[:, None], flipped, shared)
        events += [(t, what) for what in happened]
        if repeats > 2 * len(regime.modes) + 4:
            text = f"the motion meets its discontinuities again and again at {at(t)} and cannot continue"
            return ended(MotionResult.STUCK, t, text)
        if len(events) >= span.switchings:
            return ended(MotionResult.MAX_STEPS, t, f"{len(events)} switchings by {at(t)}")


def without_a_value(system: DiracSystem, y: np.ndarray) -> str:
    """Why the field has no finite value at a start, in words.

    Example:
        >>> from diracgan import variant
        >>> from diracgan.game import Players
        >>> system = DiracSystem(variant("wgan"), np.zeros(1), Players(1.0, 1.0), None)
        >>> without_a_value(system, np.zeros(2))
        "the field has no finite value at the start: the critic's loss is nan there, and the generator's"
    """
    values = np.array(_losses(system, y))
    lost = ~np.isfinite(values)
    if not np.any(lost):
        return f"{_NO_VALUE}: the losses have one, but not their derivatives"
    where = f"the critic's loss is {values[0]:g} there" + (", and the generator's" if lost[1] else "")
    if not lost[0]:
        where = f"the generator's loss is {values[1]:g} there"
    if np.any(np.isinf(values)):
        return f"{_NO_VALUE}: {where}: a term of it leaves the float range, as exp does beyond 709"
    return f"{_NO_VALUE}: {where}" + (f"; {UNKNOWN_MEAN}" if "noise" in system.variant.extras else "")


_NO_VALUE = "the field has no finite value at the start"


@jax.jit
def _losses(system: DiracSystem, y: Array) -> tuple[Array, Array]:
    game, z = dirac.game(system.variant, system.x0), filippov.unpack(system, y)
    return game.critic_loss(z), game.generator_loss(z)


def _end(
    system: DiracSystem,
    regime: filippov.Regime,
    rows: tuple[np.ndarray, np.ndarray],
    y: np.ndarray,
    t: float,
    events: list[tuple[float, str]],
    at: Callable[[float], str],
) -> tuple[MotionResult, float, str]:
    if regime.sliding:
        v = np.asarray(filippov.flow_in(system, y, regime))[: 2 * system.dim]
        beside = np.asarray(filippov.velocity(system, y, regime.modes))[: 2 * system.dim]
        if np.max(np.abs(v)) <= 1e-12 * np.max(np.abs(beside)):
            since = next((when for when, what in reversed(events) if what == "slide"), 0.0)
            moved = np.abs(rows[1][(rows[0] > since) & (rows[0] < t)] - y)
            if np.max(moved, initial=0.0) > _STAYS * float(np.nanmax(np.abs(rows[1]))):
                return MotionResult.OK, math.nan, f"reached {at(t)}"  # it creeps along the surface
            return MotionResult.STUCK, since, f"rests on a discontinuity since {at(since)}"
    return MotionResult.OK, math.nan, f"reached {at(t)}"


def _failure(
    system: DiracSystem, why: str, times: tuple[float, float, str], y: np.ndarray, first: float
) -> tuple[MotionResult, float, str]:
    """What has become of a motion that an engine could not follow: ``times`` are t, t1 and t in words, ``first`` its
    size at the start.
    """
    t, t1, now = times
    if why == MotionResult.MAX_STEPS:
        return MotionResult.MAX_STEPS, t, f"gave up at {now} after too many solver steps"
    v = np.asarray(natural_velocity(system, y))
    size, speed = float(np.max(np.abs(y))), float(np.max(np.abs(v)))
    far = not np.isfinite(size + speed) or size > min(_LOST * first, LARGEST)
    if not why or far:
        return MotionResult.DIVERGED, t, f"left the float range at {now}, |z| = {size:.3g}"
    if y @ v > 0 and size <= _BLOW_UP * max(t, _NO_TIME * t1) * speed:
        return MotionResult.DIVERGED, t, f"grows without bound by {now}, |z| = {size:.3g}"
    return MotionResult.STIFF, t, f"the step size fell to rounding at {now}: the motion cannot continue"


# ---------------------------------------------------------------- rest on a discontinuity that is not a surface
# A norm in d >= 2 switches at a point, not across a surface, and so has no regimes. A motion drawn into it stays,
# by Filippov's definition, when 0 is in the convex hull of the field's limits there.

_NEAR, _NEARER, _BALANCED = 1e-6, 1e-8, 1e-3


def rests(system: DiracSystem, y: np.ndarray, size: float) -> bool:
    """Whether the field around ``y`` (n,) jumps, and pulls in all directions at once; ``size`` is the motion's.

    A jump is as large from nearer by, where a field that is merely steep is not. Steeper than can be told from a jump
    is the logistic function of phi.x0 at a large datum, and so smooth losses are asked for their operations.
    """
    if filippov.jumps_nowhere(system) or not np.all(np.isfinite(y)):
        return False
    ways = np.random.default_rng(1).normal(size=(64, len(y)))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    ways = max(size, float(np.max(np.abs(y)))) * np.concatenate([ways, -ways])
    around, nearer = (_fields(system, y + scale * ways) for scale in (_NEAR, _NEARER))
    if np.sum(np.all(np.isfinite(around), axis=1)) < len(ways) / 2:
        return False
    around, nearer = (f[np.all(np.isfinite(f), axis=1)] for f in (around, nearer))
    if not len(nearer):
        return False
    ranges = np.ptp(around, axis=0)
    jumps = ranges.max() > 0.1 * np.max(np.abs(around)) and np.ptp(nearer, axis=0).max() > 0.5 * ranges.max()
    # however large the jump in one component, none may pull to one side alone
    sides = np.all((around.min(axis=0) <= _BALANCED * ranges) & (around.max(axis=0) >= -_BALANCED * ranges))
    return bool(jumps and sides and distance_to_hull(around) <= _BALANCED * np.max(np.abs(around)))


def _fields(system: DiracSystem, points: np.ndarray) -> np.ndarray:
    found = along(natural_velocity, system, points)
    return np.asarray(_compiled_fields(system, points)) if found is None else found[0]


@jax.jit
def _compiled_fields(system: DiracSystem, points: Array) -> Array:
    return jax.vmap(lambda y: natural_velocity(system, y))(points)
