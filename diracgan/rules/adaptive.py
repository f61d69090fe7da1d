"""Rules that scale each parameter's step by its past gradients: Adam, AdamW, AMSGrad, RMSProp."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from ..game import Players
from ..parameters import param
from ..pytrees import Pytree
from ..variants import quotient
from ..variants._math import root
from .base import Rule, variation
from .per_player import PerPlayerRule
from .registry import register_rule


class Moments(NamedTuple):
    """What one player's optimiser remembers.

    Attributes:
        mean: average of the velocity.
        square: average of its square.
        largest: the largest averaged square so far; () where the rule does not ask for it.
        steps: number of steps.
    """

    mean: Pytree
    square: Pytree
    largest: Pytree
    steps: Array


class _Adaptive(PerPlayerRule):
    """Base of the rules that divide by the root of an averaged square, with a number ``eps`` beside it."""

    @property
    def is_adaptive(self) -> bool:
        """Each step is divided by the root of the averaged square."""
        return True

    @property
    def linearises(self: Any) -> bool | Array:
        """Where eps > 0."""
        return self.eps > 0

    def why_not_linearisable(self) -> str | None:
        """With eps = 0 there is no derivative."""
        if self.linearises:
            return None
        return f"{self.name} with eps = 0 steps as far for a small gradient as for a large one: no derivative at rest"

    def step_sizes(self, players: Players, memory: Pytree) -> Players | None:
        """The learning rates over the roots of the averaged squares, where these are known."""
        if memory is None:
            return None
        both = zip(self.rates, (memory.phi, memory.theta), strict=True)
        return Players(*(jax.tree.map(lambda x, h=h: h / x, self._roots(own)) for h, own in both))

    def _roots(self, own: Pytree) -> Pytree:
        """What one player's steps are divided by, with its memory."""
        raise NotImplementedError


@register_rule("adam", reference="arXiv 1412.6980, algorithm 1")
class Adam(_Adaptive):
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

    def init_player(self, z: Pytree) -> Moments:
        """Both averages 0, no step made."""
        zero = jax.tree.map(jnp.zeros_like, z)
        return Moments(zero, zero, (), jnp.zeros((), jnp.int32))

    def update(self, who: str, z: Pytree, v: Pytree, state: Moments) -> tuple[Pytree, Moments]:
        """The averaged velocity over the root of the averaged square."""
        new = self._averaged(v, state)
        return self._step(who, z, new, *self._corrections(new.steps)), new

    def _averaged(self, v: Pytree, state: Moments) -> Moments:
        """The memory after the velocity v."""
        mean = jax.tree.map(lambda m, g: self.beta1 * m + (1.0 - self.beta1) * g, state.mean, v)
        square = jax.tree.map(lambda s, g: self.beta2 * s + (1.0 - self.beta2) * g * g, state.square, v)
        return Moments(mean, square, state.largest, state.steps + 1)

    def _averaged_at_rest(self, v: Pytree, state: Moments) -> Moments:
        """The same with its derivative where all averages are 0."""
        return self._averaged(v, state)

    def _corrections(self, steps: Array) -> tuple[Array | None, Array | None]:
        """What averages that began at 0 are to be divided by; None for nothing."""
        # strict promotion, where a caller has asked for it, refuses a float ** a whole number
        return 1.0 - lax.pow(self.beta1, steps), 1.0 - lax.pow(self.beta2, steps)

    def _step(self, who: str, z: Pytree, new: Moments, first: Array | None, second: Array | None) -> Pytree:
        h = getattr(self.rates, who)

        def step(m: Array, s: Array) -> Array:
            return h * quotient(_over(m, first), root(_over(s, second)) + self.eps)

        return jax.tree.map(step, new.mean, new.square)

    def _step_at_rest(self, who: str, z: Pytree, v: Pytree, new: Moments) -> Pytree:
        """The step's derivative where all averages are 0."""
        h = getattr(self.rates, who) / self.eps
        return jax.tree.map(lambda m: h * m, new.mean)

    def _roots(self, own: Moments) -> Pytree:
        first = 1.0 - lax.pow(self.beta2, jnp.maximum(own.steps, 1))
        return jax.tree.map(lambda s: jnp.sqrt(s / first) + self.eps, own.square)

    @property
    def linear_below(self) -> float:
        """eps: the root of the averaged square must be small beside it."""
        return float(self.eps)

    @property
    def at_rest(self) -> Rule:
        """Near rest the root is of second order: the step is h m/eps."""
        return variation(self, _AtRest)

    @property
    def bias_corrected(self) -> Rule:
        """Without bias correction, which is over after some 1/(1 - beta2) steps."""
        return variation(self, _BiasCorrected)


class _AtRest:
    """The map with the derivative that it has at rest."""

    def update(self: Any, who: str, z: Pytree, v: Pytree, state: Pytree) -> tuple[Any, Any]:
        new = self._averaged_at_rest(v, state)
        return self._step_at_rest(who, z, v, new), new


class _BiasCorrected:
    """The map long after its start."""

    def _corrections(self, steps: Array) -> tuple[None, None]:
        return None, None


@register_rule("adamw", reference="arXiv 1711.05101, algorithm 2")
class AdamW(Adam):
    """Adam with decoupled weight decay: its own step, and - h weight_decay z.

    Example:
        >>> import diracgan as dg
        >>> dg.averaged(dg.variant("wgan-linear"), "adamw:lr=0.01,beta1=0.5,weight_decay=0.1").text[:31]
        'ends on a cycle of |phi| = 0.51'
    """

    weight_decay: float = param(1e-4, "pull of each player towards 0", low=0)

    def _step(self, who: str, z: Pytree, new: Moments, first: Array | None, second: Array | None) -> Pytree:
        return self._decayed(who, z, super()._step(who, z, new, first, second))

    def _step_at_rest(self, who: str, z: Pytree, v: Pytree, new: Moments) -> Pytree:
        return self._decayed(who, z, super()._step_at_rest(who, z, v, new))

    def _decayed(self, who: str, z: Pytree, step: Pytree) -> Pytree:
        h = getattr(self.rates, who) * self.weight_decay
        return jax.tree.map(lambda s, a: s - h * a, step, z)


@register_rule("amsgrad", reference="Reddi, Kale, Kumar 2018 (arXiv 1904.09237), algorithm 2")
class AMSGrad(Adam):
    """Adam divided by the root of the largest averaged square so far: steps never become longer again.

    The largest square L forgets nothing, so that it has the multiplier 1 at rest, where a motion that comes with it
    steps by h m/(sqrt(L) + eps): the point may attract the motion and repel what starts beside it, whose L is 0.

    Example:
        >>> import diracgan as dg
        >>> float(dg.averaged(dg.variant("ns"), "amsgrad:lr=0.01,beta1=0.5").memory_times[-1])
        inf
    """

    def init_player(self, z: Pytree) -> Moments:
        """All averages 0, no step made."""
        begun = super().init_player(z)
        return begun._replace(largest=begun.square)

    def _averaged(self, v: Pytree, state: Moments) -> Moments:
        new = super()._averaged(v, state)
        second = self._corrections(new.steps)[1]
        largest = jax.tree.map(lambda a, s: jnp.maximum(a, _over(s, second)), state.largest, new.square)
        return new._replace(largest=largest)

    def _averaged_at_rest(self, v: Pytree, state: Moments) -> Moments:
        return self._averaged(v, state)._replace(largest=state.largest)  # squares are of second order

    def _step(self, who: str, z: Pytree, new: Moments, first: Array | None, second: Array | None) -> Pytree:
        return super()._step(who, z, new._replace(square=new.largest), first, None)

    def _roots(self, own: Moments) -> Pytree:
        return jax.tree.map(lambda s: jnp.sqrt(s) + self.eps, own.largest)

    @property
    def at_rest_as_remembered(self) -> Rule:
        """The step is h m/(sqrt(L) + eps), with the largest averaged square L that is carried."""
        return variation(self, _AtRestAsRemembered)


class _AtRestAsRemembered(_AtRest):
    """The same where the memory holds a largest square, by which nothing changes as long as m = 0."""

    def _step_at_rest(self: Any, who: str, z: Pytree, v: Pytree, new: Moments) -> Pytree:
        h, roots = getattr(self.rates, who), self._roots(lax.stop_gradient(new))
        return jax.tree.map(lambda m, s: h * m / s, new.mean, roots)


@register_rule("rmsprop", reference="Tieleman, Hinton 2012, Neural Networks for Machine Learning, lecture 6e")
class RMSProp(_Adaptive):
    """RMSProp: Adam without momentum and without bias correction, eps inside the root.

    v+ = beta2 v + (1 - beta2) g^2, z+ = z + h g/sqrt(v+ + eps), g = F(z), each player on its own. Near rest v is of
    second order: z+ = z + h g/sqrt(eps).

    Example:
        >>> import diracgan as dg
        >>> flow = dg.averaged(dg.variant("lsgan"), "rmsprop:lr=0.003,beta2=0.95")
        >>> round(flow.amplitude, 4)
        0.0379
    """

    beta2: float = param(0.9, "decay of the averaged square", low=0, high=1, open_high=True)
    eps: float = param(1e-8, "added to the averaged square", low=0)
    alternating: bool = param(False, "players take turns, the generator seeing the new critic")
    n_critic: int = param(1, "critic steps in one iteration, when alternating", low=1, high=10_000)

    def init_player(self, z: Pytree) -> Pytree:
        """The averaged square 0."""
        return jax.tree.map(jnp.zeros_like, z)

    def update(self, who: str, z: Pytree, v: Pytree, state: Pytree) -> tuple[Pytree, Pytree]:
        """The velocity over the root of the averaged square."""
        new = self._averaged_at_rest(v, state)
        h = getattr(self.rates, who)
        return jax.tree.map(lambda g, s: h * quotient(g, root(s + self.eps)), v, new), new

    def _averaged_at_rest(self, v: Pytree, state: Pytree) -> Pytree:
        return jax.tree.map(lambda s, g: self.beta2 * s + (1.0 - self.beta2) * g * g, state, v)

    def _step_at_rest(self, who: str, z: Pytree, v: Pytree, new: Pytree) -> Pytree:
        h = getattr(self.rates, who) / jnp.sqrt(self.eps)
        return jax.tree.map(lambda g: h * g, v)

    def _roots(self, own: Pytree) -> Pytree:
        return jax.tree.map(lambda s: jnp.sqrt(s + self.eps), own)

    @property
    def linear_below(self) -> float:
        """sqrt(eps): the averaged square must be small beside eps."""
        return float(self.eps) ** 0.5

    @property
    def at_rest(self) -> Rule:
        """Near rest the averaged square is of second order: the step is h g/sqrt(eps)."""
        return variation(self, _AtRest)

    @property
    def is_smooth_at_rest(self) -> bool:
        """Where eps > 0, as it stands inside the root."""
        return bool(self.linearises)


def _over(x: Array, by: Array | None) -> Array:
    return x if by is None else x / jnp.asarray(by, x.dtype)
