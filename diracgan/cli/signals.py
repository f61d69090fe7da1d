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
from typing import Any, NoReturn

from .. import children

_GRACE = 2.0  # seconds in which a command may leave by itself and clear up
_AGAIN = 0.05  # seconds after which a signal that came at a bad time is sent again
_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Terminated(BaseException):
    """SIGTERM was received."""


def answer_at_once() -> None:
    """From now on a signal is answered with one line and the conventional exit code, 128 + its number."""
    signal.signal(signal.SIGTERM, _raise)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the parent process ignores it
        signal.signal(signal.SIGINT, _raise)
    sys.unraisablehook = _dropped
    reading, writing = os.pipe()
    if os.name == "posix":  # elsewhere Python asks for it of sockets alone, and may not be able to
        os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reading,), daemon=True).start()


def received() -> int | None:
    """The signal that :func:`answer_at_once` has heard, or None; what fails after it, fails because of it."""
    return _heard[0] if _heard else None


def say(number: int) -> int:
    """Say once that a signal was received; its exit code."""
    if not _said.is_set():
        _said.set()
        with contextlib.suppress(OSError, ValueError):
            os.write(2, f"diracgan: {_WORDS[signal.Signals(number)]}\n".encode())
    return 128 + number


def leave(code: int) -> NoReturn:
    """End this process.

    After a signal without Python's own clearing up, which would wait for threads inside a compiled loop, or take from
    them what they use; those that can end get a moment to remove their files.
    """
    if not _said.is_set():
        sys.exit(code)
    children.end()
    until = time.monotonic() + _GRACE / 2
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(max(until - time.monotonic(), 0.0))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


_said = threading.Event()
_heard: list[int] = []


def _raise(number: int, frame: FrameType | None) -> None:
    _heard.append(number)
    if _loads_an_extension(frame):  # whose C++ ends the process at an exception that it does not expect
        _send_again(number)
        return
    for one in _WORDS:  # a second Ctrl-C must not interrupt the clearing up
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt if number == signal.SIGINT else Terminated


def _send_again(number: int) -> None:
    later = threading.Timer(_AGAIN, os.kill, (os.getpid(), number))
    later.daemon = True
    later.start()


def _dropped(about: Any) -> None:
    """What Python drops with a traceback, as it is raised in a destructor or a callback of C: a signal comes again."""
    if about.exc_type not in (KeyboardInterrupt, Terminated) or not _heard:
        sys.__unraisablehook__(about)
        return
    signal.signal(_heard[-1], _raise)
    _send_again(_heard[-1])


def _loads_an_extension(frame: FrameType | None) -> bool:
    """Whether a compiled module is being imported."""
    while frame is not None:
        if frame.f_code.co_qualname.endswith(
            ("ExtensionFileLoader.create_module", "ExtensionFileLoader.exec_module")
        ):
            return True
        frame = frame.f_back
    return False


def _watch(reading: int) -> None:
    while (number := os.read(reading, 1)[0]) not in _WORDS:
        pass
    code = say(number)
    children.end()  # so that threads that wait for them end and clear up
    time.sleep(_GRACE)
    children.end()
    os._exit(code)
