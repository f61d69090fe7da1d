"""What is said when the budget is spent: what the windows still support, else what is missing."""

from __future__ import annotations

import numpy as np

from ...dynamics.filippov import natural_velocity
from ...numerics import decay_laws
from ..decision_thresholds import T
from ..kinds import Kind
from ..orbits.orbit import Method
from . import enclosing, formatting, termination
from .evidence import Answer, Case
from .judges import fixed_points, periodic_orbits, trends


def judge(case: Case) -> Answer:
    """The verdict that the windows so far allow."""
    t, amplitudes = case.times, case.sizes
    return (
        _grows_exponentially(case, t, amplitudes)
        or _falls(case)
        or fixed_points.as_linearised(case, t, amplitudes)
        or enclosing.larger(case, case.looks[-1])
        or fixed_points.creeps(case, t)
        or _grows(case, t, amplitudes)
        or trends.only_outward(case)
        or periodic_orbits.nears(case, t, amplitudes)
        or _falls_within(case)
        or _still_relaxing(case)
        or enclosing.in_the_end(case)
        or enclosing.outside(case)
        or _unknown(case, amplitudes)
    )


def _falls(case: Case) -> Answer | None:
    """A fall by a law that has not gone far."""
    t, r = trends.amplitudes(case, 1)
    steady = len(t) >= T.monotone and np.all(np.diff(r[-T.monotone :]) < 0)
    if not steady or trends.held_up(case) or r[-1] >= T.fallen_at_last * case.sizes[0]:
        return None
    return _by_a_law(case, t, r)


def _falls_within(case: Case) -> Answer | None:
    """A fall by a law within the last window alone, of a motion that no longer turns: too late for several windows."""
    last = case.looks[-1]
    rows = np.linspace(0, len(last.stretch.t) - 1, T.rows_of_a_slope).astype(int)
    t, r = last.stretch.t[rows], case.distances(last)[rows]
    if np.any(np.diff(r) >= 0) or r[-1] > T.fallen * r[0] or r[-1] > T.fallen_within * case.r0:
        return None
    return _by_a_law(case, t, r)


def _by_a_law(case: Case, t: np.ndarray, r: np.ndarray) -> Answer | None:
    law = decay_laws.power_law(t, r)
    if law is None or law.exponent <= 0 or law.error >= T.law_error_at_last * law.exponent:
        return None
    return trends.sublinear(case, law)


def _grows(case: Case, t: np.ndarray, amplitudes: np.ndarray) -> Answer | None:
    """A growth by a law that has not gone far, or one that does not slow down."""
    rises = np.diff(amplitudes[-(T.monotone + 1) :])
    if np.any(rises <= 0):
        return None
    law = trends.growth_law(case, lambda: decay_laws.power_law(t[1:], amplitudes[1:]) or _law_of_ends(case))
    if len(rises) < T.monotone and law is None:
        return None
    cycle = enclosing.outside(case)
    if cycle is not None:
        return cycle
    if amplitudes[-1] > T.grown_at_last * amplitudes[0]:
        if law is not None and law.exponent < 0 and law.error < T.law_error_at_last * abs(law.exponent):
            return Answer(Kind.DIVERGES, law.numbers, trends.growing(case, law))
    slows = np.any(rises <= T.keeps_growing * amplitudes[-1]) or np.any(rises[1:] <= T.no_slower * rises[:-1])
    if slows:
        return None
    case.note("each window shows at least as much growth since the last as the one before")
    tends = _tends_to(case, t[-T.monotone :], amplitudes[-T.monotone :])
    if tends is not None and tends[0] < 0:
        numbers = {"exponent": tends[0], "exponent_error": tends[1]}
        case.note("the exponent is what the local ones of five windows tend to")
        return Answer(Kind.DIVERGES, numbers, f"diverges, in the end like {case.power(tends[0])}")
    reached = f"the amplitude has reached {amplitudes[-1]:.4g} and keeps growing"
    return Answer(Kind.DIVERGES, {}, f"diverges slowly: {reached}")


def _tends_to(case: Case, t: np.ndarray, amplitudes: np.ndarray) -> tuple[float, float] | None:
    """The exponent p of r ~ t^-p to which the last windows tend, and its error; of what never turns, by its speed."""
    late = case.looks[-len(t) :]
    if not case.goes_one_way(late):
        return decay_laws.limiting_exponent(t, amplitudes)
    times, speeds, _ = trends.speeds(case, late)
    tends, law = decay_laws.limiting_exponent(times, speeds), decay_laws.power_law(times, speeds)
    if tends is None and law is not None and law.error <= T.law_error * abs(law.exponent):
        tends = law.exponent, law.error  # they have got there
    return tends and (tends[0] - 1.0, tends[1])


def _law_of_ends(case: Case) -> decay_laws.PowerLaw | None:
    """The law of the distances at the windows' ends: a mean over a window as long as all before lies beside it."""
    ends = [(look.stretch.t[-1], case.distances(look)[-1]) for look in case.looks[1:]]
    return decay_laws.power_law(*np.reshape(ends, (-1, 2)).T)


def _grows_exponentially(case: Case, t: np.ndarray, amplitudes: np.ndarray) -> Answer | None:
    """An exponential growth that has left every scale of the losses, at one rate in and between windows."""
    if len(t) < 2 or amplitudes[-1] < T.far_out * amplitudes[0]:
        return None
    numbers = termination.exponential_growth(case)
    before, last = case.looks[-2:]  # windows need not be equally long, and then their ends are compared
    ends = np.log(case.distances(last)[-1] / case.distances(before)[-1]) / (
        last.stretch.t[-1] - before.stretch.t[-1]
    )
    rates = np.array([np.log(amplitudes[-1] / amplitudes[-2]) / (t[-1] - t[-2]), ends])
    if not numbers:
        return None
    off = np.abs(rates - numbers["rate"])
    alike = off <= T.exponential * rates  # not of a window that ends beyond all numbers
    if not np.any(alike):
        return None
    between = float(rates[np.argmin(np.where(alike, off, np.inf))])
    case.note(f"the growth rate is {between:.5g} between the last two windows, and the same within the last")
    how = f"like exp({numbers['rate']:.5g} {case.clock}): the amplitude has reached {amplitudes[-1]:.4g}"
    return Answer(Kind.DIVERGES, numbers, f"diverges exponentially, {how}")


def _still_relaxing(case: Case) -> Answer | None:
    """An attracting orbit near which the run has ended."""
    orbit = periodic_orbits.refined(case, case.looks[-1].stretch)
    if orbit is None or orbit.method is Method.LYAPUNOV or not (orbit.attracts and orbit.is_told):
        return None
    case.note(f"still relaxing; the orbit was refined by {orbit.method} from where the run ended")
    kind, numbers = Kind.LIMIT_CYCLE, case.looks[-1].radii
    if orbit.method is Method.ROTATING_STATE:
        kind, numbers = Kind.LIMIT_CIRCLE, case.largest(orbit.flat[None, : 2 * case.system.dim])
    numbers |= periodic_orbits.numbers_of(orbit) | periodic_orbits.radii_of(case, orbit)
    return Answer(kind, numbers, f"approaches a {kind.replace('-', ' ')} of period {orbit.period:.6g}")


def _unknown(case: Case, amplitudes: np.ndarray) -> Answer:
    now = case.looks[-1]
    when = f"{case.time:.4g} iterations" if case.motion.discrete else f"t = {case.time:.4g}"
    if now.diameter <= T.rounding * np.max(np.abs(now.stretch.zs)):
        at = case.vector(now.stretch.zs[-1])
        flat = not np.any(np.asarray(natural_velocity(case.system, now.stretch.zs[-1])))
        where = ", where the losses are flat to the last digit" if flat else ""
        text = f"undecided: after {when} the motion is slower than rounding, at {at}{where}"
    else:
        law = f"neither settles nor follows a law{formatting.trend(amplitudes)}"
        text = f"undecided: after {when} the motion {law}; {_by_effort(case)}"
    return Answer(Kind.UNDECIDED, {}, text)


def _by_effort(case: Case) -> str:
    """What a larger effort would bring: little, where a flow goes ever faster for its size."""
    if case.motion.discrete:
        return "a larger effort may tell"
    zs = np.array([case.looks[0].stretch.zs[0], case.looks[-1].stretch.zs[-1]])
    speeds = [np.linalg.norm(case.motion.as_it_stands(z)) for z in zs]
    first, last = speeds / np.maximum(case.distances_of(zs), T.tiny)
    if not last > T.hastens * first:
        return "a larger effort may tell"
    until = case.time * (1 + np.log(_MORE) / np.log(last / first))
    return (
        f"it goes ever faster for its size (|F|/r has grown from {first:.3g} to {last:.3g}), so that {_MORE:g} times "
        f"the effort would end by about t = {until:.3g}"
    )


_MORE = 10.0  # times the effort, of which the words on a spent budget tell what it would bring
