"""The architecture of both players: :class:`Architecture`, and :func:`players` builds it for a problem.

* ``linear`` the Dirac system's D(x) = w.x and G = a point;
* ``mlp`` dense layers;
* ``dcgan`` strided and transposed convolutions by the guidelines of Radford et al. 2015 (arXiv 1511.06434): no
  pooling, no dense hidden layers, no norm at G's output and D's input, kernel 4 at stride 2, tanh at the end of G,
  initial weights N(0, 0.02). Options break them, to see what they are for.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from ..errors import InputError, instance, shown
from ..game import Players
from ..parameters import Parametric, param
from .layers import (
    ACTIVATIONS,
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
    PointGenerator,
    Pool,
    Project,
    Up,
    Weighted,
)
from .networks import Critic, Generator
from .problems import Problem
from .random import normal

KINDS = ("auto", "linear", "mlp", "dcgan")
NORMALISING = ("batch", "layer", "instance", "virtual")  # activations, not weights
_DEPTH = 2  # of an mlp
NORMS = ("auto", "none", "batch", "layer", "instance", "virtual", "spectral", "weight")


class Architecture(Parametric):
    """How both players are built.

    Example:
        >>> Architecture(kind="mlp", width=32).label.split(",")[0]
        'Architecture(kind=mlp'
    """

    kind: str = param("auto", "linear, mlp or dcgan; auto: what fits the problem", choices=KINDS)
    width: int = param(64, "units of a hidden layer, or channels of the largest image", low=1, high=65_536)
    depth: int | None = param(None, "hidden layers of an mlp; 2", low=0, high=1000)
    width_d: int | None = param(
        None, "the discriminator's (critic's) width, where it is another", low=1, high=65_536
    )
    depth_d: int | None = param(
        None, "the discriminator's (critic's) depth, where it is another", low=0, high=1000
    )
    activation_d: str = param(
        "auto", "the critic's; leaky-relu, on vectors tanh", choices=("auto", *ACTIVATIONS)
    )
    activation_g: str = param(
        "auto", "the generator's; relu, on vectors tanh", choices=("auto", *ACTIVATIONS)
    )
    norm_d: str = param(
        "auto", "the critic's norm; batch in a dcgan that halves images twice, else none", choices=NORMS
    )
    norm_g: str = param("auto", "the generator's norm; batch in a dcgan, else none", choices=NORMS)
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
    labels_g: str = param(
        "input",
        "how the generator is told its labels: beside z, or by gains and shifts of its norm",
        choices=("input", "norm"),
    )
    skip_z: bool = param(False, "z enters all layers of the generator, by gains and shifts of its norm")
    kernel: int = param(4, "side of the kernels of a dcgan; 2 does not divide an odd one", low=2, high=9)
    pool_d: str = param(
        "none",
        "how the critic of a dcgan halves images: by strided convolutions, or by pooling after plain ones",
        choices=("none", "max", "average"),
    )

    def size_of(self, who: str) -> tuple[int, int]:
        """Width and depth of a player, ``"d"`` or ``"g"``.

        Example:
            >>> Architecture(width=32, width_d=64).size_of("d"), Architecture(depth_d=4).size_of("g")
            ((64, 2), (64, 2))
        """
        width, depth = (self.width_d, self.depth_d) if who == "d" else (None, None)
        shared = _DEPTH if self.depth is None else self.depth
        return self.width if width is None else width, shared if depth is None else depth

    def resolved(self, problem: Problem) -> Architecture:
        """The same with every ``auto`` decided for ``problem``.

        Raises:
            InputError: for a network that does not fit the problem.
        """
        kind = problem.network if self.kind == "auto" else self.kind
        if kind == "dcgan" and (len(problem.shape) != 3 or problem.paired):
            raise InputError(f"dcgan needs images, and {problem.name!r} has none to generate; allowed: mlp")
        if kind == "linear" and (problem.network != "linear" or len(problem.shape) != 1):
            raise InputError(
                "linear players belong to problems of vectors that ask for them, such as 'dirac', and "
                f"{problem.name!r} is not one; allowed: mlp"
            )
        if self.condition != "none" and not problem.classes:
            raise InputError(
                f"condition={self.condition} needs labels, and {problem.name!r} has none; allowed: none"
            )
        norm = "batch" if kind == "dcgan" else "none"
        smooth = kind == "mlp" and not problem.images  # kinks cost a small network in the plane modes
        auto = {
            "activation_d": "tanh" if smooth else "leaky-relu",
            "activation_g": "tanh" if smooth else "relu",
        }
        # no norm at D's input, which is all there is of the critic of an image that is halved once
        single = norm == "batch" and self.norm_d == "auto" and _levels(problem.shape)[0] == 1
        auto |= {"norm_d": "none" if single else norm, "norm_g": norm}
        chosen: dict[str, Any] = {
            n: auto[n] if getattr(self, n) == "auto" else getattr(self, n) for n in auto
        }
        if kind == "mlp":
            chosen["depth"] = self.size_of("g")[1]
        self._check_norm_g(chosen["norm_g"])
        if kind != "dcgan" and (self.kernel != 4 or self.pool_d != "none"):
            raise InputError(f"kernels and pooling belong to kind = dcgan; allowed in {kind}: neither")
        for name, x in (("depth", self.depth), ("depth_d", self.depth_d)):
            if kind != "mlp" and x is not None:
                raise InputError(f"{name} = {shown(x)} belongs to kind = mlp; allowed in {kind}: none")
        if kind == "mlp" and "instance" in (chosen["norm_d"], chosen["norm_g"]):
            raise InputError("instance norm needs an image to normalise over; allowed in an mlp: layer")
        own = {n: getattr(self, n) for n in self.__dataclass_fields__}
        return Architecture(**{**own, **chosen, "kind": kind})

    def _check_norm_g(self, norm: str) -> None:
        told = "labels_g = norm" if self.labels_g == "norm" else "skip_z" if self.skip_z else ""
        if self.labels_g == "norm" and self.condition == "none":
            raise InputError("labels_g = norm needs labels; allowed: condition = projection or acgan")
        if told and norm not in NORMALISING:
            raise InputError(
                f"{told} needs a norm of the generator's activations; allowed: norm_g = {', '.join(NORMALISING)}"
            )


def players(architecture: Architecture, problem: Problem, key: Array) -> Players:
    """Both networks with fresh parameters, in float32 or, inside ``jax.enable_x64``, float64.

    Args:
        architecture: how they are built.
        problem: what they are for: shape of a sample, of z, and labels.
        key: a random key.

    Returns:
        ``Players(phi, theta)``: phi a :class:`Critic` (or :class:`LinearCritic`), theta a :class:`Generator` (or
        :class:`PointGenerator`).

    Example:
        >>> from diracgan.training.problems import problem
        >>> made = players(Architecture(width=16), problem("ring8"), jax.random.key(0))
        >>> made.phi(jnp.zeros((5, 2))).shape, made.theta(jnp.zeros((5, 2))).shape
        ((5,), (5, 2))
    """
    instance("architecture", architecture, Architecture, "what diracgan.training.Architecture(...) returns")
    instance("problem", problem, Problem, "what diracgan.training.problem(...) returns")
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
    scale = (1.0 / max(math.prod(shape[:-1]), 1)) ** 0.5 if deviation is None else deviation
    w = scale * normal(key, shape)
    # what follows a norm of activations has its shift, and needs no bias of its own
    bias = None if norm in NORMALISING else jnp.zeros(shape[-1])
    gain = jnp.sqrt(jnp.sum(w**2, axis=tuple(range(w.ndim - 1)))) if norm == "weight" else None
    return cls(w, bias, gain, norm if norm in ("spectral", "weight") else "none", **how)


def _after(
    norm: str,
    channels: int,
    activation: str,
    dropout: float,
    index: int,
    deviation: float,
    key: Array,
    told: int = 0,
) -> list[Any]:
    """What follows a layer: its norm, whose gains may depend on ``told`` numbers, its activation, its dropout."""
    made: list[Any] = []
    if norm in NORMALISING:
        of = (jnp.zeros((told, channels)),) * 2 if told else (None, None)
        made.append(Norm(1.0 + deviation * normal(key, (channels,)), jnp.zeros(channels), norm, *of))
    made.append(Activation(activation))
    if dropout:
        made.append(Dropout(dropout, index))
    return made


def _mlp(a: Architecture, problem: Problem, keys: _Keys, who: str, classes: int) -> _Built:
    norm, activation = getattr(a, f"norm_{who}"), getattr(a, f"activation_{who}")
    dropout = getattr(a, f"dropout_{who}")
    size, told = (problem.size, 0) if who == "d" else _fed(a, problem, classes)
    layers: list[Any] = _compared(a, who)
    size *= 1 + len(layers)
    width, depth = a.size_of(who)
    for i in range(depth):
        scale = (2.0 / max(size, 1)) ** 0.5 if "relu" in activation else None
        first = who == "d" and i == 0 and norm in ("batch", "virtual")  # no norm at D's input
        own = "none" if first else norm
        layers.append(_weighted(Dense, (size, width), keys(), own, scale))
        layers += _after(own, width, activation, dropout, i, 0.0, keys(), told)
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
            how = {} if a.pool_d == "none" else {"stride": 1}
            layers.append(_weighted(Down, (a.kernel, a.kernel, size, out), keys(), own, scale, **how))
            layers += _after(own, out, activation, dropout, i, scale, keys())
            layers += [] if a.pool_d == "none" else [Pool(a.pool_d)]
            size = out
        return _Built(layers, size * base * base, scale)
    size = width * 2 ** (levels - 1)
    fed, told = _fed(a, problem, classes)
    made = _weighted(Project, (fed, base * base * size), keys(), norm, scale, side=base)
    if made.b is not None:
        made = eqx.tree_at(lambda m: m.b, made, jnp.zeros(size))
    layers = [made, *_after(norm, size, activation, dropout, 0, scale, keys(), told)]
    for i in range(1, levels):
        layers.append(_weighted(Up, (a.kernel, a.kernel, size, size // 2), keys(), norm, scale))
        size //= 2
        layers += _after(norm, size, activation, dropout, i, scale, keys(), told)
    own = norm if norm in ("spectral", "weight") else "none"
    assert base * 2**levels == side
    return _Built(
        layers, size, scale, _weighted(Up, (a.kernel, a.kernel, size, channels), keys(), own, scale)
    )


def _fed(a: Architecture, problem: Problem, classes: int) -> tuple[int, int]:
    """How many numbers enter the generator's first layer, and how many its norms."""
    labels = classes if a.labels_g == "norm" else 0
    return problem.inputs + classes - labels, labels + (problem.inputs if a.skip_z else 0)


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
    last = "tanh" if problem.images else "identity"
    return Generator(tuple(built.layers), head, problem.shape, last, classes, a.labels_g, a.skip_z)
