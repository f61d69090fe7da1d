"""Printed logs: ``name: number`` pairs on a line, with clocks in brackets or parentheses.

pix2pix and CycleGAN (``(epoch: 1, iters: 100, time: .., data: ..) G_GAN: 0.7``), StudioGAN (``Step: 100 Progress: ..
Gen_loss: 0.9``), PyTorch's DCGAN (``[0/5][100/1583] Loss_D: 0.4``), StyleGAN's log.txt (``tick 3 kimg 12.0 ..``),
tqdm's bars, printed dictionaries, and whatever else prints its losses so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ..roles import player_of
from .table import Columns, LogTable, without_thousands

_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|inf)"
# a name holds no digit alone; of "D(G(z)): 0.1 / 0.02" both numbers are read
_PAIR = re.compile(
    rf"(?<!\w)([A-Za-z_][\w./()-]{{0,60}}(?: (?:loss|score|acc))?)['\"]?"
    rf"\s*[:=]\s*(?:tensor\(|np\.float\d+\()?({_NUMBER})(?![\w:])"
    rf"(?:\s*/\s*({_NUMBER}))?",
    re.IGNORECASE,
)
_FRACTION = re.compile(r"(?:\b(epoch|batch|step|iter)\w*[:\s]*\[?|\[)(\d+)/(\d+)\]?", re.IGNORECASE)
# "tick 3 kimg 12.0 loss_d 1.39": a name, a blank, a number
_SPACED = re.compile(rf"(?<![\w.])([A-Za-z_][\w./()-]{{0,60}})\s+({_NUMBER})(?![\w.:/])", re.IGNORECASE)
_BAR = re.compile(r"\|\s*(\d+)/\d+\s*\[")  # of tqdm
_COUNT = re.compile(r"\b(epoch|batch|step|iter|iteration)s? +(\d+)\b(?![/.\w])", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # of a terminal
_HEADER = re.compile(r"^=+ .* =+$")
_STUDIO = re.compile(r"\bStep:\s*\d+\s+Progress:.*Gen_loss:")
_TIMINGS = {"time", "data"}  # of pix2pix: seconds an iteration and a load took, not a clock


def looks_printed(head: str) -> bool:
    """Whether two of the first lines are of this kind."""
    lines = head.splitlines()[:200]
    return sum(_row(line) is not None for line in lines) >= min(2, len([x for x in lines if x.strip()]))


def read_printed(path: Path, encoding: str) -> LogTable:
    """Read the lines that hold at least one pair beside their clock; every other line is left out."""
    columns, starts, kind = Columns(), [], "printed text"
    with path.open(encoding=encoding, errors="replace") as file:
        for line in file:
            if _HEADER.search(line):
                starts.append(columns.rows)
            row = _row(line)
            if row is not None:
                kind = _kind(line) if columns.rows == 0 else kind
                columns.append(row)
    made = columns.arrays()
    cuts = sorted({s for s in starts if 0 < s < columns.rows})
    notes = (f"started {len(cuts) + 1} times",) if cuts else ()
    return LogTable(made, kind, notes)


def _kind(line: str) -> str:
    if re.search(r"\(epoch: \d+, iters: \d+", line):
        return "loss_log.txt of pix2pix or CycleGAN"
    return "StudioGAN's log" if _STUDIO.search(line) else "printed text"


def _row(line: str) -> dict[str, float] | None:
    """The numbers of one line by their names; None where it reports nothing."""
    line, row = without_thousands(_COLOUR.sub("", line)), {}
    bar = _BAR.search(line)
    if bar is not None:
        row["batch"] = float(bar[1])
    for k, (name, at, _) in enumerate(_FRACTION.findall(line)):
        row[name.lower() or ("epoch", "batch")[min(k, 1)]] = float(at)
    row |= {name.lower(): float(at) for name, at in _COUNT.findall(line)}
    clocks = len(row)
    timed = re.search(r"\(epoch: \d+, iters: \d+.*?\)", line) is not None
    for name, value, second in _pairs(line):
        key = name.strip("()") if name.count("(") != name.count(")") else name
        if timed and key in _TIMINGS:
            continue
        row[key] = float(value)
        if second:
            row[f"{key} 2"] = float(second)
    if len(row) > max(clocks, 1):
        return row
    spaced = {name: float(value) for name, value in _SPACED.findall(line)}
    told = [n for n in spaced if player_of(n) is not None]
    return row | spaced if told and len(row | spaced) > 1 else None


def _pairs(line: str) -> Iterator[tuple[str, str, str]]:
    yield from ((a, b, c) for a, b, c in _PAIR.findall(line) if not a.lower().startswith(("http", "elapsed")))
