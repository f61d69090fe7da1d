"""Scalar nodes: what is the same is one node, what is neutral goes, and the value is that of the operation."""

from __future__ import annotations

import math

import jax
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from diracgan.tracing import jaxpr
from diracgan.tracing.nodes import Nodes, by_numpy
from diracgan.tracing.scalar_program import Program

F = np.dtype("float64")


@pytest.fixture
def nodes():
    return Nodes()


def inputs(nodes, count=2):
    return [nodes.new("input", (), F, k) for k in range(count)]


def apply(nodes, name, *args, **settings):
    return nodes.apply(jaxpr.primitive(name), settings, args, F)


def test_neutral_and_vanishing_operands_go(nodes):
    x, _ = inputs(nodes)
    zero, one, minus = (nodes.number(v, F) for v in (0, 1, -1))
    for pair in ((x, one), (one, x)):
        assert apply(nodes, "mul", *pair) is x
    for pair in ((x, zero), (zero, x)):
        assert apply(nodes, "mul", *pair) is zero
        assert apply(nodes, "add", *pair) is x
    for pair in ((x, minus), (minus, x)):
        assert apply(nodes, "mul", *pair) is apply(nodes, "neg", x)
    assert apply(nodes, "sub", x, zero) is x
    assert apply(nodes, "sub", zero, x) is apply(nodes, "neg", x)
    assert apply(nodes, "div", x, one) is x


def test_signs_move_outwards(nodes):
    x, y = inputs(nodes)
    minus_y = apply(nodes, "neg", y)
    product = apply(nodes, "mul", x, y)
    assert apply(nodes, "neg", minus_y) is y
    for pair in ((x, minus_y), (minus_y, x)):
        assert apply(nodes, "mul", *pair) is apply(nodes, "neg", product)
        assert apply(nodes, "add", *pair) is apply(nodes, "sub", x, y)
    assert apply(nodes, "sub", x, minus_y) is apply(nodes, "add", x, y)
    assert apply(nodes, "neg", apply(nodes, "sub", x, y)) is apply(nodes, "sub", y, x)
    doubled = apply(nodes, "mul", nodes.number(2, F), x)
    assert apply(nodes, "neg", doubled) is apply(nodes, "mul", nodes.number(-2, F), x)


def test_a_quotient_by_a_number_is_a_product_where_the_inverse_is_a_number(nodes):
    x, _ = inputs(nodes)
    quarter = apply(nodes, "div", x, nodes.number(4, F))
    assert quarter is apply(nodes, "mul", x, nodes.number(0.25, F))
    for awkward in (0.0, math.inf, 5e-324):  # whose inverses are inf, 0 and inf
        assert apply(nodes, "div", x, nodes.number(awkward, F)).op == "div"


def test_choices_that_are_none(nodes):
    x, y = inputs(nodes)
    yes, no = (nodes.number(v, np.bool_) for v in (True, False))
    assert apply(nodes, "select_n", yes, x, y) is y
    assert apply(nodes, "select_n", no, x, y) is x
    open_ = nodes.apply("ge", {}, [x, y], np.bool_)
    assert apply(nodes, "select_n", open_, x, x) is x
    assert apply(nodes, "select_n", open_, x, y).op == "select_n"


def test_what_changes_nothing_is_nothing(nodes):
    x, _ = inputs(nodes)
    assert apply(nodes, "copy", x) is x
    assert apply(nodes, "convert_element_type", x, new_dtype=F) is x
    narrow = nodes.apply(jaxpr.primitive("convert_element_type"), {"new_dtype": np.float32}, [x], np.float32)
    assert narrow is not x
    assert apply(nodes, "integer_pow", x, y=2) is apply(nodes, "mul", x, x)
    assert apply(nodes, "integer_pow", x, y=3).op == "integer_pow"


def test_powers_up_to_two_are_products(nodes):
    x, _ = inputs(nodes)
    none, once, twice = (apply(nodes, "integer_pow", x, y=y) for y in (0, 1, 2))
    assert none is nodes.number(1, F) and once is x and twice is apply(nodes, "mul", x, x)


def test_the_same_operation_is_one_node(nodes):
    x, y = inputs(nodes)
    for name in ("add", "mul", "max", "min"):
        assert apply(nodes, name, x, y) is apply(nodes, name, y, x)
    assert apply(nodes, "sub", x, y) is not apply(nodes, "sub", y, x)
    assert apply(nodes, "integer_pow", x, y=3) is not apply(nodes, "integer_pow", x, y=4)
    assert nodes.function("softplus", [x], F) is nodes.function("softplus", [x], F)


def test_numbers_are_told_apart_by_their_bytes(nodes):
    assert nodes.number(0.0, F) is not nodes.number(-0.0, F)
    assert nodes.number(math.nan, F) is nodes.number(math.nan, F)
    assert nodes.number(1, F) is not nodes.number(1, np.float32)


def test_known_numbers_fold(nodes):
    two, three = nodes.number(2.0, F), nodes.number(3.0, F)
    assert apply(nodes, "mul", two, three).detail == 6.0
    assert apply(nodes, "div", two, three).detail == 2.0 / 3.0
    assert apply(nodes, "integer_pow", three, y=-1).detail == 1.0 / 3.0
    with jax.enable_x64(True):  # what NumPy has not, by JAX
        assert apply(nodes, "erf", two).detail == pytest.approx(math.erf(2.0), rel=1e-14)
    assert (
        apply(nodes, "log", nodes.number(-1.0, F)).detail != apply(nodes, "log", nodes.number(-1.0, F)).detail
    )


@pytest.mark.skipif(jax.__version_info__ < (0, 11), reason="JAX has had one_minus_square since 0.11")
def test_one_minus_square_keeps_its_digits_near_one(nodes):
    x, _ = inputs(nodes)
    program = Program(2, [apply(nodes, "one_minus_square", x)], [()], None)
    assert not program.on_arrays
    near = 1 - 2.0**-50  # 1 - x^2 = 2^-49 - 2^-100, of which 1 - fl(x^2) has no digit right beyond the first
    assert float(program.on_host([near, 0.0])[0]) == pytest.approx(2.0**-49, rel=1e-14)
    assert float(program.on_host([0.5, 0.0])[0]) == 0.75


BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


@given(st.data())
@settings(max_examples=200)
def test_random_expressions_keep_their_value(data):
    # built once by NumPy and once by nodes; what simplification may change is the order of roundings alone
    nodes = Nodes()
    x, y = inputs(nodes)
    at = data.draw(st.tuples(*[st.floats(-3, 3, allow_subnormal=False)] * 2))
    pool = [(x, at[0]), (y, at[1])]
    pool += [(nodes.number(v, F), v) for v in (0.0, 1.0, -1.0, 2.0)]
    for _ in range(data.draw(st.integers(1, 8))):
        (a, u), (b, v) = (data.draw(st.sampled_from(pool)) for _ in range(2))
        name = data.draw(st.sampled_from([*BINARY, "neg"]))
        if name == "neg":
            pool.append((apply(nodes, "neg", a), -u))
        else:
            pool.append((apply(nodes, name, a, b), BINARY[name](u, v)))
    node, value = pool[-1]
    program = Program(2, [node], [()], None)
    np.testing.assert_allclose(program.on_host(at)[0], value, rtol=1e-12, atol=1e-9)


def test_numpy_says_where_it_has_no_operation():
    assert by_numpy("erf", {}, F, [np.float64(1.0)]) is None
    assert by_numpy("select_n", {}, F, [True, 1.0, 2.0]) == 2.0
    assert by_numpy("integer_pow", {"y": 3}, F, [2.0]) == 8.0
    assert by_numpy("convert_element_type", {}, np.dtype("int32"), [2.7]) == 2
