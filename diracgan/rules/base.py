"""The base of rules: one whole iteration of an optimiser as a pure map on the players and its memory."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree
from numpy.typing import ArrayLike

from ..game import GameLike, Players
from ..parameters import Parametric, param
from ..pytrees import Pytree


class State(NamedTuple):
    """Everything that an optimiser carries from one iteration to the next.

    Attributes:
        players: phi and theta.
        memory: the rule's own (velocities, past gradients, counters), any pytree; () where it has none.
        ema: the averaged players, or None.
    """

    players: Players
    memory: Pytree
    ema: Players | None


class Rule(Parametric):
    """How the players move: a frozen pytree of learning rates and the rule's own parameters.

    A rule writes two pure functions, :meth:`memory` and :meth:`iterate`; :func:`init` and :func:`step` add
    the EMA, which all rules share. A rule hands every step of its players to the game
    (:meth:`~diracgan.game.GameLike.apply_step`). What the spectrum needs has defaults that are right for a smooth rule
    without counters.

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
    ema: float | None = param(
        None, "decay of the weight average", low=0, high=1, open_high=True, kw_only=True
    )

    def memory(self, game: GameLike, players: Players) -> Pytree:
        """What the rule remembers before its first iteration; () by default.

        Its floating-point entries are part of the state that the multipliers belong to; integers are
        counters.
        """
        return ()

    def iterate(self, game: GameLike, players: Players, memory: Pytree) -> tuple[Players, Pytree]:
        """One whole iteration: (players, memory) -> (players, memory)."""
        raise NotImplementedError

    @property
    def draws(self) -> int:
        """How many evaluations of the field one iteration numbers: they are ``draw`` 0 to ``draws - 1``.

        A rule that numbers more than one says so here: minibatches and noise are drawn for so many at once.
        """
        return 1

    @property
    def period(self) -> int:
        """After how many iterations the rule's pattern repeats (a lazy penalty; else 1)."""
        return 1

    @property
    def linearises(self) -> bool | Array:
        """Whether there is a linearisation at a fixed point where the field has one; an array if numbers are."""
        return True

    def why_not_linearisable(self) -> str | None:
        """The reason where :attr:`linearises` is False, else None."""
        return None

    @property
    def is_adaptive(self) -> bool:
        """Whether steps may be divided by the size of past gradients (Adam, RMSProp), and so not shrink with them.

        Its learning rate is then not a time per step, and its averaged flow says what it ends on.
        """
        return False

    @property
    def lr_sets_steps(self) -> bool:
        """Whether ``lr`` and what goes with it set the steps (not where an optax transformation holds its rates)."""
        return True

    @property
    def is_made_by_name(self) -> bool:
        """Whether its name and numbers are all of it, so that another process can make it again."""
        return True

    @property
    def can_hold(self) -> bool:
        """Whether a player whose velocity is 0 stays, and its optimiser's memory with it."""
        return type(self).memory is Rule.memory

    def step_sizes(self, players: Players, memory: Pytree) -> Players | None:
        """How far a step moves each parameter per unit of its gradient, shaped like the players; None if unknown."""
        return None

    def averaging(self, players: Players, memory: Pytree) -> float:
        """Decay of the running average of gradients that the critic steps along; 0 for plain steps."""
        return float(getattr(self, "beta1", 0.0))

    @property
    def linear_below(self) -> float | None:
        """The velocity below which the linearisation at rest holds; None where only the game sets a bound."""
        return None

    @property
    def at_rest(self) -> Rule:
        """The rule that has run for long: its map has the same derivative at rest, and no transients."""
        return self

    @property
    def at_rest_as_remembered(self) -> Rule:
        """:attr:`at_rest` beside what a motion has left in a memory that forgets nothing; a fresh one is 0 there."""
        return self.at_rest

    @property
    def remembers_at_rest(self) -> bool:
        """Whether there is such a memory: then :attr:`at_rest_as_remembered` is another map than :attr:`at_rest`."""
        return jax.tree.structure(self.at_rest_as_remembered) != jax.tree.structure(self.at_rest)

    @property
    def differs_at_rest(self) -> bool:
        """Whether :attr:`at_rest` is another map than the rule's own, which shares its first derivative alone."""
        return jax.tree.structure(self.at_rest) != jax.tree.structure(self)

    @property
    def is_smooth_at_rest(self) -> bool:
        """Whether the map has further derivatives at rest than the first."""
        return not self.differs_at_rest

    def rest(self, game: GameLike, players: Players) -> Pytree:
        """What the rule remembers after a long time at the fixed point ``players``."""
        return self.memory(game, players)

    @property
    def bias_corrected(self) -> Rule:
        """The rule that has run for long, wherever it is: without the corrections of a start."""
        return self

    def over_a_period(self, game: GameLike) -> Callable[[Players, Pytree], tuple[Players, Pytree]]:
        """The map (players, memory) -> (players, memory) of one whole :attr:`period`.

        That of :attr:`at_rest` has the rule's true multipliers: differentiate it at (players, ``rest``) with respect
        to the players and the floating-point entries of the memory.
        """

        def whole(players: Players, memory: Pytree) -> tuple[Players, Pytree]:
            if self.period == 1:
                return self.iterate(game, players, memory)
            return game.repeat(self.period, lambda _, now: self.iterate(game, *now), (players, memory))

        return whole

    @property
    def rates(self) -> Players:
        """The learning rates of the critic and of the generator."""
        return Players(
            self.lr if self.lr_d is None else self.lr_d, self.lr if self.lr_g is None else self.lr_g
        )

    @property
    def time_step(self) -> float:
        """The flow's time that one iteration stands for: ``lr``; with two rates, the generator's."""
        return self.rates.theta


def init(rule: Rule, game: GameLike, players: Players) -> State:
    """The state before the first iteration; the EMA starts at the players."""
    return State(players, rule.memory(game, players), None if rule.ema is None else players)


def step(rule: Rule, game: GameLike, state: State) -> State:
    """One whole iteration; then zbar+ = ema zbar + (1 - ema) z+."""
    players, memory = rule.iterate(game, state.players, state.memory)
    keep = rule.ema
    if keep is None or state.ema is None:
        return State(players, memory, None)
    return State(players, memory, jax.tree.map(lambda a, b: keep * a + (1 - keep) * b, state.ema, players))


def move(z: Pytree, h: ArrayLike, v: Pytree) -> Pytree:
    """z + h v on any pytree."""
    return jax.tree.map(lambda a, b: a + h * b, z, v)


def chosen(which: Array | bool, new: Pytree, old: Pytree) -> Pytree:
    """Every leaf of ``new`` where ``which`` holds, else that of ``old``."""
    return jax.tree.map(lambda a, b: jnp.where(which, a, b), new, old)


def move_both(players: Players, rates: Players, v: Players) -> Players:
    """Each player along its own velocity at its own rate."""
    return Players(move(players.phi, rates.phi, v.phi), move(players.theta, rates.theta, v.theta))


def float_vector(tree: Pytree) -> tuple[Array, Callable[[Array], Any]]:
    """The floating-point leaves of a pytree as one vector, and what puts a vector in their place.

    Without those that :func:`varying` leaves out.

    Example:
        >>> vector, restore = float_vector((jnp.ones(2), jnp.int32(3)))
        >>> restore(2.0 * vector)[0].tolist()
        [2.0, 2.0]
    """
    leaves, structure = jax.tree.flatten(tree)
    moves = jax.tree.leaves(varying(tree))
    vector, unravel = ravel_pytree([x for x, m in zip(leaves, moves, strict=True) if m])

    def restore(y: Array) -> Pytree:
        parts = iter(unravel(y))
        return jax.tree.unflatten(
            structure, [next(parts) if m else x for x, m in zip(leaves, moves, strict=True)]
        )

    return vector, restore


def varying(tree: Pytree) -> Pytree:
    """Of every leaf whether it is a floating-point number that iterations change.

    The numbers that ``optax.inject_hyperparams`` keeps in its state are not: each would add a multiplier of 1.

    Example:
        >>> varying((jnp.ones(2), jnp.int32(3)))
        (True, False)
    """

    def injected(x: object) -> bool:
        return type(x).__name__.startswith("Inject") and hasattr(x, "inner_state")

    def part(x: Pytree) -> Pytree:
        if not injected(x):
            return bool(jnp.issubdtype(jnp.result_type(x), jnp.floating))
        return jax.tree.map(lambda _: False, x)._replace(inner_state=varying(x.inner_state))

    return jax.tree.map(part, tree, is_leaf=injected)


def variation(rule: Rule, changed: type) -> Rule:
    """The rule with its numbers, some of its methods replaced by those of ``changed``."""
    return _varied(type(rule), changed)(**{f.name: getattr(rule, f.name) for f in dataclasses.fields(rule)})


@functools.cache
def _varied(cls: type, changed: type) -> Any:
    def pickled(self: Any) -> tuple[Any, ...]:
        plain = cls(**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)})
        return variation, (plain, changed)  # no module holds a class that is made here

    return type(f"{changed.__name__}{cls.__name__}", (changed, cls), {"__reduce__": pickled})
