"""Series that someone logged: CSV, JSON lines and npz as one table of numbers at equal intervals."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..dynamics import store
from ..errors import InputError, number, unknown

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".npz")
# Looked at first where a log holds many series.
_USUAL = ("d_fake", "d_real", "d_out", "loss_d", "loss_g", "d_loss", "g_loss", "errd", "errg")
_METRICS = "metrics.jsonl"  # what `diracgan train` writes in its folder
FEWEST = 24  # rows below which nothing can be said
_MOST = 6  # series that are looked at together unless some are named
# Names of clocks, the preferred first; the other ones are not series either.
_CLOCKS = (
    "step",
    "global_step",
    "_step",
    "iteration",
    "iter",
    "it",
    "batch",
    "n",
    "kimg",
    "tick",
    "time",
    "t",
)
_NO_SERIES = (
    "steps",
    "iterations",
    "iters",
    "batches",
    "epoch",
    "epochs",
    "cur_nimg",
    "nimg",
    "progress/kimg",
    "progress/tick",
    "wall_time",
    "walltime",
    "wall time",
    "timestamp",
    "_timestamp",
    "_runtime",
    "index",
    "",
)
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
_MOST_REPEATED = 0.75  # of a clock's values, so many are different ones
_JUMP = 100  # gaps of the clock beyond so many usual ones are not believed


@dataclasses.dataclass(frozen=True)
class Log:
    """Series at equal intervals.

    Attributes:
        names: of the series.
        values: (series, rows), finite.
        first: the clock at the first row; ``interval`` from row to row, in the clock's unit.
        clock: the clock's name; "row" where the file has none.
        notes: what was left out or changed on the way, in words.
    """

    names: list[str]
    values: np.ndarray
    first: float
    interval: float
    clock: str
    notes: list[str]


def read(
    source: Any,
    columns: Sequence[str] | None = None,
    step: str | None = None,
    interval: float | None = None,
    after: float | None = None,
) -> Log:
    """Read series from a file, a mapping of names to arrays, or an array.

    Args:
        source: a path ending in .csv, .tsv, .txt, .jsonl, .ndjson, .json or .npz, or the folder of a run; or a
            mapping name -> numbers; or an array of shape (rows,) or (rows, series).
        columns: the series wanted; all numeric ones by default.
        step: the column that counts steps; by default the first of step, iteration, time, ... that is there.
        interval: steps from row to row, where no column says so.
        after: leave out the rows before this step.

    Returns:
        A :class:`Log`.

    Raises:
        InputError: for a file that cannot be read, names that are not there, or too few rows.

    Example:
        >>> log = read({"step": range(0, 300, 10), "d_loss": [0.1 * k for k in range(30)]})
        >>> log.names, log.interval, log.values.shape
        (['d_loss'], 10.0, (1, 30))
    """
    given = "the series"
    if isinstance(source, (str, os.PathLike)):
        given = repr(os.fspath(source))
        table = _file(Path(source), given)
    elif isinstance(source, Mapping) or hasattr(source, "data_vars") or hasattr(source, "to_xarray"):
        table = _flat(_mapping(source))
    else:
        table = _flat({"series": np.asarray(source)})
    table = {k: v for k, v in table.items() if np.isfinite(v).any()}
    if not table:
        raise InputError(f"{given} holds no numbers; allowed: at least one column of them")
    clock = _clock(table, step)
    wanted, notes = _wanted(table, clock, columns, given)
    rows = np.stack([table[c] for c in wanted])
    at = table[clock] if clock else np.arange(rows.shape[1], dtype=float)
    if after is not None:
        kept = ~(at < number("after", after))
        rows, at = rows[:, kept], at[kept]
    return _even(wanted, rows, at, clock, interval, notes, given)


def _wanted(
    table: dict[str, np.ndarray], clock: str | None, columns: Sequence[str] | None, given: str
) -> tuple[list[str], list[str]]:
    choices = [c for c in table if c != clock]
    if columns:
        for c in columns:
            if c not in table:
                raise unknown("column", c, choices)
        return list(dict.fromkeys(columns)), []
    idle = {c for c in choices if c.lower() in (*_CLOCKS, *_NO_SERIES) or _counts(table[c])}
    still = {c for c in choices if c not in idle and np.nanmax(table[c]) == np.nanmin(table[c])}
    found = [c for c in choices if c not in idle | still]
    if not found:
        raise InputError(f"{given} holds no series that varies; its columns: {', '.join(choices) or 'none'}")
    usual = [c for c in found if c.lower() in _USUAL][:_MOST]
    notes = [f"{', '.join(sorted(still))} never changes and was left out"] if still else []
    if len(found) > _MOST and usual:
        return usual, [*notes, f"of {len(found)} series only {', '.join(usual)}; others by name (--column)"]
    if len(found) > _MOST:
        shown = ", ".join(found[:12]) + (", ..." if len(found) > 12 else "")
        raise InputError(
            f"{given} holds {len(found)} series; allowed: at most {_MOST} at once, by name (--column): {shown}"
        )
    return found, notes


def _even(
    names: list[str],
    rows: np.ndarray,
    at: np.ndarray,
    clock: str | None,
    interval: float | None,
    notes: list[str],
    given: str,
) -> Log:
    """The rows in order, without gaps, at equal intervals, until the first that is not finite."""
    blank = np.isnan(rows).any(axis=0) | ~np.isfinite(at)
    if blank[-1:].any() and not np.isfinite(rows[:, -1]).all() and blank.mean() < 0.5:
        # a run that ended in NaN: what follows its first NaN is not a series any more
        end = len(blank) - int(np.argmin(blank[::-1]))
        if end < len(blank):
            notes = [*notes, f"not finite from row {end} on; only what is before was used"]
    rows, at = rows[:, ~blank], at[~blank]
    broken = ~np.isfinite(rows).all(axis=0)
    if broken.any():
        end = int(np.argmax(broken))
        notes = [*notes, f"not finite from row {end} on; only what is before was used"]
        rows, at = rows[:, :end], at[:end]
    rows, at, notes = _in_order(rows, at, clock, notes)
    if rows.shape[1] < FEWEST:
        raise InputError(f"{given} holds {rows.shape[1]} complete rows; allowed: at least {FEWEST}")
    gaps = np.diff(at)
    usual = float(np.median(gaps))
    if np.any(np.abs(gaps - usual) > 1e-3 * usual):
        count = (at[-1] - at[0]) / usual * (1 + 1e-12) + 1
        if not count <= 4 * len(at):  # before a grid of that size is made
            raise InputError(
                f"{given}: intervals from {gaps.min():g} to {gaps.max():g} are too uneven; allowed: nearly equal ones"
            )
        grid = at[0] + usual * np.arange(int(count))
        rows, at = np.stack([np.interp(grid, at, y) for y in rows]), grid
        notes = [*notes, f"intervals from {gaps.min():g} to {gaps.max():g} were evened out to {usual:g}"]
    if interval is not None:
        usual = number("interval", interval, low=0, open_low=True)
    return Log(names, rows, float(at[0]), usual, clock or "row", notes)


def _in_order(
    rows: np.ndarray, at: np.ndarray, clock: str | None, notes: list[str]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The rows by their clock, each step once, without a stray one far from all others."""
    if not len(at):
        return rows, at, notes
    order = np.argsort(at, kind="stable")
    rows, at = rows[:, order], at[order]
    last = np.append(at[1:] != at[:-1], True)  # of a step that was logged again, the later row
    if not last.all():
        notes = [*notes, f"{int((~last).sum())} rows repeat a {clock or 'row'}; the last of each was used"]
    rows, at = rows[:, last], at[last]
    if len(at) < FEWEST:
        return rows, at, notes
    gaps = np.diff(at)
    far = gaps > _JUMP * np.median(gaps)
    parts = np.split(np.arange(len(at)), np.flatnonzero(far) + 1)
    kept = max(parts, key=len)
    if len(parts) > 1 and len(at) - len(kept) <= 0.02 * len(at):
        stray = np.setdiff1d(np.arange(len(at)), kept)
        notes = [
            *notes,
            f"{len(stray)} rows were left out: {clock or 'row'} {at[stray[0]]:.10g} is far from all others",
        ]
        rows, at = rows[:, kept], at[kept]
    return rows, at, notes


def _counts(values: np.ndarray) -> bool:
    """Whether a column does nothing but count: whole numbers that rise by one unit, rest, or begin again."""
    finite = values[np.isfinite(values)]
    if len(finite) < FEWEST or np.any(finite != np.round(finite)):
        return False
    gaps = np.diff(finite)
    unit = gaps.max()
    again = finite[1:] == finite[0]
    return bool(unit > 0 and np.all((gaps == unit) | (gaps == 0) | again))


def _clock(table: dict[str, np.ndarray], step: str | None) -> str | None:
    if step is not None:
        if step not in table:
            raise unknown("column", step, table)
        return step
    lower = {c.lower(): c for c in table}
    for name in _CLOCKS:
        if name in lower and len(table) > 1:
            values = table[lower[name]]
            values = values[np.isfinite(values)]
            if len(values) > 2 and len(np.unique(values)) > _MOST_REPEATED * len(values):
                return lower[name]
    return None


# ---------------- files


def _file(path: Path, given: str) -> dict[str, np.ndarray]:
    if path.is_dir() and (path / _METRICS).is_file():  # a run that was trained here
        path = path / _METRICS
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{given}: {unknown('suffix', suffix, SUFFIXES)}")
    try:
        if suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                if "diracgan" in archive.files:  # a result that was saved here
                    return _flat(_mapping(store.load(path)))
                return _flat({k: archive[k] for k in archive.files})
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{given} cannot be read: {error.strerror or error}; allowed: a log file") from None
    except (ValueError, zipfile.BadZipFile, KeyError, EOFError):
        raise InputError(
            f"{given} is damaged or not a {suffix} file; allowed: {', '.join(SUFFIXES)}"
        ) from None
    if not text.strip():
        raise InputError(f"{given} is empty; allowed: at least {FEWEST} rows")
    if suffix in (".jsonl", ".ndjson", ".json"):
        return _json(text, given)
    return _csv(text, given)


def _csv(text: str, given: str) -> dict[str, np.ndarray]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise InputError(f"{given} is empty; allowed: at least {FEWEST} rows")
    mark = max(",;\t", key=lines[0].count)
    split: Iterable[list[str]] = (
        csv.reader(lines, delimiter=mark) if mark in lines[0] else (line.split() for line in lines)
    )
    try:
        rows = [[c.strip() for c in row] for row in split]
    except csv.Error as error:
        raise InputError(f"{given} is not a table: {error}; allowed: {', '.join(SUFFIXES)}") from None
    head = rows[0]
    if all(math.isnan(_value(c)) for c in head if c):
        body = rows[1:]
    else:
        head, body = [str(k + 1) for k in range(len(head))], rows
    twice = sorted({c for c in head if c and head.count(c) > 1})
    if twice:
        raise InputError(f"{given} has two columns {twice[0]!r}; allowed: each name once")
    longer = next((k for k, r in enumerate(body, 1) if len(r) > len(head) and any(r[len(head) :])), None)
    if longer is not None:
        raise InputError(
            f"{given}, row {longer} has more cells than there are columns ({len(head)}); allowed: as many, with "
            "decimal points, not decimal commas"
        )
    _no_decimal_commas(body, mark, given)
    table = [[_value(r[k]) if k < len(r) else math.nan for r in body] for k in range(len(head))]
    return {name: np.array(column) for name, column in zip(head, table, strict=True)}


def _no_decimal_commas(body: list[list[str]], mark: str, given: str) -> None:
    """Refuse ``0,25``: it would be read as no number at all, or as two."""
    if mark != ",":
        for row in body:
            for cell in row:
                if _DECIMAL_COMMA.fullmatch(cell):
                    raise InputError(
                        f"{given} has decimal commas ({cell}); allowed: decimal points ({cell.replace(',', '.')})"
                    )


def _json(text: str, given: str) -> dict[str, np.ndarray]:
    try:
        whole = json.loads(text)
    except RecursionError:
        raise InputError(f"{given} is nested too deeply; allowed: one object per line") from None
    except ValueError:
        whole = []
        for k, line in enumerate(text.splitlines(), 1):
            if not line.strip():
                continue
            try:
                whole.append(json.loads(line))
            except (ValueError, RecursionError):
                raise InputError(f"{given}, line {k} is not JSON; allowed: one object per line") from None
    if isinstance(whole, Mapping):
        if all(not isinstance(v, list) for v in whole.values()):
            whole = [whole]
        else:
            return _flat({k: v for k, v in whole.items() if isinstance(v, list)})
    if not isinstance(whole, list) or not all(isinstance(r, Mapping) for r in whole):
        if isinstance(whole, list) and all(isinstance(r, (int, float)) for r in whole):
            return _flat({"series": whole})
        raise InputError(f"{given} is not a log; allowed: one object per line, or one object of lists")
    try:
        rows = [_leaves(r) for r in whole]
    except (RecursionError, OverflowError):
        raise InputError(
            f"{given} is nested too deeply or holds huge numbers; allowed: plain numbers"
        ) from None
    names = list(dict.fromkeys(n for r in rows for n in r))
    return {n: np.array([r.get(n, math.nan) for r in rows]) for n in names}


def _leaves(value: Any, name: str = "") -> dict[str, float]:
    """The numbers of a nested object by their dotted names."""
    if isinstance(value, Mapping):
        return {
            n: x for k, v in value.items() for n, x in _leaves(v, f"{name}.{k}" if name else str(k)).items()
        }
    if isinstance(value, list):
        return {n: x for k, v in enumerate(value) for n, x in _leaves(v, f"{name}[{k}]").items()}
    return {} if isinstance(value, (bool, str)) or value is None else {name: float(value)}


def _mapping(source: Any) -> dict[str, Any]:
    data = source.to_xarray() if hasattr(source, "to_xarray") and not hasattr(source, "data_vars") else source
    if not hasattr(data, "data_vars"):
        return dict(data)
    clocks = {c: data[c].values for c in ("step", "time") if c in data.coords}
    return {**clocks, **{str(k): data[k].values for k in data.data_vars}}


def _flat(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Columns of one length; those of a matrix by their numbers; what is not numeric is left out."""
    table: dict[str, np.ndarray] = {}
    for name, given in arrays.items():
        try:
            array: Any = np.asarray(given)
            if array.dtype.kind not in "fiu":
                array = array.astype(float) if array.dtype.kind == "O" else np.empty(0)
        except (TypeError, ValueError):
            continue
        array = array.astype(float)
        if array.ndim == 1 and len(array) > 1:
            table[name] = array
        elif array.ndim == 2 and len(array) > 1:
            single = array.shape[1] == 1
            table |= {name if single else f"{name}[{k}]": array[:, k] for k in range(array.shape[1])}
    if not table:
        return {}
    lengths = [len(v) for v in table.values()]
    length = max(set(lengths), key=lambda n: (lengths.count(n), n))
    return {k: v for k, v in table.items() if len(v) == length}


def _value(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
