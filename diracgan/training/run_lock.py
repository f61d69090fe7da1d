"""One writer a run folder: a lock file that names its owner, and that a dead owner does not keep."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError

LOCK = "run.lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only process that writes to ``folder``, while the context lasts.

    The operating system frees the lock of a process that dies, so that the file it leaves is stale and is taken over.
    On a file system without locks the owner that the file names decides: one that lives on this machine, or one on
    another, keeps the folder.

    Raises:
        InputError: when another process writes there, naming it.

    Example:
        >>> with locked(Path(".")):
        ...     Path("run.lock").exists()
        True
        >>> Path("run.lock").exists()
        False
    """
    file = folder / LOCK
    handle = _acquire(file)
    try:
        yield
    finally:
        try:
            file.unlink(missing_ok=True)  # while it is still held: nobody else can have taken it
        finally:
            os.close(handle)


def _acquire(file: Path) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            kept = _hold(handle)
        except BlockingIOError:
            os.close(handle)
            raise _in_use(file, _owner(file)) from None
        if not kept and (owner := _owner(file)) is not None and not _dead(owner):
            os.close(handle)
            raise _in_use(file, owner)
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
    os.ftruncate(handle, 0)
    os.write(handle, (json.dumps(record) + "\n").encode())
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


def _owner(file: Path) -> dict[str, Any] | None:
    """What a lock file says; None of one that nobody has filled in."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _dead(owner: dict[str, Any]) -> bool:
    """Whether an owner is known to live no longer: its process is gone, or its number is another process's."""
    pid = owner.get("pid")
    if owner.get("host") != platform.node() or not isinstance(pid, int) or os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    start = _process_start(pid)
    return start is not None and start != owner.get("process_start")


def _process_start(pid: int) -> str | None:
    """When a process began, in clock ticks since the machine did; None where the system does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _in_use(file: Path, owner: dict[str, Any] | None) -> InputError:
    who = "another process"
    if owner is not None:
        who = f"process {owner.get('pid')} on {owner.get('host')} since {owner.get('since')}"
    return InputError(
        f"{str(file.parent)!r} is being written by {who}; allowed: another folder, or to wait until it ends "
        f"(if it is gone, delete {LOCK})"
    )
