"""Executors of a sweep's chunks: this machine's cores or accelerators, or a Dask cluster.

Whoever it is runs the same function on the same chunk, one core each, so that the numbers are the same.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, Protocol

import jax
import numpy as np

from ..dynamics.trajectory import versions
from ..ensemble.blocks import DeviceChoice, choose
from ..ensemble.fixed_steps import engine
from ..errors import InputError, as_text, not_installed, one_line, shown
from .specification import Specification
from .transport import packed, unpacked

Values = Mapping[str, np.ndarray]
Answers = dict[str, np.ndarray]
_DEATHS = 10  # workers that one chunk may lose before it is taken to be what kills them
_KNOCK_S = 5.0  # how long a scheduler may take to answer
_AT_ONCE = 3  # of them, at least, before Dask says so: a chunk has three more tries of its own


class Executor(Protocol):
    """What a sweep hands its chunks to."""

    def run(
        self, question: Specification, jobs: Iterator[tuple[int, Values]]
    ) -> Iterator[tuple[int, Answers]]:
        """Answer every job, in any order, with only a few of them in memory."""
        ...


class Local:
    """The cores or accelerators of this machine.

    Example:
        >>> Local(devices=1).workers
        1
    """

    def __init__(self, devices: DeviceChoice = None) -> None:
        """Choose them; see :func:`diracgan.ensemble`."""
        chosen = choose(devices)
        self.workers = chosen.workers
        on_cores = chosen.platform == "cpu"
        self._devices = [None] * self.workers if on_cores else list(chosen.devices)
        # JAX's default device is a thread's own: where JAX sees a GPU, the workers would go there
        elsewhere = on_cores and jax.default_backend() != "cpu"
        self._default = chosen.devices[0] if elsewhere else None

    def run(
        self, question: Specification, jobs: Iterator[tuple[int, Values]]
    ) -> Iterator[tuple[int, Answers]]:
        """Answer every job: one thread a core, one chunk at a time each."""
        free, over = list(self._devices), threading.Event()

        def answer(values: Values) -> Answers:
            device = free.pop()
            default = self._default if device is None else device
            try:
                with contextlib.nullcontext() if default is None else jax.default_device(default):
                    return question.answer(values, device, over.is_set)
            finally:
                free.append(device)

        pool = ThreadPoolExecutor(self.workers)
        try:
            yield from _few(jobs, self.workers, lambda values: pool.submit(answer, values))
        finally:
            over.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _few(jobs: Iterator[tuple[int, Values]], most: int, submit: Any) -> Iterator[tuple[int, Answers]]:
    """Results as they come, with at most ``most`` jobs under way."""
    flying: dict[Future[Answers], int] = {}
    while True:
        for index, values in itertools.islice(jobs, most - len(flying)):
            flying[submit(values)] = index
        if not flying:
            return
        done, _ = wait(flying, return_when=FIRST_COMPLETED)
        for future in done:
            yield flying.pop(future), future.result()
            del future
        del done


class Dask:
    """The workers of a Dask cluster, which come and go.

    A chunk whose worker dies is given to another one; a result is written once, by the process that asked.
    """

    def __init__(self, scheduler: Any, timeout: float = 10.0) -> None:
        """Connect to ``scheduler``: its address (``tcp://host:port``), a cluster or a client.

        Raises:
            InputError: where Dask is not installed, or no scheduler answers.
        """
        try:
            import distributed
        except ImportError:
            raise not_installed("--scheduler", "distributed", "cluster") from None
        self._own = not isinstance(scheduler, distributed.Client)
        if not self._own:
            self.client: Any = scheduler
            return
        shown = (
            scheduler if isinstance(scheduler, str) else getattr(scheduler, "scheduler_address", scheduler)
        )
        if isinstance(scheduler, str):
            _reach(scheduler)
        with _quiet():
            try:
                self.client = distributed.Client(scheduler, timeout=timeout, set_as_default=False)
            except Exception as error:  # another service's answer is read as anything
                silent = isinstance(error, OSError)
                reason = (
                    "no scheduler answers there"
                    if silent
                    else f"what answers there is not a Dask scheduler ({one_line(error)})"
                )
                raise _unreachable(shown, reason) from None

    def run(
        self, question: Specification, jobs: Iterator[tuple[int, Values]]
    ) -> Iterator[tuple[int, Answers]]:
        """Answer every job; two for every thread of the cluster are under way."""
        from distributed import as_completed

        text, functions = packed(question)
        here = _same()
        deaths: dict[int, int] = {}
        flying: dict[Any, tuple[int, Values]] = {}
        with _quiet():
            try:
                arriving = as_completed(loop=self.client.loop, with_results=False, raise_errors=False)

                def submit(index: int, values: Values) -> None:
                    future = self.client.submit(work, text, functions, here, dict(values), pure=False)
                    flying[future] = index, values
                    arriving.add(future)

                while True:
                    for index, values in itertools.islice(jobs, max(0, self._room() - len(flying))):
                        submit(index, values)
                    if not flying:
                        return
                    future = next(arriving)
                    index, values = flying.pop(future)
                    found = _result(future)
                    if found is None:
                        deaths[index] = deaths.get(index, 0) + 1
                        if deaths[index] > _DEATHS // _AT_ONCE:
                            raise InputError(
                                f"chunk {index} has lost more than {_DEATHS} workers and is given up: "
                                "do they have the memory? finished chunks are kept"
                            )
                        submit(index, values)
                        continue
                    future.release()
                    yield index, found
            finally:
                for future in flying:
                    with contextlib.suppress(Exception):
                        future.cancel()
                if self._own:
                    with contextlib.suppress(Exception):
                        self.client.close()

    def _room(self) -> int:
        """How many chunks may be under way: the cluster's size now."""
        try:
            threads = sum(self.client.nthreads().values())
        except Exception as error:
            raise InputError(
                f"the scheduler is gone ({one_line(error)}); finished chunks are kept"
            ) from error
        return 2 * max(threads, 1)


def _result(future: Any) -> Answers | None:
    """A future's answers; None where its workers died; InputError in the worker's own words."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        return future.result()
    except KilledWorker:
        return None
    except InputError:
        raise
    except (FutureCancelledError, OSError) as error:
        raise InputError(f"the scheduler is gone ({one_line(error)}); finished chunks are kept") from error


def _unreachable(address: object, reason: str) -> InputError:
    return InputError(f"scheduler {as_text(address)!r}: {reason}; allowed: tcp://HOST:PORT of a running one")


def _reach(address: str) -> None:
    """Knock once: Dask itself would try again and again until its time is up."""
    import socket
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address if "://" in address else f"tcp://{address}")
        if parts.scheme not in ("tcp", "tls", "ucx", "ws", "wss"):
            raise _unreachable(address, f"no such protocol as {parts.scheme!r}")
        if not parts.hostname or not parts.port:
            raise _unreachable(address, "no address with a port")
        socket.create_connection((parts.hostname, parts.port), _KNOCK_S).close()
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise _unreachable(address, "no scheduler answers there") from None


@functools.lru_cache(maxsize=4)
def _restored(text: str, functions: tuple[Any, ...]) -> Specification:
    return unpacked(text, functions)


def work(text: str, functions: tuple[Any, ...], here: str, values: Values) -> Answers:
    """What a worker does: make the question of its text, once, and answer one chunk."""
    if (mine := _same()) != here:
        asked, own = json.loads(here), json.loads(mine)
        other = ", ".join(f"{k} {own.get(k)} for {asked[k]}" for k in asked if own.get(k) != asked[k])
        raise InputError(
            f"a worker runs other software ({other}), so its numbers may differ; install the same there"
        )
    return _restored(text, tuple(functions)).answer(values)


def _same() -> str:
    """What must agree between processes whose numbers are to be the same."""
    return json.dumps(json.loads(versions()) | {"platform": jax.default_backend(), "engine": engine()})


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the log lines of Dask about workers that left: the sweep says what matters."""
    loggers = [
        logging.getLogger(n) for n in ("distributed", "distributed.client", "distributed.core", "tornado")
    ]
    before = [log.level for log in loggers]
    for log in loggers:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in zip(loggers, before, strict=True):
            log.setLevel(level)


def choose_executor(
    kind: Executor | None = None, devices: DeviceChoice = None, scheduler: Any = None
) -> Executor:
    """The executor that the arguments ask for: ``kind`` itself, a Dask cluster's, or this machine's.

    Raises:
        InputError: where they contradict each other.
    """
    if kind is not None and not hasattr(kind, "run"):
        raise InputError(
            f"executor = {shown(kind)}; allowed: what has a method run, or None with devices or scheduler"
        )
    if (kind is not None) + (devices is not None) + (scheduler is not None) > 1:
        raise InputError("executor, devices and scheduler exclude each other; give one of them")
    if kind is not None:
        return kind
    return Local(devices) if scheduler is None else Dask(scheduler)
