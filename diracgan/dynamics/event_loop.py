"""One regime integrated in a single compiled loop that hits every row and every guard exactly.

Dormand and Prince's pair of order 8, as diffrax tabulates it. A general solver interpolates and compiles for seconds;
the analyses follow thousands of short or very long stretches, for which this loop compiles in a fraction of that and
finds the end of a regime by shortening its last step, so that nothing is interpolated. A step within which a guard
dips below 0 and comes back is taken again, up to the dip.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..tracing import c_compiler
from ..tracing.host import by_program
from . import dopri8
from .compiled_loops import LoopEnd, flow_loop, follow
from .engines import RegimeSegment, TimeSpan
from .filippov import (
    DiracSystem,
    Regime,
    Velocity,
    every_branch,
    flow_in,
    frozen_velocity,
    guard_count,
    guards,
    hermite_minimum,
    lost,
    watch,
)
from .motion_result import MotionResult
from .one_kernel import one_kernel

_CHUNK = 20_000  # steps of one compiled call at most
_ROWS = 1024  # lengths of rows are multiples of it
_RUNNING, _DONE, _EVENT, _STIFF = 0, 1, 2, 3
_HALVINGS = 60
# steps of compiled C in the time of one here where a field switches: of d = 5, in a slide, 190 us beside 2
_AS_LONG = 100
_SHORTEST = 1e-300  # of a first step


def event_loop(system: DiracSystem, regime: Regime, y0: np.ndarray, span: TimeSpan) -> RegimeSegment:
    """Integrate one regime until its end; an engine like those of :mod:`diracgan.dynamics.engines`.

    In compiled C where there is a compiler; else XLA's loop comes back after every 20000 steps, so that an interrupt
    is heard. Beside a compiler that loop has what is too long for one, and each of its steps counts as many.
    """
    # a slide beside what has no value beyond its surface needs every branch, for which steps alone have a way out
    for velocity in (frozen_velocity, every_branch)[: 1 + bool(regime.sliding)]:
        segment = _by_compiled_c(system, regime, y0, span, velocity)
        if segment is not None:
            return segment
    rows = np.pad(span.ts, (0, -len(span.ts) % _ROWS), constant_values=np.inf)  # programs for few lengths
    t, t1, rtol, atol = (np.float64(x) for x in (span.t, span.t1, span.rtol, span.atol))
    now, ys = _start(t, np.asarray(y0, float), guard_count(regime)), np.full((len(rows), len(y0)), np.nan)
    too_long = c_compiler.available() and len(regime.modes) and flow_loop(system, regime, len(y0)) is None
    each = _AS_LONG if too_long else 1
    most = -(-span.steps // each)
    while int(now.status) == _RUNNING and int(now.steps) < most:
        until = np.int64(min(int(now.steps) + _CHUNK, most))
        now, ys = _advance(system, regime, TimeSpan(t, t1, rows, rtol, atol, until), now, ys)
    segment = _segment(span, *jax.device_get((now, ys)))
    return segment._replace(steps=each * segment.steps)


def _by_compiled_c(
    system: DiracSystem, regime: Regime, y0: np.ndarray, span: TimeSpan, velocity: Velocity
) -> RegimeSegment | None:
    """The regime in compiled C; None where there is none, or where the velocity loses its value."""
    loop = flow_loop(system, regime, len(y0), velocity=velocity)
    if loop is None:
        return None
    shared, enough = (None, 0) if span.shared is None else (span.shared, max(0, span.switchings - 1))
    ended = follow(loop, y0, (span.t, span.t1), span.ts, (span.rtol, span.atol), span.steps, shared, enough)
    if ended is None:
        return _without_a_value(system, regime, y0, span)
    now, m, segment = ended[0], len(regime.modes), _segment(span, *ended)
    if regime.sliding:  # nothing is crossed on the way
        return segment
    modes, slack = np.split(now.parameters[len(now.parameters) - 2 * m :], 2)
    return segment._replace(crossings=now.crossings, regime=regime._replace(modes=modes, slack=slack))


def _without_a_value(
    system: DiracSystem, regime: Regime, y0: np.ndarray, span: TimeSpan
) -> RegimeSegment | None:
    """The end of a slide that cannot begin, as its surfaces coincide; None for any other regime."""
    if not regime.sliding or not np.any(np.isnan(flow_in(system, y0, regime))) or lost(system, y0, regime):
        return None
    return RegimeSegment(np.full((len(span.ts), len(y0)), np.nan), span.t, y0, None, MotionResult.STIFF, 0)


def _segment(span: TimeSpan, now: LoopState | LoopEnd, ys: np.ndarray) -> RegimeSegment:
    failure = {_RUNNING: MotionResult.MAX_STEPS, _STIFF: MotionResult.STIFF}.get(int(now.status), "")
    guard = int(now.guard) if now.status == _EVENT else None
    ys = ys[np.searchsorted(span.ts, span.ts)]  # a time that is asked for twice is reached once
    return RegimeSegment(ys, float(now.t), np.asarray(now.y), guard, failure, int(now.steps))


class LoopState(NamedTuple):
    """Where the loop is; ``low`` and ``high`` enclose the share of a step after which a guard has fallen."""

    t: Array
    y: Array
    h: Array
    steps: Array
    status: Array
    guard: Array
    low: Array
    high: Array
    halvings: Array
    before: tuple[Array, Array]


def _seen(system: DiracSystem, y: Array, regime: Regime) -> tuple[Array, Array]:
    if regime.modes.shape[0]:
        return watch(system, y, regime)
    values = guards(system, y, regime)
    return values, jnp.zeros_like(values)


def _rates(system: DiracSystem, y: Array, regime: Regime) -> Array:
    """dy/dt; where nothing switches, a mean over noise in one go over all its nodes."""
    return flow_in(system, y, regime) if regime.modes.shape[0] else by_program(frozen_velocity, system, y)


def _start(t: Any, y: Any, count: int) -> LoopState:
    """Before a first try of length 0, which sees the guards at the start and finds a length for the next."""
    none: Any = np.zeros(count)
    zero: Any = np.float64(0.0)
    first: Any = np.int64(0)
    running: Any = np.int64(_RUNNING)
    return LoopState(t, y, zero, first, running, first, zero, zero, first, (none, none))


def attempt(rates: Callable[[Array], Array], y: Array, h: Array) -> tuple[Array, Array, Array]:
    """One step of Dormand and Prince's pair on an array: the new one, its error, and the velocity at the old one."""
    lower, weights, error_weights = map(jnp.asarray, (dopri8.LOWER, dopri8.STEP, dopri8.ERROR))

    def stage(i: Array, slopes: Array) -> Array:
        return slopes.at[i].set(rates(y + h * jnp.tensordot(lower[i], slopes, 1)))

    slopes = jax.lax.fori_loop(0, len(weights), stage, jnp.zeros((len(weights), *y.shape)))
    error = h * jnp.tensordot(error_weights, slopes, 1)
    return y + h * jnp.tensordot(weights, slopes, 1), error, slopes[0]


@jax.jit
def _advance(
    system: DiracSystem, regime: Regime, span: TimeSpan, start: LoopState, rows: Array
) -> tuple[LoopState, Array]:
    t1, ts, rtol, atol = span.t1, span.ts, span.rtol, span.atol

    def tried(carry: LoopState, target: Array) -> LoopState:
        t, y, h, steps, _, guard, low, high, halvings, before = carry
        begins = h == 0.0
        # once a guard has fallen within a step, its end is halved in, and the last try is taken
        seeking, last = halvings > 0, halvings == _HALVINGS
        lands = ~seeking & (h >= target - t)
        length = jnp.where(
            seeking, jnp.where(last, high, 0.5 * (low + high)), jnp.where(lands, target - t, h)
        )
        new, error, slope = attempt(lambda y: _rates(system, y, regime), y, length)
        size = jnp.max(jnp.abs(error) / (atol + rtol * jnp.maximum(jnp.abs(y), jnp.abs(new))))
        finite = jnp.isfinite(size)
        good = seeking | (finite & (size <= 1.0))
        values, _ = after = _seen(system, new, regime)
        # where a branch has lost its value, as log(s) does beyond its surface, nothing has been met
        fallen = good & finite & ~begins & (jnp.min(values) < 0)
        lowest, shares = hermite_minimum(before, after, length)
        deepest = jnp.argmin(lowest)
        dips = good & ~seeking & ~fallen & (lowest[deepest] < 0) & (length > 1e-10 * jnp.abs(t))
        moves = last | (good & ~fallen & ~seeking & ~dips)
        low = jnp.where(seeking & ~fallen, length, jnp.where(seeking, low, 0.0))
        high = jnp.where(fallen, length, high)
        halvings = jnp.where(seeking | fallen, halvings + 1, 0)

        factor = jnp.where(finite, jnp.clip(0.9 * size ** (-1.0 / 8.0), 0.2, 5.0), 0.1)
        grown = jnp.where(lands & good, jnp.maximum(h, length * factor), length * factor)
        grown = jnp.where(dips, jnp.clip(shares[deepest], 0.05, 0.95) * length, grown)
        # beside what the tolerances count as large
        first = 0.01 * (jnp.linalg.norm(y) + atol / rtol) / (jnp.linalg.norm(slope) + 1e-300)
        # where squares overflow, 0 would begin for ever
        grown = jnp.where(begins, jnp.where(first >= _SHORTEST, first, _SHORTEST), grown)
        moved_t = jnp.where(moves, jnp.where(lands, target, t + length), t)
        tiny = ~good & (length <= jnp.maximum(1e-15 * jnp.abs(t), _SHORTEST))  # in any unit of time
        ended = jnp.where(moved_t >= t1, _DONE, _RUNNING)
        status = jnp.where(last, _EVENT, jnp.where(tiny, _STIFF, jnp.where(moves, ended, _RUNNING)))
        guard = jnp.where(last, jnp.argmin(values), guard)
        before = (jnp.where(moves, after[0], before[0]), jnp.where(moves, after[1], before[1]))
        y = jnp.where(moves, new, y)
        return LoopState(moved_t, y, grown, steps + ~begins, status, guard, low, high, halvings, before)

    step = one_kernel(tried)

    def body(carry: tuple[LoopState, Array, Array]) -> tuple[LoopState, Array, Array]:
        now, k, ys = carry
        row = jnp.minimum(k, len(ts) - 1)
        now = step(now, jnp.where(k < len(ts), jnp.minimum(ts[row], t1), t1))
        reached = (k < len(ts)) & (now.t >= ts[row])
        ys = ys.at[row].set(jnp.where(reached, now.y, ys[row]))
        return now, k + reached, ys

    def goes_on(carry: tuple[LoopState, Array, Array]) -> Array:
        now = carry[0]
        return (now.status == _RUNNING) & (now.steps < span.steps)

    first = jnp.searchsorted(ts, start.t, side="right")
    now, _, ys = jax.lax.while_loop(goes_on, body, (start, first, rows))
    return now, ys
