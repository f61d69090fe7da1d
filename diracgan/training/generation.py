"""Samples of a generator: by draws of z, or along paths from one z to another."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..pytrees import Pytree
from . import latent, networks
from .networks import Pass
from .trainer import TrainingSetup


def sample(
    setup: TrainingSetup,
    generator: Pytree,
    key: Array,
    count: int,
    truncation: float | None = None,
    dropout: bool = False,
    truncate: str = "entries",
) -> tuple[Array, Array | None]:
    """Samples of a generator, (count, *shape), and the labels that they were asked for, or None.

    Args:
        setup: what was trained.
        generator: a player theta, or an average of it.
        key: of the draws.
        count: how many.
        truncation: what of z lies beyond this is drawn again; None for nothing.
        dropout: whether activations are dropped at generation too (arXiv 1611.07004, section 3.2).
        truncate: what lies beyond it, ``"entries"`` of z or a z by its ``"norm"``.
    """
    for_z, for_drop = jax.random.split(key)
    problem = setup.problem
    z = problem.latent(for_z, count, truncation, truncate) if problem.inputs else None
    labels = jnp.arange(count) % problem.classes if setup.conditional else None
    return _made(setup, generator, z, labels, for_drop if dropout else None), labels


def walks(setup: TrainingSetup, generator: Pytree, key: Array, rows: int, points: int) -> Array:
    """Samples along paths from one z to another: (rows, points, *shape), each row of one label where there are labels.

    Args:
        setup: what was trained.
        generator: a player theta, or an average of it.
        key: of the draws of both ends.
        rows: how many ways.
        points: how many samples on each, both ends included.
    """
    problem = setup.problem
    a, b = (problem.latent(k, rows) for k in jax.random.split(key))
    z = latent.walk(a, b, points, problem.prior).reshape(rows * points, -1)
    labels = jnp.repeat(jnp.arange(rows) % problem.classes, points) if setup.conditional else None
    return _made(setup, generator, z, labels, None).reshape(rows, points, *problem.shape)


def _made(setup: TrainingSetup, generator: Pytree, z: Pytree, labels: Array | None, for_drop: Any) -> Array:
    """The generator's samples of z, (n, *shape), without their labels."""
    if labels is not None:
        z = jnp.concatenate([z, jax.nn.one_hot(labels, setup.problem.classes, dtype=z.dtype)], axis=1)
    dtype = None if setup.compute is None else jnp.dtype(setup.compute)
    x = networks.generator(generator, z, Pass(for_drop, setup.reference_z, dtype))
    return networks.split(x, setup.problem.shape, 0 if labels is None else setup.problem.classes)[0]
