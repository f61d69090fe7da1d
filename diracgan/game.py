"""Who plays: the losses of a variant, a critic, a generator and data make one joint vector field.

Nothing here knows how large the players are: phi and theta are any pytrees. The Dirac system (:mod:`diracgan.dirac`)
and a real network's training step are both instances.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from .errors import InputError, one_line
from .switching import evaluate
from .variants import Variant
from .variants.penalties import total


class Players(NamedTuple):
    """The joint state: the critic's parameters ``phi`` and the generator's ``theta``, any pytrees."""

    phi: Any
    theta: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Game:
    """A variant with its two players and its data.

    Attributes:
        variant: what is minimised.
        x_real: real samples, shape (n, ...).
        z: what the generator is fed, any pytree.
        critic: (phi, x) -> logits, x (n, ...) -> (n,).
        generator: (theta, z) -> samples (m, ...).

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> from diracgan.dirac import game
        >>> v = game(dg.variant("wgan-linear"), jnp.zeros(2)).velocity(Players(jnp.ones(2), jnp.ones(2)))
        >>> v.theta.tolist()
        [1.0, 1.0]
    """

    variant: Variant
    x_real: Array
    z: Any
    critic: Callable[[Any, Array], Array] = dataclasses.field(metadata={"static": True})
    generator: Callable[[Any, Any], Array] = dataclasses.field(metadata={"static": True})

    def logits(self, phi: Any, x: Array) -> Array:
        """The critic as it is used, constraint included: x (n, ...) -> (n,)."""
        return self.critic(constrain(self.variant, phi), x)

    def critic_loss(self, players: Players, penalty: float | Array = 1.0) -> Array:
        """The critic's loss and ``penalty`` times its penalties, a scalar."""
        x_fake = self.generator(players.theta, self.z)
        loss = self._loss("critic_loss", players.phi, x_fake)

        def one(x: Array) -> Array:
            return self.logits(players.phi, x[None])[0]

        return loss + penalty * total(self.variant, one, players.phi, self.x_real, x_fake)

    def generator_loss(self, players: Players) -> Array:
        """The generator's loss, a scalar."""
        return self._loss("generator_loss", players.phi, self.generator(players.theta, self.z))

    def velocity(
        self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0, modes: Array | None = None
    ) -> Players:
        """The field (-grad_phi L_D, -grad_theta L_G).

        Args:
            players: where.
            draw: number of this evaluation within an iteration; a game without randomness ignores it.
            penalty: factor on the critic's penalties (a lazy penalty switches and scales it).
            modes: None, or the branches to freeze, in the order of :meth:`surfaces`.

        Returns:
            The velocities, shaped like ``players``.
        """
        mine, others = self._split(modes, players)

        def critic(phi: Any) -> Array:
            return evaluate(lambda p: self.critic_loss(p, penalty), (Players(phi, players.theta),), mine)[0]

        def generator(theta: Any) -> Array:
            return evaluate(self.generator_loss, (Players(players.phi, theta),), others)[0]

        down_d, down_g = jax.grad(critic)(players.phi), jax.grad(generator)(players.theta)
        return Players(jax.tree.map(jnp.negative, down_d), jax.tree.map(jnp.negative, down_g))

    def project(self, players: Players) -> Players:
        """The nearest players that the critic's constraint allows, after a step; a parametrised critic needs none."""
        return players

    def surfaces(self, players: Players, modes: Array | None = None) -> Array:
        """The switching functions of both losses, shape (m,): the field is smooth while none changes its sign."""
        mine, others = self._split(modes, players)
        parts = ((self.critic_loss, mine), (self.generator_loss, others))
        return jnp.concatenate([evaluate(loss, (players,), part)[1] for loss, part in parts])

    def _split(self, modes: Array | None, players: Players) -> tuple[Array | None, Array | None]:
        if modes is None:
            return None, None
        first = jax.eval_shape(lambda p: evaluate(self.critic_loss, (p,))[1], players).shape[0]
        return modes[:first], modes[first:]

    def _loss(self, which: str, phi: Any, x_fake: Array) -> Array:
        real, fake = self.logits(phi, self.x_real), self.logits(phi, x_fake)
        name = self.variant.name or type(self.variant).__name__
        try:
            value = jnp.asarray(getattr(self.variant, which)(real, fake, self.x_real, x_fake))
        except Exception as error:  # a loss is a user's code: its own line is what helps
            raise InputError(f"{which} of {name!r} failed: {one_line(error)}") from error
        if value.shape != ():
            raise InputError(f"{which} of {name!r} has shape {value.shape}; allowed: a scalar (mean over the batch)")
        if not jnp.issubdtype(value.dtype, jnp.floating):
            raise InputError(f"{which} of {name!r} is of type {value.dtype}; allowed: a real floating-point scalar")
        return value


def constrain(variant: Variant, phi: Any) -> Any:
    """The critic's parameters as they are used: phi itself, or each weight divided by its spectral norm.

    A vector's spectral norm is its length, so the Dirac critic becomes phi.x/|phi| (theory.md section 1), which has
    no value at phi = 0.
    """
    if variant.constraint == "none":
        return phi
    if variant.constraint == "normalised":
        return jax.tree.map(lambda w: w / jnp.sqrt(jnp.sum(w * w)), phi)
    raise InputError(f"constraint {variant.constraint!r} of {variant.name!r}; allowed: none, normalised")
