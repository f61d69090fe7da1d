"""Latent distributions other than the standard normal."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

_PARTS = 4096  # of the interval in which a radius lies


def uniform_of(numbers: Array) -> Array:
    """Standard normal numbers as uniform ones on [-1, 1]: 2 Phi(x) - 1 = erf(x/sqrt(2)).

    Example:
        >>> [round(float(u), 4) for u in uniform_of(jnp.array([-9.0, 0.0, 0.6744898]))]
        [-1.0, 0.0, 0.5]
    """
    return jax.scipy.special.erf(numbers / 2.0**0.5)


def within(key: Array, shape: tuple[int, int], bound: float, dtype: DTypeLike | None = None) -> Array:
    """Standard normal vectors given that their norm is at most ``bound``: (n, d).

    What is left when vectors that are longer are drawn again, without drawing any again, since a ball may hold next to
    nothing of a distribution in many dimensions: the direction is uniform on the sphere, and the radius has the density
    r^(d - 1) exp(-r^2/2) on [0, bound], here constant on each of 4,096 equal parts.

    Args:
        key: a random key.
        shape: how many vectors, and of how many entries.
        bound: the longest allowed.
        dtype: of the entries.

    Example:
        >>> z = within(jax.random.key(0), (1000, 8), 1.5)
        >>> bool(jnp.all(jnp.linalg.norm(z, axis=1) <= 1.5))
        True
    """
    for_way, for_radius = jax.random.split(key)
    way = jax.random.normal(for_way, shape, dtype or float)
    way = way / jnp.maximum(jnp.linalg.norm(way, axis=1, keepdims=True), 1e-30)
    longest = min(float(bound), shape[1] ** 0.5 + 10.0)  # beyond lies less than exp(-50) of the distribution
    ends = jnp.linspace(0.0, longest * (1.0 - 1e-6), _PARTS + 1, dtype=way.dtype)
    middle = 0.5 * (ends[1:] + ends[:-1])
    density = (shape[1] - 1) * jnp.log(middle) - 0.5 * middle**2
    mass = jnp.cumsum(jnp.exp(density - jnp.max(density)))
    share = jax.random.uniform(for_radius, shape[:1], way.dtype)
    radius = jnp.interp(share, jnp.concatenate([jnp.zeros_like(mass[:1]), mass / mass[-1]]), ends)
    return way * radius[:, None]


def walk(a: Array, b: Array, points: int, prior: str = "normal") -> Array:
    """Paths from inputs to others: a, b (n, d) -> (n, points, d), both ends included.

    From one normal z to another on the great circle between their directions, the length growing evenly: the straight
    line passes through norms that a normal z of many entries never has (arXiv 1609.04468). A uniform z goes straight.

    Example:
        >>> [round(float(x), 3) for x in walk(jnp.array([[2.0, 0.0]]), jnp.array([[0.0, 2.0]]), 3)[0, 1]]
        [1.414, 1.414]
    """
    share = jnp.linspace(0.0, 1.0, points, dtype=a.dtype)[None, :, None]
    if prior != "normal":
        return (1.0 - share) * a[:, None] + share * b[:, None]
    size_a, size_b = (jnp.linalg.norm(x, axis=1)[:, None, None] for x in (a, b))
    way_a, way_b = a[:, None] / size_a, b[:, None] / size_b
    angle = jnp.arccos(jnp.clip(jnp.sum(way_a * way_b, axis=-1, keepdims=True), -1.0, 1.0))
    near = angle < 1e-3  # then the line and the arc are the same, and sin(angle) divides nothing
    sine = jnp.where(near, 1.0, jnp.sin(angle))
    left = jnp.where(near, 1.0 - share, jnp.sin((1.0 - share) * angle) / sine)
    right = jnp.where(near, share, jnp.sin(share * angle) / sine)
    return ((1.0 - share) * size_a + share * size_b) * (left * way_a + right * way_b)
