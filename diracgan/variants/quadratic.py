"""GAN-QP: a quadratic potential divergence, no Lipschitz constraint (Su 2018, arXiv 1811.07296)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from ..parameters import param
from ._math import norm, quotient
from .base import Variant
from .registry import register


@register("gan-qp", reference="arXiv 1811.07296, eq. 6")
class GANQP(Variant):
    """GAN-QP: the critic pays (D_f - D_r)^2 / (2 lam |x_f - x_r|)."""

    lam: float = param(1.0, "slope at which the quadratic term outweighs the linear one", low=0.0, open_low=True)

    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """D_f - D_r + (D_f - D_r)^2 / (2 lam |x_f - x_r|), paired sample by sample."""
        rise = fake - real
        distance = jax.vmap(norm)(x_fake - x_real)
        return jnp.mean(rise + quotient(rise**2, 2.0 * self.lam * distance))

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-D_f."""
        return -jnp.mean(fake)
