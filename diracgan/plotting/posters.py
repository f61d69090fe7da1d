"""The A2 poster: many small portraits coloured by verdict, the limit set bold."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..analysis.kinds import Kind, Outcome
from ..errors import InputError, listed
from .axes_helpers import MOST_POINTS
from .series import TrajectoryLike, read, thin
from .sizes import MM
from .small_multiples import verdict_words
from .theme import GREY, INK, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..analysis.verdict.api import Verdict

__all__ = ["Panel", "poster_figure"]

_SHEETS = (420 * MM, 594 * MM), (594 * MM, 420 * MM)  # A2, upright and on its side
_HEAD, _FOOT, _EDGE = 1.75, 0.95, 0.45
_MOST = 30  # losses: panels of 15 mm
_REACH = 4.0  # a panel of what diverges shows so many times the start's distance

# Dark to light within a group, so that a grey print tells them apart too; the legend's order.
_OWN = {
    Kind.CONVERGES_EXPONENTIALLY: "#004F80",
    Kind.CONVERGES_SUBLINEARLY: "#3D8FCC",
    Kind.CONVERGES_ELSEWHERE: "#00704F",
    Kind.STUCK: "#4DAF8A",
    Kind.AT_EQUILIBRIUM: "#7FC8A9",
    Kind.NEUTRAL_ORBIT: "#8F6500",
    Kind.LIMIT_CIRCLE: "#C98A00",
    Kind.LIMIT_CYCLE: "#E69F00",
    Kind.QUASI_PERIODIC: "#AA5593",
    Kind.CHAOTIC: "#7A2E68",
    Kind.DIVERGES: "#B2450A",
    Kind.FINITE_TIME: "#7A1500",
    Kind.UNDECIDED: "#777777",
}


def colour_of(kind: Kind) -> str:
    """The kind's own colour; until it has one, a paler one of the kind of which runs show most nearly the same."""
    if kind in _OWN:
        return _OWN[kind]
    shown = set(kind.outcomes)

    def likeness(other: Kind) -> float:
        return len(shown & set(other.outcomes)) / len(shown | set(other.outcomes))

    red, green, blue = to_rgb(_OWN[max(_OWN, key=likeness)])
    return to_hex(((red + 1) / 2, (green + 1) / 2, (blue + 1) / 2)).upper()


class Panel(NamedTuple):
    """One small portrait.

    Attributes:
        traj: a trajectory, all of one dimension.
        verdict: what becomes of it.
    """

    traj: TrajectoryLike
    verdict: Verdict


def poster_figure(
    headings: Sequence[str], rows: Sequence[tuple[str, bool, Sequence[Panel]]], *, below: str = ""
) -> Figure:
    """Draw a poster: a row for each loss, a column for each way to move.

    The sheet stands or lies, has one block or two, and a loss's panels in one line or folded:
    whatever makes the panels largest.

    Args:
        headings: of the columns.
        rows: for each its name, whether it is the reader's own, and its panels.
        below: the line under the title.

    Returns:
        The figure, 420 x 594 mm or 594 x 420 mm.

    Raises:
        InputError: for no row, or more than 30.

    Example:
        >>> from types import SimpleNamespace
        >>> t = np.linspace(0, 6, 50)
        >>> traj = {"phi": np.cos(t)[:, None], "theta": np.sin(t)[:, None], "time": t}
        >>> seen = SimpleNamespace(kind="neutral-orbit", numbers={}, rule=None)
        >>> fig = poster_figure(["flow"], [("wgan-linear", False, [Panel(traj, seen)])])
        >>> fig.texts[0].get_text()
        'What a GAN does: 1 loss, 1 way to move'
    """
    rows = listed("rows", rows, "losses, each with its panels")
    if not 1 <= len(rows) <= _MOST:
        raise InputError(f"{len(rows)} losses on a poster; allowed: 1 to {_MOST}")
    grid = _best_grid(len(rows), len(headings))
    width, height = grid.sheet
    big = grid.letters
    with style():
        fig = Figure(figsize=grid.sheet)
        _title(fig, len(rows), len(headings), _how(rows[0][2][0], below))
        for k, (name, own, panels) in enumerate(rows):
            block, line = divmod(k, grid.lines)
            left, top = _EDGE + block * grid.across, height - _HEAD - line * grid.high
            said = textwrap.shorten(
                name + (" (your own)" if own else ""), int(8 * grid.across / big), placeholder=" …"
            )
            _text(fig, left, top - (0.1 if line else 0.0), said, 13 * big, weight="bold")
            for j, panel in enumerate(panels):
                under, beside = divmod(j, grid.columns)
                x, y = left + beside * grid.step, top - under * grid.high / grid.folds
                headed = line == 0 or grid.folds > 1
                _text(fig, x, y - 0.24 * big, headings[j] if headed else "", 10 * big, color=GREY)
                floor, side = y - 0.42 * big - grid.side, grid.side
                _draw(fig.add_axes((x / width, floor / height, side / width, side / height)), panel)
                words = textwrap.fill(verdict_words(panel.verdict), int(grid.step * 14 / big))
                _text(fig, x, floor - 0.04, words, 9.5 * big)
        seen = {Kind(panel.verdict.kind) for _, _, panels in rows for panel in panels}
        order = dict.fromkeys([*_OWN, *Kind])
        marks = [Patch(color=colour_of(kind), label=_legend(kind)) for kind in order if kind in seen]
        place = (_EDGE / width, 0.3 / height)
        fig.legend(
            handles=marks, loc="lower left", bbox_to_anchor=place, ncols=4, fontsize=12 * min(big, 1.4)
        )
        fig.set_label("; ".join(name for name, _, _ in rows))
    return fig


class _Grid(NamedTuple):
    """Where a poster's panels stand; lengths in inches.

    Attributes:
        sheet: its width and height.
        lines: losses below one another in a block.
        across: a block's width.
        high: a loss's height.
        columns: a loss's panels in a line.
        folds: a loss's lines of panels.
        step: a column's width.
        side: a panel's side.
        letters: how much larger than on a full sheet they are.
    """

    sheet: tuple[float, float]
    lines: int
    across: float
    high: float
    columns: int
    folds: int
    step: float
    side: float
    letters: float


def _best_grid(rows: int, panels: int) -> _Grid:
    """The sheet upright or on its side, one block or two, a loss's panels in one line or folded: the largest panels."""
    return max(
        (
            _grid(rows, panels, blocks, folds, sheet)
            for sheet in _SHEETS
            for blocks in (1, 2)
            for folds in range(1, panels + 1)
        ),
        key=lambda grid: grid.side,
    )


def _grid(rows: int, panels: int, blocks: int, folds: int, sheet: tuple[float, float]) -> _Grid:
    width, height = sheet
    lines, columns = math.ceil(rows / blocks), math.ceil(panels / folds)
    across = (width - 2 * _EDGE) / blocks
    step = across / columns
    high = min((height - _HEAD - _FOOT) / lines, 1.35 * step * folds)
    cell = high / folds
    letters = min(max(min(step, cell) / 3.2, 1.0), 1.9)
    side = min(max(0.86 * step, step - 0.6), cell - 0.8 * letters)
    return _Grid(sheet, lines, across, high, columns, folds, step, side, letters)


def _title(fig: Figure, losses: int, ways: int, below: str) -> None:
    counted = f"{losses} loss{'es' if losses > 1 else ''}, {ways} way{'s' if ways > 1 else ''} to move"
    _text(fig, _EDGE, fig.get_figheight() - 0.4, f"What a GAN does: {counted}", 34, weight="bold")
    _text(fig, _EDGE, fig.get_figheight() - 1.02, below, 15, color=GREY)


def _how(panel: Panel, below: str) -> str:
    """The line under the title: how it was computed, and what a panel shows."""
    d = read(panel.traj).dim
    path = {1: "critic φ across, generator θ up", 2: "generator: θ₁ across, θ₂ up"}.get(
        d, "generator θ in the plane of the start"
    )
    centre = "φ = 0 at the datum" if d == 1 else "the datum"
    how = f"{path}; thin: the path, bold: where it ends; + {centre}, ○ the start"
    return f"{below}; {how}" if below else how


def _text(fig: Figure, x: float, y: float, said: str, size: float, **look: Any) -> None:
    fig.text(
        x / fig.get_figwidth(),
        y / fig.get_figheight(),
        said,
        va="top",
        fontsize=size,
        **{"color": INK, **look},
    )


def _legend(kind: Kind) -> str:
    return f"{kind.words} by the effort of this sheet" if kind is Kind.UNDECIDED else kind.words


def _draw(ax: Axes, panel: Panel) -> None:
    """The path thin, what it ends on bold, on a ground of the verdict's colour."""
    series, kind = read(panel.traj), Kind(panel.verdict.kind)
    flat = series.flat()
    keep = thin(len(flat.points), MOST_POINTS // 3)
    points, centre, colour = flat.points[keep], flat.origin, colour_of(kind)
    size = np.abs(points - centre).max(axis=1)
    leaves = Outcome.DIVERGES in kind.outcomes and kind is not Kind.UNDECIDED
    half = 1.12 * min(float(size.max()), _REACH * max(float(size[0]), 1e-290) if leaves else np.inf)
    ax.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half))
    ax.set(xticks=[], yticks=[], facecolor=[0.88 + 0.12 * x for x in to_rgb(colour)])
    for spine in ax.spines.values():
        spine.set(visible=True, color=colour)
    line: dict[str, Any] = (
        {"linewidth": 0.7} if not series.discrete else {"linewidth": 0.4, "marker": ".", "markersize": 1.4}
    )
    ax.plot(*points.T, color=colour, zorder=2, rasterized=series.discrete, **line)
    ax.plot(
        *points[0],
        marker="o",
        markersize=4,
        color="white",
        markeredgecolor=INK,
        markeredgewidth=0.7,
        zorder=4,
    )
    ax.plot(*centre, marker="+", markersize=8, color=INK, markeredgewidth=1.0, zorder=4)
    bold = _limit_set(panel, flat.points, centre, kind)
    if len(bold) == 1:
        ax.plot(*bold[0], marker="o", markersize=8, color=colour, zorder=3, gid="limit")
    elif len(bold):
        ax.plot(*bold.T, color=colour, linewidth=2.6, zorder=3, solid_capstyle="round", gid="limit")


def _limit_set(panel: Panel, points: np.ndarray, centre: np.ndarray, kind: Kind) -> np.ndarray:
    """Rows of what the path ends on: a point, the last turn, or nothing."""
    if kind.arrives:
        return centre[None, :]
    if kind in (Kind.CONVERGES_ELSEWHERE, Kind.STUCK, Kind.AT_EQUILIBRIUM):
        n = panel.verdict.numbers
        dim = read(panel.traj).dim
        given = [
            np.ravel(n[k])
            for k in (("limit_phi", "limit_theta") if dim == 1 else ("limit_theta",))
            if n.get(k) is not None
        ]
        limit = np.concatenate([*given, np.zeros(0)])
        return limit[None, :] if dim <= 2 and len(limit) == 2 else points[-1:]
    if kind.is_orbit:
        clock = read(panel.traj).clock
        period = panel.verdict.numbers.get("period")
        span = 1.03 * float(period) if period and np.isfinite(period) else 0.2 * float(clock[-1])
        return points[clock >= clock[-1] - span] if span < 0.5 * float(clock[-1]) else points[:0]
    return points[:0]
