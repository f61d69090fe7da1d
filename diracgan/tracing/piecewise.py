"""The pieces of a function of one number: how smooth they are by its trace, and where one ends and the next begins."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..jax_settings import own_settings
from .jaxpr import Operation, interpret, read
from .scalar_program import NotScalarizable, Program, trace
from .sites import COMPARE, LINEAR, exponent, inner_function, is_site, may_be_infinite, truncates
from .switching import evaluate

# where kinks are looked for: two of one surface that lie closer than this are taken apart only if a third is between
_PLACES = np.union1d(np.linspace(-64.0, 64.0, 4097), np.outer([-1.0, 1.0], np.geomspace(64.0, 1e8, 120)))
_HALVINGS = 80
_SAME = 1e-13  # relative distance below which two kinks are one


class Form(NamedTuple):
    """What the operations of a function tell of a value.

    Attributes:
        moving: whether it depends on the arguments.
        degree: the largest that it can have as a polynomial between its kinks; infinite where it may be none.
        depth: how deep sites are nested, 0 where nothing switches.
        linear: whether every surface is linear between the kinks of those inside it.
        singular: whether a derivative may be infinite at a kink.
    """

    moving: bool = False
    degree: float = 0.0
    depth: int = 0
    linear: bool = True
    singular: bool = False


class Kinks(NamedTuple):
    """Where a function of one number switches, and how it does in between.

    Attributes:
        places: the kinks in ascending order, (K,).
        sides: the signs of its switching functions between them, (K + 1, m).
    """

    places: Any
    sides: Any


def form_of(fn: Callable[..., Any], args: Sequence[Any], constants: Sequence[Any] = ()) -> Form:
    """What the operations of ``fn(*args, *constants)`` tell of its value as a function of ``args``.

    Args:
        fn: any traceable function.
        args: its arguments, pytrees of arrays or of their shapes and types.
        constants: more of them, which do not move.

    Returns:
        The :class:`Form` that holds for all its results.

    Example:
        >>> import jax.numpy as jnp
        >>> at = (jnp.ones(1),)
        >>> form_of(lambda u: 2.0 * jnp.maximum(1.0 - u, 0.0), at)[:3]
        (True, 1.0, 1)
        >>> form_of(lambda u: u * jnp.clip(u, -1.0, 1.0) ** 2, at)[:3], form_of(jnp.tanh, at).degree
        ((True, 3.0, 2), inf)
    """
    function, _ = read(fn, *args, *constants)

    def look(operation: Operation, ins: list[Form]) -> list[Form]:
        moving = [i for i in ins if i.moving]
        inner = inner_function(operation) if moving else None
        if inner is not None:
            return interpret(inner, ins, look, lambda value: Form())
        if not moving:
            return [Form()] * len(operation.outputs)
        switches, depth = is_site(operation), max(i.depth for i in moving)
        form = Form(
            moving=True,
            degree=_degree(operation, ins),
            depth=depth + switches * (2 if operation.name == "clamp" else 1),
            linear=all(i.linear for i in moving) and (not switches or max(i.degree for i in moving) <= 1.0),
            singular=any(i.singular for i in moving)
            or (may_be_infinite(operation) and bool(depth or switches))
            or (operation.name == "div" and bool(ins[1].depth)),
        )
        return [form] * len(operation.outputs)

    inputs = [Form(True, 1.0)] * len(jax.tree.leaves(args)) + [Form()] * len(jax.tree.leaves(constants))
    outs = interpret(function, inputs, look, lambda value: Form())
    return functools.reduce(_both, outs)


def _both(a: Form, b: Form) -> Form:
    return Form(
        a.moving or b.moving,
        max(a.degree, b.degree),
        max(a.depth, b.depth),
        a.linear and b.linear,
        a.singular or b.singular,
    )


def _degree(operation: Operation, ins: list[Form]) -> float:
    """The degree of an operation's outputs."""
    name, degrees = operation.name, [i.degree for i in ins]
    if truncates(operation):
        return math.inf
    if name in LINEAR or name in ("abs", "max", "min", "clamp"):
        return max(degrees)
    if name in ("mul", "dot_general"):
        return sum(degrees)
    if name == "square":
        return 2.0 * degrees[0]
    if (power := exponent(operation)) is not None and power >= 0:
        return power * degrees[0]
    if name == "div" and not ins[1].moving:
        return degrees[0]
    if name == "sign" or name in COMPARE:
        return 0.0 if max(degrees) < math.inf else math.inf
    return math.inf


def kinks_of(fn: Callable[..., Array], constants: Sequence[Any] = ()) -> Kinks | None:
    """Where a function of one number switches: its surfaces' changes of sign, halved down to rounding.

    Surfaces are looked at on a net within 1e8 of 0 and at the kinks found so far, where those of nested sites turn.

    Args:
        fn: ((1,), *constants) -> a scalar.
        constants: their shapes and types.

    Returns:
        The :class:`Kinks`; None where they depend on the constants, where ``fn`` cannot be written in scalar
        operations, and where there are too many, as of a stair.

    Example:
        >>> import jax.numpy as jnp
        >>> kinks = kinks_of(lambda u: jnp.sum(jnp.abs(jnp.tanh(u) - 0.5)))
        >>> kinks.places.round(6).tolist(), kinks.sides.tolist()
        ([0.549306], [[-1.0], [1.0]])
    """
    program = _program(lambda u, *more: evaluate(lambda u: fn(u, *more), (u,))[1], constants)
    if program is None:
        return None

    def surfaces(u: np.ndarray) -> np.ndarray:
        return np.sign(np.stack(_on_host(program, u)))

    if not program.outputs:
        return Kinks(np.zeros(0), np.zeros((1, 0)))
    places = np.zeros(0)
    for _ in range(len(program.outputs) + 1):
        found = _roots(surfaces, np.union1d(_PLACES, places))
        if len(found) == len(places):
            break
        places = found
    if len(places) > MOST_KNOWN:
        return None
    ends = np.concatenate([[places[0] - 1.0], places, [places[-1] + 1.0]]) if len(places) else np.zeros(2)
    return Kinks(places, surfaces(0.5 * (ends[:-1] + ends[1:])).T)


def _program(fn: Callable[..., Array], constants: Sequence[Any]) -> Program | None:
    """The scalar program of a function of one number that reads no constant; None for any other."""
    with own_settings(True):
        try:
            program = trace(fn, np.zeros(1), *constants)
        except NotScalarizable:
            return None
    reads = any(n.op == "input" and n.detail for n in program.order)
    return None if reads or program.on_arrays else program


def _on_host(program: Program, u: np.ndarray) -> list[np.ndarray]:
    return [np.broadcast_to(x, u.shape) for x in program.on_host([u])]


def _roots(signs: Callable[[np.ndarray], np.ndarray], net: np.ndarray) -> np.ndarray:
    """Where functions change their sign between two points of a net, each once."""
    low, high, which = [], [], []
    for k, row in enumerate(signs(net)):
        told = np.flatnonzero(np.abs(row) == 1.0)  # neither 0 nor NaN
        turns = np.flatnonzero(row[told[1:]] != row[told[:-1]])
        low.append(net[told[turns]])
        high.append(net[told[turns + 1]])
        which.append(np.full(len(turns), k))
    a, b, k = map(np.concatenate, (low, high, which))
    if not len(a):
        return a
    at = np.arange(len(a))
    before = signs(a)[k, at]
    for _ in range(_HALVINGS):
        middle = 0.5 * (a + b)
        there = signs(middle)[k, at]
        a = np.where((there == before) | (there == 0.0), middle, a)
        b = np.where(there == before, b, middle)
    roots = np.unique(b)
    return roots[np.append(True, np.diff(roots) > _SAME * (1.0 + np.abs(roots[1:])))]


def kinks_by_newton(fn: Callable[[Array], Array], depth: int, at: Array) -> Kinks:
    """The kinks of a function whose surfaces are linear between those of the sites inside, traced with its numbers.

    Args:
        fn: (1,) -> a scalar.
        depth: how deep its sites are nested.
        at: any argument.

    Returns:
        The :class:`Kinks`; a place is infinite where a surface has no root.
    """

    def surfaces(u: Array) -> Array:
        return evaluate(fn, (u,))[1].astype(at.dtype)

    one, places, points = jnp.ones_like(at), [], [jnp.zeros_like(at)]
    for _ in range(depth):
        found = []
        ends = [-jnp.inf * one, *places, jnp.inf * one]
        for point, low, high in zip(points, ends[:-1], ends[1:], strict=True):
            values, slopes = jax.jvp(surfaces, (point,), (one,))
            roots = point - values / jnp.where(slopes == 0.0, 1.0, slopes)
            apart = jnp.minimum(roots - low, high - roots) > _APART * (1.0 + jnp.abs(roots))
            new = apart & (slopes != 0.0)
            found += [jnp.where(new[k], roots[k : k + 1], jnp.inf) for k in range(roots.size)]
        places = _ascending([*places, *found])[:_MOST]
        points = _between(places)
    if not places:
        return Kinks(at[:0], jnp.zeros((1, 0), at.dtype))
    sides = jnp.sign(jnp.stack([surfaces(p) for p in points]))
    return Kinks(jnp.concatenate(places), jax.lax.stop_gradient(sides))


def _between(places: list[Array]) -> list[Array]:
    """A point before the first of some places, one between every two, and one behind the last that is finite."""
    if not places:
        return []
    last = functools.reduce(lambda a, b: jnp.where(jnp.isfinite(b), b, a), places)
    finite = [jnp.where(jnp.isfinite(p), p, last + 2.0) for p in places]
    finite = [jnp.where(jnp.isfinite(p), p, 0.0) for p in finite]  # none has been found
    middle = [0.5 * (a + b) for a, b in itertools.pairwise(finite)]
    return [finite[0] - 1.0, *middle, finite[-1] + 1.0]


MOST_KNOWN = 64  # kinks between which a mean is split
_MOST = 4  # kinks that are told apart where they are traced
_APART = 1e-6  # of its size: a root nearer than this to a kink is that kink


def _ascending(values: list[Array]) -> list[Array]:
    """A few values in order, by comparisons of two."""
    for end in range(len(values) - 1, 0, -1):
        for i in range(end):
            a, b = values[i : i + 2]
            values[i : i + 2] = jnp.minimum(a, b), jnp.maximum(a, b)
    return values


def polynomials(
    fn: Callable[..., Array], places: np.ndarray, degree: int, constants: Sequence[Any] = ()
) -> np.ndarray | None:
    """A function that is a polynomial between kinks, by its jumps.

    f(u) = sum of a_j (u - c_0)^j + sum over kinks c of b_j(c) max(u - c, 0)^j.

    Args:
        fn: ((1,), *constants) -> a scalar.
        places: the kinks in ascending order, at least one, (K,).
        degree: the degree of the polynomials.
        constants: their shapes and types.

    Returns:
        The coefficients (K + 1, degree + 1), a first; None where they depend on the constants.

    Example:
        >>> import jax.numpy as jnp
        >>> polynomials(lambda u: jnp.sum(jnp.abs(u)), np.zeros(1), 1).round(9).tolist()
        [[0.0, -1.0], [0.0, 2.0]]
    """
    program = _program(fn, constants)
    if program is None:
        return None
    nodes = (np.arange(degree + 1) + 0.5) / (degree + 1)
    powers = np.arange(degree + 1)
    inverse = np.linalg.inv(nodes[:, None] ** powers)

    def about(at: float, length: float) -> np.ndarray:
        return inverse @ _on_host(program, at + length * nodes)[0] / length**powers

    lengths = np.minimum(np.concatenate([[1.0], np.diff(places), [1.0]]), 1.0)
    left = np.array([about(c, -a) for c, a in zip(places, lengths[:-1], strict=True)])
    right = np.array([about(c, a) for c, a in zip(places, lengths[1:], strict=True)])
    found = np.concatenate([left[:1], right - left])
    return found if np.all(np.isfinite(found)) else None
