"""``diracgan watch``: follows a growing log, one line per regime."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..variants import Variant
from .logs import Log, read
from .pieces import meaning_of, notes_on_loss
from .readers import UnreadyLogError
from .regime_kinds import RegimeKind
from .regimes import LossRegime, regimes
from .roles import losses
from .stopping import can_stop

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 24
_TOLD = 6  # regimes in the last line


def sparkline(values: np.ndarray, width: int = _WIDTH) -> str:
    """A row of bars, one for each part of a series.

    Example:
        >>> sparkline(np.arange(8.0))
        '▁▂▃▄▅▆▇█'
    """
    parts = np.array([p.mean() for p in np.array_split(values, min(width, len(values)))])
    span = float(np.ptp(parts))
    heights = (parts - parts.min()) / span if span > 0 else np.zeros(len(parts))
    return "".join(_BARS[min(int(h * len(_BARS)), len(_BARS) - 1)] for h in heights)


def regime_line(log: Log, r: LossRegime) -> str:
    """One regime on one line: from, to, what, its sparkline, the evidence, and a remedy where one is called for."""
    lead = next((n for n in losses(log.names) if n is not None), log.names[0])
    bars = sparkline(log.values[log.names.index(lead), r.first : r.first + r.rows])
    kind = r.kind.value.replace("-", " ")
    line = f"{log.clock} {r.start:.6g} to {r.end:.6g}: {kind} {bars} {r.evidence}"
    if r.kind in (RegimeKind.WON, RegimeKind.COLLAPSED, RegimeKind.DEAD, RegimeKind.DIVERGING):
        line += f". {r.kind.remedy}"
    return line


def follow(
    path: str,
    variant: Variant | None = None,
    every: float = 5.0,
    wait: Callable[[float], None] = time.sleep,
    *,
    unready: Callable[[InputError], None] = lambda _: None,
) -> Iterator[tuple[Log, list[LossRegime]]]:
    """The regimes of a log, each time it has grown; it never ends by itself.

    Args:
        path: a log or a folder that holds one.
        variant: the loss that is trained; None for a guess.
        every: seconds between looks.
        wait: what waits.
        unready: what is told, each time the file has changed, why it says nothing: too short so far, or gone, half
            written or no log any more.

    Yields:
        The log and its regimes; of several runs in one file those of the last.

    Raises:
        InputError: for what cannot be read at the first look.
    """
    seen: Any = None
    while True:
        now = _signature(Path(path))
        if now != seen:
            begun = time.monotonic()
            log = _readable(path, seen is None, unready)
            seen = now
            if log is not None:
                meaning = meaning_of(log, variant)
                log = dataclasses.replace(log, notes=[*log.notes, *notes_on_loss(meaning, variant)])
                yield log, regimes(log, meaning)
            every = max(every, 5 * (time.monotonic() - begun))  # a long log is read less often
        wait(every)


def _readable(path: str, first: bool, unready: Callable[[InputError], None]) -> Log | None:
    """The log; None where it is too short so far or, after the first look, cannot be read: ``unready`` is told."""
    try:
        return read(path, run="last")
    except InputError as error:
        if first and not isinstance(error, UnreadyLogError):
            raise
        unready(error)
        return None


def _signature(path: Path) -> tuple[tuple[str, int, int], ...]:
    files = [path] if not path.is_dir() else [p for p in path.rglob("*") if p.is_file()]
    made = []
    for p in files:
        try:
            s = p.stat()
        except OSError:
            continue
        made.append((str(p), s.st_size, s.st_mtime_ns))
    return tuple(made)


def last_line(log: Log, found: list[LossRegime]) -> str:
    """How far the log has come, the regimes so far, and whether to stop."""
    seen = [f"{r.kind.value.replace('-', ' ')} from {r.start:.6g}" for r in found[-_TOLD:]]
    before = "..., " if len(found) > _TOLD else ""
    return (
        f"{log.clock} {log.at[-1]:.6g}, {log.values.shape[1]} rows; seen: {before}{', '.join(seen)}; "
        f"can I stop? {can_stop(found, log.names)}"
    )
