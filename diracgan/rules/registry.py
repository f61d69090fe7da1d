"""The registered rules by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import InputError, shown
from ..parameters import check
from ..registry import Registry, merged, settings
from ..variants import Variant, variant
from ..variants.presets import PRESETS
from .base import Rule
from .optax import optax_class

RULES: Registry[type[Rule]] = Registry("rule", lambda cls: cls.summary(), families={"optax": optax_class})
R = TypeVar("R", bound=type[Rule])


def register_rule(name: str, reference: str = "") -> Callable[[R], R]:
    """Give a :class:`Rule` subclass its name; every command and function then knows it.

    A rule writes ``iterate``, one whole iteration as a pure function, and ``memory``, where it remembers something.

    Args:
        name: what the rule is called, without ``:``, ``,`` or ``=``.
        reference: where it comes from.

    Raises:
        InputError: for a bad name, one that another class has, or a class that is not a Rule.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> @dg.register_rule("my-half-steps")
        ... class HalfSteps(dg.Rule):
        ...     def iterate(self, game, players, memory):
        ...         half = dg.rules.scaled(0.5, self.rates)
        ...         moved = dg.rules.move_both(players, half, game.velocity(players))
        ...         return game.apply_step(moved, half), memory
        >>> s = dg.step(dg.variant("wgan-linear"), dg.rule("my-half-steps", lr=1.0))
        >>> [x.tolist() for x in s(jnp.array([1.0]), jnp.array([1.0]))]
        [[0.5], [1.5]]
    """

    return RULES.register(name, reference, Rule)


def rules() -> dict[str, str]:
    """Name -> one line of every registered rule.

    Example:
        >>> import diracgan as dg
        >>> "alternating" in dg.rules()
        True
    """
    return RULES.summaries()


def rule(name: str, **parameters: Any) -> Rule:
    """Make a registered rule.

    Args:
        name: ``NAME[:k=v,...]`` with a registered name, see :func:`rules`; ``optax:NAME[:k=v,...]`` of any optimiser
            of optax that takes a learning rate, with optax's own parameters (``optax:`` may be left out where no
            registered rule has the name); or ``PATH.py:NAME[:k=v,...]``.
        **parameters: its own, and on every rule ``lr`` or ``lr_d`` and ``lr_g`` (> 0) and ``ema`` (decay in
            [0, 1)).

    Raises:
        InputError: (a ValueError) for an unknown name or parameter, naming the choices.

    Example:
        >>> import diracgan as dg
        >>> dg.rule("simultaneous", lr=0.05, ema=0.99).hyperparameters
        {'lr': 0.05, 'lr_d': None, 'lr_g': None, 'ema': 0.99, 'lazy': None}
        >>> dg.rule("alternating:lr=0.2,n_critic=3").label
        'alternating(lr=0.2, n_critic=3, first=critic)'
        >>> dg.rule("optax:sgd:lr=0.2,nesterov=true").label
        'optax:sgd(lr=0.2, nesterov=True, alternating=False, n_critic=1)'
    """
    found, rest = RULES.find(name)
    cls = RULES[found]
    return cls(**check(cls, merged(settings(rest, name), parameters)))


def check_rule(given: object) -> Rule:
    """``given``, or InputError where it is not a rule."""
    if not isinstance(given, Rule):
        raise InputError(f"{shown(given)} is not a rule; allowed: what dg.rule(...) returns")
    return given


def preset(name: str) -> tuple[Variant, Rule]:
    """The variant and the recommended rule of a preset that practitioners know.

    Args:
        name: ``"stylegan"`` (ns with lazy R1, Adam, EMA), ``"r3gan"`` (rpgan with R1 and R2) or ``"dcgan"``
            (ns, Adam 2e-4 with beta1 0.5). As a variant's name each stands for its variant and penalties.

    Returns:
        (variant, rule).

    Raises:
        InputError: for an unknown name, naming the choices.

    Example:
        >>> import diracgan as dg
        >>> v, r = dg.preset("r3gan")
        >>> v.label
        'rpgan + r1=0.05 + r2=0.05'
        >>> dg.variant("r3gan").label == v.label
        True
    """
    found = PRESETS[name]
    return variant(found.variant, **found.modifiers), rule(found.rule, **found.settings)
