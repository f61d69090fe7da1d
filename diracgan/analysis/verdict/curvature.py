"""What a motion's change near (0, x0) has beside its linear part, and of which degree that is."""

from __future__ import annotations

import numpy as np

from ..decision_thresholds import T
from ..dynamical_system import DynamicalSystem

_DIRECTIONS = 6


def directions(n: int, *given: np.ndarray) -> np.ndarray:
    """Unit vectors along those that are given, (n,), and in a few directions that no symmetry singles out."""
    ways = np.array([*given, *np.random.default_rng(7).normal(size=(_DIRECTIONS, n))])
    return ways / np.linalg.norm(ways, axis=1, keepdims=True)


def curved(
    motion: DynamicalSystem, origin: np.ndarray, slope: np.ndarray, ways: np.ndarray, size: float
) -> np.ndarray:
    """|F(origin + size w) - size J w| of the directions w, (ways,); NaN where it is lost in the rounding of F.

    Args:
        motion: the flow, or iterations without a memory.
        origin: where F is 0, (n,).
        slope: J, (n, n).
        ways: unit vectors, (ways, n).
        size: how far from ``origin``.
    """
    with np.errstate(all="ignore"):  # far out F may leave the float range
        left = np.array([np.linalg.norm(motion.change(origin + size * w) - size * slope @ w) for w in ways])
    # an iteration's change is the difference of where it leads and where it starts
    steepest = np.linalg.norm(slope) + float(motion.discrete)
    left[left <= T.known_bend * T.eps * steepest * (np.linalg.norm(origin) + size)] = np.nan
    return left


def degrees(
    motion: DynamicalSystem, origin: np.ndarray, slope: np.ndarray, ways: np.ndarray, size: float
) -> np.ndarray:
    """The degree of the terms that curve F in these directions, (ways,), between ``size`` and twice that, or NaN."""
    near, far = (curved(motion, origin, slope, ways, k * size) for k in (1.0, 2.0))
    with np.errstate(all="ignore"):
        return np.log2(far / near)
