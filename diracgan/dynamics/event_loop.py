"""The long run: one regime integrated in a single compiled loop that hits every row and every guard exactly.

Dormand and Prince's pair of order 8, as diffrax tabulates it. A general solver interpolates and compiles for seconds;
the analyses follow thousands of short or very long stretches, for which this loop compiles in a fraction of that and
finds the end of a regime by shortening its last step, so that nothing is interpolated. A step within which a guard
dips below 0 and comes back is taken again, up to the dip.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .engines import RegimeSegment, TimeSpan
from .filippov import DiracSystem, Regime, flow_in, guards, hermite_minimum, watch

_CHUNK = 20_000  # steps of one compiled call
_RUNNING, _DONE, _EVENT, _STIFF = 0, 1, 2, 3
_HALVINGS = 60


@functools.cache
def tableau() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients of the stages, (14, 14), of the step and of its error, (14,)."""
    from diffrax import Dopri8

    table = Dopri8.tableau
    rows = [np.zeros(0), *(np.asarray(row) for row in table.a_lower)]
    size = len(table.b_sol)
    lower = np.stack([np.pad(row, (0, size - len(row))) for row in rows])
    return lower, np.asarray(table.b_sol), np.asarray(table.b_error)


def event_loop(system: DiracSystem, regime: Regime, y0: np.ndarray, span: TimeSpan) -> RegimeSegment:
    """Integrate one regime until its end; an engine like those of :mod:`diracgan.dynamics.engines`.

    The compiled loop comes back after every 20000 steps, so that an interrupt is heard.
    """
    carry = _begin(system, regime, y0, span)
    while int(carry.status) == _RUNNING and int(carry.steps) < span.steps:
        carry = _advance(tableau(), system, regime, span, carry)
    status = int(carry.status)
    failure = {_RUNNING: "max steps", _STIFF: "stiff"}.get(status, "")
    guard = int(carry.guard) if status == _EVENT else None
    return RegimeSegment(
        np.asarray(carry.ys), float(carry.t), np.asarray(carry.y), guard, failure, int(carry.steps)
    )


class LoopState(NamedTuple):
    """Where the loop is; ``low`` and ``high`` enclose the share of a step after which a guard has fallen."""

    t: Array
    y: Array
    h: Array
    steps: Array
    status: Array
    guard: Array
    ys: Array
    low: Array
    high: Array
    halvings: Array
    before: tuple[Array, Array]


def _seen(system: DiracSystem, y: Array, regime: Regime) -> tuple[Array, Array]:
    if regime.modes.shape[0]:
        return watch(system, y, regime)
    values = guards(system, y, regime)
    return values, jnp.zeros_like(values)


@jax.jit
def _begin(system: DiracSystem, regime: Regime, y0: Array, span: TimeSpan) -> LoopState:
    speed = jnp.linalg.norm(flow_in(system, y0, regime))
    first = 0.01 * (jnp.linalg.norm(y0) + 1e-6) / (speed + 1e-300)
    ys = jnp.full((len(span.ts), len(y0)), jnp.nan)
    h, before = jnp.minimum(first, span.t1 - span.t), _seen(system, y0, regime)
    start = LoopState(span.t, y0, h, 0, _RUNNING, 0, ys, 0.0, 0.0, 0, before)  # pyright: ignore[reportArgumentType]
    return jax.tree.map(jnp.asarray, start)


@jax.jit
def _advance(
    table: tuple[Array, Array, Array], system: DiracSystem, regime: Regime, span: TimeSpan, start: LoopState
) -> LoopState:
    lower, weights, error_weights = table
    t1, ts, rtol, atol = span.t1, span.ts, span.rtol, span.atol

    def attempt(y: Array, h: Array) -> tuple[Array, Array]:
        def stage(i: Array, slopes: Array) -> Array:
            return slopes.at[i].set(flow_in(system, y + h * (lower[i] @ slopes), regime))

        slopes = jax.lax.fori_loop(0, len(weights), stage, jnp.zeros((len(weights), len(y))))
        return y + h * (weights @ slopes), h * (error_weights @ slopes)

    def body(carry: LoopState) -> LoopState:
        t, y, h, steps, _, guard, ys, low, high, halvings, before = carry
        k = jnp.searchsorted(ts, t, side="right")
        target = jnp.where(k < len(ts), jnp.minimum(ts[jnp.minimum(k, len(ts) - 1)], t1), t1)
        # once a guard has fallen within a step, its end is halved in, and the last try is taken
        seeking, last = halvings > 0, halvings == _HALVINGS
        lands = ~seeking & (h >= target - t)
        length = jnp.where(
            seeking, jnp.where(last, high, 0.5 * (low + high)), jnp.where(lands, target - t, h)
        )
        new, error = attempt(y, length)
        size = jnp.max(jnp.abs(error) / (atol + rtol * jnp.maximum(jnp.abs(y), jnp.abs(new))))
        good = seeking | (jnp.isfinite(size) & (size <= 1.0))
        after = _seen(system, new, regime)
        values = after[0]
        fallen = good & (jnp.min(values) < 0)
        lowest, shares = hermite_minimum(before, after, length)
        deepest = jnp.argmin(lowest)
        dips = good & ~seeking & ~fallen & (lowest[deepest] < 0) & (length > 1e-10 * (1.0 + jnp.abs(t)))
        moves = last | (good & ~fallen & ~seeking & ~dips)
        low = jnp.where(seeking & ~fallen, length, jnp.where(seeking, low, 0.0))
        high = jnp.where(fallen, length, high)
        halvings = jnp.where(seeking | fallen, halvings + 1, 0)

        factor = jnp.where(jnp.isfinite(size), jnp.clip(0.9 * size ** (-1.0 / 8.0), 0.2, 5.0), 0.1)
        grown = jnp.where(lands & good, jnp.maximum(h, length * factor), length * factor)
        grown = jnp.where(dips, jnp.clip(shares[deepest], 0.05, 0.95) * length, grown)
        moved_t = jnp.where(moves, jnp.where(lands, target, t + length), t)
        ys = jnp.where((moves & (ts > t) & (ts <= moved_t))[:, None], new, ys)
        tiny = ~good & (length <= 1e-15 * (1.0 + jnp.abs(t)))
        ended = jnp.where(moved_t >= t1, _DONE, _RUNNING)
        status = jnp.where(last, _EVENT, jnp.where(tiny, _STIFF, jnp.where(moves, ended, _RUNNING)))
        guard = jnp.where(last, jnp.argmin(values), guard)
        before = tuple(jnp.where(moves, a, b) for a, b in zip(after, before, strict=True))
        y = jnp.where(moves, new, y)
        return LoopState(moved_t, y, grown, steps + 1, status, guard, ys, low, high, halvings, before)

    def goes_on(carry: LoopState) -> Array:
        return (carry.status == _RUNNING) & (carry.steps < start.steps + _CHUNK)

    return jax.lax.while_loop(goes_on, body, start)
