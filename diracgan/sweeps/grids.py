"""Grids of a sweep's axes: from an array, a list, or the words of a command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ..errors import InputError, Written, integer, number, shown
from ..registry import assignment

MOST_VALUES = 10_000_000
ALLOWED = "LOW:HIGH:COUNT, log:LOW:HIGH:COUNT, or values separated by commas"


def grid(name: str, given: object) -> np.ndarray:
    """The values of the axis ``name``: float64, or words where they are not numbers; all different, at least one.

    Args:
        name: what the axis is called.
        given: an array, a list, a number, or text: ``"0:2:201"`` (with both ends), ``"log:1e-3:1:50"``, ``"1,2,5"``.

    Raises:
        InputError: for an empty axis, values that are not finite or come twice, or text that is not a grid.

    Example:
        >>> grid("lr", "log:0.01:1:3").tolist(), grid("gamma", "0:2:5").tolist()
        ([0.01, 0.1, 1.0], [0.0, 0.5, 1.0, 1.5, 2.0])
    """
    values = _from_text(name, given) if isinstance(given, str) else _from_values(name, given)
    if not values.size:
        raise InputError(f"the axis {name} is empty; allowed: at least one value, as {ALLOWED}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(f"the axis {name} has values that are not finite; allowed: finite numbers")
    if len(np.unique(values)) < len(values):
        raise InputError(f"the axis {name} has a value twice; allowed: values that differ")
    return values


def grids(words: Iterable[str]) -> dict[str, str]:
    """``["gamma=0:2:201", ...]`` as name -> grid.

    Example:
        >>> grids(["gamma=0:2:201", "lr=0.1,0.2"])
        {'gamma': '0:2:201', 'lr': '0.1,0.2'}
    """
    found: dict[str, str] = {}
    for word in words:
        name, text = assignment(word)
        if name and text == "":
            raise InputError(f"the axis {name} is empty; allowed: {name}=GRID with GRID = {ALLOWED}")
        if not name or text is None:
            raise InputError(f"{word!r} is not an axis; allowed: NAME=GRID with GRID = {ALLOWED}")
        if name in found:
            raise InputError(f"the axis {name} is given twice; allowed: once")
        found[name] = text
    return found


def named(over: object) -> dict[str, np.ndarray]:
    """The axes of ``over`` by name, each checked by :func:`grid`.

    Raises:
        InputError: where ``over`` is not a mapping, or empty.
    """
    if not isinstance(over, Mapping):
        raise InputError(
            f"over = {shown(over)}; allowed: a mapping of names to grids, such as {{'r1': '0:2:201'}}"
        )
    if not over:
        raise InputError("over has no axis; allowed: at least one, such as {'r1': '0:2:201'}")
    return {str(n).strip().replace("-", "_"): grid(str(n), g) for n, g in over.items()}


def _from_values(name: str, given: object) -> np.ndarray:
    try:
        values = np.atleast_1d(np.asarray(given))
    except ValueError:
        values = np.zeros((0, 0))
    if values.ndim != 1 or values.dtype.kind not in "biufU":
        raise InputError(f"the axis {name} is not a list of numbers; allowed: a list, an array, or {ALLOWED}")
    return values if values.dtype.kind == "U" else values.astype(float)


def _from_text(name: str, text: str) -> np.ndarray:
    if ":" in text:
        parts = [Written(p.strip()) for p in text.split(":")]
        log = parts[0].lower() in ("log", "lin") and parts.pop(0).lower() == "log"
        if len(parts) != 3:
            raise InputError(f"{name}={text} is not a grid; allowed: {ALLOWED}")
        low, high = (number(f"{end} of {name}", p) for end, p in zip(("low", "high"), parts, strict=False))
        count = integer(f"count of {name}", parts[2], low=1, high=MOST_VALUES)
        if log and min(low, high) <= 0:
            end, value = ("low", low) if low <= 0 else ("high", high)
            raise InputError(
                f"{end} of {name} = {value:g}; allowed in a logarithmic grid: ends > 0 (or LOW:HIGH:COUNT without log:)"
            )
        if count > 1 and low == high:
            raise InputError(
                f"{name}={text} is not a grid: its ends are equal; allowed: different ends, or a count of 1"
            )
        return np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    words = [w.strip() for w in text.split(",")]
    if not all(words):
        raise InputError(f"{name}={text} is not a grid; allowed: {ALLOWED}")
    try:
        return np.array([float(w) for w in words])
    except ValueError:
        return np.array(words)
