"""Eigenvalues with an error bound, and what they leave out: the transient growth of a non-normal matrix.

References:
    Golub & Van Loan, Matrix Computations, section 7.2 (eigenvalue conditioning; Elsner's bound);
    Trefethen & Embree 2005, Spectra and Pseudospectra, chapters 14 to 17.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

_EPS = float(np.finfo(float).eps)


class Eigenvalues(NamedTuple):
    """Eigenvalues by decreasing real part, ties by decreasing imaginary part, and how far each may be off."""

    values: np.ndarray
    errors: np.ndarray


def eigenvalues(a: np.ndarray, entry_error: float = 0.0) -> Eigenvalues:
    """The eigenvalues of a real matrix with a bound on each one's error.

    The matrix is first taken apart along its exact zeros, so that decoupled copies of a system do not disturb each
    other. Blocks of two are solved in closed form, entry by entry, so that rates of very different size do no harm;
    of larger ones the bound is the lesser of condition x perturbation and Elsner's (|A| + |A'|)^(1 - 1/n) |E|^(1/n),
    after balancing.

    Args:
        a: the matrix, shape (n, n).
        entry_error: how far the matrix itself may be off, in norm, beyond rounding.

    Returns:
        Values and errors, each of shape (n,).

    Example:
        >>> eigenvalues(np.array([[0.0, -1.0], [1.0, 0.0]])).values.tolist()
        [1j, -1j]
    """
    values, errors = [], []
    for block in blocks(a):
        part = a[np.ix_(block, block)]
        w, e = (
            _pair(part, 10 * _EPS * np.abs(part) + entry_error)
            if len(part) == 2
            else _bounded(part, entry_error)
        )
        values.append(w)
        errors.append(e)
    w, e = np.concatenate(values), np.concatenate(errors)
    order = ordered(w, e)
    return Eigenvalues(w[order] + 0.0, e[order])


def ordered(w: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Indices by decreasing real part; real parts that differ by less than their errors count as tied."""
    by_real = np.argsort(-w.real, kind="stable")
    group = np.zeros(len(w), int)
    for before, now in zip(by_real, by_real[1:], strict=False):
        apart = w.real[before] - w.real[now] > errors[before] + errors[now]
        group[now] = group[before] + int(apart)
    return np.lexsort((-w.imag, group))


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
    rates = np.log(np.abs(w) + 1e-300) if discrete else w.real.copy()
    turning = np.angle(w) if discrete else w.imag
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
    return float(np.linalg.eigvalsh((a + a.T) / 2)[-1]) + 0.0  # no negative zero


def numerical_radius(a: np.ndarray) -> float:
    """max |x* A x| over unit vectors: the same for a map.

    Example:
        >>> round(numerical_radius(np.array([[0.0, -1.0], [1.0, 0.0]])), 12)
        1.0
    """

    def support(angles: np.ndarray) -> np.ndarray:
        turned = np.exp(1j * angles)[:, None, None] * a
        return np.linalg.eigvalsh((turned + turned.conj().transpose(0, 2, 1)) / 2)[:, -1]

    angles = np.linspace(0, 2 * np.pi, 181)
    for _ in range(4):
        k = int(np.argmax(support(angles)))
        step = angles[1] - angles[0]
        angles = np.linspace(angles[k] - step, angles[k] + step, 41)
    return float(support(angles).max())


def _bounded(a: np.ndarray, entry_error: float) -> tuple[np.ndarray, np.ndarray]:
    from scipy.linalg import matrix_balance

    n = len(a)
    if n == 1:
        return a[0].astype(complex), 10 * _EPS * np.abs(a[0]) + entry_error
    with np.errstate(invalid="ignore"):  # a scale beyond the integers, as which SciPy also returns it
        balanced, (scale, _) = matrix_balance(a, permute=False, separate=True)
    w, right = np.linalg.eig(balanced)
    size = float(np.linalg.norm(balanced, 2))
    perturbation = 10 * _EPS * size + entry_error * float(np.linalg.norm(np.outer(1 / scale, scale), 2))
    worst = (2 * size + perturbation) ** (1 - 1 / n) * perturbation ** (1 / n)
    try:
        left = np.linalg.inv(right)
        conditions = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=0)
    except np.linalg.LinAlgError:
        conditions = np.full(n, np.inf)
    return w.astype(complex), np.minimum(conditions * perturbation, worst)


def _pair(a: np.ndarray, slack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both eigenvalues of a 2 x 2 block, whose entries may be off by ``slack``: middle +- sqrt(discriminant).

    In exact arithmetic up to the root: a QR iteration, or rounding, loses half the digits where the two meet.
    """
    (p, q), (r, s) = ([Fraction(float(x)) for x in row] for row in a)
    middle, half, det = float((p + s) / 2), float((p - s) / 2), float(p * s - q * r)
    gap = float(((p - s) / 2) ** 2 + q * r)
    root = math.sqrt(abs(gap))
    off_middle = (slack[0, 0] + slack[1, 1]) / 2
    crossed = float(abs(a[0, 1]) * slack[1, 0] + abs(a[1, 0]) * slack[0, 1] + slack[0, 1] * slack[1, 0])
    off_gap = 2 * abs(half) * off_middle + off_middle**2 + crossed
    off_root = min(off_gap / root if root > 0 else math.inf, math.sqrt(off_gap)) + _EPS * root
    if gap < 0:
        return np.array([complex(middle, root), complex(middle, -root)]), np.full(2, off_middle + off_root)
    large = middle + math.copysign(root, middle)
    small = det / large if large else 0.0  # the difference of middle and root would lose its digits
    off_det = abs(a[0, 0]) * slack[1, 1] + abs(a[1, 1]) * slack[0, 0] + slack[0, 0] * slack[1, 1] + crossed
    off_large = off_middle + off_root
    off_small = min(off_large, (off_det + abs(small) * off_large) / abs(large) if large else math.inf)
    return np.array([large, small], complex), np.array([off_large, off_small])


def blocks(a: np.ndarray) -> list[np.ndarray]:
    """Indices that depend on each other, by the exact zeros of ``a``: the strongly connected components."""
    reach = (a != 0) | np.eye(len(a), dtype=bool)
    for _ in range(max(1, int(np.ceil(np.log2(max(len(a), 2)))))):
        reach = reach | ((reach.astype(np.int64) @ reach.astype(np.int64)) > 0)
    both = reach & reach.T
    seen: set[int] = set()
    found = []
    for i in range(len(a)):
        if i not in seen:
            block = np.flatnonzero(both[i])
            seen.update(int(k) for k in block)
            found.append(block)
    return found


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
