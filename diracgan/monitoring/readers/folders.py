"""Folders of logs: our own runs, TensorBoard's events, or any other logs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..roles import player_of, words_of
from .compressed import plain_name
from .table import Columns, LogTable, UnreadyLogError
from .tensorboard import is_event_file

# What the tools name their logs; the first that is there is the log of a folder.
_NAMES = (
    "metrics.jsonl",
    "metrics.csv",
    "stats.jsonl",
    "loss_log.txt",
    "training.log",
    "log.csv",
    "history.csv",
)
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".log", ".txt", ".npz", ".json")
_DEPTH = 4
_CHECKS = {"val", "valid", "validation", "test", "eval"}


def log_of(folder: Path, given: str, readable: Callable[[Path], bool]) -> tuple[Path, str]:
    """The log in a folder, and what else was there.

    Args:
        folder: where to look, down to four levels.
        given: how it was named.
        readable: whether a file that has none of the usual names can be read.

    Returns:
        The file (or the folder of event files), and a note; empty where there was no choice.

    Raises:
        InputError: where nothing in it is a log.
    """
    files = sorted(
        p for p in _inside(folder) if not any(x.startswith(".") for x in p.relative_to(folder).parts)
    )
    found = [p for n in _NAMES for p in files if plain_name(p) == n]
    events = sorted({p.parent for p in files if is_event_file(p)})
    if not found and not events:
        found = [p for p in files if _may_be_log(p) and readable(p)]
    if not found and not events:
        raise UnreadyLogError(
            f"{given} holds no log; allowed: {', '.join(_NAMES)}, event files, or any table"
        )
    if found:
        # of several runs of one kind, the one that was written last
        first = plain_name(found[0])
        alike = [p for p in found if plain_name(p) == first] if first in _NAMES else found
        chosen = max(alike, key=lambda p: (p.stat().st_mtime, str(p)))
    else:
        # beside a training run's, those of its validation are another clock's
        chosen = max(events, key=lambda p: (not _CHECKS & {*words_of(p.name)}, p.stat().st_mtime, str(p)))
    others = [p for p in [*found, *events] if p != chosen and not chosen.is_relative_to(p)]
    name = chosen.relative_to(folder)
    if not others:
        return chosen, ""
    shown = ", ".join(str(p.relative_to(folder)) for p in others[:4]) + (", ..." if len(others) > 4 else "")
    return chosen, f"{name} was read; also there: {shown}"


def players_folders(folder: Path) -> list[Path]:
    """The folders of events in a folder where each is one player's; empty where there are no such two."""
    held = sorted(p for p in folder.iterdir() if p.is_dir() and any(is_event_file(f) for f in p.iterdir()))
    own = {player_of(p.name): p for p in held}
    return held if len(held) == len(own) == 2 and None not in own else []


def joined_series(folder: Path, table_in: Callable[[Path], LogTable | None]) -> LogTable | None:
    """One table of a folder whose files hold one series each, named for both players' losses; None where they do not.

    So BigGAN writes its metrics (``G_loss.log``, ``D_loss_real.log``) and MLflow its own (``metrics/d_loss``), and so
    TensorBoard hands out its CSV and JSON.
    """
    inside = [p for p in folder.iterdir() if p.is_file() and p.name not in _NAMES]
    files = sorted(p for p in inside if _may_be_log(p) or (folder.name == "metrics" and not p.suffix))
    own = {p: player_of(series_name(p)) for p in files}
    if not {"critic", "generator"} <= set(own.values()):
        return None
    rows: dict[float, dict[str, float]] = {}
    names = []
    for path in (p for p, player in own.items() if player is not None):
        single = _single(table_in(path))
        if single is None:
            return None
        names.append(path.name)
        for at, value in zip(*(c.tolist() for c in single), strict=True):
            rows.setdefault(at, {"step": at})[series_name(path)] = value
    columns = Columns()
    for at in sorted(rows):
        columns.append(rows[at])
    said = f"{', '.join(names)} were read as series of one run"
    return LogTable(columns.arrays(), "a file a series", (said,), ends_blank=columns.ends_blank)


def _may_be_log(path: Path) -> bool:
    return plain_name(path).lower().endswith(_SUFFIXES)


def series_name(path: Path) -> str:
    """What a file of one series is named for.

    Example:
        >>> series_name(Path("run-3-tag-Loss_D.csv")), series_name(Path("metrics/d_loss"))
        ('Loss_D', 'd_loss')
    """
    return path.stem.rsplit("-tag-", 1)[-1]


def _single(table: LogTable | None) -> tuple[np.ndarray, np.ndarray] | None:
    """The clock and the one series of a table; None where it holds more."""
    if table is None or not 1 <= len(table.columns) <= 3 or table.rows < 2:
        return None
    columns = [c for n, c in table.columns.items() if n.lower() != "wall time"]
    if len(columns) == 3 and np.all(columns[0] > 1e12):  # MLflow's milliseconds, value and step
        return columns[2], columns[1]
    rows = np.arange(float(table.rows))
    rising = [c for c in columns[:-1] if np.all(np.diff(c) > 0)]
    return (rising[0] if rising else rows, columns[-1]) if len(columns) == 1 + len(rising) else None


def _inside(folder: Path, depth: int = _DEPTH) -> list[Path]:
    made: list[Path] = []
    for p in folder.iterdir():
        if p.is_file():
            made.append(p)
        elif p.is_dir() and depth > 1 and not p.is_symlink():
            made += _inside(p, depth - 1)
    return made
