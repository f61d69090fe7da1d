"""Portraits: the phase plane (d = 1) or the generator's path (d ≥ 2)."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from .axes_helpers import (
    MOST_POINTS,
    frame,
    legend_below,
    mark,
    scale_beside,
    styled,
    time_scale,
    timed_path,
)
from .flowlines import VectorField, flow_lines
from .series import FlatPath, Series, TrajectoryLike, read, thin
from .theme import INK, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["path", "portrait"]


def portrait(
    traj: TrajectoryLike,
    ax: Axes | None = None,
    *,
    field: VectorField | None = None,
    target: str = "equilibrium",
) -> Axes:
    """Draw where the players go: the phase portrait (φ, θ) for d = 1, the generator's path for d ≥ 2.

    Args:
        traj: a trajectory (see :func:`diracgan.plotting.series.read`).
        ax: axes to draw on; a new figure when ``None``.
        field: vectorised ``f(phi (N, 1), theta (N, 1)) -> (dphi, dtheta)`` in numpy; with it a phase
            portrait has streamlines and nullclines. Ignored for d ≥ 2, where the path's plane is not the
            whole state.
        target: what the mark at (0, x₀) is called; "datum" where that is not an equilibrium.

    Returns:
        The axes.

    Raises:
        InputError: when the trajectory holds nothing to draw.

    Example:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> t = np.linspace(0, 6, 50)
        >>> traj = {"phi": np.cos(t)[:, None], "theta": np.sin(t)[:, None], "time": t}
        >>> ax = portrait(traj, Figure().add_subplot(), field=lambda phi, theta: (-theta, phi))
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('critic φ', 'generator θ')
    """
    series = read(traj)
    flat = series.flat()
    with styled(ax) as ax:
        frame(ax, np.vstack([flat.points, flat.origin]))
        if field is not None and series.dim == 1:
            flow_lines(ax, field, float(series.x0[0]))
        ax.set(xlabel=flat.labels[0], ylabel=flat.labels[1], title=_wrapped(ax, flat.title))
        _trace(ax, series, flat, target)
        legend_below(ax)
    return ax


def _wrapped(ax: Axes, title: str) -> str:
    """A title in lines that are about as long as the axes are wide."""
    figure = ax.get_figure(root=True)
    inches = ax.get_position().width * (figure.get_figwidth() if figure else 6.0)
    return textwrap.fill(title, max(16, int(1.1 * inches * 72 / 5.2)))


def path(traj: TrajectoryLike, ax: Axes | None = None, *, target: str = "equilibrium") -> Axes:
    """Draw the generator's path in the plane, coloured by time, with start, end and equilibrium.

    For d = 2 the plane is (θ₁, θ₂); for d ≥ 3 it is spanned by the start, θ(0) − x₀ and φ(0), which a
    rotation-invariant variant never leaves; the title says so, and by how much the path leaves it.

    Args:
        traj: a trajectory with d ≥ 2.
        ax: axes to draw on; a new figure when ``None``.
        target: what the mark at θ = x₀ is called; "datum" where that is not an equilibrium.

    Returns:
        The axes.

    Raises:
        InputError: for d = 1, where :func:`portrait` is the picture.

    Example:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> t = np.linspace(0, 6, 50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> path({"phi": z, "theta": z, "time": t}, Figure().add_subplot()).get_xlabel()
        'generator θ₁'
    """
    series = read(traj)
    if series.dim == 1:
        raise InputError("path needs d >= 2 and the trajectory has d = 1; draw it with portrait")
    return portrait(series, ax, target=target)


def _trace(ax: Axes, series: Series, flat: FlatPath, target: str) -> None:
    """The path by time, its marks, its average, and the scale of time beside the axes."""
    keep = thin(len(flat.points), MOST_POINTS)
    points, clock = flat.points[keep], series.clock[keep]
    look: dict[str, Any] = {"alpha": 1.0 if flat.averaged is None else 0.45, "gid": "path"}
    if not series.discrete:
        timed_path(ax, points, clock, dot=None, linewidth=1.6, capstyle="round", **look)
    else:
        if len(points) <= 400:
            ax.plot(*points.T, color=PALE, linewidth=0.6, zorder=2, gid="line")
        timed_path(ax, points, clock, dot=float(np.clip(2500 / len(points), 3, 16)), linewidth=0, **look)
    if flat.averaged is not None:
        mean = flat.averaged[keep]
        ax.plot(*mean.T, color=INK, linewidth=1.6, linestyle=(0, (1, 0.9)), zorder=4, label="EMA", gid="ema")
    ax.plot(*points[0], gid="start", **mark("start"))
    ax.plot(*points[-1], gid="end", **mark("end"))
    ax.plot(*flat.origin, gid="target", **mark("equilibrium", target))
    scale_beside(ax, time_scale(clock), series.clock_name)
