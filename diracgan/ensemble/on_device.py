"""Ensembles on device arrays: the whole run, from starts to labelled rows, is one XLA program.

Compiled loops are called from within it (:mod:`.foreign_call`): CUDA C++ on a GPU, C on a processor. Where there are
none, XLA runs the same steps, and says why.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..jax_settings import own_settings
from ..pytrees import Pytree
from ..tracing.scalar_program import Program
from . import adaptive_steps, c_backend, compiled_adaptive, foreign_call, gpu_backend
from .blocks import Device, Devices, across, compiled
from .engine_choice import DeviceRun, Engine, at_once, engine, state_varies
from .fixed_steps import EnsembleResult, Entries, StepShare, Task, block_by_block, block_size, step_and_start
from .labels import labelled
from .reduction import frame
from .schedule import EnsembleRequest, Schedule
from .statistics import Statistics
from .vector_field import EnsembleSystem, StepProgram, step_program

FIRST_ROUND, ROUND, LONGER = 4, 256, 4
"""Adaptive steps before trajectories are put beside their likes, until it is done again, and how that number grows."""

LATE = 2
"""What stands for too many steps where 1 stands for a least step that failed."""


class RunArrays(NamedTuple):
    """The arrays of a run.

    Attributes:
        system: the numbers of the game and the rule.
        phi: the critic's starts, (N, d).
        theta: the generator's.
        h: the step's size, one or each trajectory's.
        numbers: tolerances, the least step, and the radii of escape and ball.
        rows: the steps up to every stop, or the time up to it and the time there.
        most: steps of an adaptive run.
    """

    system: EnsembleSystem
    phi: Any
    theta: Any
    h: Any
    numbers: Entries
    rows: Any
    most: Any


def computed(
    system: EnsembleSystem,
    phi: Array | np.ndarray,
    theta: Array | np.ndarray,
    datum: np.ndarray | None,
    asked: EnsembleRequest,
    where: Devices,
) -> tuple[dict[str, Any], StepProgram, Engine]:
    """Data of an ensemble, its motion and what made its steps; arguments as for a run on the host.

    Args:
        system: its numbers.
        phi: the critic's starts, (N, d).
        theta: the generator's.
        datum: None for 0.
        asked: what is asked of them.
        where: one device.
    """
    schedule, kind, small = asked.schedule, asked.kind, asked.small
    with own_settings(kind == np.float64), jax.default_device(where.devices[0]):
        phi, theta = (jax.device_put(z, where.devices[0]) for z in (phi, theta))
        system = jax.tree.map(lambda x: jnp.asarray(x, kind), system)
        inside = (
            system if small is None or datum is None else system._replace(x0=(jnp.zeros((), kind),) * small)
        )
        motion = step_program(inside, small or phi.shape[1], kind)
        adaptive, last = schedule.tolerances is not None, schedule.stops[-1]
        about = DeviceRun(
            motion=motion,
            names=asked.names,
            devices=where,
            dtype=kind,
            varies=tuple(x.ndim > 0 for x in jax.tree.leaves(inside)),
            size=phi.shape[0],
            dim=small or phi.shape[1],
            datum=len(inside.x0 or ()),
            adaptive=adaptive,
            reduced=small is not None,
            several=asked.several,
            worth=phi.shape[0] >= compiled_adaptive.WORTH
            if adaptive
            else phi.shape[0] * last >= c_backend.WORTH,
        )
        h, limits = jnp.asarray(schedule.h, kind), (schedule.tolerances or (0.0, 0.0))
        least = 16 * float(np.finfo(kind).eps) * float(last)
        numbers = [jnp.asarray(x, kind) for x in (*limits, least, *asked.radii)]
        rows = _stretches(schedule, kind)
        most = np.int32(min(schedule.max_steps, 2**31 - 1))
        made_by = engine(about, h.ndim > 0)
        data = whole_run(where.platform)(
            about, made_by, RunArrays(system, phi, theta, h, numbers, rows, most)
        )
        return data, motion, made_by


def in_pieces(
    run: Callable[[slice, Any, Any, Device], dict[str, Array]],
    phi: Array | np.ndarray,
    theta: Array | np.ndarray,
    each: int,
    where: Devices,
) -> dict[str, np.ndarray]:
    """Data of any number of trajectories from NumPy's arrays: while a piece is computed, the one before is fetched.

    Args:
        run: the data of some trajectories: their numbers (a slice), starts and device -> name -> array.
        phi: the critic's starts, (N, d).
        theta: the generator's.
        each: trajectories in a piece.
        where: devices that take pieces in turn.
    """
    count, found, waiting = len(phi), {}, []

    def fetch() -> None:
        part, data = waiting.pop(0)
        for name, x in data.items():
            if name not in found:
                found[name] = np.empty((count, *x.shape[1:]), x.dtype)
            found[name][part] = x

    for k, begin in enumerate(range(0, count, each)):
        begin = max(0, min(begin, count - each))  # all of one size, so that they share one program
        part = slice(begin, begin + each)
        device = where.devices[k % len(where.devices)]
        waiting.append((part, run(part, phi[part], theta[part], device)))
        if len(waiting) > len(where.devices):
            fetch()
    while waiting:
        fetch()
    return found


def _stretches(schedule: Schedule, kind: np.dtype) -> Array | tuple[Array, Array]:
    """For every stop the steps up to it, or the time up to it and the time there."""
    if schedule.tolerances is None:
        return jnp.asarray(np.diff(schedule.stops, prepend=0), np.int32)
    stops = np.asarray(schedule.stops, float)
    return jnp.asarray(np.diff(stops, prepend=0.0), kind), jnp.asarray(stops, kind)


def _whole(
    about: DeviceRun,
    made_by: Engine,
    given: RunArrays,
) -> dict[str, Any]:
    """From starts to labelled rows."""
    system, phi, theta, h, numbers, rows, most = given
    motion, kind = about.motion, about.dtype
    phi, theta = (jnp.asarray(z, kind) for z in (phi, theta))
    spanned = None
    if about.reduced:
        datum = None if system.x0 is None else jnp.stack(system.x0)
        spanned = frame(phi, theta, datum, jnp)
        phi, theta = spanned.phi, spanned.theta
        system = system._replace(x0=None if datum is None else tuple(spanned.x0))
    *limits, escape, ball = numbers
    leaves, players = jax.tree.leaves(system), motion.pack(phi, theta, kind, jnp)
    task = Task(motion, about.names, leaves, players, (escape, ball, system.x0), h, about.devices)
    width = _width(about, made_by, task)
    padded = jax.tree.map(
        lambda x: _padded(x, -about.size % width) if jnp.ndim(x) else x, (leaves, players, h)
    )
    task = Task(motion, about.names, padded[0], padded[1], task.reference, padded[2], about.devices)
    run = _adaptive if about.adaptive else _fixed
    result = run(about, made_by, task, limits, rows, most)
    result = jax.tree.map(lambda x: x[..., : about.size], result._replace(engine=()))
    return labelled(result, spanned, motion, about.several, jnp)


whole_run = compiled(_whole, static=2)


def _width(about: DeviceRun, made_by: Engine, task: Task) -> int:
    """Trajectories come in multiples of it."""
    if made_by.loop is not None:
        return c_backend.GROUP
    if made_by.is_one_kernel:
        return gpu_backend.BLOCK
    return (
        adaptive_steps.BLOCK if about.adaptive else min(block_size(task), 128 * math.ceil(task.count / 128))
    )


def _padded(x: Array, spare: int) -> Array:
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, spare)], mode="edge")


def _blocks(x: Array, block: int) -> Array:
    """(..., N) -> (blocks, ..., block)."""
    return jnp.moveaxis(x.reshape(*x.shape[:-1], -1, block), -2, 0)


def _joined(x: Array) -> Array:
    """The inverse of :func:`_blocks`."""
    x = jnp.moveaxis(x, 0, -2)
    return x.reshape(*x.shape[:-2], -1)


# ---------------------------------------------------------------- the runs


def _fixed(
    about: DeviceRun, made_by: Engine, task: Task, limits: Entries, rows: Pytree, most: Array
) -> EnsembleResult:
    """Iterations of a rule; ``rows`` holds the steps from each stop to the next."""
    step, start, tree = step_and_start(task, at_once(task))
    first = [
        jnp.broadcast_to(x, task.players[0].shape) if v and not jnp.ndim(x) else jnp.asarray(x)
        for x, v in zip(start.state, state_varies(step, start), strict=True)
    ]
    block = _width(about, made_by, task)

    def advance(state: Entries, count: Array) -> Entries:
        if made_by.loop is not None:
            reads = [*(jnp.asarray(x, task.dtype) for x in start.fixed), *state, count]
            return foreign_call.call(made_by.loop.launch, made_by.loop.text, reads, state)
        cut = StepShare(
            *([_blocks(x, block) if jnp.ndim(x) else x for x in part] for part in (start.fixed, state))
        )
        if made_by.is_one_kernel:
            after = gpu_backend.steps(cast(Program, step), *cut, count)
        else:
            after = block_by_block(step, across(task.devices.platform), cut, count)
        return [_joined(x) if jnp.ndim(x) else x for x in after]

    def stretch(state: Entries, count: Array) -> tuple[Entries, Entries]:
        state = advance(state, count)
        return state, [state[i] for i in task.motion.kept]

    last, kept = jax.lax.scan(stretch, first, rows)
    seen = {} if tree is None else jax.tree.unflatten(tree, last[-1 - tree.num_leaves : -1])
    ended = jnp.isfinite(jnp.vstack([x[-1] for x in kept])).all(axis=0)
    every = [[x[k] for x in kept] for k in range(len(rows))]
    return EnsembleResult(every, seen, jnp.where(ended, 0, 1).astype(np.int8), "")


def _adaptive(
    about: DeviceRun, made_by: Engine, task: Task, limits: Entries, rows: Pytree, most: Array
) -> EnsembleResult:
    """Adaptive steps; ``rows`` holds the times from each stop to the next and those of the stops."""
    begun = Statistics(task.names, *task.reference).begin(task.players)
    seen, tree = jax.tree.flatten(begun)
    nothing = jnp.zeros(task.count, task.dtype)
    n = len(task.players)
    some = functools.partial(_steps, made_by, task, tree, limits)

    def stretch(entries: Entries, row: tuple[Any, Any]) -> tuple[Entries, Entries]:
        length, end = row
        lost = entries[n + 2]
        entries[n] = jnp.where(lost > 0, 0, length)

        def busy(carry: tuple[Array, Entries]) -> Array:
            return jnp.any(carry[1][n] > 0)

        def one_round(carry: tuple[Array, Entries]) -> tuple[Array, Entries]:
            budget, entries = carry
            h = jnp.where(entries[n] > 0, entries[n + 1], jnp.inf)  # who has arrived stands at the end
            order = _by_size(h)
            mine = some(
                [x[..., order] if x.ndim else x for x in task.leaves],
                end,
                [x[..., order] for x in entries],
                budget,
            )
            back = zip(entries, mine, strict=True)
            entries = [x.at[..., order].set(y, unique_indices=True) for x, y in back]
            late = (entries[n] > 0) & (entries[n + 3] >= most)
            entries[n], entries[n + 2] = jnp.where(late, 0, entries[n]), jnp.where(late, LATE, entries[n + 2])
            return jnp.minimum(jnp.maximum(ROUND, LONGER * budget), most), entries

        _, entries = jax.lax.while_loop(busy, one_round, (jnp.int32(FIRST_ROUND), entries))
        return entries, entries[:n]

    entries = [*task.players, nothing, nothing, nothing, nothing, *seen]
    last, kept = jax.lax.scan(stretch, entries, rows)
    lost = last[n + 2]
    status = adaptive_steps.how_ended(jnp.vstack(last[:n]), lost == 1, lost == LATE, jnp)
    every = [[x[k] for x in kept] for k in range(len(rows[0]))]
    return EnsembleResult(every, jax.tree.unflatten(tree, last[n + 4 :]), status, "")


def _by_size(sizes: Array) -> Array:
    """The order of numbers that are not negative, near enough: that of their bits as whole numbers.

    On a GPU XLA sorts pairs by digits where such lead them, by comparisons where floats do (its ``sort_rewriter.cc``).
    """
    return jnp.argsort(jax.lax.bitcast_convert_type(sizes.astype(np.float32), np.uint32))


def _steps(
    made_by: Engine,
    task: Task,
    tree: Any,
    limits: Entries,
    leaves: Entries,
    end: Array,
    entries: Entries,
    budget: Array,
) -> Entries:
    """At most ``budget`` adaptive steps of each; the entries are those of :func:`.loop_source.adaptive_steps`."""
    if made_by.loop is not None:
        escape, ball, x0 = task.reference
        reference = [escape, ball, *(x0 or ())] if task.names else []
        return foreign_call.call(
            made_by.loop.launch,
            made_by.loop.text,
            [*leaves, *limits, end, *reference, *entries, budget],
            entries,
        )
    n, block = len(task.players), adaptive_steps.BLOCK
    cut = [_blocks(x, block) for x in entries]
    togo, h, lost, used = cut[n : n + 4]
    job = adaptive_steps.FlowShare(
        [_blocks(x, block) if x.ndim else x for x in leaves],
        cut[:n],
        jax.tree.unflatten(tree, cut[n + 4 :]),
        task.reference,
    )
    piece = adaptive_steps.AdaptiveShare(job, togo, (adaptive_steps.SAFETY / h) ** 5, lost > 0, end)
    bounds = adaptive_steps.Limits(limits[0], limits[1], limits[2], budget)
    beside = across(task.devices.platform)
    first = adaptive_steps.first_demands(task.motion, beside, piece, bounds)
    piece = piece._replace(demand=jnp.where(h > 0, piece.demand, first))
    done, steps = adaptive_steps.one_round(task.motion, task.names, beside, piece, bounds)
    asks = jnp.maximum(adaptive_steps.SAFETY * done.demand**-0.2, limits[2])
    after = [
        *done.job.state,
        done.togo,
        asks,
        jnp.where(done.stuck, jnp.maximum(lost, 1), 0),
        used + steps.astype(task.dtype),
    ]
    return [_joined(x) for x in (*after, *jax.tree.leaves(done.job.seen))]
