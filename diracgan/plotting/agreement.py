"""Prediction against measurement: a point for every run, a panel for every variant."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .theme import BLUE, GREY, INK, ORANGE, PALE, VERMILION, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 4
_LETTERS = 36  # of a title fit above a column


def figure(found: Mapping[str, Any]) -> Figure:
    """Predicted and measured multipliers, per variant: circles with points in them where linear theory holds.

    Args:
        found: ``Comparison.as_dict()``.

    Returns:
        One panel per variant: the edge of stability, the predicted multiplier of every followed mode as a ring, the
        measured one as a point in it, red where the verdict is wrong.
    """
    from matplotlib.figure import Figure

    names = list(found["A"]["verdicts"]["per_variant"]) or ["nothing"]
    columns = min(_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    with style():
        made = Figure(figsize=(2.6 * columns, 2.75 * rows + 0.7), layout="constrained")
        axes = np.atleast_1d(made.subplots(rows, columns, squeeze=False)).ravel()
        for ax, name in zip(axes, names, strict=False):
            draw(ax, [r for r in found["A"]["runs"] if r["variant"] == name and r["kind"] != "critical"])
            t = found["A"]["verdicts"]["per_variant"].get(name, {"agree": 0, "of": 0})
            label = textwrap.fill(name, _LETTERS)
            ax.set_title(f"{label}\n{t['agree']} of {t['of']} verdicts right", fontsize=7.5, color=INK)
        for ax in axes[len(names) :]:
            ax.set_visible(False)
        signs = {
            name: sign for ax in axes for sign, name in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        if signs:  # one for all: within a panel its signs would pass for runs
            made.legend(signs.values(), signs, fontsize=7, loc="outside lower center", ncols=len(signs))
        e = found["A"]["eigenvalue_error"]["median"]
        error = "" if e is None else f"; median error {e:.1g}"
        said = (
            "Eigenvalues of one training iteration of real networks: ring = predicted, point = measured, "
            f"grey = edge of stability{error}"
        )
        made.suptitle(textwrap.fill(said, _LETTERS * columns), fontsize=8.5)
    return made


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
    ax.set_xlabel("Re λ − 1", fontsize=7, color=GREY)
    ax.set_ylabel("Im λ", fontsize=7, color=GREY)
    ax.tick_params(labelsize=6)
