"""Where a branch of period-k orbits of a rule's map begins: a point of one of them, found near a start."""

from __future__ import annotations

import numpy as np

from ...errors import InputError, integer
from ...numerics.deflation import deflated_roots
from ...rules import Rule
from ..linear.settings import LinearSettings
from ..orbits.periodic_points import MOST
from .family import Family

DIGITS = 1e-3  # of a start: what may be left out of it
_BACK = 1e-6  # of a state: one that comes back this near has come back


def times_of(period: int | None, rule: Rule | None) -> int | None:
    """How often a rule's map is applied in ``period`` iterations; None for its fixed points.

    Raises:
        InputError: for a period that the map cannot have, and for a flow, whose cycles have another branch.
    """
    if period is None:
        return None
    period = integer("period", period, low=1, high=MOST)
    if rule is None:
        raise InputError(
            f"period = {period} counts the iterations of a rule; allowed: a rule, or for the cycles of a flow "
            "dg.bifurcation.cycles"
        )
    if period % rule.period:
        raise InputError(
            f"period = {period} is not a multiple of the {rule.period} iterations after which {rule.label} does the "
            f"same again; allowed: {rule.period}, {2 * rule.period}, ..."
        )
    return None if period == rule.period else period // rule.period


def checked_orbit(here: LinearSettings, name: str, value: float, family: Family) -> np.ndarray:
    """All that evolves at a point of an orbit, whose players a start gives to a few digits; at its least period.

    What the rule remembers there is taken from one time round, and both are solved for by Newton's method.

    Raises:
        InputError: where there is no such orbit near, or one that comes back sooner.
    """
    at, times = np.concatenate(here.point), family.times or 1
    once, start = family.repeated(1), family.rest(at, [value])
    for _ in range(times):
        start = start + once.equations(np.append(start, value))[0]
    start[: len(at)] = at
    where = f"(phi, theta) = {tuple(np.round(at, 6).tolist())} at {name} = {value:g}"
    found = deflated_roots(family.fixed([value]), start[None]) if np.all(np.isfinite(start)) else []
    if not found or np.linalg.norm(found[0][: len(at)] - at) > DIGITS * (1.0 + np.linalg.norm(at)):
        near = f"; Newton's method finds {(np.round(found[0][: len(at)], 6) + 0.0).tolist()}" if found else ""
        raise InputError(f"{where} is not on an orbit of period {family.period}{near}")
    x = found[0]
    for k in range(1, times):
        x = x + once.equations(np.append(x, value))[0]
        if np.linalg.norm(x - found[0]) <= _BACK * (1.0 + np.linalg.norm(x)):
            sooner = k * family.period // times
            raise InputError(f"{where} has the period {sooner} already; allowed: period={sooner}")
    return found[0]
