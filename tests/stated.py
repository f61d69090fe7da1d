"""The formulas that docstrings state, read by SymPy: what a loss or a rule is, in the words beside its code."""

from __future__ import annotations

import inspect
import re
import tokenize
from collections.abc import Iterable
from typing import Any

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.parsing.sympy_parser import (
    convert_xor,
    implicit_application,
    implicit_multiplication,
    parse_expr,
    standard_transformations,
)

_WAYS = (*standard_transformations, convert_xor, implicit_multiplication, implicit_application)
FUNCTIONS: dict[str, Any] = {
    **{name: getattr(sp, name) for name in ("exp", "log", "sqrt", "tanh", "sin", "cos", "atan")},
    **{"max": sp.Max, "min": sp.Min, "abs": sp.Abs},
    **{name: sp.Function(name) for name in ("sigma", "softplus", "mean")},
}


def first_formula(text: str) -> str:
    """What stands before the first comma, colon, semicolon or full stop that no bracket encloses."""
    depth = 0
    for k, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and (letter in ",:;" or (letter == "." and not text[k + 1 : k + 2].isdigit())):
            return text[:k]
    return text


def formula(text: str, names: Iterable[str]) -> sp.Expr | None:
    """The formula with which a text begins, in the given names and the usual functions; None where it is none."""
    symbols = {name: sp.Symbol(name) for name in names}
    try:
        found = parse_expr(first_formula(text), {**FUNCTIONS, **symbols}, _WAYS)
    except (SyntaxError, TypeError, AttributeError, ValueError, tokenize.TokenError):
        return None
    if not isinstance(found, sp.Expr) or not found.free_symbols <= set(symbols.values()):
        return None
    applied = {type(f) for f in found.atoms(AppliedUndef)}
    return found if applied <= set(FUNCTIONS.values()) else None


def multipliers_of(rule: Any) -> tuple[sp.Expr, bool] | None:
    """What a rule's docstring says of its multipliers x at zeta = lr mu: an expression, and whether x are its roots.

    As ``Multipliers 1 + zeta + zeta^2`` or ``Multipliers x^2 - (1 + 2 zeta) x + zeta = 0``; None where it says nothing
    that can be read.
    """
    said = re.search(r"\bMultipliers (.*)", " ".join((inspect.getdoc(type(rule)) or "").split()))
    if said is None:
        return None
    left, equals, right = first_formula(said[1]).partition("=")
    found = formula(left, {**rule.hyperparameters, "zeta": 0, "x": 0})
    return None if found is None or (equals and right.strip() != "0") else (found, bool(equals))
