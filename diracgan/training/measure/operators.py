"""What is linearised: the joint field of a game, or one whole iteration of a rule, as maps of flat vectors.

Everything has a leading axis of runs, which share one program: seeds are measured together.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from ...dynamics.rules import Rule
from ...game import Game, Players


def doubled(tree: Any) -> Any:
    """The floating-point numbers of a pytree in float64, as arrays; the rest as it is."""
    return jax.tree.map(_cast, tree)


def _cast(x: Any) -> Any:
    if isinstance(x, (bool, int)) or not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        return x
    return jnp.asarray(x, jnp.float64)


def stacked(trees: list[Any]) -> Any:
    """Pytrees of one structure as one, with a leading axis of runs."""
    return jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(x) for x in leaves]), *trees)


def flat(players: Players) -> Array:
    """All parameters of both players, the critic's first: (n,)."""
    return ravel_pytree(players)[0]


def unflat(players: Players, y: Array) -> Players:
    """The inverse of :func:`flat`; ``players`` gives the shapes."""
    return ravel_pytree(players)[1](y)


@jax.jit
def moved(players: Players, y: Array) -> Players:
    """The players of every run, moved by the flat vectors y (S, n)."""
    return jax.vmap(lambda z, v: unflat(z, flat(z) + v))(players, y)


@jax.jit
def velocities(games: Game, players: Players) -> Array:
    """The joint field of every run, (S, n)."""
    return jax.vmap(lambda g, z: flat(g.velocity(z)))(games, players)


@jax.jit
def flow_products(games: Game, players: Players, v: Array) -> Array:
    """J v of the joint field, (S, n); one product costs about two gradient evaluations."""

    def product(game: Game, z: Players, v: Array) -> Array:
        return flat(jax.jvp(game.velocity, (z,), (unflat(z, v),))[1])

    return jax.vmap(product)(games, players, v)


@jax.jit
def flow_images(games: Game, players: Players, v: Array) -> Array:
    """J v for m vectors of every run: (S, m, n) -> (S, m, n)."""

    def images(game: Game, z: Players, v: Array) -> Array:
        return jax.vmap(lambda one: flat(jax.jvp(game.velocity, (z,), (unflat(z, one),))[1]))(v)

    return jax.vmap(images)(games, players, v)


class StepState:
    """The full state of a rule at rest: players, then the floating-point part of its memory, as one vector."""

    def __init__(self, rule: Rule, game: Game, players: Players) -> None:
        leaves, self.tree = jax.tree.flatten((players, rule.rest(game, players)))
        self.moving = [jnp.issubdtype(jnp.result_type(x), jnp.floating) for x in leaves]
        self.leaves = leaves
        moved = [x for x, m in zip(leaves, self.moving, strict=True) if m]
        self.start, self.restore = ravel_pytree(moved)

    def whole(self, y: Array) -> tuple[Players, Any]:
        """The state as the rule takes it."""
        moved = iter(self.restore(y))
        both = zip(self.leaves, self.moving, strict=True)
        return jax.tree.unflatten(self.tree, [next(moved) if m else x for x, m in both])

    def vector(self, state: tuple[Players, Any]) -> Array:
        """The state as a vector."""
        both = zip(jax.tree.leaves(state), self.moving, strict=True)
        return ravel_pytree([x for x, m in both if m])[0]


@jax.jit
def step_products(rules: Rule, games: Game, players: Players, v: Array) -> Array:
    """(S - 1) v of one whole period of a rule on its full state, (S, N); each run has its own learning rates."""

    def product(rule: Rule, game: Game, z: Players, v: Array) -> Array:
        state = StepState(rule, game, z)
        go = rule.linear_map(game)
        return jax.jvp(lambda y: state.vector(go(*state.whole(y))), (state.start,), (v,))[1] - v

    return jax.vmap(product)(rules, games, players, v)


def repeated(tree: Any, runs: int) -> Any:
    """The numbers of a rule or a variant once per run, in float64."""
    return jax.tree.map(lambda x: jnp.full((runs,), x, jnp.float64), tree)


def step_size(rule: Rule, games: Game, players: Players) -> int:
    """The length of a rule's full state."""
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x)[1:], jnp.result_type(x)), (games, players))
    return jax.eval_shape(lambda g, z: StepState(rule, g, z).start, *one).shape[0]
