"""Tells errors of a user's loss from our own."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path

from ...parameters import Parametric
from ...variants import Variant

_PACKAGE = str(Path(__file__).resolve().parents[2])


def raised_by_loss(error: BaseException, variant: Variant) -> bool:
    """Whether the traceback passes through code of the variant that is not this package's.

    Example:
        >>> import diracgan as dg
        >>> raised_by_loss(ValueError("ours"), dg.variant("ns"))
        False
    """
    files = _files(variant)
    seen: BaseException | None = error
    while seen is not None:
        if any(frame.filename in files for frame in traceback.extract_tb(seen.__traceback__)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _files(variant: Variant) -> set[str]:
    """The files in which the variant and its parts are written, without this package's."""
    parts = [variant, *vars(variant).values(), *variant.extras.values()]
    kinds = {base for part in parts for base in type(part).__mro__ if issubclass(base, Parametric)}
    methods = [inspect.unwrap(m) for kind in kinds for m in vars(kind).values() if callable(m)]
    files = {m.__code__.co_filename for m in methods if hasattr(m, "__code__")}
    return {
        name for name in files if not str(Path(name).resolve()).startswith(_PACKAGE) and name != "<string>"
    }
