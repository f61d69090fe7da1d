"""How it looks: functions that take a result and axes, and draw. Matplotlib lives in this room alone.

    dg.plot.portrait(traj, ax=ax)       phase portrait (d = 1) or the generator's path (d ≥ 2)
    dg.plot.figure(traj, spectrum)      the page that `diracgan plot` draws
    dg.plot.save(fig, "path.pdf")       as .png, .pdf, .svg; an animation as .gif, .mp4

Names load on first use; nothing here touches matplotlib's global settings, and pyplot is imported only
when a function has to open a figure of its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

_HOME = {
    "animate": "animation",
    "basins": "maps",
    "bifurcation": "maps",
    "check": "saving",
    "diagnosis_figure": "diagnosis",
    "draw_all": "gallery",
    "eigenvalues": "spectra",
    "ema": "averages",
    "ema_paths": "averages",
    "figure": "composite",
    "locus": "spectra",
    "map_figure": "maps",
    "path": "portraits",
    "portrait": "portraits",
    "radii": "curves",
    "save": "saving",
    "show": "saving",
    "stability": "maps",
    "style": "theme",
}

__all__ = [
    "animate",
    "basins",
    "bifurcation",
    "check",
    "diagnosis_figure",
    "draw_all",
    "eigenvalues",
    "ema",
    "ema_paths",
    "figure",
    "locus",
    "map_figure",
    "path",
    "portrait",
    "radii",
    "save",
    "show",
    "stability",
    "style",
]

if TYPE_CHECKING:
    from .animation import animate
    from .averages import ema, ema_paths
    from .composite import figure
    from .curves import radii
    from .diagnosis import diagnosis_figure
    from .gallery import draw_all
    from .maps import basins, bifurcation, map_figure, stability
    from .portraits import path, portrait
    from .saving import check, save, show
    from .spectra import eigenvalues, locus
    from .theme import style


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'diracgan.plotting' has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
