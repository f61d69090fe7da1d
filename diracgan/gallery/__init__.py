"""The gallery: figures that show what is true of each variant, computed here and drawn by :mod:`~diracgan.plotting`.

What a module lists in its ``__all__`` is found here, and loads on first use.
"""

from ..lazy import load_from_modules

load_from_modules(__name__)
