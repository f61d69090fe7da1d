"""The slow motion of an adaptive rule: how the radius grows or shrinks per rotation, and the cycles where it rests."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .headings import page
from .letters import with_letters
from .theme import BLUE, GREY, INK, PALE, VERMILION

__all__ = ["slow_flow_figure"]
_MOST = 4.0  # of the growth that is shown: near 0 it may be thousandfold, and the cycles would be one line


def slow_flow_figure(found: Any) -> Figure:
    """The relative growth of the radius per rotation over the radius in steps, its cycles, and the start.

    Args:
        found: what :func:`diracgan.averaged` returns.

    Returns:
        The figure.

    Example:
        >>> import diracgan as dg
        >>> flow = dg.averaged(dg.variant("wgan-linear"), "adam:lr=0.01,beta1=0.5,beta2=0.99")
        >>> [t.get_text() for t in slow_flow_figure(flow).axes[0].texts]
        ['attracts: |φ| = 0.493, 219 steps a turn']
    """
    growth = np.asarray(found.drift) * np.asarray(found.periods) / np.asarray(found.radii)
    with page(7.6, 4.4, with_letters(found.text), f"{found.variant} under {found.rule}") as made:
        ax = made.add_axes((0.12, 0.2, 0.83, 0.58))
        ax.axhline(0.0, color=PALE, linewidth=1.0, zorder=0)
        ax.plot(found.radii, growth, color=BLUE, linewidth=1.4)
        for outwards, sign in ((True, "^"), (False, "v")):
            mine = (growth > 0) == outwards
            ax.plot(np.asarray(found.radii)[mine], growth[mine], sign, color=BLUE, markersize=4)
        for c in found.cycles:
            fill = INK if c.stable else "white"
            ax.plot([c.radius], [0.0], "o", color=INK, markerfacecolor=fill, markersize=8, zorder=3)
            said = f"{c.words}: |φ| = {c.amplitude:.3g}, {c.period:.3g} steps a turn"
            ax.annotate(said, (c.radius, 0.0), (8, 10), textcoords="offset points", fontsize=8, color=INK)
        phi, theta = found.start[0], found.start[1] - found.x0
        start = float(np.hypot(phi / found.step_sizes[0], theta / found.step_sizes[1]))
        ax.axvline(start, color=VERMILION, linewidth=0.9, linestyle=":", label="start")
        ax.set_xscale("log")
        fine = growth[np.isfinite(growth)]
        low, high = (fine.min(), min(fine.max(), _MOST)) if len(fine) else (-1.0, 1.0)
        ax.set_ylim(min(1.3 * low, -0.2 * high), max(1.05 * high, -0.2 * low))
        ax.set_xlabel("radius of the generator when φ = 0, in its own steps", color=GREY)
        ax.set_ylabel("growth per rotation, of the radius", color=GREY)
        ax.legend(loc="lower left", fontsize=8, frameon=False)
    return made
