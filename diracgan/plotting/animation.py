"""Animations: the path and the distances over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .axes_helpers import film, pace
from .flowlines import VectorField
from .letters import number
from .overview import figure
from .series import Series, TrajectoryLike, read

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

    from ..analysis.linear.spectrum import Spectrum

__all__ = ["animate"]


def animate(
    traj: TrajectoryLike,
    spectrum: Spectrum | None = None,
    field: VectorField | None = None,
    *,
    frames: int = 80,
    rate: int = 20,
) -> FuncAnimation:
    """Return the page of :func:`diracgan.plotting.figure` as an animation; its last frame is that page.

    Args:
        traj: a trajectory.
        spectrum: its spectrum, if any.
        field: vectorised field for the streamlines of d = 1.
        frames: how many frames at least, equally spaced in time, the last held for half a second; more where a turn
            would have less than twelve.
        rate: frames per second at most; fewer where more than two turns a second would flicker.

    Returns:
        A matplotlib animation: :func:`diracgan.plotting.save` writes it as .gif or .mp4, Jupyter shows
        ``animation.to_jshtml()``.

    Raises:
        InputError: when the trajectory holds nothing to draw.

    Example:
        >>> import numpy as np
        >>> t = np.linspace(0, 6, 50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> animate({"phi": z, "theta": z, "time": t}, frames=3).frame_rate
        20
    """
    series = read(traj)
    fig = figure(series, spectrum, field)
    moving = Moving(fig, series)
    flat = series.flat()
    frames, rate = pace(flat.points - flat.origin, frames, rate)
    ends = np.linspace(series.clock[0], series.clock[-1], max(frames, 2))[1:]
    return film(fig, lambda k: moving.at(float(ends[k])), len(ends), rate)


class Moving:
    """The artists that grow, with their whole data; ``at(t)`` shows them until ``t``."""

    def __init__(self, fig: Figure, series: Series) -> None:
        self.counts_steps, self.unit = series.discrete, series.clock_name.split()[-1]
        self.start, self.end = float(series.clock[0]), float(series.clock[-1])
        artists = _named(fig)
        self.end_mark = artists.pop("end")
        found = {name: a for name, a in artists.items() if name not in ("start", "target")}
        self.end_at = self.end_mark.get_xydata().copy()
        self.lines = [(a, a.get_xydata().copy()) for a in found.values() if hasattr(a, "get_xydata")]
        self.trails = [a for a in found.values() if hasattr(a, "set_segments")]
        self.segments = [(a, list(a.get_segments())) for a in self.trails]
        self.dots = [
            (a, np.array(a.get_offsets()))
            for a in found.values()
            if a.get_gid() == "path" and a not in self.trails
        ]
        _bake(fig)
        self.caption = fig.text(0.97, 0.985, "", ha="right", va="top", fontsize=9)

    def at(self, when: float) -> list[Any]:
        """Show what is there until ``when``."""
        part = min((when - self.start) / ((self.end - self.start) or 1.0), 1.0)
        for line, whole in self.lines:
            line.set_data(*whole[: _first(len(whole), part)].T)
        head = self.end_at
        for trail, whole in self.segments:
            count = _first(len(whole), part)
            trail.set_segments(whole[:count])
            head = whole[count - 1][-1:]
        for dots, whole in self.dots:
            count = _first(len(whole), part)
            dots.set_offsets(whole[:count])
            head = whole[count - 1 : count]
        self.end_mark.set_data(*np.asarray(head).T)
        shown = self.start + part * (self.end - self.start)
        moment = str(round(shown)) if self.counts_steps else number(shown, 3)
        self.caption.set_text(f"{self.unit} = {moment}")
        return []


def _named(fig: Figure) -> dict[str, Any]:
    """The artists that make up the trajectory: those that have a name."""
    artists = [a for axes in fig.axes for a in [*axes.lines, *axes.collections]]
    return {str(a.get_gid()): a for a in artists if a.get_gid()}


def _bake(fig: Figure) -> None:
    """Draw all that stands still into one image under the lines: frames then cost a fifth."""
    from matplotlib.backend_bases import FigureCanvasBase
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    live = set(_named(fig).values())
    for artist in live:
        artist.set_visible(False)
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    still = np.array(canvas.buffer_rgba())
    for artist in [*fig.texts, *(child for axes in fig.axes for child in axes.get_children())]:
        artist.set_visible(artist in live)
    fig.figimage(still, zorder=-1)
    FigureCanvasBase(fig)  # Agg's own canvas would draw every frame twice


def _first(count: int, part: float) -> int:
    return max(1, round(part * count))
