"""The generator's path in three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..errors import InputError
from .axes_helpers import MOST_POINTS, mark, scale_beside, time_scale
from .headings import page, run_words, titled
from .letters import number
from .series import TrajectoryLike, norm, read, thin
from .theme import PALE, time_map

if TYPE_CHECKING:
    from ..analysis.verdict.api import Verdict

__all__ = ["space_figure"]


def space_figure(traj: TrajectoryLike, *, verdict: Verdict | None = None) -> Figure:
    """Draw the generator's path in space (d = 3), coloured by time, with its shadow on the floor.

    A rotation-invariant variant never leaves the plane of its start; here one sees it, or sees it leave.

    Args:
        traj: a trajectory with d = 3.
        verdict: what happens from this start: the title then gives its words, else where the path begins and ends.

    Returns:
        The figure: what ``diracgan plot --view space`` draws.

    Raises:
        InputError: for another dimension.

    Example:
        >>> t = np.linspace(0, 6, 50)
        >>> z = np.stack([np.cos(t), np.sin(t), 0.3 * t], axis=1)
        >>> space_figure({"phi": z, "theta": z, "time": t}).axes[0].get_zlabel()
        'θ₃'
    """
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    series = read(traj)
    if series.dim != 3:
        raise InputError(
            f"a path in space has d = 3, and this trajectory has d = {series.dim}; allowed: --dim 3"
        )
    keep = thin(len(series.clock), MOST_POINTS)
    p, clock = series.theta[keep], series.clock[keep]
    scale = time_scale(clock)
    sizes = (norm(z[[0, -1]]) for z in (series.phi, series.theta - series.x0))
    ends = (f"{number(float(a), 3)} → {number(float(b), 3)}" for a, b in sizes)
    said = ", ".join(f"{name} {end}" for name, end in zip(("|φ|", series.datum), ends, strict=True))
    with page(6.4, 5.6, titled(series, verdict, said), run_words(series)) as fig:
        ax: Any = fig.add_axes((-0.03, 0.05, 0.9, 0.9), projection="3d")
        both = np.vstack([p, series.x0])
        low, high = both.min(axis=0), both.max(axis=0)
        half = 0.55 * float((high - low).max()) or 1.0
        middle = (low + high) / 2
        floor = middle[2] - half
        ax.plot(p[:, 0], p[:, 1], np.full(len(p), floor), color=PALE, linewidth=0.8)
        if len(p) > 1:
            path = Line3DCollection(
                np.stack([p[:-1], p[1:]], axis=1), cmap=time_map(), norm=scale, linewidth=1.6
            )
            path.set_array((clock[:-1] + clock[1:]) / 2)
            ax.add_collection3d(path)
        for at, kind, label in (
            (p[0], "start", None),
            (p[-1], "end", None),
            (series.x0, "equilibrium", "datum"),
        ):
            ax.plot(*at[:, None], **mark(kind, label))
        for k, axis in enumerate("xyz"):
            getattr(ax, f"set_{axis}lim")(middle[k] - half, middle[k] + half)
            getattr(ax, f"set_{axis}label")(f"θ{'₁₂₃'[k]}")
            getattr(ax, f"{axis}axis").set_major_locator(MaxNLocator(4))
            getattr(ax, f"{axis}axis").pane.set_alpha(0.0)
        ax.grid(False)
        ax.view_init(elev=22, azim=-55)
        ax.set_box_aspect((1, 1, 1), zoom=1.0)
        ax.legend(loc="lower left", bbox_to_anchor=(0.12, -0.05), ncols=3)
        beside = fig.add_axes((0.62, 0.27, 0.25, 0.42))
        beside.set_axis_off()
        scale_beside(beside, scale, series.clock_name)
    return fig
