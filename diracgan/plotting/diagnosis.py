"""A measured series with its trend and modes, and its spectrum with the lines found in it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from ..errors import holds
from .axes_helpers import MOST_POINTS, legend_above, log_clock, logarithmic, span, ticks
from .headings import page
from .letters import number, with_letters
from .series import thin
from .theme import BLUE, INK, PALE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..monitoring.diagnose import Diagnosis

__all__ = ["diagnosis_figure"]

_ROW = 2.15  # inches for one series
_MOST = 4


def diagnosis_figure(found: Diagnosis) -> Figure:
    """Draw a diagnosis: left each series and the fitted trend with its oscillations, right its spectrum.

    Args:
        found: what :func:`diracgan.diagnose` returned.

    Returns:
        The figure; of more than four series the first four.

    Example:
        >>> import numpy as np, diracgan as dg
        >>> n = np.arange(300)
        >>> found = dg.diagnose(np.cos(0.2 * n) + 0.1 * np.random.default_rng(0).normal(size=300))
        >>> [ax.get_xlabel() for ax in diagnosis_figure(found).axes]
        ['row', 'period in rows']
    """
    holds("found", found, ("names", "rows"), "what dg.diagnose returns")
    names = found.names[:_MOST]
    height = 1.15 + _ROW * len(names)
    title, _, rest = with_letters(found.text[0].upper() + found.text[1:]).partition("; ")
    read = f"{', '.join(found.names)}: {found.rows} rows"
    with page(9.6, height, title, f"{rest}; {read}" if rest else read) as fig:
        for k, name in enumerate(names):
            bottom = (height - 1.0 - _ROW * (k + 1) + 0.52) / height
            size = (_ROW - 0.85) / height
            _series(found, k, name, fig.add_axes((0.085, bottom, 0.47, size)))
            _spectrum(found, k, fig.add_axes((0.66, bottom, 0.32, size)))
        fig.set_label(found.text)
    return fig


def _series(found: Diagnosis, k: int, name: str, ax: Axes) -> None:
    log, fit = found.log, found.fit
    clock = log.first + log.interval * np.arange(log.values.shape[1])
    keep = thin(len(clock), MOST_POINTS)
    ax.plot(clock[keep], log.values[k][keep], color=PALE, linewidth=0.9, label="logged")
    at = clock[0] + log.interval * (fit.first + fit.block * np.arange(fit.rows) + (fit.block - 1) / 2)
    fitted = "trend and oscillation" if any(o.steady for o in found.oscillations) else "trend"
    ax.plot(at, fit.fitted[k], color=BLUE, linewidth=1.3, label=fitted)
    for r in found.regimes[1:]:
        ax.axvline(r.start, color=INK, linewidth=0.7, linestyle=(0, (2, 2)), zorder=0.5)
    span(ax, clock)
    low, high = np.percentile(log.values[k], [0.1, 99.9])
    low, high = min(low, float(fit.fitted[k].min())), max(high, float(fit.fitted[k].max()))
    margin = 0.06 * (high - low) or 1.0
    ax.set_ylim(low - margin, high + margin)
    ticks(ax.yaxis, 4)
    ax.set_xlabel(log.clock)
    ax.set_ylabel(textwrap.shorten(name, 24, placeholder="…") if " " in name else name[:24])
    legend_above(ax)


def _spectrum(found: Diagnosis, k: int, ax: Axes) -> None:
    log, fit = found.log, found.fit
    period = 2 * np.pi / fit.frequencies * log.interval
    ax.plot(period, fit.power[k], color=PALE, linewidth=0.9, label="power")
    ax.plot(period, fit.background[k], color=INK, linewidth=1.2, linestyle=(0, (4, 1.5)), label="noise")
    for n, o in enumerate(found.oscillations):
        label, dashes = (f"period {number(o.period, 4)}", "-") if n == 0 else (None, (0, (1, 1.5)))
        ax.axvline(o.period, color=VERMILION, linewidth=1.0, linestyle=dashes, label=label, zorder=0.5)
    strong = np.concatenate([fit.power[k], fit.background[k]])
    logarithmic(ax, np.maximum(strong, 1e-7 * strong.max()))
    log_clock(ax, period[-1], period[0])
    ax.set_xlabel(f"period in {log.unit}")
    ax.set_ylabel("power")
    legend_above(ax)
