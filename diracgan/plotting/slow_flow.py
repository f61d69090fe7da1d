"""The slow motion of an adaptive rule: how the radius grows or shrinks per rotation, and the cycles where it rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ..errors import holds
from .axes_helpers import legend_below, log_clock
from .headings import page
from .letters import with_letters
from .theme import BLUE, INK, PALE, VERMILION

if TYPE_CHECKING:
    from ..analysis.slow_flow.averaged import AveragedFlow

__all__ = ["slow_flow_figure"]
_MOST = 4.0  # of the growth that is shown: near 0 it may be thousandfold, and the cycles would be one line


def slow_flow_figure(found: AveragedFlow) -> Figure:
    """The relative growth of the radius per rotation over the radius in steps, its cycles, and the start.

    Args:
        found: what :func:`diracgan.averaged` returns.

    Returns:
        The figure.

    Example:
        >>> import diracgan as dg
        >>> flow = dg.averaged(dg.variant("wgan-linear"), "adam:lr=0.01,beta1=0.5,beta2=0.99")
        >>> [t.get_text() for t in slow_flow_figure(flow).axes[0].get_legend().get_texts()][2]
        'attracts: |φ| = 0.493, 219 steps a turn'
    """
    holds("found", found, ("drift", "radii"), "what dg.averaged returns")
    growth = np.asarray(found.drift) * np.asarray(found.periods) / np.asarray(found.radii)
    title = f"{found.variant} under {str(found.rule).partition('(')[0]}: {with_letters(found.text)}"
    with page(7.6, 4.6, title, f"its averaged flow; {found.rule}") as made:
        ax = made.add_axes((0.1, 0.22, 0.85, 0.57))
        ax.axhline(0.0, color=PALE, linewidth=1.0, zorder=0)
        ax.plot(found.radii, growth, color=BLUE, linewidth=1.4)
        for outwards, sign, what in ((True, "^", "the radius grows"), (False, "v", "it shrinks")):
            mine = (growth > 0) == outwards
            ax.plot(np.asarray(found.radii)[mine], growth[mine], sign, color=BLUE, markersize=4, label=what)
        for c in found.cycles:
            fill = INK if c.stable else "white"
            said = f"{c.words}: |φ| = {c.amplitude:.3g}, {c.period:.3g} steps a turn"
            look = {"markerfacecolor": fill, "markersize": 8, "linestyle": "none"}
            ax.plot([c.radius], [0.0], "o", color=INK, zorder=3, label=said, **look)
        phi, theta = found.start[0], found.start[1] - found.x0
        start = float(np.hypot(phi / found.step_sizes[0], theta / found.step_sizes[1]))
        ax.axvline(start, color=VERMILION, linewidth=0.9, linestyle=":", label="start")
        log_clock(ax, float(found.radii[0]), float(found.radii[-1]))
        fine = growth[np.isfinite(growth)]
        low, high = (fine.min(), min(fine.max(), _MOST)) if len(fine) else (-1.0, 1.0)
        ax.set_ylim(min(1.3 * low, -0.2 * high), max(1.05 * high, -0.2 * low))
        ax.set_xlabel("radius of the generator when φ = 0, in its own steps")
        ax.set_ylabel("growth of the radius per rotation")
        legend_below(ax)
    return made
