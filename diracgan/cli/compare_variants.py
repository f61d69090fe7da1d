"""``diracgan compare-variants``: several variants from one start, side by side."""

from __future__ import annotations

from typing import Annotated

from .. import gallery
from ..errors import InputError
from .layer import CommandResult, Table, argument, output, picture
from .options import EffortOption, MotionOptions


def command(
    motion: MotionOptions,
    variants: Annotated[
        list[str],
        argument("NAME...", "Variants: NAME[:k=v,...], PATH.py:NAME[:k=v,...]; at most 24.", names="variant"),
    ],
    effort: EffortOption = 1.0,
    out: Annotated[
        str, output("The picture: .png, .pdf or .svg; compare-variants.png by default.", picture, draws=True)
    ] = "compare-variants.png",
) -> CommandResult:
    """Draw several variants from one start side by side, each with its verdict.

    Example: diracgan compare-variants ns wgan wgan-gp:c=0 wgan-gp:c=1 gan-qp
    """
    if len(variants) > 24:
        raise InputError(f"{len(variants)} variants cannot be told apart in one picture; allowed: at most 24")
    from ..variants import parse

    made, how = [parse(v) for v in variants], motion.drawn()

    names = [v.label for v in made]
    figure, found = gallery.side_by_side(list(zip(names, made, strict=True)), how, effort=effort)
    whole = [{"variant": name, **f.as_dict()} for name, f in zip(names, found, strict=True)]
    rows = [[n, f.kind, f.text] for n, f in zip(names, found, strict=True)]
    said = [Table(["variant", "verdict", "in words"], rows)]
    return CommandResult({"variants": whole}, said, draw=lambda: figure)
