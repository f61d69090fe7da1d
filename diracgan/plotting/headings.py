"""The lines at the top of a page: its title, how it was computed, and what went wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .series import Series
from .theme import ALARM, GREY, INK, number, style


@contextmanager
def page(width: float, height: float, title: str, below: str = "", alarm: str = "") -> Iterator[Figure]:
    """Draw in diracgan's style on a new page of so many inches, with its :func:`heading`."""
    with style():
        fig = Figure(figsize=(width, height))
        heading(fig, title, below, alarm)
        yield fig


def heading(fig: Figure, title: str, below: str, alarm: str = "") -> None:
    """Write a title, a line on what was run, and one on what went wrong, at the top left of ``fig``."""
    height = fig.get_figheight()
    lines = textwrap.wrap(title, 84, max_lines=2, placeholder=" …")
    size = 12 if len(lines) == 1 else 10
    top = 1 - 0.14 / height
    fig.text(0.03, top, "\n".join(lines), va="top", fontsize=size, weight="bold", color=INK)
    for row, (text, colour) in enumerate([(below, GREY), (alarm, ALARM)]):
        line = textwrap.shorten(text, 130, placeholder=" …")
        fig.text(
            0.03,
            top - (0.2 + 0.13 * len(lines) + 0.19 * row) / height,
            line,
            va="top",
            fontsize=8.5,
            color=colour,
        )


def run_words(series: Series) -> str:
    """How the trajectory was made: engine, length, start, datum, rates."""
    attrs = series.attrs
    last = f"{series.clock_name.split()[-1]} {number(series.clock[0])} to {number(series.clock[-1])}"
    how = (
        str(attrs.get("rule") or "steps")
        if series.discrete
        else f"flow ({attrs['solver']})"
        if attrs.get("solver")
        else "flow"
    )
    parts = [how, last, f"φ(0) = {_vector(series.phi[0])}, θ(0) = {_vector(series.theta[0])}"]
    if np.any(series.x0):
        parts.append(f"x₀ = {_vector(series.x0)}")
    for key, symbol in (("rate_d", "critic's rate"), ("rate_g", "generator's rate")):
        if not series.discrete and float(attrs.get(key, 1.0)) != 1.0:
            parts.append(f"{symbol} {number(float(attrs[key]))}")
    return ", ".join(parts[:2]) + "; " + "; ".join(parts[2:])


def _vector(values: Any) -> str:
    shown = [number(float(x), 3) for x in values[:4]] + (["…"] if len(values) > 4 else [])
    return shown[0] if len(shown) == 1 else f"({', '.join(shown)})"
