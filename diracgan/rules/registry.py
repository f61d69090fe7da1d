"""The registered rules by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import unknown
from ..parameters import check
from .base import Rule

_REGISTRY: dict[str, type[Rule]] = {}
R = TypeVar("R", bound=type[Rule])


def register_rule(name: str, reference: str = "") -> Callable[[R], R]:
    """Give a :class:`Rule` subclass its name; every command and function then knows it.

    Args:
        name: what the rule is called.
        reference: where it comes from.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> from diracgan.rules import Rule, register_rule
        >>> from diracgan.rules import move_both
        >>> @register_rule("my-half-steps")
        ... class HalfSteps(Rule):
        ...     def iterate(self, game, players, memory):
        ...         half = type(players)(*(0.5 * h for h in self.rates))
        ...         return game.apply_step(move_both(players, half, game.velocity(players)), half), memory
        >>> s = dg.step(dg.variant("wgan-linear"), dg.rule("my-half-steps", lr=1.0))
        >>> [x.tolist() for x in s(jnp.array([1.0]), jnp.array([1.0]))]
        [[0.5], [1.5]]
    """

    def give(cls: R) -> R:
        cls.name, cls.reference = name, reference
        _REGISTRY[name] = cls
        return cls

    return give


def rules() -> dict[str, str]:
    """Name -> one line of every registered rule.

    Example:
        >>> import diracgan as dg
        >>> "alternating" in dg.rules()
        True
    """
    return {name: cls.summary() for name, cls in _REGISTRY.items()}


def rule_class(name: str) -> type[Rule]:
    """The class registered as ``name``; InputError names the choices."""
    if name not in _REGISTRY:
        raise unknown("rule", name, _REGISTRY)
    return _REGISTRY[name]


def rule(name: str, **parameters: Any) -> Rule:
    """Make a registered rule.

    Args:
        name: a registered name, see :func:`rules`.
        **parameters: its own, and on every rule ``lr`` or ``lr_d`` and ``lr_g`` (> 0) and ``ema`` (decay in
            [0, 1)).

    Raises:
        InputError: (a ValueError) for an unknown name or parameter, naming the choices.

    Example:
        >>> import diracgan as dg
        >>> dg.rule("simultaneous", lr=0.05, ema=0.99).hyperparameters
        {'lr': 0.05, 'lr_d': None, 'lr_g': None, 'ema': 0.99, 'lazy': None}
    """
    cls = rule_class(name)
    return cls(**check(cls, parameters))
