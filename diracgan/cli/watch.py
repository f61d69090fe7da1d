"""``diracgan watch``: a growing log, one line a regime."""

from __future__ import annotations

import math
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from ..errors import InputError, number
from .layer import CommandResult, argument, option
from .options import AnyVariantOptions

if TYPE_CHECKING:
    from ..monitoring.logs import Log
    from ..monitoring.regimes import LossRegime

_LONGEST_PAUSE_S = 86_400.0  # a day: what sleeps longer is forgotten, and centuries no clock can hold


def command(
    variant: AnyVariantOptions,
    path: Annotated[str, argument("PATH", "A log of any kind, or a folder that holds one.")],
    pause: Annotated[float, option("Seconds between two looks; 5 by default.")] = 5.0,
    once: Annotated[bool, option("Look once and end.")] = False,
) -> CommandResult:
    """Follow a growing training log: one line for each regime, with its evidence; Ctrl-C ends it with a summary.

    Example: diracgan watch runs/ring --variant ns
    """
    made, seconds = variant.build_any(), number("pause", pause, low=0.05, high=_LONGEST_PAUSE_S)

    from ..monitoring.watching import follow, last_line

    terminal, last, code = sys.stderr.isatty(), None, 0
    try:
        for look in _told(follow(path, made, seconds, unready=_waiting(once, terminal)), terminal):
            last = look
            if once:
                break
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT  # as every command that is interrupted; what was seen is said all the same
    if last is None:
        said = ["the log was too short to say anything"]
        return CommandResult({"regimes": [], "stop": ""}, said, code=code)
    if terminal:
        print(file=sys.stderr)
    stop = last_line(*last)
    return CommandResult({"regimes": [vars(r) for r in last[1]], "stop": stop}, [stop], code=code)


def _waiting(once: bool, terminal: bool) -> Callable[[InputError], None]:
    """What says, one time each, why the log tells nothing now; whoever looks once does not wait for it."""
    known: set[str] = set()

    def unready(error: InputError) -> None:
        if once:
            raise error
        _new([f"waiting: {error}"], known, terminal)

    return unready


def _told(looks: Iterable[tuple[Any, list[Any]]], terminal: bool) -> Iterator[tuple[Any, list[Any]]]:
    """Each look at the log, with its regimes, once what is new in it has been printed."""
    said, end = "", -math.inf
    done: set[float] = set()
    known: set[str] = set()
    for log, found in looks:
        _new([f"note: {note}" for note in log.notes], known, terminal)
        if log.at[-1] < end:
            done.clear()  # another run has taken the log's place
        _ended(log, found, done, terminal)
        _goes_on(log, found[-1], said, terminal)
        said, end = found[-1].kind.value, log.at[-1]
        yield log, found


def _ended(log: Log, found: Sequence[Any], done: set[float], terminal: bool) -> None:
    """Print the regimes that have ended since the last look."""
    from ..monitoring.watching import regime_line

    for r in found[:-1]:
        if r.start not in done and all(r.start > s for s in done):
            _print(regime_line(log, r), terminal)
            done.add(r.start)


def _goes_on(log: Log, regime: LossRegime, said: str, terminal: bool) -> None:
    """Print the regime that goes on: over its last line at a terminal, else where its kind is a new one."""
    from ..monitoring.watching import regime_line

    line = regime_line(log, regime)
    if terminal:
        room = shutil.get_terminal_size().columns - 1  # a line that wraps is not written over
        print(f"\r\x1b[K\x1b[1m{line[:room]}\x1b[0m", end="", file=sys.stderr, flush=True)
    elif regime.kind.value != said:
        _print(f"now {line}", terminal)


def _new(lines: Iterable[str], known: set[str], terminal: bool) -> None:
    """Print the lines that are not known: numbers in them grow with the log."""
    for line in lines:
        kind = re.sub(r"\d[\d.,]*", "", line)
        if kind not in known:
            _print(line, terminal)
            known.add(kind)


def _print(line: str, terminal: bool) -> None:
    print(f"\r\x1b[K{line}" if terminal else line, file=sys.stderr, flush=True)
