"""JAX's settings while diracgan computes, in one place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def own_settings(double: bool | None = None) -> Iterator[None]:
    """JAX as diracgan computes with it, whatever a caller has set for code of their own; nothing global changes.

    Shapes and types are promoted as by default, diracgan's own starts may go to the device, its programs are compiled
    (diffrax's loops of up to a million steps, run operation by operation, end in no useful time), and diffrax's
    tracers, which JAX's check of leaks takes for leaked ones, are not checked.

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
            *(() if double is None else (jax.enable_x64(double),)),
        ):
            settings.enter_context(setting)
        yield
