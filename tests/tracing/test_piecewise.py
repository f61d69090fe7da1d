"""The pieces of functions of one number, against where they are known to bend."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.tracing.piecewise import form_of, kinks_by_newton, kinks_of, polynomials

AT = (np.zeros(1),)


@pytest.mark.parametrize(
    ("fn", "places"),
    [
        (lambda u: jnp.sum(jnp.clip(u, -0.3, 0.01)), [-0.3, 0.01]),
        (lambda u: jnp.sum(jnp.abs(jnp.abs(u - 0.021) - 0.005)), [0.016, 0.021, 0.026]),
        (lambda u: jnp.sum(jnp.where(u * u < 2.0, u, 1.0)), [-(2**0.5), 2**0.5]),
        (lambda u: jnp.sum(jax.nn.relu(1.0 - jnp.tanh(u))), []),
        (lambda u: jnp.sum(jnp.abs(u - 12345.678)), [12345.678]),
    ],
)
def test_kinks_are_found_nested_close_and_far(fn, places):
    found = kinks_of(fn)
    np.testing.assert_allclose(found.places, places, rtol=1e-14, atol=1e-16)
    assert len(found.sides) == len(places) + 1


def test_kinks_that_depend_on_a_constant_are_found_where_it_is_traced():
    def fn(u, width):
        return jnp.sum(jax.nn.relu(jnp.abs(u - width) - 1.5))

    number = jax.ShapeDtypeStruct((), np.float64)
    assert kinks_of(fn, [number]) is None
    with jax.enable_x64(True):
        found = kinks_by_newton(lambda u: fn(u, 1.0), form_of(fn, AT, [number]).depth, jnp.zeros(1))
    np.testing.assert_allclose(found.places[:3], [-0.5, 1.0, 2.5], rtol=1e-14)
    assert np.all(np.isinf(found.places[3:]))


def test_the_form_tells_degree_depth_and_where_a_derivative_may_be_infinite():
    assert form_of(lambda u: u**2 * jnp.abs(u), AT)[:3] == (True, 3.0, 1)
    assert form_of(lambda u: jnp.abs(jax.nn.relu(u) - 1.0), AT)[:4] == (True, 1.0, 2, True)
    assert not form_of(lambda u: jnp.abs(u * u - 1.0), AT).linear
    assert form_of(lambda u: jnp.abs(u) ** 1.5, AT).singular
    assert not form_of(lambda u: jnp.tanh(jnp.abs(u)) / 2.0, AT).singular
    assert not form_of(lambda u: 0.0 * AT[0], AT).moving


def test_a_kinked_polynomial_is_the_sum_of_its_jumps():
    # u |u - 2| = -u^2 + 2 u before 2; behind it 2 u (u - 2) more, which is 4 (u - 2) + 2 (u - 2)^2
    found = polynomials(lambda u: jnp.sum(u * jnp.abs(u - 2.0)), np.array([2.0]), 2)
    np.testing.assert_allclose(found, [[0, -2, -1], [0, 4, 2]], atol=1e-13)


def test_a_loss_may_have_dozens_of_kinks():
    places = np.linspace(-1.05, 0.95, 21)
    kinks = kinks_of(lambda u: sum(jnp.sum(jnp.abs(u - c)) for c in places))
    assert kinks is not None
    np.testing.assert_allclose(kinks.places, places, atol=1e-12)
