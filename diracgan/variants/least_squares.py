"""Least squares: the logits are regressed on labels (Mao et al. 2017, arXiv 1611.04076)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from ..parameters import param
from .base import Variant
from .registry import register


@register("lsgan", reference="arXiv 1611.04076, eq. 2; the defaults: eq. 8")
class LSGAN(Variant):
    """LSGAN: the logits are regressed on labels; with 0/1/1 the equilibria form a line."""

    labelled = True

    fake_label: float = param(-1.0, "what the critic wants of fake samples")
    real_label: float = param(1.0, "what the critic wants of real samples")
    target: float = param(1.0, "what the generator wants of its samples")

    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """(D_r - real_label)^2/2 + (D_f - fake_label)^2/2."""
        low, high = self.labels(self.fake_label, self.real_label)
        return 0.5 * jnp.mean((real - high) ** 2) + 0.5 * jnp.mean((fake - low) ** 2)

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """(D_f - target)^2/2."""
        return 0.5 * jnp.mean((fake - self.target) ** 2)
