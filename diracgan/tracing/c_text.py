"""A scalar program written as a C function on single numbers."""

from __future__ import annotations

import numpy as np

from .nodes import Node
from .scalar_program import Program
from .source_text import ARITHMETIC, NotWritable, expression

FUNCTIONS = ("log", "log1p", "expm1", "sin", "cos", "floor", "ceil", "erf", "erfc", "atan")
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
    real, names = np.dtype(float), {n: f"n{i}" for i, n in enumerate(program.order)}

    def read(node: Node) -> str:
        return known(node) if node.known else names[node]

    def value(node: Node) -> str:
        if node.op == "input":
            k = node.detail
            return f"p[{k}]" if k < parameters else f"x[{k - parameters}]"
        return scalar_expression(node, [read(a) for a in node.args], real)

    lines = [
        f"const {c_type(np.dtype(n.dtype), real)} {names[n]} = {value(n)};"
        for n in program.order
        if not n.known
    ]
    lines += [f"out[{i}] = {read(n)};" for i, n in enumerate(program.outputs)]
    head = f"static void {name}(const double *p, const double *x, double *out) {{"
    return "\n".join([head, *lines, "}"])
