"""Plotting: functions that take a result and axes, and draw. No room before this one imports matplotlib.

    dg.plot.portrait(traj, ax=ax)       phase portrait (d = 1) or the generator's path (d ≥ 2)
    dg.plot.figure(traj, spectrum)      the page that `diracgan plot` draws
    dg.plot.save(fig, "path.pdf")       as .png, .pdf, .svg; an animation as .gif, .mp4

What a module lists in its ``__all__`` is public: ``dg.plot`` finds it there. Names load on first use; nothing here
touches matplotlib's global settings, and pyplot is imported only when a function has to open a figure of its own.
"""

from ..lazy import load_from_modules

load_from_modules(__name__)
