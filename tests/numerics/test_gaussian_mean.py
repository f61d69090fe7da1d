"""Means over a Gaussian number, and their derivatives, against closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from diracgan.numerics.gaussian_mean import gaussian_mean


def absolute(u, side, constants):
    return jnp.sum(jnp.abs(u) if side is None else u * side)


def test_a_kink_that_is_nowhere_adds_nothing_to_the_mean_or_its_slope():
    # E |m + s e| = m (2 Phi(m/s) - 1) + 2 s phi(m/s)
    with jax.enable_x64(True):
        mean, spread, none = jnp.array([0.3]), jnp.array([0.8]), jnp.zeros(0)
        kinks, sides = jnp.array([0.0, jnp.inf]), jnp.array([[-1.0], [1.0], [1.0]])
        value, slope = jax.jit(
            jax.value_and_grad(lambda m: gaussian_mean(absolute, m, spread, kinks, sides, none))
        )(mean)
    z = 0.3 / 0.8
    assert float(value) == pytest.approx(0.3 * (2 * norm.cdf(z) - 1) + 1.6 * norm.pdf(z), rel=1e-11)
    assert float(slope[0]) == pytest.approx(2 * norm.cdf(z) - 1, rel=1e-11)


@pytest.mark.slow  # second derivatives through kinks: the mean over noise of relu in variants/test_modifiers.py
@pytest.mark.parametrize("by", [jax.jacfwd, jax.jacrev])
def test_a_kink_that_is_nowhere_adds_nothing_to_any_derivative(by):
    # E |m + s e| has the slope 2 Phi(m/s) - 1 and the second derivative 2 phi(m/s)/s
    with jax.enable_x64(True):
        mean, spread, none = jnp.array([0.3]), jnp.array([0.8]), jnp.zeros(0)
        kinks, sides = jnp.array([0.0, jnp.inf]), jnp.array([[-1.0], [1.0], [1.0]])
        slope = jax.grad(lambda m: gaussian_mean(absolute, m, spread, kinks, sides, none))
        found = [jax.jit(slope)(mean)[0], jax.jit(by(slope))(mean)[0, 0]]
    z = 0.3 / 0.8
    np.testing.assert_allclose(found, [2 * norm.cdf(z) - 1, 2 * norm.pdf(z) / 0.8], rtol=1e-11)
