"""Period-k points of a map, with their multipliers."""

from __future__ import annotations

import numpy as np

from ...numerics import eigen
from ...pytrees import Pytree
from ..decision_thresholds import T
from ..dynamical_system import DynamicalSystem
from .orbit import Method, Orbit

MOST = 64  # applications after which a state comes back
_LONGEST = 512  # the same in the search along rows, of which applications by NumPy would take too long
_BACK = 1e-8  # of the orbit's size: so near it comes to itself
_NEWTON = 6


def periodic_points(motion: DynamicalSystem, state: Pytree) -> Orbit | None:
    """The orbit of the least period k <= 512 that a state of a map has settled on; None where it has on none.

    Refined by Newton's method on step^k(z) - z; its multipliers are those of the product of the Jacobians along it.

    Args:
        motion: the iterations.
        state: as the motion hands it back.
    """
    flat = motion.flat(state)
    rows = [flat]
    for _ in range(MOST):
        rows.append(rows[-1] + motion.change(rows[-1]))
        if not np.all(np.isfinite(rows[-1])):
            return None
    size = float(np.max(np.ptp(rows, axis=0)))
    if size <= T.no_points * float(np.max(np.abs(flat))):
        return None
    off = np.max(np.abs(np.array(rows[1:]) - flat), axis=1)
    back = np.flatnonzero(off <= _BACK * size)
    k = int(back[0]) + 1 if len(back) else _comes_back_late(motion, state, size)
    if k is None:
        return None
    for _ in range(_NEWTON):
        end, slope = _around(motion, flat, k)
        if not np.all(np.isfinite(slope)):
            return None
        move = np.linalg.lstsq(slope - np.eye(len(flat)), flat - end, rcond=T.points_rank)[0]
        flat = flat + move
        if np.linalg.norm(move) <= T.newton_step * np.linalg.norm(flat):
            break
    if np.max(np.abs(flat - rows[0])) > T.points_moved * size:
        return None
    values, errors = eigen.eigenvalues(_around(motion, flat, k)[1])
    period, method = k * motion.period, Method.PERIODIC_POINTS
    return Orbit.sorted(flat, period, values, method, errors, T.points_error)


def points(motion: DynamicalSystem, flat: np.ndarray, count: int) -> np.ndarray:
    """A state of a map and the ``count`` that follow it, (count + 1, n)."""
    rows = [flat]
    for _ in range(count):
        rows.append(rows[-1] + motion.change(rows[-1]))
    return np.array(rows)


def _comes_back_late(motion: DynamicalSystem, state: Pytree, size: float) -> int | None:
    """The applications after which a state comes back to itself, by the rows of players; None for more than 512."""
    flat = motion.flat(state)
    zs = motion.advance(state, 0.0, 1.0, 1).zs[motion.period - 1 :: motion.period]  # a row for each step
    off = np.max(np.abs(zs - flat[: zs.shape[1]]), axis=1)[:_LONGEST]
    back = np.flatnonzero(off <= _BACK * size)
    if not len(back):
        return None
    k = int(back[0]) + 1
    end = points(motion, flat, k)[-1]  # with what the rule remembers
    return k if np.max(np.abs(end - flat)) <= _BACK * size else None


def _around(motion: DynamicalSystem, flat: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    slope = np.eye(len(flat))
    for _ in range(k):
        slope = (np.eye(len(flat)) + motion.jacobian(flat)) @ slope
        flat = flat + motion.change(flat)
    return flat, slope
