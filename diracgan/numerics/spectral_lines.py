"""The lines of a series that is a sum of a few oscillations.

Reference:
    Laskar 1993, Physica D 67, 257 (numerical analysis of fundamental frequencies).
"""

from __future__ import annotations

from typing import Any

import numpy as np

_WIDTH = 3  # of a line, in turns over all rows: as near to one there is no other
_BEYOND = 0.6  # turns over all rows: how far from the largest bin a line may lie


def spectral_lines(rows: np.ndarray, most: int, faintest: float) -> list[tuple[float, float]]:
    """The angular frequencies per row, from 0 to pi, of the strongest lines, by decreasing strength, and their errors.

    Each is where the windowed Fourier integral of what the lines before leave is largest; all are fitted together by
    least squares, and refined once more with all others taken out. Its error is what the halves of the rows differ by:
    next to nothing of a line that stands alone, more where another lies closer than N rows can tell.

    Args:
        rows: without their mean, (N, n).
        most: how many at most.
        faintest: share of the strongest line's power below which a line is none.

    Example:
        >>> n = np.arange(1000)[:, None]
        >>> [round(w, 6) for w, error in spectral_lines(np.cos(0.7 * n) + 0.1 * np.sin(1.1 * n), 4, 1e-4)]
        [0.7, 1.1]
    """
    count = len(rows)
    window = np.hanning(count)[:, None]
    found: list[float] = []
    strongest = 0.0
    while len(found) < most:
        rest = window * (rows - _fitted(rows, found))
        spectrum = np.sum(np.abs(np.fft.rfft(rest, axis=0)) ** 2, axis=1)
        bins = np.arange(len(spectrum))
        for w in found:
            spectrum[np.abs(bins - w * count / (2 * np.pi)) <= _WIDTH] = 0.0
        k = int(np.argmax(spectrum))
        if not spectrum[k] > faintest * strongest:
            break
        strongest = strongest or float(spectrum[k])
        found.append(_peak(rest, 2 * np.pi * k / count))
    return [_refined(rows - _fitted(rows, found[:k] + found[k + 1 :], w), w) for k, w in enumerate(found)]


def _refined(rest: np.ndarray, near: float) -> tuple[float, float]:
    """The line near a frequency, of rows without any other, and how far it may be off."""
    one, two = (_peak(np.hanning(len(half))[:, None] * half, near) for half in np.array_split(rest, 2))
    return _peak(np.hanning(len(rest))[:, None] * rest, near), abs(one - two)


def _fitted(rows: np.ndarray, frequencies: list[float], beside: float | None = None) -> np.ndarray:
    """The oscillations of so many frequencies in rows, (N, n), fitted together with one ``beside`` them."""
    if not frequencies:
        return np.zeros_like(rows)
    window = np.hanning(len(rows))[:, None]
    together = frequencies if beside is None else [*frequencies, beside]
    turns = np.outer(np.arange(len(rows)), together)
    waves = np.concatenate([np.cos(turns), np.sin(turns)], axis=1)
    sizes = np.linalg.lstsq(window * waves, window * rows, rcond=1e-12)[0]
    if beside is not None:
        sizes[[len(frequencies), -1]] = 0.0
    return waves @ sizes


def _peak(rest: np.ndarray, near: float) -> float:
    """Where the Fourier integral of windowed rows is largest, beside one of its bins."""
    from scipy.optimize import minimize_scalar

    rows, unit = np.arange(len(rest)), 2 * np.pi / len(rest)

    def minus_power(w: float) -> float:
        return -float(np.sum(np.abs(np.exp(-1j * w * rows) @ rest) ** 2))

    bounds = max(near - _BEYOND * unit, 0.0), min(near + _BEYOND * unit, np.pi)
    found: Any = minimize_scalar(minus_power, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return float(found.x)
