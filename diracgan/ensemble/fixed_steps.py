"""Fixed steps, all inside a block that stays in the cache: iterations of a rule, or of a flow's method."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..pytrees import Pytree
from ..tracing.scalar_program import NotScalarizable, Program, trace
from . import c_backend, cuda_backend, loop_source
from .blocks import BLOCK_BYTES, Devices, across, choose, compiled, layout, look_up, over
from .statistics import Statistics
from .vector_field import StepProgram

# steps of all trajectories in one run, and twice as many from then on where it took less than so many seconds
_RUN, _RUN_S = 3 * 10**7, 0.2

Entries = list[Any]
Step = Callable[[Sequence[Any]], Entries]
Across = Callable[..., Any]


class StepShare(NamedTuple):
    """A share of an ensemble: arrays (blocks, ..., block), or numbers for all trajectories.

    Attributes:
        fixed: what a step depends on.
        state: what it changes.
    """

    fixed: Entries
    state: Entries


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """An ensemble to be run, with arrays over trajectories (..., N) or numbers for all of them.

    Attributes:
        motion: what moves.
        names: the statistics asked for.
        leaves: the system's numbers.
        players: the players' entries at the start, the last axis over trajectories.
        reference: of the statistics: the radii of escape and of the ball, and the datum's entries or None.
        h: time of one step.
        devices: where it runs.
    """

    motion: StepProgram
    names: tuple[str, ...]
    leaves: list[Any]
    players: list[Any]
    reference: tuple[Any, ...]
    h: Any
    devices: Devices

    @property
    def dtype(self) -> np.dtype:
        """The type of every number."""
        return self.players[0].dtype

    @property
    def count(self) -> int:
        """How many trajectories there are."""
        return self.players[0].shape[-1]


class EnsembleResult(NamedTuple):
    """What an ensemble came to.

    Attributes:
        rows: for every stop, the entries of phi, theta and, with EMA, their averages, each (..., N).
        seen: the statistics' accumulators, each (N,).
        status: how each trajectory ended, (N,).
        engine: what ran it.
    """

    rows: list[Entries]
    seen: dict[str, Any]
    status: Any
    engine: str


def iterate(task: Task, stops: Sequence[int]) -> EnsembleResult:
    """Run to every one of ``stops``, numbers of steps in increasing order."""
    motion, devices = task.motion, task.devices
    if motion.begin is None:
        raise ValueError("fixed steps need a rule")
    step, start, tree = step_and_start(task, motion.at_once([*task.leaves, *task.players]))
    start = jax.tree.map(np.asarray, start)
    varies = varying(step, [np.ndim(x) > 0 for x in start.fixed], [np.ndim(x) > 0 for x in start.state])
    shape = np.shape(task.players[0])
    state = [
        np.broadcast_to(x, shape) if v and not np.ndim(x) else x
        for x, v in zip(start.state, varies, strict=True)
    ]
    plan = layout(task.count, block_size(task), devices.workers)
    advance, engine = _engine(step, start._replace(state=state), task, stops[-1])
    kept = motion.kept

    def work(job: StepShare, stops: Sequence[int] = stops) -> tuple[list[Entries], Entries]:
        rows, done = [], 0
        for stop in stops:
            job, done = job._replace(state=_on(advance, job, stop - done)), stop
            rows.append([np.array(job.state[i]) for i in kept])
        return rows, job.state

    leaves, structure = jax.tree.flatten(start._replace(state=state))
    cut = [plan.split(x) if np.ndim(x) else [x] * plan.shares for x in leaves]
    jobs = [jax.tree.unflatten(structure, pieces) for pieces in zip(*cut, strict=True)]
    key = (step, engine, plan.blocks, plan.block, devices.devices, *map(np.ndim, leaves))
    parts = over(devices, work, jobs, lambda job: work(job, [0]), key)
    rows = [[plan.join(xs) for xs in zip(*(p[0][k] for p in parts), strict=True)] for k in range(len(stops))]
    seen = {}
    if tree is not None:
        last = slice(len(start.state) - 1 - tree.num_leaves, len(start.state) - 1)
        seen = jax.tree.unflatten(
            tree, [plan.join(xs) for xs in zip(*(p[1][last] for p in parts), strict=True)]
        )
    ended = np.isfinite(np.vstack(rows[-1])).all(axis=0)
    return EnsembleResult(rows, seen, np.where(ended, 0, 1).astype(np.int8), engine)


def _on(advance: Callable[[StepShare, int], Entries], job: StepShare, count: int) -> Entries:
    """The state ``count`` steps later, by runs of about a second: between two of them Ctrl-C is heard."""
    run = max(1, _RUN // max(np.size(x) for x in job.state))
    while count > run:
        began = time.monotonic()
        job, count = job._replace(state=advance(job, run)), count - run
        if time.monotonic() - began < _RUN_S:
            run *= 2
        look_up()
    return advance(job, count)


def block_size(task: Task) -> int:
    """How many trajectories fit a block: four numbers each, or a whole vector where the motion is not scalar."""
    size = 4 if task.motion.is_scalar else max(4, sum(np.size(x) for x in task.players) // task.count)
    return max(64, 4 * BLOCK_BYTES // (size * task.dtype.itemsize))


# ---------------------------------------------------------------- one step, with what is watched


def step_and_start(task: Task, state: Entries) -> tuple[Step, StepShare, Any]:
    """The step, what it starts from, and the structure of the statistics, which come last but for a counter.

    Args:
        task: an ensemble of a rule.
        state: the rule's whole state at the start.
    """
    motion, leaves, players = task.motion, task.leaves, task.players
    if not task.names:
        return motion.advance, StepShare(leaves, state), None
    escape, ball, x0 = task.reference
    seen, tree = jax.tree.flatten(
        Statistics(task.names, *task.reference).begin([jnp.asarray(x) for x in players])
    )
    fixed = [*leaves, task.h, escape, ball, *(x0 or ())]
    kinds = tuple(np.dtype(x.dtype) for x in state)
    step = watched(motion, task.names, tree, len(leaves), kinds, len(x0 or ()), task.dtype)
    return step, StepShare(fixed, [*state, *seen, np.zeros((), task.dtype)]), tree


@functools.lru_cache(maxsize=256)
def watched(
    motion: StepProgram,
    names: tuple[str, ...],
    tree: Any,
    leaves: int,
    kinds: tuple[np.dtype, ...],
    datum: int,
    dtype: np.dtype,
) -> Step:
    """The motion's step together with that of its statistics; in scalar form like it."""

    def step(values: Sequence[Any]) -> Entries:
        rest = list(values)
        system, (h, escape, ball), x0 = (
            rest[:leaves],
            rest[leaves : leaves + 3],
            rest[leaves + 3 : leaves + 3 + datum],
        )
        state, seen, done = (
            rest[leaves + 3 + datum :][: len(kinds)],
            rest[-1 - tree.num_leaves : -1],
            rest[-1],
        )
        after = [jnp.asarray(x, k) for x, k in zip(motion.advance([*system, *state]), kinds, strict=True)]
        statistics, half = Statistics(names, escape, ball, tuple(x0) or None), motion.players
        found = statistics.next(jax.tree.unflatten(tree, seen), state[:half], after[:half], (done + 1) * h, h)
        return [*after, *jax.tree.leaves(found), done + 1]

    if not motion.is_scalar:
        return step
    kind = [dtype] * (leaves + 3 + datum) + [*kinds] + [dtype] * (tree.num_leaves + 1)
    try:
        return trace(lambda *values: step(values), *(jax.ShapeDtypeStruct((), k) for k in kind))
    except NotScalarizable:
        return step


def varying(step: Step, fixed: list[bool], state: list[bool]) -> list[bool]:
    """Which entries of the state come to vary over trajectories."""
    while isinstance(step, Program):
        after = [a or b for a, b in zip(state, step.varying([*fixed, *state]), strict=True)]
        if after == state:
            break
        state = after
    return state


# ---------------------------------------------------------------- who runs it


def engine() -> str:
    """What runs many steps here: ``"compiled CUDA"`` on a GPU, else ``"compiled C"``, or ``"XLA"`` without them."""
    where = choose(None)
    if where.platform == "gpu":
        return "XLA" if cuda_backend.missing(where.devices[0]) else "compiled CUDA"
    return "compiled C" if c_backend.available() else "XLA"


def _engine(
    step: Step, start: StepShare, task: Task, steps: int
) -> tuple[Callable[[StepShare, int], Entries], str]:
    """A function of a job and a number of steps, and its name."""
    if task.count * steps >= c_backend.WORTH:
        varies = (tuple(np.ndim(x) > 0 for x in part) for part in start)
        run = c_backend.loop(loop_source.fixed_steps, step, *varies, task.dtype)
        if run is not None:

            def in_registers(job: StepShare, count: int) -> Entries:
                state = [np.array(x, order="C") for x in job.state]
                run(job.fixed, state, count)
                return state

            return in_registers, "compiled C"
    through, over_blocks = _advance(task.devices.platform), across(task.devices.platform)
    return lambda job, count: through(step, over_blocks, job, np.int32(count)), "XLA"


def block_by_block(step: Step, over_blocks: Across, job: StepShare, count: Array | np.integer) -> Entries:
    """``count`` steps, block by block."""

    def block(job: StepShare) -> Entries:
        def once(_: Any, state: Entries) -> Entries:
            after = step([*job.fixed, *state])
            return [
                jnp.broadcast_to(jnp.asarray(a, b.dtype), b.shape) for a, b in zip(after, state, strict=True)
            ]

        return jax.lax.fori_loop(0, count, once, [jnp.asarray(x) for x in job.state])

    return by_block(block, job, over_blocks)


_advance = compiled(block_by_block, static=2)


def by_block(block: Callable[[Any], Any], job: Pytree, over_blocks: Across) -> Pytree:
    """``block`` of every block of ``job``: what has at least two axes is cut along the first, a number goes to all.

    A number that comes out, the same from every block, comes out as a number.
    """
    leaves, tree = jax.tree.flatten(job)
    cut = [x for x in leaves if jnp.ndim(x) > 1]

    def one(pieces: Entries) -> Pytree:
        rest = iter(pieces)
        return block(jax.tree.unflatten(tree, [next(rest) if jnp.ndim(x) > 1 else x for x in leaves]))

    return jax.tree.map(lambda x: x[0] if x.ndim == 1 else x, over_blocks(one, cut))
