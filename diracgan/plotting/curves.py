"""The players' distances from the equilibrium over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .axes_helpers import MOST_POINTS, decades, legend_above, logarithmic, span, styled, ticks
from .series import TrajectoryLike, norm, read, thin
from .theme import BLUE, INK, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["radii"]


def radii(traj: TrajectoryLike, ax: Axes | None = None) -> Axes:
    """Draw |φ| and |θ − x₀| over time (or steps), and their averages' when there is an EMA.

    The scale is logarithmic when the distance from the equilibrium spans more than three decades.

    Args:
        traj: a trajectory.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Example:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> traj = {"phi": [[1.0], [2.0]], "theta": [[0.0], [1.0]], "time": [0.0, 1.0]}
        >>> [line.get_label() for line in radii(traj, Figure().add_subplot()).lines]
        ['|φ|', '|θ|']
    """
    series = read(traj)
    with styled(ax) as ax:
        keep = thin(len(series.clock), MOST_POINTS)
        clock = series.clock[keep]
        curves = [
            (series.phi, "|φ|", BLUE, "-"),
            (series.theta - series.x0, series.datum, VERMILION, (0, (5, 1.5))),
        ]
        if series.theta_ema is not None:
            curves.append((series.theta_ema - series.x0, "EMA of θ", INK, (0, (1, 1.2))))
        marker = "o" if series.discrete and len(keep) <= 60 else ""
        sizes = []
        for values, label, colour, dashes in curves:
            sizes.append(norm(values[keep]))
            ax.plot(
                clock,
                sizes[-1],
                color=colour,
                linestyle=dashes,
                label=label,
                marker=marker,
                markersize=2.5,
                gid=label,
            )
        span(ax, clock)
        if decades(np.hypot(sizes[0], sizes[1])) > 3:
            logarithmic(ax, np.concatenate(sizes))
        else:
            top = max(float(np.max(s)) for s in sizes)
            ax.set_ylim(0, 1.06 * top if top > 1e-290 else 1.0)
            ticks(ax.yaxis, 5)
        ax.set(xlabel=series.clock_name, ylabel="distance")
        legend_above(ax)
    return ax
