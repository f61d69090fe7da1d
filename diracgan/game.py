"""The game: a variant's losses, a critic, a generator and data as one joint vector field.

Nothing here knows how large the players are: phi and theta are any pytrees. The Dirac system
(:mod:`diracgan.dirac`) and a real network's training step are both instances.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from .errors import InputError, one_line
from .instance_noise import Loss, coupling_of, smooth_mean, spreads
from .parameters import in_double, is_traced
from .pytrees import Pytree
from .tracing.switching import BranchedFunction, branched
from .variants import Variant
from .variants.constraints import constrain
from .variants.loss_errors import raised_by_package
from .variants.penalties import on_logits, total

T = TypeVar("T")


class Players(NamedTuple):
    """The joint state: the critic's parameters ``phi`` and the generator's ``theta``, any pytrees."""

    phi: Pytree
    theta: Pytree


class Sites(NamedTuple):
    """Where the losses of a game may switch.

    Attributes:
        surfaces: how many switching functions both losses have.
        faces: how many of the last ones are faces of the box that clips the critic.
        unlocated: the operations whose switches are crossed unseen, by JAX's names.
        smooth: whether no operation has a place without all its derivatives: then the field jumps nowhere.
    """

    surfaces: int
    faces: int
    unlocated: tuple[str, ...]
    smooth: bool


class Samples(NamedTuple):
    """Real and fake samples as the critic is shown them, (n, ...) and (m, ...)."""

    real: Array
    fake: Array


class GameLike(Protocol):
    """What a rule moves: a field, and what becomes of a step along it.

    A :class:`Game` is one. What stands in for a game derives from this class, or from :class:`WrappedGame` where it
    changes another game, and writes :meth:`velocity` at least.
    """

    def velocity(self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0) -> Players:
        """The field at ``players``.

        Args:
            players: where.
            draw: number of this evaluation within an iteration; a game without randomness ignores it.
            penalty: factor on the critic's penalties (a lazy penalty switches and scales it).

        Returns:
            The velocities, shaped like ``players``.
        """
        ...

    def project(self, players: Players) -> Players:
        """The nearest players that the critic's constraint allows; without a constraint they stay."""
        return players

    def moving(self, players: Players, draw: int | Array = 0) -> Players:
        """Whether each player moves at this evaluation; one that does not keeps its optimiser's memory as well."""
        return Players(True, True)

    def apply_step(self, players: Players, rates: Players, draw: int | Array = 0) -> Players:
        """Where players that have just stepped arrive: on the critic's constraint.

        Args:
            players: after the step.
            rates: the step size of each, 0 for a player that did not move; minibatch noise kicks in proportion to it.
            draw: number of the evaluation that the step was made with.
        """
        return self.project(players)

    def repeat(self, count: int, once: Callable[[int | Array, T], T], start: T) -> T:
        """``once(k, state)`` for k = 0, ..., count - 1: how a rule repeats part of its iteration on this game."""
        return jax.lax.fori_loop(0, count, once, start)


class WrappedGame(GameLike):
    """Another game, except for what a subclass changes."""

    def __init__(self, game: GameLike) -> None:
        """Stand in for ``game``."""
        self.game = game

    def velocity(self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0) -> Players:
        """As the game within."""
        return self.game.velocity(players, draw=draw, penalty=penalty)

    def project(self, players: Players) -> Players:
        """As the game within."""
        return self.game.project(players)

    def moving(self, players: Players, draw: int | Array = 0) -> Players:
        """As the game within."""
        return self.game.moving(players, draw)

    def apply_step(self, players: Players, rates: Players, draw: int | Array = 0) -> Players:
        """As the game within."""
        return self.game.apply_step(players, rates, draw)

    def repeat(self, count: int, once: Callable[[int | Array, T], T], start: T) -> T:
        """As the game within."""
        return self.game.repeat(count, once, start)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Game(GameLike):
    """A variant with its two players and its data.

    Attributes:
        variant: what is minimised.
        x_real: real samples, shape (n, ...).
        z: what the generator is fed, any pytree.
        critic: (phi, x) -> logits, x (n, ...) -> (n,).
        generator: (theta, z) -> samples (m, ...).
        averaged: whether instance noise is integrated over here (a batch of one); else the samples carry it.
        mix: share of the real sample in the points between, per sample, that a gradient penalty looks at.
        jitter: what moves the real samples to the points around them.

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
    critic: Callable[[Pytree, Array], Array] = dataclasses.field(metadata={"static": True})
    generator: Callable[[Pytree, Any], Array] = dataclasses.field(metadata={"static": True})
    averaged: bool = dataclasses.field(default=False, metadata={"static": True})
    mix: Any = 0.5
    jitter: Any = 0.0

    def logits(self, phi: Pytree, x: Array) -> Array:
        """The critic as it is used, constraint included: x (n, ...) -> (n,)."""
        return self.critic(constrain(self.variant, phi), x)

    def judged(self, phi: Pytree, x: Samples) -> tuple[Array, Array]:
        """The logits of real and of fake samples: (n,) and (m,)."""
        return self.logits(phi, x.real), self.logits(phi, x.fake)

    def shown(self, who: str, x_fake: Array) -> Samples:
        """The samples that the loss of ``who`` ("critic" or "generator") is computed from.

        A training game adds its noise to them here.
        """
        return Samples(self.x_real, x_fake)

    def critic_loss(self, players: Players, penalty: float | Array = 1.0) -> Array:
        """The critic's loss and ``penalty`` times its penalties, a scalar."""
        x = self.shown("critic", self.generator(players.theta, self.z))
        given, view = self.variant.added, self.view(players.phi)
        loss = self._loss("critic_loss", players.phi, x)
        loss += penalty * self._loss("on_logits", players.phi, x)
        own = self.variant.penalty(view, players.phi, *x)
        return loss + penalty * total(own, given, view, players.phi, *x)

    def view(self, phi: Pytree) -> View:
        """The critic as a penalty sees it."""
        return View(self, phi)

    def generator_loss(self, players: Players) -> Array:
        """The generator's loss, a scalar."""
        x = self.shown("generator", self.generator(players.theta, self.z))
        return self._loss("generator_loss", players.phi, x)

    def velocity(
        self,
        players: Players,
        draw: int | Array = 0,
        penalty: float | Array = 1.0,
        modes: Array | None = None,
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
            def critic(phi: Pytree) -> Array:
                return self._evaluated("critic_loss", Players(phi, z.theta), z, mine, penalty)[0]

            def generator(theta: Pytree) -> Array:
                return self._evaluated("generator_loss", Players(z.phi, theta), z, others)[0]

            down = Players(
                self._slope("critic_loss", critic, z.phi), self._slope("generator_loss", generator, z.theta)
            )
            return jax.tree.map(jnp.negative, down)

        return transform(self.variant, descent, players)

    def motion(self, players: Players, modes: Array | None = None) -> Players:
        """The flow's velocity: the field, but a clipped weight at a face of its box does not move outwards.

        Args:
            players: where.
            modes: None, or the branches to freeze, in the order of :meth:`surfaces`.
        """
        v = self.velocity(players, modes=modes)
        if self.faces(players) == 0:
            return v
        _, held = self._faces(players, v.phi, modes)
        return v._replace(phi=jax.tree.map(lambda a, *h: jnp.where(h[0] | h[1], 0.0, a), v.phi, *held))

    def project(self, players: Players) -> Players:
        """The nearest players that the critic's constraint allows; a parametrised one needs none."""
        if self.variant.constraint != "clipped":
            return players
        # a clipped variant has one
        clip = self.variant.clip  # type: ignore[attr-defined]
        return players._replace(phi=jax.tree.map(lambda w: jnp.clip(w, -clip, clip), players.phi))

    def surfaces(self, players: Players, modes: Array | None = None) -> Array:
        """The switching functions, shape (m,): the flow is smooth while none changes its sign.

        Those of the critic's loss, of the generator's, and last two for each clipped weight, one per face of
        its box: the gap to the face while it is free (mode +1), minus the outward velocity while it is held.
        """
        mine, others = self._split(modes, players)
        parts = [
            self._evaluated("critic_loss", players, players, mine, 1.0)[1],
            self._evaluated("generator_loss", players, players, others)[1],
        ]
        if self.faces(players):
            gaps, _ = self._faces(players, self.velocity(players, modes=modes).phi, modes)
            parts += [jnp.ravel(g) for side in gaps for g in jax.tree.leaves(side)]
        return jnp.concatenate(parts)

    def sites(self, players: Players) -> Sites:
        """Where the losses may switch."""
        losses = (
            self._branched("critic_loss", players, 1.0)[0],
            self._branched("generator_loss", players)[0],
        )
        faces = self.faces(players)
        unlocated = sorted({name for loss in losses for name in loss.unlocated})
        smooth = not faces and all(loss.is_smooth for loss in losses)
        return Sites(sum(loss.surfaces for loss in losses) + faces, faces, tuple(unlocated), smooth)

    def faces(self, players: Players) -> int:
        """How many of the last surfaces are faces of the box that clips the critic's weights."""
        if self.variant.constraint != "clipped":
            return 0
        return 2 * sum(int(np.size(w)) for w in jax.tree.leaves(players.phi))

    def _faces(self, players: Players, v: Pytree, modes: Array | None) -> tuple[list[Any], list[Any]]:
        """The switching functions of the upper and the lower faces, and whether each holds its weight."""
        # a clipped variant has one
        clip = self.variant.clip  # type: ignore[attr-defined]
        flat, restore = ravel_pytree(players.phi)
        outward, _ = ravel_pytree(v)
        gaps, helds = [], []
        for k, side in enumerate((1.0, -1.0)):
            gap, push = clip - side * flat, side * outward
            if modes is None:
                held, gap = (gap <= 0) & (push > 0), jnp.maximum(gap, 0.0)
            else:
                start = modes.shape[0] - (2 - k) * flat.size
                held = modes[start : start + flat.size] < 0
            gaps.append(restore(jnp.where(held, -push, gap)))
            helds.append(jax.tree.map(lambda h: h > 0, restore(held.astype(flat.dtype))))
        return gaps, helds

    def _split(self, modes: Array | None, players: Players) -> tuple[Array | None, Array | None]:
        if modes is None:
            return None, None
        first = self._branched("critic_loss", players, 1.0)[0].surfaces
        return modes[:first], modes[first:]

    def _evaluated(
        self, which: str, players: Players, held: Players, modes: Array | None, *more: float | Array
    ) -> tuple[Array, Array]:
        """A loss and its switching functions, as it stands or with its branches frozen.

        What the loss stops is taken at ``held``: a player's gradient does not see it, the field's derivative does.
        """
        loss, numbers = self._branched(which, players, *more)
        return loss((players,), numbers, modes, (held,))

    def _branched(
        self, which: str, players: Players, *more: float | Array
    ) -> tuple[BranchedFunction, list[Array]]:
        """A loss as it was traced, once for all games that differ in traced numbers only, and these numbers."""
        leaves, structure = jax.tree.flatten((self, more))
        known = all(is_traced(x) or isinstance(x, int | float) for x in leaves)
        if not (known and _is_closed(self.critic) and _is_closed(self.generator)):
            return branched(lambda p: getattr(self, which)(p, *more), (players,)), []
        kinds = tuple(jax.typeof(x) if is_traced(x) else (type(x), x) for x in leaves)
        places, tree = jax.tree.flatten(players)
        double = in_double()
        loss = _branched_loss(which, structure, kinds, tree, tuple(map(jax.typeof, places)), double)
        return loss, [x for x in leaves if is_traced(x)]

    def _slope(self, which: str, loss: Callable[[Any], Array], at: Pytree) -> Pytree:
        """The loss's gradient; InputError where JAX has none: of a loop without fixed bounds, of a callback."""
        try:
            return jax.grad(loss)(at)
        except (ValueError, NotImplementedError) as error:
            whose, said = f"{which} of {_name(self.variant)}", str(error)
            if "Reverse-mode differentiation does not work" in said:
                raise InputError(
                    f"{whose} has a while loop, which has no gradient; allowed: lax.scan, or lax.fori_loop with "
                    "fixed bounds"
                ) from error
            if "not support JVP" in said or "ifferentiation rule" in said:
                raise InputError(
                    f"{whose} has no gradient: {one_line(error)}; allowed: operations that JAX differentiates"
                ) from error
            raise
        except TypeError as error:
            if "Gradient only defined for scalar-output" not in str(error):
                raise
            raise InputError(
                f"a hyperparameter of {_name(self.variant)} is an array here; allowed: a number, or an array under "
                "jax.vmap, in dg.ensemble and in dg.spectra"
            ) from error

    def _loss(self, which: str, phi: Pytree, x: Samples) -> Array:
        """A loss of the logits, averaged over instance noise where the game does that."""
        real, fake = self.judged(phi, x)
        if not self.averaged:
            return loss_value(self.variant, which, real, fake, x)
        slope = jax.vmap(jax.grad(View(self, phi)))
        spread_real, spread_fake = (spreads(slope(some), self.variant.extras["noise"]) for some in x)
        leaves, structure = jax.tree.flatten(self.variant)
        coupling = "separable" if which == "on_logits" else coupling_of(self.variant, which)
        return smooth_mean(
            _shared_loss(structure, which), coupling, real, fake, spread_real, spread_fake, leaves
        )


def _is_closed(function: object) -> bool:
    """Whether a function's values follow from its arguments alone: a closure may hold what is traced elsewhere."""
    return inspect.isfunction(function) and function.__closure__ is None


@functools.lru_cache(maxsize=256)
def _branched_loss(
    which: str, structure: Any, kinds: tuple[Any, ...], tree: Any, places: tuple[Any, ...], double: bool
) -> BranchedFunction:
    """A loss of the players and of a game's traced numbers, as it is traced.

    Args:
        which: the loss's name.
        structure: of the game and of the loss's other arguments.
        kinds: of each leaf of these, the type of its array or, of a plain number, (type, number).
        tree: the structure of the players; ``places`` the types of their arrays.
        places: see ``tree``.
        double: whether JAX computes in 64 bits, which tracing depends on too.
    """

    def loss(players: Players, *numbers: Array) -> Array:
        rest = iter(numbers)
        game, more = jax.tree.unflatten(
            structure, [k[1] if isinstance(k, tuple) else next(rest) for k in kinds]
        )
        return getattr(game, which)(players, *more)

    def shaped(kind: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(kind.shape, kind.dtype, weak_type=kind.weak_type)

    players = jax.tree.unflatten(tree, map(shaped, places))
    return branched(loss, (players,), [shaped(k) for k in kinds if not isinstance(k, tuple)])


@functools.lru_cache(maxsize=256)
def _shared_loss(structure: Any, which: str) -> Loss:
    """A loss of the logits and the variant's numbers, one object for all variants of a structure, without samples."""

    def loss(real: Array, fake: Array, *leaves: Array) -> Array:
        nowhere = cast("Array", np.zeros((1, 1), real.dtype))
        return loss_value(jax.tree.unflatten(structure, leaves), which, real, fake, Samples(nowhere, nowhere))

    return loss


def loss_value(variant: Variant, which: str, real: Array, fake: Array, x: Samples) -> Array:
    """A loss of the logits: a variant's own by its name, or what its penalties on logits add."""
    if which == "on_logits":
        return on_logits(variant.added, real, fake)
    try:
        value = getattr(variant, which)(real, fake, *x)
    except (Exception, SystemExit) as error:  # a loss is a user's code: its own line is what helps
        if raised_by_package(error, variant, skipped=1) and not isinstance(error, NotImplementedError):
            raise
        raise InputError(f"{which} of {_name(variant)} failed: {one_line(error)}") from error
    try:
        value = jnp.asarray(value)
    except Exception as error:
        raise InputError(
            f"{which} of {_name(variant)} returns no number: {one_line(error)}; allowed: a real floating-point scalar"
        ) from error
    if value.shape != ():
        raise InputError(
            f"{which} of {_name(variant)} has shape {value.shape}; allowed: a scalar (mean over the batch)"
        )
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise InputError(
            f"{which} of {_name(variant)} is of type {value.dtype}; allowed: a real floating-point scalar"
        )
    return value


def _name(variant: Variant) -> str:
    return repr(variant.name or type(variant).__name__)


class View:
    """The critic as a penalty sees it: one sample -> its logit; ``mix`` and ``jitter`` say where to look."""

    def __init__(self, game: Game, phi: Pytree) -> None:
        """Look at the critic of ``game`` with the parameters ``phi``."""
        self.game, self.phi, self.mix, self.jitter = game, phi, game.mix, game.jitter

    def __call__(self, x: Array) -> Array:
        """The logit of one sample."""
        return self.game.logits(self.phi, x[None])[0]


def transform(variant: Variant, field: Callable[[Players], Players], players: Players) -> Players:
    """The field at ``players`` as the variant's transforms make it.

    v - gamma grad |v|^2 / 2 + (lam/2) (J - J^T) v, both from the raw field v with the Jacobian J: consensus
    optimisation with gamma = ``consensus`` (grad |v|^2 / 2 = J^T v), and symplectic gradient adjustment with
    lam = ``sga``, its sign not aligned.

    References:
        Mescheder, Nowozin, Geiger 2017 (arXiv 1705.10461), eq. 9; Balduzzi et al. 2018 (arXiv 1802.05642).

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
