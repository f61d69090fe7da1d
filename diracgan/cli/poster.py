"""``diracgan poster``: every loss under the flow and three rules, on one sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from .layer import CommandResult, argument, option, picture, written

if TYPE_CHECKING:
    from ..variants import Variant


def command(
    own: Annotated[
        list[str] | None,
        argument("NAME...", "Losses beside the known ones: PATH.py:NAME, NAME:k=v,...", names="variant"),
    ] = None,
    alone: Annotated[bool, option("Only these, without the known ones.")] = False,
    lr: Annotated[float, option("The rules' learning rate; 0.1 by default.")] = 0.1,
    dim: Annotated[
        int, option("Dimension of the Dirac game, 1 to 8; 1 by default.", metavar="D", short="-d")
    ] = 1,
    out: Annotated[
        str, written("The sheet, A2: .svg, .pdf or .png; poster.pdf by default.", "FILE", picture, short="-o")
    ] = "poster.pdf",
) -> CommandResult:
    """Draw every loss as a flow and under simultaneous, alternating and Adam steps, coloured by its verdict.

    A panel takes about two seconds, a loss has four. d = 1: critic across, generator up; d > 1: the generator's path.

    Example: diracgan poster my.py:my-loss --out poster.svg
    """
    from ..errors import InputError, integer, number
    from ..gallery.poster import poster
    from ..plotting.saving import save
    from ..plotting.sizes import DPI
    from ..progress import progress
    from ..variants import parse, variants

    number("lr", lr, low=0, open_low=True)
    integer("dim", dim, low=1, high=8)
    known = [] if alone else [parse(name) for name in variants()]  # first: a file registers what it holds
    mine = _beside([v.label for v in known], own or [])
    chosen = [*known, *mine]
    if not chosen:
        raise InputError("--alone leaves no loss; allowed: --alone with one NAME or more")
    with progress() as bar:
        path = save(poster(chosen, lr=lr, dim=dim, own=0 if alone else len(mine), tell=bar), out, dpi=DPI)
    labels = [v.label for v in chosen]
    return CommandResult(
        {"out": path, "variants": labels}, [f"losses: {len(labels)}, ways to move: 4", str(path)]
    )


def _beside(known: list[str], names: list[str]) -> list[Variant]:
    """The named losses, each once, that the sheet does not hold already.

    Raises:
        InputError: where it holds all of them: whoever names these wants them, not the others.
    """
    from ..errors import InputError
    from ..variants import parse

    made = {v.label: v for v in map(parse, names)}
    new = [v for label, v in made.items() if label not in known]
    if made and not new:
        raise InputError(
            f"{', '.join(dict.fromkeys(names))}: already among the known losses; for these only add --alone"
        )
    return new
