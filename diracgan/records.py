"""The base of result records, and what JSON knows of them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any


class Record:
    """Base of a result that is a dataclass.

    Fields that its printed form leaves out (``repr=False``) are what it was computed from; they are left out here too.

    Example:
        >>> @dataclasses.dataclass
        ... class Rate(Record):
        ...     rate: float
        >>> @dataclasses.dataclass
        ... class Pair(Record):
        ...     both: list[Rate]
        >>> Pair([Rate(0.5)]).as_dict()
        {'both': [{'rate': 0.5}]}
    """

    def as_dict(self) -> dict[str, Any]:
        """Name -> value of every attribute that the printed form shows; results within are dictionaries too."""
        return _opened(self)


def _opened(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _opened(x) for k, x in value.items()}
    if type(value) in (list, tuple):  # of named tuples the names would be lost
        return type(value)(map(_opened, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _opened(getattr(value, f.name)) for f in dataclasses.fields(value) if f.repr}
    return value


def is_number(value: object) -> bool:
    """Whether a value of JSON is a number, which true and false are not.

    Example:
        >>> is_number(1.5), is_number(True)
        (True, False)
    """
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """Return ``value`` made of what JSON knows.

    Args:
        value: any nesting of mappings, sequences, dataclasses, arrays, and numbers of NumPy or Python.

    Returns:
        Dicts, lists, strings, finite numbers, booleans and None; whatever else there is, as its text.

    Example:
        >>> plain({"eigenvalue": 1 + 2j, "residual": float("nan")})
        {'eigenvalue': [1.0, 2.0], 'residual': None}
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Mapping):
        return {str(k): plain(x) for k, x in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(x) for x in value]
    if hasattr(value, "tolist"):  # NumPy and JAX arrays and scalars
        return plain(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return str(value)
