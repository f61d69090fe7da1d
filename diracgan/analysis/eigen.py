"""Eigenvalues with an error bound, and what they leave out: the transient growth of a non-normal matrix.

References:
    Golub & Van Loan, Matrix Computations, section 7.2 (eigenvalue conditioning; Elsner's bound);
    Trefethen & Embree 2005, Spectra and Pseudospectra, chapters 14 to 17.
"""

from __future__ import annotations

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
    other. The bound is the lesser of condition x perturbation and Elsner's (|A| + |A'|)^(1 - 1/n) |E|^(1/n).

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
    for block in _blocks(a):
        part = a[np.ix_(block, block)]
        w, e = _bounded(part, 10 * _EPS * float(np.linalg.norm(a, 2)) + entry_error)
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
    w, v = np.linalg.eig(a)
    if np.linalg.cond(v) > 1e7:
        return _growth_by_steps(a, discrete) if stable else float("inf")
    back = np.linalg.inv(v)
    rates = np.log(np.abs(w) + 1e-300) if discrete else w.real
    turning = np.abs(np.angle(w)) if discrete else np.abs(w.imag)
    slow = np.min(np.abs(rates[np.abs(rates) > 1e-12]), initial=np.inf)
    swing = np.min(turning[turning > 1e-12], initial=np.inf)
    horizon = max(8.0 / slow if np.isfinite(slow) else 0.0, 2 * np.pi / swing if np.isfinite(swing) else 0.0, 1.0)

    def size(t: np.ndarray) -> np.ndarray:
        power = w[None] ** t[:, None] if discrete else np.exp(w[None] * t[:, None])
        return np.linalg.norm((v[None] * power[:, None, :]) @ back, 2, axis=(1, 2))

    if discrete:
        ks = np.unique(np.round(np.linspace(0, min(horizon, 1e6), 2000)))
        return float(max(1.0, size(ks).max()))
    ts = np.linspace(0, horizon, 1500)
    for _ in range(4):  # zoom in on the highest point
        sizes = size(ts)
        k = int(np.argmax(sizes))
        ts = np.linspace(ts[max(k - 1, 0)], ts[min(k + 1, len(ts) - 1)], 60)
    return float(max(1.0, size(ts).max()))


def numerical_abscissa(a: np.ndarray) -> float:
    """The largest eigenvalue of (A + A^T)/2: the rate at which a perturbation can grow at first.

    Example:
        >>> numerical_abscissa(np.array([[0.0, -1.0], [1.0, 0.0]]))
        0.0
    """
    return float(np.linalg.eigvalsh((a + a.T) / 2)[-1])


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


def _bounded(a: np.ndarray, perturbation: float) -> tuple[np.ndarray, np.ndarray]:
    n = len(a)
    w, right = np.linalg.eig(a)
    w = _pair(a) if n == 2 else w.astype(complex)
    size = float(np.linalg.norm(a, 2))
    worst = (2 * size + perturbation) ** (1 - 1 / n) * perturbation ** (1 / n)
    try:
        left = np.linalg.inv(right)
        conditions = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=0)
    except np.linalg.LinAlgError:
        conditions = np.full(n, np.inf)
    # of a 2 x 2 block both eigenvalues have the same condition, so their order does not matter
    return w, np.minimum(conditions * perturbation, worst)


def _pair(a: np.ndarray) -> np.ndarray:
    """Both eigenvalues of a 2 x 2 block in closed form: exact where they meet, as a QR iteration is not."""
    middle, half = (a[0, 0] + a[1, 1]) / 2, (a[0, 0] - a[1, 1]) / 2
    swing = np.sqrt(complex(half**2 + a[0, 1] * a[1, 0]))
    return np.array([middle + swing, middle - swing])


def _blocks(a: np.ndarray) -> list[np.ndarray]:
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
