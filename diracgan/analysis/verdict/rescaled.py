"""Falls to a marginal equilibrium in d > 1, followed to their end by enlarging what is left of them again and again.

Near an equilibrium about which the linearisation only turns, z' = J z + N(z) with N homogeneous of an odd degree q (or
z+ - z, of steps), the averaged motion is the same at every size s, but for the unit of time s^(1 - q). So its shape
need not be waited for at ever smaller sizes, where it takes ever longer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ...dynamics.collinear import invariant_line
from ...dynamics.filippov import surface_count
from ...dynamics.motion_result import MotionResult
from ..decision_thresholds import T
from ..dynamical_system import Stretch
from ..kinds import Kind
from ..linear.status import Status
from . import curvature, windows
from .evidence import Answer, Case

_SIZES = (1.0, 0.1)  # of the working size: where the degree is looked at
_TRIES = 3  # at that size
_QUARTERS = 4  # of a leg, the first and the last of which are compared


class Leg(NamedTuple):
    """What some turns at one size show: the rate k of r^(1 - q), and the state from (0, x0) at their end."""

    rate: float
    shape: np.ndarray


def sublinear(case: Case) -> Answer | None:
    """The verdict on such a fall; None where none is seen."""
    found = rate_in_the_end(case)
    if found is None:
        return None
    q, rate = found
    exponent = 1 / (q - 1)
    constant = rate**-exponent
    case.note(
        f"near (0, x0) the field is curved by terms of degree {q}, which do the same at every size: enlarged again and "
        f"again, the motion comes to d r^-{q - 1}/d{case.clock} = {rate:.5g}, from neighbouring shapes too"
    )
    numbers = {"exponent": exponent, "exponent_error": 0.0, "constant": constant}
    how = f", but only like {constant:.5g} {case.clock}^-{exponent:.4g}"
    return case.to_equilibrium(Kind.CONVERGES_SUBLINEARLY, numbers, how)


def rate_in_the_end(case: Case) -> tuple[int, float] | None:
    """q and k of r^(1 - q) ~ k t, the law of a fall by terms of one degree; None where no such fall is seen."""
    if not case.looks or case.system.dim == 1 or surface_count(case.system) or not case.linear.differentiable:
        return None
    remembers = len(case.motion.flat(case.looks[-1].stretch.end)) > len(case.origin)
    if case.linear.status != Status.MARGINAL or remembers:  # a memory is of one size, and cannot be enlarged
        return None
    if invariant_line(case.full, case.start) is not None:
        return None  # the motion never leaves it, but rounding does, and is enlarged with what is left of the motion
    slope = case.motion.jacobian(case.origin)
    omega = _turning(case, slope)
    if omega is None:
        return None
    start = case.looks[-1].stretch.zs[-1] - case.origin
    found = _working_size(case, slope, omega, start)
    if found is None:
        return None
    q, size = found
    shape = start
    for _ in range(T.shapes):
        end = _steady(case, q, omega, size, shape)
        if end is None:
            return None
        aside = np.random.default_rng(17).normal(size=len(start)) / len(start) ** 0.5
        beside = end.shape / np.linalg.norm(end.shape) + T.beside_shape * aside
        other = _steady(case, q, omega, size, beside)
        if other is not None and abs(other.rate - end.rate) <= T.same_leg * end.rate:
            finer = _leg(case, q, omega, size * T.finer_leg ** (1 / (1 - q)), other.shape)
            return None if finer is None else _without_the_rest(q, other.rate, finer.rate)
        # its neighbours leave this shape, and so does the motion in the end, by what it is off it
        left = _steady(case, q, omega, size, end.shape, other_than=end.rate)
        if left is None:
            return None
        shape = left.shape
    return None


def _without_the_rest(q: int, rate: float, finer: float) -> tuple[int, float] | None:
    """The rate without what averaging leaves out, which is like s^(q - 1); None where that is too much."""
    if abs(finer - rate) > T.same_rate * finer:
        return None
    return q, float(finer + (finer - rate) / (T.finer_leg - 1.0))


def _turning(case: Case, slope: np.ndarray) -> float | None:
    """The slowest angular frequency of a linearisation that only turns; None of any other."""
    values, vectors = np.linalg.eig(slope)
    with np.errstate(divide="ignore"):
        values = np.log(1.0 + values.astype(complex)) / case.motion.period if case.motion.discrete else values
    turning = np.abs(np.imag(values))
    if not np.all(np.abs(np.real(values)) <= T.slowest * turning) or np.linalg.cond(vectors) > T.known_entry:
        return None
    return float(turning.min())


def _working_size(case: Case, slope: np.ndarray, omega: float, start: np.ndarray) -> tuple[int, float] | None:
    """The odd degree of what curves the field near (0, x0), and the size at which it counts for little in a turn."""
    ways = curvature.directions(len(start), start)
    at = case.motion, case.origin, slope, ways
    size = case.scales.inner
    for _ in range(_TRIES):
        degrees = np.array([curvature.degrees(*at, s * size) for s in _SIZES])
        if not np.all(np.isfinite(degrees)):
            return None
        q = round(float(np.median(degrees[-1])))
        if q < 3 or q % 2 == 0:
            return None
        in_a_turn = 2 * np.pi / omega * float(curvature.curved(*at, size).max()) / size
        uniform = np.all(np.abs(degrees - q) < T.same_degree)
        aim = (T.fall_in_a_turn / in_a_turn) ** (1 / (q - 1))
        if uniform and T.near_aim[0] < aim < T.near_aim[1]:
            return q, size
        size *= aim if uniform else min(aim, T.nearer)
    return None


def _steady(
    case: Case, q: int, omega: float, size: float, shape: np.ndarray, other_than: float | None = None
) -> Leg | None:
    """The first leg at whose end the rate is steady, and no longer ``other_than``; None where the fall ends."""
    seen: list[float] = []
    for _ in range(T.legs):
        leg = _leg(case, q, omega, size, shape)
        if leg is None or case.spent > T.legs_spend * case.budget:
            return None
        shape = leg.shape
        seen.append(leg.rate)
        if not leg.rate > T.falls_on * max(seen):
            return None
        late = seen[-T.steady_legs :]
        is_steady = len(late) == T.steady_legs and np.ptp(late) <= T.steady_leg * leg.rate
        if is_steady and (other_than is None or abs(leg.rate - other_than) > T.same_leg * leg.rate):
            return leg
    return None


def _leg(case: Case, q: int, omega: float, size: float, shape: np.ndarray) -> Leg | None:
    """The rate k over some turns from a size, and the shape at their end."""
    z = case.origin + size * shape / np.linalg.norm(shape)
    span = 2 * np.pi / omega * T.turns_of_a_leg
    stretch = case.motion.advance(case.motion.begin(*np.split(z, 2)), 0.0, span, 1)
    case.spent += stretch.cost
    if stretch.result != MotionResult.OK:
        return None
    r = case.distances_of(stretch.zs)
    parts = np.array_split(np.arange(len(r)), _QUARTERS)
    (t1, r1), (t2, r2) = (_middle(stretch, r, parts[k]) for k in (0, -1))
    return Leg((r2 ** (1 - q) - r1 ** (1 - q)) / (t2 - t1), stretch.zs[-1] - case.origin)


def _middle(stretch: Stretch, r: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """The middle of some rows, and the root mean square distance there."""
    return 0.5 * float(stretch.t[rows[0]] + stretch.t[rows[-1]]), math.sqrt(windows.mean(r[rows] ** 2))
