"""Cards to share: a published statement, the path that contradicts it, the truth, and the command."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from .animation import Moving
from .axes_helpers import film, legend_beside, pace
from .flowlines import VectorField
from .headings import folded
from .letters import with_powers
from .portraits import portrait
from .series import Series, TrajectoryLike, read
from .theme import GREY, INK, style

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

__all__ = ["animate_card", "card_figure"]

_SIDE = 6.0  # inches; at the style's 100 dots 600 pixels
_WIDE = 5.2  # inches that a line of text takes at most
_MOST_LINES = 4  # of what is true, above the command
_PLACE = (0.125, 0.305, 0.54, 0.54)


def card_figure(
    traj: TrajectoryLike,
    sentence: str,
    truth: str,
    command: str,
    *,
    field: VectorField | None = None,
    target: str = "equilibrium",
) -> Figure:
    """Draw a card that stands still: the last frame of :func:`animate_card`.

    Args:
        traj: a trajectory.
        sentence: what is said, at the top.
        truth: what holds, below the path.
        command: what shows it.
        field: vectorised field for the streamlines of d = 1.
        target: what the mark at (0, x₀) is called; "datum" where that is not an equilibrium.

    Returns:
        The figure, a square.

    Example:
        >>> t = np.linspace(0, 6, 50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> card_figure({"phi": z, "theta": z, "time": t}, "it stops", "no", "diracgan list").texts[1].get_text()
        'no'
    """
    series = read(traj)
    with style():
        fig = _face(series, sentence, field, target)
        _answer(fig, truth, command)
    return fig


def animate_card(
    traj: TrajectoryLike,
    sentence: str,
    truth: str,
    command: str,
    *,
    field: VectorField | None = None,
    target: str = "equilibrium",
    hold: float = 4.0,
    rate: int = 20,
) -> FuncAnimation:
    """Return a card in motion: first what is said, then the path, then what is true and the command.

    Args:
        traj: a trajectory.
        sentence: what is said.
        truth: what holds.
        command: what shows it.
        field: vectorised field for the streamlines of d = 1.
        target: what the mark at (0, x₀) is called; "datum" where that is not an equilibrium.
        hold: seconds for which the truth is shown.
        rate: frames per second at most.

    Returns:
        A matplotlib animation: :func:`diracgan.plotting.save` writes it as .gif or .mp4.

    Example:
        >>> t = np.linspace(0, 6, 50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> animate_card({"phi": z, "theta": z, "time": t}, "it stops", "it does not", "diracgan list").frame_rate
        20
    """
    series = read(traj)
    with style():
        fig = _face(series, sentence, field, target)
        moving = Moving(fig, series)
        answer = _answer(fig, truth, command)
    flat = series.flat()
    frames, rate = pace(flat.points - flat.origin, 60, rate)
    ends = np.linspace(series.clock[0], series.clock[-1], frames + 1)[1:]

    def draw(k: int) -> list[Any]:
        moving.at(float(ends[min(k, frames - 1)]))
        for text in answer:
            text.set_visible(k >= frames)
        return []

    return film(fig, draw, frames + round(hold * rate), rate)


def _face(series: Series, sentence: str, field: VectorField | None, target: str) -> Figure:
    fig = Figure(figsize=(_SIDE, _SIDE))
    said = "\n".join(folded(sentence, _WIDE, 15, "bold"))
    fig.text(0.05, 0.965, said, va="top", fontsize=15, weight="bold", color=INK)
    legend_beside(portrait(series, fig.add_axes(_PLACE), field=field, target=target))
    return fig


def _answer(fig: Figure, truth: str, command: str) -> list[Any]:
    what = with_powers(truth.replace("`", ""))
    size = next((s for s in (11, 10) if len(folded(what, _WIDE, s)) <= _MOST_LINES), 9)
    how = "\n".join(textwrap.wrap(command, 68, subsequent_indent="    ", break_on_hyphens=False))
    return [
        fig.text(0.05, 0.215, "\n".join(folded(what, _WIDE, size)), va="top", fontsize=size, color=INK),
        fig.text(0.05, 0.075, how, va="top", fontsize=9, family="monospace", color=GREY),
    ]
