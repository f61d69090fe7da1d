"""The networks of both players: pytrees of arrays, so that any rule moves them.

A player *is* its network: ``critic(phi, x)`` is ``phi(x)`` and ``generator(theta, z)`` is ``theta(z)``; its leaves
are its trained parameters and nothing else. :func:`~diracgan.training.architecture.players` builds both for a problem.

Batch norm takes its statistics from the batch that it is given, at generation too: there are no running averages.
"""

from __future__ import annotations

import math
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError
from ..pytrees import Pytree
from .layers import ACTIVATIONS, PLAIN, Dense, LinearCritic, MinibatchDifference, Norm, Pass, Weighted


def critic(phi: Pytree, x: Array, how: Pass = PLAIN) -> Array:
    """D(x) of the critic that ``phi`` is: x (n, ...) -> logits (n,)."""
    return _computed(phi, x, how)


def generator(theta: Pytree, z: Pytree, how: Pass = PLAIN) -> Array:
    """G(z) of the generator that ``theta`` is: z (n, k) -> samples (n, ...)."""
    return _computed(theta, z, how)


def _computed(network: Pytree, x: Pytree, how: Pass) -> Array:
    if how.dtype is None:
        return network(x, how)
    narrow = jax.tree.map(lambda a: a.astype(how.dtype), (network, x))
    kept = jnp.result_type(*jax.tree.leaves(network))
    return narrow[0](narrow[1], how).astype(kept)


# ---------------------------------------------------------------- networks


class Network(eqx.Module):
    """Layers and a last one, the ``head``; what the layers give are the features."""

    layers: tuple[Any, ...]
    head: Weighted

    def features(self, x: Array, how: Pass = PLAIN) -> Array:
        """What the head sees: x (n, ...) -> (n, ...)."""
        count = 0
        if how.reference is not None and self.virtual:
            count = len(how.reference)
            x = jnp.concatenate([how.reference.astype(x.dtype), x])
            how = how._replace(reference=count)
        x, how = self._entering(x, how)
        for layer in self.layers:
            x = layer(x, how)
        return x[count:]

    def _entering(self, x: Array, how: Pass) -> tuple[Array, Pass]:
        """What the first layer sees, and what all layers are told beside it."""
        return x, how

    @property
    def virtual(self) -> bool:
        """Whether any layer normalises with a reference batch."""
        return any(isinstance(layer, Norm) and layer.kind == "virtual" for layer in self.layers)

    def normalised(self) -> Self:
        """The same network with every weight divided by its spectral norm; biases and gains stay."""
        return jax.tree.map(
            lambda layer: layer.divided() if isinstance(layer, Weighted) else layer,
            self,
            is_leaf=lambda layer: isinstance(layer, Weighted),
        )


class Critic(Network):
    """A network that judges samples; with ``classes`` > 0 a sample is its numbers, then its label one-hot.

    Labels enter by projection, D(x, y) = head(f(x)) + e_y.f(x) (arXiv 1802.05637), or a second head tells the
    class (AC-GAN, arXiv 1610.09585). No slope is seen along a label.
    """

    embedding: Array | None
    labeller: Dense | None
    shape: tuple[int, ...] = eqx.field(static=True)
    classes: int = eqx.field(static=True, default=0)

    def __call__(self, x: Array, how: Pass = PLAIN) -> Array:
        """x (n, ...) -> logits (n,)."""
        image, label = split(x, self.shape, self.classes)
        f = self.features(image, self._seen(how))
        logits = self.head(f)[:, 0]
        if self.embedding is not None:
            logits = logits + jnp.sum((label @ self.embedding) * f.reshape(len(f), -1), axis=1)
        return logits

    def classify(self, x: Array, how: Pass = PLAIN) -> Array:
        """Class logits of an AC-GAN's second head: x (n, ...) -> (n, classes)."""
        if self.labeller is None:
            raise InputError("this critic tells no classes; allowed: networks with condition=acgan")
        return self.labeller(self.features(split(x, self.shape, self.classes)[0], self._seen(how)))

    def _seen(self, how: Pass) -> Pass:
        if how.reference is None:
            return how
        return how._replace(reference=split(how.reference, self.shape, self.classes)[0])


class Generator(Network):
    """A network that makes samples, each followed by its label one-hot where z ends in one.

    What it is fed may enter twice: through its first layer, and through the gains and shifts of its norms. There enter
    z with ``skip_z``, and with ``told`` = ``"norm"`` the label, which then does not enter through the first layer.
    """

    shape: tuple[int, ...] = eqx.field(static=True)
    last: str = eqx.field(static=True, default="identity")
    classes: int = eqx.field(static=True, default=0)
    told: str = eqx.field(static=True, default="input")
    skip_z: bool = eqx.field(static=True, default=False)

    def __call__(self, z: Array, how: Pass = PLAIN) -> Array:
        """z (n, ...) -> samples (n, ...)."""
        x = ACTIVATIONS[self.last](self.head(self.features(z, how), how))
        if not self.classes:
            return x.reshape(len(x), *self.shape)
        return jnp.concatenate([x.reshape(len(x), -1), z[:, -self.classes :]], axis=1)

    def _entering(self, x: Array, how: Pass) -> tuple[Array, Pass]:
        by_norm = self.classes > 0 and self.told == "norm"
        if not by_norm and not self.skip_z:
            return x, how
        count = x.shape[1] - self.classes
        numbers, label = x[:, :count], x[:, count:]
        told = ([label] if by_norm else []) + ([numbers] if self.skip_z else [])
        return numbers if by_norm else x, how._replace(condition=jnp.concatenate(told, axis=1))


def split(x: Array, shape: tuple[int, ...], classes: int) -> tuple[Array, Array]:
    """A labelled sample as its numbers (n, *shape) and its label one-hot (n, classes)."""
    if not classes:
        return x.reshape(len(x), *shape), x[:, :0]
    return x[:, :-classes].reshape(len(x), *shape), jax.lax.stop_gradient(x[:, -classes:])


def singular_values(network: Pytree, count: int = 3) -> dict[str, list[float]]:
    """The largest singular values of every weight, as it is used, by the layer's place: ``count`` each.

    What BigGAN watches (arXiv 1809.11096, section 4.1): most stay, some grow until they explode.

    Example:
        >>> singular_values(LinearCritic(jnp.array([3.0, 4.0])))
        {'w': [5.0]}
    """
    if isinstance(network, LinearCritic):
        return {"w": _top(network.w[:, None], count)}
    flat = jax.tree_util.tree_leaves_with_path(network, is_leaf=lambda x: isinstance(x, Weighted))
    return {
        jax.tree_util.keystr(path).lstrip("."): _top(layer.kernel(), count)
        for path, layer in flat
        if isinstance(layer, Weighted)
    }


def _top(w: Array, count: int) -> list[float]:
    values = np.linalg.svd(np.asarray(w, np.float64).reshape(-1, w.shape[-1]), compute_uv=False)
    return [float(s) for s in values[:count]]


def filters(network: Pytree, shape: tuple[int, ...]) -> np.ndarray:
    """What the first layer of a critic of images looks for: its weights as images, each with its largest entry 1 or -1.

    Args:
        network: whose first layer with weights is a convolution, or sees all pixels.
        shape: of an image, (h, w, c).

    Returns:
        (outputs, side, side, c), or (outputs, h, w, c) of dense layers; what they see besides an image is left out.

    Example:
        >>> import jax
        >>> from diracgan.training.architecture import Architecture, players
        >>> from diracgan.training.problems import problem
        >>> on = problem("digits")
        >>> filters(players(Architecture(width=4), on, jax.random.key(0)).phi, on.shape).shape
        (4, 4, 4, 1)
    """
    first = next(layer for layer in (*network.layers, network.head) if isinstance(layer, Weighted))
    w = np.asarray(first.kernel(), np.float64)
    if w.ndim == 2:
        times = 1 + any(isinstance(layer, MinibatchDifference) for layer in network.layers)
        w = w[: math.prod(shape) * times].reshape(*shape[:2], shape[2] * times, -1)
    w = np.moveaxis(w[:, :, : shape[2]], -1, 0)
    return w / np.maximum(np.abs(w).max(axis=(1, 2, 3), keepdims=True), 1e-30)
