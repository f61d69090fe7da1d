"""A small classifier of the same data that stands in for the Inception network, and says so."""

from __future__ import annotations

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..errors import InputError, instance, integer, number
from ..jax_settings import seeded
from ..rules import rule
from ..rules.adaptive import Adam
from .architecture import _weighted
from .layers import Activation, Dense
from .networks import Network
from .problems import Problem


@dataclasses.dataclass(frozen=True)
class Classified:
    """A trained classifier and how it got there.

    Attributes:
        network: the one with the better accuracy on the test third; ``features`` and ``head`` of a batch.
        steps: the steps at which it was tested.
        raw: accuracy on the test third with the weights themselves.
        averaged: the same with their moving average.
    """

    network: Any
    steps: list[int]
    raw: list[float]
    averaged: list[float]


def train_classifier(
    problem: Problem,
    *,
    steps: int = 600,
    batch: int = 128,
    lr: float = 2e-3,
    ema: float = 0.99,
    width: int = 128,
    every: int = 20,
    seed: int = 0,
) -> Classified:
    """Train a two-layer classifier on two thirds of a labelled problem, with and without weight averaging.

    Args:
        problem: one with labels.
        steps: of Adam.
        batch: samples in a minibatch.
        lr: learning rate, constant: raw weights go on wandering, and their average does not.
        ema: decay of the average.
        width: hidden units.
        every: steps between tests.
        seed: of weights and minibatches.

    Raises:
        InputError: for a problem without labels.

    References:
        The average's effect in supervised training: kexue.fm/archives/6583 (ResNet20 on CIFAR-10); Izmailov et al.
        2018 (arXiv 1803.05407).
    """
    instance("problem", problem, Problem, "what diracgan.training.problem(...) returns")
    if problem.labels is None:
        raise InputError(
            f"a classifier needs labels, and {problem.name!r} has none; allowed: digits, idx with labels"
        )
    steps, batch, width = (
        integer(n, x, low=1, high=2**24) for n, x in (("steps", steps), ("batch", batch), ("width", width))
    )
    every, seed = integer("every", every, low=1), integer("seed", seed, low=0)
    ema = number("ema", ema, low=0, high=1, open_high=True)
    adam: Any = rule("adam", lr=lr)
    keys = jax.random.split(seeded(seed), 4)
    order = jax.random.permutation(keys[0], len(problem.data))
    x, y = problem.data[order], problem.labels[order]
    cut = 2 * len(x) // 3
    size = problem.size
    layers = []
    for k, into in ((keys[1], size), (keys[2], width)):
        layers += [_weighted(Dense, (into, width), k, "none", (2.0 / into) ** 0.5), Activation("relu")]
    net = Network(tuple(layers), _weighted(Dense, (width, problem.classes), keys[3], "none", None))
    now, draws = (net, net, adam.init_player(net)), seeded(seed + 1)
    found: list[list[Any]] = [[], [], []]
    for start in range(0, steps, every):
        now = _learn(adam, now, (x[:cut], y[:cut]), ema, draws, jnp.int32(start), every, batch)
        found[0].append(start + every)
        for k in (0, 1):  # the network and its mean
            found[k + 1].append(float(_accuracy(now[k], x[cut:], y[cut:])))
    better = now[1] if found[2][-1] >= found[1][-1] else now[0]
    return Classified(better, *found)


@eqx.filter_jit
def _learn(
    adam: Adam, now: Any, data: Any, ema: float, key: Array, start: Array, count: int, batch: int
) -> tuple[Any, Any, Any]:
    """``count`` steps: the network, its moving average, and Adam's memory."""
    x, y = data

    def once(k: Array, now: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
        net, mean, own = now
        rows = jax.random.randint(jax.random.fold_in(key, start + k), (batch,), 0, len(x))
        down = jax.tree.map(jnp.negative, jax.grad(_loss)(net, x[rows], y[rows]))
        step, own = adam.update("phi", net, down, own)
        net = jax.tree.map(jnp.add, net, step)
        return net, jax.tree.map(lambda a, b: ema * a + (1 - ema) * b, mean, net), own

    return jax.lax.fori_loop(0, count, once, now)


def _loss(net: Any, x: Array, y: Array) -> Array:
    chances = jax.nn.log_softmax(net.head(net.features(x)))
    return -jnp.mean(jnp.take_along_axis(chances, y[:, None], axis=1))


@eqx.filter_jit
def _accuracy(net: Any, x: Array, y: Array) -> Array:
    return jnp.mean(jnp.argmax(net.head(net.features(x)), axis=1) == y)
