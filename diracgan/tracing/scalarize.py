"""From traced arrays to scalar operations: arrays are taken apart, loops of known length unrolled."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from ..parameters import is_traced
from .jaxpr import Branches, Call, Operation, Scan, TracedFunction, UnknownSetting, Variable, While, interpret
from .nodes import ELEMENTWISE, Node, Nodes

Cells = Any  # arrays of dtype object, one Node an entry

MOST = 3_000
"""Scalar operations beyond which a program is no longer worth scalarizing."""

_TURNS = 256  # of a loop with a condition
_LONG = 64  # turns from which a loop that only adds up stays a sum


class NotScalarizable(Exception):
    """The function cannot be written in scalar operations; the message says why."""


class Scalarizer:
    """Goes through a traced function with arrays of nodes."""

    def __init__(self, keep: Mapping[str, int]) -> None:
        """``keep``: what stays one operation, by its name, and how many arguments it takes."""
        self.nodes, self.keep = Nodes(), keep

    def run(self, function: TracedFunction, args: Sequence[Cells]) -> list[Cells]:
        """The cells of the results."""
        try:
            return interpret(function, args, self.operation, self.constant)
        except UnknownSetting as error:
            raise NotScalarizable(str(error)) from error

    def constant(self, value: Any) -> Cells:
        """The cells of a known array."""
        if is_traced(value):
            raise NotScalarizable("it depends on a value that is traced outside of it")
        check_type(getattr(value, "dtype", np.dtype(type(value))))
        array = np.asarray(value)
        return as_cells([self.nodes.number(x, array.dtype) for x in array.flat], array.shape)

    def operation(self, operation: Operation, ins: list[Cells]) -> list[Cells]:
        """The cells of an operation's results: taken apart where it can be, on arrays where it cannot."""
        if len(self.nodes.made) > 4 * MOST:
            raise NotScalarizable(f"it has more than {MOST} scalar operations")
        for variable in operation.outputs:
            check_type(variable.dtype)
        done = self.structured(operation, ins)
        if done is not None:
            return done
        if operation.name in self.keep:
            return self._kept(operation.name, operation, ins)
        if operation.name in ELEMENTWISE:
            return [self.elementwise(operation, ins)]
        if operation.name in _SCALARIZED:
            done = _SCALARIZED[operation.name](self, operation, ins)
            if done is not None:
                return done
        if all(n.known for c in ins for n in c.flat):
            return [self.constant(x) for x in at_once(operation, list(map(_numbers, ins, operation.inputs)))]
        return self.on_arrays(operation, ins)

    def elementwise(self, operation: Operation, ins: list[Cells]) -> Cells:
        """One node for each entry."""
        (out,) = operation.outputs
        return self._entries(
            out, ins, lambda args: self.nodes.apply(operation.primitive, operation.settings, args, out.dtype)
        )

    def add(self, dtype: DTypeLike, a: Node, b: Node) -> Node:
        """Their sum."""
        return self.nodes.apply("add", {}, [a, b], dtype)

    def on_arrays(self, operation: Operation, ins: list[Cells]) -> list[Cells]:
        """The entries of an operation that stays as it is."""
        if any(n.rows for c in ins for n in c.flat):
            raise NotScalarizable(f"{operation.name} in a long sum runs on arrays")
        node = self.nodes.new("arrays", tuple(n for c in ins for n in c.flat), None, operation)
        return [
            as_cells([self.nodes.new("entry", (node,), v.dtype, (k, i)) for i in range(v.size)], v.shape)
            for k, v in enumerate(operation.outputs)
        ]

    def _entries(self, out: Variable, ins: Sequence[Cells], make: Callable[[list[Node]], Node]) -> Cells:
        wide: list[Any] = [np.broadcast_to(c, out.shape) for c in ins]
        return as_cells([make([c[i] for c in wide]) for i in np.ndindex(out.shape)], out.shape)

    # ---- calls and loops

    def structured(self, operation: Operation, ins: list[Cells]) -> list[Cells] | None:
        """An operation that consists of others; None where it is none, or cannot be unrolled."""
        match operation.structure:
            case Call(function):
                return self._call(function, operation, ins)
            case Scan() as scan:
                return self._scan(scan, operation, ins)
            case While() as loop:
                return self._while(loop, ins)
            case Branches(functions):
                return self._branches(functions, ins)
        return None

    def _call(self, function: TracedFunction, operation: Operation, ins: list[Cells]) -> list[Cells]:
        # the derivative of a library function bears its name too, but reads more
        known = function.is_library and self.keep.get(function.name) == len(ins)
        if not (known and len(operation.outputs) == 1):
            return self.run(function, ins)
        return self._kept(function.name, operation, ins)

    def _kept(self, name: str, operation: Operation, ins: list[Cells]) -> list[Cells]:
        (out,) = operation.outputs
        return [self._entries(out, ins, lambda args: self.nodes.function(name, args, out.dtype))]

    def _scan(self, scan: Scan, operation: Operation, ins: list[Cells]) -> list[Cells] | None:
        sums = self._sums(scan, operation, ins)
        if sums is not None or scan.length * max(1, len(scan.function.operations)) > MOST:
            return sums
        split = scan.constants, scan.constants + scan.carried
        fixed, carry, rows = ins[: split[0]], ins[split[0] : split[1]], ins[split[1] :]
        stacked = operation.outputs[scan.carried :]
        kept: list[list[Cells]] = [[] for _ in stacked]
        for k in range(scan.length)[:: -1 if scan.reverse else 1]:
            row = [r[k] if r.ndim > 1 else as_cells([r[k]], ()) for r in rows]
            outs = self.run(scan.function, [*fixed, *carry, *row])
            carry = outs[: scan.carried]
            for store, entry in zip(kept, outs[scan.carried :], strict=True):
                store.insert(0 if scan.reverse else len(store), entry)
        return [*carry, *(_stacked(store, v.shape) for store, v in zip(kept, stacked, strict=True))]

    def _sums(self, scan: Scan, operation: Operation, ins: list[Cells]) -> list[Cells] | None:
        """A long loop over known rows that only adds terms to what it carries; None for any other."""
        split = scan.constants, scan.constants + scan.carried
        fixed, start, rows = ins[: split[0]], ins[split[0] : split[1]], ins[split[1] :]
        known = all(n.known for r in rows for n in r.flat)
        nested = any(n.rows for c in fixed for n in c.flat)
        if scan.length < _LONG or len(operation.outputs) > scan.carried or not known or nested:
            return None
        before = [
            as_cells([self.nodes.new("carried", (), n.dtype, {}) for n in c.flat], c.shape) for c in start
        ]
        row = [
            as_cells(
                [
                    self.nodes.row(np.array([n.detail for n in r[(slice(None), *i)]], v.dtype))
                    for i in np.ndindex(v.shape[1:])
                ],
                v.shape[1:],
            )
            for r, v in zip(rows, operation.inputs[split[1] :], strict=True)
        ]
        after = self.run(scan.function, [*fixed, *before, *row])
        totals = []
        for old, new, first in zip(before, after, start, strict=True):
            terms = [self._added(a, b) for a, b in zip(old.flat, new.flat, strict=True)]
            if any(t is None or _reads(t, "carried") for t in terms):
                return None
            sums = [self.nodes.sum(t, scan.length) for t in terms if t is not None]
            totals.append(
                as_cells(
                    [self.add(n.dtype, n, s) for n, s in zip(first.flat, sums, strict=True)], first.shape
                )
            )
        return totals

    def _added(self, old: Node, new: Node) -> Node | None:
        """What a turn adds to what it carries; None where it does something else."""
        if new is old:
            return self.nodes.number(0, old.dtype)
        if new.op == "add" and old in new.args:
            return new.args[1] if new.args[0] is old else new.args[0]
        if new.op == "sub" and new.args[0] is old:
            return self.nodes.apply("neg", {}, [new.args[1]], old.dtype)
        return None

    def _while(self, loop: While, ins: list[Cells]) -> list[Cells] | None:
        """Unrolled where the count is known while tracing (a loop over a counter)."""
        split = loop.condition_constants, loop.condition_constants + loop.constants
        test, fixed, carry = ins[: split[0]], ins[split[0] : split[1]], ins[split[1] :]
        for _ in range(_TURNS):
            more = self.run(loop.condition, [*test, *carry])[0][()]
            if not more.known:
                return None
            if not more.detail:
                return list(carry)
            carry = self.run(loop.function, [*fixed, *carry])
        return None

    def _branches(self, functions: Sequence[TracedFunction], ins: list[Cells]) -> list[Cells]:
        which, args = ins[0][()], ins[1:]
        if which.known:
            return self.run(functions[int(which.detail)], args)
        chosen, *others = (self.run(f, args) for f in functions)
        for k, other in enumerate(others, 1):
            past = which
            if which.dtype != np.bool_:
                past = self.nodes.apply("ge", {}, [which, self.nodes.number(k, which.dtype)], np.bool_)

            def pick(a: Node, b: Node, past: Node = past) -> Node:
                return self.nodes.apply("select_n", {}, [past, a, b], a.dtype)

            chosen = [
                as_cells([pick(a, b) for a, b in zip(x.flat, y.flat, strict=True)], x.shape)
                for x, y in zip(chosen, other, strict=True)
            ]
        return chosen


# ---------------------------------------------------------------- cells


def as_cells(nodes: Sequence[Node], shape: tuple[int, ...]) -> Cells:
    """Nodes as an object array."""
    cells = np.empty(len(nodes), object)
    cells[:] = nodes
    return cells.reshape(shape)


def check_type(dtype: DTypeLike) -> None:
    """Raise NotScalarizable for a type that is not a real number's."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in "biuf":
        raise NotScalarizable(f"it uses the type {dtype}, which is not a real number's")


def at_once(operation: Operation, arrays: Sequence[Any], **changed: Any) -> list[Any]:
    """An operation's results on known arrays, also while something else is traced."""
    with jax.ensure_compile_time_eval():
        return [np.asarray(x) for x in operation([jnp.asarray(a) for a in arrays], **changed)]


def _numbers(cells: Cells, variable: Variable) -> np.ndarray:
    return np.asarray([n.detail for n in cells.flat], variable.dtype).reshape(cells.shape)


def _reads(node: Node, name: str) -> bool:
    """Whether an operation of that name is among those that a node is computed from."""
    seen: set[Node] = set()
    rest = [node]
    while rest:
        one = rest.pop()
        if one.op == name:
            return True
        rest += [a for a in one.args if a not in seen]
        seen.update(one.args)
    return False


def _stacked(rows: Sequence[Any], shape: tuple[int, ...]) -> Cells:
    cells = np.empty(shape, object)
    for k, row in enumerate(rows):
        cells[k] = row[()] if isinstance(row, np.ndarray) and row.ndim == 0 else row
    return cells


# ---------------------------------------------------------------- what only moves entries about


def _broadcast_in_dim(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    (out,) = operation.outputs
    middle = [1] * len(out.shape)
    for axis, to in enumerate(operation.settings["broadcast_dimensions"]):
        middle[to] = ins[0].shape[axis]
    return [np.broadcast_to(ins[0].reshape(middle), out.shape)]


def _iota(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    """Places along an axis, which XLA would compile a program for."""
    (out,), axis = operation.outputs, operation.settings["dimension"]
    places = np.arange(out.shape[axis], dtype=out.dtype).reshape([-1] + [1] * (len(out.shape) - axis - 1))
    return [s.constant(np.broadcast_to(places, out.shape))]


def _reshaped(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    return [ins[0].reshape(operation.outputs[0].shape)]


def _transpose(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    return [ins[0].transpose(operation.settings["permutation"])]


def _concatenate(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    return [np.concatenate(ins, axis=operation.settings["dimension"])]


def _slice(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    p = operation.settings
    steps = p["strides"] or (1,) * ins[0].ndim
    return [ins[0][tuple(map(slice, p["start_indices"], p["limit_indices"], steps))]]


def _rev(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    return [np.flip(ins[0], operation.settings["dimensions"])]


def _split(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    ends = list(itertools.accumulate(operation.settings["sizes"]))
    return np.split(ins[0], ends[:-1], axis=operation.settings["axis"])


_PLACES: dict[str, Callable[[int], Sequence[int]]] = {
    "gather": lambda count: (1,),
    "scatter": lambda count: (1,),
    "dynamic_slice": lambda count: range(1, count),
    "dynamic_update_slice": lambda count: range(2, count),
    **dict.fromkeys(("pad", "tile", "stack", "unstack"), lambda count: ()),
}
"""Operations that move entries without changing them -> which of so many inputs are places, not entries."""


def _moved(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells] | None:
    """Run by JAX on the entries' numbers instead of the entries."""
    places = tuple(_PLACES[operation.name](len(ins)))
    if any(not n.known for k in places for n in ins[k].flat):
        return _looked_up(s, operation, ins)
    pool = [s.nodes.number(0, operation.outputs[0].dtype)]  # what a gather out of bounds fills in
    arrays = []
    for k, (cells, variable) in enumerate(zip(ins, operation.inputs, strict=True)):
        if k in places:
            arrays.append(_numbers(cells, variable))
        else:
            arrays.append(np.arange(len(pool), len(pool) + cells.size, dtype=np.int32).reshape(cells.shape))
            pool += cells.flat
    changed = {"fill_value": 0} if operation.name == "gather" else {}
    outs = at_once(operation, arrays, **changed)
    return [as_cells([pool[i] for i in x.flat], x.shape) for x in outs]


_MOST_ROWS = 64  # of a table of which each is chosen by comparing places


def _looked_up(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells] | None:
    """Entries of a short table (rows,) at places that are known only when the program runs: each chosen by comparison.

    Places before the first row and beyond the last are those rows', as JAX has it where it does not fill in.
    """
    table, places, (out,), p = ins[0], ins[-1], operation.outputs, operation.settings
    if table.ndim != 1 or not 0 < len(table) <= _MOST_ROWS or tuple(p.get("slice_sizes", ())) != (1,):
        return None
    if operation.name == "gather" and (places.shape != (*out.shape, 1) or "FILL" in str(p["mode"])):
        return None

    def entry(place: Node) -> Node:
        found = table[0]
        for k, row in enumerate(table[1:], 1):
            past = s.nodes.apply("ge", {}, [place, s.nodes.number(k, place.dtype)], np.dtype(bool))
            found = s.nodes.apply("select_n", {}, [past, found, row], out.dtype)
        return found

    return [as_cells([entry(n) for n in places.flat], out.shape)]


# ---------------------------------------------------------------- sums

_FOLDS = {
    "reduce_sum": "add",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_prod": "mul",
    "reduce_and": "and",
    "reduce_or": "or",
    "cumsum": "add",
    "cumprod": "mul",
    "cummax": "max",
    "cummin": "min",
}
_START = {"add": 0, "mul": 1, "and": True, "or": False}


def _folded(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    (cells,), (out,), name = ins, operation.outputs, _FOLDS[operation.name]

    def both(a: Node, b: Node) -> Node:
        return s.nodes.apply(name, {}, [a, b], out.dtype)

    if "axis" in operation.settings:  # a running sum
        axis, back = operation.settings["axis"], operation.settings["reverse"]
        columns = np.moveaxis(np.flip(cells, axis) if back else cells, axis, 0)
        rows = list(itertools.accumulate(columns, np.frompyfunc(both, 2, 1)))
        done = np.moveaxis(_stacked(rows, columns.shape), 0, axis)
        return [np.flip(done, axis) if back else done]
    axes = tuple(operation.settings["axes"])
    last = np.moveaxis(cells, axes, range(-len(axes), 0)) if axes else cells[..., None]
    flat = last.reshape(*out.shape, math.prod(last.shape[len(out.shape) :]))
    made = []
    for index in np.ndindex(out.shape):
        column = list(flat[index])
        made.append(functools.reduce(both, column) if column else s.nodes.number(_START[name], out.dtype))
    return [as_cells(made, out.shape)]


def _dot_general(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells]:
    (left, right), (left_batch, right_batch) = operation.settings["dimension_numbers"]
    (out,) = operation.outputs

    def order(c: Cells, contract: Sequence[int], batch: Sequence[int]) -> Cells:
        free = [k for k in range(c.ndim) if k not in contract and k not in batch]
        c = c.transpose(*batch, *free, *contract)
        split = len(batch), len(batch) + len(free)
        sizes = (math.prod(c.shape[: split[0]]), math.prod(c.shape[split[0] : split[1]]))
        return c.reshape(*sizes, math.prod(c.shape[split[1] :]))

    a, b = order(ins[0], left, left_batch), order(ins[1], right, right_batch)
    add, made = functools.partial(s.add, out.dtype), []
    for k, i, j in np.ndindex(a.shape[0], a.shape[1], b.shape[1]):
        pairs = zip(a[k, i], b[k, j], strict=True)
        terms = [s.nodes.apply("mul", {}, [p, q], out.dtype) for p, q in pairs]
        made.append(functools.reduce(add, terms) if terms else s.nodes.number(0, out.dtype))
    return [as_cells(made, out.shape)]


def _scatter_add(s: Scalarizer, operation: Operation, ins: list[Cells]) -> list[Cells] | None:
    """Sums into places that are known while tracing."""
    (old, where, new), (out,) = ins, operation.outputs
    if any(not n.known for n in where.flat) or not new.size:
        return None
    index = _numbers(where, operation.inputs[1])
    result = as_cells(list(old.flat), old.shape)
    for k, n in enumerate(new.flat):
        one = np.zeros(new.size, out.dtype)
        one[k] = 1
        place = at_once(operation, [np.zeros(old.shape, out.dtype), index, one.reshape(new.shape)])[0]
        for at in zip(*np.nonzero(place), strict=True):
            result[at] = s.add(out.dtype, result[at], n)
    return [result]


_SCALARIZED: dict[str, Callable[[Scalarizer, Operation, list[Cells]], list[Cells] | None]] = {
    "iota": _iota,
    "broadcast_in_dim": _broadcast_in_dim,
    "transpose": _transpose,
    "concatenate": _concatenate,
    "slice": _slice,
    "rev": _rev,
    "split": _split,
    **dict.fromkeys(("reshape", "squeeze", "expand_dims"), _reshaped),
    **dict.fromkeys(_PLACES, _moved),
    **dict.fromkeys(_FOLDS, _folded),
    "dot_general": _dot_general,
    "scatter-add": _scatter_add,
    "scatter_add": _scatter_add,
}
