"""Folders of logs: our own runs, TensorBoard's events, or any other logs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..roles import player_of, words_of
from .table import UnreadyLogError
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
    found = [p for n in _NAMES for p in files if p.name == n]
    events = sorted({p.parent for p in files if is_event_file(p)})
    if not found and not events:
        found = [p for p in files if p.suffix.lower() in _SUFFIXES and readable(p)]
    if not found and not events:
        raise UnreadyLogError(
            f"{given} holds no log; allowed: {', '.join(_NAMES)}, event files, or any table"
        )
    if found:
        # of several runs of one kind, the one that was written last
        alike = [p for p in found if p.name == found[0].name] if found[0].name in _NAMES else found
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


def _inside(folder: Path, depth: int = _DEPTH) -> list[Path]:
    made: list[Path] = []
    for p in folder.iterdir():
        if p.is_file():
            made.append(p)
        elif p.is_dir() and depth > 1 and not p.is_symlink():
            made += _inside(p, depth - 1)
    return made
