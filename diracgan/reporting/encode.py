"""One JSON object per answer: complex numbers as [re, im], non-finite ones as null, arrays as lists."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Return ``value`` made of what JSON knows.

    Args:
        value: any nesting of mappings, sequences, dataclasses, arrays, and numbers of NumPy or Python.

    Returns:
        Dicts, lists, strings, finite numbers, booleans and None; whatever else there is, as its text.

    Example:
        >>> plain({"eigenvalue": 1 + 2j, "residual": float("nan")})
        {'eigenvalue': [1.0, 2.0], 'residual': None}
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    if isinstance(value, Mapping):
        return {str(k): plain(x) for k, x in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(x) for x in value]
    if hasattr(value, "tolist"):  # NumPy and JAX arrays and scalars
        return plain(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return str(value)


def dumps(schema: str, content: Mapping[str, Any]) -> str:
    """Return the one line of JSON that a command prints; ``schema`` names its layout and version.

    Example:
        >>> dumps("diracgan.eig/1", {"status": "stable"})
        '{"schema": "diracgan.eig/1", "status": "stable"}'
    """
    return json.dumps({"schema": schema, **plain(content)}, allow_nan=False, ensure_ascii=False)
