"""The invariant circle of a map, parametrised: K(angle) with f(K(angle)) = K(angle + rotation), by Newton's method.

References:
    Haro, Canadell, Figueras, Luque, Mondelo 2016, The Parameterization Method for Invariant
    Manifolds, chapter 2; Kuznetsov 2004, section 7.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_TAIL = 1e-5  # of the circle: harmonics beyond the last one kept
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
    iterations: int = 20,
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
        if found.tail <= _TAIL:
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
    orders = np.fft.fftfreq(m, 1.0 / m)
    wave = np.exp(2j * np.pi * np.outer(np.arange(m), orders) / m)  # values of harmonics at the angles

    def shifted(angle: float, derivative: bool = False) -> np.ndarray:
        factor = np.exp(1j * orders * angle) * (1j * orders if derivative else 1.0)
        return ((wave * factor) @ wave.conj().T / m).real

    size = float(np.max(np.ptp(points, axis=0)))
    along = shifted(0.0, derivative=True) @ points
    phase = along.ravel() / max(np.linalg.norm(along), 1e-300)
    for _ in range(iterations):
        turn = shifted(rotation)
        residual = step(points) - turn @ points
        slopes = slope(points)
        if not (np.all(np.isfinite(residual)) and np.all(np.isfinite(slopes))):
            return None
        matrix = np.zeros((m * n + 1, m * n + 1))
        matrix[:-1, :-1] = -np.kron(turn, np.eye(n))
        for k in range(m):
            matrix[k * n : (k + 1) * n, k * n : (k + 1) * n] += slopes[k]
        matrix[:-1, -1] = -(shifted(rotation, derivative=True) @ points).ravel()
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
    left = float(np.max(np.abs(step(points) - shifted(rotation) @ points)))
    spectrum = np.abs(np.fft.fft(points, axis=0)) / m
    tail = float(np.max(spectrum[np.abs(orders) >= m // 2 - 1])) / max(
        float(np.max(np.ptp(points, axis=0))), 1e-300
    )
    return InvariantCircle(points, rotation, left, tail)
