"""Cycles of a rule's map: fixed points of its return to the section, with the multipliers of one rotation."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...game import Players
from ...pytrees import Pytree
from ..decision_thresholds import T
from ..linear.decision import decide_matrices, status_of
from ..linear.status import STATUSES, Status
from ..orbits.orbit import by_modulus
from .rotation import (
    FAR,
    RADII,
    SHORT,
    SlowSystem,
    drifts,
    extent,
    free_drifts,
    free_vector,
    from_vector,
    return_map,
    rotation_limit,
)

_NEWTON, _FOLLOWED = 8, 8  # iterations; rotations by which the amplitude is known
_LEAST_FOLLOWED = 4000  # iterations
_NEAR, _NEARER = 1.05, 1.001  # ratio of two radii between which Newton's method starts
_RESIDUAL = 1e-8  # of the radius
_AGREES = 0.02  # periods of the fixed point and of the map followed from there
_MARGIN = 1e-4  # of a multiplier from 1: what the interpolation of the return leaves open


@dataclasses.dataclass(frozen=True)
class Cycle:
    """A cycle on which a rule's map turns.

    Attributes:
        radius: |theta - x0| where phi = 0, in steps of the generator.
        amplitude: largest |phi|.
        amplitude_theta: largest |theta - x0|.
        period: iterations of one rotation, a fraction included.
        stable: whether it attracts; None where a multiplier is too close to the unit circle.
        multipliers: of one rotation on the section, by decreasing modulus, (n,) complex; empty where a kink of the
            loss lies on the cycle, or the memory lasts a few steps: the return then has no derivative.
        relaxation: iterations in which a small distance from it shrinks (or grows) by e; None where unknown.
        residual: what a rotation changes there, of the radius.
    """

    radius: float
    amplitude: float
    amplitude_theta: float
    period: float
    stable: bool | None
    multipliers: np.ndarray
    relaxation: float | None
    residual: float

    @property
    def words(self) -> str:
        """What it does to its neighbours."""
        return {True: "attracts", False: "repels", None: "undecided"}[self.stable]


def cycle_between(system: SlowSystem, low: float, high: float, memory: float) -> Cycle | None:
    """The cycle between two radii at which the slow field has different signs; None where none is confirmed."""
    if memory < SHORT and low > FAR:
        free = _narrowed(functools.partial(_free_look, system, memory), system, low, high, _NEARER)
        return free and _described(
            system, free.state, None, free.period, free.high / free.low - 1, free.attracts
        )
    for near in (_NEAR, _NEARER):
        bracket = _narrowed(functools.partial(_look, system, memory), system, low, high, near)
        if bracket is None:
            return None
        low, high = bracket.low, bracket.high
        vector, most = free_vector(bracket.state), jnp.asarray(rotation_limit(high))
        for _ in range(_NEWTON):
            found = return_map(system, bracket.state, vector, most)
            state = from_vector(bracket.state, vector)
            radius, change = float(system.radius(state)), np.asarray(found.change)
            residual = abs(change[0]) / (radius * float(system.sizes.theta))
            inside = low / _NEAR <= radius <= high * _NEAR
            if not (inside and np.isfinite(change).all() and np.isfinite(found.slope).all()):
                break
            if residual <= _RESIDUAL:
                return _described(system, state, np.asarray(found.slope), float(found.period), residual)
            vector = vector - jnp.asarray(np.linalg.lstsq(np.asarray(found.slope), change, rcond=None)[0])
    # a kink of the loss lies on the cycle: its return has no derivative, its drift still changes the sign
    return _described(system, bracket.state, None, bracket.period, high / low - 1.0, bracket.attracts)


class _Bracket(NamedTuple):
    low: float
    high: float
    state: tuple[Players, Pytree]
    period: float
    attracts: bool


class _Looks(NamedTuple):
    """The slow field at several radii: its rates, NaN where unknown, the rotations' periods, and what is remembered."""

    rates: np.ndarray
    periods: np.ndarray
    memories: Pytree


def _look(system: SlowSystem, memory: float, radii: np.ndarray) -> _Looks:
    """By rotations that begin with the memory of one that has lasted."""
    found = drifts(system, jnp.asarray(radii), jnp.full(len(radii), float(memory)))
    rates = np.where(found.found, found.rate, np.nan)
    return _Looks(rates, np.asarray(found.period), found.state[1])


def _free_look(system: SlowSystem, memory: float, radii: np.ndarray) -> _Looks:
    """By rotations whose radius is free, where the memory lasts a few steps."""
    rates, periods = free_drifts(system, jnp.asarray(radii), jnp.asarray(memory))
    return _Looks(np.asarray(rates), np.asarray(periods), _look(system, memory, radii).memories)


def _narrowed(
    look: Callable[[np.ndarray], _Looks], system: SlowSystem, low: float, high: float, near: float
) -> _Bracket | None:
    """The change of sign between two radii, to within a factor ``near``, and the state between them."""
    while True:
        radii = np.geomspace(low, high, RADII)
        seen = look(radii)
        turned = np.flatnonzero(seen.rates[1:] * seen.rates[:-1] < 0)
        if len(turned) == 0:
            return None
        k = int(turned[0])
        low, high = float(radii[k]), float(radii[k + 1])
        if high <= near * low:
            break
    first, second = (float(rate) for rate in seen.rates[k : k + 2])
    radius = low + (high - low) * first / (first - second)
    state = system.on_section(jnp.asarray(radius), jax.tree.map(lambda x: x[k], seen.memories))
    return _Bracket(low, high, state, float(seen.periods[k]), first > 0)


def _described(
    system: SlowSystem,
    state: tuple[Players, Pytree],
    slope: np.ndarray | None,
    period: float,
    residual: float,
    attracts: bool = False,
) -> Cycle | None:
    """The cycle through a state; None where the map followed from there does not stay on one of that period."""
    followed = max(int(_FOLLOWED * period), _LEAST_FOLLOWED)
    seen = extent(system, state, jnp.asarray(followed), jnp.asarray(0.5))
    if slope is None:
        multipliers, relaxation, stable = np.empty(0, complex), None, attracts
    else:
        decided = decide_matrices((np.eye(len(slope)) + slope)[None], discrete=True)
        multipliers = by_modulus(decided.eigenvalues[0])
        largest = float(np.abs(multipliers[0]))
        status = STATUSES[status_of(decided.margin[0], max(decided.error[0], _MARGIN))]
        stable = {Status.STABLE: True, Status.UNSTABLE: False}.get(Status(status))
        relaxation = None if stable is None else period / abs(float(np.log(max(largest, T.tiny))))
    if stable and not abs(float(seen.period) - period) <= _AGREES * period:
        return None
    return Cycle(
        radius=float(system.radius(state)),
        amplitude=float(seen.phi),
        amplitude_theta=float(seen.theta),
        period=period,
        stable=stable,
        multipliers=multipliers,
        relaxation=relaxation,
        residual=residual,
    )
