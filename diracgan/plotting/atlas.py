"""Curves of bifurcations in two parameters, over the map of where the equilibrium is stable."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ..analysis.kinds import Kind, Outcome
from ..analysis.linear.status import Status
from ..errors import holds
from .axes_helpers import legend_below, name_beside, styled
from .headings import panel_page, spanned
from .letters import number, with_letters
from .stability_charts import StabilityChart, best, chart_of, margin_words, stability as stability_map
from .theme import BLUE, GREEN, INK, ORANGE, PURPLE, VERMILION

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

    from ..analysis.bifurcation.adaptive_chart import AdaptiveChart
    from ..analysis.bifurcation.atlas import Atlas
    from ..analysis.bifurcation.curves import CodimensionTwo, Curve

__all__ = ["adaptive", "adaptive_figure", "atlas", "atlas_figure"]

_COLOURS = {
    "fold": BLUE,
    "branch-point": GREEN,
    "hopf": VERMILION,
    "neimark-sacker": VERMILION,
    "flip": PURPLE,
    "fold-of-cycles": ORANGE,
    "period-doubling": PURPLE,
}
_SHORT = {
    "Bogdanov-Takens": "BT",
    "generalised flip": "GF",
    "Chenciner": "CH",
    "cusp of cycles": "cusp",
    "1:1 resonance of cycles": "1:1",
    "1:2 resonance of cycles": "1:2",
    "fold-flip of cycles": "fold-flip",
    "fold-Neimark-Sacker": "fold-NS",
    "flip-Neimark-Sacker": "flip-NS",
}
_KINDS = {
    Kind.LIMIT_CYCLE: GREEN,
    Outcome.ORBIT: ORANGE,
    Outcome.EQUILIBRIUM: BLUE,
    Outcome.GROWING: VERMILION,
    Outcome.UNDECIDED: INK,
}
_LABELS = {Kind.LIMIT_CYCLE: "limit cycle", Outcome.ORBIT: "orbit without a slow turn"}
_SIZES = np.log10([m * 10.0**e for e in range(-8, 4) for m in (1, 2, 5)])  # of cycles that are drawn
_NEAR_THE_END = 0.88  # of an axis: beyond, a name stands on the other side of its point
_APART = 0.01  # of an axis: points nearer than that share a mark


def atlas(
    found: Atlas | Curve, ax: Axes | None = None, *, stability: xr.Dataset | StabilityChart | None = None
) -> Axes:
    """Draw the curves of an atlas: solid where stability changes, dashed where another eigenvalue is beyond already.

    Args:
        found: a :class:`diracgan.bifurcation.Atlas`, or a :class:`diracgan.bifurcation.Curve`.
        ax: axes to draw on; a new figure when ``None``.
        stability: what :func:`diracgan.sweeps.stability` returned over the same two parameters, or a
            :class:`~diracgan.plotting.stability_charts.StabilityChart`, drawn below.

    Returns:
        The axes.

    Example:
        >>> import diracgan as dg
        >>> from matplotlib.figure import Figure
        >>> over = ("gamma=0.1:0.9", "lr=0.1:3.5")
        >>> found = dg.bifurcation.atlas(dg.variant("ns"), over, rule=dg.rule("simultaneous"))
        >>> atlas(found, Figure().add_subplot()).get_xlabel()
        'gamma'
    """
    holds("found", found, ("parameters", "low"), "what dg.bifurcation.atlas or curve returns")
    curves: list[Curve] = getattr(found, "curves", [found])
    with styled(ax) as ax:
        ax.set(xlabel=found.parameters[0], ylabel=found.parameters[1])
        if stability is not None:
            stability_map(chart_of(stability)._replace(threshold=()), ax)  # the curves are in its place
        for c in curves:
            _curve(ax, c)
        ax.set_xlim(found.low[0], found.high[0])
        ax.set_ylim(found.low[1], found.high[1])
        taken: list[Bbox] = []
        for at, names in _marks([p for c in curves for p in c.points], np.subtract(found.high, found.low)):
            _mark(ax, at, names, taken)
        legend_below(ax)
    return ax


def atlas_figure(found: Atlas, *, stability: xr.Dataset | StabilityChart | None = None) -> Figure:
    """Draw :func:`atlas` on a page of its own: what ``diracgan bifurcation --over --over --out`` draws.

    Example:
        >>> import diracgan as dg
        >>> over = ("gamma=0.1:0.9", "lr=0.1:3.5")
        >>> found = dg.bifurcation.atlas(dg.variant("ns"), over, rule=dg.rule("simultaneous"))
        >>> atlas_figure(found).texts[0].get_text()
        'ns, simultaneous(lr=0.1..3.5): 1 Neimark-Sacker curve'
    """
    holds("found", found, ("curves", "parameters"), "what dg.bifurcation.atlas returns")
    names = dict.fromkeys(p.name for c in found.curves for p in c.points)
    short = [f"{_SHORT[name]}: {name}" for name in names if name in _SHORT]
    margin = [] if stability is None else [margin_words(stability)]
    box = (0.1, 0.2, 0.86 if stability is None else 0.76, 0.62)  # a scale stands on the right of a map
    words = (_answer(found, stability), "; ".join([found.text, *short, *margin]))
    with panel_page(7.6, 6.2, box, *words) as (fig, ax):
        atlas(found, ax, stability=stability)
    return fig


def _answer(found: Atlas, stability: xr.Dataset | StabilityChart | None) -> str:
    """What moves, and where it is stable; where that is not known, the curves that were found."""
    what = spanned_over(f"{found.variant}, {found.rule or 'flow'}", found)
    counts = Counter(str(c.kind.words) for c in found.curves)
    curves = [f"{n} {kind} curve{'s' * (n > 1)}" for kind, n in counts.items()] or ["no curve"]
    return f"{what}: {', '.join(curves) if stability is None else best(stability)}"


def spanned_over(label: str, found: Atlas | AdaptiveChart) -> str:
    """A label in which both parameters of a chart have their ranges."""
    for name, low, high in zip(found.parameters, found.low, found.high, strict=True):
        label = spanned(label, name, low, high)
    return label


def adaptive(found: AdaptiveChart, ax: Axes | None = None) -> Axes:
    """Draw what an adaptive rule ends on: regions by kind, and curves on which its cycles have one size.

    Args:
        found: a :class:`diracgan.bifurcation.AdaptiveChart`.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Example:
        >>> import diracgan as dg
        >>> from matplotlib.figure import Figure
        >>> over, rule = ("gamma=0.01:0.1", "lr=0.001:0.01"), dg.rule("adam", beta1=0.5, beta2=0.99)
        >>> found = dg.bifurcation.adaptive_chart(dg.variant("ns"), over, rule, cells=2)
        >>> adaptive(found, Figure().add_subplot()).get_ylabel()
        'lr'
    """
    holds("found", found, ("kinds", "parameters"), "what dg.bifurcation.adaptive_chart returns")
    kinds = np.array(found.kinds)
    with styled(ax) as ax:
        ax.set(xlabel=found.parameters[0], ylabel=found.parameters[1])
        for side, values in (("x", found.first), ("y", found.second)):
            if values[0] > 0 and not np.allclose(np.diff(values), values[1] - values[0]):
                ax.set(**{f"{side}scale": "log"})
        for kind, colour in _KINDS.items():
            if np.any(kinds == kind):
                here = np.where(kinds == kind, 1.0, np.nan).T
                shown = ListedColormap([colour])
                ax.pcolormesh(found.first, found.second, here, cmap=shown, alpha=0.25, shading="nearest")
                ax.plot([], [], "s", color=colour, alpha=0.4, label=_LABELS.get(kind, kind))
        sizes = np.log10(np.where(found.amplitudes > 0, found.amplitudes, np.nan)).T
        if np.any(np.isfinite(sizes)) and np.nanmax(sizes) > np.nanmin(sizes):
            look: dict[str, Any] = {"colors": INK, "linewidths": 1.0, "linestyles": "solid"}
            lines = ax.contour(found.first, found.second, sizes, levels=_SIZES, **look)
            ax.clabel(lines, fmt=lambda x: f"{10**x:.2g}", fontsize=8)
            ax.plot([], [], "-", color=INK, linewidth=1.0, label="largest |φ| in the end")
        if np.ptp(np.maximum(found.counts, 1)):
            edges = np.arange(1, found.counts.max()) + 0.5
            look = {"colors": BLUE, "linewidths": 1.5, "linestyles": "--"}
            ax.contour(found.first, found.second, found.counts.T, levels=edges, **look)
            ax.plot([], [], "--", color=BLUE, label="another pair of cycles")
        ax.set_xlim(found.low[0] or found.first[0], found.high[0])
        ax.set_ylim(found.low[1] or found.second[0], found.high[1])
        legend_below(ax)
    return ax


def adaptive_figure(found: AdaptiveChart) -> Figure:
    """Draw :func:`adaptive` on a page of its own: what ``diracgan bifurcation`` draws of Adam with a small eps.

    Example:
        >>> import diracgan as dg
        >>> over, rule = ("gamma=0.01:0.1", "lr=0.001:0.01"), dg.rule("adam", beta1=0.5, beta2=0.99)
        >>> found = dg.bifurcation.adaptive_chart(dg.variant("ns"), over, rule, cells=2)
        >>> " ".join(adaptive_figure(found).texts[0].get_text().split()).split(": ")[-1]
        'onto a limit cycle at all of 4 points, |φ| = 0.0181 to 0.364'
    """
    holds("found", found, ("kinds", "parameters"), "what dg.bifurcation.adaptive_chart returns")
    what = spanned_over(f"{found.variant}, {found.rule}", found)
    words = (f"{what}: {_ends(found)}", with_letters(found.text))
    with panel_page(7.6, 6.2, (0.1, 0.2, 0.82, 0.62), *words) as (fig, ax):
        adaptive(found, ax)
    return fig


def _ends(found: AdaptiveChart) -> str:
    """On how many points of the chart the rule ends on a cycle, and how large those are; what it does elsewhere."""
    counts = Counter(kind for row in found.kinds for kind in row)
    total, sizes = sum(counts.values()), found.amplitudes[np.isfinite(found.amplitudes)]
    named: dict[str, str] = {Kind.LIMIT_CYCLE: Kind.LIMIT_CYCLE.words}
    said = [
        f"{named.get(kind, kind)} at {n if n < total else 'all'} of {total} points"
        for kind, n in counts.most_common()
    ]
    large = f", |φ| = {number(sizes.min(), 3)} to {number(sizes.max(), 3)}" if sizes.size else ""
    return f"{'; '.join(said)}{large}"


def _curve(ax: Axes, c: Curve) -> None:
    inside = np.array(c.statuses) == Status.UNSTABLE
    edges = [0, *(np.flatnonzero(inside[1:] != inside[:-1]) + 1).tolist(), len(inside)]
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        label = c.kind.words + (", already unstable" if inside[first] else "")
        part = c.values[max(first - 1, 0) : last] if inside[first] else c.values[first : last + 1]
        line = "--" if inside[first] else "-"
        ax.plot(*part.T, line, color=_COLOURS[c.kind], linewidth=1.9, zorder=4, label=label)


def _marks(points: list[CodimensionTwo], sizes: np.ndarray) -> list[tuple[np.ndarray, list[str]]]:
    """Where points of codimension two are marked, those that would cover each other at one place."""
    marks: list[tuple[np.ndarray, list[str]]] = []
    for point in points:
        name: str = _SHORT.get(point.name) or point.name.removesuffix(" resonance")
        near = [names for at, names in marks if np.all(np.abs(point.values - at) <= _APART * sizes)]
        if not near:
            marks.append((np.array(point.values), [name]))
        elif name not in near[0]:
            near[0].append(name)
    return marks


def _mark(ax: Axes, at: np.ndarray, names: list[str], taken: list[Bbox]) -> None:
    look: dict[str, Any] = {"markersize": 6, "markerfacecolor": "white", "markeredgecolor": INK}
    ax.plot(*at, "o", zorder=6, clip_on=False, **look)
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    left = bool(at[0] > low + _NEAR_THE_END * (high - low))
    below = bool(at[1] > bottom + (1 - _NEAR_THE_END) * (top - bottom))
    name_beside(ax, (float(at[0]), float(at[1])), ", ".join(names), taken, left=left, below=below)
