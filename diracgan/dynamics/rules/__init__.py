"""How optimisers move: every rule is one whole iteration as a pure map."""

from . import gradient
from .base import Rule, State, init, move, move_both, step
from .registry import register_rule, rule, rule_class, rules

__all__ = [
    "Rule",
    "State",
    "gradient",
    "init",
    "move",
    "move_both",
    "register_rule",
    "rule",
    "rule_class",
    "rules",
    "step",
]
