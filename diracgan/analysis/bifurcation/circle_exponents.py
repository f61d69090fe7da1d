"""Lyapunov exponents on invariant circles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...numerics.invariant_circle import InvariantCircle
from ...numerics.lyapunov import windowed_mean
from ..decision_thresholds import T
from ..linear.decision import margin_of, status_of
from ..linear.status import STATUSES
from .family import Family


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

    @property
    def status(self) -> str:
        """What those across decide: one of :data:`~diracgan.analysis.linear.status.STATUSES`."""
        return STATUSES[status_of(*margin_of(self.across, self.across_errors, discrete=False))]


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
