"""What results have in common."""

from __future__ import annotations

import dataclasses
from typing import Any


class Record:
    """Base of a result that is a dataclass.

    Fields that its printed form leaves out (``repr=False``) are what it was computed from; they are left out here too.

    Example:
        >>> @dataclasses.dataclass
        ... class Found(Record):
        ...     rate: float
        >>> Found(0.5).as_dict()
        {'rate': 0.5}
    """

    def as_dict(self) -> dict[str, Any]:
        """Name -> value of every attribute that the printed form shows."""
        shown = [f.name for f in dataclasses.fields(self) if f.repr]  # type: ignore[arg-type]
        return {n: getattr(self, n) for n in shown}


class NestedRecord(Record):
    """Base of a result that holds other results, or lists of them.

    Example:
        >>> @dataclasses.dataclass
        ... class Pair(NestedRecord):
        ...     first: Record
        >>> @dataclasses.dataclass
        ... class Rate(Record):
        ...     rate: float
        >>> Pair(Rate(0.5)).as_dict()
        {'first': {'rate': 0.5}}
    """

    def as_dict(self) -> dict[str, Any]:
        """Name -> value of every attribute, down to plain values."""
        return dataclasses.asdict(self)  # type: ignore[call-overload]
