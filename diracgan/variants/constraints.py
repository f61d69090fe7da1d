"""How a critic that a variant constrains is used: as it is, or with normalised weights."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from ..errors import InputError
from ..pytrees import Pytree
from .base import Variant


def constrain(variant: Variant, phi: Pytree) -> Pytree:
    """The critic's parameters as they are used: phi itself, or each weight divided by its spectral norm.

    A vector's spectral norm is its length, so the Dirac critic becomes phi.x/|phi| (docs/theory.md section 1),
    which has no value at phi = 0. Parameters that are a network know which of them are weights, and normalise
    themselves (``phi.normalised()``).
    """
    if variant.constraint in ("none", "clipped"):
        return phi
    if variant.constraint == "normalised":
        if hasattr(phi, "normalised"):
            return phi.normalised()
        return jax.tree.map(_direction, phi)
    raise InputError(
        f"constraint {variant.constraint!r} of {variant.name!r}; allowed: none, normalised, clipped"
    )


def _direction(w: Array) -> Array:
    """w/|w|, which has no value at 0."""
    return _sign(w) if w.size == 1 else w / jnp.sqrt(jnp.sum(w * w))


@jax.custom_jvp
def _sign(w: Array) -> Array:
    """w/|w| of a single number, of which JAX's own derivative would be rounding that grows as 1/|w|."""
    return w / jnp.abs(w)


@_sign.defjvp
def _sign_jvp(primals, tangents):
    return _sign(*primals), jnp.zeros_like(*tangents)
