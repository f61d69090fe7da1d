"""What starts in a box end on: the starts in the colour of their attractor, and the attractors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ..errors import holds
from .axes_helpers import legend_below, styled
from .headings import panel_page
from .letters import number
from .theme import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from ..analysis.bifurcation.attractors import Attractors

__all__ = ["attractors", "attractors_figure"]

_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, INK)


def attractors(found: Attractors, ax: Axes | None = None) -> Axes:
    """Draw the starts, each in the colour of what it ends on, these attractors, and the edges that were met.

    In d >= 2 the axes are |phi| and |theta - x0|.

    Args:
        found: what :func:`diracgan.attractors` returned.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Example:
        >>> import diracgan as dg
        >>> from matplotlib.figure import Figure
        >>> v, rule = dg.variant("ns").with_(r1=0.5), dg.rule("simultaneous", lr=0.1)
        >>> found = dg.attractors(v, rule, box=1.0, starts=5, steps=1024)
        >>> attractors(found, Figure().add_subplot()).get_xlabel()
        'critic φ'
    """
    holds("found", found, ("drawn", "ends_on"), "what dg.bifurcation.attractors returns")
    with styled(ax) as ax:
        starts, ends = _on_axes(found, found.drawn), np.asarray(found.ends_on)
        for k, one in enumerate(found.found):
            colour, members = _COLOURS[k % len(_COLOURS)], starts[ends == k]
            ax.plot(*members.T, ".", color=colour, markersize=3.5, alpha=0.5, zorder=2)
            label = f"{one.kind}, {number(100 * one.share, 3)} %"
            if one.points is None:
                ax.plot([], [], ".", color=colour, label=label)
                continue
            ax.plot(*_on_axes(found, one.points).T, "o", color=colour, markersize=2.6, zorder=4, label=label)
        if np.any(ends < 0):
            label = f"not settled, {number(100 * found.unsettled, 3)} %"
            ax.plot(*starts[ends < 0].T, "x", color=GREY, markersize=3.5, zorder=2, label=label)
        for k, edge in enumerate(found.edges):
            at = _on_axes(found, [edge.point])
            ax.plot(*at.T, "D", color="white", markeredgecolor=INK, zorder=5, label=None if k else "edge")
        if found.survives is not None:
            centre = (0.0, found.x0[0] if found.dim == 1 else 0.0)
            turns = 1.0 if found.dim == 1 else 0.25  # in d > 1 sizes are drawn, which are not negative
            turn = np.linspace(0.0, 2 * np.pi * turns, 361)
            kick = found.survives * np.array([np.cos(turn), np.sin(turn)])
            label = "largest kick that was survived"
            ax.plot(centre[0] + kick[0], centre[1] + kick[1], "--", color=INK, zorder=3, label=label)
        names = ("critic φ", "generator θ") if found.dim == 1 else ("|φ|", "|θ − x₀|")
        ax.set(xlabel=names[0], ylabel=names[1])
        ax.set_aspect("equal", adjustable="datalim")
        legend_below(ax)
    return ax


def attractors_figure(found: Attractors) -> Figure:
    """Draw :func:`attractors` on a page of its own: what ``diracgan attractors --out`` draws.

    Example:
        >>> import diracgan as dg
        >>> v, rule = dg.variant("ns").with_(r1=0.5), dg.rule("simultaneous", lr=0.1)
        >>> attractors_figure(dg.attractors(v, rule, box=1.0, starts=5, steps=1024)).texts[0].get_text()[:4]
        '100 '
    """
    holds("found", found, ("drawn", "ends_on"), "what dg.bifurcation.attractors returns")
    around = f"{found.variant}, {found.rule or 'flow'}, d = {found.dim}: {found.starts} starts within {found.box:g}"
    with panel_page(7.2, 6.4, (0.11, 0.19, 0.84, 0.68), found.text, around) as (fig, ax):
        attractors(found, ax)
    return fig


def _on_axes(found: Attractors, points: ArrayLike) -> np.ndarray:
    """phi and theta, or in d >= 2 their sizes, (n, 2)."""
    rows = np.asarray(points, float).reshape(-1, 2 * found.dim)
    if found.dim == 1:
        return rows
    phi, off = rows[:, : found.dim], rows[:, found.dim :] - np.asarray(found.x0)
    return np.column_stack([np.linalg.norm(phi, axis=1), np.linalg.norm(off, axis=1)])
