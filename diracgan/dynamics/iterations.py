"""The iterations of a rule in pieces: rows kept, the first failing step, and time to hear Ctrl-C.

A compiled program takes how many steps to make, and between which to keep a row, as data: one compilation serves every
number of steps. It is called again and again for a fraction of a second, so that Ctrl-C can stop it.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..game import Players
from ..numerics.float_range import LARGEST
from ..rules import Rule, State, init, step
from ..tracing.host import at_once, by_program
from ..variants import Variant
from .motion_result import MotionResult
from .noise import MinibatchNoise, noisy

_FAR = 1e8  # times as large as at the start: steps that fail from beyond have overflown
_ROWS, _FIRST, _MOST = 256, 256, 10**8  # rows of one call; steps of the first one; steps of any
_PATIENCE = 0.25  # seconds that one call should take


class IterationProgress(NamedTuple):
    """How far the iterations are: the state, its number, the first bad one, and the largest |z_i| before that."""

    state: State
    number: Array
    bad: Array
    largest: Array


class Iterated(NamedTuple):
    """The kept rows and how the iterations ended.

    Attributes:
        steps: the number of each row, (rows,).
        rows: name -> (rows, d); NaN from the first step that is not finite.
        result: ok, diverged or stiff.
        when: the number of the first step that is not finite, or NaN.
        text: the same in words.
    """

    steps: np.ndarray
    rows: dict[str, np.ndarray]
    result: MotionResult
    when: float
    text: str


def row_numbers(steps: int, every: int) -> np.ndarray:
    """The steps that are kept: 0, every, 2 every, ..., and ``steps``.

    Example:
        >>> row_numbers(7, 3).tolist()
        [0, 3, 6, 7]
    """
    kept = np.arange(0, steps + 1, min(every, steps), dtype=np.int64)
    return kept if kept[-1] == steps else np.append(kept, steps)


def iterate(
    variant: Variant,
    rule: Rule,
    z: Players,
    x0: np.ndarray,
    kept: np.ndarray,
    noise: MinibatchNoise | None = None,
) -> Iterated:
    """Iterate ``rule`` from ``z`` and keep the rows ``kept``.

    Args:
        variant: what is minimised.
        rule: what moves.
        z: the start, (d,) each.
        x0: the datum, (d,).
        kept: numbers of the steps to keep, increasing from 0, (rows,).
        noise: minibatch noise, or None.

    Returns:
        An :class:`Iterated`.
    """
    variant, rule, z, x0 = dirac.cast((variant, rule, Players(*z), x0), jnp.float64)
    progress = started(first_state(variant, rule, x0, z))
    averaged = progress.state.ema is not None
    names = ("phi", "theta", "phi_ema", "theta_ema")[: 4 if averaged else 2]
    rows = np.empty((len(names), len(kept), len(x0)))
    rows[:, 0] = [np.asarray(p) for p in (*progress.state.players, *(progress.state.ema or ()))]
    done, row, budget = 0, 1, _FIRST
    while row < len(kept):
        ends = kept[row : row + _ROWS]
        ends = ends[ends <= done + budget]
        whole = len(ends)
        if whole < _ROWS and row + whole < len(kept):  # part of the way to the next row
            ends = np.append(ends, min(done + budget, int(kept[row + whole])))
        counts = np.zeros(_ROWS, np.int64)
        counts[: len(ends)] = np.diff(ends, prepend=done)
        began = time.perf_counter()
        progress, found = advance(variant, rule, x0, noise, progress, counts)
        for out, some in zip(rows, found, strict=True):
            out[row : row + whole] = np.asarray(some)[:whole]
        spent = time.perf_counter() - began
        if done > 0:  # the first call compiles
            budget = int(np.clip(budget * min(4.0, _PATIENCE / max(spent, 1e-6)), 1, _MOST))
        done, row = int(ends[-1]), row + whole
        if int(progress.bad) <= done:
            break
    failed = int(progress.bad)
    named: dict[str, np.ndarray] = dict(zip(names, rows, strict=True))
    if failed > kept[-1]:
        return Iterated(kept, named, MotionResult.OK, math.nan, f"made {kept[-1]} steps")
    rows[:, kept >= failed] = np.nan
    largest = float(progress.largest)
    first = float(np.max(np.abs([*rows[:2, 0], np.asarray(x0)]))) or 1.0
    if largest > min(_FAR * first, LARGEST):
        return Iterated(kept, named, MotionResult.DIVERGED, failed, f"left the float range at step {failed}")
    text = f"step {failed} has no finite value, from |z| = {largest:.3g} at most"
    return Iterated(kept, named, MotionResult.STIFF, failed, text)


@at_once()
def first_state(variant: Variant, rule: Rule, x0: Array, z: Players) -> State:
    """The optimiser's state before the first iteration on the Dirac game."""
    return init(rule, dirac.game(variant, x0), z)


@jax.jit
def started(state: State) -> IterationProgress:
    """The progress before the first iteration from a state."""
    return IterationProgress(
        state, jnp.int64(0), jnp.int64(2**62), jnp.max(jnp.abs(jnp.concatenate([*state.players])))
    )


def _stepped(variant: Variant, rule: Rule, x0: Array, state: State) -> State:
    return step(rule, dirac.game(variant, x0), state)


@jax.jit
def advance(
    variant: Variant,
    rule: Rule,
    x0: Array,
    noise: MinibatchNoise | None,
    progress: IterationProgress,
    counts: Array,
    bound: float | Array = np.inf,
) -> tuple[IterationProgress, tuple[Array, ...]]:
    """After ``counts[0]``, ``counts[1]``, ... more steps: the progress at the end, and the rows in between.

    A step is bad when an entry of the players is not below ``bound``.
    """
    game = dirac.game(variant, x0)

    def once(_: Array, now: IterationProgress) -> IterationProgress:
        if noise is None and game.averaged:
            state = by_program(_stepped, variant, rule, x0, now.state)
        else:
            state = step(rule, noisy(game, noise, now.number), now.state)
        z = jnp.abs(jnp.concatenate([*state.players]))
        seen = jnp.maximum(now.largest, jnp.max(jnp.where(jnp.isnan(z), 0.0, z)))
        largest = jnp.where(now.bad > now.number, seen, now.largest)
        fine, number = jnp.all(z < bound), now.number + 1
        return IterationProgress(
            state, number, jnp.where(fine, now.bad, jnp.minimum(now.bad, number)), largest
        )

    def row(now: IterationProgress, count: Array) -> tuple[IterationProgress, tuple[Array, ...]]:
        now = jax.lax.fori_loop(0, count, once, now)
        return now, (*now.state.players, *(now.state.ema or ()))

    return jax.lax.scan(row, progress, counts)
