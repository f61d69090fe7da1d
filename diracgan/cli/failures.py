"""The one place where an exception becomes a line on standard error and an exit code."""

from __future__ import annotations

import os
import re
import sys
import traceback
from pathlib import Path

from ..errors import InputError, as_text, one_line, users_place

BAD_INPUT, BUG = 2, 1
_PACKAGE = Path(__file__).parents[1]


def explain(error: BaseException) -> tuple[str, int]:
    """What is said about an exception, and the exit code that goes with it.

    Args:
        error: anything that came out of a command.

    Returns:
        One line; 2 where the person who called can mend it, 1 where only we can.

    Example:
        >>> explain(InputError("lr = -1 is out of range; allowed: finite numbers > 0"))
        ('lr = -1 is out of range; allowed: finite numbers > 0', 2)
        >>> explain(PermissionError(13, "Permission denied", "a.png"))
        ("'a.png': permission denied", 2)
    """
    place = users_place(error)
    if isinstance(error, InputError):
        return place + str(error), BAD_INPUT
    if isinstance(error, MemoryError) or str(error).startswith("RESOURCE_EXHAUSTED"):
        return (
            "not enough memory for this; allowed: fewer steps, points or dimensions",
            2,
        )
    if place:
        return place + one_line(error), BAD_INPUT
    if absent := _absent_platform(error):
        return absent, BAD_INPUT
    if variable := _refused_variable(error):
        return f"{variable} = {os.environ[variable]!r}: {as_text(error)}", BAD_INPUT
    if isinstance(error, OSError) and error.strerror:
        name = f"{os.fspath(error.filename)!r}: " if isinstance(error.filename, (str, bytes)) else ""
        return name + error.strerror.lower(), BAD_INPUT
    return (
        f"a bug in diracgan: {one_line(error)}{_ours(error)}; please report it among the project's issues, with this "
        "command and what it prints with DIRACGAN_TRACEBACK=1"
    ), BUG


def _absent_platform(error: BaseException) -> str:
    """What is said where JAX_PLATFORMS names what JAX knows and does not find here: of cuda JAX only asserts."""
    platforms, jax = os.environ.get("JAX_PLATFORMS", ""), sys.modules.get("jax")
    if platforms and jax is not None and isinstance(error, AssertionError):
        try:
            jax.devices()
        except (AssertionError, RuntimeError):
            return f"JAX_PLATFORMS = {platforms!r}: JAX finds no such device here; allowed: cpu, or to leave it unset"
    return ""


def _refused_variable(error: BaseException) -> str:
    """The environment variable of JAX or matplotlib that an error of theirs names, as they name it, if one does."""
    said = str(error)
    for name in os.environ:
        jax = name.startswith("JAX_") and re.search(rf"\b{re.escape(name)}\b", said, re.IGNORECASE)
        if jax or (name == "MPLBACKEND" and said.startswith("Key backend: ")):
            return name
    return ""


def _ours(error: BaseException) -> str:
    """The last of our own lines that the error passed through."""
    place = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if _PACKAGE in Path(frame.filename).parents:
            place = f" ({Path(frame.filename).relative_to(_PACKAGE)}, line {frame.lineno})"
    return place
