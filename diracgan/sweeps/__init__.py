"""Maps of parameters: any quantity over any grid, kept in a store, computed here or on a cluster."""

from .executors import Dask, Executor, Local
from .maps import basins, bifurcation, stability
from .quantities import QUANTITIES, Point
from .sweep import sweep

__all__ = ["QUANTITIES", "Dask", "Executor", "Local", "Point", "basins", "bifurcation", "stability", "sweep"]
