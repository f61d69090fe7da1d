"""Is there a derivative at this point? Autodiff is believed only where differences at three scales agree with it.

At a kink or a jump autodiff through a safe norm reports a clean but false derivative (design.md section 4). Along a
random direction w the mismatch |F(z + e w) - F(z) - e J w| / e falls with e where F is differentiable, stays where F
has a kink (a field homogeneous of degree 1 passes every test along the axes, never one along random directions), and
grows like 1/e at a jump.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

SCALES = (1e-3, 1e-5, 1e-7)


class Probe(NamedTuple):
    """A function seen from one point.

    Attributes:
        value: F(z), (n,).
        jacobian: by autodiff, (n, n); may hold NaN.
        around: F(z + e w) for each scale e and direction w, (3, k, n).
        directions: the w, unit vectors, (k, n), each with its opposite.
    """

    value: np.ndarray
    jacobian: np.ndarray
    around: np.ndarray
    directions: np.ndarray


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
    """Unit vectors for a probe in n dimensions: the axes and fixed random ones, each with its opposite: (k, n)."""
    drawn = np.random.default_rng(20180113).normal(size=(3 * n + 9, n))
    half = np.concatenate([np.eye(n), drawn / np.linalg.norm(drawn, axis=1, keepdims=True)])
    return np.concatenate([half, -half])


def probe_with(
    both: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]], z: np.ndarray
) -> Probe:
    """Look at a function around ``z``; ``both(z, points)`` gives F(z), its Jacobian by autodiff and F at the points."""
    ws = directions(len(z))
    scale = max(1.0, float(np.max(np.abs(z), initial=0.0)))
    points = np.concatenate([z + e * scale * ws for e in SCALES])
    value, jacobian, around = (np.asarray(a) for a in both(z, points))
    return Probe(value, jacobian, around.reshape(len(SCALES), len(ws), -1), ws * scale)


def judge(p: Probe) -> Derivative:
    """Decide from a probe whether the function is differentiable at its point, and with which Jacobian."""
    if not np.all(np.isfinite(p.around)):
        return Derivative("none", None, np.inf, np.inf, np.inf)
    half = len(p.directions) // 2
    centre = p.value if np.all(np.isfinite(p.value)) else p.around[-1].mean(axis=0)
    size = float(max(np.max(np.abs(p.around[-1])), np.max(np.abs(centre))))
    differences = (p.around[:, :half] - p.around[:, half:]) / (2 * np.array(SCALES)[:, None, None])
    by_difference = _fit(p.directions[:half], differences)
    for jacobian in (p.jacobian, by_difference):
        if np.all(np.isfinite(jacobian)) and _mismatch_falls(p, centre, jacobian):
            error = 0.0 if jacobian is p.jacobian else _difference_error(jacobian, size)
            return Derivative("smooth", jacobian, error, float(np.max(np.abs(centre))), size)
    spread = np.max(np.abs(p.around - centre), axis=(1, 2))
    if spread[2] > 0.3 * spread[1] and spread[2] > 1e-9 * size:
        return Derivative("jump", None, np.inf, _distance_to_hull(p.around[-1]), size)
    return Derivative("kink", None, np.inf, float(np.max(np.abs(centre))), size)


def _fit(ws: np.ndarray, differences: np.ndarray) -> np.ndarray:
    """Jacobian from central differences along ``ws``, the first two scales (or the last) that agree best."""
    fits = [np.linalg.lstsq(ws, d, rcond=None)[0].T for d in differences]
    fits = [np.where(np.abs(f) > 1e-9 * np.max(np.abs(f)), f, 0.0) for f in fits]  # keep exact zeros exact
    gaps = [np.max(np.abs(a - b)) for a, b in zip(fits, fits[1:], strict=False)]
    return fits[1] if gaps[0] <= gaps[1] * 10 else fits[2]


def _mismatch_falls(p: Probe, centre: np.ndarray, jacobian: np.ndarray) -> bool:
    scales = np.array(SCALES)
    linear = p.directions @ jacobian.T
    rest = np.max(np.abs(p.around - centre - scales[:, None, None] * linear), axis=(1, 2)) / scales
    size = max(float(np.max(np.abs(p.around))), float(np.max(np.abs(linear))) * float(np.max(np.abs(p.directions))))
    floor = 1e3 * np.finfo(float).eps * (size + np.finfo(float).tiny) / scales
    return bool(rest[2] <= max(0.3 * rest[1], floor[2]))


def _difference_error(jacobian: np.ndarray, size: float) -> float:
    return 1e-9 * (float(np.max(np.abs(jacobian))) + size)


def _distance_to_hull(values: np.ndarray) -> float:
    """Distance of 0 from the convex hull of ``values`` (k, n), by non-negative least squares."""
    from scipy.optimize import nnls

    largest = float(np.max(np.abs(values)))
    if largest <= 0:
        return 0.0
    scaled = values.T / largest
    weights, _ = nnls(np.vstack([scaled, 100.0 * np.ones(len(values))]), np.append(np.zeros(len(scaled)), 100.0))
    return float(np.linalg.norm(scaled @ weights)) * largest
