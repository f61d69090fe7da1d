"""Logged series at equal intervals: runs cut and joined, rows of one step merged, gaps filled."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, number, one_of, unknown
from ..files import path_of
from ..numerics.float_range import LARGEST
from . import clocks
from .clocks import FEWEST
from .even_rows import evened
from .halves import halves, side_by_side, summed
from .readers import LogTable, UnreadyLogError, flattened, named_arrays, read_table
from .roles import is_loss, player_of, says_loss
from .signs import sign_of

_MOST = 12  # series that are looked at together unless some are named
_LONG = 1_000_000  # rows; of twice as many or more, means are taken
_RARE = 0.5  # of the losses' rows: what is given on fewer is left out unless it is asked for
_RANKS = 8  # rows of one step that as many processes may have logged
_PLAIN = "pix2pix"  # whose log calls the halves of the critic's loss D_real and D_fake
_COMB = 0.4  # a series that is 0 on so many rows, in step, was computed on the others only


@dataclasses.dataclass(frozen=True)
class Log:
    """Series at equal intervals.

    Attributes:
        names: of the series.
        values: (series, rows), finite.
        first: the clock at the first row; ``interval`` from row to row, in the clock's unit.
        clock: the clock's name; "row" where the file has none.
        notes: what was left out or changed on the way, in words.
        format: what the file was taken for; empty for what came from memory.
        broken: where on the clock the series stop being finite; None where they do not.
    """

    names: list[str]
    values: np.ndarray
    first: float
    interval: float
    clock: str
    notes: list[str]
    format: str = ""
    broken: float | None = None

    @property
    def unit(self) -> str:
        """What the clock counts, in words."""
        return clocks.unit(self.clock)

    @property
    def at(self) -> np.ndarray:
        """The clock at every row."""
        return self.first + self.interval * np.arange(self.values.shape[1])

    def named(self, values: np.ndarray) -> dict[str, float]:
        """Series -> its own of numbers, of which there is one for each."""
        return dict(zip(self.names, map(float, values), strict=True))


@dataclasses.dataclass(frozen=True)
class ColumnRole:
    """What a column of a log was read as.

    Attributes:
        name: the column's.
        role: "clock", "critic's loss", "half of the critic's loss (a guess)", "generator's loss", "series", "counter",
            "setting", "constant", or "no numbers".
        rows: how many of its cells hold a number; ``low`` and ``high`` the least and the largest.
    """

    name: str
    role: str
    rows: int
    low: float
    high: float


def table_of(source: Any) -> tuple[LogTable, list[str], str]:
    """The table in a file, a mapping, a trajectory or an array, the columns left out, and its name for messages.

    A column without a single finite number is left out.

    Raises:
        InputError: for a file that cannot be read, or that holds no numbers.
    """
    given = "the series"
    if isinstance(source, (str, os.PathLike)):
        given = repr(path_of("log", source))
        table = read_table(Path(source), given)
    elif isinstance(source, LogTable):
        table = source
    elif isinstance(source, Mapping) or hasattr(source, "data_vars") or hasattr(source, "to_xarray"):
        table = LogTable(flattened(named_arrays(source)), "")
    else:
        table = LogTable(flattened({"series": source}), "")
    # what is beyond is read as infinite
    columns = {k: np.where(np.abs(v) > LARGEST, np.copysign(np.inf, v), v) for k, v in table.columns.items()}
    kept = {k: v for k, v in columns.items() if np.isfinite(v).any()}
    if not kept:
        raise UnreadyLogError(f"{given} holds no numbers; allowed: at least one column of them")
    return dataclasses.replace(table, columns=kept), [c for c in table.columns if c not in kept], given


def column_roles(source: Any, step: str | None = None) -> tuple[list[ColumnRole], LogTable]:
    """What every column of a log is read as: what ``diracgan diagnose FILE --series`` lists.

    Example:
        >>> roles, table = column_roles({"Batch": range(30), "d_loss": [0.1 * k for k in range(30)], "lr": [1e-4] * 30})
        >>> [(r.name, r.role) for r in roles]
        [('Batch', 'clock'), ('d_loss', "critic's loss"), ('lr', 'setting')]
    """
    table, empty, _ = table_of(source)
    clock = clocks.clock_of(table.columns, step)
    made = []
    parts = (halves(list(table.columns), _PLAIN in table.format) or ("",))[1:]
    for name, values in table.columns.items():
        finite = values[np.isfinite(values)]
        role = "half of the critic's loss (a guess)" if name in parts else _role(name, finite, clock)
        made.append(ColumnRole(name, role, len(finite), float(finite.min()), float(finite.max())))
    return made + [ColumnRole(n, "no numbers", 0, math.nan, math.nan) for n in empty], table


def _role(name: str, values: np.ndarray, clock: str | None) -> str:
    if name == clock:
        return "clock"
    if clocks.is_clock_name(name):
        return "counter"
    if clocks.is_setting(name):
        return "setting"
    if clocks.counts(values):
        return "counter"
    player = player_of(name)
    if player is not None and is_loss(name):
        return f"{player}'s loss"
    return "series" if _moves(values) else "constant"


def read(
    source: Any,
    columns: Sequence[str] | None = None,
    step: str | None = None,
    interval: float | None = None,
    after: float | None = None,
    run: str = "longest",
) -> Log:
    """Read series from a file, a folder, a mapping of names to arrays, or an array.

    Args:
        source: a log of any kind that :mod:`diracgan.monitoring.readers` knows, or a folder that holds one; or a
            mapping name -> numbers; or an array of shape (rows,) or (rows, series).
        columns: the series wanted; by default the losses and what else moves, never a counter.
        step: the column that counts steps; by default the first of step, iteration, kimg, epoch, ... that is there.
        interval: steps from row to row, where no column says so.
        after: leave out the rows before this step.
        run: of several in one file the ``"longest"``, or the ``"last"``.

    Returns:
        A :class:`Log`.

    Raises:
        InputError: for a file that cannot be read, names that are not there, or too few rows.

    Example:
        >>> log = read({"step": range(0, 300, 10), "d_loss": [0.1 * k for k in range(30)]})
        >>> log.names, log.interval, log.values.shape
        (['d_loss'], 10.0, (1, 30))
    """
    one_of("run", run, ("longest", "last"))
    table, empty, given = table_of(source)
    if not columns:
        whole, said = summed(table.columns, _PLAIN in table.format)
        table = dataclasses.replace(table, columns=whole, notes=(*table.notes, *said))
    wide = None if step is not None else clocks.counted_through(table.columns)
    clock = clocks.clock_of(table.columns, step)
    notes = list(table.notes)  # each step adds what it has to say
    series = {n: table.columns[n] for n in _wanted(table, empty, clock, columns, notes, given)}
    if wide is not None:
        at, clock = wide
        notes.append(f"{clock} begins anew with every epoch and was counted through")
    else:
        at = None if clock is None else table.columns[clock]
    if clock is None:
        notes += clocks.falling(table.columns)
    if not columns:
        notes += side_by_side(list(series))
        series = _without_rare(series, notes)
    others = table.rows_of_others(series)
    if others.any():
        kept = ~others
        series, at = {n: y[kept] for n, y in series.items()}, None if at is None else at[kept]
        table = dataclasses.replace(table, runs=None if table.runs is None else table.runs[kept])
    if table.runs is None:
        series, at = _in_blocks(series, at, notes)
    series, at = _one_run(series, at, table.runs, clock, run, notes)
    if step is None and wide is None and at is not None and _repeats(series, at, clock or ""):
        notes.append(f"{clock} stays the same for many rows and was not used: rows are counted")
        at, clock = None, None
    rows, at = _aligned({n: _computed(n, y, notes) for n, y in series.items()}, at, clock, notes)
    if after is not None:
        kept = ~(at < number("after", after))
        rows, at = rows[:, kept], at[kept]
        given = f"{given} from {clock or 'row'} {after:g} on"
    if table.ends_blank:
        rows, at = _without_unfinished(rows, at)
    rows, first, usual, broken = evened(rows, at, clock, notes, given)
    if interval is not None:
        usual = number("interval", interval, low=0, open_low=True)
    return Log(list(series), rows, first, usual, clock or "row", notes, table.format, broken)


def _without_unfinished(rows: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows without a last one in which cells were left blank: a run was cut off there, or still writes it."""
    blank = np.isnan(rows[:, -2:]).any(axis=0)
    whole = len(at) - 1 if blank.tolist() == [False, True] else len(at)
    return rows[:, :whole], at[:whole]


def _wanted(
    table: LogTable,
    empty: Sequence[str],
    clock: str | None,
    columns: Sequence[str] | None,
    notes: list[str],
    given: str,
) -> list[str]:
    choices = [c for c in table.columns if c != clock]
    if columns:
        for c in columns:
            if c in empty:
                raise InputError(f"column {c!r} of {given} holds no numbers; allowed: {', '.join(choices)}")
            if c not in table.columns:
                raise unknown("column", c, choices)
        return list(dict.fromkeys(columns))
    role = {c: _role(c, table.columns[c], clock) for c in choices}
    still = [c for c in choices if role[c] == "constant"]
    found = [c for c in choices if role[c] == "series" or role[c].endswith("loss")]
    if not found:  # a loss that stands still is a regime, and what else stands still is nothing
        found = [c for c in still if says_loss(c)]
        still = [c for c in still if c not in found]
    if still:
        notes.append(f"{', '.join(sorted(still))} never changes and was left out")
    if not found:
        blank = f"; without a finite number: {', '.join(empty)}" if empty else ""
        raise UnreadyLogError(
            f"{given} holds no series that varies; its columns: {', '.join(choices) or 'none'}{blank}; "
            "allowed: a loss, or at least one series that varies"
        )
    if len(found) <= _MOST:
        return found
    order = sorted(
        found, key=lambda c: (not role[c].endswith("loss"), sign_of(c) is None, player_of(c) is None)
    )
    first = [c for c in found if c in order[:_MOST]]
    players = [c for c in first if player_of(c) is not None or sign_of(c) is not None]
    first = players or first
    notes.append(f"of {len(found)} series only {', '.join(first)}; others by name (--column)")
    return first


def _repeats(series: dict[str, np.ndarray], at: np.ndarray, clock: str) -> bool:
    """Whether one value of the clock holds several of the same series: it counts epochs, and the rows are finer."""
    same = np.diff(at, prepend=np.nan) == 0
    if clocks.unit(clock) == "steps" and len(at) <= _RANKS * np.count_nonzero(~same):
        return False  # each of several processes logs the step
    most = max(series.values(), key=lambda y: int(np.isfinite(y).sum()))
    told = np.isfinite(most)
    again = np.diff(at[told], prepend=np.nan) == 0
    return bool(same.any() and again.sum() > 0.25 * told.sum())


def _without_rare(series: dict[str, np.ndarray], notes: list[str]) -> dict[str, np.ndarray]:
    """The series without those that are given on few rows, as a sample metric is: they would thin out the losses."""
    counts = {n: int(np.isfinite(y).sum()) for n, y in series.items()}
    lead = max([c for n, c in counts.items() if is_loss(n)] or counts.values())
    often = {player_of(n) for n, c in counts.items() if is_loss(n) and c >= _RARE * lead}
    # a loss too, such as an epoch's mean, where its player's is given on every row beside it
    rare = [
        n for n, c in counts.items() if c < _RARE * lead and not (is_loss(n) and player_of(n) not in often)
    ]
    if rare:
        notes.append(
            f"{', '.join(rare)} is given on few of the rows and was left out; by name (--column) it can be had"
        )
    return {n: y for n, y in series.items() if n not in rare}


def _moves(values: np.ndarray) -> bool:
    return bool(np.nanmax(values) > np.nanmin(values))


def _in_blocks(
    series: dict[str, np.ndarray], at: np.ndarray | None, notes: list[str]
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """A very long log as means of its rows, part by part: copies of all of it would not fit small machines."""
    rows = len(next(iter(series.values())))
    block = rows // _LONG
    parts = range(0, rows - 1, _LONG)
    if block < 2 or (at is not None and any(np.any(np.diff(at[k : k + _LONG + 1]) < 0) for k in parts)):
        return series, at
    notes.append(f"means of {block} of {rows:,} rows")
    made = {n: _block_means(y, block) for n, y in series.items()}
    return made, None if at is None else _block_means(at, block)


def _block_means(y: np.ndarray, block: int) -> np.ndarray:
    """Means of so many rows each, blank cells left out."""
    size = block * (_LONG // block)
    made = []
    for k in range(0, len(y) - len(y) % block, size):
        part = y[k : min(k + size, len(y) - len(y) % block)].reshape(-1, block)
        told = ~np.isnan(part)
        total = np.sum(part, axis=1, where=told, dtype=float)
        made.append(
            np.divide(total, told.sum(axis=1), out=np.full(len(part), np.nan), where=told.any(axis=1))
        )
    return np.concatenate(made)


def _one_run(
    series: dict[str, np.ndarray],
    at: np.ndarray | None,
    runs: np.ndarray | None,
    clock: str | None,
    which: str,
    notes: list[str],
) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The rows of one run, without those that a resumed run wrote again."""
    rows = len(next(iter(series.values())))
    kept = np.arange(rows)
    if runs is not None:
        sizes = np.bincount(runs)
        chosen = len(sizes) - 1 - (int(np.argmax(sizes[::-1])) if which == "longest" else 0)
        kept = np.flatnonzero(runs == chosen)
        notes.append(f"{len(sizes)} runs in one file; the {which} (number {chosen + 1}) was used")
    if at is not None:
        kept = kept[np.isfinite(at[kept])]
        resumed, fresh = clocks.run_starts(at[kept])
        # one stray value is not a restart: the rows before it must lie beyond where it goes on
        resumed = [k for k in resumed if k >= 2 and at[kept][k] <= at[kept][k - 2]]
        if fresh:
            parts = np.split(np.arange(len(kept)), fresh)
            part = max(reversed(parts), key=len) if which == "longest" else parts[-1]
            notes.append(
                f"{len(parts)} runs in one file: the {clock} begins again {len(fresh)} times; the {which} was used"
            )
            kept = kept[part]
        elif resumed and len(resumed) <= 0.05 * len(kept):
            places = [f"{at[kept][k]:.10g}" for k in resumed[:3]] + ["..."] * (len(resumed) > 3)
            said = f"resumed at {clock} {', '.join(places)}"
            notes.append(f"{said}: what was logged again replaces what was before")
    if len(kept) == rows:
        return series, at
    return {n: y[kept] for n, y in series.items()}, None if at is None else at[kept]


def _computed(name: str, values: np.ndarray, notes: list[str]) -> np.ndarray:
    """A series without the zeros of rows on which it was not computed, as of a penalty that is lazy."""
    finite = np.flatnonzero(np.isfinite(values))
    zero = values[finite] == 0
    share = float(zero.mean()) if len(finite) else 0.0
    if not _COMB < share < 1.0 or len(finite) < FEWEST:
        return values
    places = np.flatnonzero(~zero)
    gaps = np.diff(places)
    if len(gaps) < 4 or gaps.max() != gaps.min() or gaps.min() < 2:
        return values
    notes.append(f"{name} was computed once every {int(gaps[0])} rows; the zeros between were left out")
    made = np.full_like(values, np.nan)
    made[finite[places]] = values[finite[places]]
    return made


def _aligned(
    series: dict[str, np.ndarray], at: np.ndarray | None, clock: str | None, notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """All series on common rows: rows of one step merged; series that were logged in turn brought together."""
    rows = np.stack(list(series.values())).astype(float, copy=False)
    if at is None:
        filled = np.isfinite(rows)
        counts = filled.sum(axis=1)
        if len(rows) > 1 and filled.all(axis=0).sum() < 0.5 * counts.min() and np.ptp(counts) <= 1:
            length = int(counts.min())
            rows = np.stack([y[np.isfinite(y)][:length] for y in rows])
            notes.append("the series are on rows of their own and were brought together in their order")
        return rows, np.arange(rows.shape[1], dtype=float)
    rows, at = _merged_steps(rows, at, clock, notes)
    filled = np.isfinite(rows)
    counts = filled.sum(axis=1)
    if len(rows) > 1 and filled.all(axis=0).sum() < 0.5 * counts.min():
        lead = int(np.argmin(counts))
        begin = max(at[f][0] for f in filled)
        grid = at[filled[lead] & (at >= begin)]
        late = len(grid) < counts[lead]
        rows = np.stack([_placed(grid, at[f], y[f]) for y, f in zip(rows, filled, strict=True)])
        at = grid
        said = f"the series were logged in turn; all were read at the rows of {list(series)[lead]}"
        notes.append(f"{said} from {clock} {grid[0]:.10g} on, where all have begun" if late else said)
    return rows, at


def _placed(grid: np.ndarray, at: np.ndarray, values: np.ndarray) -> np.ndarray:
    placed = np.interp(grid, at, values)
    step = np.median(np.diff(at)) if len(at) > 1 else 0.0
    placed[grid > at[-1] + step] = np.nan
    return placed


def _merged_steps(
    rows: np.ndarray, at: np.ndarray, clock: str | None, notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """One row for every value of the clock, in order; of a cell that was logged again, the later one."""
    if np.all(np.diff(at) > 0):
        return rows, at
    order = np.argsort(at, kind="stable")
    rows, at = rows[:, order], at[order]
    new = np.append(True, np.diff(at) > 0)
    if new.all():
        return rows, at
    place = np.cumsum(new) - 1
    merged = np.full((len(rows), int(place[-1]) + 1), np.nan)
    again = 0
    for y, out in zip(rows, merged, strict=True):
        told = ~np.isnan(y)
        out[place[told]] = y[told]
        again = max(again, int(told.sum()) - int((~np.isnan(out)).sum()))
    if again:
        notes.append(f"{again} rows repeat a {clock or 'row'}; the last of each was used")
    return merged, at[new]
