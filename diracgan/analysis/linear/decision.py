"""The one decision of the linearisation: from a batch of Jacobians to statuses with margins and errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax import Array

from ...numerics import eigen
from ...numerics.convex_hull import distance_to_hull
from ...numerics.derivative import JUMP, NONE, SMOOTH, Derivative
from .status import Status

# |F| at an equilibrium may be this much of the field's size and of its change over a unit of length; at a jump, where
# the limits are known as well as the field is constant over the smallest scale of a probe, this factor more.
RESIDUAL, _AT_A_JUMP = 1e-10, 1e4


class Decision(NamedTuple):
    """What the linearisation says at N points.

    Attributes:
        status: index into :data:`~diracgan.analysis.linear.status.STATUSES`, (N,).
        margin: -max Re of the eigenvalues, or 1 - max modulus of the multipliers, (N,); NaN where there are none.
        error: bound on the margin's error, (N,), of :func:`margin_of`; NaN where there is no margin.
        eigenvalues: of the flow's Jacobian, or the map's multipliers, in the order of a spectrum, (N, n); NaN where
            there are none.
        matrix: the Jacobian of the field, or of the map, (N, n, n).
        residual: |F|, or |step(z) - z|; at a jump the distance of 0 from what the field jumps between, (N,).
        kind: of the derivative, as in :mod:`diracgan.numerics.derivative`, (N,).
        alive: whether the critic has a value at the point, (N,).
    """

    status: np.ndarray
    margin: np.ndarray
    error: np.ndarray
    eigenvalues: np.ndarray
    matrix: np.ndarray
    residual: np.ndarray
    kind: np.ndarray
    alive: np.ndarray


def decide(seen: Derivative, alive: np.ndarray, discrete: bool) -> Decision:
    """Decide every point.

    Every comparison is between quantities of the same unit, so that the same system in another unit of time is given
    the same status.

    Args:
        seen: the derivative of the field, or of step(z) - z.
        alive: whether the critic has a value at the point, (N,).
        discrete: whether it belongs to a map.
    """
    bound, residual = residual_bound(seen.size, seen.slope), np.array(seen.residual)
    for i in np.flatnonzero((seen.kind == JUMP) & alive):
        residual[i] = distance_to_hull(seen.near[i][seen.finite[i]])
    bound = np.where(seen.kind == JUMP, _AT_A_JUMP * bound, bound)
    resting = alive & (seen.kind != NONE) & (residual <= bound)
    linear = resting & (seen.kind == SMOOTH)

    n = seen.jacobian.shape[-1]
    matrix = np.where(linear[:, None, None], seen.jacobian, 0.0) + (np.eye(n) if discrete else 0.0)
    values, errors = eigen.eigenvalues(matrix, seen.error)
    margin, error = margin_of(values, errors, discrete)
    status = np.where(linear, status_of(margin, error), Status.NO_DERIVATIVE.number)
    status = np.where(resting, status, Status.NOT_AN_EQUILIBRIUM.number).astype(np.int8)
    margin, error = (np.where(linear, x, np.nan) for x in (margin, error))
    values = np.where(linear[:, None], values, np.nan)
    return Decision(status, margin, error, values, matrix, residual, seen.kind, alive)


def residual_bound(size: Array, slope: Array | float) -> Array:
    """How large |F| may be at an equilibrium, by its size close by and its change over a unit of length."""
    return RESIDUAL * (size + slope)


def heights(values: np.ndarray, discrete: bool) -> np.ndarray:
    """What of an eigenvalue decides: its real part, or of a map's multiplier the modulus."""
    return np.abs(values) if discrete else np.real(values)


def margin_of(values: np.ndarray, errors: np.ndarray, discrete: bool) -> tuple[np.ndarray, np.ndarray]:
    """The margin of eigenvalues, and how far it may be off.

    Args:
        values: eigenvalues of flows, multipliers of maps, or exponents, (..., n).
        errors: how far each may be off, (..., n).
        discrete: whether they are multipliers.

    Returns:
        -max h and max (h + error) - max h, (...,), of the heights h; 1 - max h of multipliers. Where some eigenvalue
        is unstable whatever its error, but a less certain one may lie beyond by more than the margin, the error is
        how much nearer to 0 the margin may be: max h - max (h - error).

    Example:
        >>> margin_of(np.array([-1.0, -1.5]), np.array([0.25, 1.0]), discrete=False)
        (np.float64(1.0), np.float64(0.5))
        >>> margin_of(np.array([1.0, 0.5]), np.array([0.25, 4.0]), discrete=False)
        (np.float64(-1.0), np.float64(0.25))
    """
    high = heights(values, discrete)
    top = high.max(axis=-1)
    margin = (1.0 - top if discrete else -top) + 0.0  # no negative zero
    off = high - top[..., None]
    beyond, nearer = np.max(off + errors, axis=-1), -np.max(off - errors, axis=-1)
    return margin, np.where((margin < -nearer) & (margin >= -beyond), nearer, beyond)[()]


def status_of(margin: np.ndarray | float, error: np.ndarray | float) -> np.ndarray:
    """What a margin decides, as indices into :data:`~diracgan.analysis.linear.status.STATUSES`.

    Args:
        margin: of the linearisation at a point, along a cycle or on a circle, (...,).
        error: bound on its error, (...,).

    Example:
        >>> from diracgan.analysis.linear.status import STATUSES
        >>> [STATUSES[s] for s in status_of(np.array([0.5, -0.5, 0.0]), 1e-9)]
        ['stable', 'unstable', 'marginal']
    """
    decided = np.where(margin < -np.asarray(error), Status.UNSTABLE.number, Status.MARGINAL.number)
    return np.where(margin > error, Status.STABLE.number, decided)


def decide_matrices(matrices: np.ndarray, discrete: bool) -> Decision:
    """Decide linear fields z' = A z, or maps z+ = A z, at 0.

    Args:
        matrices: A, finite, (N, n, n).
        discrete: whether they are maps.

    Example:
        >>> from diracgan.analysis.linear.status import STATUSES
        >>> STATUSES[decide_matrices(np.array([[[0.5, 0.0], [0.0, -0.9]]]), discrete=True).status[0]]
        'stable'
    """
    count, n, _ = matrices.shape
    zero = np.zeros(count)
    change = matrices - np.eye(n) if discrete else matrices
    nowhere = np.zeros((count, 0, n)), np.zeros((count, 0), bool)
    seen = Derivative(np.full(count, SMOOTH), change, zero, zero, zero, zero, *nowhere)
    return decide(seen, np.ones(count, bool), discrete)


def leading_frequency(eigenvalues: np.ndarray, discrete: bool) -> np.ndarray:
    """Frequency (flow) or angle per application (map) of the eigenvalue that lasts longest and turns; 0 if none does.

    Args:
        eigenvalues: (..., n).
        discrete: whether they are a map's multipliers.

    Example:
        >>> float(leading_frequency(np.array([-0.1 + 2j, -0.1 - 2j, 3.0]), False))
        2.0
    """
    turning = np.abs(np.angle(eigenvalues)) if discrete else np.abs(np.imag(eigenvalues))
    unit = 1.0 if discrete else np.max(np.abs(eigenvalues), axis=-1, keepdims=True)
    turns = turning > 1e-9 * unit
    leading = np.argmax(np.where(turns, heights(eigenvalues, discrete), -np.inf), axis=-1)
    angle = np.take_along_axis(turning, leading[..., None], axis=-1)[..., 0]
    return np.where(turns.any(axis=-1), angle, 0.0)
