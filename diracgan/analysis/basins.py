"""Starts grouped by the attractor that they end on, and the edge between two basins."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..game import Players
from .dynamical_system import ContinuousSystem, DiscreteSystem, DynamicalSystem
from .linear.settings import LinearSettings
from .linear.spectrum import spectrum_of
from .linear.status import Status
from .many_runs import Runs
from .orbits.rotating_states import commutes_with_rotations
from .run_ends import GIVEN_UP, RunEnd, at_rest

SAME = 0.02  # of its size: by which two ends of one attractor may differ
_AT_REST = 1e-6  # of the box: a motion smaller than this is at rest
# of the box: a motion that shrinks below this may be on its way to (0, x0), and is followed longer
_NEAR = 0.1
_LONGER = 4
_WEAKER = 0.8  # of its power: where that of a shrinking motion falls below, it may end on something small
DIVERGED, UNSETTLED = -1, -2


class Basins:
    """Which attractor each start ends on, of those met so far.

    Attributes:
        runs: how starts are followed.
        known: the end on each attractor.
    """

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.known: list[RunEnd] = []

    def labels(self, draws: np.ndarray, tell: Callable[[int, int], None] | None = None) -> np.ndarray:
        """The attractor of every start, by steps.

        Where the field switches, steps do not locate its switchings: what depends on their size is followed again with
        switchings located, as long as ``runs.left`` allows, and not known after that.
        """
        found = self.grouped(self._followed(draws, tell))
        if self.runs.switches:
            for k in np.flatnonzero(self.grouped(self._followed(draws, finer=2)) != found):
                found[k] = self._group(self.runs.located_end(draws[k])) if self.runs.left > 0 else UNSETTLED
        return found

    def located_labels(self, draws: np.ndarray, tell: Callable[[int, int], None] | None = None) -> np.ndarray:
        """The attractor of every start, with every switching located where the field switches.

        What still shrinks at its end, as it does by steps, is where these followed it to.
        """
        if not self.runs.switches:
            return self.labels(draws, tell)
        by_steps = self._followed(draws)
        found = self.grouped(by_steps)
        for k, (draw, reached) in enumerate(zip(draws, by_steps, strict=True)):
            end = self.runs.located_end(draw)
            rests = reached is not None and reached.largest <= _AT_REST * self.runs.box
            if not (rests and end is not None and self._shrinks(end)):
                found[k] = self._group(end)
            if tell is not None:
                tell(k + 1, len(draws))
        return found

    def grouped(self, ends: list[RunEnd | None]) -> np.ndarray:
        """The attractor of every end: an index into those known, to which new ones are added."""
        return np.array([self._group(e) for e in ends])

    def tells_apart(self, one: np.ndarray, two: np.ndarray) -> bool:
        """Whether two neighbours end apart: ends of one family of orbits, where each start has its own, do not."""
        first, second = self._followed(np.stack([one, two]))
        if first is None or second is None:
            return first is not second
        return not self._alike(first, second)

    @staticmethod
    def has_settled(labels: np.ndarray) -> np.ndarray:
        """Whether it is known where each start ends."""
        return labels != UNSETTLED

    def _followed(
        self, draws: np.ndarray, tell: Callable[[int, int], None] | None = None, finer: int = 1
    ) -> list[RunEnd | None]:
        """How every start ends; what shrinks is followed longer, and is at rest where it goes on shrinking as fast.

        What rests at an unstable equilibrium only passes it, and is followed longer as well.
        """
        ends = self.runs.ends(draws, tell, finer)
        slow = [
            k for k, end in enumerate(ends) if end is not None and (self._shrinks(end) or self._passes(end))
        ]
        later = self.runs.ends(draws[slow], None, finer, _LONGER) if slow else []
        for k, end in zip(slow, later, strict=True):
            before = ends[k]
            assert before is not None
            goes_on = end is not None and self._shrinks(end) and end.power >= _WEAKER * before.power
            ends[k] = at_rest(self.runs.centre, 0.0) if goes_on and not self._repels else end
        return ends

    def _group(self, end: RunEnd | None) -> int:
        if end is None:
            return DIVERGED
        if end is GIVEN_UP:
            return UNSETTLED
        small = _AT_REST * self.runs.box
        if self._passes(end):
            return UNSETTLED
        if end.diameter > small and end.swells:
            return UNSETTLED
        if end.diameter > small and end.still_to_go > SAME * end.largest:
            return UNSETTLED
        if end.diameter <= small:
            end = at_rest(end.centre, end.largest)
        for k, other in enumerate(self.known):
            if self._alike(end, other):
                return k
        self.known.append(end)
        return len(self.known) - 1

    def _alike(self, end: RunEnd, other: RunEnd) -> bool:
        """Whether two ends are those of one attractor."""
        least = SAME * max(other.largest, other.diameter, 50 * _AT_REST * self.runs.box)
        # of a chaotic or long motion the rows are a sample, which a second one differs from
        off = np.maximum(least, 2.0 * np.maximum(end.spread, other.spread))
        near = np.abs(end.numbers - other.numbers) <= off
        if np.all(near):
            return True
        # the first two, distances from (0, x0), are those of what is turned as well
        if len(self.runs.centre) == 2 or not np.all(near[:2]) or not self._turns_alike:
            return False
        one, two = self._turned_numbers(end), self._turned_numbers(other)
        off = np.maximum(least, 2.0 * np.maximum(np.ptp(one[1:], axis=0), np.ptp(two[1:], axis=0)))
        return bool(np.all(np.abs(one[0] - two[0]) <= off))

    def _turned_numbers(self, end: RunEnd) -> np.ndarray:
        """Those of an end and its quarters that turning leaves alone: distances, and how far off the centres are."""
        rows = np.vstack([end.numbers, end.quarters])
        phi, theta = np.split(rows[:, 3:] - self.runs.centre, 2, axis=1)
        return np.column_stack([rows[:, :2], np.linalg.norm(phi, axis=1), np.linalg.norm(theta, axis=1)])

    @functools.cached_property
    def _turns_alike(self) -> bool:
        """Whether the motion commutes with rotations, so that what is turned is one attractor."""
        system, rule, centre = self.runs.system, self.runs.rule, self.runs.centre
        z = centre + self.runs.box * np.linspace(0.3, 0.7, len(centre))
        motion: DynamicalSystem = ContinuousSystem(system) if rule is None else DiscreteSystem(system, rule)
        begun: Any = motion.begin(*np.split(z, 2))
        return commutes_with_rotations(motion, motion.flat(begun))

    @functools.cached_property
    def _repels(self) -> bool:
        """Whether (0, x0) is unstable."""
        runs, x0 = self.runs, np.asarray(self.runs.system.x0)
        rate_d, rate_g = map(float, runs.rates)
        here = Players(np.zeros_like(x0), x0)
        seen = spectrum_of(LinearSettings(runs.variant, runs.rule, here, x0, Players(rate_d, rate_g)))
        return seen.status == Status.UNSTABLE

    def _passes(self, end: RunEnd) -> bool:
        """Whether an end is at (0, x0), which almost no start ends on where it is unstable."""
        return 0.0 < end.largest <= _AT_REST * self.runs.box and self._repels

    def _shrinks(self, end: RunEnd) -> bool:
        """Whether an end is near (0, x0), and nears it still."""
        return end.shrinks and end.diameter > _AT_REST * self.runs.box and end.largest < _NEAR * self.runs.box


def bisected(
    basins: Basins, inner: np.ndarray, outer: np.ndarray, group: int, halvings: int = 30
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of starts, the first of which ends on ``group`` and the second not, brought together."""
    for _ in range(halvings):
        middle = 0.5 * (inner + outer)
        stays = (basins.labels(middle) == group)[:, None]
        inner, outer = np.where(stays, middle, inner), np.where(stays, outer, middle)
    return inner, outer
