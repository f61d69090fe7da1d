"""What a run keeps on disk, each thing whole: metrics, checkpoints, how it ended."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ..errors import InputError
from ..files import replacing
from .trainer import TrainState

CONFIG, METRICS, RESULT = "config.toml", "metrics.jsonl", "result.json"
SCHEMA = "diracgan.train/1"


class RunFolder:
    """What a run writes, each thing whole."""

    def __init__(self, folder: Path, tensorboard: bool = False) -> None:
        """``folder``: an existing one; ``tensorboard``: whether metrics are written for it as well."""
        self.folder, self.samples, self.checkpoints = folder, folder / "samples", folder / "checkpoints"
        for f in (self.samples, self.checkpoints):
            f.mkdir(exist_ok=True)
        self.board = _board(folder / "tensorboard") if tensorboard else None

    def line(self, line: Mapping[str, Any]) -> None:
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

    def save(self, name: str, state: TrainState, step: int) -> None:
        """Replace a checkpoint: a line of JSON that says what follows, then every array."""
        with replacing(self.checkpoints / f"{name}.eqx") as temporary, temporary.open("wb") as file:
            header = {"schema": SCHEMA, "step": step, "leaves": _leaves(state)}
            file.write((json.dumps(header) + "\n").encode())
            eqx.tree_serialise_leaves(file, state)
            file.flush()
            os.fsync(file.fileno())

    def end(self, record: Mapping[str, Any]) -> None:
        """Write how the run ended."""
        if self.board is not None:
            self.board.close()
        with replacing(self.folder / RESULT) as temporary:
            temporary.write_text(json.dumps({"schema": SCHEMA, **record}, indent=1) + "\n", encoding="utf-8")


def _board(folder: Path) -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        raise InputError(
            'tensorboard needs tensorboardX, which is not installed; install it: pip install "diracgan[train]"'
        ) from None
    return SummaryWriter(str(folder))


def lines_until(path: Path, step: int) -> list[dict[str, Any]] | None:
    """The lines of metrics up to a step; what was written after the checkpoint is written again."""
    if not path.is_file():
        return None
    found = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            break  # the writer was stopped in the middle of it
        if line["step"] <= step:
            found.append({n: float("nan") if x is None else x for n, x in line.items()})
    return found


def restore(file: Path, like: TrainState) -> tuple[TrainState, int]:
    """The state of a checkpoint, shaped as ``like``, and its step.

    Raises:
        InputError: when it is missing, damaged, or of another network.
    """
    if not file.is_file():
        raise InputError(f"no checkpoint {str(file)!r}; allowed: the folder of a run that has saved one")
    try:
        with file.open("rb") as held:
            header = json.loads(held.readline())
            theirs, ours = header["leaves"], _leaves(like)
            if theirs != ours:
                raise InputError(f"{str(file)!r} is of another network: {_difference(theirs, ours)}")
            return eqx.tree_deserialise_leaves(held, like), header["step"]
    except InputError:
        raise
    except Exception as error:  # numpy's reader raises whatever the bytes happen to be taken for
        raise InputError(
            f"{str(file)!r} is no checkpoint, or damaged: {str(error).splitlines()[0]}"
        ) from error


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
