"""A user's own training as a checkpoint: losses over batches, an optimiser and its state."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError
from ..game import Players
from ..pytrees import Pytree
from ..rules import Rule, float_vector
from . import operators
from .jax_game import JaxGame, mean_over
from .measured_game import MeasuredGame
from .settings import Setting

SERIES = ("loss_d", "loss_g", "d_real", "d_fake")
MOST = 64  # batches that are kept, of which minibatch steps draw
LEAST = 8


class BatchCheckpoint(eqx.Module):
    """One state of a user's own training in JAX, in 64 bits.

    Watched are the losses themselves, and the mean logits where the critic is known: to first order, unlike the losses
    of a game of ours, so that one at its extremum is said to spread less than it does.

    Attributes:
        backend: losses, field and critic.
        players: the networks.
        rule: how they move.
        memory: what the rule remembers.
        whole: the batches that the full step is the mean over.
        each: all batches that are kept, stacked.
    """

    backend: JaxGame = eqx.field(static=True)
    players: Players
    rule: Rule
    memory: Any
    whole: list[Any]
    each: Any

    @property
    def of_all(self) -> BatchCheckpoint:
        """Itself: of all that it holds, the batches alone depend on their size."""
        return self

    def full_step(self) -> tuple[Array, Any]:
        """The full state as a vector, and one whole iteration on the held batches as a map of it."""
        game = self.backend.game_of(self.whole)
        return operators.full_step(self.rule, game, self.players, self.memory)

    def minibatch_step(self, key: Array) -> Array:
        """The full state after one iteration on one of the batches, (n,)."""
        return float_vector(self.iterated((self.players, self.memory), key))[0]

    def iterated(self, state: tuple[Players, Pytree], key: Array) -> tuple[Players, Pytree]:
        """Players and memory after one iteration on one of the batches."""
        i = jax.random.randint(key, (), 0, len(jax.tree.leaves(self.each)[0]))
        game = self.backend.game_of([jax.tree.map(lambda x: x[i], self.each)])
        return self.rule.over_a_period(game)(*state)

    def watched(self, w: Array) -> tuple[Array, Array]:
        """Losses and mean logits over the held batches, (2 or 4,); no samples."""
        at = operators.unflat(self.players, w)
        return mean_over(lambda batch: self._seen(at, batch), self.whole), jnp.zeros(0)

    def _seen(self, at: Players, batch: Pytree) -> Array:
        assert self.backend.losses is not None
        seen, view = self.backend.losses(at, batch), self.backend.view
        if view is None:
            return seen
        logits = [jnp.mean(view.critic(at, batch, x)) for x in view.samples(at, batch)]
        return jnp.concatenate([seen, jnp.stack(logits)])

    def followed(self, count: int) -> np.ndarray:
        """Nothing beside what is watched."""
        return np.zeros((count, 0))

    def values(self, logits: Array) -> dict[str, Array]:
        """What is watched, by its name."""
        return dict(zip(SERIES, logits, strict=False))

    def under(self, setting: Setting) -> BatchCheckpoint:
        """The same state, going on under another setting."""
        rule = operators.doubled(setting.rule)
        return BatchCheckpoint(self.backend, self.players, rule, self.memory, self.whole, self.each)


def of_measured(measured: MeasuredGame) -> tuple[BatchCheckpoint, Setting]:
    """The state of a user's own training, and the setting that it is under.

    Raises:
        InputError: for a game without losses, an optimiser, its state, or enough batches.
    """
    backend = measured.backend
    if not isinstance(backend, JaxGame) or backend.losses is None:
        raise InputError("the game has no losses; allowed: what dg.measure.game gives, or the run itself")
    rule, memory = backend.rule, backend.memory
    if rule is None:
        raise InputError("the game does not say how it moves; add optimiser= and state= to dg.measure.game")
    if memory is None:
        if rule.is_adaptive:
            raise InputError(f"{rule.label} remembers its past gradients; add state=, what it remembers")
        memory = rule.rest(backend.game_of(measured.held), backend.players)
    kept = measured.batches.up_to(MOST)
    shapes = {str(jax.tree.map(np.shape, b)) for b in kept}
    if len(kept) < LEAST or len(shapes) > 1:
        raise InputError(
            f"{len(kept)} batches of {len(shapes)} shapes say too little of minibatch noise; allowed: {LEAST} or more "
            "of one shape, whatever together= takes for the full step"
        )
    players, by, memory = operators.doubled((backend.players, rule, memory))
    batches = operators.doubled(kept)
    at = BatchCheckpoint(
        backend, players, by, memory, batches[: measured.together], operators.stacked(batches)
    )
    return at, Setting("as it is", rule, None, 0, rule.ema)
