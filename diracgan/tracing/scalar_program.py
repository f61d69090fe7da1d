"""A traced function taken apart into scalar operations, so that each number can be an array over trajectories.

A function of a few small arrays (a field in d dimensions, one step of a rule) is traced once; every entry of every
array becomes a scalar of its own, vectors dissolve, constants fold, equal terms are computed once (both players share
their tanh) and what nobody reads is gone. Evaluated on one array per scalar, a million trajectories run in structure of
arrays, from the definition that everything else is derived from.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from .switching import _bind

Cells = Any  # arrays of dtype object, one Node an entry

MOST = 3_000
"""Scalar operations beyond which a program is no longer worth taking apart."""


class NotScalarizable(Exception):
    """The function cannot be taken apart; the message says why."""


class Node:
    """One scalar: a known number, an input, an elementwise operation, or an entry of what stays whole.

    Attributes:
        op: the operation's name; ``"known"``, ``"input"``, ``"whole"`` and ``"item"`` are ours.
        args: what it is computed from.
        dtype: its type.
        detail: the number, the input's index, the equation, or the operation's parameters.
        primitive: jax's operation, where there is one.
        rank: its number in the order of making, by which commuting operands are sorted: the same in every process.
    """

    __slots__ = ("args", "detail", "dtype", "op", "primitive", "rank")

    def __init__(
        self, op: str, args: tuple[Node, ...], dtype: Any, detail: Any, primitive: Any = None
    ) -> None:
        self.op, self.args, self.dtype, self.detail, self.primitive = op, args, dtype, detail, primitive
        self.rank = 0

    @property
    def known(self) -> bool:
        """Whether the number is known while tracing."""
        return self.op == "known"


class Program:
    """A function on scalars; made by :func:`trace`.

    Attributes:
        inputs: number of scalar inputs, all leaves ravelled in order.
        order: the operations in the order of evaluation, dead ones left out.
        outputs: the results, all leaves ravelled in order.
        shapes: the shape of each output leaf.
        tree: the structure of the output.
        whole: names of the operations that could not be taken apart (they run on stacked arrays, more slowly).
    """

    def __init__(self, inputs: int, outputs: list[Node], shapes: list[tuple[int, ...]], tree: Any) -> None:
        self.inputs, self.outputs, self.shapes, self.tree = inputs, outputs, shapes, tree
        self.order = _order(outputs)
        self.whole = tuple(sorted({n.detail.primitive.name for n in self.order if n.op == "whole"}))
        if len(self.order) > MOST:
            raise NotScalarizable(
                f"it has {len(self.order)} scalar operations; at most {MOST} are taken apart"
            )

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """Evaluate on one value a scalar: an array over trajectories, or a number for all of them."""
        return self._run(_bound, values)

    def on_host(self, values: Sequence[Any]) -> list[Any]:
        """The same by NumPy, at once: for a few trajectories, where compiling would take longer."""
        with np.errstate(all="ignore"):
            return self._run(_at_once, [np.asarray(v) for v in values])

    def _run(self, operation: Callable[[Node, list[Any]], Any], values: Sequence[Any]) -> list[Any]:
        at: dict[Node, Any] = {}
        for node in self.order:
            if node.op == "known":
                at[node] = node.detail
            elif node.op == "input":
                at[node] = values[node.detail]
            else:
                at[node] = operation(node, [at[a] for a in node.args])
        return [at[n] for n in self.outputs]

    def spread(self, lanes: Sequence[bool]) -> list[bool]:
        """Which outputs vary over trajectories, given which inputs do."""
        at: dict[Node, bool] = {}
        for node in self.order:
            at[node] = lanes[node.detail] if node.op == "input" else any(at[a] for a in node.args)
        return [at[n] for n in self.outputs]

    def unflatten(self, values: Sequence[Any]) -> Any:
        """The output's own structure, each leaf an object array of ``values`` in its shape."""
        rest, leaves = iter(values), []
        for shape in self.shapes:
            leaf = np.empty(shape, object)
            for index in np.ndindex(shape):
                leaf[index] = next(rest)
            leaves.append(leaf)
        return jax.tree.unflatten(self.tree, leaves)


def trace(fn: Callable[..., Any], *examples: Any) -> Program:
    """Take ``fn`` apart.

    Args:
        fn: a traceable function of ``examples``.
        *examples: pytrees of arrays, or of their shapes and types, for one trajectory.

    Returns:
        The :class:`Program` from the entries of all arguments, ravelled in order, to those of all results.

    Raises:
        NotScalarizable: where a type is no plain number, or the function is too large.

    Example:
        >>> import jax.numpy as jnp
        >>> program = trace(lambda x: x @ x, jnp.zeros(2))
        >>> [r.tolist() for r in program([jnp.array([3.0, 1.0]), jnp.array([4.0, 1.0])])]
        [[25.0, 2.0]]
    """
    closed, shape = jax.make_jaxpr(fn, return_shape=True)(*examples)
    build, cells, count = _Build(), [], itertools.count()
    avals: list[Any] = [v.aval for v in closed.jaxpr.invars]
    for aval in avals:
        _plain(aval)
        cells.append(
            _cells(
                [build.ranked(Node("input", (), aval.dtype, next(count))) for _ in range(aval.size)],
                aval.shape,
            )
        )
    outs = build.run(closed.jaxpr, [build.constant(c) for c in closed.consts], cells)
    leaves, tree = jax.tree.flatten(shape)
    return Program(next(count), [n for c in outs for n in c.flat], [leaf.shape for leaf in leaves], tree)


# ---------------------------------------------------------------- evaluation


def _order(outputs: Sequence[Node]) -> list[Node]:
    order: list[Node] = []
    done: set[Node] = set()
    stack = [(n, False) for n in reversed(outputs)]
    while stack:
        node, ready = stack.pop()
        if node in done:
            continue
        if ready:
            done.add(node)
            order.append(node)
        else:
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args) if a not in done)
    return order


def _bound(node: Node, ins: list[Any]) -> Any:
    """A node's value by jax."""
    if node.op == "item":
        return ins[0][node.detail[0]][node.detail[1]]
    if node.op == "whole":
        return _whole(node, ins)
    lanes = next((np.shape(x) for x in ins if np.ndim(x)), ())
    ins = [jnp.asarray(x, a.dtype) for x, a in zip(ins, node.args, strict=True)]
    ins = [jax.lax.broadcast(x, lanes) if x.ndim < len(lanes) else x for x in ins]
    return node.primitive.bind(*ins, **node.detail)


def _at_once(node: Node, ins: list[Any]) -> Any:
    """A node's value by NumPy where it has the operation, else by jax."""
    if node.op in _NUMPY:
        return _NUMPY[node.op](*ins)
    if node.op == "select_n" and len(ins) == 3:
        return np.where(ins[0], ins[2], ins[1])
    if node.op == "div" and np.dtype(node.dtype).kind == "f":
        return np.divide(*ins)
    if node.op == "integer_pow":
        return ins[0] ** node.detail["y"]
    if node.op == "convert_element_type":
        return np.asarray(ins[0]).astype(node.dtype)
    value = _bound(node, ins)
    return value if isinstance(value, list) else np.asarray(value)


def _whole(node: Node, ins: list[Any]) -> list[Any]:
    """An equation that stays whole, over all trajectories at once; a list of ravelled outputs."""
    eqn, arrays, axes, rest = node.detail, [], [], iter(ins)
    for var in eqn.invars:
        entries = [jnp.asarray(next(rest), var.aval.dtype) for _ in range(var.aval.size)]
        lanes = next((x.shape for x in entries if x.ndim), ())
        entries = [jnp.broadcast_to(x, lanes) for x in entries]
        stacked = jnp.stack(entries) if entries else jnp.zeros((0, *lanes), var.aval.dtype)
        arrays.append(stacked.reshape(*var.aval.shape, *lanes))
        axes.append(-1 if lanes else None)

    def run(*xs: Any) -> list[Any]:
        return _bind(eqn, list(xs))

    mapped = any(a is not None for a in axes)
    outs = jax.vmap(run, in_axes=tuple(axes), out_axes=-1)(*arrays) if mapped else run(*arrays)
    return [
        x.reshape(v.aval.size, *x.shape[len(v.aval.shape) :]) for x, v in zip(outs, eqn.outvars, strict=True)
    ]


# ---------------------------------------------------------------- construction

_ELEMENTWISE = frozenset(
    "add add_any sub mul div rem neg sign abs floor ceil round exp exp2 expm1 log log1p tanh sin cos tan asin acos "
    "atan sinh cosh asinh acosh atanh logistic sqrt rsqrt cbrt pow integer_pow square max min atan2 nextafter eq ne "
    "lt le gt ge and or not xor select_n clamp convert_element_type is_finite erf erfc erf_inv lgamma digamma copy "
    "copy_p reduce_precision stop_gradient shift_left shift_right_logical shift_right_arithmetic".split()
)
_CALLS = frozenset(
    "jit pjit closed_call core_call remat remat2 checkpoint custom_jvp_call custom_vjp_call custom_lin".split()
)
_FOLDS = {"reduce_sum": "add", "reduce_max": "max", "reduce_min": "min", "reduce_prod": "mul"} | {
    "reduce_and": "and",
    "reduce_or": "or",
    "cumsum": "add",
    "cumprod": "mul",
    "cummax": "max",
    "cummin": "min",
}
_START = {"add": 0, "mul": 1, "and": True, "or": False}
_BINARY = {
    "add": jax.lax.add_p,
    "mul": jax.lax.mul_p,
    "max": jax.lax.max_p,
    "min": jax.lax.min_p,
    "and": jax.lax.and_p,
    "or": jax.lax.or_p,
}
_NUMPY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "add_any": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "neg": np.negative,
    "abs": np.abs,
    "max": np.maximum,
    "min": np.minimum,
    "sqrt": np.sqrt,
    "square": np.square,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "copy": np.positive,
    "tanh": np.tanh,
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sign": np.sign,
    "and": np.logical_and,
    "or": np.logical_or,
}
_COMMUTES = frozenset({"add", "mul", "max", "min", "and", "or", "eq", "ne"})


class _Build:
    """Reads a jaxpr into nodes; equal operations on equal scalars become one node."""

    def __init__(self) -> None:
        self.made: dict[Any, Node] = {}
        self.ranks = itertools.count()

    def number(self, value: Any, dtype: Any) -> Node:
        value = np.asarray(value, dtype)[()]
        # the bytes tell -0.0 from 0.0 and let NaN equal itself
        return self._once(
            ("known", np.dtype(dtype).str, value.tobytes()), lambda: Node("known", (), dtype, value)
        )

    def constant(self, value: Any) -> Cells:
        if isinstance(value, Tracer):
            raise NotScalarizable("it depends on a value that is traced outside of it")
        array = np.asarray(value)
        return _cells([self.number(x, array.dtype) for x in array.flat], array.shape)

    def _once(self, key: Any, make: Callable[[], Node]) -> Node:
        if key not in self.made:
            self.made[key] = self.ranked(make())
        return self.made[key]

    def ranked(self, node: Node) -> Node:
        """``node`` with the next number."""
        node.rank = next(self.ranks)
        return node

    def apply(self, primitive: Any, params: dict[str, Any], args: Sequence[Node], dtype: Any) -> Node:
        """The node of one scalar operation, folded where that is exact."""
        name = primitive.name
        if name == "add_any":
            primitive, name = jax.lax.add_p, "add"
        if all(a.known for a in args):
            return self.number(_fold(primitive, params, args), dtype)
        simple = self.simplify(name, params, args, dtype)
        if simple is not None:
            return simple
        if name in _COMMUTES:
            args = sorted(args, key=lambda a: a.rank)
        key = (name, str(sorted(params.items(), key=lambda p: p[0])), np.dtype(dtype).str, *map(id, args))
        return self._once(key, lambda: Node(name, tuple(args), dtype, params, primitive))

    def simplify(self, name: str, params: dict[str, Any], args: Sequence[Node], dtype: Any) -> Node | None:
        """What an operation with a neutral or vanishing operand comes to. 0 x = 0, also for an infinite x: what an
        absent datum multiplies is absent."""
        neg = jax.lax.neg_p
        if name == "mul":
            for a, b in (args, args[::-1]):
                if a.known and a.detail == 0:
                    return self.number(0, dtype)
                if a.known and a.detail == 1:
                    return b
                if a.known and a.detail == -1:
                    return self.apply(neg, {}, [b], dtype)
                if a.op == "neg":  # signs move outwards, where they end in a difference
                    return self.apply(neg, {}, [self.apply(jax.lax.mul_p, {}, [a.args[0], b], dtype)], dtype)
        elif name == "add":
            for a, b in (args, args[::-1]):
                if a.known and a.detail == 0:
                    return b
                if a.op == "neg":
                    return self.apply(jax.lax.sub_p, {}, [b, a.args[0]], dtype)
        elif name == "sub":
            if args[1].known and args[1].detail == 0:
                return args[0]
            if args[0].known and args[0].detail == 0:
                return self.apply(neg, {}, [args[1]], dtype)
            if args[1].op == "neg":
                return self.apply(jax.lax.add_p, {}, [args[0], args[1].args[0]], dtype)
        elif name == "div" and args[1].known and np.issubdtype(dtype, np.floating):
            if args[1].detail == 1:
                return args[0]
            inverse = np.divide(1, args[1].detail, dtype=dtype)
            if np.isfinite(inverse) and inverse != 0:  # right to the last bit but one, and ten times as fast
                return self.apply(jax.lax.mul_p, {}, [args[0], self.number(inverse, dtype)], dtype)
        elif name == "neg":
            if args[0].op == "neg":
                return args[0].args[0]
            if args[0].op == "sub":
                return self.apply(jax.lax.sub_p, {}, args[0].args[::-1], dtype)
            if args[0].op == "mul" and (known := [a for a in args[0].args if a.known]):
                rest = [a for a in args[0].args if not a.known]
                return self.apply(jax.lax.mul_p, {}, [self.number(-known[0].detail, dtype), *rest], dtype)
        elif name == "select_n":
            if args[0].known:
                return args[1 + int(args[0].detail)]
            if all(a is args[1] for a in args[1:]):
                return args[1]
        elif name == "integer_pow" and params["y"] == 2:
            return self.apply(jax.lax.mul_p, {}, [args[0], args[0]], dtype)
        elif name in ("copy", "copy_p", "stop_gradient") or (
            name == "convert_element_type" and args[0].dtype == dtype
        ):
            return args[0]
        return None

    def run(self, jaxpr: Jaxpr, consts: Sequence[Cells], args: Sequence[Cells]) -> list[Cells]:
        at: dict[Any, Cells] = dict(zip(jaxpr.constvars, consts, strict=True))
        at.update(zip(jaxpr.invars, args, strict=True))

        def read(a: Any) -> Cells:
            if not isinstance(a, Literal):
                return at[a]
            aval: Any = a.aval
            return self.constant(np.asarray(a.val, aval.dtype))

        live = _live(jaxpr)
        for eqn, wanted in zip(jaxpr.eqns, live, strict=True):
            if wanted:
                outs = self.equation(eqn, [read(a) for a in eqn.invars])
                at.update(zip(eqn.outvars, outs, strict=True))
            if len(self.made) > 4 * MOST:
                raise NotScalarizable(f"it has more than {MOST} scalar operations")
        return [read(a) for a in jaxpr.outvars]

    def closed(self, body: ClosedJaxpr | Jaxpr, args: Sequence[Cells]) -> list[Cells]:
        if isinstance(body, ClosedJaxpr):
            return self.run(body.jaxpr, [self.constant(c) for c in body.consts], args)
        return self.run(body, [], args)

    def equation(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        name, params = eqn.primitive.name, eqn.params
        for v in eqn.outvars:
            _plain(v.aval)
        if name in _CALLS:
            body = next((params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in params), None)
            return self.closed(body, ins) if body is not None else self.whole(eqn, ins)
        if name in _ELEMENTWISE:
            out = eqn.outvars[0].aval
            spread: list[Any] = [np.broadcast_to(c, out.shape) for c in ins]
            made = [
                self.apply(eqn.primitive, params, [c[i] for c in spread], out.dtype)
                for i in np.ndindex(out.shape)
            ]
            return [_cells(made, out.shape)]
        special = getattr(self, f"_{name.replace('-', '_')}", None)
        done = None if special is None else special(eqn, ins)
        if done is not None:
            return done
        if name in _FOLDS:
            return [self.fold(eqn, ins[0])]
        if all(n.known for c in ins for n in c.flat):
            return [self.constant(x) for x in _run_known(eqn, ins)]
        return self.moved(eqn, ins) or self.whole(eqn, ins)

    # ---- structure: what only moves entries about

    def moved(self, eqn: Any, ins: list[Cells]) -> list[Cells] | None:
        """An operation that moves entries without changing them: run on their numbers instead."""
        if eqn.primitive.name not in _MOVES:
            return None
        fixed = {
            "gather": (1,),
            "scatter": (1,),
            "dynamic_slice": range(1, len(ins)),
            "dynamic_update_slice": range(2, len(ins)),
        }
        indices = tuple(fixed.get(eqn.primitive.name, ()))
        if any(not n.known for k in indices for n in ins[k].flat):
            return None
        pool = [n for k, c in enumerate(ins) if k not in indices for n in c.flat]
        dtype = eqn.outvars[0].aval.dtype
        count, arrays = itertools.count(1), []
        for k, c in enumerate(ins):
            labels = [n.detail for n in c.flat] if k in indices else [next(count) for _ in c.flat]
            arrays.append(
                np.asarray(labels, c.flat[0].dtype if k in indices and c.size else np.int32).reshape(c.shape)
            )
        pool.insert(0, self.number(0, dtype))  # what a gather out of bounds fills in
        # out of bounds a gather fills in the entry that stands for 0
        outs = _run_plain(eqn, arrays, **({"fill_value": 0} if eqn.primitive.name == "gather" else {}))
        return [_cells([pool[i] for i in np.asarray(x).flat], x.shape) for x in outs]

    def _broadcast_in_dim(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        shape = eqn.outvars[0].aval.shape
        middle = [1] * len(shape)
        for axis, to in enumerate(eqn.params["broadcast_dimensions"]):
            middle[to] = ins[0].shape[axis]
        return [np.broadcast_to(ins[0].reshape(middle), shape)]

    def _reshape(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        return [ins[0].reshape(eqn.outvars[0].aval.shape)]

    _squeeze = _expand_dims = _reshape

    def _transpose(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        return [ins[0].transpose(eqn.params["permutation"])]

    def _concatenate(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        return [np.concatenate(ins, axis=eqn.params["dimension"])]

    def _stack(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        axis, shape = eqn.params["axis"], eqn.outvars[0].aval.shape
        rows = _stack(ins, (len(ins), *ins[0].shape))
        return [np.moveaxis(rows, 0, axis).reshape(shape)]

    def _unstack(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        rows = np.moveaxis(ins[0], eqn.params["axis"], 0)
        shapes = [v.aval.shape for v in eqn.outvars]
        return [_cells(list(np.ravel(r)), shape) for r, shape in zip(rows, shapes, strict=True)]

    def _slice(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        p = eqn.params
        steps = p["strides"] or (1,) * ins[0].ndim
        return [ins[0][tuple(map(slice, p["start_indices"], p["limit_indices"], steps))]]

    def _rev(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        return [np.flip(ins[0], eqn.params["dimensions"])]

    # ---- sums

    def fold(self, eqn: Any, cells: Cells) -> Cells:
        out, binary = eqn.outvars[0].aval, _BINARY[_FOLDS[eqn.primitive.name]]

        def both(a: Node, b: Node) -> Node:
            return self.apply(binary, {}, [a, b], out.dtype)

        if "axis" in eqn.params:  # a running sum
            axis, back = eqn.params["axis"], eqn.params["reverse"]
            columns = np.moveaxis(np.flip(cells, axis) if back else cells, axis, 0)
            rows = list(itertools.accumulate(columns, np.frompyfunc(both, 2, 1)))
            done = np.moveaxis(_stack(rows, columns.shape), 0, axis)
            return np.flip(done, axis) if back else done
        axes = tuple(eqn.params["axes"])
        flat = (
            np.moveaxis(cells, axes, range(-len(axes), 0)).reshape(*out.shape, -1)
            if axes
            else cells[..., None]
        )
        made = []
        for index in np.ndindex(out.shape):
            column = list(flat[index])
            made.append(
                functools.reduce(both, column) if column else self.number(_START[binary.name], out.dtype)
            )
        return _cells(made, out.shape)

    def _dot_general(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        (left, right), (left_batch, right_batch) = eqn.params["dimension_numbers"]
        out = eqn.outvars[0].aval

        def order(c: Cells, contract: Sequence[int], batch: Sequence[int]) -> Cells:
            free = [k for k in range(c.ndim) if k not in contract and k not in batch]
            c = c.transpose(*batch, *free, *contract)
            split = len(batch), len(batch) + len(free)
            sizes = (math.prod(c.shape[: split[0]]), math.prod(c.shape[split[0] : split[1]]))
            return c.reshape(*sizes, math.prod(c.shape[split[1] :]))

        a, b = order(ins[0], left, left_batch), order(ins[1], right, right_batch)
        made = []
        for k, i, j in np.ndindex(a.shape[0], a.shape[1], b.shape[1]):
            terms = [
                self.apply(jax.lax.mul_p, {}, [p, q], out.dtype)
                for p, q in zip(a[k, i], b[k, j], strict=True)
            ]
            add = functools.partial(self._add, out.dtype)
            made.append(functools.reduce(add, terms) if terms else self.number(0, out.dtype))
        return [_cells(made, out.shape)]

    def _add(self, dtype: Any, a: Node, b: Node) -> Node:
        return self.apply(jax.lax.add_p, {}, [a, b], dtype)

    def _scatter_add(self, eqn: Any, ins: list[Cells]) -> list[Cells] | None:
        """Sums into places that are known while tracing."""
        old, where, new = ins
        if any(not n.known for n in where.flat) or not new.size:
            return None
        index = np.asarray([n.detail for n in where.flat], where.flat[0].dtype).reshape(where.shape)
        landed, out = _cells(list(old.flat), old.shape), eqn.outvars[0].aval
        for k, n in enumerate(new.flat):
            one = np.zeros(new.size, out.dtype)
            one[k] = 1
            place = _run_plain(eqn, [np.zeros(old.shape, out.dtype), index, one.reshape(new.shape)])[0]
            for at in zip(*np.nonzero(place), strict=True):
                landed[at] = self._add(out.dtype, landed[at], n)
        return [landed]

    # ---- control flow

    def _scan(self, eqn: Any, ins: list[Cells]) -> list[Cells] | None:
        p = eqn.params
        constants, carried, body = p["num_consts"], p["num_carry"], p["jaxpr"]
        if p["length"] * max(1, len(body.jaxpr.eqns)) > MOST:
            return None
        fixed, carry, rows = ins[:constants], ins[constants : constants + carried], ins[constants + carried :]
        kept: list[list[Cells]] = [[] for _ in eqn.outvars[carried:]]
        for k in range(p["length"])[:: -1 if p["reverse"] else 1]:
            outs = self.closed(
                body, [*fixed, *carry, *(r[k] if r.ndim > 1 else _cells([r[k]], ()) for r in rows)]
            )
            carry = outs[:carried]
            for store, row in zip(kept, outs[carried:], strict=True):
                store.insert(0 if p["reverse"] else len(store), row)
        shapes = [v.aval.shape for v in eqn.outvars[carried:]]
        return [*carry, *(_stack(store, shape) for store, shape in zip(kept, shapes, strict=True))]

    def _while(self, eqn: Any, ins: list[Cells]) -> list[Cells] | None:
        """Unrolled where the count is known while tracing (a loop over a counter)."""
        p = eqn.params
        of_test, of_body = p["cond_nconsts"], p["body_nconsts"]
        test, body, carry = ins[:of_test], ins[of_test : of_test + of_body], ins[of_test + of_body :]
        for _ in range(256):
            more = self.closed(p["cond_jaxpr"], [*test, *carry])[0][()]
            if not more.known:
                return None
            if not more.detail:
                return list(carry)
            carry = self.closed(p["body_jaxpr"], [*body, *carry])
        return None

    def _cond(self, eqn: Any, ins: list[Cells]) -> list[Cells] | None:
        branches, which = eqn.params["branches"], ins[0][()]
        if which.known:
            return self.closed(branches[min(max(int(which.detail), 0), len(branches) - 1)], ins[1:])
        results = [self.closed(b, ins[1:]) for b in branches]
        chosen = results[0]
        for k, result in enumerate(results[1:], 1):
            compare = jax.lax.ge_p if which.dtype != np.bool_ else None
            past = (
                which
                if compare is None
                else self.apply(compare, {}, [which, self.number(k, which.dtype)], np.bool_)
            )

            def pick(a: Node, b: Node, past: Node = past) -> Node:
                return self.apply(jax.lax.select_n_p, {}, [past, a, b], a.dtype)

            chosen = [
                _cells([pick(a, b) for a, b in zip(x.flat, y.flat, strict=True)], x.shape)
                for x, y in zip(chosen, result, strict=True)
            ]
        return chosen

    # ---- the rest

    def whole(self, eqn: Any, ins: list[Cells]) -> list[Cells]:
        node = self.ranked(Node("whole", tuple(n for c in ins for n in c.flat), None, eqn))
        return [
            _cells(
                [self.ranked(Node("item", (node,), v.aval.dtype, (k, i))) for i in range(v.aval.size)],
                v.aval.shape,
            )
            for k, v in enumerate(eqn.outvars)
        ]


_MOVES = frozenset({"gather", "scatter", "dynamic_slice", "dynamic_update_slice", "pad", "split", "tile"})


def _cells(nodes: Sequence[Node], shape: tuple[int, ...]) -> Cells:
    cells = np.empty(len(nodes), object)
    cells[:] = nodes
    return cells.reshape(shape)


def _stack(rows: Sequence[Any], shape: tuple[int, ...]) -> Cells:
    cells = np.empty(shape, object)
    for k, row in enumerate(rows):
        cells[k] = row[()] if isinstance(row, np.ndarray) and row.ndim == 0 else row
    return cells


def _plain(aval: Any) -> None:
    if not isinstance(getattr(aval, "dtype", None), np.dtype) or aval.dtype.kind not in "biuf":
        raise NotScalarizable(f"it uses the type {getattr(aval, 'dtype', aval)}, which is no real number")


def _live(jaxpr: Jaxpr) -> list[bool]:
    """Which equations are needed for the outputs."""
    needed = {v for v in jaxpr.outvars if not isinstance(v, Literal)}
    live = []
    for eqn in reversed(jaxpr.eqns):
        wanted = any(v in needed for v in eqn.outvars)
        live.append(wanted)
        if wanted:
            needed.update(v for v in eqn.invars if not isinstance(v, Literal))
    return live[::-1]


def _fold(primitive: Any, params: dict[str, Any], args: Sequence[Node]) -> Any:
    values = [np.asarray(a.detail, a.dtype)[()] for a in args]
    with np.errstate(all="ignore"):
        if primitive.name in _NUMPY:
            return _NUMPY[primitive.name](*values)
        if primitive.name == "select_n":
            return values[1 + int(values[0])]
        if primitive.name == "div" and values[0].dtype.kind == "f":
            return np.divide(*values)
        if primitive.name == "convert_element_type":
            return values[0].astype(params["new_dtype"])
        if primitive.name == "integer_pow":
            return values[0] ** params["y"]
    with jax.ensure_compile_time_eval():
        return np.asarray(primitive.bind(*(jnp.asarray(v) for v in values), **params))


def _run_known(eqn: Any, ins: Sequence[Cells]) -> list[Any]:
    arrays = [
        np.asarray([n.detail for n in c.flat], v.aval.dtype).reshape(c.shape)
        for c, v in zip(ins, eqn.invars, strict=True)
    ]
    return _run_plain(eqn, arrays)


def _run_plain(eqn: Any, arrays: Sequence[Any], **changed: Any) -> list[Any]:
    eqn = eqn.replace(params=eqn.params | changed) if changed else eqn
    with jax.ensure_compile_time_eval():
        return [np.asarray(x) for x in _bind(eqn, [jnp.asarray(a) for a in arrays])]
