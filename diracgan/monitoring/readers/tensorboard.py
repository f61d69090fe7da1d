"""TensorBoard event files, through TensorBoard's own reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import not_installed
from .table import Columns, LogTable, UnreadyLogError


def is_event_file(path: Path) -> bool:
    """Whether a file is named as TensorBoard names its own."""
    return "tfevents" in path.name


def read_events(path: Path, given: str) -> LogTable:
    """Read the scalars of an event file, or of a folder of those of one run.

    Raises:
        InputError: where TensorBoard is not installed, or nothing was logged.
    """
    return _table(_scalars(path, given))


def read_players(folders: Sequence[Path], given: str) -> LogTable:
    """One table of folders that each hold the events of one player, as ``add_scalars`` writes them.

    Raises:
        InputError: as :func:`read_events`.
    """
    found = {}
    for folder in folders:
        own = _scalars(folder, given)
        found |= {folder.name if len(own) == 1 else f"{folder.name}/{n}": told for n, told in own.items()}
    return _table(found, f"{', '.join(f.name for f in folders)} were read as series of one run")


def _scalars(path: Path, given: str) -> dict[str, list[tuple[int, float]]]:
    """Tag -> steps and values, also those that are not finite."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        raise not_installed(f"{given}, a file of events,", "tensorboard", "logs") from None
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    found = {tag: [(e.step, float(e.value)) for e in events.Scalars(tag)] for tag in tags["scalars"]}
    for tag in tags["tensors"]:  # what TensorFlow 2 writes scalars as
        held = [(e.step, e.tensor_proto) for e in events.Tensors(tag)]
        found.setdefault(tag, []).extend(
            (step, float(x.float_val[0])) for step, x in held if not x.tensor_shape.dim and x.float_val
        )
    if not any(found.values()):
        raise UnreadyLogError(f"{given} holds no scalars; allowed: event files to which scalars were written")
    return {tag: told for tag, told in found.items() if told}


def _table(found: Mapping[str, Sequence[tuple[int, float]]], *notes: str) -> LogTable:
    rows: dict[int, dict[str, float]] = {}
    for tag, told in found.items():
        for step, value in told:
            rows.setdefault(step, {"step": float(step)})[tag] = value
    columns = Columns()
    for step in sorted(rows):
        columns.append(rows[step])
    return LogTable(columns.arrays(), "TensorBoard events", notes, ends_blank=columns.ends_blank)
