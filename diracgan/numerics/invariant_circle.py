"""The invariant circle of a map, parametrised: K(angle) with f(K(angle)) = K(angle + rotation), by Newton's method.

References:
    Haro, Canadell, Figueras, Luque, Mondelo 2016, The Parameterization Method for Invariant
    Manifolds, chapter 2; Kuznetsov 2004, section 7.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

TAIL = 1e-5
"""Of a circle: harmonics beyond the last one kept."""
LEAST_POINTS, _MOST = 17, 65  # on the circle


class InvariantCircle(NamedTuple):
    """A circle on which a map turns by a constant angle.

    Attributes:
        points: K at equispaced angles, (m, n), m odd.
        rotation: the angle by which the map turns it, in radians.
        residual: largest |f(K(angle)) - K(angle + rotation)| at those angles.
        tail: largest of the last harmonics, of the circle's size: what the truncation leaves out.
    """

    points: np.ndarray
    rotation: float
    residual: float
    tail: float

    def at(self, angles: np.ndarray) -> np.ndarray:
        """K at any angles, (count,) -> (count, n).

        Example:
            >>> ring = 2 * np.pi * np.arange(5) / 5
            >>> circle = InvariantCircle(np.stack([np.cos(ring), np.sin(ring)], axis=1), 0.1, 0.0, 0.0)
            >>> circle.at(np.array([0.0, np.pi / 2])).round(12).tolist()
            [[1.0, 0.0], [0.0, 1.0]]
        """
        return self._harmonics(angles, self._orders**0)

    def tangents(self, angles: np.ndarray) -> np.ndarray:
        """dK/dangle at any angles, (count,) -> (count, n).

        Example:
            >>> ring = 2 * np.pi * np.arange(5) / 5
            >>> circle = InvariantCircle(np.stack([np.cos(ring), np.sin(ring)], axis=1), 0.1, 0.0, 0.0)
            >>> bool(np.allclose(circle.tangents(np.array([0.0, np.pi / 2])), [[0.0, 1.0], [-1.0, 0.0]]))
            True
        """
        return self._harmonics(angles, 1j * self._orders)

    @property
    def _orders(self) -> np.ndarray:
        return np.fft.fftfreq(len(self.points), 1.0 / len(self.points))

    def _harmonics(self, angles: np.ndarray, factors: np.ndarray) -> np.ndarray:
        waves = np.exp(1j * np.outer(angles, self._orders)) * factors
        return (waves @ np.fft.fft(self.points, axis=0) / len(self.points)).real

    def dense(self, count: int) -> np.ndarray:
        """K at equispaced angles, (count, n)."""
        return self.at(2 * np.pi * np.arange(count) / count)


def invariant_circle(
    step: Callable[[np.ndarray], np.ndarray],
    slope: Callable[[np.ndarray], np.ndarray],
    guess: np.ndarray,
    rotation: float,
    iterations: int = 12,
) -> InvariantCircle | None:
    """Newton's method for an invariant circle from a guess of it.

    Args:
        step: the map of many states at once, (m, n) -> (m, n).
        slope: its Jacobians, (m, n) -> (m, n, n).
        guess: the circle at equispaced angles, (m, n), m odd.
        rotation: a guess of its rotation, in radians.
        iterations: of Newton's method.

    Returns:
        The circle; None where none is found, as on a strong resonance.

    Example:
        >>> turn = 0.9 * np.array([[np.cos(1.0), -np.sin(1.0)], [np.sin(1.0), np.cos(1.0)]])
        >>> def step(z):  # r+ = r (1.2 - 0.3 r^2), angle+ = angle + 1: the circle has r^2 = 2/3
        ...     return z @ turn.T / 0.9 * (1.2 - 0.3 * np.sum(z**2, axis=1))[:, None]
        >>> def slope(z):
        ...     r2 = np.sum(z**2, axis=1)[:, None, None]
        ...     return turn / 0.9 @ ((1.2 - 0.3 * r2) * np.eye(2) - 0.6 * z[:, :, None] * z[:, None, :])
        >>> ring = 2 * np.pi * np.arange(17) / 17
        >>> found = invariant_circle(step, slope, 0.7 * np.stack([np.cos(ring), np.sin(ring)], axis=1), 0.9)
        >>> round(float(np.linalg.norm(found.points[0]) ** 2), 9), round(found.rotation, 9)
        (0.666666667, 1.0)
    """
    points = np.asarray(guess, float)
    while len(points) <= _MOST:
        found = _newton(step, slope, points, rotation, iterations)
        if found is None:
            return None
        if found.tail <= TAIL:
            return found
        rotation, more = found.rotation, 2 * len(points) - 1
        points = found.dense(more)
    return None


def _newton(
    step: Callable[[np.ndarray], np.ndarray],
    slope: Callable[[np.ndarray], np.ndarray],
    points: np.ndarray,
    rotation: float,
    iterations: int,
) -> InvariantCircle | None:
    m, n = points.shape
    series, size = _Series(m), float(np.max(np.ptp(points, axis=0)))
    phase = series.phase(points)
    for _ in range(iterations):
        residual, slopes = step(points) - series.shift(rotation) @ points, slope(points)
        if not (np.all(np.isfinite(residual)) and np.all(np.isfinite(slopes))):
            return None
        matrix = np.zeros((m * n + 1, m * n + 1))
        matrix[:-1] = series.linearised(points, rotation, slopes)
        matrix[-1, :-1] = phase
        try:
            move = np.linalg.solve(matrix, -np.append(residual.ravel(), 0.0))
        except np.linalg.LinAlgError:
            return None
        points, rotation = points + move[:-1].reshape(m, n), rotation + float(move[-1])
        if not np.all(np.isfinite(points)) or np.max(np.ptp(points, axis=0)) < 1e-3 * size:
            return None  # it has shrunk to the fixed point
        if np.linalg.norm(move) <= 1e-11 * (np.linalg.norm(points) + size):
            break
    else:
        return None
    left = float(np.max(np.abs(step(points) - series.shift(rotation) @ points)))
    return InvariantCircle(points, rotation, left, series.tail(points))


class _Series:
    """Trigonometric interpolation through m equispaced angles, m odd."""

    def __init__(self, m: int) -> None:
        self.m, self.orders = m, np.fft.fftfreq(m, 1.0 / m)
        self.wave = np.exp(2j * np.pi * np.outer(np.arange(m), self.orders) / m)  # harmonics at the angles

    def shift(self, angle: float, derivative: bool = False) -> np.ndarray:
        """The matrix that takes values to those an angle further on, or to their derivatives there, (m, m)."""
        factor = np.exp(1j * self.orders * angle) * (1j * self.orders if derivative else 1.0)
        return ((self.wave * factor) @ self.wave.conj().T / self.m).real

    def phase(self, points: np.ndarray) -> np.ndarray:
        """The unit vector along which a circle only turns, (m n,)."""
        along = self.shift(0.0, derivative=True) @ points
        return along.ravel() / max(np.linalg.norm(along), 1e-300)

    def tail(self, points: np.ndarray) -> float:
        """The last harmonics, of the circle's size."""
        spectrum = np.abs(np.fft.fft(points, axis=0)) / self.m
        last = np.max(spectrum[np.abs(self.orders) >= self.m // 2 - 1])
        return float(last) / max(float(np.max(np.ptp(points, axis=0))), 1e-300)

    def linearised(self, points: np.ndarray, rotation: float, slopes: np.ndarray) -> np.ndarray:
        """The derivative of f(K) - K(. + rotation) by the points and the rotation, (m n, m n + 1)."""
        m, n = points.shape
        matrix = np.zeros((m * n, m * n + 1))
        matrix[:, :-1] = -np.kron(self.shift(rotation), np.eye(n))
        for k in range(m):
            matrix[k * n : (k + 1) * n, k * n : (k + 1) * n] += slopes[k]
        matrix[:, -1] = -(self.shift(rotation, derivative=True) @ points).ravel()
        return matrix


#: Points (m, n) and the parameter -> the map there, its Jacobians (m, n, n), its derivative by the parameter (m, n).
CircleMap = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray, np.ndarray]]


class CircleEquations:
    """f(K(angle); p) = K(angle + rotation) as equations for a continuation in u = (K/sqrt(m), rotation, p).

    One equation more holds the phase: the circle may not turn along the one it began as.

    Attributes:
        map: the map and its derivatives.
        shape: of K, (m, n).
        size: m n.
        unit: sqrt(m), so that a step's length is that of the circle's mean motion.

    Example:
        >>> turn = np.array([[np.cos(1.0), -np.sin(1.0)], [np.sin(1.0), np.cos(1.0)]])
        >>> def map_(z, p):  # r+ = r (1 + p - r^2), angle+ = angle + 1
        ...     r2 = np.sum(z**2, axis=1)[:, None, None]
        ...     slopes = turn @ ((1 + p - r2) * np.eye(2) - 2 * z[:, :, None] * z[:, None, :])
        ...     return z @ turn.T * (1 + p - r2[:, 0]), slopes, z @ turn.T
        >>> ring = 2 * np.pi * np.arange(9) / 9
        >>> circle = InvariantCircle(0.5 * np.stack([np.cos(ring), np.sin(ring)], axis=1), 1.0, 0.0, 0.0)
        >>> equations = CircleEquations(map_, circle.points)
        >>> bool(np.max(np.abs(equations(equations.unknowns(circle, 0.25))[0])) < 1e-12)
        True
    """

    def __init__(self, map_: CircleMap, points: np.ndarray) -> None:
        self.map, self.shape, self.size = map_, points.shape, points.size
        self.unit, self._series = float(np.sqrt(len(points))), _Series(len(points))
        self._anchor, self._phase = points.ravel(), self._series.phase(points)

    def unknowns(self, circle: InvariantCircle, value: float) -> np.ndarray:
        """u of a circle at a value of the parameter."""
        return np.concatenate([circle.points.ravel() / self.unit, [circle.rotation, value]])

    def circle(self, u: np.ndarray, residual: float = 0.0) -> InvariantCircle:
        """The circle at u."""
        points = u[: self.size].reshape(self.shape) * self.unit
        return InvariantCircle(points, float(u[self.size]), residual, self._series.tail(points))

    def __call__(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Their values and Jacobian; NaN where the circle needs more points."""
        circle = self.circle(u)
        if not circle.tail <= TAIL:
            return np.full(self.size + 1, np.nan), np.full((self.size + 1, self.size + 2), np.nan)
        image, slopes, turned = self.map(circle.points, float(u[-1]))
        ahead = self._series.shift(circle.rotation) @ circle.points
        value = np.append((image - ahead).ravel(), self._phase @ (circle.points.ravel() - self._anchor))
        slope = np.zeros((self.size + 1, self.size + 2))
        slope[:-1, :-1] = self._series.linearised(circle.points, circle.rotation, slopes)
        slope[:-1, -1] = turned.ravel()
        slope[-1, : self.size] = self._phase
        slope[:, : self.size] *= self.unit
        return value, slope
