"""One JSON object per answer: complex numbers as [re, im], non-finite ones as null, arrays as lists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..records import plain


def dumps(schema: str, content: Mapping[str, Any]) -> str:
    """Return the one line of JSON that a command prints; ``schema`` names its layout and version.

    Example:
        >>> dumps("diracgan.eig/1", {"status": "stable"})
        '{"schema": "diracgan.eig/1", "status": "stable"}'
    """
    return json.dumps({"schema": schema, **plain(content)}, allow_nan=False, ensure_ascii=False)
