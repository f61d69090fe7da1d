"""The training dynamics of GANs: from two losses to flow, optimiser steps, spectrum, verdict and picture.

Names load on first use, so that ``import diracgan`` costs nothing and pulls in neither JAX nor NumPy.

Example:
    >>> import diracgan as dg
    >>> dg.variant("wgan-gp", c=0.0).name
    'wgan-gp'
"""

from .lazy import load_on_use

__version__ = "0.1.0"

load_on_use(__name__)
