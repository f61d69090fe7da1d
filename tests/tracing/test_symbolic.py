"""Formulas read off the scalar program: against SymPy's own, typed here."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from diracgan.tracing.symbolic import NoFormula, exact, formulas, functions

X, Y = sp.symbols("x y", real=True)
SIGMA, SOFTPLUS = functions()


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
    "special functions": (lambda x, y: jax.scipy.special.erf(x) + jnp.arctanh(y), sp.erf(X) + sp.atanh(Y)),
    "a third": (lambda x, y: x / 3 + y * jnp.log(2.0), X / 3 + Y * sp.log(2)),
    "an equality is taken as not equal": (lambda x, y: jnp.where(x == 0, 7.0, x * y), X * Y),
}


@pytest.mark.parametrize("name", list(CASES))
def test_formula(name):
    fn, want = CASES[name]
    got = formula(fn, X, Y)
    assert sp.simplify(got - want) == 0 or sp.simplify(sp.piecewise_fold(got - want)) == 0


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
