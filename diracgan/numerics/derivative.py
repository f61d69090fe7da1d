"""Is there a derivative at this point? Autodiff is believed only where differences at three scales agree with it.

At a kink or a jump autodiff through a safe norm reports a clean but false derivative (docs/theory.md section 2).
Along a random direction w the mismatch |F(z + e w) - F(z) - e J w| / e falls with e where F is differentiable, stays
where F has a kink (a field homogeneous of degree 1 passes every test along the axes, never one along random
directions), and grows like 1/e at a jump.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .convex_hull import distance_to_hull

SCALES = (1e-3, 1e-5, 1e-7)


class Probe(NamedTuple):
    """A function seen from one point.

    Attributes:
        value: F(z), (n,).
        jacobian: by autodiff, (n, n); may hold NaN.
        around: F(z + e w) for each scale e and direction w, (3, k, n).
        directions: the w, unit vectors times each coordinate's scale, (k, n), each with its opposite.
        beside: Jacobians by autodiff at points close by, (4, n, n), or None where the one at z holds.
    """

    value: np.ndarray
    jacobian: np.ndarray
    around: np.ndarray
    directions: np.ndarray
    beside: np.ndarray | None = None


class Derivative(NamedTuple):
    """What a probe says.

    Attributes:
        kind: ``"smooth"``, ``"kink"``, ``"jump"`` (bounded) or ``"none"`` (no finite value around the point).
        jacobian: (n, n) where smooth, else None.
        error: how far its entries may be off, beyond rounding.
        distance: of 0 from the convex hull of the values around the point, at a jump; else |F(z)|.
        size: the largest |F| that was seen around the point.
    """

    kind: str
    jacobian: np.ndarray | None
    error: float
    distance: float
    size: float


def directions(n: int) -> np.ndarray:
    """Fixed random unit vectors for a probe in n dimensions, each with its opposite: (k, n).

    Not the axes: they lie in the thin sets where a quotient 0/0 is given a value that is not its limit.
    """
    drawn = np.random.default_rng(20180113).normal(size=(4 * n + 9, n))
    half = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.concatenate([half, -half])


def probe_with(
    both: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]], z: np.ndarray
) -> Probe:
    """Look at a function around ``z``; ``both(z, points)`` gives F(z), its Jacobian by autodiff and F at the points."""
    ws = directions(len(z)) * np.maximum(1.0, np.abs(z))
    points = np.concatenate([z + e * ws for e in SCALES])
    value, jacobian, around = (np.asarray(a) for a in both(z, points))
    seen = Probe(value, jacobian, around.reshape(len(SCALES), len(ws), -1), ws)
    if _holds(_where_finite(seen), jacobian):
        return seen
    beside = [np.asarray(both(z + 1e-9 * w, points)[1]) for k in (0, 1) for w in (ws[k], -ws[k])]
    return seen._replace(beside=np.array(beside))


def judge(p: Probe) -> Derivative:
    """Decide from a probe whether the function is differentiable at its point, and with which Jacobian."""
    p = _where_finite(p)
    half = len(p.directions) // 2
    if half < 2 * p.directions.shape[1]:
        return Derivative("none", None, np.inf, np.inf, np.inf)
    centre = _centre(p)
    size = float(max(np.max(np.abs(p.around[-1])), np.max(np.abs(centre))))
    for jacobian, error in _candidates(p, half, size):
        if _holds(p, jacobian):
            return Derivative("smooth", jacobian, error, float(np.max(np.abs(centre))), size)
    spread = np.max(np.abs(p.around - centre), axis=(1, 2))
    if spread[2] > 0.3 * spread[1] and spread[2] > 1e-9 * size:
        return Derivative("jump", None, np.inf, distance_to_hull(p.around[-1]), size)
    return Derivative("kink", None, np.inf, float(np.max(np.abs(centre))), size)


def _where_finite(p: Probe) -> Probe:
    """Without the directions along which there is no value: a quotient 0/0 has none on a set that is never met."""
    half = len(p.directions) // 2
    kept = np.all(np.isfinite(p.around), axis=(0, 2))
    kept = np.tile(kept[:half] & kept[half:], 2)
    return p._replace(around=p.around[:, kept], directions=p.directions[kept])


def _candidates(p: Probe, half: int, size: float) -> Iterator[tuple[np.ndarray, float]]:
    """What the Jacobian may be, and how far off beyond rounding: autodiff here, autodiff close by, differences."""
    yield p.jacobian, 0.0
    if p.beside is not None:
        yield _tidy(p.beside.mean(axis=0)), float(np.max(np.ptp(p.beside, axis=0)))
    ws, scales = p.directions[:half], np.array(SCALES)
    differences = (p.around[:, :half] - p.around[:, half:]) / (2 * scales[:, None, None])
    fits = [np.linalg.lstsq(ws, d, rcond=None)[0].T for d in differences]
    gaps = [float(np.max(np.abs(a - b))) for a, b in zip(fits, fits[1:], strict=False)]
    rounding = 1e-9 * (float(np.max(np.abs(fits[1]))) + size)
    # the middle scale where rounding spoils the smallest, else the smallest, which is off by its share of the gap
    middle = gaps[0] <= 10 * gaps[1]
    yield _tidy(fits[1] if middle else fits[2]), max(rounding, gaps[1] / 30, gaps[0] / 1000)


def _tidy(jacobian: np.ndarray) -> np.ndarray:
    """With exact zeros where the entries are zero but for rounding, so that what is decoupled stays so."""
    return np.where(np.abs(jacobian) > 1e-9 * np.max(np.abs(jacobian)), jacobian, 0.0)


def _centre(p: Probe) -> np.ndarray:
    return p.value if np.all(np.isfinite(p.value)) else p.around[-1].mean(axis=0)


def _holds(p: Probe, jacobian: np.ndarray) -> bool:
    """Whether the mismatch falls with the scale, or is what rounding leaves."""
    if not len(p.directions) or not np.all(np.isfinite(jacobian)):
        return False
    scales = np.array(SCALES)
    linear = p.directions @ jacobian.T
    rest = np.max(np.abs(p.around - _centre(p) - scales[:, None, None] * linear), axis=(1, 2)) / scales
    # what rounding leaves of differences between values, each made of terms as large as |J| max(1, |z|)
    size = np.max(np.abs(p.around), axis=(1, 2)) + float(np.max(np.abs(linear)))
    floor = 50 * np.finfo(float).eps * (size + np.finfo(float).tiny) / scales
    return bool(rest[2] <= max(0.3 * rest[1], floor[2]))
