"""The generator's path in space (d = 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from ..space import space_figure
from . import Drawn, stands_still

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIMENSION = 3


def still(drawn: Drawn) -> Figure:
    """Draw the path."""
    return space_figure(drawn.trajectory, verdict=drawn.verdict)


def moving(drawn: Drawn) -> NoReturn:
    """Refuse: a turning picture would show nothing more."""
    raise stands_still("space")
