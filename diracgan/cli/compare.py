"""``diracgan compare``: predictions held against runs of real networks."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from ..plotting.sizes import Size
from ..progress import lines, progress
from .layer import (
    CommandResult,
    JUnitOption,
    SizeOption,
    endings,
    option,
    output,
    picture,
    printed,
    style_of,
    tell,
    written,
)
from .options import DeviceOption

_SUFFIXES = {".md": "markdown", ".json": "json"}


@dataclasses.dataclass(frozen=True)
class ComparisonOptions:
    """Which predictions are tested, and on which networks."""

    tier: Annotated[
        str,
        option(
            "How long: 2 minutes, 20 minutes, or hours of a GPU; ci by default.", metavar="ci|standard|full"
        ),
    ] = "ci"
    seed0: Annotated[int, option("The first seed, which all others follow; 0 by default.", metavar="N")] = 0
    width: Annotated[int | None, option("Units of a hidden layer; the tier's by default.", metavar="W")] = (
        None
    )
    variant: Annotated[
        list[str] | None,
        option(
            "NAME[:k=v,...] or PATH.py:NAME[:k=v,...]; repeatable. The protocol's by default.",
            metavar="NAME",
            names="variant",
            short="-v",
        ),
    ] = None
    claim: Annotated[list[str] | None, option("A (with B), C or D only; repeatable.", metavar="A|B|C|D")] = (
        None
    )
    parts: Annotated[
        str | None,
        option("Keep finished parts in this folder, and skip those that it holds.", metavar="FOLDER"),
    ] = None
    device: DeviceOption = "auto"
    images: Annotated[
        str | None, option("An IDX file (MNIST) for the full tier's convolutions.", metavar="FILE")
    ] = None

    def arguments(self) -> dict[str, Any]:
        """What was asked for, by the library's names; InputError for what is not a variant."""
        from ..variants import parse

        variants = [parse(v) for v in self.variant] if self.variant else None
        claims = {"claims": [c.upper() for c in self.claim]} if self.claim else {}
        own = {"tier": self.tier, "seed0": self.seed0, "width": self.width, "variants": variants}
        return {**own, **claims, "folder": self.parts, "device": self.device, "images": self.images}


@dataclasses.dataclass(frozen=True)
class PublishOptions:
    """Where the comparison is written, and its figure."""

    format: Annotated[
        str | None, option("How it is shown; markdown by default.", choices=("markdown", "json"))
    ] = None
    junit: JUnitOption = None
    out: Annotated[
        str | None, output("Write to this file in place of the screen: .md or .json.", endings(*_SUFFIXES))
    ] = None
    figure: Annotated[
        str | None, written("Predicted against measured eigenvalues: .png, .pdf or .svg.", "FILE", picture)
    ] = None
    size: SizeOption = None


def command(comparison: ComparisonOptions, to: PublishOptions) -> CommandResult:
    """Compare predictions with real networks: near equilibrium, by the Dirac game, from scratch, from a checkpoint.

    The four claims are never mixed. Exits with 1 below a threshold of the committed protocol, or when a control that
    must fail does not.

    Example: diracgan compare --tier ci --seed0 100 --junit compare.xml --figure compare.png
    """
    asked, size = comparison.arguments(), printed(to.size, to.figure)

    from ..comparison import compare

    with progress() as bar:
        found = compare(**asked, done=bar or lines(tell))
    said = _publish(found.as_dict(), to, size)
    failed = [f"{x['name']}: {x['text']}" for x in found.gate["checks"] if not x["passed"]]
    return CommandResult(None, said, failed, code=0 if found.passed else 1)


def _publish(found: dict[str, Any], to: PublishOptions, size: Size | None) -> list[str]:
    """Write what was asked for; what is left is to be printed."""
    from ..files import write_text
    from ..records import plain
    from ..reporting import comparison as words, dumps

    doc = plain(found)
    style = style_of(to.format, to.out, _SUFFIXES, "markdown")
    text = dumps(words.COMPARISON, doc) + "\n" if style == "json" else words.as_markdown(doc)
    for path, content in ((to.out, text), (to.junit, words.junit(doc))):
        if path is not None:
            write_text(path, content)
    if to.figure is not None:
        from ..plotting.agreement import figure as draw
        from ..plotting.saving import save

        save(draw(found), to.figure, size=size)
    if to.out is not None:
        tell(f"written to {to.out}")
        return []
    return [text.rstrip("\n")]
