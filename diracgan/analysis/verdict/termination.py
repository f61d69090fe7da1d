"""Judges of motions that end: captured by a discontinuity, or beyond the float range."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...dynamics.motion_result import MotionResult
from ...numerics.float_range import LARGEST
from ...pytrees import Pytree
from ..decision_thresholds import T
from ..dynamical_system import Stretch
from ..kinds import Kind
from . import windows
from .evidence import Answer, Case, exponential
from .steepening import Steepening, steepening

_SQUARES = LARGEST**0.5  # of the players: their product is the logit


def ended(case: Case, stretch: Stretch, since: Pytree = None) -> Answer:
    """The verdict on a motion that could not be followed further; ``since`` the state at the stretch's beginning."""
    d = case.system.dim
    case.ended = True
    end = case.motion.flat(stretch.end)[: 2 * d]
    case.note(stretch.why or f"the motion ended: {stretch.result} at {stretch.when:.6g}")
    if stretch.result == MotionResult.STUCK:
        numbers = {"capture_time": stretch.when} | case.limit(end)
        where = case.vector(end)
        text = f"is captured by a discontinuity at t = {stretch.when:.6g} and rests at {where}"
        if not _jumps(case, end):
            return _rests(case, _rest_time(case, stretch, end), end)
        return Answer(Kind.STUCK, numbers, text)
    if case.motion.discrete and stretch.result == MotionResult.DIVERGED:
        where = f"it passes {LARGEST:g} at iteration {stretch.when:.0f}"
        numbers = exponential_growth(case, stretch)
        return _grown(numbers if _takes_as_long(case, stretch, numbers) else {}, where)
    if not case.motion.discrete and stretch.result in (MotionResult.DIVERGED, MotionResult.STIFF):
        return _blow_up(case, stretch, since)
    return Answer(Kind.UNDECIDED, {}, f"undecided: {stretch.why}")


def beyond_squares(case: Case) -> bool:
    """Whether steps from a start far within have come to where squares of the logits leave the float range.

    There sqrt(1 + f^2) has the slope 0, and what looks bounded is bounded by that alone.
    """
    return case.motion.discrete and case.looks[-1].rms > _SQUARES > T.far_out * case.r0


def out_of_range(case: Case, stretch: Stretch) -> Answer:
    """The verdict on steps that have grown to where squares of the logits leave the float range."""
    case.ended = True
    where = f"it passes {_SQUARES:g} by iteration {stretch.time:.0f}"
    where = f"{where}, where squares of the logits are beyond the float range"
    return _grown(exponential_growth(case, stretch), where)


def _takes_as_long(case: Case, stretch: Stretch, numbers: dict[str, Any]) -> bool:
    """Whether steps have left the numbers as late as their rate says: where exp(s) takes over they do so at once."""
    parts = [*(look.stretch for look in case.looks[-1:]), stretch]
    t = np.concatenate([part.t for part in parts])
    with np.errstate(all="ignore"):
        r = np.concatenate([case.distances_of(part.zs) for part in parts])
    seen = np.flatnonzero((r > 0) & (r < _SQUARES))
    if not numbers or not len(seen):
        return False
    left = math.log(LARGEST / r[seen[-1]]) / numbers["rate"]
    return bool(stretch.when - t[seen[-1]] > T.explained[0] * left)


def _grown(numbers: dict[str, Any], where: str) -> Answer:
    """The verdict on steps that leave what floats can hold, with their rate where they grow at one."""
    how = f", like exp({numbers['rate']:.5g} n)" if numbers else ""
    return Answer(Kind.DIVERGES, numbers, f"diverges{how}: {where}")


def _rests(case: Case, when: float, z: np.ndarray) -> Answer:
    """A rest in finite time where the field is as steep as a root."""
    text = f"comes to rest in a finite time, at t = {when:.6g}, at {case.vector(z)}"
    text += ", where the field is continuous but has no slope: to stay there is a solution"
    return Answer(Kind.STUCK, {"capture_time": when} | case.limit(z), text)


def _rest_time(case: Case, stretch: Stretch, end: np.ndarray) -> float:
    """When a stretch has come to rest by a root: its tolerance meets the point a little early."""
    seen = steepening(case, end, stretch)
    time = seen.rest_time if seen is not None and seen.ends_like_a_root else math.nan
    return time if math.isfinite(time) else stretch.when


def by_a_root(case: Case, z: np.ndarray, seen: Steepening) -> Answer | None:
    """A point that the flow comes to in the end at a speed like r^p, p < 1, of the distance r; None for any other."""
    if not seen.ends_like_a_root:
        return None
    answer, until = _rests(case, seen.rest_time, z), seen.lasts_until
    if until is None:
        return answer
    rate = float(seen.rates[0])
    text = f"falls like exp(-{rate:.5g} t) until it is about {until:.1g} away, and then {answer.text}"
    return answer._replace(numbers=answer.numbers | {"rate": rate}, text=text)


def _jumps(case: Case, end: np.ndarray) -> bool:
    """Whether the field near a point is as large from nearer by: that of sqrt|z| is not."""
    ways = np.random.default_rng(3).normal(size=(16, len(end)))
    now = case.looks[-1].rms if case.looks else case.r0
    size = max(now, float(np.max(np.abs(end))))
    off = [T.beside_stuck * size * factor * ways for factor in (1.0, T.nearer_stuck)]
    far, near = (np.nanmax([np.abs(case.motion.change(end + w)) for w in ways]) for ways in off)
    return bool(near > 0.5 * far)


def exponential_growth(case: Case, *parts: Stretch) -> dict[str, Any]:
    """The rate of a growth whose log r rises alike in both halves of what a late window and ``parts`` have seen.

    {} where it does not, or where too little was seen. That window may hold the beginning, of another rate: then the
    parts tell alone.
    """
    # a slow growth may spend whole windows beyond the numbers that can be squared: the last one before them tells
    looks = [look.stretch for look in case.looks if look.rms < _within(case)][-1:]
    # where the first has left them already, its rows before that tell
    looks = looks or [look.stretch for look in case.looks[:1]]
    seen = [part for part in parts if len(part.t) > 1]
    return _growth(case, [*looks, *seen]) or _growth(case, seen)


def _growth(case: Case, parts: list[Stretch]) -> dict[str, Any]:
    """The same of these parts alone."""
    t, zs = (np.concatenate([part[k] for part in parts]) if parts else np.empty(0) for k in (0, 1))
    with np.errstate(all="ignore"):
        r = case.amplitudes(np.where(np.isfinite(zs), zs, np.nan)) if len(t) else t
        seen = np.isfinite(r) & (r > 0) & (r < _within(case))
    if np.sum(seen) < 2 * T.turns:
        return {}
    halves = np.array_split(np.flatnonzero(seen), 2)
    rates = [windows.slope(t[half], np.log(r[half])) for half in halves]
    if min(rates) <= 0 or np.ptp(rates) > T.exponential * max(rates):
        rates = _between_returns(case, t[seen], zs[seen])
    if not rates:
        return {}
    if not case.motion.discrete:
        return {"rate": _named(rates[-1], np.real(case.linear.eigenvalues))}
    values = np.abs(case.linear.multipliers)
    return {"rate": _named(rates[-1], np.log(values[values > 0]) / case.motion.period)}


def _within(case: Case) -> float:
    """How large a state may be for its growth to count."""
    return _SQUARES if case.motion.discrete else T.unbounded


def _between_returns(case: Case, t: np.ndarray, zs: np.ndarray) -> list[float]:
    """The growth rate of a flow over whole turns, between passages of the first component of phi; [] where they differ.

    Within a turn log r swings about its growth.
    """
    if case.motion.discrete:
        return []
    times, r = windows.passages(zs[:, 0], t, case.amplitudes(zs))
    if len(times) < 3:
        return []
    logs = np.log(r)
    rates = np.diff(logs) / np.diff(times)
    alike = min(rates) > 0 and np.ptp(rates) <= T.exponential * max(rates)
    return [float((logs[-1] - logs[0]) / (times[-1] - times[0]))] if alike else []


def _named(measured: float, linear: np.ndarray) -> float:
    """The largest rate of the linearisation where the measured one comes close to it; else the measured one."""
    known = float(np.max(linear, initial=-math.inf))
    return known if abs(known - measured) <= T.exponential * measured else float(measured)


def _blow_up(case: Case, stretch: Stretch, since: Pytree) -> Answer:
    """Tell exponential growth from a blow-up in finite time by the growth rate |F|/|z| near the end."""
    end = case.motion.flat(stretch.end)
    rows = stretch
    if since is not None:
        length = max(stretch.time - case.before, T.tiny) * (1 - T.before_the_end)
        rows = case.motion.advance(since, case.before, length, 1)
    fine = np.all(np.isfinite(rows.zs), axis=1)
    t, zs = rows.t[fine], rows.zs[fine]
    size = case.distances_of(zs)
    last = _growth_rate(case, end)
    half = int(np.searchsorted(size, math.sqrt(max(size[0], T.tiny) * size[-1]))) if len(zs) else 0
    middle = zs[min(half, len(zs) - 1)] if len(zs) else end
    typical = _growth_rate(case, middle)
    large = np.linalg.norm(end) > T.large * (case.looks[0].rms if case.looks else case.r0)
    stays = (
        len(size)
        and case.distances_of(end[None])[0] < T.grows_at_the_end * size[int(T.near_the_end * len(size))]
    )
    if stretch.result == MotionResult.STIFF and (not large or stays):  # the field is singular, not the state
        return _fallen(case) or Answer(Kind.UNDECIDED, case.limit(end), f"undecided: {stretch.why}")
    case.note(f"growth rate |F|/|z|: {typical:.3g} half-way, {last:.3g} at the end")
    if not np.isfinite(last) or last > T.blow_up * max(typical, T.tiny):
        return Answer(
            Kind.FINITE_TIME,
            {"blow_up_time": stretch.when},
            f"blows up in finite time, at t = {stretch.when:.6g}",
        )
    # where it ended at once, |F|/|z| depends on where in a turn, the last window does not
    at_once = half >= len(zs) - 1
    grown = exponential_growth(case).get("rate", last) if at_once else _late_growth(case, t, size)
    rate = _named(grown, np.real(case.linear.eigenvalues))
    return Answer(Kind.DIVERGES, {"rate": rate}, f"diverges exponentially, like exp({rate:.5g} t)")


def _late_growth(case: Case, t: np.ndarray, size: np.ndarray) -> float:
    """The growth rate over the second half of all decades that were seen, which the start's transient has left.

    Within a turn log r swings about its growth, and the last stretch alone may be a few turns.
    """
    before = [look for look in case.looks if look.time < t[0]]
    t = np.concatenate([look.stretch.t for look in before] + [t])
    size = np.concatenate([case.distances(look) for look in before] + [size])
    middle = math.sqrt(max(size[0], T.tiny)) * math.sqrt(size[-1])
    half = min(int(np.searchsorted(np.maximum.accumulate(size), middle)), len(t) - 2)
    return windows.slope(t[half:], np.log(size[half:]))


def _fallen(case: Case) -> Answer | None:
    """Convergence to an equilibrium without a slope, where the size fell below rounding at much the same rate."""
    if case.linear.differentiable is not False or not case.linear.is_equilibrium:
        return None
    datum = T.rounding * float(np.max(np.abs(case.origin)))
    looks = [look for look in case.looks if case.distances(look)[-1] > datum]
    if len(looks) < 3 or looks[-1].rms > T.rounding * case.r0:
        return None
    rate, off = case.rate_of_fall(looks)
    if not off < T.rough_rate * rate:
        return None
    case.note(f"there is no eigenvalue here: the rate is that of log r in {len(looks)} windows, to {off:.1g}")
    how = f" about like exp(-{rate:.3g} t), as measured until it was too small to be followed"
    return case.to_equilibrium(Kind.CONVERGES_EXPONENTIALLY, exponential(rate) | {"rate_error": off}, how)


def _growth_rate(case: Case, flat: np.ndarray) -> float:
    with np.errstate(all="ignore"):
        value = case.motion.change(flat)
        return float(np.linalg.norm(value) / np.linalg.norm(flat))
