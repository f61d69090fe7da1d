"""The base of result records."""

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
        itself: Any = self  # every subclass is a dataclass, which this base is not
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(itself) if f.repr}


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
        itself: Any = self
        return dataclasses.asdict(itself)
