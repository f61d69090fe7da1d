"""Child processes: they end when we do."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

_running: set[subprocess.Popen[bytes]] = set()
_ending = threading.Event()


def call(command: Sequence[str], timeout: float) -> None:
    """Run a program to its end, silently.

    Args:
        command: its words.
        timeout: seconds after which it is killed.

    Raises:
        OSError: when it cannot be started.
        subprocess.SubprocessError: when it fails, takes longer, or :func:`end` killed it.

    Example:
        >>> call([sys.executable, "-c", "pass"], timeout=60)
    """
    # a session of its own: a compiler's driver is killed together with the compiler that it starts
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _running.add(child)
    try:
        code = child.wait(0 if _ending.is_set() else timeout)
    finally:
        _running.discard(child)
        _kill(child)
    if code:
        raise subprocess.CalledProcessError(code, command)


def end() -> None:
    """Kill every program and every worker process, in whichever thread it was started; none is started from now on.

    Example:
        >>> end()  # doctest: +SKIP
    """
    _ending.set()
    for child in list(_running):
        _kill(child)
    processes = sys.modules.get("multiprocessing")
    for worker in processes.active_children() if processes is not None else ():
        worker.kill()


def _kill(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()
