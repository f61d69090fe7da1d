"""A figure to draw on again and again: half of a picture's time goes into axes and ticks that the last one had too."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox


class ReusableFigure(Figure):
    """A figure that, once wiped, hands out its old axes where a page asks for new ones at the same place.

    Example:
        >>> reusable = ReusableFigure()
        >>> first = reusable.add_axes((0.1, 0.1, 0.8, 0.8))
        >>> _ = first.plot([0, 1])
        >>> reusable.wipe()
        >>> again = reusable.add_axes((0.1, 0.1, 0.8, 0.8))
        >>> again is first, len(again.lines)
        (True, 0)
    """

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._kept: dict[Any, Axes] = {}

    def wipe(self) -> None:
        """Take everything off."""
        for text in list(self.texts):
            text.remove()
        for ax in list(self.axes):
            self.delaxes(ax)

    def add_axes(self, *args: Any, **kwargs: Any) -> Any:
        """As a figure does, with axes that were emptied where there are some."""
        if len(args) != 1 or kwargs:
            return super().add_axes(*args, **kwargs)
        if args[0] in self._kept:
            ax = self._kept[args[0]]
            _empty(ax)
            return super().add_axes(ax)
        self._kept[args[0]] = super().add_axes(*args)
        return self._kept[args[0]]


def _empty(ax: Axes) -> None:
    """Make axes as new but for their ticks."""
    for artist in [*ax.lines, *ax.collections, *ax.patches, *ax.images, *ax.texts, *ax.child_axes]:
        artist.remove()
    if (legend := ax.get_legend()) is not None:
        legend.remove()
    for place in ("left", "center", "right"):
        ax.set_title("", loc=place)
    ax.set(xlabel="", ylabel="", xscale="linear", yscale="linear", aspect="auto")
    ax.set_axis_on()
    ax.dataLim.set(Bbox.null())
    ax.ignore_existing_data_limits = True
    ax.autoscale(True)
