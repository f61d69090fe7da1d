"""A forecast: level and spread of each series under every setting tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import holds
from .axes_helpers import NAMED_ROWS, ticks
from .headings import page
from .theme import ALARM, BLUE, GREY, INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..measure.forecast import Forecast, SettingForecast

__all__ = ["forecast_figure"]

_FEW = 4  # settings, up to which the panels stand in two rows


def forecast_figure(found: Forecast) -> Figure:
    """One panel per series, one row per setting: its level, the spread to either side, and what is unstable.

    Panels stand in one row where settings are many, in two where they are few.

    Args:
        found: what :func:`diracgan.forecast` returns.

    Returns:
        The figure.

    Example:
        >>> from diracgan.measure.forecast import Forecast, SettingForecast
        >>> alone = Forecast([SettingForecast("as it is", "unstable", 1.02, 0.1, None, {}, "unstable")], 100, 2, 4)
        >>> len(forecast_figure(alone).axes)
        1
    """
    holds("found", found, ("settings", "unstable"), "what dg.forecast returns")
    names = list(dict.fromkeys(n for s in found.settings for n in s.series)) or ["no series"]
    count = len(found.settings)
    rows = 1 if count > _FEW or len(names) == 1 else 2
    columns = -(-len(names) // rows)
    room = 0.35 + 0.065 * max(len(s.setting) for s in found.settings)  # inches of the settings' names
    high = 0.25 + 0.32 * max(count, 2)
    width, height = max(room + 1.95 * columns, 6.4), 1.05 + rows * (high + 0.7)
    title = f"{found.steps} iterations ahead: {found.unstable or 'none'} of {count} setting{'s' * (count > 1)} unstable"
    said = "level (point), spread (bar), its 95th percentile (thin), now (dotted)"
    with page(width, height, title, said) as made:
        for i, name in enumerate(names):
            row, column = divmod(i, columns)
            place = room + 1.95 * column, height - 1.0 - row * (high + 0.7) - high
            ax = made.add_axes((place[0] / width, place[1] / height, 1.65 / width, high / height))
            draw(ax, found.settings, name)
            ax.set_yticks(range(count), [s.setting for s in found.settings])
            ax.tick_params(labelleft=column == 0)
            ax.set_gid(NAMED_ROWS)
    return made


def draw(ax: Axes, settings: Sequence[SettingForecast], name: str) -> None:
    """One series under every setting, the first on top."""
    for row, setting in enumerate(settings):
        series = setting.series.get(name)
        if series is None:
            place = ax.get_yaxis_transform()
            ax.text(
                0.5, row, setting.status, transform=place, ha="center", va="center", fontsize=8, color=ALARM
            )
            continue
        ax.axvline(series.now, color=GREY, linewidth=1.0, linestyle=":", zorder=0)
        for wide, colour, thick in ((series.spread_high, GREY, 1.0), (series.spread, BLUE, 3.0)):
            ax.plot([series.level - wide, series.level + wide], [row, row], color=colour, linewidth=thick)
        ax.plot([series.level], [row], "o", color=INK, markersize=3)
    ax.margins(x=0.06)  # "now" is often the outermost
    ticks(ax.xaxis, 3)
    ax.set_title(name)
    ax.set_ylim(len(settings) - 0.5, -0.5)
