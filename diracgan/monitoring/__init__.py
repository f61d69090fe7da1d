"""What a log says: series that someone logged, the oscillations in them, and what would help."""

from typing import TYPE_CHECKING

from ..lazy import load_on_use

if TYPE_CHECKING:
    from .diagnose import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]

load_on_use(__name__, {"diagnose": ("Diagnosis", "diagnose")})
