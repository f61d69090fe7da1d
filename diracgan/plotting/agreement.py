"""Prediction against measurement: a point for every run, a panel for every variant."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .axes_helpers import ticks
from .headings import page
from .letters import number
from .theme import BLUE, INK, ORANGE, PALE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
_LETTERS = 32  # of a title fit above a column


def figure(found: Mapping[str, Any]) -> Figure:
    """Predicted and measured multipliers, per variant: circles with points in them where linear theory holds.

    Args:
        found: ``Comparison.as_dict()``.

    Returns:
        One panel per variant: the edge of stability, the predicted multiplier of every followed mode as a ring, the
        measured one as a point in it, red where the verdict is wrong.
    """
    names = list(found["A"]["verdicts"]["per_variant"]) or ["nothing"]
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    width, height = max(0.3 + 2.45 * columns, 6.4), 1.35 + 2.75 * rows
    with page(width, height, *_said(found)) as made:
        for k, name in enumerate(names):
            row, column = divmod(k, columns)
            left, low = 0.65 + 2.45 * column, height - 1.3 - 2.75 * row - 1.85
            ax = made.add_axes((left / width, low / height, 1.85 / width, 1.85 / height))
            draw(ax, [r for r in found["A"]["runs"] if r["variant"] == name and r["kind"] != "critical"])
            ax.set_ylabel("Im λ" if column == 0 else "", fontsize=8)
            t = found["A"]["verdicts"]["per_variant"].get(name, {"agree": 0, "of": 0})
            label = textwrap.fill(name, _LETTERS)
            ax.set_title(f"{label}\n{t['agree']} of {t['of']} verdicts right", fontsize=8, color=INK)
        signs = {
            name: sign for ax in made.axes for sign, name in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        if signs:  # one for all: within a panel its signs would pass for runs
            look: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.5 / width, 0.08 / height)}
            made.legend(signs.values(), signs, fontsize=8, ncols=len(signs), **look)
    return made


def _said(found: Mapping[str, Any]) -> tuple[str, str]:
    """How many verdicts are right, and what is drawn."""
    counts = found["A"]["verdicts"]["per_variant"].values()
    right, of = (sum(t[key] for t in counts) for key in ("agree", "of"))
    e = found["A"]["eigenvalue_error"]["median"]
    error = "" if e is None else f", eigenvalues off by {number(float(e), 1)} in the median"
    return (
        f"Real networks against prediction: {right} of {of} verdicts right{error}",
        "eigenvalues of one training iteration; ring: predicted, point: measured, grey: the edge of stability",
    )


def draw(ax: Axes, records: list[Mapping[str, Any]]) -> None:
    """Draw the records of one variant on the plane of multipliers less 1."""
    predicted = np.array([complex(r["predicted"]) for r in records]) - 1.0
    measured = np.array([complex(r["measured"]) for r in records]) - 1.0
    turn = np.linspace(0, 2 * np.pi, 720)
    ax.plot(np.cos(turn) - 1.0, np.sin(turn), color=PALE, linewidth=1.0, zorder=0)
    for rule, colour in (("simultaneous", BLUE), ("alternating", ORANGE)):
        mine = np.array([r["rule"] == rule for r in records], bool)
        ring = {"marker": "o", "linestyle": "none", "markerfacecolor": "none", "markersize": 6}
        ax.plot(predicted[mine].real, predicted[mine].imag, color=colour, markeredgewidth=0.6, **ring)
        good = mine & np.array([bool(r["agree"]) for r in records], bool)
        ax.plot(measured[good].real, measured[good].imag, ".", color=colour, markersize=3, label=rule)
    bad = np.array([not r["agree"] for r in records], bool)
    if bad.any():
        ax.plot(
            measured[bad].real, measured[bad].imag, "x", color=VERMILION, markersize=5, label="wrong verdict"
        )
    both = np.concatenate([predicted, measured])
    both = both[np.isfinite(both)]
    reach = 1.15 * max(0.02, float(np.abs(both).max()) if len(both) else 0.0)
    ax.set(xlim=(-reach, 0.35 * reach), ylim=(-0.08 * reach, reach))
    ax.axvline(0.0, color=PALE, linewidth=0.5, zorder=0)
    ticks(ax.xaxis, 3)
    ticks(ax.yaxis, 3)
    ax.set_xlabel("Re λ − 1", fontsize=8)
    ax.tick_params(labelsize=7)
