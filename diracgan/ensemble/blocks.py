"""The layout of an ensemble: blocks that fit the cache, distributed over the cores."""

from __future__ import annotations

import functools
import math
import os
import threading
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeAlias, TypeVar

import jax
import numpy as np

from ..errors import InputError, integer, shown
from ..jax_settings import own_settings
from ..parameters import in_double, is_traced
from ..pytrees import Pytree

T = TypeVar("T")

# measured: what a step reads and writes stays in the first and second level cache
BLOCK_BYTES = 16_384
MULTIPLE = 128  # block sizes are multiples of this, so that no vector register is part empty


class BlockLayout(NamedTuple):
    """``size`` trajectories as ``shares`` times (``blocks``, ``block``); the last ones are padding.

    Attributes:
        size: trajectories.
        shares: parts that are handed to the cores one by one.
        blocks: blocks in a share.
        block: trajectories in a block.
    """

    size: int
    shares: int
    blocks: int
    block: int

    def split(self, values: np.ndarray) -> list[np.ndarray]:
        """(..., size) -> one (blocks, ..., block) array a share; padding repeats the last trajectory."""
        spare = self.shares * self.blocks * self.block - self.size
        if spare:
            values = np.concatenate([values, np.repeat(values[..., -1:], spare, axis=-1)], axis=-1)
        cut = values.reshape(*values.shape[:-1], self.shares, self.blocks, self.block)
        return list(np.moveaxis(cut, (-3, -2), (0, 1)))

    def join(self, parts: Sequence[Any]) -> np.ndarray:
        """The inverse of :meth:`split`."""
        flat = [np.moveaxis(np.asarray(p), 0, -2) for p in parts]
        flat = [x.reshape(*x.shape[:-2], -1) for x in flat]
        return (flat[0] if len(flat) == 1 else np.concatenate(flat, axis=-1))[..., : self.size]


def layout(count: int, block: int, workers: int, shares_each: int = 4) -> BlockLayout:
    """A layout with blocks of at most ``block`` trajectories that keeps all workers busy.

    Example:
        >>> layout(131_072, 2048, 2)
        BlockLayout(size=131072, shares=8, blocks=8, block=2048)
        >>> layout(10, 2048, 2)
        BlockLayout(size=10, shares=1, blocks=1, block=128)
    """
    needed = max(1, math.ceil(count / block))
    if needed < workers:  # few trajectories: one smaller block for each core
        needed = min(workers, math.ceil(count / MULTIPLE))
    size = min(block, math.ceil(count / needed / MULTIPLE) * MULTIPLE)
    shares = min(needed, workers * shares_each)
    blocks = math.ceil(needed / shares)
    return BlockLayout(count, math.ceil(needed / blocks), blocks, size)


def cores() -> int:
    """How many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


class Devices(NamedTuple):
    """Where an ensemble runs: on ``workers`` cores, or on accelerators.

    Attributes:
        platform: ``"cpu"`` or ``"gpu"``.
        devices: jax's devices, used in turn.
        workers: shares that run at a time.
    """

    platform: str
    devices: tuple[Device, ...]
    workers: int


# JAX assigns it, so that a checker takes it for a variable
Device: TypeAlias = jax.Device  # pyright: ignore[reportInvalidTypeForm]
"""One of JAX's devices."""
DeviceChoice: TypeAlias = int | Sequence[Device] | None
"""All of them, a number of them, or a list of JAX's own."""


def choose(devices: DeviceChoice) -> Devices:
    """The devices meant by ``devices``: None for all, a number (of the default device's kind), or a list of jax's.

    Raises:
        InputError: for a number that is not there or something that is not a device.
    """
    if devices is None or (isinstance(devices, (int, np.integer, str)) and not isinstance(devices, bool)):
        # a device, the name of a platform, or None; JAX makes its settings at run time
        preferred = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
        local = tuple(jax.local_devices(backend=getattr(preferred, "platform", preferred)))
        cpu = local[0].platform == "cpu"
        available = cores() if cpu else len(local)
        wanted = available if devices is None else integer("devices", devices, low=1)
        if wanted > available:
            what = "cores" if cpu else "accelerators"
            raise InputError(
                f"devices = {wanted} but there are {available} {what}; allowed: 1 to {available}"
            )
        return Devices("cpu", local, wanted) if cpu else Devices("gpu", local[:wanted], wanted)
    try:
        # what cannot be listed raises, which is caught below
        chosen = tuple(devices)  # type: ignore[arg-type]
    except TypeError:
        chosen = ()
    if not chosen or not all(isinstance(d, jax.Device) for d in chosen):
        raise InputError(f"devices = {shown(devices)}; allowed: None, a number, or a list of jax devices")
    platforms = {d.platform for d in chosen}
    if len(platforms) > 1:
        raise InputError(
            f"devices of several kinds: {', '.join(sorted(platforms))}; allowed: devices of one kind"
        )
    cpu = platforms == {"cpu"}
    return Devices("cpu" if cpu else "gpu", chosen, max(len(chosen), cores()) if cpu else len(chosen))


def one_device(devices: DeviceChoice, arrays: Sequence[Any]) -> Devices:
    """The one device that ``arrays`` are on, or the one that ``devices`` names.

    Raises:
        InputError: where it is not one.
    """
    known = (x for x in arrays if isinstance(x, jax.Array) and not is_traced(x))
    on = {d for x in known for d in x.devices()}
    if devices is None:
        found = tuple(on) or choose(None).devices[:1]
    else:
        found = choose(devices).devices[:devices] if isinstance(devices, int) else choose(devices).devices
    if len(found) != 1:
        raise InputError(
            f"arrays='jax' on {len(found)} devices; allowed: one, where phi0 and theta0 both are"
        )
    return Devices("cpu" if found[0].platform == "cpu" else "gpu", found, 1)


@functools.cache
def compiler_options() -> dict[str, Any]:
    """Per-computation options for XLA on a processor: wide vectors, and no splitting of what a core keeps in cache.

    jaxlib 0.10 and 0.11 make wrong code of ``lax.atan`` for vectors of 512 bits (AVX-512), without an error; where they
    do, as a trial says, vectors are left as XLA has them.
    """
    wide = {"xla_cpu_prefer_vector_width": 512}
    whole = {"xla_disable_hlo_passes": "cpu-parallel-task-assigner"}
    x = np.linspace(-3, 3, 64, dtype=np.float32)
    try:
        # on a processor, whatever the default; run as compiled, also while a program is traced
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            found = jax.jit(jax.lax.atan, compiler_options=wide | whole).lower(x).compile()(x)
    except Exception:  # another jaxlib may not know them; they are only for speed
        return {}
    return wide | whole if np.allclose(found, np.arctan(x), rtol=0, atol=1e-6) else whole


def across(platform: str) -> Callable[..., Any]:
    """How a function of one block is applied to many: one after the other on a core, all at once on a GPU."""
    return jax.lax.map if platform == "cpu" else _all_at_once


def _all_at_once(block: Callable[[Any], Any], pieces: Pytree) -> Pytree:
    return jax.vmap(block)(pieces)


def compiled(fn: Callable[..., T], static: int = 1) -> Callable[..., Callable[..., T]]:
    """``fn`` jitted for a platform, its first ``static`` arguments static: call the result with the platform's name."""

    @functools.cache
    def on(platform: str) -> Callable[..., T]:
        options = compiler_options() if platform == "cpu" else {}
        return jax.jit(fn, static_argnums=tuple(range(static)), compiler_options=options)

    return on


_WARM: set[Any] = set()


def over(
    devices: Devices, fn: Callable[[Any], T], shares: Sequence[Any], warm: Callable[[Any], Any], key: Hashable
) -> list[T]:
    """``fn`` of every share, as many at a time as there are workers.

    Args:
        devices: where.
        fn: what is done with a share; it blocks no lock while it computes, and calls :func:`look_up` now and then.
        shares: all of one shape.
        warm: compiles what ``fn`` runs, by doing as little of it as can be, so that the workers need not.
        key: what the compilation depends on besides the type of number; one that has been met is not warmed again.
    """
    double = in_double()

    left = threading.Event()

    def work(job: tuple[int, Any]) -> T:
        (index, share), _worker.left = job, left
        with own_settings(double), jax.default_device(devices.devices[index % len(devices.devices)]):
            return jax.block_until_ready(fn(share))

    jobs: Iterable[tuple[int, Any]] = list(enumerate(shares))
    if len(shares) == 1:
        return [work(job) for job in jobs]
    if (key, double) not in _WARM:
        jax.block_until_ready(warm(shares[0]))
        _WARM.add((key, double))
    with ThreadPoolExecutor(min(devices.workers, len(shares))) as pool:
        try:
            return list(pool.map(work, jobs))
        finally:
            left.set()


_worker = threading.local()


class LeftError(Exception):
    """Raised in a worker of :func:`over` once its results are waited for no longer."""


def look_up() -> None:
    """Raise :class:`LeftError` where nobody waits any more, after Ctrl-C for one: for workers between two runs."""
    if (left := getattr(_worker, "left", None)) is not None and left.is_set():
        raise LeftError
