"""The sizes at which a motion's change is bent: the system's own scales, whatever units it is written in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..decision_thresholds import T
from ..dynamical_system import DynamicalSystem


class Scales(NamedTuple):
    """Distances from (0, x0) between which the degree of the change varies; both 1 where it is the same everywhere.

    Attributes:
        inner: nearer, the change is homogeneous of one degree, as its linearisation is.
        outer: further out, it is homogeneous too, perhaps of another degree.
    """

    inner: float
    outer: float


def scales(motion: DynamicalSystem, origin: np.ndarray) -> Scales:
    """Where the change of a motion is bent, along a few ways from (0, x0), to the nearest decade.

    The degree at r is that of |F(10 r)|/|F(r)|, as 1 of a linear field and 0 of a constant one.

    Args:
        motion: the flow or the iterations.
        origin: (0, x0), (2d,).
    """
    nearest = T.told_from_datum * float(np.max(np.abs(origin)))
    radii = T.decade ** np.arange(-T.decades, T.decades + 1)
    radii = radii[radii >= nearest]
    if not len(radii):  # a datum so far away that none of them is told from it
        return Scales(1.0, 1.0)
    ways = np.random.default_rng(5).normal(size=(T.ways_of_scales, len(origin)))
    bent = [_bent(motion, origin, way / np.linalg.norm(way), radii) for way in ways]
    found = np.concatenate(bent)
    return Scales(float(found.min()), float(found.max())) if len(found) else Scales(1.0, 1.0)


def _bent(motion: DynamicalSystem, origin: np.ndarray, way: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """The first and the last radius on a way at which the degree is another than before, or than after; may be none."""
    with np.errstate(all="ignore"):
        sizes = _sizes(motion, origin + radii[:, None] * way)
        degrees = np.diff(np.log10(sizes))
    known = np.flatnonzero(np.isfinite(degrees))
    if not len(known):
        return np.empty(0)
    degrees, radii = degrees[known], radii[known]
    first = np.flatnonzero(np.abs(degrees - degrees[0]) > T.same_degree)
    last = np.flatnonzero(np.abs(degrees - degrees[-1]) > T.same_degree)
    return radii[np.concatenate([first[:1], last[-1:]])]


def _sizes(motion: DynamicalSystem, zs: np.ndarray) -> np.ndarray:
    """Of the players' change at places, (P, 2d), from a fresh memory; NaN where an iteration's is lost in rounding."""
    sizes = np.linalg.norm(motion.at_many(motion.begun(zs))[:, : zs.shape[1]], axis=1)
    if motion.discrete:
        sizes[sizes < T.told_apart * T.eps * np.linalg.norm(zs, axis=1)] = np.nan
    return sizes
