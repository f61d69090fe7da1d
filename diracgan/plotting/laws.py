"""Laws of convergence: the radius on scales on which a power law or an exponential is a straight line."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from .axes_helpers import MOST_POINTS, legend_above, log_clock, logarithmic, span, styled
from .headings import page, run_words, titled
from .letters import number, raised
from .series import Series, TrajectoryLike, read, thin
from .theme import BLUE, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..analysis.verdict.api import Verdict

__all__ = ["decay", "law_figure", "power_law"]


def power_law(traj: TrajectoryLike, verdict: Verdict | None = None, ax: Axes | None = None) -> Axes:
    """Draw r = |(φ, θ − x₀)| on two logarithmic scales, with the law r ~ C t^-p where a verdict found one.

    Args:
        traj: a trajectory.
        verdict: its :class:`diracgan.analysis.Verdict`, if any.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> from matplotlib.figure import Figure
        >>> t = np.linspace(1, 100, 50)
        >>> traj = {"phi": 0 * t[:, None], "theta": 2 / np.sqrt(t)[:, None], "time": t}
        >>> found = SimpleNamespace(kind="converges-sublinearly", numbers={"exponent": 0.5, "constant": 2.0}, rule=None)
        >>> [line.get_label() for line in power_law(traj, found, Figure().add_subplot()).lines]
        ['r', '2 t⁻⁰·⁵']
    """
    series = read(traj)
    with styled(ax) as ax:
        clock, r = _radius(series)
        later = clock > 1e-5 * clock[-1]
        clock, r = clock[later], r[later]
        ax.plot(clock, r, color=BLUE, label="r", gid="r")
        numbers = {} if verdict is None else verdict.numbers
        if _known(numbers, "exponent") and _known(numbers, "constant"):
            law = float(numbers["constant"]) * clock ** -float(numbers["exponent"])
            shown = (law < 3 * r.max()) & (law > r.min() / 3)
            unit = "n" if series.discrete else "t"
            power = raised(f"{-float(numbers['exponent']):.3g}")
            label = f"{number(float(numbers['constant']), 4)} {unit}{power}"
            ax.plot(clock[shown], law[shown], color=VERMILION, linestyle=(0, (5, 2)), label=label, gid="law")
        logarithmic(ax, r)
        if len(clock):
            log_clock(ax, clock[0], clock[-1])
        ylabel = "r = |(φ, θ − x₀)|" if np.any(series.x0) else "r = |(φ, θ)|"
        ax.set(xlabel=series.clock_name, ylabel=ylabel)
        legend_above(ax)
    return ax


def decay(traj: TrajectoryLike, verdict: Verdict | None = None, ax: Axes | None = None) -> Axes:
    """Draw r = |(φ, θ − x₀)| on a logarithmic scale over time, with the exponential rate where a verdict found one.

    Args:
        traj: a trajectory.
        verdict: its :class:`diracgan.analysis.Verdict`, if any.
        ax: axes to draw on; a new figure when ``None``.

    Returns:
        The axes.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> from matplotlib.figure import Figure
        >>> t = np.linspace(0, 9, 50)
        >>> traj = {"phi": 0 * t[:, None], "theta": np.exp(-t)[:, None], "time": t}
        >>> found = SimpleNamespace(kind="converges-exponentially", numbers={"rate": 1.0}, rule=None)
        >>> [line.get_label() for line in decay(traj, found, Figure().add_subplot()).lines]
        ['r', 'exp(−1 t)']
    """
    series = read(traj)
    with styled(ax) as ax:
        clock, r = _radius(series)
        ax.plot(clock, r, color=BLUE, label="r", gid="r")
        numbers = {} if verdict is None else verdict.numbers
        if _known(numbers, "rate"):
            rate = float(numbers["rate"])
            # the line touches the envelope from above over the second half
            late = clock >= clock[len(clock) // 2]
            good = late & (r > 1e-300)
            height = float(np.max(np.log(r[good]) + rate * clock[good])) if good.any() else 0.0
            with np.errstate(under="ignore"):
                law = np.exp(height - rate * clock)
            unit = "n" if series.discrete else "t"
            label = f"exp({number(-rate, 4)} {unit})"
            shown = law < 30 * r.max()
            ax.plot(clock[shown], law[shown], color=VERMILION, linestyle=(0, (5, 2)), label=label, gid="law")
        span(ax, clock)
        logarithmic(ax, np.maximum(r, 1e-16 * r.max()))
        ax.set(xlabel=series.clock_name, ylabel="r")
        legend_above(ax)
    return ax


def law_figure(traj: TrajectoryLike, verdict: Verdict) -> Figure:
    """Draw both scales on one page, titled with the verdict: what ``diracgan verdict --out`` draws.

    Example:
        >>> import numpy as np
        >>> from types import SimpleNamespace
        >>> t = np.linspace(0, 9, 50)
        >>> traj = {"phi": 0 * t[:, None], "theta": np.exp(-t)[:, None], "time": t, "attrs": {"variant": "a"}}
        >>> found = SimpleNamespace(kind="converges-exponentially", numbers={"rate": 1.0}, rule=None, text="it does")
        >>> law_figure(traj, found).texts[0].get_text()
        'a: it does'
    """
    series = read(traj)
    with page(9.6, 4.0, titled(series, verdict, ""), run_words(series)) as fig:
        power_law(series, verdict, fig.add_axes((0.085, 0.15, 0.38, 0.57)))
        decay(series, verdict, fig.add_axes((0.58, 0.15, 0.38, 0.57)))
    return fig


def _radius(series: Series) -> tuple[Any, Any]:
    keep = thin(len(series.clock), MOST_POINTS)
    both = np.hstack([series.phi, series.theta - series.x0])[keep]
    return series.clock[keep], np.hypot.reduce(both, axis=1)


def _known(numbers: Any, name: str) -> bool:
    value = numbers.get(name)
    return isinstance(value, (int, float)) and math.isfinite(value)
