"""Runs with a user's own loss: which code runs, whether it is unchanged, and whether it is trusted.

A folder of results is data until its config names a Python file or module: reading it then runs that code. Such a
config is read only on trust, and a run keeps a copy of its loss beside the SHA-256 that the config names.
"""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..registry import Registry, is_file, source_and_rest
from ..variants import VARIANTS

COPY = "loss.py"
_log = logging.getLogger("diracgan.training")


def sha256(file: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        with Path(os.fspath(file)).open("rb") as held:
            return hashlib.file_digest(held, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{os.fspath(file)!r} cannot be read: {error.strerror or error}") from error


def file_of(spec: str) -> Path | None:
    """The file that a variant's name names; None of a registered variant or of a module.

    Example:
        >>> file_of("mine.py:loss:k=2"), file_of("ns:r1=0.1")
        (PosixPath('mine.py'), None)
    """
    source = VARIANTS.parts(spec).source
    return Path(source) if is_file(source) else None


def trusted(spec: str, digest: str | None, folder: Path, trust: bool, source: str) -> str:
    """A variant's name as it may be made, once it is known what code it runs.

    Args:
        spec: the variant's name in a config.
        digest: SHA-256 of the file that it names, when the config says so.
        folder: where the config lies; a run keeps a copy of the loss there.
        trust: whether the person has agreed to run code that a config names.
        source: the config, for messages.

    Returns:
        ``spec``, or the same with the copy in place of a file that is gone or has changed.

    Raises:
        InputError: for code without trust, or code that is not what the run was made with.
    """
    parts, file = VARIANTS.parts(spec), file_of(spec)
    if not parts.source:
        return spec
    if file is None:
        if not trust:
            raise _refused(source, f"the module {parts.source!r}")
        return spec
    chosen = file if digest is None else _same([file, folder / COPY], digest)
    if chosen is None:
        raise InputError(
            f"{source}: neither {str(file)!r} nor {COPY} beside it has the SHA-256 {digest}; allowed: the code that "
            "the run was made with"
        )
    if not trust:
        raise _refused(source, repr(str(chosen)))
    return f"{chosen}:{source_and_rest(spec)[1]}"


def named(spec: str, registry: Registry[Any], trust: bool, source: str) -> str:
    """The name of a rule, a problem or a trick in a config: a registered one, or with trust a file's or module's.

    Raises:
        InputError: for code without trust.
    """
    if (code := registry.parts(spec).source) and not trust:
        raise _refused(source, repr(code))
    return spec


def announce(spec: str, source: str) -> None:
    """Say in the log what code runs because of a config; nothing of a registered variant."""
    if module := VARIANTS.parts(spec).source:
        file = file_of(spec)
        what = f"the module {module}" if file is None else f"{file} (SHA-256 {sha256(file)})"
        _log.warning("%s: running the code of %s", source, what)


def _same(files: list[Path], digest: str) -> Path | None:
    return next((f for f in files if f.is_file() and sha256(f) == digest), None)


def _refused(source: str, code: str) -> InputError:
    return InputError(
        f"{source} runs the code of {code}; allowed: --trust (in Python trust=True), once you have read it"
    )
