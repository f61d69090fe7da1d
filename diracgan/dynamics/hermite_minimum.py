"""Where the cubic Hermite interpolant of a step has its minimum: what guards do between the ends of a step."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array


def hermite_minimum(before: tuple[Array, Array], after: tuple[Array, Array], h: Array) -> tuple[Array, Array]:
    """Where guards that are above 0 at both ends of a step are lowest within it, and how low.

    Args:
        before: guards and their slopes at the beginning, each (k,).
        after: the same at the end.
        h: length of the step.

    Returns:
        The lowest values of the cubic through these, infinite for guards without a minimum inside, and their
        places as shares of the step, each (k,).
    """
    (g0, s0), (g1, s1) = before, after
    slope, rise = h * s0, g1 - g0
    square, cube = 3 * rise - h * (2 * s0 + s1), h * (s0 + s1) - 2 * rise
    inside = (g0 > 0) & (g1 > 0) & (s0 < 0) & (s1 > 0)
    root = jnp.sqrt(jnp.maximum(square**2 - 3 * cube * slope, 0.0))
    share = jnp.where(inside, -slope / jnp.where(inside, square + root, 1.0), 0.5)
    return jnp.where(inside, g0 + share * (slope + share * (square + share * cube)), jnp.inf), share
