"""Compressed logs, unpacked by the standard library into a folder of their own, up to a limit."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import InputError

_OPENERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_ZSTD = b"\x28\xb5\x2f\xfd"
SUFFIXES = (".gz", ".bz2", ".xz", ".zip")
_MOST = 2 << 30  # bytes that are unpacked at most
_DENSE, _SMALL = 250, 64 << 20  # beyond so many bytes nothing that anybody logs is so many times its size
_FILES = 1000  # in a zip
_PART = 1 << 20


def is_compressed(path: Path, head: bytes) -> bool:
    """Whether a file is one of these by its first bytes; an .npz, which is a zip too, is not."""
    if head.startswith((*_OPENERS, _ZSTD)):
        return True
    return head.startswith(b"PK\x03\x04") and path.suffix.lower() != ".npz" and not _holds_arrays(path)


def plain_name(path: Path) -> str:
    """The name of what is compressed in a file: ``metrics.csv.gz`` is ``metrics.csv``.

    Example:
        >>> plain_name(Path("metrics.csv.gz")), plain_name(Path("metrics.csv"))
        ('metrics.csv', 'metrics.csv')
    """
    return path.stem if path.suffix.lower() in SUFFIXES else path.name


def unpacked(path: Path, head: bytes, folder: Path, given: str) -> tuple[Path, str]:
    """Unpack a file into a folder.

    Args:
        path: the file.
        head: its first bytes.
        folder: an empty one, where what is unpacked goes.
        given: how the file was named, for messages.

    Returns:
        The log, or the folder where there are several files, and a note; empty where there is nothing to say.

    Raises:
        InputError: for what is damaged, encrypted, or grows beyond all logs.
    """
    if head.startswith(_ZSTD):
        raise InputError(
            f"{given} is compressed by zstd; allowed: gzip, bzip2, xz and zip, or what it unpacks to"
        )
    limit = min(_MOST, max(_SMALL, _DENSE * path.stat().st_size))
    try:
        cut = False
        if head.startswith(b"PK"):
            found = _members(path, folder, limit, given)
        else:
            opener = next(o for mark, o in _OPENERS.items() if head.startswith(mark))
            found = folder / plain_name(path)
            cut = _copied(opener(path), found, limit, given)
    except (
        OSError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise InputError(
            f"{given} cannot be unpacked: {error}; allowed: gzip, bzip2, xz and zip, whole"
        ) from None
    for p in folder.rglob("*"):  # a file may hold itself, and so on for ever
        if p.is_file() and _is_packed(p):
            raise InputError(f"{given} holds {p.name!r}, which is compressed again; allowed: compressed once")
    return found, "the compressed file ends in the middle: what is there was read" if cut else ""


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return is_compressed(path, file.read(8))


def _copied(source: Any, target: Path, limit: int, given: str) -> bool:
    """Unpack one stream; whether it is cut off, as one that is still written is."""
    size = 0
    with source, target.open("wb") as file:
        while True:
            try:
                part = source.read1(_PART)
            except EOFError:
                return True
            if not part:
                return False
            size += len(part)
            if size > limit:
                raise _too_large(given, limit)
            file.write(part)


def _members(path: Path, folder: Path, limit: int, given: str) -> Path:
    with zipfile.ZipFile(path) as archive:
        files = [m for m in archive.infolist() if not m.is_dir()]
        if len(files) > _FILES:
            raise InputError(f"{given} holds {len(files)} files; allowed: at most {_FILES}")
        if sum(m.file_size for m in files) > limit:  # no member is read beyond the size that it names
            raise _too_large(given, limit)
        for m in files:
            archive.extract(m, folder)
    return (
        folder / files[0].filename if len(files) == 1 and (folder / files[0].filename).is_file() else folder
    )


def _holds_arrays(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return False
    return bool(names) and all(n.endswith(".npy") for n in names)


def _too_large(given: str, limit: int) -> InputError:
    return InputError(f"{given} unpacks to more than {limit >> 20} MB; allowed: a log, not more than that")
