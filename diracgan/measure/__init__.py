"""What a run of a game really does: its Jacobian's eigenvalues, those of its trajectory, its noise floor.

Example:
    >>> import numpy as np, diracgan as dg
    >>> turn = np.array([[np.cos(t), np.sin(t)] for t in 0.1 * np.arange(30)])
    >>> round(float(np.angle(dg.measure.pencil(turn)[0])), 9)
    0.1
"""

from ..numerics.matrix_pencil import pencil
from .equilibria import Equilibrium, teacher
from .noise import NoiseFloor, floor, gradient_covariance
from .spectrum import GameSpectrum, spectrum

__all__ = [
    "Equilibrium",
    "GameSpectrum",
    "NoiseFloor",
    "floor",
    "gradient_covariance",
    "pencil",
    "spectrum",
    "teacher",
]
