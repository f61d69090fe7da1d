"""Rotating states: circles of a motion that commutes with rotations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...dynamics.filippov import Regime
from ...numerics import eigen
from ..decision_thresholds import T
from ..dynamical_system import DynamicalSystem
from .orbit import Method, Orbit, order_by_modulus

_ANGLES = (0.4, 1.3, 2.9)  # any three, of no common measure


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
    if d < 2 or len(flat) % d:
        return None
    side = motion.side(flat)
    turning = turning_by(motion, flat, motion.change(flat, side)[:d])
    if not _turns_alike(motion, flat, side, turning.whole, turning.blocks, d):
        return None
    found = _solved(motion, flat, abs(omega), side, turning)
    if found is None:
        return None
    z, rate = found
    period = 2 * np.pi / abs(rate)
    if motion.discrete:
        back = np.kron(np.eye(turning.blocks), _rotation(turning.spin, -rate))
        values, errors = eigen.eigenvalues(back @ (np.eye(len(z)) + motion.jacobian(z, side)))
        multipliers = values.astype(complex) ** period
    else:
        values, errors = eigen.eigenvalues(motion.jacobian(z, side) - rate * turning.whole)
        multipliers = np.exp(values * period)
    order = order_by_modulus(multipliers)
    bounds = T.turns_alike_slope + period * errors[order]
    return Orbit(z + centre, period * given.period, multipliers[order], Method.ROTATING_STATE, bounds)


class Turning(NamedTuple):
    """The change of states that turn in a plane.

    Attributes:
        spin: the unit of angular velocity in that plane, (d, d).
        blocks: vectors of d entries in a state.
        discrete: whether a state is turned at once, by an angle.
    """

    spin: np.ndarray
    blocks: int
    discrete: bool

    @property
    def whole(self) -> np.ndarray:
        """The unit of angular velocity of a whole state, W of rate 1."""
        return np.kron(np.eye(self.blocks), self.spin)

    def by(self, rate: float) -> np.ndarray:
        """W, or R - 1, at a rate."""
        if not self.discrete:
            return rate * self.whole
        return (np.cos(rate) - 1.0) * self._plane + np.sin(rate) * self.whole

    def slope(self, rate: float) -> np.ndarray:
        """The derivative of :meth:`by`."""
        return np.cos(rate) * self.whole - np.sin(rate) * self._plane if self.discrete else self.whole

    @property
    def _plane(self) -> np.ndarray:
        return -self.whole @ self.whole


def turning_by(motion: DynamicalSystem | _About, flat: np.ndarray, towards: np.ndarray) -> Turning:
    """In the plane of phi and of another vector, towards the latter; ``flat`` counts from the centre."""
    phi = flat[: motion.dim]
    basis = np.linalg.qr(np.stack([phi, towards], axis=1))[0]
    spin = np.outer(basis[:, 1], basis[:, 0]) - np.outer(basis[:, 0], basis[:, 1])
    return Turning(-spin if (spin @ phi) @ towards < 0 else spin, len(flat) // motion.dim, motion.discrete)


def _solved(
    motion: _About, flat: np.ndarray, rate: float, side: Regime | None, turning: Turning
) -> tuple[np.ndarray, float] | None:
    """The state and the rate that solve change(z) = W z, by Gauss-Newton steps; None where none is near ``flat``."""
    z = flat
    size = float(np.linalg.norm(z))  # the unit in which the state is solved for
    for _ in range(40):
        residual = motion.change(z, side) - turning.by(rate) @ z
        slope = np.column_stack(
            [motion.jacobian(z, side) - turning.by(rate), -turning.slope(rate) @ z / size]
        )
        move = np.linalg.lstsq(slope, -residual / size, rcond=T.turning_rank)[0]
        if not np.all(np.isfinite(move)):
            return None
        z, rate = z + size * move[:-1], rate + move[-1]
        if np.linalg.norm(move) <= T.newton_step:
            break
        size = float(np.linalg.norm(z))
    return (z, rate) if _is_near(z, flat, motion.dim) and _solves(motion, z, rate, side, turning) else None


def _is_near(z: np.ndarray, flat: np.ndarray, d: int) -> bool:
    """Whether Newton has moved no part of the state far, each in its own unit.

    Beside a player of 1e6 another one may grow from 0.2 to 400 unseen, which is another state.
    """
    moved, size = (np.linalg.norm(x.reshape(-1, d), axis=1) for x in (z - flat, z))
    return bool(np.all(moved <= T.turning_moved * size))


def _solves(motion: _About, z: np.ndarray, rate: float, side: Regime | None, turning: Turning) -> bool:
    """Whether change(z) = W z holds for every part of the state beside its own change, or to the state's rounding.

    Beside the change of the largest part a motion that only turns slowly, and falls, would pass for one that turns.
    """
    change, turned = motion.change(z, side), turning.by(rate) @ z
    off, whole = (np.linalg.norm(x.reshape(-1, motion.dim), axis=1) for x in (change - turned, turned))
    rounding = T.known_bend * T.eps * motion.made_of(z, side)
    return bool(np.all(off <= T.newton_residual * whole + rounding.reshape(-1, motion.dim).max(axis=1)))


def commutes_with_rotations(given: DynamicalSystem, flat: np.ndarray) -> bool:
    """Whether a motion commutes with the rotations about (0, x0), as seen at a state and where it is turned to."""
    d = given.dim
    if d < 2 or len(flat) % d:
        return False
    blocks = len(flat) // d
    x0 = np.asarray(given.system.x0)
    centre = np.concatenate([np.zeros(d), x0, np.zeros(len(flat) - 2 * d)])
    motion, z = _About(given, centre), flat - centre
    spin = np.zeros((d, d))
    spin[0, 1], spin[1, 0] = -1.0, 1.0
    return _turns_alike(motion, z, motion.side(z), np.kron(np.eye(blocks), spin), blocks, d)


class _About:
    """A motion in coordinates counted from a centre."""

    def __init__(self, motion: DynamicalSystem, centre: np.ndarray) -> None:
        self.discrete, self.dim = motion.discrete, motion.dim
        self._motion, self._centre = motion, centre

    def side(self, flat: np.ndarray) -> Regime | None:
        return self._motion.side(flat + self._centre)

    def change(self, flat: np.ndarray, side: Regime | None = None) -> np.ndarray:
        return self._motion.change(flat + self._centre, side)

    def jacobian(self, flat: np.ndarray, side: Regime | None = None) -> np.ndarray:
        return self._motion.jacobian(flat + self._centre, side)

    def made_of(self, flat: np.ndarray, side: Regime | None = None) -> np.ndarray:
        """The sizes that the change is made of, by whose rounding it is off."""
        whole = np.abs(flat + self._centre)
        # a step is a difference of states
        return np.abs(self.jacobian(flat, side)) @ whole + self.discrete * whole


def _rotation(spin: np.ndarray, angle: float) -> np.ndarray:
    return np.eye(len(spin)) + np.sin(angle) * spin + (1 - np.cos(angle)) * spin @ spin


def _turns_alike(
    motion: _About, z: np.ndarray, side: Regime | None, whole: np.ndarray, blocks: int, d: int
) -> bool:
    """Whether the change and its derivative turn with the state: F(R z) = R F(z), F'(R z) = R F'(z) R^T."""
    spin = whole[:d, :d]
    here, slope = motion.change(z, side), motion.jacobian(z, side)
    sizes = np.linalg.norm(here), np.linalg.norm(slope)
    if not np.all(np.isfinite(sizes)):  # also where only their squares leave the float range
        return False
    for angle in _ANGLES:
        turn = np.kron(np.eye(blocks), _rotation(spin, angle))
        turned = turn @ z
        there = motion.side(turned)
        if not np.allclose(
            motion.change(turned, there),
            turn @ here,
            rtol=0,
            atol=T.turns_alike * sizes[0],
        ):
            return False
        if not np.allclose(
            motion.jacobian(turned, there),
            turn @ slope @ turn.T,
            atol=T.turns_alike_slope * sizes[1],
        ):
            return False
    return True
