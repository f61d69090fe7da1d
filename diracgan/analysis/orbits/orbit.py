"""A refined orbit, its multipliers and how they were found."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from ..decision_thresholds import T
from ..linear.decision import status_of
from ..linear.status import Status


class Method(StrEnum):
    """How an orbit was found, in words."""

    SHOOTING = "shooting"
    ROTATING_STATE = "a state that only turns, in its turning frame"
    PERIODIC_POINTS = "the product of the Jacobians along an orbit that comes back"
    LYAPUNOV = "Lyapunov exponents along the motion"


class Orbit(NamedTuple):
    """A closed or rotating orbit and how its neighbours move.

    Attributes:
        flat: a state on it.
        period: its period.
        multipliers: its Floquet multipliers, by decreasing modulus.
        method: how they were found.
        errors: how far the modulus of each may be off.
    """

    flat: np.ndarray
    period: float
    multipliers: np.ndarray
    method: Method
    errors: np.ndarray

    @classmethod
    def sorted(
        cls,
        flat: np.ndarray,
        period: float,
        multipliers: np.ndarray,
        method: Method,
        errors: np.ndarray,
        least: float,
    ) -> Orbit:
        """The orbit with its multipliers by decreasing modulus, none known better than to ``least``."""
        order = order_by_modulus(multipliers)
        return cls(flat, float(period), multipliers[order], method, np.maximum(errors[order], least))

    @property
    def repels(self) -> bool:
        """Whether some neighbours leave: a multiplier outside the unit circle by more than its error."""
        return Status.UNSTABLE.number in self._sides

    @property
    def attracts(self) -> bool:
        """Whether some neighbours come closer and none leaves, each by more than the error."""
        return Status.STABLE.number in self._sides and not self.repels

    @property
    def is_told(self) -> bool:
        """Whether multipliers that may lie on the unit circle are known so well that windows would show more.

        Each of the others may attract or repel by as much as its error.
        """
        on_circle = self._sides == Status.MARGINAL.number
        return bool(np.all(self.errors[on_circle] <= T.known_neutral))

    @property
    def attracts_all(self) -> bool:
        """Whether all neighbours come closer, but for its own direction, each by more than the error."""
        return self.neutral <= 1 and not self.repels

    @property
    def neutral(self) -> int:
        """How many multipliers lie on the unit circle, as far as they are known: its own direction's is one."""
        return int(np.sum(self._sides == Status.MARGINAL.number))

    @property
    def _sides(self) -> np.ndarray:
        """What each multiplier by itself decides."""
        return status_of(1.0 - np.abs(self.multipliers), self.errors)


def by_modulus(values: np.ndarray) -> np.ndarray:
    """Complex values by decreasing modulus, ties by decreasing imaginary part."""
    values = values.astype(complex)
    return values[order_by_modulus(values)]


def order_by_modulus(values: np.ndarray) -> np.ndarray:
    """The indices that sort complex values by decreasing modulus, ties by decreasing imaginary part."""
    return np.lexsort((-np.imag(values), -np.round(np.abs(values), 9)))
