"""The variational equation of the flow, in the state and in the parameters, through its switchings.

Between switchings the derivative of the motion solves the variational equation M' = F'(z) M, in one compiled loop with
the motion itself (Dormand and Prince's pair of order 8); where the motion switches it jumps, by the saltation matrix
I + (f+ - f-) n^T/(n . f-) with n the normal of the surface that is met. A neighbour in a number p is one in the state
(z, p) whose p stands still.

References:
    Leine & Nijmeijer 2004, Dynamics and Bifurcations of Non-Smooth Mechanical Systems, chapter 7 (saltation matrices).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from ...dynamics import filippov, switchings
from ...dynamics.compiled_loops import flow_loop, follow
from ...dynamics.engines import TimeSpan
from ...dynamics.event_loop import attempt, event_loop
from ...dynamics.filippov import DiracSystem, Regime, flow_by, frozen_velocity
from ...game import Players
from ...tracing.host import at_once
from ..decision_thresholds import T

_STEPS = 20_000  # on one smooth piece, after which it is given up
_SAFETY, _POWER, _FACTORS = 0.9, 1.0 / 8.0, (0.2, 5.0)  # of the step control of a method of order 8 (7)
_REFUSED = 0.1  # of a step whose error has no value
_SHORTEST = 1e-15  # of the span
_NO_NUMBERS = np.zeros(0)


class Switching(NamedTuple):
    """Where a motion passes from one regime into the next.

    Attributes:
        time: since the motion's start.
        state: there, (n,).
        guard: which guard of the old regime has fallen.
        before: the old regime; ``after`` the new one.
        met: what happened: crossing, slide, leave.
    """

    time: float
    state: np.ndarray
    guard: int
    before: Regime
    after: Regime
    met: tuple[str, ...]


class Carried(NamedTuple):
    """Where a motion ends, and how its neighbours got there.

    Attributes:
        end: the state, (n,).
        by_state: its derivative by the start, (n, n).
        by_numbers: its derivative by the numbers, (n, P).
        velocity: of the motion at its end, (n,).
        regime: its last one; None of a smooth field.
        switchings: on the way.
    """

    end: np.ndarray
    by_state: np.ndarray
    by_numbers: np.ndarray
    velocity: np.ndarray
    regime: Regime | None
    switchings: tuple[Switching, ...]

    @property
    def met(self) -> tuple[str, ...]:
        """What happened on the way: crossing, slide, leave."""
        return tuple(what for s in self.switchings for what in s.met)


def _always(system: DiracSystem, numbers: Array) -> DiracSystem:
    return system


def system_alone(system: DiracSystem) -> Partial:
    """A system in which no parameter varies, for :func:`carry`."""
    return Partial(_always, system)


def carry(
    system_at: Partial, z: np.ndarray, span: float, numbers: np.ndarray = _NO_NUMBERS
) -> Carried | None:
    """Follow the motion from ``z`` for ``span`` with all its neighbours; None where it does not get there smoothly.

    Args:
        system_at: numbers, (P,) -> the system; traced.
        z: the start, (n,).
        span: how long, >= 0.
        numbers: what varies, (P,).
    """
    n = len(z)
    ways = np.eye(n, n + len(numbers))
    if not filippov.surface_count(system_at(numbers)):
        done, state = _smooth(system_at, numbers, None, np.column_stack([z, ways]), span)
        return _arrived(system_at, numbers, None, state, ()) if done else None
    system = system_at(numbers)
    regime, t = switchings.start(system, z), 0.0
    met_surfaces: tuple[Switching, ...] = ()
    atol = T.variational[1] * max(float(np.max(np.abs(z))), T.tiny)
    for _ in range(T.switchings):
        part = event_loop(system, regime, z, TimeSpan(t, span, np.array([span]), T.variational[0], atol))
        if part.failure or part.guard == filippov.guard_count(regime) - 1:
            return None
        done, state = _smooth(system_at, numbers, regime, np.column_stack([z, ways]), part.t - t)
        if not done:
            return None
        if part.guard is None:
            return _arrived(system_at, numbers, regime, state, met_surfaces)
        after, happened = switchings.settle(system, part.y, regime, part.guard)
        if "rest" in happened:
            return None
        jumped = _saltation(system_at, numbers, part.y, (regime, after), part.guard, state[:, 1:])
        if jumped is None:
            return None
        met_surfaces += (Switching(part.t, part.y, part.guard, regime, after, tuple(happened)),)
        z, ways, t, regime = part.y, jumped, part.t, after
    return None


def carry_within(
    system_at: Partial, regime: Regime, z: np.ndarray, span: float, numbers: np.ndarray
) -> Carried | None:
    """Follow the field of one regime, also beyond its surfaces, with all neighbours; for a span < 0 back in time.

    Args:
        system_at: numbers, (P,) -> the system; traced.
        regime: the branches that are held.
        z: the start, (n,).
        span: how long.
        numbers: what varies, (P,).
    """
    way = system_at if span >= 0 else Partial(_reversed, system_at)
    start = np.column_stack([z, np.eye(len(z), len(z) + len(numbers))])
    done, state = _smooth(way, numbers, regime, start, abs(span))
    return _arrived(system_at, numbers, regime, state, ()) if done else None


def _reversed(system_at: Partial, numbers: Array) -> DiracSystem:
    system = system_at(numbers)
    return system._replace(rates=Players(*(-rate for rate in system.rates)))


def _arrived(
    system_at: Partial,
    numbers: np.ndarray,
    regime: Regime | None,
    state: np.ndarray,
    switchings: tuple[Switching, ...],
) -> Carried:
    n = len(state)
    velocity = np.asarray(_velocity(system_at, numbers, regime, state[:, 0]))
    return Carried(state[:, 0], state[:, 1 : n + 1], state[:, n + 1 :], velocity, regime, switchings)


def _smooth(
    system_at: Partial, numbers: np.ndarray, regime: Regime | None, state: np.ndarray, span: float
) -> tuple[bool, np.ndarray]:
    """Whether the end of a smooth piece was reached, and the motion and its neighbours there, (n, 1 + m)."""
    if span <= 0:
        return True, state
    if not len(numbers):
        system = system_at(numbers)
        loop = flow_loop(system, regime, len(state), state.shape[1] - 1)
        tolerances = T.variational[0], T.tiny
        ended = loop and follow(loop, state.T.ravel(), (0.0, span), np.zeros(0), tolerances, _STEPS)
        if ended:
            return ended[0].t >= span, ended[0].y.reshape(state.T.shape).T
    done, end = _integrated(system_at, numbers, regime, state, span)
    return bool(done), np.asarray(end)


def _saltation(
    system_at: Partial,
    numbers: np.ndarray,
    y: np.ndarray,
    regimes: tuple[Regime, Regime],
    guard: int,
    ways: np.ndarray,
) -> np.ndarray | None:
    """The neighbours after a switching: they meet the surface a little earlier or later."""
    old, new = (np.asarray(_velocity(system_at, numbers, r, y)) for r in regimes)
    if np.linalg.norm(new - old) <= T.continuous * np.linalg.norm(old):
        return ways
    by_state, by_numbers = (np.asarray(g)[guard] for g in _normals(system_at, numbers, regimes[0], y))
    speed = float(by_state @ old)
    if not abs(speed) > T.grazing * np.linalg.norm(by_state) * np.linalg.norm(old):
        return None
    met = by_state @ ways + np.append(np.zeros(len(y)), by_numbers)
    return ways + np.outer(new - old, met) / speed


def _velocity_by(
    flow: Callable[..., Array],
    velocity: Callable[..., Array],
    system_at: Partial,
    numbers: Array,
    regime: Regime | None,
    y: Array,
) -> Array:
    system = system_at(numbers)
    return velocity(system, y) if regime is None else flow(system, y, regime)


@at_once(partial(_velocity_by, partial(flow_by, frozen_velocity), frozen_velocity))
def _velocity(system_at: Partial, numbers: Array, regime: Regime | None, y: Array) -> Array:
    return _velocity_by(filippov.flow_in, filippov.velocity, system_at, numbers, regime, y)


@jax.jit
def _normals(system_at: Partial, numbers: Array, regime: Regime, y: Array) -> tuple[Array, Array]:
    """How the guards change with the state and with the numbers."""
    return jax.jacfwd(lambda y, p: filippov.guards(system_at(p), y, regime), (0, 1))(y, numbers)


@jax.jit
def _integrated(
    system_at: Partial, numbers: Array, regime: Regime | None, start: Array, span: Array
) -> tuple[Array, Array]:
    """One smooth piece: y' = F(y, p), w' = F_y w + F_p for every neighbour w, the columns after the first."""
    n, count = start.shape[0], start.shape[1] - 1
    turns = jnp.eye(count)[:, n:]

    def rates(state: Array) -> Array:
        v, push = jax.linearize(lambda y, p: _velocity(system_at, p, regime, y), state[:, 0], numbers)
        return jnp.column_stack([v, jax.vmap(push)(state[:, 1:].T, turns).T])

    def size(error: Array, state: Array) -> Array:
        """Of the largest error, of the motion and of its neighbours, each in units of what is allowed."""
        off, big = jnp.max(jnp.abs(error), axis=0), jnp.max(jnp.abs(state), axis=0)
        motion = off[0] / (T.variational[0] * big[0] + T.tiny)
        others = jnp.max(off[1:], initial=0.0) / (10 * T.variational[0] * jnp.max(big[1:], initial=T.tiny))
        return jnp.maximum(motion, others)

    def body(now: tuple[Array, ...]) -> tuple[Array, ...]:
        t, state, h, steps = now
        last = h >= span - t
        length = jnp.where(last, span - t, h)
        new, error, _ = attempt(rates, state, length)
        off = size(error, jnp.maximum(jnp.abs(state), jnp.abs(new)))
        good = off <= 1.0
        factor = jnp.where(jnp.isfinite(off), jnp.clip(_SAFETY * off**-_POWER, *_FACTORS), _REFUSED)
        t = jnp.where(good, jnp.where(last, span, t + length), t)
        return t, jnp.where(good, new, state), length * factor, steps + 1

    def unfinished(now: tuple[Array, ...]) -> Array:
        t, _, h, steps = now
        return (t < span) & (steps < _STEPS) & (h > _SHORTEST * span)

    t, state, _, _ = jax.lax.while_loop(
        unfinished, body, (jnp.zeros(()), start, span / 32, jnp.zeros((), int))
    )
    return t >= span, state
