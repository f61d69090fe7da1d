"""Two engines behind one call: each integrates one regime until it ends, and says how it ended."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import unknown
from .piecewise import Regime, System, flow_in, guards

DIFFRAX = ("tsit5", "dopri5", "dopri8", "kvaerno5")
SCIPY = ("RK45", "DOP853", "Radau", "LSODA")
MAX_STEPS = 4_000_000


class Segment(NamedTuple):
    """One regime's stretch of a trajectory.

    Attributes:
        ys: the state at the asked times, (k, n); rows after ``t`` are meaningless.
        t: where it ended.
        y: the state there, (n,).
        guard: the guard that fell to 0, or None.
        failure: "" or why it could not go on ("stiff", "max steps").
        steps: steps that the solver took.
    """

    ys: np.ndarray
    t: float
    y: np.ndarray
    guard: int | None
    failure: str
    steps: int


Engine = Callable[[System, Regime, np.ndarray, float, float, np.ndarray, float, float], Segment]


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
    chosen = both.get((solver or {"diffrax": "tsit5", "scipy": "DOP853"}[backend]).lower())
    if chosen is None:
        raise unknown("solver", solver, (*DIFFRAX, *SCIPY))
    return chosen, functools.partial(_diffrax if chosen in DIFFRAX else _scipy, chosen)


def _fallen(values: np.ndarray) -> int:
    return int(np.argmin(values))


_flow_in = jax.jit(flow_in)
_guards = jax.jit(guards)


# ---------------------------------------------------------------- scipy


class _TooLong(Exception):
    pass


def _scipy(
    method: str,
    system: System,
    regime: Regime,
    y0: np.ndarray,
    t0: float,
    t1: float,
    ts: np.ndarray,
    rtol: float,
    atol: float,
) -> Segment:
    from scipy.integrate import solve_ivp

    calls = 0
    last = (t0, y0)

    def rhs(t: float, y: np.ndarray) -> np.ndarray:
        nonlocal calls, last
        calls += 1
        if calls > MAX_STEPS:
            raise _TooLong
        if t > last[0]:
            last = (t, y)
        return np.asarray(_flow_in(system, y, regime))

    def least_guard(t: float, y: np.ndarray) -> float:
        return float(np.min(np.asarray(_guards(system, y, regime))))

    least_guard.terminal, least_guard.direction = True, -1  # type: ignore[attr-defined]
    inside = (ts > t0) & (ts <= t1)
    ys = np.full((len(ts), len(y0)), np.nan)
    options: dict[str, Any] = {"jac": lambda t, y: np.asarray(_jacobian(system, y, regime))}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            out = solve_ivp(
                rhs,
                (t0, t1),
                y0,
                method=method,
                t_eval=np.unique(np.append(ts[inside], t1)),
                events=least_guard,
                rtol=rtol,
                atol=atol,
                **(options if method in ("Radau", "LSODA") else {}),
            )
        except _TooLong:
            return Segment(ys, *last, None, "max steps", calls // 12)
    reached = out.t
    rows = np.flatnonzero(inside)
    got = np.searchsorted(ts[rows], reached[-1], side="right") if len(reached) else 0
    at = np.searchsorted(reached, ts[rows[:got]])
    if got:  # scipy returns lists, not arrays, when an event comes before the first row
        ys[rows[:got]] = out.y.T[at]
    if out.status == 1:
        t, y = float(out.t_events[0][-1]), out.y_events[0][-1]
        return Segment(ys, t, y, _fallen(np.asarray(_guards(system, y, regime))), "", calls // 12)
    if out.status == 0:
        return Segment(ys, t1, out.y[:, -1], None, "", calls // 12)
    return Segment(ys, *last, None, "stiff", calls // 12)


_jacobian = jax.jit(jax.jacfwd(flow_in, 1))


# ---------------------------------------------------------------- diffrax


def _diffrax(
    name: str,
    system: System,
    regime: Regime,
    y0: np.ndarray,
    t0: float,
    t1: float,
    ts: np.ndarray,
    rtol: float,
    atol: float,
) -> Segment:
    ys, t, y, event, steps, ok = (
        np.asarray(a) for a in _solve(name, system, regime, y0, t0, t1, ts, rtol, atol, True)
    )
    values = np.asarray(_guards(system, y, regime))
    # a root search that ran out of digits ends next to the surface, and not as an event
    if bool(event) or (not bool(ok) and np.min(values) <= 1e-9):
        guard = _fallen(values)
        when, y = float(t), np.asarray(y)
        for _ in range(2):  # the event was found on the interpolant: correct it by Newton on the solution itself
            value, slope = (float(a) for a in _guard_and_slope(system, y, regime, guard))
            if not np.isfinite(value / slope) or not t0 < when - value / slope <= t1:
                break
            when -= value / slope
            y = np.asarray(_solve(name, system, regime, y0, t0, when, ts, rtol, atol, False)[2])
        return Segment(ys, when, y, guard, "", int(steps))
    failure = "" if bool(ok) else ("max steps" if int(steps) >= MAX_STEPS else "stiff")
    return Segment(ys, float(t), y, None, failure, int(steps))


@jax.jit
def _guard_and_slope(system: System, y: Array, regime: Regime, k: Array) -> tuple[Array, Array]:
    return jax.jvp(lambda y: guards(system, y, regime)[k], (y,), (flow_in(system, y, regime),))


@functools.partial(jax.jit, static_argnums=0)
def _solve(
    name: str,
    system: System,
    regime: Regime,
    y0: Array,
    t0: Array,
    t1: Array,
    ts: Array,
    rtol: Array,
    atol: Array,
    armed: Array,
) -> tuple[Array, ...]:
    import diffrax
    import optimistix

    def rhs(t: Array, y: Array, args: Any) -> Array:
        return flow_in(system, y, regime)

    def least_guard(t: Array, y: Array, args: Any, **_: Any) -> Array:
        return jnp.where(armed, jnp.min(guards(system, y, regime)), 1.0)

    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(rhs),
        diffrax_solver(name),
        t0,
        t1,
        None,
        y0,
        saveat=diffrax.SaveAt(subs=[diffrax.SubSaveAt(ts=jnp.clip(ts, t0, t1)), diffrax.SubSaveAt(t1=True)]),
        stepsize_controller=diffrax.PIDController(
            rtol=rtol, atol=atol, dtmin=1e-15 * (1.0 + jnp.abs(t1)), force_dtmin=False
        ),
        max_steps=MAX_STEPS,
        throw=False,
        event=diffrax.Event(
            least_guard, optimistix.Bisection(rtol=1e-14, atol=1e-14), direction=False
        ),
    )
    (ys, y), (_, t) = sol.ys, sol.ts
    return (
        ys,
        t[-1],
        y[-1],
        sol.result == diffrax.RESULTS.event_occurred,
        sol.stats["num_steps"],
        diffrax.is_successful(sol.result),
    )


def diffrax_solver(name: str) -> Any:
    """The diffrax solver called ``name``."""
    import diffrax

    return {"tsit5": diffrax.Tsit5, "dopri5": diffrax.Dopri5, "dopri8": diffrax.Dopri8, "kvaerno5": diffrax.Kvaerno5}[
        name
    ]()
