"""Scalar programs: a traced function as operations on numbers, each of which may be an array over trajectories.

A function of a few small arrays (a field in d dimensions, one step of a rule) is traced once; every entry of every
array becomes a scalar of its own, vectors dissolve, constants fold, equal terms are computed once (both players share
their tanh) and what nobody reads is gone. Evaluated on one array per scalar, a million trajectories run in structure of
arrays, from the definition that everything else is derived from.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import numpy as np

from ..pytrees import Pytree
from .jaxpr import read
from .nodes import Node, by_jax, host_operation, infix, row
from .scalarize import MOST, NotScalarizable, Scalarizer, as_cells, check_type

_POWER = 20  # multiplications that take as long as one power


class Program:
    """A function on scalars; made by :func:`trace`.

    Attributes:
        inputs: number of scalar inputs, all leaves ravelled in order.
        order: the operations in the order of evaluation.
        outputs: the results, all leaves ravelled in order.
        shapes: the shape of each output leaf.
        tree: the structure of the output.
        sums: whether it has long sums, each a loop over known rows.
        terms: how many operations there are in all terms of these sums; a power counts as 20 multiplications.
        price: how many operations on numbers one evaluation takes, those terms among them.
        on_arrays: names of the operations that could not be scalarized (they run on stacked arrays, more slowly).
    """

    def __init__(self, inputs: int, outputs: list[Node], shapes: list[tuple[int, ...]], tree: Any) -> None:
        self.inputs, self.outputs, self.shapes, self.tree = inputs, outputs, shapes, tree
        self.order = _order(outputs)
        self.sums = any(n.op == "sum" for n in self.order)
        self.terms = sum(n.rows * (_POWER if n.op == "pow" else 1) for n in self.order)
        self.price = self.terms + len(self.order)
        self.on_arrays = tuple(sorted({n.detail.name for n in self.order if n.op == "arrays"}))
        if len(self.order) > MOST:
            raise NotScalarizable(f"it has {len(self.order)} scalar operations; allowed: at most {MOST}")

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """Evaluate on one value a scalar: an array over trajectories, or a number for all of them."""
        dimensions = max(map(np.ndim, values), default=0)
        return self.evaluate(
            values, lambda node, ins: row(node, dimensions) if node.op == "row" else by_jax(node, ins)
        )

    def on_host(self, values: Sequence[Any]) -> list[Any]:
        """The same by NumPy, at once: for a few trajectories, where compiling would take longer."""
        numbers = [np.asarray(x)[()] for x in values]
        with np.errstate(all="ignore"):
            return self._function(numbers, max(map(np.ndim, numbers), default=0) if self.sums else 0)

    @functools.cached_property
    def _function(self) -> Callable[[list[Any], int], list[Any]]:
        """All operations as one Python function of the inputs and of how many dimensions they have.

        A loop over the operations would take as long again as these themselves.
        """
        names = {node: f"v{k}" for k, node in enumerate(self.order)}
        held: dict[str, Any] = {"row": row}
        lines = []
        for node, name in names.items():
            args = [names[a] for a in node.args]
            if node.op == "known":
                held[name] = node.detail
                continue
            if node.op == "input":
                right = f"inputs[{node.detail}]"
            elif node.op == "row":
                held[f"rows_{name}"] = node
                right = f"row(rows_{name}, dimensions)"
            elif symbol := infix(node):
                right = symbol.join(args) if len(args) > 1 else f"{symbol}{args[0]}"
            else:
                held[f"of_{name}"] = host_operation(node)
                right = f"of_{name}({', '.join(args)})"
            lines.append(f"    {name} = {right}")
        lines.append(f"    return [{', '.join(names[n] for n in self.outputs)}]")
        exec("def function(inputs, dimensions):\n" + "\n".join(lines), held)
        return held["function"]

    @functools.cached_property
    def of_first_leaf(self) -> Program:
        """The program of the first leaf of the result alone, without what only the others need."""
        shape = self.shapes[0]
        return Program(self.inputs, self.outputs[: math.prod(shape)], [shape], None)

    def evaluate(
        self,
        values: Sequence[Any],
        operation: Callable[[Node, list[Any]], Any],
        known: Callable[[Any], Any] = lambda number: number,
    ) -> list[Any]:
        """Evaluate on values of any kind.

        Args:
            values: one for each scalar input.
            operation: a node and the values of its arguments -> its value.
            known: a known number -> its value.

        Returns:
            The values of the outputs.
        """
        at: dict[Node, Any] = {}
        for node in self.order:
            if node.op == "known":
                at[node] = known(node.detail)
            elif node.op == "input":
                at[node] = values[node.detail]
            else:
                at[node] = operation(node, [at[a] for a in node.args])
        return [at[n] for n in self.outputs]

    def varying(self, inputs: Sequence[bool]) -> list[bool]:
        """Which outputs vary over trajectories, given which inputs do."""
        return self.evaluate(inputs, lambda node, ins: any(ins), lambda number: False)

    def leaves(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The values of the outputs as one object array for each leaf of the result."""
        rest = iter(values)
        return [as_cells([next(rest) for _ in np.ndindex(shape)], shape) for shape in self.shapes]

    def unflatten(self, values: Sequence[Any]) -> Pytree:
        """The output's own structure, each leaf an object array of ``values`` in its shape."""
        return jax.tree.unflatten(self.tree, self.leaves(values))


def trace(fn: Callable[..., Any], *examples: Any, keep: Mapping[str, int] = MappingProxyType({})) -> Program:
    """Write ``fn`` in scalar operations.

    Args:
        fn: a traceable function of ``examples``.
        *examples: pytrees of arrays, or of their shapes and types, for one trajectory.
        keep: names of library functions (of JAX or this package) and of JAX's operations that stay one operation, for
            who has a formula for them, and how many arguments each takes; such a program cannot be evaluated on
            numbers.

    Returns:
        The :class:`Program` from the entries of all arguments, ravelled in order, to those of all results.

    Raises:
        NotScalarizable: where a type is not a real number's, or the function is too large.

    Example:
        >>> import jax.numpy as jnp
        >>> program = trace(lambda x: x @ x, jnp.zeros(2))
        >>> [r.tolist() for r in program([jnp.array([3.0, 1.0]), jnp.array([4.0, 1.0])])]
        [[25.0, 2.0]]
    """
    function, result = read(fn, *examples)
    scalarizer, count, cells = Scalarizer(keep), itertools.count(), []
    for variable in function.inputs:
        check_type(variable.dtype)
        entries = [
            scalarizer.nodes.new("input", (), variable.dtype, next(count)) for _ in range(variable.size)
        ]
        cells.append(as_cells(entries, variable.shape))
    outs = scalarizer.run(function, cells)
    leaves, tree = jax.tree.flatten(result)
    return Program(next(count), [n for c in outs for n in c.flat], [leaf.shape for leaf in leaves], tree)


def _order(outputs: Sequence[Node]) -> list[Node]:
    """What the outputs need, arguments first."""
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
