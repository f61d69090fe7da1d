"""Who makes the steps of an ensemble on device arrays: a compiled loop where there is one for the run, else XLA."""

from __future__ import annotations

import contextlib
import functools
from types import ModuleType
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..pytrees import Pytree
from ..tracing.source_text import NotWritable
from . import adaptive_steps, c_backend, compiled_adaptive, cuda_backend, gpu_backend, loop_source
from .blocks import Devices
from .fixed_steps import Entries, Step, StepShare, Task, step_and_start, varying
from .vector_field import StepProgram


class DeviceRun(NamedTuple):
    """What a program depends on besides its arrays.

    Attributes:
        motion: what moves.
        names: the statistics asked for.
        devices: where it runs.
        dtype: the type of every number.
        varies: which of the system's numbers vary over trajectories.
        size: how many trajectories there are.
        dim: the components of a player.
        datum: the components of the datum, or 0 where it is 0.
        adaptive: whether the steps' sizes follow from their errors.
        reduced: whether it runs in the few dimensions that the start spans.
        several: whether the rows have a time.
        worth: whether compiling C pays.
    """

    motion: StepProgram
    names: tuple[str, ...]
    devices: Devices
    dtype: np.dtype
    varies: tuple[bool, ...]
    size: int
    dim: int
    datum: int
    adaptive: bool
    reduced: bool
    several: bool
    worth: bool


class Engine(NamedTuple):
    """What makes the steps.

    Attributes:
        name: as ``attrs`` say it.
        why: why it is not a compiled loop, or "".
        loop: the compiled loop, or None.
        is_one_kernel: whether :mod:`.gpu_backend` makes them all in one kernel.
    """

    name: str
    why: str
    loop: Any
    is_one_kernel: bool = False


@functools.lru_cache(maxsize=256)
def engine(about: DeviceRun, h_varies: bool) -> Engine:
    """The best that there is for a run."""
    gpu, loop, why = about.devices.platform == "gpu", None, about.motion.note
    if not gpu and not about.worth:
        return Engine("XLA", "", None)
    if not gpu:
        with contextlib.suppress(NotWritable):
            loop = compiled_loop(c_backend, about, h_varies)
        return Engine("XLA", "", None) if loop is None else Engine("compiled C", "", loop)
    try:
        loop = cast("cuda_backend.CudaLoop | None", compiled_loop(cuda_backend, about, h_varies))
    except NotWritable as error:
        why = why or f"{error} has no text in CUDA"
    device = about.devices.devices[0]
    why = cuda_backend.missing(device) or (loop.fails(device) if loop else why)
    if loop is not None and not why:
        return Engine("compiled CUDA", "", loop)
    if not about.adaptive:
        step, start = _begun(_abstract(about, h_varies))
        if gpu_backend.fits(step, *start):
            return Engine("one kernel", why, None, is_one_kernel=True)
    return Engine("XLA", why, None)


def compiled_loop(
    backend: ModuleType, about: DeviceRun, h_varies: bool
) -> c_backend.CompiledLoop | cuda_backend.CudaLoop | None:
    """The loop of a run for the compiler of ``backend``; None where it has none for it.

    Raises:
        NotWritable: for an operation or a type that has no text; it is named.
    """
    task = _abstract(about, h_varies)
    if about.adaptive:
        return compiled_adaptive.compiled_loop(backend, task, adaptive_steps.CONTROL, adaptive_steps.LOOKS)
    step, start = _begun(task)
    varies = tuple(np.ndim(x) > 0 for x in start.fixed), tuple(state_varies(step, start))
    return backend.loop(loop_source.fixed_steps, step, *varies, about.dtype)


def _abstract(about: DeviceRun, h_varies: bool) -> Task:
    """The task of a few trajectories, in shapes and types."""
    motion, kind = about.motion, about.dtype
    number, array = (jax.ShapeDtypeStruct(shape, kind) for shape in ((), (128,)))
    leaves = [array if v else number for v in about.varies]
    players = [array] * motion.players
    if not motion.is_scalar:
        players = [jax.ShapeDtypeStruct((about.dim, 128), kind)] * 2
    x0 = (number,) * about.datum or None
    return Task(
        motion,
        about.names,
        leaves,
        players,
        (number, number, x0),
        array if h_varies else number,
        about.devices,
    )


def _begun(task: Task) -> tuple[Any, StepShare]:
    """The step and what it starts from, in shapes and types."""
    found: dict[str, Any] = {}

    def begin(leaves: Entries, players: Entries, reference: Pytree, h: Array) -> StepShare:
        inside = Task(task.motion, task.names, leaves, players, reference, h, task.devices)
        found["step"], start, _ = step_and_start(inside, at_once(inside))
        return start

    shapes = jax.eval_shape(begin, task.leaves, task.players, task.reference, task.h)
    return found["step"], shapes


def at_once(task: Task) -> Entries:
    """The rule's whole state at the start."""
    assert task.motion.begin is not None
    return [jnp.asarray(x) for x in task.motion.begin([*task.leaves, *task.players])]


def state_varies(step: Step, start: StepShare) -> list[bool]:
    """Which entries of the state come to vary over trajectories."""
    return varying(step, *([np.ndim(x) > 0 for x in part] for part in start))
