"""Training logs: regimes, oscillations and advice, from a file or live."""

from ..lazy import load_on_use

load_on_use(__name__)
