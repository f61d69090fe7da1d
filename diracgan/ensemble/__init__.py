"""Many trajectories at once: the fused integrator, and the spectra of whole families."""

from ..lazy import callable_package
from .api import STATUS, ensemble
from .spectra import Spectra, spectra

__all__ = ["STATUS", "Spectra", "ensemble", "spectra"]

callable_package(__name__, "ensemble")
