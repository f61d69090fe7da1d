"""Data sets as they lie on disk: read whole, checked to the last byte, pixels scaled to [-1, 1]."""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ..errors import InputError, not_installed
from ..memory import check_memory

FAR = 1e12  # what a coordinate of data may be at most: squares fit in every type
_IMAGES, _COLOURS, _LABELS = 0x00000803, 0x00000804, 0x00000801
_MOST_BYTES = 1 << 32  # of samples in one file; sizes are checked before anything is read
_PER_PIXEL = 10.0  # bytes: as it is read, as it is kept, and as a double
_TYPES = {
    0x08: "unsigned bytes",
    0x09: "bytes",
    0x0B: "shorts",
    0x0C: "ints",
    0x0D: "floats",
    0x0E: "doubles",
}


def idx(path: str | os.PathLike[str], magic: tuple[int, ...]) -> np.ndarray:
    """The array of an IDX file, gz or not.

    Args:
        path: the file; where only ``PATH.gz`` exists, that.
        magic: the magic numbers that it may start with.

    Raises:
        InputError: when it is missing, no IDX file of these kinds, truncated, or too long.

    References:
        The format: http://yann.lecun.com/exdb/mnist (four bytes of magic, one big-endian int per axis, the bytes).

    Example:
        >>> idx("nothing-here", (0x803,))
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: no file 'nothing-here'; ...
    """
    with _opened(path) as (file, shown):
        start = _read(file, 4, shown)
        if len(start) < 4:
            raise InputError(f"{shown} has {len(start)} bytes; allowed: an IDX file, which has at least 4")
        found = struct.unpack(">I", start)[0]
        if found not in magic:
            wanted = " or ".join(f"0x{m:08x}" for m in magic)
            raise InputError(
                f"{shown} starts with the magic number 0x{found:08x}; allowed: {wanted} ({_kind(magic)})"
            )
        axes = found & 0xFF
        head = 4 + 4 * axes
        sizes = _read(file, 4 * axes, shown)
        if len(sizes) < 4 * axes:
            raise InputError(
                f"{shown} is truncated: its header alone has {head} bytes, the file has {4 + len(sizes)}"
            )
        shape = struct.unpack(f">{axes}I", sizes)
        count, words = math.prod(shape), " x ".join(map(str, shape))  # of any size: no overflow
        if count > _MOST_BYTES:
            raise InputError(
                f"{shown} says that it holds {words} = {count} bytes; allowed: at most {_MOST_BYTES}"
            )
        check_memory(_PER_PIXEL * count, f"{shown} holds {words} pixels; take fewer of them")
        # one more than there should be, and no more: it may go on for ever
        raw = _read(file, count + 1, shown)
    if len(raw) < count:
        raise InputError(f"{shown} is truncated: {head + len(raw)} bytes, but {words} needs {head + count}")
    if len(raw) > count:
        raise InputError(f"{shown} is too long: {words} needs {head + count} bytes, and more follow")
    if 0 in shape:
        raise InputError(f"{shown} holds nothing: {words}; allowed: at least one sample")
    return np.frombuffer(raw, np.uint8).reshape(shape)


def idx_images(path: str | os.PathLike[str], labels: Any = None) -> tuple[np.ndarray, np.ndarray | None]:
    """The images of an IDX file, (n, h, w, c) in [-1, 1], and their labels, (n,), or None.

    Args:
        path: the images; ``labels`` None looks for the file that the MNIST family names so beside it.
        labels: the labels' file, ``"none"`` for none.

    Raises:
        InputError: for what :func:`idx` refuses, or as many labels as there are not images.
    """
    pixels = idx(path, (_IMAGES, _COLOURS))
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    where = _labels_beside(Path(os.fspath(path))) if labels is None else Path(os.fspath(labels))
    if where is None or str(where) == "none":
        return scaled(pixels), None
    classes = idx(where, (_LABELS,))
    if len(classes) != len(pixels):
        raise InputError(
            f"{os.fspath(where)!r} has {len(classes)} labels for {len(pixels)} images; allowed: one each, or "
            "labels=none"
        )
    return scaled(pixels), classes.astype(np.int32)


def npz(
    path: str | os.PathLike[str], key: Any = None, labels: Any = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The samples of an .npz file, (n, d) or (n, h, w, c), and the labels that it holds, (n,), or None.

    Args:
        path: the file.
        key: the array's name; None for ``x``, ``images``, ``data``, or the only one.
        labels: the labels' name; None for ``y`` or ``labels`` where they exist.

    Raises:
        InputError: when it is missing, is not an .npz file, has no such array, or its numbers are not finite or
                lie beyond :data:`FAR`.
    """
    shown = repr(os.fspath(path))
    if not Path(os.fspath(path)).is_file():
        raise InputError(f"no file {shown}; allowed: an .npz file")
    try:
        _check_archive(os.fspath(path), shown)
        with np.load(os.fspath(path), allow_pickle=False) as held:
            arrays = {n: held[n] for n in held.files}
    except InputError:
        raise
    except (OSError, ValueError, zlib.error, EOFError, AttributeError, KeyError) as error:
        # NumPy takes what it does not know for a pickle
        why = "" if "pickle" in str(error) else f": {str(error).splitlines()[0]}"
        raise InputError(
            f"{shown} is not an .npz file of numbers{why}; allowed: what numpy.savez writes"
        ) from error
    except Exception as error:  # zipfile has errors of its own for a damaged archive
        raise InputError(f"{shown} is damaged: {str(error).splitlines()[0]}") from error
    usual = [n for n in ("x", "images", "data", *(arrays if len(arrays) == 1 else ())) if n in arrays]
    name = key if key is not None else (usual[0] if usual else None)
    if name not in arrays:
        raise InputError(
            f"{shown} has no array {name or 'x'!r}; allowed: key={' or key='.join(arrays) or 'none'}"
        )
    data = arrays[name]
    if data.ndim < 2 or not (np.issubdtype(data.dtype, np.number) or data.dtype == bool) or not data.size:
        raise InputError(f"{name} of {shown} is {data.dtype} {data.shape}; allowed: numbers, (samples, ...)")
    if data.ndim > 4:
        raise InputError(
            f"{name} of {shown} has {data.ndim} axes; allowed: 2 (vectors) to 4 (images with channels)"
        )
    _finite(data, f"{name} of {shown}")
    which = labels if labels is not None else next((n for n in ("y", "labels") if n in arrays), None)
    classes = None
    if which is not None and which != "none":
        if which not in arrays:
            raise InputError(f"{shown} has no array {which!r}; allowed: labels={' or labels='.join(arrays)}")
        classes = arrays[which]
        if (
            classes.shape != data.shape[:1]
            or not np.issubdtype(classes.dtype, np.integer)
            or classes.min() < 0
        ):
            raise InputError(
                f"{which} of {shown} is {classes.dtype} {classes.shape}; allowed: one class 0, 1, ... for each of "
                f"{len(data)} samples"
            )
    if data.ndim == 2:
        return data.astype(np.float64), classes
    data = data[..., None] if data.ndim == 3 else data
    if np.issubdtype(data.dtype, np.integer):
        check_memory(_PER_PIXEL * data.size, f"{name} of {shown} is {data.shape}; take fewer samples")
        return scaled(data), classes
    if np.min(data) < -1 or np.max(data) > 1:
        raise InputError(
            f"pixels of {shown} lie in [{np.min(data):g}, {np.max(data):g}]; allowed: numbers in [-1, 1], or integers "
            "from 0 to 255"
        )
    return data.astype(np.float64), classes


def _check_archive(path: str, shown: str) -> None:
    """Raise InputError when a .npz file unpacks to more than is allowed, as its index says."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MOST_BYTES:
            raise InputError(f"{shown} unpacks to {size} bytes; allowed: at most {_MOST_BYTES}")


def digits() -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's digits: (1797, 8, 8, 1) in [-1, 1] and their labels.

    Raises:
        InputError: when scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise not_installed("digits", "scikit-learn", "train") from None
    held: Any = load_digits()
    return held.images[..., None] / 8.0 - 1.0, held.target.astype(np.int32)


def scaled(pixels: np.ndarray) -> np.ndarray:
    """Pixels of 0 to 255 in [-1, 1].

    Raises:
        InputError: for integers beyond.
    """
    if pixels.min() < 0 or pixels.max() > 255:
        raise InputError(f"pixels lie in [{pixels.min()}, {pixels.max()}]; allowed: integers from 0 to 255")
    made = pixels / 127.5
    made -= 1.0  # in place: as doubles they take eight times the file
    return made


def _finite(data: np.ndarray, what: str) -> None:
    if np.issubdtype(data.dtype, np.complexfloating):
        raise InputError(f"{what} is complex; allowed: real numbers")
    bad = ~np.isfinite(data)
    if bad.any():
        raise InputError(
            f"{what} has {int(bad.sum())} numbers that are not finite (NaN), the first at {_first(bad)}; allowed: none"
        )
    most = np.float64(FAR)  # of this type, so that half precision is not asked for a number that it has not
    far = (data < -most) | (data > most)
    if far.any():
        raise InputError(
            f"{what} is {data[far][0]:g} at {_first(far)}; allowed: numbers in [{-FAR:g}, {FAR:g}]"
        )


def _first(where: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(where)[0])


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, str]]:
    """A file, gz or not, for reading, and its name for messages."""
    given = os.fspath(path)
    file = Path(given)
    if not file.exists() and Path(given + ".gz").is_file():
        file = Path(given + ".gz")
    if not file.is_file():
        raise InputError(f"no file {given!r}; allowed: an IDX file such as train-images-idx3-ubyte.gz")
    try:
        with file.open("rb") as held:
            packed = held.read(2) == b"\x1f\x8b"
            held.seek(0)
            yield (cast("BinaryIO", gzip.GzipFile(fileobj=held)) if packed else held), repr(str(file))
    except OSError as error:
        raise InputError(f"{str(file)!r} cannot be read: {error}") from error


def _read(file: BinaryIO, count: int, shown: str) -> bytes:
    """At most ``count`` bytes, and so much memory only as there are."""
    found = bytearray()
    try:
        while len(found) < count and (piece := file.read(min(count - len(found), 1 << 20))):
            found += piece
    except (EOFError, zlib.error) as error:
        raise InputError(f"{shown} is truncated: its gzip stream ends early") from error
    return bytes(found)


def _labels_beside(path: Path) -> Path | None:
    """The file of labels that belongs to a file of images by the MNIST family's names."""
    name = path.name
    for images, labels in (
        ("images-idx3", "labels-idx1"),
        ("images.idx3", "labels.idx1"),
        ("images", "labels"),
    ):
        if images in name:
            beside = path.with_name(name.replace(images, labels))
            for found in (beside, Path(f"{beside}.gz"), beside.with_suffix("")):
                if found.is_file():
                    return found
    return None


def _kind(magic: tuple[int, ...]) -> str:
    axes = magic[0] & 0xFF
    return f"{_TYPES[magic[0] >> 8 & 0xFF]}, {'labels' if axes == 1 else 'images'}"
