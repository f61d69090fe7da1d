"""What a file is that is not a log, told from its first bytes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

ALLOWED = "CSV, JSON lines, printed losses, .npz, event files"
_BEGINNINGS = (
    (rb"PAR1", "a Parquet table: save it as CSV"),
    (rb"\x89HDF|MATLAB 5", "an HDF5 or MATLAB file: save its series as CSV or .npz"),
    (rb"SQLite format 3", "a database of SQLite: save its table as CSV"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|%PDF", "a picture or a document"),
    (rb":W&B", "a run of Weights & Biases: export its history as CSV"),
    (rb"\x80[\x02-\x05]", "a pickle: save its series as CSV or .npz"),
    (rb"\xd0\xcf\x11\xe0", "an old Office document: save its table as CSV"),
)
_PAGE = re.compile(rb"\s*<(?:!doctype html|html|table|div)\b", re.IGNORECASE)
_MEMBERS = (
    (r"(.*/)?data\.pkl", "a checkpoint of PyTorch, which holds weights"),
    (r"\[Content_Types\]\.xml|META-INF/manifest\.xml", "a spreadsheet or a document: save its table as CSV"),
)


def is_archive(head: bytes) -> bool:
    """Whether a file with these first bytes is a ZIP archive, as .npz is."""
    return head[:4] in (b"PK\3\4", b"PK\5\6")


def foreign(path: Path, head: bytes) -> str:
    """What a file of bytes is and what makes a log of it; empty where it may be a log.

    Args:
        path: the file; ``head`` its first bytes.

    Example:
        >>> foreign(Path("log"), b"PAR1\\0")
        'a Parquet table: save it as CSV'
    """
    if _PAGE.match(head):
        return "a page of HTML: save its table as CSV"
    if not is_archive(head):
        text = head.isascii() and b"\0" not in head
        return "" if text else next((what for start, what in _BEGINNINGS if re.match(start, head)), "")
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return ""
    return next((what for pattern, what in _MEMBERS if any(re.fullmatch(pattern, n) for n in names)), "")
