"""Equilibria and fixed points by Newton, on the smooth piece in which they lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...dynamics.filippov import Regime
from ...numerics.convex_hull import distance_to_hull
from ..decision_thresholds import T
from ..dynamical_system import DynamicalSystem


class Rest(NamedTuple):
    """An equilibrium (a fixed point) near a state.

    Attributes:
        flat: the state.
        jacobian: of the change there, one-sided at a jump.
        error: how far the motion's Jacobian may be off, in norm, because Newton stopped where it did.
        ways: an orthonormal basis of the directions in which the motion may go there, (n, k): of a slide, those along
            its surfaces.
    """

    flat: np.ndarray
    jacobian: np.ndarray
    error: float
    ways: np.ndarray

    @property
    def along(self) -> np.ndarray:
        """The Jacobian of the motion itself, (k, k).

        Off its surfaces a slide stands still, and what it does along them may lean on that: where the critic slides on
        phi theta = 0, theta' = phi makes a Jordan block of two directions, one of which is no motion.
        """
        return self.ways.T @ self.jacobian @ self.ways


def rest_near(
    motion: DynamicalSystem,
    flat: np.ndarray,
    reach: float,
    iterations: int = 60,
    came: np.ndarray | None = None,
) -> Rest | None:
    """Newton for F = 0 from ``flat`` on the smooth piece in which it lies; None where none is within ``reach``.

    The piece is that of ``came``, an earlier state, where one is given.
    Steps are least-squares ones, so that on a line of equilibria one nearby is found.
    """
    motion = motion.near_rest
    side = motion.side(flat if came is None else came)
    z, move, begun = flat.copy(), np.zeros(len(flat)), motion.change(flat, side)
    small = 0
    for _ in range(iterations):
        value, slope = motion.change(z, side), motion.jacobian(z, side)
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return None
        move, several = _step(motion, z, side, value, slope)
        z = z + move
        if np.linalg.norm(z - flat) > reach:
            return None
        small = small + 1 if np.linalg.norm(move) <= T.newton_step * np.linalg.norm(z) else 0
        if small > several:  # where scales differ, what is nothing in one may be much in another
            break
    value, slope, before = motion.change(z, side), motion.jacobian(z, side), motion.jacobian(z - move, side)
    if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
        return None
    if np.linalg.norm(value) > T.newton_residual * np.linalg.norm(slope) * max(
        reach, float(np.linalg.norm(z))
    ):
        return None
    # where one component is huge, as on a far and flat plateau, no step is large beside it: each one's change must fall
    least = T.newton_residual * (np.abs(slope) @ np.maximum(np.abs(z), np.abs(flat)))
    if np.any(np.abs(value) > np.maximum(T.newton_gain * np.abs(begun), least)):
        return None
    ways = motion.ways(z, side)
    return Rest(z, slope, float(np.linalg.norm(ways.T @ (slope - before) @ ways, 2)), ways)


def _step(
    motion: DynamicalSystem, z: np.ndarray, side: Regime | None, value: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, bool]:
    """Newton's least-squares step, and whether rows and columns were of several scales.

    Singular values that are nothing beside the largest may be a line of equilibria, or a slow player beside a fast one:
    in rows and columns of one size, and without what rounding makes of the derivative, only the former are left.
    """
    move, _, rank, _ = np.linalg.lstsq(slope, -value, rcond=T.line_of_rest)
    if rank == len(z):
        return move, False
    nearby = z * (1.0 + T.rest_rounding * T.eps * np.resize([1.0, -1.0, 0.5], len(z)))
    rounding = np.abs(motion.jacobian(nearby, side) - slope)
    known = np.where(np.abs(slope) > T.known_entry * rounding, slope, 0.0)
    rows, columns = np.ones(len(z)), np.ones(len(z))
    with np.errstate(over="ignore", invalid="ignore"):  # between 1e-300 and 1e10 no unit is left for a float
        for _ in range(T.equilibrations):  # Ruiz's iteration
            scaled = np.abs(rows[:, None] * known * columns)
            rows /= np.sqrt(np.where(np.any(scaled > 0, axis=1), np.max(scaled, axis=1), 1.0))
            columns /= np.sqrt(np.where(np.any(scaled > 0, axis=0), np.max(scaled, axis=0), 1.0))
        scaled, right = rows[:, None] * known * columns, -rows * value
    if not (np.all(np.isfinite(scaled)) and np.all(np.isfinite(right))):
        return move, False
    found = np.linalg.lstsq(scaled, right, rcond=T.line_of_rest)[0]
    return (columns * found, True) if np.all(np.isfinite(found)) else (move, False)


def equilibria(motion: DynamicalSystem, reach: float) -> list[Rest]:
    """The distinct equilibria that Newton finds from fixed starts within ``reach`` of (0, 0), nearest first."""
    size = len(motion.flat(motion.begin(np.zeros(motion.dim), np.zeros(motion.dim))))
    found: list[Rest] = []
    for start in np.random.default_rng(20190321).normal(size=(16, 2 * motion.dim)):
        flat = np.zeros(size)
        flat[: 2 * motion.dim] = reach * start / 2
        rest = rest_near(motion, flat, 4 * reach, iterations=25)
        if rest is None or any(np.linalg.norm(rest.flat - r.flat) <= T.same_rest * reach for r in found):
            continue
        if _balances(motion, rest.flat, reach):
            found.append(rest)
    return sorted(found, key=lambda r: float(np.linalg.norm(r.flat)))


def _balances(motion: DynamicalSystem, flat: np.ndarray, reach: float) -> bool:
    """Whether the motion itself rests there, and not only the smooth piece of it in which Newton began.

    At a discontinuity it does where 0 is in the convex hull of the field around the point (Filippov).
    """
    ways = np.random.default_rng(1).normal(size=(12, len(flat)))
    around = np.array([motion.as_it_stands(flat + T.beside_rest * reach * w) for w in ways])
    around = around[np.all(np.isfinite(around), axis=1)]
    if not len(around):
        return False
    speed = reach * np.linalg.norm(np.nan_to_num(motion.jacobian(flat))) + np.max(np.abs(around))
    return bool(distance_to_hull(around) <= T.balanced_rest * speed)


def borders_on_a_jump(motion: DynamicalSystem, flat: np.ndarray, reach: float) -> bool:
    """Whether beside an equilibrium, along an axis, the field jumps through 0, so that there every point is one."""
    for axis in np.eye(len(flat)):
        for point in (flat + T.beside_jump * reach * axis, flat - T.beside_jump * reach * axis):
            sides = [
                motion.as_it_stands(point + T.beside_rest * reach * w)
                for w in (*np.eye(len(flat)), *-np.eye(len(flat)))
            ]
            jump = float(np.max(np.ptp(sides, axis=0))) if np.all(np.isfinite(sides)) else 0.0
            if jump > T.beside_jump * np.max(np.abs(sides)) and _balances(motion, point, reach):
                return True
    return False


def family(motion: DynamicalSystem, rest: Rest, reach: float) -> int:
    """The dimension of the family of equilibria that one belongs to: in how many directions there are others beside it.

    Each direction that the Jacobian maps to nothing is asked: beside a slope without bound every other one is nothing.
    """
    _, sizes, ways = np.linalg.svd(rest.jacobian)
    count = 0
    for way in ways[sizes <= T.rank * max(sizes[0], T.tiny)]:
        off = T.beside_family * reach
        found = (rest_near(motion, rest.flat + side * off * way, off / 2) for side in (1.0, -1.0))
        count += any(r is not None for r in found)
    return count
