"""Change points: the exact optimal division of a record into pieces with their own level, slope and spread.

Optimal partitioning (Jackson et al. 2005) over block means, with the Gaussian likelihood of a straight line whose
variance is its own in every piece. Of our own making, since the packages that do this fit levels or slopes under one
known variance, and a run that settles changes its variance first.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

Array = np.ndarray
BLOCKS = 160
FEWEST_BLOCKS = 5
_PENALTY = 1.5  # times what the Bayesian information criterion asks for a piece


def block_means(values: Array, blocks: int = BLOCKS) -> tuple[Array, Array]:
    """Means over equal parts of the rows, (series, parts), and the parts' first rows with the end, (parts + 1,)."""
    rows = values.shape[1]
    edges = np.linspace(0, rows, min(blocks, rows // 2) + 1).astype(int)
    sums = np.add.reduceat(values, edges[:-1], axis=1)
    return sums / np.diff(edges), edges


def change_points(values: Array, shortest: int = 0, fixed: Array | None = None) -> list[int]:
    """The rows at which the pieces of a record begin.

    Args:
        values: (series, rows), finite; the series change together.
        shortest: rows that a piece has at least.
        fixed: rows at which a piece begins in any case.

    Returns:
        Rows, the first 0.

    References:
        Jackson et al. 2005, IEEE Signal Processing Letters 12(2), 105 (optimal partitioning).

    Example:
        >>> y = np.where(np.arange(600) < 240, 0.0, 1.0) + 0.2 * np.random.default_rng(0).normal(size=600)
        >>> [abs(k - 240) < 8 for k in change_points(y[None])[1:]]
        [True]
    """
    means, edges = block_means(values)
    series, count = means.shape
    least = max(FEWEST_BLOCKS, math.ceil(shortest / max(values.shape[1] / count, 1.0)))
    if count < 2 * least:
        return [0]
    y = np.stack([_compressed(m) for m in means])
    floors = np.array([max(1e-3 * np.std(c), 0.3 * _rough(c), 1e-9) ** 2 for c in y])
    price = _PENALTY * (3 * series + 1) * math.log(count)
    forced = (
        set()
        if fixed is None
        else {int(k) for k in np.searchsorted(edges, fixed) if least <= k <= count - least}
    )
    sums = _sums(y)
    best, came = np.full(count + 1, math.inf), np.zeros(count + 1, int)
    best[0] = -price
    for end in range(least, count + 1):
        begins = np.arange(max((f for f in forced if f < end), default=0), end - least + 1)
        begins = begins[np.isfinite(best[begins])]
        if not len(begins):
            continue
        total = best[begins] + price + _costs(sums, floors, begins, np.full_like(begins, end))
        k = int(np.argmin(total))
        best[end], came[end] = total[k], begins[k]
    cuts, end = [], count
    while end > 0:
        end = int(came[end])
        cuts.append(int(edges[end]))
    return _placed(values, cuts[::-1], fixed)


def _placed(values: Array, cuts: list[int], fixed: Array | None) -> list[int]:
    """The cuts, each moved by at most a block and a half to the row that parts its surroundings best."""
    block = values.shape[1] / min(BLOCKS, values.shape[1] // 2)
    near = math.ceil(1.5 * block)
    if block < 2:
        return cuts
    made = [cuts[0]]
    for cut, end in pairwise([*cuts[1:], values.shape[1]]):
        exact = [] if fixed is None else [int(k) for k in fixed if abs(k - cut) <= block]
        first, last = max(made[-1], cut - 4 * near), min(end, cut + 4 * near)
        places = np.arange(max(first + 4, cut - near), min(last - 3, cut + near + 1))
        if exact or not len(places):
            made.append(exact[0] if exact else cut)
            continue
        y = np.stack([_compressed(row) for row in values[:, first:last]])
        floors = np.array([max(1e-3 * np.std(c), 0.3 * _rough(c), 1e-9) ** 2 for c in y])
        sums, k = _sums(y), places - first
        parted = _costs(sums, floors, np.zeros_like(k), k) + _costs(
            sums, floors, k, np.full_like(k, last - first)
        )
        made.append(int(places[np.argmin(parted)]))
    return made


def _compressed(y: Array) -> Array:
    """A series whose far ends are logarithms: what grows a thousandfold must not hide what came before."""
    centre = np.median(y)
    low, high = np.percentile(y, [20, 80])
    scale = max(high - low, 1e-3 * np.ptp(y), 1e-300)
    return np.arcsinh((y - centre) / scale)


def _rough(y: Array) -> float:
    """The spread of noise from block to block."""
    return 1.4826 * float(np.median(np.abs(np.diff(y)))) / math.sqrt(2)


def _sums(y: Array) -> dict[str, Array]:
    t = np.arange(y.shape[1], dtype=float)

    def running(x: Array) -> Array:
        return np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, axis=1)], axis=1)

    return {"y": running(y), "yy": running(y * y), "ty": running(t * y)}


def _costs(sums: dict[str, Array], floors: Array, begins: Array, ends: Array) -> Array:
    """Minus twice the log-likelihood of the rows begins ... ends - 1 as straight lines, (begins,)."""
    n = (ends - begins).astype(float)
    y, yy, ty = (sums[k][:, ends] - sums[k][:, begins] for k in ("y", "yy", "ty"))
    middle = (begins + ends - 1) / 2
    spread = n * (n * n - 1) / 12
    left = np.maximum(yy - y * y / n - (ty - middle * y) ** 2 / spread, 0.0)
    return np.sum(n * np.log(np.maximum(left / n, floors[:, None])), axis=0)
