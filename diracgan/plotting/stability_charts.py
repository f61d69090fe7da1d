"""Charts of stability over two parameters, with the exact threshold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize, to_rgb

from ..analysis.linear.status import Status
from .axes_helpers import scale_beside, styled
from .cells import GridAxis, areas_named, fields, flag_words, grid_axes, named, sides
from .letters import number
from .series import Array
from .theme import INK, time_map

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["stability"]

STATUS_COLOURS = {
    Status.UNSTABLE: ("#E6E0D6", "unstable"),
    Status.MARGINAL: ("white", "undecided by eigenvalues"),
    Status.NO_DERIVATIVE: ("#A6A6A6", "no derivative"),
    Status.NOT_AN_EQUILIBRIUM: ("#CDBBBB", "no equilibrium"),
}


class StabilityChart(NamedTuple):
    """What the linearisation says over a grid of two parameters.

    Attributes:
        x: the first parameter; ``y`` the second.
        status: words of :data:`~diracgan.analysis.linear.status.STATUSES`, (values of y, values of x).
        margin: likewise.
        discrete: whether it is that of a rule's map.
        threshold: segments of the curve on which stability changes, (segment, end, coordinate); may be empty.
    """

    x: GridAxis
    y: GridAxis
    status: Array
    margin: Array
    discrete: bool
    threshold: Sequence[np.ndarray] = ()


def chart_of(found: xr.Dataset | StabilityChart) -> StabilityChart:
    """The chart that :func:`diracgan.sweeps.stability` returned as a dataset; one that is one already as it is."""
    if isinstance(found, StabilityChart):
        return found
    x, y = grid_axes(found, 2)
    status, margin = (found[n].transpose(y.name, x.name) for n in ("status", "margin"))
    discrete, segments = bool(found.attrs.get("rule")), list(np.asarray(found["threshold"]))
    return StabilityChart(x, y, flag_words(status), np.asarray(margin, float), discrete, segments)


def stability(found: xr.Dataset | StabilityChart, ax: Axes | None = None) -> Axes:
    """Draw where the equilibrium is stable, how fast perturbations die there, and the exact threshold on top.

    Args:
        found: what :func:`diracgan.sweeps.stability` returned: ``margin``, ``status`` and ``threshold``; or a
            :class:`StabilityChart`.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Example:
        >>> import diracgan as dg
        >>> from diracgan.sweeps import stability as computed
        >>> from matplotlib.figure import Figure
        >>> found = computed(dg.variant("ns"), {"gamma": "0.1:1:4", "lr": "0.1:4:5"}, rule=dg.rule("simultaneous"))
        >>> stability(found, Figure().add_subplot()).get_xlabel()
        'gamma, weight of R1'
    """
    x, y, status, margin, _, segments = chart = chart_of(found)
    with styled(ax) as ax:
        seen = [n for n in STATUS_COLOURS if np.any(status == n)]
        smooth = _is_smooth(status, margin)
        for n in [] if smooth else seen:
            here = np.ma.masked_where(status != n, np.zeros(status.shape))
            fields(ax, x, y, here, ListedColormap([STATUS_COLOURS[n][0]]), Normalize(-1, 1))
        inside = np.ma.masked_where(status != Status.STABLE, margin)
        if inside.count():
            high = float(inside.max())
            scale = Normalize(0.0, high if high > 0 else 1.0)
            if smooth:
                _areas(ax, chart, scale)
            else:
                fields(ax, x, y, inside, time_map(), scale)
            scale_beside(ax, scale, "margin")
        if len(segments):
            lines = LineCollection(segments, colors=INK, linewidths=1.8, label="exact threshold")
            lines.set_capstyle("round")
            ax.add_collection(lines, autolim=False)
        named(ax, x, y)
        if not inside.count():
            everywhere = STATUS_COLOURS[seen[0]][1] if len(seen) == 1 else "stable nowhere"
            ax.text(0.5, 0.5, f"{everywhere} on this grid", transform=ax.transAxes, ha="center", color=INK)
        areas_named(ax, [STATUS_COLOURS[n] for n in seen if not (smooth and n == Status.MARGINAL)])
    return ax


def _is_smooth(status: Array, margin: Array) -> bool:
    """Whether a chart has nothing but stable and unstable areas, and the line between them."""
    known = np.isin(status, (Status.STABLE, Status.UNSTABLE, Status.MARGINAL)).all()
    line = np.count_nonzero(status == Status.MARGINAL) <= 2 * sum(status.shape)
    return bool(known and line and np.isfinite(margin).all() and min(status.shape) > 2)


def _areas(ax: Axes, chart: StabilityChart, scale: Normalize) -> None:
    """The margins between the grid's points too: cells would end in a staircase under the line of margin 0."""
    xs, ys = chart.x.values, chart.y.values
    i, j = np.argsort(xs), np.argsort(ys)
    top = scale.vmax or 1.0
    values = np.maximum(chart.margin[np.ix_(j, i)], -top)  # one far below 0 would draw that line to the next
    values = _half_a_cell_more(_half_a_cell_more(values).T).T
    levels = [min(float(values.min()), 0.0) - top, *np.linspace(0.0, top, 65)]
    levels[-1] += abs(float(values.max()))
    filled = [to_rgb(STATUS_COLOURS[Status.UNSTABLE][0]), *time_map()(np.linspace(0, 1, 64))[:, :3]]
    grid = [np.concatenate([e[:1], v, e[-1:]]) for e, v in ((sides(v), v) for v in (xs[i], ys[j]))]
    ax.contourf(*grid, values, levels=levels, colors=filled, zorder=0.5)


def _half_a_cell_more(values: Array) -> Array:
    """Rows continued to the outer sides of the first and the last cell, so that the areas fill the axes."""
    first, last = 1.5 * values[:1] - 0.5 * values[1:2], 1.5 * values[-1:] - 0.5 * values[-2:-1]
    return np.concatenate([first, values, last])


def best(found: xr.Dataset | StabilityChart) -> str:
    """Of a chart of stability: how much of it is stable, and where perturbations die fastest."""
    chart = chart_of(found)
    stable = chart.status == Status.STABLE
    if not stable.any():
        return "stable nowhere"
    margin = np.where(stable, chart.margin, -np.inf)
    j, i = (int(k) for k in np.unravel_index(int(margin.argmax()), margin.shape))
    pairs = ((chart.x, i), (chart.y, j))
    at = ", ".join(f"{axis.name} = {number(float(axis.values[k]), 3)}" for axis, k in pairs)
    return f"stable on {stable.mean():.0%} of the chart, fastest at {at}"


def margin_words(found: xr.Dataset | StabilityChart) -> str:
    """What the margin of a chart of stability is."""
    of_map, of_flow = "1 − largest |multiplier|, lost per step", "−largest real part, rate of decay"
    return f"margin: {of_map if chart_of(found).discrete else of_flow}"
