"""Adaptive steps: one step size for a block of trajectories that need about the same.

A block takes the step that its most demanding trajectory allows, so every trajectory keeps its own tolerance. Blocks
are sorted by how demanding their trajectories are, and sorted anew, without those that have arrived, after every round
of a limited number of steps: a stiff trajectory slows its likes, not everybody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..pytrees import Pytree
from ..rules.base import chosen
from . import c_backend, compiled_adaptive
from .blocks import BlockLayout, across, compiled, layout, over
from .fixed_steps import Across, EnsembleResult, Entries, Task, by_block
from .loop_source import Control
from .methods import tableau
from .statistics import Statistics, squares
from .vector_field import StepProgram

BLOCK = 512
ROUND = 256
DIVERGED, MAX_STEPS, STIFF = 1, 2, 3
# of the flows here, 0.9 has every sixth step fail; 0.8 takes 7 % fewer in all, with two thirds of the error
CONTROL = Control(safety=0.8, shrink=0.2, grow=10.0)
SAFETY, _SHRINK, _GROW = CONTROL
_ALIKE = 4.0  # how many times smaller a step a block may take than its easiest trajectory asks for
_BAD = 1e12  # what stands for an error that is not a number
LOOKS = 8  # times that the statistics look at a step
_FAR = 1e6  # a trajectory that cannot go on out there is on its way to infinity


class FlowShare(NamedTuple):
    """A share of an ensemble: arrays (blocks, ..., block), or numbers for all trajectories.

    Attributes:
        system: the system's numbers.
        state: the players' entries.
        seen: the accumulators of the statistics.
        reference: of the statistics: the radii of escape and of the ball, and the datum's entries or None.
    """

    system: Entries
    state: Entries
    seen: dict[str, Any]
    reference: tuple[Any, Any, Any]


class AdaptiveShare(NamedTuple):
    """A share between two sorts.

    Attributes:
        job: the trajectories.
        togo: time left of this stretch, by trajectory.
        demand: error / h^5 of the last full step: (safety^5 / demand)^(1/5) is the step a trajectory asks for.
        stuck: whether even the least step fails.
        end: the time at the end of this stretch.
    """

    job: FlowShare
    togo: Any
    demand: Any
    stuck: Any
    end: Any


class Limits(NamedTuple):
    """Tolerances, the least step, and the number of steps in a round."""

    rtol: Any
    atol: Any
    least: Any
    budget: Any


def _stages(
    field: Callable[[Entries], Entries], y: Entries, h: Array | np.ndarray, k1: Entries
) -> tuple[Entries, list[Entries]]:
    """The new state of a step and its seven slopes, the last one at the new state."""
    ks, new = [k1], y
    for row in tableau()[0]:
        new = [x + h * sum(c * k[i] for c, k in zip(row, ks, strict=True) if c) for i, x in enumerate(y)]
        ks.append(field(new))
    return new, ks


def _field(motion: StepProgram, job: FlowShare) -> Callable[[Entries], Entries]:
    """The velocity as a function of the state's entries."""
    like = job.state[0]

    def field(y: Entries) -> Entries:
        v = motion.advance([*job.system, *y])
        return [jnp.broadcast_to(jnp.asarray(x, like.dtype), like.shape) for x in v]

    return field


def _error(y: Entries, new: Entries, ks: list[Entries], h: Array | np.ndarray, limits: Limits) -> Array:
    """The root mean square over components of (error estimate) / (atol + rtol |y|), as diffrax and scipy take it."""
    scaled = []
    for i, (a, b) in enumerate(zip(y, new, strict=True)):
        estimate = h * sum(c * k[i] for c, k in zip(tableau()[1], ks, strict=True) if c)
        scaled.append(estimate / (limits.atol + limits.rtol * jnp.maximum(jnp.abs(a), jnp.abs(b))))
    error = jnp.sqrt(squares(scaled) / (sum(x.size for x in y) // h.size))
    return jnp.where(error < _BAD, error, _BAD)


def first_demands(motion: StepProgram, over_blocks: Across, piece: AdaptiveShare, limits: Limits) -> Array:
    """The demand of every trajectory at its start, from one trial step across a tenth of its own size."""

    def block(piece: AdaptiveShare) -> Array:
        job, field = piece.job, _field(motion, piece.job)
        k1 = field(job.state)
        size, speed = squares(job.state), squares(k1)
        h = jnp.minimum(piece.togo, 0.1 * jnp.sqrt((size + limits.atol) / (speed + limits.atol)))
        new, ks = _stages(field, job.state, h, k1)
        return _error(job.state, new, ks, h, limits) / jnp.maximum(h, limits.least) ** 5

    return by_block(block, piece, over_blocks)


def one_round(
    motion: StepProgram, names: tuple[str, ...], over_blocks: Across, piece: AdaptiveShare, limits: Limits
) -> tuple[AdaptiveShare, Any]:
    """Every block until its trajectories have arrived, or for a round's steps; and the steps of each trajectory."""

    def block(piece: AdaptiveShare) -> tuple[AdaptiveShare, Any]:
        job, statistics, field = piece.job, Statistics(names, *piece.job.reference), _field(motion, piece.job)

        def busy(carry: Pytree) -> Array:
            return (carry[0] < limits.budget) & jnp.any(carry[4] > 0)

        def once(carry: Pytree) -> Pytree:
            count, h, y, k1, togo, demand, stuck, seen = carry
            step = jnp.minimum(h, togo)  # 0 for who has arrived: it stays where it is
            new, ks = _stages(field, y, step, k1)
            error = jnp.where(togo > 0, _error(y, new, ks, step, limits), 0.0)
            worst = jnp.max(error)
            fine, full = worst <= 1, togo >= h
            demand = jnp.where(full, error / h**5, demand)
            # who fails at the least step cannot go on, and must not hold up the others
            lost = ~fine & (h <= limits.least) & (error > 1)
            ahead = togo - step
            if names:
                watched = _watched(statistics, seen, (y, new), (k1, ks[-1]), piece.end - ahead, step)
                seen = chosen(fine, watched, seen)
            y, k1 = chosen(fine, new, y), chosen(fine, ks[-1], k1)
            togo = jnp.where(lost, 0.0, jnp.where(fine, ahead, togo))
            factor = jnp.clip(SAFETY * worst**-0.2, _SHRINK, _GROW)
            h = jnp.maximum(h * jnp.where(jnp.any(full), factor, jnp.minimum(factor, 1.0)), limits.least)
            return count + 1, h, y, k1, togo, demand, stuck | lost, seen

        hardest = jnp.max(jnp.where(piece.togo > 0, piece.demand, 0.0))
        h = jnp.clip(SAFETY * hardest**-0.2, limits.least, jnp.max(piece.togo))
        carry = (
            jnp.int32(0),
            h,
            job.state,
            field(job.state),
            piece.togo,
            piece.demand,
            piece.stuck,
            job.seen,
        )
        count, _, y, _, togo, demand, stuck, seen = jax.lax.while_loop(busy, once, carry)
        done = piece._replace(job=job._replace(state=y, seen=seen), togo=togo, demand=demand, stuck=stuck)
        return done, jnp.broadcast_to(count, togo.shape)

    return by_block(block, piece, over_blocks)


def _watched(
    statistics: Statistics,
    seen: dict[str, Pytree],
    ends: tuple[Entries, Entries],
    slopes: tuple[Entries, Entries],
    time: Array,
    step: Array,
) -> dict[str, Pytree]:
    """The accumulators after a long step that ended at ``time``: looked at along the cubic between its ends."""

    def look(k: Array, carry: tuple[dict[str, Pytree], Entries]) -> tuple[dict[str, Pytree], Entries]:
        seen, before = carry
        u = ((k + 1) / LOOKS).astype(step.dtype)
        rise = u * u * (3 - 2 * u)
        now = [
            a + rise * (b - a) + step * u * (1 - u) * ((1 - u) * p - u * q)
            for a, b, p, q in zip(*ends, *slopes, strict=True)
        ]
        return statistics.next(seen, before, now, time - (1 - u) * step, step / LOOKS), now

    return jax.lax.fori_loop(0, LOOKS, look, (seen, ends[0]))[0]


first = compiled(first_demands, static=2)
round_of_steps = compiled(one_round, static=3)


def integrate(
    task: Task, stops: Sequence[float], tolerances: tuple[float, float], max_steps: int
) -> EnsembleResult:
    """Run to every one of ``stops``, increasing times.

    Args:
        task: an ensemble of a flow.
        stops: where to stop.
        tolerances: rtol and atol.
        max_steps: steps after which a trajectory is given up.
    """
    dtype, count = task.dtype, task.count
    end = float(stops[-1])
    least = 16 * float(np.finfo(dtype).eps) * end
    rtol, atol, shortest = (np.asarray(x, dtype) for x in (*tolerances, least))
    limits = Limits(rtol, atol, shortest, np.int32(ROUND))
    plan = layout(count, BLOCK, task.devices.workers, shares_each=8)
    statistics = Statistics(task.names, *task.reference)
    begun = statistics.begin([np.asarray(x) for x in task.players])
    state, seen = [np.array(x) for x in task.players], jax.tree.map(np.array, begun)
    worth = count >= compiled_adaptive.WORTH
    loop = compiled_adaptive.compiled_loop(c_backend, task, CONTROL, LOOKS) if worth else None
    if loop is not None:
        flight = compiled_adaptive.CompiledRun(loop, task, [rtol, atol, shortest], state, seen)
    else:
        flight = _AdaptiveRun(task, plan, limits, state, seen)
    rows, time = [], 0.0
    for stop in stops:
        flight.go(dtype.type(float(stop) - time), dtype.type(stop), max_steps)
        time = float(stop)
        rows.append([x.copy() for x in flight.state])
    status = how_ended(np.vstack(flight.state), flight.lost, flight.late)
    return EnsembleResult(rows, flight.seen, status, "XLA" if loop is None else "compiled C")


def how_ended(
    last: Array | np.ndarray, lost: Array | np.ndarray, late: Array | np.ndarray, xp: ModuleType = np
) -> np.ndarray:
    """The status of every trajectory.

    Args:
        last: the last states, (entries, N).
        lost: whose least step failed.
        late: who made too many steps.
        xp: NumPy or jax.numpy.
    """
    far = xp.abs(last).max(axis=0) > _FAR
    status = xp.where(lost, xp.where(far, DIVERGED, STIFF), 0)
    status = xp.where(late, MAX_STEPS, status)
    return xp.where(xp.isfinite(last).all(axis=0), status, DIVERGED).astype(np.int8)


class _AdaptiveRun:
    """The whole ensemble between rounds, on the host."""

    def __init__(
        self, task: Task, plan: BlockLayout, limits: Limits, state: list[np.ndarray], seen: dict[str, Pytree]
    ) -> None:
        self.task, self.plan, self.limits, self.state, self.seen = task, plan, limits, state, seen
        count = state[0].shape[-1]
        self.demand: np.ndarray | None = None
        self.used = np.zeros(count, np.int64)
        self.lost, self.late = np.zeros(count, bool), np.zeros(count, bool)

    def go(self, length: np.floating, end: np.floating, max_steps: int) -> None:
        """Every trajectory that still can, on by ``length`` to the time ``end``."""
        togo = np.where(self.lost | self.late, 0, length).astype(self.task.dtype)
        if self.demand is None:
            everyone = np.arange(len(togo))
            self.demand = np.zeros_like(togo)
            self.demand[everyone] = self._of(everyone, togo, end, self._trial)[0]
        while (who := np.flatnonzero(togo > 0)).size:
            who = who[np.argsort(_key(self.demand[who]), kind="stable")]
            who = _grouped(who, np.maximum(self.demand[who], (SAFETY / length) ** 5), self.plan)
            piece, steps = self._of(who, togo, end, self._steps)
            for mine, theirs in zip(self.state, piece.job.state, strict=True):
                mine[..., who] = theirs
            for mine, theirs in zip(jax.tree.leaves(self.seen), jax.tree.leaves(piece.job.seen), strict=True):
                mine[..., who] = theirs
            togo[who], self.demand[who], self.lost[who] = piece.togo, piece.demand, piece.stuck
            self.used[who] += steps
            self.late |= (togo > 0) & (self.used >= max_steps)
            togo[self.late] = 0

    def _trial(self, piece: AdaptiveShare) -> tuple[Array]:
        platform = self.task.devices.platform
        return (first(platform)(self.task.motion, across(platform), piece, self.limits),)

    def _steps(self, piece: AdaptiveShare, budget: int = ROUND) -> tuple[AdaptiveShare, Array]:
        platform, limits = self.task.devices.platform, self.limits._replace(budget=np.int32(budget))
        return round_of_steps(platform)(self.task.motion, self.task.names, across(platform), piece, limits)

    def _of(self, who: np.ndarray, togo: np.ndarray, end: np.floating, work: Callable[..., Pytree]) -> Pytree:
        """``work`` on the trajectories ``who``, shared among the cores; arrays over ``who`` come back."""
        assert self.demand is not None
        t, whole = self.task, self.plan
        job = FlowShare(t.leaves, self.state, self.seen, t.reference)
        piece = AdaptiveShare(job, togo, self.demand, self.lost, end)
        leaves, tree = jax.tree.flatten(piece)
        plan = BlockLayout(
            who.size, math.ceil(who.size / (whole.blocks * whole.block)), whole.blocks, whole.block
        )
        cut = [plan.split(x[..., who]) if np.ndim(x) else [x] * plan.shares for x in leaves]
        shares = [jax.tree.unflatten(tree, pieces) for pieces in zip(*cut, strict=True)]
        warm = (lambda share: work(share, 0)) if work == self._steps else work
        key = (
            work.__name__,
            t.motion,
            t.names,
            plan.blocks,
            plan.block,
            t.devices.devices,
            *map(np.ndim, leaves),
        )
        parts = over(t.devices, work, shares, warm, key)
        return jax.tree.map(lambda *xs: plan.join(xs) if np.ndim(xs[0]) > 1 else xs[0], *parts)


def _grouped(who: np.ndarray, demand: np.ndarray, plan: BlockLayout) -> np.ndarray:
    """``who``, in the order of their demands, cut into blocks in which steps differ little, and filled up.

    A block ends where it is full or where the next trajectory asks for a step a few times smaller: what is
    alone with its stiffness gets a block of its own. What fills a block is its first trajectory once more; what
    fills the last share is the easiest one.
    """
    groups, at = [], 0
    while at < who.size:
        reach = int(np.searchsorted(demand, _ALIKE**5 * demand[at], side="right"))
        group = who[at : min(at + plan.block, max(reach, at + 1))]
        at += group.size
        groups += [group, np.repeat(group[:1], plan.block - group.size)]
    share = plan.block * plan.blocks
    return np.concatenate([np.repeat(who[:1], -sum(g.size for g in groups) % share), *groups])


def _key(demand: np.ndarray) -> np.ndarray:
    """The upper half of the bits of a positive float32: its order to within 1 in 128, quick to sort."""
    with np.errstate(over="ignore"):
        return (np.maximum(demand, 0).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
