"""A forecast: level and spread of each series under every setting tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .theme import ALARM, BLUE, GREY, INK, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["forecast_figure"]

_FEW = 4  # settings, up to which the panels stand in two rows


def forecast_figure(found: Any) -> Figure:
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
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(n for s in found.settings for n in s.series)) or ["no series"]
    count = len(found.settings)
    rows = 1 if count > _FEW or len(names) == 1 else 2
    columns = -(-len(names) // rows)
    with style():
        made = Figure(
            figsize=(1.0 + 1.9 * columns, 0.5 + rows * (0.9 + 0.32 * max(count, 2))), layout="constrained"
        )
        axes = made.subplots(rows, columns, squeeze=False)
        for i, (ax, name) in enumerate(zip(axes.flat, names, strict=False)):
            draw(ax, found.settings, name)
            ax.set_yticks(range(count), [s.setting if i % columns == 0 else "" for s in found.settings])
        for ax in axes.flat[len(names) :]:
            ax.remove()
        made.suptitle(
            f"{found.steps} iterations ahead: level (point), spread (bar; thin: 95th percentile), now (dotted)",
            fontsize=8.5,
        )
    return made


def draw(ax: Axes, settings: Any, name: str) -> None:
    """One series under every setting, the first on top."""
    for row, setting in enumerate(settings):
        series = setting.series.get(name)
        if series is None:
            place = ax.get_yaxis_transform()
            ax.text(
                0.5, row, setting.status, transform=place, ha="center", va="center", fontsize=7, color=ALARM
            )
            continue
        ax.axvline(series.now, color=GREY, linewidth=1.0, linestyle=":", zorder=0)
        for wide, colour, thick in ((series.spread_high, GREY, 1.0), (series.spread, BLUE, 3.0)):
            ax.plot([series.level - wide, series.level + wide], [row, row], color=colour, linewidth=thick)
        ax.plot([series.level], [row], "o", color=INK, markersize=3)
    ax.margins(x=0.06)  # "now" is often the outermost
    ax.set_title(name, fontsize=8)
    ax.set_ylim(len(settings) - 0.5, -0.5)
    ax.tick_params(labelsize=7)
