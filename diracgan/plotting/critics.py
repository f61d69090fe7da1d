"""The critic as a line, the datum and the fake sample as points, at a few instants or in motion (d = 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import InputError
from .axes_helpers import film, legend_below, mark, pace, styled, ticks
from .headings import page, run_words, titled
from .letters import number
from .series import Array, Series, TrajectoryLike, read
from .theme import BLUE, INK, PALE, time_map

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from matplotlib.animation import FuncAnimation
    from matplotlib.axes import Axes

    from ..analysis.verdict.api import Verdict

__all__ = ["animate_critic", "critic", "critic_figure"]

_PLACE = (0.11, 0.24, 0.74, 0.55)  # of the axes on a page


def critic(traj: TrajectoryLike, ax: Axes | None = None, *, instants: int = 6) -> Axes:
    """Draw the critic D(x) = φ x at a few instants, each in its colour, with the fake sample of each on its line.

    Args:
        traj: a trajectory with d = 1.
        ax: axes to draw on; a new figure when ``None``.
        instants: how many, first and last included; between them those at which the picture differs most.

    Returns:
        The axes.

    Raises:
        InputError: for d ≥ 2.

    Example:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> t = np.linspace(0, 6, 50)
        >>> traj = {"phi": np.cos(t)[:, None], "theta": np.sin(t)[:, None], "time": t}
        >>> critic(traj, Figure().add_subplot()).get_xlabel()
        'sample x, fake θ as a dot'
    """
    series = _one(traj)
    with styled(ax) as ax:
        edge = np.array(_window(ax, series))
        rows = _different(np.stack([series.phi[:, 0], series.theta[:, 0] - series.x0[0]], axis=1), instants)
        unit = series.clock_name.split()[-1]
        dot: dict[str, Any] = {"marker": "o", "markersize": 6, "markeredgecolor": "white"}
        # colours by rank: most of the instants are early ones, whose colours on a scale of time would be one
        for k, colour in zip(rows, time_map()(np.linspace(0, 1, len(rows))), strict=True):
            phi, theta = float(series.phi[k, 0]), float(series.theta[k, 0])
            ax.plot(edge, phi * edge, color=colour, linewidth=1.3, zorder=2)
            ax.plot(theta, phi * theta, color=colour, zorder=3, linestyle="none", **dot)
            ax.plot([], [], color=colour, label=f"{unit} = {number(float(series.clock[k]), 3)}", **dot)
        _datum(ax, series)
        legend_below(ax)
    return ax


def critic_figure(traj: TrajectoryLike, *, verdict: Verdict | None = None) -> Figure:
    """Draw :func:`critic` on a page of its own: what ``diracgan plot --view critic`` draws.

    Args:
        traj: a trajectory with d = 1.
        verdict: what happens from this start: the title then gives its words, else where the players begin and end.

    Example:
        >>> t = np.linspace(0, 6, 50)
        >>> traj = {"phi": np.cos(t)[:, None], "theta": np.sin(t)[:, None], "time": t}
        >>> critic_figure(traj).texts[0].get_text()
        'trajectory: critic φ 1 → 0.96, fake θ 0 → −0.28'
    """
    series = _one(traj)
    with _page(series, verdict) as fig:
        critic(series, fig.add_axes(_PLACE))
    return fig


def animate_critic(traj: TrajectoryLike, *, frames: int = 80, rate: int = 20) -> FuncAnimation:
    """Return the critic's line and the fake sample in motion.

    Args:
        traj: a trajectory with d = 1.
        frames: how many at least, equally spaced in time; more where a turn would have less than twelve.
        rate: frames per second at most; fewer where more than two turns a second would flicker.

    Returns:
        A matplotlib animation: :func:`diracgan.plotting.save` writes it as .gif or .mp4.

    Raises:
        InputError: for d ≥ 2.

    Example:
        >>> t = np.linspace(0, 6, 50)
        >>> traj = {"phi": np.cos(t)[:, None], "theta": np.sin(t)[:, None], "time": t}
        >>> animate_critic(traj, frames=3).frame_rate
        20
    """
    series = _one(traj)
    with _page(series) as fig:
        ax = fig.add_axes(_PLACE)
        edge = np.array(_window(ax, series))
        (line,) = ax.plot([], [], color=INK, linewidth=1.6, label="critic D(x) = φ x", zorder=2)
        (gone,) = ax.plot([], [], color=PALE, marker=".", linestyle="none", markersize=2.5, zorder=1)
        dot: dict[str, Any] = {"marker": "o", "markersize": 8, "color": BLUE, "markeredgecolor": "white"}
        (fake,) = ax.plot([], [], linestyle="none", label="fake sample θ", zorder=3, **dot)
        _datum(ax, series)
        legend_below(ax)
        when = fig.text(0.97, 0.9, "", ha="right", va="top", fontsize=9)
        frames, rate = pace(
            np.stack([series.phi[:, 0], series.theta[:, 0] - series.x0[0]], axis=1), frames, rate
        )
        at = np.linspace(series.clock[0], series.clock[-1], max(frames, 2))
        phi, theta = (np.interp(at, series.clock, z[:, 0]) for z in (series.phi, series.theta))

        def draw(k: int) -> list[Any]:
            line.set_data(edge, phi[k] * edge)
            fake.set_data([theta[k]], [phi[k] * theta[k]])
            gone.set_data(theta[: k + 1], (phi * theta)[: k + 1])
            moment = round(at[k]) if series.discrete else at[k]
            when.set_text(f"{series.clock_name.split()[-1]} = {number(float(moment), 3)}")
            return []

        draw(0)
    return film(fig, draw, len(at), rate)


def _different(points: Array, count: int) -> list[int]:
    """Rows whose points are far from one another, the first and the last among them; ``count``, or all that differ.

    Equal spacing would show an orbit at the same place again and again, and a spiral mostly at its centre.
    """
    scaled = points / (np.abs(points).max(axis=0) + 1e-300)
    rows = [0, len(points) - 1]
    nearest = np.min([np.linalg.norm(scaled - scaled[k], axis=1) for k in rows], axis=0)
    while len(rows) < count and nearest.max() > 0.05:
        rows.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(scaled - scaled[rows[-1]], axis=1))
    return sorted(set(rows))


def _one(traj: TrajectoryLike) -> Series:
    series = read(traj)
    if series.dim != 1:
        raise InputError(
            f"the critic is a line for d = 1, and the trajectory has d = {series.dim}; allowed: d = 1"
        )
    return series


def _page(series: Series, verdict: Verdict | None = None) -> AbstractContextManager[Figure]:
    ends = (f"{number(float(z[0, 0]), 2)} → {number(float(z[-1, 0]), 2)}" for z in (series.phi, series.theta))
    phi, theta = ends
    title = titled(series, verdict, f"critic φ {phi}, fake θ {theta}")
    return page(6.4, 4.8, title, f"the critic's line; {run_words(series)}")


def _window(ax: Axes, series: Series) -> tuple[float, float]:
    x0, theta = float(series.x0[0]), series.theta[:, 0]
    half = 1.15 * max(float(np.abs(theta - x0).max()), 1e-12)
    low, high = x0 - half, x0 + half
    product = series.phi[:, 0] * theta
    top = max(
        float(np.abs(product).max()), 0.6 * float(np.abs(series.phi).max()) * max(abs(low), abs(high)), 1e-12
    )
    ax.set(xlim=(low, high), ylim=(-1.1 * top, 1.1 * top))
    ax.set(xlabel="sample x, fake θ as a dot", ylabel="critic's logit D(x) = φ x")
    ax.axhline(0.0, color=PALE, linewidth=0.7, zorder=0)
    ticks(ax.xaxis, 5)
    ticks(ax.yaxis, 5)
    return low, high


def _datum(ax: Axes, series: Series) -> None:
    ax.plot(series.x0[0], 0.0, **mark("equilibrium", "datum x₀"))
