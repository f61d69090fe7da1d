"""A scalar program written as a C function on single numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from .nodes import Node
from .scalar_program import Program
from .source_text import ARITHMETIC, NotWritable, expression

FUNCTIONS = ("log", "log1p", "expm1", "sin", "cos", "floor", "ceil", "erf", "erfc", "atan", "asinh")
_OPERATIONS = {
    **ARITHMETIC,
    "max": "({0} > {1} || {0} != {0} ? {0} : {1})",
    "min": "({0} < {1} || {0} != {0} ? {0} : {1})",
    "abs": "({0} < 0 ? -{0} : {0})",
    "sign": "({0} != {0} ? {0} : ({0} > 0) - ({0} < 0))",
    "sqrt": "sqrt({})",
    "rsqrt": "1 / sqrt({})",
    "exp": "exp({})",
    "tanh": "tanh({})",
    "logistic": "1 / (1 + exp(-{}))",
    "pow": "pow({}, {})",
    **{n: f"{n}({{}})" for n in FUNCTIONS},
    "is_finite": "isfinite({})",
    "eq": "{} == {}",
    "ne": "{} != {}",
    "and": "{} & {}",
    "or": "{} | {}",
    "xor": "{} ^ {}",
    "not": "!{}",
}

_LINEAR = frozenset(["add", "sub", "mul", "div", "neg", "copy", "stop_gradient", "select_n"])
_REAL = np.dtype(float)


def c_type(kind: np.dtype, real: np.dtype) -> str:
    """The C type of a number of a NumPy type; ``T`` of a real one, which must be of the type ``real``."""
    if kind.kind == "f":
        if kind != real:
            raise NotWritable(f"the type {kind}")
        return "T"
    return {"b": "uint8_t", "i": f"int{8 * kind.itemsize}_t", "u": f"uint{8 * kind.itemsize}_t"}[kind.kind]


def literal(value: float) -> str:
    """A known number, exactly."""
    if value != value:
        return "((T)NAN)"
    if value in (float("inf"), -float("inf")):
        return f"((T){'-' if value < 0 else ''}INFINITY)"
    return f"((T){value.hex()})"


def known(node: Node) -> str:
    """A known number of any type."""
    return literal(float(node.detail)) if np.dtype(node.dtype).kind == "f" else str(int(node.detail))


def scalar_expression(node: Node, args: list[str], real: np.dtype) -> str:
    """A node as an expression of its arguments' names."""
    if node.op == "select_n" and len(args) == 3 and np.dtype(node.args[0].dtype).kind == "b":
        mask, no, yes = args
        return f"{mask} ? {yes} : {no}"
    if node.op == "clamp":
        low, x, high = args
        return f"({x} < {low} ? {low} : {x} > {high} ? {high} : {x})"  # fmin and fmax would lose a NaN
    if node.op == "convert_element_type":
        target = np.dtype(node.dtype)
        return f"{args[0]} != 0" if target.kind == "b" else f"({c_type(target, real)})({args[0]})"
    return expression(node, args, _OPERATIONS)


def function(name: str, program: Program, parameters: int) -> str:
    """``program`` in double precision as ``static void name(const double *p, const double *x, double *out)``.

    Args:
        name: of the function.
        program: what it computes.
        parameters: how many of the program's inputs are read from ``p``; the rest are read from ``x``.

    Raises:
        NotWritable: for an operation or a type that has no text here.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from diracgan.tracing.scalar_program import trace
        >>> with jax.enable_x64(True):
        ...     program = trace(lambda a, x: a * x, jnp.ones(()), jnp.ones(()))
        >>> print(function("f", program, 1))
        static void f(const double *p, const double *x, double *out) {
        const T n0 = p[0];
        const T n1 = x[0];
        const T n2 = n0 * n1;
        out[0] = n2;
        }
    """
    names = _names(program)

    def given(k: int) -> str:
        return f"p[{k}]" if k < parameters else f"x[{k - parameters}]"

    lines = [*_tables(program, names), *_values(program, names, given, frozenset(), wide=False)]
    lines += [f"out[{i}] = {_read(n, names)};" for i, n in enumerate(program.outputs)]
    return "\n".join([f"static void {name}(const double *p, const double *x, double *out) {{", *lines, "}"])


def derivative(name: str, program: Program, parameters: int) -> str:
    """A value and its derivative along a way, for many ways at once: what does not depend on the way is computed once.

    The function is ``static void name(const double *p, const double *x, const Loose *ways, double *out, Loose
    *along)``: of each entry the ways, and what comes of them, stand in ``BLOCKS`` vectors ``V`` side by side, which as
    ``Loose`` are aligned as numbers are.

    Args:
        name: of the function.
        program: of (what is read from ``p``, x, a way) -> (a value, its derivative).
        parameters: how many of the program's inputs are read from ``p``.

    Raises:
        NotWritable: for an operation or a type that has no text here, or what is not linear in the way.
    """
    names, first = _names(program), parameters + (program.inputs - parameters) // 2
    wide: set[Node] = set()
    for n in program.order:
        if (n.op == "input" and n.detail >= first) or any(a in wide for a in n.args):
            wide.add(n)

    def given(k: int) -> str:
        if k >= first:
            return f"ways[{k - first} * BLOCKS + b]"
        return f"p[{k}]" if k < parameters else f"x[{k - parameters}]"

    half = len(program.outputs) // 2
    if any(n in wide for n in program.outputs[:half]):
        raise NotWritable("a value that depends on the way")
    lines = [*_tables(program, names), *_values(program, names, given, wide, wide=False)]
    lines += [f"out[{i}] = {_read(n, names)};" for i, n in enumerate(program.outputs[:half])]
    lines += ["for (int b = 0; b < BLOCKS; b++) {", *_values(program, names, given, wide, wide=True)]
    lines += [
        f"along[{i} * BLOCKS + b] = {_read(n, names, n in wide)};"
        for i, n in enumerate(program.outputs[half:])
    ]
    head = f"static void {name}(const double *p, const double *x, const Loose *ways, double *out, Loose *along) {{"
    return "\n".join([head, *lines, "}", "}"])


def _names(program: Program) -> dict[Node, str]:
    return {n: f"n{i}" for i, n in enumerate(program.order)}


def _read(node: Node, names: Mapping[Node, str], in_place: bool = True) -> str:
    """A node by its name or its number; where it is not in its place, as a vector that repeats it."""
    text = known(node) if node.known else names[node]
    return text if in_place else f"((V){{0}} + {text})"


def _tables(program: Program, names: Mapping[Node, str]) -> list[str]:
    """The numbers that the rows of sums take."""
    return [
        f"static const T {names[n]}_of[] = {{{', '.join(literal(float(x)) for x in n.detail)}}};"
        for n in program.order
        if n.op == "row"
    ]


def _values(
    program: Program,
    names: Mapping[Node, str],
    given: Callable[[int], str],
    ways: Collection[Node],
    wide: bool,
) -> list[str]:
    """The lines that compute the nodes which depend on the ways, or those which do not, from what stands before."""
    twins = _twins(program)

    def value(node: Node) -> str:
        if node.op == "input":
            return given(node.detail)
        if node.op == "row":
            return f"{names[node]}_of[row]"
        if node in twins:
            other = twins[node]
            same = f"{_read(node.args[1], names)} == {_read(other.args[1], names)}"
            return f"{same} ? {names[other]} : {scalar_expression(node, [_read(a, names) for a in node.args], _REAL)}"
        if node not in ways:
            return scalar_expression(node, [_read(a, names) for a in node.args], _REAL)
        if node.op not in _LINEAR or (node.op == "select_n" and node.args[0] in ways):
            raise NotWritable(f"{node.op} of a way")
        if node.op == "select_n":
            chosen = [_read(a, names, k == 0 or a in ways) for k, a in enumerate(node.args)]
            return scalar_expression(node, chosen, _REAL)
        return expression(node, [_read(a, names) for a in node.args], ARITHMETIC)

    def kind(node: Node) -> str:
        return "V" if node in ways else c_type(np.dtype(node.dtype), _REAL)

    def line(node: Node) -> str:
        return f"const {kind(node)} {names[node]} = {value(node)};"

    lines = []
    for level in _levels(program):
        chosen = [n for n in level if (n in ways) == wide]
        loops: dict[tuple[int, Node | None], list[Node]] = {}
        for n in chosen:
            if n.op == "sum":
                loops.setdefault((n.args[0].rows, _condition(n.args[0])), []).append(n)
        for (rows, condition), sums in loops.items():
            lines += [f"{kind(n)} {names[n]} = {{0}};" for n in sums]
            lines += _loop(sums, rows, condition, names, line)
        lines += [line(n) for n in chosen if n.op != "sum"]
    return lines


def _levels(program: Program) -> list[list[Node]]:
    """The single values by how many sums stand one behind the other before them; each level begins with its sums."""
    depth: dict[Node, int] = {}
    levels: dict[int, list[Node]] = {0: []}
    for node in program.order:
        depth[node] = max((depth[a] for a in node.args), default=0) + (node.op == "sum")
        if not node.rows and not node.known:
            levels.setdefault(depth[node], []).append(node)
    return [levels[k] for k in sorted(levels)]


def _twins(program: Program) -> dict[Node, Node]:
    """Powers with a counted exponent -> the first one of the same base: counts of several players are often equal."""
    first: dict[Node, Node] = {}
    twins = {}
    for node in itertools.chain.from_iterable(_levels(program)):  # as they are written
        if node.op == "pow" and np.dtype(node.args[1].dtype).kind == "i":
            other = first.setdefault(node.args[0], node)
            if other is not node:
                twins[node] = other
    return twins


def _condition(term: Node) -> Node | None:
    """What has to hold for a row to count, where its term is 0 otherwise."""
    chosen = term.op == "select_n" and len(term.args) == 3 and np.dtype(term.args[0].dtype).kind == "b"
    return term.args[0] if chosen and term.args[1].known and term.args[1].detail == 0 else None


def _loop(
    sums: list[Node],
    rows: int,
    condition: Node | None,
    names: Mapping[Node, str],
    line: Callable[[Node], str],
) -> list[str]:
    """The lines that add up several terms over the same rows, those left out where the condition does not hold."""
    terms, asked = _rowwise(n.args[0] for n in sums), _rowwise([condition] if condition else [])
    return [
        f"for (int row = 0; row < {rows}; row++) {{",
        *(line(n) for n in names if n in asked),
        *([f"if (!{names[condition]}) continue;"] if condition else []),
        *(line(n) for n in names if n in terms and n not in asked),
        *(f"{names[n]} += {names[n.args[0]]};" for n in sums),
        "}",
    ]


def _rowwise(ends: Iterable[Node]) -> set[Node]:
    """The nodes with a value for each row that some of them are computed from, those included."""
    found: set[Node] = set()
    rest = list(ends)
    while rest:
        node = rest.pop()
        if node.rows and node not in found:
            found.add(node)
            rest += node.args
    return found
