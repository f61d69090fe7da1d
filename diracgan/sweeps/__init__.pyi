from .executors import Dask as Dask, Executor as Executor, Local as Local
from .maps import basins as basins, bifurcation as bifurcation, stability as stability
from .quantity import QUANTITIES as QUANTITIES, Point as Point
from .sweep import sweep as sweep
