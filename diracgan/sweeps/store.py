"""The store of a sweep: chunk by chunk into Zarr, each chunk whole or not at all, or into memory.

The store holds nothing but what was asked and what was found, so that two runs of a sweep on one machine make the same
bytes, however often one of them was stopped. Zarr reads and writes the chunks: each carries a checksum, and its file
appears by a rename.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import glob
import json
import math
import os
import secrets
import shutil
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..errors import InputError, OccupiedError, one_line
from ..files import check_replaceable, destination, path_of, zarr_attributes
from ..lazy import module_on_use
from ..locks import locked_output
from ..memory import check_memory

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = module_on_use("xarray")

SCHEMA = "diracgan.sweep/1"
_A_BEGINNING_TAKES_S = 60.0
_LEFT_BY_A_KILL = "*.partial"  # what Zarr writes a chunk to before it gets its name


@dataclasses.dataclass(frozen=True)
class StoredVariable:
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
class GridLayout:
    """A grid cut into chunks of one shape.

    Attributes:
        axes: name -> number of values.
        chunk: values of each axis in a chunk.
        coords: name -> (values, attributes), each along the axis of its name.
        variables: name -> variable.
        attrs: provenance.
    """

    axes: dict[str, int]
    chunk: tuple[int, ...]
    coords: dict[str, tuple[np.ndarray, dict[str, Any]]]
    variables: dict[str, StoredVariable]
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

    def dataset(self) -> xr.Dataset:
        """All of it as an :class:`xarray.Dataset`."""
        ...


class MemorySink:
    """Results kept in memory."""

    def __init__(self, layout: GridLayout) -> None:
        """Make room for a grid; InputError where it is too large to be kept."""
        size = math.prod(layout.shape) * sum(
            f.dtype.itemsize * math.prod(n for _, n in f.extra) for f in layout.variables.values()
        )
        check_memory(size, "give out=, a .zarr folder to write it to", most=2**31)
        self.layout = layout
        self.arrays = {
            n: np.full((*layout.shape, *(k for _, k in f.extra)), f.missing, f.dtype)
            for n, f in layout.variables.items()
        }

    def missing(self) -> list[int]:
        """All chunks."""
        return list(range(self.layout.chunks))

    def write(self, index: int, found: Mapping[str, np.ndarray]) -> None:
        """Copy a chunk to its place."""
        where = self.layout.slices(index)
        for n, x in found.items():
            self.arrays[n][where] = x[tuple(slice(s.stop - s.start) for s in where)]

    def dataset(self) -> xr.Dataset:
        """The dataset."""
        dims = tuple(self.layout.axes)
        data = {
            n: ((*dims, *(e for e, _ in f.extra)), self.arrays[n], f.attrs)
            for n, f in self.layout.variables.items()
        }
        coords = {n: ((n,), x, a) for n, (x, a) in self.layout.coords.items()}
        return xr.Dataset(data, coords=coords, attrs=self.layout.attrs)


class Store:
    """Results in a Zarr folder that can be left and taken up again."""

    def __init__(self, path: str | os.PathLike[str], layout: GridLayout) -> None:
        """Look at what is there; nothing is written before the first chunk.

        Raises:
            InputError: for a path that cannot be written, or a store of another sweep.
        """
        self.given, self.layout = path_of("out", path), layout
        self.path = Path(path).resolve()
        self._arrays: dict[str, Any] = {}
        self.begun = False
        destination(self.given, [".zarr"], continues_sweep=True)
        for beginning in self.path.parent.glob(f".{glob.escape(self.path.stem)}-????????????.zarr"):
            left = zarr_attributes(beginning) or {}  # by a process that was killed while it made it
            if left.get("fingerprint") == self.layout.attrs["fingerprint"] and _old(beginning):
                shutil.rmtree(beginning, ignore_errors=True)
        self.begun = self.path.exists() and any(self.path.iterdir())
        if self.begun:
            self._compare()

    # ------------------------------------------------------------ identity

    def _compare(self) -> None:
        attrs = zarr_attributes(self.path)
        if attrs is None or attrs.get("schema") != SCHEMA:
            raise InputError(
                f"{self.given!r} exists and is not a sweep's store; allowed: a new name, or the same sweep's"
            )
        if attrs.get("fingerprint") == self.layout.attrs["fingerprint"]:
            return
        old, new = _question(attrs), _question(self.layout.attrs)
        other = ", ".join(k for k in new if old.get(k) != new.get(k)) or "settings"
        raise OccupiedError(
            f"{self.given!r} was made with other parameters ({other}) and is left as it is; allowed: a new name, "
            "the same sweep, which is then continued, or --overwrite",
            clear=self._clear,
        )

    def _clear(self) -> None:
        check_replaceable(self.path, self.given)
        shutil.rmtree(self.path)

    # ------------------------------------------------------------ chunks

    def missing(self) -> list[int]:
        """The chunks that are not there yet; what an interrupted write has left is removed.

        Raises:
            InputError: for a damaged chunk, or where another process is writing.
        """
        if not self.begun:
            return list(range(self.layout.chunks))
        with _whole(self.given):
            kept = opened(self.path).coords
            for name, (values, _) in self.layout.coords.items():
                if not np.array_equal(kept[name].values, values):
                    raise ValueError(f"the values of {name} are not those that were asked")
        try:
            for name in self.layout.variables:
                for leftover in (self.path / name / "c").rglob(_LEFT_BY_A_KILL):
                    leftover.unlink(missing_ok=True)
                self._verify(name)
        except OSError as error:
            raise InputError(f"{self.given!r} cannot be read: {one_line(error)}") from error
        return [k for k in range(self.layout.chunks) if not self._there(k)]

    def _file(self, name: str, index: int) -> Path:
        f = self.layout.variables[name]
        return self.path.joinpath(name, "c", *map(str, (*self.layout.cell(index), *(0 for _ in f.extra))))

    def _there(self, index: int) -> bool:
        return all(self._file(n, index).is_file() for n in self.layout.variables)

    def _array(self, name: str) -> Any:
        import zarr

        if name not in self._arrays:
            # a chunk that holds nothing but fill values is a result too
            with zarr.config.set({"array.write_empty_chunks": True}), _whole(self.given):
                self._arrays[name] = zarr.open_array(store=str(self.path), path=name, mode="r+")
        return self._arrays[name]

    def _verify(self, name: str) -> None:
        """Read every chunk of a variable, whole rows of chunks at a time; a chunk that is damaged is named."""
        array, layout = self._array(name), self.layout
        for row in range(layout.cells[0]):
            where = slice(row * layout.chunk[0], (row + 1) * layout.chunk[0])
            if _readable(array, where):
                continue
            each = layout.chunks // layout.cells[0]
            for index in range(row * each, (row + 1) * each):
                if not _readable(array, layout.slices(index)):
                    file = self._file(name, index).relative_to(self.path)
                    raise InputError(
                        f"the chunk {str(file)!r} of {self.given!r} is damaged; the others are kept: remove that "
                        "file and run the same command again"
                    )

    def write(self, index: int, found: Mapping[str, np.ndarray]) -> None:
        """Put a chunk in its place, variable by variable.

        Raises:
            InputError: where the file system refuses; what is finished is kept.
        """
        where = self.layout.slices(index)
        inside = tuple(slice(s.stop - s.start) for s in where)
        try:
            if not self.begun:
                self._begin()
            for name, x in found.items():
                self._array(name)[where] = x[inside]
        except OSError as error:
            done = sum(self._there(k) for k in range(self.layout.chunks)) if self.begun else 0
            reason = (error.strerror or one_line(error)).lower()
            raise InputError(
                f"{self.given!r} cannot be written: {reason}; {done} of {self.layout.chunks} chunks are finished "
                "and kept: run the same command again"
            ) from error

    def _begin(self) -> None:
        """Make the store without its chunks beside its place and move it there: a kill leaves no half of one."""
        fresh = self.path.with_name(f".{self.path.stem}-{secrets.token_hex(6)}.zarr")
        try:
            _skeleton(fresh, self.layout)
            with contextlib.suppress(OSError):  # an empty folder makes room; any other stays
                self.path.rmdir()
            fresh.rename(self.path)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise InputError(
                    f"{self.given!r} was begun by another process; run the same command again"
                ) from None
            raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self.begun = True

    def dataset(self) -> xr.Dataset:
        """The dataset, whose values are read when they are used; its quantities in the order of the question."""
        return opened(self.path)[list(self.layout.variables)]


@contextlib.contextmanager
def sink(path: str | os.PathLike[str] | None, layout: GridLayout) -> Iterator[Sink]:
    """A :class:`Store` at ``path``, or :class:`MemorySink` where it is None."""
    if path is None:
        yield MemorySink(layout)
        return
    destination(path_of("out", path), [".zarr"], continues_sweep=True)
    with locked_output(path):
        yield Store(path, layout)


def _question(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """What a store says that it answers; nothing of one that somebody has damaged."""
    try:
        found = json.loads(attrs["question"])
    except (LookupError, TypeError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def opened(path: str | os.PathLike[str]) -> xr.Dataset:
    """A sweep's store as an :class:`xarray.Dataset`; chunks are read when their values are used."""
    with _whole(os.fspath(path)):
        return xr.open_zarr(path, chunks=None, consolidated=False)


@contextlib.contextmanager
def _whole(given: str) -> Iterator[None]:
    """What the libraries raise about a store that is damaged, each what it likes, as an InputError."""
    try:
        yield
    except (MemoryError, InputError):  # nothing is wrong with the store, or it is said already
        raise
    except Exception as error:
        raise InputError(
            f"{given!r} is damaged and cannot be read: {one_line(error)}; allowed: a whole store, or a new name"
        ) from error


def _old(path: Path) -> bool:
    """Whether nobody can still be making it."""
    return time.time() - path.stat().st_mtime > _A_BEGINNING_TAKES_S


def _readable(array: Any, where: Any) -> bool:
    """Whether the chunks there are whole: a missing one is, one whose checksum is wrong is not."""
    try:
        array[where]
    except (ValueError, RuntimeError):
        return False
    return True


def _skeleton(path: Path, layout: GridLayout) -> None:
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
                compressors=Crc32cCodec(),
                filters=None,
                fill_value=0,
                dimension_names=[name],
                attributes=attrs,
            )
            array[...] = values
        dims = list(layout.axes)
        for name, f in layout.variables.items():
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
