"""A step size controller for diffrax that misses no brief crossing of a guard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffrax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from ..pytrees import Pytree
from .filippov import hermite_minimum, watch


class GuardedStepControl(diffrax.AbstractAdaptiveStepSizeController):
    """Like the controller inside, but a step within which a guard dips below 0 is taken again, up to the dip.

    diffrax looks at an event's function at the ends of steps only. ``args`` of the solve: (system, regime, armed).
    """

    inside: diffrax.PIDController
    # abstract fields of the base, which diffrax itself allows a property to fill

    @property
    # equinox makes the constructor of its fields
    def rtol(self) -> ArrayLike:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the controller inside; implicit solvers ask for it."""
        return self.inside.rtol

    @property
    # equinox makes the constructor of its fields
    def atol(self) -> ArrayLike:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Likewise."""
        return self.inside.atol

    @property
    # equinox makes the constructor of its fields
    def norm(self) -> Callable[[Pytree], ArrayLike]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Likewise."""
        return self.inside.norm

    def wrap(self, direction: Any) -> GuardedStepControl:
        """As diffrax asks."""
        # equinox makes the constructor of its fields
        return GuardedStepControl(self.inside.wrap(direction))  # pyright: ignore[reportCallIssue]

    def init(
        self, terms: Any, t0: Any, t1: Any, y0: Array, dt0: Any, args: Pytree, func: Any, error_order: Any
    ) -> Pytree:
        """As diffrax asks."""
        return self.inside.init(terms, t0, t1, y0, dt0, args, func, error_order)

    def adapt_step_size(
        self,
        t0: Any,
        t1: Any,
        y0: Array,
        y1_candidate: Array,
        args: Any,
        y_error: Any,
        error_order: Any,
        controller_state: Pytree,
    ) -> tuple[Any, ...]:
        """As diffrax asks: (keep, next t0, next t1, whether it jumped, state, result)."""
        system, regime, armed = args
        decided = self.inside.adapt_step_size(
            t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state
        )
        keep, next_t0, next_t1, jumped, state, result = decided
        low, share = hermite_minimum(watch(system, y0, regime), watch(system, y1_candidate, regime), t1 - t0)
        k = jnp.argmin(low)
        dips = armed & keep & (low[k] < 0) & (t1 - t0 > 1e-10 * jnp.abs(t1))
        again = t0 + jnp.clip(share[k], 0.05, 0.95) * (t1 - t0)
        return (
            keep & ~dips,
            jnp.where(dips, t0, next_t0),
            jnp.where(dips, again, next_t1),
            jumped,
            state,
            result,
        )
