"""Deflation: further roots of G(x) = 0 by Newton's method, with those that are known taken out.

Reference:
    Farrell, Birkisson, Funke 2015, SIAM J. Sci. Comput. 37, A2026.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .path_following import solve

Function = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""x (n,) -> G(x) (n,) and its Jacobian (n, n)."""


def deflated_roots(
    function: Function,
    starts: np.ndarray,
    known: Sequence[np.ndarray] = (),
    iterations: int = 60,
) -> list[np.ndarray]:
    """Roots of G(x) = 0 that Newton's method finds with the known ones, and each that it finds, taken out.

    Newton's method is applied to M(x) G(x), M(x) = prod_k (1/|x - x_k|^2 + 1), which has no root at an x_k.

    Args:
        function: G and its Jacobian, (n,) -> (n,), (n, n).
        starts: from where, (m, n).
        known: roots that are known.
        iterations: most of them from each start.

    Returns:
        The known roots and the new ones.

    Example:
        >>> def cubic(x):
        ...     return x**3 - x, np.array([3 * x**2 - 1])
        >>> sorted(round(float(r[0]), 9) for r in deflated_roots(cubic, np.array([[0.4], [0.7]] * 2)))
        [-1.0, 0.0, 1.0]
    """
    found = [np.asarray(r, float) for r in known]
    for start in starts:
        root = _newton(function, np.asarray(start, float), found, iterations)
        if root is None:
            continue
        polished = _newton(function, root, [], 20)
        if polished is None or np.linalg.norm(polished - root) > 1e-6 * (1.0 + np.linalg.norm(root)):
            continue
        if all(np.linalg.norm(polished - r) > 1e-7 * (1.0 + np.linalg.norm(r)) for r in found):
            found.append(polished)
    return found


def _newton(
    function: Function,
    x: np.ndarray,
    taken_out: Sequence[np.ndarray],
    iterations: int,
) -> np.ndarray | None:
    for _ in range(iterations):
        value, slope = function(x)
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return None
        off = np.array([x - r for r in taken_out]).reshape(len(taken_out), len(x))
        squares = np.sum(off**2, axis=1)
        if np.any(squares < 1e-24):
            return None
        # (M F)' = M (F' + F (grad log M)^T)
        log_slope = np.sum((-2 * off.T / (squares**2 * (1 / squares + 1))).T, axis=0)
        x = x + (move := solve(slope + np.outer(value, log_slope), -value))
        if np.linalg.norm(move) <= 1e-13 * (1.0 + np.linalg.norm(x)):
            return x
    return None
