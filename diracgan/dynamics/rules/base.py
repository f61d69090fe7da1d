"""What a rule is: one whole iteration of an optimiser as a pure map on the players and its memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax

from ...game import Game, Players
from ...parameters import Parametric, param


class State(NamedTuple):
    """Everything that an optimiser carries from one iteration to the next.

    Attributes:
        players: phi and theta.
        memory: the rule's own (velocities, past gradients, counters), any pytree; () where it has none.
        ema: the averaged players, or None.
    """

    players: Players
    memory: Any
    ema: Players | None


class Rule(Parametric):
    """How the players move: a frozen pytree of learning rates and the rule's own parameters.

    A rule writes two pure functions; :func:`init` and :func:`step` add what all rules share (projection on the
    critic's constraint is the rule's, the EMA is theirs). The Jacobian of :func:`step` gives the true multipliers.

    Attributes:
        lr: learning rate of both players.
        lr_d: the critic's, in place of ``lr``.
        lr_g: the generator's, in place of ``lr``.
        ema: decay of the weight average in [0, 1), or None.

    Example:
        >>> import diracgan as dg
        >>> dg.rule("alternating", lr=0.1, n_critic=3).label
        'alternating(lr=0.1, n_critic=3, first=critic)'
    """

    lr: float = param(0.1, "learning rate of both players", low=0, open_low=True, kw_only=True)
    lr_d: float | None = param(None, "the critic's learning rate", low=0, open_low=True, kw_only=True)
    lr_g: float | None = param(None, "the generator's learning rate", low=0, open_low=True, kw_only=True)
    ema: float | None = param(None, "decay of the weight average", low=0, high=1, open_high=True, kw_only=True)

    def memory(self, game: Game, players: Players) -> Any:
        """What the rule remembers before its first iteration; () by default."""
        return ()

    def iterate(self, game: Game, players: Players, memory: Any) -> tuple[Players, Any]:
        """One whole iteration: (players, memory) -> (players, memory)."""
        raise NotImplementedError

    @property
    def rates(self) -> Players:
        """The learning rates of the critic and of the generator."""
        return Players(self.lr if self.lr_d is None else self.lr_d, self.lr if self.lr_g is None else self.lr_g)

    @property
    def time_step(self) -> Any:
        """The flow's time that one iteration stands for: ``lr``; with two rates, the generator's."""
        return self.rates.theta


def init(rule: Rule, game: Game, players: Players) -> State:
    """The state before the first iteration; the EMA starts at the players."""
    return State(players, rule.memory(game, players), None if rule.ema is None else players)


def step(rule: Rule, game: Game, state: State) -> State:
    """One whole iteration; then zbar+ = ema zbar + (1 - ema) z+."""
    players, memory = rule.iterate(game, state.players, state.memory)
    if rule.ema is None or state.ema is None:
        return State(players, memory, None)
    return State(players, memory, jax.tree.map(lambda a, b: rule.ema * a + (1 - rule.ema) * b, state.ema, players))


def move(z: Any, h: Any, v: Any) -> Any:
    """z + h v on any pytree."""
    return jax.tree.map(lambda a, b: a + h * b, z, v)


def move_both(players: Players, rates: Players, v: Players) -> Players:
    """Each player along its own velocity at its own rate."""
    return Players(move(players.phi, rates.phi, v.phi), move(players.theta, rates.theta, v.theta))
