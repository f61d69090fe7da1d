"""Means over a Gaussian number, and their derivatives, against closed forms."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm
from selection import slow_but

from diracgan.numerics.gaussian_mean import gaussian_mean


def absolute(u, side, constants):
    return jnp.sum(jnp.abs(u) if side is None else u * side)


@pytest.mark.parametrize("by", slow_but([jax.jacfwd, jax.jacrev], jax.jacfwd))
def test_a_kink_that_is_nowhere_adds_nothing_to_any_derivative(by):
    # E |m + s e| has the slope 2 Phi(m/s) - 1 and the second derivative 2 phi(m/s)/s
    with jax.enable_x64(True):
        mean, spread, none = jnp.array([0.3]), jnp.array([0.8]), jnp.zeros(0)
        kinks, sides = jnp.array([0.0, jnp.inf]), jnp.array([[-1.0], [1.0], [1.0]])
        slope = jax.grad(lambda m: gaussian_mean(absolute, m, spread, kinks, sides, none))
        found = [jax.jit(slope)(mean)[0], jax.jit(by(slope))(mean)[0, 0]]
    z = 0.3 / 0.8
    np.testing.assert_allclose(found, [2 * norm.cdf(z) - 1, 2 * norm.pdf(z) / 0.8], rtol=1e-11)
