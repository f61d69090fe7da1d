"""Which members of a long list the fast suite runs: a few of each kind; `.ci/full` runs all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow_but(values: Iterable[Any], *kept: Any) -> list[Any]:
    """``values``, tuples where there are several arguments, each marked slow that is not in ``kept``."""
    values = list(values)
    missing = [k for k in kept if k not in values]
    assert not missing, f"not in the list: {missing}"
    rows = [v if isinstance(v, tuple) else (v,) for v in values]
    return [
        pytest.param(*r, marks=[pytest.mark.slow] * (v not in kept))
        for v, r in zip(values, rows, strict=True)
    ]
