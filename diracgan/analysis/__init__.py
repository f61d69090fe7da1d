"""What it means: equilibria, spectra and verdicts; arrays in, records out."""

from .spectrum import Spectrum, spectrum

__all__ = ["Spectrum", "spectrum"]
