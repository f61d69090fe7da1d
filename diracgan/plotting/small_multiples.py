"""Small multiples: several variants from one start, with their verdicts below."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..analysis.kinds import Kind
from ..errors import InputError, holds, listed
from .axes_helpers import MOST_POINTS, NAMED_ROWS, mark, ticks, timed_path
from .flowlines import VectorField, streamlines
from .headings import page
from .letters import number, raised
from .series import Array, Series, TrajectoryLike, read, thin
from .theme import ALARM, GREY, INK, time_map

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..analysis.verdict.api import Verdict

__all__ = ["multiples", "verdict_words"]

_PANEL = 1.75  # inches of one square
_MOST = 24
_WIDEST = 6.0  # a run that goes further than so many times the usual one leaves its panel
_HIDDEN = 0.4  # of the common scale: a run that is smaller cannot be read on it


def multiples(
    runs: Sequence[tuple[str, TrajectoryLike, str]],
    *,
    title: str,
    below: str = "",
    columns: int | None = None,
    fields: Sequence[VectorField | None] = (),
) -> Figure:
    """Draw several runs side by side: (φ, θ) for d = 1, the generator's path for d ≥ 2.

    They share one scale; where most of them would be too small on it each has its own, with a bar that says how long
    it is.

    Args:
        runs: for each its name, its trajectory, and what becomes of it in a few words.
        title: of the page; ``below`` the line under it.
        columns: how many in a row; by default what makes the page wider than high.
        fields: each run's vectorised field, whose streamlines are drawn behind a run of d = 1.

    Returns:
        The figure.

    Raises:
        InputError: for no run, more than 24, or runs of different dimension.

    Example:
        >>> import numpy as np
        >>> t = np.linspace(0, 6, 50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> traj = {"phi": z, "theta": z, "time": t}
        >>> fig = multiples([("a", traj, "neutral orbit"), ("b", traj, "neutral orbit")], title="two")
        >>> len(fig.axes)
        2
    """
    runs = listed("runs", runs, "runs, each (name, trajectory, words)")
    if not 1 <= len(runs) <= _MOST:
        raise InputError(f"{len(runs)} runs to compare; allowed: 1 to {_MOST}")
    series = [read(traj) for _, traj, _ in runs]
    if len({s.dim for s in series}) > 1:
        raise InputError("runs of different dimension do not share a scale; allowed: one dimension")
    flat = [s.flat() for s in series]
    points, centre = [f.points for f in flat], flat[0].origin
    labels = {1: ("critic φ", "generator θ"), 2: ("θ₁", "θ₂")}.get(
        series[0].dim, ("θ along θ(0)", "θ across θ(0)")
    )
    half = _reach(points, centre)
    own = [1.08 * max(float(np.abs(p - centre).max()), 1e-290) for p in points]
    apart = 2 * sum(h < _HIDDEN * half for h in own) > len(own)
    columns = columns or min(len(runs), max(3, math.ceil(math.sqrt(1.8 * len(runs)))))
    lines = math.ceil(len(runs) / columns)
    width = max(0.75 + columns * (_PANEL + 0.3), 6.4)
    row = _PANEL + 1.0
    height = 0.95 + lines * row + 0.4
    with page(width, height, title, below) as fig:
        for k, ((name, _, words), s, p) in enumerate(zip(runs, series, points, strict=True)):
            i, j = divmod(k, columns)
            left = 0.62 + j * (_PANEL + 0.3)
            bottom = height - 1.05 - i * row - _PANEL
            ax = fig.add_axes((left / width, bottom / height, _PANEL / width, _PANEL / height))
            _panel(ax, s, p, centre, min(own[k], half) if apart else half)
            last = k + columns >= len(runs)
            if apart:
                ax.set(xticks=[], yticks=[])
                scale_bar(ax)
            ax.set_ylabel(labels[1], visible=j == 0)
            ax.set_gid(NAMED_ROWS)
            ax.tick_params(labelleft=j == 0 and not apart)
            if last:
                ax.set_xlabel(labels[0], labelpad=12 if apart else 1)
            elif not apart:
                ax.set_xticklabels([])
            field = fields[k] if k < len(fields) else None
            if s.dim == 1 and field is not None:
                streamlines(ax, _flat(field), density=0.5)
            shown = textwrap.wrap(name, 27, max_lines=2, placeholder=" …")
            ax.set_title("\n".join(shown), fontsize=8 if len(shown) == 1 else 7, weight="bold", pad=3)
            drop = (0.42 if apart else 0.36) if last else 0.26 if apart else 0.1
            kept = words.replace("period ", "period\N{NO-BREAK SPACE}")
            kept = kept.replace(" = ", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")
            kept = kept.replace(" n)", "\N{NO-BREAK SPACE}n)").replace(" t)", "\N{NO-BREAK SPACE}t)")
            said = "\n".join(textwrap.wrap(kept, 27, max_lines=2, placeholder=" …"))
            colour = ALARM if s.failure() else GREY
            fig.text(left / width, (bottom - drop) / height, said, va="top", fontsize=7.5, color=colour)
        _legend(
            fig,
            "(0, x₀)" if series[0].dim == 1 else "datum x₀",
            "the bar is so long in units of " + ("φ and θ" if series[0].dim == 1 else "θ") if apart else "",
        )
        fig.set_label(f"{title}: {', '.join(name for name, _, _ in runs)}")
    return fig


def _legend(fig: Figure, aim: str, bar: str) -> None:
    """What the marks mean, at the foot of the page."""
    kinds = {"start": None, "end": None, "equilibrium": aim}  # a normalised critic has no equilibrium there
    shown: list[dict[str, Any]] = [mark(kind, label) | {"clip_on": True} for kind, label in kinds.items()]
    marks = [Line2D([], [], **how) for how in shown]
    dark, light = (time_map()(x) for x in (0.15, 0.85))
    marks += [Line2D([], [], color=c, linewidth=2, label=t) for c, t in ((dark, "early"), (light, "late"))]
    marks += [Line2D([], [], color=INK, linewidth=1.2, marker="|", markersize=5, label=bar)] if bar else []
    where = (0.5 / fig.get_figwidth(), 0.08 / fig.get_figheight())
    fig.legend(handles=marks, loc="lower left", bbox_to_anchor=where, ncols=len(marks), fontsize=7.5)


def scale_bar(ax: Axes) -> None:
    """A bar of a round length under axes that have no ticks, with that length beside it.

    Example:
        >>> ax = Figure().add_axes((0, 0, 1, 1))
        >>> _ = ax.set(xlim=(-1, 1), ylim=(-1, 1))
        >>> scale_bar(ax)
        >>> ax.texts[0].get_text()
        '0.5'
    """
    low, high = ax.get_xlim()
    size = 10.0 ** math.floor(math.log10((high - low) / 2.5))
    size *= next(k for k in (5, 2, 1) if k * size <= (high - low) / 2.5)
    part, at = size / (high - low), -0.06
    look: dict[str, Any] = {"color": INK, "linewidth": 1.2, "marker": "|", "markersize": 5, "clip_on": False}
    ax.plot([0, part], [at, at], transform=ax.transAxes, **look)
    ax.text(part + 0.04, at, number(size, 2), transform=ax.transAxes, va="center", fontsize=7)


def _flat(field: VectorField) -> VectorField:
    """A field of columns of points as one of arrays of any shape."""
    return lambda x, y: field(x.reshape(-1, 1), y.reshape(-1, 1))


def _reach(points: Sequence[Array], centre: Array) -> float:
    """Half the window: what holds every run, but for those that go far beyond the usual."""
    sizes = np.array([float(np.abs(p - centre).max()) for p in points])
    start = max(float(np.abs(p[0] - centre).max()) for p in points)
    usual = max(float(np.median(sizes)), start)
    kept = sizes[sizes <= _WIDEST * usual]
    return 1.08 * max(float(kept.max(initial=0.0)), start, 1e-290)


def _panel(ax: Axes, s: Series, points: Array, centre: Array, half: float) -> None:
    keep = thin(len(points), MOST_POINTS)
    p, clock = points[keep], s.clock[keep]
    dot = float(np.clip(900 / len(p), 1.2, 8)) if s.discrete else None
    timed_path(ax, p, clock, dot=dot, linewidth=1.1, rasterized=s.discrete and len(p) > 999)
    for kind, at in (("start", p[0]), ("end", p[-1]), ("equilibrium", centre)):
        look = mark(kind)
        look["markersize"] *= 0.6
        ax.plot(*at, **{**look, "clip_on": True})
    xlim, ylim = ((c - half, c + half) for c in centre)
    ax.set(xlim=xlim, ylim=ylim, aspect="equal")
    ticks(ax.xaxis, 3)
    ticks(ax.yaxis, 3)
    ax.tick_params(labelsize=7, pad=2)


def verdict_words(verdict: Verdict) -> str:
    """Return a verdict in a few words, for under a picture.

    Example:
        >>> from types import SimpleNamespace
        >>> verdict_words(SimpleNamespace(kind="converges-sublinearly", numbers={"exponent": 0.5}, rule=None))
        'converges like t⁻⁰·⁵'
    """
    holds("verdict", verdict, ("numbers", "rule"), "what dg.verdict returns")
    n, clock = verdict.numbers, "n" if verdict.rule else "t"

    def known(name: str, lead: str) -> str:
        value = n.get(name)
        if isinstance(value, (int, float)) and math.isfinite(value):
            return f"{lead}{number(float(value), 3)}"
        return ""

    if verdict.kind == Kind.CONVERGES_EXPONENTIALLY and known("rate", ""):
        return f"converges like exp({number(-float(n['rate']), 3)} {clock})"
    if verdict.kind == Kind.CONVERGES_SUBLINEARLY and known("exponent", ""):
        power = f"{-float(n['exponent']):.3g}"
        return f"converges like {clock}{raised(power)}"
    said = Kind(verdict.kind).words
    if verdict.kind in (Kind.LIMIT_CIRCLE, Kind.LIMIT_CYCLE):
        said += known("radius_theta", ", |θ| = ") if verdict.kind == Kind.LIMIT_CIRCLE else ""
        said += known("period", ", period ")
    return said
