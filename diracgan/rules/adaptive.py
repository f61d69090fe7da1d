"""Adam: each parameter's step is scaled by its past gradients."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..game import Players
from ..parameters import param
from ..variants import quotient
from ..variants._math import root
from .base import Rule
from .per_player import PerPlayerRule
from .registry import register_rule


class Moments(NamedTuple):
    """One player's averages of the velocity and of its square, and the number of its steps."""

    mean: Any
    square: Any
    steps: Array


@register_rule("adam", reference="arXiv 1412.6980, algorithm 1")
class Adam(PerPlayerRule):
    """Adam with bias correction, eps outside the root, at once or alternating.

    m+ = beta1 m + (1 - beta1) g, v+ = beta2 v + (1 - beta2) g^2,
    z+ = z + h (m+ / (1 - beta1^t)) / (sqrt(v+ / (1 - beta2^t)) + eps), g = F(z), each player on its own; a
    parameter whose velocity has always been 0 rests, also with eps = 0.

    The linearisation is that of the asymptotic map, t -> infinity, on the full state (z, m, v). Near rest v
    is of second order, so there it is z+ = z + h m+/eps, v+ = beta2 v: fast, as eps is small. With eps = 0
    the update is homogeneous of degree 0 in the velocity and there is no linearisation: Adam settles on a
    cycle.

    Example:
        >>> import diracgan as dg
        >>> dg.spectrum(dg.variant("ns"), rule=dg.rule("adam", lr=0.01, eps=0.0)).status
        'no-derivative'
    """

    beta1: float = param(0.9, "decay of the averaged velocity", low=0, high=1, open_high=True)
    beta2: float = param(0.999, "decay of the averaged square", low=0, high=1, open_high=True)
    eps: float = param(1e-8, "added to the root of the averaged square", low=0)
    alternating: bool = param(False, "players take turns, the generator seeing the new critic")
    n_critic: int = param(1, "critic steps in one iteration, when alternating", low=1, high=10_000)

    def init_player(self, z: Any) -> Moments:
        """Both averages 0, no step made."""
        zero = jax.tree.map(jnp.zeros_like, z)
        return Moments(zero, zero, jnp.zeros((), jnp.int32))

    def update(self, who: str, z: Any, v: Any, state: Moments) -> tuple[Any, Moments]:
        """The averaged velocity over the root of the averaged square."""
        new = self._averaged(v, state)
        h, first = getattr(self.rates, who), 1.0 - self.beta1**new.steps
        second = 1.0 - self.beta2**new.steps

        def step(m: Array, s: Array) -> Array:
            return h * quotient(m / first.astype(m.dtype), root(s / second.astype(m.dtype)) + self.eps)

        return jax.tree.map(step, new.mean, new.square), new

    def _averaged(self, v: Any, state: Moments) -> Moments:
        mean = jax.tree.map(lambda m, g: self.beta1 * m + (1.0 - self.beta1) * g, state.mean, v)
        square = jax.tree.map(lambda s, g: self.beta2 * s + (1.0 - self.beta2) * g * g, state.square, v)
        return Moments(mean, square, state.steps + 1)

    @property
    def is_adaptive(self) -> bool:
        """Each step is divided by the root of the averaged square."""
        return True

    def step_sizes(self, players: Players, memory: Any) -> Players | None:
        """h/(sqrt(v/(1 - beta2^t)) + eps), where the averaged squares are known."""
        if memory is None:
            return None

        def of(h: Any, own: Moments) -> Any:
            first = 1.0 - self.beta2 ** jnp.maximum(own.steps, 1)
            return jax.tree.map(lambda s: h / (jnp.sqrt(s / first) + self.eps), own.square)

        return Players(of(self.rates.phi, memory.phi), of(self.rates.theta, memory.theta))

    @property
    def linearises(self) -> Any:
        """Where eps > 0."""
        return self.eps > 0

    def why_not_linearisable(self) -> str | None:
        """With eps = 0 there is no derivative."""
        if self.linearises:
            return None
        return "Adam with eps = 0 steps as far for a small gradient as for a large one: no derivative at rest"

    @property
    def linear_below(self) -> float:
        """eps: the root of the averaged square must be small beside it."""
        return float(self.eps)

    @property
    def at_rest(self) -> Rule:
        """Near rest the root is of second order: the step is h m/eps."""
        return _AdamAtRest(**{n: getattr(self, n) for n in self.__dataclass_fields__})

    @property
    def bias_corrected(self) -> Rule:
        """Without bias correction, which is over after some 1/(1 - beta2) steps."""
        return _AdamBiasCorrected(**{n: getattr(self, n) for n in self.__dataclass_fields__})


class _AdamAtRest(Adam):
    """Adam's map with the derivative that it has at rest."""

    def update(self, who: str, z: Any, v: Any, state: Moments) -> tuple[Any, Moments]:
        new = self._averaged(v, state)
        h = getattr(self.rates, who) / self.eps
        return jax.tree.map(lambda m: h * m, new.mean), new


class _AdamBiasCorrected(Adam):
    """Adam's map long after its start."""

    def update(self, who: str, z: Any, v: Any, state: Moments) -> tuple[Any, Moments]:
        new = self._averaged(v, state)
        h = getattr(self.rates, who)
        return jax.tree.map(lambda m, s: h * quotient(m, root(s) + self.eps), new.mean, new.square), new
