"""Tells errors of a user's loss from our own."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path

from ...parameters import Parametric
from ...variants import Variant

_PACKAGE = str(Path(__file__).resolve().parents[2])


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
    files = {m.__code__.co_filename for m in methods if hasattr(m, "__code__")}
    return {
        name for name in files if not str(Path(name).resolve()).startswith(_PACKAGE) and name != "<string>"
    }
