"""The operations of a scalar program: shared, folded where values are known, and evaluated."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from . import jaxpr


class Node:
    """One scalar: a known number, an input, an elementwise operation, or an entry of an operation on arrays.

    Attributes:
        op: the operation's name; ``"known"``, ``"input"``, ``"arrays"``, ``"entry"``, ``"row"`` and ``"sum"`` are ours.
        args: what it is computed from.
        dtype: its type.
        detail: the number, the input's index, the operation on arrays, the entry's place, the numbers of a row, or the
            operation's settings.
        primitive: JAX's operation, where there is one.
        rank: its number in the order of making, by which commuting operands are sorted: the same in every process.
        rows: how many values it has, one for each row of a sum; 0 where it is one value.
    """

    __slots__ = ("args", "detail", "dtype", "op", "primitive", "rank", "rows")

    def __init__(
        self, op: str, args: tuple[Node, ...], dtype: DTypeLike, detail: Any, primitive: Any = None
    ) -> None:
        self.op, self.args, self.dtype, self.detail, self.primitive = op, args, dtype, detail, primitive
        self.rank = 0
        self.rows = (
            len(detail) if op == "row" else 0 if op == "sum" else max((a.rows for a in args), default=0)
        )

    @property
    def known(self) -> bool:
        """Whether the number is known while tracing."""
        return self.op == "known"


# ---------------------------------------------------------------- evaluation

ELEMENTWISE = frozenset(
    "add add_any sub mul div rem neg sign abs floor ceil round exp exp2 expm1 log log1p tanh sin cos tan asin acos "
    "atan sinh cosh asinh acosh atanh logistic sqrt rsqrt cbrt pow integer_pow square one_minus_square max min atan2 "
    "nextafter eq ne lt le gt ge and or not xor select_n clamp convert_element_type is_finite erf erfc erf_inv lgamma "
    "digamma polygamma copy copy_p reduce_precision stop_gradient shift_left shift_right_logical "
    "shift_right_arithmetic".split()
)
_INFIX = {"add": "+", "sub": "-", "mul": "*", "neg": "-", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_NUMPY: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(np, name)
        for name in "abs sqrt square tanh exp log log1p expm1 sign floor ceil sin cos tan cbrt exp2".split()
    },
    "asinh": np.arcsinh,
    "pow": np.power,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "is_finite": np.isfinite,
    "not": np.logical_not,
    "xor": np.logical_xor,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "neg": np.negative,
    "max": np.maximum,
    "min": np.minimum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "copy": np.positive,
    "and": np.logical_and,
    "or": np.logical_or,
}
_LOGICAL = frozenset({"and", "or", "not", "xor"})  # of whole numbers they are something else


def by_numpy(name: str, settings: Mapping[str, Any], dtype: DTypeLike, ins: Sequence[Any]) -> Any:
    """An elementwise operation on NumPy's arrays or numbers; None where NumPy has it not."""
    if name in _LOGICAL and np.dtype(dtype).kind != "b":
        return None
    if name in _NUMPY:
        return _NUMPY[name](*ins)
    if name == "clamp":
        return np.minimum(np.maximum(ins[1], ins[0]), ins[2])
    if name == "select_n" and len(ins) == 3:
        return np.where(ins[0], ins[2], ins[1])
    if name == "div" and np.dtype(dtype).kind == "f":
        return np.divide(*ins)
    if name == "integer_pow":
        return ins[0] ** settings["y"]
    if name == "convert_element_type":
        return np.asarray(ins[0]).astype(dtype)
    return None


def row(node: Node, dimensions: int) -> np.ndarray:
    """The numbers of a row as an array that goes with values of so many dimensions."""
    return np.reshape(node.detail, (-1, *[1] * dimensions))


def infix(node: Node) -> str:
    """Python's sign of an operation on numbers or arrays; empty where it has none."""
    return _INFIX.get(node.op, "") if np.dtype(node.dtype).kind in "bf" else ""


def host_operation(node: Node) -> Callable[..., Any]:
    """What computes a node from its arguments' values at once."""
    if isinstance(ufunc := _NUMPY.get(node.op), np.ufunc) and node.op not in _LOGICAL:
        return ufunc
    return lambda *ins: on_host(node, list(ins))


def on_host(node: Node, ins: list[Any]) -> Any:
    """A node's value at once, by NumPy where it has the operation, else by JAX."""
    value = np.sum(ins[0], axis=0) if node.op == "sum" else None
    if value is None and node.op not in ("arrays", "entry"):
        value = by_numpy(node.op, node.detail, node.dtype, ins)
    if value is None:
        value = by_jax(node, ins)
    return value if isinstance(value, list) else np.asarray(value)[()]


def by_jax(node: Node, ins: list[Any]) -> Any:
    """A node's value by JAX, each of ``ins`` an array over trajectories or a number for all of them."""
    if node.op == "entry":
        return ins[0][node.detail[0]][node.detail[1]]
    if node.op == "arrays":
        return _on_arrays(node, ins)
    if node.op == "sum":
        return jnp.sum(ins[0], axis=0)
    shape = np.broadcast_shapes(*map(np.shape, ins))
    ins = [jnp.asarray(x, a.dtype) for x, a in zip(ins, node.args, strict=True)]
    ins = [jnp.broadcast_to(x, shape) if x.ndim else jax.lax.broadcast(x, shape) for x in ins]
    return jaxpr.bind(node.primitive, node.detail, ins)[0]


def _on_arrays(node: Node, ins: list[Any]) -> list[Any]:
    """An operation on arrays, over all trajectories at once; a list of ravelled outputs."""
    operation, arrays, axes, rest = node.detail, [], [], iter(ins)
    for variable in operation.inputs:
        entries = [jnp.asarray(next(rest), variable.dtype) for _ in range(variable.size)]
        shape = next((x.shape for x in entries if x.ndim), ())
        entries = [jnp.broadcast_to(x, shape) for x in entries]
        stacked = jnp.stack(entries) if entries else jnp.zeros((0, *shape), variable.dtype)
        arrays.append(stacked.reshape(*variable.shape, *shape))
        axes.append(-1 if shape else None)

    def run(*xs: Any) -> list[Any]:
        return operation(xs)

    mapped = any(a is not None for a in axes)
    outs = jax.vmap(run, in_axes=tuple(axes), out_axes=-1)(*arrays) if mapped else run(*arrays)
    return [x.reshape(v.size, *x.shape[len(v.shape) :]) for x, v in zip(outs, operation.outputs, strict=True)]


# ---------------------------------------------------------------- making

_COMMUTES = frozenset({"add", "mul", "max", "min", "and", "or", "eq", "ne"})


class Nodes:
    """Makes nodes: equal operations on equal scalars are one node, known numbers fold, neutral operands go."""

    def __init__(self) -> None:
        self.made: dict[Any, Node] = {}
        self.ranks = itertools.count()

    def new(self, *record: Any) -> Node:
        """A node of its own, with the next rank."""
        node = Node(*record)
        node.rank = next(self.ranks)
        return node

    def number(self, value: Any, dtype: DTypeLike) -> Node:
        """The node of a known number."""
        value = np.asarray(value, dtype)[()]
        # the bytes tell -0.0 from 0.0 and let NaN equal itself
        key = ("known", np.dtype(dtype).str, value.tobytes())
        return self._once(key, "known", (), dtype, value)

    def apply(
        self, primitive: Any, settings: Mapping[str, Any], args: Sequence[Node], dtype: DTypeLike
    ) -> Node:
        """The node of one scalar operation, folded where that is exact; ``primitive`` by itself or by its name."""
        if isinstance(primitive, str):
            primitive = jaxpr.primitive(primitive)
        name = primitive.name
        if name == "add_any":
            primitive, name = jaxpr.primitive("add"), "add"
        if all(a.known for a in args):
            return self.number(_fold(primitive, settings, args, dtype), dtype)
        simple = self._simplified(name, settings, args, dtype)
        if simple is not None:
            return simple
        if name in _COMMUTES:
            args = sorted(args, key=lambda a: a.rank)
        key = (name, str(sorted(settings.items(), key=lambda p: p[0])), np.dtype(dtype).str, *map(id, args))
        return self._once(key, name, tuple(args), dtype, settings, primitive)

    def row(self, values: np.ndarray) -> Node:
        """The node of the numbers that one entry of a row takes, from the first row of a sum to the last."""
        return self._once(("row", values.dtype.str, values.tobytes()), "row", (), values.dtype, values)

    def sum(self, term: Node, rows: int) -> Node:
        """The node of the sum of a term over so many rows."""
        if not term.rows:
            return self.apply("mul", {}, [self.number(rows, term.dtype), term], term.dtype)
        return self._once(("sum", id(term)), "sum", (term,), term.dtype, {})

    def function(self, name: str, args: Sequence[Node], dtype: DTypeLike) -> Node:
        """The node of a library function that is kept by its name."""
        return self._once((name, np.dtype(dtype).str, *map(id, args)), name, tuple(args), dtype, {})

    def _once(self, key: Any, *record: Any) -> Node:
        if key not in self.made:
            self.made[key] = self.new(*record)
        return self.made[key]

    def _simplified(
        self, name: str, settings: Mapping[str, Any], args: Sequence[Node], dtype: DTypeLike
    ) -> Node | None:
        """What an operation with a neutral or vanishing operand comes to, or None."""
        if name in _RULES:
            return _RULES[name](self, args, dtype)
        if name == "integer_pow" and settings["y"] in (0, 1, 2):
            one, x = self.number(1, dtype), args[0]
            return (one, x, self.apply("mul", {}, [x, x], dtype))[settings["y"]]
        if name == "convert_element_type" and args[0].dtype == dtype:
            return args[0]
        return None


def _fold(primitive: Any, settings: Mapping[str, Any], args: Sequence[Node], dtype: DTypeLike) -> Any:
    values = [np.asarray(a.detail, a.dtype)[()] for a in args]
    if primitive.name == "select_n":
        return values[1 + int(values[0])]
    with np.errstate(all="ignore"):
        value = by_numpy(primitive.name, settings, dtype, values)
    if value is not None:
        return value
    with jax.ensure_compile_time_eval():
        return np.asarray(jaxpr.bind(primitive, settings, [jnp.asarray(v) for v in values])[0])


# ---------------------------------------------------------------- simplification: signs move outwards, where they end
# in a difference. 0 x = 0 also for an infinite x: what an absent datum multiplies is absent.


def _is_number(node: Node, value: float) -> bool:
    return node.known and node.detail == value


def _product(nodes: Nodes, args: Sequence[Node], dtype: DTypeLike) -> Node | None:
    for a, b in (args, args[::-1]):
        if _is_number(a, 0):
            return nodes.number(0, dtype)
        if _is_number(a, 1):
            return b
        if _is_number(a, -1):
            return nodes.apply("neg", {}, [b], dtype)
        if a.op == "neg":
            return nodes.apply("neg", {}, [nodes.apply("mul", {}, [a.args[0], b], dtype)], dtype)
    return None


def _sum(nodes: Nodes, args: Sequence[Node], dtype: DTypeLike) -> Node | None:
    for a, b in (args, args[::-1]):
        if _is_number(a, 0):
            return b
        if a.op == "neg":
            return nodes.apply("sub", {}, [b, a.args[0]], dtype)
    return None


def _difference(nodes: Nodes, args: Sequence[Node], dtype: DTypeLike) -> Node | None:
    if _is_number(args[1], 0):
        return args[0]
    if _is_number(args[0], 0):
        return nodes.apply("neg", {}, [args[1]], dtype)
    if args[1].op == "neg":
        return nodes.apply("add", {}, [args[0], args[1].args[0]], dtype)
    return None


def _quotient(nodes: Nodes, args: Sequence[Node], dtype: DTypeLike) -> Node | None:
    if not args[1].known or not np.issubdtype(dtype, np.floating):
        return None
    if args[1].detail == 1:
        return args[0]
    with np.errstate(all="ignore"):
        inverse = np.divide(1, args[1].detail, dtype=dtype)
    if not np.isfinite(inverse) or inverse == 0:
        return None  # else right to the last bit but one, and ten times as fast
    return nodes.apply("mul", {}, [args[0], nodes.number(inverse, dtype)], dtype)


def _negative(nodes: Nodes, args: Sequence[Node], dtype: DTypeLike) -> Node | None:
    (inner,) = args
    if inner.op == "neg":
        return inner.args[0]
    if inner.op == "sub":
        return nodes.apply("sub", {}, inner.args[::-1], dtype)
    if inner.op == "mul" and (known := [a for a in inner.args if a.known]):
        rest = [a for a in inner.args if not a.known]
        return nodes.apply("mul", {}, [nodes.number(-known[0].detail, dtype), *rest], dtype)
    return None


def _choice(nodes: Nodes, args: Sequence[Node], dtype: DTypeLike) -> Node | None:
    if args[0].known:
        return args[1 + int(args[0].detail)]
    return args[1] if all(a is args[1] for a in args[1:]) else None


def _one_minus_square(nodes: Nodes, args: Sequence[Node], dtype: DTypeLike) -> Node:
    """As JAX computes it, precise where the square is nearly 1."""
    one = nodes.number(1, dtype)
    factors = [nodes.apply(name, {}, [one, args[0]], dtype) for name in ("add", "sub")]
    return nodes.apply("mul", {}, factors, dtype)


def _itself(nodes: Nodes, args: Sequence[Node], dtype: DTypeLike) -> Node:
    return args[0]


_RULES: dict[str, Callable[[Nodes, Sequence[Node], Any], Node | None]] = {
    "mul": _product,
    "add": _sum,
    "sub": _difference,
    "div": _quotient,
    "neg": _negative,
    "select_n": _choice,
    "one_minus_square": _one_minus_square,
    **dict.fromkeys(("copy", "copy_p", "stop_gradient"), _itself),
}
