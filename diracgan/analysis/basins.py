"""Many starts followed at once, grouped by the attractor that they end on, and the edge between two basins."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..dynamics.compiled_loops import MapLoop, rule_loop, rule_program, runge_kutta_loop
from ..dynamics.filippov import LARGEST, DiracSystem, surface_count
from ..dynamics.iterations import first_state
from ..game import Players
from ..rules import Rule, init, step
from ..variants import Variant, variant as made_variant
from .dynamical_system import ContinuousSystem, DiscreteSystem, DynamicalSystem, runge_kutta_step
from .linear.spectrum import spectrum
from .linear.status import Status
from .orbits.rotating_states import commutes_with_rotations

ROWS = 512  # spaced states of the last quarter of a run (of the shortest, its last half), by which its end is known
_AT_ONCE = 2**24  # numbers of such states held at once
SAME = 0.02  # of its size: by which two ends of one attractor may differ
_AT_REST = 1e-6  # of the box: a motion smaller than this is at rest
_STEADY = 0.01  # relative change of its size by which a motion has not settled
_STRAIGHT, _ONE_WAY = 0.9, 0.5  # of its way through its quarters, of its diameter: a motion that only goes on
_NEAR = (
    0.1  # of the box: a motion that shrinks below this may be on its way to (0, x0), and is followed longer
)
_LONGER = 4
_LOG_TIME = float(
    np.log(15 / 13)
)  # from the middle of the first half of a run's last quarter to that of the second
_WEAKER = 0.8  # of its power: where that of a shrinking motion falls below, it may end on something small
_FAR = 1e6  # boxes: beyond, a start has diverged
_BANDS = 2 * 3 * 5  # of chaotic motions, that spaced rows shall not keep time with
_CLOSED = 1e-6  # of an orbit's diameter: by which it closes
DIVERGED, UNSETTLED = -1, -2


class _End(NamedTuple):
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
    def power(self) -> float:
        """p of a size that falls like t^-p; infinite where nothing is left of it."""
        with np.errstate(divide="ignore"):
            return float(-np.diff(np.log(self.sizes))[0] / _LOG_TIME)

    @property
    def largest(self) -> float:
        return float(self.numbers[0])

    @property
    def diameter(self) -> float:
        return float(self.numbers[2])

    @property
    def centre(self) -> np.ndarray:
        return self.numbers[3:]


def _at_rest(point: np.ndarray, distance: float) -> _End:
    numbers = np.concatenate([[distance, distance, 0.0], point])
    return _End(numbers, np.tile(numbers, (4, 1)), (distance, distance))


class Runs:
    """Many starts followed at once, and what their ends have in common."""

    def __init__(
        self,
        variant: Variant,
        rule: Rule | None,
        x0: np.ndarray,
        h: float,
        steps: int,
        box: float,
        rates: Players = Players(1.0, 1.0),
    ) -> None:
        with jax.enable_x64(True):
            self.system = DiracSystem(*dirac.cast((variant, x0, rates), jnp.float64), tau=None)
            self.rule = None if rule is None else dirac.cast(dataclasses.replace(rule, ema=None), jnp.float64)
        self.variant, self.rates = variant, rates
        self.h, self.steps, self.box = h, steps, box
        self.switches = rule is None and surface_count(self.system) > 0
        self.centre = np.concatenate([np.zeros(len(x0)), x0])
        self.known: list[_End] = []

    def ends(
        self,
        draws: np.ndarray,
        tell: Callable[[int, int], None] | None = None,
        finer: int = 1,
        longer: int = 1,
    ) -> list[_End | None]:
        """How every start ends, with steps ``finer`` times as short, for ``longer``; None where it diverges."""
        at_once = max(1, _AT_ONCE // (ROWS * draws.shape[1]))
        found: list[_End | None] = []
        for k in range(0, len(draws), at_once):
            rows = self._rows(draws[k : k + at_once], finer, longer)
            found += [self._described(z[:ROWS], None if self.rule is None else z[-ROWS:]) for z in rows]
            if tell is not None:
                tell(len(found), len(draws))
        return found

    def _rows(self, draws: np.ndarray, finer: int = 1, longer: int = 1) -> np.ndarray:
        h, steps, n = self.h / finer, self.steps * finer * longer, len(draws)
        counts = self._counts(steps)
        with jax.enable_x64(True):
            loop = self._loop(h, self._begun(draws[0]))
            if loop is not None:
                return np.stack([loop(self._begun(draw), counts, LARGEST)[1][1:] for draw in draws])
        padded = np.concatenate(
            [draws, np.tile(draws[-1:], (_next_size(n) - n, 1))]
        )  # few sizes are compiled
        with jax.enable_x64(True):
            return np.asarray(_rows_after(self.system, self.rule, padded, h, counts))[:n, 1:]

    def solves(self, draw: np.ndarray) -> bool:
        """Whether a step of the rule solves an equation, which takes a thousand times as long as any other.

        Then it has no scalar program of any loss, not even of a linear one.
        """
        with jax.enable_x64(True):
            if self.rule is None or rule_program(self.system, self.rule, self._begun(draw)) is not None:
                return False
            linear = dirac.cast(made_variant("wgan-linear"), jnp.float64)
            plain = DiracSystem(linear, self.system.x0, self.system.rates, None)
            like = first_state(linear, self.rule, plain.x0, Players(*np.split(draw, 2)))
            return rule_program(plain, self.rule, like) is None

    def _begun(self, draw: np.ndarray) -> Any:
        """What a loop moves, at a start."""
        players = Players(*np.split(draw, 2))
        if self.rule is None:
            return players
        return first_state(self.system.variant, self.rule, self.system.x0, players)

    def _loop(self, h: float, like: Any) -> MapLoop | None:
        """Steps of the flow, or of the rule, in compiled C; None where XLA makes them."""
        if self.rule is None:
            return runge_kutta_loop(self.system, h, like)
        return rule_loop(self.system, self.rule, like)

    def tail(self, draw: np.ndarray) -> np.ndarray | None:
        """The last quarter of the motion from a start, (rows, 2d); None where it diverges."""
        rows = self._located_rows(draw) if self.switches else self._rows(draw[None])[0, :ROWS]
        return rows if rows is not None and self._described(rows) is not None else None

    def _described(self, z: np.ndarray, steps: np.ndarray | None = None) -> _End | None:
        """An end by its rows, and its last single steps: where these close, its numbers are those of one period."""
        if not np.all(np.isfinite(z)) or np.max(np.abs(z)) > _FAR * self.box:
            return None
        once = None if steps is None else _one_period(steps)
        halves = [
            np.sqrt(np.mean(np.sum((half - self.centre) ** 2, axis=1))) for half in np.array_split(z, 2)
        ]
        quarters = np.array([self._numbers(quarter) for quarter in np.array_split(z, 4)])
        # rows end within a turn, and a plain mean of a few turns depends on where: a tapered one hardly does
        whole = self._numbers(z, np.hanning(len(z))) if once is None else self._numbers(once)
        return _End(whole, quarters, (float(halves[0]), float(halves[1])))

    def _numbers(self, z: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        sizes = np.linalg.norm(z - self.centre, axis=1)
        mean = np.average(z, axis=0, weights=weights)
        return np.concatenate([[sizes.max(), sizes.min(), np.max(np.ptp(z, axis=0))], mean])

    def grouped(self, ends: list[_End | None]) -> np.ndarray:
        """The attractor of every end: an index into those known, to which new ones are added."""
        return np.array([self._group(e) for e in ends])

    def _group(self, end: _End | None) -> int:
        if end is None:
            return DIVERGED
        small = _AT_REST * self.box
        if self._passes(end):
            return UNSETTLED
        if end.diameter > small and end.swells:
            return UNSETTLED
        if end.diameter > small and end.still_to_go > SAME * end.largest:
            return UNSETTLED
        if end.diameter <= small:
            end = _at_rest(end.centre, end.largest)
        for k, other in enumerate(self.known):
            if self._alike(end, other):
                return k
        self.known.append(end)
        return len(self.known) - 1

    def _counts(self, steps: int) -> np.ndarray:
        """How many steps are made before each of the rows, the first of which is not kept.

        The spaced rows take up the last quarter. Of a rule, up to the last half, for a spacing that shares no factor
        with the number of a chaotic motion's bands; then single steps, by which the period of an orbit is told.
        """
        every = max(1, steps // 4 // ROWS)
        if self.rule is not None:
            longer = range(every, steps // 2 // ROWS + 1)
            every = next(k for k in (*longer, *range(every, 0, -1)) if math.gcd(k, _BANDS) == 1)
        late = ROWS if self.rule is not None and every > 1 else 0
        return np.array([steps - every * ROWS - late] + ROWS * [every] + late * [1])

    def tells_apart(self, one: np.ndarray, two: np.ndarray) -> bool:
        """Whether two neighbours end apart: ends of one family of orbits, where each start has its own, do not."""
        first, second = self._followed(np.stack([one, two]))
        if first is None or second is None:
            return first is not second
        return not self._alike(first, second)

    def _alike(self, end: _End, other: _End) -> bool:
        """Whether two ends are those of one attractor."""
        least = SAME * max(other.largest, other.diameter, 50 * _AT_REST * self.box)
        # of a chaotic or long motion the rows are a sample, which a second one differs from
        off = np.maximum(least, 2.0 * np.maximum(end.spread, other.spread))
        if np.all(np.abs(end.numbers - other.numbers) <= off):
            return True
        if len(self.centre) == 2 or not self._turns_alike:
            return False
        one, two = self._turned_numbers(end), self._turned_numbers(other)
        off = np.maximum(least, 2.0 * np.maximum(np.ptp(one[1:], axis=0), np.ptp(two[1:], axis=0)))
        return bool(np.all(np.abs(one[0] - two[0]) <= off))

    def _turned_numbers(self, end: _End) -> np.ndarray:
        """Those of an end and its quarters that turning leaves alone: distances, and how far off the centres are."""
        rows = np.vstack([end.numbers, end.quarters])
        phi, theta = np.split(rows[:, 3:] - self.centre, 2, axis=1)
        return np.column_stack([rows[:, :2], np.linalg.norm(phi, axis=1), np.linalg.norm(theta, axis=1)])

    @functools.cached_property
    def _turns_alike(self) -> bool:
        """Whether the motion commutes with rotations, so that what is turned is one attractor."""
        system, z = self.system, self.centre + self.box * np.linspace(0.3, 0.7, len(self.centre))
        motion: DynamicalSystem = (
            ContinuousSystem(system) if self.rule is None else DiscreteSystem(system, self.rule)
        )
        begun: Any = motion.begin(*np.split(z, 2))
        return commutes_with_rotations(motion, motion.flat(begun))

    @staticmethod
    def has_settled(labels: np.ndarray) -> np.ndarray:
        """Whether it is known where each start ends."""
        return labels != UNSETTLED

    def labels(self, draws: np.ndarray, tell: Callable[[int, int], None] | None = None) -> np.ndarray:
        """The attractor of every start, by steps.

        Where the field switches, steps do not locate its switchings: what depends on their size is followed again with
        switchings located.
        """
        found = self.grouped(self._followed(draws, tell))
        if self.switches:
            for k in np.flatnonzero(self.grouped(self._followed(draws, finer=2)) != found):
                found[k] = self._group(self._located(draws[k]))
        return found

    def located_labels(self, draws: np.ndarray, tell: Callable[[int, int], None] | None = None) -> np.ndarray:
        """The attractor of every start, with every switching located where the field switches.

        What still shrinks at its end, as it does by steps, is where these followed it to.
        """
        if not self.switches:
            return self.labels(draws, tell)
        by_steps = self._followed(draws)
        found = self.grouped(by_steps)
        for k, (draw, reached) in enumerate(zip(draws, by_steps, strict=True)):
            end = self._located(draw)
            rests = reached is not None and reached.largest <= _AT_REST * self.box
            if not (rests and end is not None and self._shrinks(end)):
                found[k] = self._group(end)
            if tell is not None:
                tell(k + 1, len(draws))
        return found

    def _followed(
        self, draws: np.ndarray, tell: Callable[[int, int], None] | None = None, finer: int = 1
    ) -> list[_End | None]:
        """How every start ends; what shrinks is followed longer, and is at rest where it goes on shrinking as fast.

        What rests at an unstable equilibrium only passes it, and is followed longer as well.
        """
        ends = self.ends(draws, tell, finer)
        slow = [
            k for k, end in enumerate(ends) if end is not None and (self._shrinks(end) or self._passes(end))
        ]
        later = self.ends(draws[slow], None, finer, _LONGER) if slow else []
        for k, end in zip(slow, later, strict=True):
            before = ends[k]
            assert before is not None
            goes_on = end is not None and self._shrinks(end) and end.power >= _WEAKER * before.power
            ends[k] = _at_rest(self.centre, 0.0) if goes_on and not self._repels else end
        return ends

    @functools.cached_property
    def _repels(self) -> bool:
        """Whether (0, x0) is unstable."""
        seen = spectrum(
            self.variant,
            x0=np.asarray(self.system.x0),
            rule=self.rule,
            rate_d=float(self.rates.phi),
            rate_g=float(self.rates.theta),
        )
        return seen.status == Status.UNSTABLE

    def _passes(self, end: _End) -> bool:
        """Whether an end is at (0, x0), which almost no start ends on where it is unstable."""
        return 0.0 < end.largest <= _AT_REST * self.box and self._repels

    def _shrinks(self, end: _End) -> bool:
        moves = end.diameter > _AT_REST * self.box and -end.change > _STEADY * end.largest
        return moves and end.largest < _NEAR * self.box

    def _located(self, draw: np.ndarray) -> _End | None:
        """How a start ends, with its switchings located; None where it diverges."""
        rows = self._located_rows(draw)
        return None if rows is None else self._described(rows)

    def _located_rows(self, draw: np.ndarray) -> np.ndarray | None:
        span = self.h * self.steps
        with jax.enable_x64(True):
            motion = ContinuousSystem(self.system)
            early = motion.advance(draw, 0.0, 0.75 * span, 0)
            if early.result == "stuck":
                return np.tile(early.end, (ROWS, 1))
            late = motion.advance(early.end, 0.75 * span, 0.25 * span, ROWS)
        if late.result == "stuck":
            return np.tile(late.end, (ROWS, 1))
        return late.zs if late.result == "ok" else None


def _next_size(n: int) -> int:
    """1, or the least of 8, 32, 128, ... that holds n; beyond 512 n itself."""
    return next((size for size in (1, 8, 32, 128, 512) if n <= size), n)


def _one_period(z: np.ndarray) -> np.ndarray | None:
    """The last points of steps that repeat, of one period; None where they do not within half of them."""
    close = _CLOSED * np.max(np.ptp(z, axis=0))
    gaps = np.max(np.abs(z[-2 : -len(z) // 2 - 2 : -1] - z[-1]), axis=1)
    for k in 1 + np.flatnonzero(gaps <= close):
        if np.max(np.abs(z[k:] - z[:-k])) <= close:
            return z[-k:]
    return None


@jax.jit
def _rows_after(system: DiracSystem, rule: Rule | None, draws: Array, h: Array, counts: Array) -> Array:
    """The players after so many steps more each time, of every run, (n, rows, 2d)."""
    game, d = dirac.game(system.variant, system.x0), system.x0.shape[0]

    def once(state: Any) -> Any:
        return runge_kutta_step(system, state, h) if rule is None else step(rule, game, state)

    def run(z: Array) -> Array:
        state = z if rule is None else init(rule, game, Players(z[:d], z[d:]))

        def row(state: Any, count: Array) -> tuple[Any, Array]:
            state = jax.lax.fori_loop(0, count, lambda _, s: once(s), state)
            return state, state if rule is None else jnp.concatenate([*state.players])

        return jax.lax.scan(row, state, counts)[1]

    return jax.vmap(run)(draws)


def bisected(
    runs: Runs, inner: np.ndarray, outer: np.ndarray, group: int, halvings: int = 30
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of starts, the first of which ends on ``group`` and the second not, brought together."""
    for _ in range(halvings):
        middle = 0.5 * (inner + outer)
        stays = (runs.labels(middle) == group)[:, None]
        inner, outer = np.where(stays, middle, inner), np.where(stays, outer, middle)
    return inner, outer
