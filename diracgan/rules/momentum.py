"""Momentum: heavy ball, and Nesterov's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ..game import GameLike, Players
from ..parameters import param
from ..pytrees import Pytree
from .base import Rule, move, move_both
from .per_player import PerPlayerRule
from .registry import register_rule


@register_rule(
    "heavy-ball", reference="Polyak 1964, doi 10.1016/0041-5553(64)90137-5; in games: arXiv 1807.04740"
)
class HeavyBall(PerPlayerRule):
    """Momentum, also negative: z+ = z + h F(z) + beta (z - z-), at once or alternating.

    z- = z0 at the start; remembered is the displacement u = z - z-. Multipliers
    x^2 - (1 + beta + zeta) x + beta = 0; alternating on the bilinear game
    (x - 1)^2 (x - beta)^2 + eta^2 x^3 = 0, stable only for -1 < beta < 0.

    Example:
        >>> import diracgan as dg
        >>> game = dg.variant("wgan-linear")
        >>> dg.spectrum(game, rule=dg.rule("heavy-ball", lr=0.5, beta=-0.5, alternating=True)).status
        'stable'
        >>> dg.spectrum(game, rule=dg.rule("heavy-ball", lr=0.5, beta=-0.5)).status
        'unstable'
    """

    beta: float = param(0.9, "share of the last displacement that goes on; may be negative", low=-1, high=1)
    alternating: bool = param(False, "players take turns, the generator seeing the new critic")
    n_critic: int = param(1, "critic steps in one iteration, when alternating", low=1, high=10_000)

    def init_player(self, z: Pytree) -> Pytree:
        """The last displacement, 0."""
        return jax.tree.map(jnp.zeros_like, z)

    def update(self, who: str, z: Pytree, v: Pytree, state: Pytree) -> tuple[Any, Any]:
        """h v + beta u."""
        h = getattr(self.rates, who)
        return jax.tree.map(lambda b, u: h * b + self.beta * u, v, state), state

    def after_projection(self, state: Pytree, before: Pytree, after: Pytree) -> Pytree:
        """The displacement, projection included."""
        return move(after, -1.0, before)


@register_rule("nesterov", reference="Nesterov 1983, Soviet Math. Dokl. 27, 372")
class Nesterov(Rule):
    """Nesterov's momentum: y = z + beta (z - z-), z+ = y + h F(y).

    The field is taken at the extrapolated point; z- = z0 at the start. Multipliers
    x^2 - (1 + beta)(1 + zeta) x + beta (1 + zeta) = 0.

    Example:
        >>> import diracgan as dg
        >>> s = dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=0.5), rule=dg.rule("nesterov", lr=0.2, beta=0.3))
        >>> len(s.multipliers), s.status
        (4, 'stable')
    """

    beta: float = param(0.9, "share of the last displacement that goes on; may be negative", low=-1, high=1)

    def memory(self, game: GameLike, players: Players) -> Players:
        """The last displacement, 0."""
        return jax.tree.map(jnp.zeros_like, players)

    def iterate(self, game: GameLike, players: Players, memory: Players) -> tuple[Players, Players]:
        """Extrapolate, look, step."""
        ahead = move(players, self.beta, memory)
        after = game.apply_step(move_both(ahead, self.rates, game.velocity(ahead)), self.rates)
        return after, move(after, -1.0, players)
