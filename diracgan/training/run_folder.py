"""The folder of a run, each file written whole: metrics, checkpoints, how it ended."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import sys
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..errors import InputError, OccupiedError, not_installed
from ..files import OWNER, folder as writable, json_object, refusals, replacing, write_text
from ..locks import locked
from . import loss_file
from .toml_tables import toml
from .trainer import TrainState

CONFIG, METRICS, RESULT, LOCK = "config.toml", "metrics.jsonl", "result.json", "run.lock"
SCHEMA = "diracgan.train/1"
_PARTS = ("", "samples", "checkpoints")
_FILES, _FOLDERS = (CONFIG, METRICS, RESULT, loss_file.COPY), (*_PARTS[1:], "tensorboard")
_LINE = 1 << 24  # characters of a line: a checkpoint's first one has some sixty for each array
_ARRAY = 1 << 10  # bytes of an array in a checkpoint beside its numbers
# what diracgan.files leaves of a process that is killed
_TEMPORARY = re.compile(
    rf"\.(config|metrics|result|loss|last|best|probe|\d{{8,}}(-walks|-filters)?)-{OWNER}(\.(toml|jsonl|json|py|eqx|png))?"
)


class RunFolder:
    """What a run writes, each thing whole."""

    def __init__(self, folder: Path, tensorboard: bool = False, run: str = "") -> None:
        """``folder``: an existing one; ``tensorboard``: whether metrics are written for it as well; ``run``: whose."""
        self.run = run
        self.folder, self.samples, self.checkpoints = folder, folder / "samples", folder / "checkpoints"
        for f in (self.samples, self.checkpoints):
            f.mkdir(exist_ok=True)
        self.board = _board(folder / "tensorboard") if tensorboard else None

    def append_metrics(self, line: Mapping[str, Any]) -> None:
        """Append one line of metrics."""
        with (self.folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(jsonable(line)) + "\n")
        if self.board is not None:
            under = f"seed {line['seed']}/" if "seed" in line else ""
            for name, x in line.items():
                if isinstance(x, float) and np.isfinite(x):
                    self.board.add_scalar(under + name, x, line["step"])
            for name, values in line.get("singular", {}).items():
                self.board.add_scalar(f"{under}singular/{name}", values[0], line["step"])

    def save_checkpoint(self, name: str, state: TrainState, step: int) -> None:
        """Replace a checkpoint: a line of JSON that says what follows, then every array."""
        arrays = io.BytesIO()
        eqx.tree_serialise_leaves(arrays, state)
        content = arrays.getvalue()
        header = {"schema": SCHEMA, "step": step, "run": self.run, "leaves": _leaves(state)}
        header["crc32"] = _crc32(header, content)
        with replacing(self.checkpoints / f"{name}.eqx") as temporary, temporary.open("wb") as file:
            file.write((json.dumps(header) + "\n").encode())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def step_of(self, name: str) -> int | None:
        """The step of a checkpoint; None where there is none that can be read."""
        try:
            with (self.checkpoints / f"{name}.eqx").open("rb") as file:
                return int(json.loads(file.readline(_LINE))["step"])
        except (OSError, ValueError, RecursionError, LookupError, TypeError):
            return None

    def write_result(self, record: Mapping[str, Any]) -> None:
        """Write how the run ended."""
        if self.board is not None:
            self.board.close()
        write_text(self.folder / RESULT, json.dumps({"schema": SCHEMA, **record}, indent=1) + "\n")


def _board(folder: Path) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise not_installed("tensorboard", "tensorboardX", "train") from None
    return SummaryWriter(str(folder))


@contextlib.contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Make the folder of a new run, and keep others from writing there while the context lasts.

    Raises:
        InputError: when it holds anything but what a run that died before it began has left, when another process
            writes there, or when it cannot be written.
    """
    given = os.fspath(path)
    target = Path(given)
    missing = [folder for folder in (target, *target.parents) if not os.path.lexists(folder)]
    said_below = contextlib.suppress(FileExistsError, NotADirectoryError)
    with refusals(given, "allowed: a writable folder"), said_below:
        target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        _check_new(target, given)
    try:
        target = writable(path)
        with locked(target / LOCK, given):
            _check_new(target, given)
            _remove_temporaries(target)
            yield target
    finally:
        for folder in missing:  # what holds nothing, since the run did not begin, goes as it came
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def begun_folder(target: Path) -> Iterator[None]:
    """Keep others from writing to the folder of a run, and sweep up what a killed process has left there.

    Raises:
        InputError: when another process writes there.
    """
    with locked(target.resolve() / LOCK, target):
        _remove_temporaries(target)
        yield


def _check_new(target: Path, given: str) -> None:
    if (target / CONFIG).exists():
        raise OccupiedError(
            f"{given!r} holds a run already; allowed: another folder, --resume (in Python resume), or --overwrite",
            clear=lambda: _clear(target, given),
        )
    _check_own(target, given, (LOCK, loss_file.COPY))


def _check_own(target: Path, given: str, ours: Collection[str]) -> None:
    """Raise InputError where a folder holds anything but ``ours`` and what a killed process left."""
    foreign = sorted(
        p.name for p in target.iterdir() if p.name not in ours and not _TEMPORARY.fullmatch(p.name)
    )
    if foreign:
        raise InputError(
            f"{given!r} is not a run's folder and not empty: it holds {foreign[0]!r}; allowed: a new or an empty folder"
        )


def _clear(target: Path, given: str) -> None:
    """Remove a run from its folder, unless somebody writes to it or something else lies there."""
    with locked(target.resolve() / LOCK, given):
        _check_own(target, given, (LOCK, *_FILES, *_FOLDERS))
        _remove_run(target)


def _remove_run(target: Path) -> None:
    for name in _FILES:
        (target / name).unlink(missing_ok=True)
    for name in _FOLDERS:
        shutil.rmtree(target / name, ignore_errors=True)


@contextlib.contextmanager
def undone_at_its_start(target: Path, metrics: Collection[Mapping[str, Any]]) -> Iterator[None]:
    """Take what a new run has written away again where its first steps fail: the same would fail on each resume.

    What a kill, a signal or the disk stops is kept, and so is all that has ``metrics`` beyond the start.
    """
    try:
        yield
    except Exception as error:
        disk = isinstance(error, OSError) or isinstance(error.__cause__, OSError)
        if not disk and all(line["step"] == 0 for line in metrics):
            _remove_run(target)
        raise


def _remove_temporaries(target: Path) -> None:
    for part in _PARTS:
        folder = target / part
        for file in folder.iterdir() if folder.is_dir() else ():
            if _TEMPORARY.fullmatch(file.name):
                file.unlink(missing_ok=True)


def write_config(target: Path, table: Mapping[str, Any]) -> None:
    """Replace a run's config, after a copy of a user's loss has been put beside it."""
    file, copy = loss_file.file_of(table["variant"]["name"]), target / loss_file.COPY
    if file is not None and file.is_file() and not copy.exists():
        with replacing(copy) as temporary:
            temporary.write_bytes(file.read_bytes())
    write_text(target / CONFIG, toml(table))


_DECIDES = ("variant", "rule", "problem", "networks", "tricks", "averages")
_DECIDES += ("batch", "seed", "seeds", "dtype", "pretrain", "warmup", "mean")


def identity(table: Mapping[str, Any]) -> str:
    """SHA-256 of what decides a run's numbers: all but how long it is, where it runs, what is kept, and alarms."""
    kept = {n: x for n, x in table.items() if n in _DECIDES}
    if "sha256" in kept["variant"]:  # the code, wherever it lies
        kept["variant"] = {n: x for n, x in kept["variant"].items() if n != "name"}
    return hashlib.sha256(json.dumps(_without_folders(kept), sort_keys=True).encode()).hexdigest()


def _without_folders(value: Any) -> Any:
    """Plain values with every file by its last name: what a run was made with may move."""
    if isinstance(value, Mapping):
        return {n: _without_folders(x) for n, x in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_folders(x) for x in value]
    return value if value is None or isinstance(value, (bool, int, float)) else Path(str(value)).name


def keep_metrics(target: Path, lines: list[dict[str, Any]]) -> None:
    """Replace the metrics by these lines: what was written after the checkpoint is written again."""
    write_text(target / METRICS, "".join(json.dumps(jsonable(m)) + "\n" for m in lines))


def check_unbegun(target: Path) -> None:
    """Raise InputError where a run without a checkpoint has metrics that one killed at its start does not leave.

    They are somebody's, and the run would write its own in their place.
    """
    if any(m["step"] > 0 or "loss_d" not in m for m in lines_until(target / METRICS, sys.maxsize)):
        raise InputError(
            f"{str(target)!r} has {METRICS} and no checkpoint to continue from; allowed: to move that file away, and "
            "the run begins anew"
        )


def lines_until(path: Path, step: int) -> list[dict[str, Any]]:
    """The lines of metrics up to a step, without a last one whose writing was cut short.

    Raises:
        InputError: for a line that is not one of a run's metrics, or damaged.
    """
    found: list[dict[str, Any]] = []
    if not path.is_file():
        return found
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, text in enumerate(iter(lambda: file.readline(_LINE), ""), 1):
            try:
                line = json.loads(text)
            except json.JSONDecodeError:
                if len(text) < _LINE and not text.endswith("\n"):
                    break  # the writer was stopped in the middle of it
                line = None
            except RecursionError:
                line = None
            if not isinstance(line, dict) or not isinstance(line.get("step"), int):
                raise InputError(
                    f"line {number} of {str(path)!r} has no step; allowed: lines of metrics that a run has written"
                )
            if line["step"] <= step:
                found.append({n: float("nan") if x is None else x for n, x in line.items()})
    return found


def ended(target: Path) -> tuple[str, str] | None:
    """How a run ended, its result and a sentence; None of one that goes on, or was stopped."""
    record = json_object(target / RESULT) or {}
    return (str(record["result"]), str(record["text"])) if {"result", "text"} <= record.keys() else None


def restore(file: Path, like: TrainState, run: str) -> tuple[TrainState, int]:
    """The state of a checkpoint, shaped as ``like``, and its step.

    Raises:
        InputError: when it is missing, damaged, or of another network or another ``run``.
    """
    if not file.is_file():
        raise InputError(f"no checkpoint {str(file)!r}; allowed: the folder of a run that has saved one")
    try:
        with file.open("rb") as held:
            header = json.loads(held.readline(_LINE))
            theirs, ours = header["leaves"], _leaves(like)
            if theirs != ours:
                raise InputError(f"{str(file)!r} is of another network: {_difference(theirs, ours)}")
            arrays = jax.tree.leaves(like)
            content = held.read(sum(x.nbytes + _ARRAY for x in arrays))  # no more, however long the file is
            if _crc32(header, content) != header["crc32"]:
                raise InputError(
                    f"{str(file)!r} is damaged: its checksum is another; allowed: a whole checkpoint"
                )
            if header["run"] != run:
                raise InputError(
                    f"{str(file)!r} is of a run with other settings than those of {CONFIG}; allowed: the {CONFIG} "
                    "that the run was made with"
                )
            return eqx.tree_deserialise_leaves(io.BytesIO(content), like), header["step"]
    except InputError:
        raise
    except Exception as error:  # numpy's reader raises whatever the bytes happen to be taken for
        raise InputError(
            f"{str(file)!r} is not a checkpoint, or damaged: {str(error).splitlines()[0]}"
        ) from error


def _crc32(header: Mapping[str, Any], content: Any) -> int:
    """The checksum of a checkpoint: of what its first line says besides, and of its arrays."""
    said = json.dumps({n: header[n] for n in ("schema", "step", "run", "leaves")})
    return zlib.crc32(content, zlib.crc32(said.encode()))


def _leaves(state: TrainState) -> list[list[str]]:
    flat = jax.tree_util.tree_leaves_with_path(state)
    return [[jax.tree_util.keystr(p).lstrip("."), str(x.dtype), "x".join(map(str, x.shape))] for p, x in flat]


def _difference(theirs: list[list[str]], ours: list[list[str]]) -> str:
    for a, b in zip(theirs, ours, strict=False):
        if a != b:
            return f"its {a[0]} is {a[1]} {a[2] or 'scalar'}, here {b[0]} is {b[1]} {b[2] or 'scalar'}"
    return f"it has {len(theirs)} arrays, here are {len(ours)}"


def jsonable(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of metrics as JSON knows it: null for what is not finite."""
    return {n: None if isinstance(x, float) and not np.isfinite(x) else x for n, x in line.items()}
