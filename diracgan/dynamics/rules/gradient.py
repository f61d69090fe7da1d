"""Gradient steps: both players at once, or one after the other."""

from __future__ import annotations

from typing import Any

import jax

from ...game import Game, Players
from ...parameters import param
from .base import Rule, move, move_both
from .registry import register_rule


@register_rule("simultaneous", reference="arXiv 1801.04406, algorithm 1")
class Simultaneous(Rule):
    """Both players step from the same point: z+ = z + h F(z)."""

    def iterate(self, game: Game, players: Players, memory: Any) -> tuple[Players, Any]:
        return game.project(move_both(players, self.rates, game.velocity(players))), memory


@register_rule("alternating", reference="arXiv 1801.04406, algorithm 2; 1406.2661, algorithm 1")
class Alternating(Rule):
    """One player after the other, the second seeing the first's new parameters; the critic n_critic times."""

    n_critic: int = param(1, "critic steps in one iteration", low=1)
    first: str = param("critic", "who moves first", choices=("critic", "generator"))

    def iterate(self, game: Game, players: Players, memory: Any) -> tuple[Players, Any]:
        if self.first == "critic":
            return self._generator(game, self._critic(game, players)), memory
        return self._critic(game, self._generator(game, players)), memory

    def _critic(self, game: Game, players: Players) -> Players:
        def once(k: Any, now: Players) -> Players:
            return game.project(now._replace(phi=move(now.phi, self.rates.phi, game.velocity(now, draw=k).phi)))

        return once(0, players) if self.n_critic == 1 else jax.lax.fori_loop(0, self.n_critic, once, players)

    def _generator(self, game: Game, players: Players) -> Players:
        velocity = game.velocity(players, draw=self.n_critic)
        return players._replace(theta=move(players.theta, self.rates.theta, velocity.theta))
