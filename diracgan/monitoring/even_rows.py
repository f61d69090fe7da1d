"""Rows at equal intervals: what is not finite cut off, stray rows left out, gaps evened out."""

from __future__ import annotations

import numpy as np

from ..errors import InputError
from . import clocks
from .clocks import FEWEST
from .readers import UnreadyLogError

_JUMP = 100  # gaps of the clock beyond so many usual ones are not believed
_FEW = 0.05  # of the rows: so many may be infinite now and then


def evened(
    rows: np.ndarray, at: np.ndarray, clock: str | None, notes: list[str], given: str
) -> tuple[np.ndarray, float, float, float | None]:
    """The rows without gaps, at equal intervals, until the first that is not finite.

    Args:
        rows: (series, rows), NaN where a cell is blank.
        at: (rows,) the clock.
        clock: its name; None where rows are counted.
        notes: what is left out or changed is added here, in words.
        given: how the log was named, for messages.

    Returns:
        The rows, the clock at the first of them, the interval, and where on the clock they stop being finite (None
        where they do not).

    Raises:
        UnreadyLogError: for too few rows.
        InputError: for intervals that differ too much.

    Example:
        >>> evened(np.ones((1, 30)), np.arange(30.0) * 10, "step", [], "the series")[1:]
        (0.0, 10.0, None)
    """
    broken_at: float | None = None
    blank = np.isnan(rows).any(axis=0) | ~np.isfinite(at)
    if blank[-1:].any() and blank.mean() < 0.5:
        # a run that ended in NaN: what follows its first NaN is not a series any more
        end = len(blank) - int(np.argmin(blank[::-1]))
        if end < len(blank) and len(blank) - end > _longest(blank[:end]):
            broken_at = _broken(at, end, notes)
    rows, at = rows[:, ~blank], at[~blank]
    broken = np.asarray(~np.isfinite(rows).all(axis=0))
    if broken.any() and not broken[-1] and broken.mean() < _FEW:  # a step that overflowed and was skipped
        notes.append(f"rows that are not finite were left out: {int(broken.sum())}")
        rows, at, broken = rows[:, ~broken], at[~broken], broken[~broken]
    if broken.any():
        end = int(np.argmax(broken))
        broken_at = _broken(at, end, notes)
        rows, at = rows[:, :end], at[:end]
    rows, at = _without_stray(rows, at, clock, notes)
    if rows.shape[1] < FEWEST:
        rows_of = "row" if rows.shape[1] == 1 else "rows"
        raise UnreadyLogError(f"{given} holds {rows.shape[1]} complete {rows_of}; allowed: at least {FEWEST}")
    gaps = np.diff(at)
    usual = float(np.median(gaps))
    if np.any(np.abs(gaps - usual) > 1e-3 * usual):
        rows, at = _on_grid(rows, at, usual, clock, notes, given)
    return rows, float(at[0]), usual, broken_at


def _longest(blank: np.ndarray) -> int:
    """The longest stretch of blank rows: cells are blank so long where a field is missing now and then."""
    edges = np.flatnonzero(np.diff(blank.astype(int), prepend=0, append=0))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _broken(at: np.ndarray, row: int, notes: list[str]) -> float:
    """Where a run ends in what is not finite."""
    notes.append(f"not finite from row {row} on; only what is before was used")
    return float(at[row])


def _on_grid(
    rows: np.ndarray, at: np.ndarray, usual: float, clock: str | None, notes: list[str], given: str
) -> tuple[np.ndarray, np.ndarray]:
    gaps = np.diff(at)
    count = (at[-1] - at[0]) / usual * (1 + 1e-12) + 1
    if clocks.unit(clock or "row") == "seconds":  # what waits for a machine says nothing of the run
        notes.append(f"{clock} is uneven and was not used: rows are counted")
        return rows, np.arange(len(at), dtype=float) * usual + at[0]
    if not count <= 4 * len(at):  # before a grid of that size is made
        raise InputError(
            f"{given}: intervals from {gaps.min():g} to {gaps.max():g} are too uneven; allowed: nearly equal ones"
        )
    grid = at[0] + usual * np.arange(int(count))
    notes.append(f"intervals from {gaps.min():g} to {gaps.max():g} were evened out to {usual:g}")
    return np.stack([np.interp(grid, at, y) for y in rows]), grid


def _without_stray(
    rows: np.ndarray, at: np.ndarray, clock: str | None, notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The rows without a stray one far from all others."""
    if len(at) < FEWEST:
        return rows, at
    gaps = np.diff(at)
    far = gaps > _JUMP * np.median(gaps)
    parts = np.split(np.arange(len(at)), np.flatnonzero(far) + 1)
    kept = max(parts, key=len)
    if len(parts) > 1 and len(at) - len(kept) <= 0.02 * len(at):
        stray = np.setdiff1d(np.arange(len(at)), kept)
        where = f"{clock or 'row'} {at[stray[0]]:.10g}"
        notes.append(f"{len(stray)} rows were left out: {where} is far from all others")
        rows, at = rows[:, kept], at[kept]
    return rows, at
