"""Extragradient, optimistic gradient, and lookahead around any rule."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
from jax import Array

from ..errors import InputError, shown
from ..game import GameLike, Players, WrappedGame
from ..parameters import param
from ..pytrees import Pytree
from .base import Rule, move_both
from .registry import RULES, register_rule, rule


@register_rule("extragradient", reference="Korpelevich 1976; in GANs: arXiv 1802.10551, algorithm 3")
class Extragradient(Rule):
    """Look one step ahead, then step with the field from there: y = z + h F(z), z+ = z + h F(y).

    Multipliers 1 + zeta + zeta^2; on the bilinear game stable for eta < 1.

    Example:
        >>> import diracgan as dg
        >>> s = dg.spectrum(dg.variant("wgan-linear"), rule=dg.rule("extragradient", lr=0.5))
        >>> round(s.spectral_radius, 4)
        0.9014
    """

    def iterate(self, game: GameLike, players: Players, memory: Pytree) -> tuple[Players, Pytree]:
        """Two evaluations, one step."""
        ahead = game.project(move_both(players, self.rates, game.velocity(players)))
        return game.apply_step(
            move_both(players, self.rates, game.velocity(ahead, draw=1)), self.rates, 1
        ), memory

    @property
    def draws(self) -> int:
        """Two."""
        return 2


@register_rule("optimistic", reference="arXiv 1711.00141, eq. 7; Popov 1980")
class Optimistic(Rule):
    """The last field serves as a prediction: z+ = z + 2 h F(z) - h F(z-).

    F(z-) = F(z0) at the start. Multipliers x^2 - (1 + 2 zeta) x + zeta = 0; bilinear: stable for eta <
    1/sqrt(3).

    Example:
        >>> import diracgan as dg
        >>> s = dg.spectrum(dg.variant("wgan-linear"), rule=dg.rule("optimistic", lr=0.5))
        >>> s.status, len(s.multipliers)
        ('stable', 4)
    """

    def memory(self, game: GameLike, players: Players) -> Players:
        """The field at the start."""
        return game.velocity(players)

    def iterate(self, game: GameLike, players: Players, memory: Players) -> tuple[Players, Players]:
        """One evaluation, and the last one."""
        v = game.velocity(players)
        predicted = jax.tree.map(lambda new, old: 2.0 * new - old, v, memory)
        return game.apply_step(move_both(players, self.rates, predicted), self.rates), v


@register_rule("lookahead", reference="arXiv 1907.08610, algorithm 1; in GANs: arXiv 2006.14567, algorithm 1")
class Lookahead(Rule):
    """Go k steps of an inner rule, then back to a share alpha of the way: z+ = z + alpha (z_k - z).

    One step is k inner steps and the synchronisation. The inner rule is any rule or its name; its memory
    (momentum as the displacement of its last step, averages, counters) is kept across the synchronisation.
    ``lr``, ``lr_d`` and ``lr_g`` are the inner rule's: given here, they replace its own. Multipliers with a
    gradient step inside: 1 - alpha + alpha (1 + zeta)^k.

    Example:
        >>> import diracgan as dg
        >>> r = dg.rule("lookahead", k=5, alpha=0.5, inner=dg.rule("alternating", lr=0.2))
        >>> dg.spectrum(dg.variant("wgan-linear"), rule=r).status
        'stable'
        >>> dg.rule("lookahead", lr=0.1, inner="adam").inner.label
        'adam(lr=0.1, beta1=0.9, beta2=0.999, eps=1e-08, alternating=False, n_critic=1)'
    """

    # it may be left out: the inner rule has one
    lr: float | None = param(  # pyright: ignore[reportIncompatibleVariableOverride]
        None,
        "learning rate of both players, in place of the inner rule's",
        low=0,
        open_low=True,
        kw_only=True,
    )
    k: int = param(5, "inner steps between synchronisations", low=1, high=10_000)
    alpha: float = param(0.5, "share of the way that is kept", low=0, high=1, open_low=True)
    inner: Rule | None = param(None, "the rule that makes the inner steps, or its name; simultaneous")

    def __post_init__(self) -> None:
        """Make the inner rule, and let both know the same rates."""
        inner = "simultaneous" if self.inner is None else self.inner
        if isinstance(inner, str):  # of registered names only: a setting imports no file
            source, name, _ = RULES.parts(inner)
            if source or name not in RULES.entries:
                raise RULES.unknown(inner)
            inner = rule(inner)
        if not isinstance(inner, Rule):
            raise InputError(
                f"inner = {shown(inner)} is not a rule; allowed: what dg.rule(...) returns, or a rule's name"
            )
        if inner.ema is not None:
            raise InputError(
                "inner has ema; allowed: ema of the lookahead rule itself, after the synchronisation"
            )
        if self.lr is not None:
            inner = dataclasses.replace(inner, lr=self.lr, lr_d=self.lr_d, lr_g=self.lr_g)
        own = {n: getattr(self, n) for n in ("lr_d", "lr_g") if getattr(self, n) is not None}
        inner = dataclasses.replace(inner, **own)
        for n in ("lr", "lr_d", "lr_g"):
            object.__setattr__(self, n, getattr(inner, n))
        object.__setattr__(self, "inner", inner)

    @property
    def fast(self) -> Rule:
        """The inner rule with this rule's rates."""
        inner: Any = self.inner
        return dataclasses.replace(inner, lr=self.lr, lr_d=self.lr_d, lr_g=self.lr_g)

    def memory(self, game: GameLike, players: Players) -> Pytree:
        """The inner rule's."""
        return self.fast.memory(game, players)

    def iterate(self, game: GameLike, players: Players, memory: Pytree) -> tuple[Players, Pytree]:
        """k inner iterations, then back."""
        fast = self.fast

        def once(i: int | Array, now: tuple[Players, Pytree]) -> tuple[Players, Pytree]:
            return fast.iterate(_Later(game, i * fast.draws), *now)

        reached, memory = game.repeat(self.k, once, (players, memory))
        back = jax.tree.map(lambda slow, far: slow + self.alpha * (far - slow), players, reached)
        return game.project(back), memory

    @property
    def draws(self) -> int:
        """The inner rule's, k times."""
        return self.k * self.fast.draws

    @property
    def period(self) -> int:
        """After how many synchronisations the inner rule's pattern repeats."""
        return self.fast.period // math.gcd(self.fast.period, self.k)

    @property
    def is_adaptive(self) -> bool:
        """As the inner rule."""
        return self.fast.is_adaptive

    @property
    def lr_sets_steps(self) -> bool:
        """As the inner rule."""
        return self.fast.lr_sets_steps

    @property
    def can_hold(self) -> bool:
        """As the inner rule."""
        return self.fast.can_hold

    @property
    def linearises(self) -> bool | Array:
        """As the inner rule."""
        return self.fast.linearises

    def why_not_linearisable(self) -> str | None:
        """As the inner rule."""
        return self.fast.why_not_linearisable()

    @property
    def at_rest(self) -> Rule:
        """Around the inner rule that has run for long."""
        return dataclasses.replace(self, inner=self.fast.at_rest)

    @property
    def at_rest_as_remembered(self) -> Rule:
        """Around that of the inner rule."""
        return dataclasses.replace(self, inner=self.fast.at_rest_as_remembered)

    @property
    def is_smooth_at_rest(self) -> bool:
        """As the inner rule."""
        return self.fast.is_smooth_at_rest

    @property
    def bias_corrected(self) -> Rule:
        """Around the inner rule that has run for long."""
        return dataclasses.replace(self, inner=self.fast.bias_corrected)

    def rest(self, game: GameLike, players: Players) -> Pytree:
        """The inner rule's."""
        return self.fast.rest(game, players)


class _Later(WrappedGame):
    """A game in which ``before`` evaluations of this iteration have been made already."""

    def __init__(self, game: GameLike, before: int | Array) -> None:
        super().__init__(game)
        self.before = before

    def velocity(self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0) -> Players:
        return self.game.velocity(players, draw=self.before + draw, penalty=penalty)

    def moving(self, players: Players, draw: int | Array = 0) -> Players:
        return self.game.moving(players, self.before + draw)

    def apply_step(self, players: Players, rates: Players, draw: int | Array = 0) -> Players:
        return self.game.apply_step(players, rates, self.before + draw)
