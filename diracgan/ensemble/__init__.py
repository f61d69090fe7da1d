"""Many trajectories at once: the fused integrator and the spectra of whole families."""

from .._callable import callable_package
from .api import STATUS, Ensemble, ensemble, run

__all__ = ["STATUS", "Ensemble", "ensemble", "run"]

callable_package(__name__, "ensemble")
