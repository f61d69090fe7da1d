"""Eigenvalues and their error bounds against arithmetic in sixty digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from diracgan.numerics import eigen


def exact(a: np.ndarray) -> np.ndarray:
    """The eigenvalues of the very floats in ``a``."""
    with mpmath.workdps(60):
        return np.array([complex(x) for x in mpmath.eig(mpmath.matrix(a.tolist()))[0]])


def miss(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance of every value from the nearest true one."""
    return np.min(np.abs(values[:, None] - truth), axis=1)


def drawn(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "badly scaled":
        return rng.normal(size=(n, n)) * 10.0 ** rng.uniform(-5, 5, size=(n, 1))
    jordan = np.diag(np.full(n, rng.normal())) + np.diag(np.ones(n - 1), 1)
    jordan[-1, 0] = 10.0 ** rng.uniform(-18, -6)
    if kind == "nearly defective":
        return jordan
    q = rng.normal(size=(n, n))
    return q @ jordan @ np.linalg.inv(q)


@pytest.mark.parametrize("kind", ["badly scaled", "nearly defective", "hidden Jordan block"])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_no_error_exceeds_its_bound(kind: str, n: int):
    rng = np.random.default_rng(n)
    for _ in range(6):
        a = drawn(kind, n, rng)
        found = eigen.eigenvalues(a)
        assert np.all(miss(found.values, exact(a)) <= found.errors)


def test_the_bound_holds_for_entries_that_are_off():
    rng = np.random.default_rng(1)
    for _ in range(20):
        n = int(rng.integers(2, 5))
        a = drawn("badly scaled", n, rng)
        off = 1e-9 * float(np.abs(a).max())
        found = eigen.eigenvalues(a, off)
        moved = exact(a + off * rng.uniform(-1, 1, size=(n, n)))
        assert np.all(miss(found.values, moved) <= 1.01 * found.errors)  # to first order in the perturbation


def test_pairs_are_exact_where_they_meet_and_where_they_part():
    # (x - 3)^2 and (x - 1e-8)(x - 1e8) in companion form, entries of one product in every scale
    for scale in (2.0**-500, 1.0, 2.0**30, 2.0**500):
        np.testing.assert_array_equal(
            eigen.eigenvalues(np.array([[6.0, -9 * scale], [1 / scale, 0.0]])).values, [3.0, 3.0]
        )
        wide = np.array([[1e8 + 1e-8, -scale], [1 / scale, 0.0]])
        found = eigen.eigenvalues(wide)
        np.testing.assert_allclose(found.values, [1e8, 1e-8], rtol=1e-15)
        assert found.errors[1] < 1e-22  # relative to itself, not to the large one
    # the discriminant 2^-100 of 1 +- 2^-50 is lost in (1 - 1)^2/4 + q r unless that is summed exactly
    a = np.array([[1.0 + 2.0**-49, 2.0**-60], [2.0**-60, 1.0 - 2.0**-49]])
    np.testing.assert_array_equal(eigen.eigenvalues(a).values, np.sort(exact(a).real)[::-1])


def test_the_size_of_the_entries_decides_nothing():
    a = np.array([[-0.4, -1.0, 0.3], [1.0, 0.0, 0.2], [0.1, 0.5, -0.2]])
    plain = eigen.eigenvalues(a, 1e-12)
    for power in (-900, 900):
        scaled = eigen.eigenvalues(np.ldexp(a, power), np.ldexp(1e-12, power))
        np.testing.assert_array_equal(np.ldexp(scaled.values.real, -power), plain.values.real)
        np.testing.assert_array_equal(np.ldexp(scaled.errors, -power), plain.errors)


def test_a_batch_is_its_members():
    rng = np.random.default_rng(2)
    stack = rng.normal(size=(6, 4, 4))
    stack[1] = 0.0
    stack[2, :2, 2:] = stack[2, 2:, :2] = 0.0  # two blocks
    stack[3] = np.diag(np.ones(3), 1)  # no zero takes it apart, and it has one eigenvector
    stack[3, 0, 0] = stack[3, 3, 0] = 1e-300
    stack[4] *= 10.0 ** np.arange(-100, 100, 50)[:, None]
    slack = np.array([0.0, 1e-9, 0.0, 0.0, 1e-3, 1e-3])
    together = eigen.eigenvalues(stack, slack)
    for i in range(6):
        alone = eigen.eigenvalues(stack[i], slack[i])
        np.testing.assert_array_equal(together.values[i], alone.values)
        np.testing.assert_allclose(together.errors[i], alone.errors, rtol=1e-12)
    assert np.all(np.isfinite(together.errors))
    nested = eigen.eigenvalues(stack.reshape(2, 3, 4, 4), slack.reshape(2, 3))
    np.testing.assert_array_equal(nested.values.reshape(6, 4), together.values)


def test_no_matrix_has_no_eigenvalues():
    # of a family of which no member has a derivative
    found = eigen.eigenvalues(np.zeros((0, 4, 4)))
    assert found.values.shape == found.errors.shape == (0, 4)


def test_balancing_is_a_similarity_by_powers_of_two():
    a = np.random.default_rng(3).normal(size=(5, 4, 4)) * 10.0 ** np.arange(0, 20, 5)[:, None]
    balanced, scale = eigen.balance(a)
    np.testing.assert_array_equal(np.frexp(scale)[0], 0.5)
    np.testing.assert_array_equal(balanced * scale[:, :, None] / scale[:, None, :], a)
    off = np.abs(balanced) * ~np.eye(4, dtype=bool)
    ratio = off.sum(axis=1) / off.sum(axis=2)
    assert np.all((ratio > 0.2) & (ratio < 5.0))


def test_entries_further_apart_than_a_float_s_range_are_balanced_without_a_warning():
    # eigenvalues 0 and +-sqrt(1e-310) = +-1e-155, to the few digits of a subnormal number
    a = np.array([[[0.0, 1.0, 0.0], [1e-310, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    with np.errstate(over="raise"):
        balanced, _ = eigen.balance(a)
    np.testing.assert_allclose(np.sort(np.linalg.eigvals(balanced[0])), [-1e-155, 0, 1e-155], rtol=1e-10)


def test_ties_are_ordered_by_their_imaginary_parts():
    w = np.array([[-1.0, 1e-17 - 2j, 2j, -1e-17 + 1j]])
    order = eigen.ordered(w, np.full((1, 4), 1e-15))
    np.testing.assert_array_equal(w[0][order[0]].imag, [2, 1, -2, 0])


def test_entries_near_the_largest_float_do_not_overflow():
    """Of a diagonal matrix the numerical range is the interval between its entries."""
    assert eigen.numerical_abscissa(np.diag([-1.5e308, -2.0])) == -2.0
    assert eigen.numerical_abscissa(np.diag([1.5e308, -2.0])) == 1.5e308
    assert eigen.numerical_radius(np.diag([-1.5e308, 1.0])) == pytest.approx(1.5e308)


@pytest.mark.parametrize("seed", range(4))
def test_entries_that_are_next_to_nothing_do_not_blow_an_error_up(seed):
    # phi' = -0.3 phi, theta' = phi beside 1e-57: balancing lifts that to 1e-28, and so what any entry may be off by
    a = 1e-57 * np.random.default_rng(seed).normal(size=(4, 4))
    a[:2, :2] -= 0.3 * np.eye(2)
    a[2:, :2] += np.eye(2)
    found = eigen.eigenvalues(a, 1e-15)
    assert np.all(miss(found.values, np.array([0.0, -0.3])) <= found.errors)
    assert np.max(found.errors) < 1e-2
