"""The one reader of jaxprs, JAX's traced programs: what a function computes, as plain records.

Nothing else in the package touches what JAX calls private or moves between versions: equations and their parameters,
literals, closed jaxprs, and how a loop says what it carries. An adapter for each version of JAX hides the differences;
everything that reads a loss goes through :func:`interpret`.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Primitive, primitives

from ..pytrees import Pytree

Value = TypeVar("Value")


class UnknownSetting(Exception):
    """An operation is not told something by the name that is known here; the message names both."""


# ---------------------------------------------------------------- the records


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Variable:
    """One array of a traced function.

    Attributes:
        shape: its shape.
        dtype: its type.
    """

    shape: tuple[int, ...]
    dtype: Any

    @property
    def size(self) -> int:
        """How many entries it has."""
        return int(np.prod(self.shape, dtype=int))


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Known(Variable):
    """A number that the program itself names.

    Attributes:
        value: the number.
    """

    value: Any


@dataclasses.dataclass(frozen=True, eq=False)
class TracedFunction:
    """A function as the operations that it consists of, those left out whose results nobody reads.

    Attributes:
        name: its name in the source, or "".
        is_library: whether it is defined by JAX or by this package.
        inputs: one variable for each argument.
        constants: the arrays that it closes over.
        operations: what it does, in order.
        outputs: its results.
    """

    name: str
    is_library: bool
    inputs: tuple[Variable, ...]
    constants: Mapping[Variable, Any]
    operations: tuple[Operation, ...]
    outputs: tuple[Variable, ...]


@dataclasses.dataclass(frozen=True)
class Call:
    """A call of a function: jit, remat, a function with its own derivative, and the like."""

    function: TracedFunction


@dataclasses.dataclass(frozen=True)
class Scan:
    """A loop of known length. Inputs: constants, what is carried, rows; outputs: what is carried, rows.

    Attributes:
        function: one turn, from an entry of each row.
        constants: how many of the inputs are the same in every turn.
        carried: how many are handed from turn to turn.
        length: how many turns there are.
        reverse: whether the rows are read, and written, from the last to the first.
    """

    function: TracedFunction
    constants: int
    carried: int
    length: int
    reverse: bool


@dataclasses.dataclass(frozen=True)
class While:
    """A loop with a condition. Inputs: the condition's constants, the turn's constants, what is carried.

    Attributes:
        condition: whether there is another turn.
        function: one turn.
        condition_constants: how many inputs only the condition reads.
        constants: how many inputs are the same in every turn.
    """

    condition: TracedFunction
    function: TracedFunction
    condition_constants: int
    constants: int


@dataclasses.dataclass(frozen=True)
class Branches:
    """A choice. Inputs: which branch, clamped to what there is, and the branches' arguments."""

    functions: tuple[TracedFunction, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """One operation of a traced function.

    Attributes:
        name: JAX's name of it.
        inputs: what it reads.
        outputs: what it writes.
        equation: JAX's own record, which only this module reads.
    """

    name: str
    inputs: tuple[Variable, ...]
    outputs: tuple[Variable, ...]
    equation: Any = dataclasses.field(repr=False)

    @property
    def primitive(self) -> Primitive:
        """What :func:`bind` applies."""
        return self.equation.primitive

    @functools.cached_property
    def settings(self) -> Mapping[str, Any]:
        """What it is told besides its inputs, by JAX's names: axes, a permutation, a power.

        To ask for a name that this version of JAX does not have raises :class:`UnknownSetting`.
        """
        return _Settings(self.equation)

    @functools.cached_property
    def structure(self) -> Call | Scan | While | Branches | None:
        """What it consists of; None for a single operation and for what is not known to consist of others."""
        try:
            return _ADAPTER.structure(self.equation)
        except UnknownSetting:
            return None

    def __call__(self, values: Sequence[Any], **changed: Any) -> list[Any]:
        """Its results by JAX, with some of its settings changed; on tracers it becomes a part of their program."""
        return bind(self.primitive, {**self.settings, **changed}, values)


class _Settings(dict[str, Any]):
    """The parameters of an equation."""

    def __init__(self, equation: Any) -> None:
        super().__init__(equation.params)
        self.operation = equation.primitive.name

    def __missing__(self, key: str) -> Any:
        known = ", ".join(self) or "none"
        raise UnknownSetting(f"JAX's {self.operation} has no parameter {key!r} here; it has {known}")


# ---------------------------------------------------------------- reading


def read(fn: Callable[..., Any], *examples: Any) -> tuple[TracedFunction, Any]:
    """Trace ``fn``.

    Args:
        fn: a traceable function of ``examples``.
        *examples: pytrees of arrays, or of their shapes and types.

    Returns:
        The function from the leaves of all arguments to those of the result, and the shapes and types of the result.

    Example:
        >>> import jax.numpy as jnp
        >>> function, _ = read(lambda x: jnp.sin(x) + 1.0, 2.0)
        >>> [operation.name for operation in function.operations]
        ['sin', 'add']
    """
    program, shapes = jax.make_jaxpr(fn, return_shape=True)(*examples)
    return _function(program), shapes


def interpret(
    function: TracedFunction,
    inputs: Sequence[Value],
    apply: Callable[[Operation, list[Value]], Sequence[Value]],
    known: Callable[[Any], Value],
) -> list[Value]:
    """Go through a function with values of one's own kind: scalars of a program, arrays with a note, formulas.

    Args:
        function: what to go through.
        inputs: the value of each argument.
        apply: the values of an operation's outputs, from those of its inputs.
        known: the value of a number or of an array that is closed over.

    Returns:
        The values of the outputs.

    Example:
        >>> import jax.numpy as jnp
        >>> function, _ = read(lambda x, y: jnp.sin(x) + 0.0 * y, 2.0, 3.0)
        >>> interpret(function, [False, True], lambda operation, ins: [any(ins)], lambda number: False)
        [True]
    """
    at = {variable: known(value) for variable, value in function.constants.items()}
    at.update(zip(function.inputs, inputs, strict=True))

    def value_of(a: Variable) -> Value:
        return known(a.value) if isinstance(a, Known) else at[a]

    for operation in function.operations:
        results = apply(operation, [value_of(a) for a in operation.inputs])
        at.update(zip(operation.outputs, results, strict=True))
    return [value_of(a) for a in function.outputs]


def bind(primitive: Primitive, settings: Mapping[str, Any], values: Sequence[Any]) -> list[Any]:
    """The results of a primitive by JAX."""
    out = primitive.bind(*values, **primitive.get_bind_params(dict(settings)))
    return list(out) if primitive.multiple_results else [out]


def primitive(name: str) -> Primitive:
    """JAX's primitive of that name, for :func:`bind`."""
    return getattr(primitives, f"{name}_p")


def listing(fn: Callable[..., Any], *examples: Any) -> tuple[str, list[np.ndarray]]:
    """The traced program as JAX prints it, and the arrays that it closes over.

    Example:
        >>> listing(lambda x: x + 1.0, 2.0)[0].splitlines()[0]
        '{ lambda ; a:f32[]. let b:f32[] = add a 1.0:f32[] in (b,) }'
    """
    program = jax.make_jaxpr(fn)(*examples)
    return str(program), [np.asarray(x) for x in program.consts]


_PACKAGES = tuple(f"{folder}{os.sep}" for folder in (Path(__file__).parents[1], Path(jax.__file__).parent))


def operation_names(fn: Callable[..., Any], *examples: Any) -> frozenset[str]:
    """JAX's names of all operations of a function, those of inner functions included.

    Example:
        >>> sorted(operation_names(lambda x: jax.lax.fori_loop(0, 3, lambda i, y: 2 * y, x), 1.0))
        ['add', 'mul', 'scan']
    """

    def names(program: Any) -> set[str]:
        found = set()
        for equation in program.eqns:
            found.add(equation.primitive.name)
            inner = jax.tree.leaves(equation.params, is_leaf=lambda p: isinstance(p, ClosedJaxpr | Jaxpr))
            for part in inner:
                if isinstance(part, ClosedJaxpr | Jaxpr):
                    found |= names(part.jaxpr if isinstance(part, ClosedJaxpr) else part)
        return found

    return frozenset(names(jax.make_jaxpr(fn)(*examples).jaxpr))


def _function(program: Any) -> TracedFunction:
    inner, at = getattr(program, "jaxpr", program), {}

    def variable(a: Any) -> Variable:
        if isinstance(a, Literal):
            kind: Any = a.aval
            return Known(kind.shape, kind.dtype, np.asarray(a.val, kind.dtype)[()])
        if a not in at:
            at[a] = Variable(getattr(a.aval, "shape", ()), getattr(a.aval, "dtype", None))
        return at[a]

    def variables(atoms: Sequence[Any]) -> tuple[Variable, ...]:
        return tuple(map(variable, atoms))

    operations = tuple(
        Operation(e.primitive.name, variables(e.invars), variables(e.outvars), e) for e in _live(inner)
    )
    constants = dict(zip(variables(inner.constvars), getattr(program, "consts", ()), strict=True))
    name, _, source = (getattr(inner.debug_info, "func_src_info", "") or "").partition(" at ")
    inputs, outputs = variables(inner.invars), variables(inner.outvars)
    return TracedFunction(name, source.startswith(_PACKAGES), inputs, constants, operations, outputs)


_MOST_PLACES = 64  # of a table in which a place is found by comparing with each


def _searched(function: TracedFunction) -> TracedFunction:
    """``searchsorted`` of JAX, as in ``interp``, by comparisons with each of few places in order; any other as it is.

    JAX halves a table in a loop, of which nobody could tell where the answer changes.
    """
    if function.name != "searchsorted" or not function.is_library or len(function.inputs) != 2:
        return function
    table, (found,) = function.inputs[0], function.outputs
    if len(table.shape) != 1 or not 0 < table.size <= _MOST_PLACES:
        return function
    to_the_right = _goes_right(function)

    def count(table: Array, value: Array) -> Array:
        column = value[..., None]
        return jnp.sum(column >= table if to_the_right else column > table, axis=-1, dtype=found.dtype)

    shapes = (jax.ShapeDtypeStruct(x.shape, x.dtype) for x in function.inputs)
    return read(count, *shapes)[0]


def _goes_right(function: TracedFunction) -> bool:
    """Whether a place equal to the value is passed: of a table of zeros all are, or none."""
    with jax.ensure_compile_time_eval():
        zeros = [jnp.zeros(x.shape, x.dtype) for x in function.inputs]
        (found,) = interpret(function, zeros, lambda operation, ins: operation(ins), lambda known: known)
    return bool(np.all(np.asarray(found) > 0))


def _live(inner: Any) -> list[Any]:
    """The equations that the outputs need, and those that do something besides (print)."""
    needed = {v for v in inner.outvars if not isinstance(v, Literal)}
    live = []
    for equation in reversed(inner.eqns):
        if equation.effects or any(v in needed for v in equation.outvars):
            live.append(equation)
            needed.update(v for v in equation.invars if not isinstance(v, Literal))
    return live[::-1]


# ---------------------------------------------------------------- what differs between versions of JAX


class _Jax010:
    """JAX 0.10."""

    calls = frozenset(
        "call closed_call core_call jit pjit remat remat2 checkpoint custom_jvp_call custom_vjp_call".split()
    )

    def structure(self, equation: Any) -> Call | Scan | While | Branches | None:
        """What an equation consists of."""
        name, p = equation.primitive.name, _Settings(equation)
        if name in self.calls:
            called = self.called(equation)
            return None if called is None else Call(_searched(_function(called)))
        if name == "scan":
            return Scan(_function(p["jaxpr"]), *self.scan_sizes(p), p["length"], p["reverse"])
        if name == "while":
            condition, function = _function(p["cond_jaxpr"]), _function(p["body_jaxpr"])
            return While(condition, function, p["cond_nconsts"], p["body_nconsts"])
        if name == "cond":
            return Branches(tuple(map(_function, p["branches"])))
        return None

    def called(self, equation: Any) -> Jaxpr | ClosedJaxpr | None:
        """The program of a call."""
        return next((p for p in equation.params.values() if isinstance(p, (Jaxpr, ClosedJaxpr))), None)

    def scan_sizes(self, settings: Mapping[str, Any]) -> tuple[int, int]:
        """How many inputs of a scan are constants, and how many are carried."""
        return settings["num_consts"], settings["num_carry"]


class _Jax011(_Jax010):
    """JAX 0.11 and later: a closed jaxpr is a jaxpr; a scan keeps trees of its inputs; calls that expand on demand."""

    calls = _Jax010.calls | {"eval_jaxpr", "call_hi_primitive"}

    def called(self, equation: Any) -> Jaxpr | ClosedJaxpr | None:
        if equation.primitive.name != "call_hi_primitive":
            return super().called(equation)

        def expanded(*values: Any) -> Pytree:
            return equation.primitive.to_lojax(*values, **equation.params)

        return jax.make_jaxpr(expanded)(
            *(jax.ShapeDtypeStruct(v.aval.shape, v.aval.dtype) for v in equation.invars)
        )

    def scan_sizes(self, settings: Mapping[str, Any]) -> tuple[int, int]:
        constants, carried, _ = settings["ft_in"].unpack()
        return len(constants), len(carried)


_ADAPTER = _Jax011() if jax.__version_info__ >= (0, 11) else _Jax010()
