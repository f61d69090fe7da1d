"""An exponential moving average of the weights over an orbit."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure

from ..errors import InputError, holds, real_array
from .axes_helpers import (
    AVERAGES,
    MOST_POINTS,
    frame,
    legend_above,
    legend_below,
    log_clock,
    logarithmic,
    mark,
    span,
    styled,
)
from .headings import page
from .letters import number
from .series import Series, TrajectoryLike, norm, read, thin
from .theme import PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..analysis.thresholds.weight_averaging import Averaging

__all__ = ["bode", "bode_figure", "ema", "ema_paths"]


Runs: TypeAlias = TrajectoryLike | Mapping[float, TrajectoryLike] | Mapping[str, TrajectoryLike]
"""One trajectory with averages, or several by their decay or label."""


def ema(runs: Runs, ax: Axes | None = None) -> Axes:
    """Draw the averaged generator's distance from the datum over the raw one, on a logarithmic scale.

    Args:
        runs: one trajectory with ``theta_ema``, or a mapping from decay (or any label) to such
            trajectories of the same raw run.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Raises:
        InputError: when a trajectory holds no EMA.

    Example:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> t = np.arange(50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> run = {"phi": z, "theta": z, "theta_ema": 0.1 * z, "step": t}
        >>> ax = ema({0.9: run}, Figure().add_subplot())
        >>> [line.get_label() for line in ax.lines]
        ['raw', 'EMA 0.9']
    """
    averaged = _averaged(runs)
    first = averaged[0][1]
    with styled(ax) as ax:
        keep = thin(len(first.clock), MOST_POINTS)
        sizes = [norm((first.theta - first.x0)[keep])]
        ax.plot(first.clock[keep], sizes[0], color=PALE, linewidth=1.0, label="raw")
        for (label, series), (colour, dashes, _) in zip(averaged, AVERAGES, strict=False):
            keep = thin(len(series.clock), MOST_POINTS)
            assert series.theta_ema is not None
            sizes.append(norm((series.theta_ema - series.x0)[keep]))
            ax.plot(series.clock[keep], sizes[-1], color=colour, linestyle=dashes, label=label)
        span(ax, first.clock)
        logarithmic(ax, np.concatenate(sizes))
        ax.set(xlabel=first.clock_name, ylabel=f"{first.datum}, raw and averaged")
        legend_above(ax)
    return ax


def ema_paths(runs: Runs, ax: Axes | None = None, *, tail: int = 130, target: str = "equilibrium") -> Axes:
    """Draw the averaged paths over the raw one: in the generator's plane for d = 2, in (φ, θ) for d = 1.

    Each average is a thin line; its last stretch, where it has come to, is drawn strong.

    Args:
        runs: as for :func:`ema`; d = 1 or 2.
        ax: axes to draw on; a new figure when ``None``.
        tail: how many last rows are the strong stretch.
        target: what the mark at (0, x₀) is called.

    Returns:
        The axes.

    Raises:
        InputError: when a trajectory holds no EMA, or d ≥ 3.

    Example:
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> t = np.arange(50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> run = {"phi": z, "theta": z, "theta_ema": 0.1 * z, "step": t}
        >>> ema_paths({0.9: run}, Figure().add_subplot()).get_ylabel()
        'generator θ₂'
    """
    averaged = _averaged(runs)
    first = averaged[0][1]
    if first.dim > 2:
        raise InputError(
            f"ema_paths draws d = 1 or 2 and the trajectory has d = {first.dim}; draw its distance with ema"
        )
    raw, origin, labels = (flat := first.flat()).points, flat.origin, flat.labels
    with styled(ax) as ax:
        frame(ax, np.vstack([raw, origin]))
        keep = thin(len(raw), MOST_POINTS)
        ax.plot(*raw[keep].T, color=PALE, linewidth=0.8, label="raw", zorder=2)
        for (label, series), (colour, dashes, marker) in zip(averaged, AVERAGES, strict=False):
            mean = series.flat().averaged
            if mean is None:  # d = 1, and the critic has no average
                continue
            early = mean[thin(len(mean), MOST_POINTS)]
            ax.plot(*early.T, color=colour, linewidth=0.5, alpha=0.45, zorder=3)
            late = mean[-tail:]
            ax.plot(*late.T, color=colour, linestyle=dashes, linewidth=1.8, label=label, zorder=4)
            ax.plot(
                *mean[-1:].T, marker=marker, color=colour, markeredgecolor="white", markersize=7, zorder=5
            )
        ax.plot(*raw[:1].T, **mark("start"))
        ax.plot(*origin, **mark("equilibrium", target))
        ax.set(xlabel=labels[0], ylabel=labels[1])
        legend_below(ax)
    return ax


def distances_at_last(runs: Runs, *, tail: int = 130) -> str:
    """How far the averages and the raw run end from the datum, in words.

    Args:
        runs: as for :func:`ema`.
        tail: how many last rows count; the largest distance among them is given.

    Example:
        >>> import numpy as np
        >>> t = np.arange(50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> distances_at_last({0.9: {"phi": z, "theta": z, "theta_ema": 0.1 * z, "step": t}})
        '|θ| ends at 1 raw, 0.1 with EMA 0.9'
    """
    averaged = _averaged(runs)
    first = averaged[0][1]
    raw = number(float(norm((first.theta - first.x0)[-tail:]).max()), 2)
    said = []
    for label, series in averaged:
        assert series.theta_ema is not None
        said.append(f"{number(float(norm((series.theta_ema - series.x0)[-tail:]).max()), 2)} with {label}")
    return f"{first.datum} ends at {raw} raw, {', '.join(said)}"


def bode(curves: float | Sequence[float], ax: Axes | None = None, *, mark_at: float | None = None) -> Axes:
    """Draw what an average leaves of an orbit over the orbit's angle per step, for several decays (a Bode curve).

    Args:
        curves: decays in (0, 1), one or several.
        ax: axes to draw on; a new figure when ``None``.
        mark_at: an angle per step to mark, that of the orbit at hand.

    Returns:
        The axes.

    Raises:
        InputError: for a decay outside (0, 1), or more than five.

    References:
        |G| = (1 - beta)/|1 - beta exp(-i omega h)|, docs/theory.md section 4.

    Example:
        >>> from matplotlib.figure import Figure
        >>> ax = bode([0.9, 0.99], Figure().add_subplot(), mark_at=0.05)
        >>> [line.get_label() for line in ax.lines][:2]
        ['EMA 0.9', 'EMA 0.99']
    """
    from ..analysis.thresholds.weight_averaging import gain

    decays = real_array("curves", np.atleast_1d(curves), (None,)).tolist()
    if not decays or len(decays) > len(AVERAGES) or not all(0 < b < 1 for b in decays):
        raise InputError(f"decays {decays}: allowed: 1 to {len(AVERAGES)} numbers in (0, 1)")
    with styled(ax) as ax:
        angle = np.geomspace(1e-5, np.pi, 400)
        lowest = 1.0
        for beta, (colour, dashes, _) in zip(decays, AVERAGES, strict=False):
            left = gain(beta, angle)
            lowest = min(lowest, float(left.min()))
            ax.plot(angle, left, color=colour, linestyle=dashes, label=f"EMA {beta:.10g}")
        if mark_at is not None and angle[0] <= mark_at <= np.pi:
            ax.axvline(mark_at, color=PALE, linewidth=1.0, zorder=0, label=f"ωh = {number(mark_at, 3)}")
            for beta, (colour, _, marker) in zip(decays, AVERAGES, strict=False):
                ax.plot(
                    mark_at,
                    gain(beta, mark_at),
                    marker=marker,
                    color=colour,
                    markeredgecolor="white",
                    markersize=7,
                )
        logarithmic(ax, np.array([lowest, 1.0]))
        log_clock(ax, angle[0], np.pi)
        ax.set(xlabel="angle per step ωh", ylabel="part that is left, |G|")
        legend_below(ax)
    return ax


def bode_figure(averaging: Averaging) -> Figure:
    """Draw the Bode curves of some decays with the orbit of an :class:`diracgan.analysis.Averaging` marked.

    Args:
        averaging: what :func:`diracgan.ema` returned for steps; its decays when they are few, else the usual ones.

    Raises:
        InputError: for the flow, whose average has a time constant.

    Example:
        >>> import diracgan as dg
        >>> bode_figure(dg.ema(omega=0.5, h=0.1)).axes[0].get_xlabel()
        'angle per step ωh'
    """
    holds("averaging", averaging, ("kind", "decays"), "what dg.ema returns")
    from ..analysis.thresholds.weight_averaging import gain

    if averaging.kind != "steps":
        raise InputError("a Bode curve is drawn for steps; give a rule, or --h with --omega")
    decays = [float(b) for b in averaging.decays if 0 < b < 1]
    decays = decays if 0 < len(decays) <= len(AVERAGES) - 1 else [0.9, 0.99, 0.999, 0.9999]
    if averaging.decay is not None and 0 < averaging.decay < 1:
        decays = [b for b in decays if abs((1 - b) / (1 - averaging.decay) - 1) > 0.05]
        decays.append(float(averaging.decay))
    decays, title = decays[: len(AVERAGES)], averaging.variant or "an orbit"
    if averaging.angle:
        left = [f"{number(float(gain(b, averaging.angle)), 2)} with EMA {b:.10g}" for b in decays]
        title += f": of its orbit an average leaves {', '.join(left)}"
    else:
        title += ": what an average leaves"
    rule = f", {averaging.rule}" if averaging.rule else ""
    with page(7.2, 4.4, title, f"angle per step {number(averaging.angle or 0.0, 4)}{rule}") as fig:
        bode(decays, fig.add_axes((0.11, 0.24, 0.84, 0.55)), mark_at=averaging.angle or None)
    return fig


def _averaged(runs: Runs) -> list[tuple[str, Series]]:
    """The runs with their labels; a single trajectory is a run by itself."""
    alone = isinstance(runs, Series) or (isinstance(runs, Container) and "theta" in runs)
    items: Any = {"EMA": runs} if alone else runs
    if not isinstance(items, Mapping) or not items:
        raise InputError(
            "there is no run to draw; allowed: a trajectory with theta_ema, or a mapping of decays to such"
        )
    found = []
    for key, run in items.items():
        series = read(run)
        if series.theta_ema is None:
            raise InputError(
                f"run {key!r} has no theta_ema; simulate it with an EMA (rule: ema=, flow: ema_tau=)"
            )
        found.append((key if isinstance(key, str) else f"EMA {key:g}", series))
    if len(found) > len(AVERAGES):
        raise InputError(
            f"{len(found)} averages cannot be told apart in one picture; allowed: at most {len(AVERAGES)}"
        )
    return found
