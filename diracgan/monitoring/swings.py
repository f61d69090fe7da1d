"""Swings that both losses share, the critic's above chance: what a generator that outruns its critic looks like.

Whatever the generator makes, a critic that says the same of every sample is at chance; one that is worse for long
cannot follow. Then the generator's moves are most of what changes either loss: one rises as the other falls, smoothly.
"""

from __future__ import annotations

import math

import numpy as np

_MEMORY = 0.01  # weight of the newest update
_SHARED, _SMOOTH = (
    0.9,
    0.6,
)  # correlation of both losses; share of the critic's variance that is not noise from row to row
_BEHIND = 0.25  # share of the time that all this holds with the critic's loss above chance
_FEWEST, _TURNS = 100, 6  # rows; times that the critic's loss, as a mean of _ROWS of them, crosses its trend
_ROWS = 9


class Swings:
    """Running moments of both losses.

    Example:
        >>> found = Swings()
        >>> for k in range(600):
        ...     swing = 0.1 * math.sin(k / 10)
        ...     found.add(1.42 + swing, 0.66 - 0.9 * swing, 1.42 + swing > 1.386)
        >>> found.outrun, round(found.correlation, 2)
        (True, -1.0)
    """

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._d = self._g = self._last = math.nan
        self._off_d = self._off_g = 0.0  # how far the losses are from their running means: what a drift makes
        self._dd = self._gg = self._dg = self._noise = self._share = 0.0

    def add(self, d: float, g: float, behind: bool) -> None:
        """Take one update: both losses, and whether the critic's is above chance."""
        if math.isnan(self._d):
            self._d, self._g, self._last = d, g, d
        one, other, step = d - self._d, g - self._g, d - self._last
        self._last = d
        self._d += _MEMORY * one
        self._g += _MEMORY * other
        self._off_d += _MEMORY * (one - self._off_d)
        self._off_g += _MEMORY * (other - self._off_g)
        one, other = one - self._off_d, other - self._off_g
        self._dd += _MEMORY * (one * one - self._dd)
        self._gg += _MEMORY * (other * other - self._gg)
        self._dg += _MEMORY * (one * other - self._dg)
        self._noise += _MEMORY * (0.5 * step * step - self._noise)
        holds = behind and _together(self._dd, self._gg, self._dg, self._noise)
        self._share += _MEMORY * (holds - self._share)

    @property
    def correlation(self) -> float:
        """Of both losses."""
        return self._dg / math.sqrt(max(self._dd * self._gg, 1e-300))

    @property
    def outrun(self) -> bool:
        """Whether the generator outruns the critic."""
        return self._share > _BEHIND


def outrun(d: np.ndarray, g: np.ndarray, behind: np.ndarray) -> float | None:
    """The correlation of both losses in the rows of a log in which a generator outruns its critic; else None.

    Example:
        >>> swing = 0.1 * np.sin(np.arange(600) / 10)
        >>> d, g = 1.42 + swing, 0.66 - 0.9 * swing
        >>> outrun(d, g, d > 1.386), outrun(d, g, d > 1.6)
        (-1.0, None)
    """
    if len(d) < _FEWEST or float(np.mean(behind)) <= _BEHIND:
        return None
    t = np.arange(len(d))
    one, other = (y - np.polyval(np.polyfit(t, y, 1), t) for y in (d, g))
    (dd, dg), (_, gg) = np.cov(one, other)
    noise = 0.5 * float(np.mean(np.diff(d) ** 2))
    turns = np.count_nonzero(np.diff(np.sign(np.convolve(one, np.ones(_ROWS) / _ROWS, "valid"))))
    if turns < _TURNS or not _together(float(dd), float(gg), float(dg), noise):
        return None
    return round(float(dg / math.sqrt(dd * gg)), 3)


def _together(dd: float, gg: float, dg: float, noise: float) -> bool:
    """Whether one loss rises as the other falls, smoothly, by their moments."""
    return dg < 0 and dg * dg > _SHARED**2 * dd * gg and noise < (1 - _SMOOTH) * dd
