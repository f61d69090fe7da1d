"""The equilibrium at a parameter value, and its normal form there."""

from __future__ import annotations

import numpy as np

from ...numerics.normal_form import NormalForm, complex_pair, real_eigenvalue
from .family import Family

REAL = 1e-6  # of the imaginary part of a critical eigenvalue that is real
_RANK = 1e-12  # singular values that count as 0 in Newton's steps
_CONVERGED = 1e-12  # relative size of Newton's last step


def equilibrium_at(family: Family, near: np.ndarray, value: float) -> np.ndarray | None:
    """The equilibrium at a value of the parameter that Newton's method finds from a state; None where it finds none."""
    x, function = near.copy(), family.fixed([value])
    for _ in range(30):
        residual, slope = function(x)
        if not (np.all(np.isfinite(residual)) and np.all(np.isfinite(slope))):
            return None
        move = np.linalg.lstsq(slope, -residual, rcond=_RANK)[0]
        x = x + move
        if np.linalg.norm(move) <= _CONVERGED * (1.0 + np.linalg.norm(x)):
            return x
    return None


def cubic_form(family: Family, x: np.ndarray, value: float, critical: complex) -> NormalForm | None:
    """The cubic normal form of the eigenvalue (pair) nearest to a critical one, at any equilibrium."""
    found = family.derivatives(x, [value])
    if not np.all(np.isfinite(found.first)):
        return None
    if abs(critical.imag) > REAL:
        return complex_pair(found, critical, family.discrete)
    return real_eigenvalue(found, critical.real, flips=family.discrete and critical.real < 0)


def extent(form: NormalForm, dim: int) -> float:
    """Largest |(phi, theta)| of the players for an amplitude of 1."""
    q = form.vector[: 2 * dim]
    if abs(form.eigenvalue.imag) <= REAL:
        return float(np.linalg.norm(q))
    return 2.0 * float(np.linalg.norm(np.stack([np.real(q), np.imag(q)]), 2))
