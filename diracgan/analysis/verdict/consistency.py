"""The verdict cross-examines itself: a claim that an invariant contradicts is followed longer, or undecided."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from ..decision_thresholds import T
from ..kinds import Kind
from ..linear.decision import status_of
from ..linear.status import Status
from ..orbits import rest_points
from . import enclosing
from .evidence import Answer, Case, Look, by
from .judges import trends

_log = logging.getLogger(__name__)
_POSITIVE = ("rate", "half_life", "constant", "period", "capture_time", "blow_up_time")


def agrees(case: Case, answer: Answer) -> bool:
    """Whether nothing that is known of the case contradicts the answer; a contradiction is noted once."""
    reason = objection(case, answer)
    if reason is None:
        return True
    line = f"followed longer: it looks as if {answer.claim}, but {reason}"
    if line not in case.evidence:
        case.note(line)
    return False


def examined(case: Case, answer: Answer) -> Answer:
    """The answer, or ``undecided`` where something contradicts it."""
    reason = objection(case, answer)
    if reason is None:
        return answer
    text = f"undecided: it looks as if {answer.claim}, but {reason}"
    return by(examined, Answer(Kind.UNDECIDED, {}, text))


def objection(case: Case, answer: Answer) -> str | None:
    """What contradicts the answer, in words; None where nothing does."""
    for check in _CHECKS:
        if reason := check(case, answer):
            _log.debug("%s%s.%s objects: %s", case.label, check.__module__, check.__name__, reason)
            return reason
    return None


def _against_its_numbers(case: Case, answer: Answer) -> str | None:
    """Rates, periods and constants are positive, an orbit has a size."""
    numbers = answer.numbers
    wrong = [n for n in _POSITIVE if n in numbers and not numbers[n] > 0 and answer.kind != Kind.DIVERGES]
    if wrong and wrong != ["half_life"]:  # of a dead-beat motion it is 0
        return f"{wrong[0]} = {numbers[wrong[0]]:.4g} is not positive"
    radii = [numbers[n] for n in ("radius_phi", "radius_theta") if n in numbers]
    if answer.kind.is_orbit and radii and not max(radii) > T.tiny:
        return "the orbit has no size"
    rounding = T.told_apart * T.eps * float(np.max(np.abs(case.origin)))
    if answer.kind.is_orbit and radii and not max(radii) > rounding:
        return f"beside the datum an orbit of size {max(radii):.3g} is not told from rounding"
    return None


def _against_multipliers(case: Case, answer: Answer) -> str | None:
    """No orbit attracts, or is neutral, from which neighbours separate."""
    floquet: Any = answer.numbers.get("floquet")
    if not answer.kind.is_orbit or floquet is None:
        return None
    largest = float(np.max(np.abs(floquet)))
    repels = status_of(1.0 - largest, answer.numbers["floquet_error"]) == Status.UNSTABLE.number
    return f"a multiplier of the orbit is {largest:.6g}" if repels else None


def _against_the_linearisation(case: Case, answer: Answer) -> str | None:
    """A law is not the end where eigenvalues decide, and nothing comes exponentially to what repels.

    Of a memory that fades at no point the eigenvalues with which the motion comes are not those of (0, x0).
    """
    status = case.linear.status
    if answer.kind == Kind.CONVERGES_SUBLINEARLY and case.decided:
        return f"(0, x0) is {status} by its eigenvalues"
    if (
        answer.kind == Kind.CONVERGES_EXPONENTIALLY
        and status == Status.UNSTABLE
        and not case.remembers_for_ever
    ):
        left = case.distances(case.looks[-1])[-1] if case.looks else 0.0
        return "(0, x0) is unstable by its eigenvalues" if left > T.arrived * case.r0 else None
    return None


def _against_its_drift(case: Case, answer: Answer) -> str | None:
    """In the plane a neutral orbit does not drift."""
    if answer.kind != Kind.NEUTRAL_ORBIT or case.motion.dim > 1 or case.nested or not case.decided:
        return None
    seen = enclosing.drift(case, 1.0)
    return None if seen.sign == 0 else f"its amplitude drifts by {seen.rate:.3g} per unit of time"


def _against_what_lies_beyond(case: Case, answer: Answer) -> str | None:
    """A growth lasts only if starts further out grow as well: else something bounded lies between.

    Where turns are too long for that, a law of growth that has held far beyond where the field is bent last is enough.
    """
    if answer.kind != Kind.DIVERGES or not case.looks or case.nested:
        return None
    here = case.looks[-1].rms
    if not np.isfinite(here) or np.max(np.abs(case.looks[-1].stretch.zs)) > T.unbounded or case.ended:
        return None
    bent = max(case.scales.outer, float(np.max(np.abs(case.origin))))
    target = T.far * max(bent, here)
    for factor in np.geomspace(1.0, target / here, 1 + int(np.ceil(np.log10(target / here)))):
        seen = enclosing.drift(case, float(factor))
        if seen.sign < 0 and factor <= 1.0:
            return "a new start at the distance where it is now comes back, so it may not go on like that"
        if seen.sign < 0:
            return f"a start {factor:.3g} times as far comes back, so something bounded lies between"
        if np.isinf(seen.error):
            if here > T.well_beyond * bent:
                return None
            return f"a start {factor:.3g} times as far takes too long to be followed"
        if not np.isfinite(seen.rate):
            return None
    return None


def _against_a_weaker_pump(case: Case, answer: Answer) -> str | None:
    """Steps of one size pump r^2 evenly in the end: where they do so ever less, with no limit, a cycle may lie beyond.

    Where there is a limit, this is neared like 1/r; where a rule's two memories are nearly as long as each other, what
    r^2 gains falls like log r, perhaps below 0.
    """
    if answer.kind != Kind.DIVERGES or not case.adapts or "rate" in answer.numbers or case.ended:
        return None
    late = slice(-T.monotone, None)
    pumped = np.diff(case.sizes[late] ** 2) / np.diff(case.times[late])
    if len(pumped) < T.monotone - 1 or case.goes_one_way(case.looks[late]):
        return None
    changes = np.diff(pumped)
    if np.min(changes) >= -T.same_pump * pumped[-1]:
        return None
    ratio = float(np.max(changes[1:] / changes[:-1]))
    if np.all(changes < 0) and ratio < T.pump_ratio:
        limit = pumped[-1] + changes[-1] * ratio / (1.0 - ratio)
        if limit > T.pump_left * pumped[-1]:
            return None
    return f"it is pumped ever less: r^2 grows by {pumped[0]:.3g} and then by {pumped[-1]:.3g} per iteration"


def _against_a_point_ahead(case: Case, answer: Answer) -> str | None:
    """A motion that creeps outward, ever more slowly, ends on an attracting equilibrium that lies ahead of it."""
    late = case.looks[-T.monotone :]
    creeps = answer.kind == Kind.DIVERGES and bool(late) and "rate" not in answer.numbers
    if not creeps or case.nested or case.ended or not case.goes_one_way(late):
        return None
    n = 2 * case.system.dim
    here = late[-1].stretch.zs[-1] - case.origin
    size = float(np.linalg.norm(here))
    for factor in T.decade ** np.linspace(0.0, np.log10(T.far), T.places_ahead):
        start = case.motion.flat(case.moved(float(factor)))
        rest = rest_points.rest_near(case.motion, start, T.near_ahead * size * float(factor))
        if rest is None:
            continue
        off = rest.flat[:n] - case.origin
        ahead = float(off @ here) > T.straight_ahead * size * float(np.linalg.norm(off))
        if ahead and np.linalg.norm(off) > size and case.spectrum(rest.flat[:n]).status == Status.STABLE:
            return f"ahead of it lies {case.vector(rest.flat[:n])}, an equilibrium that attracts"
    return None


def _against_a_bending_law(case: Case, answer: Answer) -> str | None:
    """A law bends ever less in log t and is neared; what is to end, or to turn into another one, bends ever more.

    Beside t^p (1 + a t^-s) the local exponent of the speed, d log|F| / d log t, is off by a multiple of t^-s, which
    falls; where the speed is 1 - e t of that law's it is off by -e t, which rises until the growth has ended.
    """
    late = case.looks[-(T.monotone + 1) :]
    one_way = case.goes_one_way(late)
    crept = answer.kind == Kind.CONVERGES_ELSEWHERE and "exponent" in answer.numbers and one_way
    if not (answer.kind == Kind.DIVERGES or crept) or "rate" in answer.numbers or len(late) < T.monotone:
        return None
    if case.ended:
        return None
    t, values, error = trends.speeds(case, late) if one_way else _amplitudes(late)
    with np.errstate(all="ignore"):  # of a motion at rest
        exponents = np.diff(np.log(values)) / np.diff(np.log(t))
        bends = np.diff(exponents) / np.diff(np.log(t[1:]))
    law = -answer.numbers.get("exponent", np.nan)
    off = np.abs(exponents[-T.seen_to_leave :] - (law - one_way))
    # as far off as a law that is believed at once may be, it is the same one
    same = max(T.law_error * abs(law), answer.numbers.get("exponent_error", 0.0))
    what = f"the local exponent of its {'speed' if one_way else 'amplitude'}"
    if off[-1] > same and np.all(np.diff(off) > 0):
        return f"{what} is {exponents[-1]:.3g} and leaves that law's, so this is not how it ends"
    slows = np.all(bends < 0)
    hastens = np.all(bends > 0) and not np.isnan(law)  # what has no law may grow faster
    if (slows or hastens) and np.ptp(exponents) > error and np.all(np.diff(np.abs(bends)) > 0):
        way = "falls" if slows else "rises"
        return f"{what} {way} ever faster with log {case.clock}, so this is not how it ends"
    return None


def _against_a_way_without_end(case: Case, answer: Answer) -> str | None:
    """A player creeps to a limit only where its speed falls faster than 1/t: the way of a slower fall has no end.

    Beside one that is still far faster a slow player does not show in the motion's size.
    """
    late = case.looks[-(T.seen_to_leave + 1) :]
    crept = answer.kind == Kind.CONVERGES_ELSEWHERE and "exponent" in answer.numbers
    if not crept or case.motion.discrete or len(late) <= T.seen_to_leave:
        return None
    d, t = case.system.dim, np.array([look.stretch.t[-1] for look in late])
    changes = np.array([case.motion.change(look.stretch.zs[-1])[: 2 * d] for look in late])
    for name, part in (("phi", changes[:, :d]), ("theta", changes[:, d:])):
        speeds = np.linalg.norm(part, axis=1)
        if not speeds[-1] * t[-1] > T.rounding * np.max(np.abs(late[-1].stretch.zs)):
            continue
        exponents = np.diff(np.log(speeds)) / np.diff(np.log(t))
        if (
            np.all(exponents > -1.0)
            and np.all(exponents < 0.0)
            and np.ptp(exponents) < T.same_fall * -exponents[-1]
        ):
            return f"|{name}'| falls only like {case.clock}^{exponents[-1]:.3g}, and such a way has no end"
    return None


def _amplitudes(looks: list[Look]) -> tuple[np.ndarray, np.ndarray, float]:
    """The same of the amplitudes of what turns: a speed swings within a turn."""
    return np.array([look.time for look in looks]), np.array([look.rms for look in looks]), T.drift_wobble


_CHECKS: tuple[Callable[[Case, Answer], str | None], ...] = (
    _against_its_numbers,
    _against_multipliers,
    _against_the_linearisation,
    _against_its_drift,
    _against_a_point_ahead,
    _against_a_bending_law,
    _against_a_way_without_end,
    _against_what_lies_beyond,
    _against_a_weaker_pump,
)
