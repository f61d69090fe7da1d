"""Judges of rotating motions: the periodic orbit refined, approached or circled, and conserved quantities."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from ....dynamics.filippov import natural, surface_count
from ....numerics import decay_laws
from ....pytrees import Pytree
from ...decision_thresholds import T
from ...dynamical_system import ContinuousSystem, DiscreteSystem, Stretch
from ...kinds import Kind
from ...linear.status import Status
from ...orbits.lyapunov_exponents import lyapunov_multipliers
from ...orbits.orbit import Method, Orbit
from ...orbits.periodic_points import periodic_points, points
from ...orbits.rotating_states import rotating_state
from ...orbits.shooting import periodic_orbit, returns
from .. import enclosing, windows
from ..evidence import Answer, Case
from ..judging import judge
from . import attractors


@judge(order=70)
def wanders(case: Case, stretch: Stretch) -> Answer | None:
    """Steps drawn onto a bounded orbit that never repeats to the last digit, as a box or a kink may make it.

    No smooth curve: its radii are the largest met, and its windows differ without a trend.
    """
    if not case.motion.discrete or len(case.looks) < T.wander_windows:
        return None
    late = case.looks[-6:]
    sizes, extents = np.array([look.rms for look in late]), np.array([look.extents for look in late])
    trend = np.sign(np.diff(sizes))
    if (
        np.ptp(sizes) > T.wander_size * sizes[-1]
        or np.ptp(extents[:, ::2], axis=0).max() > T.wander_extents * extents.max()
    ):
        return None
    if max(look.diameter for look in late) < T.wander_diameter * extents.max():
        return None  # a point at which the steps are too small
    numbers = case.largest(np.concatenate([look.stretch.zs for look in late]))
    begun = [np.linalg.norm(part) for part in np.split(np.concatenate(case.start) - case.origin, 2)]
    drawn = case.linear.status == Status.UNSTABLE or bool(
        np.any(begun > (1 + T.moved) * np.array([numbers["radius_phi"], numbers["radius_theta"]]))
    )
    if abs(trend.sum()) > 3:
        return None
    orbit = refined(case, stretch)
    if _keeps(case, orbit):
        text = "neutral: it keeps its orbit for ever, and so do its neighbours"
        return enclosing.may_drift(case, conserved(case)) or Answer(Kind.NEUTRAL_ORBIT, numbers, text)
    if (torus := _on_torus(case, orbit, numbers)) is not None:
        return torus
    if not drawn and (orbit is None or not (orbit.attracts_all or orbit.repels)):
        return None
    if not is_on_a_curve(case):
        return None
    never_repeats = orbit is None or (orbit.method is Method.LYAPUNOV and not orbit.repels)
    if never_repeats and (several := attractors.circles_in_turn(case, numbers)):
        return several
    if orbit is not None:
        case.note(f"multipliers by {orbit.method}")
        if orbit.repels:
            return separates(case, orbit, numbers)
        orbit = told(case, stretch, orbit)
        numbers |= numbers_of(orbit)
    case.note("six windows at growing times show the same orbit, with differences that have no trend")
    return _on_cycle(numbers, None if orbit is None else orbit.period)


def _on_cycle(numbers: dict[str, Any], period: float | None) -> Answer:
    """A cycle of steps, of which its extents and perhaps its period are known."""
    phi, theta = numbers["radius_phi"], numbers["radius_theta"]
    text = f"ends on a limit cycle: largest |phi| = {phi:.6g}, |theta - x0| = {theta:.6g}"
    if period is None:
        return Answer(Kind.LIMIT_CYCLE, numbers, text)
    return Answer(Kind.LIMIT_CYCLE, numbers | {"period": float(period)}, f"{text}, period {period:.6g}")


def is_on_a_curve(case: Case) -> bool:
    """Whether what comes after the last window lies on a closed curve."""
    return windows.on_a_curve(case.motion.advance(case.looks[-1].stretch.end, 0.0, 1.0, 1).zs)


def _keeps(case: Case, orbit: Orbit | None) -> bool:
    """Whether the neighbours of a motion that never repeats only shear, looked at now and then."""
    if orbit is None or orbit.method is not Method.LYAPUNOV or orbit.attracts:
        return False
    asked = (len(case.looks) - T.wander_windows) % T.strange_windows == 0
    return asked and attractors.only_shears(case)


def _on_torus(case: Case, orbit: Orbit | None, numbers: dict[str, Any]) -> Answer | None:
    """Quasi-periodic, where neighbours keep their distance in two directions and it turns with two frequencies."""
    if orbit is None or orbit.method is not Method.LYAPUNOV or orbit.repels:
        return None
    if orbit.neutral < 2:
        return None
    answer = attractors.by_exponents(case, numbers)
    return answer if answer is not None and answer.kind is Kind.QUASI_PERIODIC else None


def refined(case: Case, stretch: Stretch) -> Orbit | None:
    """The orbit that the motion is on, by Newton or, of steps that never repeat, with Lyapunov exponents; or None."""
    motion, now = case.motion, case.looks[-1]
    flat = motion.flat(stretch.end)
    d = case.system.dim
    # whether a memory is counted from 0 or from (0, x0) is the rule's own business
    centred = len(flat) == 2 * d or not np.any(case.origin)
    if d > 1 and now.is_round(T.nearly_round) and centred:
        centre = np.concatenate([case.origin, np.zeros(len(flat) - 2 * d)])
        phi, moved = flat[:d], motion.change(flat)[:d]
        omega = float(np.linalg.norm(moved) / max(np.linalg.norm(phi), T.tiny))
        if motion.discrete:
            after = phi + moved
            cosine = phi @ after / max(np.linalg.norm(phi) * np.linalg.norm(after), T.tiny)
            omega = float(np.arccos(np.clip(cosine, -1.0, 1.0)))
        turning = rotating_state(motion, flat, omega, centre) if omega > 0 else None
        if turning is not None:
            return turning
    if isinstance(motion, ContinuousSystem):
        k = _far_from_surfaces(case, stretch.zs[: len(stretch.t) // T.turns])
        for period in returns(stretch.t[k:], stretch.zs[k:]):
            orbit = periodic_orbit(motion, stretch.zs[k], period)
            # neighbours of a motion that does not close may close: they say nothing of it
            if (
                orbit is not None
                and np.linalg.norm(orbit.flat - stretch.zs[k]) < T.on_orbit * now.extents.max()
            ):
                return orbit
        return None
    orbit = periodic_points(motion, stretch.end)
    if orbit is not None:
        return orbit
    period = attractors.rough_period(case, stretch)
    if period is None:
        return None
    multipliers, errors, looked = _along(cast(DiscreteSystem, motion), stretch.end, period)
    case.spent += looked
    if not np.all(np.isfinite(multipliers)):
        return None
    return Orbit(flat, period, multipliers, Method.LYAPUNOV, np.maximum(errors, T.lyapunov_error))


def told(case: Case, stretch: Stretch, orbit: Orbit) -> Orbit:
    """The orbit as an answer tells it: of steps that never repeat, with all digits of the mean period."""
    if orbit.method is not Method.LYAPUNOV:
        return orbit
    period = attractors.mean_period(case, stretch) or orbit.period
    return orbit._replace(period=period, multipliers=orbit.multipliers ** (period / orbit.period))


def _along(motion: DiscreteSystem, state: Pytree, period: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Multipliers by Lyapunov exponents over some turns, their errors, and the iterations that a longer look took.

    More iterations where few turns leave the leading in doubt: its own direction's, unless it repels. What parts
    neighbours in one turn of twenty alone, as a kink or a bend that steps of one size mostly pass over, is in no run of
    ten turns.
    """
    wanted = T.lyapunov_turns * period
    least, most, *in_doubt = T.lyapunov_iterations
    found = lyapunov_multipliers(motion, state, period, int(np.clip(wanted, least, most)) // motion.period)
    looked = 0
    for count, known in zip(in_doubt, (T.lyapunov_error, T.known_neutral), strict=True):
        if wanted <= most or not found[1][0] > known:
            break
        looked += count
        found = lyapunov_multipliers(motion, state, period, count // motion.period)
    return *found, looked


def _far_from_surfaces(case: Case, zs: np.ndarray) -> int:
    """The row furthest from where the motion switches, each surface relative to how far the rows get from it."""
    if not surface_count(case.system):
        return 0
    g = np.abs([np.asarray(natural(case.system, z)[0]) for z in zs])
    met = np.max(g, axis=0) > T.tiny
    return int(np.argmax(np.min(g[:, met] / np.max(g[:, met], axis=0), axis=1))) if met.any() else 0


def numbers_of(orbit: Orbit) -> dict[str, Any]:
    """The period, and the multipliers where they are known."""
    return {"period": float(orbit.period)} | attractors.multipliers_known(orbit.multipliers, orbit.errors)


def radii_of(case: Case, orbit: Orbit) -> dict[str, Any]:
    """The largest |phi| and |theta - x0| on an orbit found by shooting, on rows over one turn, or of steps that repeat.

    These have no values between those that they take, to which a window's peak is interpolated. Of a rule that takes
    several steps in one application, as under a lazy penalty, those in between are the run's.
    """
    motion = case.motion
    if orbit.method is Method.PERIODIC_POINTS:
        if motion.period == 1:
            zs = points(motion, orbit.flat, round(orbit.period) - 1)[:, : 2 * motion.dim]
        else:
            zs = motion.advance(case.looks[-1].stretch.end, 0.0, 1.0, 1).zs
        return case.largest(zs)
    if orbit.method is Method.LYAPUNOV:
        return case.met_by_steps(case.looks[-1].stretch.end, case.looks[-1].radii)
    if orbit.method is not Method.SHOOTING:
        return {}
    return case.look(motion.advance(orbit.flat, 0.0, orbit.period, 1)).radii


def separates(case: Case, orbit: Orbit, numbers: dict[str, Any]) -> Answer:
    """A bounded motion whose neighbours leave it: no cycle, whatever its windows look like."""
    numbers = attractors.of_no_orbit(numbers)
    answer = attractors.by_exponents(case, numbers) if orbit.method is Method.LYAPUNOV else None
    if answer is not None:
        return answer
    exponent = float(np.log(np.abs(orbit.multipliers[0])) / orbit.period)
    longer = attractors.largest_exponent(case) if orbit.method is Method.LYAPUNOV else None
    if longer is not None and not (longer.fades or longer.positive):
        is_known = longer.error * orbit.period <= T.known_neutral  # as of a multiplier over one turn
        if is_known and is_on_a_curve(case):
            off = f"{longer.value:.2g} +- {longer.error:.1g}"
            case.note(f"over a longer run its largest Lyapunov exponent is {off}, which is not told from 0")
            return _on_cycle(numbers, told(case, case.looks[-1].stretch, orbit).period)
    if longer is not None and (longer.fades or not longer.positive):
        part = "part ever more slowly" if longer.fades else "do not part as far as a long run tells"
        falls = ", and falls as the run goes on" if longer.fades else ""
        return Answer(
            Kind.UNDECIDED,
            numbers | {"lyapunov_exponent": longer.value, "lyapunov_error": longer.error},
            "undecided: it stays bounded, on no cycle, curve or torus that was recognised, and neighbours "
            f"{part}: its largest Lyapunov exponent is {longer.value:.2g} +- {longer.error:.1g}{falls}",
        )
    return Answer(
        Kind.UNDECIDED,
        numbers | {"lyapunov_exponent": exponent},
        f"undecided: it stays bounded and neighbours separate from it like exp({exponent:.4g} {case.clock}), "
        "so it is on no attracting orbit",
    )


def slows_down(case: Case, orbit: Orbit, numbers: dict[str, Any]) -> Answer | None:
    """Undecided, where later turns of steps take much longer: what rests ever longer beside a point is on no cycle."""
    if orbit.method is not Method.LYAPUNOV:
        return None
    last = case.looks[-1].stretch
    case.spent += T.chaotic_iterations
    far = case.motion.advance(last.end, 0.0, T.chaotic_iterations, 0).end
    later = attractors.mean_period(case, case.motion.advance(far, 0.0, float(last.t[-1] - last.t[0]), 1))
    if later is None or later < T.slows_down * orbit.period:
        return None
    numbers = attractors.of_no_orbit(numbers)
    return Answer(
        Kind.UNDECIDED,
        numbers,
        "undecided: it stays bounded and goes round ever more slowly: a turn takes "
        f"{orbit.period:.4g} iterations, and {T.chaotic_iterations} iterations later {later:.4g}",
    )


def rests_on_its_way(case: Case, stretch: Stretch) -> Answer | None:
    """Undecided, where a flow comes to rest on its way but for rounding: when it goes on, rounding decides.

    As beside the focus on a surface, which half a turn about it nears by exp(-pi mu/omega) before the surface is met.
    """
    if case.motion.discrete:
        return None
    speeds = np.linalg.norm(case.motion.at_many(stretch.zs), axis=1)
    share = float(np.min(speeds) / max(np.max(speeds), T.tiny))
    if share > T.rests_on_its_way:
        return None
    return Answer(
        Kind.UNDECIDED,
        case.looks[-1].radii,
        f"undecided: it turns, but its speed falls to {share:.1g} of the largest on the way: "
        "rounding decides how long it rests there",
    )


def nears(case: Case, t: np.ndarray, amplitudes: np.ndarray) -> Answer | None:
    """An orbit that is neared by a power law, as a semistable one is: what is left when the law has run out."""
    found = decay_laws.approach(t[1:], amplitudes[1:])
    period = windows.mean_period(case.looks[-1].stretch)
    if found is None or period is None:  # what does not go round is on no cycle
        return None
    limit, law = found
    shrink = limit / amplitudes[-1]
    if law.error > T.law_error_at_last * law.exponent or abs(shrink - 1) >= T.semistable:
        return None
    left = (t[-5:] + law.offset) ** -law.exponent
    late = np.array([look.extents for look in case.looks[-5:]])
    extents = np.array([np.polyfit(left, e, 1)[1] for e in late.T])
    numbers: dict[str, Any] = {"radius_phi": float(extents[0]), "radius_theta": float(extents[2])}
    numbers["approach_exponent"] = law.exponent
    stretch = case.looks[-1].stretch
    round_ = case.system.dim > 1 and max(extents[::2] - extents[1::2]) <= T.nearly_round * extents.max()
    kind = Kind.LIMIT_CIRCLE if round_ else Kind.LIMIT_CYCLE
    if isinstance(case.motion, ContinuousSystem):
        on = case.origin + shrink * (stretch.zs[0] - case.origin)
        orbit = periodic_orbit(case.motion, on, period)
        if orbit is not None:
            numbers |= numbers_of(orbit)
            period = orbit.period
        if "floquet_error" in numbers:  # where two orbits meet Newton finds them to a root of its tolerance
            numbers["floquet_error"] = max(numbers["floquet_error"], T.semistable_multiplier)
    numbers["period"] = float(period)
    case.note(
        f"the amplitude nears {limit:.6g} like {law.constant:.4g} {case.clock}^-{law.exponent:.4g} "
        f"(exponent +- {law.error:.2g})"
    )
    beside = ", beside which orbits are kept for ever," if enclosing.has_kept_neighbours(case, shrink) else ""
    return Answer(
        kind,
        numbers,
        f"nears a {kind.replace('-', ' ')}{beside} with largest |phi| = {extents[0]:.5g}, |theta - x0| = "
        f"{extents[2]:.5g}, but only like {case.clock}^-{law.exponent:.4g}",
    )


def drifts_with_tolerance(case: Case, names: list[str]) -> None:
    """Note that what drifts is the solver's: the drift over a few turns falls with the tolerance."""
    if not isinstance(case.motion, ContinuousSystem):
        return
    start = case.looks[0].stretch.zs[0]
    drifts = []
    for loosened in T.loosened:
        run = case.motion.advance(start, 0.0, 4 * T.turns * case.turn, 0, loosened)
        values = _quantities(case, np.stack([start, run.end]) - case.origin)
        drifts.append(max(float(np.ptp(values[n]) / np.max(np.abs(values[n]))) for n in names))
    case.note(
        f"their drift over {4 * T.turns} turns is {drifts[0]:.1g} at rtol 1e-5 and {drifts[1]:.1g} at rtol 1e-9"
    )


def conserved(case: Case) -> dict[str, Any]:
    """Quantities that did not drift between the first and the last window: name -> (value, relative drift)."""
    first, last = (look.stretch.zs - case.origin for look in (case.looks[0], case.looks[-1]))
    both, d = np.concatenate([first, last]), case.system.dim
    case.balance = _balance(np.sum(both[:, :d] ** 2, axis=1), np.sum(both[:, d:] ** 2, axis=1))
    values = _quantities(case, both)
    largest = np.max(np.abs(values["|phi|^2 + |theta - x0|^2"]))
    # far from (0, x0) nothing changes much: by no more than the motion's own way
    way = float(np.ptp(both, axis=0).max()) / max(float(largest), T.tiny) ** 0.5
    found = {}
    for name, q in values.items():
        drift = float(np.ptp(q) / max(np.max(np.abs(q)), T.tiny))
        if drift < T.conserved * min(1.0, way) and np.max(np.abs(q)) > T.conserved_size * largest:
            found[name] = (float(np.mean(q)), drift)
    return found


def _quantities(case: Case, both: np.ndarray) -> dict[str, np.ndarray]:
    """What a GAN may conserve, along states (n, 2d) counted from (0, x0)."""
    d = case.system.dim
    squares = {
        "|phi|": np.sum(both[:, :d] ** 2, axis=1) ** 0.5,
        "|theta - x0|": np.sum(both[:, d:] ** 2, axis=1) ** 0.5,
        "|phi|^2 + |theta - x0|^2": np.sum(both**2, axis=1),
    }
    if d > 1:
        squares["|phi ^ (theta - x0)|"] = windows.wedge(both, d)
    if case.balance is not None:
        name = f"|phi|^2 + {case.balance:.6g} |theta - x0|^2"
        squares[name] = squares["|phi|"] ** 2 + case.balance * squares["|theta - x0|"] ** 2
    return squares


def _balance(phi2: np.ndarray, theta2: np.ndarray) -> float | None:
    """The positive weight w, other than 1, for which |phi|^2 + w |theta|^2 varies least; None without variation."""
    spread = np.var(theta2)
    if spread <= T.no_variation * np.mean(theta2) ** 2:
        return None
    weight = -float(np.mean((phi2 - phi2.mean()) * (theta2 - theta2.mean())) / spread)
    return weight if weight > T.balanced and abs(weight - 1) > T.balanced else None
