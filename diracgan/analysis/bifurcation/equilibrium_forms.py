"""The equilibrium at a parameter value, and its normal form there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...numerics.normal_form import NormalForm, complex_pair, real_eigenvalue
from .family import Family

REAL = 1e-6  # of the imaginary part of a critical eigenvalue that is real
_RANK = 1e-12  # singular values that count as 0 in Newton's steps
_CONVERGED = 1e-12  # relative size of Newton's last step
_BESIDE, _NEARER = (
    1e-4,
    1.0 / 16.0,
)  # of a state: where derivatives are compared, and how much nearer once more
_STAYS, _NOTHING = 0.5, 1e-9  # a difference of derivatives of this share of its former one; of their size
_WAYS = 3  # directions that are tried
_REACHES = _NEARER ** np.arange(8)  # of the way beside: where derivatives have a value


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


def jumping_derivatives(family: Family, x: np.ndarray, ps: Sequence[float]) -> str:
    """Empty, or why no normal form holds although the map or field has a derivative: a further one jumps there.

    So does the second one of |theta| phi (GAN-QP) at 0: the derivatives on both sides of the point differ as much 16
    times nearer to it, where those of a smooth function differ 16 times less.
    """
    rng = np.random.default_rng(0)
    ways = rng.normal(size=(_WAYS, len(x)))
    ways *= (_BESIDE * (1.0 + np.linalg.norm(x)) / np.linalg.norm(ways, axis=1))[:, None]
    along = rng.normal(size=len(x)) / np.sqrt(len(x))

    def seen(steps: np.ndarray) -> np.ndarray:
        """Second and third derivatives at x + steps, (2, m, n)."""
        return np.stack(family.curvatures(x + steps, ps, along))

    for way in ways:
        # no further than the map reaches: an averaged square is below 0 on one side of rest, and eps holds it up
        both = seen(np.concatenate([_REACHES, -_REACHES])[:, None] * way)
        has_value = np.all(np.isfinite(both), axis=(0, 2)).reshape(2, -1).all(axis=0)
        way = way * (_REACHES[np.argmax(has_value)] if np.any(has_value) else 1.0)
        found = seen(np.array([1.0, _NEARER, -1.0, -_NEARER])[:, None] * way)
        far, near = np.linalg.norm(found[:, :2] - found[:, 2:], axis=2).T
        sizes = 1.0 + np.linalg.norm(found[:, 0], axis=1)
        for order, before, after, size in zip(("second", "third"), far, near, sizes, strict=True):
            if not after <= max(_STAYS * before, _NOTHING * size):
                return f"its {order} derivative jumps at the equilibrium, so that no normal form tells what is born"
    return ""


def extent(form: NormalForm, dim: int) -> float:
    """Largest |(phi, theta)| of the players for an amplitude of 1."""
    q = form.vector[: 2 * dim]
    if abs(form.eigenvalue.imag) <= REAL:
        return float(np.linalg.norm(q))
    return 2.0 * float(np.linalg.norm(np.stack([np.real(q), np.imag(q)]), 2))
