"""Where the players go: phase portrait (d = 1) and the generator's path (d ≥ 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize

from ..errors import InputError
from .axes_helpers import MOST_POINTS, frame, legend_below, mark, open_axes, scale_beside
from .flowlines import VectorField, flow_lines
from .series import Array, Series, norm, read, thin
from .theme import INK, PALE, number, style, time_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def portrait(
    traj: Any, ax: Axes | None = None, *, field: VectorField | None = None, target: str = "equilibrium"
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
    if series.dim > 1:
        return path(series, ax, target=target)
    with style():
        ax = open_axes(ax)
        origin = np.array([0.0, series.x0[0]])
        points = np.hstack([series.phi, series.theta])
        averaged = None
        if series.phi_ema is not None and series.theta_ema is not None:
            averaged = np.hstack([series.phi_ema, series.theta_ema])
        frame(ax, np.vstack([points, origin]))
        if field is not None:
            flow_lines(ax, field, float(series.x0[0]))
        _trace(ax, series, points, origin, averaged, target)
        ax.set_xlabel("critic φ")
        ax.set_ylabel("generator θ")
        legend_below(ax)
    return ax


def path(traj: Any, ax: Axes | None = None, *, target: str = "equilibrium") -> Axes:
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
    with style():
        ax = open_axes(ax)
        if series.dim == 2:
            points, origin, averaged = series.theta, series.x0, series.theta_ema
            ax.set_xlabel("generator θ₁")
            ax.set_ylabel("generator θ₂")
        else:
            basis = plane(series.theta[0] - series.x0, series.phi[0])
            shifted = series.theta - series.x0
            points, origin = shifted @ basis.T, np.zeros(2)
            averaged = None if series.theta_ema is None else (series.theta_ema - series.x0) @ basis.T
            out = float(norm(shifted - points @ basis).max())
            size = float(norm(shifted).max())
            leaves = "" if out <= 1e-6 * size else f"; θ leaves it by {number(out, 2)}"
            ax.set_title(f"plane of the start, d = {series.dim}{leaves}")
            prefix = "θ − x₀" if np.any(series.x0) else "θ"
            ax.set_xlabel(f"{prefix} along θ(0)" if _along_theta(series) else f"{prefix} along e₁")
            ax.set_ylabel(f"{prefix} across θ(0)" if _along_theta(series) else f"{prefix} along e₂")
        frame(ax, np.vstack([points, origin]))
        _trace(ax, series, points, origin, averaged, target)
        legend_below(ax)
    return ax


def plane(first: Array, second: Array) -> Array:
    """Return two orthonormal rows that span ``first`` and ``second``, completed where those are collinear.

    Example:
        >>> plane(np.array([0.0, 0.0, 2.0]), np.array([0.0, 3.0, 1.0])).tolist()
        [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    """
    rows: list[Array] = []
    size = max(float(np.max(np.abs(first))), float(np.max(np.abs(second))), 1e-290)
    for vector in (first / size, second / size, *np.eye(len(first))):
        rest = vector - sum((row * (row @ vector) for row in rows), np.zeros(len(first)))
        length = float(norm(rest[None])[0])
        if length > 1e-9:
            rows.append(rest / length)
        if len(rows) == 2:
            break
    return np.stack(rows)


def _trace(
    ax: Axes, series: Series, points: Array, origin: Array, averaged: Array | None, target: str
) -> None:
    """The path by time, its marks, its average, and the scale of time beside the axes."""
    keep = thin(len(points), MOST_POINTS)
    points, clock = points[keep], series.clock[keep]
    scale = Normalize(float(clock[0]), float(clock[-1]) if clock[-1] > clock[0] else float(clock[0]) + 1)
    quiet = 0.45 if averaged is not None else 1.0
    if series.discrete:
        if len(points) <= 400:
            ax.plot(*points.T, color=PALE, linewidth=0.6, zorder=2, gid="line")
        size = float(np.clip(2500 / len(points), 3, 16))
        ax.scatter(
            *points.T,
            c=clock,
            cmap=time_map(),
            norm=scale,
            s=size,
            linewidth=0,
            alpha=quiet,
            zorder=3,
            gid="path",
        )
    elif len(points) > 1:
        segments = np.stack([points[:-1], points[1:]], axis=1)
        lines = LineCollection(
            list(segments),
            cmap=time_map(),
            norm=scale,
            linewidth=1.6,
            capstyle="round",
            alpha=quiet,
            zorder=3,
            gid="path",
        )
        lines.set_array((clock[:-1] + clock[1:]) / 2)
        ax.add_collection(lines, autolim=False)
    if averaged is not None:
        mean = averaged[keep]
        ax.plot(*mean.T, color=INK, linewidth=1.6, linestyle=(0, (1, 0.9)), zorder=4, label="EMA", gid="ema")
    ax.plot(*points[0], gid="start", **mark("start"))
    ax.plot(*points[-1], gid="end", **mark("end"))
    ax.plot(*origin, gid="target", **mark("equilibrium", target))
    scale_beside(ax, scale, series.clock_name)


def _along_theta(series: Series) -> bool:
    """Return whether the generator's start, not lying on the datum, is the plane's first direction."""
    return bool(np.any(series.theta[0] - series.x0))
