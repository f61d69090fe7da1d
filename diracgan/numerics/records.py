"""Preparation of a measured record: shortened, isolated spikes removed, its trend."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import median_filter, uniform_filter1d

Array = np.ndarray
# A longer record is averaged in blocks, or cut, to this many rows; one of many series to half of it.
MOST_ROWS = 4096


def shortened(values: Array) -> tuple[Array, int, int]:
    """At most MOST_ROWS rows: block means where what turns fastest is slow enough for them, else the last rows."""
    rows = values.shape[1]
    most = MOST_ROWS if len(values) <= 4 else MOST_ROWS // 2
    if rows <= most:
        return values, 1, 0
    block = -(-rows // most)
    t = np.linspace(-1, 1, rows)
    fastest = 0.0
    for y in values:
        slope = float(t @ (y - y.mean())) / float(t @ t)
        power = np.abs(np.fft.rfft(y - slope * t)[1:]) ** 2
        edges = np.unique(np.geomspace(1, len(power), 60).astype(int))
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            part = power[low - 1 : high]
            k = int(np.argmax(part))
            # a line stands out of its band; the loudest of so many bins of noise does not
            if len(part) > 8 and part[k] > 6 * math.log(rows) * np.median(part):
                fastest = max(fastest, 2 * np.pi * (low + k) / rows)
    if fastest * block > 1.2:
        return values[:, -most:], 1, rows - most
    first = rows % block
    return values[:, first:].reshape(len(values), -1, block).mean(axis=2), block, first


def without_spikes(y: Array) -> Array:
    """The series with single rows far from their neighbours put back among them."""
    usual = median_filter(y, size=(1, 7), mode="nearest")
    off = np.abs(y - usual)
    limit = 8 * 1.4826 * np.median(off, axis=1, keepdims=True)
    low, high = np.percentile(y, [1, 99], axis=1)[:, :, None]
    beyond = np.maximum(y - high, low - y) > 0.5 * (high - low)  # an oscillation's own crest is not
    spikes = (off > limit) & (limit > 0) & beyond
    spikes &= spikes.mean(axis=1, keepdims=True) < 0.02
    return np.where(spikes, usual, y)


def fitted_line(y: Array) -> Array:
    """The straight line through a series."""
    t = np.linspace(-1, 1, len(y))
    return y.mean() + t * float(t @ y) / float(t @ t)


def smoothed(y: Array) -> Array:
    """A running mean, twice over a twelfth of the rows."""
    return uniform_filter1d(
        uniform_filter1d(y, max(3, len(y) // 12), mode="nearest"), max(3, len(y) // 12), mode="nearest"
    )
