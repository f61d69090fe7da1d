"""Levels of a loss that have a meaning: chance, a player that has won, ceilings of clipping.

Everything is read off the loss's own definition: its value where the discriminator (critic) says the same of every
sample, its limits where one player has won, and the gradient that is left there.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from ..variants import Variant, variant

WON = 12.0  # a logit this far out is certainty: sigma(12) = 1 - 6e-6
_FAR = 40.0
_CLIPS = {  # what scripts add inside a logarithm, and where the loss then stops
    "-ln 1e-6": -math.log(1e-6),
    "-ln(1 - (1 - 1e-7)) in float32": -math.log(float(np.float32(1) - np.float32(1 - 1e-7))),
    "-ln 1e-7": -math.log(1e-7),
    "-ln 1e-8": -math.log(1e-8),
    "-ln 1e-12": -math.log(1e-12),
    "PyTorch's BCELoss, which clips logarithms at -100": 100.0,
}
_OWN, _OTHER = 0.88, 0.5  # how far of its way from chance to its limit a loss has come where a player has won
_SMOOTHED, _CERTAIN = 0.7, 3.0  # the same on smoothed labels, where a critic's loss ends above 0
_ACROSS = 0.15  # of its chance level: how far beyond it a loss must be on both sides of a flip
NEAR = 0.08  # of its level: within that a loss is at chance
_FITS = 0.15  # of a level: values within that fit it
_IN_BITS = 0.1  # of the rows: so many, and more than in nats, rest at chance in bits
_EXACTLY = 0.03  # and their medians are there so closely
USUAL = ("ns", "hinge", "wgan-linear", "lsgan")  # the losses that a guess is made among


@dataclasses.dataclass(frozen=True)
class Level:
    """A value of a loss that has a meaning.

    Attributes:
        player: "critic" or "generator".
        kind: "chance", "critic-won", "generator-won" or "ceiling".
        value: of the player's loss; infinite where it grows without bound.
        gradient: |derivative of the generator's loss with respect to a fake sample's logit| there.
        convention: "sum" or "mean" of the critic's halves (real and fake); empty for the generator.
        text: what it means.
    """

    player: str
    kind: str
    value: float
    gradient: float
    convention: str
    text: str


def chance_note(v: Variant) -> str:
    """What being at chance does not mean, for a loss."""
    if not bounded_by_chance(v):
        return "its value has no zero and is not comparable between runs"
    return "equal losses are not equal quality: samples may be poor while the discriminator is no better than chance"


def bounded_by_chance(v: Variant) -> bool:
    """Whether the critic's loss tells anything by its value: a Wasserstein critic's does not."""
    return math.isfinite(_values(v)["critic-won"][0])


def regressed(v: Variant) -> bool:
    """Whether a loss is a regression on labels, whose squares some halve and some do not."""
    return v.labelled and "real_label" in v.hyperparameters


def labels_of(v: Variant) -> tuple[float, float]:
    """The labels of fake and of real samples in a regression on labels."""
    low, high = v.labels(v.hyperparameters["fake_label"], v.hyperparameters["real_label"])
    return float(low), float(high)


@functools.lru_cache(maxsize=64)
def _usual_values(
    name: str, parameters: tuple[tuple[str, Any], ...]
) -> dict[str, tuple[float, float, float]]:
    return _evaluated(variant(name, **dict(parameters)))


def _values(v: Variant) -> dict[str, tuple[float, float, float]]:
    from ..jax_settings import own_settings

    usual = v.name in USUAL and type(v) is type(variant(v.name))
    with own_settings(True):
        return _usual_values(v.name, tuple(v.hyperparameters.items())) if usual else _evaluated(v)


def _evaluated(v: Variant) -> dict[str, tuple[float, float, float]]:
    """State -> critic's loss, generator's loss and |generator's gradient|, at chance and where a player has won."""
    import jax
    import jax.numpy as jnp

    x = jnp.zeros((1, 2)), jnp.ones((1, 2))

    def at(real: float, fake: float) -> tuple[float, float, float]:
        r, f = jnp.array([real]), jnp.array([fake])
        slope = jax.grad(lambda f: v.generator_loss(r, f, *x))(f)
        return float(v.critic_loss(r, f, *x)), float(v.generator_loss(r, f, *x)), abs(float(slope[0]))

    def limit(sign: float) -> tuple[float, float, float]:
        near, far = at(sign * _FAR, -sign * _FAR), at(2 * sign * _FAR, -2 * sign * _FAR)
        # what still moves by as much as the logits do has no limit
        grows = [
            math.copysign(math.inf, b - a) if abs(b - a) > 1.0 else b
            for a, b in zip(near[:2], far[:2], strict=True)
        ]
        return grows[0], grows[1], far[2]

    made = {"chance": at(0.0, 0.0)}
    if regressed(v):  # to win is to say the labels
        low, high = labels_of(v)
        target = float(v.hyperparameters["target"])
        middle = (low + high) / 2
        return {"chance": at(middle, middle), "critic-won": at(high, low), "generator-won": at(low, target)}
    hinged, won = at(1.0, -1.0), limit(1.0)
    made["critic-won"] = hinged if hinged[0] == won[0] else won  # a hinge is at its limit from the margin on
    made["generator-won"] = limit(-1.0)
    return made


def levels(v: Variant, seen: LossLimits | None = None) -> list[Level]:
    """The levels of a variant's losses.

    Args:
        v: the loss that was trained.
        seen: the limits in the unit of a log, from :func:`limits_seen`; None for the loss as it is defined.

    Returns:
        Each :class:`Level`, the critic's in both conventions (halves added, or their mean).

    Example:
        >>> import diracgan as dg
        >>> for l in levels(dg.variant("ns"))[:3]:
        ...     print(l.player, l.kind, l.convention, round(l.value, 4))
        critic chance sum 1.3863
        critic chance mean 0.6931
        generator chance  0.6931
    """
    values = _values(v)
    made = []
    words = {
        "chance": "the discriminator (critic) says the same of real and fake samples",
        "critic-won": "the discriminator (critic) has won: it tells every real sample from every fake one",
        "generator-won": "the generator has won: its samples are taken for real ones",
    }
    for kind, (d, g, slope) in values.items():
        for convention, factor in (("sum", 1.0), ("mean", 0.5)):
            if convention == "sum" or (math.isfinite(d) and d != 0):
                made.append(Level("critic", kind, factor * d, slope, convention, words[kind]))
        made.append(Level("generator", kind, g, slope, "", words[kind]))
    if v.labelled and math.isinf(values["critic-won"][1]):
        text = "a ceiling that clipping makes ({}): beyond it no gradient passes"
        made += [Level("generator", "ceiling", value, 0.0, "", text.format(n)) for n, value in _CLIPS.items()]
    usual = None if seen is None else limits_of(v)
    if usual is None or seen is None or seen.chance_g == usual.chance_g:
        return made
    factor = seen.chance_g / usual.chance_g
    return [dataclasses.replace(x, value=factor * x.value, gradient=factor * x.gradient) for x in made]


@dataclasses.dataclass(frozen=True)
class LossLimits:
    """A loss function's values at chance and where a player has won: the one rule for logs and live runs.

    Attributes:
        chance: the critic's loss at chance, its halves added and their mean; where it is negative or 0, the sum alone.
        chance_g: the generator's loss at chance.
        critic_won: both losses where the critic has won, its halves added.
        generator_won: both losses where the generator has.
    """

    chance: tuple[float, ...]
    chance_g: float
    critic_won: tuple[float, float]
    generator_won: tuple[float, float]

    def winner(self, d: float, g: float | None, rests: bool = False) -> str | None:
        """``"critic"``, ``"generator"`` or None: who has won, by both losses; without the generator's by the other.

        Args:
            d: the critic's loss.
            g: the generator's, or None.
            rests: whether the critic's loss keeps its level: on smoothed labels it then ends above 0.

        Example:
            >>> import diracgan as dg
            >>> limits = limits_of(dg.variant("ns"))
            >>> limits.winner(0.01, 6.0), limits.winner(1.3, 0.7), limits.winner(5.0, 0.01)
            ('critic', None, 'generator')
        """
        own = toward(d, self.chance[0], self.critic_won[0])
        other = _OTHER if g is None else toward(g, self.chance_g, self.critic_won[1])
        if (own >= _OWN and other >= _OTHER) or (rests and own >= _SMOOTHED and other >= _CERTAIN):
            return "critic"
        if g is None or toward(g, self.chance_g, self.generator_won[1]) < _OWN:
            return None
        behind = toward(d, min(self.chance), self.generator_won[0]) >= 0.5 * _OTHER
        return "generator" if behind else None

    def flipped(self, before: tuple[float, float], after: tuple[float, float]) -> bool:
        """Whether the player that led, by both losses (critic's, generator's), is behind: each has crossed its chance.

        Example:
            >>> import diracgan as dg
            >>> limits = limits_of(dg.variant("ns"))
            >>> limits.flipped((0.8, 1.3), (1.9, 0.35)), limits.flipped((0.8, 1.3), (1.3, 0.75))
            (True, False)
        """
        level = min(self.chance, key=lambda c: abs(c - 0.5 * (before[0] + after[0])))
        led, leads = (self._leader(x, level) for x in (before, after))
        return led is not None and leads is not None and led != leads

    def times(self, factor: float) -> LossLimits:
        """The same of losses that are logged times a factor."""
        won, lost = ((factor * d, factor * g) for d, g in (self.critic_won, self.generator_won))
        return LossLimits(tuple(factor * c for c in self.chance), factor * self.chance_g, won, lost)

    def leader(self, d: float, g: float) -> str | None:
        """Who is ahead, each loss clearly on its own side of chance: ``"critic"``, ``"generator"`` or None.

        Example:
            >>> import diracgan as dg
            >>> limits = limits_of(dg.variant("ns"))
            >>> limits.leader(0.8, 1.3), limits.leader(1.9, 0.35), limits.leader(1.3, 0.75)
            ('critic', 'generator', None)
        """
        return next(filter(None, (self._leader((d, g), level) for level in self.chance)), None)

    def _leader(self, at: tuple[float, float], level: float) -> str | None:
        d, g = (at[0] - level) / max(abs(level), 0.5), (at[1] - self.chance_g) / max(abs(self.chance_g), 0.5)
        if d * g >= 0 or min(abs(d), abs(g)) <= _ACROSS:
            return None
        return "critic" if d < 0 else "generator"

    def at_chance(self, d: float, g: float | None) -> bool:
        """Whether both losses are at chance, or the critic's where there is no other.

        Example:
            >>> import diracgan as dg
            >>> limits = limits_of(dg.variant("ns"))
            >>> limits.at_chance(1.38, 0.7), limits.at_chance(1.38, 1.2), limits.at_chance(0.69, None)
            (True, False, True)
        """
        scale = max(self.chance)
        near = any(abs(d - c) <= NEAR * max(abs(c), 0.5 * scale) for c in self.chance)
        return near and (
            g is None or abs(g - self.chance_g) <= 1.5 * NEAR * max(abs(self.chance_g), 0.5 * scale)
        )

    def behind(self, d: Any, g: Any, largest: float) -> Any:
        """Whether the critic does worse than chance; of arrays, where.

        Args:
            d: its loss; ``g`` the generator's.
            g: see ``d``.
            largest: what the critic's loss has been at most: whether its halves are added or their mean is logged.
        """
        added, mean = self.chance[0], self.chance[-1]
        if mean == added or largest > 0.5 * (added + mean):
            return d > added
        return (d > mean) & (g < self.chance_g)

    def critic_lead(self, d: float, g: float | None) -> float:
        """How far the critic has come from chance to its victory: 1 there; of two losses the lesser share counts."""
        own = toward(d, self.chance[0], self.critic_won[0])
        return own if g is None else min(own, toward(g, self.chance_g, self.critic_won[1]) / _OTHER)


def limits_of(v: Variant) -> LossLimits | None:
    """What a loss's values are held against; None where they tell nothing, as a Wasserstein critic's."""
    if not bounded_by_chance(v):
        return None
    found = levels(v)

    def of(kind: str, player: str) -> tuple[float, ...]:
        return tuple(x.value for x in found if (x.kind, x.player) == (kind, player))

    won, lost = ((of(k, "critic")[0], of(k, "generator")[0]) for k in ("critic-won", "generator-won"))
    return LossLimits(of("chance", "critic"), of("chance", "generator")[0], won, lost)


def limits_seen(v: Variant, critic: np.ndarray | None, generator: np.ndarray | None) -> LossLimits | None:
    """:func:`limits_of`, in the unit that a log fits: squares as they are or halved, logarithms to base e or to base 2.

    Args:
        v: the loss.
        critic: values of the critic's loss, or None; ``generator`` of the generator's.
        generator: see ``critic``.

    Example:
        >>> import diracgan as dg
        >>> v = dg.variant("lsgan", fake_label=0.0, real_label=1.0, target=1.0)
        >>> [limits_seen(v, np.full(30, d), np.full(30, g)).chance_g for d, g in ((0.25, 0.125), (0.5, 0.25))]
        [0.125, 0.25]
        >>> round(limits_seen(dg.variant("ns"), np.full(30, 2.0), np.full(30, 1.0)).chance_g, 4)  # in bits
        1.0
    """
    usual = limits_of(v)
    if usual is None or critic is None or generator is None or not len(critic) or not v.labelled:
        return usual
    rows = min(len(critic), len(generator))
    d, g = critic[-rows:], generator[-rows:]
    if not regressed(v):
        return _to_base_2(usual, d, g)
    plain = usual.times(2.0)
    one, two = (_share_at_chance(limits, d, g) for limits in (usual, plain))
    beyond = float(np.percentile(g, 95)) > 1.2 * max(usual.critic_won[1], usual.chance_g)
    return plain if two > one or (one == two == 0.0 and beyond) else usual


def _share_at_chance(limits: LossLimits, d: np.ndarray, g: np.ndarray) -> float:
    """The share of rows in which both losses fit chance."""
    critic = np.any([np.abs(d - c) <= _FITS * abs(c) for c in limits.chance], axis=0)
    return float(np.mean(critic & (np.abs(g - limits.chance_g) <= _FITS * abs(limits.chance_g))))


def loss_seen(
    given: Variant | None, critic: np.ndarray | None, generator: np.ndarray | None
) -> Variant | None:
    """The loss that a log's values belong to: the one that is given, or a guess.

    Least squares without labels of its own is that on 0 and 1, as most programs have it, where more of the log rests at
    chance so.

    Args:
        given: what was trained, or None.
        critic: values of the critic's loss, or None; ``generator`` of the generator's.
        generator: see ``critic``.

    Example:
        >>> import diracgan as dg
        >>> v = dg.variant("lsgan")
        >>> [labels_of(loss_seen(v, np.full(30, d), np.full(30, g))) for d, g in ((1.0, 0.5), (0.25, 0.25))]
        [(-1.0, 1.0), (0.0, 1.0)]
    """
    if given is None:
        return guessed(critic, generator)
    if given.label != variant("lsgan").label:
        return given
    own, usual = limits_of(given), limits_of(_on_0_and_1())
    if own is None or usual is None:
        return given
    if critic is None or generator is None or not min(len(critic), len(generator)):
        return given
    rows = min(len(critic), len(generator))
    shares = [
        max(
            _share_at_chance(limits.times(factor), critic[-rows:], generator[-rows:]) for factor in (1.0, 2.0)
        )
        for limits in (own, usual)
    ]
    return _on_0_and_1() if shares[1] > shares[0] else given


def _on_0_and_1() -> Variant:
    return variant("lsgan", fake_label=0.0, real_label=1.0, target=1.0)


def _to_base_2(usual: LossLimits, d: np.ndarray, g: np.ndarray) -> LossLimits:
    """The limits in bits where both losses rest at chance there for a while; else as they are."""
    bits = usual.times(1 / math.log(2))
    bits = dataclasses.replace(bits, chance=bits.chance[:1])  # 1 and 1 is a critic that leads in nats
    ratios = np.stack([d / bits.chance[0], g / bits.chance_g])
    at = np.all(np.abs(ratios - 1) <= NEAR, axis=0)
    if np.mean(at) <= _IN_BITS or np.any(np.abs(np.median(ratios[:, at], axis=1) - 1) > _EXACTLY):
        return usual
    # what only passes the level rises or falls through it
    slopes = np.corrcoef(np.arange(np.count_nonzero(at)), d[at])[0, 1] if np.ptp(d[at]) > 0 else 0.0
    return usual if abs(slopes) > 0.8 else bits


def in_bits(v: Variant | None, limits: LossLimits | None) -> bool:
    """Whether a loss's logarithms are to base 2 in these limits."""
    usual = None if v is None or regressed(v) else limits_of(v)
    return usual is not None and limits is not None and limits.chance_g != usual.chance_g


def toward(value: float, chance: float, limit: float) -> float:
    """How far a loss has gone from chance to a limit: 1 there; half of it for each time its size without one."""
    if math.isfinite(limit):
        return (value - chance) / (limit - chance) if limit != chance else 0.0
    return 0.5 * math.copysign(1.0, limit) * (value - chance) / max(abs(chance), 0.5)


def ceiling_near(value: float) -> str | None:
    """The name of the clipping ceiling at this value, within a thousandth; None where there is none.

    Example:
        >>> ceiling_near(16.118), ceiling_near(15.94), ceiling_near(100.0)[:7], ceiling_near(3.0)
        ('-ln 1e-7', '-ln(1 - (1 - 1e-7)) in float32', 'PyTorch', None)
    """
    near = min(_CLIPS, key=lambda n: abs(_CLIPS[n] - value))
    return near if abs(_CLIPS[near] - value) < 1e-3 * _CLIPS[near] else None


def level_named(value: float, player: str | None = None, limits: LossLimits | None = None) -> str:
    """What a loss that stands still stands at, in words; empty where nothing is known of the value.

    Example:
        >>> level_named(16.118), level_named(8.059), level_named(3.0)
        ('-ln 1e-7: saturated by clipping', 'half of -ln 1e-7: saturated by clipping', '')
    """
    for times, word in ((1.0, ""), (2.0, "half of "), (0.5, "twice ")):
        clip = ceiling_near(times * value)
        if clip is not None:
            return f"{word}{clip}: saturated by clipping"
    if limits is None:
        return ""
    chance = limits.chance if player == "critic" else (limits.chance_g,)
    return "chance" if any(abs(c - value) <= 1e-3 * max(abs(c), 0.1) for c in chance) else ""


def guessed(critic: np.ndarray | None, generator: np.ndarray | None) -> Variant | None:
    """The usual loss whose range these values keep within; None where nothing tells.

    A Wasserstein critic's loss goes below 0, which no other usual one does; a hinge critic's is 2 where a cross
    entropy's is 1.39, and its generator's takes both signs. Least squares and cross entropy overlap: cross entropy is
    the commoner, and is taken unless both losses are smaller than its can be at once.

    Example:
        >>> import numpy as np
        >>> guessed(np.array([1.38, 1.4, 1.37] * 9), np.array([0.69, 0.7, 0.71] * 9)).name
        'ns'
    """
    if critic is None or not len(critic):
        return None
    low, middle = float(np.min(critic)), float(np.median(critic))
    signs = generator is not None and float(np.min(generator)) < -1e-6
    if low < -1e-6:
        return variant("wgan-linear")
    if signs:
        return variant("hinge")
    # where a cross entropy's critic is this far ahead, its generator's loss is above ln 2
    small = generator is not None and max(float(np.percentile(generator, 95)), middle) < 0.6
    least_squares = (small and low > 1e-4) or _below_cross_entropy(critic, generator)
    if least_squares and np.percentile(critic, 95) < 0.6:
        return _on_0_and_1()
    return variant("ns")


def _below_cross_entropy(critic: np.ndarray, generator: np.ndarray | None) -> bool:
    """Whether both losses are smaller than a cross entropy's can be at once, and in the range of least squares.

    By Jensen's inequality the critic's half on fake samples is at least -ln(1 - exp(-g)) where the generator's loss is
    g; a critic's loss that is the mean of both halves is at least half of that.
    """
    if generator is None or not len(generator) or float(np.percentile(generator, 95)) > 1.2:
        return False
    rows = min(len(critic), len(generator))
    g = np.maximum(generator[-rows:], 1e-12)
    least = -0.5 * np.log(-np.expm1(-g))
    return bool(np.mean((critic[-rows:] < 0.8 * least) & (g > 1e-4)) > 0.5)
