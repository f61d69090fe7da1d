"""Bifurcation diagrams: branches with their stability, the points on them, and what is born there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ..analysis.linear.status import Status
from ..errors import InputError, holds, listed
from .axes_helpers import legend_below, name_beside, styled, ticks
from .headings import panel_page, spanned
from .letters import number
from .theme import BLUE, GREEN, INK, ORANGE, VERMILION

if TYPE_CHECKING:
    from typing import TypeAlias

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

    from ..analysis.bifurcation.branch import Branch
    from ..analysis.bifurcation.circle_branch import CircleBranch
    from ..analysis.bifurcation.cycles import CycleBranch

    Followed: TypeAlias = Branch | CycleBranch | CircleBranch

__all__ = ["branches", "branches_figure"]

_LOOKS: dict[str, tuple[str, str]] = {Status.STABLE: ("-", BLUE), Status.UNSTABLE: ("--", VERMILION)}
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
_NEAR_THE_END = 0.8  # of the axis: beyond, a name stands on the left of its point
_SHARE = 0.04  # of either axis: points of one kind that are closer have one name
_ROUNDING = 1e-12  # of the range: a value below is 0
_LAW_HOLDS = 0.3  # the normal form at a value differs by no more from the law at the point
_TALL, _MARGIN = (
    10.0,
    1.1,
)  # a height, and times that of the others: no further is a branch drawn that goes off
_REACH = 0.4  # of the range beyond a point: how far the normal form is drawn


def branches(found: Sequence[Followed], ax: Axes | None = None) -> Axes:
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
    for b in listed("found", found, "branches, as dg.bifurcation.branch returns one"):
        holds("found", b, ("parameter", "points"), "branches, as dg.bifurcation.branch returns one")
    if not found:
        raise InputError("there is no branch to draw; allowed: at least one")
    names = {b.parameter for b in found}
    if len(names) > 1:
        raise InputError(f"the branches turn {', '.join(sorted(names))}; allowed: one parameter")
    with styled(ax) as ax:
        begins = {p.value: _height_at(b, p) for b in found if not _turns(b) for p in b.points}
        for b in found:
            _branch(ax, b, None if b.born_at is None else begins.get(b.born_at))
        followed = {b.born_at for b in found}
        for b in found:
            for point in b.points:
                if not _turns(b) and point.value not in followed:
                    _born(ax, b, point)
                ax.plot(point.value, _height_at(b, point), _MARKS[point.kind][0], **_POINT)
        largest = ", of a cycle the largest" if any(_turns(b) for b in found) else ""
        ax.set(xlabel=next(iter(names)), ylabel=f"distance from (0, x₀){largest}")
        _within_reach(ax, found)
        _from_zero(ax)
        ticks(ax.xaxis, 8)
        ticks(ax.yaxis, 8)
        _named(ax, found)
        legend_below(ax)
    return ax


def branches_figure(found: Sequence[Followed], *, title: str, below: str = "") -> Figure:
    """Draw :func:`branches` on a page of its own: what ``diracgan bifurcation --out`` draws.

    Example:
        >>> import diracgan as dg
        >>> found = dg.bifurcation.branch(dg.variant("ns"), over="gamma=0:1")
        >>> branches_figure([found], title="ns").texts[0].get_text()
        'ns'
    """
    with panel_page(8.2, 5.2, (0.11, 0.2, 0.84, 0.6), title, below) as (fig, ax):
        branches(found, ax)
    return fig


def branch_title(found: Branch) -> str:
    """What is found on a branch in one line: its first three bifurcations, or that there is none.

    Example:
        >>> import diracgan as dg
        >>> branch_title(dg.bifurcation.branch(dg.variant("ns"), over="gamma=0:1"))
        'ns, flow: supercritical Hopf at gamma = 0'
    """
    at = [
        f"{p.criticality} {_MARKS[p.kind][1]} at {found.parameter} = {number(_value(p, found), 5)}".strip()
        for p in found.points
    ]
    more = [f"{len(at) - 3} more"] if len(at) > 3 else []
    none = f"{found.kind} over {found.parameter}, no bifurcation"
    what = spanned(f"{found.variant}, {found.rule or 'flow'}", found.parameter, found.low, found.high)
    return f"{what}: {', '.join([*at[:3], *more]) or none}"


def _value(point: Any, on: Followed) -> float:
    """Where a point lies on its branch, 0 up to rounding."""
    return point.value if abs(point.value) > _ROUNDING * (on.high - on.low) else 0.0


def _from_zero(ax: Axes) -> None:
    """Begin the heights at 0, or a little below a branch that lies there, unless all of them are far from it."""
    low, high = ax.get_ylim()
    if low < 0:  # a distance is not
        high = high if high > -2 * low else 1.0
        ax.set_ylim(-0.05 * high, high)
    elif low < 0.5 * high:
        ax.set_ylim(bottom=0.0)


def _within_reach(ax: Axes, found: Sequence[Followed]) -> None:
    """Leave out what lies far beyond the others of a branch that goes off to where it is followed no further."""
    others = [_all_heights(b).max() for b in found if not any("grows beyond" in end for end in b.ends)]
    top = max([_TALL, *(_MARGIN * height for height in others)])
    low, high = ax.get_ylim()
    if len(others) < len(found) and high > top:
        ax.set_ylim(low * top / high, top)


def _named(ax: Axes, found: Sequence[Followed]) -> None:
    """Write its name and value beside every point, away from what meets or is born there; close ones share a name."""
    units = np.array([np.ptp(ax.get_xlim()), np.ptp(ax.get_ylim())])
    names: list[tuple[np.ndarray, str, list[str], bool]] = []
    for point, b in sorted(((p, on) for on in found for p in on.points), key=lambda pair: pair[0].value):
        value = _value(point, b)
        left = point.side > 0 or value > b.low + _NEAR_THE_END * (b.high - b.low)
        at, name = np.array([point.value, _height_at(b, point)]), _MARKS[point.kind][1]
        if names and name == names[-1][1] and np.all(np.abs(at - names[-1][0]) < _SHARE * units):
            names[-1][2].append(number(value, 5))
        else:
            names.append((at, name, [number(value, 5)], left))
    taken: list[Bbox] = []
    for (x, y), name, values, left in names:
        name_beside(ax, (float(x), float(y)), f"{name}\n{', '.join(dict.fromkeys(values))}", taken, left=left)


def _height(b: Followed, phi: ArrayLike, theta: ArrayLike) -> np.ndarray:
    off = np.concatenate([np.asarray(phi), np.asarray(theta) - np.asarray(b.x0)], axis=-1)
    return np.linalg.norm(off, axis=-1)


def _turns(b: Followed) -> bool:
    """Whether it consists of cycles or invariant circles."""
    return b.kind in ("cycles", "invariant circles")


def _heights(b: Any) -> np.ndarray:
    """Of every point of what the branch consists of, (K, 1) of equilibria, (K, k) of orbits of period k."""
    orbits = getattr(b, "orbits", None)
    if orbits is None:
        return _height(b, b.phi, b.theta)[:, None]
    return _height(b, *np.split(orbits, 2, axis=-1))


def _all_heights(b: Any) -> np.ndarray:
    """The same, of cycles and circles their largest, (K, 1)."""
    return b.radii[:, None] if _turns(b) else _heights(b)


def _height_at(b: Any, point: Any) -> float:
    """Of a point on its branch; of a cycle that of the nearest one on the branch."""
    if not _turns(b):
        return float(_height(b, point.phi, point.theta))
    turns, turn = (b.periods, point.period) if b.kind == "cycles" else (b.rotations, point.rotation)
    off = np.abs(b.values - point.value) / (b.high - b.low) + np.abs(turns / turn - 1)
    return float(b.radii[int(np.argmin(off))])


def _branch(ax: Axes, b: Any, begin: float | None) -> None:
    """A branch; one of cycles from the equilibrium on, at the height ``begin``, of which they are born."""
    cycles = _turns(b)
    values, statuses = b.values, np.array(b.statuses)
    heights = _all_heights(b)
    if cycles and begin is not None:
        values, statuses = np.append(b.born_at, values), np.append(statuses[:1], statuses)
        heights = np.concatenate([[[begin]], heights])
    colours: dict[str, str] = {Status.STABLE: GREEN, Status.UNSTABLE: ORANGE} if cycles else {}
    for status, part in _stretches(statuses):
        line, colour = _LOOKS.get(status, (":", INK))
        colour = colours.get(status, colour)
        lines = ax.plot(values[part], heights[part], line, color=colour, linewidth=1.8, zorder=3)
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


def _born(ax: Axes, b: Followed, point: Any) -> None:
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
    line, colour = ("-", GREEN) if point.criticality == "supercritical" else ("--", ORANGE)
    label = "born there, by the normal form" + (", unstable" if line == "--" else "")
    around = _height(b, point.phi, point.theta) + radii
    ax.plot(values, around, line, color=colour, linewidth=1.2, zorder=2, label=label)
