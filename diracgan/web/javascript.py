"""A scalar program written out as JavaScript, as :mod:`diracgan.ensemble.c_backend` writes it out as C."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ..tracing.scalar_program import Node, Program
from ..tracing.source_text import ARITHMETIC, NotWritable, expression

_MATH = "abs sign sqrt exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh floor ceil cbrt"
_SPECIAL = "erf erfc lgamma digamma"  # of assets/special.js
OPERATIONS = {
    **ARITHMETIC,
    **{name: f"Math.{name}({{}})" for name in _MATH.split()},
    **{name: f"{name}({{}})" for name in _SPECIAL.split()},
    "erf_inv": "erfInv({})",
    "polygamma": "polygamma({}, {})",
    "max": "Math.max({}, {})",
    "min": "Math.min({}, {})",
    "pow": "Math.pow({}, {})",
    "exp2": "Math.pow(2, {})",
    "atan2": "Math.atan2({}, {})",
    "rem": "{} % {}",
    "rsqrt": "1 / Math.sqrt({})",
    "logistic": "1 / (1 + Math.exp(-{}))",
    "clamp": "Math.min(Math.max({1}, {0}), {2})",
    "select_n": "{0} ? {2} : {1}",
    "is_finite": "Number.isFinite({})",
    "eq": "{} === {}",
    "ne": "{} !== {}",
    "and": "{} && {}",
    "or": "{} || {}",
    "xor": "{} !== {}",
    "not": "!{}",
}


def number(value: Any) -> str:
    """A known number; negative ones in brackets.

    Example:
        >>> number(0.1), number(-2.0), number(True), number(float("inf"))
        ('0.1', '(-2)', 'true', 'Infinity')
    """
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    x = float(value)
    if x != x:
        return "NaN"
    if x in (float("inf"), -float("inf")):
        return "Infinity" if x > 0 else "(-Infinity)"
    text = re.sub(r"\.0$", "", repr(x))
    return f"({text})" if text.startswith("-") else text


def body(program: Program, inputs: Sequence[str], *, result: str = "o") -> str:
    """The statements that compute ``program`` and put its outputs into the array ``result``.

    What stands in place of a function kept by its name (``keep`` of :func:`~diracgan.tracing.scalar_program.trace`) is
    read from a call: ``velocity_2`` of some arguments is entry 2 of what ``velocity(..., p, f)`` leaves in ``f``.

    Args:
        program: what is computed, in double precision.
        inputs: an expression for each scalar input.
        result: the array that is written to.

    Raises:
        NotWritable: for an operation that JavaScript does not have.

    Example:
        >>> import jax.numpy as jnp
        >>> from diracgan.tracing.scalar_program import trace
        >>> body(trace(lambda x: jnp.tanh(x) * x, jnp.zeros(())), ["z[0]"])
        'const a0=z[0];const a1=Math.tanh(a0);const a2=a0 * a1;o[0]=a2;'
    """
    lines: list[str] = []
    called: dict[tuple[str, ...], str] = {}

    def named(text: str) -> str:
        lines.append(f"const a{len(lines)}={text};")
        return f"a{len(lines) - 1}"

    def operation(node: Node, args: list[str]) -> str:
        if node.op in ("arrays", "entry"):
            raise NotWritable(f"{(node.args[0] if node.op == 'entry' else node).detail.name} on arrays")
        if node.op in ("row", "sum"):
            raise NotWritable("a long sum")
        if node.primitive is None:
            return _entry(node.op, args)
        if node.op == "convert_element_type":
            return named(_converted(node, args[0]))
        if node.op == "round":
            return named(_rounded(node, args[0]))
        if node.op == "select_n" and (len(args) != 3 or np.dtype(node.args[0].dtype).kind != "b"):
            raise NotWritable("a choice between more than two")
        return named(expression(node, args, OPERATIONS))

    def _entry(name: str, args: list[str]) -> str:
        function, _, entry = name.rpartition("_")
        key = (function, *args)
        if key not in called:
            lines.append(f"{function}({','.join(args)},p,f);")
            called[key] = f"c{len(called)}_"
            lines.append(f"const {','.join(f'{called[key]}{k}=f[{k}]' for k in range(len(args)))};")
        return f"{called[key]}{entry}"

    used = {int(n.detail): named(inputs[int(n.detail)]) for n in program.order if n.op == "input"}
    values = [used.get(k, "") for k in range(program.inputs)]
    outs = program.evaluate(values, operation, number)
    kinds = [np.dtype(n.dtype).kind for n in program.outputs]
    lines += [
        f"{result}[{k}]={'+' if kind == 'b' else ''}{x};"
        for k, (x, kind) in enumerate(zip(outs, kinds, strict=True))
    ]
    return "".join(lines)


def _rounded(node: Node, x: str) -> str:
    """To the nearest whole number, of two as near to the even one: 1.5 * 2^52 has no digits behind the point."""
    if node.detail["rounding_method"] == jax.lax.RoundingMethod.TO_NEAREST_EVEN:
        return f"Math.abs({x}) < 2251799813685248 ? {x} + 6755399441055744 - 6755399441055744 : {x}"
    return f"Math.sign({x}) * Math.floor(Math.abs({x}) + 0.5)"


def _converted(node: Node, x: str) -> str:
    source, target = (np.dtype(n.dtype).kind for n in (node.args[0], node))
    if target == "b":
        return f"{x} !== 0"
    if source == "b":
        return f"+{x}"
    return f"Math.trunc({x})" if target in "iu" and source == "f" else x
