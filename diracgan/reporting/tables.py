"""Tables for people: coloured on a terminal, aligned text in a pipe, markdown in a document."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a markdown table.

    Example:
        >>> print(markdown(["name", "status"], [["ns", "marginal"]]))
        | name | status |
        | --- | --- |
        | ns | marginal |
    """

    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(str(x).replace("|", "\\|").replace("\n", " ") for x in cells) + " |"

    return "\n".join([line(columns), line(["---"] * len(columns)), *(line(r) for r in rows)])


def show(
    columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "", file: TextIO | None = None
) -> None:
    """Print a table, with rules and colour where a person looks at a terminal.

    Args:
        columns: the headings.
        rows: one sequence of cells per row; a cell is shown as ``str`` shows it.
        title: a line above the table.
        file: where to; standard output by default.

    Example:
        >>> show(["name", "status"], [["ns", "marginal"]])
        name  status
        ns    marginal
    """
    out = file or sys.stdout
    if out.isatty():
        _rich(columns, rows, title, out)
        return
    cells = [[str(x) for x in row] for row in (columns, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    if title:
        print(title, file=out)
    for row in cells:
        print("  ".join(x.ljust(w) for x, w in zip(row, widths, strict=True)).rstrip(), file=out)


def _rich(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str, out: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(x)) for x in row))
    Console(file=out).print(table)
