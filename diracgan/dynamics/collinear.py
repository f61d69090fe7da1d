"""Starts on a line through the datum, where the game in d dimensions reduces to d = 1."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from ..game import Players
from . import filippov
from .filippov import DiracSystem

_POINTS = (
    (0.3, 0.7),
    (-1.1, 0.4),
    (0.9, -1.3),
    (-0.2, -0.6),
)  # near by and far out, where the game must be alike
_ALIKE = 1e-12  # relative


class InvariantLine(NamedTuple):
    """A line on which the game is one-dimensional: phi = a direction, theta = foot + b direction, both (d,)."""

    direction: np.ndarray
    foot: np.ndarray

    def flat(self, system: DiracSystem) -> DiracSystem:
        """The game on the line."""
        return system._replace(x0=np.array([self.direction @ np.asarray(system.x0)]))

    def down(self, z: Players) -> Players:
        """The coordinates on the line."""
        return Players(*(np.array([self.direction @ p]) for p in z))

    def up(self, name: str, x: np.ndarray) -> np.ndarray:
        """The named rows (n, 1) of a trajectory on the line, in d dimensions (n, d)."""
        return x * self.direction + (self.foot if name.startswith("theta") else 0.0)


def line_of(system: DiracSystem, z: Players) -> InvariantLine | None:
    """The line through the datum that a start lies on, where d = 1 alone is exact.

    On such a line a norm passes through its kink, which is a surface in d = 1 only; and a normalised critic has a
    constant direction, from which rounding leads away in d > 1.
    """
    line = invariant_line(system, z)
    if line is None or system.variant.constraint == "normalised":
        return line
    same = filippov.surface_count(line.flat(system)) == filippov.surface_count(system)
    return None if same else line


def invariant_line(system: DiracSystem, z: Players) -> InvariantLine | None:
    """The line through the datum that a start lies on, where the game on it is the one-dimensional one.

    Found from the field by a check.
    """
    d, x0 = system.dim, np.asarray(system.x0)
    if d == 1 or filippov.face_count(system):
        return None
    arms = (z.phi, z.theta - x0)
    longer = max(arms, key=lambda p: float(np.linalg.norm(p)))
    size = np.linalg.norm(longer)
    if size == 0:
        return None
    u = longer / size
    off = [np.linalg.norm(p - (u @ p) * u) for p in arms]
    if max(off) > 4 * np.finfo(float).eps * (size + np.max(np.abs(z.theta))):
        return None
    line, whole = InvariantLine(u, x0 - (u @ x0) * u), system._replace(tau=None)
    flat = line.flat(whole)
    far = float(np.max(np.abs(x0)))
    for unit, (a, b) in itertools.product((max(float(size), far), 1.0), _POINTS):
        a, b = unit * a, unit * b + float(u @ x0)
        small = np.asarray(filippov.natural_velocity(flat, np.array([a, b])))
        large = np.asarray(filippov.natural_velocity(whole, np.concatenate([a * u, line.foot + b * u])))
        scale = _ALIKE * (1.0 + far / unit) ** 2 * float(np.max(np.abs(large)))
        if not np.allclose(np.concatenate([v * u for v in small]), large, rtol=_ALIKE, atol=scale):
            return None
    return line
