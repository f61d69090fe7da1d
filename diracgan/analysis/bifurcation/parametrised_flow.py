"""The flow over parameters: motions with their neighbours in the state and in the parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from ...dynamics.filippov import DiracSystem, Regime, flow_in, guards, surface_count
from ...jax_settings import own_settings
from ..orbits.neighbours import Carried, carry, carry_within
from .varying_parameters import VaryingParameters, system_at


class ParametrisedFlow:
    """The flow of the Dirac game where parameters vary.

    Attributes:
        parameters: those that vary.
    """

    def __init__(self, parameters: VaryingParameters) -> None:
        self.parameters = parameters

    @property
    def _system_at(self) -> Partial:
        """What flows, as a traced function of all parameters."""
        return Partial(system_at, *self.parameters.given)

    def system(self, ps: Sequence[float] | np.ndarray) -> DiracSystem:
        """What flows at p."""
        with own_settings(True):
            return self._system_at(self.parameters.all(ps))

    @functools.cached_property
    def switches(self) -> bool:
        """Whether the flow has surfaces on which it switches."""
        system = self.system(np.zeros(len(self.parameters.handles)))
        with own_settings(True):
            return surface_count(system) > 0

    def carried(self, z: np.ndarray, span: float, ps: Sequence[float] | np.ndarray) -> Carried | None:
        """The flow from z for ``span`` with its neighbours in z and in p; None where it does not get there."""
        return self._by_own_numbers(carry, ps, z, span)

    def carried_within(
        self, regime: Regime, z: np.ndarray, span: float, ps: Sequence[float] | np.ndarray
    ) -> Carried | None:
        """The field of one regime from z for ``span``, with its neighbours in z and in p."""
        return self._by_own_numbers(carry_within, ps, regime, z, span)

    def _by_own_numbers(
        self, carrier: Callable[..., Carried | None], ps: Sequence[float] | np.ndarray, *start: Any
    ) -> Carried | None:
        """What ``carrier`` finds from a start at p, with neighbours in p alone and not in what is held."""
        with own_settings(True):
            found = carrier(self._system_at, *start, self.parameters.all(ps))
        return None if found is None else found._replace(by_numbers=self.parameters.own(found.by_numbers))

    def tangency(
        self, beside: tuple[Regime, Regime], guard: int, z: np.ndarray, ps: Sequence[float] | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """A guard h and h' . f, and their derivatives by z and p, (2,) and (2, n + P).

        Args:
            beside: the regime whose guard it is, and the one of whose motion f is the velocity.
            guard: which guard.
            z: a state.
            ps: the numbers.
        """
        with own_settings(True):
            given = self._system_at
            value, (slope, turned) = _tangency(given, *beside, guard, np.asarray(z), self.parameters.all(ps))
        return np.asarray(value), np.column_stack([slope, self.parameters.own(np.asarray(turned))])


@jax.jit
def _tangency(
    flow_at: Partial, before: Regime, moving: Regime, guard: int, z: Array, ps: Array
) -> tuple[Array, tuple[Array, Array]]:
    def both(z: Array, ps: Array) -> Array:
        system = flow_at(ps)
        value, speed = jax.jvp(
            lambda y: guards(system, y, before)[guard], (z,), (flow_in(system, z, moving),)
        )
        return jnp.stack([value, speed])

    return both(z, ps), jax.jacfwd(both, (0, 1))(z, ps)
