"""Networks and data of the comparison: problems of one shape, so that they share one compiled program."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..game import Players
from ..jax_settings import seeded
from ..training.architecture import Architecture, players
from ..training.layers import LinearCritic, PointGenerator
from ..training.problems import problem
from .protocol import Protocol


def latents(name: str, count: int, inputs: int, seed: int) -> np.ndarray:
    """The generator's inputs that make a teacher's data: (count, inputs), repeated from as many as there are.

    ``point`` one, ``points8`` eight and ``curve`` all on a circle, so that the data lie on the problem's kind of
    set; ``gauss2d`` normal ones.
    """
    random = np.random.default_rng([seed, 7])
    if name == "gauss2d":
        return random.standard_normal((count, inputs))
    own = {"point": 1, "points8": 8, "curve": count}[name]
    turn = 2 * np.pi * (np.arange(own) / own + random.uniform())
    circle = np.zeros((own, inputs))
    circle[:, 0], circle[:, 1] = np.cos(turn), np.sin(turn)
    return np.resize(circle, (count, inputs))


def students(protocol: Protocol, names: list[str]) -> tuple[Players, Array, list[tuple[str, int]]]:
    """Networks and latents of every (problem, seed), stacked; in 64 bits.

    Args:
        protocol: widths, seeds and sizes.
        names: problems that share a shape: ``["dirac"]``, or the others together.

    Returns:
        Networks, latents and the (problem, seed) of each run.
    """
    how = protocol["equilibrium"]
    keys = [(name, seed) for name in names for seed in protocol.seeds]
    if names == ["dirac"]:
        zeros = jnp.zeros((len(keys), 2))
        return Players(LinearCritic(zeros), PointGenerator(zeros)), jnp.zeros((len(keys), 1, 1)), keys
    z = jnp.asarray(np.stack([latents(n, how["samples"], how["inputs"], s) for n, s in keys]))
    order = {n: i for i, n in enumerate(("point", "curve", "points8", "gauss2d"))}
    seeds = jnp.stack([seeded(1000 * s + order[n]) for n, s in keys])
    return fresh(protocol.width, how["inputs"], seeds), z, keys


def smooth(width: int) -> Architecture:
    """Small smooth networks: two hidden layers, tanh."""
    how: dict[str, Any] = {"kind": "mlp", "width": width, "activation_d": "tanh", "activation_g": "tanh"}
    return Architecture(**how)


@functools.partial(jax.jit, static_argnums=(0, 1))
def fresh(width: int, inputs: int, keys: Array) -> Players:
    """Small smooth networks with random parameters, one pair for each key."""
    shape = problem("gauss2d", latent=inputs)
    return jax.vmap(lambda key: players(smooth(width), shape, key))(keys)
