"""Headings of a page: its title, how it was computed, and what went wrong."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from .letters import number, with_letters, with_powers
from .series import Series
from .theme import ALARM, GREY, INK, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..analysis.verdict.api import Verdict

WHOLE = 20  # lines of a heading that nobody cuts
# Of a page's width: a film's clock stands on the right of its title, and on a screen letters are wider.
_TITLE, _BELOW = 0.86, 0.9
_GLUED = "\x00"  # a space at which no line ends
_TOGETHER = (
    r"\([^()]{1,24}\)",  # (0.1, 0.2), exp(−0.1 t)
    r"\S+ [=<>≤≥→±] \S+",
    r"\b(?:EMA|period|frequency|t|step) [\d−]\S*(?: to [\d−]\S*)?",
    r"\d t\S*",
)


@contextmanager
def page(width: float, height: float, title: str, below: str = "", alarm: str = "") -> Iterator[Figure]:
    """Draw in diracgan's style on a new page of so many inches, with its :func:`heading`."""
    with style():
        fig = Figure(figsize=(width, height))
        heading(fig, title, below, alarm)
        yield fig


@contextmanager
def panel_page(
    width: float, height: float, box: tuple[float, float, float, float], title: str, below: str = ""
) -> Iterator[tuple[Figure, Axes]]:
    """A :func:`page` with one panel, higher by what its heading has beyond two lines each; nothing of that is cut.

    Args:
        width: in inches.
        height: in inches, with a heading of no more than two lines each.
        box: of the panel, in parts of that page: left, bottom, width, height.
        title: the answer.
        below: how it was computed.
    """
    words = (width, title, below)
    share = height / (height + heading_height(*words, most=WHOLE) - heading_height(*words))
    with style():
        fig = Figure(figsize=(width, height / share))
        heading(fig, title, below, most=WHOLE)
        left, bottom, wide, high = box
        yield fig, fig.add_axes((left, bottom * share, wide, high * share))


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
    text, depth, *_ = _lines(width, title, below, alarm, most)[-1]
    return depth + 0.19 * (1 + text.count("\n"))


def _lines(
    width: float, title: str, below: str, alarm: str, most: int
) -> list[tuple[str, float, float, str, str]]:
    """Every line: its text, inches from the top, size, weight and colour."""
    title, below, alarm = map(with_powers, (title, below, alarm))
    size, lines = 12.0, folded(title, _TITLE * width, 12.0, "bold")
    if len(lines) > 1:
        size, lines = 10.0, folded(title, _TITLE * width, 10.0, "bold", most=most, even=True)
    made = [("\n".join(lines), 0.14, size, "bold", INK)]
    depth = 0.34 + 0.13 * len(lines) + 0.04 * max(len(lines) - 2, 0)
    for text, colour in ((below, GREY), (alarm, ALARM)):
        for line in folded(text, _BELOW * width, 8.5, most=most):
            made.append((line, depth, 8.5, "normal", colour))
            depth += 0.19
    return made


def folded(
    text: str, inches: float, size: float, weight: str = "normal", *, most: int = WHOLE, even: bool = False
) -> list[str]:
    """A sentence in lines no longer than ``inches``, none of which ends within an equation or a pair of brackets.

    Args:
        text: the sentence.
        inches: the room.
        size: of its letters, in points.
        weight: of its letters.
        most: how many lines; the rest is cut.
        even: whether lines are about as long as each other.

    Example:
        >>> folded("it ends where the radius = 0.25", 1.5, 10.0)
        ['it ends where the', 'radius = 0.25']
    """
    for pattern in _TOGETHER:
        text = re.sub(pattern, lambda m: m[0].replace(" ", _GLUED), text)
    font = FontProperties(size=size, weight=weight)

    @functools.cache  # of each word once: to measure it takes as long as to draw it
    def long(part: str) -> float:
        return text_to_path.get_text_width_height_descent(part.replace(_GLUED, " "), font, False)[0] / 72

    words = [word for word in re.split(r"[ \n]+", text) if word]
    words = [part for word in words for part in (word.split(_GLUED) if long(word) > inches else [word])]
    words = [part for word in words for part in _broken(word, long, inches)]
    sizes, space = [long(word) for word in words], long("x x") - long("xx")
    lines = _filled(words, sizes, space, inches)
    if even and 1 < len(lines) <= most:
        rooms = np.linspace(inches / 2, inches, 40)
        lines = next(made for room in rooms if len(made := _filled(words, sizes, space, room)) <= len(lines))
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} …"]
    return [line.replace(_GLUED, " ") for line in lines]


def _broken(word: str, long: Callable[[str], float], inches: float) -> Iterator[str]:
    """A word in parts that are no longer than a line: behind its last hyphen or the like that fits, or anywhere."""
    while len(word) > 1 and long(word) > inches:
        fits = next((n for n in range(len(word) - 1, 1, -1) if long(word[:n]) <= inches), 1)
        end = max((m.end() for m in re.finditer(r"[-_/.,=(]", word[:fits])), default=fits)
        yield word[:end]
        word = word[end:]
    yield word


def _filled(words: list[str], sizes: list[float], space: float, room: float) -> list[str]:
    """Words in lines, each as full as ``room`` allows."""
    lines: list[str] = []
    left = -np.inf
    for word, size in zip(words, sizes, strict=True):
        if lines and size + space <= left:
            lines[-1] += f" {word}"
            left -= size + space
        else:
            lines.append(word)
            left = room - size
    return lines


def titled(series: Series, verdict: Verdict | None, otherwise: str) -> str:
    """The title of a page on one run: what moved, and what happens to it by its verdict, or ``otherwise``.

    Example:
        >>> from types import SimpleNamespace
        >>> from .series import read
        >>> run = read({"phi": [[1.0]], "theta": [[0.0]], "time": [0.0]})
        >>> titled(run, SimpleNamespace(text="ends on a circle: |phi| = 1, |theta - x0| = 1"), "")
        'trajectory: ends on a circle: |φ| = 1, |θ − x₀| = 1'
    """
    return f"{series.name}: {otherwise if verdict is None else with_letters(str(verdict.text))}"


def spanned(label: str, name: str, low: float, high: float) -> str:
    """A label in which a parameter that is varied has its range in place of a value.

    Example:
        >>> spanned("simultaneous(lr=0.1)", "lr", 0.02, 4.0)
        'simultaneous(lr=0.02..4)'
    """
    return re.sub(rf"\b{re.escape(name)}=[^,)]*", f"{name}={low:g}..{high:g}", label)


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


def _vector(values: Sequence[float] | np.ndarray) -> str:
    shown = [number(float(x), 3) for x in values[:4]] + (["…"] if len(values) > 4 else [])
    return shown[0] if len(shown) == 1 else f"({', '.join(shown)})"
