"""Starts at an equilibrium: whether the motion can be told from rest, and what a nearby start does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..decision_thresholds import T
from ..kinds import Kind
from ..linear.spectrum import Spectrum
from ..linear.status import Status
from .evidence import Answer, Case


def starts_at_rest(case: Case, flat: np.ndarray, change: np.ndarray) -> bool:
    """Whether a change is 0, or no more than the rounding of the state and of what it adds up from.

    Relative to the state itself: a start of 1e-14, or losses scaled by 1e-6, move.
    """
    d = case.system.dim
    if np.array_equal(flat[: 2 * d], case.origin) and case.linear.is_equilibrium:
        return True
    slope = np.nan_to_num(case.motion.jacobian(flat))
    rounding = T.rest_rounding * T.eps * (np.abs(slope) @ np.abs(flat))
    if case.motion.discrete:
        rounding = rounding + T.eps * np.abs(flat)
    return bool(np.all(np.abs(change[: 2 * d]) <= rounding[: 2 * d]))


def judge(case: Case, z: np.ndarray) -> Answer:
    """The verdict on a start at rest: the linear status there, and the kind of a nearby start where that is open."""
    linear = case.linear
    away = float(np.linalg.norm(z - case.origin)) > T.rounding * float(np.max(np.abs(z)))
    if away:
        linear = case.spectrum(z)
    numbers: dict[str, Any] = {"linear_status": str(linear.status)} | case.limit(z)
    where = "at another equilibrium" if away else "at the equilibrium"
    return Answer(
        Kind.AT_EQUILIBRIUM,
        numbers,
        f"starts {where} and stays there; {_nearby(case, linear, away, numbers)}",
    )


def _nearby(case: Case, linear: Spectrum, away: bool, numbers: dict[str, Any]) -> str:
    if linear.status == Status.STABLE:
        numbers["nearby"] = (Kind.CONVERGES_ELSEWHERE if away else Kind.CONVERGES_EXPONENTIALLY).value
        return f"a nearby start converges to it ({linear.text})"
    if linear.status == Status.UNSTABLE:
        return f"a nearby start leaves it ({linear.text})"
    beside = case.beside()
    answer = case.decide(beside)
    case.spent += beside.spent
    case.evidence += [f"beside it: {line}" for line in beside.evidence]
    numbers["nearby"] = Kind(answer.kind).value
    return (
        f"{linear.status.replace('-', ' ')}; a start nearby, at a distance of {beside.r0:.3g}: {answer.text}"
    )
