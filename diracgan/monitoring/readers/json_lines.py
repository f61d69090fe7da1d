"""JSON lines: one object a line or over several; StyleGAN's stats.jsonl; our own metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from ...records import is_number
from . import documents
from .table import NAME_COLUMNS, VALUE_COLUMNS, Columns, LogTable, cell_value, is_check, is_part

_STATISTIC = {"num", "mean", "std"}  # what StyleGAN writes of every number


def read_json(path: Path, given: str, encoding: str) -> LogTable:
    """Read JSON lines as a stream, or one JSON document.

    Raises:
        InputError: for a line that is not JSON, or nested too deeply.
    """
    with path.open(encoding=encoding, errors="replace") as file:
        start = file.read(1 << 16)
    first = start.lstrip().split("\n", 1)[0]
    if first.startswith("{") and _parses(first):
        with path.open(encoding=encoding, errors="replace") as file:
            return _of_rows(_objects(file, given), given)
    return _document(path.read_text(encoding=encoding, errors="replace"), given)


def _parses(line: str) -> bool:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return not documents.lists(found) and documents.rows_in(found) == [found]


def _objects(lines: Iterable[str], given: str) -> Iterator[Any]:
    held: tuple[int, str] | None = None  # the line before, which must be whole; the last may be cut off
    for k, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if held is not None:
            yield _parsed(*held, given)
        held = (k, line)
    if held is not None:
        if held[1].endswith("\n") or held[0] == 1:
            yield _parsed(*held, given)
        else:
            try:
                yield json.loads(held[1])
            except (ValueError, RecursionError):
                return  # a run is writing it


def _parsed(k: int, line: str, given: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise InputError(f"{given}, line {k} is not JSON; allowed: one object per line") from None


def _document(text: str, given: str) -> LogTable:
    try:
        whole = documents.parsed(text)
    except RecursionError:
        raise InputError(f"{given} is nested too deeply; allowed: one object per line") from None
    if whole is None:
        whole = list(_objects(text.splitlines(keepends=True), given))
    table = documents.as_table(whole)
    if table is not None:
        return table
    rows = documents.rows_in(whole)
    if rows is None:
        raise InputError(f"{given} is not a log; allowed: one object per line, or one object of lists")
    return _of_rows(iter(rows), given)


def _of_rows(rows: Iterator[Any], given: str) -> LogTable:
    columns, styled, seeds, checks = Columns(), False, set(), 0
    try:
        for k, row in enumerate(rows, 1):
            if not isinstance(row, Mapping):
                raise InputError(f"{given}, line {k} is not an object; allowed: one object per line")
            if any(is_part(str(n)) and is_check(x) for n, x in row.items()):
                checks += 1
                continue
            styled = styled or any(_is_statistic(v) for v in row.values())
            seeds.add(row["seed"] if isinstance(row.get("seed"), (int, str)) else None)
            columns.append(leaves(_spread(row)))
    except (RecursionError, OverflowError):
        raise InputError(
            f"{given} is nested too deeply or holds huge numbers; allowed: plain numbers"
        ) from None
    made = columns.arrays()
    runs = made["seed"] if "seed" in made and len(seeds - {None}) > 1 else None
    if runs is not None:
        runs = np.unique(runs, return_inverse=True)[1]
        made = {n: c for n, c in made.items() if n != "seed"}
    notes = (f"{checks} rows of validation were left out",) if checks else ()
    kind = "StyleGAN's stats.jsonl" if styled else "JSON lines"
    return LogTable(made, kind, notes, runs, columns.ends_blank)


def _spread(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row ``{"tag": "d_loss", "value": 1.3, ...}`` with the number under its own name.

    Comet writes ``{"metricName": "d_loss", "metricValue": "1.3", ...}``.
    """
    known = {n.lower(): n for n in row}
    tag = next((known[n] for n in NAME_COLUMNS if n in known and isinstance(row[known[n]], str)), None)
    numbers = (
        ((known[n], _number(row[known[n]])) for n in VALUE_COLUMNS if n in known) if tag is not None else ()
    )
    value, number = next((pair for pair in numbers if pair[1] is not None), (None, None))
    if tag is None or value is None:
        return row
    return {n: x for n, x in row.items() if n not in (tag, value)} | {row[tag]: number}


def _number(value: Any) -> float | None:
    """A number of JSON, or one that is written as text."""
    if is_number(value):
        return value
    found = cell_value(value) if isinstance(value, str) else math.nan
    return None if math.isnan(found) else found


def _is_statistic(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() == _STATISTIC


def leaves(value: Any, name: str = "") -> dict[str, float]:
    """The numbers of a nested object by their dotted names; of StyleGAN's statistics the means."""
    if _is_statistic(value):
        return leaves(value["mean"] if value["num"] else None, name)
    if isinstance(value, Mapping):
        return {
            n: x for k, v in value.items() for n, x in leaves(v, f"{name}.{k}" if name else str(k)).items()
        }
    if isinstance(value, list):
        return {n: x for k, v in enumerate(value) for n, x in leaves(v, f"{name}[{k}]").items()}
    if isinstance(value, str):  # also NaN, and fairseq's "1.38"
        try:
            return {name: float(value)}
        except ValueError:
            return {}
    return {name: float(value)} if is_number(value) else ({name: math.nan} if value is None else {})
