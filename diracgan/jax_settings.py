"""JAX's settings while diracgan computes, in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax
from jax import Array


@contextlib.contextmanager
def own_settings(double: bool | None = None) -> Iterator[None]:
    """JAX as diracgan computes with it, whatever a caller has set for code of their own; nothing global changes.

    Shapes and types are promoted as by default, diracgan's own starts may go to the device, its programs are compiled
    (diffrax's loops of up to a million steps, run operation by operation, end in no useful time), and diffrax's
    tracers, which JAX's check of leaks takes for leaked ones, are not checked. What is not a number is an answer here
    and no error, random numbers are drawn as by default (from a :func:`seeded` key), and products of matrices in 64
    bits are those of 64 bits. In 32 bits they are as exact as a caller asks for: on a GPU that is a choice between
    speed and digits.

    Args:
        double: whether in 64 bits; None for as it is.

    Example:
        >>> with own_settings(True):
        ...     bool(jax.config.read("jax_enable_x64"))
        True
    """
    with contextlib.ExitStack() as settings:
        for setting in (
            jax.numpy_rank_promotion("allow"),
            jax.numpy_dtype_promotion("standard"),
            jax.transfer_guard("allow"),
            jax.disable_jit(False),
            jax.check_tracer_leaks(False),
            jax.debug_nans(False),
            jax.debug_infs(False),
            jax.threefry_partitionable(True),
            *(() if double is None else (jax.enable_x64(double),)),
            *((jax.default_matmul_precision(None),) if double else ()),
        ):
            settings.enter_context(setting)
        yield


def seeded(seed: int | Array) -> Array:
    """The key of a seed: of JAX's usual generator, whichever a caller has chosen for keys of their own.

    Example:
        >>> with jax.default_prng_impl("rbg"):
        ...     str(jax.random.key_impl(seeded(0)))
        'threefry2x32'
    """
    return jax.random.key(seed, impl="threefry2x32")
