"""What a log says: series that someone logged, the oscillations in them, and what would help."""

from ..lazy import load_on_use

load_on_use(__name__)
