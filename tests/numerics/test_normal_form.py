"""The first Lyapunov coefficient against fields in polar form."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.numerics.normal_form import (
    complex_pair,
    derivatives,
    lyapunov_coefficient,
    real_eigenvalue,
)


@pytest.mark.parametrize(("omega", "l"), [(1.0, -0.3), (2.0, 0.7), (0.5, 0.0)])
def test_the_hopf_normal_form(omega: float, l: float):  # noqa: E741
    # r' = l r^3, angle' = omega; in the coefficient's amplitude |z| = sqrt(2) rho, so that rho' = 2 l rho^3
    def field(z):
        r2 = jnp.sum(z**2)
        return jnp.array([-omega * z[1], omega * z[0]]) + l * r2 * z

    with jax.enable_x64(True):
        found = lyapunov_coefficient(derivatives(field, np.zeros(2)))
    assert found == pytest.approx(2 * l / omega, abs=1e-12)


@pytest.mark.filterwarnings("error")
def test_a_jordan_block_has_none():
    # its vector and its adjoint are perpendicular, so that nothing is normalised
    block = np.array([[-1.0, 1.0], [0.0, -1.0]])
    with jax.enable_x64(True):
        found = derivatives(lambda z: block @ z + z**3, np.zeros(2))
        assert real_eigenvalue(found, -1.0, flips=True) is None
        assert real_eigenvalue(found, -1.0, quadratic=True) is None


def test_what_does_not_turn_has_none():
    with jax.enable_x64(True):
        assert lyapunov_coefficient(derivatives(lambda z: -z, np.zeros(2))) is None


def delayed_logistic(a):
    """x+ = a x (1 - y), y+ = x: the fixed point 1 - 1/a turns unstable at a = 2 by a Neimark-Sacker bifurcation."""
    return lambda z: jnp.array([a * z[0] * (1 - z[1]), z[0]])


def test_the_circle_of_the_delayed_logistic_map_is_born_stable_and_as_large_as_iterated_runs_say():
    # the multipliers at a are (1 +- sqrt(5 - 4 a))/2: modulus sqrt(a - 1), angle 60 degrees at a = 2 (Kuznetsov 4.7)
    with jax.enable_x64(True):
        form = complex_pair(
            derivatives(delayed_logistic(2.0), np.array([0.5, 0.5])), np.exp(1j * np.pi / 3), discrete=True
        )
    assert form is not None and form.coefficient < -form.error
    a = 2.001
    z = np.array([1 - 1 / a + 0.01, 1 - 1 / a])
    for _ in range(20_000):
        z = np.array([a * z[0] * (1 - z[1]), z[0]])
    rows = []
    for _ in range(6000):
        z = np.array([a * z[0] * (1 - z[1]), z[0]])
        rows.append(z - (1 - 1 / a))
    seen = np.max(np.linalg.norm(rows, axis=1))
    amplitude = np.sqrt((np.sqrt(a - 1) - 1) / -form.coefficient)
    predicted = 2 * amplitude * np.linalg.norm(np.stack([form.vector.real, form.vector.imag]), 2)
    # the next term of the law grows like the distance from the threshold: 1.4 % here, four times that at a = 2.004
    assert seen == pytest.approx(predicted, rel=0.015)


def test_the_flip_of_the_logistic_map():
    # x+ = r x (1 - x) flips at r = 3, x = 2/3; its two-cycle lies at (r + 1 +- sqrt((r + 1)(r - 3)))/(2 r), so that
    # for small e = r - 3 its amplitude is sqrt(4 e)/6 = sqrt(e)/3, and a^2 = e/c gives c = 9
    with jax.enable_x64(True):
        form = real_eigenvalue(derivatives(lambda x: 3.0 * x * (1 - x), np.array([2 / 3])), -1.0, flips=True)
    assert form is not None and form.coefficient == pytest.approx(9.0, rel=1e-12)


def test_a_pitchfork_feels_the_manifold_that_its_quadratic_terms_bend():
    # x' = x y - x^3, y' = -y + k x^2: on y = k x^2 it is x' = (k - 1) x^3
    for k, wanted in ((0.25, -0.75), (3.0, 2.0)):
        with jax.enable_x64(True):
            field = derivatives(
                lambda z, k=k: jnp.array([z[0] * z[1] - z[0] ** 3, -z[1] + k * z[0] ** 2]), np.zeros(2)
            )
            form = real_eigenvalue(field, 0.0)
        assert form is not None and form.coefficient == pytest.approx(wanted, rel=1e-12)
