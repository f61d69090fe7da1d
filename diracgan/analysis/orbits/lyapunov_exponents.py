"""Lyapunov exponents along an orbit: of maps also as multipliers over its mean period."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np
from jax import Array

from ...dynamics.filippov import DiracSystem
from ...numerics.lyapunov import Exponents, exponents, stretching
from ...rules import Rule
from ..dynamical_system import DiscreteSystem, DynamicalSystem, map_change
from ..verdict.thresholds import T
from .orbit import by_modulus


def lyapunov_multipliers(
    motion: DynamicalSystem, state: Any, period: float, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Moduli of the multipliers over ``period`` iterations of a map on an invariant set, by QR along the orbit.

    Args:
        motion: the iterations.
        state: a state on the set.
        period: over which the multipliers count.
        iterations: applications of the motion's whole change.

    Returns:
        The multipliers by decreasing modulus, and how far each may be off: what the two halves of the orbit differ by.
    """
    flat = motion.flat(state)
    frame = np.eye(len(flat))
    logs = np.zeros((iterations, len(flat)))
    for k in range(iterations):
        jacobian = np.eye(len(flat)) + motion.jacobian(flat)
        flat = flat + motion.change(flat)
        frame, upper = np.linalg.qr(jacobian @ frame)
        logs[k] = np.log(np.maximum(np.abs(np.diag(upper)), T.tiny))
    late = logs[iterations // 5 :]  # the frame has turned into the orbit's own directions
    applications = period / motion.period

    def multipliers(part: np.ndarray) -> np.ndarray:
        weights = np.sin(np.pi * (np.arange(len(part)) + 0.5) / len(part)) ** 2
        with np.errstate(over="ignore"):
            return by_modulus(np.exp(weights @ part / weights.sum() * applications).astype(complex))

    halves = [multipliers(part) for part in np.array_split(late, 2)]
    return multipliers(late), np.abs(halves[0] - halves[1])


def exponents_along(motion: DiscreteSystem, state: Any, applications: int, rows: int = 2000) -> Exponents:
    """Lyapunov exponents per iteration along the orbit of a state, on everything that the rule remembers.

    Args:
        motion: the iterations.
        state: where it begins; the first fifth is left out.
        applications: of the motion's whole change.
        rows: pieces of the orbit that are kept.
    """
    with jax.enable_x64(True):
        flat, kept = motion.flat(state), max(1, applications // rows)
        logs = np.asarray(_map_logs(motion.system, motion.long_run, flat, rows, kept))
    found = exponents(logs / motion.period)
    return found if np.all(np.isfinite(logs)) else Exponents(np.full_like(found.values, np.nan), found.errors)


@functools.partial(jax.jit, static_argnums=3)
def _map_logs(system: DiracSystem, rule: Rule, flat: Array, rows: int, kept: Array) -> Array:
    return stretching(lambda z: z + map_change(system, rule, z), flat, rows, kept)[1]
