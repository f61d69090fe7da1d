"""Judge of an orbit that no longer changes: neutral, a circle or a cycle."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....dynamics.filippov import surface_count
from ...decision_thresholds import T
from ...dynamical_system import Stretch
from ...kinds import Kind
from ...orbits.orbit import Method, Orbit
from .. import enclosing, formatting, windows
from ..evidence import Answer, Case, on_circle
from ..judging import judge
from . import attractors, periodic_orbits


@judge(order=50)
def no_longer_changes(case: Case, stretch: Stretch) -> Answer | None:
    """An orbit whose extents are those of the window before, and that has had its time to change."""
    plain = _is_settled(case, T.settled)
    if not plain and not (surface_count(case.system) and _is_settled(case, T.settled_at_kinks)):
        return None
    now = case.looks[-1]
    moved = _has_moved(case)
    radii = now.radii
    if (resting := periodic_orbits.rests_on_its_way(case, stretch)) is not None:
        return resting
    orbit = periodic_orbits.refined(case, stretch)
    attracts = orbit is not None and orbit.attracts
    if orbit is not None and attracts and not orbit.is_told:
        return None  # some neighbours come to it, of the others nothing is known
    is_round = case.system.dim > 1 and now.is_round(T.round_)
    if not plain and not attracts:
        return None  # its extents are read off rows, which a kink between two of them blurs
    if orbit is not None:
        shears = orbit.repels and orbit.method is Method.LYAPUNOV and attractors.only_shears(case)
        if shears or not orbit.repels:
            orbit = periodic_orbits.told(case, stretch, orbit)
        radii |= periodic_orbits.numbers_of(orbit) | periodic_orbits.radii_of(case, orbit)
        if orbit.method is not Method.LYAPUNOV or not orbit.repels:  # what wanders has no period
            case.note(
                f"refined by {orbit.method}: period {orbit.period:.8g}, "
                f"multipliers {formatting.complexes(orbit.multipliers)}"
            )
        if orbit.repels and not shears:
            return periodic_orbits.separates(case, orbit, radii)
        if shears:
            radii = {k: v for k, v in radii.items() if not k.startswith("floquet")}
            case.note(
                "over a longer run all Lyapunov exponents are 0: neighbours part like n, not exponentially"
            )
        if (slower := periodic_orbits.slows_down(case, orbit, radii)) is not None:
            return slower
    exact = orbit is not None and orbit.method is Method.ROTATING_STATE  # whose multipliers leave no doubt
    nears = moved and _still_nears(case)
    if nears and not attracts:
        case.note("each window is nearer to the orbit than the one before, though no multiplier attracts")
        if enclosing.has_kept_neighbours(case):
            case.note("on one side of it orbits are kept for ever: it attracts from the other alone")
    if not attracts and not nears and not (moved and (orbit is None or (is_round and not exact))):
        doubted = (
            enclosing.larger(case, now) or _drifting(case) or (enclosing.beside(case) if moved else None)
        )
        return doubted or _neutral(case, stretch, radii, moved)
    if orbit is not None and orbit.method is Method.LYAPUNOV:  # which never repeats
        several = attractors.circles_in_turn(case, radii)
        if several is not None:
            return several
        if case.system.dim == 1 and case.motion.discrete and not periodic_orbits.is_on_a_curve(case):
            return None  # neither a cycle nor a circle: a set on which neighbours part by a power of time
    return _attracting(case, radii, is_round, orbit)


@judge(order=55)
def drifts_far_out(case: Case, stretch: Stretch) -> Answer | None:
    """What goes round far from (0, x0) while its middle moves on, at a pace that leads nowhere within the budget."""
    late, now = case.looks[-T.monotone :], case.looks[-1]
    if (
        len(late) < T.monotone
        or now.diameter > T.far_orbit * case.distances(now).min()
        or not _has_waited(case)
    ):
        return None
    middles = np.array([[windows.mean(x) for x in look.stretch.zs.T] for look in late])
    paces = np.diff(middles, axis=0) / np.diff([look.time for look in late])[:, None]
    pace = paces[-1]
    speed = float(np.linalg.norm(pace))
    if speed * case.time <= T.rounding * np.max(np.abs(middles[-1])):
        return None  # a narrow swing about a place is one of its rounding
    if not np.max(np.linalg.norm(paces[-T.seen_to_leave :] - pace, axis=1)) <= T.steady_pace * speed:
        return None
    if speed * float(np.ptp(now.stretch.t)) > T.drifts * now.diameter:
        return None  # it goes straight on
    off = case.distances_of(middles[-1:])[0]
    effort = off * case.spent / (speed * case.time * T.budget)
    if effort * T.budget <= case.budget:
        return None
    # one digit of each: the paces agree on no more
    how = f"it goes round {case.vector(middles[-1])} and drifts by about {speed:.1g} per unit of time"
    reached = (
        f"at an effort of about {effort:.1g}" if effort < T.largest_effort else "which no effort reaches"
    )
    when = f"where that leads is seen from about {case.clock} = {off / speed:.1g} on, {reached}"
    return Answer(Kind.UNDECIDED, {}, f"undecided: {how}; {when}")


def _is_settled(case: Case, tolerance: float) -> bool:
    if len(case.looks) < 4:
        return False
    first, before, now = case.looks[0], case.looks[-2], case.looks[-1]
    scale = max(now.extents.max(), T.tiny)
    if now.diameter <= T.no_orbit * max(first.diameter, scale):
        return False
    # of an orbit far from (0, x0) the extents are those of the way there, beside which it may drift unseen
    if np.max(np.abs(now.extents**2 - before.extents**2)) > tolerance * scale * min(scale, now.diameter):
        return False
    if np.max(np.abs(now.extents - before.extents)) > T.drifts * now.diameter:
        return False  # far out a window's own way is small beside its extents
    return _has_moved(case) or _has_waited(case)


def _has_waited(case: Case) -> bool:
    late = case.looks[-1].time >= T.patience * case.turn
    return late or case.spent >= T.patience_spent * case.budget


def _has_moved(case: Case) -> bool:
    first, now = case.looks[0], case.looks[-1]
    return bool(np.max(np.abs(now.extents**2 - first.extents**2)) > T.moved * now.extents.max() ** 2)


def _drifting(case: Case) -> Answer | None:
    """An orbit that changes too little to be seen from one window to the next, but always the same way."""
    seen = enclosing.lasting_drift(case)
    if seen is None:
        return None
    way = "falls" if seen.sign < 0 else "grows"
    how = f"{way} by a share of {abs(seen.rate):.3g} per unit of time"
    return Answer(Kind.UNDECIDED, case.looks[-1].radii, f"undecided: its orbit looks neutral, but {how}")


def _neutral(case: Case, stretch: Stretch, radii: dict[str, Any], moved: bool) -> Answer:
    conserved = periodic_orbits.conserved(case)
    if conserved:
        radii["conserved"] = {name: value for name, (value, _) in conserved.items()}
        case.note(
            "conserved along the run: " + ", ".join(f"{n} to {e:.1g}" for n, (_, e) in conserved.items())
        )
        periodic_orbits.drifts_with_tolerance(case, list(conserved))
    if (doubted := enclosing.may_drift(case, conserved)) is not None:
        return doubted
    how = f" with period {radii['period']:.6g}" if "period" in radii else ""
    kept = f"its orbit for ever{how}"
    if "period" not in radii and (repeat := windows.mean_period(case.radii(stretch))) is not None:
        radii["period"] = repeat
        how = f" whose radii repeat with period {repeat:.6g}"
        kept = f"for ever an orbit{how}"
        case.note("the orbit does not close; what repeats are its radii, with the period given")
    said = f"it keeps {kept}, and so do its neighbours"
    if moved:
        others = "some nearby starts come to it too, others keep orbits of their own"
        said = f"it comes to an orbit{how} and keeps it for ever; {others}"
    return Answer(Kind.NEUTRAL_ORBIT, radii, f"neutral: {said}")


def _attracting(case: Case, radii: dict[str, Any], is_round: bool, orbit: Orbit | None) -> Answer | None:
    if is_round:
        return on_circle(radii)
    phi, theta = radii["radius_phi"], radii["radius_theta"]
    if orbit is not None or case.motion.discrete:
        text = f"ends on a limit cycle: largest |phi| = {phi:.6g}, |theta - x0| = {theta:.6g}"
        text += f", period {radii['period']:.6g}" if "period" in radii else ""
        return Answer(Kind.LIMIT_CYCLE, radii, text)
    if case.spent < T.given_up * case.budget:
        return None
    return Answer(
        Kind.UNDECIDED, radii, "undecided: it settles on a bounded motion that neither closes nor only turns"
    )


def _still_nears(case: Case) -> bool:
    """Whether the last windows differ by less and less, yet by more than those of an orbit reached in finite time."""
    a, b, c = (look.extents**2 for look in case.looks[-3:])
    return T.still_nears * float(np.max(c)) < np.max(np.abs(c - b)) < np.max(np.abs(b - a))
