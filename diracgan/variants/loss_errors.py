"""Tells errors of a user's loss from our own."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..parameters import Parametric
from .base import Variant

_PACKAGE = Path(__file__).resolve().parents[1]


def raised_by_loss(error: BaseException, variant: Variant) -> bool:
    """Whether the innermost code of the variant or of this package that raised it is the variant's.

    An error that was raised from another is judged by that one: a bug of ours which a loss raises anew stays ours. One
    that only came up while another was handled is judged by itself. An interrupt is nobody's error.

    Example:
        >>> import diracgan as dg
        >>> raised_by_loss(ValueError("ours"), dg.variant("ns"))
        False
    """
    return _innermost(error, variant, 0) is True


def raised_by_package(error: BaseException, variant: Variant, skipped: int = 0) -> bool:
    """Whether that code is this package's: a bug of ours, which is raised as what it is.

    Args:
        error: what was raised.
        variant: whose loss was called.
        skipped: frames of the traceback, from the outermost, that only call the loss.

    Example:
        >>> import diracgan as dg
        >>> raised_by_package(ValueError("of nobody"), dg.variant("ns"))
        False
    """
    return _innermost(error, variant, skipped) is False


def _innermost(error: BaseException, variant: Variant, skipped: int) -> bool | None:
    """Whether the innermost code is the variant's, or else this package's; None where it is neither's."""
    if not all(isinstance(e, Exception) for e in _chain(error, lambda e: e.__cause__ or e.__context__)):
        return None
    files = _files(variant)
    for raised in reversed(_chain(error, lambda e: e.__cause__)):
        # JAX's and NumPy's code, and modules that a loss imports, stand for whoever called them
        frames = [f.filename for f in traceback.extract_tb(raised.__traceback__)]
        frames = frames[skipped if raised is error else 0 :]
        known = [name in files for name in frames if name in files or _is_ours(name)]
        if known:
            return known[-1]
    return None


def _chain(
    error: BaseException, before: Callable[[BaseException], BaseException | None]
) -> list[BaseException]:
    """The error and those before it, the latest first."""
    chain = [error]
    while (earlier := before(chain[-1])) is not None and earlier not in chain:
        chain.append(earlier)
    return chain


def _is_ours(name: str) -> bool:
    return Path(name).resolve().is_relative_to(_PACKAGE)


def _files(variant: Variant) -> set[str]:
    """The files in which the variant and its parts are written, without this package's."""
    parts = [variant, *vars(variant).values(), *variant.extras.values()]
    kinds = {base for part in parts for base in type(part).__mro__ if issubclass(base, Parametric)}
    methods = [inspect.unwrap(m) for kind in kinds for m in vars(kind).values() if callable(m)]
    written = [m.__code__.co_filename for m in methods if hasattr(m, "__code__") and not _is_made(m)]
    return {name for name in written if not _is_ours(name)}


def _is_made(method: Any) -> bool:
    """Whether dataclasses wrote it, as __init__; the same name of a file stands for what `python -c` was given."""
    return method.__code__.co_filename == "<string>" and method.__name__.startswith("__")
