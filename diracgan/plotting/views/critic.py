"""The critic's line and its fake sample (d = 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..critics import animate_critic, critic_figure
from . import Drawn

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

DIMENSION = 1


def still(drawn: Drawn) -> Figure:
    """Draw the line at a few instants."""
    return critic_figure(drawn.trajectory, verdict=drawn.verdict)


def moving(drawn: Drawn) -> FuncAnimation:
    """Animate the line."""
    return animate_critic(drawn.trajectory)
