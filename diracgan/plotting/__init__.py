"""How it looks: functions that take a result and axes, and draw. Matplotlib lives in this room alone.

    dg.plot.portrait(traj, ax=ax)       phase portrait (d = 1) or the generator's path (d ≥ 2)
    dg.plot.figure(traj, spectrum)      the page that `diracgan plot` draws
    dg.plot.save(fig, "path.pdf")       as .png, .pdf, .svg; an animation as .gif, .mp4

Names load on first use; nothing here touches matplotlib's global settings, and pyplot is imported only
when a function has to open a figure of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import load_on_use

__all__ = [
    "animate",
    "animate_critic",
    "animate_locus",
    "basins",
    "bifurcation",
    "bode",
    "bode_figure",
    "check",
    "critic",
    "critic_figure",
    "decay",
    "diagnosis_figure",
    "eigenvalues",
    "ema",
    "ema_paths",
    "figure",
    "law_figure",
    "locus",
    "locus_figure",
    "map_figure",
    "multiples",
    "path",
    "portrait",
    "power_law",
    "radii",
    "save",
    "show",
    "space_figure",
    "stability",
    "style",
    "verdict_words",
]

if TYPE_CHECKING:
    from .animation import animate
    from .averages import bode, bode_figure, ema, ema_paths
    from .critics import animate_critic, critic, critic_figure
    from .curves import radii
    from .diagnosis import diagnosis_figure
    from .laws import decay, law_figure, power_law
    from .maps import basins, bifurcation, map_figure, stability
    from .overview import figure
    from .portraits import path, portrait
    from .saving import check, save, show
    from .small_multiples import multiples, verdict_words
    from .space import space_figure
    from .spectra import animate_locus, eigenvalues, locus, locus_figure
    from .theme import style

load_on_use(
    __name__,
    {
        "animation": ("animate",),
        "averages": ("bode", "bode_figure", "ema", "ema_paths"),
        "overview": ("figure",),
        "critics": ("animate_critic", "critic", "critic_figure"),
        "curves": ("radii",),
        "diagnosis": ("diagnosis_figure",),
        "laws": ("decay", "law_figure", "power_law"),
        "maps": ("basins", "bifurcation", "map_figure", "stability"),
        "portraits": ("path", "portrait"),
        "saving": ("check", "save", "show"),
        "small_multiples": ("multiples", "verdict_words"),
        "space": ("space_figure",),
        "spectra": ("animate_locus", "eigenvalues", "locus", "locus_figure"),
        "theme": ("style",),
    },
)
