"""How a run ends, by its last rows: how far out, how wide, about which centre, and whether it still changes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

_STEADY = 0.01  # relative change of its size by which a motion has not settled
_STRAIGHT, _ONE_WAY = 0.9, 0.5  # of its way through its quarters, of its diameter: a motion that only goes on
_CLOSED = 1e-6  # of an orbit's diameter: by which it closes
# from the middle of the first half of a run's last quarter to that of the second
_LOG_TIME = float(np.log(15 / 13))


class RunEnd(NamedTuple):
    """What the last rows of a run have in common.

    Attributes:
        numbers: largest and smallest distance from (0, x0), diameter, and centre, (3 + 2d,).
        quarters: the same of the quarters of the rows, (4, 3 + 2d).
        sizes: the root mean square distance in the first half of the rows, and in the second.
    """

    numbers: np.ndarray
    quarters: np.ndarray
    sizes: tuple[float, float]

    @property
    def spread(self) -> np.ndarray:
        """Of the numbers between the quarters."""
        return np.ptp(self.quarters, axis=0)

    @property
    def still_to_go(self) -> float:
        """How far a motion that goes straight on would still get, slowing down as it does; 0 of one that turns back."""
        steps = np.diff(self.quarters[:, 3:], axis=0)
        whole, (first, _, last) = float(np.linalg.norm(steps.sum(axis=0))), np.linalg.norm(steps, axis=1)
        if whole < _STRAIGHT * np.linalg.norm(steps, axis=1).sum() or whole <= _ONE_WAY * self.diameter:
            return 0.0
        slows = math.sqrt(last / first) if first else 1.0
        return float(last * slows / (1.0 - slows)) if slows < 1.0 else math.inf

    @property
    def change(self) -> float:
        """Of the size, from the one half to the other."""
        return self.sizes[1] - self.sizes[0]

    @property
    def swells(self) -> bool:
        """Whether it still grows or shrinks: its size changes, and how far out it gets, or how wide it is, does too.

        The size alone changes as well on an orbit off (0, x0) of which the halves hold no whole number of turns.
        """
        reach = np.abs(self.quarters[2:] - self.quarters[:2]).mean(axis=0)[[0, 2]].max()
        return min(abs(self.change), 2.0 * reach) > _STEADY * self.largest

    @property
    def shrinks(self) -> bool:
        """Whether its size still falls."""
        return -self.change > _STEADY * self.largest

    @property
    def power(self) -> float:
        """p of a size that falls like t^-p; infinite where nothing is left of it."""
        with np.errstate(divide="ignore"):
            return float(-np.diff(np.log(self.sizes))[0] / _LOG_TIME)

    @property
    def largest(self) -> float:
        """Distance from (0, x0)."""
        return float(self.numbers[0])

    @property
    def diameter(self) -> float:
        """Of the box around the rows, its widest side."""
        return float(self.numbers[2])

    @property
    def centre(self) -> np.ndarray:
        """Mean of the rows, (2d,)."""
        return self.numbers[3:]


GIVEN_UP = RunEnd(np.full(3, np.nan), np.full((4, 3), np.nan), (math.nan, math.nan))
"""Of a run that was not followed to its end, as one that grew too stiff: where it ends is not known."""


def at_rest(point: np.ndarray, distance: float) -> RunEnd:
    """The end of a run that rests at a point, at that distance from (0, x0)."""
    numbers = np.concatenate([[distance, distance, 0.0], point])
    return RunEnd(numbers, np.tile(numbers, (4, 1)), (distance, distance))


def end_of(z: np.ndarray, centre: np.ndarray, steps: np.ndarray | None = None) -> RunEnd:
    """The end of a run by its last rows.

    Args:
        z: spaced rows, (rows, 2d).
        centre: (0, x0).
        steps: its last single steps, of a rule; where these close, the numbers are those of one period.
    """
    once = None if steps is None else _one_period(steps)
    halves = [np.sqrt(np.mean(np.sum((half - centre) ** 2, axis=1))) for half in np.array_split(z, 2)]
    quarters = _numbers_of_parts(z, centre, 4)
    # rows end within a turn, and a plain mean of a few turns depends on where: a tapered one hardly does
    whole = _numbers(z, centre, np.hanning(len(z))) if once is None else _numbers(once, centre)
    return RunEnd(whole, quarters, (float(halves[0]), float(halves[1])))


def _numbers(z: np.ndarray, centre: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    sizes = np.linalg.norm(z - centre, axis=1)
    mean = np.average(z, axis=0, weights=weights)
    return np.concatenate([[sizes.max(), sizes.min(), np.max(np.ptp(z, axis=0))], mean])


def _numbers_of_parts(z: np.ndarray, centre: np.ndarray, count: int) -> np.ndarray:
    """:func:`_numbers` of each of so many parts, (count, 3 + 2d)."""
    lengths = [len(part) for part in np.array_split(z, count)]
    at = np.cumsum([0, *lengths[:-1]])
    sizes = np.linalg.norm(z - centre, axis=1)
    most, least = (of.reduceat(sizes, at) for of in (np.maximum, np.minimum))
    widths = np.maximum.reduceat(z, at) - np.minimum.reduceat(z, at)
    means = np.add.reduceat(z, at) / np.array(lengths)[:, None]
    return np.column_stack([most, least, widths.max(axis=1), means])


def _one_period(z: np.ndarray) -> np.ndarray | None:
    """The last points of steps that repeat, of one period; None where they do not within half of them."""
    close = _CLOSED * np.max(np.ptp(z, axis=0))
    gaps = np.max(np.abs(z[-2 : -len(z) // 2 - 2 : -1] - z[-1]), axis=1)
    for k in 1 + np.flatnonzero(gaps <= close):
        if np.max(np.abs(z[k:] - z[:-k])) <= close:
            return z[-k:]
    return None
