"""A function compiled as one XLA kernel, for loops of a few hundred operations on few numbers.

XLA makes a kernel of each fused group of operations and calls them one after the other; on a state of four numbers the
calls take ten times as long as the arithmetic. Loops that it takes to be small it compiles whole; a call can be marked
as such by hand.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax.experimental.xla_metadata import set_xla_metadata

from ..tracing.jaxpr import operation_names

T = TypeVar("T")

_MARKED = {"xla_cpu_small_call": "true", "inlineable": "false"}
# What compiles within a kernel: arithmetic, shapes and control flow, but nothing that calls a library.
_WITHIN = frozenset(
    """abs acos acosh add add_any and argmax argmin asin asinh atan atan2 atanh broadcast_in_dim cbrt ceil
    clamp closed_call concatenate cond convert_element_type copy copy_p cos cosh custom_jvp_call
    custom_vjp_call custom_vjp_call_jaxpr div dot_general dynamic_slice dynamic_update_slice eq erf erfc exp
    exp2 expand_dims expm1 floor gather ge gt integer_pow iota is_finite jit le log log1p logistic lt max
    min mul ne neg nextafter not or pad pjit pow reduce_and reduce_max reduce_min reduce_or reduce_prod
    reduce_sum rem reshape rev round rsqrt scan scatter select_n sign sin sinh slice split sqrt square
    squeeze stack stop_gradient sub tan tanh tile transpose unstack while xor""".split()
)


def one_kernel(fn: Callable[..., T]) -> Callable[..., T]:
    """``fn`` as one kernel where it is traced for a processor and calls no library; elsewhere as it is.

    Example:
        >>> import jax.numpy as jnp
        >>> twice = one_kernel(lambda x: x + x)
        >>> jax.jit(lambda x: jax.lax.fori_loop(0, 3, lambda _, y: twice(y), x))(jnp.ones(2)).tolist()
        [8.0, 8.0]
    """
    called = jax.jit(fn)

    @functools.wraps(fn)
    def within(*args: Any) -> T:
        if jax.default_backend() != "cpu" or not operation_names(fn, *args) <= _WITHIN:
            return fn(*args)
        with set_xla_metadata(**_MARKED):
            return called(*args)

    return within
