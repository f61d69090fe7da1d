"""Switching surfaces of a traced function, and the smooth pieces between them.

A loss with ``abs``, ``max``, ``where`` or a norm is smooth between its *surfaces*. Its operations name them: every
operation with a branch is a *site*, its operand a function that vanishes on the surface. :func:`evaluate` goes through
the function either as it stands, or with every branch frozen by a vector of modes (+1 or -1, one per site entry):
frozen, the function is smooth across the surface, which is what locating an event and Filippov's rule need.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..parameters import is_traced
from ..variants._math import root
from .jaxpr import Operation, TracedFunction, interpret, read
from .sites import (
    AMONG,
    COMPARE,
    STAIRS,
    axes_of_choice,
    exponent,
    has_no_site,
    inner_function,
    is_site,
    is_smooth_everywhere,
)
from .stopped import Stop, by_value, holding, keeping, stops, stops_within


class _Tracked(NamedTuple):
    """A value, whether it depends on the arguments, and r where the value is plainly r^2, entry by entry."""

    value: Any
    moving: bool
    root: Any = None


def evaluate(fn: Callable[..., Any], args: Sequence[Any], modes: Array | None = None) -> tuple[Any, Array]:
    """Evaluate ``fn(*args)`` and its switching functions.

    An operation that is not known here is evaluated as it stands: where it switches, no surface is found, and
    :func:`unlocated` names it.

    Args:
        fn: any traceable function.
        args: its arguments, pytrees of arrays; sites are looked for in what depends on them.
        modes: None for ``fn`` as it stands, or one sign per site entry, in the order that this function returns.

    Returns:
        ``fn``'s value and the switching functions, shape (m,): entry i is positive where mode i is +1. At a tie
        ``abs`` and norms have the derivative 0, the smallest element of what their kink allows.

    Example:
        >>> import jax.numpy as jnp
        >>> value, surfaces = evaluate(lambda x: jnp.abs(x - 1.0), (jnp.asarray(3.0),))
        >>> float(value), [float(s) for s in surfaces]
        (2.0, [2.0])
    """
    return branched(fn, args)(args, modes=modes)


@dataclasses.dataclass(frozen=True, eq=False)
class BranchedFunction:
    """A traced function that is evaluated as :func:`evaluate` does, at any arguments of the same shapes and types.

    Attributes:
        function: what it does: inputs are the leaves of the arguments, then those of the constants.
        result: the shapes and types of its value.
        arguments: how many of the inputs are leaves of arguments: no site is looked for in what constants alone say.
    """

    function: TracedFunction
    result: Any
    arguments: int

    def __call__(
        self,
        args: Sequence[Any],
        constants: Sequence[Any] = (),
        modes: Array | None = None,
        held: Sequence[Any] | None = None,
    ) -> tuple[Any, Array]:
        """Its value and its switching functions.

        Args:
            args: the arguments.
            constants: what it reads besides.
            modes: as for :func:`evaluate`.
            held: the arguments once more: what ``jax.lax.stop_gradient`` stops is computed from these, and is
                differentiable in them. None: it ends the derivative.
        """
        sites = _Sites(modes)
        if held is not None and self.stops:
            kept: list[list[Any]] = []
            _Sites(modes, keeping(kept), by_value).run(self.function, self._tracked(held, constants))
            sites = _Sites(modes, holding(kept))
        out = sites.run(self.function, self._tracked(args, constants))
        dtype = jnp.result_type(float)
        surfaces = jnp.concatenate(
            [jnp.ravel(s).astype(dtype) for s in sites.surfaces] or [jnp.zeros(0, dtype)]
        )
        return jax.tree.unflatten(jax.tree.structure(self.result), [x.value for x in out]), surfaces

    def _tracked(self, args: Sequence[Any], constants: Sequence[Any]) -> list[_Tracked]:
        return [_Tracked(x, k < self.arguments) for k, x in enumerate(jax.tree.leaves((args, constants)))]

    @functools.cached_property
    def stops(self) -> bool:
        """Whether it holds a value still with ``jax.lax.stop_gradient``."""
        return stops(self.function)

    @functools.cached_property
    def surfaces(self) -> int:
        """How many switching functions it has."""
        inputs = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in self.function.inputs]
        return jax.eval_shape(lambda *leaves: self(leaves)[1], *inputs).shape[0]

    @functools.cached_property
    def unlocated(self) -> tuple[str, ...]:
        """JAX's names of its operations that may switch without a surface, as :func:`unlocated` says."""
        found: set[str] = set()

        def look(operation: Operation, moving: list[bool]) -> list[bool]:
            within = inner_function(operation)
            if within is not None and any(moving):
                return interpret(within, moving, look, lambda value: False)
            known = not operation.outputs or has_no_site(operation) or is_site(operation)
            if any(moving) and not known:
                found.add(operation.name)
            return [any(moving)] * len(operation.outputs)

        moving = [k < self.arguments for k in range(len(self.function.inputs))]
        interpret(self.function, moving, look, lambda value: False)
        return tuple(sorted(found))

    @functools.cached_property
    def is_smooth(self) -> bool:
        """Whether it is known to have all derivatives wherever it is finite, by its operations alone."""
        known = True

        def look(operation: Operation, moving: list[bool]) -> list[bool]:
            nonlocal known
            within = inner_function(operation)
            if within is not None and any(moving):
                return interpret(within, moving, look, lambda value: False)
            if any(moving) and operation.outputs:
                known = known and is_smooth_everywhere(operation, moving[-1])
            return [any(moving)] * len(operation.outputs)

        moving = [k < self.arguments for k in range(len(self.function.inputs))]
        interpret(self.function, moving, look, lambda value: False)
        return known


def branched(fn: Callable[..., Any], args: Sequence[Any], constants: Sequence[Any] = ()) -> BranchedFunction:
    """Trace ``fn(*args, *constants)``, to evaluate it more than once.

    Args:
        fn: any traceable function.
        args: its arguments, pytrees of arrays or of their shapes and types.
        constants: more of them, in which no site is looked for.

    Example:
        >>> import jax.numpy as jnp
        >>> shifted = branched(lambda x, c: jnp.abs(x - c), (1.0,), (2.0,))
        >>> [float(shifted((3.0,), (c,))[0]) for c in (1.0, 5.0)], shifted.surfaces
        ([2.0, 2.0], 1)
    """
    return BranchedFunction(*read(fn, *args, *constants), len(jax.tree.leaves(args)))


def unlocated(fn: Callable[..., Any], args: Sequence[Any]) -> tuple[str, ...]:
    """The operations of ``fn(*args)`` that may switch without a surface that :func:`evaluate` finds.

    Args:
        fn: any traceable function.
        args: its arguments, pytrees of arrays or of their shapes and types.

    Returns:
        JAX's names of operations that are neither sites nor known to be smooth, in alphabetical order.

    Example:
        >>> import jax.numpy as jnp
        >>> unlocated(lambda x: jnp.sum(jnp.sort(x) + jnp.abs(x)), (jnp.ones(30),))
        ('sort',)
    """
    return branched(fn, args).unlocated


class _Sites:
    """The sites met in one pass over a function."""

    def __init__(
        self, modes: Array | None, stop: Stop | None = None, results: Stop = Operation.__call__
    ) -> None:
        self.modes, self.stop, self.results = modes, stop, results
        self.used, self.surfaces = 0, []

    def run(self, function: TracedFunction, inputs: Sequence[_Tracked]) -> list[_Tracked]:
        """The function's outputs."""
        return interpret(function, inputs, self.operation, lambda value: _Tracked(value, False))

    def operation(self, operation: Operation, ins: list[_Tracked]) -> list[_Tracked]:
        """An operation's outputs, with its branch frozen where it has one."""
        values = [x.value for x in ins]
        moving, within = any(x.moving for x in ins), inner_function(operation)
        stop = self.stop if self.stop is not None and stops_within(operation) else None
        if within is not None and (moving or stop is not None):
            return self.run(within, ins)
        if stop is not None:
            return [_Tracked(x, moving) for x in stop(operation, values)]
        if not moving:
            return [_Tracked(x, False) for x in self.results(operation, values)]
        if not operation.outputs:  # it only does something besides, as jax.debug.print does
            operation(values)
            return []
        first, *others = self.evaluate(operation, ins, values)
        return [_Tracked(first, True, _root(operation, ins)), *(_Tracked(x, True) for x in others)]

    def evaluate(self, operation: Operation, ins: list[_Tracked], values: list[Any]) -> list[Any]:
        """An operation's values."""
        name = operation.name
        if not is_site(operation) or not jnp.issubdtype(jnp.result_type(values[0]), jnp.floating):
            return self.results(operation, values)
        x = jnp.asarray(values[0])
        if name in AMONG:
            return [self.among(operation, x)]
        if name == "abs":
            return [_with_sign(x, self.site(x))]
        if name == "sign":
            signs = self.site(x)
            return [jnp.sign(x) if signs is None else signs]
        if name in ("max", "min"):
            lower, upper = self.ordered(x, jnp.asarray(values[1]))
            return [upper if name == "max" else lower]
        if name == "clamp":
            low, mid, high = (jnp.asarray(i) for i in values)
            above, below = self.site(mid - low), self.site(high - mid)
            if above is None or below is None:
                return operation(values)
            return [jnp.where(above < 0, low, jnp.where(below < 0, high, mid))]
        if name in STAIRS:
            return self.stairs(operation, values)
        if name in COMPARE:
            signs = self.site(x - jnp.asarray(values[1]))
            return operation(values) if signs is None else [signs * COMPARE[name] > 0]
        return self.power(operation, values, ins[0].root)

    def site(self, surface: Array) -> Array | None:
        """Record a switching function; return its frozen signs, or None when nothing is frozen."""
        self.surfaces.append(surface)
        if self.modes is None:
            return None
        size = int(np.size(surface))
        signs = self.modes[self.used : self.used + size].reshape(np.shape(surface))
        self.used += size
        return signs.astype(surface.dtype)

    def ordered(self, x: Array, y: Array) -> tuple[Array, Array]:
        """The lower and the upper of two, entry by entry."""
        signs = self.site(x - y)
        if signs is None:
            return jnp.minimum(x, y), jnp.maximum(x, y)
        return jnp.where(signs > 0, y, x), jnp.where(signs > 0, x, y)

    def among(self, operation: Operation, x: Array) -> Array:
        """A sort (by odd-even transposition), or the largest or smallest along axes, by comparisons of two."""
        axes = axes_of_choice(operation)
        front = jnp.moveaxis(x, axes, range(len(axes)))
        rows = list(front.reshape(-1, *front.shape[len(axes) :]))
        if operation.name == "sort":
            for start in range(len(rows)):
                for i in range(start % 2, len(rows) - 1, 2):
                    rows[i], rows[i + 1] = self.ordered(rows[i], rows[i + 1])
            return jnp.moveaxis(jnp.stack(rows), 0, axes[0])
        which = operation.name == "reduce_max"
        return functools.reduce(lambda a, b: self.ordered(a, b)[which], rows)

    def stairs(self, operation: Operation, values: list[Any]) -> list[Any]:
        """floor and its kin: the sign says whether the step is even; frozen, one reaches half a step further."""
        x = jnp.asarray(values[0])
        down = {"floor": x, "ceil": -x, "round": x + 0.5}[operation.name]
        signs = self.site(jnp.sin(jnp.pi * down))
        if signs is None:
            return operation(values)
        odd = 0.5 - 0.5 * signs
        step = jax.lax.stop_gradient(2.0 * jnp.round(0.5 * (down - 0.5 - odd)) + odd)
        return [-step if operation.name == "ceil" else step]

    def power(self, operation: Operation, values: list[Any], r: Any) -> list[Any]:
        """sqrt and its kin: of a square, |r|, a site; of anything else, a root that is right at 0."""
        name = operation.name
        if name == "pow" and not _is_half(values[1]):
            return operation(values)
        if r is None:
            return operation(values) if name == "rsqrt" else [root(jnp.asarray(values[0]))]
        size = _with_sign(r, self.site(r))
        return [1.0 / size if name == "rsqrt" else size]


def _with_sign(x: Any, signs: Any) -> Any:
    """|x| by the sign of x, or by frozen signs."""
    return x * (jax.lax.stop_gradient(jnp.sign(x)) if signs is None else signs)


def _is_half(exponent: Any) -> bool:
    return not is_traced(exponent) and np.ndim(exponent) == 0 and float(exponent) == 0.5


def _root(operation: Operation, ins: list[_Tracked]) -> Any:
    """r with the operation's value = r^2, entry by entry, where that is plain to see; else None."""
    name, x, out = operation.name, ins[0], operation.outputs[0]
    if name == "integer_pow":
        power = exponent(operation)
        return jnp.asarray(x.value) ** (power // 2) if power and power > 0 and power % 2 == 0 else None
    if name == "square":
        return x.value
    if len(ins) == 2 and operation.inputs[0] is operation.inputs[1]:
        if name == "mul":
            return x.value
        if name == "dot_general" and np.size(x.value) == 1:
            return jnp.reshape(x.value, out.shape)
    if name in ("mul", "div"):
        for square, factor in ((x, ins[1]), (ins[1], x))[: 2 if name == "mul" else 1]:
            if square.root is not None and _is_positive(factor.value):
                scale = np.sqrt(factor.value)
                return square.root * scale if name == "mul" else square.root / scale
        return None
    if x.root is not None and name in _KEEP_ENTRIES and np.size(x.root) == out.size:
        return jnp.reshape(x.root, out.shape)
    return None


_KEEP_ENTRIES = frozenset(
    "reduce_sum reduce_max reshape squeeze expand_dims broadcast_in_dim copy convert_element_type".split()
)
"""Operations that keep the entries where they keep their number."""


def _is_positive(x: Any) -> bool:
    return not is_traced(x) and np.ndim(x) == 0 and float(x) > 0
