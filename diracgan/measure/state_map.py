"""The derivative of a map ``step(state)`` on a pytree of JAX, NumPy or PyTorch arrays, as products of flat vectors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from ..errors import InputError
from ..jax_settings import own_settings
from ..pytrees import Pytree

Product = Callable[[np.ndarray], np.ndarray]


def derivative_of_map(step: Callable[[Any], Any], state: Pytree) -> tuple[Product, int, Any]:
    """v -> (d step/d state) v on the flattened state, its length, and its precision.

    Raises:
        InputError: for a state that does not consist of real arrays alone, or a map that changes its shape.
    """
    leaves, tree = jax.tree.flatten(state)
    torch = sys.modules.get("torch")  # a tensor exists only where it is imported
    if not leaves:
        raise InputError("the state is empty; allowed: a pytree of arrays")
    if torch is not None and any(isinstance(x, torch.Tensor) for x in leaves):
        return _of_tensors(torch, step, leaves, tree)
    for x in leaves:
        if np.asarray(x).dtype.kind != "f":
            raise InputError(f"the state holds {np.asarray(x).dtype}; allowed: real floating-point arrays")
    double = any(np.asarray(x).dtype == np.float64 for x in leaves)
    with own_settings(double):
        flat, restore = ravel_pytree(jax.tree.map(jax.numpy.asarray, state))

        def moved(y: Array) -> Array:
            return ravel_pytree(_like(tree, step(restore(y))))[0]

        push = jax.jit(jax.linearize(moved, flat)[1])

    def product(v: np.ndarray) -> np.ndarray:
        with own_settings(double):
            return np.asarray(push(jax.numpy.asarray(v, flat.dtype)))

    return product, len(flat), np.float64 if double else np.float32


def _like(tree: Any, after: Pytree) -> Pytree:
    """What a step gives, once it has the state's structure."""
    if jax.tree.structure(after) != tree:
        raise InputError("step(state) has another structure than the state; allowed: the same pytree")
    return after


def _of_tensors(
    torch: ModuleType, step: Callable[[Pytree], Pytree], leaves: list[Any], tree: Any
) -> tuple[Product, int, Any]:
    shapes, dtype = [x.shape for x in leaves], leaves[0].dtype
    if dtype not in (torch.float32, torch.float64) or any(x.dtype != dtype for x in leaves):
        raise InputError("the state's tensors are not all float32 or all float64; allowed: one of the two")
    counts = [x.numel() for x in leaves]
    start = [x.detach() for x in leaves]

    def moved(*tensors: Any) -> tuple[Any, ...]:
        return tuple(jax.tree.leaves(_like(tree, step(jax.tree.unflatten(tree, tensors)))))

    def product(v: np.ndarray) -> np.ndarray:
        parts = torch.from_numpy(np.array(v)).to(dtype).split(counts)
        tangents = [p.reshape(s) for p, s in zip(parts, shapes, strict=True)]
        after = torch.func.jvp(moved, tuple(start), tuple(tangents))[1]
        return torch.cat([t.reshape(-1) for t in after]).numpy()

    return product, sum(counts), np.float64 if dtype == torch.float64 else np.float32
