"""The machine's C compiler, where it has one.

The environment variable ``DIRACGAN_C=0`` switches it off, ``CC`` names a compiler.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

from .. import children


def available() -> bool:
    """Whether C can be compiled here, and nobody has switched it off."""
    return os.environ.get("DIRACGAN_C", "1") != "0" and compiler() is not None


@functools.cache
def compiler() -> str | None:
    """The C compiler's path, if there is one."""
    names = [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]
    return next((path for n in names if (path := shutil.which(n))), None)


def loaded(source: str, flags: Sequence[str]) -> ctypes.CDLL:
    """The compiled library, which is unloaded when neither it nor a function of it is in use any more.

    Its file is removed as soon as it is loaded, so that a process that is killed leaves none.

    Raises:
        OSError: where it cannot be written, compiled or loaded.
        subprocess.SubprocessError: where the compiler fails.
    """
    with tempfile.TemporaryDirectory(prefix="diracgan-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "kernel.c"
        path.write_text(source)
        library = path.with_suffix(".so")
        files = [str(path), "-o", str(library)]
        children.call([str(compiler()), *flags, "-shared", "-fPIC", *files, "-lm"], timeout=120)
        found = ctypes.CDLL(str(library))
    if os.name == "posix":
        # a function that was taken from it keeps it
        weakref.finalize(found, _unload, found._handle).atexit = False
    return found


def _unload(handle: int) -> None:
    """By the process's own dlclose, as :mod:`ctypes` has none."""
    close = ctypes.CDLL(None).dlclose
    close.argtypes = [ctypes.c_void_p]
    close(handle)
