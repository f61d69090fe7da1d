"""How results leave the program as text: JSON, tables, markdown. No JAX here."""

from .encode import dumps, plain
from .tables import markdown, show

__all__ = ["dumps", "markdown", "plain", "show"]
