"""Helpers shared by the drawing functions: axes, windows, marks, scales and legends."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox, ScaledTranslation

from .letters import number
from .series import Array, window
from .theme import BLUE, GREEN, INK, ORANGE, PURPLE, VERMILION, power_of_ten, style, time_map

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

# More points than this cannot be told apart in a picture, and make vector files heavy.
MOST_POINTS = 6001
#: Of axes whose rows are named on the left of the first of several beside each other.
NAMED_ROWS = "named rows"
#: Under words that may stand on lines. A stroke around letters would make paths of them in vector files.
ON_WHITE = {"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
# Beyond this ratio of width to height equal scales would leave a line; the axes then scale apart.
MOST_ELONGATED = 12.0


_MARKS: dict[str, dict[str, Any]] = {
    "start": {"marker": "o", "markersize": 7, "color": "white", "markeredgecolor": INK},
    "end": {"marker": "s", "markersize": 6, "color": INK, "markeredgecolor": "white"},
    "equilibrium": {"marker": "+", "markersize": 11, "color": VERMILION, "markeredgewidth": 2},
}

AVERAGES = [
    (ORANGE, (0, (4, 1)), "^"),
    (BLUE, "-", "s"),
    (INK, (0, (1, 0.8)), "D"),
    (GREEN, (0, (6, 1.5, 1, 1.5)), "v"),
    (PURPLE, (0, (2, 2)), "P"),
]


def mark(kind: str, label: str | None = None) -> dict[str, Any]:
    """Return how the start, the end or the equilibrium is drawn, as keywords of ``Axes.plot``."""
    return _MARKS[kind] | {"label": label or kind, "linestyle": "none", "zorder": 6, "clip_on": False}


@contextmanager
def styled(ax: Axes | None) -> Iterator[Axes]:
    """Draw in diracgan's style on ``ax``, or on the axes of a new pyplot figure."""
    with style():
        if ax is None:  # a call without axes is from a notebook, where pyplot shows the figure
            from matplotlib import pyplot

            ax = pyplot.subplots(figsize=(4.6, 4.6))[1]
        yield ax


def frame(ax: Axes, points: Array) -> None:
    """Set limits that hold ``points`` (rows, 2): a square of equal scales unless that leaves a line."""
    (x0, x1), (y0, y1) = window(points)
    half_x, half_y = (x1 - x0) / 2, (y1 - y0) / 2
    if max(half_x, half_y) <= MOST_ELONGATED * min(half_x, half_y):
        half = max(half_x, half_y)
        ax.set_xlim((x0 + x1) / 2 - half, (x0 + x1) / 2 + half)
        ax.set_ylim((y0 + y1) / 2 - half, (y0 + y1) / 2 + half)
        ax.set_aspect("equal", adjustable="box")
    else:
        ax.set_xlim(x0, x1)
        ax.set_ylim(y0, y1)
    ticks(ax.xaxis, 5)
    ticks(ax.yaxis, 5)


def equal_scales(ax: Axes) -> None:
    """One unit as long across as up, so that a circle on which a pair moves is one; the shorter limits give way.

    Called again after the axes got another shape, it begins from the limits that they had at first.
    """
    limits = _EQUAL.setdefault(ax, (ax.get_xlim(), ax.get_ylim()))
    middle, wide = zip(*(((a + b) / 2, abs(b - a)) for a, b in limits), strict=True)
    figure = ax.get_figure(root=True)
    if figure is None or max(wide) > MOST_ELONGATED * min(wide):
        return
    inches = np.asarray(ax.get_position(original=True).size) * figure.get_size_inches()
    half = inches / 2 * float(np.max(np.asarray(wide) / inches))
    ax.set_xlim(middle[0] - half[0], middle[0] + half[0])
    ax.set_ylim(middle[1] - half[1], middle[1] + half[1])


_EQUAL: WeakKeyDictionary[Axes, tuple[tuple[float, float], tuple[float, float]]] = WeakKeyDictionary()


def scales_are_equal(ax: Axes) -> bool:
    """Whether :func:`equal_scales` was asked of it."""
    return ax in _EQUAL


def ticks(axis: Axis, count: int) -> None:
    """Give ``axis`` about ``count`` round ticks; very large or small ones each carry their exponent.

    Matplotlib would put one exponent at the axis' end, where it meets legends and titles.
    """
    axis.set_major_locator(MaxNLocator(count, steps=[1, 2, 5, 10]))
    low, high = axis.get_view_interval()
    if not 1e-2 <= max(abs(low), abs(high)) < 1e4:  # as the style's axes.formatter.limits
        axis.set_major_formatter(lambda x, _: number(x, 3).replace("\N{NO-BREAK SPACE}", ""))


def decade_ticks(axis: Axis, low: float, high: float, every: int = 1) -> None:
    """Tick the powers of ten 10^low to 10^high of a logarithmic axis: matplotlib's locator may overflow beyond them."""
    exponents = range(int(np.ceil(low)), int(np.floor(high)) + 1)
    axis.set_major_locator(FixedLocator([10.0**k for k in exponents if k % every == 0]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(power_of_ten)


def log_clock(ax: Axes, low: float, high: float) -> None:
    """Make the horizontal axis logarithmic, from ``low`` to ``high``."""
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    decade_ticks(ax.xaxis, np.log10(low), np.log10(high))


def time_scale(clock: Array) -> Normalize:
    """The colours' scale from the clock's first to its last value."""
    first, last = float(clock[0]), float(clock[-1])
    return Normalize(first, last if last > first else first + 1)


def timed_path(
    ax: Axes, points: Array, clock: Array, *, dot: float | None, linewidth: float, **look: Any
) -> None:
    """Draw a path (rows, 2) coloured by time: as dots of the size ``dot``, or as a line where that is None."""
    look = {"cmap": time_map(), "norm": time_scale(clock), "zorder": 3, **look}
    if dot is not None:
        ax.scatter(*points.T, c=clock, s=dot, linewidth=0, **look)
    elif len(points) > 1:
        line = LineCollection(list(np.stack([points[:-1], points[1:]], axis=1)), linewidth=linewidth, **look)
        line.set_array((clock[:-1] + clock[1:]) / 2)
        ax.add_collection(line, autolim=False)


def film(fig: Figure, draw: Callable[[int], list[Any]], frames: int, rate: int) -> FuncAnimation:
    """The animation whose frames ``draw(0)`` to ``draw(frames - 1)`` makes; the last is held for half a second."""
    from matplotlib.animation import FuncAnimation

    order = [*range(frames), *[frames - 1] * (rate // 2)]
    with style():
        made = FuncAnimation(fig, draw, frames=order, interval=1000 / rate, blit=False)
    # read by `saving`; the stub knows no further attributes
    made.frame_rate, made.figure = rate, fig  # type: ignore[attr-defined]
    return made


def pace(points: Array, frames: int, rate: int) -> tuple[int, int]:
    """Frames and frames per second at which a path (rows, 2) around the origin does not flicker.

    A turn takes twelve frames, up to 480 in all, and half a second or more.

    Example:
        >>> t = np.linspace(0, 40 * np.pi, 4001)
        >>> pace(np.stack([np.cos(t), np.sin(t)], axis=1), 80, 20)
        (240, 20)
    """
    size = np.linalg.norm(points, axis=1)
    seen = size > 1e-3 * size.max(initial=0.0)  # nearer it is rounding that turns
    angle = np.unwrap(np.arctan2(points[seen, 1], points[seen, 0]))
    turns = float(np.abs(np.diff(angle)).sum()) / (2 * np.pi)
    frames = max(frames, min(round(12 * turns), 480))
    return frames, max(1, min(rate, int(2 * frames / turns))) if turns > 1 else rate


def scale_beside(ax: Axes, scale: Normalize, name: str) -> None:
    """A colour scale beside the axes, by hand: a full colorbar costs as much as the rest of the axes."""
    bar = ax.inset_axes((1.03, 0.0, 0.03, 1.0))
    low, high = float(scale.vmin or 0.0), float(scale.vmax or 0.0)
    bar.imshow(
        np.linspace(0, 1, 256)[:, None],
        extent=(0, 1, low, high),
        origin="lower",
        aspect="auto",
        cmap=time_map(),
        vmin=0,
        vmax=1,
    )
    bar.xaxis.set_major_locator(NullLocator())
    bar.yaxis.tick_right()
    ticks(bar.yaxis, 5)
    bar.spines[["left", "bottom"]].set_visible(False)
    bar.set_title(name, fontsize=8, loc="center", pad=8)


def span(ax: Axes, clock: Array) -> None:
    """Set the horizontal limits to the clock's first and last value."""
    low, high = float(clock[0]), float(clock[-1])
    ax.set_xlim(low, high if high > low else low + 1)
    ticks(ax.xaxis, 5)


def decades(sizes: Array) -> float:
    """Return how many decades the positive ``sizes`` span."""
    positive = sizes[sizes > 0]
    return float(np.log10(positive.max()) - np.log10(positive.min())) if positive.size else 0.0


def logarithmic(ax: Axes, sizes: Array) -> None:
    """Make the vertical axis logarithmic and fit it to the positive ``sizes``."""
    positive = sizes[sizes > 1e-300]
    if positive.size == 0:
        return
    ax.set_yscale("log")
    low, high = float(np.log10(positive.min())), float(np.log10(positive.max()))
    margin = max(0.03 * (high - low), 0.1)
    low, high = max(low - margin, -307.0), min(high + margin, 300.0)
    if high - low < 1.5:
        low, high = np.floor(low), np.ceil(high)
    ax.set_ylim(10.0**low, 10.0**high)
    decade_ticks(ax.yaxis, low, high, every=max(1, int(np.ceil((high - low) / 6))))


def name_beside(
    ax: Axes,
    at: tuple[float, float],
    text: str,
    taken: list[Bbox],
    *,
    left: bool = False,
    below: bool = False,
) -> None:
    """Write a name beside a point, on that side of it which is asked for unless a name before stands there.

    Args:
        ax: axes with their limits.
        at: the point.
        text: its name; may have lines.
        taken: where names stand by now, in points, to which this one is added.
        left: whether it should stand on the left.
        below: whether it should stand below.
    """
    figure, lines = ax.get_figure(root=True), text.split("\n")
    assert figure is not None
    wide, high = 4.8 * max(map(len, lines)), 10.0 * len(lines)
    x, y = (72 / figure.dpi * np.asarray(ax.transData.transform(at))).tolist()
    sides = ((-7, 7) if left else (7, -7)), ((-5 - high, 5) if below else (5, -5 - high))
    places = [(away, up) for up in sides[1] for away in sides[0]]
    boxes = [Bbox.from_bounds(x + (a - wide if a < 0 else a), y + up, wide, high) for a, up in places]
    k = next((k for k, box in enumerate(boxes) if not box.count_overlaps(taken)), 0)
    taken.append(boxes[k])
    look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "zorder": 6, "bbox": ON_WHITE}
    ax.annotate(text, at, xytext=places[k], ha="right" if places[k][0] < 0 else "left", va="bottom", **look)


def legend_below(ax: Axes) -> None:
    """Put the legend under the horizontal axis' label."""
    labels = list(_entries(ax))
    figure = ax.get_figure(root=True)
    assert figure is not None
    room = 72 * figure.get_figwidth() * (1 - ax.get_position().x0)
    usual = len(labels) if len(labels) <= 4 else 3
    columns = next((c for c in range(usual, 1, -1) if legend_width(labels, c) <= room), 1)
    made = _legend(ax, "upper left", (-0.03, 0.0), -38, columns)
    made.set_gid("below")
    for text in made.get_texts() if columns == 1 else ():
        text.set_text(textwrap.fill(text.get_text(), max(8, int((room - 38) / 4.6))))


def _entries(ax: Axes) -> dict[str, Any]:
    """Label -> artist of a legend: the first of those that share one."""
    handles, labels = ax.get_legend_handles_labels()
    return {label: handles[labels.index(label)] for label in labels}


def legend_width(labels: Sequence[str], columns: int) -> float:
    """About how many points a legend takes: matplotlib fills its columns one after the other."""
    rows = -(-len(labels) // columns)
    return sum(38 + 4.6 * max(map(len, labels[k : k + rows])) for k in range(0, len(labels), rows))


def legend_above(ax: Axes, room: float = math.inf) -> None:
    """Put the legend on top of the axes, in one row where that is not longer than ``room`` points."""
    labels = list(_entries(ax))
    usual = max(len(ax.lines), 1)
    columns = next((c for c in range(usual, 1, -1) if legend_width(labels, c) <= room), 1)
    _legend(ax, "lower left", (0.0, 1.0), 3, columns).set_gid("above")


def legend_beside(ax: Axes) -> None:
    """Put the legend on the right of the scale that stands beside the axes."""
    entries = _entries(ax)
    ax.legend(
        entries.values(), entries, loc="lower left", bbox_to_anchor=(1.2, 0.0), handletextpad=0.5, borderpad=0
    )


def _legend(
    ax: Axes,
    loc: Literal["upper left", "lower left"],
    anchor: tuple[float, float],
    points: float,
    columns: int,
) -> Legend:
    """A legend ``points`` away from the axes' edge, whatever their height, so that it never meets a label."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    away = ax.transAxes + ScaledTranslation(0, points / 72, figure.dpi_scale_trans)
    entries = _entries(ax)
    how: dict[str, Any] = {"ncols": columns, "handletextpad": 0.5, "borderpad": 0}
    return ax.legend(entries.values(), entries, loc=loc, bbox_to_anchor=anchor, bbox_transform=away, **how)
