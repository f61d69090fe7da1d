"""Limit sets as the end of a run shows them, at most its last half: extent, rotation, and drift."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..analysis.kinds import OUTCOMES, Outcome
from ..errors import InputError
from .quantity import FINEST, ROWS

_WINDOW, _ITERATES = 96, 256
_KEPT = 1e-4  # relative loss of |phi ^ (theta - x0)| between windows below which it counts as conserved
_STEADY = 3e-3  # relative change of size between windows below which it counts as constant


class Rows(NamedTuple):
    """The rows of a run that are looked at.

    Attributes:
        save: times, or iterations, increasing.
        tail: where the tail stands in them.
        windows: where the windows at a quarter, half and the end of the run stand.
        times: of the tail.
    """

    save: np.ndarray
    tail: np.ndarray
    windows: tuple[np.ndarray, np.ndarray, np.ndarray]
    times: np.ndarray


def rows(end: float, dt: float | None, adaptive: bool) -> Rows:
    """The rows to save of a run.

    Args:
        end: number of steps, or of adaptive ones the end time.
        dt: a flow's step; None for a rule, whose tail has no gaps.
        adaptive: whether the flow's steps are adaptive.

    Raises:
        InputError: where the run is too short to have a tail.
    """
    if adaptive:
        step = min(end / 2 / ROWS, FINEST)
        tail = end - step * np.arange(ROWS)[::-1]
        windows = [
            np.linspace(c - end / 16, c + end / 16, _WINDOW)
            for c in (end * 15 / 64, end * 30 / 64, end * 60 / 64)
        ]
        return _rows(tail, windows, 1.0)
    count = int(end)
    if count < 64:
        raise InputError(f"a run of {count} steps has no tail to look at; allowed: at least 64")
    kept = min(count // 2, ROWS)
    stride = 1 if dt is None else max(1, min(count // 2 // kept, int(FINEST / dt)))
    tail = count - stride * np.arange(kept)[::-1]
    wide = count // 8
    many = min(wide, _ITERATES if dt is None else _WINDOW)
    apart = 1 if dt is None else max(1, wide // many)
    centres = (count * 15 // 64, count * 30 // 64, count * 60 // 64)
    windows = [c + apart * (np.arange(many) - many // 2) for c in centres]
    return _rows(tail, windows, 1.0 if dt is None else dt)


def _rows(tail: np.ndarray, windows: list[np.ndarray], unit: float) -> Rows:
    save = np.unique(np.concatenate([tail, *windows]))
    a, b, c = (np.searchsorted(save, w) for w in windows)
    return Rows(save * unit, np.searchsorted(save, tail), (a, b, c), tail * unit)


@dataclasses.dataclass(frozen=True)
class Tail:
    """The saved rows of many runs.

    Attributes:
        rows: which they are.
        phi: (N, rows, d).
        theta: theta - x0, (N, rows, d).
        status: how each run ended, (N,), as of an ensemble.
        discrete: whether they are iterations of a rule.
        xp: NumPy or jax.numpy, whose arrays these are.
    """

    rows: Rows
    phi: Any
    theta: Any
    status: Any
    discrete: bool
    xp: Any = np

    def _sizes(self, player: str = "") -> Array | np.ndarray:
        both = {"phi": [self.phi], "theta": [self.theta]}.get(player, [self.phi, self.theta])
        with np.errstate(over="ignore"):
            return self.xp.sqrt(sum(self.xp.einsum("nkd,nkd->nk", x, x) for x in both))

    def radius(self, player: str = "") -> Array | np.ndarray:
        """The largest r, |phi| or |theta - x0| in the tail; infinite where the run diverged, NaN where it failed."""
        xp, largest = self.xp, self._sizes(player)[:, self.rows.tail].max(axis=1)
        return xp.where(self.status == 0, largest, xp.where(self.status == 1, np.inf, np.nan))

    def middle(self, player: str) -> Array | np.ndarray:
        """Half-way between the extremes of a player's first component in the last window; NaN where the run failed."""
        x = getattr(self, player)[:, self.rows.windows[2], 0]
        return self.xp.where(self.status == 0, (x.max(axis=1) + x.min(axis=1)) / 2, np.nan)

    def _watched(self) -> Array | np.ndarray:
        """Of every run the component that swings most, less its middle, in the tail: (N, k)."""
        xp = self.xp
        z = xp.concatenate([self.phi, self.theta], axis=2)[:, self.rows.tail]
        which = xp.argmax(xp.nan_to_num(xp.ptp(z, axis=1)), axis=1)
        x = xp.take_along_axis(z, which[:, None, None], axis=2)[:, :, 0]
        return x - (x.max(axis=1, keepdims=True) + x.min(axis=1, keepdims=True)) / 2

    def period(self) -> Array | np.ndarray:
        """The mean time between upward crossings of its middle by what swings most; NaN with fewer than two of them."""
        xp, s = self.xp, self._watched()
        size = xp.abs(s).max(axis=1)
        up = xp.pad((s[:, 1:-2] < 0) & (s[:, 2:-1] >= 0), ((0, 0), (1, 2)))
        count = up.sum(axis=1)
        first, last = xp.argmax(up, axis=1), s.shape[1] - 1 - xp.argmax(up[:, ::-1], axis=1)
        seen = (count >= 2) & (self.status == 0) & (size > 1e-9)
        span = xp.where(seen, self._crossing(s, last) - self._crossing(s, first), np.nan)
        return span / xp.maximum(count - 1, 1)

    def _crossing(self, s: Array | np.ndarray, k: Array | np.ndarray) -> Array | np.ndarray:
        """When ``s`` crosses 0 after row ``k``: on the cubic through the four rows around it."""
        xp, at = self.xp, self.xp.clip(k, 1, s.shape[1] - 3)
        a, b, c, d = (xp.take_along_axis(s, (at + i)[:, None], axis=1)[:, 0] for i in (-1, 0, 1, 2))
        linear, square, cube = c - a / 3 - b / 2 - d / 6, (a + c) / 2 - b, (d - a) / 6 + (b - c) / 2
        with np.errstate(all="ignore"):
            u = b / (b - c)
            for _ in range(4):  # Newton's method
                value = ((cube * u + square) * u + linear) * u + b
                slope = (3 * cube * u + 2 * square) * u + linear
                u = xp.clip(u - value / slope, 0.0, 1.0)
        step = self.rows.times[1] - self.rows.times[0]
        return xp.asarray(self.rows.times)[at] + u * step

    def limit(self, ball: float, escape: float) -> Array | np.ndarray:
        """Where every run is going, as indices into :data:`~diracgan.analysis.kinds.OUTCOMES`.

        The largest r in windows at times t, 2t and 4t is extrapolated by Aitken's rule: what falls like a power of time
        extrapolates to 0, what settles on an orbit to that orbit's size. What goes up and down stays.
        """
        xp, r = self.xp, self._sizes()
        late = xp.concatenate([self.phi, self.theta], axis=2)[:, self.rows.windows[2]]
        with np.errstate(all="ignore"):
            a, b, c = (self._peak(r[:, w]) for w in self.rows.windows)
            before, after = b - a, c - b
            final = c - after**2 / (after - before)
            swing = xp.ptp(late, axis=1).max(axis=1)
            steady = xp.abs(after) <= _STEADY * c
            falls, rises = (xp.minimum(before * sign, after * sign) > _STEADY * c for sign in (-1, 1))
            levels = (xp.abs(after) < xp.abs(before)) & (xp.abs(final - c) <= 0.5 * c)
            bounded = xp.maximum(xp.abs(before), xp.abs(after)) <= 0.5 * c
        code = xp.full(len(r), Outcome.UNDECIDED.number, np.int8)

        def name(where: Array | np.ndarray, what: Outcome) -> None:
            nonlocal code
            code = xp.where(where, np.int8(what.number), code)

        name(bounded, Outcome.ORBIT)
        name(falls, Outcome.CONVERGING)
        name(falls & self._held(), Outcome.ORBIT)
        name(rises, Outcome.GROWING)
        name(steady | ((falls | rises) & levels), Outcome.ORBIT)
        name((swing <= ball) | ((falls | rises) & levels & (swing <= 0.1 * c)), Outcome.ELSEWHERE)
        name(r[:, -1] <= ball, Outcome.EQUILIBRIUM)
        name((self.status == 1) | (r[:, -1] >= escape), Outcome.DIVERGES)
        name(self.status > 1, Outcome.UNDECIDED)
        return code

    def _held(self) -> Array | np.ndarray:
        """Whether an area l = |phi ^ (theta - x0)| > 0 that does not shrink keeps a run away: r^2 >= 2 l."""
        if self.phi.shape[2] == 1:
            return self.xp.zeros(len(self.phi), bool)
        with np.errstate(all="ignore"):
            first, last = (self._areas(w) for w in (self.rows.windows[0], self.rows.windows[2]))
            size = self._sizes()[:, self.rows.windows[0]].max(axis=1)
            least = last.min(axis=1)
            return (least >= (1 - _KEPT) * first.max(axis=1)) & (least > 1e-9 * size**2)

    def _areas(self, window: np.ndarray) -> Array | np.ndarray:
        """|phi ^ (theta - x0)| in a window, (N, rows)."""
        phi, theta = self.phi[:, window], self.theta[:, window]
        xp = self.xp
        pp, tt, pt = (xp.einsum("nkd,nkd->nk", a, b) for a, b in ((phi, phi), (theta, theta), (phi, theta)))
        return xp.sqrt(xp.maximum(pp * tt - pt**2, 0.0))

    def _peak(self, r: Array | np.ndarray) -> Array | np.ndarray:
        """The largest r in a window; of a flow, on the parabola through the three rows around it."""
        xp = self.xp
        k = xp.clip(xp.argmax(r, axis=1), 1, r.shape[1] - 2)
        left, middle, right = (xp.take_along_axis(r, (k + i)[:, None], axis=1)[:, 0] for i in (-1, 0, 1))
        bend = left - 2 * middle + right
        inside = (middle >= left) & (middle >= right) & (bend < 0)
        if self.discrete:
            return r.max(axis=1)
        return xp.where(inside, middle - (right - left) ** 2 / (8 * bend), r.max(axis=1))

    def orbit(self, samples: int, escape: float) -> np.ndarray:
        """What the observable's limit set shows, (N, samples): a rule's last iterates, a flow's last turning points.

        The observable is theta - x0 in d = 1, |theta - x0| in more dimensions. Where a flow does not turn, its last
        value; NaN fills the rest, and everything where the run has escaped.
        """
        if self.xp is not np:
            return self.on_host().orbit(samples, escape)
        with np.errstate(all="ignore"):
            return np.where(
                ((self.status == 0) & (self._sizes()[:, -1] < escape))[:, None], self._orbit(samples), np.nan
            )

    def on_host(self) -> Tail:
        """The same in NumPy's arrays."""
        held = {n: np.asarray(getattr(self, n)) for n in ("phi", "theta", "status")}
        return dataclasses.replace(self, xp=np, **held)

    def _orbit(self, samples: int) -> np.ndarray:
        x = (
            self.theta[:, self.rows.tail, 0]
            if self.theta.shape[2] == 1
            else self._sizes("theta")[:, self.rows.tail]
        )
        found = np.full((len(x), samples), np.nan)
        if self.discrete:
            kept = min(samples, x.shape[1])
            found[:, :kept] = x[:, -kept:]
            return found
        left, middle, right = x[:, :-2], x[:, 1:-1], x[:, 2:]
        with np.errstate(all="ignore"):
            bend = left - 2 * middle + right
            top = middle - (right - left) ** 2 / (8 * bend)  # of the parabola through three rows
        turns = (middle - left) * (right - middle) <= 0
        turns &= bend != 0
        for i in range(len(x)):
            values = (
                top[i, turns[i]][-samples:] if np.ptp(x[i]) > 1e-9 * (1 + np.abs(x[i, -1])) else x[i, -1:]
            )
            values = values if len(values) else x[i, -1:]
            found[i, : len(values)] = values
        return found


def tail(
    rows: Rows,
    phi: Array | np.ndarray,
    theta: Array | np.ndarray,
    x0: np.ndarray,
    status: Array | np.ndarray,
    discrete: bool,
) -> Tail:
    """The tail of an ensemble's rows, in NumPy's arrays or in JAX's, as they are."""
    xp = jnp if isinstance(phi, jax.Array) else np
    return Tail(rows, phi.astype(float), theta.astype(float) - x0, status, discrete, xp)


def words(code: ArrayLike) -> np.ndarray:
    """The words of :data:`~diracgan.analysis.kinds.OUTCOMES` that numbers stand for."""
    return np.array((*OUTCOMES, ""))[np.asarray(code, int)]
