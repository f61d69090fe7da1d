"""Logs inside something else, unwrapped line by line.

Containers' and loggers' lines, LaTeX, Prometheus' metrics, boxes of names and numbers, tables within text.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..clocks import is_clock_name, is_setting
from ..roles import player_of, says_loss, words_of
from .json_lines import leaves
from .table import VALUE_COLUMNS, cell_value

# of Docker, CloudWatch, loguru, Google, journald
_PRINTED = ("log", "message", "msg", "text", "textPayload", "MESSAGE")
_RUNTIME = re.compile(r"\S+ std(?:out|err) [FP] ")  # of Kubernetes: 2024-03-01T12:00:00.5Z stdout F ...
_ROW = re.compile(r"&.*\\\\")  # of LaTeX
_RULES = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|addlinespace|cmidrule(?:\([^)]*\))?\{[^}]*\}|cline\{[^}]*\})"
)
_STYLED = re.compile(r"\\(?:text\w+|mathbf|num|multicolumn\{\d+\}\{[^}]*\}|\w*color\{[^}]*\})\{([^{}]*)\}")
# of Prometheus: gan_loss{player="critic"} 1.38 1709294400000
_DESCRIBED = re.compile(r"# (?:HELP|TYPE) \w")
_SAMPLE = re.compile(
    r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+([-+]?(?:(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf))"
    r"(?:\s+(-?\d{1,18}(?:\.\d+)?))?\s*",
    re.IGNORECASE,
)
# of what a logger adds by itself: created, msecs, relativeCreated of Python's
_TIMES = frozenset("time timestamp ts created msecs elapsed seconds duration uptime".split())
# of OpenAI's baselines, Stable-Baselines3 and PrettyTable: a box a row, a name and a number a line
_EDGE = re.compile(r"\s*[-+=]{5,}\s*")
_BOXED = re.compile(r"\s*\|(\s*)([^\W\d_][^|]*?)\s*\|\s*([^|\s]*)\s*\|\s*")
_MARKS = ("|", "\t", ";", ",", None)  # what parts the cells of a table; None stands for blanks
_WIDE = 3  # wrapped lines that are looked at
_LINES = 200  # of the first lines, those among which a table may begin


def unwrapped(path: Path, head: str, encoding: str, folder: Path) -> Path | None:
    """Write what a file wraps into a folder; None where nothing is wrapped.

    Args:
        path: the file; ``head`` its first characters.
        head: see ``path``.
        encoding: of its text.
        folder: an empty one.
    """
    unwrap = _unwrapping(head)
    if unwrap is None:
        return None
    inner = folder / (path.stem + ".log")
    with path.open(encoding=encoding, errors="replace") as file, inner.open("w", encoding="utf-8") as made:
        made.writelines(unwrap(file))
    return inner


def _unwrapping(head: str) -> Callable[[Iterable[str]], Iterator[str]] | None:
    first = [line for line in head.splitlines() if line.strip()][:_WIDE]
    if first and all(_printed_in(line) is not None for line in first):
        return _of_json
    if first and all(map(_RUNTIME.match, first)):
        return _of_runtime
    if first and _DESCRIBED.match(first[0]) and any(map(_SAMPLE.fullmatch, head.splitlines())):
        return _of_prometheus
    if "\\begin{" in head and _ROW.search(head):
        return _of_latex
    if any(_boxes(head.splitlines())):
        return _of_boxes
    found = _table_within(head.splitlines()[:_LINES])
    return None if found is None else functools.partial(_of_table, *found)


def _printed_in(line: str) -> str | None:
    """What was printed, of a JSON object that holds it; None for an object that measures itself, and for others."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    printed = next((row[n] for n in _PRINTED if isinstance(row.get(n), str)), None)
    return None if printed is None or _measures(row) else printed


def _measures(row: Mapping[str, Any]) -> bool:
    """Whether an object holds what was measured: losses by their names, a column of values, fractions but for times."""
    own = leaves(row)
    named = any(player_of(name) is not None or says_loss(name) for name in own)
    fractions = (name for name, x in own.items() if math.isfinite(x) and not x.is_integer())
    other = any(
        not (is_clock_name(name) or is_setting(name) or _TIMES & set(words_of(name))) for name in fractions
    )
    return named or other or any(name.lower() in VALUE_COLUMNS for name in row)


def _of_json(lines: Iterable[str]) -> Iterator[str]:
    for printed in map(_printed_in, lines):
        if printed is not None:  # a last line may be cut off
            # what a runtime cut for its length goes on in the next object
            yield printed if printed.endswith(("\n", "\r")) or len(printed) >= 1 << 14 else printed + "\n"


def _of_runtime(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        found = _RUNTIME.match(line)
        if found is not None:
            rest = line[found.end() :]
            yield rest.rstrip("\n") if found[0].endswith("P ") else rest


def _of_prometheus(lines: Iterable[str]) -> Iterator[str]:
    """A JSON object for each time that the metrics were asked for: one that they say, or the count of a name.

    Prometheus says milliseconds; OpenMetrics, which ends its answers and may write fractions, says seconds.
    """
    rows: dict[float, dict[str, float]] = {}
    counts: Counter[str] = Counter()
    stamped: set[float] = set()
    unit = 1e-3
    for line in lines:
        found = _SAMPLE.fullmatch(line)
        if found is None:  # what a metric means, of which type it is, and what is not a sample
            unit = 1.0 if line.startswith("# EOF") else unit
            continue
        name, labels, value, stamp = found.groups()
        players = [x for x in re.findall(r'="([^"]*)"', labels or "") if player_of(x) is not None]
        name = "_".join([name, *players])
        at = counts[name] if stamp is None else float(stamp)
        if stamp is not None:
            stamped.add(at)
            unit = 1.0 if "." in stamp else unit
        rows.setdefault(at, {})[name] = float(value)
        counts[name] += 1
    for at in sorted(rows):
        own = {"timestamp": at * unit} if at in stamped else {}
        yield json.dumps(own | rows[at]) + "\n"


def _of_latex(lines: Iterable[str]) -> Iterator[str]:
    """The rows of tables, cells between tabs, without what only says how they look."""
    for line in lines:
        if not _ROW.search(line):
            continue
        row = _RULES.sub("", line).rsplit("\\\\", 1)[0]
        while (plain := _STYLED.sub(r"\1", row)) != row:
            row = plain
        row = re.sub(r"\\([_%&#$])", r"\1", row.replace("\\&", "and")).replace("$", "")
        yield "\t".join(cell.strip() for cell in row.split("&")) + "\n"


def _boxes(lines: Iterable[str]) -> Iterator[dict[str, float]]:
    """The numbers of every box by their names; what is indented below ``train/`` has that before its name.

    Example:
        >>> list(_boxes(["--------", "| train/    |     |", "|    d_loss | 1.3 |", "| step      | 100 |", "--------"]))
        [{'train/d_loss': 1.3, 'step': 100.0}]
    """
    row: dict[str, float] | None = None  # None: outside
    part, margin = "", ""
    for line in lines:
        if _EDGE.fullmatch(line):
            if row:
                yield row
            row, part = {}, ""
            continue
        found = _BOXED.fullmatch(line)
        if row is None or found is None:
            row = None
            continue
        indent, name, cell = found.groups()
        if not cell and name.endswith("/"):
            part, margin = name, indent
            continue
        part = part if len(indent) > len(margin) else ""
        value = cell_value(cell, thousands=True)
        if math.isfinite(value) or cell.lower().lstrip("+-") in ("nan", "inf"):
            row[part + name] = value


def _of_boxes(lines: Iterable[str]) -> Iterator[str]:
    for row in _boxes(lines):
        yield json.dumps(row) + "\n"


def _table_within(lines: list[str]) -> tuple[str, str | None] | None:
    """The header of a table that begins below other lines, and what parts its cells; None where there is none.

    Example:
        >>> _table_within(["Using cuda:0", "step,d_loss", "0,1.38"]), _table_within(["step,d_loss", "0,1.38"])
        (('step,d_loss', ','), None)
    """
    filled = [line for line in lines if line.strip() and not set(line) <= set("|-:=+ \t\r\n")]
    for k, (line, below) in enumerate(itertools.pairwise(filled)):
        for mark in _MARKS:
            names, cells = (_cells_of(x, mark) for x in (line, below))
            if len(names) < 2 or len(cells) != len(names) or any(n[:1].isdigit() for n in names):
                continue
            told = any(is_clock_name(n) or player_of(n) is not None or says_loss(n) for n in names if n)
            if told and not any(math.isnan(cell_value(c)) for c in cells if c):
                return (line, mark) if k else None
    return None


def _cells_of(line: str, mark: str | None) -> list[str]:
    return [c.strip() for c in line.strip().strip(mark if mark == "|" else None).split(mark)]


def _of_table(header: str, mark: str | None, lines: Iterable[str]) -> Iterator[str]:
    """The lines from a header on that have as many cells."""
    width, begun = len(_cells_of(header, mark)), False
    for line in lines:
        begun = begun or line.rstrip("\r\n") == header
        if begun and len(_cells_of(line, mark)) == width:
            yield line
