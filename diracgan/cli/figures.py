"""``diracgan figures``: the gallery."""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def command(
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="DIR", help="The folder; made if its parent exists.")
    ] = "figures",
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Draw this figure only; repeatable.")
    ] = None,
) -> None:
    """Draw the gallery: the source article's figures their claims and what is true, and one picture of each kind.

    Example: diracgan figures --only ns --only wgan-gp-c1
    """
    from ..files import folder
    from ..gallery.build import draw_all, entries

    chosen = entries(only)  # a wrong name is found before the folder is made
    target = folder(out)
    watched, done = sys.stderr.isatty(), 0

    def tell(entry: object, path: object) -> None:
        nonlocal done
        done += 1
        if watched:
            print(f"\r{done}/{len(chosen)} {path}\033[K", end="", file=sys.stderr, flush=True)

    try:
        written = draw_all(target, only, tell=tell)
    finally:
        if watched:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
    print(f"{len(chosen)} figures and their page")
    print(written[-1])
