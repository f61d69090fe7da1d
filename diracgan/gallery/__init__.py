"""The gallery: figures that show what is true of each variant, computed here and drawn by :mod:`~diracgan.plotting`."""

from .build import draw_all

__all__ = ["draw_all"]
