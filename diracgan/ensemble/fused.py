"""All steps inside a block that stays in the cache: iterations of a rule, and a flow's fixed steps, which are one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .blocks import BLOCK_BYTES, Devices, Layout, compiled, layout, over
from .programs import Motion
from .watch import Watch

Lanes = list[Any]

class Job(NamedTuple):
    """What a share of an ensemble is computed from: arrays (blocks, block), or numbers for all trajectories.

    Attributes:
        system: the leaves of the system.
        state: the entries of the state, players first.
        seen: the accumulators of the statistics.
        watch: what is watched.
        h: time of one step.
    """

    system: Lanes
    state: Lanes
    seen: dict[str, Any]
    watch: tuple[Any, Any, Any]
    h: Any


def by_block(block: Callable[[Any], Any], job: Any) -> Any:
    """``block`` of every block of ``job``: what has at least two axes is cut along the first, a number goes to all.

    A number that comes out, the same from every block, comes out as a number.
    """
    leaves, tree = jax.tree.flatten(job)
    cut = [x for x in leaves if jnp.ndim(x) > 1]

    def one(pieces: Lanes) -> Any:
        rest = iter(pieces)
        return block(jax.tree.unflatten(tree, [next(rest) if jnp.ndim(x) > 1 else x for x in leaves]))

    return jax.tree.map(lambda x: x[0] if x.ndim == 1 else x, jax.lax.map(one, cut))


def _begin(motion: Motion, names: tuple[str, ...], job: Job) -> tuple[Lanes, dict[str, Any]]:
    """The whole state and the accumulators before the first step."""

    def block(job: Job) -> tuple[Lanes, dict[str, Any]]:
        y = job.state
        seen = Watch(names, *job.watch).begin(y)
        if motion.begin is None:
            return y, seen
        state, lanes = motion.begin([*job.system, *y]), motion.lanes([jnp.ndim(x) > 0 for x in job.system])
        kinds = [jnp.result_type(x) for x in state]
        return [
            jnp.broadcast_to(jnp.asarray(x, k), y[0].shape) if varies and motion.apart else jnp.asarray(x, k)
            for x, k, varies in zip(state, kinds, lanes, strict=True)
        ], seen

    return by_block(block, job)


def _advance(
    motion: Motion, names: tuple[str, ...], job: Job, first: Any, count: Any
) -> tuple[Lanes, dict[str, Any]]:
    """``count`` steps after the first ``first`` ones."""

    def block(job: Job) -> tuple[Lanes, dict[str, Any]]:
        watch, size = Watch(names, *job.watch), motion.players

        def once(i: Any, carry: tuple[Lanes, dict[str, Any]]) -> tuple[Lanes, dict[str, Any]]:
            state, seen = carry
            after = motion.advance([*job.system, *state])
            after = [jnp.broadcast_to(jnp.asarray(a, b.dtype), b.shape) for a, b in zip(after, state, strict=True)]
            t = (first + i + 1).astype(state[0].dtype) * job.h
            return after, watch.next(seen, state[:size], after[:size], t, job.h)

        return jax.lax.fori_loop(0, count, once, (job.state, job.seen))

    return by_block(block, job)


begin = compiled(_begin, static=2)
advance = compiled(_advance, static=2)


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """An ensemble to be run, with arrays over trajectories (N,) or numbers for all of them.

    Attributes:
        motion: the programs.
        names: the statistics asked for.
        leaves: the system's numbers.
        players: the players' entries at the start, the last axis over trajectories.
        watch: the radii of escape and of the ball, and the datum's entries or None.
        h: time of one step.
        devices: where it runs.
    """

    motion: Motion
    names: tuple[str, ...]
    leaves: list[np.ndarray]
    players: list[np.ndarray]
    watch: tuple[np.ndarray, np.ndarray, Any]
    h: np.ndarray
    devices: Devices

    @property
    def dtype(self) -> np.dtype:
        """The type of every number."""
        return self.players[0].dtype

    @property
    def block(self) -> int:
        """How many trajectories fit a block."""
        size = sum(x.size for x in self.players) // self.players[0].shape[-1] if not self.motion.apart else 4
        return max(64, BLOCK_BYTES // self.dtype.itemsize * 4 // max(size, 4))

    def jobs(self, plan: Layout, players: Sequence[np.ndarray]) -> list[Job]:
        """One :class:`Job` a share."""
        leaves, tree = jax.tree.flatten(Job(self.leaves, list(players), {}, self.watch, self.h))
        cut = [plan.split(x) if np.ndim(x) else [x] * plan.shares for x in leaves]
        return [jax.tree.unflatten(tree, pieces) for pieces in zip(*cut, strict=True)]


class Outcome(NamedTuple):
    """What an ensemble came to.

    Attributes:
        rows: for every stop, the entries of phi, theta and, with EMA, their averages, each (..., N).
        seen: the statistics' accumulators, each (N,).
        status: how each trajectory ended, (N,).
    """

    rows: list[list[np.ndarray]]
    seen: dict[str, Any]
    status: np.ndarray


def iterate(task: Task, stops: Sequence[int]) -> Outcome:
    """Run to every one of ``stops``, numbers of steps in increasing order."""
    motion, platform = task.motion, task.devices.platform
    plan = layout(task.players[0].shape[-1], task.block, task.devices.workers)
    start, go = begin(platform), advance(platform)
    kept = list(range(motion.players)) + list(range(*motion.ema.indices(motion.ema.stop)) if motion.ema else ())

    def work(job: Job, stops: Sequence[int] = stops) -> tuple[list[Lanes], dict[str, Any]]:
        state, seen = start(motion, task.names, job)
        rows, done = [], 0
        for stop in stops:
            job = job._replace(state=state, seen=seen)
            state, seen = go(motion, task.names, job, np.int32(done), np.int32(stop - done))
            done = stop
            rows.append([state[i] for i in kept])
        return rows, seen

    key = (go, motion, task.names, plan.blocks, plan.block, task.devices.devices, *map(np.ndim, task.leaves))
    parts = over(task.devices, work, task.jobs(plan, task.players), lambda job: work(job, [0]), key)
    rows = [[plan.join(xs) for xs in zip(*(p[0][k] for p in parts), strict=True)] for k in range(len(stops))]
    seen = jax.tree.map(lambda *xs: plan.join(xs), *(p[1] for p in parts))
    ended = np.isfinite(np.vstack(rows[-1])).all(axis=0)
    return Outcome(rows, seen, np.where(ended, 0, 1).astype(np.int8))
