"""Periodic orbits of the flow by shooting, with their monodromy matrix.

References:
    Kuznetsov 2004, section 10.2; Leine & Nijmeijer 2004, Dynamics and Bifurcations of Non-Smooth Mechanical Systems,
    chapter 7 (saltation matrices).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ...dynamics import filippov
from ...dynamics.engines import TimeSpan
from ...dynamics.event_loop import event_loop
from ...dynamics.filippov import DiracSystem, Regime
from ...numerics import eigen
from ..dynamical_system import ContinuousSystem
from ..verdict.thresholds import T
from .orbit import Method, Orbit, order_by_modulus


def periodic_orbit(flow: ContinuousSystem, flat: np.ndarray, period: float) -> Orbit | None:
    """Shooting for a periodic orbit of the flow near ``flat``: Newton on Phi_T(z) - z with the least-squares step.

    The monodromy matrix solves the variational equation on every smooth piece, and jumps where the motion switches: by
    the saltation matrix I + (f+ - f-) n^T/(n . f-), with n the normal of the surface that is met.
    """
    z, length = flat.copy(), period
    scale = max(float(np.max(np.abs(flat))), T.tiny)
    for _ in range(4):  # first the time of the closest return alone, lest Newton shrink the orbit instead
        piece = flow.advance(z, 0.0, length, 0)
        if piece.result != "ok":
            return None
        speed = flow.change(piece.end)
        length -= float((piece.end - z) @ speed / max(speed @ speed, T.tiny))
        if not T.period_guess[0] * period < length < T.period_guess[1] * period:
            return None
    for _ in range(12):
        end, monodromy = _through(flow, z, length)
        if monodromy is None:
            return None
        residual = end - z
        f_end = flow.change(end)
        phase = np.append(flow.change(z), 0.0)
        slope = np.vstack([np.column_stack([monodromy - np.eye(len(z)), f_end]), phase])
        move = np.linalg.lstsq(slope, -np.append(residual, 0.0), rcond=T.shooting_rank)[0]
        if (
            np.linalg.norm(move[:-1]) > T.shooting_moved * scale
            or abs(move[-1]) > T.shooting_stretched * length
        ):
            return None
        z, length = z + move[:-1], length + move[-1]
        if np.linalg.norm(move[:-1]) <= T.closed * scale:
            break
    end, monodromy = _through(flow, z, length)
    if monodromy is None or np.linalg.norm(end - z) > T.not_closed * scale:
        return None
    multipliers, errors = eigen.eigenvalues(monodromy)
    order = order_by_modulus(multipliers)
    return Orbit(
        z, length, multipliers[order], Method.SHOOTING, np.maximum(errors[order], T.multiplier_error)
    )


def _through(flow: ContinuousSystem, z: np.ndarray, span: float) -> tuple[np.ndarray, np.ndarray | None]:
    """Where the flow ends after ``span``, and its derivative there; None where it does not get there smoothly."""
    system, y, t, monodromy = flow.system, z, 0.0, np.eye(len(z))
    regime = filippov.start(system, z)
    atol = T.variational[1] * max(float(np.max(np.abs(z))), T.tiny)
    for _ in range(T.switchings):
        part = event_loop(system, regime, y, TimeSpan(t, span, np.array([span]), T.variational[0], atol))
        if part.failure or part.guard == filippov.guard_count(regime) - 1:
            return z, None
        piece = _variational(system, regime, y, part.t - t, atol)
        if piece is None:
            return z, None
        monodromy = piece @ monodromy
        y, t = part.y, part.t
        if part.guard is None:
            return y, monodromy
        after, _ = filippov.settle(system, y, regime, part.guard)
        jump = _saltation(system, y, regime, after, part.guard)
        if jump is None:
            return z, None
        monodromy, regime = jump @ monodromy, after
    return z, None


def _saltation(
    system: DiracSystem, y: np.ndarray, before: Regime, after: Regime, guard: int
) -> np.ndarray | None:
    """How neighbours jump where the motion switches: they meet the surface a little earlier or later."""
    normal = np.asarray(_normals(system, y, before))[guard]
    old, new = (np.asarray(filippov.flow_in(system, y, r)) for r in (before, after))
    if np.linalg.norm(new - old) <= T.continuous * np.linalg.norm(old):
        return np.eye(len(y))
    speed = float(normal @ old)
    if not abs(speed) > T.grazing * np.linalg.norm(normal) * np.linalg.norm(old):
        return None
    return np.eye(len(y)) + np.outer(new - old, normal) / speed


_normals = jax.jit(jax.jacfwd(filippov.guards, 1))


@jax.jit
def _neighbours(system: DiracSystem, regime: Regime, state: Array) -> Array:
    """The velocity of a state and of its neighbours: y' = F(y), M' = F'(y) M."""
    n = system.x0.shape[0] * 2
    y, frame = state[:n], state[n:].reshape(n, n)

    def velocity(y: Array) -> Array:
        return filippov.flow_in(system, y, regime)

    moved = jax.vmap(lambda column: jax.jvp(velocity, (y,), (column,))[1], 1, 1)(frame)
    return jnp.concatenate([velocity(y), moved.ravel()])


def _variational(
    system: DiracSystem, regime: Regime, y: np.ndarray, span: float, atol: float
) -> np.ndarray | None:
    """The derivative of the motion within one regime over ``span``."""
    from scipy.integrate import solve_ivp

    n = len(y)
    if span <= 0:
        return np.eye(n)
    start = np.concatenate([y, np.eye(n).ravel()])
    tolerances = np.concatenate([np.full(n, atol), np.full(n * n, 1e-24)])
    out = solve_ivp(
        lambda _, state: np.asarray(_neighbours(system, regime, state)),
        (0.0, span),
        start,
        method="DOP853",
        rtol=T.variational[0],
        atol=tolerances,
    )
    return out.y[n:, -1].reshape(n, n) if out.status == 0 else None


def returns(t: np.ndarray, zs: np.ndarray) -> list[float]:
    """Times after which a motion comes back close to where it started, first ones first; [] where it does not."""
    diameter = float(np.max(np.ptp(zs, axis=0)))
    distance = np.linalg.norm(zs - zs[0], axis=1)
    found = []
    away = False
    for k in range(1, len(t) - 1):
        away = away or distance[k] > T.has_left * diameter
        low = distance[k] <= distance[k - 1] and distance[k] < distance[k + 1]
        if away and low and distance[k] < T.has_returned * diameter:
            found.append(float(t[k] - t[0]))
            away = False
    return found[:12]
