"""Judges of amplitudes that decay or grow by a law, or grow without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....numerics import decay_laws
from ...decision_thresholds import T
from ...dynamical_system import Stretch
from ...kinds import Kind
from .. import curvature, enclosing, rescaled, windows
from ..evidence import Answer, Case, Look
from ..judging import judge


@judge(order=40)
def grows(case: Case, stretch: Stretch) -> Answer | None:
    """An amplitude that has grown a thousandfold, by a power law."""
    sizes = case.sizes
    t, r = amplitudes(case, T.transient)
    # steps that never turn are known from the start on, and a further window may take what all before have
    never_turns = case.motion.discrete and case.goes_one_way(case.looks[T.transient :])
    if (
        len(r) < T.windows_of_a_law - T.transient
        or sizes[-1] < T.grown * (case.r0 if never_turns else sizes[0])
        or np.any(np.diff(sizes[-T.monotone :]) <= 0)
    ):
        return None
    law = growth_law(case, lambda: decay_laws.power_law(t, r))
    if law is None or law.exponent >= 0 or law.error > T.law_error_at_last * abs(law.exponent):
        return None
    return Answer(Kind.DIVERGES, law.numbers, growing(case, law))


def growth_law(case: Case, of_sizes: Callable[[], decay_laws.PowerLaw | None]) -> decay_laws.PowerLaw | None:
    """The law C t^p + D of a growth; None where it follows none.

    Of what never turns in the late windows by its speed alone: on the way from one law to another sizes, which hold all
    that was before, look for decades as if they followed a third, long after the speed has told that it follows none.

    Args:
        case: the motion.
        of_sizes: the law of the sizes of what turns.
    """
    seen = _late_velocities(case, case.distances)
    if seen is None:
        return of_sizes()
    return _late_law(*seen, decay_laws.growth, lambda _: T.growth_error)


def creep_by_speed(case: Case) -> decay_laws.PowerLaw | None:
    """The law k t^-(p + 1) of the speed of a creep that never turns in the late windows; None where it follows none.

    Read at instants, where a mean over a window, which is as long as the time before it, needs many windows.
    """
    seen = _late_velocities(case, lambda look: look.stretch.zs)
    if seen is None:
        return None
    speeds = np.linalg.norm(seen[1], axis=1)
    return _late_law(
        seen[0], speeds, decay_laws.power_law, lambda law: T.law_error_at_last * (law.exponent - 1.0)
    )


def speeds(case: Case, looks: list[Look]) -> tuple[np.ndarray, np.ndarray, float]:
    """Times and speeds at the ends of windows, and what rounding leaves of their local exponents."""
    if case.motion.discrete:
        ends = [case.motion.flat(look.stretch.end) for look in looks]
    else:  # a stretch that is looked at in halves has one end
        ends = [look.stretch.zs[-1] for look in looks]
    d = case.system.dim
    speeds = np.array([np.linalg.norm(case.motion.change(z)[: 2 * d]) for z in ends])
    error = T.speed_rounding * T.eps
    if case.motion.discrete:  # a step is a difference of states
        error *= max(float(np.linalg.norm(ends[-1][: 2 * d])) / max(float(speeds[-1]), T.tiny), 1.0)
    return np.array([look.stretch.t[-1] for look in looks]), speeds, error


def _late_velocities(case: Case, rows: Callable[[Look], np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
    """Instants of the late windows in which a motion never turns, and the derivatives there of what rows of it hold."""
    from scipy.interpolate import CubicSpline

    late = len(case.looks)
    while late and case.goes_one_way(case.looks[late - 1 :]):
        late -= 1
    times, velocities = [], []
    for look in case.looks[max(late, 1) :]:
        t = look.stretch.t
        if len(t) <= _IN_A_WINDOW or not np.all(np.diff(t) > 0):  # so fast that floats do not tell its times
            return None
        at, values = np.linspace(1, len(t) - 2, _IN_A_WINDOW).astype(int), rows(look)
        seen = CubicSpline(t, values)(t[at], 1)
        blur = T.speed_rounding * T.eps * float(np.max(np.abs(values))) / (t[1] - t[0])
        if blur > _BLURRED * np.min(np.linalg.norm(seen.reshape(len(at), -1), axis=1)):
            return None
        times.append(t[at])
        velocities.append(seen)
    return (np.concatenate(times), np.concatenate(velocities)) if len(times) >= _LAST_WINDOWS else None


def _late_law(
    times: np.ndarray,
    speeds: np.ndarray,
    fit: Callable[[np.ndarray, np.ndarray], decay_laws.PowerLaw | None],
    bound: Callable[[decay_laws.PowerLaw], float],
) -> decay_laws.PowerLaw | None:
    """The law of as many late windows as follow one, whose exponent has an error within its bound."""
    # the first of the last three may be so long that the law holds from within it
    begin_last = len(times) - _LAST_WINDOWS * _IN_A_WINDOW
    for first in (*range(0, begin_last, _IN_A_WINDOW), *range(begin_last, begin_last + _IN_A_WINDOW)):
        t, speed = times[first:], speeds[first:]
        if t[-1] < T.decade * t[0]:
            return None
        law = fit(t, speed)
        if law is not None and law.error <= bound(law):
            return law
    return None


def growing(case: Case, law: decay_laws.PowerLaw) -> str:
    """Growth by a law in words."""
    return f"diverges like {case.power(law.exponent, law.constant)}"


def only_outward(case: Case) -> Answer | None:
    """A growth by steps that never lead inward: r can have no limit where they keep moving.

    |step(z) - x0|^2 - |z - x0|^2 = 2 (z - x0) . dz + |dz|^2 is looked at here and up to a hundred times as far.
    """
    here = case.motion.flat(case.looks[-1].stretch.end)
    r = np.array([case.distances(look).mean() for look in case.looks])
    falls = np.any(np.diff(r) < -T.steps_rounding * r[-1])  # by more than rounding leaves of so many steps
    if not case.motion.discrete or len(here) > 2 * case.system.dim or falls:
        return None
    ways = np.random.default_rng(11).normal(size=(T.steps_directions, len(here)))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    for radius in r[-1] * np.geomspace(*T.steps_radii):
        steps = case.motion.at_many(case.origin + radius * ways)
        with np.errstate(all="ignore"):  # a step may be beyond the float range
            along, squares = 2 * radius * np.sum(ways * steps, axis=1), np.sum(steps**2, axis=1)
            rounding = T.eps * radius * (T.change_rounding[0] * radius + T.change_rounding[1] * squares**0.5)
            inward, outward = along + squares < -rounding, along + squares > rounding
        if not np.all(np.isfinite(squares)) or np.any(inward) or np.mean(outward) < T.outward:
            return None
    case.note("up to a hundred times as far, in 64 directions: no step leads inward, and many lead outward")
    reached = f"no step leads nearer to (0, x0), and the amplitude has reached {r[-1]:.4g}"
    rates = np.diff(np.log(r[-T.monotone :])) / np.diff(case.times[-T.monotone :])
    if np.ptp(rates) < T.exponential * rates[-1]:
        rate = float(rates[-1])
        text = f"diverges exponentially, like exp({rate:.5g} n): {reached}"
        return Answer(Kind.DIVERGES, {"rate": rate}, text)
    return Answer(Kind.DIVERGES, {}, f"diverges, by no simple law: {reached}")


_BLURRED = 1e-3  # of a speed: what rounding of the rows may leave of it
_IN_A_WINDOW = 5  # instants of a window at which a motion that does not turn is read off
_LAST_WINDOWS = 3  # at least, over which the speed of a growth follows its law


def amplitudes(case: Case, transient: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and amplitudes from which a law of decay or growth is read, without those of the first windows.

    The root mean square over a window, in which a motion turns some eight times; r itself where a motion that is
    slaved, or creeps, never turns: a mean over a window as long as the time before it is not the value in its middle.
    """
    looks = case.looks[transient:]
    if not case.goes_one_way(looks):
        return case.times[transient:], case.sizes[transient:]
    rows = [np.linspace(0, len(look.stretch.t) - 1, _IN_A_WINDOW).astype(int) for look in looks]
    times = [look.stretch.t[at] for look, at in zip(looks, rows, strict=True)]
    sizes = [case.distances(look)[at] for look, at in zip(looks, rows, strict=True)]
    return np.concatenate(times), np.concatenate(sizes)


@judge(order=80)
def falls_slowly(case: Case, stretch: Stretch) -> Answer | None:
    """An amplitude about the equilibrium that falls by a power law."""
    if len(case.looks) < T.windows_of_a_law:
        return None
    t, r = amplitudes(case, T.transient)
    if np.any(np.diff(r[-T.monotone :]) >= 0) or r[-1] > T.fallen * r[0]:
        return None
    law = fall(case, t, r)
    if law is None or held_up(case):
        return None
    return sublinear(case, law)


def fall(case: Case, t: np.ndarray, amplitudes: np.ndarray) -> decay_laws.PowerLaw | None:
    """The law of a fall, once enough was seen of it to believe the fit."""
    late = case.spent >= T.enough_spent * case.budget or amplitudes[-1] < T.far_fallen * amplitudes[0]
    law = decay_laws.power_law(t, amplitudes) if late else None
    return law if law is not None and law.exponent > 0 and law.error <= T.law_error * law.exponent else None


def _degrees(case: Case, share: float) -> np.ndarray | None:
    """The degree of the terms that curve the field, in a few directions at a share of the present amplitude, or NaN."""
    slope = case.linear.jacobian
    if case.motion.discrete or slope is None:
        return None
    ways = curvature.directions(len(case.origin))
    return curvature.degrees(case.motion, case.origin, slope, ways, share * case.looks[-1].rms)


def _by_degree(case: Case, law: decay_laws.PowerLaw, degrees: np.ndarray) -> decay_laws.PowerLaw:
    """The law with the exponent 1/(q - 1) of r' = -k r^q, where the field is curved by terms of one degree q.

    Only where the fit comes close to it: a shape that still changes slowly bends the fit, not the law.
    """
    q = float(np.median(degrees))
    if not (np.all(np.abs(degrees - q) < T.same_degree) and q > T.curved):
        return law
    exponent = 1 / (round(q) - 1) if abs(q - round(q)) < T.same_degree and round(q) > 1 else 1 / (q - 1)
    if abs(law.exponent - exponent) > T.exponent_of_degree * exponent:
        return law
    t, r = amplitudes(case, T.transient)
    constant = float(r[-1] * (t[-1] + law.offset) ** exponent)
    late = slice(len(t) // 2, None)
    error = decay_laws.constant_spread(t[late], r[late], exponent, law.offset)
    return law._replace(exponent=exponent, constant=constant, constant_error=error)


def _with_logarithm(case: Case, law: decay_laws.PowerLaw, here: np.ndarray) -> tuple[float, float] | None:
    """q and m of r' = -k r^q |log r|^m, whose law is r ~ (t (log t)^m)^(-1/(q - 1)); None for any other field.

    Its degree is q - m/|log r| and nears q so slowly that 1/(q - degree) is a straight line in log r.
    """
    seen = [here, *(_degrees(case, share) for share in T.smaller[1:])]
    one, two, three = (np.asarray(d) for d in seen)
    with np.errstate(all="ignore"):
        limits = (two * (one + three) - 2 * one * three) / (2 * two - one - three)
        q = float(np.median(limits))
        powers = np.log(T.smaller[0] / T.smaller[1]) / (1 / (q - two) - 1 / (q - one))
    if not (np.all(np.abs(three - one) > T.same_degree) and np.all(np.abs(limits - q) < 2 * T.same_degree)):
        return None  # also where degrees that are alike have no limit
    whole = round(q)
    if abs(q - whole) >= T.same_degree or whole < 2 or abs(law.exponent * (q - 1) - 1) > T.bent_by_logarithm:
        return None
    return float(whole), float(np.median(powers))


def sublinear(case: Case, law: decay_laws.PowerLaw) -> Answer | None:
    """The verdict on a fall by a law; by the linearisation where that decides what happens in the end."""
    if case.decided:
        return enclosing.in_the_end(case)
    degrees = _degrees(case, T.smaller[0])
    bent = None if degrees is None else _with_logarithm(case, law, degrees)
    if bent is not None:
        return _bent(case, law, *bent)
    in_the_end = rescaled.sublinear(case)
    if in_the_end is not None:
        return in_the_end
    law = law if degrees is None else _by_degree(case, law, degrees)
    numbers: dict[str, Any] = {**law.numbers}
    if case.lyapunov is not None:
        numbers["lyapunov_coefficient"] = case.lyapunov
    case.note(
        f"amplitude law fitted on windows at growing times: r ~ {law.constant:.6g} "
        f"{case.clock}^-{law.exponent:.6g} "
        f"(exponent +- {law.error:.2g})"
    )
    how = f", but only like {law.shown} {case.clock}^-{law.exponent:.4g}"
    return case.to_equilibrium(Kind.CONVERGES_SUBLINEARLY, numbers, how)


def _bent(case: Case, law: decay_laws.PowerLaw, q: float, power: float) -> Answer:
    """The verdict on a law with a logarithm, which has no constant that could be read off a run."""
    exponent, clock = 1 / (q - 1), case.clock
    case.note(
        f"the field is curved like r^{q:.3g} |log r|^{power:.2g}; a power law fitted to the windows has the exponent "
        f"{law.exponent:.4g}, which the logarithm bends"
    )
    log = f"log {clock}" if abs(power - 1) < T.whole_power else f"(log {clock})^{power:.2g}"
    how = f", but only like ({clock} {log})^-{exponent:.4g}"
    numbers = {"exponent": exponent, "exponent_error": abs(law.exponent - exponent)}
    return case.to_equilibrium(Kind.CONVERGES_SUBLINEARLY, numbers, how)


def held_up(case: Case) -> bool:
    """Whether a conserved wedge l > 0 keeps the motion away from the equilibrium: r^2 >= 2 l."""
    if case.system.dim == 1:
        return False
    values = [
        windows.wedge(look.stretch.zs - case.origin, case.system.dim)
        for look in (case.looks[0], case.looks[-1])
    ]
    first, last = (float(np.mean(v)) for v in values)
    return first > T.conserved_size * case.looks[0].rms ** 2 and abs(last - first) < T.held_up * first
