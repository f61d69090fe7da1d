"""Where a sweep's results go: chunk by chunk into Zarr, each chunk whole or not at all, or into memory.

The store holds nothing but what was asked and what was found, so that two runs of the same sweep make the same bytes,
however often one of them was stopped. Chunks carry a checksum; their files appear by a rename.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import secrets
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import InputError, one_line
from ..files import destination

SCHEMA = "diracgan.sweep/1"
_TEMPORARY, _ROOT = ".unfinished-", "zarr.json"
_CHECKSUM = 4  # bytes at a chunk's end


@dataclasses.dataclass(frozen=True)
class Field:
    """One variable of a sweep.

    Attributes:
        dtype: of its numbers.
        missing: what stands where nothing has been computed yet.
        extra: dimensions beyond the axes, name and size.
        attrs: what it says about itself.
    """

    dtype: np.dtype
    missing: Any
    extra: tuple[tuple[str, int], ...]
    attrs: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Layout:
    """A grid cut into chunks of one shape.

    Attributes:
        axes: name -> number of values.
        chunk: values of each axis in a chunk.
        coords: name -> (values, attributes), each along the axis of its name.
        fields: name -> variable.
        attrs: provenance.
    """

    axes: dict[str, int]
    chunk: tuple[int, ...]
    coords: dict[str, tuple[np.ndarray, dict[str, Any]]]
    fields: dict[str, Field]
    attrs: dict[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Values of every axis."""
        return tuple(self.axes.values())

    @property
    def cells(self) -> tuple[int, ...]:
        """Chunks along every axis."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunk, strict=True))

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return math.prod(self.cells)

    def cell(self, index: int) -> tuple[int, ...]:
        """Where the chunk ``index`` stands."""
        return tuple(int(i) for i in np.unravel_index(index, self.cells))

    def slices(self, index: int) -> tuple[slice, ...]:
        """What the chunk ``index`` holds of every axis; the last ones are shorter."""
        where = zip(self.cell(index), self.chunk, self.shape, strict=True)
        return tuple(slice(i * c, min((i + 1) * c, n)) for i, c, n in where)

    def points(self, index: int) -> int:
        """How many points of the grid the chunk ``index`` holds."""
        return math.prod(s.stop - s.start for s in self.slices(index))


class Sink(Protocol):
    """What results are written to."""

    def missing(self) -> list[int]:
        """The chunks that are not there yet."""
        ...

    def write(self, index: int, found: Mapping[str, np.ndarray]) -> None:
        """Keep a chunk: every variable in the full shape of a chunk."""
        ...

    def dataset(self) -> Any:
        """All of it as an :class:`xarray.Dataset`."""
        ...


class Memory:
    """Results kept in memory."""

    def __init__(self, layout: Layout) -> None:
        """Make room for a grid; InputError where it is too large to be kept."""
        size = math.prod(layout.shape) * sum(
            f.dtype.itemsize * math.prod(n for _, n in f.extra) for f in layout.fields.values()
        )
        if size > 2**31:
            raise InputError(
                f"the result takes {size / 2**30:.3g} GiB; give out=, a .zarr folder to write it to"
            )
        self.layout = layout
        self.arrays = {
            n: np.full((*layout.shape, *(k for _, k in f.extra)), f.missing, f.dtype)
            for n, f in layout.fields.items()
        }

    def missing(self) -> list[int]:
        """All chunks."""
        return list(range(self.layout.chunks))

    def write(self, index: int, found: Mapping[str, np.ndarray]) -> None:
        """Copy a chunk to its place."""
        where = self.layout.slices(index)
        for n, x in found.items():
            self.arrays[n][where] = x[tuple(slice(s.stop - s.start) for s in where)]

    def dataset(self) -> Any:
        """The dataset."""
        import xarray as xr

        dims = tuple(self.layout.axes)
        data = {
            n: ((*dims, *(e for e, _ in f.extra)), self.arrays[n], f.attrs)
            for n, f in self.layout.fields.items()
        }
        coords = {n: ((n,), x, a) for n, (x, a) in self.layout.coords.items()}
        return xr.Dataset(data, coords=coords, attrs=self.layout.attrs)


class Store:
    """Results in a Zarr folder that can be left and taken up again."""

    def __init__(self, path: str | os.PathLike[str], layout: Layout) -> None:
        """Look at what is there; nothing is written before the first chunk.

        Raises:
            InputError: for a path that cannot be written, or a store of another sweep.
        """
        self.given, self.layout = os.fspath(path), layout
        self.path = Path(path).resolve()
        self._lock: int | None = None
        self.begun = False
        try:
            self._look()
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        if self.path.is_dir():
            self._hold()
            if not (self.path / _ROOT).exists() and any(self.path.glob(f"{_TEMPORARY}*")):
                _emptied(self.path)  # a beginning that was cut short
        destination(self.given, [".zarr"])
        self.begun = self.path.exists() and any(self.path.iterdir())
        if self.begun:
            self._compare()

    # ------------------------------------------------------------ identity

    def _compare(self) -> None:
        attrs = attributes(self.path)
        if attrs is None or attrs.get("schema") != SCHEMA:
            raise InputError(
                f"{self.given!r} exists and is no sweep's store; allowed: a new name, or the same sweep's"
            )
        if attrs.get("fingerprint") == self.layout.attrs["fingerprint"]:
            return
        old, new = (json.loads(a.get("question", "{}")) for a in (attrs, self.layout.attrs))
        other = ", ".join(k for k in new if old.get(k) != new.get(k)) or "settings"
        raise InputError(
            f"{self.given!r} was made with other parameters ({other}) and is left as it is; allowed: a new name, "
            "or the same sweep, which is then continued"
        )

    # ------------------------------------------------------------ chunks

    def missing(self) -> list[int]:
        """The chunks that are not there yet; what an interrupted write has left is removed.

        Raises:
            InputError: for a damaged chunk, or where another process is writing.
        """
        if not self.begun:
            return list(range(self.layout.chunks))
        for leftover in self.path.glob(f"{_TEMPORARY}*"):
            _removed(leftover)
        return [
            k for k in range(self.layout.chunks) if not all(self._whole(n, k) for n in self.layout.fields)
        ]

    def _file(self, name: str, index: int) -> Path:
        f = self.layout.fields[name]
        return self.path.joinpath(name, "c", *map(str, (*self.layout.cell(index), *(0 for _ in f.extra))))

    def _whole(self, name: str, index: int) -> bool:
        file = self._file(name, index)
        try:
            found = file.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise InputError(f"{self.given!r} cannot be read: {one_line(error)}") from error
        f = self.layout.fields[name]
        size = math.prod((*self.layout.chunk, *(n for _, n in f.extra))) * f.dtype.itemsize
        if len(found) != size + _CHECKSUM or checksum(found[:-_CHECKSUM]) != found[-_CHECKSUM:]:
            where = file.relative_to(self.path)
            raise InputError(
                f"the chunk {str(where)!r} of {self.given!r} is damaged; the others are kept: remove that file "
                "and run the same command again"
            )
        return True

    def write(self, index: int, found: Mapping[str, np.ndarray]) -> None:
        """Put a chunk in its place, variable by variable.

        Raises:
            InputError: where the file system refuses; what is finished is kept.
        """
        try:
            if not self.begun:
                self._begin()
            for name, x in found.items():
                self._put(self._file(name, index), self._encoded(name, index, x))
        except OSError as error:
            done = sum(self._there(k) for k in range(self.layout.chunks)) if self.begun else 0
            reason = (error.strerror or one_line(error)).lower()
            raise InputError(
                f"{self.given!r} cannot be written: {reason}; {done} of {self.layout.chunks} chunks are finished "
                "and kept: run the same command again"
            ) from error

    def _there(self, index: int) -> bool:
        return all(self._file(n, index).is_file() for n in self.layout.fields)

    def _encoded(self, name: str, index: int, x: np.ndarray) -> bytes:
        f = self.layout.fields[name]
        whole = np.full((*self.layout.chunk, *(n for _, n in f.extra)), f.missing, f.dtype.newbyteorder("<"))
        inside = tuple(slice(s.stop - s.start) for s in self.layout.slices(index))
        whole[inside] = x[inside]
        data = whole.tobytes()
        return data + checksum(data)

    def _put(self, file: Path, data: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path / f"{_TEMPORARY}{secrets.token_hex(6)}"
        try:
            temporary.write_bytes(data)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)

    def _begin(self) -> None:
        """Make the store without its chunks; it is one when its root's metadata is there, which comes last."""
        self.path.mkdir(exist_ok=True)
        self._hold()
        if any(self.path.iterdir()):
            raise InputError(f"{self.given!r} has been begun by another process; run the same command again")
        fresh = self.path / f"{_TEMPORARY}{secrets.token_hex(6)}"
        _skeleton(fresh, self.layout)
        for part in sorted(fresh.iterdir(), key=lambda p: p.name == _ROOT):
            part.rename(self.path / part.name)
        fresh.rmdir()
        self.begun = True

    def _hold(self) -> None:
        """Keep other processes from writing to the store, as far as the file system can."""
        if self._lock is not None:
            return
        try:
            import fcntl
        except ImportError:  # not on every system
            return
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InputError(
                f"{self.given!r} is being written by another process; wait for it or stop it"
            ) from None
        except OSError:  # a file system without locks
            os.close(handle)
            return
        self._lock = handle

    def close(self) -> None:
        """Let others write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def dataset(self) -> Any:
        """The dataset, whose values are read when they are used; its quantities in the order of the question."""
        return opened(self.path)[list(self.layout.fields)]


@contextlib.contextmanager
def sink(path: str | os.PathLike[str] | None, layout: Layout) -> Iterator[Sink]:
    """A :class:`Store` at ``path``, or :class:`Memory` where it is None."""
    if path is None:
        yield Memory(layout)
        return
    store = Store(path, layout)
    try:
        yield store
    finally:
        store.close()


def opened(path: str | os.PathLike[str]) -> Any:
    """A sweep's store as an :class:`xarray.Dataset`; chunks are read when their values are used."""
    import xarray as xr

    return xr.open_zarr(path, chunks=None, consolidated=False)


def attributes(path: Path) -> dict[str, Any] | None:
    """The attributes of a Zarr group, or None where there is none."""
    try:
        found = json.loads((path / _ROOT).read_text(encoding="utf-8"))
        return found["attributes"] if found.get("node_type") == "group" else None
    except (OSError, ValueError, KeyError):
        return None


def checksum(data: bytes) -> bytes:
    """CRC-32C as Zarr's codec of that name appends it."""
    import google_crc32c

    return int(google_crc32c.value(data)).to_bytes(_CHECKSUM, "little")


def _removed(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _emptied(folder: Path) -> None:
    for path in folder.iterdir():
        _removed(path)


def _skeleton(path: Path, layout: Layout) -> None:
    """The folder with its metadata and coordinates."""
    import zarr
    from zarr.codecs import Crc32cCodec

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.create_group(store=str(path), zarr_format=3, attributes=layout.attrs)
        for name, (values, attrs) in layout.coords.items():
            array = group.create_array(
                name,
                shape=values.shape,
                chunks=values.shape,
                dtype=values.dtype,
                compressors=None,
                filters=None,
                fill_value=0,
                dimension_names=[name],
                attributes=attrs,
            )
            array[...] = values
        dims = list(layout.axes)
        for name, f in layout.fields.items():
            sizes = [n for _, n in f.extra]
            group.create_array(
                name,
                shape=(*layout.shape, *sizes),
                chunks=(*layout.chunk, *sizes),
                dtype=f.dtype,
                compressors=Crc32cCodec(),
                filters=None,
                fill_value=f.missing,
                dimension_names=[*dims, *(n for n, _ in f.extra)],
                attributes=f.attrs,
            )
