"""Where a branch of cycles begins: the cycle near a start, or the one that the start leads to."""

from __future__ import annotations

import numpy as np

from ...dynamics.motion_result import MotionResult
from ...errors import InputError, number
from ..decision_thresholds import T
from ..dynamical_system import ContinuousSystem
from ..linear.settings import LinearSettings
from ..orbits.orbit import Orbit
from ..orbits.rotating_states import commutes_with_rotations
from ..orbits.shooting import periodic_orbit, returns
from ..verdict.from_start import answer_from

_SETTLING, _TURNS = 12, 30  # times, and turns each, that a start is followed towards its cycle
_ON_IT = 1e-2  # of a cycle's size: what Newton's method may move a start


def check_isolated(motion: ContinuousSystem, z: np.ndarray) -> None:
    """Refuse a flow that commutes with rotations, whose cycles are not isolated."""
    if motion.dim > 1 and commutes_with_rotations(motion, z):
        raise InputError(
            f"in d = {motion.dim} this flow commutes with rotations, so that its cycles come in families; allowed: "
            "dim=1, or diracgan.bifurcation.rotating_states for the circles on which both players turn"
        )


def cycle_from(motion: ContinuousSystem, around: LinearSettings, period: float | None) -> Orbit:
    """The cycle near the point of ``around``, or the one that it leads to."""
    z = np.concatenate(around.point)
    if period is not None:
        found = periodic_orbit(motion, z, number("period", period, low=0, open_low=True))
        if found is None:
            raise InputError(
                f"no cycle of period about {period:g} was found near (phi, theta) = {np.round(z, 6).tolist()}"
            )
        return found
    told = answer_from(around, T.budget)[1]
    kind, turn = told.kind.value, told.numbers.get("period")
    if turn is None:
        raise InputError(
            f"the start leads to no cycle ({kind}); allowed: one from which it is a limit cycle or neutral orbit, "
            "or a point close to a cycle together with its period"
        )
    for _ in range(_SETTLING):
        seen = motion.advance(z, 0.0, _TURNS * turn, 1)
        if seen.result != MotionResult.OK:
            break
        rows = seen.zs[-max(len(seen.zs) // 8, 3 * len(seen.zs) // _TURNS) :]
        size = float(np.max(np.ptp(rows, axis=0)))
        for k in range(0, len(rows) // 3, max(1, len(rows) // 24)):
            for after in [turn, *returns(seen.t[: len(rows) - k], rows[k:])[:1]]:
                found = periodic_orbit(motion, rows[k], after)
                if found is not None and np.linalg.norm(found.flat - rows[k]) <= _ON_IT * size:
                    return found
        z = seen.end
    raise InputError(
        f"the start leads to {kind}, but shooting finds no cycle there; a period near it may help"
    )
