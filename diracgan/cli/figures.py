"""``diracgan figures``: the gallery."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import Annotated

from ..progress import progress
from .layer import CommandResult, SizeOption, option, printed


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it holds something
        folder.rmdir()


def command(
    out: Annotated[
        str,
        option("The folder, figures by default; made if its parent exists.", metavar="FOLDER", short="-o"),
    ] = "figures",
    only: Annotated[
        list[str] | None, option("Draw this figure only; repeatable.", metavar="NAME", names="figure")
    ] = None,
    size: SizeOption = None,
) -> CommandResult:
    """Draw the gallery: the source article's figures, their claims and what is true, and one picture of each kind.

    Example: diracgan figures --only ns --only wgan-gp-c1
    """
    from ..files import folder
    from ..gallery.build import draw_all, entries

    chosen_size = printed(size, out)
    chosen = entries(only)  # a wrong name is found before the folder is made
    fresh = not Path(out).exists()
    target, count = folder(out), itertools.count(1)
    with contextlib.ExitStack() as held:
        if fresh:
            held.callback(_remove_if_empty, target)
        bar = held.enter_context(progress())

        def drawn(entry: object, path: object) -> None:
            if bar is not None:
                bar(next(count), len(chosen), str(path))

        written = draw_all(target, only, size=chosen_size, tell=drawn)
    return CommandResult(None, [f"{len(chosen)} figures and their page", str(written[-1])])
