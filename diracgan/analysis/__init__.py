"""What it means: equilibria, spectra and verdicts; arrays in, records out."""

from .noise import Scatter, stationary_covariance
from .spectrum import Spectrum, spectrum

__all__ = ["Scatter", "Spectrum", "spectrum", "stationary_covariance"]
