"""Results as text: JSON, tables, markdown. Imports no JAX."""

from ..records import plain
from .encode import dumps
from .tables import markdown, show, tell

__all__ = ["dumps", "markdown", "plain", "show", "tell"]
