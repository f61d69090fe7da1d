"""Runs of many games at once, reduced to a few linear probes."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..game import Game, Players
from ..pytrees import Pytree
from ..rules import Rule
from . import operators
from .noise import ResampledGame


@functools.partial(jax.jit, static_argnums=4)
def follow(rules: Rule, games: Game, players: Players, probes: Array, count: int) -> tuple[Players, Array]:
    """``count`` iterations of every run on all its samples.

    Args:
        rules: one per run, learning rates included; stacked, as all arguments are.
        games: who plays.
        players: where the runs start.
        probes: (n, m), what is seen of the flattened players, the same of every run.
        count: iterations.

    Returns:
        The players at the end, and probes^T z at iterations 0 to ``count``, (S, count + 1, m).
    """

    def one(rule: Rule, game: Game, z: Players, probe: Array) -> tuple[Players, Array]:
        def go(state: tuple[Players, Pytree], _: None) -> tuple[tuple[Players, Pytree], Array]:
            after = rule.iterate(game, *state)
            return after, operators.flat(after[0]) @ probe

        (end, _), seen = jax.lax.scan(go, (z, rule.memory(game, z)), None, count)
        return end, jnp.concatenate([(operators.flat(z) @ probe)[None], seen])

    return jax.vmap(one, in_axes=(0, 0, 0, None))(rules, games, players, probes)


@functools.partial(jax.jit, static_argnums=(5, 6))
def follow_minibatches(
    rules: Rule, games: Game, players: Players, probes: Array, keys: Array, count: int, batch: int
) -> Array:
    """Deviations on minibatches, and those of the rule's weight average: (S, count, 2, m); probes (S, n, m)."""

    def one(rule: Rule, game: Game, z: Players, probe: Array, key: Array) -> Array:
        keep = 0.0 if rule.ema is None else rule.ema
        start = operators.flat(z)

        def go(state: tuple[Players, Any, Array], key: Array) -> tuple[tuple[Players, Any, Array], Array]:
            z, memory, mean = state
            z, memory = rule.iterate(ResampledGame(game, key, batch), z, memory)
            mean = keep * mean + (1.0 - keep) * operators.flat(z)
            return (z, memory, mean), jnp.stack([operators.flat(z) - start, mean - start]) @ probe

        return jax.lax.scan(go, (z, rule.memory(game, z), start), jax.random.split(key, count))[1]

    return jax.vmap(one)(rules, games, players, probes, keys)
