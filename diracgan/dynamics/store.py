"""Results on disk: .nc, .zarr or .npz, read back equal to the last bit; .csv and .json as exports.

Every kept file carries a manifest in JSON (types, dimensions, attributes, checksums), because each format would change
some of them on the way: netCDF knows no booleans in attributes, Zarr has its own strings, NumPy no names. A file in
which a bit has changed is refused when it is read, or reads as it was written.
"""

from __future__ import annotations

import contextlib
import csv
import json
import math
import os
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, instance, one_line, shown, unknown
from ..files import SAVED_BY, destination, path_of, recover, replacing
from ..lazy import module_on_use
from ..records import plain
from .trajectory import Trajectory

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = module_on_use("xarray")

#: What ``load`` reads back, and what is written for other programs only.
KEPT, EXPORTS = (".nc", ".zarr", ".npz"), (".csv", ".json")
SUFFIXES = (*KEPT, *EXPORTS)
SCHEMA = "diracgan.dataset/2"
_MANIFEST = "diracgan"


def save(result: xr.Dataset | Trajectory, path: str | os.PathLike[str]) -> Path:
    """Save a result by the suffix of ``path``, whole or not at all.

    Args:
        result: an :class:`xarray.Dataset`, or a :class:`~diracgan.dynamics.Trajectory`.
        path: ends in .nc (netCDF 4), .zarr (a folder), .npz (NumPy, no pickles), .csv (one row per time) or
            .json. A failed or interrupted write leaves what was there as it was.

    Returns:
        The absolute path.

    Raises:
        InputError: for another suffix, a folder that does not exist or cannot be written, or an attribute
            that has no plain value.

    Example:
        >>> import diracgan as dg
        >>> traj = dg.simulate(dg.variant("ns"), rule=dg.rule("simultaneous"), steps=2)
        >>> dg.load(dg.save(traj, "ns.npz")).identical(traj)  # doctest: +SKIP
        True
    """
    target = destination(path, SUFFIXES)
    made = result.to_xarray() if isinstance(result, Trajectory) else result
    dataset = instance("result", made, xr.Dataset, "what dg.simulate, dg.ensemble or dg.sweep returns")
    manifest = _sealed(
        json.dumps(_manifest(dataset))
    )  # before the file is opened: this is where a bad value shows
    with replacing(target) as temporary:
        _WRITERS[target.suffix.lower()](dataset, manifest, temporary)
    return target


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a saved result: values, types, dimensions, coordinates and attributes as they were.

    Args:
        path: a file (or .zarr folder) that :func:`save` wrote; netCDF and Zarr of other origin are read as
            they are.

    Returns:
        The :class:`xarray.Dataset`, in memory.

    Raises:
        InputError: for a missing or damaged file, or a suffix that is not read back.

    Example:
        >>> import diracgan as dg
        >>> dg.load("ns.npz").attrs["variant"]  # doctest: +SKIP
        'ns'
    """
    given = Path(path_of("path", path))
    suffix = given.suffix.lower()
    if suffix in EXPORTS:
        raise InputError(
            f"{os.fspath(path)!r}: {suffix} is an export and not read back; allowed: {', '.join(KEPT)}"
        )
    if suffix not in KEPT:
        raise InputError(f"{os.fspath(path)!r}: {unknown('suffix', suffix, KEPT)}")
    with contextlib.suppress(OSError):  # on a medium that cannot be written there is nothing to recover
        recover(given)
    if not given.exists():
        raise InputError(f"no file {os.fspath(path)!r}; allowed: a result saved as {', '.join(KEPT)}")
    try:
        return _READERS[suffix](given)
    except InputError as error:
        raise InputError(f"{os.fspath(path)!r} cannot be read: {error}") from error
    except Exception as error:  # three libraries, and a damaged file makes each raise what it likes
        raise InputError(f"{os.fspath(path)!r} cannot be read: {one_line(error)}") from error


# ---------------------------------------------------------------- manifest


def _manifest(dataset: xr.Dataset) -> dict[str, Any]:
    variables = {
        str(n): {
            "dims": list(map(str, v.dims)),
            "dtype": _dtype(n, v),
            "attrs": _attributes(v.attrs),
            "crc32": _crc32(v.values),
        }
        for n, v in dataset.variables.items()
    }
    return {
        "schema": SCHEMA,
        "coords": [str(n) for n in dataset.coords],
        "order": [str(n) for n in (*dataset.coords, *dataset.data_vars)],
        "variables": variables,
        "attrs": _attributes(dataset.attrs),
    }


def _crc32(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


def _sealed(manifest: str) -> str:
    """A manifest after its own checksum."""
    return f"{zlib.crc32(manifest.encode()):08x} {manifest}"


def _opened_manifest(sealed: str) -> dict[str, Any]:
    if sealed.startswith("{"):  # written before there were checksums
        raise InputError(f"its manifest has no checksum, which this version needs; allowed: {SCHEMA}")
    digits, _, manifest = sealed.partition(" ")
    if digits != f"{zlib.crc32(manifest.encode()):08x}":
        raise InputError("damaged: the manifest has another checksum")
    about = json.loads(manifest)
    if about["schema"] != SCHEMA:
        raise InputError(f"schema {about['schema']!r} is not read by this version; allowed: {SCHEMA}")
    return about


def _dtype(name: object, variable: xr.Variable) -> str:
    if variable.dtype.kind not in "biufcUS":
        raise InputError(
            f"variable {name!r} of type {variable.dtype} cannot be saved; allowed: numbers, booleans, strings"
        )
    return variable.dtype.str


def _attributes(attrs: Mapping[Any, Any]) -> list[list[Any]]:
    return [[str(n), _packed(str(n), x)] for n, x in attrs.items()]


def _packed(name: str, value: Any) -> Any:
    """An attribute in JSON from which its very value and type come back."""
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) is complex:
        return {"complex": [_packed(name, value.real), _packed(name, value.imag)]}
    if isinstance(value, (np.ndarray, np.generic)) and np.asarray(value).dtype.kind in "biufcUS":
        array = np.asarray(value)
        kind = "array" if isinstance(value, np.ndarray) else "scalar"
        return {kind: [array.dtype.str, list(array.shape), array.tobytes().hex()]}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_packed(name, x) for x in value]}
    if isinstance(value, Mapping):
        return {"dict": [[str(k), _packed(name, x)] for k, x in value.items()]}
    raise InputError(
        f"attribute {name!r} = {shown(value)} cannot be saved; allowed: text, numbers, arrays, lists, dicts"
    )


def _unpacked(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind in ("array", "scalar"):
        array = np.frombuffer(bytes.fromhex(inside[2]), inside[0]).reshape(inside[1]).copy()
        return array if kind == "array" else array[()]
    if kind == "dict":
        return {k: _unpacked(x) for k, x in inside}
    if kind == "float":
        return float(inside)
    parts = [_unpacked(x) for x in inside]
    return complex(*parts) if kind == "complex" else tuple(parts) if kind == "tuple" else parts


def _restored(manifest: str, values: Callable[[str], np.ndarray]) -> xr.Dataset:
    """The dataset that ``manifest`` describes, its arrays taken from ``values`` by name."""
    about, made = _opened_manifest(manifest), {}
    for name in about["order"]:
        v = about["variables"][name]
        array = np.asarray(values(name)).astype(np.dtype(v["dtype"]), copy=False)
        if _crc32(array) != v["crc32"]:
            raise InputError(f"damaged: the values of {name} have another checksum")
        made[name] = (v["dims"], array, {k: _unpacked(x) for k, x in v["attrs"]})
    coords = {n: made[n] for n in about["coords"]}
    data = {n: x for n, x in made.items() if n not in coords}
    return xr.Dataset(data, coords=coords, attrs={k: _unpacked(x) for k, x in about["attrs"]})


# ---------------------------------------------------------------- kept formats


def _bare(dataset: xr.Dataset, manifest: str, flat: bool) -> xr.Dataset:
    """What other programs can read: plain attributes and values, the manifest beside them.

    ``flat`` stores complex numbers as pairs, which netCDF knows.
    """

    def readable(attrs: Mapping[Any, Any]) -> dict[str, Any]:
        return {str(n): x if type(x) in (str, int, float) else repr(x) for n, x in attrs.items()}

    made = {}
    for n, v in dataset.variables.items():
        x, dims = v.values, v.dims
        if flat and x.dtype.kind == "c":
            x, dims = np.stack([np.real(x), np.imag(x)], -1), (*dims, "re_im")
        elif x.dtype.kind == "b":
            x = x.astype(np.int8)
        elif x.dtype == np.float16:
            x = x.astype(np.float32)
        elif x.dtype.kind == "S":
            x = np.char.decode(x, "latin-1")
        if x.dtype.kind == "U":
            x = x.astype(object)  # strings of any length: the kind that both formats have specified
        made[str(n)] = (dims, x, readable(v.attrs))
    coords = {str(n): made[str(n)] for n in dataset.coords}
    data = {n: x for n, x in made.items() if n not in coords}
    return xr.Dataset(
        data, coords=coords, attrs=readable(dataset.attrs) | {_MANIFEST: manifest, SAVED_BY: SCHEMA}
    )


def _merged(opened: xr.Dataset) -> xr.Dataset:
    """Undo :func:`_bare`."""
    manifest = opened.attrs.get(_MANIFEST)
    if manifest is None and SAVED_BY in opened.attrs:
        raise InputError("damaged: the manifest is gone")
    if manifest is None:
        return opened
    about = _opened_manifest(manifest)["variables"]

    def values(name: str) -> np.ndarray:
        x, kind = opened[name].values, np.dtype(about[name]["dtype"]).kind
        if kind == "c" and x.dtype.kind != "c":
            whole: Any = np.empty(x.shape[:-1], about[name]["dtype"])  # re + 1j im would turn inf into nan
            whole.real, whole.imag = x[..., 0], x[..., 1]
            return whole
        if kind in "US":
            x = np.array([str(word) for word in x.ravel()], dtype=str).reshape(x.shape)
        return np.char.encode(x, "latin-1") if kind == "S" else x

    return _restored(manifest, values)


def _write_nc(dataset: xr.Dataset, manifest: str, path: Path) -> None:
    bare = _bare(dataset, manifest, flat=True)
    encoding = {n: {"_FillValue": None} for n, v in bare.variables.items() if v.dtype.kind == "f"}
    # made in memory: where the disk is full, HDF5 would end the process when it closes the file; and let go of
    # before its owner, which complains where the write is refused (Path.write_bytes keeps a view of its own)
    with memoryview(bare.to_netcdf(engine="h5netcdf", encoding=encoding)) as content, path.open("wb") as file:
        file.write(content)


def _read_nc(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, engine="h5netcdf", decode_cf=False) as opened:
        return _merged(opened.load())


def _write_zarr(dataset: xr.Dataset, manifest: str, path: Path) -> None:
    # an all-zero chunk would be left out as "empty", and -0.0 come back as 0.0
    encoding = {str(n): {"write_empty_chunks": True} for n in dataset.variables}
    _bare(dataset, manifest, flat=False).to_zarr(path, mode="w", consolidated=False, encoding=encoding)


def _read_zarr(path: Path) -> xr.Dataset:
    with xr.open_zarr(path, consolidated=False, chunks=None, decode_cf=False) as opened:
        return _merged(opened.load())


def _write_npz(dataset: xr.Dataset, manifest: str, path: Path) -> None:
    arrays: dict[str, Any] = {
        f"value/{n}": np.asarray(v.values, order="C") for n, v in dataset.variables.items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **{_MANIFEST: np.array(manifest)}, **arrays)


def _read_npz(path: Path) -> xr.Dataset:
    with np.load(path, allow_pickle=False) as opened:
        if _MANIFEST not in opened:
            raise InputError("it was not saved by diracgan; allowed: what diracgan.save wrote")
        return _restored(str(opened[_MANIFEST][()]), lambda name: opened[f"value/{name}"])


# ---------------------------------------------------------------- exports


def _write_csv(dataset: xr.Dataset, manifest: str, path: Path) -> None:
    """One row per point of the leading dimension; further ones become columns, ``phi[0]``, ``phi[1]``, ..."""
    first = max(dataset.sizes, key=lambda d: sum(v.dims[:1] == (d,) for v in dataset.data_vars.values()))
    columns: dict[str, list[Any]] = {}
    for name in (*dataset.coords, *dataset.data_vars):
        v = dataset[name]
        if v.dims[:1] != (first,):
            continue  # labels of the columns, not of the rows
        values = v.values.reshape(v.shape[0], -1)
        where = list(np.ndindex(*v.shape[1:]))
        for j, index in enumerate(where):
            title = f"{name}[{','.join(map(str, index))}]" if index else str(name)
            columns[title] = [
                x.decode("latin-1") if isinstance(x, bytes) else x for x in values[:, j].tolist()
            ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def _write_json(dataset: xr.Dataset, manifest: str, path: Path) -> None:
    path.write_text(json.dumps(as_json(dataset), allow_nan=False, ensure_ascii=False), encoding="utf-8")


def as_json(result: Any) -> dict[str, Any]:
    """Return a result as one JSON-ready object: its attributes, then every variable as nested lists.

    Non-finite numbers are None, complex ones [re, im]; an attribute that holds JSON is given as what it says.

    Args:
        result: an :class:`xarray.Dataset` or a :class:`~diracgan.dynamics.Trajectory`.

    Example:
        >>> import diracgan as dg
        >>> traj = dg.simulate(dg.variant("ns"), rule=dg.rule("simultaneous"), steps=2)
        >>> as_json(traj)["step"]
        [0, 1, 2]
    """
    arrays = (
        result.data
        if hasattr(result, "to_xarray")
        else {str(n): v.values for n, v in result.variables.items()}
    )
    return {n: plain(_opened(x)) for n, x in result.attrs.items()} | plain(arrays)


def _opened(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


_WRITERS = {
    ".nc": _write_nc,
    ".zarr": _write_zarr,
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".json": _write_json,
}
_READERS = {".nc": _read_nc, ".zarr": _read_zarr, ".npz": _read_npz}
