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
        """The field (-grad_phi L_D, -grad_theta L_G), with the variant's transforms.

        Args:
            players: where.
            draw: number of this evaluation within an iteration; a game without randomness ignores it.
            penalty: factor on the critic's penalties (a lazy penalty switches and scales it).
            modes: None, or the branches to freeze, in the order of :meth:`surfaces`.

        Returns:
            The velocities, shaped like ``players``.
        """
        mine, others = self._split(modes, players)

        def descent(z: Players) -> Players:
            def critic(phi: Any) -> Array:
                return evaluate(lambda p: self.critic_loss(p, penalty), (Players(phi, z.theta),), mine)[0]

            def generator(theta: Any) -> Array:
                return evaluate(self.generator_loss, (Players(z.phi, theta),), others)[0]

            down = Players(jax.grad(critic)(z.phi), jax.grad(generator)(z.theta))
            return jax.tree.map(jnp.negative, down)

        return transform(self.variant, descent, players)

    def project(self, players: Players) -> Players:
        """The nearest players that the critic's constraint allows, after a step; a parametrised critic needs none."""
        return players

    def land(self, players: Players, rates: Players, draw: int | Array = 0) -> Players:
        """Where players that have just stepped come down: on the critic's constraint.

        Args:
            players: after the step.
            rates: the step size of each, 0 for who did not move; a game with minibatch noise kicks by it.
            draw: number of the evaluation that the step was made with.
        """
        return self.project(players)

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


def transform(variant: Variant, field: Callable[[Players], Players], players: Players) -> Players:
    """The field at ``players`` as the variant's transforms make it.

    v - gamma grad |v|^2 / 2 + (lam/2) (J - J^T) v, both from the raw field v with the Jacobian J: consensus optimisation
    with gamma = ``consensus`` (grad |v|^2 / 2 = J^T v) and symplectic adjustment with lam = ``sga``, not aligned.

    References:
        Mescheder, Nowozin, Geiger 2017 (arXiv 1705.10461), eq. 9; Balduzzi et al. 2018 (arXiv 1802.05642), section 3.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> f = dg.field(dg.variant("wgan-linear").with_(consensus=0.5))
        >>> [float(x[0]) for x in f(jnp.ones(1), jnp.ones(1))]
        [-1.5, 0.5]
    """
    gamma, lam = variant.extras.get("consensus"), variant.extras.get("sga")
    if gamma is None and lam is None:
        return field(players)
    v, pull = jax.vjp(field, players)
    (back,) = pull(v)
    weight = -(0.0 if gamma is None else gamma) - 0.5 * (0.0 if lam is None else lam)
    moved = jax.tree.map(lambda a, b: a + weight * b, v, back)
    if lam is None:
        return moved
    forth = jax.jvp(field, (players,), (v,))[1]
    return jax.tree.map(lambda a, b: a + 0.5 * lam * b, moved, forth)
