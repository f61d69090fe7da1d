"""Lyapunov exponents of maps whose exponents are known."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.numerics.lyapunov import exponents, stretching


def run(step, start, steps, kept=1):
    with jax.enable_x64(True):
        compiled = jax.jit(lambda x: stretching(step, x, steps, kept))
        onto = compiled(jnp.asarray(start, float))[0]
        return exponents(np.asarray(compiled(onto)[1]))


def test_the_logistic_map_at_four_has_the_exponent_log_two():
    found = run(lambda x: 4.0 * x * (1.0 - x), [0.2137], 20_000)
    assert found.values[0] == pytest.approx(np.log(2), abs=max(3 * found.errors[0], 1e-3))
    assert 0 < found.errors[0] < 0.02


def test_a_stable_two_cycle_of_the_logistic_map_has_its_multiplier():
    # at r = 3.2 the two-cycle has the multiplier 4 + 2 r - r^2 = 0.16, over two steps
    found = run(lambda x: 3.2 * x * (1.0 - x), [0.3], 2000)
    assert found.values[0] == pytest.approx(0.5 * np.log(0.16), abs=1e-9)


def test_henon_has_its_known_exponent_and_contracts_areas_by_its_determinant():
    # Henon a = 1.4, b = 0.3: 0.419 (Grassberger et al. 1985); the sum of both is log 0.3 exactly
    def henon(z):
        return jnp.array([1.0 - 1.4 * z[0] ** 2 + z[1], 0.3 * z[0]])

    found = run(henon, [0.1, 0.1], 1000, kept=40)
    assert found.values[0] == pytest.approx(0.419, abs=0.008)
    assert found.values.sum() == pytest.approx(np.log(0.3), abs=1e-9)
    assert found.dimension == pytest.approx(1 + 0.419 / 1.623, abs=0.01)


def test_a_rotation_of_the_circle_neither_stretches_nor_shrinks():
    # x + 0.3 + (0.5/2 pi) sin 2 pi x turns with an irrational number: exponent 0, a circle has the dimension 1
    def circle(z):
        return z + 0.3 + 0.5 / (2 * jnp.pi) * jnp.sin(2 * jnp.pi * z)

    found = run(circle, [0.1], 20_000)
    assert abs(found.values[0]) <= 3 * found.errors[0] + 1e-4


def test_the_standard_map_stretches_as_chirikov_says_and_keeps_areas():
    # exponent log(K/2) for large K (Chirikov 1979); the two sum to log det = 0
    def standard(z):
        p = z[1] + 10.0 * jnp.sin(z[0])
        return jnp.array([z[0] + p, p]) % (2 * jnp.pi)

    found = run(standard, [1.0, 0.3], 1000, kept=40)
    assert found.values[0] == pytest.approx(np.log(5.0), rel=0.03)
    assert found.values.sum() == pytest.approx(0.0, abs=1e-9)
