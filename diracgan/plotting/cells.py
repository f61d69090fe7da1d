"""Grids of parameters as axes and cells: what every map over them shares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.colors import Colormap, Normalize

from ..errors import InputError, holds
from .axes_helpers import decade_ticks, legend_below, ticks
from .series import Array
from .theme import PALE

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike


class GridAxis(NamedTuple):
    """One parameter of a grid.

    Attributes:
        name: what it is called.
        label: the same with its meaning, where a few words say it.
        values: in any order.
    """

    name: str
    label: str
    values: Array


def grid_axis(name: str, about: str, values: ArrayLike) -> GridAxis:
    """A parameter of a grid, labelled with what comes first in a line about it.

    Example:
        >>> grid_axis("gamma", "weight of R1: (gamma/2) |grad D|^2", [0.0, 1.0]).label
        'gamma, weight of R1'
    """
    said = re.split(r"[:;(|,]", about)[0].strip()
    known = said and said != name and len(said) <= 40
    return GridAxis(name, f"{name}, {said}" if known else name, np.asarray(values, float))


def grid_axes(found: xr.Dataset, count: int) -> tuple[GridAxis, ...]:
    """The parameters over which a dataset of :mod:`diracgan.sweeps.maps` was computed.

    Raises:
        InputError: where they are not so many.
    """
    holds("found", found, ("dims", "attrs"), "what the maps of dg.sweeps return")
    main = {2: ("limit", "status"), 1: ("orbit",)}[count]
    name = next((n for n in main if n in found), None)
    dims = () if name is None else tuple(str(d) for d in found[name].dims if d != "sample")
    if len(dims) != count:
        raise InputError(f"this map has axes {', '.join(dims) or 'none'}; allowed: {count}")
    return tuple(grid_axis(d, str(found[d].attrs.get("long_name", "")), found[d]) for d in dims)


def flag_words(codes: xr.DataArray, missing: str = "") -> Array:
    """The words that a variable's numbers stand for; -1, what was not computed, is ``missing``."""
    return np.array([*str(codes.attrs["flag_meanings"]).split(), missing])[np.asarray(codes, int)]


def fields(
    ax: Axes, x: GridAxis, y: GridAxis, values: np.ndarray, colours: Colormap | str, scale: Normalize
) -> None:
    """Draw a value in every cell, (values of y, values of x)."""
    i, j = np.argsort(x.values), np.argsort(y.values)
    look: dict[str, Any] = {"cmap": colours, "norm": scale, "rasterized": True, "zorder": 0.5}
    ax.pcolormesh(sides(x.values[i]), sides(y.values[j]), values[np.ix_(j, i)], **look)


def sides(values: Array) -> Array:
    """The sides of the cells around increasing values."""
    if len(values) == 1:
        return values[0] + max(abs(values[0]), 1.0) * np.array([-0.5, 0.5])
    log = _logarithmic(values)
    v = np.log(values) if log else values
    middle = (v[1:] + v[:-1]) / 2
    ends = np.concatenate([[v[0] - (middle[0] - v[0])], middle, [v[-1] + (v[-1] - middle[-1])]])
    return np.exp(ends) if log else ends


def _logarithmic(values: Array) -> bool:
    """Whether a grid is spaced in equal ratios."""
    if len(values) < 3 or np.any(values <= 0):
        return False
    return bool(np.allclose(np.diff(np.log(np.sort(values)), 2), 0.0, atol=1e-9))


def named(ax: Axes, x: GridAxis, y: GridAxis) -> None:
    """Give both axes the grid's scales and labels."""
    scaled(ax, "x", x)
    scaled(ax, "y", y)


def scaled(ax: Axes, side: str, over: GridAxis) -> None:
    """Limits at the ends of the grid's cells, a label, and a logarithmic axis for a logarithmic grid."""
    axis, edges = getattr(ax, f"{side}axis"), sides(np.sort(over.values))
    if _logarithmic(over.values):
        getattr(ax, f"set_{side}scale")("log")
        decade_ticks(axis, np.log10(edges[0]), np.log10(edges[-1]))
    getattr(ax, f"set_{side}lim")(edges[0], edges[-1])
    if not _logarithmic(over.values):
        ticks(axis, 6)
    axis.set_label_text(over.label)


def areas_named(ax: Axes, patches: Sequence[tuple[Any, str]]) -> None:
    """A legend below, with these colours and what they mean."""
    for colour, label in patches:
        patch(ax, colour, label)
    if ax.get_legend_handles_labels()[1]:
        legend_below(ax)


def patch(ax: Axes, colour: str, label: str) -> None:
    """A square of ``colour`` in the legend."""
    ax.plot(
        [], [], linestyle="none", marker="s", markersize=8, color=colour, markeredgecolor=PALE, label=label
    )
