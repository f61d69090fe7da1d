"""The hinge loss (Lim & Ye 2017, arXiv 1705.02894; Miyato et al. 2018, arXiv 1802.05957)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from .base import Variant
from .registry import register


@register("hinge", reference="arXiv 1705.02894, eq. 7; 1802.05957, eq. 16 and 17")
class Hinge(Variant):
    """Hinge GAN: the critic stops pushing logits beyond 1 and -1."""

    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """max(0, 1 - D_r) + max(0, 1 + D_f)."""
        return jnp.mean(jnp.maximum(1.0 - real, 0.0)) + jnp.mean(jnp.maximum(1.0 + fake, 0.0))

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-D_f."""
        return -jnp.mean(fake)
