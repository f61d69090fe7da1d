"""``diracgan card``: one line of the errata as a square to share."""

from __future__ import annotations

import contextlib
from typing import Annotated

from .layer import CommandResult, Table, argument, drawing, hold, option, written


def command(
    name: Annotated[
        str | None, argument("NAME", "Which card; without it they are listed.", names="card")
    ] = None,
    out: Annotated[
        str | None,
        written(
            "Moving .gif, .mp4, or still .png, .pdf, .svg; NAME.gif by default.", "FILE", drawing, short="-o"
        ),
    ] = None,
    every: Annotated[bool, option("Every card, each as NAME.gif.", called="--all")] = False,
) -> CommandResult:
    """Draw a card to share: a published statement, the orbit that refutes it, what is true, and the command, in motion.

    Example: diracgan card never-converges --out card.gif
    """
    from ..errors import InputError
    from ..gallery.errata import CARDS, card

    if every and (name is not None or out is not None):
        given = f"NAME {name!r}" if name is not None else f"--out {out}"
        raise InputError(f"--all draws every card as NAME.gif and {given} is given; allowed: one of the two")
    if name is None and not every:
        rows = [[c.name, c.sentence] for c in CARDS]
        return CommandResult({"cards": [vars(c) for c in CARDS]}, [Table(["card", "what is said"], rows)])
    chosen = list(CARDS) if every else [card(name or "")]

    from ..plotting.saving import check, is_moving, save
    from ..progress import progress

    paths = [check(out if out and not every else f"{c.name}.gif") for c in chosen]
    with progress() as bar, contextlib.ExitStack() as held:
        if out is None or every:  # else the option itself sees to it
            hold(held, [str(path) for path in paths])
        for k, (one, path) in enumerate(zip(chosen, paths, strict=True), 1):
            save(one.draw(moving=is_moving(path)), path)
            if bar is not None:
                bar(k, len(chosen), str(path))
    return CommandResult({"cards": [vars(c) for c in chosen], "out": paths}, [str(path) for path in paths])
