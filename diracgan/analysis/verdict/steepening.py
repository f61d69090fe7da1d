"""How the speed of a flow falls towards the point that it has come to: like the distance, or like a root of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..decision_thresholds import T
from ..dynamical_system import Stretch
from .evidence import Case


class Steepening(NamedTuple):
    """The rate |F|/r at distances r from a point, on the way on which the flow has come to it.

    Attributes:
        time: when the flow was last away from the point.
        away: where it was then, from the point, (n,).
        radii: falling distances, (k,).
        rates: |F|/r there, (k,).
        field: F at a place, from the point.
        inward: the cosine of the field against the way at the last of the distances.
    """

    time: float
    away: np.ndarray
    radii: np.ndarray
    rates: np.ndarray
    field: Callable[[np.ndarray], np.ndarray]
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
        """When it comes to rest: the integral of dr/|F| along the motion, with r/((1 - p) |F|) of what is left.

        With u the direction and s = -log r, du/ds = (F - (u.F) u)/(-u.F) and dt/ds = r/(-u.F): the motion turns on its
        way, as one player is there before the other. Runge and Kutta's method of order 4; NaN where it does not go in.
        """
        k = max(len(self.radii) - 3, 2)  # from where on the root is all there is
        r, time = float(np.linalg.norm(self.away)), self.time
        u = self.away / r
        width = max(math.log(r / self.radii[k]), 0.0)
        count = math.ceil(width / T.step_to_a_rest)
        left = self._left(r * u)
        for _ in range(count):
            if left < T.rest_told * time:
                break
            u, passed = self._nearer(u, r, width / count)
            r, time = r * math.exp(-width / count), time + passed
            left = self._left(r * u)
        return time + left

    def _left(self, z: np.ndarray) -> float:
        """The time from a place that is left where the speed is like r^p alone."""
        return float(np.linalg.norm(z) / (self.exponents[-1] * np.linalg.norm(self.field(z))))

    def _nearer(self, u: np.ndarray, r: float, h: float) -> tuple[np.ndarray, float]:
        """The direction and the time after log r has fallen by ``h``."""

        def slopes(u: np.ndarray, r: float) -> np.ndarray:
            u = u / np.linalg.norm(u)
            f = self.field(r * u)
            speed = -float(u @ f)
            return np.append(f / speed + u, r / speed) if speed > 0 else np.full(len(u) + 1, np.nan)

        middle = r * math.exp(-h / 2)
        a = slopes(u, r)
        b = slopes(u + h / 2 * a[:-1], middle)
        c = slopes(u + h / 2 * b[:-1], middle)
        moved = h / 6 * (a + 2 * b + 2 * c + slopes(u + h * c[:-1], r * math.exp(-h)))
        u = u + moved[:-1]
        return u / np.linalg.norm(u), float(moved[-1])


def steepening(case: Case, z: np.ndarray, *more: Stretch) -> Steepening | None:
    """How steep the field is towards a point that a flow has come to; None for steps, and where no rate is known.

    ``more``: what was followed after the windows.
    """
    seen = [*(look.stretch for look in case.looks), *more]
    t, zs = (np.concatenate([stretch[k] for stretch in seen]) for k in (0, 1))
    first = float(np.max(np.nanmax(seen[0].zs, axis=0) - np.nanmin(seen[0].zs, axis=0)))
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

    def field(w: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # of a loss without a value there
            return case.motion.as_it_stands(z + w)[: len(z)]

    if not radii[-1] > 0:  # nothing moved at first, as where a step is lost in rounding
        return None
    rates = np.array([np.linalg.norm(field(r * way)) / r for r in radii])
    if not np.all(np.isfinite(rates) & (rates > 0)):
        return None
    nearest = field(radii[-1] * way)
    inward = -float(way @ nearest) / float(np.linalg.norm(nearest))
    return Steepening(float(t[last]), zs[last] - z, radii, rates, field, inward)
