"""Scalar operations as text: powers as products up to a limit, the rest by a table."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.tracing import jaxpr
from diracgan.tracing.nodes import Nodes
from diracgan.tracing.source_text import ARITHMETIC, NotWritable, expression

F = np.dtype("float64")


def written(name, *words, table=ARITHMETIC, **settings):
    """``name`` applied to as many inputs as there are words."""
    nodes = Nodes()
    args = [nodes.new("input", (), F, k) for k in range(len(words))]
    return expression(nodes.apply(jaxpr.primitive(name), settings, args, F), list(words), table)


@pytest.mark.parametrize("power", [3, 16, -1, -3, -16])
def test_an_integer_power_is_a_product(power):
    text = written("integer_pow", "x", y=power)
    assert eval(text, {"x": 0.7}) == pytest.approx(0.7**power, rel=1e-14)
    assert text.count("x") == abs(power) and "**" not in text  # a language without powers reads it


@pytest.mark.parametrize("power", [17, -17])
def test_a_high_power_is_refused(power):
    with pytest.raises(NotWritable, match="a high power"):
        written("integer_pow", "x", y=power)


def test_other_operations_are_written_by_the_table():
    assert written("sub", "a", "b") == "a - b"
    assert written("max", "a", "b", table={"max": "fmax({}, {})"}) == "fmax(a, b)"
    with pytest.raises(NotWritable, match="tanh"):
        written("tanh", "x")
