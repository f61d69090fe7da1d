"""The loop of a verdict: the motion is followed until a judge recognises it and the cross-examination agrees."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np

from ...dynamics.filippov import natural_velocity, surface_count, unlocated
from ...dynamics.motion_result import MotionResult
from ...dynamics.regimes import without_a_value
from ...numerics.float_range import LARGEST
from ...numerics.normal_form import lyapunov_coefficient
from ...pytrees import Pytree
from ..decision_thresholds import T
from ..dynamical_system import ContinuousSystem, Stretch, field_derivatives
from ..kinds import Kind
from ..linear.status import Status
from ..orbits import rest_points
from . import at_equilibrium, budget_spent, consistency, stiffness, termination, windows
from .evidence import Answer, Case, by
from .judges import fixed_points
from .judging import in_order

_log = logging.getLogger(__name__)

_TOO_FAR = (
    f"undecided: the start is farther than {LARGEST:g} from (0, x0): such distances have squares that leave the float "
    "range"
)


def decide(case: Case) -> Answer:
    """Follow the case's motion until a judge knows it, or the budget is spent."""
    d = case.system.dim
    phi, theta = case.start if case.line is None else case.line.down(case.start)
    state = case.motion.begin(phi, theta)
    flat = case.motion.flat(state)
    case.linear = case.spectrum(case.origin)
    case.note(f"at (0, x0): {case.linear.text}")
    unseen = () if case.motion.discrete else unlocated(case.system)
    if unseen:
        case.note(f"where these operations of the losses switch, no surface is located: {', '.join(unseen)}")
    first = case.motion.change(flat)
    if not np.all(np.isfinite(first[: 2 * d])):
        if case.motion.discrete and np.all(np.isfinite(ContinuousSystem(case.system).change(flat[: 2 * d]))):
            return _last_word(case, termination.ended, case.advance(state, 1.0, 1))
        return by(decide, Answer(Kind.UNDECIDED, {}, f"undecided: {without_a_value(case.system, flat)}"))
    with np.errstate(over="ignore"):  # squares may leave the float range
        case.r0 = float(np.linalg.norm(flat[: 2 * d] - case.origin))
    if case.r0 > LARGEST:
        return by(decide, Answer(Kind.UNDECIDED, {}, _TOO_FAR))
    if at_equilibrium.starts_at_rest(case, flat, first):
        return _told(case, at_equilibrium.judge, flat[: 2 * d])
    with np.errstate(over="ignore"):
        turn = _turn(case, float(np.linalg.norm(first[: 2 * d])))
    _weakly_nonlinear(case)
    answer = _follow(case, state, turn)
    if answer.kind == Kind.UNDECIDED:
        answer = stiffness.followed_on(case, _follow) or answer
    _equilibria(case, answer)
    if case.rule is None:
        case.note(f"followed to t = {case.time:.4g} with {case.spent:.3g} field evaluations")
    else:
        case.note(f"followed for {case.time:.0f} iterations")
    return answer


def _weakly_nonlinear(case: Case) -> None:
    """Note the first Lyapunov coefficient of a smooth marginal equilibrium in d = 1."""
    plane = case.system.dim == 1 and not case.motion.discrete
    if not plane or case.linear.status != Status.MARGINAL or surface_count(case.system):
        return
    case.lyapunov = lyapunov_coefficient(field_derivatives(case.system, case.origin))
    if case.lyapunov is not None:
        case.note(f"first Lyapunov coefficient at (0, x0), by autodiff: {case.lyapunov:.6g}")


def _equilibria(case: Case, answer: Answer) -> None:
    """Note which other equilibria there are, where the end leaves that open."""
    if answer.kind not in (Kind.CONVERGES_ELSEWHERE, Kind.DIVERGES, Kind.UNDECIDED) or case.motion.discrete:
        return
    reached = case.looks[-1].rms if case.looks and answer.kind != Kind.DIVERGES else 0.0
    reach = 2 * max(case.r0, reached, float(np.max(np.abs(case.origin))))
    near = rest_points.equilibria(case.motion, reach)
    found = [r for r in near if _defined(case, r.flat)]
    if not found:
        if not case.linear.is_equilibrium:
            case.note("root finding from 16 starts found no equilibrium")
        return
    nearest = case.vector(found[0].flat)
    dimension = max(rest_points.family(case.motion, r, reach) for r in found)
    if dimension:
        of = "line" if dimension == 1 else f"{dimension}-dimensional family"
        case.note(f"root finding from 16 starts found a {of} of equilibria; nearest {nearest}")
    elif surface_count(case.system) and rest_points.borders_on_a_jump(case.motion, found[0].flat, reach):
        count = "one equilibrium" if len(found) == 1 else f"{len(found)} equilibria"
        case.note(
            f"root finding from 16 starts found {count}, nearest {nearest}; beside it the field jumps through 0, and "
            "every point is one"
        )
    elif len(found) == 1:
        case.note(f"root finding from 16 starts found one equilibrium, isolated: {nearest}")
    else:
        case.note(f"root finding from 16 starts found {len(found)} equilibria, isolated; nearest {nearest}")


def _defined(case: Case, flat: np.ndarray) -> bool:
    """Whether the losses, and the critic, themselves have a value there."""
    fine = np.all(np.isfinite(np.asarray(natural_velocity(case.system, flat))))
    return bool(fine and case.spectrum(flat).residual is not None)


def _turn(case: Case, speed: float) -> float:
    """A first guess of the time that one turn takes."""
    discrete = case.motion.discrete
    values = case.linear.multipliers if discrete else case.linear.eigenvalues
    with np.errstate(divide="ignore"):
        rates = np.abs(np.log(values[np.abs(values) > T.slowest])) if discrete else np.abs(values)
    rates = rates[rates > T.slowest * np.max(rates, initial=0.0)]
    if len(rates):
        turn = 2 * np.pi / (np.min(np.append(rates, np.pi)) if discrete else rates.max())
    else:
        turn = 2 * np.pi * max(case.r0, T.tiny) / speed
    return float(np.clip(turn, T.shortest_window, T.longest_turn) if discrete else turn)


def _follow(case: Case, state: Pytree, turn: float) -> Answer:
    for round_ in range(T.rounds):
        case.turn, began = turn, state
        span = case.affordable(T.turns * turn)
        stretch = case.advance(state, span, 1)
        if stretch.result == MotionResult.MAX_STEPS and case.looks:
            return _on_the_way(case, stretch) or _last_word(case, budget_spent.judge)
        if stretch.result != MotionResult.OK:
            return _last_word(case, termination.ended, stretch)
        case.looks.append(case.look(stretch))
        if termination.beyond_squares(case):
            return _last_word(case, termination.out_of_range, stretch)
        turn = _corrected(case, stretch, turn, round_)
        state = stretch.end
        answer = _asked(case, stretch)
        if answer is not None and consistency.agrees(case, answer):
            return answer
        if case.spent >= case.budget or _rests_for_good(case, began, stretch):
            break
        if case.plunges():  # what falls fast is soon too small to be seen: window after window
            continue
        stretch = case.advance(state, max(T.skip * case.time, span), 0 if case.motion.discrete else 1)
        if stretch.result == MotionResult.MAX_STEPS:
            return _on_the_way(case, stretch) or _last_word(case, budget_spent.judge)
        if stretch.result != MotionResult.OK:
            return _last_word(case, termination.ended, stretch, state)
        answer = _told(case, fixed_points.arrived, stretch)
        if answer is not None and consistency.agrees(case, answer):
            return answer
        state = stretch.end
    return _last_word(case, budget_spent.judge)


def _rests_for_good(case: Case, began: Pytree, stretch: Stretch) -> bool:
    """Whether steps have left everything as it was, to the last digit and with what the rule remembers."""
    if not case.motion.discrete or np.any(stretch.zs != stretch.zs[0]):
        return False
    return np.array_equal(case.motion.flat(began), case.motion.flat(stretch.end))


def _on_the_way(case: Case, stretch: Stretch) -> Answer | None:
    """What a stretch that spent the budget has seen of a point: its halves are two more windows.

    A slow motion of a stiff field may spend most of the budget in one stretch, far beyond the last window.
    """
    seen = np.all(np.isfinite(stretch.zs), axis=1)
    if np.sum(seen) < T.rows_of_a_slope:
        return None
    stretch = stretch._replace(t=stretch.t[seen], zs=stretch.zs[seen])
    answer = _told(case, fixed_points.arrived, stretch)
    if answer is None:
        halves = zip(np.array_split(stretch.t, 2), np.array_split(stretch.zs, 2), strict=True)
        case.looks += [case.look(stretch._replace(t=t, zs=zs)) for t, zs in halves]
        answer = _told(case, fixed_points.to_a_point, stretch)
        # of what turns they hold too few rows a turn for what judges laws
        if answer is None and not case.goes_one_way(case.looks[-2:]):
            del case.looks[-2:]
    return answer if answer is not None and consistency.agrees(case, answer) else None


def _last_word(case: Case, judge: Callable[..., Answer], *more: Any) -> Answer:
    """What a judge says of a motion that is not followed any further, after the cross-examination."""
    return consistency.examined(case, _told(case, judge, *more))


def _told(case: Case, judge: Callable[..., Any], *more: Any) -> Any:
    """What a judge says, if anything; that it was this one, a log at level DEBUG tells."""
    answer = judge(case, *more)
    if answer is None:
        return None
    answer = by(judge, answer)
    _log.debug("%s%s after %d windows: %s", case.label, answer.judge, len(case.looks), answer.text)
    return answer


def _asked(case: Case, stretch: Stretch) -> Answer | None:
    """What the first judge says that knows the motion."""
    answers = (_told(case, judge, stretch) for judge in in_order())
    return next((answer for answer in answers if answer is not None), None)


def _goes_slowly_on(case: Case) -> bool:
    """Whether a motion keeps its size and its pace but for too little of a turn to be seen in a window.

    So do iterations on a circle that an unstable equilibrium has thrown them onto at once, and on which they turn
    slowly; and a flow on a cycle that it grew onto while its windows were as short as its start was small.
    """
    late = case.looks[-4:]
    if len(late) < 4:
        return False
    sizes, ways = np.array([look.rms for look in late]), np.array([look.diameter for look in late])
    if np.ptp(sizes) > T.slow_sizes * sizes.max() or ways.max() <= T.wander_diameter * sizes.max():
        return False
    if case.motion.discrete:
        return bool(ways.min() > max(T.slow_ways * ways.max(), T.wander_diameter * sizes.max()))
    # a cycle may linger in a corner, but what creeps goes ever less far
    return bool(np.any(np.diff(ways) > 0))


def _corrected(case: Case, stretch: Stretch, turn: float, round_: int) -> float:
    """The time of a turn, as the first windows correct the guess."""
    seen = windows.mean_period(stretch)
    last = case.looks[-1]
    window = case.label, len(case.looks), last.time, last.rms, seen
    _log.debug("%swindow %d to %.6g: size %.6g, period %s", *window)
    told = case.eigenvalues_tell_turns  # else every window may correct
    corrects = round_ == 0 or not told
    if corrects and seen is not None and not T.as_guessed[0] < seen / turn < T.as_guessed[1]:
        turn = float(np.clip(seen, turn / T.longest_correction, turn * T.longest_correction))
    if seen is not None or case.plunges():
        return turn
    if told:
        slowly = case.motion.discrete and _goes_slowly_on(case)
        return float(min(turn * T.widening, T.longest_turn)) if slowly else turn
    # no eigenvalue has told how long a turn takes, and the window has not seen three
    looks = case.looks
    path = float(np.sum(np.linalg.norm(np.diff(stretch.zs, axis=0), axis=1)))
    natural = 2 * np.pi * case.distances(looks[-1])[-1] * T.turns * turn / max(path, T.tiny)
    # a turn takes as long as it is wide
    outgrows = len(looks) == 1 or looks[-1].rms > T.grown_at_last * looks[-2].rms or _goes_slowly_on(case)
    grown = min(natural, T.longest_correction * turn) if outgrows and round_ >= T.widenings else 0.0
    return max(turn * (T.widening if round_ < T.widenings else 1.0), grown)
