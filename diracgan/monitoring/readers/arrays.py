"""Logs in memory or in .npz: mappings of names to arrays, and saved results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError
from .table import LogTable


def read_archive(path: Path, given: str) -> LogTable:
    """Read an .npz, also a trajectory that :func:`diracgan.save` wrote.

    Raises:
        InputError: for a file that is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            ours = "diracgan" in archive.files
            arrays = {} if ours else {k: archive[k] for k in archive.files}
    except OSError:
        raise
    except Exception:  # zipfile, zlib and NumPy each raise what they like over damaged bytes
        raise InputError(f"{given} is damaged or not an .npz file; allowed: what np.savez writes") from None
    if ours:
        from ...dynamics import store  # with JAX, whose memory a long log of text has no room for

        return LogTable(flattened(named_arrays(store.load(path))), "saved result")
    return LogTable(flattened(arrays), ".npz")


def named_arrays(source: Any) -> dict[str, Any]:
    """Name -> array of a mapping, or of a trajectory with its clocks."""
    data = source.to_xarray() if hasattr(source, "to_xarray") and not hasattr(source, "data_vars") else source
    if not hasattr(data, "data_vars"):
        return dict(data)
    clocks = {c: data[c].values for c in ("step", "time") if c in data.coords}
    return {**clocks, **{str(k): data[k].values for k in data.data_vars}}


def flattened(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Columns of one length; those of a matrix by their numbers; what is not numeric is left out.

    Example:
        >>> {k: v.tolist() for k, v in flattened({"a": [1, 2], "b": [[1, 2], [3, 4]], "c": ["x", "y"]}).items()}
        {'a': [1.0, 2.0], 'b[0]': [1.0, 3.0], 'b[1]': [2.0, 4.0]}
    """
    table: dict[str, np.ndarray] = {}
    for name, given in arrays.items():
        try:
            array: Any = np.asanyarray(given)
            if array.dtype.kind not in "fiu":
                array = array.astype(float) if array.dtype.kind == "O" else np.empty(0)
            array = np.ma.filled(array.astype(float), np.nan)
        except Exception:  # a stranger's object may raise anything when it is read as numbers
            continue
        if array.ndim == 1 and len(array) > 1:
            table[name] = array
        elif array.ndim == 2 and len(array) > 1:
            single = array.shape[1] == 1
            table |= {name if single else f"{name}[{k}]": array[:, k] for k in range(array.shape[1])}
    if not table:
        return {}
    lengths = [len(v) for v in table.values()]
    length = max(set(lengths), key=lambda n: (lengths.count(n), n))
    return {k: v for k, v in table.items() if len(v) == length}
