"""Starts and output times: arguments checked, defaults filled in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike

from .. import dirac
from ..errors import InputError, integer, number, real_array, shown
from ..game import Players
from ..parameters import is_traced
from ..pytrees import Pytree

DEFAULT_DIM, DEFAULT_T1, DEFAULT_ROWS = 2, 40.0, 1001
LARGEST_DIM, MOST_STEPS = 10_000, 10**15


def check_untraced(what: str, *arguments: Pytree) -> None:
    """InputError where an argument is traced: what runs a program of its own cannot be part of another.

    Raises:
        InputError: naming what can be traced.
    """
    if any(is_traced(x) for x in jax.tree.leaves(arguments)):
        raise InputError(
            f"{what} was called under jit, vmap or grad, where arguments have no values; allowed there: dg.field, "
            "dg.flow and dg.step"
        )


def starts(
    phi0: ArrayLike | None, theta0: ArrayLike | None, dim: int | None, x0: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The start and the datum as float64 vectors of one length, from what was given or the defaults.

    Args:
        phi0: the critic's start, (d,), or None.
        theta0: the generator's start, (d,), or None.
        dim: the dimension d, or None.
        x0: the datum, (d,) or a number, or None for 0.

    Returns:
        phi0, theta0 and x0, each (d,).

    Raises:
        InputError: for lengths that differ, entries that are not finite, or a dimension below 1 or above 10000.

    Example:
        >>> [x.tolist() for x in starts(None, None, 1, None)]
        [[0.1], [0.2], [0.0]]
    """
    if dim is not None:
        dim = integer("dim", dim, low=1, high=LARGEST_DIM)
    vectors = {n: vector(n, value) for n, value in (("phi0", phi0), ("theta0", theta0)) if value is not None}
    lengths = {n: len(value) for n, value in vectors.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"phi0 has {lengths['phi0']} entries and theta0 has {lengths['theta0']}; allowed: equally many"
        )
    datum = None if x0 is None else vector("x0", x0)
    d = dimension(vectors.get("phi0"), vectors.get("theta0"), dim, datum) or DEFAULT_DIM
    if dim is not None and d != dim:
        raise InputError(f"dim = {dim} but the start has {d} entries; give one of them")
    if datum is None or len(datum) not in (1, d):
        if datum is not None:
            allowed = "1" if d == 1 else f"1 or {d}"
            raise InputError(f"x0 has {len(datum)} entries; allowed: {allowed}, as many as the start")
        datum = np.zeros(d)
    default = dirac.default_start(d)
    phi, theta = vectors.get("phi0", default[0]), vectors.get("theta0", default[1])
    return phi, theta, np.broadcast_to(datum, (d,)).copy()


def dimension(
    phi0: ArrayLike | None, theta0: ArrayLike | None, dim: int | None, x0: ArrayLike | None
) -> int | None:
    """The dimension that a start, ``dim`` or a datum says, arguments as for :func:`starts`; None where none does.

    Example:
        >>> dimension(None, [0.1, 0.2], None, None), dimension(None, None, None, 0.5)
        (2, None)
    """
    sizes = [np.size(z) for z in (phi0, theta0) if z is not None]
    if sizes or dim is not None:
        return sizes[0] if sizes else dim
    datum = 1 if x0 is None else np.size(x0)
    return datum if datum > 1 else None


def check_rates(rate_d: object, rate_g: object, rule: object = None) -> Players:
    """The factors on the players' velocities, or InputError where one is not a number above 0, or a rule moves them."""
    rates = Players(
        given("rate_d", rate_d, low=0, open_low=True), given("rate_g", rate_g, low=0, open_low=True)
    )
    if rule is not None and rates != (1.0, 1.0):
        raise InputError("rate_d and rate_g belong to the flow; a rule has lr_d and lr_g")
    return rates


def vector(name: str, value: ArrayLike) -> np.ndarray:
    """``value`` as a finite float64 vector of 1 to 10000 entries, or InputError."""
    try:
        # what cannot be listed raises, which is caught below
        entries: Sequence[Any] = [value] if np.ndim(value) == 0 else list(value)  # type: ignore[arg-type]
        shaped = bool(entries) and not any(np.ndim(e) for e in entries)
    except Exception:  # a stranger's object may raise anything
        entries, shaped = [], False
    if not shaped:
        raise InputError(f"{name} = {shown(value)} is not a vector; allowed: a list of at least one number")
    if len(entries) > LARGEST_DIM:
        raise InputError(f"{name} has {len(entries)} entries; allowed: at most {LARGEST_DIM}")
    return np.array([given(f"{name}[{i}]" if len(entries) > 1 else name, e) for i, e in enumerate(entries)])


def given(name: str, value: object, **domain: Any) -> float:
    """:func:`~diracgan.errors.number` of what is no text: an array of words would be read as one of numbers.

    Raises:
        InputError: for text, and as ``number`` does.

    Example:
        >>> given("t1", 5, low=0)
        5.0
    """
    if isinstance(value, str):
        raise InputError(f"{name} = {shown(value)} is text; allowed: a number")
    return number(name, value, **domain)


def times(ts: ArrayLike | None, t1: float, limited: bool) -> np.ndarray:
    """The times to save: ``ts`` checked against [0, t1] where t1 was given, or 1001 equispaced ones."""
    if ts is None:
        return np.linspace(0.0, t1, DEFAULT_ROWS)
    given_times = real_array("ts", ts).ravel()
    kept = (
        np.array([number(f"ts[{i}]", t) for i, t in enumerate(given_times)])
        if len(given_times)
        else vector("ts", ts)
    )
    if kept[0] < 0 or np.any(np.diff(kept) <= 0) or (limited and kept[-1] > t1):
        raise InputError(
            f"ts runs from {kept[0]:g} to {kept[-1]:g}; allowed: increasing times within [0, {t1:g}]"
        )
    if kept[-1] == 0:
        raise InputError("ts ends at 0; allowed: increasing times with an end > 0")
    return kept
