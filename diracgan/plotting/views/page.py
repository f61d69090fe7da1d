"""The whole page: the portrait, the distances over time and the eigenvalues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..animation import animate
from ..overview import figure
from . import Drawn

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

DIMENSION = None


def still(drawn: Drawn) -> Figure:
    """Draw the page."""
    return figure(drawn.trajectory, drawn.spectrum, drawn.field, verdict=drawn.verdict, size=drawn.size)


def moving(drawn: Drawn) -> FuncAnimation:
    """Animate the page."""
    return animate(drawn.trajectory, drawn.spectrum, drawn.field)
