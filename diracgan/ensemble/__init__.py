"""Many trajectories at once: the fused integrator, the spectra of whole families, sweeps and maps of parameters."""

from .._callable import callable_package
from .api import STATUS, Ensemble, ensemble, run
from .executors import Dask, Executor, Local
from .maps import basins, bifurcation, stability
from .quantities import QUANTITIES, Point
from .spectra import Spectra, spectra
from .sweep import sweep

__all__ = [
    "QUANTITIES",
    "STATUS",
    "Dask",
    "Ensemble",
    "Executor",
    "Local",
    "Point",
    "Spectra",
    "basins",
    "bifurcation",
    "ensemble",
    "run",
    "spectra",
    "stability",
    "sweep",
]

callable_package(__name__, "ensemble")
