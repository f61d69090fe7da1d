"""Starts at an equilibrium: whether the motion can be told from rest, and what a nearby start does."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..decision_thresholds import T
from ..dynamical_system import ContinuousSystem, DynamicalSystem
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
    return _is_rounding(case.motion, flat, change, 2 * d)


def _is_rounding(motion: DynamicalSystem, flat: np.ndarray, change: np.ndarray, players: int) -> bool:
    slope = np.nan_to_num(motion.jacobian(flat))
    rounding = T.rest_rounding * T.eps * (np.abs(slope) @ np.abs(flat))
    if motion.discrete:
        rounding = rounding + T.eps * np.abs(flat)
    return bool(np.all(np.abs(change[:players]) <= rounding[:players]))


def judge(case: Case, z: np.ndarray) -> Answer:
    """The verdict on a start at rest: the linear status there, and the kind of a nearby start where that is open."""
    if case.motion.discrete and not _at_rest_in_the_flow(case, z):
        text = "undecided: a step moves this start by less than its rounding, and the field there is not 0"
        return Answer(Kind.UNDECIDED, {}, f"{text}; a larger learning rate, or the flow, tells more")
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


def _at_rest_in_the_flow(case: Case, z: np.ndarray) -> bool:
    flow = ContinuousSystem(case.system)
    return np.array_equal(z, case.origin) or _is_rounding(flow, z, flow.change(z), len(z))


def _nearby(case: Case, linear: Spectrum, away: bool, numbers: dict[str, Any]) -> str:
    if linear.status == Status.STABLE:
        numbers["nearby"] = (Kind.CONVERGES_ELSEWHERE if away else Kind.CONVERGES_EXPONENTIALLY).value
        return f"a nearby start converges to it ({linear.text})"
    if linear.status == Status.UNSTABLE:
        return f"a nearby start leaves it ({linear.text})"
    if case.nested:  # itself beside one: where all rest there is no end of neighbours
        return linear.status.replace("-", " ")
    beside = case.beside()
    answer = case.decide(beside)
    case.spent += beside.spent
    case.evidence += [f"beside it: {line}" for line in beside.evidence]
    numbers["nearby"] = Kind(answer.kind).value
    distance = float(np.linalg.norm(np.concatenate(beside.start) - np.concatenate(case.start)))
    return (
        f"{linear.status.replace('-', ' ')}; a start nearby, at a distance of {distance:.3g}: {answer.text}"
    )
