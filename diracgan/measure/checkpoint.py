"""A checkpoint of a run: players, optimiser state, the whole data, and minibatches of it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError, integer
from ..game import Game, GameLike, Players, Samples, loss_value
from ..pytrees import Pytree
from ..rules import Rule, check_rule, float_vector
from ..training import trainer
from . import operators
from .batch_checkpoint import SERIES, BatchCheckpoint, of_measured
from .jax_game import JaxGame
from .measured_game import MeasuredGame
from .noise import ResampledGame
from .own_game import one_run
from .settings import Setting

if TYPE_CHECKING:
    from .torch_checkpoint import TorchCheckpoint


class Resampling(eqx.Module):
    """Minibatches of a game's own samples, drawn with replacement."""

    batch: int = eqx.field(static=True)

    def __call__(self, game: Game, key: Array) -> GameLike:
        """The game of one iteration."""
        return ResampledGame(game, key, self.batch)

    def under(self, setting: Setting) -> Resampling:
        """The minibatches of another setting."""
        return Resampling(setting.batch)


class Training(eqx.Module):
    """Minibatches as a training run draws them, tricks included."""

    setup: trainer.TrainingSetup
    past: Any
    step: Array

    def __call__(self, game: Game, key: Array) -> GameLike:
        """The game of one iteration."""
        seed = jax.random.bits(key, (), jnp.uint32)
        return trainer.game(self.setup, seed, 0, self.past, self.step)

    def under(self, setting: Setting) -> Training:
        """The minibatches of another setting."""
        variant = operators.doubled(setting.variant)
        return dataclasses.replace(
            self, setup=dataclasses.replace(self.setup, variant=variant, batch=setting.batch)
        )


class Whole(eqx.Module):
    """All samples in every iteration."""

    def __call__(self, game: Game, key: Array) -> GameLike:
        """The game of one iteration."""
        return game

    def under(self, setting: Setting) -> Whole:
        """The same."""
        return self


class Checkpoint(eqx.Module):
    """One state of a run, in 64 bits, and all that its next iteration needs.

    Attributes:
        game: on all samples, without randomness; what is monitored is monitored on them.
        players: the networks.
        rule: how they move.
        memory: what the rule remembers.
        minibatches: (game, key) -> the game of one iteration.
    """

    game: Game
    players: Players
    rule: Rule
    memory: Pytree
    minibatches: Resampling | Training | Whole

    @property
    def of_all(self) -> Checkpoint:
        """The same without minibatches, whose size its programs then do not depend on."""
        return dataclasses.replace(self, minibatches=Whole())

    def full_step(self) -> tuple[Array, Any]:
        """The full state as a vector, and one whole iteration on all samples as a map of it."""
        return operators.full_step(self.rule, self.game, self.players, self.memory)

    def minibatch_step(self, key: Array) -> Array:
        """The full state after one iteration on a minibatch, (n,)."""
        return float_vector(self.iterated((self.players, self.memory), key))[0]

    def iterated(self, state: tuple[Players, Pytree], key: Array) -> tuple[Players, Pytree]:
        """Players and memory after one iteration on a minibatch."""
        return self.rule.over_a_period(self.minibatches(self.game, key))(*state)

    def watched(self, w: Array) -> tuple[Array, Array]:
        """At the weights w the logits of all real and all fake samples, (q,), and the samples' mean, (s,)."""
        z = operators.unflat(self.players, w)
        x = self.game.generator(z.theta, self.game.z)
        logits = [self.game.logits(z.phi, some) for some in (self.game.x_real, x)]
        return jnp.concatenate(logits), jnp.mean(x.reshape(len(x), -1), axis=0)

    def followed(self, count: int) -> np.ndarray:
        """Directions of q = ``count`` logits that are followed in any case, orthonormal: both mean ones, (q, 2)."""
        real = np.arange(count) < len(self.game.x_real)
        return np.stack([real, ~real], axis=1) / np.sqrt([real.sum(), (~real).sum()])

    def values(self, logits: Array) -> dict[str, Array]:
        """Both losses without penalties, as the metrics of a run have them, and both mean logits."""
        game = self.game
        x = Samples(game.x_real, game.generator(self.players.theta, game.z))
        real, fake = jnp.split(logits, [len(game.x_real)])
        losses = [
            loss_value(game.variant, which, real, fake, x) for which in ("critic_loss", "generator_loss")
        ]
        return dict(zip(SERIES, (*losses, jnp.mean(real), jnp.mean(fake)), strict=True))

    def under(self, setting: Setting) -> Checkpoint:
        """The same state, going on under another setting."""
        return Checkpoint(
            dataclasses.replace(self.game, variant=operators.doubled(setting.variant)),
            self.players,
            operators.doubled(setting.rule),
            self.memory,
            self.minibatches.under(setting),
        )


def checkpoint(
    run: Any,
    players: Players | None = None,
    rule: Rule | None = None,
    memory: Pytree = None,
    batch: int | None = None,
    samples: int = 256,
) -> tuple[Any, Setting]:
    """The state of a run, or of a game where it is said to be, and the setting that it is under; in 64 bits.

    What :func:`diracgan.measure.game` gives has its state in itself.

    Raises:
        InputError: for what is neither, or an optimiser without memories of its own.
    """
    if isinstance(run, Game):
        return _of_game(run, players, rule, memory, batch)
    if any(x is not None for x in (players, rule, memory, batch)):
        raise InputError(
            "players, rule, memory and batch go with a Game; allowed: none of them, which a run has of its own"
        )
    if isinstance(run, MeasuredGame):
        return _of_measured(run)
    return _of_run(run, integer("samples", samples, low=2))


def _of_measured(
    measured: MeasuredGame,
) -> tuple[BatchCheckpoint, Setting] | tuple[TorchCheckpoint, Setting]:
    if isinstance(measured.backend, JaxGame):
        return of_measured(measured)
    from . import torch_checkpoint

    return torch_checkpoint.of_measured(measured)


def _of_game(
    game: Game, players: Players | None, rule: Rule | None, memory: Pytree, batch: int | None
) -> tuple[Checkpoint, Setting]:
    missing = [n for n, x in (("players", players), ("rule", rule), ("batch", batch)) if x is None]
    if missing or players is None:
        raise InputError(f"a game alone does not say where it is; add {', '.join(missing)}")
    if not isinstance(players, Players):
        raise InputError(
            f"players is a {type(players).__name__}; allowed: diracgan.game.Players(critic, generator)"
        )
    by, size = check_rule(rule), integer("batch", batch, low=1)
    game = operators.stackable(game)
    fresh = by.memory(game, players)
    if memory is None:
        memory = fresh
        if any(jnp.issubdtype(jnp.result_type(x), jnp.floating) for x in jax.tree.leaves(memory)):
            raise InputError(
                f"the rule {by.label} remembers its past gradients; add memory=, its state there"
            )
    elif _form(memory) != _form(fresh):
        raise InputError(
            f"memory is not a state of {by.label}; allowed: what rule.memory(game, players) becomes by its iterations"
        )
    doubled: Any = operators.doubled((game, players, by, memory))
    found = _checked(Checkpoint(*doubled, minibatches=Resampling(size)))
    return found, Setting("as it is", by, found.game.variant, size, by.ema)


def _form(tree: Pytree) -> Pytree:
    return jax.tree.structure(tree), [jnp.shape(x) for x in jax.tree.leaves(tree)]


def _of_run(run: Any, samples: int) -> tuple[Checkpoint, Setting]:
    run = one_run(run, "what dg.train returns, its folder, or a Game with players=")
    setup, state = run.setup, run.state
    if not int(state.step):
        raise InputError(
            "the run has made no step, so its optimiser remembers nothing; allowed: 1 step or more"
        )
    game = operators.stackable(run.game(samples))
    setup, inner, past, game = operators.doubled((setup, state.inner, state.past, game))
    drawn = Training(setup, past, jnp.asarray(state.step))
    found = _checked(Checkpoint(game, inner.players, setup.rule, inner.memory, drawn))
    ema = run.setup.rule.ema
    return found, Setting(
        "as it is", run.config.rule, run.config.variant, setup.batch, None if ema is None else float(ema)
    )


def _checked(at: Checkpoint) -> Checkpoint:
    start = float_vector((at.players, at.memory))[0]
    if not np.all(np.isfinite(np.asarray(start))):
        raise InputError(
            "the networks or their optimiser's memory are not finite; allowed: a run whose numbers are finite"
        )
    return at
