"""Optimisers: every rule is one whole iteration as a pure map."""

from ..lazy import callable_package, import_modules  # noqa: I001  the families in the order of `rules()`
from . import gradient, momentum, adaptive, lookahead, implicit, runge_kutta  # noqa: F401
from .base import Rule, State, float_vector, init, move, move_both, step
from .optax import from_optax
from .per_player import PerPlayerRule, scaled
from .registry import RULES, check_rule, register_rule, rule, rules

# functions have attributes of any name
rule.from_optax = from_optax  # type: ignore[attr-defined]
import_modules(__name__, __path__)  # families that are not named above come last
callable_package(__name__, "rules")  # dg.rules() lists them, whatever was imported first

__all__ = [
    "RULES",
    "PerPlayerRule",
    "Rule",
    "State",
    "check_rule",
    "float_vector",
    "from_optax",
    "init",
    "move",
    "move_both",
    "register_rule",
    "rule",
    "rules",
    "scaled",
    "step",
]
