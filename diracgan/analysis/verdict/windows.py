"""Measurements in a window of a motion: means, slopes, peaks and periods, independent of where it begins."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Polynomial

from ...numerics.lyapunov import windowed_mean
from ..decision_thresholds import T
from ..dynamical_system import Stretch


def wedge(z: np.ndarray, d: int) -> np.ndarray:
    """The area |phi ^ theta| of states (n, 2d) counted from (0, x0)."""
    phi, theta = z[:, :d], z[:, d:]
    gram = np.sum(phi**2, axis=1) * np.sum(theta**2, axis=1) - np.sum(phi * theta, axis=1) ** 2
    return np.sqrt(np.maximum(gram, 0.0))


def mean(values: np.ndarray) -> float:
    """Mean under a Hann window, which hardly sees where in a turn the window begins and ends."""
    return float(windowed_mean(values))


def slope(t: np.ndarray, values: np.ndarray) -> float:
    """Slope of a straight line fitted under a Hann window."""
    weights = np.sin(np.pi * (np.arange(len(t)) + 0.5) / len(t))
    span = t[-1] - t[0]  # in units of which no square leaves the float range
    return float(np.polyfit((t - t[0]) / span - 0.5, values, 1, w=weights)[0] / span)


def about(stretch: Stretch, z: np.ndarray) -> float:
    """Root mean square distance from ``z`` in a window."""
    return mean(np.sum((stretch.zs - z) ** 2, axis=1)) ** 0.5


def peak(values: np.ndarray) -> float:
    """The largest value, by a quartic through the five samples around it; the largest sample where a kink lies there.

    Through three where the end of the window is near. A parabola alone is off by a share of 1e-6 and more of an orbit
    whose speed changes along it.
    """
    k = int(np.argmax(values))
    if k in (0, len(values) - 1):
        return float(values[k])
    near = values[max(k - 2, 0) : k + 3]
    bends = -np.diff(near, 2)
    # what is smooth bends from sample to sample by alike factors, where a kink stands out
    if (
        bends.min() <= 0
        or bends.max() > 4 * bends.min()
        or np.any(bends[1:-1] ** 2 > 2 * bends[:-2] * bends[2:])
    ):
        return float(values[k])
    if len(near) < 5:
        a, b, c = values[k - 1 : k + 2]
        return float(b - (c - a) ** 2 / (8 * (a - 2 * b + c)))
    quartic = Polynomial(_QUARTIC @ (near - values[k]))
    turns = np.real(quartic.deriv().roots())
    return float(values[k] + np.max(quartic(turns[np.abs(turns) <= 1.0]), initial=0.0))


_QUARTIC = np.linalg.inv(np.vander(np.arange(-2.0, 3.0), increasing=True))
"""From five equispaced values to the coefficients of the quartic through them, by rising powers of the steps from the
middle one."""


def mean_period(stretch: Stretch) -> float | None:
    """Mean time between upward passages of the main component through its mean; None for fewer than three.

    Under a Hann window: passages lie off a steady rotation by a bounded part, which its two ends would keep. Where rows
    fall on nearly the same places of every turn no mean takes out what a chord misses: they lie on a cubic.
    """
    zs = stretch.zs - stretch.zs.mean(axis=0)
    if not np.all(np.isfinite(zs)) or np.max(np.abs(zs)) <= 0:
        return None
    # of the triangle alone: the long orthogonal factor would be made for nothing
    signal = zs @ np.linalg.svd(np.linalg.qr(zs / np.max(np.abs(zs)), "r"))[2][0]
    times = _on_cubics(signal, stretch.t)
    return mean(np.diff(times)) if len(times) >= 3 else None


def on_a_curve(zs: np.ndarray) -> bool:
    """Whether rows, one for each step, can be those of a rotation along a curve.

    What has almost come back after k steps then goes on: after 2k it is twice as far from where it was. On a set
    without pieces of curves, as that of period doubling without end, it is nearer again; in chaos it is nowhere near.

    Example:
        >>> turns = 0.7 * np.arange(1000)
        >>> on_a_curve(np.stack([np.cos(turns), np.sin(turns)], axis=1))
        True
    """
    count = len(zs) // 3

    def moved(k: int) -> float:
        return float(np.mean(np.sum((zs[k : k + count] - zs[:count]) ** 2, axis=1)) ** 0.5)

    k = min(range(1, count), key=moved)
    near = moved(k) < T.almost_back * float(np.sum(np.var(zs, axis=0))) ** 0.5
    return near and moved(2 * k) > T.goes_on * moved(k)


def every(stretch: Stretch, count: int) -> Stretch:
    """The same stretch by every so many of its rows."""
    return stretch._replace(t=stretch.t[::count], zs=stretch.zs[::count])


def curves_in_turn(stretch: Stretch) -> int:
    """How many separate curves rows, one for each step, visit in turn, going round on each; 1 of a single one."""
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import cdist

    distances = cdist(stretch.zs, stretch.zs)
    for count in range(T.most_curves, 1, -1):
        among, *others = (distances[::count, k::count] for k in range(count))
        apart = min(np.min(other) for other in others)
        # along the curve no gap is narrower than the largest distance to a nearest neighbour: mostly that tells already
        if not apart > T.curves_apart * np.max(np.min(among + np.diag(np.full(len(among), np.inf)), axis=1)):
            continue
        if mean_period(every(stretch, count)) is None:
            continue  # pieces of one curve, along which it creeps
        if apart > T.curves_apart * np.max(minimum_spanning_tree(among).data):
            return count
    return 1


def rings_in_turn(radii: np.ndarray) -> int:
    """How many circles about (0, x0), told by their squared radii, steps visit in turn; 1 of a single one or none.

    So told apart they are also where a turn takes nearly a whole number of steps, which leave gaps on each circle.

    Example:
        >>> rings_in_turn(np.array([[1.0, 2.0], [1.1, 1.9]] * 32))
        2
        >>> rings_in_turn(np.ones((64, 2)))
        1
    """
    blur = T.round_ * np.max(radii)
    for count in range(1, T.most_curves + 1):
        pieces = [radii[k::count] for k in range(count)]
        if max(np.ptp(piece, axis=0).max() for piece in pieces) <= blur:
            return count
    return 1


def passages(signal: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """The values of ``others`` where ``signal`` passes 0 upwards, each on the chord between two rows."""
    up = _before_passages(signal)
    share = signal[up] / (signal[up] - signal[up + 1])
    return [x[up] + share * (x[up + 1] - x[up]) for x in others]


def _before_passages(signal: np.ndarray) -> np.ndarray:
    """The rows after which ``signal`` passes 0 upwards."""
    return np.flatnonzero((signal[:-1] < 0) & (signal[1:] >= 0))


def _on_cubics(signal: np.ndarray, t: np.ndarray) -> np.ndarray:
    """When ``signal`` passes 0 upwards, by the cubic through the two rows on either side; on the chord at an end."""
    up = _before_passages(signal)
    a, b, c, d = (signal[np.clip(up + k, 0, len(signal) - 1)] for k in range(-1, 3))
    chord = share = b / (b - c)
    inside = (up > 0) & (up < len(signal) - 2)
    second, third = (
        np.where(inside, (c - 2 * b + a) / 2, 0.0),
        np.where(inside, (d - 3 * c + 3 * b - a) / 6, 0.0),
    )
    for _ in range(_CORRECTIONS):
        bent = share * (share - 1) * (second + third * (share + 1))
        share = np.clip(chord - bent / (c - b), 0.0, 1.0)
    return t[up] + share * (t[up + 1] - t[up])


_CORRECTIONS = 8
"""Of a share of the way between two rows: of eight rows a turn each leaves a tenth or less of what is missing."""
