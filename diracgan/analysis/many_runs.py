"""Many starts followed at once, by the flow or by a rule."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..dynamics.compiled_loops import MapLoop, rule_loop, rule_program, runge_kutta_loop
from ..dynamics.filippov import DiracSystem, surface_count
from ..dynamics.iterations import first_state
from ..dynamics.motion_result import MotionResult
from ..game import Players
from ..jax_settings import own_settings
from ..numerics.float_range import LARGEST
from ..pytrees import Pytree
from ..rules import Rule, init, step
from ..variants import Variant, variant as made_variant
from .dynamical_system import ContinuousSystem, Stretch, runge_kutta_step
from .run_ends import GIVEN_UP, RunEnd, end_of

ROWS = 512  # spaced states of the last quarter of a run (of the shortest, its last half), by which its end is known
_AT_ONCE = 2**24  # numbers of such states held at once
_FAR = 1e6  # boxes: beyond, a start has diverged
_BANDS = 2 * 3 * 5  # of chaotic motions, that spaced rows shall not keep time with


class Runs:
    """How starts are followed: for so many steps of one size, and how they end.

    Attributes:
        left: field evaluations that locating switchings may still take.
    """

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
        with own_settings(True):
            self.system = DiracSystem(*dirac.cast((variant, x0, rates), jnp.float64), tau=None)
            self.rule = None if rule is None else dirac.cast(dataclasses.replace(rule, ema=None), jnp.float64)
        self.variant, self.rates = variant, rates
        self.h, self.steps, self.box = h, steps, box
        self.left = math.inf
        self.switches = rule is None and surface_count(self.system) > 0
        self.centre = np.concatenate([np.zeros(len(x0)), x0])

    def ends(
        self,
        draws: np.ndarray,
        tell: Callable[[int, int], None] | None = None,
        finer: int = 1,
        longer: int = 1,
    ) -> list[RunEnd | None]:
        """How every start ends, with steps ``finer`` times as short, for ``longer``; None where it diverges."""
        at_once = max(1, _AT_ONCE // (ROWS * draws.shape[1]))
        found: list[RunEnd | None] = []
        for k in range(0, len(draws), at_once):
            rows = self._rows(draws[k : k + at_once], finer, longer)
            found += [self._end(z[:ROWS], None if self.rule is None else z[-ROWS:]) for z in rows]
            if tell is not None:
                tell(len(found), len(draws))
        return found

    def tail(self, draw: np.ndarray) -> np.ndarray | None:
        """The last quarter of the motion from a start, (rows, 2d); None where it diverges, or was given up."""
        if self.switches:
            seen = self._located(draw)
            rows = seen.zs if seen.result == MotionResult.OK else None
        else:
            rows = self._rows(draw[None])[0, :ROWS]
        return rows if rows is not None and self._end(rows) is not None else None

    def located_end(self, draw: np.ndarray) -> RunEnd | None:
        """How a start ends, with its switchings located; None where it diverges."""
        seen = self._located(draw)
        if seen.result == MotionResult.OK:
            return self._end(seen.zs)
        return None if seen.result == MotionResult.DIVERGED or self._is_far(seen.end) else GIVEN_UP

    def solves(self, draw: np.ndarray) -> bool:
        """Whether a step of the rule solves an equation, which takes a thousand times as long as any other.

        Then it has no scalar program of any loss, not even of a linear one.
        """
        with own_settings(True):
            if self.rule is None or rule_program(self.system, self.rule, self._begun(draw)) is not None:
                return False
            linear = dirac.cast(made_variant("wgan-linear"), jnp.float64)
            plain = DiracSystem(linear, self.system.x0, self.system.rates, None)
            like = first_state(linear, self.rule, plain.x0, Players(*np.split(draw, 2)))
            return rule_program(plain, self.rule, like) is None

    def _rows(self, draws: np.ndarray, finer: int = 1, longer: int = 1) -> np.ndarray:
        h, steps, n = self.h / finer, self.steps * finer * longer, len(draws)
        counts = self._counts(steps)
        with own_settings(True):
            loop = self._loop(h, self._begun(draws[0]))
            if loop is not None:
                return np.stack([loop(self._begun(draw), counts, LARGEST)[1][1:] for draw in draws])
        # few sizes are compiled
        padded = np.concatenate([draws, np.tile(draws[-1:], (_next_size(n) - n, 1))])
        with own_settings(True):
            return np.asarray(_rows_after(self.system, self.rule, padded, h, counts))[:n, 1:]

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

    def _begun(self, draw: np.ndarray) -> Pytree:
        """What a loop moves, at a start."""
        players = Players(*np.split(draw, 2))
        if self.rule is None:
            return players
        return first_state(self.system.variant, self.rule, self.system.x0, players)

    def _loop(self, h: float, like: Pytree) -> MapLoop | None:
        """Steps of the flow, or of the rule, in compiled C; None where XLA makes them."""
        if self.rule is None:
            return runge_kutta_loop(self.system, h, like)
        return rule_loop(self.system, self.rule, like)

    def _end(self, z: np.ndarray, steps: np.ndarray | None = None) -> RunEnd | None:
        """An end by its rows; None where these leave all bounds."""
        return None if self._is_far(z) else end_of(z, self.centre, steps)

    def _is_far(self, z: np.ndarray) -> bool:
        return not np.max(np.abs(z)) <= _FAR * self.box

    def _located(self, draw: np.ndarray) -> Stretch:
        """The last quarter of a motion with its switchings located, or what of it ended before its time."""
        span = self.h * self.steps
        with own_settings(True):
            motion = ContinuousSystem(self.system)
            seen = motion.advance(draw, 0.0, 0.75 * span, 0)
            self.left -= seen.cost
            if seen.result == MotionResult.OK:
                seen = motion.advance(seen.end, 0.75 * span, 0.25 * span, ROWS)
                self.left -= seen.cost
        if seen.result == MotionResult.STUCK:
            return seen._replace(zs=np.tile(seen.end, (ROWS, 1)), result=MotionResult.OK)
        return seen


def _next_size(n: int) -> int:
    """1, or the least of 8, 32, 128, ... that holds n; beyond 512 n itself."""
    return next((size for size in (1, 8, 32, 128, 512) if n <= size), n)


@jax.jit
def _rows_after(system: DiracSystem, rule: Rule | None, draws: Array, h: Array, counts: Array) -> Array:
    """The players after so many steps more each time, of every run, (n, rows, 2d)."""
    game, d = dirac.game(system.variant, system.x0), system.x0.shape[0]

    def once(state: Pytree) -> Pytree:
        return runge_kutta_step(system, state, h) if rule is None else step(rule, game, state)

    def run(z: Array) -> Array:
        state = z if rule is None else init(rule, game, Players(z[:d], z[d:]))

        def row(state: Pytree, count: Array) -> tuple[Pytree, Array]:
            state = jax.lax.fori_loop(0, count, lambda _, s: once(s), state)
            return state, state if rule is None else jnp.concatenate([*state.players])

        return jax.lax.scan(row, state, counts)[1]

    return jax.vmap(run)(draws)
