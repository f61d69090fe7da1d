"""Penalties that any variant can carry: each is written once and joins the critic's loss.

A penalty sees the critic as a function (gradient penalties) and as parameters (L2). Conventions of theory.md section 1:
on a linear critic R1(gamma) = R2(gamma) = L2(mu = gamma) = GP(c = 0, 2 lam = gamma).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..parameters import Parameter
from ._math import norm
from .base import Critic, Variant

Penalty = Callable[[Variant, Critic, Any, Array, Array], Array]


def l2(variant: Variant, critic: Critic, phi: Any, x_real: Array, x_fake: Array) -> Array:
    """(mu/2) |phi|^2 on the critic's raw parameters."""
    return 0.5 * variant.extras["l2"] * sum(jnp.sum(p * p) for p in jax.tree.leaves(phi))


def r1(variant: Variant, critic: Critic, phi: Any, x_real: Array, x_fake: Array) -> Array:
    """(gamma/2) mean |grad_x D|^2 at real samples (arXiv 1801.04406, eq. 9)."""
    return 0.5 * variant.extras["r1"] * jnp.mean(squared_slopes(critic, x_real))


def r2(variant: Variant, critic: Critic, phi: Any, x_real: Array, x_fake: Array) -> Array:
    """(gamma/2) mean |grad_x D|^2 at fake samples (arXiv 1801.04406, eq. 10)."""
    return 0.5 * variant.extras["r2"] * jnp.mean(squared_slopes(critic, x_fake))


def squared_slopes(critic: Critic, x: Array) -> Array:
    """|grad_x D|^2 at every sample: x (n, ...) -> (n,)."""
    return jax.vmap(lambda sample: jnp.sum(jax.grad(critic)(sample) ** 2))(x)


def slopes(critic: Critic, x: Array) -> Array:
    """|grad_x D| at every sample: x (n, ...) -> (n,)."""
    return jax.vmap(lambda sample: norm(jax.grad(critic)(sample)))(x)


PENALTIES: dict[str, Penalty] = {"l2": l2, "r1": r1, "r2": r2}

_MODIFIERS = (
    Parameter("l2", 0.0, low=0.0, help="(mu/2)|phi|^2 on the critic's parameters"),
    Parameter("r1", 0.0, low=0.0, help="(gamma/2)|grad D|^2 at real samples"),
    Parameter("r2", 0.0, low=0.0, help="(gamma/2)|grad D|^2 at fake samples"),
    Parameter("consensus", 0.0, low=0.0, help="on the field: v - gamma grad |v|^2 / 2"),
    Parameter("sga", 0.0, help="on the field: v + (lam/2) (J - J^T) v, symplectic adjustment"),
)


def modifiers() -> dict[str, Parameter]:
    """Name -> :class:`~diracgan.parameters.Parameter` of what ``with_`` takes.

    Example:
        >>> sorted(modifiers())[:2]
        ['l2', 'r1']
    """
    return {p.name: p for p in _MODIFIERS}


def total(variant: Variant, critic: Critic, phi: Any, x_real: Array, x_fake: Array) -> Array:
    """The variant's own penalty and every added one: what joins the critic's loss."""
    value = variant.penalty(critic, phi, x_real, x_fake)
    for name in variant.extras:
        if name in PENALTIES:
            value = value + PENALTIES[name](variant, critic, phi, x_real, x_fake)
    return value
