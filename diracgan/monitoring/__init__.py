"""What a log says: its regimes, the oscillations in them, and what would help; also while a run trains."""

from ..lazy import load_on_use

load_on_use(__name__)
