"""TensorBoard event files, through TensorBoard's own reader."""

from __future__ import annotations

from collections.abc import Sequence
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
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        raise not_installed(f"{given}, a file of events,", "tensorboard", "logs") from None
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    found: dict[int, dict[str, float]] = {}
    tags = events.Tags()
    for tag in tags["scalars"]:
        for e in events.Scalars(tag):
            found.setdefault(e.step, {"step": float(e.step)})[tag] = float(e.value)
    for tag in tags["tensors"]:  # what TensorFlow 2 writes scalars as
        for e in events.Tensors(tag):
            if not e.tensor_proto.tensor_shape.dim and e.tensor_proto.float_val:
                found.setdefault(e.step, {"step": float(e.step)})[tag] = float(e.tensor_proto.float_val[0])
    if not found:
        raise UnreadyLogError(f"{given} holds no scalars; allowed: event files to which scalars were written")
    columns = Columns()
    for step in sorted(found):
        columns.append(found[step])
    return LogTable(columns.arrays(), "TensorBoard events", ends_blank=columns.ends_blank)


def read_players(folders: Sequence[Path], given: str) -> LogTable:
    """One table of folders that each hold the events of one player, as ``add_scalars`` writes them.

    Raises:
        InputError: as :func:`read_events`.
    """
    rows: dict[float, dict[str, float]] = {}
    for folder in folders:
        table = read_events(folder, given)
        names = [n for n in table.columns if n != "step"]
        for name in names:
            own = folder.name if len(names) == 1 else f"{folder.name}/{name}"
            for step, value in zip(table.columns["step"].tolist(), table.columns[name].tolist(), strict=True):
                if value == value:  # blank cells are none of its events
                    rows.setdefault(step, {"step": step})[own] = value
    columns = Columns()
    for step in sorted(rows):
        columns.append(rows[step])
    said = f"{', '.join(f.name for f in folders)} were read as series of one run"
    return LogTable(columns.arrays(), "TensorBoard events", (said,), ends_blank=columns.ends_blank)
