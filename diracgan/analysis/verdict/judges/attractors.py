"""Judges of what is drawn onto a bounded motion that never repeats: chaos, or a torus, by its Lyapunov exponents."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ....dynamics.filippov import surface_count
from ....numerics.lyapunov import Exponents
from ....numerics.spectral_lines import spectral_lines
from ...decision_thresholds import T
from ...dynamical_system import DiscreteSystem, Stretch
from ...kinds import Kind
from ...orbits.lyapunov_exponents import exponents_along, exponents_of_flow
from .. import windows
from ..evidence import Answer, Case
from ..judging import judge


@judge(order=60)
def never_repeats(case: Case, stretch: Stretch) -> Answer | None:
    """A bounded motion whose windows differ without a trend, looked at by its exponents now and then."""
    count = len(case.looks) - T.wander_windows
    discrete = case.motion.discrete
    # in a plane every bounded motion of a flow comes to rest or repeats (Poincare and Bendixson)
    if not discrete and (case.system.dim == 1 or surface_count(case.system)):
        return None
    if count < 0 or count % T.strange_windows:
        return None
    late = case.looks[-6:]
    sizes, extents = np.array([look.rms for look in late]), np.array([look.extents for look in late])
    trend = abs(np.sign(np.diff(sizes)).sum())
    if trend > 3 or sizes.max() > T.strange_sizes * sizes.min():
        return None
    if discrete and np.ptp(sizes) <= T.settled * sizes[-1]:
        return None  # of steps the orbit itself is refined first
    if max(look.diameter for look in late) < T.wander_diameter * extents.max():
        return None
    met = np.max([look.extents for look in late], axis=0)
    return by_exponents(case, {"radius_phi": float(met[0]), "radius_theta": float(met[2])})


def by_exponents(case: Case, numbers: dict[str, Any]) -> Answer | None:
    """Chaotic or quasi-periodic, where the exponents of a long run leave no doubt."""
    measured = _measured(case)
    if measured is None:
        return None
    found, zero, over, turn = measured
    if found.fades:
        return None
    dimension = found._replace(values=np.where(zero, 0.0, found.values)).dimension
    largest, error = float(found.values[0]), float(found.errors[0])
    shown = ", ".join(f"{x:.4g} +- {e:.1g}" for x, e in zip(found.values, found.errors, strict=True))
    numbers = numbers | {
        "lyapunov_exponent": largest,
        "lyapunov_error": error,
        "lyapunov_exponents": found.values.tolist(),
        "dimension": dimension,
    }
    if largest > 0 and not zero[0]:
        if _repeats(case, largest):
            return Answer(
                Kind.UNDECIDED,
                {k: v for k, v in of_no_orbit(numbers).items() if k != "dimension"},
                "undecided: it keeps to a closed curve or a torus, from which neighbours separate like "
                f"exp({largest:.4g} {case.clock}): a start right beside this one may end elsewhere",
            )
        case.note(f"Lyapunov exponents over {over}: {shown}")
        return Answer(
            Kind.CHAOTIC,
            numbers,
            f"chaotic: it stays bounded while neighbours separate like exp({largest:.4g} {case.clock}), "
            f"on a set of dimension {dimension:.3g} (Kaplan-Yorke)",
        )
    if np.any(found.errors[zero] * turn > T.known_neutral):  # over a turn that may part neighbours
        return None
    if zero[0] and not np.any(zero[1:]) and case.system.dim == 1:
        last = case.looks[-1].stretch
        if not windows.on_a_curve(case.motion.advance(last.end, 0.0, 1.0, 1).zs):
            return None
        case.note(f"Lyapunov exponents over {over}: {shown}")
        met = numbers | case.met_by_steps(last.end, numbers)
        return circles_in_turn(case, numbers) or _invariant_circle(met, found, mean_period(case, last))
    several = bool(zero[0]) and np.sum(zero) >= 2
    frequencies = two_frequencies(case) if several else None
    if frequencies is None or np.all(zero):
        return None
    case.note(f"Lyapunov exponents over {over}: {shown}")
    if case.motion.discrete:
        numbers |= case.met_by_steps(case.looks[-1].stretch.end, numbers, T.stretches_met_on_a_torus)
    unit = "iteration" if case.motion.discrete else "unit of time"
    return Answer(
        Kind.QUASI_PERIODIC,
        numbers | {"frequency": frequencies[0], "frequencies": list(frequencies)},
        f"quasi-periodic: it is drawn onto a torus, on which it turns with the angular frequencies "
        f"{frequencies[0]:.4g} and {frequencies[1]:.4g} per {unit}"
        + (f"; neighbours keep their distance in {np.sum(zero)} directions" if np.sum(zero) > 2 else ""),
    )


def _repeats(case: Case, exponent: float) -> bool:
    """Whether steps that come near where they were stay as near, though neighbours separate: they alone keep to a set.

    So they do on a plane of symmetry. Pairs of rows, long after one another, are followed for twenty times as long as
    neighbours take to separate by a factor e: on a strange set, also one in many small pieces, their distances before
    then say nothing of those after.
    """
    from scipy.spatial.distance import cdist

    span = 4 * T.separated / exponent
    if not case.motion.discrete or span > case.affordable(span):
        return False
    zs = case.motion.advance(case.looks[-1].stretch.end, 0.0, span, 1).zs
    ahead = len(zs) // 4
    size = float(np.sum(np.var(zs, axis=0))) ** 0.5
    first, second = np.triu_indices(len(zs) - ahead, len(zs) // 8)  # a row, and none soon after it
    order = np.argsort(cdist(zs[:-ahead], zs[:-ahead])[first, second])
    nearest = order[np.unique(np.geomspace(1, T.share_paired * len(order), T.pairs_followed).astype(int))]
    before, after = (
        np.log(
            np.maximum(
                np.linalg.norm(then[first[nearest]] - then[second[nearest]], axis=1), T.same_place * size
            )
        )
        for then in (zs, zs[ahead:])
    )
    if np.ptp(before) < 1.0:  # it keeps coming back to the same points
        return bool(np.max(after) <= math.log(T.stays_near * size))
    return bool(np.polyfit(before, after, 1)[0] > T.remembered)


def multipliers_known(multipliers: np.ndarray, errors: np.ndarray) -> dict[str, Any]:
    """The multipliers and their largest error, where it is well below the unit circle's radius."""
    error = float(np.max(errors))
    return {"floquet": multipliers, "floquet_error": error} if error < T.known_multipliers else {}


def of_no_orbit(numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers without those of a closed orbit."""
    return {k: v for k, v in numbers.items() if k not in ("period", "floquet", "floquet_error")}


class _Measured(NamedTuple):
    """The exponents of a long run, which of them are 0 as far as they are known, over what, and the time of a turn."""

    found: Exponents
    zero: np.ndarray
    over: str
    turn: float


def _measured(case: Case) -> _Measured | None:
    """By the run that goes on from the last window; None for no number."""
    motion, last = case.motion, case.looks[-1].stretch
    turn = windows.mean_period(last)
    if isinstance(motion, DiscreteSystem):
        turn = turn or 1.0
        least, most = T.chaotic_iterations, T.lyapunov_iterations[-1]
        count = int(np.clip(T.chaotic_turns * turn, least, most))
        case.spent += count
        found = exponents_along(motion, last.end, count // motion.period)
        zero, over = _vanish(found), f"{count} iterations"
    else:
        if turn is None:
            return None
        flat, in_a_turn = motion.flat(last.end), _steps_in_a_turn(case, last, turn)
        case.spent += 4 * (1 + len(flat)) * T.chaotic_turns * in_a_turn
        found = exponents_of_flow(case.system, flat, T.chaotic_turns * in_a_turn, turn / in_a_turn)
        zero, over = _vanish(found, 1 / turn), f"t = {T.chaotic_turns * turn:.4g}"
    moves = _moves_within_bounds(case, last)
    return _Measured(found, zero, over, turn) if moves and np.all(np.isfinite(found.values)) else None


def _steps_in_a_turn(case: Case, last: Stretch, turn: float) -> int:
    """Runge-Kutta steps by which neighbours of a flow are followed: of so many, or of the field's own times."""
    slopes = [case.motion.jacobian(z) for z in last.zs[:: T.rows_between_slopes]]
    fastest = float(np.max(np.abs(np.linalg.eigvals(np.array(slopes)))))
    return max(T.steps_in_a_turn, int(np.ceil(T.steps_in_a_time * fastest * turn)))


def _moves_within_bounds(case: Case, last: Stretch) -> bool:
    """Whether steps go on moving, and no further in a long run than in a sixteenth of it.

    Near a heteroclinic cycle they rest at a saddle in the end, and measure that alone; a walk at random goes four times
    as far.
    """
    if not case.motion.discrete:
        return True
    ahead = case.motion.advance(last.end, 0.0, T.chaotic_iterations, 1).zs
    short, late = ahead[: len(ahead) // 16], ahead[len(ahead) // 2 :]
    whole = np.ptp(ahead, axis=0).max()
    moves = np.ptp(late, axis=0).max() > T.wander_diameter * whole
    return bool(moves and whole <= T.walks * np.ptp(short, axis=0).max())


class Largest(NamedTuple):
    """The largest exponent, its error, whether it is positive beyond that, and whether it falls as the run goes on."""

    value: float
    error: float
    positive: bool
    fades: bool


def largest_exponent(case: Case) -> Largest | None:
    """Of a long run; None where it has left what numbers hold, or rests."""
    measured = _measured(case)
    if measured is None:
        return None
    found, zero = measured.found, measured.zero
    value = float(found.values[0])
    return Largest(value, float(found.errors[0]), value > 0 and not zero[0], found.fades)


def only_shears(case: Case) -> bool:
    """Whether all exponents of a long run of steps are 0: neighbours part like n, as on the curves of a twist map."""
    motion = case.motion
    if not isinstance(motion, DiscreteSystem):
        return False
    case.spent += T.chaotic_iterations
    found = exponents_along(motion, case.looks[-1].stretch.end, T.chaotic_iterations // motion.period)
    return bool(np.all(np.isfinite(found.values)) and np.all(_vanish(found)))


def _vanish(found: Exponents, rate: float = 1.0) -> np.ndarray:
    """Which exponents are 0 as far as they are known: ``rate`` is of an iteration, or of a turn of a flow."""
    return np.abs(found.values) <= np.maximum(T.chaotic * found.errors, T.no_exponent * rate)


def _invariant_circle(numbers: dict[str, Any], found: Exponents, period: float | None) -> Answer:
    """One direction in which neighbours keep their distance, along the motion, and others that bring them to it."""
    if period is not None:
        multipliers = np.exp(found.values * period)
        numbers |= {"period": float(period)}
        numbers |= multipliers_known(multipliers.astype(complex), multipliers * found.errors * period)
    return Answer(
        Kind.LIMIT_CYCLE,
        numbers,
        f"ends on an invariant circle: largest |phi| = {numbers['radius_phi']:.6g}, "
        f"|theta - x0| = {numbers['radius_theta']:.6g}"
        + (f", period {period:.6g} on average" if period is not None else ""),
    )


def rough_period(case: Case, stretch: Stretch) -> float | None:
    """The mean period of the iterations after a window to some four digits; None for no turns.

    For what every window is asked again; :func:`mean_period` tells it in an answer, at many times the steps.
    """
    turning = _turning(case, stretch)
    if turning is None:
        return None
    guess, ahead = turning
    return windows.mean_period(ahead) or guess


def mean_period(case: Case, stretch: Stretch) -> float | None:
    """The same to all its digits, over a longer run."""
    turning = _turning(case, stretch)
    if turning is None:
        return None
    guess, ahead = turning
    seen, length = [ahead], float(ahead.t[-1] - case.time)
    while len(seen) < T.stretches_met and len(seen) * length < T.chaotic_iterations:
        seen.append(case.motion.advance(seen[-1].end, seen[-1].time, length, 1))
    t, zs = (np.concatenate([getattr(part, name) for part in seen]) for name in ("t", "zs"))
    return windows.mean_period(seen[-1]._replace(t=t, zs=zs)) or guess


def _turning(case: Case, stretch: Stretch) -> tuple[float, Stretch] | None:
    """A guess of the period, and what comes after a window with some eight rows in each turn; None for no turns."""
    period, span = windows.mean_period(stretch), float(stretch.t[-1] - stretch.t[0])
    # until it has seen three turns
    for length in sorted({case.affordable(longer * span) for longer in T.longer_windows}):
        period = period or windows.mean_period(case.motion.advance(stretch.end, case.time, length, 1))
    if period is None:
        return None
    rows = int(np.clip(period // T.rows_of_a_period, 1, max(16, span / len(stretch.t))))
    return period, case.motion.advance(stretch.end, case.time, rows * len(stretch.t), 1)


def circles_in_turn(case: Case, numbers: dict[str, Any]) -> Answer | None:
    """Quasi-periodic, of steps that visit several circles in turn and go round on each; None of a single circle."""
    if not case.motion.discrete:
        return None
    rows = case.motion.advance(case.looks[-1].stretch.end, 0.0, 1.0, 1)
    rings = windows.rings_in_turn(case.radii(rows).zs) if case.system.dim > 1 else 1
    count = rings if rings > 1 else windows.curves_in_turn(rows)
    turn = windows.mean_period(windows.every(rows, count))
    if count == 1 or turn is None:
        return None
    on_one = case.motion.advance(case.looks[-1].stretch.end, 0.0, float(count * len(rows.t)), 1)
    if not windows.on_a_curve(on_one.zs):  # pieces of a set that is none, as where periods double without end
        return None
    frequencies = [2 * np.pi / count, 2 * np.pi / turn]
    numbers = numbers | case.met_by_steps(case.looks[-1].stretch.end, numbers)
    return Answer(
        Kind.QUASI_PERIODIC,
        of_no_orbit(numbers) | {"frequency": frequencies[1], "frequencies": frequencies},
        f"quasi-periodic: it is drawn onto {count} circles, which it visits in turn and on which it turns with the "
        f"angular frequency {frequencies[1]:.4g} per iteration: largest |phi| = {numbers['radius_phi']:.6g}, "
        f"|theta - x0| = {numbers['radius_theta']:.6g}",
    )


def two_frequencies(case: Case) -> tuple[float, float] | None:
    """The angular frequencies of the two strongest lines that are not multiples of one another; None for one line."""
    return next((found for seen in _rows_of_lines(case) if (found := _two_lines(seen)) is not None), None)


def _rows_of_lines(case: Case) -> Iterator[Stretch]:
    """Rows in which two lines are looked for: of steps one for each, and then over more turns.

    What a torus does beside its turns may take a dozen of these, as under Adam, and is no line within so few steps.
    Then fewer rows of a turn see as many more turns. Where single steps would show few turns, the first rows lie some
    steps apart already, and are followed by as many.
    """
    last = case.looks[-1].stretch
    turn = windows.mean_period(last) or 0.0
    if case.motion.discrete and T.turns * turn < len(last.t):  # rows of single steps show turns enough
        turn = 0.0
    span = T.turns_of_lines * turn or 1.0
    seen = case.motion.advance(last.end, 0.0, span, 1)
    yield seen
    if not case.motion.discrete:
        return
    if turn:
        more = case.motion.advance(seen.end, seen.time, span, 1)
        yield more._replace(t=np.concatenate([seen.t, more.t]), zs=np.concatenate([seen.zs, more.zs]))
        return
    apart = (windows.mean_period(seen) or 0.0) // T.rows_in_a_turn
    if apart > 1:
        yield case.motion.advance(last.end, 0.0, apart * len(seen.t), 1)


def _two_lines(seen: Stretch) -> tuple[float, float] | None:
    """The same of some rows."""
    between = float(seen.t[1] - seen.t[0])
    lines = spectral_lines(seen.zs - seen.zs.mean(axis=0), T.lines, T.faintest_line)
    if len(lines) < 2:
        return None
    (strongest, blurred), *others = lines
    # the strongest may be the second or third harmonic; of a high order none is as strong as to be seen
    orders = np.concatenate([np.arange(25), np.arange(1, 24, 2) / 2, np.arange(1, 24) / 3])
    resolution = 2 * np.pi / len(seen.zs) * (T.line + T.fundamental * orders) + 2 * blurred * orders
    folded = np.abs((strongest * orders + np.pi) % (2 * np.pi) - np.pi)
    for frequency, error in others:
        if np.all(np.abs(folded - frequency) > resolution + 2 * error):
            return strongest / between, frequency / between
    return None
