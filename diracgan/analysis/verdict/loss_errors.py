"""Tells errors of a user's loss from our own."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import Any

from ...parameters import Parametric
from ...variants import Variant

_PACKAGE = Path(__file__).resolve().parents[2]


def raised_by_loss(error: BaseException, variant: Variant) -> bool:
    """Whether the traceback passes through code of the variant that is not this package's, and nobody interrupted it.

    Example:
        >>> import diracgan as dg
        >>> raised_by_loss(ValueError("ours"), dg.variant("ns"))
        False
    """
    files, chain = _files(variant), [error]
    while (before := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(before)
    if not all(isinstance(e, Exception) for e in chain):
        return False
    return any(f.filename in files for e in chain for f in traceback.extract_tb(e.__traceback__))


def _files(variant: Variant) -> set[str]:
    """The files in which the variant and its parts are written, without this package's."""
    parts = [variant, *vars(variant).values(), *variant.extras.values()]
    kinds = {base for part in parts for base in type(part).__mro__ if issubclass(base, Parametric)}
    methods = [inspect.unwrap(m) for kind in kinds for m in vars(kind).values() if callable(m)]
    written = [m.__code__.co_filename for m in methods if hasattr(m, "__code__") and not _is_made(m)]
    return {name for name in written if not Path(name).resolve().is_relative_to(_PACKAGE)}


def _is_made(method: Any) -> bool:
    """Whether dataclasses wrote it, as __init__; the same name of a file stands for what `python -c` was given."""
    return method.__code__.co_filename == "<string>" and method.__name__.startswith("__")
