"""Readers of logs: one module per family of formats, each returning a :class:`LogTable`."""

from __future__ import annotations

import dataclasses
import re
import tempfile
from pathlib import Path

from ...errors import InputError
from .arrays import flattened, named_arrays, read_archive
from .compressed import is_compressed, unpacked
from .delimited import read_delimited
from .documents import named_lists
from .folders import joined_series, log_of, players_folders, series_name
from .foreign import ALLOWED, foreign, is_archive
from .json_lines import read_json
from .printed import looks_printed, read_printed
from .table import LogTable, UnreadyLogError
from .tensorboard import is_event_file, read_events, read_players
from .wrapped import unwrapped

_HEAD = 1 << 16  # bytes that are looked at to tell the format
_DOCUMENT = re.compile(r"\s*(?:\{|\[(?!\[[A-Za-z]\w*\]\])\s*[\[\]{]|(?:defaultdict|OrderedDict)\()")
_NAMED_LIST = re.compile(r"\s*['\"]?[A-Za-z_][\w ./()-]*['\"]?\s*[=:]?\s*(?:[\w.]+\()?\[")


def read_table(path: Path, given: str) -> LogTable:
    """Read a log, whatever wrote it; the format is told from its content.

    Args:
        path: a file or a folder.
        given: how it was named, for messages.

    Returns:
        The :class:`LogTable`.

    Raises:
        InputError: for what is not there, cannot be read, or holds no table.
    """
    try:
        if path.is_dir():
            sides = players_folders(path)
            if sides:
                return read_players(sides, given)
            for held in (path, path / "metrics"):  # where MLflow writes those of a run
                joined = joined_series(held, _table_in) if held.is_dir() else None
                if joined is not None:
                    return joined
            chosen, note = log_of(path, given, _is_log)
            table = read_events(chosen, given) if chosen.is_dir() else read_table(chosen, given)
            return dataclasses.replace(table, notes=(note, *table.notes)) if note else table
        if is_event_file(path):
            return read_events(path, given)
        with path.open("rb") as file:
            head = file.read(_HEAD)
        if other := foreign(path, head):
            raise InputError(f"{given} is not a log but {other}; allowed: {ALLOWED}")
        table = _unpacked(path, given, head) if is_compressed(path, head) else _of_file(path, given, head)
        if {"Wall time", "Step", "Value"} == table.columns.keys() and "-tag-" in path.stem:  # of TensorBoard
            named = {series_name(path) if n == "Value" else n: c for n, c in table.columns.items()}
            table = dataclasses.replace(table, columns=named)
        return table
    except OSError as error:
        raise InputError(f"{given} cannot be read: {error.strerror or error}; allowed: a log file") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{given} cannot be read: {error}; allowed: a log file") from None


def _unpacked(path: Path, given: str, head: bytes) -> LogTable:
    with tempfile.TemporaryDirectory() as folder:
        log, note = unpacked(path, head, Path(folder), given)
        table = read_table(log, given)
        return dataclasses.replace(table, notes=(note, *table.notes)) if note else table


def _of_file(path: Path, given: str, head: bytes) -> LogTable:
    if is_archive(head) or path.suffix.lower() == ".npz":
        return read_archive(path, given)
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = head.decode(encoding, errors="replace")
    if not text.strip():
        raise UnreadyLogError(f"{given} is empty; allowed: a log with at least one row of numbers")
    if encoding != "utf-16" and b"\0" in head:
        raise InputError(f"{given} is not text; allowed: {ALLOWED}")
    with tempfile.TemporaryDirectory() as folder:
        inner = unwrapped(path, text, encoding, Path(folder))
        if inner is not None:
            return read_table(inner, given)
    if text.lstrip().startswith("{'") and looks_printed(text):  # Python's dictionaries, a line each
        return read_printed(path, encoding)
    # a line of a log may begin with a bracket too: [12/400] ...
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson") or _DOCUMENT.match(text):
        return read_json(path, given, encoding)
    if looks_printed(text):
        return read_printed(path, encoding)
    if named := named_lists(path.read_text(encoding, "replace")) if _NAMED_LIST.match(text) else {}:
        return LogTable(flattened(named), "printed lists")
    return read_delimited(path, given, encoding)


def _table_in(path: Path) -> LogTable | None:
    """The table in a file of a folder; None where it holds none."""
    try:
        return read_table(path, repr(path.name))
    except InputError:
        return None


def _is_log(path: Path) -> bool:
    """Whether a file of a folder holds a table with a few rows of numbers."""
    table = _table_in(path)
    return table is not None and table.rows > 1 and any((c == c).sum() > 1 for c in table.columns.values())


__all__ = ["LogTable", "UnreadyLogError", "flattened", "named_arrays", "read_table"]
