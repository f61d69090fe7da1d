"""Tables for people: coloured on a terminal, aligned text in a pipe, markdown in a document."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import TextIO

_FOLDABLE = 4  # columns that can be folded side by side in a narrow terminal


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


def rounded(x: float | None) -> str:
    """A number as a cell holds it, to three digits; a dash where there is none.

    Example:
        >>> rounded(0.12345), rounded(None)
        ('0.123', '-')
    """
    return "-" if x is None else f"{x:.3g}"


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


def tell(text: str, file: TextIO | None = None) -> None:
    """Print a text, folded between words where a person looks at a terminal too narrow for it.

    A line that is a command stays whole, to be copied.

    Args:
        text: what is said.
        file: where to; standard output by default.

    Example:
        >>> tell("stable: small perturbations decay")
        stable: small perturbations decay
    """
    out = file or sys.stdout
    if out.isatty():
        width = shutil.get_terminal_size().columns
        text = "\n".join(_folded(line, width) for line in text.split("\n"))
    print(text, file=out)


def _folded(line: str, width: int) -> str:
    words = line.lstrip(" ")
    if len(line) <= width or words.startswith("diracgan "):
        return line
    margin = " " * (len(line) - len(words))
    return textwrap.fill(
        words,
        max(width, 20),
        initial_indent=margin,
        subsequent_indent=f"{margin}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _rich(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str, out: TextIO) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=out)
    cells = [[str(x) for x in row] for row in rows]
    widths = [max(map(len, column)) + 2 for column in zip(columns, *cells, strict=True)]
    if sum(widths) > console.width and len(columns) > _FOLDABLE:
        _stacked(columns, cells, console.width, out)
        return
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in columns:
        table.add_column(heading, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    console.print(table)


def _stacked(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int, out: TextIO) -> None:
    """Row under row, each with its headings: what is too wide to stand side by side."""
    margin = max(map(len, columns)) + 2
    for row in rows:
        for heading, cell in zip(columns, row, strict=True):
            lines = textwrap.wrap(cell, max(width - margin, 10)) or [""]
            print(f"{heading:<{margin}}{lines[0]}".rstrip(), file=out)
            for line in lines[1:]:
                print(" " * margin + line, file=out)
        print(file=out)
