"""GAN-QP: a quadratic potential divergence, no Lipschitz constraint (Su 2018, arXiv 1811.07296)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from ..parameters import param
from ._math import norm, quotient, root
from .base import Variant
from .registry import register

_DISTANCES = {
    "l2": norm,
    "l1": lambda x: jnp.sum(jnp.abs(x)),
    "l2sq": lambda x: jnp.sum(x * x),
    "rms": lambda x: root(jnp.mean(x * x)),
}


@register("gan-qp", reference="arXiv 1811.07296, eq. 6")
class GANQP(Variant):
    """GAN-QP: the critic pays (D_f - D_r)^2 / (2 lam |x_f - x_r|)."""

    lam: float = param(
        1.0, "slope at which the quadratic term outweighs the linear one", low=0.0, open_low=True
    )
    norm: str = param(
        "l2",
        "|x|: l2 norm, l1 sum of absolute values, l2sq square, rms root mean square",
        choices=tuple(_DISTANCES),
    )

    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """D_f - D_r + (D_f - D_r)^2 / (2 lam |x_f - x_r|), paired sample by sample."""
        rise = fake - real
        distance = jax.vmap(_DISTANCES[self.norm])(x_fake - x_real)
        return jnp.mean(rise + quotient(rise**2, 2.0 * self.lam * distance))

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-D_f."""
        return -jnp.mean(fake)
