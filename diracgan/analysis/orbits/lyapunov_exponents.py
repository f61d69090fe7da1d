"""Lyapunov exponents along an orbit: of maps also as multipliers over its mean period."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ...dynamics.compiled_loops import stretching_loop
from ...dynamics.filippov import DiracSystem
from ...jax_settings import own_settings
from ...numerics.lyapunov import Exponents, exponents, stretching_from, windowed_mean
from ...pytrees import Pytree
from ...rules import Rule
from ..dynamical_system import DiscreteSystem, map_along, map_change, runge_kutta_step
from .orbit import by_modulus

_ROWS = 2000  # pieces of an orbit whose stretching is kept
_AT_ONCE = 4  # of them in one call of XLA's, after which Ctrl-C is heard


def lyapunov_multipliers(
    motion: DiscreteSystem, state: Pytree, period: float, applications: int
) -> tuple[np.ndarray, np.ndarray]:
    """Moduli of the multipliers over ``period`` iterations of a map on an invariant set, by QR along the orbit.

    Args:
        motion: the iterations.
        state: a state on the set.
        period: over which the multipliers count.
        applications: of the motion's whole change.

    Returns:
        As :func:`multipliers`.
    """
    return multipliers(_logs_along(motion, state, -(-applications // _ROWS)), period)


def multipliers(logs: np.ndarray, period: float) -> tuple[np.ndarray, np.ndarray]:
    """Moduli of the multipliers over ``period`` iterations from the stretching per iteration in each row, (rows, n).

    Returns:
        The multipliers by decreasing modulus, and how far each may be off: what the two halves of the orbit differ by.

    Example:
        >>> found, errors = multipliers(np.tile(np.log([0.5, 2.0]), (100, 1)), 3.0)
        >>> found.real.round(9).tolist(), bool(np.all(errors < 1e-9))
        ([8.0, 0.125], True)
    """
    late = logs[len(logs) // 5 :]  # the frame has turned into the orbit's own directions

    def over_a_period(part: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return by_modulus(np.exp(windowed_mean(part) * period).astype(complex))

    halves = [over_a_period(part) for part in np.array_split(late, 2)]
    return over_a_period(late), np.abs(halves[0] - halves[1])


def exponents_along(motion: DiscreteSystem, state: Pytree, applications: int) -> Exponents:
    """Lyapunov exponents per iteration along the orbit of a state, on everything that the rule remembers.

    Args:
        motion: the iterations.
        state: where it begins; the first fifth is left out.
        applications: of the motion's whole change.

    Returns:
        The exponents; not a number where the orbit leaves what numbers hold.
    """
    kept = -(-applications // _ROWS)
    return exponents(_logs_along(motion, state, kept), length=_ROWS * kept * motion.period)


def exponents_of_flow(system: DiracSystem, start: np.ndarray, steps: int, h: float) -> Exponents:
    """Lyapunov exponents per unit of time along a smooth flow, by Runge-Kutta steps of size ``h``.

    Args:
        system: whose field has a derivative wherever the motion goes.
        start: where it begins, (2d,); the first fifth is left out.
        steps: how many.
        h: their size.

    Returns:
        The exponents; not a number where the motion leaves what numbers hold.
    """
    kept = -(-steps // _ROWS)
    with own_settings(True):
        logs = _in_parts(functools.partial(_flow_part, system, h), start, kept)
    return exponents(logs / h, length=_ROWS * kept * h)


def _logs_along(motion: DiscreteSystem, state: Pytree, kept: int) -> np.ndarray:
    """The stretching per iteration, (rows, n): always as many rows of ``kept`` applications, so compiled once."""
    with own_settings(True):
        map_, flat = (motion.system, motion.long_run), motion.flat(state)
        logs = stretching_loop(map_along, map_, flat, _ROWS, kept)
        logs = _in_parts(functools.partial(_map_part, *map_), flat, kept) if logs is None else logs
    return logs / motion.period


Place = tuple[Array, Array]  # a state and the frame there


def _in_parts(part: Callable[[Place, int], tuple[Place, Array]], start: ArrayLike, kept: int) -> np.ndarray:
    """The rows of an orbit, (rows, n), from as many calls of one program as they take."""
    place, found = (jnp.asarray(start), jnp.eye(np.size(start))), []
    for _ in range(_ROWS // _AT_ONCE):
        place, logs = part(place, kept)
        found.append(np.asarray(logs))
    return np.concatenate(found)


@jax.jit
def _map_part(system: DiracSystem, rule: Rule, place: Place, kept: Array) -> tuple[Place, Array]:
    return stretching_from(lambda z: z + map_change(system, rule, z), place, _AT_ONCE, kept)


@jax.jit
def _flow_part(system: DiracSystem, h: Array, place: Place, kept: Array) -> tuple[Place, Array]:
    return stretching_from(lambda z: runge_kutta_step(system, z, h), place, _AT_ONCE, kept)
