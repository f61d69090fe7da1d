"""The two integrators (diffrax, SciPy) behind one call: one regime until it ends, and how it ended."""

from __future__ import annotations

import functools
import math
import warnings
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import unknown
from ..numerics.float_range import LARGEST
from ..tracing.host import AtOnce, at_once
from .filippov import (
    DiracSystem,
    Regime,
    flow_in,
    guard_count,
    guards,
    hermite_minimum,
    natural_velocity,
    watch,
)
from .motion_result import MotionResult

if TYPE_CHECKING:
    from diffrax import AbstractSolver, PIDController
    from scipy.integrate import OdeSolver

DIFFRAX = ("tsit5", "dopri5", "dopri8", "kvaerno5")
SCIPY = ("RK45", "DOP853", "Radau", "LSODA")
MAX_STEPS = 4_000_000
# After every so many steps an engine looks whether the end is in reach, and else gives up.
_CHUNK = 5_000
_STIFF = 5_000.0  # decay times within a run, beyond which an explicit method's steps are as many as its stability asks
_LARGE = 200  # entries of a state whose eigenvalues are not worth their time
_EXACT = 1e-15  # of a time: to which a guard's fall is found, in an ordinary unit of it
# Times in which a motion changes by its size, in a run that is longer: in `_EXACT` of them it moves by 1e-12 of itself,
# within which a surface counts as met (`_MET` in switchings), and a step need be no shorter.
_ENDLESS = 1e3
# Of such a time, a step of a method of fifth order at the least rtol, (1e-14)^(1/5) = 1.6e-3, rounded down: one that is
# shorter is so for its stability, or where the field has no value.
_STANDS = 1e-3
_FOUND = 1e-10  # of a step, or of the run: the same where the unit of time is so long that this is less
_BESIDE = 1e-9  # of a state: a solver that stops nearer to a surface has met it
_SECANT = 1e-2  # of a state's size: a slope over so much is not that of a jump beside it


class TimeSpan(NamedTuple):
    """From when to when, where to look, and how accurately.

    Attributes:
        t: the beginning.
        t1: the end.
        ts: times to keep, not decreasing, (k,).
        rtol: relative tolerance.
        atol: absolute tolerance.
        steps: of the solver, after which a run is given up; by diffrax at the end of a chunk of them.
        switchings: after which it is given up as well.
        shared: which sites were seen to share a surface that was crossed, (m, m), so that an engine may cross it again
            by itself; None to come back from every one.
    """

    t: Any
    t1: Any
    ts: Any
    rtol: Any
    atol: Any
    steps: Any = MAX_STEPS
    switchings: Any = 20_000
    shared: Any = None


class RegimeSegment(NamedTuple):
    """One regime's stretch of a trajectory.

    Attributes:
        ys: the state at the asked times, (k, n); rows after ``t`` are meaningless.
        t: where it ended.
        y: the state there, (n,).
        guard: the guard that fell to 0, or None.
        failure: "" or why it could not go on ("stiff", "max steps").
        steps: steps that the solver took.
        crossings: when the engine itself has crossed surfaces on the way.
        regime: the one that it ended in, if that is another one.
    """

    ys: np.ndarray
    t: float
    y: np.ndarray
    guard: int | None
    failure: str
    steps: int
    crossings: Any = ()
    regime: Regime | None = None


#: Follows one regime from a state, (n,), over a span of time.
Engine = Callable[[DiracSystem, Regime, np.ndarray, TimeSpan], RegimeSegment]


def engine(solver: str | None, backend: str) -> tuple[str, Engine]:
    """The solver's proper name and its engine.

    Args:
        solver: a solver's name in any case, or None for the backend's default (tsit5; DOP853).
        backend: ``"diffrax"`` or ``"scipy"``.

    Raises:
        InputError: for an unknown backend or solver, naming the choices.
    """
    if backend not in ("diffrax", "scipy"):
        raise unknown("backend", backend, ("diffrax", "scipy"))
    both = {s.lower(): s for s in (*DIFFRAX, *SCIPY)}
    usual = {"diffrax": "tsit5", "scipy": "DOP853"}[backend]
    wanted = usual if solver is None else solver
    chosen = both.get(wanted.lower()) if isinstance(wanted, str) else None
    if chosen is None:
        raise unknown("solver", solver, (*DIFFRAX, *SCIPY))
    if chosen in DIFFRAX:
        return chosen, functools.partial(_diffrax, chosen)
    return chosen, functools.partial(_scipy, chosen, _AtFirst())


def fitting(solver: str | None, backend: str, system: DiracSystem, y: np.ndarray, t1: float) -> str | None:
    """The solver as it was asked for; SciPy's for stiff fields, LSODA, where none was and the start is stiff.

    Explicit steps in Python are slow: from |z| = 3000 GAN-QP takes a thousand of them in a unit of time, for stability
    alone. A diffrax solver takes as many in a compiled loop.
    """
    if solver is not None or backend != "scipy" or len(y) > _LARGE:
        return solver
    h = _SECANT * max(float(np.max(np.abs(y))), 1e-290)
    with np.errstate(all="ignore"):
        here = np.asarray(natural_velocity(system, y))
        slopes = (
            np.stack([np.asarray(natural_velocity(system, y + h * e)) - here for e in np.eye(len(y))], axis=1)
            / h
        )
    if not np.all(np.isfinite(slopes)):
        return None
    return "LSODA" if -t1 * float(np.linalg.eigvals(slopes).real.min()) > _STIFF else None


# What an interpolant located is corrected by Newton's method on the solution itself, this many times.
_CORRECTIONS = 2
_AS_LOW = 1e3  # times a slack: how far above 0 the root of a guard may be found


_hermite_minimum = at_once()(hermite_minimum)


# ---------------------------------------------------------------- scipy

_FEW = 1_000  # so many calls by NumPy take less time than XLA takes to compile the guards of a slide


class _AtFirst:
    """The functions of slides, by NumPy in the first calls of a run and then compiled; those of other regimes compiled.

    A run counts for itself: what it returns does not hang on the runs before.
    """

    def __init__(self) -> None:
        self._calls: Counter[AtOnce[Any]] = Counter()

    def __call__(self, fn: AtOnce[Any], system: DiracSystem, y: np.ndarray, regime: Regime) -> Any:
        self._calls[fn] += regime.sliding > 0
        return (fn if regime.sliding and self._calls[fn] <= _FEW else fn.compiled)(system, y, regime)


def _scipy(
    method: str, by: _AtFirst, system: DiracSystem, regime: Regime, y0: np.ndarray, span: TimeSpan
) -> RegimeSegment:
    smooth = guard_count(regime) == 1

    def seen(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if smooth:  # the float range is left with a guard to watch, and with nothing to compile
            return np.array([LARGEST - np.max(np.abs(y))]), np.zeros(1)
        values, slopes = by(watch, system, y, regime)
        return np.asarray(values), np.asarray(slopes)

    def solution(t: float, y: np.ndarray, end: float) -> np.ndarray:
        run = _scipy_solver(method, by, system, regime, span, t, y, end)
        for _ in range(_CHUNK):  # of a part of one step: more means that something holds it up
            if run.status != "running":
                break
            run.step()
        return run.y

    def located(guard: int, when: float, t: float, y: np.ndarray, end: float) -> float:
        for _ in range(_CORRECTIONS):
            values, slopes = seen(solution(t, y, when) if when > t else y)
            better = when - values[guard] / slopes[guard]
            if not t < better <= end:
                break
            when = better
        return when

    ts, t1 = span.ts, span.t1
    ys = np.full((len(ts), len(y0)), np.nan)
    before, since, steps = seen(y0), span.t, 0
    # a slope without a value gives SciPy's first step no length, which it then shortens for ever
    if not np.all(np.isfinite(by(flow_in, system, y0, regime))):
        return RegimeSegment(ys, span.t, y0, None, MotionResult.STIFF, steps)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        run = _scipy_solver(method, by, system, regime, span, span.t, y0, t1)
        while run.status == "running":
            t, y = run.t, run.y
            run.step()
            steps += 1
            if run.status == "failed" or not np.all(np.isfinite(run.y)) or run.t <= t:
                return RegimeSegment(ys, t, y, None, MotionResult.STIFF, steps)
            path, now = run.dense_output(), seen(run.y)
            end = _first_fall(lambda t, path=path: seen(path(t))[0], before, now, t, run.t)
            guard, when = (None, run.t) if end is None else end
            if guard is not None:
                when = located(guard, when, t, y, run.t)
            rows = (ts > t) & (ts <= when)
            if np.any(rows):
                ys[rows] = np.atleast_2d(path(ts[rows]).T)
            if guard is not None:
                return RegimeSegment(ys, when, solution(t, y, when) if when > t else y, guard, "", steps)
            if run.status == "running" and (steps % _CHUNK == 0 or steps >= span.steps):
                own_time = _own_time(system, regime, run.y)
                if failure := _hopeless(span, steps, run.t - since, own_time, t1 - run.t):
                    return RegimeSegment(ys, run.t, run.y, None, failure, steps)
                since = run.t
            before = now
    return RegimeSegment(ys, t1, run.y, None, "", steps)


def _scipy_solver(
    method: str,
    by: _AtFirst,
    system: DiracSystem,
    regime: Regime,
    span: TimeSpan,
    t: float,
    y: np.ndarray,
    end: float,
) -> OdeSolver:
    import scipy.integrate

    def rhs(t: float, y: np.ndarray) -> np.ndarray:
        return np.asarray(by(flow_in, system, y, regime))

    def jacobian(t: float, y: np.ndarray) -> np.ndarray:
        return np.asarray(_jacobian(system, y, regime))

    extra = {"jac": jacobian} if method in ("Radau", "LSODA") else {}
    return getattr(scipy.integrate, method)(rhs, t, y, end, rtol=span.rtol, atol=span.atol, **extra)


def _first_fall(
    values: Callable[[float], np.ndarray],
    before: tuple[np.ndarray, np.ndarray],
    after: tuple[np.ndarray, np.ndarray],
    t0: float,
    t1: float,
) -> tuple[int, float] | None:
    """The first guard to fall between two steps, and when; a visit below 0 between the ends counts."""
    from scipy.optimize import brentq

    fallen, end = (before[0] > 0) & (after[0] <= 0), t1
    if not np.any(fallen):
        if len(fallen) == 1:
            return None  # the float range is not left and entered again
        low, share = (np.asarray(a) for a in _hermite_minimum(before, after, t1 - t0))
        end = t0 + float(share[np.argmin(low)]) * (t1 - t0)
        if not (np.min(low) < 0 and t0 < end < t1):
            return None
        fallen = (before[0] > 0) & (values(end) <= 0)
        if not np.any(fallen):
            return None
    first = values(t0) > 0  # of those above 0 by less than rounding nothing is left to search
    times = {
        int(k): float(
            np.asarray(brentq(lambda t, k=k: values(t)[k], t0, end, xtol=min(_EXACT, _FOUND * (end - t0))))
        )
        if first[k]
        else t0
        for k in np.flatnonzero(fallen)
    }
    return min(times.items(), key=lambda found: found[1])


_jacobian = jax.jit(jax.jacfwd(flow_in.compiled, 1))


# ---------------------------------------------------------------- diffrax


def _diffrax(name: str, system: DiracSystem, regime: Regime, y0: np.ndarray, span: TimeSpan) -> RegimeSegment:
    ts, t, t1 = span.ts, span.t, span.t1
    ys, y, taken = np.full((len(ts), len(y0)), np.nan), y0, 0
    # so short that a motion which needs it cannot go on: of its run, or in an endless one of its own time
    least = _EXACT * min(t1, _ENDLESS * _own_time(system, regime, y0))
    while True:
        start = (t, y)
        part = (np.asarray(a) for a in _solve(name, system, regime, y, span._replace(t=t), True, least))
        rows, now, y, event, steps, ok = part
        reached = (ts > t) & (ts <= now)
        ys[reached], t, taken = rows[reached], float(now), taken + int(steps)
        if bool(event) or bool(ok) or int(steps) < _CHUNK:
            failure = "" if bool(ok) else MotionResult.STIFF
            break
        if failure := _hopeless(span, taken, t - start[0], _own_time(system, regime, y), t1 - t):
            return RegimeSegment(ys, t, y, None, failure, taken)
    guard, when = first_to_fall(*(np.asarray(a) for a in watch(system, y, regime))), t
    # a root search that ran out of digits ends next to the surface, and not as an event
    if bool(event) or (not bool(ok) and _at_a_guard(system, y, regime, guard)):
        for _ in range(_CORRECTIONS):
            value, slope = (float(np.asarray(a)[guard]) for a in watch(system, y, regime))
            if slope == 0 or not start[0] < when - value / slope <= t1:
                break
            when -= value / slope
            rows, _, y, *_ = (
                np.asarray(a)
                for a in _solve(
                    name, system, regime, start[1], span._replace(t=start[0], t1=when), False, _EXACT * when
                )
            )
            late = (ts > t) & (ts <= when)  # the event came later than the interpolant had it
            ys[late] = rows[late]
        return RegimeSegment(ys, when, y, guard, "", taken)
    return RegimeSegment(ys, t, y, None, failure, taken)


def _own_time(system: DiracSystem, regime: Regime, y: np.ndarray) -> float:
    """In which a state changes by its size; infinite of one at rest, or at 0."""
    size, speed = (float(np.max(np.abs(x))) for x in (y, np.asarray(flow_in(system, y, regime))))
    return size / speed if size > 0 and speed > 0 else math.inf


def first_to_fall(values: np.ndarray, slopes: np.ndarray) -> int:
    """The guard that is met: the lowest, or where that one stands still, one that falls and is nearly as low.

    A function that is zero for ever stands at its slack, and where a root is found another may still be above that.

    Example:
        >>> first_to_fall(np.array([2e-13, 1e-13]), np.array([-1.0, 0.0]))
        0
    """
    lowest = int(np.argmin(values))
    falling = (slopes < 0) & (values <= _AS_LOW * values[lowest])
    if slopes[lowest] != 0 or values[lowest] <= 0 or not np.any(falling):
        return lowest
    return int(np.argmin(np.where(falling, values, np.inf)))


def _at_a_guard(system: DiracSystem, y: np.ndarray, regime: Regime, guard: int) -> bool:
    """Whether a guard falls to 0 within a share of the time in which the state changes by its size."""
    value, slope = (float(np.asarray(a)[guard]) for a in watch(system, y, regime))
    speed = float(np.max(np.abs(np.asarray(flow_in(system, y, regime)))))
    return bool(value * speed <= _BESIDE * float(np.max(np.abs(y))) * abs(slope))


def _hopeless(span: TimeSpan, taken: int, progress: float, own_time: float, left: float) -> str:
    """Why an engine gives up after so many steps, the last chunk of which made this progress; "" while it does not.

    Stiff is what takes far shorter steps than in its ``own_time`` it changes by; another has too much time ``left``.
    """
    if taken >= span.steps:
        return MotionResult.MAX_STEPS
    if left * _CHUNK <= 100 * MAX_STEPS * progress:
        return ""
    return MotionResult.STIFF if progress < _STANDS * _CHUNK * own_time else MotionResult.MAX_STEPS


@functools.partial(jax.jit, static_argnums=0)
def _solve(
    name: str, system: DiracSystem, regime: Regime, y0: Array, span: TimeSpan, armed: Array, least: Array
) -> tuple[Array, ...]:
    import diffrax
    import optimistix

    from .event_step_control import GuardedStepControl

    t0, t1, ts, rtol, atol, *_ = span

    def rhs(t: object, y: Array, args: object) -> Array:
        return flow_in(system, y, regime)

    def least_guard(t: object, y: Array, args: object, **_: object) -> Array:
        return jnp.where(armed, jnp.min(guards(system, y, regime)), 1.0)

    found: Any = jnp.minimum(10 * _EXACT, _FOUND * jnp.abs(t1))
    control = step_control(rtol, atol, dtmin=least, force_dtmin=False)
    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(rhs),
        diffrax_solver(name),
        t0,
        t1,
        None,
        y0,
        args=(system, regime, armed),
        saveat=diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=jnp.clip(ts, t0, t1)), diffrax.SubSaveAt(t1=True)]),
        # equinox makes the constructor of its fields
        stepsize_controller=GuardedStepControl(control) if regime.modes.shape[0] else control,  # pyright: ignore[reportCallIssue]
        max_steps=_CHUNK,
        throw=False,
        event=diffrax.Event(least_guard, optimistix.Bisection(rtol=10 * _EXACT, atol=found), direction=False),
    )
    (ys, y), (_, t) = jax.tree.map(jnp.asarray, (sol.ys, sol.ts))
    return (
        ys,
        t[-1],
        y[-1],
        sol.result == diffrax.RESULTS.event_occurred,
        sol.stats["num_steps"],
        diffrax.is_successful(sol.result),
    )


def step_control(rtol: Any, atol: Any, **bounds: Any) -> PIDController:
    """diffrax's control of the step size, with an error of NaN for an infinite one: such a step is made again, shorter.

    A first guess may be far too long for a stiff start, so that its stages overflow; diffrax itself tries it for ever.
    """
    import diffrax

    return diffrax.PIDController(rtol=rtol, atol=atol, norm=_size_of_error, **bounds)


def _size_of_error(error: Any) -> Array:  # of the module: a new function for each call would compile anew
    import optimistix

    size = optimistix.rms_norm(error)
    return jnp.where(jnp.isnan(size), jnp.inf, size)


def diffrax_solver(name: str) -> AbstractSolver:
    """The diffrax solver called ``name``."""
    import diffrax

    return getattr(diffrax, name.capitalize())()
