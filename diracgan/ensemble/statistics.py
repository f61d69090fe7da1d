"""Statistics of trajectories, accumulated while they run; the trajectories are not stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..errors import InputError, shown, unknown

Entries = list[Any]

STATISTICS = {
    "min": "least value of every component",
    "max": "largest value of every component",
    "mean_radius": "time average of r = |(phi, theta - x0)| (trapezoidal rule)",
    "arc": "length of the path",
    "escape_time": "first time with r >= escape, or without a finite state; NaN if never",
    "entry_time": "first time with r <= ball; NaN if never",
}
INVARIANT = frozenset({"mean_radius", "arc", "escape_time", "entry_time"})
"""Statistics that only see lengths: the same in a plane as in the space that it lies in."""


class Statistics(NamedTuple):
    """What is watched, and the two radii.

    Attributes:
        names: some of :data:`STATISTICS`, static.
        escape: radius of escape.
        ball: radius of the ball around the equilibrium (0, x0).
        x0: the datum's entries or None.
    """

    names: tuple[str, ...]
    escape: Any
    ball: Any
    x0: tuple[Any, ...] | None

    def radius(self, y: Entries) -> Array:
        """r = |(phi, theta - x0)|."""
        half = len(y) // 2
        x0 = [0.0] * half if self.x0 is None else list(self.x0)
        if self.x0 is not None and y[0].ndim > 1:  # one entry holds all components
            x0 = [jnp.stack(x0)[:, None]]
        return jnp.sqrt(
            squares(
                [*y[:half], *(a - c if self.x0 is not None else a for a, c in zip(y[half:], x0, strict=True))]
            )
        )

    def begin(self, y: Entries) -> dict[str, Any]:
        """The accumulators at time 0."""
        if not self.names:
            return {}
        r = self.radius(y)
        nothing, nan = jnp.zeros_like(r), jnp.full_like(r, jnp.nan)
        start: dict[str, Any] = {"min": list(y), "max": list(y), "arc": nothing}
        start |= {"mean_radius": (nothing, nothing, r)}
        start |= {
            "escape_time": jnp.where(r < self.escape, nan, 0.0),
            "entry_time": jnp.where(r <= self.ball, 0.0, nan),
        }
        return {n: start[n] for n in self.names}

    def next(
        self, seen: dict[str, Any], old: Entries, new: Entries, t: Array | np.ndarray, h: Array | np.ndarray
    ) -> dict[str, Any]:
        """The accumulators after a step of length ``h`` that ended at time ``t``; what is not finite only ends."""
        if not self.names:
            return seen
        out, r = dict(seen), self.radius(new)
        finite = r < jnp.inf
        if "min" in seen:
            out["min"] = [jnp.where(finite & (b < a), b, a) for a, b in zip(seen["min"], new, strict=True)]
        if "max" in seen:
            out["max"] = [jnp.where(finite & (b > a), b, a) for a, b in zip(seen["max"], new, strict=True)]
        if "arc" in seen:
            length = jnp.sqrt(squares([b - a for a, b in zip(old, new, strict=True)]))
            out["arc"] = jnp.where(finite, seen["arc"] + length, seen["arc"])
        if "mean_radius" in seen:
            total, lived, before = seen["mean_radius"]
            out["mean_radius"] = (
                jnp.where(finite, total + 0.5 * h * (before + r), total),
                jnp.where(finite, lived + h, lived),
                r,
            )
        if "escape_time" in seen:
            first = jnp.isnan(seen["escape_time"]) & ~(r < self.escape)
            out["escape_time"] = jnp.where(first, t, seen["escape_time"])
        if "entry_time" in seen:
            first = jnp.isnan(seen["entry_time"]) & (r <= self.ball)
            out["entry_time"] = jnp.where(first, t, seen["entry_time"])
        return out


def squares(y: Entries) -> Array:
    """The sum of all squares, by trajectory."""
    # of two entries or more, and so not the int that sum begins with
    return sum(jnp.sum(a * a, axis=tuple(range(a.ndim - 1))) if a.ndim > 1 else a * a for a in y)  # type: ignore[return-value]


def statistics_and_times(save: str | Sequence[str] | ArrayLike) -> tuple[tuple[str, ...], Any]:
    """The statistics and the times that ``save`` asks for; times are None where none are asked for.

    Raises:
        InputError: for a word that is not a statistic, or something else than words or times.

    Example:
        >>> statistics_and_times("final"), statistics_and_times(["max", "arc"])
        (((), None), (('max', 'arc'), None))
    """
    if isinstance(save, str):
        if save in ("final", "stats"):
            return (() if save == "final" else tuple(STATISTICS)), None
        save = [save]
    if isinstance(save, Sequence) and save and all(isinstance(s, str) for s in save):
        names = [s for s in save if s != "final"]
        for name in names:
            if name not in STATISTICS:
                raise unknown("statistic", name, (*STATISTICS, "final", "stats"))
        return tuple(n for n in STATISTICS if n in names), None
    if save is None or np.ndim(save) == 0:
        raise InputError(
            f"save = {shown(save)}; allowed: 'final', 'stats', names of statistics, or increasing times"
        )
    return (), save
