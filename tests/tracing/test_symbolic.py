"""Formulas read off the scalar program: against SymPy's own, typed here."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from diracgan.tracing.symbolic import NoFormula, formulas, functions

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
