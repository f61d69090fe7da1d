"""The A2 poster: many small portraits coloured by verdict, the limit set bold."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..analysis.kinds import Kind, Outcome
from ..errors import InputError
from .axes_helpers import MOST_POINTS
from .series import read, thin
from .sizes import MM
from .small_multiples import verdict_words
from .theme import GREY, INK, style

__all__ = ["Panel", "poster_figure"]

_SHEETS = (420 * MM, 594 * MM), (594 * MM, 420 * MM)  # A2, upright and on its side
_HEAD, _FOOT, _EDGE = 1.75, 0.95, 0.45
_MOST = 60
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
# a kind without a colour of its own has that of one of which a run shows the same
_SHARED = {kind.outcomes: colour for kind, colour in _OWN.items()}
COLOURS = _OWN | {kind: _SHARED.get(kind.outcomes, _OWN[Kind.UNDECIDED]) for kind in Kind if kind not in _OWN}


class Panel(NamedTuple):
    """One small portrait.

    Attributes:
        traj: a trajectory, all of one dimension.
        verdict: what becomes of it.
    """

    traj: Any
    verdict: Any


def poster_figure(
    headings: Sequence[str], rows: Sequence[tuple[str, bool, Sequence[Panel]]], *, below: str = ""
) -> Figure:
    """Draw a poster: a row for each loss, a column for each way to move.

    The sheet stands or lies, and has one block or two: whatever makes the panels largest.

    Args:
        headings: of the columns.
        rows: for each its name, whether it is the reader's own, and its panels.
        below: the line under the title.

    Returns:
        The figure, 420 x 594 mm or 594 x 420 mm.

    Raises:
        InputError: for no row, or more than 60.

    Example:
        >>> from types import SimpleNamespace
        >>> t = np.linspace(0, 6, 50)
        >>> traj = {"phi": np.cos(t)[:, None], "theta": np.sin(t)[:, None], "time": t}
        >>> seen = SimpleNamespace(kind="neutral-orbit", numbers={}, rule=None)
        >>> fig = poster_figure(["flow"], [("wgan-linear", False, [Panel(traj, seen)])])
        >>> fig.texts[0].get_text()
        'What a GAN does: 1 loss, 1 way to move'
    """
    if not 1 <= len(rows) <= _MOST:
        raise InputError(f"{len(rows)} losses on a poster; allowed: 1 to {_MOST}")
    grids = (_grid(len(rows), len(headings), blocks, sheet) for sheet in _SHEETS for blocks in (1, 2))
    lines, across, step, high, side, (width, height) = max(grids, key=lambda g: g.side)
    letters = min(max(side / 2, 1.0), 1.3)
    with style():
        fig = Figure(figsize=(width, height))
        _title(fig, len(rows), len(headings), _how(rows[0][2][0], below))
        for k, (name, own, panels) in enumerate(rows):
            block, line = divmod(k, lines)
            left, top = _EDGE + block * across, height - _HEAD - line * high
            said = name + (" (your own)" if own else "")
            _text(
                fig,
                left,
                top - (0.1 if line else 0.0),
                textwrap.shorten(said, 62, placeholder=" …"),
                13,
                weight="bold",
            )
            for j, panel in enumerate(panels):
                at = left + j * step, top - 0.3 - side
                _text(fig, at[0], top - 0.24, headings[j] if line == 0 else "", 9 * letters, color=GREY)
                ax = fig.add_axes((at[0] / width, (at[1] - 0.12) / height, side / width, side / height))
                _draw(ax, panel)
                words = textwrap.fill(verdict_words(panel.verdict), int(step * 14 / letters))
                _text(fig, at[0], at[1] - 0.16, words, 8.5 * letters)
        seen = {Kind(panel.verdict.kind) for _, _, panels in rows for panel in panels}
        marks = [Patch(color=c, label=_legend(kind)) for kind, c in COLOURS.items() if kind in seen]
        place = (_EDGE / width, 0.3 / height)
        fig.legend(handles=marks, loc="lower left", bbox_to_anchor=place, ncols=4, fontsize=12)
        fig.set_label("; ".join(name for name, _, _ in rows))
    return fig


class _Grid(NamedTuple):
    """How many rows a block has; in inches a block's width, a column's, a row's height, a panel's side; the sheet."""

    lines: int
    across: float
    step: float
    high: float
    side: float
    sheet: tuple[float, float]


def _grid(rows: int, columns: int, blocks: int, sheet: tuple[float, float]) -> _Grid:
    width, height = sheet
    lines = math.ceil(rows / blocks)
    across = (width - 2 * _EDGE) / blocks
    step = across / (columns if blocks * columns > 4 else 4)
    high = min((height - _HEAD - _FOOT) / lines, 1.35 * step)
    return _Grid(lines, across, step, high, min(0.86 * step, high - 0.8), sheet)


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


def _draw(ax: Any, panel: Panel) -> None:
    """The path thin, what it ends on bold, on a ground of the verdict's colour."""
    series, kind = read(panel.traj), Kind(panel.verdict.kind)
    flat = series.flat()
    keep = thin(len(flat.points), MOST_POINTS // 3)
    points, centre, colour = flat.points[keep], flat.origin, COLOURS[kind]
    size = np.abs(points - centre).max(axis=1)
    leaves = Outcome.DIVERGES in kind.outcomes and kind is not Kind.UNDECIDED
    half = 1.12 * min(float(size.max()), _REACH * max(float(size[0]), 1e-290) if leaves else np.inf)
    ax.set(xlim=(centre[0] - half, centre[0] + half), ylim=(centre[1] - half, centre[1] + half))
    ax.set(xticks=[], yticks=[], facecolor=[0.88 + 0.12 * x for x in to_rgb(colour)])
    for spine in ax.spines.values():
        spine.set(visible=True, color=colour)
    line = {"linewidth": 0.7} if not series.discrete else {"linewidth": 0.4, "marker": ".", "markersize": 1.4}
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
