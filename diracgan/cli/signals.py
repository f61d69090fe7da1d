"""Ctrl-C and SIGTERM, answered at once.

Python looks at signals between its own instructions, and a compiled loop may run for minutes. A thread that the signal
wakes speaks first, and ends the process where the command does not leave by itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

_GRACE = 2.0  # seconds in which a command may leave by itself and clear up
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Terminated(BaseException):
    """SIGTERM was received."""


def answer_at_once() -> None:
    """From now on a signal is answered with one line and the conventional exit code, 128 + its number."""
    signal.signal(signal.SIGTERM, _raise)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading,), daemon=True).start()


def say(number: int) -> int:
    """Say once that a signal was received; its exit code."""
    if not _said.is_set():
        _said.set()
        with contextlib.suppress(OSError, ValueError):
            os.write(2, f"diracgan: {_WORDS[signal.Signals(number)]}\n".encode())
    return 128 + number


_said = threading.Event()


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise Terminated


def _watch(reading: int) -> None:
    while (number := os.read(reading, 1)[0]) not in _WORDS:
        pass
    code = say(number)
    time.sleep(_GRACE)
    processes = sys.modules.get("multiprocessing")
    for child in processes.active_children() if processes is not None else ():
        child.kill()
    os._exit(code)
