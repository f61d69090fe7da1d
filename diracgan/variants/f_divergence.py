"""f-GANs: any f-divergence by its conjugate (Nowozin, Cseke, Tomioka 2016, arXiv 1606.00709, tables 2 and 6).

The critic maximises g(D_r) - f*(g(D_f)) with the output activation g and the convex conjugate f* of f. Each
class writes g and the composition f*(g(v)) as one stable expression of the logit v.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ..parameters import param
from ._math import minus_log_sigmoid, softplus
from .base import Variant
from .registry import register

_LOG2 = 0.6931471805599453
_REFERENCE = "arXiv 1606.00709, table 2; ns: its section 3.2"


class _FGAN(Variant):
    mode: str = param(
        "ns", "what the generator minimises: -f*(g(D_f)) or, ns, -g(D_f)", choices=("ns", "minimax")
    )

    def activation(self, v: Array) -> Array:
        """g(v), increasing."""
        raise NotImplementedError

    def conjugate(self, v: Array) -> Array:
        """f*(g(v))."""
        raise NotImplementedError

    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-g(D_r) + f*(g(D_f))."""
        return -jnp.mean(self.activation(real)) + jnp.mean(self.conjugate(fake))

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-g(D_f) (ns), or -f*(g(D_f)) (minimax)."""
        return -jnp.mean(self.activation(fake) if self.mode == "ns" else self.conjugate(fake))


@register("fgan-kl", reference=_REFERENCE)
class KullbackLeibler(_FGAN):
    """f-GAN, Kullback-Leibler: g(v) = v, f*(t) = exp(t - 1)."""

    def activation(self, v: Array) -> Array:
        """g(v) = v."""
        return v

    def conjugate(self, v: Array) -> Array:
        """exp(v - 1)."""
        return jnp.exp(v - 1.0)


@register("fgan-reverse-kl", reference=_REFERENCE)
class ReverseKullbackLeibler(_FGAN):
    """f-GAN, reverse Kullback-Leibler: g(v) = -exp(-v), f*(t) = -1 - log(-t)."""

    def activation(self, v: Array) -> Array:
        """g(v) = -exp(-v)."""
        return -jnp.exp(-v)

    def conjugate(self, v: Array) -> Array:
        """-1 - log(exp(-v)) = v - 1."""
        return v - 1.0


@register("fgan-pearson", reference=_REFERENCE)
class Pearson(_FGAN):
    """f-GAN, Pearson chi^2: g(v) = v, f*(t) = t^2/4 + t."""

    def activation(self, v: Array) -> Array:
        """g(v) = v."""
        return v

    def conjugate(self, v: Array) -> Array:
        """v^2/4 + v."""
        return 0.25 * v**2 + v


@register("fgan-hellinger", reference=_REFERENCE)
class Hellinger(_FGAN):
    """f-GAN, squared Hellinger: g(v) = 1 - exp(-v), f*(t) = t/(1 - t)."""

    def activation(self, v: Array) -> Array:
        """g(v) = 1 - exp(-v)."""
        return 1.0 - jnp.exp(-v)

    def conjugate(self, v: Array) -> Array:
        """(1 - exp(-v))/exp(-v) = exp(v) - 1."""
        return jnp.exp(v) - 1.0


@register("fgan-js", reference=_REFERENCE)
class JensenShannon(_FGAN):
    """f-GAN, Jensen-Shannon: g(v) = log 2 - log(1 + exp(-v)), f*(t) = -log(2 - exp(t))."""

    def activation(self, v: Array) -> Array:
        """g(v) = log 2 - log(1 + exp(-v))."""
        return _LOG2 - minus_log_sigmoid(v)

    def conjugate(self, v: Array) -> Array:
        """-log(2 - 2 sigma(v)) = log(1 + exp(v)) - log 2."""
        return softplus(v) - _LOG2
