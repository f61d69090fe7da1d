"""Motions judged by nested neighbours in the plane: what happens inside and outside decides.

The amplitude of an orbit about (0, x0) drifts by d log a / dt = g(a). Where the motion itself is too slow to be
followed to its end, g is measured at other amplitudes, on starts along the same ray: a zero of g with g > 0 inside and
g < 0 outside is an attracting cycle, and without one the linearisation decides what happens in the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ...dynamics.filippov import surface_count
from ...dynamics.motion_result import MotionResult
from ...numerics.normal_form import lyapunov_coefficient
from ..decision_thresholds import T
from ..dynamical_system import DiscreteSystem, field_derivatives
from ..kinds import Kind
from ..linear.status import Status
from ..orbits.lyapunov_exponents import exponents_along
from . import rescaled, windows
from .evidence import Answer, Case, Look, exponential, on_circle
from .scales import Scales

_NEAR = np.geomspace(1.0, 0.18, 4)  # of the present amplitude: the first decade inward


class Drift(NamedTuple):
    """How an amplitude drifts: d log a per unit of time, the error of that, and the window in which it was seen."""

    rate: float
    error: float
    look: Look | None

    @property
    def sign(self) -> int:
        """1 outward, -1 inward, 0 where the error hides it."""
        return 0 if not abs(self.rate) > self.error else int(math.copysign(1, self.rate))


def drift(case: Case, factor: float) -> Drift:
    """The drift of the amplitude ``factor`` times as far from (0, x0) as where the last window ended."""
    state = case.moved(factor)
    far = case.distances_of(case.motion.flat(state)[None, : 2 * case.system.dim])[0]
    speed = np.linalg.norm(case.motion.change(case.motion.flat(state))[: 2 * case.system.dim])
    turn = case.turn
    paid = T.drift_spends * case.budget / (3 * T.turns)
    if case.adapts:  # its steps are of one size, and its memory answers after a whole turn
        turn *= max(1.0, factor)
    elif case.motion.discrete and case.goes_one_way(case.looks[-2:]):  # any window shows how it drifts
        turn = min(turn, paid)
    elif not case.linear.differentiable and np.isfinite(speed):  # a turn takes as long as it is wide
        natural = 2 * np.pi / max(speed / max(far, T.tiny), T.tiny)
        turn = float(np.clip(natural, case.turn, case.turn * max(1.0, factor)))
    logs, times, looks = [], [], []
    long = case.motion.discrete and turn > paid
    if long or case.spent > T.drifts_spend * case.budget:
        return Drift(math.nan, math.inf, None)  # not looked at
    for _ in range(3):  # the first lets memories and fast modes settle
        stretch = case.motion.advance(state, 0.0, T.turns * turn, 1)
        case.spent += stretch.cost
        if stretch.result != MotionResult.OK:
            return Drift(math.inf if stretch.result == MotionResult.DIVERGED else math.nan, 0.0, None)
        size = case.amplitudes(stretch.zs)
        if not stretch.t[-1] > stretch.t[0]:  # so fast a motion that floats do not tell its times apart
            return Drift(math.nan, math.inf, None)
        if not np.all(size > 0):
            return Drift(-math.inf, 0.0, None)
        logs.append(np.log(size))
        times.append(float(stretch.t[-1] - stretch.t[0]) * len(stretch.t) / (len(stretch.t) - 1))
        looks.append(stretch)
        state = stretch.end
    change = windows.mean(logs[2]) - windows.mean(logs[1])
    wobble = float(np.std(logs[2] - np.linspace(0, change, len(logs[2]))))
    error = T.drift_rounding + T.drift_wobble * wobble
    return Drift(change / times[2], error / times[2], case.look(looks[2]))


def lasting_drift(case: Case) -> Drift | None:
    """How an orbit of the flow that hardly changes drifts, where that is beyond its error and explains the run."""
    if case.motion.discrete:
        return None
    seen = drift(case, 1.0)
    if seen.sign == 0 or not math.isfinite(seen.rate):
        return None
    changed = math.log(case.sizes[-1] / case.sizes[0])
    expected = seen.rate * float(case.times[-1] - case.times[0])
    return seen if T.explained[0] < changed / expected < T.explained[1] else None


def may_drift(case: Case, conserved: Iterable[str]) -> Answer | None:
    """Undecided, where steps keep an orbit as far as they are followed, and nothing that they keep holds it there.

    Alternating steps h on the saturating game drift by a high power of the size, which no run shows where that is
    small: with q = (|phi|^2 + |theta|^2)/2 and l = phi ^ theta, which they keep, and u^2 = q^2 - l^2, per step
    d log r/dn = h^4 u^2 (q^2/6144 + 7 u^2/8192), in d = 1 25/393216 h^4 r^8. What analytic steps change a size by is
    analytic in it, so that larger orbits show the drift; those of one side of a kink may keep what others do not.

    Args:
        case: the motion.
        conserved: the names of what it keeps, as of ``periodic_orbits.conserved``.
    """
    if not case.motion.discrete or case.adapts or case.nested or case.linear.status != Status.MARGINAL:
        return None
    if _is_held(case, conserved):
        return None
    how = "steps that keep neither areas nor a size may drift by less than a run shows"
    outer = max(case.scales.outer / case.looks[-1].rms, 1.0)
    seen = [] if surface_count(case.system) else [drift(case, outer * share) for share in T.further_out]
    told = all(math.isfinite(s.rate) and abs(s.rate) > T.drift_told * s.error for s in seen)
    signs = {s.sign for s in seen}
    if told and signs in ({1}, {-1}):
        sizes = " and ".join(f"{case.looks[-1].rms * outer * share:.3g}" for share in T.further_out)
        way = "grow" if 1 in signs else "fall"
        rates = " and ".join(f"{abs(s.rate):.3g}" for s in seen)
        how = (
            "larger ones do not, and without a kink there is no size at which that begins: at the distances "
            f"{sizes} they {way} by shares of {rates} per iteration"
        )
    text = f"undecided: it keeps its orbit as far as a run tells, but {how}"
    return Answer(Kind.UNDECIDED, case.looks[-1].radii, text)


def _is_held(case: Case, conserved: Iterable[str]) -> bool:
    """Whether a size is conserved, or the change is as at one size at all, or steps keep areas, as twist maps do."""
    if any(name.endswith("^2") for name in conserved) or case.scales == Scales(1.0, 1.0):
        return True
    zs = case.looks[-1].stretch.zs
    states = case.motion.begun(zs[:: max(1, len(zs) // T.areas_seen)])
    areas = [np.linalg.det(np.eye(len(y)) + case.motion.jacobian(y)) for y in states]
    return bool(np.max(np.abs(np.abs(areas) - 1)) < T.areas_kept)


def has_kept_neighbours(case: Case, factor: float = 1.0) -> bool:
    """Whether an orbit of the plane, ``factor`` times as large as the last window, has others that keep their size.

    On one side at least: it then attracts from the other alone.
    """
    if case.motion.dim > 1 or case.nested:
        return False
    return any(all(drift(case, factor * f).sign == 0 for f in side) for side in (T.inside, T.outside))


def larger(case: Case, now: Look) -> Answer | None:
    """Judge an orbit too small to move visibly by a larger one: in the plane one around it, else on the same ray."""
    if case.linear.status != Status.MARGINAL or now.rms > T.enclosing * case.scales.inner or case.nested:
        return None
    in_plane = case.motion.dim == 1
    normal = _by_normal_form(case, now) if in_plane else rescaled.sublinear(case)
    if normal is not None:
        return normal
    factor = T.enclosing_size * case.scales.inner / now.rms
    around = case.scaled(factor)
    answer = case.decide(around)
    case.spent += around.spent
    if not in_plane:  # orbits are not nested: the larger one only tells that this one need not stay
        if answer.kind == Kind.NEUTRAL_ORBIT:
            return None
        alike = _at_every_size(case, factor, answer)
        if alike is not None:
            return alike
        case.note(f"the start {factor:.3g} times larger: {answer.text}")
        return Answer(
            Kind.UNDECIDED, {}, "undecided: too small to move visibly, and a larger start does not stay"
        )
    if answer.kind != Kind.CONVERGES_SUBLINEARLY:
        return None
    case.note(f"too small to move visibly: judged by the orbit {factor:.3g} times larger that encloses it")
    case.evidence += around.evidence
    return answer


def _at_every_size(case: Case, factor: float, answer: Answer) -> Answer | None:
    """The answer of a start ``factor`` times larger, if one twice as large says the same at twice the size.

    So near to a marginal equilibrium the terms of lowest degree decide, and they say the same at every size, only the
    later the smaller it is.
    """
    if answer.kind not in (Kind.LIMIT_CIRCLE, Kind.CONVERGES_SUBLINEARLY):
        return None
    twice = case.scaled(2 * factor)  # half as large would take far longer to show its end
    other = case.decide(twice)
    case.spent += twice.spent
    sizes = {"radius_phi": 2.0, "radius_theta": 2.0, "exponent": 1.0, "constant": 1.0}
    told = {name: scale for name, scale in sizes.items() if name in answer.numbers}
    if other.kind != answer.kind or any(
        abs(scale * answer.numbers[name] - other.numbers[name]) > T.same_at_sizes * other.numbers[name]
        for name, scale in told.items()
    ):
        return None
    case.note(
        f"too small to move visibly: judged by the starts {factor:.3g} and {2 * factor:.3g} times larger, which do the "
        f"same, each at its size: {answer.text}"
    )
    if answer.kind == Kind.CONVERGES_SUBLINEARLY:
        return answer
    return on_circle({name: answer.numbers[name] / factor for name in ("radius_phi", "radius_theta")})


def _by_normal_form(case: Case, now: Look) -> Answer | None:
    """The law of the first Lyapunov coefficient, r ~ (-omega l1 t)^(-1/2), where an orbit around this one obeys it."""
    if case.lyapunov is None or case.lyapunov >= 0:
        return None
    omega = float(np.max(np.imag(case.linear.eigenvalues)))
    seen = _cubic(case, 0.0, 0.5 * omega * case.lyapunov, now.rms)
    if seen is None or seen.look is None:
        return None
    case.note(
        f"too small to move visibly: the orbit of amplitude {seen.look.rms:.3g} around it shrinks at the rate "
        f"{-seen.rate:.6g}, as the first Lyapunov coefficient says"
    )
    constant = (-omega * case.lyapunov) ** -0.5
    numbers = {"exponent": 0.5, "exponent_error": 0.0, "constant": constant}
    numbers["lyapunov_coefficient"] = case.lyapunov
    how = f", but only like {constant:.5g} {case.clock}^-0.5"
    return case.to_equilibrium(Kind.CONVERGES_SUBLINEARLY, numbers, how)


def _cubic(case: Case, growth: float, bend: float, least: float) -> Drift | None:
    """The first drift of amplitudes r from ``least`` on that is ``growth + bend r^2``, as then of smaller ones."""
    for size in case.scales.inner * np.array(T.normal_form_sizes):
        if size < least:
            return None
        seen = drift(case, size / case.looks[-1].rms)
        if seen.look is None:
            continue
        expected = growth + bend * seen.look.rms**2
        if seen.sign < 0 and abs(seen.rate - expected) <= T.same_rate * abs(expected):
            return seen
    return None


def _by_cubic_terms(case: Case) -> Answer | None:
    """The end by the normal form r' = (growth + bend r^2) r, where growth is too slow to be seen and bend pulls inward.

    Stable: the rate of the linearisation in the end. Unstable: the cycle on which the two are balanced.
    """
    if case.motion.discrete or case.system.dim > 1 or surface_count(case.system):
        return None
    coefficient = lyapunov_coefficient(field_derivatives(case.system, case.origin))
    if coefficient is None or coefficient >= 0:
        return None
    leading = case.linear.eigenvalues[int(np.argmax(np.imag(case.linear.eigenvalues)))]
    growth, omega = float(np.real(leading)), float(np.imag(leading))
    bend = 0.5 * omega * coefficient  # r = sqrt(2) rho on a circle
    seen = _cubic(case, growth, bend, 0.0)
    if (
        seen is None
        or seen.look is None
        or not (seen.look.rms > case.looks[-1].rms or _falls_from_here(case))
    ):
        return None
    balanced = math.sqrt(abs(growth / bend))
    case.note(
        f"the amplitude {seen.look.rms:.3g} falls at the rate {-seen.rate:.6g}, as the eigenvalue and the first "
        f"Lyapunov coefficient {coefficient:.6g} say; they balance at {balanced:.3g}"
    )
    if growth < 0:
        how = f", in the end like exp({growth:.5g} t), though more slowly than that law until r is about {balanced:.2g}"
        return case.to_equilibrium(Kind.CONVERGES_EXPONENTIALLY, exponential(-growth, omega), how)
    numbers = {name: x * balanced / seen.look.rms for name, x in seen.look.radii.items()}
    return _nears_cycle(numbers | {"period": 2 * math.pi / omega})


def in_the_end(case: Case) -> Answer | None:
    """What a motion that falls slowly towards a decided equilibrium comes to in the end; None where that stays open.

    Stable: exponential, once every smaller amplitude falls too and the smallest at the linearisation's rate. Unstable:
    a cycle at the amplitude inside which all grow.
    """
    if not case.decided or case.nested:
        return None
    if case.linear.status == Status.STABLE and not _falls_from_here(case):
        return None
    outer = T.wider
    for k in range(1, T.decades_inward + 1):
        inner = 10**-k
        seen = drift(case, inner)
        if seen.look is None:
            return None
        if case.linear.status == Status.STABLE:
            rate, frequency = case.slowest_mode()
            if seen.sign >= 0:
                return _by_cubic_terms(case) if seen.sign == 0 else None
            if abs(-seen.rate - rate) <= T.same_rate * rate:
                case.note(
                    f"every amplitude down to {seen.look.rms:.3g} falls, there at the rate {-seen.rate:.6g}; "
                    f"the eigenvalue says {rate:.6g}"
                )
                how = (
                    f", in the end like exp(-{rate:.5g} {case.clock}), though more slowly than that law "
                    f"until r is about {seen.look.rms:.2g}"
                )
                return case.to_equilibrium(Kind.CONVERGES_EXPONENTIALLY, exponential(rate, frequency), how)
        elif seen.sign > 0:
            return between(case, inner, outer)
        elif seen.sign == 0:
            return _by_cubic_terms(case)
        outer = inner
    return None


def _falls_from_here(case: Case) -> bool:
    """Whether starts at the present amplitude fall as slowly as the motion, and no orbit in the first decade grows."""
    seen = [drift(case, float(factor)) for factor in _NEAR]
    here = seen[0].look
    # with a fresh memory a start may lie within a basin in which the motion itself does not
    alike = here is not None and here.rms > T.alike * case.looks[-1].rms
    return alike and all(s.sign <= 0 for s in seen)


def outside(case: Case) -> Answer | None:
    """The attracting cycle towards which a motion in the plane grows too slowly to get there; None without one."""
    if case.motion.dim > 1 or case.nested or not drift(case, 1.0).sign > 0:
        return None
    inner = 1.0
    for outer in np.geomspace(10**0.5, 10**T.decades_outward, 2 * T.decades_outward):
        seen = drift(case, float(outer))
        if not math.isfinite(seen.rate):
            return None
        if seen.sign < 0:
            return between(case, inner, float(outer))
        if seen.sign > 0:
            inner = float(outer)
    return None


def beside(case: Case) -> Answer | None:
    """The cycle on which a motion already is, where orbits right inside it grow and those right outside fall.

    So slowly that no run tells its multipliers from 1: just beyond a critical step.
    """
    if case.motion.dim > 1 or case.nested or not case.motion.discrete:
        return None
    inner, outer = T.inside[0], T.outside[0]
    if not drift(case, inner).sign > 0 > drift(case, outer).sign:
        return None
    return between(case, inner, outer)


def between(case: Case, inner: float, outer: float) -> Answer | None:
    """The attracting cycle at the amplitude, between two factors of the present one, that does not drift."""
    from scipy.optimize import brentq

    if case.motion.dim > 1:
        return None

    def rate(log_factor: float) -> float:
        found = drift(case, math.exp(log_factor)).rate
        return found if math.isfinite(found) else math.copysign(1.0, found)

    if not rate(math.log(inner)) > 0 > rate(math.log(outer)):
        return None
    ends, more = (math.log(inner), math.log(outer)), {"xtol": T.drift_root, "maxiter": 40}
    root, end = brentq(rate, *ends, **more, full_output=True, disp=False)
    if not end.converged:  # chance decides the drifts there, as of what is chaotic
        return None
    seen = drift(case, math.exp(root))
    if seen.look is None or _passes(case, seen.look.rms) or _separates_there(case, seen.look):
        return None
    period = windows.mean_period(seen.look.stretch)
    if period is None and not case.motion.discrete:
        return None  # it does not turn: it creeps to a point at that distance
    case.note(
        f"amplitudes inside {seen.look.rms:.6g} grow and those outside fall: a cycle lies there, which attracts "
        "from both sides"
    )
    numbers = seen.look.radii
    if case.motion.discrete:
        numbers = case.met_by_steps(seen.look.stretch.end, numbers)
    if period is not None:
        numbers["period"] = period
    return _nears_cycle(numbers)


def _passes(case: Case, size: float) -> bool:
    """Whether the motion has been on both sides of an amplitude: no cycle there draws it from both sides.

    So does an adaptive rule whose memory goes through a slow motion of its own.
    """
    late = case.sizes[T.transient :]
    aside = T.wander_size * size
    return bool(len(late) and late.min() < size - aside and late.max() > size + aside)


def _separates_there(case: Case, look: Look) -> bool:
    """Whether neighbours of iterations separate exponentially, whose drift then is chance and ends on no cycle."""
    if not isinstance(case.motion, DiscreteSystem):
        return False
    count = T.lyapunov_iterations[1] // case.motion.period
    found = exponents_along(case.motion, look.stretch.end, count)
    return bool(found.values[0] > max(T.chaotic * found.errors[0], T.no_exponent))


def _nears_cycle(numbers: dict[str, Any]) -> Answer:
    phi, theta = numbers["radius_phi"], numbers["radius_theta"]
    text = f"nears a limit cycle: largest |phi| = {phi:.6g}, |theta - x0| = {theta:.6g}"
    return Answer(Kind.LIMIT_CYCLE, numbers, text)
