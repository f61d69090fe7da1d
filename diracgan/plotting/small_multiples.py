"""Small multiples: several variants from one start, on one scale, with what becomes of each below it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..analysis.verdict.kinds import Kind
from ..errors import InputError
from .axes_helpers import MOST_POINTS, mark, ticks, timed_path
from .headings import page
from .series import Array, Series, read, thin
from .theme import ALARM, GREY, number

_PANEL = 1.75  # inches of one square
_MOST = 24
_WIDEST = 6.0  # a run that goes further than so many times the usual one leaves its panel


def multiples(
    runs: Sequence[tuple[str, Any, str]], *, title: str, below: str = "", columns: int | None = None
) -> Figure:
    """Draw several runs side by side on one scale: (φ, θ) for d = 1, the generator's path for d ≥ 2.

    Args:
        runs: for each its name, its trajectory, and what becomes of it in a few words.
        title: of the page; ``below`` the line under it.
        columns: how many in a row; by default what makes the page wider than high.

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
    columns = columns or min(len(runs), max(3, math.ceil(math.sqrt(1.8 * len(runs)))))
    lines = math.ceil(len(runs) / columns)
    width = max(0.75 + columns * (_PANEL + 0.3), 6.4)
    row = _PANEL + 1.0
    height = 0.95 + lines * row + 0.1
    with page(width, height, title, textwrap.shorten(below, int(width * 15), placeholder=" …")) as fig:
        for k, ((name, _, words), s, p) in enumerate(zip(runs, series, points, strict=True)):
            i, j = divmod(k, columns)
            left = 0.62 + j * (_PANEL + 0.3)
            bottom = height - 1.05 - i * row - _PANEL
            ax = fig.add_axes((left / width, bottom / height, _PANEL / width, _PANEL / height))
            _panel(ax, s, p, centre, half)
            if j == 0:
                ax.set_ylabel(labels[1])
            else:
                ax.set_yticklabels([])
            if k + columns >= len(runs):
                ax.set_xlabel(labels[0], labelpad=1)
            else:
                ax.set_xticklabels([])
            shown = textwrap.wrap(name, 27, max_lines=2, placeholder=" …")
            ax.set_title("\n".join(shown), fontsize=8 if len(shown) == 1 else 7, weight="bold", pad=3)
            drop = 0.36 if k + columns >= len(runs) else 0.1
            kept = words.replace("period ", "period\N{NO-BREAK SPACE}")
            kept = kept.replace(" n)", "\N{NO-BREAK SPACE}n)").replace(" t)", "\N{NO-BREAK SPACE}t)")
            said = "\n".join(textwrap.wrap(kept, 27, max_lines=2, placeholder=" …"))
            colour = ALARM if s.failure() else GREY
            fig.text(left / width, (bottom - drop) / height, said, va="top", fontsize=7.5, color=colour)
        fig.set_label(f"{title}: {', '.join(name for name, _, _ in runs)}")
    return fig


def _reach(points: Sequence[Array], centre: Array) -> float:
    """Half the window: what holds every run, but for those that go far beyond the usual."""
    sizes = np.array([float(np.abs(p - centre).max()) for p in points])
    start = max(float(np.abs(p[0] - centre).max()) for p in points)
    usual = max(float(np.median(sizes)), start)
    kept = sizes[sizes <= _WIDEST * usual]
    return 1.08 * max(float(kept.max(initial=0.0)), start, 1e-290)


def _panel(ax: Any, s: Series, points: Array, centre: Array, half: float) -> None:
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


def verdict_words(verdict: Any) -> str:
    """Return a verdict in a few words, for under a picture.

    Example:
        >>> from types import SimpleNamespace
        >>> verdict_words(SimpleNamespace(kind="converges-sublinearly", numbers={"exponent": 0.5}, rule=None))
        'converges like t^−0.5'
    """
    n, clock = verdict.numbers, "n" if verdict.rule else "t"

    def known(name: str, lead: str) -> str:
        value = n.get(name)
        usable = isinstance(value, (int, float)) and math.isfinite(value)
        return f"{lead}{number(float(value), 3)}" if usable else ""

    if verdict.kind == Kind.CONVERGES_EXPONENTIALLY and known("rate", ""):
        return f"converges like exp({number(-float(n['rate']), 3)} {clock})"
    if verdict.kind == Kind.CONVERGES_SUBLINEARLY and known("exponent", ""):
        return f"converges like {clock}^{number(-float(n['exponent']), 3)}"
    said = Kind(verdict.kind).words
    if verdict.kind in (Kind.LIMIT_CIRCLE, Kind.LIMIT_CYCLE):
        said += known("radius_theta", ", |θ| = ") if verdict.kind == Kind.LIMIT_CIRCLE else ""
        said += known("period", ", period ")
    return said
