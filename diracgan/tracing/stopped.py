"""What a traced function holds still with ``jax.lax.stop_gradient``, evaluated at arguments of its own.

A loss L(z, s) with a stopped value s(z) gives the field v(z) = -dL/dz at s = s(z): one player's gradient ends at s, but
the field that a Jacobian, a multiplier or an exponent is made of depends on z through s as well. So the stopped values
are computed from a second copy of the arguments, which the gradient does not see and the field's derivative does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax

from .jaxpr import Branches, Call, Operation, Scan, TracedFunction, While, interpret
from .sites import inner_function

Stop = Callable[[Operation, list[Any]], list[Any]]
"""How an operation that stops a gradient is evaluated."""


class _Twice(NamedTuple):
    """A value at the arguments, and at those that stopped values are computed from."""

    at: Any
    held: Any


def stops(function: TracedFunction) -> bool:
    """Whether a function holds a value still, where it is looked into.

    Example:
        >>> from diracgan.tracing.jaxpr import read
        >>> stops(read(lambda x: x * jax.lax.stop_gradient(x), 1.0)[0])
        True
    """
    return any(stops_within(operation) for operation in function.operations)


def stops_within(operation: Operation) -> bool:
    """Whether an operation stops the gradient, or consists of some that do."""
    return operation.name == "stop_gradient" or any(map(stops, _parts(operation)))


def _parts(operation: Operation) -> Iterator[TracedFunction]:
    match operation.structure:
        case Call():
            within = inner_function(operation)
            if within is not None:
                yield within
        case Scan(function) | While(_, function):
            yield function
        case Branches(functions):
            yield from functions


def by_value(operation: Operation, values: Sequence[Any]) -> list[Any]:
    """An operation's results at held arguments, with the derivatives of what it computes.

    The gradient that ``jax.custom_vjp`` brings is a player's, which ends here; JAX has no forward derivative of it.
    """
    if operation.name == "custom_vjp_call" and isinstance(operation.structure, Call):
        return interpret(operation.structure.function, values, by_value, lambda value: value)
    return operation(list(values))


def keeping(kept: list[list[Any]]) -> Stop:
    """Evaluate what stops as if it did not, and keep its inputs in ``kept``: the pass at the held arguments."""

    def stop(operation: Operation, values: list[Any]) -> list[Any]:
        kept.append(values)
        return _with_held(operation, values, values)

    return stop


def holding(kept: Sequence[list[Any]]) -> Stop:
    """Evaluate what stops with what it stops taken from inputs that :func:`keeping` kept, in the same order."""
    left = iter(kept)
    return lambda operation, values: _with_held(operation, values, next(left))


def _with_held(operation: Operation, values: Sequence[Any], held: Sequence[Any]) -> list[Any]:
    return [x.at for x in _twice(operation, [_Twice(*pair) for pair in zip(values, held, strict=True)])]


def _twice(operation: Operation, ins: list[_Twice]) -> list[_Twice]:
    if operation.name == "stop_gradient":
        return [_Twice(x.held, x.held) for x in ins]
    if not stops_within(operation):
        at, held = zip(*ins, strict=True)
        at, held = operation(list(at)), by_value(operation, held)
        return list(map(_Twice, at, held))
    match operation.structure:
        case Call(function):
            return _through(function, ins)
        case Scan(function, constants, carried, length, reverse):
            same, start, rows = (
                ins[:constants],
                ins[constants : constants + carried],
                ins[constants + carried :],
            )

            def turn(carry: list[_Twice], row: list[_Twice]) -> tuple[list[_Twice], list[_Twice]]:
                out = _through(function, [*same, *carry, *row])
                return out[:carried], out[carried:]

            end, made = jax.lax.scan(turn, start, rows, length=length, reverse=reverse)
            return [*end, *made]
        case While(condition, function, seen, constants):
            asked, same, start = ins[:seen], ins[seen : seen + constants], ins[seen + constants :]
            return jax.lax.while_loop(
                lambda carry: _through(condition, [*asked, *carry])[0].at,
                lambda carry: _through(function, [*same, *carry]),
                start,
            )
        case Branches(functions):
            which, *rest = ins
            branches = [lambda *ins, f=f: _through(f, list(ins)) for f in functions]
            return jax.lax.switch(which.at, branches, *rest)
    raise AssertionError(f"{operation.name} has no parts")  # stops_within saw some


def _through(function: TracedFunction, ins: Sequence[_Twice]) -> list[_Twice]:
    return interpret(function, ins, _twice, lambda value: _Twice(value, value))
