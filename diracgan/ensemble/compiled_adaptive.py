"""Adaptive steps in compiled C: a step size per trajectory, grouped with others that have as many ahead."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax import Array

from ..pytrees import Pytree
from ..tracing.scalar_program import NotScalarizable, Program, trace
from . import c_backend
from .blocks import Devices
from .fixed_steps import Entries, Task
from .loop_source import Control, Looks, adaptive_steps
from .statistics import Statistics

WORTH = 20_000
"""Trajectories from which on the compilation pays."""
FIRST_ROUND, ROUND = 32, 128
"""Steps before the trajectories are sorted for the first time, and again."""


def compiled_loop(backend: ModuleType, task: Task, control: Control, times: int) -> Any:
    """The compiled loop of a flow's adaptive steps, or None where there can be none.

    Args:
        backend: the module of a compiler.
        task: an ensemble of a flow.
        control: how the steps' sizes follow from their errors.
        times: how often the statistics look at a step.
    """
    if not isinstance(task.motion.advance, Program):
        return None  # before the statistics are traced
    looks = None
    if task.names:
        looks = looks_at(task.names, task.motion.players, len(task.reference[2] or ()), times, task.dtype)
        if looks is None:
            return None
    varies = tuple(np.ndim(x) > 0 for x in task.leaves)
    return backend.loop(adaptive_steps, task.motion.advance, varies, looks, control, task.dtype)


@functools.lru_cache(maxsize=256)
def looks_at(names: tuple[str, ...], players: int, datum: int, times: int, dtype: np.dtype) -> Looks | None:
    """The statistics' step as scalars; None where it has no such form."""
    one = jax.ShapeDtypeStruct((), dtype)

    def begin(escape: Array, ball: Array, x0: Sequence[Array], y: Entries) -> dict[str, Any]:
        return Statistics(names, escape, ball, tuple(x0) or None).begin(y)

    tree = jax.tree.structure(jax.eval_shape(begin, one, one, [one] * datum, [one] * players))

    def look(*values: Any) -> Entries:
        rest = iter(values)
        escape, ball, *x0 = (next(rest) for _ in range(2 + datum))
        seen = jax.tree.unflatten(tree, [next(rest) for _ in range(tree.num_leaves)])
        before, now = ([next(rest) for _ in range(players)] for _ in range(2))
        found = Statistics(names, escape, ball, tuple(x0) or None).next(seen, before, now, *rest)
        return jax.tree.leaves(found)

    kept = tree.num_leaves
    try:
        program = trace(look, *[one] * (2 + datum + kept + 2 * players + 2))
    except NotScalarizable:
        return None
    return Looks(program, 2 + datum, kept, times)


class CompiledRun:
    """The whole ensemble between rounds, on the host.

    Attributes:
        state: the players' entries, each (N,).
        seen: the statistics' accumulators.
        lost: whose least step failed.
        late: who made too many steps.
    """

    def __init__(
        self,
        loop: c_backend.CompiledLoop,
        task: Task,
        limits: list[Any],
        state: Entries,
        seen: dict[str, Pytree],
    ) -> None:
        self.loop, self.devices, self.state, self.seen = loop, task.devices, state, seen
        self.leaves, self.limits, self.reference = task.leaves, limits, task.reference
        count = state[0].shape[-1]
        self.h, self.used = np.zeros(count, task.dtype), np.zeros(count, task.dtype)
        self.lost, self.late = np.zeros(count, bool), np.zeros(count, bool)

    def go(self, length: np.floating, end: np.floating, max_steps: int) -> None:
        """Every trajectory that still can, on by ``length`` to the time ``end``."""
        togo = np.where(self.lost | self.late, 0, length).astype(self.h.dtype)
        lost = np.zeros_like(togo)
        all_entries = [*self.state, togo, self.h, lost, self.used, *jax.tree.leaves(self.seen)]
        rounds = itertools.chain([FIRST_ROUND], itertools.repeat(ROUND))
        with ThreadPoolExecutor(self.devices.workers) as pool:
            while (who := np.flatnonzero(togo > 0)).size:
                shares = _shares(who[np.argsort(self._pace(who, togo, end))], self.devices)
                list(pool.map(functools.partial(self._share, all_entries, end, next(rounds)), shares))
                self.late |= (togo > 0) & (self.used >= max_steps)
                togo[self.late] = 0
        self.lost |= lost > 0

    def _pace(self, who: np.ndarray, togo: np.ndarray, end: np.floating) -> np.ndarray:
        """How much of what is left a step of each of ``who`` makes, if its steps stay as long as they were."""
        return (end - togo[who]) / (togo[who] * np.maximum(self.used[who], 1))

    def _share(self, all_entries: Entries, end: np.floating, steps: int, who: np.ndarray) -> None:
        escape, ball, x0 = self.reference
        reference = [escape, ball, *(x0 or ())] if jax.tree.leaves(self.seen) else []
        leaves = [x[who] if np.ndim(x) else x for x in self.leaves]
        entries = [x[who] for x in all_entries]
        self.loop([*leaves, *self.limits, end, *reference], entries, steps)
        for mine, theirs in zip(all_entries, entries, strict=True):
            mine[who] = theirs


def _shares(who: np.ndarray, devices: Devices) -> list[np.ndarray]:
    """``who`` in parts of whole groups, the last one filled up with its last trajectory."""
    group = c_backend.GROUP
    filled = np.concatenate([who, np.repeat(who[-1:], -who.size % group)])
    parts = min(filled.size // group, 8 * devices.workers)
    return [part.ravel() for part in np.array_split(filled.reshape(-1, group), parts)]
