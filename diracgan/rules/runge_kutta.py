"""Runge-Kutta steps: training as the solution of an ODE."""

from __future__ import annotations

import jax

from ..game import GameLike, Players
from ..pytrees import Pytree
from .base import Rule, move_both
from .registry import register_rule


@register_rule("rk2", reference="Heun 1900; in GANs: arXiv 2010.15040, section 3.2")
class RK2(Rule):
    """Heun's method (explicit trapezium, order 2): z+ = z + h/2 (F(z) + F(z + h F(z))).

    Multipliers 1 + zeta + zeta^2/2, those of the explicit midpoint too. Both stages see the same minibatch.

    Example:
        >>> import diracgan as dg
        >>> s = dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=1.0), rule=dg.rule("rk2", lr=0.5))
        >>> s.status
        'stable'
    """

    def iterate(self, game: GameLike, players: Players, memory: Pytree) -> tuple[Players, Pytree]:
        """Two stages."""
        k1 = game.velocity(players)
        k2 = game.velocity(move_both(players, self.rates, k1))
        mean = jax.tree.map(lambda a, b: 0.5 * (a + b), k1, k2)
        return game.apply_step(move_both(players, self.rates, mean), self.rates), memory


@register_rule("rk4", reference="Kutta 1901; ODE-GAN: arXiv 2010.15040, section 3.2")
class RK4(Rule):
    """The classical Runge-Kutta step (order 4), ODE-GAN's.

    Multipliers 1 + zeta + zeta^2/2 + zeta^3/6 + zeta^4/24; bilinear: stable for eta < 2 sqrt(2). All stages
    see the same minibatch.

    Example:
        >>> import diracgan as dg
        >>> dg.spectrum(dg.variant("wgan-linear"), rule=dg.rule("rk4", lr=0.5)).status
        'stable'
    """

    def iterate(self, game: GameLike, players: Players, memory: Pytree) -> tuple[Players, Pytree]:
        """Four stages."""
        half = Players(*(0.5 * h for h in self.rates))
        k1 = game.velocity(players)
        k2 = game.velocity(move_both(players, half, k1))
        k3 = game.velocity(move_both(players, half, k2))
        k4 = game.velocity(move_both(players, self.rates, k3))
        mean = jax.tree.map(lambda a, b, c, d: (a + 2.0 * b + 2.0 * c + d) / 6.0, k1, k2, k3, k4)
        return game.apply_step(move_both(players, self.rates, mean), self.rates), memory
