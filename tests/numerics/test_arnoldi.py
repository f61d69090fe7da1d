"""Arnoldi's method against dense eigenvalues."""

from __future__ import annotations

import numpy as np
import pytest

from diracgan.numerics.arnoldi import arnoldi


def dense(a: np.ndarray, k: int, rank) -> np.ndarray:
    w = np.linalg.eigvals(a)
    return w[np.lexsort((-w.imag, -np.round(rank(w), 12)))][:k]


@pytest.mark.parametrize("rank", [np.abs, np.real], ids=["modulus", "real part"])
def test_the_first_eigenpairs_of_several_operators(rank):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 60, 60)) / np.sqrt(60) + np.diag(np.linspace(0, 3, 60))
    products = []

    def apply(v: np.ndarray) -> np.ndarray:
        products.append(len(v))
        return np.einsum("sij,sj->si", a, v)

    found = arnoldi(apply, rng.normal(size=(3, 60)), 4, rank)
    for i in range(3):
        np.testing.assert_allclose(found.values[i], dense(a[i], 4, rank), atol=1e-7)
        for value, v, residual in zip(found.values[i], found.vectors[i], found.residuals[i], strict=True):
            assert np.linalg.norm(v) == pytest.approx(1.0)
            # the residual that is reported is the true one
            assert np.linalg.norm(a[i] @ v - value * v) <= residual + 1e-12
    assert len(products) == found.products <= 60


def test_an_exhausted_krylov_space_is_left():
    # the start lies in an invariant plane; the rest is found all the same
    a = np.diag([1.0, 2.0, 3.0, 4.0, 5.0])
    start = np.array([[1.0, 1.0, 0.0, 0.0, 0.0]])
    found = arnoldi(lambda v: v @ a, start, 5, np.abs)
    np.testing.assert_allclose(found.values[0], [5, 4, 3, 2, 1], atol=1e-10)


def test_of_a_rotation_both_of_a_pair():
    a = np.array([[[0.0, -2.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.5]]])
    found = arnoldi(lambda v: np.einsum("sij,sj->si", a, v), np.ones((1, 3)), 3, np.abs)
    np.testing.assert_allclose(found.values[0], [2j, -2j, 0.5], atol=1e-12)


@pytest.mark.parametrize("rank", [np.abs, np.real], ids=["modulus", "real part"])
def test_a_bounded_basis_starts_again_and_finds_the_same(rank):
    """Krylov-Schur: with 30 directions at most, of a matrix that is not normal, with complex pairs in front."""
    rng = np.random.default_rng(3)
    a = rng.normal(size=(400, 400)) / np.sqrt(400) + np.diag(np.linspace(-3, 3, 400) ** 3 / 8)
    a[:4, :4] += 3.6 * np.kron(np.eye(2), [[0, 1], [-1, 0]])
    a[0, 390:] += 5.0
    found = arnoldi(lambda v: v @ a.T, rng.normal(size=(1, 400)), 6, rank, tol=1e-8, wide=30)
    values = dense(a, 6, rank)
    assert found.products > 30
    np.testing.assert_allclose(rank(found.values[0]), rank(values), atol=1e-6)
    for value, v, residual in zip(found.values[0], found.vectors[0], found.residuals[0], strict=True):
        assert np.linalg.norm(a @ v - value * v) == pytest.approx(residual, abs=1e-9)
    again = arnoldi(lambda v: v @ a.T, rng.normal(size=(1, 400)), 6, rank, tol=1e-14, most=77, wide=30)
    assert again.products == 77


def test_the_last_residuals_are_the_least_of_the_krylov_space():
    """Against the least singular values of (A - value) Q, with Q from a QR of powers that grow slowly."""
    rng = np.random.default_rng(5)
    a = np.diag(np.linspace(-1, 1, 90) ** 3) + 0.02 * rng.normal(size=(90, 90))
    start, good = rng.normal(size=90), 1e-2
    found = arnoldi(lambda v: v @ a.T, start[None], 4, np.abs, tol=good)
    q = start[:, None] / np.linalg.norm(start)
    for _ in range(found.products - 1):
        q = np.linalg.qr(np.column_stack([q, a @ q[:, -1]]))[0]
    values, small = np.linalg.eig(q.T @ a @ q)
    own = np.linalg.norm(a @ q @ small - q @ small * values, axis=0)  # of the Ritz vectors
    good *= np.abs(values).max()
    waited = 0
    for value, v, residual in zip(found.values[0], found.vectors[0], found.residuals[0], strict=True):
        assert np.linalg.norm(a @ v - value * v) == pytest.approx(residual, abs=1e-10)
        assert residual <= good
        if own[np.argmin(np.abs(values - value))] > good:
            least = np.linalg.svd(a @ q - value * q, compute_uv=False)[-1]
            assert residual == pytest.approx(least, rel=1e-6)
            waited += 1
    assert waited
