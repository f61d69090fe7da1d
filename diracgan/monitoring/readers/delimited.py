"""Delimited text of any dialect: commas, semicolons, tabs, blanks; decimal commas; with or without a header."""

from __future__ import annotations

import csv
import functools
import itertools
import math
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from ...errors import InputError
from ..clocks import clock_of
from . import exports
from .table import (
    NAME_COLUMNS,
    TENSOR,
    VALUE_COLUMNS,
    Columns,
    LogTable,
    UnreadyLogError,
    cell_value,
    is_check,
    is_part,
    ungrouped,
    whole_lines,
)

_POINTED = re.compile(r"[-+]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?")
_COUNTED = re.compile(r"(\s*\d+):(?=\s)")  # "100: 0.693", as BigGAN writes each metric in a file of its own
_REMARKS = ("#", "%", "//")  # of NumPy and gnuplot, of MATLAB and LaTeX, of C
_RULE = re.compile(r"[-+=|:_~\s\u2500-\u257f]*")  # what parts a drawn table's head from its rows
_LISTED = re.compile(r"\s*[\[(](.*[^,\s])[\])],?\s*")  # a line that is a printed list or tuple
_BRACKETS = re.compile(r"(?<!\S)\[|\](?!\S)")
_DATED = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d.*)?|\d{1,2}:\d\d(:\d\d.*)?")
_BOX = str.maketrans("│┃║", "|||")  # as drawn tables have
_CHUNK = 8192  # rows that are turned into numbers together
_RUN_COLUMNS = ("run", "run_id", "run_name", "runid", "runname", "seed", "experiment", "trial")


def read_delimited(path: Path, given: str, encoding: str) -> LogTable:
    """Read delimited text as a stream.

    Args:
        path: the file; ``given`` its name for messages.
        given: how the file was named.
        encoding: of its text.

    Raises:
        InputError: for rows with more cells than there are columns, two columns of one name, or prose.
    """
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        remarks, lines = _without_remarks(whole_lines(file))
        first = list(itertools.islice(lines, 40))
        said = re.fullmatch(r"sep=(.)\s*", first[0]) if first else None  # as Excel is told
        first, lines = _plain_rows(first[1:] if said else first, lines)
        if not first:
            raise UnreadyLogError(f"{given} is empty; allowed: a log with at least one row of numbers")
        mark = said[1] if said else _delimiter(first)
        rows = _cells(itertools.chain(first, lines), mark, given)
        head = next(rows)
        named = next(_cells([remarks[-1]], mark, given)) if remarks else []
        if not _is_header(head) and len(named) == len(head) and _is_header(named):
            rows, head = itertools.chain([head], rows), named  # as NumPy's savetxt writes it
        if not _is_header(head):
            _check_prose(head, mark, given)
            rows, head = itertools.chain([head], rows), [str(k + 1) for k in range(len(head))]
        second = next(rows, None)
        rows = rows if second is None else itertools.chain([second], rows)
        if mark is None and second is not None:
            head = _as_wide(head, len(second), given)
        pointed = mark not in (None, ",") and _parts_thousands_with_points(first[1:], str(mark))
        if pointed:
            rows = ([c.replace(".", "") for c in row] for row in rows)
        # where points part decimals, or commas cells, a comma within a cell parts thousands
        points = mark == "," or (not pointed and any(re.search(r"\d\.\d", line) for line in first))
        return _table(head, rows, mark, given, functools.partial(cell_value, thousands=points))


def _without_remarks(file: Iterable[str]) -> tuple[list[str], Iterator[str]]:
    """What remarks say before the first line, and the lines without remarks and blank ones."""
    lines = (line for line in file if not line.isspace())
    remarks, line = [], next(lines, None)
    while line is not None and line.lstrip().startswith(_REMARKS):
        if said := line.lstrip("#%/ \t\r\n"):
            remarks.append(said)
        line = next(lines, None)
    rest = (x for x in lines if not x.lstrip().startswith(_REMARKS))
    return remarks, rest if line is None else itertools.chain([line], rest)


def _plain_rows(first: list[str], lines: Iterator[str]) -> tuple[list[str], Iterator[str]]:
    """The rows without a drawn table's lines, lists' brackets, marks between thousands and counts with a colon."""

    def kept(line: str) -> bool:
        return not _RULE.fullmatch(line)

    def unlisted(line: str) -> str:
        found = _LISTED.fullmatch(line)
        return line if found is None else found[1] + "\n"

    if any(not kept(line) for line in first):
        first, lines = list(filter(kept, first)), filter(kept, lines)
    boxed = bool(first) and any(ord(mark) in _BOX for mark in first[0])
    changes = (
        (boxed, lambda line: line.translate(_BOX)),
        (bool(first) and all(map(_LISTED.fullmatch, first)), unlisted),
        (any(ungrouped(line) != line for line in first), ungrouped),
        (any(TENSOR.search(line) for line in first), lambda line: TENSOR.sub(r"\1\2", line)),
        (bool(first) and all(map(_COUNTED.match, first)), _uncounted),
    )
    for needed, change in changes:
        if needed:
            first, lines = list(map(change, first)), map(change, lines)
    return first, lines


def _check_prose(row: list[str], mark: str | None, given: str) -> None:
    """Refuse words and numbers between blanks that no heading names: what was printed, not a table."""
    words = [c for c in row if math.isnan(cell_value(c)) and re.search(r"[^\W\d_]", c)]
    words = [c for c in words if c.lower() not in ("nan", "none", "null") and not _DATED.fullmatch(c)]
    if mark is None and words:
        raise InputError(
            f"{given} is neither a table nor lines that name their losses (it begins with {' '.join(row)[:40]!r}); "
            "allowed: a heading above the numbers, or each number behind its name"
        )


def _as_wide(head: list[str], width: int, given: str) -> list[str]:
    """A heading between blanks as wide as its rows."""
    if len(head) == width + 1 and not any(c.isalnum() for c in head[0]):
        return head[1:]  # a mark of remarks
    if len(head) > width:
        raise InputError(
            f"{given} names {len(head)} columns above rows of {width} cells; allowed: as many, names of several "
            "words in quotes"
        )
    # row names without a heading, as R writes them
    return ["", *head] if len(head) + 1 == width else head


def _delimiter(lines: list[str]) -> str | None:
    """What separates cells: the mark that every line has most alike; None for blanks."""
    body = lines[1:] or lines

    def alike(mark: str) -> tuple[int, int]:
        counts = [line.count(mark) for line in body]
        usual = max(set(counts), key=counts.count)
        return (counts.count(usual) if usual else 0, usual)

    for mark in ("\t", ";", "|"):  # a comma beside them is a decimal one
        if mark in lines[0] and alike(mark)[1]:
            return mark
    if "," in lines[0] or (alike(",")[1] and not re.search(r"\d,\d+\s+[-+]?\d", body[0])):
        return ","
    return None


def _uncounted(line: str) -> str:
    return _COUNTED.sub(r"\1", line, count=1)


def _parts_thousands_with_points(lines: list[str], mark: str) -> bool:
    """Whether numbers are written as ``1.234,5``: decimal commas, and points between thousands alone."""
    cells = [c.strip().strip("'\"") for line in lines for c in line.split(mark)]
    pointed = [c for c in cells if "." in c]
    commas = any(re.fullmatch(r"[-+]?[\d.]*\d,\d+(?:[eE][-+]?\d+)?", c) for c in cells)
    return commas and bool(pointed) and all(_POINTED.fullmatch(c) for c in pointed)


def _cells(lines: Iterable[str], mark: str | None, given: str) -> Iterator[list[str]]:
    if mark is None:
        yield from (_blank_parted(line) for line in lines)
        return
    try:
        yield from csv.reader(lines, delimiter=mark, skipinitialspace=True)
    except csv.Error as error:
        raise InputError(f"{given} is not a table: {error}; allowed: rows of cells, e.g. CSV") from None


def _blank_parted(line: str) -> list[str]:
    """Cells between blanks, without the brackets of lists; R writes names, and the rows' own, in quotes."""
    line = _BRACKETS.sub(" ", line)
    if '"' not in line:
        return line.split()
    return [c.strip('"') for c in re.findall(r'"[^"]*"|\S+', line)]


def _is_header(row: list[str]) -> bool:
    names = [c.strip() for c in row]
    if names and not names[0] and names[1:] == [str(k) for k in range(len(names) - 1)]:
        return True  # a pandas frame without column names: ,0,1,2
    if any(re.fullmatch(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?", c) for c in names):
        return False  # a fraction beside them names no column
    blank = ("nan", "none", "null")
    return any(
        c and math.isnan(cell_value(c)) and c.lower() not in blank and not _DATED.fullmatch(c) for c in names
    )


def _table(
    head: list[str], rows: Iterator[list[str]], mark: str | None, given: str, value_of: Callable[[str], float]
) -> LogTable:
    head = _named(head)
    twice = sorted(c for c, count in Counter(head).items() if c and count > 1)
    if twice:
        raise InputError(f"{given} has two columns {twice[0]!r}; allowed: each name once")
    lower = [c.lower() for c in head]
    label = next((lower.index(n) for n in _RUN_COLUMNS if n in lower), None)
    tagged = [lower.index(n) for n in NAME_COLUMNS if n in lower]
    tag = tagged[0] if tagged else None
    within = lower.index("variant") if "variant" in lower and "metric" in lower else None  # of ClearML
    value = next((lower.index(n) for n in VALUE_COLUMNS if n in lower), None)
    long = tag is not None and value is not None
    part = next((k for k, n in enumerate(head) if is_part(n)), None)
    checks = 0
    columns = Columns(head)
    tags: list[str] = []
    runs, restarts = array("l"), 0
    known = {("", 0): 0} if label is None else {}
    wider: list[str] = []  # names that a later header adds
    for chunk in iter(lambda: list(itertools.islice(rows, _CHUNK)), []):
        kept = []
        for row in chunk:
            if row and row[0].strip() in ("", head[0]) and _named(row)[: len(head)] == head:
                restarts += 1  # a run that was started again wrote its header once more
                wider = max(wider, _named(row)[len(head) :], key=len)
                continue
            row = _as_narrow(row, len(head), len(wider), f"{given}, row {columns.rows + len(kept) + 1}")
            if part is not None and part < len(row) and is_check(row[part]):
                checks += 1
                continue
            kept.append(row)
            if label is not None or restarts:
                name = row[label].strip() if label is not None and label < len(row) else ""
                runs.extend([0] * (columns.rows + len(kept) - 1 - len(runs)))
                runs.append(known.setdefault((name, restarts), len(known)))
            if long and tag is not None:
                own = "" if within is None or within >= len(row) else f"/{row[within].strip()}"
                tags.append(row[tag].strip() + own if tag < len(row) else "")
        columns.extend(kept, value_of)
    made = columns.arrays()
    notes = [f"{checks} rows of validation were left out"] if checks else []
    if long and value is not None and tag is not None:
        made = _wide(made, head[value], head[tag], tags)
        notes.append(f"a row a number: spread by {head[tag]!r} into {len(set(tags))} series")
    if wider:
        notes.append(f"columns that only a later header names were left out: {', '.join(wider)}")
    if label is None and clock_of(made, None) is not None:
        runs = array("l")  # the clock tells a run that goes on from one that begins anew
    if label is not None and len(set(runs)) > 1:
        made = {n: c for n, c in made.items() if n != head[label]}
    kind = "CSV" if mark == "," else "delimited text"
    table = LogTable(made, kind, tuple(notes), _told_apart(runs), columns.ends_blank)
    return exports.cleaned(table)


def _named(head: list[str]) -> list[str]:
    """The names of a header, without the blank ones at its end; of several blank ones each has its own, as pandas'."""
    names = [c.strip() for c in head]
    while len(names) > 1 and not names[-1]:
        names = names[:-1]
    if names.count("") > 1:
        names = [n or f"Unnamed: {k}" for k, n in enumerate(names)]
    return names


def _as_narrow(row: list[str], width: int, later: int, where: str) -> list[str]:
    """A row without the cells of the columns that only a later header names.

    Raises:
        InputError: for cells that no header names.
    """
    if any(c.strip() for c in row[width + later :]):
        raise InputError(
            f"{where} has more cells than there are columns ({width + later}); "
            "allowed: as many, with decimal points, or semicolons between cells with decimal commas"
        )
    return row[:width]


def _told_apart(runs: array[int]) -> np.ndarray | None:
    found = np.array(runs)
    return found if len(found) and len(np.unique(found)) > 1 else None


def _wide(made: dict[str, np.ndarray], value: str, tag: str, tags: list[str]) -> dict[str, np.ndarray]:
    """One column for every tag, each blank where a row is another's."""
    labels = np.array(tags)
    rest = {n: c for n, c in made.items() if n not in (value, tag)}
    return rest | {t: np.where(labels == t, made[value], np.nan) for t in dict.fromkeys(tags) if t}
