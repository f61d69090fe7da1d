"""Maps over many runs: basins of attraction and orbit diagrams, and the page of any map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from matplotlib.colors import ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure

from ..analysis.kinds import Outcome
from ..errors import holds, unknown
from .axes_helpers import legend_below, styled, ticks
from .cells import areas_named, fields, flag_words, grid_axes, named, patch, scaled, sides
from .flowlines import VectorField, flow_lines
from .headings import panel_page
from .letters import number
from .series import Array, TrajectoryLike, read
from .stability_charts import best, margin_words, stability
from .theme import BLUE, GREEN, GREY, INK, SHADE, VERMILION

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

__all__ = ["basins", "bifurcation", "map_figure"]

# Areas have no dashes: each colour has a lightness of its own, and so they are told apart in grey too.
_LIMITS = {
    Outcome.EQUILIBRIUM: ("#004F80", "equilibrium"),
    Outcome.CONVERGING: ("#5AA2DC", "still converging"),
    Outcome.ELSEWHERE: ("#00906B", "another point"),
    Outcome.ORBIT: ("#EBA71C", "orbit"),
    Outcome.GROWING: ("#F5C6B2", "still growing"),
    Outcome.DIVERGES: ("#B2450A", "diverges"),
    Outcome.UNDECIDED: ("#ECECEC", "undecided"),
}
_SEVERAL = ("#EBA71C", "#7A2E68", "#00906B", "#F0E442", "#5AA2DC")
_FEW = 3  # starts that are not a basin: a point alone is what the others come to, or leave
_SAME = 0.02  # limits whose sizes differ by less than this share are one


def basins(
    found: xr.Dataset,
    ax: Axes | None = None,
    *,
    field: VectorField | None = None,
    cycle: TrajectoryLike | Sequence[TrajectoryLike] | None = None,
) -> Axes:
    """Draw which limit each start reaches.

    Args:
        found: what :func:`diracgan.sweeps.basins` returned: ``limit``, ``limit_radius``, ``limit_phi`` and
            ``limit_theta`` over two axes.
        ax: axes to draw on; a new figure when ``None``.
        field: for d = 1, over axes phi0 and theta0: the field, whose streamlines and nullclines are drawn on top.
        cycle: trajectories on limit cycles (d = 1), or one, drawn on top; a rule's (no ``field``) as points.

    Returns:
        The axes.

    Example:
        >>> import diracgan as dg
        >>> from diracgan.sweeps import basins as computed
        >>> from matplotlib.figure import Figure
        >>> found = computed(dg.variant("wgan-gp", c=0.0), {"phi0": "-1:1:3", "theta0": "-1:1:3"}, t1=100.0)
        >>> ax = basins(found, Figure().add_subplot())
        >>> [t.get_text() for t in ax.get_legend().get_texts()]
        ['equilibrium']
    """
    x, y = grid_axes(found, 2)
    order = (y.name, x.name)
    words = flag_words(found["limit"].transpose(*order), missing=Outcome.UNDECIDED)
    with styled(ax) as ax:
        colours, labels, index = _coloured(found, words, order)
        flat, datum = order == ("theta0", "phi0"), float(np.ravel(_start(found).get("x0", [0.0]))[0])
        shown = [_lighter(c) for c in colours] if field is not None and flat else colours
        fields(ax, x, y, index, ListedColormap(shown), Normalize(-0.5, len(colours) - 0.5))
        named(ax, x, y)
        if flat and field is not None:
            flow_lines(ax, field, datum, colour=GREY)
            ax.set(xlabel="critic φ", ylabel="generator θ")
        line: dict[str, Any] = (
            {"linewidth": 2.2} if field is not None else {"linestyle": "none", "marker": "."}
        )
        for orbit in _listed(cycle) if flat else []:
            z = read(orbit)
            ax.plot(
                z.phi[:, 0], z.theta[:, 0], color=INK, markersize=2.5, label="limit cycle", zorder=5, **line
            )
        groups: list[int] = np.unique(index).tolist()
        for k in groups if flat else []:
            if np.sum(index == k) >= _FEW:
                _limit_points(ax, found, index == k, words, colours[k], datum)
        areas_named(
            ax, [(shown[k], labels[k]) for k in groups if np.sum(index == k) >= min(_FEW, index.size)]
        )
    return ax


def _limit_points(
    ax: Axes, found: xr.Dataset, members: np.ndarray, words: np.ndarray, colour: str, datum: float
) -> None:
    """The point that a basin's starts come to, in its colour."""
    outcome = str(words[members][0])
    if outcome == Outcome.ELSEWHERE:
        at = [
            np.asarray(found[k].transpose("theta0", "phi0"), float)[members]
            for k in ("limit_phi", "limit_theta")
        ]
        sizes = [np.ptp(x) for x in at]
        if max(sizes) > 2 * _SAME * max(1.0, float(np.abs(at).max())):  # many points, in one colour
            return
        point = [float(np.median(x)) for x in at]
    elif outcome in (Outcome.EQUILIBRIUM, Outcome.CONVERGING):
        point = [0.0, datum]
    else:
        return
    look: dict[str, Any] = {"marker": "o", "markersize": 9, "markeredgecolor": INK, "markeredgewidth": 1.4}
    ax.plot(*point, color=colour, linestyle="none", zorder=6, gid="limit", **look)


def bifurcation(found: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the limit set against a parameter, with the values at which the linear stability changes.

    Args:
        found: what :func:`diracgan.sweeps.bifurcation` returned: ``orbit`` and ``threshold``.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Example:
        >>> import diracgan as dg
        >>> from diracgan.sweeps import bifurcation as computed
        >>> from matplotlib.figure import Figure
        >>> found = computed(dg.variant("wgan-gp"), {"lam": "0.1:0.9:3"}, t1=50.0)
        >>> bifurcation(found, Figure().add_subplot()).get_xlabel()
        'lam, weight of the penalty'
    """
    (x,) = grid_axes(found, 1)
    orbit = np.asarray(found["orbit"].transpose(x.name, "sample"), float)
    at = np.repeat(x.values, orbit.shape[1]).reshape(orbit.shape)
    fine = np.isfinite(orbit)  # what leaves has no limit set to show
    leaving: Any = ~fine.any(axis=1)
    with styled(ax) as ax:
        size = 3.2 if fine.sum() > 3000 else 5.0
        moving = "last iterates" if found.attrs.get("rule") else "last turning points"
        starts = int(found.attrs.get("starts", 1))
        rest = np.repeat(_rests(orbit, starts), orbit.shape[1] // starts, axis=1) & fine
        for here, label, colour in ((fine & ~rest, moving, BLUE), (rest, "where it comes to rest", GREEN)):
            if here.any():
                label += f", from {starts} starts" if starts > 1 else ""
                dots: dict[str, Any] = {"linestyle": "none", "marker": ".", "markeredgewidth": 0}
                ax.plot(at[here], orbit[here], rasterized=True, markersize=size, color=colour, **dots)
                ax.plot([], [], markersize=8, label=label, color=colour, **dots)
        changes = np.asarray(found["threshold"], float)
        edges = sides(np.sort(x.values))
        for k in np.flatnonzero(leaving[np.argsort(x.values)]):
            ax.axvspan(edges[k], edges[k + 1], color=SHADE, linewidth=0, zorder=0)
        if leaving.any():
            patch(ax, SHADE, "grows or diverges: no limit set")
        for value in changes[:24]:
            label = "exact threshold" + (f", {x.name} = {number(value, 6)}" if len(changes) == 1 else "s")
            ax.axvline(value, color=VERMILION, linewidth=1.0, linestyle=(0, (4, 2)), label=label)
        span = orbit[fine]
        low, high = (float(span.min()), float(span.max())) if span.size else (-1.0, 1.0)
        half = 0.55 * (high - low) or max(abs(high), 1.0)
        ax.set_ylim((low + high) / 2 - half, (low + high) / 2 + half)
        ticks(ax.yaxis, 5)
        scaled(ax, "x", x)
        single = np.size(_start(found).get("x0", [0.0])) == 1
        ax.set_ylabel("generator θ − x₀" if single else "|θ − x₀|")
        if ax.get_legend_handles_labels()[1]:
            legend_below(ax)
    return ax


def _rests(orbit: Array, starts: int) -> np.ndarray:
    """Of every value and start, (K, starts), whether its last points are one."""
    each = orbit.reshape(len(orbit), starts, -1)
    size = float(np.ptp(orbit[np.isfinite(orbit)])) if np.isfinite(orbit).any() else 0.0
    here = np.isfinite(each)
    spread = np.where(here, each, -np.inf).max(axis=2) - np.where(here, each, np.inf).min(axis=2)
    return here.any(axis=2) & (spread <= 1e-3 * size)


def _listed(cycle: TrajectoryLike | Sequence[TrajectoryLike] | None) -> list[TrajectoryLike]:
    if cycle is None:
        return []
    return [*cycle] if isinstance(cycle, Sequence) else [cycle]


_DRAWN = {"basins": basins, "stability": stability, "bifurcation": bifurcation}
_TITLES = {
    "basins": "which limit each start reaches",
    "stability": "where the equilibrium is stable",
    "bifurcation": "the limit set",
}


def _shares(found: xr.Dataset) -> str:
    """Of a map of basins: the largest shares of its starts, and where they come to."""
    x, y = grid_axes(found, 2)
    order = (y.name, x.name)
    words = flag_words(found["limit"].transpose(*order), missing=Outcome.UNDECIDED)
    _, labels, index = _coloured(found, words, order)
    shares = sorted(((float(np.mean(index == k)), label) for k, label in enumerate(labels)), reverse=True)
    said = [f"{share:.0%} to {label}" for share, label in shares if share >= 0.005]
    return ", ".join(said[:2]) + (", …" if len(said) > 2 else "")


def _motions(found: xr.Dataset) -> str:
    """Of an orbit diagram: for which values of the parameter it comes to rest, keeps moving, or leaves."""
    (x,) = grid_axes(found, 1)
    orbit, starts = (
        np.asarray(found["orbit"].transpose(x.name, "sample"), float),
        int(found.attrs.get("starts", 1)),
    )
    stays = np.asarray(np.isfinite(orbit).reshape(len(orbit), starts, -1).any(axis=2))
    rests = _rests(orbit, starts)
    values = x.values
    stretches: list[tuple[str, float, float]] = []
    for k in np.argsort(values).tolist():
        seen = zip(
            ("comes to rest", "keeps moving", "leaves"),
            (rests[k], stays[k] & ~rests[k], ~stays[k]),
            strict=True,
        )
        said = " or ".join(word for word, here in seen if here.any())
        first = stretches.pop()[1] if stretches and stretches[-1][0] == said else values[k]
        stretches.append((said, float(first), float(values[k])))
    ends = [f"{number(a)} to {number(b)}" if a < b else number(a) for _, a, b in stretches]
    parts = [f"{said} for {x.name} = {at}" for (said, _, _), at in zip(stretches[:3], ends, strict=False)]
    return ", ".join(parts) + (", …" if len(stretches) > 3 else "")


_ANSWERS = {"basins": _shares, "stability": best, "bifurcation": _motions}


class OnBasins(TypedDict, total=False):
    """What :func:`basins` takes besides its map and axes."""

    field: VectorField | None
    cycle: TrajectoryLike | Sequence[TrajectoryLike] | None


def map_figure(found: xr.Dataset, **on_top: Unpack[OnBasins]) -> Figure:
    """Draw a map on a page of its own, titled with the answer, below it the question and the rule.

    Args:
        found: what one of :mod:`diracgan.sweeps.maps` returned.
        on_top: for basins, ``field`` and ``cycle`` of :func:`basins`.

    Raises:
        InputError: for another dataset.
    """
    holds("found", found, ("attrs", "dims"), "what the maps of dg.sweeps return")
    kind = found.attrs.get("map", "")
    if kind not in _DRAWN:
        raise unknown("kind of map", kind, _DRAWN)
    name = str(found.attrs.get("variant", ""))
    moved = str(found.attrs.get("rule", "")) or "flow"
    title = f"{name}: {answer}" if (answer := _ANSWERS[kind](found)) else name
    wide, below = 0.76 if kind == "stability" else 0.87, f"{_TITLES[kind]}; {moved}; {_where(found, kind)}"
    with panel_page(7.6, 6.2, (0.1, 0.2, wide, 0.62), title, below) as (fig, ax):
        _DRAWN[kind](found, ax, **on_top)
        fig.set_label(f"{name}, {moved}, map of {kind}")
    return fig


def _where(found: xr.Dataset, kind: str) -> str:
    if kind == "stability":
        x0 = _start(found)["x0"]
        return f"linearised at {'(0, x₀)' if np.any(x0) else '0'}, d = {len(x0)}; {margin_words(found)}"
    flow = json.loads(found.attrs["settings"])["flow"]
    end = f"{flow['steps']} iterations" if "steps" in flow else f"t = {flow['t1']:g}"
    seen = f"d = {len(_start(found)['x0'])}, as seen until {end}"
    if kind != "basins":
        return seen
    sizes = [np.diff(np.sort(axis.values)).max(initial=0.0) for axis in grid_axes(found, 2)]
    return f"{seen}; borders to a cell of {' × '.join(number(size, 2) for size in sizes)}"


def _start(found: xr.Dataset) -> dict[str, Any]:
    return json.loads(found.attrs.get("start", "{}"))


def _coloured(
    found: xr.Dataset, words: np.ndarray, order: tuple[str, str]
) -> tuple[list[str], list[str], Array]:
    """A colour and a label for every limit, and which one each point reaches; a few different limits are told apart."""
    colours, labels = [], []
    index: Any = np.zeros(words.shape, int)
    for name, (colour, label) in _LIMITS.items():
        here = words == name
        if not here.any():
            continue
        groups = _groups(found, name, here, order)
        for k, (said, members) in enumerate(groups):
            index[members] = len(colours)
            colours.append(colour if len(groups) == 1 else _SEVERAL[k % len(_SEVERAL)])
            labels.append(label + said)
    return colours, labels, index


def _groups(found: xr.Dataset, name: str, here: np.ndarray, order: tuple[str, str]) -> list[tuple[str, Any]]:
    """The different limits of one kind, with what tells them apart; one group where they are too many."""
    if name not in (Outcome.ELSEWHERE, Outcome.ORBIT):
        return [("", here)]
    keys = ("limit_radius",) if name == Outcome.ORBIT else ("limit_phi", "limit_theta")
    values = [np.asarray(found[k].transpose(*order), float) for k in keys]
    size = max(float(np.nanmax(np.abs(v[here]), initial=0.0)) for v in values) or 1.0
    left, groups = here.copy(), []
    while left.any() and len(groups) <= len(_SEVERAL):
        one = [float(v[left][0]) for v in values]
        members = left & np.all(
            [np.abs(v - x) <= _SAME * size for v, x in zip(values, one, strict=True)], axis=0
        )
        members = members if members.any() else left
        shown = [0.0 if abs(x) < _SAME * size else x for x in one]
        inside = ", ".join(number(x, 3) for x in shown)
        groups.append((f", r = {inside}" if name == Outcome.ORBIT else f" ({inside})", members))
        left &= ~members
    if left.any():
        return [("s of many sizes" if name == Outcome.ORBIT else "s, many", here)]
    return groups


def _lighter(colour: str) -> tuple[float, float, float]:
    """The colour as a shade under lines."""
    r, g, b = to_rgb(colour)
    return (0.55 + 0.45 * r, 0.55 + 0.45 * g, 0.55 + 0.45 * b)
