"""Stiff flows, of which explicit steps spend the budget on stability alone: followed on by implicit ones.

Where the players turn about (0, x0), implicit steps would still be as short as a turn, but the shape of what commutes
with rotations is slow: it is followed in the frame that turns with it (the method of freezing: Beyn, Thuemmler 2004,
SIAM J. Applied Dynamical Systems 3, 85).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...dynamics.engines import TimeSpan, engine
from ...dynamics.filippov import surface_count
from ...dynamics.motion_result import MotionResult
from ...dynamics.regimes import integrate
from ..decision_thresholds import T
from ..dynamical_system import ROWS, ContinuousSystem, DynamicalSystem, Stretch
from ..kinds import Kind
from ..orbits.rotating_states import commutes_with_rotations, rotating_state, turning_by
from . import consistency
from .evidence import Answer, Case, by, on_circle
from .judges import periodic_orbits

if TYPE_CHECKING:
    from scipy.integrate import OdeSolver


class StiffSystem(ContinuousSystem):
    """The flow of a smooth system, by implicit steps for as long as explicit ones would be more."""

    def advance(
        self, state: np.ndarray, time: float, span: float, rows: int, loosened: float = 1.0
    ) -> Stretch:
        """Follow the motion; see :class:`~diracgan.analysis.dynamical_system.DynamicalSystem`.

        What is stiff no longer may turn, a thousand times within one stretch: every few implicit steps that is asked.
        """
        ts = np.linspace(0.0, span, ROWS) if rows else np.full(ROWS, span)
        ys = np.full((ROWS, len(state)), np.nan)
        ys[ts == 0.0] = state
        t, y, cost, most = 0.0, state, 0.0, max(self._left, self._least)
        while True:
            if decay_times(self, y, span - t) < T.stiff_window:
                rest = super().advance(y, time + t, span - t, rows, loosened)
                left = ts > t
                ys[left] = _at(rest, time + ts[left])
                return rest._replace(t=time + ts, zs=ys, cost=rest.cost + cost)
            tolerances = T.implicit[0], T.implicit[1] * self._size(y)
            asked = TimeSpan(0.0, span - t, ts[ts > t] - t, *tolerances, T.implicit_steps)
            out = integrate(_RADAU, self.system, y, asked, before=time + t)
            ys[ts > t] = out.ys
            spent = self.price * T.implicit_step * float(out.steps)
            self._left, cost = self._left - spent, cost + spent
            when, t, y = time + t + out.when, t + out.t, out.y
            if out.result != MotionResult.MAX_STEPS or cost > most:
                return Stretch(time + ts, ys, y, time + t, out.result, when, out.text, cost, 0)


def _at(stretch: Stretch, times: np.ndarray) -> np.ndarray:
    """The rows of a stretch between its own, (k, n)."""
    from scipy.interpolate import CubicSpline

    seen = np.all(np.isfinite(stretch.zs), axis=1)
    t, zs = stretch.t[seen], stretch.zs[seen]
    if len(np.unique(t)) < 2:
        return np.broadcast_to(stretch.end, (len(times), len(stretch.end)))
    return np.where(times[:, None] <= t[-1], CubicSpline(t, zs)(np.minimum(times, t[-1])), np.nan)


_RADAU = engine("Radau", "scipy")[1]


def decay_times(motion: DynamicalSystem, flat: np.ndarray, span: float) -> float:
    """How often the fastest mode at a state decays within a span: as many explicit steps its stability takes."""
    slopes = motion.jacobian(flat)
    if not np.all(np.isfinite(slopes)):
        return 0.0
    return float(-span * np.min(np.real(np.linalg.eigvals(slopes)), initial=0.0))


def followed_on(case: Case, follow: Callable[[Case, np.ndarray, float], Answer]) -> Answer | None:
    """The verdict on a smooth flow that is stiff; None of any other, and where nothing more is seen.

    Args:
        case: with the windows so far.
        follow: follows a case on from a state, with windows of so many turns.
    """
    if case.motion.discrete or case.nested or surface_count(case.system):
        return None
    last = case.looks[-1].stretch if case.looks else None
    state = np.concatenate(case.start if last is None else np.split(last.zs[-1], 2))
    if len(state) != len(case.origin) or decay_times(case.motion, state, case.time) < T.stiff_run:
        return None
    if commutes_with_rotations(case.motion, state):
        answer = in_its_frame(case, state)
        return by(in_its_frame, answer) if answer is not None and consistency.agrees(case, answer) else None
    late = case.looks[T.transient :]
    if late and not case.goes_one_way(late):  # within each turn implicit steps would be no longer
        return None
    case.note(f"stiff: explicit steps have got to t = {case.time:.4g}, and implicit ones go on from there")
    share = T.another * case.budget
    case.budget, case.ended = case.budget + share, False
    case.motion = StiffSystem(case.system, share)
    case.time = case.before = 0.0 if last is None else float(last.t[-1])
    answer = follow(case, state, case.turn)
    return None if answer.kind == Kind.UNDECIDED else answer


def in_its_frame(case: Case, state: np.ndarray) -> Answer | None:
    """The circle on which a motion ends whose shape comes to rest in the frame that turns with phi.

    z' = F(z) - w W z, with the unit W of angular velocity in the plane of the players and w that of phi.
    """
    from scipy.integrate import Radau

    d, motion, origin = case.system.dim, case.motion, case.origin
    z = state - origin
    turning = turning_by(motion, z, z[d:])
    whole = turning.whole

    def velocity_of(z: np.ndarray) -> tuple[np.ndarray, float]:
        velocity = motion.as_it_stands(origin + z)
        return velocity, float((turning.spin @ z[:d]) @ velocity[:d] / (z[:d] @ z[:d]))

    def shape(t: float, z: np.ndarray) -> np.ndarray:
        velocity, omega = velocity_of(z)
        return velocity - omega * (whole @ z)

    def sizes_of(z: np.ndarray) -> np.ndarray:
        return np.linalg.norm(z.reshape(2, d), axis=1)

    def steps_from(t: float, z: np.ndarray) -> OdeSolver:
        atol: Any = T.implicit[1] * np.repeat(sizes_of(z), d)
        return Radau(shape, t, z, T.frame_lasts * case.time, rtol=T.implicit[0], atol=atol)

    rests, evaluations, sizes = False, 0, sizes_of(z)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        run = steps_from(case.time, z)
        for _ in range(T.frame_steps):
            run.step()
            velocity = np.linalg.norm(velocity_of(run.y)[0])
            # from there on its steps would follow rounding
            rests = bool(np.linalg.norm(shape(run.t, run.y)) <= T.frame_rests * velocity)
            if run.status != "running" or rests:
                break
            now = sizes_of(run.y)
            # each player has its own tolerance
            if np.any(np.minimum(now, sizes) < T.alike * np.maximum(now, sizes)):
                evaluations, sizes = evaluations + run.nfev, now
                run = steps_from(run.t, run.y)
    case.spent += motion.price * T.implicit_step * float(evaluations + run.nfev) / _STAGES
    if not rests:
        return None
    orbit = rotating_state(motion, origin + run.y, abs(velocity_of(run.y)[1]), origin)
    if orbit is None or not (orbit.attracts and orbit.is_told):
        return None
    now, end = sizes_of(run.y), sizes_of(orbit.flat[: 2 * d] - origin)
    if np.any(np.abs(now - end) > T.on_orbit * end):
        return None
    case.note(
        f"stiff: followed on by implicit steps in the frame that turns with phi, it rests there by t = {run.t:.3g}"
    )
    return on_circle(case.largest(orbit.flat[None, : 2 * d]) | periodic_orbits.numbers_of(orbit))


_STAGES = 10.0  # evaluations in a step, in the mean
