"""Periodic orbits of the flow by shooting, with their monodromy matrix.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 10.2.
"""

from __future__ import annotations

import numpy as np

from ...dynamics.motion_result import MotionResult
from ...numerics import eigen
from ..decision_thresholds import T
from ..dynamical_system import ContinuousSystem
from .neighbours import Carried, carry, system_alone
from .orbit import Method, Orbit


def periodic_orbit(flow: ContinuousSystem, flat: np.ndarray, period: float) -> Orbit | None:
    """Shooting for a periodic orbit of the flow near ``flat``: Newton on Phi_T(z) - z with the least-squares step.

    The monodromy matrix is that of :func:`diracgan.analysis.orbits.neighbours.carry`, also through switchings.
    """
    z, length = flat.copy(), period
    scale = max(float(np.max(np.abs(flat))), T.tiny)
    for _ in range(4):  # first the time of the closest return alone, lest Newton shrink the orbit instead
        piece = flow.advance(z, 0.0, length, 0)
        if piece.result != MotionResult.OK:
            return None
        speed = flow.change(piece.end)
        length -= float((piece.end - z) @ speed / max(speed @ speed, T.tiny))
        if not T.period_guess[0] * period < length < T.period_guess[1] * period:
            return None
    alone = system_alone(flow.system)
    for _ in range(12):
        found = carry(alone, z, length)
        if found is None:
            return None
        # the period in units of its guess, and the state in those of the orbit, so that no unit of either matters
        speed = flow.change(z)
        phase = np.append(speed / max(float(np.linalg.norm(speed)), T.tiny), 0.0)
        turn = np.column_stack([found.by_state - np.eye(len(z)), period / scale * found.velocity])
        slope = np.vstack([turn, phase])
        move = np.linalg.lstsq(slope, -np.append(found.end - z, 0.0) / scale, rcond=T.shooting_rank)[0]
        if (
            np.linalg.norm(move[:-1]) > T.shooting_moved
            or abs(period * move[-1]) > T.shooting_stretched * length
        ):
            return None
        z, length = z + scale * move[:-1], length + period * move[-1]
        if np.linalg.norm(move[:-1]) <= T.closed:
            break
    found = carry(alone, z, length)
    if found is None or _gap(found, z, length, scale) > T.not_closed:
        return None
    speed = flow.change(
        z
    )  # it is carried round into itself: how far it misses tells how far the matrix is off
    missed = float(np.linalg.norm(found.by_state @ speed - speed) / max(np.linalg.norm(speed), T.tiny))
    values, errors = eigen.eigenvalues(found.by_state, missed)
    return Orbit.sorted(z, length, values, Method.SHOOTING, errors, T.multiplier_error)


def _gap(found: Carried, z: np.ndarray, length: float, scale: float) -> float:
    """How far a motion is from closing: across itself in units of the orbit, along itself in units of the period.

    A motion that lingers near a saddle fixes its place on the orbit far worse than the orbit.
    """
    gap, speed = found.end - z, found.velocity
    late = float(gap @ speed / max(speed @ speed, T.tiny))
    return max(float(np.linalg.norm(gap - late * speed)) / scale, abs(late) / length)


def returns(t: np.ndarray, zs: np.ndarray) -> list[float]:
    """Times after which a motion comes back close to where it started, first ones first; [] where it does not."""
    diameter = float(np.max(np.ptp(zs, axis=0)))
    distance = np.linalg.norm(zs - zs[0], axis=1)
    found = []
    away = False
    for k in range(1, len(t) - 1):
        away = away or distance[k] > T.has_left * diameter
        low = distance[k] <= distance[k - 1] and distance[k] < distance[k + 1]
        if away and low and distance[k] < T.has_returned * diameter:
            found.append(float(t[k] - t[0]))
            away = False
    return found[:12]
