"""Output files: checked before work begins, and written whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import socket
import stat
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .errors import InputError, reason, shown, unknown
from .processes import is_alive

SAVED_BY = "saved_by_diracgan"
"""The attribute by which a kept result is known as one."""

# machine, process, chance: a temporary file is called .NAME-OWNER.SUFFIX
OWNER = r"(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-[0-9a-f]{8}"


def path_of(name: str, path: object) -> str:
    """A path as text.

    Raises:
        InputError: for what is not a path, naming it.

    Example:
        >>> path_of("path", Path("a.npz"))
        'a.npz'
    """
    if (
        isinstance(path, (str, os.PathLike))
        and isinstance(given := os.fspath(path), str)
        and given  # pathlib would take it for the current folder
        and "\0" not in given
    ):
        return given
    raise InputError(
        f"{name} = {shown(path)} is not a path; allowed: text that is not empty and holds no NUL, or a pathlib.Path"
    )


def destination(
    path: str | os.PathLike[str], suffixes: Collection[str], *, continues_sweep: bool = False
) -> Path:
    """Check, before anything is computed, that a result can be written to ``path``.

    Args:
        path: the file (or, for ``.zarr``, the folder) to write.
        suffixes: what it may end in, e.g. ``[".nc", ".zarr"]``.
        continues_sweep: whether a sweep's store may be there: a sweep goes on with it, anything else would replace it.

    Returns:
        The absolute path, symbolic links followed.

    Raises:
        InputError: for an unknown suffix, a folder that does not exist or cannot be written, or a path that
            is taken by something else.

    Example:
        >>> destination("picture.pgn", [".png", ".pdf"])
        Traceback (most recent call last):
            ...
        diracgan.errors.InputError: 'picture.pgn': unknown suffix '.pgn'; did you mean '.png'? ...
    """
    given = path_of("path", path)
    suffix = Path(given).suffix.lower()
    if suffix not in suffixes:
        raise InputError(f"{given!r}: {unknown('suffix', suffix, suffixes)}")
    # a loop of symbolic links is a RuntimeError before Python 3.13
    with refusals(given, "allowed: a file name in a writable folder", (OSError, ValueError, RuntimeError)):
        target = Path(given).resolve()
        recover(target)
        _check_parent(target, given)
        if target.is_dir() and suffix != ".zarr":
            raise InputError(f"{given!r} is a folder; allowed: a file name")
        if target.exists() and suffix == ".zarr" and not target.is_dir():
            raise InputError(f"{given!r} is not a folder; allowed: a new name or an older result")
        if target.is_dir() and not continues_sweep:
            if _is_sweep(target):
                raise InputError(f"{given!r} holds a sweep, which this would replace; allowed: a new name")
            check_replaceable(target, given)
        if target.exists() and not target.is_dir() and not target.is_file():
            raise InputError(f"{given!r} is not a regular file; allowed: a file name in a writable folder")
        if target.is_file() and not os.access(target, os.W_OK):
            raise InputError(
                f"{given!r} is write-protected; allowed: a new name, or a file that may be replaced"
            )
        _try_writing(target)
    return target


def user_cache(*parts: str) -> Path | None:
    """A folder for what diracgan may make again, in the user's cache folder; None for a user without a home.

    Args:
        *parts: folders inside it.

    References:
        The XDG base directory specification.

    Example:
        >>> user_cache("page").parts[-2:]
        ('diracgan', 'page')
    """
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
    return cache.joinpath("diracgan", *parts)


def folder(path: str | os.PathLike[str]) -> Path:
    """Return ``path`` as a folder that can be written; it is made when only it is missing.

    Raises:
        InputError: when it is something else, its parent is missing, or it cannot be written.

    Example:
        >>> folder(".").is_dir()
        True
    """
    given = path_of("folder", path)
    target = Path(given).resolve()
    if not target.is_dir():
        if target.exists():
            raise InputError(f"{given!r} is not a folder; allowed: a folder, new or existing")
        _check_parent(target, given)
    with refusals(given, "allowed: a writable folder"):
        target.mkdir(exist_ok=True)
        _try_writing(target / "probe")
    return target


def read_text(path: str | os.PathLike[str], most: int = 64 << 20) -> str:
    """The text of a file that somebody hands over: no more is read than is allowed, however long it is.

    Args:
        path: the file.
        most: how many bytes it may have.

    Raises:
        OSError: when it has more, or cannot be read.
        UnicodeDecodeError: when it is not UTF-8.

    Example:
        >>> read_text("/dev/zero", most=1 << 20)  # doctest: +SKIP
        Traceback (most recent call last):
            ...
        OSError: [Errno 27] longer than 1048576 bytes: '/dev/zero'
    """
    with Path(path).open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"longer than {most} bytes", os.fspath(path))
    return content.decode()


def json_object(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The object that a file of JSON holds; None of one that is missing, damaged, endless or holds something else.

    Example:
        >>> json_object("missing.json") is None
        True
    """
    try:
        found = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@contextmanager
def refusals(given: str, hint: str = "", kinds: Any = OSError) -> Iterator[None]:
    """What the file system refuses to do with ``given``, as an InputError that ends in the ``hint``."""
    try:
        yield
    except kinds as error:
        if isinstance(error, (InputError, BrokenPipeError)):
            raise
        said = f"{given!r} cannot be written: {reason(error)}"
        raise InputError(f"{said}; {hint}" if hint else said) from error


def _check_parent(target: Path, given: str) -> None:
    if not target.parent.is_dir():
        there = next((above for above in target.parents if above.exists()), target.parent)
        if not there.is_dir() and there.exists():
            raise InputError(f"{str(there)!r} of {given!r} is not a folder; allowed: an existing folder")
        raise InputError(
            f"folder {str(target.parent)!r} of {given!r} does not exist; allowed: an existing folder"
        )


def _try_writing(target: Path) -> None:
    """Ask the file system: the only answer that holds for every user and mount."""
    probe = _beside(target)
    probe.touch(exist_ok=False)
    probe.unlink()


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; what is written there takes its place at the end, or vanishes.

    A failed or interrupted write leaves the old file as it was, and a new file has the old one's permissions. The
    temporary name keeps the suffix. What a killed process left is recovered or removed first; see :func:`recover`.

    Raises:
        InputError: when the file system refuses.

    Example:
        >>> from diracgan.files import replacing
        >>> with replacing("note.txt") as temporary:  # doctest: +SKIP
        ...     temporary.write_text("whole or not at all")
    """
    target = Path(path).resolve()
    temporary = _beside(target)
    try:
        with refusals(os.fspath(path)):
            recover(target)
            if target.is_file():
                # made with the old permissions, so that a private file is at no time open to others
                temporary.touch(mode=0o600)
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            yield temporary
            if temporary.is_dir() and target.is_dir():
                _swap(temporary, target)
            else:
                temporary.replace(target)
    finally:
        _remove(temporary)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Replace a file of text, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def forget_oldest(folder: Path, pattern: str, most: int) -> None:
    """Remove the oldest files of a cache, so that no more than ``most`` are left; whatever else it holds stays.

    Example:
        >>> forget_oldest(Path("no-such-folder"), "*.npz", 200)
    """
    kept = []
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):  # another process forgets too
            kept.append((path.stat().st_mtime_ns, path))
    for _, old in sorted(kept)[:-most]:
        old.unlink(missing_ok=True)


def recover(path: str | os.PathLike[str]) -> None:
    """Undo what a process that was killed while it replaced ``path`` left beside it.

    A folder that was set aside, ``.NAME.previous``, comes back when nothing has taken its place, and is removed when
    something has. Temporary files of processes of this machine that no longer run are removed.

    Example:
        >>> recover("no-such-result.zarr")
    """
    target = Path(path).resolve()
    aside = _aside(target)
    if aside.exists():
        if target.exists():
            _remove(aside)
        else:
            aside.rename(target)
    if not target.parent.is_dir():
        return
    ours = re.compile(rf"\.{re.escape(target.stem[:80])}-{OWNER}{re.escape(target.suffix)}")
    for path_beside in target.parent.iterdir():
        found = ours.fullmatch(path_beside.name)
        if found and found["machine"] == _machine() and not is_alive(int(found["process"])):
            _remove(path_beside)


def _beside(target: Path) -> Path:
    """A name for a temporary file that tells whose it is: the machine, the process, and chance."""
    owner = f"{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    return target.with_name(f".{target.stem[:80]}-{owner}{target.suffix}")


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name[:200]}.previous")


def _machine() -> str:
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _swap(new: Path, old: Path) -> None:
    """Put folder ``new`` in the place of ``old``; one call cannot replace a folder that is not empty.

    Between the two renames the old one has a name from which :func:`recover` brings it back.
    """
    aside = _aside(old)
    _remove(aside)
    old.rename(aside)
    try:
        new.rename(old)
    except BaseException:
        aside.rename(old)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def check_replaceable(path: Path, given: str) -> None:
    """Raise InputError where a folder, which is to give way to a result, is somebody's own or holds what is.

    What is written by other programs, and what somebody has put beside the arrays, would be lost with it.
    """
    entries = sorted(path.iterdir())
    if entries and not _is_sweep(path) and SAVED_BY not in (zarr_attributes(path) or {}):
        raise InputError(
            f"{given!r} exists and was not written by diracgan; allowed: a new name or an older result"
        )
    for held in entries:
        if held.name != "zarr.json" and not (held / "zarr.json").is_file():
            raise InputError(
                f"{given!r} holds {held.name!r}, which is no part of a result and would be lost; "
                "allowed: a new name, or moving that elsewhere"
            )


def _is_sweep(path: Path) -> bool:
    return str((zarr_attributes(path) or {}).get("schema")).startswith("diracgan.sweep/")


def zarr_attributes(path: Path) -> dict[str, Any] | None:
    """The attributes of a Zarr group, or None where there is none."""
    found = json_object(path / "zarr.json") or {}
    held = found.get("attributes")
    return held if found.get("node_type") == "group" and isinstance(held, dict) else None
