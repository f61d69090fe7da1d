"""Bifurcation diagrams: branches with their stability, the points on them, and what is born there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import InputError
from .axes_helpers import legend_below, styled
from .headings import page, spanned
from .letters import number
from .theme import BLUE, GREEN, INK, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["branches", "branches_figure"]

_LOOKS = {"stable": ("-", BLUE), "unstable": ("--", VERMILION)}
_MARKS = {
    "fold": ("s", "fold"),
    "branch-point": ("D", "branch point"),
    "hopf": ("o", "Hopf"),
    "neimark-sacker": ("o", "Neimark-Sacker"),
    "flip": ("^", "flip"),
    "fold-of-cycles": ("s", "fold of cycles"),
    "period-doubling": ("^", "period doubling"),
    "torus": ("o", "torus"),
    "branch-point-of-cycles": ("D", "branch point of cycles"),
    "fold-of-circles": ("s", "fold of circles"),
    "grazing": ("v", "grazing"),
    "grazing-sliding": ("v", "grazing-sliding"),
    "crossing-sliding": ("v", "crossing-sliding"),
    "switching-sliding": ("v", "switching-sliding"),
    "adding-sliding": ("v", "adding-sliding"),
}
_POINT: dict[str, Any] = {
    "markersize": 6.5,
    "markerfacecolor": "white",
    "markeredgecolor": INK,
    "zorder": 5,
    "clip_on": False,
}
_ROUNDING = 1e-12  # of the range: a value below is 0
_LAW_HOLDS = 0.3  # the normal form at a value differs by no more from the law at the point
_REACH = 0.4  # of the range beyond a point: how far the normal form is drawn


def branches(found: Sequence[Any], ax: Axes | None = None) -> Axes:
    """Draw branches over their parameter: stable parts solid, unstable ones dashed, and the points named.

    The height is the distance of the players from (0, x0), of a cycle the largest, of an orbit of period k that of each
    of its k points; of what is born at a Hopf, Neimark-Sacker, flip or pitchfork point and was not followed, the radius
    that the normal form predicts, about the branch.

    Args:
        found: one or several :class:`diracgan.bifurcation.Branch` or ``CycleBranch`` over one parameter.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Raises:
        InputError: when there is no branch, or they turn different parameters.

    Example:
        >>> import diracgan as dg
        >>> from matplotlib.figure import Figure
        >>> found = dg.bifurcation.branch(dg.variant("ns"), over="gamma=0:1")
        >>> branches([found], Figure().add_subplot()).get_xlabel()
        'gamma'
    """
    if not found:
        raise InputError("there is no branch to draw; allowed: at least one")
    names = {b.parameter for b in found}
    if len(names) > 1:
        raise InputError(f"the branches turn {', '.join(sorted(names))}; allowed: one parameter")
    with styled(ax) as ax:
        for b in found:
            _branch(ax, b)
        followed = {b.born_at for b in found}
        for b in found:
            for point in b.points:
                if not _turns(b) and point.value not in followed:
                    _born(ax, b, point)
                height = _height_at(b, point)
                marker, label = _MARKS[point.kind]
                ax.plot(point.value, height, marker, **_POINT)
                left = _turns(b) and point.side > 0  # the branch lies to the right
                beside = {"xytext": (-6 if left else 4, 7), "ha": "right" if left else "left"}
                beside |= {"textcoords": "offset points", "fontsize": 8}
                value = point.value if abs(point.value) > _ROUNDING * (b.high - b.low) else 0.0
                ax.annotate(f"{label}\n{number(value, 5)}", (point.value, height), **beside)
        largest = ", of a cycle the largest" if any(_turns(b) for b in found) else ""
        ax.set(xlabel=next(iter(names)), ylabel=f"distance from (0, x₀){largest}")
        ax.set_ylim(bottom=min(0.0, ax.get_ylim()[0]))
        legend_below(ax)
    return ax


def branches_figure(found: Sequence[Any], *, title: str, below: str = "") -> Figure:
    """Draw :func:`branches` on a page of its own: what ``diracgan bifurcation --out`` draws.

    Example:
        >>> import diracgan as dg
        >>> found = dg.bifurcation.branch(dg.variant("ns"), over="gamma=0:1")
        >>> branches_figure([found], title="ns").texts[0].get_text()
        'ns'
    """
    with page(8.2, 5.2, title, below) as fig:
        branches(found, fig.add_axes((0.11, 0.2, 0.84, 0.6)))
    return fig


def branch_title(found: Any) -> str:
    """What is found on a branch in one line: its first three bifurcations, or that there is none.

    Example:
        >>> import diracgan as dg
        >>> branch_title(dg.bifurcation.branch(dg.variant("ns"), over="gamma=0:1"))
        'ns, flow: supercritical Hopf at gamma = 0'
    """
    at = [
        f"{p.criticality} {_MARKS[p.kind][1]} at {found.parameter} = {number(p.value, 5)}".strip()
        for p in found.points
    ]
    more = [f"{len(at) - 3} more"] if len(at) > 3 else []
    none = f"{found.kind} over {found.parameter}, no bifurcation"
    what = spanned(f"{found.variant}, {found.rule or 'flow'}", found.parameter, found.low, found.high)
    return f"{what}: {', '.join([*at[:3], *more]) or none}"


def _height(b: Any, phi: Any, theta: Any) -> Any:
    off = np.concatenate([np.asarray(phi), np.asarray(theta) - np.asarray(b.x0)], axis=-1)
    return np.linalg.norm(off, axis=-1)


def _turns(b: Any) -> bool:
    """Whether it consists of cycles or invariant circles."""
    return b.kind in ("cycles", "invariant circles")


def _heights(b: Any) -> np.ndarray:
    """Of every point of what the branch consists of, (K, 1) of equilibria, (K, k) of orbits of period k."""
    orbits = getattr(b, "orbits", None)
    if orbits is None:
        return _height(b, b.phi, b.theta)[:, None]
    return _height(b, *np.split(orbits, 2, axis=-1))


def _height_at(b: Any, point: Any) -> float:
    """Of a point on its branch; of a cycle that of the nearest one on the branch."""
    if not _turns(b):
        return float(_height(b, point.phi, point.theta))
    turns, turn = (b.periods, point.period) if b.kind == "cycles" else (b.rotations, point.rotation)
    off = np.abs(b.values - point.value) / (b.high - b.low) + np.abs(turns / turn - 1)
    return float(b.radii[int(np.argmin(off))])


def _branch(ax: Axes, b: Any) -> None:
    cycles = _turns(b)
    heights, statuses = b.radii[:, None] if cycles else _heights(b), np.array(b.statuses)
    colours = {"stable": GREEN} if cycles else {}
    for status, part in _stretches(statuses):
        line, colour = _LOOKS.get(status, (":", INK))
        colour = colours.get(status, colour)
        lines = ax.plot(b.values[part], heights[part], line, color=colour, linewidth=1.8, zorder=3)
        lines[0].set_label(f"{b.kind}, {status}")


def _stretches(statuses: np.ndarray) -> Iterable[tuple[str, slice]]:
    """Runs of one status, each up to the first point of the next; single undecided points take their neighbour's."""
    words = statuses.copy()
    for k, status in enumerate(statuses):
        beside = [*statuses[max(k - 1, 0) : k], *statuses[k + 1 : k + 2]]
        if status not in _LOOKS and beside and all(s in _LOOKS for s in beside):
            words[k] = beside[0]
    edges = [0, *(np.flatnonzero(words[1:] != words[:-1]) + 1).tolist(), len(words)]
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        yield str(words[first]), slice(first, min(last + 1, len(words)))


def _born(ax: Axes, b: Any, point: Any) -> None:
    """The radius of what is born, by the normal form at each value."""
    if not point.side or point.kind == "fold" or point.criticality == "transcritical":
        return
    end = point.value + point.side * _REACH * (b.high - b.low)
    end = float(np.clip(end, b.low, b.high))
    values = point.value + (end - point.value) * np.linspace(0.0, 1.0, 25) ** 2
    radii = np.array([0.0, *(point.normal_form_radius(float(v)) or np.nan for v in values[1:])])
    law = (point.scale or 0.0) * np.sqrt(np.abs(values - point.value))
    holds = np.logical_and.accumulate(np.abs(radii - law) <= _LAW_HOLDS * law)
    if np.sum(holds) < 2:
        return
    values, radii = values[holds], radii[holds]
    line, colour = ("-", GREEN) if point.criticality == "supercritical" else ("--", VERMILION)
    label = "born there, by the normal form" + (", unstable" if line == "--" else "")
    around = _height(b, point.phi, point.theta) + radii
    ax.plot(values, around, line, color=colour, linewidth=1.2, zorder=2, label=label)
