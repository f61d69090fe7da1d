"""Judges of motions that approach a point: by eigenvalues, by measured decay where there are none, or by a creep."""

from __future__ import annotations

import math

import numpy as np

from ....dynamics.collinear import invariant_line
from ....numerics import decay_laws, eigen
from ....numerics.float_range import LARGEST
from ...decision_thresholds import T
from ...dynamical_system import Stretch
from ...kinds import Kind
from ...linear.decision import status_of
from ...linear.status import Status
from ...orbits import rest_points
from .. import termination, windows
from ..evidence import Answer, Case, Look, exponential
from ..judging import judge
from ..steepening import steepening
from . import trends

_FEWEST = 16  # iterations on the way down whose quarters tell a rate


@judge(order=20)
def to_a_point(case: Case, stretch: Stretch) -> Answer | None:
    """Exponential convergence: a hyperbolic rest point, approached at the rate that its eigenvalues say."""
    if len(case.looks) < 2:
        return None
    before, now = case.looks[-2], case.looks[-1]
    rests = now.diameter <= T.tiny  # reached before the first row of the first window
    if not (rests or now.diameter < T.shrinks * before.diameter):
        return None
    flat = case.motion.flat(stretch.end)
    rest = rest_points.rest_near(
        case.motion,
        flat,
        reach=T.reach * now.diameter
        + T.arrived * case.looks[0].diameter
        + T.rest_rounding * T.eps * float(np.linalg.norm(flat)),
    )
    if rest is None:
        return None
    z = rest.flat[: 2 * case.system.dim]
    near, far = (windows.about(look.stretch, z) for look in (now, before))
    if not 0 < near < T.shrinks * far:
        if not near <= T.rounding * (case.r0 + np.linalg.norm(z)):
            return None
    return _at_point(case, rest, near, far)


@judge(order=10)
def arrived(case: Case, stretch: Stretch) -> Answer | None:
    """A rest point reached to rounding within a stretch, perhaps on the edge of a discontinuity.

    There the side is no longer told by the state itself, but by where it came from.
    """
    if case.motion.discrete:
        return None
    end = case.motion.flat(stretch.end)
    away = np.linalg.norm(stretch.zs - end, axis=1)
    size = min(case.r0, case.looks[-1].rms) + float(np.linalg.norm(end))
    tail = away[-len(away) // 8 :]
    earlier = np.flatnonzero(away > T.arrived * size)
    if tail.max() > T.tail_at_rest * size or not len(earlier):
        return None
    rest = rest_points.rest_near(case.motion, end, T.arrived * size, came=stretch.zs[earlier[-1]])
    return None if rest is None else _at_point(case, rest, 0.0, 0.0)


def _at_point(case: Case, rest: rest_points.Rest, near: float, far: float) -> Answer | None:
    """The verdict on a rest point that the motion comes to: ``far`` from it in one window, ``near`` in the next."""
    now, before = case.looks[-1], case.looks[-2] if len(case.looks) > 1 else case.looks[-1]
    z = rest.flat[: 2 * case.system.dim]
    discrete = case.motion.discrete
    # nearer than this, floats do not tell states apart
    blur = T.rest_rounding * T.eps * float(np.linalg.norm(z))
    at_origin = np.linalg.norm(z - case.origin) <= max(T.same_point * case.looks[0].rms, blur)
    seen = steepening(case, case.origin if at_origin else z)
    in_time = None if seen is None else termination.by_a_root(case, z, seen)
    if in_time is not None:
        return in_time
    slides = len(rest.along) < len(rest.flat)  # and a spiral within a surface comes to no other side of it
    rest, beside = _on_its_line(case, rest)
    slope = rest.along
    if not len(slope):  # on as many surfaces as there are directions: nothing moves along them, at any rate
        return None
    found = eigen.eigenvalues(slope + discrete * np.eye(len(slope)), rest.error)
    rates, turning, stable, still = _modes(case, found)
    moving = _moves_players(slope, 2 * case.system.dim, found.values - 1.0 if discrete else found.values)
    if not np.all(stable | (still & (turning <= 0))) or not np.any(stable & moving):
        return None
    arrived = near <= max(T.arrived * max(case.looks[0].diameter, T.tiny), blur)
    choices = np.where(stable & moving, rates, np.inf)
    if np.all(np.isinf(choices)):
        return _dead_beat(case, z, rest) if arrived else None
    measured = _measured(case, z)
    if measured is None and not arrived:
        measured = math.log(far / near) / (now.time - before.time)
    k = int(np.argmin(choices if measured is None else np.abs(choices - measured)))
    agrees = measured is not None and abs(choices[k] - measured) <= T.same_rate * choices[k]
    if not agrees and at_origin and case.linear.status == Status.NO_DERIVATIVE:
        if seen is not None and seen.never_ends:
            return None  # beside a point without a slope no eigenvalue is that of the end
        if measured is not None:
            # on a kink the side taken is one of several: along a slide none need be the motion's
            return _along_a_kink(case, z, measured)
    if not agrees:
        # nothing arrives at a rate that had no time for it: that motion only passes by, as along a line of equilibria
        choices = np.where(choices * case.time >= -T.in_time * math.log(T.arrived), choices, np.inf)
        if not arrived or np.all(np.isinf(choices)):
            return None
        k = int(np.argmin(choices))
        turns = discrete or turning[k] > 0
        if at_origin and case.linear.status == Status.NO_DERIVATIVE and turns:
            # what turns about a kink, and what steps across it, passes all its sides: no eigenvalue of one is the end's
            return None
    rate, frequency = float(rates[k]), float(turning[k])
    # what has arrived had as long as it takes to fall to rounding
    took = -math.log(T.eps) / rate if arrived else now.time - before.time
    if not slides and _turns_off_its_side(case, z, frequency * took):
        return None
    told = f"its eigenvalue gives the rate {rate:.6g}" + (f", measured {measured:.6g}" if agrees else "")
    if measured is not None and 0 < measured < T.outruns * rate:
        # a slope without bound, beside which none is known
        rate, frequency = measured, 0.0
        told = f"no eigenvalue explains so slow an approach: measured {measured:.6g}"
    case.note(f"Newton: rest point {case.vector(z)}; {told}{beside}")
    return _approaches(case, z, case.other(z, rest) if not at_origin else None, rate, frequency)


def _on_its_line(case: Case, whole: rest_points.Rest) -> tuple[rest_points.Rest, str]:
    """A rest point with those ways alone that a flow may go, and in words which others repel: in d > 1 often none.

    From a start on an invariant line the flow never leaves that line, even where what lies beside it goes away.
    """
    if case.motion.discrete or case.motion.dim == 1 or not len(whole.along):
        return whole, ""
    rates, _, stable, still = _modes(case, eigen.eigenvalues(whole.along, whole.error))
    line = None if np.all(stable | still) else invariant_line(case.full, case.start)
    if line is None:
        return whole, ""
    left, shared, _ = np.linalg.svd(whole.ways.T @ np.kron(np.eye(2), line.direction).T, full_matrices=False)
    text = f"; its start lies on a line that it never leaves, while those beside it do at the rate {-min(rates):.3g}"
    return whole._replace(ways=whole.ways @ left[:, shared > T.shared_way]), text


def _turns_off_its_side(case: Case, z: np.ndarray, turned: float) -> bool:
    """Whether the spiral about z, which has been seen over an angle, is that of one side of a kink or jump.

    It ends where it comes to the other side, at half a turn at the latest: nothing may have arrived by then. A motion
    that falls like that over whole turns has shown both sides.
    """
    return 0 < turned < 2 * math.pi and case.spectrum(z).status == Status.NO_DERIVATIVE


def _approaches(case: Case, z: np.ndarray, other: str | None, rate: float, frequency: float) -> Answer:
    """The verdict on an exponential approach to z: the equilibrium, or ``other``, in words."""
    numbers, per = exponential(rate, frequency), f"exp(-{rate:.5g} {case.clock})"
    if other is None:
        how = f"spirals in at angular frequency {frequency:.5g}" if frequency > 0 else "goes in directly"
        if case.remembers_for_ever and case.linear.status == Status.UNSTABLE:
            how += ", with what its rule remembers: where that begins afresh, the equilibrium is unstable"
        answer = case.to_equilibrium(Kind.CONVERGES_EXPONENTIALLY, numbers, f" like {per}; it {how}")
        return answer._replace(numbers=numbers | case.limit(z))
    return Answer(Kind.CONVERGES_ELSEWHERE, numbers | case.limit(z), f"converges like {per} to {other}")


def _modes(case: Case, found: eigen.Eigenvalues) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of every eigenvalue the rate and frequency per unit of time, whether it decays for sure, and whether it may rest.

    A multiplier within its error of 0 has an infinite rate.
    """
    values, errors = found
    if case.motion.discrete:
        with np.errstate(divide="ignore"):
            rates = -np.log(np.where(np.abs(values) <= errors, 0.0, np.abs(values)))
        turning, margins = np.abs(np.angle(values)), 1.0 - np.abs(values)
    else:
        rates, turning, margins = -np.real(values), np.abs(np.imag(values)), -np.real(values)
    blurred = np.maximum(errors, T.eps * np.max(np.abs(values), initial=0.0))
    sides = status_of(margins, blurred)
    turning = np.where(turning > blurred, turning, 0.0)
    return (
        rates / case.motion.period,
        turning / case.motion.period,
        sides == Status.STABLE.number,
        sides == Status.MARGINAL.number,
    )


def _dead_beat(case: Case, z: np.ndarray, rest: rest_points.Rest) -> Answer:
    """Steps that arrive exactly after as many iterations as the map is nilpotent of."""
    numbers = {"rate": math.inf, "half_life": 0.0} | case.limit(z)
    case.note(f"Newton: rest point {case.vector(z)}; its multipliers are 0: it is reached after a few steps")
    if np.linalg.norm(z - case.origin) <= T.same_point * case.r0:
        text = "arrives at the equilibrium after a few iterations (dead beat)"
        return Answer(Kind.CONVERGES_EXPONENTIALLY, numbers, text)
    text = f"arrives after a few iterations at {case.other(z, rest)}"
    return Answer(Kind.CONVERGES_ELSEWHERE, numbers, text)


def _along_a_kink(case: Case, z: np.ndarray, measured: float) -> Answer | None:
    """The verdict on an equilibrium without a derivative, approached at one rate throughout; None where it varies."""
    t, log_r = _fall(case, z)
    if not len(t):  # it fell between two windows
        return None
    halves = [
        -windows.slope(*half) for half in zip(np.array_split(t, 2), np.array_split(log_r, 2), strict=True)
    ]
    if not measured > 0 or abs(halves[1] - halves[0]) > T.steady_rate * measured:
        return None
    case.note("there is no eigenvalue here: the rate is that of the fall of log r over a window")
    how = f" like exp(-{measured:.5g} {case.clock}), as measured"
    answer = case.to_equilibrium(Kind.CONVERGES_EXPONENTIALLY, exponential(measured), how)
    return answer._replace(numbers=answer.numbers | case.limit(z))


def _measured(case: Case, z: np.ndarray) -> float | None:
    """The slope of log |z(t) - z| in the last window that shows it between the start's size and rounding."""
    t, log_r = _fall(case, z)
    return -windows.slope(t, log_r) if len(t) else None


def _fall(case: Case, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The times and log |z(t) - z| in the last window that shows it between the start's size and rounding, or none."""
    low = T.above_rounding * (case.r0 + float(np.linalg.norm(z)))
    high = T.asymptotic * case.looks[0].diameter
    for look in reversed(case.looks):
        r = np.linalg.norm(look.stretch.zs - z, axis=1)
        shown = (r > low) & (r < high)
        if np.sum(shown) >= T.rows_of_a_slope:
            return look.stretch.t[shown], np.log(r[shown])
    return np.zeros(0), np.zeros(0)


@judge(order=30)
def decays(case: Case, stretch: Stretch) -> Answer | None:
    """Exponential convergence to the equilibrium where there is no eigenvalue to compare with: a measured rate.

    It is the fall of the mean of log r from window to window, which does not depend on where in a turn a window
    begins: a field homogeneous of degree 1 about rest has log r = -rate t + what repeats with every turn.
    """
    if case.linear.differentiable:
        return None
    looks = [look for look in case.looks if case.distances(look)[-1] > case.finest]
    if len(looks) >= 3 and looks[-1].rms <= T.seen_to_decay * looks[0].rms:
        found, seen = _from_windows(case, looks[-3:]), "the mean of log r over three windows"
        if found is None:
            found, seen = _over_decades(case, looks), "the mean of log r over windows at growing times"
    elif len(looks) < len(case.looks):  # a window or two have left nothing to see
        found, seen = _from_returns(case), "r at one phase of successive turns"
        if found is None:
            found, seen = _from_rows(case), "the mean of log r over quarters of the iterations"
    else:
        return None
    if found is None:
        return None
    rate, period = found
    numbers = exponential(rate)
    numbers |= {} if period is None else {"frequency": 2 * math.pi / period, "period": period}
    case.note(f"there is no eigenvalue here: the rate is that of {seen}")
    turning = f", by {math.exp(-rate * period):.5g} with every turn of {period:.6g}" if period else ""
    how = f" like exp(-{rate:.5g} {case.clock}){turning}, as measured"
    return case.to_equilibrium(Kind.CONVERGES_EXPONENTIALLY, numbers, how)


def _from_windows(case: Case, looks: list[Look]) -> tuple[float, float | None] | None:
    """Rate and period, where the windows agree on them."""
    logs = [np.log(case.distances(look)) for look in looks]
    rates = -np.diff([windows.mean(log) for log in logs]) / np.diff([look.time for look in looks])
    last, rate = looks[-1].stretch, float(rates[-1])
    within = -windows.slope(last.t, logs[-1])
    if rate <= 0 or np.ptp(rates) > T.steady_rate * rate or abs(within - rate) > T.steady_slope * rate:
        return None
    growth = np.exp(rate * (last.t - last.t[0]))[:, None]
    return rate, windows.mean_period(last._replace(zs=(last.zs - case.origin) * growth))


def _over_decades(case: Case, looks: list[Look]) -> tuple[float, None] | None:
    """The rate of a fall so far that what a window shows of a turn longer than itself no longer counts."""
    late = looks[-T.monotone :]
    if len(late) < T.monotone or late[-1].rms > T.fallen_by_decades * late[0].rms:
        return None
    rate, off = case.rate_of_fall(late)
    return None if off > T.steady_rate * rate else (rate, None)


def _from_rows(case: Case) -> tuple[float, None] | None:
    """The rate of steps so fast that a window or two see all of the fall, where its quarters agree on it.

    Down to where products of the players, by which a kink knows its side, are still told from 0.
    """
    if not case.motion.discrete:
        return None
    t = np.concatenate([look.stretch.t for look in case.looks])
    r = np.concatenate([case.distances(look) for look in case.looks])
    low = max(case.finest, 1.0 / LARGEST)
    shown = np.cumprod(r > low).astype(bool) & (r < T.asymptotic * case.r0)
    if np.sum(shown) < _FEWEST:
        return None
    quarters = np.array_split(np.stack([t[shown], np.log(r[shown])], axis=1), 4)
    times, logs = np.transpose([np.mean(part, axis=0) for part in quarters])
    rates = -np.diff(logs) / np.diff(times)
    rate = float((logs[0] - logs[-1]) / (times[-1] - times[0]))
    return (rate, None) if rate > 0 and np.ptp(rates) <= T.steady_rate * rate else None


def _from_returns(case: Case) -> tuple[float, float] | None:
    """Rate and period of the returns to phi = 0, a Poincare section in the plane, where they agree."""
    if case.system.dim > 1 or case.motion.discrete:
        return None
    t = np.concatenate([look.stretch.t for look in case.looks])
    off = np.concatenate([look.stretch.zs for look in case.looks]) - case.origin
    seen = np.cumprod(np.linalg.norm(off, axis=1) > case.finest).astype(bool)
    t, off = t[seen], off[seen]
    if len(t) < 3:
        return None
    gaps = np.flatnonzero(np.diff(t) > 2 * (t[1] - t[0])) + 1  # between windows that do not touch
    pieces = zip(np.split(t, gaps), np.split(off, gaps), strict=True)
    found = (_of_returns(*piece) for piece in reversed(list(pieces)))
    return next((rate for rate in found if rate is not None), None)


def _of_returns(t: np.ndarray, off: np.ndarray) -> tuple[float, float] | None:
    """Rate and period of the returns within one piece of the motion."""
    if len(t) < 3:
        return None
    rates, turns = [], []
    for phi in (off[:, 0], -off[:, 0]):  # upward and downward passages, each with their own kind
        times, theta = windows.passages(phi, t, off[:, 1])
        turns += list(np.diff(times))
        rates += list(-np.diff(np.log(np.abs(theta))) / np.diff(times))
    if len(rates) < 2 or rates[0] <= 0:
        return None
    if np.ptp(rates) > T.steady_rate * rates[0] or np.ptp(turns) > T.steady_rate * turns[0]:
        return None
    return float(np.mean(rates)), float(np.mean(turns))


def as_linearised(case: Case, t: np.ndarray, amplitudes: np.ndarray) -> Answer | None:
    """A stable equilibrium whose slow pull, and nothing else, is seen in the last windows."""
    if case.linear.status != Status.STABLE or len(t) < 6 or np.any(np.diff(amplitudes[-T.monotone :]) >= 0):
        return None
    rate, turning = case.slowest_mode()
    seen = -np.diff(np.log(amplitudes[-3:])) / np.diff(t[-3:])
    off = np.abs(seen - rate)
    if np.any(off > T.nears_rate * rate) or (off[-1] > T.settled_rate * rate and off[-1] >= off[-2]):
        return None
    case.note(f"the amplitude falls as the eigenvalue says: the rate {rate:.6g}, measured {seen[-1]:.6g}")
    how = f", though only like exp(-{rate:.5g} {case.clock})"
    return case.to_equilibrium(Kind.CONVERGES_EXPONENTIALLY, exponential(rate, turning), how)


def _creep_by_mean_speeds(case: Case, t: np.ndarray) -> decay_laws.PowerLaw | None:
    """The law of the speed of a creep, of its means over windows: those of what turns on its way."""
    spans = np.array([look.stretch.t[-1] - look.stretch.t[0] for look in case.looks])
    if not np.all(spans > 0):  # floats do not tell the times of so fast a motion apart
        return None
    speeds = np.array([look.diameter for look in case.looks]) / spans
    if len(t) < 7 or np.any(np.diff(speeds[-T.monotone :]) >= 0) or speeds[-1] > T.creep_shrinks * speeds[0]:
        return None
    law = decay_laws.power_law(t[1:], speeds[1:])
    steps = np.ptp(case.looks[-1].stretch.zs, axis=0)  # the diameter is that of one component
    of_all = float(np.linalg.norm(steps) / max(steps.max(), T.tiny))
    return law and law.scaled(of_all)


def creeps(case: Case, t: np.ndarray) -> Answer | None:
    """A point that is crept to more slowly than exponentially: the speed falls by a power law above 1/t.

    With |dz/dt| ~ k t^-(p + 1) what is left of the way is (k/p) t^-p.
    """
    law = trends.creep_by_speed(case) or _creep_by_mean_speeds(case, t)
    if law is None or law.exponent <= 1.0 or law.error > T.law_error_at_last * (law.exponent - 1.0):
        return None
    exponent = law.exponent - 1.0
    (b, before), (c, now) = ((k.stretch.zs[-1], k.stretch.t[-1] + law.offset) for k in case.looks[-2:])
    if not (before > 0 and (1 + T.skip) ** -exponent < T.creep_ratio):
        return None
    # by the law, for the halves of what spent the budget end at no geometric times
    way_left = (c - b) / ((now / before) ** exponent - 1)
    left = c + way_left
    blur = max(T.creep_away * case.looks[0].rms, T.creep_off * float(np.linalg.norm(way_left)))
    if np.linalg.norm(left - case.origin) <= blur:
        return None
    law = law.scaled(1 / exponent)._replace(exponent=exponent)
    return Answer(
        Kind.CONVERGES_ELSEWHERE,
        law.numbers | case.limit(left),
        f"creeps like {law.shown} {case.clock}^-{exponent:.3g} to {case.other(left)}",
    )


@judge(order=100)
def creeps_far(case: Case, stretch: Stretch) -> Answer | None:
    """A creep to a point that has slowed down so much that its law is plain."""
    if case.looks[-1].diameter > T.far_crept * case.looks[0].diameter:
        return None
    return creeps(case, case.times)


@judge(order=90)
def falls_elsewhere(case: Case, stretch: Stretch) -> Answer | None:
    """Another equilibrium, about which the amplitude falls by a power law."""
    diameters = [look.diameter for look in case.looks[2:]]
    if (
        len(diameters) < 6
        or np.any(np.diff(diameters[-T.monotone :]) >= 0)
        or diameters[-1] > T.fallen * diameters[0]
    ):
        return None
    flat = case.motion.flat(stretch.end)
    rest = rest_points.rest_near(case.motion, flat, reach=2 * diameters[-1])
    if rest is None:
        return None
    z = rest.flat[: 2 * case.system.dim]
    if np.linalg.norm(z - case.origin) <= 2 * diameters[-1]:
        return None
    t = case.times[2:]
    amplitudes = np.array([windows.about(look.stretch, z) for look in case.looks[2:]])
    law = trends.fall(case, t, amplitudes)
    if law is None:
        return None
    case.note(f"Newton: rest point {case.vector(z)}; the law is that of the distance from it")
    return Answer(
        Kind.CONVERGES_ELSEWHERE,
        law.numbers | case.limit(z),
        f"converges, but only like {law.shown} {case.clock}^-{law.exponent:.4g}, to {case.other(z, rest)}",
    )


def _moves_players(jacobian: np.ndarray, count: int, values: np.ndarray) -> np.ndarray:
    """Which eigenvalues have a mode in which the first ``count`` entries, the players, move: not only a memory."""
    found, vectors = np.linalg.eig(jacobian)
    seen = found[np.linalg.norm(vectors[:count], axis=0) > T.memory * np.linalg.norm(vectors, axis=0)]
    return np.array(
        [
            np.any(np.abs(seen - v) <= T.same_eigenvalue * np.max(np.abs(found), initial=T.tiny))
            for v in values
        ]
    )
