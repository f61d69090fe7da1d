"""Lyapunov exponents: how fast neighbours of an orbit separate, in every direction, by QR along it.

References:
    Benettin, Galgani, Giorgilli, Strelcyn 1980, Meccanica 15, 9; Kaplan & Yorke 1979, LNM 730, 204.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

SMALLEST = 1e-300  # in place of a length of 0
BLOCKS = 20
"""Pieces of an orbit whose means tell the error."""


class Exponents(NamedTuple):
    """The exponents along an orbit, per application of its map.

    Attributes:
        values: by decreasing value, (n,).
        errors: what their means over blocks tell, two standard deviations of the mean, (n,).
    """

    values: np.ndarray
    errors: np.ndarray

    @property
    def dimension(self) -> float:
        """The Kaplan-Yorke dimension: j + (sum of the first j exponents)/|the next|, j the most that sum to >= 0.

        Example:
            >>> round(Exponents(np.array([0.42, -1.62]), np.zeros(2)).dimension, 4)
            1.2593
        """
        sums = np.cumsum(self.values)
        whole = int(np.sum(np.cumprod(sums >= 0)))
        if whole == 0 or whole == len(sums):
            return float(whole)
        return whole + float(sums[whole - 1] / abs(self.values[whole]))


def stretching(
    step: Callable[[Array], Array], start: Array, steps: int, kept: int | Array = 1
) -> tuple[Array, Array]:
    """Logarithms of the stretching along an orbit, pure and traceable.

    Args:
        step: the map, (n,) -> (n,).
        start: a state, (n,).
        steps: rows of the answer.
        kept: applications of the map in each row, which holds their mean.

    Returns:
        The last state, and log |R_ii| of the QR decompositions of (step)' along the orbit, (steps, n).

    Example:
        >>> _, logs = stretching(lambda x: 3.0 * x, jnp.ones(1), 4)
        >>> [round(float(x), 4) for x in logs[:, 0]]
        [1.0986, 1.0986, 1.0986, 1.0986]
    """
    slope = jax.jacfwd(step)

    def once(_: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, frame, logs = carry
        frame, upper = jnp.linalg.qr(slope(x) @ frame)
        return step(x), frame, logs + jnp.log(jnp.maximum(jnp.abs(jnp.diag(upper)), SMALLEST))

    def row(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        x, frame, logs = jax.lax.fori_loop(0, kept, once, (*carry, jnp.zeros_like(start)))
        return (x, frame), logs / kept

    (end, _), logs = jax.lax.scan(row, (start, jnp.eye(len(start), dtype=start.dtype)), None, length=steps)
    return end, logs


def windowed_mean(rows: np.ndarray) -> np.ndarray:
    """The mean of rows with weights sin^2: of a quasi-periodic orbit it converges faster than that of equal weights.

    Example:
        >>> turns = np.cos(0.7 * np.arange(1000))[:, None]
        >>> bool(abs(windowed_mean(turns)[0]) < 1e-3 * abs(turns.mean()))
        True
    """
    weights = np.sin(np.pi * (np.arange(len(rows)) + 0.5) / len(rows)) ** 2
    return weights @ rows / weights.sum()


def exponents(logs: np.ndarray, blocks: int = BLOCKS) -> Exponents:
    """The exponents from rows of stretching, their first fifth left out while the frame turns into its place.

    Not a number where a row is not finite: the orbit has left what numbers hold.

    Example:
        >>> found = exponents(np.tile([0.5, -1.0], (100, 1)))
        >>> found.values.tolist(), bool(np.all(found.errors < 1e-12))
        ([0.5, -1.0], True)
    """
    late = logs[len(logs) // 5 :]
    means = np.array([part.mean(axis=0) for part in np.array_split(late, min(blocks, len(late)))])
    values, spread = late.mean(axis=0), means.std(axis=0, ddof=1) if len(means) > 1 else np.inf
    if not np.all(np.isfinite(logs)):
        values = np.full_like(values, np.nan)
    errors = 2.0 * spread / np.sqrt(len(means)) * np.ones(logs.shape[1])
    order = np.argsort(-values, kind="stable")
    return Exponents(values[order], errors[order])
