"""The registry of judges, in the order in which they are asked."""

from __future__ import annotations

import functools
from collections.abc import Callable

from ...lazy import import_modules
from ..dynamical_system import Stretch
from . import judges
from .evidence import Answer, Case

Judge = Callable[[Case, Stretch], Answer | None]
"""What is asked after every window: the case so far and the last stretch; None where it does not know the motion."""

_ENTERED: dict[Judge, int] = {}


def judge(order: int) -> Callable[[Judge], Judge]:
    """Enter a function of a module in ``judges/`` among the judges.

    After every window the judges are asked by increasing ``order``, and the first that knows the motion decides; so
    what leaves the least doubt stands first. No two have the same order.
    """

    def enter(function: Judge) -> Judge:
        if order in _ENTERED.values():
            raise ValueError(f"another judge has the order {order}")
        _ENTERED[function] = order
        return function

    return enter


@functools.cache
def in_order() -> tuple[Judge, ...]:
    """The judges of every module in ``judges/``, in the order in which they are asked."""
    import_modules(judges.__name__, judges.__path__)
    return tuple(sorted(_ENTERED, key=_ENTERED.__getitem__))
