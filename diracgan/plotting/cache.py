"""The numbers of pictures, kept on disk: the same motion drawn again, whatever its size or file, needs no JAX.

A motion is kept under a hash of everything that its numbers follow from: this package's source, the versions of what
computes, the machine, the environment's switches, every option. Nothing is ever out of date, then: what has changed has
another key. Only what :mod:`diracgan` itself defines is kept, since nobody sees what a user's own file reads.

The environment variable ``DIRACGAN_CACHE`` names the folder; 0, or nothing, and none is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import platform
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from ..files import forget_oldest, replacing

#: The environment variable that names the folder.
FOLDER = "DIRACGAN_CACHE"

_COMPUTES = ("jax", "jaxlib", "numpy", "scipy", "optax", "equinox", "diffrax")
_SWITCHES = ("DIRACGAN_", "JAX_", "XLA_")
_MOST = 200  # motions that are kept, the last ones
_BYTES = 1 << 20  # of the arrays of one
_DIGITS = 40  # of a key


class Motion(NamedTuple):
    """What a picture draws, and what it is called.

    Attributes:
        trajectory: where the players go: arrays by name, and ``attrs``.
        spectrum: its :class:`diracgan.analysis.Spectrum`, or what has the same attributes.
        name: of the picture's file where none is given.
    """

    trajectory: dict[str, Any]
    spectrum: Any
    name: str


def file_of(options: Any) -> Path | None:
    """Where the motion with these options, plain values, is kept; None where nothing is."""
    folder = os.environ.get(FOLDER, "0")
    if folder in ("", "0"):
        return None
    try:
        told = [
            options,
            sys.version,
            platform.machine(),
            platform.node(),
            _switches(),
            *map(_version, _COMPUTES),
        ]
        key = hashlib.sha256(json.dumps(told).encode())
        for source in sorted(Path(__file__).parents[1].rglob("*.py")):
            key.update(source.read_bytes())
    except (OSError, TypeError):  # a package without files, or what is not a plain value
        return None
    return Path(folder) / f"{key.hexdigest()[:_DIGITS]}.npz"


def read(path: Path | None) -> Motion | None:
    """A motion that was kept; None where there is none, or its file is not whole."""
    if path is None:
        return None
    try:
        with np.load(path, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        plain = json.loads(str(arrays.pop("plain")))
        trajectory, spectrum = ({**plain[who], **_named(arrays, who)} for who in ("trajectory", "spectrum"))
        return Motion(trajectory, SimpleNamespace(**spectrum), plain["name"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def keep(path: Path | None, motion: Motion) -> None:
    """Keep a motion, whole or not at all, and forget the oldest; what cannot be kept is not."""
    both = {"trajectory": motion.trajectory, "spectrum": vars(motion.spectrum)}
    arrays: dict[str, Any] = {
        f"{who}.{n}": x for who, all_ in both.items() for n, x in all_.items() if isinstance(x, np.ndarray)
    }
    if path is None or sum(x.nbytes for x in arrays.values()) > _BYTES:
        return
    plain = {w: {n: x for n, x in all_.items() if f"{w}.{n}" not in arrays} for w, all_ in both.items()}
    with contextlib.suppress(OSError, InputError, TypeError):  # no room, no right to write, no plain values
        text = json.dumps({**plain, "name": motion.name})
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            np.savez(temporary, **{"plain": np.array(text)}, **arrays)
        forget_oldest(path.parent, "[0-9a-f]" * _DIGITS + ".npz", _MOST)


def ours(*parts: object) -> bool:
    """Whether this package defines each of these objects (None counts)."""
    package = __name__.partition(".")[0]
    return all(x is None or type(x).__module__.partition(".")[0] == package for x in parts)


def _named(arrays: dict[str, np.ndarray], who: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(f"{who}."): x for n, x in arrays.items() if n.startswith(f"{who}.")}


def _switches() -> list[tuple[str, str]]:
    return sorted((n, x) for n, x in os.environ.items() if n.startswith(_SWITCHES) and n != FOLDER)


def _version(package: str) -> str | None:
    """What tells one version of a package from another, found without importing it (its metadata take 20 ms to read).

    The text of its version file; of a package without one the name of its folder of metadata, and its first file.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        return None
    first = Path(found.origin)
    file = first.with_name("version.py")
    if file.is_file():
        return file.read_text(encoding="utf-8")
    metadata = sorted(p.name for p in first.parents[1].glob(f"{package}-*.dist-info"))
    return "\n".join([*metadata, first.read_text(encoding="utf-8")])
