"""Formulas read off the scalar program: against SymPy's own, typed here."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp
from jax import lax
from scipy.special import expit

from diracgan.tracing.symbolic import NoFormula, exact, formulas, functions, released, stopped
from diracgan.variants._math import power, root

X, Y = sp.symbols("x y", real=True)
SIGMA, SOFTPLUS = functions()
SG = stopped()


def formula(fn, *symbols):
    with jax.enable_x64(True):
        return formulas(fn, *symbols)[0].item()


CASES = {
    "a loop": (lambda x, y: jax.lax.fori_loop(0, 3, lambda i, z: z * y + i, x), ((X * Y) * Y + 1) * Y + 2),
    "a scan": (lambda x, y: jax.lax.scan(lambda c, r: (c + r * x, r), y, jnp.arange(3.0))[0], Y + 3 * X),
    "a branch": (
        lambda x, y: jax.lax.cond(x > y, lambda z: 2 * z, lambda z: z - 1, x),
        sp.Piecewise((2 * X, X > Y), (X - 1, True)),
    ),
    "a condition as a number": (
        lambda x, y: (x > 0) * y,
        Y * sp.Piecewise((1, X > 0), (0, True)),
    ),
    "remat": (lambda x, y: jax.checkpoint(lambda z: jnp.sin(z) ** 2)(x) + y, sp.sin(X) ** 2 + Y),
    "clip": (lambda x, y: jnp.clip(x, -1.0, 2.0) + y, sp.Min(sp.Max(X, -1), 2) + Y),
    "a library function by its name": (
        lambda x, y: jax.nn.softplus(x) + jax.nn.sigmoid(y),
        SOFTPLUS(X) + SIGMA(Y),
    ),
    "log of a sum": (lambda x, y: jnp.logaddexp(x, y), SOFTPLUS(X - Y) + Y),
    "a derivative of tanh": (lambda x, y: jax.grad(lambda z: jnp.tanh(z) * y)(x), Y * (1 - sp.tanh(X) ** 2)),
    # softplus' = sigma, a name that the derivative bears too
    "a derivative of softplus": (lambda x, y: jax.grad(jax.nn.softplus)(x) * y, Y * sp.exp(X - SOFTPLUS(X))),
    "a stopped value": (
        lambda x, y: x * lax.stop_gradient(x * y) + lax.stop_gradient(2.0),
        X * SG(X * Y) + 2,
    ),
    "special functions": (lambda x, y: jax.scipy.special.erf(x) + jnp.arctanh(y), sp.erf(X) + sp.atanh(Y)),
    "a third": (lambda x, y: x / 3 + y * jnp.log(2.0), X / 3 + Y * sp.log(2)),
    "an equality is taken as not equal": (lambda x, y: jnp.where(x == 0, 7.0, x * y), X * Y),
}


@pytest.mark.parametrize("name", list(CASES))
def test_formula(name):
    fn, want = CASES[name]
    got = formula(fn, X, Y)
    assert sp.simplify(got - want) == 0 or sp.simplify(sp.piecewise_fold(got - want)) == 0
    for x, y in ((0.6, 0.3), (-0.4, 0.7)):  # both sides of every branch
        assert as_number(got, x, y) == pytest.approx(float(fn(x, y)), rel=1e-6)


def as_number(expression, x, y):
    """An expression's value, with sigma and softplus written out."""
    plain = expression.replace(SIGMA, lambda s: 1 / (1 + sp.exp(-s)))
    return float(plain.replace(SOFTPLUS, lambda s: sp.log(1 + sp.exp(s))).subs({X: x, Y: y}))


ONE = [
    *(
        lax.exp,
        lax.log,
        lax.tanh,
        lax.sinh,
        lax.cosh,
        lax.sin,
        lax.cos,
        lax.tan,
        lax.asin,
        lax.acos,
        lax.atan,
    ),
    *(
        lax.asinh,
        lambda x: lax.acosh(1 + x),
        lax.atanh,
        lax.erf,
        lax.erfc,
        lax.erf_inv,
        lax.lgamma,
        lax.digamma,
    ),
    *(
        lax.sqrt,
        lax.rsqrt,
        lax.cbrt,
        lax.sign,
        lax.floor,
        lax.ceil,
        lax.round,
        lambda x: lax.round(3 * x),
        lax.abs,
    ),
    *(lax.neg, lax.exp2, lax.log1p, lax.expm1, lax.square, lax.logistic, lambda x: lax.integer_pow(x, -3)),
    *(jax.nn.relu, lambda x: jax.nn.relu(x - 0.7), jax.nn.log_sigmoid, jax.nn.softplus),
    *(root, lambda x: power(x, 1.5), lambda x: lax.clamp(0.3, x, 0.5)),
]
TWO = [lax.add, lax.sub, lax.mul, lax.div, lax.pow, lax.max, lax.min, lax.atan2, jnp.logaddexp]
TWO += [lambda x, y, c=c: jnp.where(c(x, y), x, 2 * y) for c in (lax.gt, lax.ge, lax.lt, lax.le, lax.ne)]
TWO += [lambda x, y: jnp.where((x > 0.3) & (y > 0.3) | ~(x > 0.1), 2.0, 3.0)]


def test_every_operations_formula_has_its_value():
    def fn(x, y):
        return jnp.stack([*(f(x) for f in ONE), *(f(x, y) for f in TWO)])

    with jax.enable_x64(True):
        made = formulas(fn, X, Y)[0]
        for x, y in ((0.6, 0.25), (0.2, 0.9)):
            found = [as_number(m, x, y) for m in made]
            np.testing.assert_allclose(found, jax.jit(fn)(x, y), rtol=1e-13)


def test_the_named_functions_at_zero_and_their_slopes():
    assert (SIGMA(0), SOFTPLUS(0)) == (sp.Rational(1, 2), sp.log(2))
    assert SIGMA(X).diff(X) == SIGMA(X) * SIGMA(-X) and SOFTPLUS(X).diff(X) == SIGMA(X)
    for f in (SIGMA, SOFTPLUS):
        assert f(X).is_positive and f(X).is_real
        assert sp.sqrt(f(X) ** 2) == f(X)
    assert sp.latex(SIGMA(X) ** 2) == r"\sigma^{2}\left(x\right)"


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (0.3, sp.Rational(3, 10)),
        (1 / 10_000, sp.Rational(1, 10_000)),
        (-2.5 * np.pi, -sp.Rational(5, 2) * sp.pi),
        (np.log(2) / 12, sp.log(2) / 12),
        (7 * np.sqrt(2), 7 * sp.sqrt(2)),
        (np.e, sp.E),
        (np.inf, sp.oo),
        (-np.inf, -sp.oo),
        (True, sp.true),
        (np.bool_(False), sp.false),
    ],
)
def test_a_number_is_known_exactly(value, known):
    assert exact(value) == known


def test_a_number_of_no_short_form_stays_a_float():
    for x in (1 / 10_007, np.log(2) * 5 / 13, np.cos(1.0)):
        assert exact(x).is_Float and float(exact(x)) == x
    assert exact(np.nan) is sp.nan


def test_a_users_function_is_looked_into_whatever_its_name():
    @jax.jit
    def softplus(x):
        return x**3

    assert formula(lambda x: softplus(x), X) == X**3


def test_what_has_no_formula_is_named():
    with pytest.raises(NoFormula, match="'sort'"):
        formula(lambda x: jnp.sort(x)[0], np.array([X, Y]))
    with pytest.raises(NoFormula, match="complex"):
        formula(lambda x: jnp.real(jnp.exp(1j * x)), X)


@pytest.mark.parametrize("x", [-40.0, -2.0, 0.25, 30.0])
def test_the_logistic_function_and_softplus_have_values_at_numbers(x):
    assert float(SIGMA(sp.Rational(x))) == pytest.approx(expit(x), rel=1e-15)
    assert float(SOFTPLUS(sp.Rational(x))) == pytest.approx(np.logaddexp(x, 0.0), rel=1e-15)


def test_a_stopped_value_has_no_derivative_until_it_is_released():
    product = X * SG(X**2 * SG(X))  # d/dx = sg(x^2 sg(x)) = x^3, whose own derivative is 3 x^2
    assert released(product.diff(X)) == X**3
    assert released(product.diff(X)).diff(X) == 3 * X**2
