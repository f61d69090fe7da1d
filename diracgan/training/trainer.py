"""The training step: one iteration of a rule on a minibatch game, and what is kept beside the players.

Nothing here knows of files. A :class:`TrainingSetup` says what is trained and how, a :class:`TrainState` is everything
that one iteration hands to the next, and :func:`advance` makes iterations; all three are pytrees.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ..game import Players, WrappedGame
from ..jax_settings import seeded
from ..pytrees import Pytree
from ..rules.base import Rule, State, init as rule_init, step as rule_step
from ..variants import Variant
from .games import Draws, StochasticGame, evaluation, minibatches
from .layers import Down, Up, Weighted
from .problems import Problem
from .tricks import Trick

_BEFORE = 1 << 30  # numbers of pre-training iterations, apart from those of training
_AHEAD = 32  # iterations whose random numbers are drawn at once: few numbers cost as much as many
_NUMBERS = 1 << 20  # that wait at once, at most


class TrainingSetup(eqx.Module):
    """What is trained, and how.

    Attributes:
        variant: the losses.
        rule: how the players move.
        problem: the data.
        tricks: in their order.
        reference: the batch of the critic's virtual batch norm, or None.
        reference_z: the generator's inputs of its own, or None.
        classifier: a network that knows the classes, or None.
        batch: samples in a minibatch.
        conditional: whether samples carry their labels.
        dropout: whether activations are dropped.
        compute: the type that networks compute in, or None for that of the parameters.
        unrolled: whether iterations are made one by one: convolutions in a loop are slow on a CPU.
        averages: decays of the averages of the generator's weights that are kept beside the rule's own.
        warmup: whether these averages begin with a short memory (:func:`decay`).
        averaging: whether the plain mean of both players over all iterations is kept.
        mesh: the devices that a minibatch is spread over, or None.
    """

    variant: Variant
    rule: Rule
    problem: Problem
    tricks: tuple[Trick, ...]
    reference: Array | None
    classifier: Any
    batch: int = eqx.field(static=True)
    conditional: bool = eqx.field(static=True, default=False)
    dropout: bool = eqx.field(static=True, default=False)
    compute: str | None = eqx.field(static=True, default=None)
    unrolled: bool = eqx.field(static=True, default=False)
    averages: tuple[float, ...] = eqx.field(static=True, default=())
    warmup: bool = eqx.field(static=True, default=False)
    reference_z: Array | None = None
    averaging: bool = eqx.field(static=True, default=False)
    mesh: Mesh | None = eqx.field(static=True, default=None)

    @property
    def remembers(self) -> bool:
        """Whether the mean of the past is needed."""
        return self.averaging or any(t.remembers for t in self.tricks)


class TrainState(NamedTuple):
    """Everything that one iteration hands to the next.

    Attributes:
        inner: the rule's state: players, memory, its own average.
        averages: averages of the generator, one per decay.
        past: the mean of the players so far, or None.
        step: iterations made.
        seed: what all randomness comes from.
    """

    inner: State
    averages: tuple[Any, ...]
    past: Players | None
    step: Array
    seed: Array


def game(
    setup: TrainingSetup,
    seed: Array,
    number: Any,
    past: Any = None,
    step: Any = None,
    drawn: Draws | None = None,
) -> StochasticGame:
    """The game of the iteration ``number``; ``step`` is what decays go by, where that is another.

    ``drawn`` is what the iteration draws, where it is drawn already.
    """
    key, mesh = _key(seed, number), setup.mesh
    return minibatches(
        setup.variant,
        setup.problem,
        key,
        setup.batch,
        conditional=setup.conditional,
        dropout=setup.dropout,
        reference=setup.reference,
        reference_z=setup.reference_z,
        dtype=None if setup.compute is None else jnp.dtype(setup.compute),
        tricks=setup.tricks,
        step=number if step is None else step,
        past=past,
        classifier=setup.classifier,
        unrolled=setup.unrolled,
        rows=None if mesh is None else NamedSharding(mesh, PartitionSpec(mesh.axis_names[0])),
        drawn=drawn,
    )


def on_every_device(mesh: Mesh | None, tree: Pytree) -> Pytree:
    """Arrays whole on each of several devices, or as they are on one."""
    return tree if mesh is None else eqx.filter_shard(tree, NamedSharding(mesh, PartitionSpec()))


def _key(seed: Array, number: int | Array) -> Array:
    return jax.random.fold_in(seeded(seed), number)


def begin(setup: TrainingSetup, players: Players, seed: int | Array, pretrain: int = 0) -> TrainState:
    """The state before the first iteration.

    Args:
        setup: what is trained.
        players: fresh networks.
        seed: of all draws, an integer.
        pretrain: iterations in which only the critic moves, before the first one; the rule starts anew after them.
    """
    seed = jnp.asarray(seed, jnp.uint32)
    inner = _init(setup, players, seed)
    for k in range(pretrain):
        inner = _before(setup, inner, seed, jnp.int32(_BEFORE + k))
    if pretrain:
        inner = _init(setup, inner.players, seed)
    past = inner.players if setup.remembers else None
    state = TrainState(inner, (inner.players.theta,) * len(setup.averages), past, jnp.int32(0), seed)
    return jax.tree.map(jnp.array, state)  # buffers of its own, since steps give theirs away


@eqx.filter_jit
def _init(setup: TrainingSetup, players: Players, seed: Array) -> State:
    players = game(setup, seed, _BEFORE - 1, players, 0).project(players)
    return rule_init(setup.rule, game(setup, seed, 0, players), players)


@eqx.filter_jit
def _before(setup: TrainingSetup, inner: State, seed: Array, number: Array) -> State:
    held = _Held(game(setup, seed, number, inner.players, 0))
    return rule_step(setup.rule, held, inner)


def iteration(setup: TrainingSetup, state: TrainState, drawn: Draws | None = None) -> TrainState:
    """One whole iteration of the rule, a pure function; ``drawn`` is what it draws, where that is drawn already."""
    on = game(setup, state.seed, state.step, state.past, drawn=drawn)
    inner = rule_step(setup.rule, on, state.inner)
    theta = inner.players.theta
    averages = tuple(
        jax.tree.map(lambda a, b, keep=decay(setup, keep, state.step): keep * a + (1 - keep) * b, old, theta)
        for keep, old in zip(setup.averages, state.averages, strict=True)
    )
    past = state.past
    if past is not None:
        share = 1.0 / (state.step + 2.0)  # the start counts
        past = jax.tree.map(lambda a, b: (a + share * (b - a)).astype(a.dtype), past, inner.players)
    return TrainState(inner, averages, past, state.step + 1, state.seed)


def decay(setup: TrainingSetup, most: float, step: Array) -> Array | float:
    """The decay of an average at a step: beta, or with warm-up min(beta, (1 + t)/(10 + t)).

    At first it averages over a share of the run so far, so that the generator's start is soon forgotten: after t steps
    its weight is 9! t!/(t + 9)!, not beta^t. As in TensorFlow's ExponentialMovingAverage; StyleGAN2-ADA
    (arXiv 2006.06676) ramps up alike.
    """
    return jnp.minimum(most, (1.0 + step) / (10.0 + step)) if setup.warmup else most


def advance(setup: TrainingSetup, state: TrainState, count: int) -> TrainState:
    """``count`` iterations; a state of several seeds (:func:`stack`) is vmapped over. The old state is used up."""
    if setup.unrolled:
        for _ in range(count):
            state = _once(setup, state)
        return state
    return _many(setup, state, jnp.int32(count))


def _next(setup: TrainingSetup, state: TrainState, drawn: Draws | None = None) -> TrainState:
    if state.seed.ndim:
        return jax.vmap(iteration, in_axes=(None, 0, 0))(setup, state, drawn)
    return iteration(setup, state, drawn)


@eqx.filter_jit(donate="all-except-first")
def _once(setup: TrainingSetup, state: TrainState) -> TrainState:
    return _next(setup, state)


@eqx.filter_jit(donate="all-except-first")
def _many(setup: TrainingSetup, state: TrainState, count: Array) -> TrainState:
    # the number of iterations is an argument: one program for all, and the same bits however a run is cut up
    ahead = _iterations_ahead(setup, state)
    if ahead < 2:
        return jax.lax.fori_loop(0, count, lambda _, now: _next(setup, now), state)

    def block(now: tuple[TrainState, Array]) -> tuple[TrainState, Array]:
        state, left = now
        step = jnp.ravel(state.step)[0]  # that of all seeds
        first = step - step % ahead  # numbers are drawn for the same iterations, wherever a run begins again
        drawn = _draw(setup, state.seed, first + jnp.arange(ahead))
        stop = jnp.minimum(first + ahead, step + left)

        def once(k: Array, state: TrainState) -> TrainState:
            return _next(setup, state, jax.tree.map(lambda x: x[k - first], drawn))

        return jax.lax.fori_loop(step, stop, once, state), left - (stop - step)

    return jax.lax.while_loop(lambda now: now[1] > 0, block, (state, count))[0]


def _iterations_ahead(setup: TrainingSetup, state: TrainState) -> int:
    """For how many iterations at once random numbers are drawn; on several devices each draws its own share."""
    if setup.mesh is not None:
        return 1
    of_one = jax.eval_shape(lambda: _draw(setup, state.seed, jnp.arange(1)))
    return min(_AHEAD, _NUMBERS // sum(x.size for x in jax.tree.leaves(of_one)))


def _draw(setup: TrainingSetup, seed: Array, numbers: Array) -> Draws:
    """What the evaluations of these iterations draw: (iterations, evaluations, ...), or with the seeds second."""

    def of_one(number: Array, seed: Array) -> Draws:
        def evaluated(draw: Array) -> Draws:
            how = {"conditional": setup.conditional, "dropout": setup.dropout}
            return evaluation(setup.problem, _key(seed, number), draw, setup.batch, **how)

        return jax.vmap(evaluated)(jnp.arange(setup.rule.draws))

    of_seeds = jax.vmap(of_one, (None, 0)) if seed.ndim else of_one
    return jax.vmap(of_seeds, (0, None))(numbers, seed)


def stack(states: list[TrainState]) -> TrainState:
    """The states of several seeds as one, along a new first axis."""
    return jax.tree.map(lambda *x: jnp.stack(x), *states)


def unstack(state: TrainState, index: int) -> TrainState:
    """The state of one of several seeds; a single one as it is."""
    return jax.tree.map(lambda x: x[index], state) if state.seed.ndim else state


def convolutional(players: Players) -> bool:
    """Whether either player convolves."""
    leaves = jax.tree.leaves(players, is_leaf=lambda x: isinstance(x, Weighted))
    return any(isinstance(x, (Up, Down)) for x in leaves)


class _Held(WrappedGame):
    """A game in which the generator does not move."""

    def velocity(self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0) -> Players:
        v = super().velocity(players, draw, penalty)
        return v._replace(theta=jax.tree.map(jnp.zeros_like, v.theta))
