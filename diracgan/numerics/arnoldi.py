"""Arnoldi's method for several operators at once: a few eigenvalues of matrices that are only ever applied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Apply = Callable[[np.ndarray], np.ndarray]
Rank = Callable[[np.ndarray], np.ndarray]

_FIRST = 20  # matrix-vector products before the first look at the residuals: fewer may miss an eigenvalue
_CHECK = 16  # and between two later ones one in so many of those so far, at least one
_KEPT = 2  # a restart keeps one in so many of the directions beyond those asked for
_COLUMNS = 1 << 18  # of a basis that are turned at once: fewer wait more often for another thread
_REFINED = 10  # times what is good: a larger residual is not worth the search for a vector with a smaller one
_MUCH = 0.7  # of a vector's length left: orthogonalised well
_BREAKDOWN = (
    450  # times the rounding unit: a new direction this small beside what it was made from is rounding
)


class Ritz(NamedTuple):
    """Eigenpairs of S operators.

    Attributes:
        values: (S, k).
        vectors: of length 1, (S, k, n).
        residuals: |A v - value v|, (S, k), by the relation A V = V H + h v e^T, exact up to rounding; the least that
            a vector of the basis has, where it was waited for.
        products: with each operator, that it took.
    """

    values: np.ndarray
    vectors: np.ndarray
    residuals: np.ndarray
    products: int


def arnoldi(
    apply: Apply,
    start: np.ndarray,
    k: int,
    rank: Rank,
    tol: float = 1e-9,
    most: int = 400,
    seed: int = 0,
    wide: int | None = None,
) -> Ritz:
    """The k eigenpairs that ``rank`` puts first, of S operators in lockstep.

    One orthonormal Krylov basis per operator, which grows until the residuals are below ``tol`` times the largest
    eigenvalue found, or it spans everything. Of a multiple eigenvalue one copy is found. The basis of one operator may
    be bounded: then it starts again from its best part (Krylov-Schur).

    Args:
        apply: (S, n) -> (S, n), one product with every operator.
        start: where the bases start, (S, n); they are kept in its precision, in float32 at half the memory.
        k: how many eigenpairs.
        rank: eigenvalues (m,) -> keys (m,), the largest first.
        tol: relative residual at which an eigenpair is good.
        most: products at most.
        wide: largest basis of one operator; None, and for several, as many as ``most``.
        seed: of the directions that replace exhausted ones.

    Returns:
        A :class:`Ritz`, in the order of ``rank``, ties by decreasing imaginary part.

    References:
        Saad 2011, Numerical Methods for Large Eigenvalue Problems, section 6.2; orthogonalised twice;
        Stewart 2002, doi 10.1137/S0895479800371529, for the restart; Jia 1997, doi 10.1016/S0024-3795(96)00238-8, for
        the vectors of least residual.

    Example:
        >>> import numpy as np
        >>> found = arnoldi(lambda v: v * [1.0, 2.0, 3.0], np.ones((1, 3)), 1, np.abs)
        >>> round(float(found.values[0, 0].real), 9)
        3.0
    """
    runs, n = start.shape
    k, most = min(k, n), most
    room = min(n, most if wide is None or runs > 1 else min(most, max(wide, 2 * k, _FIRST)))
    random = np.random.default_rng([seed, 2])  # not the stream that a start may come from
    kind = np.float32 if start.dtype == np.float32 else np.float64
    basis = np.zeros((runs, room + 1, n), kind)
    hessenberg = np.zeros((runs, room + 1, room))
    basis[:, 0] = start / np.linalg.norm(start, axis=1, keepdims=True)
    size, products = 0, 0
    while True:
        until = min(max(_FIRST, 2 * k) if size == 0 else size + max(1, size // _CHECK), room)
        until = min(until, size + most - products)
        for j in range(size, until):
            _extend(apply, basis, hessenberg, j, random)
        size, products = until, products + until - size
        values, small, guess = _pairs(hessenberg, size, k, rank)
        rounding = np.finfo(kind).eps * np.abs(hessenberg[:, :size, :size]).max(axis=(1, 2))
        good = np.maximum(tol * np.abs(values).max(axis=1), rounding)[:, None]
        near = guess <= _REFINED * good
        if products >= most or near.all():
            which = np.argwhere(near & (guess > good))
            small, guess = _refined(hessenberg[:, : size + 1, :size], values, small, guess, which)
        if products >= most or size == n or bool(np.all(guess <= good)):
            break
        if size == room:
            size = _restart(basis[0], hessenberg[0], k + int((room - k) / _KEPT), rank)
    return Ritz(values, _combined(small, basis, size), guess, products)


def _refined(
    hessenberg: np.ndarray, values: np.ndarray, small: np.ndarray, residuals: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The vectors and residuals with those of the pairs ``which`` (operator, number) the least that the basis has.

    |A V y - value V y| = |(H - value I) y| with H (size + 1, size) has a singular value as its least: a half to a third
    of the Ritz vector's while that has not converged, which saves a tenth of the products.
    """
    small, residuals = small.astype(complex), residuals.copy()
    one = np.eye(*hessenberg.shape[1:])
    for s, i in which:
        _, least, vectors = np.linalg.svd(hessenberg[s] - values[s, i] * one, full_matrices=False)
        small[s, i], residuals[s, i] = vectors[-1].conj(), least[-1]
    return small, residuals


def _restart(basis: np.ndarray, hessenberg: np.ndarray, keep: int, rank: Rank) -> int:
    """The basis and the matrix on the ``keep`` first Schur vectors, or one more where a pair would be cut; how many.

    A V = V H + v b^T with H = Q T Q^T stays true of V Q, T and Q^T b, cut where T is block triangular.
    """
    from scipy.linalg import schur

    size = hessenberg.shape[1]
    values = np.linalg.eigvals(hessenberg[:size])
    cut = np.sort(rank(values))[::-1][keep - 1]
    cut -= 1e-9 * abs(cut)  # a conjugate pair ranks alike up to rounding
    found: Any = schur(hessenberg[:size], "real", sort=lambda x, y: rank(np.array([x + 1j * y]))[0] >= cut)
    small, turn, kept = found
    if not 0 < kept < size:
        kept = keep
    rest = hessenberg[size] @ turn[:, :kept]
    for at in range(0, basis.shape[1], _COLUMNS):
        part = basis[:, at : at + _COLUMNS]
        part[:kept] = turn[:, :kept].T.astype(basis.dtype) @ part[:size]
    basis[kept] = basis[size]
    hessenberg[:] = 0.0
    hessenberg[:kept, :kept], hessenberg[kept, :kept] = small[:kept, :kept], rest
    return kept


def _combined(small: np.ndarray, basis: np.ndarray, size: int) -> np.ndarray:
    """The vectors with these coordinates in the first ``size`` of the basis, whose memory is given up for them."""
    count, n = small.shape[1], basis.shape[2]
    both = np.stack([np.real(small), np.imag(small)], axis=2).astype(basis.dtype)
    both = both.reshape(len(basis), 2 * count, -1)
    if len(basis) > 1 or 2 * count > basis.shape[1]:
        return _complex(np.matmul(both, basis[:, :size]))
    for at in range(0, n, _COLUMNS):
        part = basis[0, :, at : at + _COLUMNS]
        part[: 2 * count] = both[0] @ part[:size]
    basis.resize((1, 2 * count, n), refcheck=False)  # of one operator the rest lies behind, and is freed
    return _complex(basis)


def _complex(parts: np.ndarray) -> np.ndarray:
    """Rows of real and of imaginary parts in turn, (S, 2k, n), as complex rows in the same memory, (S, k, n)."""
    runs, rows, n = parts.shape
    pairs = parts.reshape(runs * rows // 2, 2 * n)
    for pair in pairs:
        pair[:] = pair.reshape(2, n).T.ravel()
    return pairs.reshape(runs, rows // 2, 2 * n).view(np.result_type(parts.dtype, np.complex64))


def _extend(
    apply: Apply, basis: np.ndarray, hessenberg: np.ndarray, j: int, random: np.random.Generator
) -> None:
    """One more direction for every basis; where the image adds none, a random one, uncoupled."""
    w = np.array(apply(basis[:, j]), basis.dtype)
    before = _lengths(w)
    w, hessenberg[:, : j + 1, j] = _orthogonal(basis[:, : j + 1], w)
    left = _lengths(w)
    alive = left > _BREAKDOWN * np.finfo(basis.dtype).eps * np.maximum(before, 1e-300)
    if j + 1 < w.shape[1] and not alive.all():
        fresh, _ = _orthogonal(basis[:, : j + 1], random.standard_normal(w.shape).astype(basis.dtype))
        w[~alive] = fresh[~alive]
        left = np.where(alive, left, _lengths(w))
    hessenberg[:, j + 1, j] = np.where(alive, left, 0.0)
    np.divide(w, np.where(left > 0, left, 1.0).astype(w.dtype)[:, None], out=basis[:, j + 1])


def _lengths(w: np.ndarray) -> np.ndarray:
    """The length of every row, as one product: no array of squares is made."""
    return np.sqrt(np.matmul(w[:, None, :], w[:, :, None])[:, 0, 0])


def _orthogonal(basis: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """w less its part in the basis, in place, and that part's coordinates.

    Again where much was taken away, since then rounding is large against what is left; twice is enough (Kahan).
    """
    total = np.zeros(basis.shape[:2])
    before = _lengths(w)
    for _ in range(2):
        part = np.matmul(basis, w[:, :, None])[:, :, 0]
        w -= np.matmul(part[:, None, :], basis)[:, 0]
        total += part
        after = _lengths(w)
        if np.all(after > _MUCH * before):
            break
        before = after
    return w, total


def _pairs(
    hessenberg: np.ndarray, size: int, k: int, rank: Rank
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first k eigenpairs of the small matrices, (S, k) and (S, k, size), and the residuals that they promise."""
    values, vectors = np.linalg.eig(hessenberg[:, :size, :size])
    order = np.stack([np.lexsort((-v.imag, -np.round(rank(v), 12))) for v in values])[:, :k]
    picked = np.take_along_axis(values, order, 1)
    small = np.swapaxes(np.take_along_axis(vectors, order[:, None, :], 2), 1, 2)
    return picked, small, np.abs(hessenberg[:, size, size - 1, None] * small[:, :, -1])
