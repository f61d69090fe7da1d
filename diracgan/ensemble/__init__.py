"""Many trajectories at once: the fused integrator, and the spectra of whole families."""

from ..lazy import callable_package
from .api import STATUS, Ensemble, ensemble, run
from .spectra import Spectra, spectra

__all__ = ["STATUS", "Ensemble", "Spectra", "ensemble", "run", "spectra"]

callable_package(__name__, "ensemble")
