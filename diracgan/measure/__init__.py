"""Measurements of any game, ours or a user's own: Jacobian and trajectory eigenvalues, noise floor, forecast.

Example:
    >>> import numpy as np, diracgan as dg
    >>> turn = np.array([[np.cos(t), np.sin(t)] for t in 0.1 * np.arange(30)])
    >>> round(float(np.angle(dg.measure.pencil(turn)[0])), 9)
    0.1
"""

from ..numerics.matrix_pencil import pencil
from .equilibria import Equilibrium, teacher
from .leading import GameSpectrum, eigenvalues
from .measured_game import Coupling, GradientNoise, MeasuredGame
from .noise import NoiseFloor, floor, gradient_covariance
from .own_game import from_run, game
from .spectrum import spectrum

__all__ = [
    "Coupling",
    "Equilibrium",
    "GameSpectrum",
    "GradientNoise",
    "MeasuredGame",
    "NoiseFloor",
    "eigenvalues",
    "floor",
    "from_run",
    "game",
    "gradient_covariance",
    "pencil",
    "spectrum",
    "teacher",
]
