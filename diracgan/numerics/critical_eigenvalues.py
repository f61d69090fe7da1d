"""Test functions that vanish where eigenvalues are critical, smooth also where these coincide.

Of a group of eigenvalues, closed under conjugation and apart from the others, the determinant and the trace are smooth
functions of the matrix, which a single one is not where two meet. With the invariant subspaces V and W, W^H V = 1, of
the group its matrix is E = W^H A V, and dE = W^H dA V to first order.

References:
    Kato 1995, Perturbation Theory for Linear Operators, section II.2; Kuznetsov 2004, section 10.2.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

NEAR = 0.1  # of a critical real eigenvalue: others within this belong to its group
_CONJUGATE = 1e-12  # by which a conjugate, computed apart, may differ


class Criterion(Enum):
    """What is critical: eigenvalue 0 or multipliers 1 and -1, a pair +-i omega, a pair of multipliers on the circle."""

    ZERO = 0.0
    ONE = 1.0
    MINUS_ONE = -1.0
    IMAGINARY_PAIR = "imaginary"
    UNIT_PAIR = "unit"

    @property
    def is_pair(self) -> bool:
        """Whether two eigenvalues are meant."""
        return isinstance(self.value, str)


class Group(NamedTuple):
    """Some eigenvalues of a matrix and their invariant subspaces.

    Attributes:
        values: of the group, (k,).
        others: the other eigenvalues, (n - k,).
        matrix: E, upper triangular, (k, k).
        right: V, (n, k).
        left: W, (n, k).
    """

    values: np.ndarray
    others: np.ndarray
    matrix: np.ndarray
    right: np.ndarray
    left: np.ndarray


def critical_group(matrix: np.ndarray, near: np.ndarray, criterion: Criterion) -> Group:
    """The group of the eigenvalues nearest to given ones: two of a pair, else one and those close to it.

    Args:
        matrix: real, (n, n).
        near: where they were at a neighbouring matrix, (2,) of a pair, else (1,).
        criterion: what is to be critical.

    Example:
        >>> a = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.5]])
        >>> group = critical_group(a, np.array([0.1 + 0.9j, 0.1 - 0.9j]), Criterion.UNIT_PAIR)
        >>> np.round(group.values.imag, 9).tolist(), group.others.real.round(9).tolist()
        ([1.0, -1.0], [0.5])
    """
    values = np.linalg.eigvals(matrix)
    first = int(np.argmin(np.abs(values - near[0])))
    chosen = np.zeros(len(values), bool)
    chosen[first] = True
    if criterion.is_pair:
        partner = np.conj(values[first]) if values[first].imag else near[1]
        chosen[int(np.argmin(np.where(chosen, np.inf, np.abs(values - partner))))] = True
    else:
        chosen |= np.abs(values - values[first].real) <= NEAR
        chosen |= np.any(np.abs(values[:, None] - np.conj(values[chosen])) <= _CONJUGATE, axis=1)

    def belongs(x: complex) -> bool:
        return bool(chosen[int(np.argmin(np.abs(values - x)))])

    upper, basis, k = _schur(matrix, belongs)
    inner, right, rest = upper[:k, :k], basis[:, :k], basis[:, k:]
    left = right
    if k < len(matrix):  # left invariant, and W^H V = 1, is W = V + rest Y^H with E Y - Y T22 = T12
        from scipy.linalg import lapack

        y, scale, _ = lapack.ztrsyl(inner, upper[k:, k:], upper[:k, k:], isgn=-1)  # pyright: ignore[reportAttributeAccessIssue]
        left = right + rest @ (y / scale).conj().T
    return Group(values[chosen], values[~chosen], inner, right, left)


def _schur(matrix: np.ndarray, belongs: Callable[[complex], bool]) -> tuple[np.ndarray, np.ndarray, int]:
    """The complex Schur form, its basis, and how many eigenvalues belong, which stand first."""
    from scipy.linalg import schur

    found: Any = schur(matrix, output="complex", sort=belongs)
    return found


def critical_function(group: Group, criterion: Criterion, slopes: np.ndarray) -> tuple[float, np.ndarray]:
    """What vanishes where the group is critical, and its derivatives along directions.

    The trace of an imaginary pair, the determinant less 1 of a pair on the unit circle, and of real eigenvalues
    the determinant of E - value. (A pair of real eigenvalues of sum 0 or product 1 passes too.)

    Args:
        group: of :func:`critical_group`.
        criterion: what is to be critical.
        slopes: how the matrix changes along the directions, (m, n, n).

    Example:
        >>> a = np.diag([0.5, 0.2])
        >>> group = critical_group(a, np.array([0.5]), Criterion.ONE)
        >>> value, slope = critical_function(group, Criterion.ONE, np.eye(2)[None])
        >>> round(value, 9), slope.round(9).tolist()
        (-0.5, [1.0])
    """
    moved = np.einsum("ai,mab,bj->mij", group.left.conj(), slopes, group.right)
    if criterion is Criterion.IMAGINARY_PAIR:
        return float(np.trace(group.matrix).real), np.einsum("mii->m", moved).real
    at, of = (1.0, 0.0) if criterion is Criterion.UNIT_PAIR else (0.0, float(criterion.value))
    e = group.matrix - of * np.eye(len(group.matrix))
    return float(np.linalg.det(e).real) - at, np.einsum("ij,mji->m", _adjugate(e), moved).real


def _adjugate(matrix: np.ndarray) -> np.ndarray:
    """The derivative of the determinant, also of a singular matrix: d det = tr(adj dM)."""
    u, s, vh = np.linalg.svd(matrix)
    rest = np.array([np.prod(np.delete(s, k)) for k in range(len(s))])
    return np.linalg.det(u) * np.linalg.det(vh) * (vh.conj().T * rest) @ u.conj().T
