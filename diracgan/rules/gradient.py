"""Gradient steps: both players at once, or one after the other."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ..game import Players
from ..parameters import param
from ..pytrees import Pytree
from .per_player import PerPlayerRule, scaled
from .registry import register_rule


class _Gradient(PerPlayerRule):
    def update(self, who: str, z: Pytree, v: Pytree, state: Pytree) -> tuple[Any, Any]:
        """h v."""
        return scaled(getattr(self.rates, who), v), state

    def step_sizes(self, players: Players, memory: Pytree) -> Players:
        """The learning rates."""
        h = self.rates
        return Players(
            jax.tree.map(lambda x: jnp.full_like(x, h.phi), players.phi),
            jax.tree.map(lambda x: jnp.full_like(x, h.theta), players.theta),
        )


@register_rule("simultaneous", reference="arXiv 1801.04406, algorithm 1")
class Simultaneous(_Gradient):
    """Both players step from the same point: z+ = z + h F(z).

    Multipliers 1 + zeta, zeta = h mu; with ``lazy=k`` those of the product of k steps.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> s = dg.step(dg.variant("wgan-linear"), dg.rule("simultaneous", lr=0.5))
        >>> [x.tolist() for x in s(jnp.array([1.0]), jnp.array([1.0]))]
        [[0.5], [1.5]]
    """


@register_rule("alternating", reference="arXiv 1801.04406, algorithm 2; 1406.2661, algorithm 1")
class Alternating(_Gradient):
    """One player after the other, the second seeing the first's new parameters; the critic n_critic times.

    phi+ = phi + h F_phi(phi, theta), n_critic times; theta+ = theta + h F_theta(phi+, theta).

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> s = dg.step(dg.variant("wgan-linear"), dg.rule("alternating", lr=0.5))
        >>> [x.tolist() for x in s(jnp.array([1.0]), jnp.array([1.0]))]
        [[0.5], [1.25]]
    """

    alternating = True

    n_critic: int = param(1, "critic steps in one iteration", low=1, high=10_000)
    first: str = param("critic", "who moves first", choices=("critic", "generator"))
