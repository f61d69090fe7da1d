"""``diracgan compare``: predictions held against runs of real networks."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from .options import choice, output

FORMATS = ("markdown", "json")
_SUFFIXES = {".md": "markdown", ".json": "json"}


def command(
    tier: Annotated[
        str,
        typer.Option("--tier", metavar="ci|standard|full", help="How much: 2 minutes, 15, or a GPU's time."),
    ] = "ci",
    seed0: Annotated[
        int, typer.Option("--seed0", metavar="N", help="The first seed; all others follow it.")
    ] = 0,
    width: Annotated[
        int | None,
        typer.Option("--width", metavar="W", help="Units of a hidden layer.", show_default="the tier's"),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            "-v",
            metavar="NAME",
            help="NAME[:k=v,...], PATH.py:NAME[:k=v,...]; repeatable. The protocol's by default.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="|".join(FORMATS), help="How it is shown.", show_default="markdown"),
    ] = None,
    junit: Annotated[
        str | None,
        typer.Option("--junit", metavar="FILE.xml", help="Write JUnit XML too.", show_default=False),
    ] = None,
    out: Annotated[str | None, output("Write here and not on the screen: .md or .json.")] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure",
            metavar="FILE",
            help="Predicted against measured eigenvalues: .png, .pdf or .svg.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Hold predictions against real networks: linear theory near equilibrium, the toy, training from scratch.

    The three claims are never mixed. Exits with 1 below a threshold of the committed protocol, or when a control that
    must fail does not.

    Example: diracgan compare --tier ci --seed0 100 --junit compare.xml --figure compare.png
    """
    from ..files import destination

    style = choice("format", format, FORMATS) if format is not None else _style(out)
    _ = out and destination(out, _SUFFIXES), junit and destination(junit, [".xml"])
    _ = figure and destination(figure, [".png", ".pdf", ".svg"])
    from ..variants import parse

    chosen = [parse(v) for v in variant] if variant else None

    from ..comparison import compare

    def tell(word: str) -> None:
        print(f"diracgan: {word}", file=sys.stderr, flush=True)

    found = compare(tier, seed0, width, chosen, done=tell)
    _publish(found.as_dict(), style, out, junit, figure)
    if not found.passed:
        for check in (x for x in found.gate["checks"] if not x["passed"]):
            print(f"diracgan: {check['name']}: {check['text']}", file=sys.stderr)
        raise typer.Exit(1)


def _style(out: str | None) -> str:
    from pathlib import Path

    return "markdown" if out is None else _SUFFIXES.get(Path(out).suffix.lower(), "markdown")


def _publish(
    found: dict[str, Any], style: str, out: str | None, junit: str | None, figure: str | None
) -> None:
    from ..files import replacing
    from ..reporting import comparison as words
    from ..reporting import dumps
    from ..reporting.encode import plain

    doc = plain(found)
    text = dumps(words.COMPARISON, doc) + "\n" if style == "json" else words.as_markdown(doc)
    if out is None:
        print(text.rstrip("\n"))
    else:
        with replacing(out) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"written to {out}", file=sys.stderr)
    if junit is not None:
        with replacing(junit) as temporary:
            temporary.write_text(words.junit(doc), encoding="utf-8")
    if figure is not None:
        from ..plotting.agreement import figure as draw
        from ..plotting.saving import save

        save(draw(found), figure)
