"""Lock files: one writer at a time, the owner named, a dead owner's lock replaced."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import InputError, reason
from .files import json_object
from .processes import is_alive


@contextlib.contextmanager
def locked(file: Path, given: str | os.PathLike[str]) -> Iterator[None]:
    """Be the only process that writes ``given``, while the context lasts.

    The operating system frees the lock of a process that dies, so that the file it leaves is stale and is taken over.
    On a file system without locks the owner that the file names decides: one that lives on this machine, or one on
    another, keeps it.

    Args:
        file: the lock file, which is there while somebody writes.
        given: what is written, for messages.

    Raises:
        InputError: when another process writes there, naming it, or the file system refuses.

    Example:
        >>> with locked(Path("run.lock"), "run"):
        ...     Path("run.lock").exists()
        True
        >>> Path("run.lock").exists()
        False
    """
    try:
        handle = _acquire(file, os.fspath(given))
    except OSError as error:
        raise InputError(f"{os.fspath(given)!r} cannot be written: {reason(error)}") from error
    try:
        yield
    finally:
        _release(file, handle)


def locked_output(path: str | os.PathLike[str]) -> contextlib.AbstractContextManager[None]:
    """Be the only process that writes a file or a store: :func:`locked` by ``.NAME.lock`` beside it.

    Example:
        >>> with locked_output("ns.png"):
        ...     Path(".ns.png.lock").exists()
        True
    """
    target = Path(path).resolve()
    return locked(target.with_name(f".{target.name[:200]}.lock"), path)


def _release(file: Path, handle: int) -> None:
    try:
        file.unlink(missing_ok=True)  # while it is still held: nobody else can have taken it
    finally:
        os.close(handle)


def _acquire(file: Path, given: str) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            kept = _hold(handle)
        except BlockingIOError:
            os.close(handle)
            raise _in_use(file, given, json_object(file)) from None
        if not kept and (owner := json_object(file)) is not None and not _dead(owner):
            os.close(handle)
            raise _in_use(file, given, owner)
        try:
            same = os.path.samestat(os.fstat(handle), file.stat())
        except FileNotFoundError:
            same = False
        if same:
            break
        os.close(handle)  # its owner took the file away between the two calls: make a new one
    record = {
        "pid": os.getpid(),
        "host": platform.node(),
        "process_start": _process_start(os.getpid()),
        "since": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    try:
        os.ftruncate(handle, 0)
        os.write(handle, (json.dumps(record) + "\n").encode())
    except OSError:  # a full disk
        _release(file, handle)
        raise
    return handle


def _hold(handle: int) -> bool:
    """Lock an open file; False where the file system cannot.

    Raises:
        BlockingIOError: when another process has locked it.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


def _dead(owner: dict[str, Any]) -> bool:
    """Whether an owner is known to live no longer: its process is gone, or its number is another process's."""
    pid = owner.get("pid")
    if owner.get("host") != platform.node() or not isinstance(pid, int):
        return False
    if not is_alive(pid):
        return True
    start = _process_start(pid)
    return start is not None and start != owner.get("process_start")


def _process_start(pid: int) -> str | None:
    """When a process began, in clock ticks since the machine did; None where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _in_use(file: Path, given: str, owner: dict[str, Any] | None) -> InputError:
    who = "another process"
    if owner is not None:
        who = f"process {owner.get('pid')} on {owner.get('host')} since {owner.get('since')}"
    return InputError(
        f"{given!r} is being written by {who}; allowed: another place, or to wait until it ends "
        f"(if it is gone, delete {str(file)!r})"
    )
