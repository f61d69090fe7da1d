"""A variant in formulas and words: its losses, field, Jacobian and eigenvalues, and what follows from them."""

from ...lazy import load_on_use

load_on_use(__name__)
