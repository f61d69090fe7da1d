"""``diracgan compare``: predictions held against runs of real networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ..progress import lines, progress
from .layer import SIZE, CommandResult, endings, option, output, picture, printed, tell, written

_SUFFIXES = {".md": "markdown", ".json": "json"}


def command(
    tier: Annotated[
        str,
        option(
            "--tier", "How long: 2 minutes, 20, or a GPU's time; ci by default.", metavar="ci|standard|full"
        ),
    ] = "ci",
    seed0: Annotated[int, option("--seed0", "The first seed; all others follow it.", metavar="N")] = 0,
    width: Annotated[
        int | None, option("--width", "Units of a hidden layer; the tier's by default.", metavar="W")
    ] = None,
    variant: Annotated[
        list[str] | None,
        option(
            "--variant -v",
            "NAME[:k=v,...], PATH.py:NAME[:k=v,...]; repeatable. The protocol's by default.",
            metavar="NAME",
            names="variant",
        ),
    ] = None,
    claim: Annotated[
        list[str] | None, option("--claim", "A (with B), C or D only; repeatable.", metavar="A|B|C|D")
    ] = None,
    parts: Annotated[
        str | None,
        option("--parts", "Keep finished parts in this folder, and skip those that it holds.", metavar="DIR"),
    ] = None,
    device: Annotated[str, option("--device", "Where.", metavar="auto|cpu|gpu|tpu")] = "auto",
    images: Annotated[
        str | None,
        option("--images", "An IDX file (MNIST) for the full tier's convolutions.", metavar="FILE"),
    ] = None,
    format: Annotated[
        str | None, option("--format", "How it is shown; markdown by default.", choices=("markdown", "json"))
    ] = None,
    junit: Annotated[
        str | None, written("--junit", "Write JUnit XML too.", "FILE.xml", endings(".xml"))
    ] = None,
    out: Annotated[
        str | None, output("Write to this file in place of the screen: .md or .json.", endings(*_SUFFIXES))
    ] = None,
    figure: Annotated[
        str | None,
        written("--figure", "Predicted against measured eigenvalues: .png, .pdf or .svg.", "FILE", picture),
    ] = None,
    size: Annotated[str | None, SIZE] = None,
) -> CommandResult:
    """Compare predictions with real networks: near equilibrium, by the toy, from scratch, from a checkpoint.

    The four claims are never mixed. Exits with 1 below a threshold of the committed protocol, or when a control that
    must fail does not.

    Example: diracgan compare --tier ci --seed0 100 --junit compare.xml --figure compare.png
    """
    from ..variants import parse

    chosen, chosen_size = [parse(v) for v in variant] if variant else None, printed(size, figure)

    from ..comparison import compare
    from ..comparison.protocol import CLAIMS

    with progress() as bar:
        found = compare(
            tier,
            seed0,
            width,
            chosen,
            bar or lines(tell),
            claims=[c.upper() for c in claim] if claim else CLAIMS,
            folder=parts,
            device=device,
            images=images,
        )
    style = format or ("markdown" if out is None else _SUFFIXES[Path(out).suffix.lower()])
    said = _publish(found.as_dict(), style, out, junit, figure, chosen_size)
    failed = [f"{x['name']}: {x['text']}" for x in found.gate["checks"] if not x["passed"]]
    return CommandResult(None, said, failed, code=0 if found.passed else 1)


def _publish(
    found: dict[str, Any], style: str, out: str | None, junit: str | None, figure: str | None, size: Any
) -> list[str]:
    """Write what was asked for; what is left is to be printed."""
    from ..files import write_text
    from ..records import plain
    from ..reporting import comparison as words, dumps

    doc = plain(found)
    text = dumps(words.COMPARISON, doc) + "\n" if style == "json" else words.as_markdown(doc)
    for path, content in ((out, text), (junit, words.junit(doc))):
        if path is not None:
            write_text(path, content)
    if figure is not None:
        from ..plotting.agreement import figure as draw
        from ..plotting.saving import save

        save(draw(found), figure, size=size)
    if out is not None:
        tell(f"written to {out}")
        return []
    return [text.rstrip("\n")]
