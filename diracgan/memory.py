"""Memory bounds: a result too large is refused in one line before any of it is made."""

from __future__ import annotations

import os

from .errors import InputError

_MOST_NUMBERS = 2 * 10**8  # in one trajectory: 1.6 GB


def check_rows(rows: int, numbers: int, remedy: str) -> None:
    """Refuse a trajectory of more than 200 million numbers.

    Args:
        rows: how many rows are kept.
        numbers: how many numbers a row has.
        remedy: what to do about it.

    Raises:
        InputError: naming how many rows are allowed.

    Example:
        >>> check_rows(1001, 4, "give fewer times ts")
    """
    if rows * numbers > _MOST_NUMBERS:
        raise InputError(
            f"{rows} rows of {numbers} numbers are too many; allowed: at most {_MOST_NUMBERS // numbers} rows; {remedy}"
        )


def check_memory(size: float, remedy: str, most: float | None = None) -> None:
    """Refuse a result that does not fit.

    Args:
        size: its bytes.
        remedy: what to do about it.
        most: how many bytes are allowed; None for all that this machine has.

    Raises:
        InputError: naming both sizes.

    Example:
        >>> check_memory(8e6, "give fewer points", most=2**31)
    """
    has = _of_this_machine() if most is None else most
    if has is not None and size > has:
        whose = "this machine has" if most is None else "allowed:"
        raise InputError(f"the result takes {size / 2**30:.3g} GiB; {whose} {has / 2**30:.3g} GiB; {remedy}")


def _of_this_machine() -> float | None:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not on every system
        return None
