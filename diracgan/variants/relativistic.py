"""Relativistic losses: how much more real are real samples (Jolicoeur-Martineau 2018, arXiv 1807.00734)?"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ._math import minus_log_sigmoid, softplus
from .base import Variant
from .registry import register


@register("rpgan", reference="arXiv 1807.00734, eq. 6 and 7; 2501.05441, eq. 2")
class RpGAN(Variant):
    """Relativistic pairing GAN: each fake is judged against its real partner, softplus both ways."""

    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-log sigma(D_r - D_f), paired sample by sample."""
        return jnp.mean(minus_log_sigmoid(real - fake))

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-log sigma(D_f - D_r), paired sample by sample."""
        return jnp.mean(minus_log_sigmoid(fake - real))


@register("ragan", reference="arXiv 1807.00734, eq. 8 and 9; a sum, without the factor 1/2 of its code")
class RaGAN(Variant):
    """Relativistic average GAN: each sample is judged against the mean of the other kind."""

    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-log sigma(D_r - mean D_f) - log(1 - sigma(D_f - mean D_r))."""
        return _above(real, fake)

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-log sigma(D_f - mean D_r) - log(1 - sigma(D_r - mean D_f))."""
        return _above(fake, real)


def _above(high: Array, low: Array) -> Array:
    """Small where every ``high`` is above the mean ``low``, and every ``low`` below the mean ``high``."""
    return jnp.mean(minus_log_sigmoid(high - jnp.mean(low))) + jnp.mean(softplus(low - jnp.mean(high)))
