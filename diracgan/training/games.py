"""A variant, a problem and two networks as a :class:`~diracgan.game.Game`, the class of the Dirac system.

:func:`game` holds one batch: a game without randomness, whose field can be differentiated, and whose Jacobian is that
of training with this batch. :func:`minibatches` draws a fresh batch for every evaluation that a rule numbers.
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Sharding

from ..errors import InputError, flag, instance, integer
from ..game import Game, GameLike, Players, Samples, View
from ..jax_settings import seeded
from ..parameters import Parametric
from ..pytrees import Pytree
from ..variants import Variant, check_variant
from ..variants.constraints import constrain
from . import networks
from .networks import PLAIN, Pass
from .problems import Batch, Problem
from .random import normal, uniform

if TYPE_CHECKING:
    from .architecture import Architecture

T = TypeVar("T")


class Trick(Parametric):
    """Base: changes nothing. Subclass it, override what it changes, and name it with
    :func:`~diracgan.training.tricks.register_trick`.

    Example:
        >>> import diracgan.training.tricks as tricks
        >>> tricks.trick("clip-gradient", norm=2.0).label
        'clip-gradient(norm=2)'
    """

    def show(self, who: str, x: Samples, game: MinibatchGame) -> Samples:
        """The samples that the loss of ``who`` is computed from."""
        return x

    def losses(self, variant: Variant, game: MinibatchGame) -> Variant:
        """The variant whose loss the critic minimises on this minibatch."""
        return variant

    def critic(self, game: MinibatchGame, players: Players) -> Array | float:
        """What joins the critic's loss."""
        return 0.0

    def generator(self, game: MinibatchGame, players: Players) -> Array | float:
        """What joins the generator's loss."""
        return 0.0

    def velocity(self, v: Players) -> Players:
        """The velocity as the rule is told it."""
        return v

    def moves(self, game: MinibatchGame, players: Players) -> tuple[Array | bool, Array | bool]:
        """Whether the critic moves, and the generator: the velocity of one that does not is 0."""
        return True, True

    def unfit(self, variant: Variant, problem: Problem, networks: Architecture) -> str | None:
        """Why it does not go with a loss, a problem and networks (an architecture), and what is allowed; None else."""
        return None

    @property
    def holds(self) -> bool:
        """Whether :meth:`moves` ever says no."""
        return type(self).moves is not Trick.moves

    @property
    def replaces(self) -> bool:
        """Whether :meth:`generator` stands in the place of the generator's loss."""
        return False

    @property
    def one_batch(self) -> bool:
        """Whether the critic sees real and fake samples in one batch."""
        return False

    @property
    def remembers(self) -> bool:
        """Whether it needs ``game.past``, the mean of the players so far."""
        return False

    @property
    def classifies(self) -> bool:
        """Whether it needs ``game.classifier``, a classifier of the same data."""
        return False


class BatchView(View):
    """The critic as a penalty sees it, where its logits may depend on the whole batch.

    The gradients are those of the sum of the batch's logits, as ``torch.autograd.grad(D(x).sum(), x)`` has them: of
    each sample's own logit where samples do not mix, and not 0 under batch norm, which sees nothing in a batch of one.
    """

    def gradients(self, x: Array) -> Array:
        """x (n, ...) -> (n, ...)."""
        return jax.grad(lambda some: jnp.sum(self.game.logits(self.phi, some)))(x)


@dataclasses.dataclass(frozen=True)
class MinibatchGame(Game):
    """The game of one minibatch: the losses on its samples, with the tricks.

    Attributes:
        tricks: what is changed, in this order.
        seen: the critic's pass: key of dropout, reference batch, type of numbers.
        key: of everything else that is random about this evaluation, or None.
        step: number of the iteration, for what decays.
        past: mean of the players so far.
        classifier: a network that knows the classes, or None.
        unrolled: whether what a rule repeats is written out (convolutions in a loop are slow on a CPU).
        labels: how many of a sample's last numbers are its label one-hot.
    """

    tricks: tuple[Trick, ...] = ()
    seen: Pass = PLAIN
    key: Any = None
    step: Any = 0
    past: Any = None
    classifier: Any = None
    unrolled: bool = False
    labels: int = 0

    def fake(self, players: Players) -> Array:
        """The generator's samples."""
        return self.generator(players.theta, self.z)

    def features(self, phi: Pytree, x: Array) -> Array:
        """The critic's features, constraint included: (n, k)."""
        network = constrain(self.variant, phi)
        image = networks.split(x, network.shape, network.classes)[0]
        return network.features(image, network._seen(self.seen)).reshape(len(x), -1)

    def key_of(self, purpose: str) -> Array:
        """A key of its own for every purpose."""
        return jax.random.fold_in(self.key, zlib.crc32(purpose.encode()) & 0x7FFFFFFF)

    def noisy(self, x: Samples, sigma: Array | float, key: Array) -> Samples:
        """Samples with Gaussian noise of the deviation ``sigma``; labels keep their values."""
        keys = jax.random.split(key)

        def moved(some: Array, key: Array) -> Array:
            noise = normal(key, some.shape, some.dtype)
            if self.labels:
                noise = noise.at[:, -self.labels :].set(0.0)
            return some + sigma * noise

        return Samples(moved(x.real, keys[0]), moved(x.fake, keys[1]))

    def judged(self, phi: Pytree, x: Samples) -> tuple[Array, Array]:
        """The logits of real and of fake samples, in two batches or in one."""
        network = constrain(self.variant, phi)
        if any(t.one_batch for t in self.tricks):
            both = networks.critic(network, jnp.concatenate(x), self.seen)
            return both[: len(x.real)], both[len(x.real) :]
        if self.seen.key is None:
            return networks.critic(network, x.real, self.seen), networks.critic(network, x.fake, self.seen)
        keys = jax.random.split(self.seen.key)
        passes = [self.seen._replace(key=k) for k in keys]
        return networks.critic(network, x.real, passes[0]), networks.critic(network, x.fake, passes[1])

    def shown(self, who: str, x_fake: Array) -> Samples:
        """Real and fake samples with instance noise and whatever tricks make of them."""
        x = super().shown(who, x_fake)
        if "noise" in self.variant.extras:
            x = self.noisy(x, self.variant.extras["noise"], self.key_of(f"instance noise of {who}"))
        for t in self.tricks:
            x = t.show(who, x, self)
        return x

    def critic_loss(self, players: Players, penalty: float | Array = 1.0) -> Array:
        """The critic's loss, its penalties, and the tricks' terms."""
        losses = self.variant
        for t in self.tricks:
            losses = t.losses(losses, self)
        loss = Game.critic_loss(dataclasses.replace(self, variant=losses), players, penalty)
        for t in self.tricks:
            loss = loss + t.critic(self, players)
        return loss

    def generator_loss(self, players: Players) -> Array:
        """The generator's loss, or what stands in its place, and the tricks' terms."""
        replaced = any(t.replaces for t in self.tricks)
        loss = jnp.zeros(()) if replaced else super().generator_loss(players)
        for t in self.tricks:
            loss = loss + t.generator(self, players)
        return loss

    def view(self, phi: Pytree) -> View:
        """The critic as a penalty sees it, on whole batches."""
        return BatchView(self, phi)

    def velocity(
        self,
        players: Players,
        draw: int | Array = 0,
        penalty: float | Array = 1.0,
        modes: Array | None = None,
    ) -> Players:
        """The field as the tricks make it."""
        v = super().velocity(players, draw, penalty, modes)
        for t in self.tricks:
            v = t.velocity(v)
        return Players(
            *(a if m is True else _held_unless(m, a) for m, a in zip(self.moving(players), v, strict=True))
        )

    def moving(self, players: Players, draw: int | Array = 0) -> Players:
        """Whether every trick lets the critic move, and the generator."""
        both = Players(True, True)
        for t in self.tricks:
            if t.holds:
                both = Players(*map(jnp.logical_and, both, t.moves(self, players)))
        return both

    def repeat(self, count: int, once: Callable[[int | Array, T], T], start: T) -> T:
        """As the game of any players, or written out."""
        if not self.unrolled:
            return super().repeat(count, once, start)
        for k in range(count):
            start = once(k, start)
        return start


def _held_unless(moves: Array | bool, v: T) -> T:
    return jax.tree.map(lambda a: jnp.where(moves, a, jnp.zeros_like(a)), v)


class Draws(NamedTuple):
    """What is random about one evaluation of a training game.

    Attributes:
        key: of whatever else is drawn for it.
        batch: the minibatch.
        look: where gradient penalties look: ``mix`` and ``jitter`` of :class:`~diracgan.game.Game`, by name.
        dropout: keys of the critic's dropout and of the generator's, or None.
    """

    key: Array
    batch: Batch
    look: dict[str, Array]
    dropout: tuple[Array, Array] | tuple[None, None]


def evaluation(
    problem: Problem,
    key: Array,
    draw: int | Array,
    size: int,
    *,
    conditional: bool = False,
    dropout: bool = False,
) -> Draws:
    """What the evaluation ``draw`` of the iteration with this key draws; to be vmapped over both.

    Args:
        problem: what is learned.
        key: the iteration's.
        draw: the number of the evaluation within it.
        size: of a minibatch; a problem without randomness gives its own.
        conditional: whether samples carry their labels.
        dropout: whether networks drop activations.
    """
    mine = jax.random.fold_in(key, draw)
    keys = jax.random.split(mine, 3)
    batch = problem.draw(keys[0], size)
    look = {}
    if not problem.fixed:
        x = _labelled(problem, batch)[0] if conditional else batch.x
        share, around = jax.random.split(keys[1])
        look["mix"] = uniform(share, (len(x), *[1] * (x.ndim - 1)), x.dtype)
        # half the data's deviation: what DRAGAN looks around with (arXiv 1705.07215)
        jitter = 0.5 * jnp.std(batch.x) * normal(around, batch.x.shape, x.dtype)
        if conditional:
            jitter = jnp.pad(jitter.reshape(len(x), -1), ((0, 0), (0, problem.classes)))
        look["jitter"] = jitter
    drops = jax.random.split(keys[2]) if dropout else None
    return Draws(mine, batch, look, (None, None) if drops is None else (drops[0], drops[1]))


def _drawn(ahead: Draws | None, draw: int | Array, anew: Callable[[Any], Draws]) -> Draws:
    """What an evaluation draws: of what is drawn already, or anew where a rule numbers more than it declares.

    Of a number that is only known when the program runs, not a number beyond: an index would stop at the last one.
    """
    if ahead is None:
        return anew(draw)
    count = len(ahead.key)
    if isinstance(draw, int):
        return jax.tree.map(lambda x: x[draw], ahead) if draw < count else anew(draw)

    def at(x: Array) -> Array:
        return jnp.where(draw < count, x[draw], jnp.nan) if jnp.issubdtype(x.dtype, jnp.floating) else x[draw]

    return jax.tree.map(at, ahead)


class StochasticGame(GameLike):
    """A game that draws a fresh minibatch for each evaluation: what a rule iterates on in training.

    ``at(draw)`` is the game of one evaluation; without a number the first is meant.
    """

    def __init__(self, draw: Callable[[Any], MinibatchGame]) -> None:
        """``draw``: number of the evaluation -> its game."""
        self.at = draw

    def velocity(self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0) -> Players:
        """The field of the evaluation ``draw``, from its own minibatch."""
        return self.at(draw).velocity(players, penalty=penalty)

    def moving(self, players: Players, draw: int | Array = 0) -> Players:
        """As the game of the evaluation ``draw``."""
        return self.at(draw).moving(players)

    def project(self, players: Players) -> Players:
        """As the games of its evaluations do it."""
        return self.at(0).project(players)

    def repeat(self, count: int, once: Callable[[int | Array, T], T], start: T) -> T:
        """As the games of its evaluations do it."""
        return self.at(0).repeat(count, once, start)


def _check_made(variant: object, problem: Any, conditional: object) -> None:
    check_variant(variant)
    instance("problem", problem, Problem, "what diracgan.training.problem(...) returns")
    if flag("conditional", conditional) and problem.labels is None:
        raise InputError(f"conditional = True needs labels, and {problem.name!r} has none; allowed: False")


def game(
    variant: Variant,
    problem: Problem,
    key: Array | None = None,
    *,
    count: int = 0,
    batch: Batch | None = None,
    conditional: bool = False,
    **how: Any,
) -> MinibatchGame:
    """The game of one batch of a problem: no randomness, every derivative, any rule.

    Its players are what :func:`~diracgan.training.architecture.players` makes: ``Players(phi, theta)`` of networks.
    ``velocity(players)`` is the joint field (-grad_phi L_D, -grad_theta L_G) on the batch, by the code path of the
    Dirac system; ``diracgan.rules.init`` and ``step`` move it, and ``jax.jvp`` of either is a product with
    the Jacobian.

    Args:
        variant: any variant.
        problem: from :func:`~diracgan.training.problems.problem`.
        key: of the generator's inputs, and of the samples of a mixture.
        count: how many samples of a mixture (1024); a finite problem is taken whole.
        batch: the batch itself, in place of one from ``key``: x (n, ...), z (m, k).
        conditional: whether samples and inputs carry their labels.
        **how: further fields of :class:`MinibatchGame`, e.g. ``tricks``.

    Returns:
        A :class:`MinibatchGame`, which is a :class:`~diracgan.game.Game`.

    Example:
        >>> import jax, diracgan as dg
        >>> from diracgan.training.architecture import Architecture, players
        >>> from diracgan.training.problems import problem
        >>> made = problem("curve")
        >>> both = players(Architecture(width=8, activation_d="tanh"), made, jax.random.key(0))
        >>> on = game(dg.variant("ns").with_(r1=0.1), made, jax.random.key(1))
        >>> v = on.velocity(both)
        >>> jax.tree.structure(v) == jax.tree.structure(both)
        True
    """
    _check_made(variant, problem, conditional)
    if batch is None:
        count = integer("count", count, low=0)
        batch = problem.everything(seeded(0) if key is None else key, count)
    instance("batch", batch, Batch, "what a problem draws")
    x, z = _labelled(problem, batch) if conditional else (batch.x, batch.z)
    how.setdefault("key", seeded(1) if key is None else jax.random.fold_in(key, 1))
    seen = how.pop("seen", PLAIN)
    for_g = how.pop("making", Pass(dtype=seen.dtype))
    return MinibatchGame(
        variant,
        x,
        z,
        functools.partial(networks.critic, how=seen),
        functools.partial(networks.generator, how=for_g),
        seen=seen,
        labels=problem.classes if conditional else 0,
        **how,
    )


def minibatches(
    variant: Variant,
    problem: Problem,
    key: Array,
    size: int,
    *,
    conditional: bool = False,
    dropout: bool = False,
    reference: Array | None = None,
    reference_z: Array | None = None,
    dtype: np.dtype | type[np.generic] | str | None = None,
    rows: Sharding | None = None,
    drawn: Draws | None = None,
    **how: Any,
) -> StochasticGame:
    """The game of one training iteration: a fresh minibatch for each ``draw`` of a rule.

    Args:
        variant: any variant; its instance noise is drawn, not integrated over.
        problem: what is learned.
        key: the iteration's.
        size: of a minibatch; a problem without randomness gives its own.
        conditional: whether samples and inputs carry their labels.
        dropout: whether networks drop activations.
        reference: the batch of the critic's virtual batch norm, (m, ...), or None.
        reference_z: the generator's inputs of its own, (m, k), or None.
        dtype: what networks compute in; None for the type of their parameters.
        rows: how the rows of a minibatch lie over several devices; None for one device.
        drawn: what the iteration's evaluations draw, along a first axis, where it is drawn already.
        **how: further fields of :class:`MinibatchGame`.

    Returns:
        Something that answers like a :class:`~diracgan.game.Game`.
    """
    _check_made(variant, problem, conditional)
    flag("dropout", dropout)
    for name, value in (("key", key), ("reference", reference), ("reference_z", reference_z)):
        if name == "key" or value is not None:
            instance(name, value, Array, "an array of JAX")
    if drawn is not None:
        instance("drawn", drawn, Draws, "what evaluation(...) returns")
    size = integer("size", size, low=1)

    def evaluated(draw: int | Array) -> Draws:
        return evaluation(problem, key, draw, size, conditional=conditional, dropout=dropout)

    def at(draw: int | Array) -> MinibatchGame:
        now = _drawn(drawn, draw, evaluated)
        batch = now.batch
        if rows is not None:
            batch = jax.tree.map(lambda x: jax.lax.with_sharding_constraint(x, rows), batch)
        return game(
            variant,
            problem,
            batch=batch,
            conditional=conditional,
            seen=Pass(now.dropout[0], reference, dtype),
            making=Pass(now.dropout[1], reference_z, dtype),
            key=now.key,
            **now.look,
            **how,
        )

    return StochasticGame(at)


def _labelled(problem: Problem, batch: Batch) -> tuple[Array, Array]:
    """Samples and inputs, each followed by its label one-hot."""
    one_hot = jax.nn.one_hot(batch.labels, problem.classes, dtype=batch.x.dtype)
    z = batch.z if batch.z is not None else jnp.zeros((len(batch.x), 0), batch.x.dtype)
    # of a generator of two the type checker knows no length
    return tuple(jnp.concatenate([a.reshape(len(a), -1), one_hot], axis=1) for a in (batch.x, z))  # type: ignore[return-value]
