"""What a user's class reads from outside of itself: global numbers and functions, which may change after it was traced.

JAX traces a loss once and keeps what it found. Where a loss reads a number that is not a parameter, these values are
part of its structure, so that a changed one is traced anew and never answered with the old numbers.
"""

from __future__ import annotations

import dis
import functools
import inspect
from collections.abc import Hashable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.core import Tracer

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
_MOST_BYTES = 1 << 16  # of an array whose values are compared


class Reads(NamedTuple):
    """The names that a piece of code reads, sorted: global ones, those of the functions around it, and attributes."""

    outer: tuple[str, ...]
    around: tuple[str, ...]
    attributes: tuple[str, ...]


def outside_values(cls: type) -> tuple[Hashable, ...]:
    """The numbers, words, small arrays and functions that a class's methods read from outside, as they are now.

    What is read are globals of the method's module, variables of the functions around it, and attributes of the class;
    functions of the same module are followed. What the code itself writes, as a counter of calls, is left out.

    Args:
        cls: any class; of the package's own and of what they inherit from nothing is looked at.

    Returns:
        A tuple that compares equal as long as nothing has changed.

    Example:
        >>> import diracgan as dg
        >>> outside_values(type(dg.variant("ns")))
        ()
    """
    owners, seen = _by_users(cls), set()
    held = {name: value for owner in reversed(owners) for name, value in vars(owner).items()}
    return tuple(
        value
        for owner in owners
        for name, fn in _methods(owner)
        for value in (*_attributes(held, fn), *_of_function(name, fn, seen))
    )


@functools.cache
def _by_users(cls: type) -> tuple[type, ...]:
    return tuple(c for c in cls.__mro__ if c is not object and c.__module__.split(".")[0] != "diracgan")


def _methods(owner: type) -> Iterator[tuple[str, FunctionType]]:
    """The functions in a class, also static ones, those of the class and of properties."""
    for name, value in vars(owner).items():
        if name[:2] == "__" or isinstance(value, _PLAIN):
            continue
        fn = getattr(value, "fget", value)
        fn = inspect.unwrap(fn) if hasattr(fn, "__wrapped__") else fn
        if isinstance(fn, FunctionType):
            yield name, fn


def _attributes(held: Mapping[str, Any], fn: FunctionType) -> Iterator[Hashable]:
    for name in _reads(fn.__code__).attributes:
        if name in held:
            yield from _as_key(name, held[name])


def _of_function(name: str, fn: FunctionType, seen: set[int]) -> Iterator[Hashable]:
    """A function by its code, its defaults and what it reads."""
    if id(fn) in seen:
        return
    seen.add(id(fn))
    yield name, fn.__code__
    for default in (*(fn.__defaults__ or ()), *(fn.__kwdefaults__ or {}).values()):
        yield from _as_key(name, default)
    reads = _reads(fn.__code__)
    found = {name: fn.__globals__[name] for name in reads.outer if name in fn.__globals__}
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        if name in reads.around:
            try:
                found[name] = cell.cell_contents
            except ValueError:  # nothing in it yet
                continue
    for name, value in found.items():
        if inspect.isfunction(value) and value.__globals__ is fn.__globals__:
            yield from _of_function(name, value, seen)
        else:
            yield from _as_key(name, value)


def _as_key(name: str, value: Any) -> Iterator[Hashable]:
    """A name with its value, where it is one that can be compared: NaN equals itself, and 1 is not 1.0."""
    if isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(isinstance(x, _PLAIN) for x in value)):
        yield name, type(value), repr(value)
    elif isinstance(value, (np.ndarray, jax.Array)):
        if (
            _is_at_hand(value)
            and getattr(value.dtype, "kind", "") in set("biufc")
            and value.nbytes <= _MOST_BYTES
        ):
            yield name, type(value), str(value.dtype), value.shape, np.asarray(value).tobytes()
    elif callable(value) and type(value).__hash__ is object.__hash__:  # of other modules: the same or another
        yield name, value


def _is_at_hand(value: np.ndarray | jax.Array) -> bool:
    """Whether an array's numbers can be read: it is not traced, nor given away, nor in other processes too."""
    if isinstance(value, np.ndarray):
        return True
    return not isinstance(value, Tracer) and not value.is_deleted() and value.is_fully_addressable


@functools.lru_cache(maxsize=1024)
def _reads(code: CodeType) -> Reads:
    """What a piece of code and the pieces within it read, without the names that they write."""
    pieces, outer, around, attributes, written, assigned = [code], set(), set(), set(), set(), set()
    while pieces:
        piece = pieces.pop()
        pieces += [c for c in piece.co_consts if isinstance(c, CodeType)]
        for step in dis.get_instructions(piece):
            if step.opname in ("STORE_GLOBAL", "STORE_DEREF"):
                written.add(step.argval)
            elif step.opname == "STORE_ATTR":
                assigned.add(step.argval)
            elif step.opname == "LOAD_GLOBAL":
                outer.add(step.argval)
            elif step.opname in ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR"):
                attributes.add(step.argval)
        around |= set(piece.co_freevars)
    names = (outer - written, around - written, attributes - assigned)
    return Reads(*(tuple(sorted(some)) for some in names))
