"""How optimisers move: every rule is one whole iteration as a pure map."""

from ..lazy import callable_package  # noqa: I001  the families in the order of `rules()`
from . import gradient, momentum, adaptive, lookahead, implicit, runge_kutta
from .base import Rule, State, init, move, move_both, step
from .optax import from_optax
from .registry import register_rule, rule, rule_class, rules

rule.from_optax = from_optax  # type: ignore[attr-defined]
callable_package(__name__, "rules")  # dg.rules() lists them, whatever was imported first

__all__ = [
    "Rule",
    "State",
    "adaptive",
    "from_optax",
    "gradient",
    "implicit",
    "init",
    "lookahead",
    "momentum",
    "move",
    "move_both",
    "register_rule",
    "rule",
    "rule_class",
    "rules",
    "runge_kutta",
    "step",
]
