"""What the writers of C and of JavaScript have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .nodes import Node

HIGHEST_POWER = 16  # an integer power up to here is written as a product


class NotWritable(Exception):
    """The program has something that cannot be written in the language; the message names it."""


#: Operation -> how it is written in any language of C's family.
ARITHMETIC = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{} * {}",
    "div": "{} / {}",
    "neg": "-{}",
    "square": "{0} * {0}",
    "lt": "{} < {}",
    "le": "{} <= {}",
    "gt": "{} > {}",
    "ge": "{} >= {}",
    "stop_gradient": "{}",
    "copy": "{}",
}


def expression(node: Node, args: Sequence[str], table: Mapping[str, str]) -> str:
    """A node as an expression of its arguments' expressions, which need no brackets.

    Args:
        node: the operation.
        args: its arguments, as text.
        table: operation -> a format string with one place for each argument.

    Raises:
        NotWritable: for an operation that the table does not have.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from diracgan.tracing.scalar_program import trace
        >>> program = trace(lambda x: x**3, jnp.zeros(()))
        >>> expression(program.outputs[0], ["x"], ARITHMETIC)
        'x * x * x'
    """
    if node.op == "integer_pow":
        power = node.detail["y"]
        if not 0 < abs(power) <= HIGHEST_POWER:
            raise NotWritable("a high power")
        product = " * ".join([args[0]] * abs(power))
        return product if power > 0 else f"1 / ({product})"
    if node.op not in table:
        raise NotWritable(node.op)
    return table[node.op].format(*args)
