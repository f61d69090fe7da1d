"""The invariant circle of a Neimark-Sacker point, followed to another value of the parameter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...numerics.invariant_circle import LEAST_POINTS, InvariantCircle, invariant_circle
from .equilibrium_forms import cubic_form, equilibrium_at
from .family import Family

PointsMap = Callable[[np.ndarray], np.ndarray]
_FIRST = (0.02, 0.1, 0.3, 1.0)  # of the way: where the normal form is believed
_GROWTH = 1.6  # of the step on the way
_LEAST_STEP = 1e-3
SHOWN = 512  # points of a circle that is drawn


def circle_at(
    family: Family, state: np.ndarray, threshold: float, eigenvalue: complex, value: float
) -> InvariantCircle | None:
    """The circle at a value of the parameter, started on the normal form near the threshold; None where it is lost.

    Args:
        family: of one number.
        state: the fixed point at the threshold.
        threshold: of the number.
        eigenvalue: the critical multiplier there.
        value: of the number.
    """
    family, span = family.repeated(family.times or 1), value - threshold
    found, share = None, 0.0
    for share in _FIRST:
        if (found := _born_at(family, state, eigenvalue, threshold + share * span)) is not None:
            break
    step = share
    while found is not None and share < 1.0:
        step = min(step * _GROWTH, 1.0 - share)
        previous, found = found, None
        while found is None and step > _LEAST_STEP:
            grown = np.sqrt((share + step) / share)
            found = _next(family, state, previous, threshold + (share + step) * span, grown)
            if found is None:
                step *= 0.5
        share += step
    return found


def extent_of(family: Family, state: np.ndarray, found: InvariantCircle, value: float) -> tuple[float, float]:
    """Least and largest distance of the players on a circle from its fixed point."""
    centre, players = equilibrium_at(family, state, value), 2 * family.dim
    assert centre is not None
    sizes = np.linalg.norm(found.dense(SHOWN)[:, :players] - centre[:players], axis=1)
    return float(sizes.min()), float(sizes.max())


def _born_at(family: Family, state: np.ndarray, eigenvalue: complex, value: float) -> InvariantCircle | None:
    """The circle of the normal form, refined."""
    at = equilibrium_at(family, state, value)
    form = None if at is None else cubic_form(family, at, value, eigenvalue)
    if at is None or form is None:
        return None
    square = -(abs(form.eigenvalue) - 1.0) / form.coefficient
    if not square > 0:
        return None
    angles = 2 * np.pi * np.arange(LEAST_POINTS) / LEAST_POINTS
    guess = at + 2 * np.sqrt(square) * np.real(np.exp(1j * angles)[:, None] * form.vector)
    return invariant_circle(*maps(family, value), guess, float(np.angle(form.eigenvalue)))


def _next(
    family: Family, state: np.ndarray, before: InvariantCircle, value: float, grown: float
) -> InvariantCircle | None:
    at = equilibrium_at(family, state, value)
    if at is None:
        return None
    guess = at + grown * (before.points - before.points.mean(axis=0))
    found = invariant_circle(*maps(family, value), guess, before.rotation)
    if found is None:
        return None
    ratio = np.max(np.ptp(found.points, axis=0)) / np.max(np.ptp(guess, axis=0))
    return found if 0.5 < ratio < 2.0 else None


def maps(family: Family, value: float) -> tuple[PointsMap, PointsMap]:
    """The map of many points and its slopes."""

    def step(points: np.ndarray) -> np.ndarray:
        return points + family.at_many(points, [value])[0]

    def slope(points: np.ndarray) -> np.ndarray:
        return family.at_many(points, [value])[1]

    return step, slope
