"""Wasserstein GANs: linear and normalised critic, and the gradient penalty."""

from __future__ import annotations

from types import MappingProxyType

import jax.numpy as jnp
from jax import Array

from ..parameters import param
from ..pytrees import Pytree
from ._math import power
from .base import Critic, Variant
from .penalties import between, excess, squared_slopes
from .registry import register


class _Wasserstein(Variant):
    def critic_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """D_f - D_r."""
        return jnp.mean(fake) - jnp.mean(real)

    def generator_loss(self, real: Array, fake: Array, x_real: Array, x_fake: Array) -> Array:
        """-D_f."""
        return -jnp.mean(fake)


@register("wgan-linear", reference="arXiv 1701.07875, without its constraint; 1801.04406, section 3")
class WGANLinear(_Wasserstein):
    """WGAN with an unconstrained linear critic: a pure rotation."""


@register("wgan", reference="kexue.fm/archives/6583; spectral normalisation: arXiv 1802.05957")
class WGAN(_Wasserstein):
    """WGAN with the normalised critic D(x) = phi.x/|phi|."""

    constraint = "normalised"


@register("wgan-gp", reference="arXiv 1704.00028, eq. 3; c = 0: arXiv 1712.01026")
class WGANGP(_Wasserstein):
    """WGAN with the gradient penalty lam (|grad D| - c)^2."""

    for_networks = MappingProxyType({"lam": 10.0})  # the source's; 0.1 does not hold a network's slope near c
    # a slope of c everywhere is a piecewise linear critic's, of three hidden layers as in the source; its rule with a
    # critic that is faster and averages longer, for the loss pulls as hard near the data as far from them
    networks = MappingProxyType({"activation_d": "leaky-relu", "activation_g": "relu", "depth": 3})
    network_rule = "adam:lr=0.0001,lr_d=0.001,beta1=0,beta2=0.99,alternating=true,n_critic=5"

    lam: float = param(0.1, "weight of the penalty", low=0.0)
    c: float = param(1.0, "norm that the penalty asks of the gradient", low=0.0)
    one_sided: bool = param(False, "punish only norms above c")

    def penalty(self, critic: Critic, phi: Pytree, x_real: Array, x_fake: Array) -> Array:
        """lam mean (|grad_x D| - c)^2, half-way between real and fake; one-sided: only above c."""
        return self.lam * jnp.mean(excess(critic, between(critic, x_real, x_fake), self.c, self.one_sided))


@register("wgan-clip", reference="arXiv 1701.07875, algorithm 1")
class WGANClip(_Wasserstein):
    """WGAN with clipped weights: |phi_i| <= clip after each critic step; the flow is projected on the box."""

    constraint = "clipped"

    clip: float = param(
        0.3, "half the width of the box that the critic's weights stay in", low=0.0, open_low=True
    )


@register("wgan-div", reference="arXiv 1712.01026, eq. 6")
class WGANDiv(_Wasserstein):
    """WGAN-div: the critic pays k |grad D|^p, with no Lipschitz constraint."""

    k: float = param(2.0, "weight of the penalty", low=0.0)
    p: float = param(6.0, "power of the gradient's norm", low=1.0)

    def penalty(self, critic: Critic, phi: Pytree, x_real: Array, x_fake: Array) -> Array:
        """The mean of k |grad_x D|^p, half-way between real and fake."""
        squares = squared_slopes(critic, between(critic, x_real, x_fake))
        return self.k * jnp.mean(power(squares, 0.5 * self.p))
