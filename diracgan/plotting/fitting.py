"""A figure laid out anew for the width that it is printed in: its letters stay, its panels move together or apart.

What stands round a panel (numbers, labels, legend) is as large as its letters, so that only the panels themselves can
give way: they are measured with all that belongs to them, put in as many columns as there is room for, and made as
wide as is left.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, MaxNLocator

from .axes_helpers import NAMED_ROWS, equal_scales, legend_above, legend_below, legend_width, scales_are_equal
from .headings import heading_of, rewrite_heading
from .sizes import SMALLEST, Size
from .theme import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

_EDGE = 0.08  # inches round a page
_APART = 0.12  # inches between panels
_NARROWEST = 0.62  # of a panel's own width
_LOWEST = 1.3  # inches, of a panel that was higher
_SMALL = 2.4  # inches: the texts of a panel no wider than this have its place, of others the page
_EQUALS = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
_FLAT = 0.85  # of the height of axes in space: a cube fills no more of it
_BESIDE = 1.35  # inches of words beside a panel
_ROUNDS = 3  # of measuring: numbers that are thinned and legends that are folded take another room


class _Panel(NamedTuple):
    """Axes, what stands in or beside them, and their sides in inches."""

    ax: Axes
    guests: list[Axes]
    texts: list[Text]
    width: float
    height: float


def fit(fig: Figure, size: Size) -> None:
    """Lay a figure out for a size in print; one that has its width already stays as it is.

    Args:
        fig: any figure of this package.
        size: what it is printed as.

    Example:
        >>> from matplotlib.figure import Figure
        >>> from diracgan.plotting.sizes import size_of
        >>> fig = Figure(figsize=(9.6, 4.0))
        >>> _ = fig.add_axes((0.1, 0.2, 0.35, 0.6)), fig.add_axes((0.6, 0.2, 0.35, 0.6))
        >>> fit(fig, size_of("column"))
        >>> [round(float(ax.get_position().y0), 1) for ax in fig.axes], round(float(fig.get_figwidth()), 2)
        ([0.6, 0.1], 3.82)
    """
    if abs(fig.get_figwidth() - size.inches) < 1e-6:
        return
    with style():
        fig.draw_without_rendering()
        fig.set_layout_engine("none")
        for text in fig.findobj(Text):
            # findobj declares artists in general
            text.set_fontsize(max(text.get_fontsize(), SMALLEST))  # type: ignore[attr-defined]
        panels = _panels(fig)
        places = [_offsets(fig, p) for p in panels]
        for _ in range(_ROUNDS):
            _place(fig, size, panels, places)
            for panel in panels:
                _tidy(fig, panel)
        _place(fig, size, panels, places)


def _panels(fig: Figure) -> list[_Panel]:
    """The figure's panels in the order of reading, each with the axes on it and the texts nearest to it."""
    wide, high = fig.get_size_inches()
    boxes = {ax: ax.get_position() for ax in fig.axes if ax.get_visible()}
    hosts: dict[Axes, list[Axes]] = {}
    for ax in sorted(boxes, key=lambda a: -boxes[a].width * boxes[a].height):
        x, y = boxes[ax].x0 + boxes[ax].width / 2, boxes[ax].y0 + boxes[ax].height / 2
        host = next((h for h in hosts if boxes[h].contains(x, y)), None)
        if host is None:
            hosts[ax] = []
        else:
            hosts[host].append(ax)
    ordered = sorted(hosts, key=lambda a: (-round(6 * boxes[a].y1), boxes[a].x0))
    texts: dict[Axes, list[Text]] = {ax: [] for ax in ordered}
    for text in fig.texts:
        if ordered and text not in heading_of(fig):
            x, y = text.get_position()
            texts[min(ordered, key=lambda a: _away(boxes[a], float(x), float(y)))].append(text)
    return [
        _Panel(ax, hosts[ax], texts[ax], boxes[ax].width * wide, boxes[ax].height * high) for ax in ordered
    ]


def _away(box: Bbox, x: float, y: float) -> float:
    return float(np.hypot(max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1)))


def _offsets(fig: Figure, panel: _Panel) -> tuple[list[Any], list[Any]]:
    """Where guests stand in parts of their panel, and texts in inches from its lower left corner."""
    box, scale = panel.ax.get_position(), fig.get_size_inches()
    corner, sides = np.array([box.x0, box.y0]), np.array([box.width, box.height])
    guests = [(g.get_position().get_points() - corner) / sides for g in panel.guests]
    return guests, [(np.array(t.get_position(), float) - corner) * scale for t in panel.texts]


def _margins(fig: Figure, panel: _Panel) -> tuple[float, float, float, float]:
    """Inches that numbers, labels, legend and texts take on the left, below, on the right and above the panel."""
    box, (first, last) = panel.ax.get_window_extent(), _across(fig, panel)
    seen = [b for a in (panel.ax, *panel.guests) if (b := a.get_tightbbox()) is not None]
    seen += [t.get_window_extent() for t in panel.texts]
    x0, y0 = (min(getattr(b, n) for b in [box, *seen]) for n in ("x0", "y0"))
    x1, y1 = (max(getattr(b, n) for b in [box, *seen]) for n in ("x1", "y1"))
    left, low, right, high = first - x0, box.y0 - y0, max(x1 - last, 0.0), y1 - box.y1
    return left / fig.dpi, low / fig.dpi, right / fig.dpi, high / fig.dpi


def _across(fig: Figure, panel: _Panel) -> tuple[float, float]:
    """Where a panel's place begins and ends, in pixels: a square need not fill it."""
    place = panel.ax.get_position(original=True)
    return place.x0 * fig.get_figwidth() * fig.dpi, place.x1 * fig.get_figwidth() * fig.dpi


def _rows(panels: list[_Panel], margins: list[Any], width: float) -> list[list[int]]:
    """The panels of each row: as many as leave each most of its width."""

    def fits(count: int) -> bool:
        room = width - _EDGE * 2 - _APART * (count - 1)
        for k in range(0, len(panels), count):
            row = range(k, min(k + count, len(panels)))
            left = room - sum(margins[i][0] + margins[i][2] for i in row)
            if left < _NARROWEST * sum(panels[i].width for i in row):
                return False
        return True

    most = max(
        sum(abs(p.ax.get_position().y1 - q.ax.get_position().y1) < 0.05 for q in panels) for p in panels
    )
    count = next((c for c in range(most, 1, -1) if fits(c)), 1)
    return [list(range(k, min(k + count, len(panels)))) for k in range(0, len(panels), count)]


def _align(margins: list[Any], columns: int) -> None:
    """Let panels that stand below each other in one of several columns begin and end together."""
    for j in range(columns if columns > 1 else 0):
        column = range(j, len(margins), columns)
        left, right = (max(margins[i][side] for i in column) for side in (0, 2))
        for i in column:
            margins[i] = (left, margins[i][1], right, margins[i][3])


def _place(fig: Figure, size: Size, panels: list[_Panel], places: list[Any]) -> None:
    """Give the page its width and height, and every panel its place under the heading and above the legend."""
    width, margins = size.inches, [_margins(fig, p) for p in panels]
    rows = _rows(panels, margins, width)
    _align(margins, len(rows[0]))
    sides: dict[int, tuple[float, float]] = {}
    share = np.inf
    for row in rows:
        room = width - 2 * _EDGE - _APART * (len(row) - 1) - sum(margins[i][0] + margins[i][2] for i in row)
        whole = room / sum(panels[i].width for i in row)
        share = min(share, whole) if len(rows[0]) > 1 else whole  # a last one alone is no larger
        for i in row:
            wide, high = panels[i].width, panels[i].height * (_FLAT if panels[i].ax.name == "3d" else 1.0)
            sides[i] = share * wide, max(min(share, 1.0) * high, min(high, _LOWEST))
    fig.set_figwidth(width)
    head, foot = rewrite_heading(fig), _foot(fig)
    above = [max(margins[i][3] for i in row) for row in rows]
    below = [max(margins[i][1] for i in row) for row in rows]
    highs = [max(sides[i][1] for i in row) for row in rows]
    spent = head + foot + 2 * _EDGE + sum(above) + sum(below) + _APART * (len(rows) - 1)
    if size.shape is not None:
        share = max((size.shape * width - spent) / sum(highs), 0.35)
        sides = {i: (w, share * h) for i, (w, h) in sides.items()}
        highs = [share * h for h in highs]
    height = spent + sum(highs)
    fig.set_figheight(height)
    rewrite_heading(fig)
    top = height - head - _EDGE
    for row, up, down, tall in zip(rows, above, below, highs, strict=True):
        x, top = _EDGE, top - up
        for i in row:
            wide, high = sides[i]
            x += margins[i][0]
            if panels[i].ax.get_gid() == NAMED_ROWS:
                panels[i].ax.tick_params(labelleft=i == row[0])
                panels[i].ax.yaxis.label.set_visible(i == row[0])
            _move(fig, panels[i], places[i], (x, top - high, wide, high))
            x += wide + margins[i][2] + _APART
        top -= tall + down + _APART
    fig.draw_without_rendering()


def _move(
    fig: Figure,
    panel: _Panel,
    places: tuple[list[np.ndarray], list[np.ndarray]],
    box: tuple[float, float, float, float],
) -> None:
    """Put a panel at a box in inches, and what belongs to it with it."""
    (wide, high), (guests, texts) = fig.get_size_inches(), places
    x, y, w, h = box
    panel.ax.set_position((x / wide, y / high, w / wide, h / high))
    if panel.width <= _SMALL:  # its words begin where it does, and have the whole place
        panel.ax.set_anchor("W")
    if scales_are_equal(panel.ax):
        equal_scales(panel.ax)
    for ax, ((x0, y0), (x1, y1)) in zip(panel.guests, guests, strict=True):
        ax.set_position(
            ((x + x0 * w) / wide, (y + y0 * h) / high, (x1 - x0) * w / wide, (y1 - y0) * h / high)
        )
    for text, (right, up) in zip(panel.texts, texts, strict=True):
        # what stood above the panel, or on its right, keeps its distance from that edge
        along = w + right - panel.width if right > panel.width else min(right, w)
        above = h + up - panel.height if 2 * up > panel.height else up
        text.set_position(((x + along) / wide, (y + above) / high))


def _foot(fig: Figure) -> float:
    """The height of the page's own legend, folded to its width."""
    if not fig.legends:
        return 0.0
    old, room = fig.legends[0], fig.get_figwidth() - 2 * _EDGE
    labels = [t.get_text() for t in old.get_texts()]
    columns = next((c for c in range(len(labels), 1, -1) if legend_width(labels, c) <= 72 * room), 1)
    letters = old.get_texts()[0].get_fontsize() if labels else SMALLEST
    handles = [h for h in old.legend_handles if h is not None]
    old.remove()
    where = (_EDGE / fig.get_figwidth(), _EDGE / fig.get_figheight())
    look = {"loc": "lower left", "bbox_to_anchor": where, "borderaxespad": 0, "borderpad": 0}
    made = fig.legend(handles, labels, ncols=columns, fontsize=letters, **look)
    return float(made.get_window_extent().height / fig.dpi) + _APART


# ---------------------------------------------------------------- within a panel


def _tidy(fig: Figure, panel: _Panel) -> None:
    """Fold what is too long for a panel and thin out numbers that meet."""
    whole, (first, last) = fig.get_figwidth() * fig.dpi, _across(fig, panel)
    room = max(panel.ax.get_window_extent().width, 0.97 * (last - first))
    for ax in (panel.ax, *panel.guests):
        legend = ax.get_legend()
        wide, high = ax.get_window_extent().size
        if legend is not None and legend.get_gid() == "below":
            legend_below(ax)
        elif legend is not None and legend.get_gid() == "above":
            legend_above(ax, 72 * float(wide) / fig.dpi)
        for title in (t for t in ax.get_children() if isinstance(t, Text) and t not in ax.texts):
            _fold(title, 0.98 * whole if panel.width > _SMALL else room, "width")
        _fold(ax.xaxis.label, max(wide, 0.9 * whole * (panel.width > _SMALL)), "width")
        _fold(ax.yaxis.label, 1.1 * high, "height")
        if ax.name == "3d":
            # its numbers do not shrink with it; axes are declared as plane ones
            ax.set_box_aspect(None, zoom=0.84)  # type: ignore[call-arg]
            if legend is not None:
                legend.set_bbox_to_anchor((0.0, -0.15), transform=ax.transAxes)
        if ax.name == "rectilinear":
            for axis, side in ((ax.xaxis, "x"), (ax.yaxis, "y")):
                _thin(axis, side)
    for text in panel.texts:
        box, at = panel.ax.get_window_extent(), text.get_window_extent().x0
        below = whole - at if panel.width > _SMALL else room
        _fold(text, _BESIDE * fig.dpi if at > box.x1 else below, "width")


def _fold(text: Text, room: float, side: str) -> None:
    """Break a text into lines that are not longer than ``room`` pixels."""
    lines, length = text.get_text().splitlines(), float(getattr(text.get_window_extent(), side))
    if length <= room or not lines or "$" in text.get_text():
        return
    most = max(8, int(max(map(len, lines)) * room / length))
    whole = lines if len(lines) > 3 else [" ".join(lines)]  # a list keeps its lines
    text.set_text(
        "\n".join(
            part
            for line in whole
            for part in textwrap.wrap(
                line.replace(" = ", _EQUALS), most, break_long_words=False, break_on_hyphens=False
            )
        )
    )


def _thin(axis: Axis, side: str) -> None:
    """Fewer numbers, until none meets the next."""
    for _ in range(4):
        boxes = [
            t.label1.get_window_extent()
            for t in axis.get_major_ticks()
            if t.label1.get_visible() and t.label1.get_text()
        ]
        ends = sorted((getattr(b, f"{side}0"), getattr(b, f"{side}1")) for b in boxes)
        if all(a[1] + 3 <= b[0] for a, b in zip(ends, ends[1:], strict=False)):
            return
        locator = axis.get_major_locator()
        if isinstance(locator, FixedLocator):
            axis.set_major_locator(FixedLocator(list(locator())[::2]))
        else:
            axis.set_major_locator(MaxNLocator(max(2, len(ends) - 2), steps=[1, 2, 5, 10]))
