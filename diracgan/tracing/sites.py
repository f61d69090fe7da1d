"""Which operations of a traced function may switch, and which calls are looked into to find them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from .jaxpr import Branches, Call, Operation, Scan, TracedFunction, UnknownSetting

# Library functions that are smooth although their programs branch.
_SMOOTH = frozenset(
    "softplus logaddexp logaddexp2 log_sigmoid logsumexp sigmoid xlogy sinc mean_over_noise".split()
)
COMPARE = {"gt": 1.0, "ge": 1.0, "lt": -1.0, "le": -1.0}
STAIRS = frozenset({"floor", "ceil", "round"})
_SITES = frozenset({"abs", "sign", "max", "min", "clamp", "sqrt", "rsqrt", "pow", *COMPARE, *STAIRS})
# Chosen among several entries: as many comparisons of two.
AMONG = frozenset({"sort", "reduce_max", "reduce_min"})
_MOST_ENTRIES = 8  # that are compared in this way: 28 surfaces
# Operations that are smooth, or that only move, join or choose values by what has been compared.
_WITHOUT_SITES = frozenset(
    "add add_any sub mul div neg exp exp2 expm1 log log1p square integer_pow one_minus_square cbrt logistic sin cos "
    "tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh erf erfc erf_inv lgamma digamma polygamma igamma "
    "igammac bessel_i0e bessel_i1e dot_general reduce_sum reduce_prod cumsum cumprod cumlogsumexp reshape squeeze "
    "expand_dims broadcast_in_dim transpose concatenate split slice dynamic_slice dynamic_update_slice gather scatter "
    "scatter-add pad rev iota stack tile copy copy_p stop_gradient convert_element_type reduce_precision real imag "
    "complex conj select_n and or not xor reduce_and reduce_or is_finite eq ne".split()
)

# Operations with an infinite derivative somewhere: of a value with a kink, perhaps at the kink.
_ROOTS = frozenset(
    "pow sqrt rsqrt cbrt log log1p tan atan2 asin acos acosh atanh erf_inv lgamma digamma polygamma igamma igammac "
    "xlogy".split()
)

# Operations that are linear in each operand, or that move, join or choose values.
LINEAR = frozenset(
    "add add_any sub neg reduce_sum cumsum reshape squeeze expand_dims broadcast_in_dim transpose concatenate split "
    "slice pad rev copy copy_p convert_element_type select_n and or not".split()
)


def is_site(operation: Operation) -> bool:
    """Whether an operation may switch at a surface that :func:`~.switching.evaluate` finds."""
    return operation.name in _SITES or _compares(operation)


def _compares(operation: Operation) -> bool:
    """Whether an operation chooses among so few entries that they are compared two by two."""
    if operation.name not in AMONG or len(operation.inputs) != 1:
        return False
    shape = operation.inputs[0].shape
    try:
        return int(np.prod([shape[i] for i in axes_of_choice(operation)])) <= _MOST_ENTRIES
    except UnknownSetting:
        return False


def axes_of_choice(operation: Operation) -> tuple[int, ...]:
    """The axes along which a sort or a maximum compares."""
    settings = operation.settings
    return (settings["dimension"],) if operation.name == "sort" else tuple(settings["axes"])


def exponent(operation: Operation) -> int | None:
    """The whole number that ``integer_pow`` raises to; None for what is not one, or does not tell it."""
    return operation.settings.get("y") if operation.name == "integer_pow" else None


def truncates(operation: Operation) -> bool:
    """Whether an operation casts a real number to a whole one or to a truth value: a step function."""
    if operation.name != "convert_element_type":
        return False
    (given,), (made,) = operation.inputs, operation.outputs
    return jnp.issubdtype(given.dtype, jnp.floating) and not jnp.issubdtype(made.dtype, jnp.inexact)


def may_be_infinite(operation: Operation) -> bool:
    """Whether an operation has an infinite derivative somewhere; a quotient has where its divisor is 0."""
    name = getattr(getattr(operation.structure, "function", None), "name", operation.name)
    power = exponent(operation)
    return name in _ROOTS or (name == "integer_pow" and (power is None or power < 0))


def is_smooth_everywhere(operation: Operation, divisor_moves: bool) -> bool:
    """Whether an operation is known to have all derivatives wherever its operands are finite.

    A custom derivative is its author's word that it exists, and not that it is continuous.
    """
    if isinstance(operation.structure, Call):
        within = operation.structure.function
        return within.is_library and within.name in _SMOOTH - _ROOTS
    if operation.structure is not None:
        return False
    if is_site(operation) or not has_no_site(operation) or may_be_infinite(operation):
        return False
    return operation.name not in ("eq", "ne", "is_finite") and not (operation.name == "div" and divisor_moves)


def has_no_site(operation: Operation) -> bool:
    """Whether an operation is known not to switch, by itself or within its loops and branches."""
    inner = operation.structure
    if isinstance(inner, (Scan, Branches)):
        return _is_smooth(inner)
    if operation.name == "integer_pow" and exponent(operation) is None:
        return False
    return isinstance(inner, Call) or (operation.name in _WITHOUT_SITES and not truncates(operation))


def _is_smooth(parts: Scan | Branches) -> bool:
    """Whether nothing switches inside a loop or a branch; what chooses a branch is compared outside it."""
    functions = parts.functions if isinstance(parts, Branches) else (parts.function,)
    return all(
        _is_smooth(o.structure) if isinstance(o.structure, (Scan, Branches)) else o.name in _WITHOUT_SITES
        for function in functions
        for o in function.operations
    )


def inner_function(operation: Operation) -> TracedFunction | None:
    """The function inside a call, where it should be looked into."""
    if not isinstance(operation.structure, Call) or operation.name == "custom_vjp_call":
        return None
    function = operation.structure.function
    if function.is_library and function.name in _SMOOTH:
        return None
    # A custom derivative is the author's word, but for the bare ones of abs, max (relu) and sqrt.
    return None if operation.name == "custom_jvp_call" and not _is_one_site(function) else function


def _is_one_site(function: TracedFunction) -> bool:
    if len(function.operations) != 1:
        return False
    (only,) = function.operations
    inner = only.structure
    return _is_one_site(inner.function) if isinstance(inner, Call) else only.name in _SITES
