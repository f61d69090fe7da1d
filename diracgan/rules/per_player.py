"""Rules with one optimiser per player: simultaneous, or alternating.

Who moves when, how often, and on which critic steps the penalties act is written here, once; a rule adds how
one player's velocity becomes its step.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..errors import InputError
from ..game import GameLike, Players
from ..parameters import param
from ..pytrees import Pytree
from .base import Rule, chosen, move

CRITIC, GENERATOR = "phi", "theta"


class Memory(NamedTuple):
    """What the two optimisers carry.

    Attributes:
        phi: the critic's own.
        theta: the generator's own.
        critic_steps: critic steps so far, modulo ``lazy``; () when the penalties act on every step.
    """

    phi: Pytree
    theta: Pytree
    critic_steps: Pytree


class PerPlayerRule(Rule):
    """Base of the rules in which each player turns its velocity into a step by itself.

    A subclass writes :meth:`update`, and where it remembers something :meth:`init_player` and
    :meth:`after_projection`. ``alternating``, ``n_critic`` and ``first`` say who moves when: fixed attributes
    here, parameters where a subclass declares them.

    Attributes:
        lazy: the critic's penalties act on critic steps 0, lazy, 2 lazy, ..., counted across iterations, and
            are multiplied by ``lazy``; None for every step (lazy regularisation, arXiv 1912.04958).
    """

    alternating = False
    n_critic = 1
    first = "critic"

    lazy: int | None = param(
        None,
        "penalties on every lazy-th critic step only, lazy times as strong",
        low=1,
        high=10_000,
        kw_only=True,
    )

    def __post_init__(self) -> None:
        """Refuse critic steps that no turn is there for."""
        if self.n_critic != 1 and not self.alternating:
            raise InputError(
                f"n_critic = {self.n_critic} needs players that take turns; add alternating=true"
            )

    @property
    def can_hold(self) -> bool:
        """Each player has a memory of its own, which can wait with it."""
        return True

    def init_player(self, z: Pytree) -> Pytree:
        """What one player's optimiser remembers before its first step; () by default."""
        return ()

    def update(self, who: str, z: Pytree, v: Pytree, state: Pytree) -> tuple[Any, Any]:
        """One player's step along its velocity.

        Args:
            who: ``"phi"`` or ``"theta"``.
            z: the player.
            v: its velocity.
            state: what its optimiser remembers.

        Returns:
            The step, shaped like ``z``, and the new memory.
        """
        raise NotImplementedError

    def after_projection(self, state: Pytree, before: Pytree, after: Pytree) -> Pytree:
        """The optimiser's memory once the player, projected, has moved from ``before`` to ``after``."""
        return state

    def memory(self, game: GameLike, players: Players) -> Memory:
        """Both players' own, and the count of critic steps where a penalty is lazy."""
        counter = jnp.zeros((), jnp.int32) if self._is_lazy else ()
        return Memory(self.init_player(players.phi), self.init_player(players.theta), counter)

    def iterate(self, game: GameLike, players: Players, memory: Memory) -> tuple[Players, Memory]:
        """Both players at once, or each in its turn."""
        if not self.alternating:
            v = game.velocity(players, penalty=self._penalty(memory))
            return self._move(game, (CRITIC, GENERATOR), players, v, self._counted(memory), 0)
        if self.first == "critic":
            return self._generator(game, *self._critic(game, players, memory))
        return self._critic(game, *self._generator(game, players, memory))

    @property
    def draws(self) -> int:
        """One, or the critic's and then the generator's."""
        return self.n_critic + 1 if self.alternating else 1

    @property
    def period(self) -> int:
        """After how many iterations a lazy penalty falls on the same critic steps again."""
        return (self.lazy or 1) // math.gcd(self.lazy or 1, self.n_critic)

    @property
    def _is_lazy(self) -> bool:
        return self.lazy is not None and self.lazy > 1

    def _penalty(self, memory: Memory) -> Array | float:
        return jnp.where(memory.critic_steps == 0, float(self.lazy or 1), 0.0) if self._is_lazy else 1.0

    def _counted(self, memory: Memory) -> Memory:
        if not self._is_lazy:
            return memory
        return memory._replace(critic_steps=(memory.critic_steps + 1) % self.lazy)

    def _critic(self, game: GameLike, players: Players, memory: Memory) -> tuple[Players, Memory]:
        def once(draw: int | Array, now: tuple[Players, Memory]) -> tuple[Players, Memory]:
            players, memory = now
            v = game.velocity(players, draw=draw, penalty=self._penalty(memory))
            return self._move(game, (CRITIC,), players, v, self._counted(memory), draw)

        if self.n_critic == 1:
            return once(0, (players, memory))
        return game.repeat(self.n_critic, once, (players, memory))

    def _generator(self, game: GameLike, players: Players, memory: Memory) -> tuple[Players, Memory]:
        v = game.velocity(players, draw=self.n_critic)
        return self._move(game, (GENERATOR,), players, v, memory, self.n_critic)

    def _move(
        self,
        game: GameLike,
        who: tuple[str, ...],
        players: Players,
        v: Players,
        memory: Memory,
        draw: int | Array,
    ) -> tuple[Players, Memory]:
        there, state = players._asdict(), {}
        for n in who:
            step, state[n] = self.update(n, there[n], getattr(v, n), getattr(memory, n))
            there[n] = move(there[n], 1.0, step)
        rates = Players(*(h if n in who else 0.0 for n, h in zip(Players._fields, self.rates, strict=True)))
        after = game.apply_step(Players(**there), rates, draw)
        kept = {n: self.after_projection(state[n], getattr(players, n), getattr(after, n)) for n in who}
        held = {n: m for n, m in game.moving(players, draw)._asdict().items() if n in who and m is not True}
        for n, moves in held.items():
            kept[n] = chosen(moves, kept[n], getattr(memory, n))
            after = after._replace(**{n: chosen(moves, getattr(after, n), getattr(players, n))})
        return after, memory._replace(**kept)


def scaled(h: Pytree, v: Pytree) -> Pytree:
    """h v on any pytree."""
    return jax.tree.map(lambda b: h * b, v)
