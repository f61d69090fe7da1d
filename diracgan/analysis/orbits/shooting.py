"""Periodic orbits of the flow by shooting, with their monodromy matrix."""

from __future__ import annotations

import numpy as np

from ...dynamics import filippov
from ...numerics import eigen
from ..dynamical_system import ContinuousSystem
from .orbit import Method, Orbit, order_by_modulus

_LEAST_ERROR = 1e-4  # of a multiplier, for the solver's tolerances over a whole period


def periodic_orbit(flow: ContinuousSystem, flat: np.ndarray, period: float) -> Orbit | None:
    """Shooting for a periodic orbit of the flow near ``flat``: Newton on Phi_T(z) - z with the least-squares step.

    The monodromy matrix solves the variational equation on a smooth piece; across switchings it comes from central
    differences of the located flow, which carry the jumps of the derivative.
    """
    z, length = flat.copy(), period
    scale = max(float(np.max(np.abs(flat))), 1e-300)
    for _ in range(4):  # first the time of the closest return alone, lest Newton shrink the orbit instead
        piece = flow.advance(z, 0.0, length, 0)
        if piece.result != "ok":
            return None
        speed = flow.change(piece.end)
        length -= float((piece.end - z) @ speed / max(speed @ speed, 1e-300))
        if not 0.5 * period < length < 2 * period:
            return None
    for _ in range(12):
        end, monodromy, _ = _through(flow, z, length)
        if monodromy is None:
            return None
        residual = end - z
        f_end = flow.change(end)
        phase = np.append(flow.change(z), 0.0)
        slope = np.vstack([np.column_stack([monodromy - np.eye(len(z)), f_end]), phase])
        move = np.linalg.lstsq(slope, -np.append(residual, 0.0), rcond=1e-7)[0]
        if np.linalg.norm(move[:-1]) > 0.5 * scale or abs(move[-1]) > 0.3 * length:
            return None
        z, length = z + move[:-1], length + move[-1]
        if np.linalg.norm(move[:-1]) <= 1e-9 * scale:
            break
    end, monodromy, off = _through(flow, z, length, checked=True)
    if monodromy is None or np.linalg.norm(end - z) > 1e-7 * scale:
        return None
    multipliers, errors = eigen.eigenvalues(monodromy, off)
    order = order_by_modulus(multipliers)
    return Orbit(z, length, multipliers[order], Method.SHOOTING, np.maximum(errors[order], _LEAST_ERROR))


def _through(
    flow: ContinuousSystem, z: np.ndarray, span: float, checked: bool = False
) -> tuple[np.ndarray, np.ndarray | None, float]:
    """Where the flow ends after ``span``, its derivative there, and how far that may be off.

    Across switchings two difference steps are compared where ``checked``: a neighbour that takes another way round a
    corner shows as a derivative that grows as the step falls.
    """
    piece = flow.advance(z, 0.0, span, 0)
    if piece.result != "ok":
        return z, None, np.inf
    if not piece.switchings:
        end, monodromy = _variational(flow, z, span)
        return end, monodromy, 0.0
    size = max(float(np.max(np.abs(z))), 1e-300)
    coarse = _differences(flow, z, span, 1e-5 * size)
    if coarse is None or not checked:
        return piece.end, coarse, np.inf
    fine = _differences(flow, z, span, 1e-6 * size)
    return piece.end, fine, np.inf if fine is None else float(np.linalg.norm(fine - coarse, 2))


def _differences(flow: ContinuousSystem, z: np.ndarray, span: float, step: float) -> np.ndarray | None:
    """The derivative of the flow over ``span`` by central differences."""
    columns = []
    for k in range(len(z)):
        ends = []
        for sign in (1.0, -1.0):
            moved = z.copy()
            moved[k] += sign * step
            other = flow.advance(moved, 0.0, span, 0)
            if other.result != "ok":
                return None
            ends.append(other.end)
        columns.append((ends[0] - ends[1]) / (2 * step))
    return np.stack(columns, axis=1)


def _variational(flow: ContinuousSystem, z: np.ndarray, span: float) -> tuple[np.ndarray, np.ndarray | None]:
    from scipy.integrate import solve_ivp

    n = len(z)
    side = flow.side(z)

    def rhs(_: float, y: np.ndarray) -> np.ndarray:
        value, slope = _both(flow, y[:n], side)
        return np.concatenate([value, (slope @ y[n:].reshape(n, n)).ravel()])

    start = np.concatenate([z, np.eye(n).ravel()])
    out = solve_ivp(rhs, (0.0, span), start, method="DOP853", rtol=1e-10, atol=1e-13)
    if out.status != 0:
        return z, None
    return out.y[:n, -1], out.y[n:, -1].reshape(n, n)


def _both(flow: ContinuousSystem, y: np.ndarray, side: filippov.Regime) -> tuple[np.ndarray, np.ndarray]:
    return flow.change(y, side), flow.jacobian(y, side)


def returns(t: np.ndarray, zs: np.ndarray) -> list[float]:
    """Times after which a motion comes back close to where it started, first ones first; [] where it does not."""
    diameter = float(np.max(np.ptp(zs, axis=0)))
    distance = np.linalg.norm(zs - zs[0], axis=1)
    found = []
    away = False
    for k in range(1, len(t) - 1):
        away = away or distance[k] > 0.25 * diameter
        low = distance[k] <= distance[k - 1] and distance[k] < distance[k + 1]
        if away and low and distance[k] < 0.12 * diameter:
            found.append(float(t[k] - t[0]))
            away = False
    return found[:12]
