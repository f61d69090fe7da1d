"""How the speed of a flow falls towards the point that it has come to: like the distance, or like a root of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..decision_thresholds import T
from .evidence import Case


class Steepening(NamedTuple):
    """The rate |F|/r at distances r from a point, on the way on which the flow has come to it.

    Attributes:
        time: when the flow was last away from the point.
        away: its distance then.
        radii: falling distances, (k,).
        rates: |F|/r there, (k,).
        rate_at: |F|/r at a distance.
        inward: the cosine of the field against the way at the last of the distances.
    """

    time: float
    away: float
    radii: np.ndarray
    rates: np.ndarray
    rate_at: Callable[[float], float]
    inward: float = 1.0

    @property
    def exponents(self) -> np.ndarray:
        """1 - p of the speeds r^p between these distances, (k - 1,)."""
        return -np.diff(np.log(self.rates)) / np.diff(np.log(self.radii))

    @property
    def never_ends(self) -> bool:
        """Whether |F|/r grows on and on, so that no rate is that of the end."""
        return bool(self.exponents[:2].min() > T.grows)

    @property
    def ends_like_a_root(self) -> bool:
        """Whether the speed nearest to the point is like r^p, p < 1, so that rest comes in a finite time.

        A speed like -r log r is not taken for one: |F|/r then grows by another factor in the next decades. Nor is one
        that does not lead to the point along the way: a player that follows the other at once comes on a curve, beside
        which alone the field is as steep as a root.
        """
        last = self.exponents[-2:]
        alike = np.ptp(last) < T.steeper_alike * last.max()
        return bool(
            self.inward > T.leads_in and alike and T.steeper[0] < last.min() <= last.max() < T.steeper[1]
        )

    @property
    def lasts_until(self) -> float | None:
        """The distance until which |F|/r stays below twice what it was at first; None where it grows from there on."""
        steeper = np.flatnonzero(self.rates > 2 * self.rates[0])
        return None if self.exponents[0] > T.grows or not len(steeper) else float(self.radii[steeper[0]])

    @property
    def rest_time(self) -> float:
        """When it comes to rest: the integral of dr/|F| along the way, with r/((1 - p) |F|) of what is left."""
        k = max(len(self.radii) - 3, 2)  # from where on the root is all there is
        least = float(self.radii[k])
        nodes, weights = np.polynomial.legendre.leggauss(T.nodes_of_a_rest)
        width = max(float(np.log(self.away / least)), 0.0)
        slowness = [1.0 / self.rate_at(r) for r in least * np.exp(0.5 * width * (1.0 + nodes))]
        return (
            self.time
            + 0.5 * width * float(weights @ slowness)
            + 1.0 / float(self.exponents[-1] * self.rates[k])
        )


def steepening(case: Case, z: np.ndarray) -> Steepening | None:
    """How steep the field is towards a point that a flow has come to; None for steps, and where no rate is known."""
    t, zs = (np.concatenate([look.stretch[k] for look in case.looks]) for k in (0, 1))
    first = case.looks[0].diameter
    z = np.where(np.abs(z) > T.rounding * first, z, 0.0)  # what Newton's method leaves of 0
    off = np.linalg.norm(zs - z, axis=1)
    far = np.flatnonzero(off > T.arrived * first)
    if case.motion.discrete or not len(far):
        return None
    last = far[-1]
    way = (zs[last] - z) / off[last]
    radii = first * np.array(T.beside_root)
    told_apart = T.told_apart * T.eps * float(np.max(np.abs(z), where=np.abs(way) > T.memory, initial=0.0))
    radii = radii[(radii > told_apart) | (np.arange(len(radii)) < 3)]

    def rate_at(r: float) -> float:
        with np.errstate(all="ignore"):  # of a loss without a value there
            return float(np.linalg.norm(case.motion.change(z + r * way)) / r)

    rates = np.array([rate_at(r) for r in radii])
    if not np.all(np.isfinite(rates) & (rates > 0)):
        return None
    nearest = case.motion.change(z + radii[-1] * way)
    inward = -float(way @ nearest) / float(np.linalg.norm(nearest))
    return Steepening(float(t[last]), float(off[last]), radii, rates, rate_at, inward)
