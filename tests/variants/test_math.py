"""What losses are written with, in value and derivatives where they could go wrong."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.variants import _math


@pytest.fixture(autouse=True)
def doubles():
    with jax.enable_x64(True):
        yield


def test_a_quotient_by_zero_is_zero_and_flat():
    assert float(_math.quotient(3.0, jnp.array(0.0))) == 0.0
    assert float(_math.quotient(3.0, jnp.array(-2.0))) == -1.5
    assert float(jax.grad(_math.quotient, 1)(3.0, 0.0)) == 0.0
    assert float(jax.grad(_math.quotient, 1)(3.0, 2.0)) == -0.75


def test_roots_and_norms_are_flat_at_zero():
    for fn, x, slope in ((_math.root, 0.0, 0.0), (_math.root, 0.25, 1.0)):
        assert float(jax.grad(fn)(x)) == slope
    np.testing.assert_array_equal(jax.grad(_math.norm)(jnp.zeros(3)), np.zeros(3))
    np.testing.assert_allclose(jax.grad(_math.norm)(jnp.array([3.0, -4.0])), [0.6, -0.8], rtol=1e-15)


@pytest.mark.parametrize("x", [-800.0, -2.0, 0.0, 0.7, 800.0])
def test_softplus_and_its_kin(x):
    plus = np.logaddexp(x, 0.0)
    assert float(_math.softplus(x)) == pytest.approx(plus, rel=1e-15)
    assert float(jax.grad(_math.softplus)(x)) == pytest.approx(1 / (1 + np.exp(-x)), rel=1e-14)
    assert float(_math.minus_log_sigmoid(x)) == pytest.approx(np.logaddexp(-x, 0.0), abs=1e-15)
    assert float(_math.cross_entropy(x, 0.3)) == pytest.approx(plus - 0.3 * x, rel=1e-14)


@pytest.mark.parametrize(("a", "slope"), [(0.5, 0.0), (1.0, 1.0), (1.5, 0.0), (2.0, 0.0)])
def test_a_power_has_all_its_derivatives_at_zero(a, slope):
    # of x^a at 0 from the right; that of a root is infinite, and 0 here
    assert float(_math.power(jnp.array(0.0), a)) == 0.0
    assert float(jax.grad(_math.power)(0.0, a)) == slope
    x = 0.7
    for which, there in ((0, a * x ** (a - 1)), (1, x**a * np.log(x))):
        assert float(jax.grad(_math.power, which)(x, a)) == pytest.approx(there, rel=1e-12)
    assert float(_math.power(jnp.array(0.0), 0.0)) == 1.0
