"""The machine's C compiler, where it has one.

The environment variable ``DIRACGAN_C=0`` switches it off, ``CC`` names a compiler. ``DIRACGAN_C_CACHE`` names a folder
in which compiled code is kept, under a hash of everything that it follows from; 0, or nothing, and none is kept. What
is loaded is run: code that is damaged, or that another user could have written, is compiled anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path

from .. import children
from ..errors import InputError
from ..files import forget_oldest, replacing

#: The environment variable that names the folder of compiled code.
FOLDER = "DIRACGAN_C_CACHE"

_MOST = 500  # libraries that are kept, the last ones; some 16 kB each
_BYTES = 1 << 18  # of one
_DIGITS = 40  # of a key
_SEAL = hashlib.sha256().digest_size


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

    Unless it is kept, its file is removed as soon as it is loaded, so that a process that is killed leaves none.

    Raises:
        OSError: where it cannot be written, compiled or loaded.
        subprocess.SubprocessError: where the compiler fails.
    """
    kept = _kept(source, flags)
    found = _opened(kept) or _compiled(source, flags, kept)
    if os.name == "posix":
        # a function that was taken from it keeps it
        weakref.finalize(found, _unload, found._handle).atexit = False
    return found


def _compiled(source: str, flags: Sequence[str], kept: Path | None) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(prefix="diracgan-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "kernel.c"
        path.write_text(source)
        library = path.with_suffix(".so")
        files = [str(path), "-o", str(library)]
        children.call([str(compiler()), *flags, "-shared", "-fPIC", *files, "-lm"], timeout=120)
        found = ctypes.CDLL(str(library))
        if kept is not None:
            with contextlib.suppress(OSError, InputError):  # no room, no right to write
                _keep(kept, library.read_bytes())
    return found


def _keep(kept: Path, code: bytes) -> None:
    kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if len(code) <= _BYTES and _private(kept.parent):
        with replacing(kept) as temporary:
            temporary.write_bytes(_sealed(kept, code))
            temporary.chmod(0o600)
        forget_oldest(kept.parent, f"{'[0-9a-f]' * _DIGITS}.so", _MOST)


def _sealed(kept: Path, code: bytes) -> bytes:
    """The code, and after it a hash that the loader does not read.

    A file that is cut off or has holes, as after a crash of the machine, would take the process with it.
    """
    return code + hashlib.sha256(kept.name.encode() + code).digest()


def _private(path: Path) -> bool:
    """Whether only this user can have written there, as far as the system has users."""
    if os.name != "posix":
        return True
    seen = path.stat()
    return seen.st_uid == os.geteuid() and not seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _kept(source: str, flags: Sequence[str]) -> Path | None:
    """Where the code of a source is kept; None where none is.

    What is made for one processor is not: machines share home folders.
    """
    folder = os.environ.get(FOLDER, "0")
    if folder in ("", "0") or "-march=native" in flags:
        return None
    program = Path(str(compiler())).resolve()
    seen = program.stat()
    told = [
        source,
        *flags,
        str(compiler()),  # a link to what calls one compiler or another by its name
        str(program),
        str(seen.st_size),
        str(seen.st_mtime_ns),
        sys.platform,
        platform.machine(),
    ]
    return Path(folder).absolute() / f"{hashlib.sha256(chr(0).join(told).encode()).hexdigest()[:_DIGITS]}.so"


def _opened(kept: Path | None) -> ctypes.CDLL | None:
    """A library that was kept; None where there is none, it is not whole or not this user's, or cannot be loaded."""
    if kept is None:
        return None
    try:
        if not kept.is_file() or not _private(kept.parent) or not _private(kept):
            return None
        found = kept.read_bytes()
        return ctypes.CDLL(str(kept)) if found == _sealed(kept, found[:-_SEAL]) else None
    except OSError:
        return None


def _unload(handle: int) -> None:
    """By the process's own dlclose, as :mod:`ctypes` has none."""
    close = ctypes.CDLL(None).dlclose
    close.argtypes = [ctypes.c_void_p]
    close(handle)
