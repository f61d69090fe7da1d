"""Stroboscopic averaging of a fast rotating map: its state once per rotation.

Between two visits to a section the map makes many steps; what it does from one visit to the next is the slow motion,
to all orders in the step. A map's orbit jumps over the section, so that the visit is interpolated in the number of
steps, by a polynomial through the last state before and five after.

References:
    Calvo, Chartier, Murua, Sanz-Serna 2011, Numerical experiments with the stroboscopic method
    (doi 10.1016/j.apnum.2011.06.007).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

_NODES = (-1.0, 0.0, 1.0, 2.0, 3.0, 4.0)  # steps after the first state beyond the section
_ORDERS = np.arange(len(_NODES))
_FITTED = np.linalg.inv(
    np.vander(_NODES, increasing=True)
)  # values at the nodes -> coefficients of the powers
_NEWTON = 6


class FirstReturn(NamedTuple):
    """Where a map meets a section from below for the first time.

    Attributes:
        state: there, interpolated; integers are those before it.
        steps: how many steps that took, a fraction included.
        found: whether it was met.
    """

    state: Any
    steps: Array
    found: Array


def first_return(
    step: Callable[[Any], Any], section: Callable[[Any], Array], state: Any, most: Any
) -> FirstReturn:
    """Iterate a map until ``section`` crosses 0 upwards, and interpolate the crossing.

    Args:
        step: the map, on a pytree.
        section: pytree -> a number.
        state: where to start; it may lie on the section.
        most: steps after which it is given up.

    Returns:
        The :class:`FirstReturn`; it can be differentiated forwards.

    Example:
        >>> turn = jnp.array([[jnp.cos(0.1), jnp.sin(0.1)], [-jnp.sin(0.1), jnp.cos(0.1)]])
        >>> back = first_return(lambda z: turn @ z, lambda z: z[0], jnp.array([0.0, 1.0]), 100)
        >>> round(float(back.steps), 3), bool(jnp.allclose(back.state, jnp.array([0.0, 1.0]), atol=1e-6))
        (62.832, True)
    """

    def is_before(now: tuple[Any, Any, Array]) -> Array:
        old, new, count = now
        return ~((section(old) < 0) & (section(new) >= 0)) & (count < most)

    def onwards(now: tuple[Any, Any, Array]) -> tuple[Any, Any, Array]:
        _, new, count = now
        return new, step(new), count + 1

    old, new, count = jax.lax.while_loop(is_before, onwards, (state, state, jnp.asarray(0)))
    beyond = jax.lax.scan(lambda z, _: (step(z), z), new, None, length=len(_NODES) - 1)[1]
    nodes = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), old, beyond)
    heights = jax.vmap(section)(nodes)
    fitted = jnp.asarray(_FITTED, heights.dtype)
    coefficients = fitted @ heights

    def nearer(_: Any, part: Array) -> Array:
        height, slope = _powers(part) @ coefficients, _powers(part)[:-1] @ (_ORDERS[1:] * coefficients[1:])
        return jnp.clip(part - height / slope, -1.0, 0.0)

    secant = heights[0] / (heights[1] - heights[0])
    part = jax.lax.fori_loop(0, _NEWTON, nearer, secant)
    weights = _powers(part) @ fitted

    def between(values: Array) -> Array:
        if not jnp.issubdtype(values.dtype, jnp.floating):
            return values[0]
        return jnp.tensordot(weights.astype(values.dtype), values, 1)

    return FirstReturn(jax.tree.map(between, nodes), count + part, count < most)


def _powers(x: Array) -> Array:
    """1, x, x^2, ... for the polynomial through all nodes."""
    return jnp.cumprod(jnp.concatenate([jnp.ones(1, x.dtype), jnp.broadcast_to(x, len(_NODES) - 1)]))
