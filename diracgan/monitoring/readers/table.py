"""The table that every reader makes: named columns of floats of one length, blanks as NaN."""

from __future__ import annotations

import dataclasses
import math
import re
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest

import numpy as np

from ...errors import InputError

_NUMBER = re.compile(r"\s*(?:tensor\()?\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
# of PyTorch, TensorFlow and Rust, as they are printed
TENSOR = re.compile(
    r"(?:tf\.)?tensor(?:\(\[*\s*([-+]?(?:[\d.]+(?:e[-+]?\d+)?|nan|inf))(?![\w.])(?:[^()]|\([^()]*\))*\)"
    r"|\[\s*([-+]?(?:[\d.]+(?:e[-+]?\d+)?|nan|inf))[,;\]][^\]]*\]?)",
    re.IGNORECASE,
)
NAME_COLUMNS = (
    "name",
    "tag",
    "metric",
    "metricname",
    "metric_name",
    "variable",
    "key",
    "series",
)  # of a log with a row a number
VALUE_COLUMNS = ("value", "val", "metricvalue", "metric_value", "score")
_PARTS = ("split", "phase", "mode", "stage", "subset")
_CHECKS = {"val", "valid", "validation", "test", "testing", "eval", "evaluation", "dev"}
_LONG = 2_000_000  # rows from which a log is kept in single precision
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?")
# what else stands between thousands: narrow and unbreakable blanks, apostrophes, underscores outside names
_GROUPED = re.compile(r"(?<![\w.,])(\d{1,3})((?:[\u00a0\u2009\u202f'\u2019_]\d{3})+)(?!\d)")
_FORTRAN = re.compile(r"([-+]?\d*\.?\d+)[dD]([-+]?\d+)")
_LEAD, _CELL = re.compile(r"[^\d.+-]*"), re.compile(r"[^\s,;|]+")
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?")


class UnreadyLogError(InputError):
    """A log that says nothing yet: too short, or without a number so far; what still grows is worth waiting for."""


@dataclasses.dataclass(frozen=True)
class LogTable:
    """What a log file holds, row by row.

    Attributes:
        columns: name -> (rows,) float64, NaN where a cell is blank.
        format: what the file was taken for, e.g. ``"CSV"``.
        notes: what was changed or left out on the way, in words.
        runs: (rows,) the number of the run that a row belongs to, where the file itself says so.
        ends_blank: whether a cell without a number at the end was left blank, and does not say NaN.
    """

    columns: dict[str, np.ndarray]
    format: str
    notes: tuple[str, ...] = ()
    runs: np.ndarray | None = None
    ends_blank: bool = False

    @property
    def rows(self) -> int:
        """How many rows there are, blank ones included."""
        return len(next(iter(self.columns.values()), ()))

    def rows_of_others(self, series: Mapping[str, np.ndarray]) -> np.ndarray:
        """Where none of the series is given but what only such rows hold, as a trainer's summary at its end is.

        Example:
            >>> table = LogTable({"d": np.array([1.3, 1.4, np.nan]), "train_loss": np.array([np.nan, np.nan, 2.0])}, "")
            >>> table.rows_of_others({"d": table.columns["d"]}).tolist()
            [False, False, True]
        """
        blank = np.ones(self.rows, bool)
        for y in series.values():
            blank &= np.isnan(y)
        made = np.zeros(self.rows, bool)
        if blank.any():
            for name in self.columns.keys() - series.keys():
                told = np.isfinite(self.columns[name])
                if told.any() and not told[~blank].any():
                    made |= told
        return made


def whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """The lines without a last one that is still being written: it does not end, and says less than the one before.

    Example:
        >>> list(whole_lines(["1,2,3\\n", "4,5"])), len(list(whole_lines(["1,2,3\\n", "4,5,6"])))
        (['1,2,3\\n'], 2)
    """
    before = ""
    for line in lines:
        if not line.endswith(("\n", "\r")) and before:
            alike = [_LEAD.match(x) for x in (line, before)]
            fewer = len(_CELL.findall(line)) < len(_CELL.findall(before))
            if fewer and len({m[0] for m in alike if m is not None}) == 1:
                return
        yield line
        before = line


def is_part(name: str) -> bool:
    """Whether a column of this name tells training from validation."""
    return name.strip().lower() in _PARTS


def is_check(cell: object) -> bool:
    """Whether a cell of such a column is that of validation or testing.

    Example:
        >>> is_check("Val"), is_check("train"), is_check(3)
        (True, False, False)
    """
    return isinstance(cell, str) and cell.strip().lower() in _CHECKS


class Columns:
    """Columns that grow row by row: 8 bytes a cell, 4 of a fraction beyond two million rows.

    Example:
        >>> made = Columns()
        >>> made.append({"step": 0.0, "d": 0.5})
        >>> made.append({"step": 1.0, "g": 0.7})
        >>> made.arrays()["d"].tolist()
        [0.5, nan]
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        """``names``: the columns known beforehand."""
        self._columns: dict[str, array[float]] = {n: array("d") for n in names}
        self._last: dict[str, float] = {}  # what each column said last
        self.rows = 0

    def append(self, row: Mapping[str, float]) -> None:
        """Add one row; columns that it does not name stay blank."""
        for name, value in row.items():
            column = self._columns.setdefault(name, array("d"))
            if len(column) < self.rows:
                _fill(column, self.rows)
            column.append(value)
        self._last.update(row)
        self.rows += 1

    def extend(self, rows: Sequence[Sequence[str]], value: Callable[[str], float] | None = None) -> None:
        """Add rows of cells, in the order of the columns; ``value`` reads a cell, :func:`cell_value` by default."""
        width = len(self._columns)
        cells = list(zip_longest(*rows, fillvalue=""))
        cells += [("",) * len(rows)] * (width - len(cells))
        value = value or cell_value
        for (name, column), given in zip(self._columns.items(), cells[:width], strict=False):
            before = len(column)
            try:
                column.extend(map(float, given))
            except ValueError:
                del column[before:]
                column.extend(map(value, given))
            told = next((k for k in range(len(given) - 1, -1, -1) if given[k].strip()), None)
            if told is not None:
                self._last[name] = column[before + told]
        self.rows += len(rows)
        if self.rows - len(rows) < _LONG <= self.rows:
            self._halve()

    def _halve(self) -> None:
        """Keep the fractions of a very long log in single precision: rows are averaged later; counters stay exact."""
        for name, column in self._columns.items():
            values = np.frombuffer(column, dtype=column.typecode)
            fractions = bool(np.any(values != np.round(values), where=np.isfinite(values)))
            del values
            if fractions:
                self._columns[name] = array("f", column)

    @property
    def ends_blank(self) -> bool:
        """Whether no column of numbers says NaN last.

        Example:
            >>> made = Columns(["step", "d"])
            >>> made.extend([["0", "1.3"], ["1", ""]])
            >>> made.ends_blank
            True
            >>> made.extend([["2", "nan"]])
            >>> made.ends_blank
            False
        """
        ended = [n for n, x in self._last.items() if math.isnan(x)]
        columns = (self._columns[n] for n in ended)
        return not any(np.isfinite(np.frombuffer(c, dtype=c.typecode)).any() for c in columns)

    def arrays(self) -> dict[str, np.ndarray]:
        """Name -> (rows,) float64, without a copy."""
        for column in self._columns.values():
            _fill(column, self.rows)
        return {
            n: np.frombuffer(c, dtype=c.typecode) if len(c) else np.empty(0) for n, c in self._columns.items()
        }


def _fill(column: array[float], rows: int) -> None:
    missing = rows - len(column)
    if missing > 0:
        column.frombytes(array(column.typecode, [math.nan]).tobytes() * missing)


def cell_value(cell: str, thousands: bool = False) -> float:
    """The number in a cell, also ``0,25``, ``tensor(0.25, ...)``, ``25 %``, ``25/500``, ``2 ± 1``; NaN where none is.

    Args:
        cell: its text.
        thousands: whether a comma separates thousands (``1,000``) and is not a decimal one.

    Example:
        >>> cell_value("0,25"), cell_value("tensor(0.5, device='cuda:0')"), cell_value("12 %"), cell_value("adam")
        (0.25, 0.5, 12.0, nan)
        >>> cell_value("1,000", thousands=True), cell_value("1,234,567")
        (1000.0, 1234567.0)
    """
    try:
        return float(cell)
    except ValueError:
        pass
    cell = cell.strip().strip("'\"*`")  # also Markdown's
    if (thousands or cell.count(",") > 1) and _THOUSANDS.fullmatch(cell):
        return float(cell.replace(",", ""))
    if _DECIMAL_COMMA.fullmatch(cell):
        return float(cell.replace(",", "."))
    if fortran := _FORTRAN.fullmatch(cell):
        return float("e".join(fortran.groups()))
    found = _NUMBER.match(cell)
    if found is None or not re.fullmatch(r"\s*%?|,.*\)|\)|\s*/\s*\d+|\s*(?:±|\+/-).*", cell[found.end() :]):
        return math.nan
    return float(found[1])


def ungrouped(text: str) -> str:
    """A line whose numbers have no unbreakable blanks, apostrophes or underscores between thousands.

    Example:
        >>> ungrouped("1'234'000;0,25;'a'"), ungrouped("12\u202f000"), ungrouped("d_64_128 12_000")
        ("1234000;0,25;'a'", '12000', 'd_64_128 12000')
    """
    return _GROUPED.sub(lambda m: m[1] + re.sub(r"\D", "", m[2]), text)


def without_thousands(text: str) -> str:
    """A line whose numbers have nothing between thousands.

    Example:
        >>> without_thousands("step 12,000: d_loss 0,5 of [1, 2]")
        'step 12000: d_loss 0,5 of [1, 2]'
    """
    text = ungrouped(text)
    return re.sub(rf"(?<![\w.,]){_THOUSANDS.pattern}(?!\w|,\S)", lambda m: m[0].replace(",", ""), text)
