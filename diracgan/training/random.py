"""Random arrays drawn as one row and then shaped: the same numbers, in far less compile time."""

from __future__ import annotations

import math

import jax
from jax import Array
from jax.typing import DTypeLike


def normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike | None = None) -> Array:
    """Standard normal numbers.

    Example:
        >>> normal(jax.random.key(0), (2, 3)).shape
        (2, 3)
    """
    return jax.random.normal(key, (math.prod(shape),), dtype or float).reshape(shape)


def uniform(key: Array, shape: tuple[int, ...], dtype: DTypeLike | None = None) -> Array:
    """Numbers from [0, 1).

    Example:
        >>> uniform(jax.random.key(0), (2, 3)).shape
        (2, 3)
    """
    return jax.random.uniform(key, (math.prod(shape),), dtype or float).reshape(shape)
