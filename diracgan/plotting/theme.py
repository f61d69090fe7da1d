"""The theme of all pictures: style file, colours, and number formats without mathtext.

Colours are those of Okabe and Ito, told apart with any colour vision; lines differ in dashes and markers
too, so that a grey print still reads. Time is a sequential, perceptually uniform map, cut before its end
is too light for paper.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

from .letters import raised

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
