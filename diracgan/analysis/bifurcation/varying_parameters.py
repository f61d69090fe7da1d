"""The numbers of settings that vary, all others with them, as functions of one or two parameters."""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
from collections.abc import Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ... import dirac
from ...dynamics.filippov import DiracSystem
from ...game import Players
from ...jax_settings import own_settings
from ...parameters import is_traced
from ...rules import Rule
from ...variants import Variant
from ..linear.parameter_handle import ParameterHandle, set_all
from ..linear.settings import LinearSettings

Corners: TypeAlias = tuple[Variant, Players, Rule | None]
"""A variant, rates and a rule; leaves that vary have an axis over the corners of the unit cube."""


class VaryingParameters:
    """All numbers of a variant, a rule and the players' rates where those of some handles vary.

    Attributes:
        around: the settings whose parameters vary.
        handles: the parameters; p has one entry for each, (P,).
        corners: variant, rates and rule with every number at the corners of the unit cube, NumPy's arrays.
        x0: the datum, (d,).
        count: how many parameters there are, those that are held included.
    """

    def __init__(self, around: LinearSettings, handles: Sequence[ParameterHandle]) -> None:
        self.around, self.handles, self.count = around, tuple(handles), len(handles)
        ends = np.array(list(itertools.product((0.0, 1.0), repeat=len(handles)))).T
        here = set_all(around, handles, ends)
        self._varying, self._values = np.arange(len(handles)), np.zeros(len(handles))
        # every number enters its leaves affinely, so that their values at the corners tell all others
        with own_settings(True):
            corners = dirac.cast((here.variant, here.rates, here.rule), jnp.float64)
        # NumPy's arrays, which scalar programs and compiled ones take at once
        self.corners, self.x0 = jax.tree.map(np.asarray, corners), np.asarray(around.x0, np.float64)

    @property
    def given(self) -> tuple[Corners, np.ndarray]:
        """The corners and the datum, which programs take."""
        return self.corners, self.x0

    def line(self, k: int, held: float) -> VaryingParameters:
        """Those of which parameter k alone varies, of two; what is compiled for both serves."""

        def set_both(_: LinearSettings, value: float) -> LinearSettings:
            return set_all(self.around, self.handles, [value, held] if k == 0 else [held, value])

        made = copy.copy(self)
        made.handles = (dataclasses.replace(self.handles[k], set=set_both),)
        made._varying, made._values = np.array([k]), np.full(2, held)
        return made

    def all(self, ps: Sequence[float] | np.ndarray) -> np.ndarray:
        """The values of those that vary and of those that are held."""
        values = self._values.copy()
        values[self._varying] = ps
        return values

    @property
    def independent(self) -> bool:
        """Whether each of two parameters changes something that the other does not."""
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(self.corners) if jnp.ndim(leaf)]
        corners = np.array(leaves).reshape(-1, 2, 2)
        spans = [np.ptp(corners, axis=1).max(axis=1), np.ptp(corners, axis=2).max(axis=1)]
        return bool(len(leaves) > 1 and np.linalg.matrix_rank(spans) == 2)

    def at(self, ps: Sequence[float] | np.ndarray, x: np.ndarray | None = None) -> LinearSettings:
        """The settings at p, and at the players of ``x``."""
        here = set_all(self.around, self.handles, map(float, ps))
        if x is None:
            return here
        d = len(here.x0)
        point = Players(np.array(x[:d]), np.array(x[d : 2 * d]))
        return LinearSettings(here.variant, here.rule, point, here.x0, here.rates)

    def directions(self, n: int, tangents: np.ndarray) -> np.ndarray:
        """Directions of u, or of x alone, as ones in x and in all that may vary."""
        ways = np.zeros((len(tangents), n + self.count))
        ways[:, :n] = tangents[:, :n]
        if tangents.shape[1] > n:
            ways[:, n + self._varying] = tangents[:, n:]
        return ways

    def own(self, by_numbers: np.ndarray) -> np.ndarray:
        """Of derivatives by all parameters, (..., count), those by the ones that vary."""
        return by_numbers[..., self._varying]


def numbers_at(corners: Corners, ps: Array | np.ndarray) -> Corners:
    """Multi-affine interpolation of every leaf that varies; its leading axis runs over the corners.

    By NumPy where all are numbers: a shooting asks thousands of times.
    """
    xp = jnp if any(is_traced(x) for x in jax.tree.leaves((corners, ps))) else np
    weights = functools.reduce(
        xp.kron, [xp.stack([1.0 - p, p]) for p in ps], xp.ones(1, xp.asarray(ps).dtype)
    )
    return jax.tree.map(lambda leaf: leaf if xp.ndim(leaf) == 0 else weights @ xp.asarray(leaf), corners)


def system_at(corners: Corners, x0: Array, ps: Array | np.ndarray) -> DiracSystem:
    """What flows where the parameters are ``ps``."""
    variant, rates, _ = numbers_at(corners, ps)
    return DiracSystem(variant, x0, rates, None)
