"""Results as text: JSON, tables, markdown. Imports no JAX."""

from .encode import dumps, plain
from .tables import markdown, show

__all__ = ["dumps", "markdown", "plain", "show"]
