"""A variant in formulas and words: its losses, field, Jacobian and eigenvalues, and what follows from them."""

from typing import TYPE_CHECKING

from ...lazy import load_on_use

if TYPE_CHECKING:
    from .explanation import Explanation, explain

__all__ = ["Explanation", "explain"]

load_on_use(__name__, {"explanation": ("Explanation", "explain")})
