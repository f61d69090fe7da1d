"""Tricks of the trade, each a small object that changes one thing about a minibatch game.

A trick may change the samples that a loss is shown, add a term to a loss, or change the velocity; it does nothing
else, and several compose in the order given. What is a penalty, a label or a rule elsewhere in the package is not a
trick: one-sided label smoothing is ``variant.with_(smooth_real=0.1)``, R1 is ``with_(r1=...)``, two learning rates,
n_critic, lazy penalties and the weight average belong to the rule.

    diracgan train --trick instance-noise:std=0.3,until=2000 --trick clip-gradient:norm=1
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from ..errors import InputError
from ..game import Players, Samples
from ..parameters import check, param
from ..pytrees import Pytree
from ..registry import Registry, merged, settings
from ..variants import Variant
from .games import MinibatchGame, Trick
from .layers import LinearCritic, Weighted
from .problems import Problem
from .random import uniform

if TYPE_CHECKING:
    from .architecture import Architecture

T = TypeVar("T", bound="type[Trick]")
TRICKS: Registry[type[Trick]] = Registry("trick", lambda cls: cls.summary())


def register_trick(name: str, reference: str = "") -> Callable[[T], T]:
    """Give a :class:`Trick` subclass its name.

    Example:
        >>> @register_trick("my-halving")
        ... class Halving(Trick):
        ...     def velocity(self, v):
        ...         return jax.tree.map(lambda a: 0.5 * a, v)
        >>> "my-halving" in tricks()
        True
    """

    return TRICKS.register(name, reference, Trick)


def tricks() -> dict[str, str]:
    """Name -> one line of every trick."""
    return TRICKS.summaries()


def trick(name: str, **parameters: Any) -> Trick:
    """Make a registered trick.

    Args:
        name: ``NAME[:k=v,...]`` or ``PATH.py:NAME[:k=v,...]``, as a command line names it.
        **parameters: its own.

    Raises:
        InputError: for an unknown name or parameter, naming the choices.

    Example:
        >>> trick("flip-labels", share=0.1).label
        'flip-labels(share=0.1)'
        >>> trick("flip-labels:share=0.2").share
        0.2
    """
    found, rest = TRICKS.find(name)
    cls = TRICKS[found]
    return cls(**check(cls, merged(settings(rest, name), parameters)))


@register_trick("instance-noise", reference="arXiv 1610.04490; decayed: S. Chintala's list, 13")
class InstanceNoise(Trick):
    """Gaussian noise on real and fake samples, whose deviation may decay to 0."""

    std: float = param(0.1, "standard deviation at the start", low=0)
    until: int | None = param(None, "the step at which it has decayed to 0, linearly; None: it stays", low=1)

    def show(self, who: str, x: Samples, game: MinibatchGame) -> Samples:
        """x + sigma(t) e."""
        left = 1.0 if self.until is None else jnp.maximum(0.0, 1.0 - game.step / self.until)
        return game.noisy(x, self.std * left, game.key_of(f"noise of {who}"))


@register_trick("flip-labels", reference="S. Chintala's list of tricks, 6")
class FlipLabels(Trick):
    """Some real samples are shown to the critic as fake, and as many fakes as real."""

    share: float = param(0.05, "probability that a pair changes sides", low=0, high=1)

    def show(self, who: str, x: Samples, game: MinibatchGame) -> Samples:
        """Pairs of the critic's batch change sides; the generator's stay."""
        if who != "critic":
            return x
        turned = jax.random.bernoulli(game.key_of("flip"), self.share, (len(x.real),))
        turned = turned.reshape(-1, *[1] * (x.real.ndim - 1))
        return Samples(jnp.where(turned, x.fake, x.real), jnp.where(turned, x.real, x.fake))


@register_trick("soft-labels", reference="S. Chintala's list of tricks, 6")
class SoftLabels(Trick):
    """Every sample has a label of its own in the critic's loss: real ones 1 - U(-above, below), fake ones U(0, fake).

    Labels of 0 and 1 are meant; those of another loss are moved by as much. An even label of all real samples is
    ``smooth_real`` of the variant, to which these add. The source draws real labels from 0.7 to 1.2 and fake ones from
    0 to 0.3; above 1 the cross entropy of a sample falls for ever as its logit grows: none here unless asked for.
    """

    below: float = param(0.3, "real labels are at most so much lower", low=0, high=1)
    above: float = param(0.0, "real labels are at most so much higher", low=0, high=1)
    fake: float = param(0.3, "fake labels are at most so much higher", low=0, high=1)

    def unfit(self, variant: Variant, problem: Problem, networks: Architecture) -> str | None:
        """It needs a loss with labels."""
        said = f"soft-labels needs a loss with labels, and {variant.name!r} has none; allowed: ns, lsgan, ..."
        return None if variant.labelled else said

    def losses(self, variant: Variant, game: MinibatchGame) -> Variant:
        """With labels drawn anew for each sample."""
        known, counts = variant.extras, (len(game.x_real), len(game.x_real if game.z is None else game.z))
        real, fake = (
            uniform(game.key_of(f"labels of {w}"), (n,)) for w, n in zip(Samples._fields, counts, strict=True)
        )
        drawn = {
            "smooth_real": (self.below + self.above) * real - self.above,
            "smooth_fake": self.fake * fake,
        }
        return dataclasses.replace(
            variant, extras={**known, **{n: known.get(n, 0.0) + x for n, x in drawn.items()}}
        )


@register_trick("mixed-batches", reference="the contrary of S. Chintala's list of tricks, 4")
class MixedBatches(Trick):
    """The critic sees real and fake samples in one batch, not in two: only a norm over the batch can tell."""

    @property
    def one_batch(self) -> bool:
        """Both in one."""
        return True


@register_trick("clip-gradient", reference="arXiv 1211.5063, section 3.2")
class ClipGradient(Trick):
    """Each player's velocity is at most so long: v min(1, norm/|v|)."""

    norm: float = param(1.0, "the longest velocity", low=0, open_low=True)

    def velocity(self, v: Players) -> Players:
        """Both players', each by its own length."""

        def clipped(one: Pytree) -> Pytree:
            size = length(one)
            scale = jnp.where(size > self.norm, self.norm / jnp.where(size > 0, size, 1.0), 1.0)
            return jax.tree.map(lambda a: (a * scale).astype(a.dtype), one)

        return Players(*map(clipped, v))


@register_trick("balance", reference="against it: S. Chintala's list of tricks, 11")
class Balance(Trick):
    """A player moves only while its loss is above ``ratio`` times the other's; its velocity is 0 else.

    It is unreliable, and here to show it: how high a loss is says who is ahead only when compared with its value at
    equilibrium, which differs between losses, players and variants. Of ns the critic's is 2 log 2 and the generator's
    log 2, so that with a ratio of 1/2 or more the generator stands still near every equilibrium, whatever it makes.
    Losses below 0 have no ratio.
    """

    ratio: float = param(0.3, "least share of the other's loss that a player moves at", low=0, high=1)

    def moves(self, game: MinibatchGame, players: Players) -> tuple[Array | bool, Array | bool]:
        """L_D > ratio L_G, and L_G > ratio L_D."""
        ours, theirs = game.critic_loss(players), game.generator_loss(players)
        return ours > self.ratio * theirs, theirs > self.ratio * ours


@register_trick("orthogonal", reference="arXiv 1609.07093; without the diagonal: 1809.11096, eq. 3")
class Orthogonal(Trick):
    """Weights whose outputs are orthogonal: beta |W^T W off its diagonal|^2 joins the loss of ``on``."""

    beta: float = param(1e-4, "weight of the term", low=0)
    on: str = param("both", "whose weights", choices=("both", "critic", "generator"))
    diagonal: bool = param(False, "ask the diagonal to be 1 as well")

    def critic(self, game: MinibatchGame, players: Players) -> Array | float:
        """The critic's weights."""
        return self._of(players.phi) if self.on != "generator" else 0.0

    def generator(self, game: MinibatchGame, players: Players) -> Array | float:
        """The generator's weights."""
        return self._of(players.theta) if self.on != "critic" else 0.0

    def _of(self, network: Pytree) -> Array:
        value = jnp.zeros(())
        for w in weights(network):
            m = w.reshape(-1, w.shape[-1])
            gram = m.T @ m
            eye = jnp.eye(len(gram), dtype=gram.dtype)
            value = value + jnp.sum((gram - eye if self.diagonal else gram * (1.0 - eye)) ** 2)
        return self.beta * value


@register_trick("history", reference="historical averaging: arXiv 1606.03498, section 3.3")
class History(Trick):
    """Each player pays weight |z - mean of its own past|^2."""

    weight: float = param(1.0, "weight of the term", low=0)

    @property
    def remembers(self) -> bool:
        """It pays for the distance from it."""
        return True

    def critic(self, game: MinibatchGame, players: Players) -> Array | float:
        """The critic's distance from its past."""
        return self.weight * _distance(players.phi, game.past.phi)

    def generator(self, game: MinibatchGame, players: Players) -> Array | float:
        """The generator's distance from its past."""
        return self.weight * _distance(players.theta, game.past.theta)


@register_trick("feature-matching", reference="arXiv 1606.03498, section 3.1")
class FeatureMatching(Trick):
    """The generator matches the mean of the critic's features: weight |mean f(x) - mean f(G(z))|^2."""

    weight: float = param(1.0, "weight of the term", low=0)
    add: bool = param(False, "add it to the generator's loss in place of replacing that")

    def unfit(self, variant: Variant, problem: Problem, networks: Architecture) -> str | None:
        """It needs a critic with features."""
        said = "feature matching needs a critic with features; allowed: networks kind=mlp or dcgan"
        return said if networks.kind == "linear" else None

    @property
    def replaces(self) -> bool:
        """It does unless it is added."""
        return not self.add

    def generator(self, game: MinibatchGame, players: Players) -> Array | float:
        """The squared distance of the means."""
        x = game.shown("generator", game.fake(players))
        real, fake = (game.features(players.phi, some) for some in x)
        return self.weight * jnp.sum((jnp.mean(real, axis=0) - jnp.mean(fake, axis=0)) ** 2)


@register_trick("reconstruction", reference="arXiv 1603.08155, 1611.07004; in a paired problem")
class Reconstruction(Trick):
    """The generator pays for the distance of its output from the true answer of a paired problem."""

    weight: float = param(1.0, "weight of the mean distance", low=0)
    features: bool = param(False, "measured in a classifier's features, not in pixels")
    norm: str = param("l2", "the distance: squared (l2) or absolute (l1)", choices=("l2", "l1"))

    def unfit(self, variant: Variant, problem: Problem, networks: Architecture) -> str | None:
        """It needs pairs, and in features the labels that a classifier learns."""
        if not problem.paired:
            return f"reconstruction needs a paired problem, and {problem.name!r} is not; allowed: denoise"
        said = "reconstruction in features needs labels; allowed: denoise, or features=false"
        return said if self.features and problem.labels is None else None

    @property
    def classifies(self) -> bool:
        """Where it measures in features."""
        return self.features

    def generator(self, game: MinibatchGame, players: Players) -> Array | float:
        """weight mean (f(G(z)) - f(x))^2, or of |f(G(z)) - f(x)|; f is the identity or a classifier's features."""
        pair = game.fake(players), game.x_real
        if self.features:
            if game.classifier is None:
                raise InputError(
                    "reconstruction in features needs a classifier; allowed: a problem with labels"
                )
            pair = tuple(game.classifier.features(x).reshape(len(x), -1) for x in pair)
        away = pair[0] - pair[1]
        return self.weight * jnp.mean(away**2 if self.norm == "l2" else jnp.abs(away))


@register_trick("acgan", reference="arXiv 1610.09585, eq. 2 and 3")
class AuxiliaryClasses(Trick):
    """The critic also tells the class of real and fake samples, and the generator helps it."""

    weight: float = param(1.0, "weight of the cross entropies", low=0)

    def unfit(self, variant: Variant, problem: Problem, networks: Architecture) -> str | None:
        """It needs a critic that tells classes."""
        said = "the trick acgan needs a critic that tells classes; add networks condition=acgan"
        return said if networks.condition != "acgan" else None

    def critic(self, game: MinibatchGame, players: Players) -> Array | float:
        """Cross entropy on real and on fake samples."""
        return self.weight * (
            self._of(game, players, game.x_real) + self._of(game, players, game.fake(players))
        )

    def generator(self, game: MinibatchGame, players: Players) -> Array | float:
        """Cross entropy on fake samples."""
        return self.weight * self._of(game, players, game.fake(players))

    def _of(self, game: MinibatchGame, players: Players, x: Array) -> Array:
        if getattr(players.phi, "labeller", None) is None:
            raise InputError(
                "acgan needs a critic that tells classes; allowed: networks with condition=acgan"
            )
        logits = players.phi.classify(x, game.seen)
        label = x[:, -players.phi.classes :]
        return -jnp.mean(jnp.sum(label * jax.nn.log_softmax(logits), axis=1))


def weights(network: Pytree) -> list[Array]:
    """The weights of a network, without biases and gains."""
    if isinstance(network, LinearCritic):
        return [network.w[:, None]]
    layers = jax.tree.leaves(network, is_leaf=lambda x: isinstance(x, Weighted))
    return [layer.w for layer in layers if isinstance(layer, Weighted)]


def length(tree: Pytree) -> Array:
    """The Euclidean norm of all numbers of a pytree."""
    return jnp.sqrt(sum((jnp.sum(jnp.square(a)) for a in jax.tree.leaves(tree)), jnp.zeros(())))


def _distance(a: Pytree, b: Pytree) -> Array:
    return jnp.square(length(jax.tree.map(jnp.subtract, a, jax.lax.stop_gradient(b))))
