"""Where a motion can end: equilibria, periodic orbits and rotating states, refined and with their multipliers.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory, chapters 1, 7 and 10 (shooting, Floquet multipliers).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..dynamics import filippov
from ..numerics import eigen
from ..numerics.convex_hull import distance_to_hull
from .dynamical_system import ContinuousSystem, DynamicalSystem


class Rest(NamedTuple):
    """An equilibrium (a fixed point) near a state, and the one-sided Jacobian of the change there."""

    flat: np.ndarray
    jacobian: np.ndarray


class Orbit(NamedTuple):
    """A closed or rotating orbit: a state on it, its period and its Floquet multipliers by decreasing modulus."""

    flat: np.ndarray
    period: float
    multipliers: np.ndarray
    how: str
    errors: np.ndarray

    @property
    def attracts(self) -> bool:
        """Whether some neighbours come closer: a multiplier inside the unit circle by more than its error."""
        return bool(np.any(np.abs(self.multipliers) < 1.0 - self.errors))


def rest_near(
    motion: DynamicalSystem,
    flat: np.ndarray,
    reach: float,
    iterations: int = 60,
    came: np.ndarray | None = None,
) -> Rest | None:
    """Newton for F = 0 from ``flat`` on the smooth piece in which it lies; None where none is within ``reach``.

    The piece is that of ``came``, an earlier state, where one is given.
    Steps are least-squares ones, so that on a line of equilibria the nearest is found.
    """
    motion = motion.near_rest
    side = motion.side(flat if came is None else came)
    z = flat.copy()
    for _ in range(iterations):
        try:
            value, slope = motion.change(z, side), motion.jacobian(z, side)
        except FloatingPointError:
            return None
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return None
        move = np.linalg.lstsq(slope, -value, rcond=1e-9)[0]
        z = z + move
        if np.linalg.norm(z - flat) > reach:
            return None
        if np.linalg.norm(move) <= 1e-13 * (1.0 + np.linalg.norm(z)):
            break
    value = motion.change(z, side)
    if not np.all(np.isfinite(value)) or np.linalg.norm(value) > 1e-9 * (
        1.0 + np.linalg.norm(motion.jacobian(z, side))
    ):
        return None
    return Rest(z, motion.jacobian(z, side))


def equilibria(motion: DynamicalSystem, reach: float) -> list[Rest]:
    """The distinct equilibria that Newton finds from fixed starts within ``reach`` of (0, 0), nearest first."""
    size = len(motion.flat(motion.begin(np.zeros(motion.dim), np.zeros(motion.dim))))
    found: list[Rest] = []
    for start in np.random.default_rng(20190321).normal(size=(16, 2 * motion.dim)):
        flat = np.zeros(size)
        flat[: 2 * motion.dim] = reach * start / 2
        rest = rest_near(motion, flat, 4 * reach, iterations=25)
        if rest is None or any(np.linalg.norm(rest.flat - r.flat) <= 1e-6 * reach for r in found):
            continue
        if _balances(motion, rest.flat, reach):
            found.append(rest)
    return sorted(found, key=lambda r: float(np.linalg.norm(r.flat)))


def _balances(motion: DynamicalSystem, flat: np.ndarray, reach: float) -> bool:
    """Whether the motion itself rests there, and not only the smooth piece of it in which Newton began.

    At a discontinuity it does where 0 is in the convex hull of the field around the point (Filippov).
    """
    ways = np.random.default_rng(1).normal(size=(12, len(flat)))
    around = np.array([motion.change(flat + 1e-7 * reach * w) for w in ways])
    around = around[np.all(np.isfinite(around), axis=1)]
    slope = np.linalg.norm(np.nan_to_num(motion.jacobian(flat)))
    return bool(len(around) and distance_to_hull(around) <= 1e-6 * reach * (1.0 + slope))


def rank(jacobian: np.ndarray) -> int:
    """The rank of a Jacobian; one below its size belongs to a line of equilibria."""
    sizes = np.linalg.svd(jacobian, compute_uv=False)
    return int(np.sum(sizes > 1e-8 * max(sizes[0], 1e-300)))


def rotating_state(
    given: DynamicalSystem, flat: np.ndarray, omega: float, centre: np.ndarray
) -> Orbit | None:
    """A state that only turns about a centre c, in the plane in which phi moves.

    F(c + z) = W z with a constant antisymmetric W; of a map, step(c + z) = c + R z with a constant rotation R. Valid
    for motions that commute with rotations about the centre, which is checked at the state itself. In the turning
    frame the linearisation is constant, so its exponents give the multipliers over one turn exactly.

    Args:
        given: the flow or the iterations.
        flat: a state close to it.
        omega: the angular velocity there, per unit of time.
        centre: (0, x0), as long as ``flat``.
    """
    motion, flat = _About(given, centre), flat - centre
    d = motion.dim
    blocks = len(flat) // d
    if d < 2 or len(flat) % d:
        return None
    side = motion.side(flat)
    phi, moved = flat[:d], motion.change(flat, side)[:d]
    basis = np.linalg.qr(np.stack([phi, moved], axis=1))[0]
    spin = np.outer(basis[:, 1], basis[:, 0]) - np.outer(basis[:, 0], basis[:, 1])
    if (spin @ phi) @ moved < 0:
        spin = -spin
    whole = np.kron(np.eye(blocks), spin)

    def turn(rate: float) -> np.ndarray:
        if not motion.discrete:
            return rate * whole
        plane = np.kron(np.eye(blocks), -spin @ spin)
        return (np.cos(rate) - 1.0) * plane + np.sin(rate) * whole

    def turn_slope(rate: float) -> np.ndarray:
        if not motion.discrete:
            return whole
        return -np.sin(rate) * np.kron(np.eye(blocks), -spin @ spin) + np.cos(rate) * whole

    z, rate = flat.copy(), abs(omega)
    if not _turns_alike(motion, z, side, whole, blocks, d):
        return None
    for _ in range(40):
        residual = motion.change(z, side) - turn(rate) @ z
        slope = np.column_stack([motion.jacobian(z, side) - turn(rate), -turn_slope(rate) @ z])
        move = np.linalg.lstsq(slope, -residual, rcond=1e-10)[0]
        if not np.all(np.isfinite(move)):
            return None
        z, rate = z + move[:-1], rate + move[-1]
        if np.linalg.norm(move) <= 1e-13 * (1.0 + np.linalg.norm(z)):
            break
    size = np.linalg.norm(z)
    if (
        np.linalg.norm(motion.change(z, side) - turn(rate) @ z) > 1e-9 * size
        or np.linalg.norm(z - flat) > 0.3 * size
    ):
        return None
    period = 2 * np.pi / abs(rate)
    if motion.discrete:
        back = np.kron(np.eye(blocks), _rotation(spin, -rate))
        values, errors = eigen.eigenvalues(back @ (np.eye(len(z)) + motion.jacobian(z, side)))
        multipliers = values.astype(complex) ** period
    else:
        values, errors = eigen.eigenvalues(motion.jacobian(z, side) - rate * whole)
        multipliers = np.exp(values * period)
    order = _by_modulus(multipliers)
    bounds = 1e-7 + period * errors[order]
    how = "a state that only turns, in its turning frame"
    return Orbit(z + centre, period * given.stride, multipliers[order], how, bounds)


class _About:
    """A motion in coordinates counted from a centre."""

    def __init__(self, motion: DynamicalSystem, centre: np.ndarray) -> None:
        self.discrete, self.dim = motion.discrete, motion.dim
        self._motion, self._centre = motion, centre

    def side(self, flat: np.ndarray) -> Any:
        return self._motion.side(flat + self._centre)

    def change(self, flat: np.ndarray, side: Any = None) -> np.ndarray:
        return self._motion.change(flat + self._centre, side)

    def jacobian(self, flat: np.ndarray, side: Any = None) -> np.ndarray:
        return self._motion.jacobian(flat + self._centre, side)


def _rotation(spin: np.ndarray, angle: float) -> np.ndarray:
    return np.eye(len(spin)) + np.sin(angle) * spin + (1 - np.cos(angle)) * spin @ spin


def _turns_alike(motion: _About, z: np.ndarray, side: Any, whole: np.ndarray, blocks: int, d: int) -> bool:
    """Whether the change and its derivative turn with the state: F(R z) = R F(z), F'(R z) = R F'(z) R^T."""
    spin = whole[:d, :d]
    here, slope = motion.change(z, side), motion.jacobian(z, side)
    for angle in (0.4, 1.3, 2.9):
        turn = np.kron(np.eye(blocks), _rotation(spin, angle))
        turned = turn @ z
        there = motion.side(turned)
        if not np.allclose(
            motion.change(turned, there), turn @ here, rtol=1e-9, atol=1e-10 * np.linalg.norm(here)
        ):
            return False
        if not np.allclose(
            motion.jacobian(turned, there), turn @ slope @ turn.T, atol=1e-7 * np.linalg.norm(slope)
        ):
            return False
    return True


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
        end, monodromy = _through(flow, z, length)
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
    end, monodromy = _through(flow, z, length)
    if monodromy is None or np.linalg.norm(end - z) > 1e-7 * scale:
        return None
    return Orbit(z, length, by_modulus(np.linalg.eigvals(monodromy)), "shooting", np.full(len(z), 1e-4))


def _through(flow: ContinuousSystem, z: np.ndarray, span: float) -> tuple[np.ndarray, np.ndarray | None]:
    piece = flow.advance(z, 0.0, span, 0)
    if piece.result != "ok":
        return z, None
    if not piece.switchings:
        return _variational(flow, z, span)
    step = 1e-5 * max(float(np.max(np.abs(z))), 1e-300)
    columns = []
    for k in range(len(z)):
        ends = []
        for sign in (1.0, -1.0):
            moved = z.copy()
            moved[k] += sign * step
            other = flow.advance(moved, 0.0, span, 0)
            if other.result != "ok":
                return piece.end, None
            ends.append(other.end)
        columns.append((ends[0] - ends[1]) / (2 * step))
    return piece.end, np.stack(columns, axis=1)


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


def lyapunov_multipliers(
    motion: DynamicalSystem, state: Any, time: float, period: float, iterations: int
) -> np.ndarray:
    """Moduli of the multipliers over ``period`` iterations of a map on an invariant curve, by QR along the orbit.

    ``iterations`` counts applications of the motion's whole change.
    """
    flat = motion.flat(state)
    frame = np.eye(len(flat))
    logs = np.zeros((iterations, len(flat)))
    for k in range(iterations):
        jacobian = np.eye(len(flat)) + motion.jacobian(flat)
        flat = flat + motion.change(flat)
        frame, upper = np.linalg.qr(jacobian @ frame)
        logs[k] = np.log(np.maximum(np.abs(np.diag(upper)), 1e-300))
    late = logs[iterations // 5 :]  # the frame has turned into the orbit's own directions
    weights = np.sin(np.pi * (np.arange(len(late)) + 0.5) / len(late)) ** 2
    return by_modulus(np.exp(weights @ late / weights.sum() * period / motion.stride).astype(complex))


def by_modulus(values: np.ndarray) -> np.ndarray:
    """Complex values by decreasing modulus, ties by decreasing imaginary part."""
    values = values.astype(complex)
    return values[_by_modulus(values)]


def _by_modulus(values: np.ndarray) -> np.ndarray:
    return np.lexsort((-values.imag, -np.round(np.abs(values), 9)))
