"""The invariant circle of a Neimark-Sacker point, followed to another value of the parameter; exponents on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...numerics.invariant_circle import LEAST_POINTS, InvariantCircle, invariant_circle
from ...numerics.lyapunov import windowed_mean
from ..decision_thresholds import T
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


class CircleExponents(NamedTuple):
    """Lyapunov exponents on an invariant circle, per application of the map.

    Attributes:
        along: the tangential one, which is 0 up to its error; ``along_error``.
        across: the others, by decreasing value, (n - 1,); ``across_errors`` how far each may be off.
    """

    along: float
    along_error: float
    across: np.ndarray
    across_errors: np.ndarray


def exponents_on(
    family: Family, circles: Sequence[InvariantCircle], values: Sequence[float], turns: int
) -> list[CircleExponents]:
    """Exponents along ``turns`` steps that stay on each circle by its parametrisation.

    The circle's own direction is K' by definition, also where the others grow; these are taken modulo it, by QR of
    what is orthogonal to it. An error is how far the quarters of the orbit are apart, and by how much the map's
    derivative misses K' at the next angle, which the truncated series leaves.

    Args:
        family: of one parameter.
        circles: of it.
        values: of the parameter, one for each.
        turns: applications of the map.
    """
    angles = [c.rotation * np.arange(turns + 1) for c in circles]
    ways = np.stack([c.tangents(a) for c, a in zip(circles, angles, strict=True)], axis=1)
    points = [c.at(a[:-1]) for c, a in zip(circles, angles, strict=True)]
    slopes = np.stack([family.at_many(z, [v])[1] for z, v in zip(points, values, strict=True)], axis=1)
    carried = np.einsum("tkij,tkj->tki", slopes, ways[:-1])
    missed = np.linalg.norm(carried - ways[1:], axis=2) / np.linalg.norm(ways[1:], axis=2)
    along = np.log(np.linalg.norm(carried, axis=2) / np.linalg.norm(ways[:-1], axis=2))
    units = ways / np.linalg.norm(ways, axis=2)[:, :, None]
    n = units.shape[2]
    eyes = np.broadcast_to(np.eye(n), (len(circles), n, n))
    frames = np.linalg.qr(np.concatenate([units[0][:, :, None], eyes], axis=2))[0][:, :, 1:]
    across = np.empty((turns, len(circles), n - 1))
    for t, (slope, unit) in enumerate(zip(slopes, units[1:], strict=True)):
        moved = slope @ frames
        frames, upper = np.linalg.qr(moved - unit[:, :, None] * (unit[:, None] @ moved))
        across[t] = np.log(np.maximum(np.abs(np.diagonal(upper, axis1=1, axis2=2)), T.tiny))
    late = np.concatenate([along[:, :, None], across], axis=2)[turns // 4 :]
    return [_averaged(late[:, k], float(missed[:, k].mean())) for k in range(len(circles))]


def _averaged(rows: np.ndarray, missed: float) -> CircleExponents:
    errors = np.ptp([windowed_mean(part) for part in np.array_split(rows, 4)], axis=0) + missed
    values = windowed_mean(rows)
    order = 1 + np.argsort(-values[1:], kind="stable")
    return CircleExponents(float(values[0]), float(errors[0]), values[order], errors[order])


def maps(family: Family, value: float) -> tuple[PointsMap, PointsMap]:
    """The map of many points and its slopes."""

    def step(points: np.ndarray) -> np.ndarray:
        return points + family.at_many(points, [value])[0]

    def slope(points: np.ndarray) -> np.ndarray:
        return family.at_many(points, [value])[1]

    return step, slope
