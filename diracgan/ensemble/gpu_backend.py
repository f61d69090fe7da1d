"""The Pallas backend (by way of Triton): the whole time loop in one GPU kernel, the state in registers.

XLA would launch a few kernels for every step, each reading and writing the state; here a trajectory is read once,
stepped, and written once.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from numpy.typing import ArrayLike

from ..tracing.scalar_program import Program

BLOCK = 256
"""Trajectories in one program of the kernel's grid: two for each of its threads, so that latencies overlap."""
_WARPS = 4
INTERPRET = False
"""Whether kernels run without a GPU, to test them."""


def fits(step: object, fixed: list[Any], state: list[Any]) -> bool:
    """Whether a step can run in the kernel: scalars through and through, of operations that Triton has.

    Args:
        step: from the fixed numbers and the state to the state.
        fixed: a number or an array over trajectories each, or its shape and type.
        state: likewise.
    """
    if not isinstance(step, Program) or step.on_arrays:
        return False
    if INTERPRET:
        return True
    several = [
        [jax.ShapeDtypeStruct((1, BLOCK) if x.ndim else (), x.dtype) for x in part] for part in (fixed, state)
    ]
    run = jax.jit(functools.partial(steps, step)).trace(*several, jax.ShapeDtypeStruct((), jnp.int32))
    try:
        run.lower(lowering_platforms=("cuda",))
    except (NotImplementedError, ImportError):  # an operation without a rule, or a JAX without Triton
        return False
    return True


def steps(step: Program, fixed: list[Any], state: list[Any], count: ArrayLike) -> list[Any]:
    """``count`` steps of every trajectory.

    Args:
        step: from the fixed numbers and the state to the state.
        fixed: arrays (blocks, block) over trajectories, block a power of 2; or numbers for all of them.
        state: likewise, changed by a step.
        count: number of steps.

    Returns:
        The state.
    """
    from jax.experimental import pallas as pl

    values = [jnp.asarray(x) for x in (*fixed, *state)]
    blocks, block = next(x.shape for x in values if x.ndim)
    ins, split = [*values, jnp.asarray(count, jnp.int32)], len(fixed)

    def kernel(*refs: Any) -> None:
        given, results = refs[: len(ins)], refs[len(ins) :]
        *held, most = (ref[...].reshape(-1) if x.ndim else ref[0] for ref, x in zip(given, ins, strict=True))

        def once(_: Any, now: list[Any]) -> list[Any]:
            after = step([*held[:split], *now])
            return [
                jnp.broadcast_to(jnp.asarray(a, b.dtype), b.shape) for a, b in zip(after, now, strict=True)
            ]

        for ref, x in zip(results, jax.lax.fori_loop(0, most, once, held[split:]), strict=True):
            ref[...] = x.reshape(ref.shape)

    array, one = pl.BlockSpec((1, block), lambda i: (i, 0)), pl.BlockSpec((1,), lambda i: (0,))
    own = pl.BlockSpec((1,), lambda i: (i,))  # a number for all: every program writes its own copy
    run = pl.pallas_call(
        kernel,
        grid=(blocks,),
        in_specs=[array if x.ndim else one for x in ins],
        out_specs=[array if x.ndim else own for x in ins[split:-1]],
        out_shape=[jax.ShapeDtypeStruct(x.shape or (blocks,), x.dtype) for x in ins[split:-1]],
        interpret=INTERPRET,
        **({} if INTERPRET else {"compiler_params": _parameters()}),
    )
    out = run(*(x if x.ndim else x[None] for x in ins))
    return [x if like.ndim else x[0] for x, like in zip(out, ins[split:-1], strict=True)]


def _parameters() -> Any:
    from jax.experimental.pallas import triton

    return triton.CompilerParams(num_warps=_WARPS)
