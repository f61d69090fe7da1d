"""Analysis of the Dirac game: equilibria, spectra and verdicts; arrays in, records out.

Each question's module loads when it is first asked.
"""

from ..lazy import load_on_use

load_on_use(__name__)
