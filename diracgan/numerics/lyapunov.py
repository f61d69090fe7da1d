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
_FALLS = 0.1
"""Of an exponent: what it falls by along an orbit, at least, where it may fall for ever."""
_SURE = 3.0
"""Standard deviations by which that stands out of the scatter."""


class Exponents(NamedTuple):
    """The exponents along an orbit, per application of its map.

    Attributes:
        values: by decreasing value, (n,).
        errors: two standard deviations of the mean by the scatter of blocks, and what may be growth like a power of
            time, whose exponent is 0: p log(t)/t with p by a fit, and a factor e over the whole orbit, (n,).
        fades: whether the largest is positive but smaller the longer the orbit, as beside ever longer rests: it may be
            0 in the end.
    """

    values: np.ndarray
    errors: np.ndarray
    fades: bool = False

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
    (end, _), logs = stretching_from(step, (start, jnp.eye(len(start), dtype=start.dtype)), steps, kept)
    return end, logs


def stretching_from(
    step: Callable[[Array], Array], begin: tuple[Array, Array], steps: int, kept: int | Array = 1
) -> tuple[tuple[Array, Array], Array]:
    """As :func:`stretching`, from a state and the frame (n, n) there; both at the end, to go on from."""
    slope = jax.jacfwd(step)

    def once(_: Array, carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, frame, logs = carry
        frame, upper = jnp.linalg.qr(slope(x) @ frame)
        return step(x), frame, logs + jnp.log(jnp.maximum(jnp.abs(jnp.diag(upper)), SMALLEST))

    def row(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        x, frame, logs = jax.lax.fori_loop(0, kept, once, (*carry, jnp.zeros_like(carry[0])))
        return (x, frame), logs / kept

    return jax.lax.scan(row, begin, None, length=steps)


def windowed_mean(rows: np.ndarray) -> np.ndarray:
    """The mean of rows with weights sin^2: of a quasi-periodic orbit it converges faster than that of equal weights.

    Example:
        >>> turns = np.cos(0.7 * np.arange(1000))[:, None]
        >>> bool(abs(windowed_mean(turns)[0]) < 1e-3 * abs(turns.mean()))
        True
    """
    weights = np.sin(np.pi * (np.arange(len(rows)) + 0.5) / len(rows)) ** 2
    return weights @ rows / weights.sum()


def exponents(logs: np.ndarray, length: float | None = None, blocks: int = BLOCKS) -> Exponents:
    """The exponents from rows of stretching, their first fifth left out while the frame turns into its place.

    Not a number where a row is not finite: the orbit has left what numbers hold.

    Args:
        logs: mean stretching in each row, per unit of time, (rows, n).
        length: of the whole orbit in that unit; None where each row is one unit.
        blocks: pieces whose means tell the errors.

    Example:
        >>> found = exponents(np.tile([0.5, -1.0], (100, 1)))
        >>> found.values.tolist(), found.errors.round(12).tolist()  # 1 / length
        ([0.5, -1.0], [0.01, 0.01])
    """
    if not np.all(np.isfinite(logs)):
        unknown = np.full(logs.shape[1], np.nan)
        return Exponents(unknown, unknown)
    length = len(logs) if length is None else length
    late = logs[len(logs) // 5 :]
    pieces = np.array_split(np.arange(len(logs))[-len(late) :], min(blocks, len(late)))
    means = np.array([logs[piece].mean(axis=0) for piece in pieces])
    times = np.array([piece.mean() + 0.5 for piece in pieces]) * length / len(logs)
    values, spread = late.mean(axis=0), means.std(axis=0, ddof=1) if len(means) > 1 else np.inf
    scatter = 2.0 * spread / np.sqrt(len(means)) * np.ones(logs.shape[1])
    errors = scatter + _algebraic(means, times) + 1.0 / length
    order = np.argsort(-values, kind="stable")
    return Exponents(values[order], errors[order], _fades(means[:, order[0]], times))


def _algebraic(means: np.ndarray, times: np.ndarray) -> np.ndarray:
    """How much of the mean is growth like t^p, which ends at 0 like p log(t)/t: p/t fitted to the blocks' means.

    Counted as far as p stands out of its own two standard deviations, so that scatter alone adds next to nothing.
    """
    x = 1.0 / times
    if len(means) < 3:
        return np.zeros(means.shape[1])
    power, deviation = _slope(x, means)
    return np.maximum(np.abs(power) - 2.0 * deviation, 0.0) * x.mean()


def _fades(means: np.ndarray, times: np.ndarray) -> bool:
    """Whether a positive mean falls with log t: that of a stationary motion scatters about its value."""
    if len(means) < 3 or means.mean() <= 0:
        return False
    x = np.log(times)
    slope, deviation = _slope(x, means)
    return bool(slope < -_SURE * deviation and -slope * np.ptp(x) > _FALLS * means.mean())


def _slope(x: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the line through the means, (blocks,) or (blocks, n), by least squares, and its standard deviation."""
    off = x - x.mean()
    slope = off @ means / (off @ off)
    rest = means - means.mean(axis=0) - np.multiply.outer(off, slope)
    return slope, np.sqrt((rest**2).sum(axis=0) / (len(means) - 2) / (off @ off))
