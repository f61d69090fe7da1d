"""Headings of a page: its title, how it was computed, and what went wrong."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from .letters import number, with_powers
from .series import Series
from .theme import ALARM, GREY, INK, style

WHOLE = 20  # lines of a heading that nobody cuts


@contextmanager
def page(width: float, height: float, title: str, below: str = "", alarm: str = "") -> Iterator[Figure]:
    """Draw in diracgan's style on a new page of so many inches, with its :func:`heading`."""
    with style():
        fig = Figure(figsize=(width, height))
        heading(fig, title, below, alarm)
        yield fig


def heading(fig: Figure, title: str, below: str, alarm: str = "", *, most: int = 2) -> None:
    """Write a title, a line on what was run, and one on what went wrong, at the top left of ``fig``.

    Args:
        fig: the page.
        title: the answer.
        below: how it was computed.
        alarm: what went wrong.
        most: lines of each; the rest is cut.
    """
    width, height = fig.get_size_inches()
    written = [
        fig.text(0.03, 1 - depth / height, line, va="top", fontsize=size, weight=weight, color=colour)
        for line, depth, size, weight, colour in _lines(width, title, below, alarm, most)
    ]
    _HEADINGS[fig] = _Heading((title, below, alarm), written)


class _Heading(NamedTuple):
    words: tuple[str, str, str]
    written: list[Text]


_HEADINGS: WeakKeyDictionary[Figure, _Heading] = WeakKeyDictionary()


def heading_of(fig: Figure) -> Sequence[Text]:
    """The lines of a figure's :func:`heading`; none where it has none."""
    return _HEADINGS[fig].written if fig in _HEADINGS else ()


def rewrite_heading(fig: Figure) -> float:
    """Write a figure's heading anew for the size that it has now, whole, and return the inches that it takes."""
    if fig not in _HEADINGS:
        return 0.0
    words, written = _HEADINGS[fig]
    for text in written:
        text.remove()
    heading(fig, *words, most=WHOLE)
    return heading_height(float(fig.get_figwidth()), *words, most=WHOLE)


def heading_height(width: float, title: str, below: str, alarm: str = "", *, most: int = 2) -> float:
    """How many inches a :func:`heading` takes on a page so wide.

    Example:
        >>> round(heading_height(9.6, "an answer", "how"), 2)
        0.66
    """
    return _lines(width, title, below, alarm, most)[-1][1] + 0.19


def _lines(
    width: float, title: str, below: str, alarm: str, most: int
) -> list[tuple[str, float, float, str, str]]:
    """Every line: its text, inches from the top, size, weight and colour."""
    title, below, alarm = map(with_powers, (title, below, alarm))
    lines = textwrap.wrap(title, int(8.75 * width), max_lines=most, placeholder=" …")
    size = 12.0 if len(lines) == 1 else 10.0
    made = [("\n".join(lines), 0.14, size, "bold", INK)]
    depth = 0.34 + 0.13 * len(lines) + 0.04 * max(len(lines) - 2, 0)
    for text, colour in ((below, GREY), (alarm, ALARM)):
        for line in textwrap.wrap(text, int(13.5 * width), max_lines=most, placeholder=" …"):
            made.append((line, depth, 8.5, "normal", colour))
            depth += 0.19
    return made


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
