"""The field of a game with d = 1 in its plane: streamlines, nullclines, and where it jumps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .series import Array
from .theme import BLUE, GREEN, ORANGE, PALE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Field = Callable[[Array, Array], tuple[Any, Any]]

_GRID = 41
_FINE = 161  # of the nullclines, whose corners and gaps at jumps are as wide as a cell


def flow_lines(ax: Axes, field: Field, datum: float = 0.0) -> None:
    """Streamlines, nullclines, and where a component jumps through 0, in the axes' present window.

    Args:
        ax: axes of φ and θ.
        field: of columns of points.
        datum: the θ at which a component may vanish without changing its sign, so that no contour shows it.
    """
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    xs, ys = np.linspace(x0, x1, _GRID), np.linspace(y0, y1, _GRID)
    x, y = np.meshgrid(xs, ys)
    count = x.size

    def at(points_x: Array, points_y: Array) -> tuple[Array, Array]:
        # Always the same number of points at a time, so that a compiled field compiles once.
        flat = np.stack([points_x.ravel(), points_y.ravel()])
        found = np.empty_like(flat)
        for k in range(0, flat.shape[1], count):
            piece = flat[:, k : k + count]
            some = np.pad(piece, ((0, 0), (0, count - piece.shape[1])), "edge")
            both = field(some[0][:, None], some[1][:, None])
            for row, w in zip(found, both, strict=True):
                row[k : k + count] = np.asarray(w, dtype=float).reshape(-1)[: piece.shape[1]]
        return found[0], found[1]

    with np.errstate(all="ignore"):
        u, v = (w.reshape(x.shape) for w in at(x, y))
        speed = max(float(np.nanmax(np.abs(u), initial=0)), float(np.nanmax(np.abs(v), initial=0)))
        if not np.isfinite(speed) or speed == 0:
            return
        # What is left of a sum that cancels is no field; its nullclines would be rounding noise.
        u, v = (np.where(np.abs(w) <= 1e-12 * speed, 0.0, w) for w in (u, v))
        ax.streamplot(
            xs, ys, np.ma.masked_invalid(u / speed), np.ma.masked_invalid(v / speed),
            density=0.9, color=PALE, linewidth=0.6, arrowsize=0.7, zorder=1,
        )  # fmt: skip
        ax.set_xlim(x0, x1)
        ax.set_ylim(y0, y1)
        jumps: list[Array] = []
        fx, fy = np.linspace(x0, x1, _FINE), np.linspace(y0, y1, _FINE)
        mx, my = np.meshgrid(fx, fy)
        fine = [np.where(np.abs(w) <= 1e-12 * speed, 0.0, w).reshape(mx.shape) for w in at(mx, my)]
        for values, part, colour, dashes, label in (
            (fine[0], 0, BLUE, (0, (5, 2)), "φ′ = 0"),
            (fine[1], 1, GREEN, (0, (1, 1)), "θ′ = 0"),
        ):
            style: dict[str, Any] = {"color": colour, "linestyle": dashes, "linewidth": 1.2}
            whole = _whole_lines(values, lambda a, b, part=part: at(a, b)[part], fx, fy, datum, speed)
            for line in whole:
                ax.plot(*line, zorder=2, **style)
            smooth, broken = _without_jumps(values, mx, my, lambda a, b, part=part: at(a, b)[part])
            jumps.append(broken)
            seen = bool(whole)
            if np.nanmin(smooth, initial=np.inf) < 0 < np.nanmax(smooth, initial=-np.inf):
                drawn = ax.contour(
                    fx,
                    fy,
                    np.ma.masked_invalid(smooth),
                    levels=[0],
                    colors=[colour],
                    linewidths=1.2,
                    linestyles=[dashes],
                    zorder=2,
                )
                seen |= any(len(p) for p in drawn.get_paths())
            if seen:
                ax.plot([], [], label=label, **style)
        jump = np.vstack(jumps)[:: _FINE // _GRID]
        if len(jump):
            ax.plot(
                *jump.T,
                linestyle="none",
                marker="x",
                markersize=3,
                markeredgewidth=0.8,
                color=ORANGE,
                zorder=2,
                label="jump through 0",
            )


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
