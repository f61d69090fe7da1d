"""A motion followed until it is known for what it is, window by window, and what is said when the budget is spent."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...dynamics.filippov import natural, surface_count, velocity
from ...game import Players
from ...numerics import decay_laws
from ...numerics.normal_form import lyapunov_coefficient
from .. import orbits
from ..dynamical_system import Stretch
from ..linear.spectrum import spectrum
from . import fixed_points, formatting, periodic_orbits, termination, trends, windows
from .evidence import MOVED, TURNS, Answer, Case, Look

_SKIP = 0.6  # of the time so far, between windows
_SETTLED = 3e-6  # relative change between windows below which an orbit counts as settled
_PATIENCE = 300  # turns that an orbit must keep before it counts as neutral
_ROUND = 1e-5  # relative spread below which a radius counts as constant


def decide(case: Case) -> Answer:
    """Follow the case's motion until a judge knows it, or the budget is spent."""
    d = case.system.dim
    phi, theta = case.start if case.line is None else case.line.down(case.start)
    state = case.motion.begin(phi, theta)
    flat = case.motion.flat(state)
    case.linear = spectrum(
        case.variant,
        x0=np.asarray(case.system.x0),
        rule=case.rule,
        rate_d=float(case.system.rates.phi),
        rate_g=float(case.system.rates.theta),
    )
    case.note(f"at (0, x0): {case.linear.text}")
    first = case.motion.change(flat)[: 2 * d]
    if not np.all(np.isfinite(first)):
        return Answer("undecided", {}, "undecided: the field has no finite value at the start")
    r0 = float(np.linalg.norm(flat[: 2 * d] - case.origin))
    size = float(np.linalg.norm(first))
    if size <= 1e-14 * (1.0 + r0):
        return _at_rest(case, flat[: 2 * d])
    turn = _turn(case, size, r0)
    _weakly_nonlinear(case)
    answer = _follow(case, state, turn)
    _equilibria(case, answer, r0)
    if case.rule is None:
        case.note(f"followed to t = {case.time:.4g} with {case.spent:.3g} field evaluations")
    else:
        case.note(f"followed for {case.time:.0f} iterations")
    return answer


def _weakly_nonlinear(case: Case) -> None:
    """Note the first Lyapunov coefficient of a smooth marginal equilibrium in d = 1."""
    case.lyapunov = None
    plane = case.system.dim == 1 and not case.motion.discrete
    if not plane or case.linear.status != "marginal" or surface_count(case.system):
        return
    case.lyapunov = lyapunov_coefficient(functools.partial(velocity, case.system), case.origin)
    if case.lyapunov is not None:
        case.note(f"first Lyapunov coefficient at (0, x0), by autodiff: {case.lyapunov:.6g}")


def _equilibria(case: Case, answer: Answer, r0: float) -> None:
    """Note which other equilibria there are, where the end leaves that open."""
    if answer.kind not in ("converges-elsewhere", "diverges", "undecided") or case.motion.discrete:
        return
    found = [r for r in orbits.equilibria(case.motion, max(1.0, 2 * r0)) if _defined(case, r.flat)]
    if not found:
        case.note("root finding from 16 starts found no equilibrium")
        return
    least, nearest = min(orbits.rank(rest.jacobian) for rest in found), formatting.vector(found[0].flat)
    if least < len(found[0].flat):
        case.note(
            f"root finding from 16 starts found a line (or more) of equilibria: the Jacobian has rank {least}; "
            f"nearest {nearest}"
        )
    elif len(found) == 1:
        case.note(f"root finding from 16 starts found one equilibrium, isolated: {nearest}")
    else:
        case.note(f"root finding from 16 starts found {len(found)} equilibria, isolated; nearest {nearest}")


def _defined(case: Case, flat: np.ndarray) -> bool:
    """Whether the losses themselves have a value there."""
    return bool(np.all(np.isfinite(np.asarray(natural(case.system, flat)[1]))))


def _turn(case: Case, speed: float, r0: float) -> float:
    """A first guess of the time that one turn takes."""
    values = case.linear.multipliers if case.motion.discrete else case.linear.eigenvalues
    with np.errstate(divide="ignore"):
        rates = np.abs(np.log(values[np.abs(values) > 1e-6])) if case.motion.discrete else np.abs(values)
    rates = rates[rates > 1e-9]
    if len(rates):
        turn = 2 * np.pi / (rates.max() if not case.motion.discrete else np.min(np.append(rates, np.pi)))
    else:
        turn = 2 * np.pi * max(r0, 1e-9) / speed
    least = 16.0 if case.motion.discrete else 1e-4
    return float(np.clip(turn, least, 1e5))


def _follow(case: Case, state: Any, turn: float) -> Answer:
    for round_ in range(60):
        case.turn = turn
        span = TURNS * turn
        stretch = case.advance(state, span, 1)
        if stretch.result != "ok":
            return termination.ended(case, stretch)
        case.looks.append(case.look(stretch))
        if round_ == 0:
            seen = windows.mean_period(stretch)
            if seen is not None and not 0.6 < seen / turn < 1.7:
                turn = float(np.clip(seen, turn / 50, turn * 50))
        unseen = windows.mean_period(stretch) is None and not case.plunges()
        if round_ < 4 and case.linear.differentiable is False and unseen:
            turn *= 2.5  # no eigenvalue has told how long a turn takes, and the window has not seen three
        state = stretch.end
        answer = _judge(case, stretch)
        if answer is not None:
            return answer
        if case.spent >= case.budget:
            break
        if case.plunges():  # what falls fast is soon too small to be seen: window after window
            continue
        stretch = case.advance(state, max(_SKIP * case.time, span), 0 if case.motion.discrete else 1)
        if stretch.result != "ok":
            return termination.ended(case, stretch, since=state)
        answer = fixed_points.arrived(case, stretch)
        if answer is not None:
            return answer
        state = stretch.end
    return _give_up(case)


def _judge(case: Case, stretch: Stretch) -> Answer | None:
    return (
        fixed_points.arrived(case, stretch)
        or fixed_points.to_a_point(case, stretch)
        or fixed_points.decays(case, stretch)
        or trends.grows(case)
        or _settled(case, stretch)
        or periodic_orbits.wanders(case, stretch)
        or trends.falls_slowly(case)
        or fixed_points.falls_elsewhere(case, stretch)
    )


def _at_rest(case: Case, z: np.ndarray) -> Answer:
    distance = float(np.linalg.norm(z - case.origin))
    numbers = case.limit(z)
    if distance <= 1e-12:
        return Answer("converges-exponentially", numbers, "starts at the equilibrium and stays there")
    return Answer("converges-elsewhere", numbers, "starts at another equilibrium and stays there")


def _settled(case: Case, stretch: Stretch) -> Answer | None:
    """An orbit that no longer changes: neutral, a circle or a cycle."""
    if len(case.looks) < 4:
        return None
    first, before, now = case.looks[0], case.looks[-2], case.looks[-1]
    scale = max(now.extents.max(), 1e-300)
    if now.diameter <= 1e-7 * max(first.diameter, scale):
        return None
    if np.max(np.abs(now.extents**2 - before.extents**2)) > _SETTLED * scale**2:
        return None
    moved = np.max(np.abs(now.extents**2 - first.extents**2)) > MOVED * scale**2
    if not moved and now.time < _PATIENCE * case.turn and case.spent < 0.2 * case.budget:
        return None
    radii = {"radius_phi": float(now.extents[0]), "radius_theta": float(now.extents[2])}
    conserved = periodic_orbits.conserved(case)
    orbit = periodic_orbits.refined(case, stretch)
    spread = max(now.extents[0] - now.extents[1], now.extents[2] - now.extents[3])
    round_ = case.system.dim > 1 and spread <= _ROUND * scale
    if orbit is not None:
        radii["period"] = float(orbit.period)
        radii["floquet"] = orbit.multipliers
        case.note(
            f"refined by {orbit.how}: period {orbit.period:.8g}, multipliers {formatting.complexes(orbit.multipliers)}"
        )
    attracts = orbit is not None and orbit.attracts
    exact = orbit is not None and orbit.how.startswith("a state")  # whose multipliers leave no doubt
    nears = moved and _still_nears(case)
    if nears and not attracts:
        case.note("each window is nearer to the orbit than the one before, though no multiplier attracts")
    if not attracts and not nears and not (moved and (orbit is None or (round_ and not exact))):
        slow = _larger(case, now)
        if slow is not None:
            return slow
        if conserved:
            radii["conserved"] = conserved
            case.note(
                "conserved along the run: " + ", ".join(f"{n} to {e:.1g}" for n, (_, e) in conserved.items())
            )
            periodic_orbits.drifts_with_tolerance(case, list(conserved))
        if "period" not in radii and (repeat := windows.mean_period(case.radii(stretch))) is not None:
            radii["period"] = repeat
            case.note("the orbit does not close; what repeats are its radii, with the period given")
        period = f" with period {radii['period']:.6g}" if "period" in radii else ""
        others = "and only some of its neighbours come to it" if moved else "and so do its neighbours"
        return Answer(
            "neutral-orbit", _public(radii), f"neutral: it keeps its orbit for ever{period}, {others}"
        )
    if round_:
        text = (
            f"ends on a circle: |phi| = {radii['radius_phi']:.6g}, |theta - x0| = {radii['radius_theta']:.6g}"
        )
        return Answer("limit-circle", radii, text)
    if orbit is not None or case.motion.discrete:
        text = (
            f"ends on a limit cycle: largest |phi| = {radii['radius_phi']:.6g}, "
            f"|theta - x0| = {radii['radius_theta']:.6g}"
        )
        text += f", period {radii['period']:.6g}" if "period" in radii else ""
        return Answer("limit-cycle", radii, text)
    if case.spent < 0.5 * case.budget:
        return None
    return Answer(
        "undecided",
        _public(radii),
        "undecided: it settles on a bounded motion that neither closes nor only turns",
    )


def _still_nears(case: Case) -> bool:
    """Whether the last windows differ by less and less, yet by more than those of an orbit reached in finite time."""
    a, b, c = (look.extents**2 for look in case.looks[-3:])
    return 1e-8 * float(np.max(c)) < np.max(np.abs(c - b)) < np.max(np.abs(b - a))


def _larger(case: Case, now: Look) -> Answer | None:
    """Judge an orbit too small to move visibly by a larger one around it, in the plane."""
    if case.linear.status != "marginal" or now.rms > 0.25 or case.motion.dim > 1 or case.line is not None:
        return None
    factor = 0.5 / now.rms
    bigger = Players(
        case.start.phi * factor,
        np.asarray(case.system.x0) + (case.start.theta - np.asarray(case.system.x0)) * factor,
    )
    around = Case(case.variant, case.full, case.rule, bigger, None, case.budget)
    answer = decide(around)
    case.spent += around.spent
    if answer.kind != "converges-sublinearly":
        return None
    case.note(f"too small to move visibly: judged by the orbit {factor:.3g} times larger that encloses it")
    case.evidence += around.evidence
    return answer


def _give_up(case: Case) -> Answer:
    """The budget is spent: take what the windows still allow, else say what is missing."""
    looks = case.looks
    stretch = looks[-1].stretch
    amplitudes = np.array([look.rms for look in looks])
    t = np.array([look.time for look in looks])
    if len(looks) >= 6 and np.all(np.diff(amplitudes[-5:]) < 0) and not trends.held_up(case):
        law = decay_laws.power_law(t[1:], amplitudes[1:])
        if (
            law is not None
            and law.exponent > 0
            and law.error < 0.1 * law.exponent
            and amplitudes[-1] < 0.8 * amplitudes[0]
        ):
            return trends.sublinear(case, law)
    slow = fixed_points.as_linearised(case, t, amplitudes)
    if slow is not None:
        return slow
    larger = _larger(case, looks[-1])
    if larger is not None:
        return larger
    creeping = fixed_points.creeps(case, t)
    if creeping is not None:
        return creeping
    rises = np.diff(amplitudes[-6:])
    rising = len(rises) == 5 and bool(np.all(rises > 0))
    grown = (
        decay_laws.power_law(t[1:], amplitudes[1:]) if rising and amplitudes[-1] > 2 * amplitudes[0] else None
    )
    if grown is not None and grown.exponent < 0 and grown.error < 0.1 * abs(grown.exponent):
        return Answer("diverges", grown.numbers, trends.growing(case, grown))
    if rising and np.all(rises > 1e-3 * amplitudes[-1]) and np.all(rises[1:] > 0.9 * rises[:-1]):
        case.note("each window shows at least as much growth since the last as the one before")
        tends = decay_laws.limiting_exponent(t[-5:], amplitudes[-5:])
        if tends is not None and tends[0] < 0:
            numbers = {"exponent": tends[0], "exponent_error": tends[1]}
            case.note("the exponent is what the local ones of five windows tend to")
            return Answer("diverges", numbers, f"diverges, in the end like {case.power(tends[0])}")
        return Answer(
            "diverges",
            {},
            f"diverges slowly: the amplitude has reached {amplitudes[-1]:.4g} and keeps growing",
        )
    beyond = trends.only_outward(case) or periodic_orbits.nears(case, t, amplitudes)
    if beyond is not None:
        return beyond
    orbit = periodic_orbits.refined(case, stretch)
    refined = orbit is not None and not orbit.how.startswith("Lyapunov")
    if orbit is not None and refined and orbit.attracts:
        now = looks[-1]
        numbers = {
            "radius_phi": float(now.extents[0]),
            "radius_theta": float(now.extents[2]),
            "period": float(orbit.period),
            "floquet": orbit.multipliers,
        }
        case.note(f"still relaxing; the orbit was refined by {orbit.how} from where the run ended")
        d = case.system.dim
        kind = "limit-circle" if orbit.how.startswith("a state") else "limit-cycle"
        if kind == "limit-circle":
            off = orbit.flat[: 2 * d] - case.origin
            numbers |= {
                "radius_phi": float(np.linalg.norm(off[:d])),
                "radius_theta": float(np.linalg.norm(off[d:])),
            }
        return Answer(kind, numbers, f"approaches a {kind.replace('-', ' ')} of period {orbit.period:.6g}")
    when = f"{case.time:.4g} iterations" if case.motion.discrete else f"t = {case.time:.4g}"
    if looks[-1].diameter <= 1e-13 * np.max(np.abs(stretch.zs)):
        at = formatting.vector(stretch.zs[-1])
        return Answer("undecided", {}, f"undecided: after {when} the motion is slower than rounding, at {at}")
    return Answer(
        "undecided",
        {},
        f"undecided: after {when} the motion neither settles nor follows a law{formatting.trend(amplitudes)}; "
        "a larger effort may tell",
    )


def _public(numbers: dict[str, Any]) -> dict[str, Any]:
    if "conserved" in numbers:
        numbers = numbers | {"conserved": {n: value for n, (value, _) in numbers["conserved"].items()}}
    return numbers
