"""The vanilla GAN in its two forms (Goodfellow et al. 2014, arXiv 1406.2661)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ._math import cross_entropy, minus_log_sigmoid, softplus
from .base import Variant
from .registry import register


class _Vanilla(Variant):
    labelled = True

    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-log sigma(D_r) - log(1 - sigma(D_f)): cross entropy with the labels 1 and 0, or smoothed."""
        low, high = self.labels(0.0, 1.0)
        return jnp.mean(cross_entropy(real, high)) + jnp.mean(cross_entropy(fake, low))


@register("ns", reference="arXiv 1406.2661, section 3; 1801.04406, section 2")
class NonSaturating(_Vanilla):
    """Vanilla GAN, non-saturating: the generator minimises -log sigma(D_f)."""

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-log sigma(D_f)."""
        return jnp.mean(minus_log_sigmoid(fake))


@register("saturating", reference="arXiv 1406.2661, eq. 1")
class Saturating(_Vanilla):
    """Vanilla GAN, minimax: the generator minimises log(1 - sigma(D_f))."""

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """log(1 - sigma(D_f))."""
        return -jnp.mean(softplus(fake))
