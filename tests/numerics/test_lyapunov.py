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


@pytest.mark.parametrize("power", [-1.5, -0.5, 1.0, 2.0])
def test_growth_like_a_power_of_time_has_the_exponent_zero(power):
    times = np.arange(1, 2001) * 0.4
    found = exponents(np.diff(power * np.log(times), prepend=0.0)[:, None] / 0.4, length=800.0)
    assert found.values[0] == pytest.approx(power * np.log(5) / 640, rel=1e-2)
    assert abs(found.values[0]) < found.errors[0] < 3 * abs(found.values[0])


@pytest.mark.parametrize("power", [-0.25, -0.5, -1.0])
def test_an_exponent_that_falls_with_the_run_fades_and_one_that_scatters_does_not(power):
    # bursts between ever longer rests: their mean falls like a power of time, in every block beyond its error
    noise = np.random.default_rng(1).normal(size=(2000, 1))
    falls = (np.arange(1, 2001.0) ** power)[:, None]
    assert exponents(falls * (1 + 0.1 * noise)).fades
    assert not exponents(falls[::-1]).fades and not exponents(-falls).fades
    assert not any(exponents(0.1 + 0.5 * np.roll(noise, k)).fades for k in range(0, 2000, 50))


def test_scatter_alone_leaves_the_error_two_standard_deviations_of_the_mean():
    # 200 runs of independent rows: the mean of 1600 has the deviation 1/40
    found = exponents(np.random.default_rng(3).normal(size=(2000, 200)))
    assert found.errors.mean() == pytest.approx(2 / 40, rel=0.1)
    assert np.mean(np.abs(found.values) < found.errors) == pytest.approx(0.95, abs=0.04)


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


def _own(step, slope, z, steps, before=2000):
    """The largest exponent by a vector along the orbit, and the sum of both by the determinant."""
    way, largest, both = np.array([1.0, 0.3]), 0.0, 0.0
    for n in range(before + steps):
        matrix = slope(*z)
        way = matrix @ way
        length = np.hypot(*way)
        if n >= before:
            largest, both = (
                largest + np.log(length),
                both + np.log(abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])),
            )
        z, way = step(*z), way / length
    return largest / steps, both / steps


@pytest.mark.slow  # strange maps: the Henon map and the standard map below
def test_lozi_and_ikeda_have_the_exponents_of_their_own_jacobians():
    def lozi(x, y):
        return 1.0 - 1.7 * abs(x) + y, 0.5 * x

    def ikeda(x, y, cosine=np.cos, sine=np.sin):
        angle = 0.4 - 6.0 / (1.0 + x * x + y * y)
        turned = x * cosine(angle) - y * sine(angle), x * sine(angle) + y * cosine(angle)
        return 1.0 + 0.9 * turned[0], 0.9 * turned[1]

    def ikeda_slope(x, y):
        s = 1.0 + x * x + y * y
        angle, rate = 0.4 - 6.0 / s, 12.0 / s**2
        c, d = np.cos(angle), np.sin(angle)
        by_angle = np.array([-x * d - y * c, x * c - y * d])
        return 0.9 * (np.array([[c, -d], [d, c]]) + np.outer(by_angle, [rate * x, rate * y]))

    cases = [
        (lozi, lozi, lambda x, y: np.array([[-1.7 * np.sign(x), 1.0], [0.5, 0.0]])),
        (ikeda, lambda x, y: ikeda(x, y, jnp.cos, jnp.sin), ikeda_slope),
    ]
    for step, traced, slope in cases:
        largest, both = _own(step, slope, (0.1, 0.1), 60_000)  # to about 1 %
        found = run(lambda z, traced=traced: jnp.stack(traced(z[0], z[1])), [0.1, 0.1], 1000, kept=40)
        assert largest > 0.4 and found.values[0] == pytest.approx(largest, rel=0.03)
        assert found.values.sum() == pytest.approx(both, rel=0.03)


@pytest.mark.filterwarnings("error")
def test_an_orbit_that_leaves_what_numbers_hold_has_no_exponent():
    logs = np.ones((100, 2))
    logs[60:, 0] = np.inf
    found = exponents(logs)
    assert np.isnan(found.values).all() and np.isnan(found.errors).all() and not found.fades
