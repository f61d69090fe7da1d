"""The players of a real game: small networks that are pytrees of arrays, so that any rule moves them.

A player *is* its network: ``critic(phi, x)`` is ``phi(x)`` and ``generator(theta, z)`` is ``theta(z)``; its leaves
are its trained parameters and nothing else. :func:`players` builds both for a problem:

* ``linear`` the Dirac system's D(x) = w.x and G = a point;
* ``mlp`` dense layers;
* ``dcgan`` strided and transposed convolutions by the guidelines of Radford et al. 2015 (arXiv 1511.06434): no
  pooling, no dense hidden layers, no norm at G's output and D's input, kernel 4 at stride 2, tanh at the end of G,
  initial weights N(0, 0.02).

Batch norm takes its statistics from the batch that it is given, at generation too: there are no running averages.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError
from ..game import Players
from ..parameters import Parametric, param
from .layers import (
    ACTIVATIONS,
    PLAIN,
    Activation,
    Dense,
    Down,
    Dropout,
    Flat,
    LinearCritic,
    MinibatchDifference,
    MinibatchDiscrimination,
    MinibatchStd,
    Norm,
    Pass,
    PointGenerator,
    Project,
    Up,
    Weighted,
    spectral_norm,
)
from .problems import Problem
from .random import normal


def critic(phi: Any, x: Array, how: Pass = PLAIN) -> Array:
    """D(x) of the critic that ``phi`` is: x (n, ...) -> logits (n,)."""
    return _computed(phi, x, how)


def generator(theta: Any, z: Any, how: Pass = PLAIN) -> Array:
    """G(z) of the generator that ``theta`` is: z (n, k) -> samples (n, ...)."""
    return _computed(theta, z, how)


def _computed(network: Any, x: Any, how: Pass) -> Array:
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
        for layer in self.layers:
            x = layer(x, how)
        return x[count:]

    @property
    def virtual(self) -> bool:
        """Whether any layer normalises with a reference batch."""
        return any(isinstance(layer, Norm) and layer.kind == "virtual" for layer in self.layers)

    def normalised(self) -> Any:
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
    """A network that makes samples, each followed by its label one-hot where z ends in one."""

    shape: tuple[int, ...] = eqx.field(static=True)
    last: str = eqx.field(static=True, default="identity")
    classes: int = eqx.field(static=True, default=0)

    def __call__(self, z: Array, how: Pass = PLAIN) -> Array:
        """z (n, ...) -> samples (n, ...)."""
        x = ACTIVATIONS[self.last](self.head(self.features(z, how), how))
        if not self.classes:
            return x.reshape(len(x), *self.shape)
        return jnp.concatenate([x.reshape(len(x), -1), z[:, -self.classes :]], axis=1)


def split(x: Array, shape: tuple[int, ...], classes: int) -> tuple[Array, Array]:
    """A labelled sample as its numbers (n, *shape) and its label one-hot (n, classes)."""
    if not classes:
        return x.reshape(len(x), *shape), x[:, :0]
    return x[:, :-classes].reshape(len(x), *shape), jax.lax.stop_gradient(x[:, -classes:])


def singular_values(network: Any, count: int = 3) -> dict[str, list[float]]:
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


# ---------------------------------------------------------------- building

KINDS = ("auto", "linear", "mlp", "dcgan")
NORMS = ("auto", "none", "batch", "layer", "instance", "virtual", "spectral", "weight")


class Architecture(Parametric):
    """How both players are built.

    Example:
        >>> Architecture(kind="mlp", width=32).label.split(",")[0]
        'Architecture(kind=mlp'
    """

    kind: str = param("auto", "linear, mlp or dcgan; auto: what fits the problem", choices=KINDS)
    width: int = param(64, "units of a hidden layer, or channels of the largest image", low=1, high=65_536)
    depth: int = param(2, "hidden layers of an mlp", low=0, high=1000)
    width_d: int | None = param(
        None, "the discriminator's (critic's) width, where it is another", low=1, high=65_536
    )
    depth_d: int | None = param(
        None, "the discriminator's (critic's) depth, where it is another", low=0, high=1000
    )
    activation_d: str = param("auto", "the critic's; leaky-relu", choices=("auto", *ACTIVATIONS))
    activation_g: str = param("auto", "the generator's; relu", choices=("auto", *ACTIVATIONS))
    norm_d: str = param("auto", "the critic's norm; batch in a dcgan, else none", choices=NORMS)
    norm_g: str = param("auto", "the generator's norm; likewise", choices=NORMS)
    dropout_d: float = param(0.0, "share of the critic's activations dropped", low=0, high=1, open_high=True)
    dropout_g: float = param(0.0, "share of the generator's", low=0, high=1, open_high=True)
    minibatch: str = param(
        "none",
        "what the critic sees of the whole batch",
        choices=("none", "std", "discrimination", "difference"),
    )
    condition: str = param(
        "none",
        "how labels are used: by projection, or told by the critic",
        choices=("none", "projection", "acgan"),
    )

    def size_of(self, who: str) -> tuple[int, int]:
        """Width and depth of a player, ``"d"`` or ``"g"``.

        Example:
            >>> Architecture(width=32, width_d=64).size_of("d"), Architecture(depth_d=4).size_of("g")
            ((64, 2), (64, 2))
        """
        width, depth = (self.width_d, self.depth_d) if who == "d" else (None, None)
        return self.width if width is None else width, self.depth if depth is None else depth

    def resolved(self, problem: Problem) -> Architecture:
        """The same with every ``auto`` decided for ``problem``.

        Raises:
            InputError: for a network that does not fit the problem.
        """
        kind = problem.network if self.kind == "auto" else self.kind
        if kind == "dcgan" and (len(problem.shape) != 3 or problem.paired):
            raise InputError(f"dcgan needs images, and {problem.name!r} has none to generate; allowed: mlp")
        if kind == "linear" and problem.name != "dirac":
            raise InputError(
                f"linear players belong to the problem 'dirac', not {problem.name!r}; allowed: mlp"
            )
        if self.condition != "none" and not problem.classes:
            raise InputError(
                f"condition={self.condition} needs labels, and {problem.name!r} has none; allowed: none"
            )
        norm = "batch" if kind == "dcgan" else "none"
        auto = {"activation_d": "leaky-relu", "activation_g": "relu", "norm_d": norm, "norm_g": norm}
        chosen = {n: auto[n] if getattr(self, n) == "auto" else getattr(self, n) for n in auto}
        if chosen["norm_g"] == "virtual":
            raise InputError("norm_g = virtual has no reference batch; allowed: norm_d = virtual")
        if kind == "mlp" and "instance" in (chosen["norm_d"], chosen["norm_g"]):
            raise InputError("instance norm needs an image to normalise over; allowed in an mlp: layer")
        own = {n: getattr(self, n) for n in self.__dataclass_fields__}
        return Architecture(**{**own, **chosen, "kind": kind})


def players(architecture: Architecture, problem: Problem, key: Array) -> Players:
    """Both networks with fresh parameters, in float32 or, inside ``jax.enable_x64``, float64.

    Args:
        architecture: how they are built.
        problem: what they are for: shape of a sample, of z, and labels.
        key: a random key.

    Returns:
        ``Players(phi, theta)``: phi a :class:`Critic` (or :class:`Linear`), theta a :class:`Generator` (or
        :class:`Point`).

    Example:
        >>> from diracgan.training.problems import problem
        >>> made = players(Architecture(width=16), problem("ring8"), jax.random.key(0))
        >>> made.phi(jnp.zeros((5, 2))).shape, made.theta(jnp.zeros((5, 8))).shape
        ((5,), (5, 2))
    """
    a = architecture.resolved(problem)
    for_d, for_g = jax.random.split(key)
    if a.kind == "linear":
        start = problem.start()
        return Players(LinearCritic(start.phi), PointGenerator(start.theta))
    classes = problem.classes if a.condition != "none" else 0
    build = _mlp if a.kind == "mlp" else _dcgan
    return Players(
        _critic(build(a, problem, _Keys(for_d), "d", 0), a, problem, _Keys(for_d, 1000), classes),
        _generator(build(a, problem, _Keys(for_g), "g", classes), a, problem, _Keys(for_g, 1000), classes),
    )


class _Keys:
    """As many keys as are asked for."""

    def __init__(self, key: Array, start: int = 0) -> None:
        self.key, self.count = key, start

    def __call__(self) -> Array:
        self.count += 1
        return jax.random.fold_in(self.key, self.count)


class _Built(NamedTuple):
    layers: list[Any]
    features: int  # how many numbers the head sees
    deviation: float | None  # of the head's initial weights; None for 1/sqrt(inputs)
    head: Any = None


def _weighted(
    cls: type[Weighted], shape: tuple[int, ...], key: Array, norm: str, deviation: float | None, **how: Any
) -> Any:
    fan_in = 1
    for n in shape[:-1]:
        fan_in *= n
    scale = (1.0 / max(fan_in, 1)) ** 0.5 if deviation is None else deviation
    w = scale * normal(key, shape)
    # what follows a norm of activations has its shift, and needs no bias of its own
    bias = None if norm in ("batch", "layer", "instance", "virtual") else jnp.zeros(shape[-1])
    gain = jnp.sqrt(jnp.sum(w**2, axis=tuple(range(w.ndim - 1)))) if norm == "weight" else None
    return cls(w, bias, gain, norm if norm in ("spectral", "weight") else "none", **how)


def _after(
    norm: str, channels: int, activation: str, dropout: float, index: int, deviation: float, key: Array
) -> list:
    made: list[Any] = []
    if norm in ("batch", "layer", "instance", "virtual"):
        made.append(Norm(1.0 + deviation * normal(key, (channels,)), jnp.zeros(channels), norm))
    made.append(Activation(activation))
    if dropout:
        made.append(Dropout(dropout, index))
    return made


def _mlp(a: Architecture, problem: Problem, keys: _Keys, who: str, classes: int) -> _Built:
    norm, activation = getattr(a, f"norm_{who}"), getattr(a, f"activation_{who}")
    dropout, size = getattr(a, f"dropout_{who}"), problem.size if who == "d" else problem.inputs + classes
    layers: list[Any] = _compared(a, who)
    size *= 1 + len(layers)
    width, depth = a.size_of(who)
    for i in range(depth):
        scale = (2.0 / max(size, 1)) ** 0.5 if "relu" in activation else None
        first = who == "d" and i == 0 and norm in ("batch", "virtual")  # no norm at D's input
        own = "none" if first else norm
        layers.append(_weighted(Dense, (size, width), keys(), own, scale))
        layers += _after(own, width, activation, dropout, i, 0.0, keys())
        size = width
    return _Built(layers, size, None)


def _dcgan(a: Architecture, problem: Problem, keys: _Keys, who: str, classes: int) -> _Built:
    side, channels = problem.shape[0], problem.shape[2]
    levels, base = _levels(problem.shape)
    norm, activation = getattr(a, f"norm_{who}"), getattr(a, f"activation_{who}")
    dropout, scale = getattr(a, f"dropout_{who}"), 0.02
    layers: list[Any] = _compared(a, who)
    width = a.size_of(who)[0]
    if who == "d":
        size = channels * (1 + len(layers))
        for i in range(levels):
            out = width * 2**i
            own = "none" if i == 0 and norm not in ("spectral", "weight") else norm
            layers.append(_weighted(Down, (4, 4, size, out), keys(), own, scale))
            layers += _after(own, out, activation, dropout, i, scale, keys())
            size = out
        return _Built(layers, size * base * base, scale)
    size = width * 2 ** (levels - 1)
    made = _weighted(Project, (problem.inputs + classes, base * base * size), keys(), norm, scale, side=base)
    if made.b is not None:
        made = eqx.tree_at(lambda m: m.b, made, jnp.zeros(size))
    layers = [made, *_after(norm, size, activation, dropout, 0, scale, keys())]
    for i in range(1, levels):
        layers.append(_weighted(Up, (4, 4, size, size // 2), keys(), norm, scale))
        size //= 2
        layers += _after(norm, size, activation, dropout, i, scale, keys())
    own = norm if norm in ("spectral", "weight") else "none"
    assert base * 2**levels == side
    return _Built(layers, size, scale, _weighted(Up, (4, 4, size, channels), keys(), own, scale))


def _compared(a: Architecture, who: str) -> list[Any]:
    """What a critic's input passes first: its difference from the batch mean, as further channels."""
    return [MinibatchDifference()] if who == "d" and a.minibatch == "difference" else []


def _levels(shape: tuple[int, ...]) -> tuple[int, int]:
    """How often a side is halved, and what is left: at least once, and while at least 4 is left."""
    side, levels = shape[0], 0
    if shape[0] != shape[1] or side % 2 or not 8 <= side <= 64:
        raise InputError(
            f"images of {shape[0]}x{shape[1]} pixels do not fit a dcgan; allowed: square, of an even side from "
            "8 to 64 (pad=N frames them), or an mlp"
        )
    while side % 2 == 0 and side // 2 >= 4:
        side, levels = side // 2, levels + 1
    return levels, side


def _critic(built: _Built, a: Architecture, problem: Problem, keys: _Keys, classes: int) -> Critic:
    layers, size = built.layers, built.features
    if a.minibatch == "std":
        layers, size = [*layers, Flat(), MinibatchStd()], size + 1
    elif a.minibatch == "discrimination":
        t = normal(keys(), (size, 8, 4)) / size**0.5
        layers, size = [*layers, Flat(), MinibatchDiscrimination(t)], size + 8
    own = a.norm_d if a.norm_d in ("spectral", "weight") else "none"
    head = _weighted(Dense, (size, 1), keys(), own, built.deviation)
    embedding = 0.02 * normal(keys(), (classes, size)) if a.condition == "projection" else None
    labeller = _weighted(Dense, (size, classes), keys(), "none", None) if a.condition == "acgan" else None
    return Critic(tuple(layers), head, embedding, labeller, problem.shape, classes)


def _generator(built: _Built, a: Architecture, problem: Problem, keys: _Keys, classes: int) -> Generator:
    own = a.norm_g if a.norm_g in ("spectral", "weight") else "none"
    head = built.head
    if head is None:
        head = _weighted(Dense, (built.features, problem.size), keys(), own, built.deviation)
    return Generator(
        tuple(built.layers), head, problem.shape, "tanh" if problem.images else "identity", classes
    )


__all__ = [
    "ACTIVATIONS",
    "PLAIN",
    "Activation",
    "Architecture",
    "Critic",
    "Dense",
    "Down",
    "Dropout",
    "Generator",
    "LinearCritic",
    "MinibatchDifference",
    "MinibatchDiscrimination",
    "MinibatchStd",
    "Network",
    "Norm",
    "Pass",
    "PointGenerator",
    "Project",
    "Up",
    "Weighted",
    "critic",
    "generator",
    "players",
    "singular_values",
    "spectral_norm",
    "split",
]
