"""Processes of this machine."""

from __future__ import annotations

import os


def is_alive(process: int) -> bool:
    """Whether a process of this machine runs; True also where that cannot be asked.

    POSIX asks by signal 0. Windows has no such question (there ``os.kill`` ends the process, or sends it Ctrl-C), so
    that nothing which belongs to a process is taken from it there.

    Args:
        process: its number.

    Example:
        >>> is_alive(os.getpid())
        True
    """
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, or larger than any number of a process
        return True
    return True
