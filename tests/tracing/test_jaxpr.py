"""One reader of JAX's programs: what it says of calls and loops in any version of JAX, and that it is the one."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from jax.extend.core import Primitive
from sources import PACKAGE, modules, nodes

import diracgan
from diracgan.tracing import jaxpr
from diracgan.tracing.jaxpr import Branches, Call, Scan, While, interpret, read
from diracgan.tracing.scalar_program import NotScalarizable, trace
from diracgan.tracing.switching import evaluate, unlocated
from diracgan.tracing.symbolic import NoFormula, formulas


def touches_jaxprs(nodes: Iterable[ast.AST]) -> set[str]:
    """What a module names of the insides of JAX's programs."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            if node.attr in {"eqns", "invars", "outvars", "constvars", "aval", "jaxpr", "make_jaxpr"}:
                found.add(dotted)
            if dotted.startswith(("jax.extend", "jax._src", "jax.interpreters")):
                found.add(dotted)
            if dotted.startswith("jax.core.") and dotted != "jax.core.Tracer":
                found.add(dotted)
            if node.attr == "params" and "ctx" not in dotted:  # the command line's own
                found.add(dotted)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {f"{node.module}.{a.name}" for a in node.names} - {"jax.core.Tracer"}
            private = ("jax.extend", "jax.core", "jax._src", "jax.interpreters")
            found |= {n for n in names if n.startswith(private) or n == "jax.make_jaxpr"}
    return found


@pytest.mark.parametrize(
    "source", ["eqn.params['y']", "from jax.extend.core import Jaxpr", "jax.make_jaxpr(f)"]
)
def test_the_test_below_sees_a_second_reader(source):
    assert touches_jaxprs(ast.walk(ast.parse(source)))


def test_no_other_module_reads_jaxprs():
    found = {
        str(path.relative_to(PACKAGE)): touched
        for path in modules()
        if (touched := touches_jaxprs(nodes(path)))
    }
    assert set(found) == {"tracing/jaxpr.py"}, found


# ------------------------------------------------------------ what an operation consists of


def only(fn, *examples):
    """The one operation of ``fn``."""
    (operation,) = read(fn, *examples)[0].operations
    return operation


@jax.custom_jvp
def with_own_jvp(x):
    return x * jnp.abs(x)


with_own_jvp.defjvp(lambda p, t: (with_own_jvp(*p), 2 * jnp.abs(p[0]) * t[0]))


@jax.custom_vjp
def with_own_vjp(x):
    return x * jnp.abs(x)


with_own_vjp.defvjp(lambda x: (with_own_vjp(x), x), lambda x, g: (2 * jnp.abs(x) * g,))


@pytest.mark.parametrize(
    "call",
    [jax.jit(lambda x: x * jnp.abs(x)), jax.checkpoint(lambda x: x * jnp.abs(x)), with_own_jvp, with_own_vjp],
)
def test_calls_are_seen_through(call):
    operation = only(call, 2.0)
    assert isinstance(operation.structure, Call)
    assert [o.name for o in operation.structure.function.operations] == ["abs", "mul"]
    assert not operation.structure.function.is_library


def test_functions_of_jax_and_of_the_package_are_known_by_name():
    for fn in (jax.nn.softplus, diracgan.variants.softplus):
        called = only(fn, 1.0).structure.function
        assert (called.name, called.is_library) == ("softplus", True)


def test_a_root_that_is_solved_for_is_a_call():
    # x^2 = a by bisection or Newton's steps: on JAX 0.11 a primitive that expands on demand, before that a call
    def root(a):
        return jax.lax.custom_root(
            lambda x: x * x - a,
            jnp.ones(()),
            lambda f, x: jax.lax.fori_loop(0, 6, lambda _, y: y - f(y) / jax.grad(f)(y), x),
            lambda g, y: y / g(jnp.ones(())),
        )

    with jax.enable_x64(True):
        program = trace(root, 2.0)
        assert program.on_arrays == ()
        assert float(program([4.0])[0]) == pytest.approx(2.0, abs=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_says_what_it_carries(reverse):
    def fn(factor, start, rows):
        return jax.lax.scan(lambda c, x: ((c[0] + factor * x, c[1] - 1), c[0]), start, rows, reverse=reverse)

    scan = only(fn, 2.0, (0.5, 3.0), jnp.ones(4)).structure
    assert isinstance(scan, Scan)
    assert (scan.constants, scan.carried, scan.length, scan.reverse) == (1, 2, 4, reverse)
    assert len(scan.function.inputs) == 1 + 2 + 1


def test_a_while_loop_says_what_it_carries():
    loop = only(
        lambda a, b, x: jax.lax.while_loop(lambda c: c[0] < a, lambda c: (c[0] * b, c[1] + a), (x, x)),
        1.0,
        2.0,
        3.0,
    ).structure
    assert isinstance(loop, While)
    assert (loop.condition_constants, loop.constants) == (1, 2)
    assert len(loop.function.inputs) == 2 + 2
    assert len(loop.condition.inputs) == 1 + 2


def test_a_branch_says_its_branches():
    function, _ = read(lambda x: jax.lax.switch(jnp.int32(x), [jnp.sin, jnp.cos, jnp.tan], x), 2.0)
    chosen = function.operations[-1].structure
    assert isinstance(chosen, Branches)
    assert [f.operations[0].name for f in chosen.functions] == ["sin", "cos", "tan"]


def test_the_records_are_not_changed_and_do_not_print_jaxs_own():
    function, _ = read(lambda x: jax.lax.fori_loop(0, 3, lambda i, z: jax.jit(jnp.sin)(z) + 1.0, x), 1.0)
    scan = function.operations[-1]
    inner = scan.structure.function
    call = next(o.structure for o in inner.operations if isinstance(o.structure, Call))
    chosen = read(lambda x: jax.lax.cond(x > 0, jnp.sin, jnp.cos, x), 1.0)[0].operations[-1].structure
    loop = only(lambda x: jax.lax.while_loop(lambda c: c < 9, lambda c: 2 * c, x), 1.0).structure
    known = next(v for o in inner.operations for v in o.inputs if hasattr(v, "value"))
    for record in (function, scan, scan.structure, call, chosen, loop, known, function.inputs[0]):
        field = dataclasses.fields(record)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field, None)
    assert "equation" not in repr(scan)


def test_what_nobody_reads_is_left_out():
    function, _ = read(lambda x: (jnp.sin(x), jnp.cos(x))[0], 1.0)
    assert [o.name for o in function.operations] == ["sin"]


def test_constants_that_are_closed_over_are_there():
    table = np.array([1.0, 2.0, 4.0], np.float32)
    function, _ = read(lambda x: x @ jnp.asarray(table), jnp.ones(3))
    (value,) = interpret(
        function, [np.ones(3, np.float32)], lambda operation, ins: operation(ins), lambda known: known
    )
    assert float(value) == 7.0


def test_interpreting_with_jax_itself_is_the_function():
    def fn(x):
        y = jax.jit(jnp.sort)(x) + jax.checkpoint(jnp.tanh)(x)
        return jax.lax.fori_loop(0, 3, lambda i, z: z * 0.5 + with_own_vjp(y), y).sum()

    x = jnp.array([0.3, -1.2, 0.7])

    def again(x):
        return interpret(read(fn, x)[0], [x], lambda operation, ins: operation(ins), lambda known: known)[0]

    assert float(again(x)) == pytest.approx(float(fn(x)), rel=1e-6)
    # derivatives too, with the functions' own rules
    np.testing.assert_allclose(jax.grad(again)(x), jax.grad(fn)(x), rtol=1e-5)
    np.testing.assert_allclose(jax.jit(jax.vmap(again))(x[None])[0], fn(x), rtol=1e-6)


# ------------------------------------------------------------ what nobody knows

squash_p = Primitive("squash")
squash_p.def_impl(lambda x: np.asarray(x) / (1 + np.abs(x)))


@squash_p.def_abstract_eval
def _shape(x):
    return x


def _register():
    from jax.interpreters import batching, mlir

    mlir.register_lowering(squash_p, mlir.lower_fun(lambda x: x / (1 + jnp.abs(x)), multiple_results=False))
    batching.defvectorized(squash_p)


_register()


def squash(x):
    return squash_p.bind(x)


def test_an_unknown_primitive_runs_on_arrays_and_is_named():
    program = trace(lambda x: 2.0 * squash(x[0]) + x[1], jnp.zeros(2))
    assert program.on_arrays == ("squash",)
    (value,) = program([np.array([1.0, -3.0]), np.array([0.5, 1.0])])
    np.testing.assert_allclose(value, [1.5, -0.5], rtol=1e-6)


def test_an_unknown_primitive_has_no_surface():
    value, surfaces = evaluate(lambda x: squash(x) + jnp.abs(x - 1.0), (jnp.asarray(3.0),))
    assert float(value) == pytest.approx(2.75)
    assert surfaces.tolist() == [2.0]


def test_an_unknown_primitive_has_no_formula_and_is_named():
    with pytest.raises(NoFormula, match="'squash'"):
        formulas(lambda x: squash(x) + 1.0, sp.Symbol("x"))


def test_an_exotic_function_of_a_users_loss_is_named_by_everyone():
    def exotic(x):
        return jax.scipy.special.i0e(x[0]) * x[1]

    program = trace(exotic, jnp.zeros(2))
    assert program.on_arrays == ("bessel_i0e",)
    x = [np.array([0.4, 2.0], np.float32), np.array([1.0, -1.0], np.float32)]
    np.testing.assert_allclose(program(x)[0], np.array(jax.vmap(exotic)(jnp.stack(x, 1))), rtol=1e-6)
    assert evaluate(exotic, (jnp.ones(2),))[1].size == 0
    with pytest.raises(NoFormula, match="'bessel_i0e'"):
        formulas(exotic, np.array(sp.symbols("a b")))


# ---------------------------------------------------------------- a version of JAX that calls a parameter otherwise


@pytest.fixture
def renamed(monkeypatch):
    """Calls one parameter of JAX's operations ``made_up`` from now on."""

    def rename(key):
        live = jaxpr._live

        def changed(inner):
            return [
                e.replace(params={"made_up" if k == key else k: x for k, x in e.params.items()})
                for e in live(inner)
            ]

        monkeypatch.setattr(jaxpr, "_live", changed)

    return rename


@pytest.mark.parametrize(
    ("fn", "key", "name"),
    [
        (lambda x: x[0] ** 3, "y", "integer_pow"),
        (lambda x: jnp.sum(x), "axes", "reduce_sum"),
        (lambda x: jnp.dot(x, x), "dimension_numbers", "dot_general"),
        (lambda x: jax.lax.rev(x, (0,)), "dimensions", "rev"),
        (lambda x: jax.lax.transpose(jnp.stack([x, x]), (1, 0)), "permutation", "transpose"),
    ],
)
def test_a_parameter_by_another_name_is_named_and_the_function_is_not_scalar(renamed, fn, key, name):
    trace(fn, jnp.zeros(2))
    renamed(key)
    with pytest.raises(
        NotScalarizable, match=rf"JAX's {name} has no parameter '{key}' here; it has .*made_up"
    ):
        trace(fn, jnp.zeros(2))


def test_a_formula_without_a_parameter_is_refused_by_its_name(renamed):
    renamed("y")
    with pytest.raises(NoFormula, match="integer_pow has no parameter 'y'"):
        formulas(lambda x: x**3, sp.Symbol("x"))


@pytest.mark.parametrize(
    ("fn", "key", "name"),
    [
        (lambda x: jnp.sum(x**3), "y", "integer_pow"),
        (lambda x: jnp.sum(jnp.sort(x)), "dimension", "sort"),
        (lambda x: jnp.max(x), "axes", "reduce_max"),
        (lambda x: jax.lax.scan(lambda c, r: (c + r, r), 0.0, x)[0], "length", "scan"),
    ],
)
def test_what_may_switch_by_a_parameter_of_another_name_has_no_surface_and_is_named(renamed, fn, key, name):
    assert unlocated(fn, (jnp.zeros(3),)) == ()
    renamed(key)
    assert unlocated(fn, (jnp.zeros(3),)) == (name,)
