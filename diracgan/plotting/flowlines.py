"""The field of a game with d = 1 in its plane: streamlines, nullclines and discontinuities."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .series import Array
from .theme import BLUE, GREEN, INK, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VectorField = Callable[[Array, Array], tuple[np.ndarray, np.ndarray]]

_GRID = 41
_FINE = 161  # of the nullclines, whose corners and gaps at jumps are as wide as a cell


def flow_lines(ax: Axes, field: VectorField, datum: float = 0.0, *, colour: str = PALE) -> None:
    """Streamlines, nullclines, and where a component jumps through 0, in the axes' present window.

    Args:
        ax: axes of φ and θ.
        field: of columns of points.
        datum: the θ at which a component may vanish without changing its sign, so that no contour shows it.
        colour: of the streamlines.
    """
    at = _in_pieces(field, _GRID**2)
    with np.errstate(all="ignore"):
        speed = streamlines(ax, at, colour=colour)
        if not speed:
            return
        fine = np.linspace(*ax.get_xlim(), _FINE), np.linspace(*ax.get_ylim(), _FINE)
        mesh = np.meshgrid(*fine)
        jumps = [
            _nullcline(ax, _without_rounding(w, speed).reshape(mesh[0].shape), at, part, fine, datum, speed)
            for part, w in enumerate(at(*mesh))
        ]
    jump = np.vstack(jumps)[:: _FINE // _GRID]
    if len(jump):
        look: dict[str, Any] = {"linestyle": "none", "marker": "x", "markersize": 3, "markeredgewidth": 0.8}
        ax.plot(*jump.T, color=INK, zorder=2, label="jump through 0", **look)


def streamlines(ax: Axes, field: VectorField, *, density: float = 0.9, colour: str = PALE) -> float:
    """Streamlines in the axes' present window, under all else.

    Args:
        ax: axes of φ and θ.
        field: of points, one array for each coordinate.
        density: how close they stand, as :meth:`matplotlib.axes.Axes.streamplot` takes it.
        colour: theirs.

    Returns:
        The largest component of the field on their grid; 0 where there is nothing to draw.
    """
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    xs, ys = np.linspace(x0, x1, _GRID), np.linspace(y0, y1, _GRID)
    x, y = np.meshgrid(xs, ys)
    with np.errstate(all="ignore"):
        u, v = (np.asarray(w, float).reshape(x.shape) for w in field(x, y))
        speed = max(float(np.nanmax(np.abs(u), initial=0)), float(np.nanmax(np.abs(v), initial=0)))
        if not np.isfinite(speed) or speed == 0:
            return 0.0
        u, v = (np.ma.masked_invalid(_without_rounding(w, speed) / speed) for w in (u, v))
        look: dict[str, Any] = {"density": density, "color": colour, "linewidth": 0.6, "arrowsize": 0.7}
        ax.streamplot(xs, ys, u, v, zorder=1, **look)
    ax.set(xlim=(x0, x1), ylim=(y0, y1))
    return speed


def _in_pieces(field: VectorField, count: int) -> Callable[[Array, Array], tuple[Array, Array]]:
    """The field of any number of points, always ``count`` at a time, so that a compiled one compiles once."""

    def at(points_x: Array, points_y: Array) -> tuple[Array, Array]:
        flat = np.stack([points_x.ravel(), points_y.ravel()])
        found = np.empty_like(flat)
        for k in range(0, flat.shape[1], count):
            piece = flat[:, k : k + count]
            some = np.pad(piece, ((0, 0), (0, count - piece.shape[1])), "edge")
            both = field(some[0][:, None], some[1][:, None])
            for row, w in zip(found, both, strict=True):
                row[k : k + count] = np.asarray(w, dtype=float).reshape(-1)[: piece.shape[1]]
        return found[0], found[1]

    return at


def _without_rounding(w: Array, speed: float) -> Array:
    """A component with 0 in place of what is left of sums that cancel: its nullclines would be rounding noise.

    Where a sum that always cancels is divided by something small (φ′ of the normalised critic in d = 1, near φ = 0),
    what is left of it is larger there: a component that is rounding in nine tenths of the window is 0 in all of it.
    """
    size = np.abs(w)
    if np.mean(size[np.isfinite(size)] <= 1e-12 * speed) >= 0.9 and np.nanmax(size) <= 1e-6 * speed:
        return np.zeros_like(w)
    return np.where(size <= 1e-12 * speed, 0.0, w)


def _nullcline(
    ax: Axes,
    values: Array,
    at: Callable[[Array, Array], tuple[Array, Array]],
    part: int,
    fine: tuple[Array, Array],
    datum: float,
    speed: float,
) -> Array:
    """Draw where component ``part`` is 0, ``values`` on the grid ``fine``; return where it jumps through 0, (k, 2)."""
    label, colour, dashes = (("φ′ = 0", BLUE, (0, (5, 2))), ("θ′ = 0", GREEN, (0, (1, 1))))[part]
    look: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 1.2}
    whole = _whole_lines(values, lambda a, b: at(a, b)[part], *fine, datum, speed)
    for line in whole:
        ax.plot(*line, zorder=2, **look)
    smooth, broken = _without_jumps(values, *np.meshgrid(*fine), lambda a, b: at(a, b)[part])
    seen = bool(whole)
    if np.nanmin(smooth, initial=np.inf) < 0 < np.nanmax(smooth, initial=-np.inf):
        lines: dict[str, Any] = {"colors": [colour], "linewidths": 1.2, "linestyles": [dashes]}
        drawn = ax.contour(*fine, np.ma.masked_invalid(smooth), levels=[0], zorder=2, **lines)
        seen |= any(len(p) for p in drawn.get_paths())
    if seen:
        ax.plot([], [], label=label, **look)
    return broken


def _whole_lines(
    values: Array, at: Callable[[Array, Array], Array], xs: Array, ys: Array, datum: float, speed: float
) -> list[tuple[Array, Array]]:
    """The lines φ = 0 and θ = datum along which a component vanishes; NaN is put around them into ``values``.

    It may touch 0 there without a change of sign, which a contour misses, or draws where a node happens to lie on it.
    """
    found: list[tuple[Array, Array]] = []
    if not np.any(values):  # no nullcline, but a component that never moves
        return found
    for axis, (along, across, where) in enumerate(((ys, xs, 0.0), (xs, ys, datum))):
        if not across[0] < where < across[-1]:
            continue
        line = (np.full_like(along, where), along) if axis == 0 else (along, np.full_like(along, where))
        here = at(*line)
        if not np.all(np.abs(here) <= 1e-12 * speed):  # NaN is not 0
            continue
        near = np.abs(across - where) < 1.5 * (across[1] - across[0])
        values[(slice(None), near) if axis == 0 else (near, slice(None))] = np.nan
        found.append(line)
    return found


def _without_jumps(
    values: Array, x: Array, y: Array, at: Callable[[Array, Array], Array]
) -> tuple[Array, Array]:
    """Return ``values`` with NaN beside every sign change that is a jump, and the jumps' places (k, 2).

    A contour of zero would draw a false nullcline there. Every edge of the grid over which the sign
    changes is halved twenty times: across a root the difference shrinks with the edge, across a jump it
    stays.
    """
    smooth, places = values.copy(), []
    for axis in (0, 1):
        one = tuple(slice(None, -1) if i == axis else slice(None) for i in (0, 1))
        two = tuple(slice(1, None) if i == axis else slice(None) for i in (0, 1))
        low, high = values[one], values[two]
        rows, columns = np.nonzero(low * high < 0)
        if rows.size == 0:
            continue
        step = (axis == 0, axis == 1)
        ends = (rows, columns), (rows + step[0], columns + step[1])
        ax_, ay = x[ends[0]], y[ends[0]]
        bx, by = x[ends[1]], y[ends[1]]
        fa, fb = values[ends[0]], values[ends[1]]
        before = np.abs(fb - fa)
        for _ in range(20):
            mx, my = (ax_ + bx) / 2, (ay + by) / 2
            fm = at(mx, my)
            left = np.sign(fm) == np.sign(fa)
            ax_, ay, fa = np.where(left, mx, ax_), np.where(left, my, ay), np.where(left, fm, fa)
            bx, by, fb = np.where(left, bx, mx), np.where(left, by, my), np.where(left, fb, fm)
        broken = ~(np.abs(fb - fa) < 0.05 * before)
        for end in ends:
            smooth[end[0][broken], end[1][broken]] = np.nan
        places.append(np.stack([(ax_ + bx)[broken] / 2, (ay + by)[broken] / 2], axis=1))
    return smooth, np.vstack(places) if places else np.empty((0, 2))
