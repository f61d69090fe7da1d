"""The first Lyapunov coefficient against fields in polar form."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.numerics.normal_form import lyapunov_coefficient


@pytest.mark.parametrize(("omega", "l"), [(1.0, -0.3), (2.0, 0.7), (0.5, 0.0)])
def test_the_hopf_normal_form(omega: float, l: float):  # noqa: E741
    # r' = l r^3, angle' = omega; in the coefficient's amplitude |z| = sqrt(2) rho, so that rho' = 2 l rho^3
    def field(z):
        r2 = jnp.sum(z**2)
        return jnp.array([-omega * z[1], omega * z[0]]) + l * r2 * z

    with jax.enable_x64(True):
        found = lyapunov_coefficient(field, np.zeros(2))
    assert found == pytest.approx(2 * l / omega, abs=1e-12)


def test_what_does_not_turn_has_none():
    with jax.enable_x64(True):
        assert lyapunov_coefficient(lambda z: -z, np.zeros(2)) is None
