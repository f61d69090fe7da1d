"""Small scalar programs evaluated by NumPy: for a few calls nothing is compiled.

To compile a field of two numbers takes XLA a tenth of a second and more; to trace it takes a quarter of that, and what
is traced once serves every function of the same structure, whatever its numbers.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ..jax_settings import own_settings
from ..parameters import is_traced
from ..pytrees import Pytree
from .scalar_program import NotScalarizable, Program, trace

R = TypeVar("R")
_MOST_KEPT = 256  # programs


def numbers(*args: Any) -> list[np.ndarray]:
    """The leaves of pytrees of numbers as arrays."""
    return [np.asarray(x) for x in jax.tree.leaves(args)]


def program_of(fn: Callable[..., Any], *args: Any) -> Program | None:
    """The scalar program of a function at arguments of this structure; None where it has none that is worth it.

    Args:
        fn: a function of the module's level, the same object at every call.
        *args: pytrees of numbers; their values do not matter.
    """
    return _program_of(fn, *jax.tree.flatten(args))


def _program_of(fn: Callable[..., Any], leaves: Sequence[Any], structure: Any) -> Program | None:
    kinds = tuple((np.shape(x), x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype) for x in leaves)
    return _traced(fn, structure, kinds)


@functools.lru_cache(maxsize=_MOST_KEPT)
def _traced(fn: Callable[..., Any], structure: Any, kinds: tuple[tuple[Any, Any], ...]) -> Program | None:
    with own_settings(True):
        leaves = [jax.ShapeDtypeStruct(shape, kind) for shape, kind in kinds]
        try:
            program = trace(fn, *jax.tree.unflatten(structure, leaves))
        except NotScalarizable:
            return None
    return None if program.on_arrays else program


def scalars(leaves: Sequence[Any]) -> list[Any]:
    """The entries of arrays, one after the other."""
    return [x for leaf in leaves for x in leaf.ravel()]


class AtOnce(Generic[R]):
    """A function that NumPy evaluates where its arguments are numbers, and XLA compiles where they are traced.

    Attributes:
        compiled: the function under :func:`jax.jit`, for what is traced or too large.
    """

    def __init__(
        self, fn: Callable[..., R], quick: Sequence[Callable[..., Any]], mends: Callable[..., bool] | None
    ) -> None:
        """As :func:`at_once` says."""
        functools.update_wrapper(self, fn)
        self.compiled, self._quick, self._same, self._mends = jax.jit(fn), quick, quick[-1] is fn, mends

    def __call__(self, *args: Any, **more: Any) -> R:
        """As the function itself."""
        if more:
            return self.compiled(*args, **more)
        # once: what a loss reads from outside is looked up each time
        leaves, structure = jax.tree.flatten(args)
        if any(map(is_traced, leaves)):
            return self.compiled(*args)
        for quick in self._quick:
            program = _program_of(quick, leaves, structure)
            if program is None:
                break
            found = program.on_host(scalars([np.asarray(x) for x in leaves]))
            if self._same or not any(np.isnan(x) for x in found) or (self._mends and not self._mends(*args)):
                return _filled_in(program, found)
        return self.compiled(*args)


def _filled_in(program: Program, found: list[Any]) -> Pytree:
    """The result of a program, as its function returns it."""
    types = iter(program.outputs)
    leaves = [_filled(leaf, [next(types).dtype for _ in range(leaf.size)]) for leaf in program.leaves(found)]
    return jax.tree.unflatten(program.tree, leaves)


def _filled(cells: np.ndarray, kinds: Sequence[Any]) -> np.ndarray:
    return np.array(cells.tolist(), kinds[0] if kinds else float).reshape(cells.shape)


def at_once(
    *quick: Callable[..., Any], mends: Callable[..., bool] | None = None
) -> Callable[[Callable[..., R]], AtOnce[R]]:
    """A function evaluated by NumPy where its arguments are numbers; else it is compiled.

    Args:
        *quick: what NumPy evaluates in its place, as the same without a loop; where that has no value, the next, and
            after the last the function itself is compiled.
        mends: of the same arguments, whether those after the first may have a value where it has none; None: they may.

    Example:
        >>> import jax.numpy as jnp
        >>> double = at_once()(lambda x: 2.0 * x)
        >>> double(np.arange(3.0)).tolist(), jax.vmap(double)(jnp.arange(3.0)).tolist()
        ([0.0, 2.0, 4.0], [0.0, 2.0, 4.0])
    """
    return lambda fn: AtOnce(fn, quick or (fn,), mends)


def by_program(fn: Callable[..., R], *args: Pytree) -> R:
    """``fn(*args)`` for traced arguments: where it has long sums, through its scalar program.

    Every sum is then one operation on all its rows, and what several sums share is computed once. XLA would run each as
    a loop of its own, row by row.

    Args:
        fn: (pytrees of arrays) -> a pytree of arrays; of the module's level.
        *args: its arguments, of numbers or traced.

    Returns:
        What ``fn`` returns.
    """
    program = program_of(fn, *args)
    if program is None or not program.sums:
        return fn(*args)
    found = iter(program(scalars([jnp.asarray(x) for x in jax.tree.leaves(args)])))
    leaves = [
        jnp.stack([jnp.asarray(next(found)) for _ in range(math.prod(shape))]).reshape(shape)
        for shape in program.shapes
    ]
    return jax.tree.unflatten(program.tree, leaves)


def along(fn: Callable[..., Any], fixed: Pytree, *moving: np.ndarray) -> list[np.ndarray] | None:
    """A function of one state at many states, (P, n) each; None where it has no scalar program.

    Args:
        fn: (fixed, (n,), ...) -> a pytree of real arrays; of the module's level.
        fixed: its first argument.
        *moving: the states, (P, n), the last of them at least; (n,) where one stands for all.

    Returns:
        The leaves of the results with P in front.
    """
    found = bound(fn, fixed, *(x if x.ndim == 1 else x[0] for x in moving))
    return None if found is None else found(*moving)


def bound(fn: Callable[..., Any], fixed: Pytree, *like: np.ndarray) -> Callable[..., list[np.ndarray]] | None:
    """:func:`along` of a function and its first argument, to be asked at one set of states after the other.

    Args:
        fn: as for :func:`along`.
        fixed: its first argument.
        *like: a state in the place of each of the others, (n,).

    Returns:
        States, (P, n) each -> the leaves of the results with P in front; None where it has no scalar program.
    """
    program = program_of(fn, fixed, *like)
    if program is None:
        return None
    known = scalars(numbers(fixed))

    def found(*moving: np.ndarray) -> list[np.ndarray]:
        columns = [column for x in moving for column in x.T]
        return _at_rows(program, [*known, *columns], moving[-1].shape[:1])

    return found


def in_rows(program: Program, given: Pytree, *moving: np.ndarray) -> list[np.ndarray]:
    """The program of a function of (given, a state, ...) for each of N givens, at P states each.

    Args:
        program: of :func:`program_of`.
        given: its first argument, every leaf with N in front.
        *moving: the states, all (N, P, n).

    Returns:
        The leaves of the results with N and P in front.
    """
    columns = [entry[:, None] for x in numbers(given) for entry in x.reshape(len(x), -1).T]
    columns += [column for x in moving for column in np.ascontiguousarray(np.moveaxis(x, -1, 0))]
    return _at_rows(program, columns, moving[0].shape[:2])


def _at_rows(program: Program, inputs: list[Any], rows: tuple[int, ...]) -> list[np.ndarray]:
    """The leaves of a program's results, with the shape of its inputs in front."""
    found = iter(program.on_host(inputs))
    leaves = []
    for shape in program.shapes:
        values = np.empty((*rows, math.prod(shape)))
        for k in range(values.shape[-1]):
            values[..., k] = next(found)
        leaves.append(values.reshape(*rows, *shape))
    return leaves
