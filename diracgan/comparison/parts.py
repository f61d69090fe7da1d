"""Parts of a comparison: each runs once, two at a time, and finished ones are kept for a later session."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import __version__
from ..errors import InputError, one_of, reason
from ..files import read_text, write_text
from ..training.build import on_device
from ..training.config import DEVICES
from ..training.loss_file import sha256
from ..variants import Variant
from .protocol import Protocol

_WORKERS = 2  # programs compile one per core


class Parts:
    """Calls of (what is compared, protocol, ...), by a pool of threads.

    Args:
        chosen: the protocol.
        folder: where the records of finished parts lie, one JSON file each; None to keep none.
        device: auto, cpu, gpu or tpu.
        done: called after each part with how many are done, how many there are, and which it was.
    """

    def __init__(
        self,
        chosen: Protocol,
        folder: str | os.PathLike[str] | None = None,
        device: str = "auto",
        done: Callable[[int, int, str], None] | None = None,
    ) -> None:
        with on_device(one_of("device", device, DEVICES)):
            pass  # one that is not there is refused before anything runs
        if folder is not None and Path(folder).is_file():
            raise InputError(
                f"{os.fspath(folder)!r} is a file; allowed: a folder for the parts that are done"
            )
        self.chosen, self.device, self.done = chosen, device, done
        self.folder = None if folder is None else Path(folder)
        self.total, self.counted = 0, itertools.count(1)
        self.pool = ThreadPoolExecutor(_WORKERS)

    def __enter__(self) -> Parts:
        """The parts, to which calls are added."""
        return self

    def __exit__(self, error: object, *_: object) -> None:
        """End the pool; after an error, or Ctrl-C, what has not begun is dropped and what runs is not waited for."""
        self.pool.shutdown(wait=error is None, cancel_futures=True)

    def add(self, what: str, function: Callable[..., Any], on: Any, *args: Any) -> Future[Any]:
        """Have a part run: ``function(on, protocol, *args)``, whose records are plain data."""
        self.total += 1
        return self.pool.submit(self._run, what, function, on, *args)

    def _run(self, what: str, function: Callable[..., Any], on: Any, *args: Any) -> Any:
        variant = getattr(on, "variant", on)
        words = (
            what,
            variant.label,
            code_of(variant),
            *map(str, args),
            *([on.group, str(on.seeds)] if on is not variant else []),
        )
        file = None if self.folder is None else self.folder / f"{what}-{self._key(words)}.json"
        note = f"{what}: {variant.label}"
        if file is not None and file.is_file():
            made, note = _kept(file), f"{note} (was done)"
        else:
            with on_device(self.device):
                made = function(on, self.chosen, *args)
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_text(file, _sealed(json.dumps(made, default=_plain)))
        if self.done is not None:
            with contextlib.suppress(RuntimeError):  # a bar that has been closed
                self.done(next(self.counted), self.total, note)
        return made

    def _key(self, words: tuple[str, ...]) -> str:
        own = (self.chosen.sha256, self.chosen.tier, str(self.chosen.seed0), str(self.chosen.width), *words)
        return hashlib.sha256("\n".join(own).encode()).hexdigest()[:16]


def code_of(variant: Variant) -> str:
    """What code the losses are: the package's version and the SHA-256 of every file of a user's own.

    Code that lies in no file is told by its class, which is another one in every process.
    """
    said = [__version__]
    for kind in type(variant).__mro__[:-1]:
        if kind.__module__.partition(".")[0] == "diracgan":
            continue
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        said.append(f"{kind.__qualname__} {id(kind) if file is None else sha256(file)}")
    return ", ".join(said)


def _kept(file: Path) -> Any:
    """The records of a part that is done."""
    why: Exception | None = None
    try:
        held = json.loads(read_text(file))
        text = json.dumps(held["records"])
        if held["sha256"] == _checksum(text):
            return json.loads(text, object_hook=_complex)
        said = "its records do not have its checksum"
    except (LookupError, TypeError):
        said = "it holds no records of a part"
    except (OSError, ValueError, RecursionError) as error:
        why, said = error, reason(error)
    raise InputError(
        f"{str(file)!r} cannot be read: {said}; remove it, and its part is computed again"
    ) from why


def _sealed(records: str) -> str:
    """Records, as JSON, with their checksum."""
    return f'{{"sha256": "{_checksum(records)}", "records": {records}}}'


def _checksum(records: str) -> str:
    return hashlib.sha256(records.encode()).hexdigest()


def _plain(x: complex | ArrayLike) -> object:
    if isinstance(x, complex):
        return {"complex": [x.real, x.imag]}
    return np.asarray(x).tolist()


def _complex(x: dict[str, Any]) -> object:
    return complex(*x["complex"]) if x.keys() == {"complex"} else x
