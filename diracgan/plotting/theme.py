"""The theme of all pictures: style file, colours, and number formats without mathtext.

Colours are those of Okabe and Ito, told apart with any colour vision; lines differ in dashes and markers
too, so that a grey print still reads. Time is a sequential, perceptually uniform map, cut before its end
is too light for paper.
"""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

__all__ = ["style"]

BLUE, ORANGE, VERMILION, GREEN, PURPLE = "#0072B2", "#E69F00", "#D55E00", "#009E73", "#AA5593"
INK, GREY, PALE, SHADE, ALARM = "#1A1A1A", "#6B6B6B", "#B4B4B4", "#F0EDE8", "#A11A00"

STYLE_FILE = Path(__file__).with_name("diracgan.mplstyle")


@lru_cache(maxsize=1)
def _parameters() -> matplotlib.RcParams:
    return matplotlib.rc_params_from_file(STYLE_FILE, use_default_template=False)


def style() -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws in diracgan's style; outside it nothing changes.

    Example:
        >>> import matplotlib
        >>> before = matplotlib.rcParams["legend.frameon"]
        >>> with style():
        ...     inside = matplotlib.rcParams["legend.frameon"]
        >>> inside, matplotlib.rcParams["legend.frameon"] == before
        (False, True)
    """
    return matplotlib.rc_context(_parameters())


@lru_cache(maxsize=1)
def time_map() -> ListedColormap:
    """Return the colours of time: viridis from dark (early) to light (late), without its palest eighth."""
    return ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.87, 256)), name="diracgan-time")


_RAISED = str.maketrans("-\N{MINUS SIGN}.0123456789", "⁻⁻·⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(x: float, digits: int = 4) -> str:
    """Return ``x`` with a true minus sign, ``digits`` significant digits, and its power of ten as one.

    Example:
        >>> number(-0.05), number(1.0), number(1e-12), number(2e9).replace("\N{NO-BREAK SPACE}", " ")
        ('−0.05', '1', '10⁻¹²', '2 × 10⁹')
    """
    mantissa, mark, exponent = f"{x:.{digits}g}".partition("e")
    said = mantissa.replace("-", "\N{MINUS SIGN}")
    if not mark:
        return said
    power = "10" + raised(str(int(exponent)))
    if mantissa in ("1", "-1"):
        return said[:-1] + power
    return f"{said}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{power}"


def raised(power: str) -> str:
    """A power in raised letters.

    Example:
        >>> "t" + raised("-0.5")
        't⁻⁰·⁵'
    """
    return power.translate(_RAISED)


def with_powers(text: str) -> str:
    """A sentence whose powers, 1e-05 and t^-0.5, are written as in a picture.

    In text an exponent that is one number or letter stands bare, and anything longer in parentheses: t^(-1/2).

    Example:
        >>> with_powers("like 2 t^-0.5, to 1e-05; |phi|^2/2, t^(-1/2)").replace("\N{NO-BREAK SPACE}", " ")
        'like 2 t⁻⁰·⁵, to 10⁻⁵; |phi|²/2, t^(-1/2)'
    """
    text = re.sub(r"(?<![\w.])\d+(?:\.\d+)?e[+-]?\d+\b", lambda m: number(float(m[0]), 12), text)
    return re.sub(r"\^([-\N{MINUS SIGN}]?\d+(?:\.\d+)?)(?!\w)", lambda m: raised(m[1]), text)


def with_letters(text: str) -> str:
    """A sentence with powers and Greek letters as in a picture.

    Example:
        >>> with_letters("|theta - x0| = 1")
        '|θ − x₀| = 1'
    """
    text = with_powers(text)
    for plain, drawn in {"phi": "φ", "theta": "θ", "x0": "x₀", " - ": " − ", "(-": "(−"}.items():
        text = text.replace(plain, drawn)
    return text


def power_of_ten(x: float, _: object = None) -> str:
    """Return the tick label of a power of ten; other values get none.

    Plain characters: mathtext would cost more time than the whole axis.

    Example:
        >>> power_of_ten(1e-3), power_of_ten(2.0), power_of_ten(1.0)
        ('10⁻³', '', '1')
    """
    exponent = round(float(np.log10(x))) if x > 0 else None
    if exponent is None or abs(np.log10(x) - exponent) > 1e-6:
        return ""
    if exponent in (0, 1):
        return str(10**exponent)
    return "10" + raised(str(exponent))
