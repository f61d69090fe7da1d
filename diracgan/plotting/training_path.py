"""A real run beside its prediction."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from .axes_helpers import mark
from .headings import page
from .theme import BLUE, GREEN, VERMILION

_FAR = 2.5  # a prediction that goes further than so many times the run leaves the picture


def training_path_figure(
    path: np.ndarray,
    predicted: np.ndarray,
    every: int,
    corrected: np.ndarray | None = None,
    *,
    title: str,
    below: str = "",
) -> Figure:
    """Draw a path in the plane and its distance from 0 over the steps, with the predicted ones dashed.

    Args:
        path: places of the run so far, (k, 2), every so many steps from the start.
        predicted: the predicted ones of the whole run, (n, 2), n >= k; NaN where there is none.
        every: steps between two rows.
        corrected: places as a second prediction has them, (n, 2), drawn dotted; NaN or None where there is none.
        title: of the page; ``below`` the line under it.

    Returns:
        The figure.

    Example:
        >>> import numpy as np
        >>> t = np.linspace(0, 6, 50)
        >>> z = np.stack([np.cos(t), np.sin(t)], axis=1)
        >>> len(training_path_figure(z[:20], z, 5, title="a circle").axes)
        2
    """
    path, predicted = np.asarray(path, float), np.asarray(predicted, float)
    second = np.full(predicted.shape, np.nan) if corrected is None else np.asarray(corrected, float)
    k, clock = len(path), every * np.arange(len(predicted))
    real, toy = np.linalg.norm(path, axis=1), np.linalg.norm(predicted, axis=1)
    widest, other = (float(np.max(x[np.isfinite(x)], initial=1e-9)) for x in (real, toy[:k]))
    half = 1.1 * max(widest, min(other, _FAR * widest))
    dashed = {"color": VERMILION, "linewidth": 1.0, "linestyle": "--"}
    dotted = {"color": GREEN, "linewidth": 1.4, "linestyle": ":"}
    plain = {"color": BLUE, "linewidth": 1.2}
    with page(9.6, 4.2, title, below) as fig:
        left, right = fig.add_axes((0.08, 0.14, 0.3, 0.66)), fig.add_axes((0.5, 0.14, 0.47, 0.66))
        left.plot(*predicted[:k].T, **dashed)
        left.plot(*second[:k].T, **dotted)
        left.plot(*path.T, **plain)
        left.plot(*path[0], **mark("start"))
        left.plot(0, 0, **mark("equilibrium"))
        left.set(xlim=(-half, half), ylim=(-half, half), aspect="equal")
        left.set(xlabel="mean sample − data, first entry", ylabel="second entry")
        right.plot(clock, toy, label="Dirac game", **dashed)
        if np.all(np.isfinite(second[0])):
            right.plot(clock, np.linalg.norm(second, axis=1), label="with the network's critic", **dotted)
        right.plot(clock[:k], real, label="real GAN", **plain)
        right.set(xlim=(0, clock[-1]), ylim=(0, 1.2 * half), xlabel="step", ylabel="distance from the data")
        right.legend(loc="upper right")
    return fig
