"""The gallery: draw every figure into a folder, with a page that says what each shows.

``figures/README.md`` is written from the lists in :mod:`diracgan.gallery.article` and :mod:`diracgan.gallery.methods`,
and from nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, callback, unknown
from ..files import write_text
from ..locks import locked_output
from .article import GALLERY
from .entry import Entry, FlowEntry
from .methods import METHODS

if TYPE_CHECKING:
    from ..plotting.sizes import Size

__all__ = ["draw_all"]

SOURCE = "kexue.fm/archives/6583"

_INTRODUCTION = rf"""
What `diracgan figures` draws: the numerical figures of the article that this project grew out of
({SOURCE}), each with the command that draws it, what the article claims, and what is true. All start at
$\phi(0) = (0.1, 0.2)$, $\theta(0) = (0.2, 0.1)$, with the datum at 0. This page is written by that command.
"""
_MORE = """
One picture of every kind, and the portraits of the 2018 paper redrawn from its published parameters.
"""


def entries(only: str | Iterable[str] | None = None) -> tuple[Entry, ...]:
    """Return the gallery's entries, all or those named.

    Raises:
        InputError: for an unknown name.

    Example:
        >>> [e.name for e in entries(["ns", "locus-r1"])]
        ['ns', 'locus-r1']
    """
    known = {e.name: e for e in (*GALLERY, *METHODS)}
    wanted = known if only is None else [only] if isinstance(only, str) else list(only)
    for name in wanted:
        if name not in known:
            raise unknown("figure", name, known)
    return tuple(known[name] for name in wanted)


def draw_all(
    out_dir: str | os.PathLike[str],
    only: str | Iterable[str] | None = None,
    *,
    size: Size | None = None,
    tell: Callable[[Entry, Path], None] | None = None,
) -> list[Path]:
    """Draw the gallery into ``out_dir`` as small PNG files, and write its README.md.

    Args:
        out_dir: an existing folder.
        only: the name or names of the figures to draw; all when ``None``.
        size: what they are printed as, :func:`diracgan.plotting.sizes.size_of`; as they are kept in the repository when
            ``None``.
        tell: called with each entry and its path as soon as it is written.

    Returns:
        The paths written, README.md last.

    Raises:
        InputError: for an unknown name, or a folder that is missing or cannot be written.

    Example:
        >>> draw_all("figures", only="ns")  # doctest: +SKIP
    """
    from ..plotting.saving import check, save

    chosen = entries(only)
    folder = Path(out_dir)
    if not folder.is_dir():
        raise InputError(f"folder {os.fspath(out_dir)!r} does not exist; allowed: an existing folder")
    callback("tell", tell)
    targets = [check(folder / f"{entry.name}.png") for entry in chosen]
    page = folder / "README.md"
    with locked_output(page):
        for entry, target in zip(chosen, targets, strict=True):
            drawn = entry.draw(size) if isinstance(entry, FlowEntry) else entry.draw()
            save(drawn, target, colours=256, size=size)
            if tell is not None:
                tell(entry, target)
        write_text(page, readme())
    return [*targets, page]


def readme() -> str:
    """Return the gallery's page: every figure with its command, the seed's claim, and what is true."""
    parts = ["# The gallery", _INTRODUCTION, "## Figures of the article"]
    for entry in GALLERY:
        parts += _section(entry)
    parts += ["## More pictures", _MORE]
    for entry in METHODS:
        parts += _section(entry)
    return "\n\n".join(_line(p) if p in (_INTRODUCTION, _MORE) else p for p in parts) + "\n"


def _section(entry: Entry) -> list[str]:
    commands = "\n".join(entry.commands)
    parts = [f"### {entry.title}", f"![{entry.title}]({entry.name}.png)", f"```sh\n{commands}\n```"]
    if entry.claim:
        return [*parts, f"**Claim.** {_line(entry.claim)}", f"**True.** {_line(entry.truth)}"]
    return [*parts, _line(entry.truth)]


def _line(text: str) -> str:
    return " ".join(text.split())
