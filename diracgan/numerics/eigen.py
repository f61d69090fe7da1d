"""Eigenvalues with error bounds, numerical abscissa and transient growth of a non-normal matrix.

References:
    Golub & Van Loan, Matrix Computations, section 7.2 (eigenvalue conditioning; Elsner's bound);
    Dekker 1971, Numerische Mathematik 18, 224 (products in twice the precision); Osborne 1960, J. ACM 7(4), 338;
    Trefethen & Embree 2005, Spectra and Pseudospectra, chapters 14 to 17.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

_EPS = float(np.finfo(float).eps)
PERTURBATION = 10 * _EPS  # of a matrix' size: what rounding may have made of it


class Eigenvalues(NamedTuple):
    """Eigenvalues by decreasing real part, ties by decreasing imaginary part, and how far each may be off."""

    values: np.ndarray
    errors: np.ndarray


def eigenvalues(a: np.ndarray, entry_error: float | np.ndarray = 0.0) -> Eigenvalues:
    """The eigenvalues of real matrices with a bound on each one's error.

    Every matrix is first taken apart along its exact zeros, so that decoupled copies of a system do not disturb each
    other. Blocks of two are solved in closed form, entry by entry, so that rates of very different size do no harm;
    of larger ones the bound is the lesser of condition x perturbation and Elsner's (|A| + |A'|)^(1 - 1/n) |E|^(1/n),
    after balancing and, of what the entries are off by, before. Powers of two are taken out first: the size of the
    entries decides nothing.

    Args:
        a: finite matrices, (..., n, n).
        entry_error: how far every entry may be off beyond rounding, (...,) or one number.

    Returns:
        Values and errors, each of shape (..., n).

    Example:
        >>> eigenvalues(np.array([[0.0, -1.0], [1.0, 0.0]])).values.tolist()
        [1j, -1j]
    """
    *batch, n, _ = np.shape(a)
    stack = np.asarray(a, float).reshape(-1, n, n)
    slack = np.broadcast_to(np.asarray(entry_error, float), tuple(batch)).reshape(-1)
    values, errors = np.empty(stack.shape[:2], complex), np.empty(stack.shape[:2])
    for members, pattern in _by_zeros(stack):
        at = 0
        for block in blocks(pattern):
            part = slice(at, at + len(block))
            values[members, part], errors[members, part] = _of_block(
                stack[members][:, block[:, None], block], slack[members]
            )
            at += len(block)
    order = ordered(values, errors)
    values, errors = (np.take_along_axis(x, order, 1).reshape(*batch, n) for x in (values, errors))
    return Eigenvalues(values + 0.0, errors)


def _by_zeros(stack: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
    """Which matrices have the same zeros, and where they have none."""
    patterns = (stack != 0).reshape(len(stack), stack.shape[1] ** 2)
    left = np.arange(len(stack))
    while len(left):
        same = np.all(patterns[left] == patterns[left[0]], axis=1)
        everything = len(left) == len(stack) and bool(same.all())
        yield slice(None) if everything else left[same], patterns[left[0]].reshape(stack.shape[1:])
        left = left[~same]


def ordered(w: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Indices (..., n) by decreasing real part; real parts that differ by less than their errors count as tied."""
    by_real = np.argsort(-np.real(w), axis=-1, kind="stable")
    real, imaginary, off = (np.take_along_axis(x, by_real, -1) for x in (np.real(w), np.imag(w), errors))
    apart = real[..., :-1] - real[..., 1:] > off[..., :-1] + off[..., 1:]
    group = np.concatenate([np.zeros_like(by_real[..., :1]), np.cumsum(apart, axis=-1)], axis=-1)
    return np.take_along_axis(by_real, np.lexsort((-imaginary, group), axis=-1), -1)


def transient_growth(a: np.ndarray, stable: bool | None, discrete: bool) -> float:
    """sup ||exp(t A)|| over t >= 0, or sup ||A^k|| over k: how far a small perturbation can grow before it decays.

    Args:
        a: Jacobian of a flow, or of a map.
        stable: True, False (the answer is infinite) or None for marginal.
        discrete: whether ``a`` belongs to a map.

    Returns:
        At least 1; infinite for unstable ones, and for marginal ones without a full set of eigenvectors.

    Example:
        >>> transient_growth(np.array([[-1.0, 0.0], [0.0, -2.0]]), True, False)
        1.0
    """
    if stable is False or not len(a):
        return float("inf")
    if (np.linalg.norm(a, 2) if discrete else 1.0 + numerical_abscissa(a)) <= 1.0:
        return 1.0  # ||exp(t A)|| <= exp(t times the numerical abscissa), ||A^k|| <= ||A||^k
    w, v = np.linalg.eig(a)
    if np.linalg.cond(v) > 1e7:
        return _growth_by_steps(a, discrete) if stable else float("inf")
    back = np.linalg.inv(v)
    rates = np.log(np.abs(w) + 1e-300) if discrete else np.real(w).copy()
    turning = np.angle(w) if discrete else np.imag(w)
    if not stable:  # marginal: a positive rate is rounding
        rates = np.minimum(rates, 0.0)
    size_of = float(np.max(np.abs(w), initial=0.0)) + 1e-300
    slow = np.min(-rates[rates < -1e-12 * size_of], initial=np.inf)
    swing = np.min(np.abs(turning)[np.abs(turning) > 1e-12 * size_of], initial=np.inf)
    horizon = max(8.0 / slow, 2 * np.pi / swing, 1.0 / size_of if not discrete else 1.0)
    ts = np.concatenate(
        [
            np.linspace(0, horizon, 500),
            np.linspace(0, min(horizon, 4 * np.pi / swing), 1000),
            np.geomspace(min(1e-3 / size_of, horizon / 2), horizon, 1000),
        ]
    )
    ts = np.unique(np.round(ts)) if discrete else np.unique(ts)

    def size(t: np.ndarray) -> np.ndarray:
        power = np.exp((rates + 1j * turning)[None] * t[:, None])
        return np.linalg.norm((v[None] * power[:, None, :]) @ back, 2, axis=(1, 2))

    largest = 1.0
    for _ in range(1 if discrete else 5):  # zoom in on the highest point
        sizes = size(ts)
        k = int(np.argmax(sizes))
        largest = max(largest, float(sizes[k]))
        ts = np.linspace(ts[max(k - 1, 0)], ts[min(k + 1, len(ts) - 1)], 60)
    return largest


def numerical_abscissa(a: np.ndarray) -> float:
    """The largest eigenvalue of (A + A^T)/2: the rate at which a perturbation can grow at first.

    Example:
        >>> numerical_abscissa(np.array([[0.0, -1.0], [1.0, 0.0]]))
        0.0
    """
    return float(np.linalg.eigvalsh(a / 2 + a.T / 2)[-1]) + 0.0  # no negative zero


def numerical_radius(a: np.ndarray) -> float:
    """max |x* A x| over unit vectors: the same for a map.

    Example:
        >>> round(numerical_radius(np.array([[0.0, -1.0], [1.0, 0.0]])), 12)
        1.0
    """

    def support(angles: np.ndarray) -> np.ndarray:
        half = np.exp(1j * angles)[:, None, None] * (a / 2)  # the sum of two may overflow
        return np.linalg.eigvalsh(half + half.conj().transpose(0, 2, 1))[:, -1]

    angles = np.linspace(0, 2 * np.pi, 181)
    for _ in range(4):
        k = int(np.argmax(support(angles)))
        step = angles[1] - angles[0]
        angles = np.linspace(angles[k] - step, angles[k] + step, 41)
    return float(support(angles).max())


def _of_block(a: np.ndarray, entry_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and bounds, (N, n), of blocks that no zeros take apart, (N, n, n)."""
    exponent = np.frexp(np.maximum(np.max(np.abs(a), axis=(1, 2)), entry_error))[1]
    a, entry_error = np.ldexp(a, -exponent[:, None, None]), np.ldexp(entry_error, -exponent)
    n = a.shape[1]
    if n == 1:
        w, errors = a[:, 0].astype(complex), PERTURBATION * np.abs(a[:, 0]) + entry_error[:, None]
    else:
        w, errors = _pairs(a, entry_error) if n == 2 else _general(a, entry_error)
    back = exponent[:, None]
    return np.ldexp(np.real(w), back) + 1j * np.ldexp(np.imag(w), back), np.ldexp(errors, back)


def _general(a: np.ndarray, entry_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = a.shape[1]
    balanced, scale = balance(a)
    w, right = np.linalg.eig(balanced)
    size, rounding = _norm(balanced), PERTURBATION * _norm(balanced)
    perturbation = rounding + np.where(entry_error > 0, entry_error * _spread(scale), 0.0)
    # errors of the entries as they were given: those beside nothing do not grow as balancing makes them
    given = n * entry_error
    with np.errstate(over="ignore", invalid="ignore"):  # of a Jordan block, for which Elsner's bound holds
        left = _inverses(right)
        balanced_condition = np.linalg.norm(left, axis=2) * np.linalg.norm(right, axis=1)
        left, right = left / scale[:, None, :], right * scale[:, :, None]
        condition = np.linalg.norm(left, axis=2) * np.linalg.norm(right, axis=1)
        bounds = [
            balanced_condition * perturbation[:, None],
            balanced_condition * rounding[:, None] + condition * given[:, None],
            _elsner(size, perturbation, n)[:, None],
            (_elsner(size, rounding, n) + _elsner(_norm(a), given, n))[:, None],
        ]
    return w, functools.reduce(np.fmin, bounds)


def _norm(a: np.ndarray) -> np.ndarray:
    """A bound on the spectral norm, by those of columns and rows."""
    return np.sqrt(np.abs(a).sum(axis=1).max(axis=1) * np.abs(a).sum(axis=2).max(axis=1))


def _elsner(size: np.ndarray, perturbation: np.ndarray, n: int) -> np.ndarray:
    return (2 * size + perturbation) ** (1 - 1 / n) * perturbation ** (1 / n)


@np.errstate(over="ignore")
def _spread(scale: np.ndarray) -> np.ndarray:
    """The norm of D^-1 E D for a matrix E of ones."""
    low, high = scale.min(axis=1, keepdims=True), scale.max(axis=1, keepdims=True)
    norms = np.linalg.norm(scale / high, axis=1) * np.linalg.norm(low / scale, axis=1)
    return norms * (high / low)[:, 0]


def _inverses(a: np.ndarray) -> np.ndarray:
    """Of every matrix; NaN for a singular one, which harms no other."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        if len(a) == 1:
            return np.full_like(a, np.nan)
        half = len(a) // 2
        return np.concatenate([_inverses(a[:half]), _inverses(a[half:])])


def balance(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """D^-1 A D with rows and columns of like size, for matrices (N, n, n), and the diagonals of D, (N, n).

    Powers of two, so that nothing is rounded: Osborne's iteration as LAPACK has it, for many matrices at once.

    Example:
        >>> balance(np.array([[[0.0, 64.0], [1.0, 0.0]]]))[0].tolist()
        [[[0.0, 8.0], [8.0, 0.0]]]
    """
    a, scale = a.copy(), np.ones(a.shape[:2])
    off = ~np.eye(a.shape[1], dtype=bool)
    for _ in range(20):
        size = np.abs(a) * off
        unlike = np.any(_balancing(size.sum(axis=1), size.sum(axis=2)) != 1.0, axis=0)
        if not unlike.any():
            break
        for i in np.flatnonzero(unlike):
            column = np.abs(a[:, off[i], i]).sum(axis=1)
            row = np.abs(a[:, i, off[i]]).sum(axis=1)
            factor = _balancing(column, row)
            a[:, :, i] *= factor[:, None]
            a[:, i, :] /= factor[:, None]
            scale[:, i] *= factor
    return a, scale


def _balancing(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The power of two that brings a column's and a row's sum to one size; 1 where that is no gain."""
    both = (row > 0) & (column > 0)
    # of each by itself: their ratio may be more than a float holds
    gap = np.log2(np.where(both, row, 1.0)) - np.log2(np.where(both, column, 1.0))
    factor = np.exp2(np.clip(np.rint(gap / 2), -500, 500))
    return np.where(column * factor + row / factor < 0.95 * (column + row), factor, 1.0)


@np.errstate(all="ignore")
def _pairs(a: np.ndarray, entry_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both eigenvalues of every 2 x 2 block, (N, 2): middle +- sqrt(discriminant).

    Discriminant and determinant are summed in twice the precision: a QR iteration, or rounding, loses half the
    digits where the two eigenvalues meet. The off-diagonal entries, of which only the product counts, are brought to
    one size.
    """
    slack = PERTURBATION * np.abs(a) + entry_error[:, None, None]
    (p, q), (r, s) = ((a[:, i, 0], a[:, i, 1]) for i in (0, 1))
    shift = (np.frexp(r)[1] - np.frexp(q)[1]) // 2
    q, r = np.ldexp(q, shift), np.ldexp(r, -shift)
    off_p, off_s = slack[:, 0, 0], slack[:, 1, 1]
    off_q, off_r = np.ldexp(slack[:, 0, 1], shift), np.ldexp(slack[:, 1, 0], -shift)
    apart, apart_rest = _two_sum(p, -s)
    square, square_rest = _two_product(apart, apart)
    cross, cross_rest = _two_product(q, r)
    gap, gap_rest = _two_sum(square, 4 * cross)
    gap = (gap + (gap_rest + (square_rest + 2 * apart * apart_rest + 4 * cross_rest))) / 4
    product, product_rest = _two_product(p, s)
    det, det_rest = _two_sum(product, -cross)
    det = det + (det_rest + (product_rest - cross_rest))
    middle, root = (p + s) / 2, np.sqrt(np.abs(gap))
    off_middle = (off_p + off_s) / 2
    crossed = np.abs(q) * off_r + np.abs(r) * off_q + off_q * off_r
    off_gap = np.abs(apart) * off_middle + off_middle**2 + crossed
    off_root = np.fmin(off_gap / root, np.sqrt(off_gap)) + _EPS * root
    off_large = off_middle + off_root
    large = middle + np.copysign(root, middle)
    small = np.where(large != 0, det / large, 0.0)  # the difference of middle and root would lose its digits
    off_det = np.abs(p) * off_s + np.abs(s) * off_p + off_p * off_s + crossed
    off_small = np.fmin(off_large, (off_det + np.abs(small) * off_large) / np.abs(large))
    turning = gap < 0
    imaginary = np.where(turning, root, 0.0)
    one, two = (
        np.where(turning, middle, large) + 1j * imaginary,
        np.where(turning, middle, small) - 1j * imaginary,
    )
    return np.stack([one, two], axis=1), np.stack(
        [off_large, np.where(turning, off_large, off_small)], axis=1
    )


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a + b as the nearest float and what that leaves, exactly (Knuth)."""
    total = a + b
    of_b = total - a
    return total, (a - (total - of_b)) + (b - of_b)


def _two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a b as the nearest float and what that leaves, exactly (Dekker), for entries well inside the float range."""
    (a1, a2), (b1, b2) = (_halves(x) for x in (a, b))
    product = a * b
    return product, a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)


def _halves(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    large = 134217729.0 * x  # 2^27 + 1
    high = large - (large - x)
    return high, x - high


def blocks(a: np.ndarray) -> list[np.ndarray]:
    """Indices that depend on each other, by the exact zeros of ``a``: the strongly connected components."""
    reach = (a != 0) | np.eye(len(a), dtype=bool)
    for _ in range(int(np.ceil(np.log2(max(len(a), 2))))):
        reach = reach @ reach  # of booleans: whether any path of twice the length leads there
    both = reach & reach.T
    return [np.flatnonzero(row) for i, row in enumerate(both) if np.argmax(row) == i]


def _growth_by_steps(a: np.ndarray, discrete: bool) -> float:
    from scipy.linalg import expm

    radius = float(np.max(np.abs(np.linalg.eigvals(a))))
    once = a if discrete else expm(a * (0.02 / max(radius, 1e-12)))
    largest, power = 1.0, np.eye(len(a))
    for _ in range(20_000):
        power = once @ power
        size = float(np.linalg.norm(power, 2))
        largest = max(largest, size)
        if size < 1e-3 * largest:
            break
    return largest
