"""Lyapunov exponents along an orbit of a map, as multipliers over its mean period."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dynamical_system import DynamicalSystem
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
        logs[k] = np.log(np.maximum(np.abs(np.diag(upper)), 1e-300))
    late = logs[iterations // 5 :]  # the frame has turned into the orbit's own directions
    applications = period / motion.period

    def multipliers(part: np.ndarray) -> np.ndarray:
        weights = np.sin(np.pi * (np.arange(len(part)) + 0.5) / len(part)) ** 2
        with np.errstate(over="ignore"):
            return by_modulus(np.exp(weights @ part / weights.sum() * applications).astype(complex))

    halves = [multipliers(part) for part in np.array_split(late, 2)]
    return multipliers(late), np.abs(halves[0] - halves[1])
