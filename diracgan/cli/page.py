"""``diracgan page``: the game as one HTML file that needs no server."""

from __future__ import annotations

from typing import Annotated

from .layer import CommandResult, endings, option, output


def command(
    variant: Annotated[
        list[str] | None,
        option(
            "A variant to choose from, NAME[:k=v,...] or PATH.py:NAME; repeatable. All by default.",
            metavar="NAME",
            names="variant",
            short="-v",
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        option("A rule of your own beside the registered ones, PATH.py:NAME; repeatable.", metavar="NAME"),
    ] = None,
    out: Annotated[str, output("The page, .html; page.html by default.", endings(".html"))] = "page.html",
) -> CommandResult:
    """Write a page in which the flow and every scalar rule of the variants run, without a server or a network.

    Drag the start in the picture, move every hyperparameter, compare up to four variants. The programs are generated
    from the losses; the address of the open page holds its state.

    Example: diracgan page --variant ns --variant my.py:my-loss --out page.html
    """
    from ..files import write_text
    from ..variants import parse, variants
    from ..web.bundle import page

    moved = [_rule_name(r) for r in rule or ()]
    chosen = [parse(v) for v in variant or variants()]
    text, names = page(chosen, moved), [v.name for v in chosen]
    write_text(out, text)
    size = len(text.encode()) // 1000
    return CommandResult(
        {"out": out, "variants": names, "kilobytes": size},
        [f"{len(names)} variant{'s' if len(names) > 1 else ''}, {size} kB, needs no network", out],
    )


def _rule_name(given: str) -> str:
    """The name of a rule, whose numbers are moved in the page."""
    from ..errors import InputError
    from ..rules import RULES

    name, numbers = RULES.find(given)
    if numbers:
        raise InputError(f"{given!r} sets {numbers}, which is moved in the page; allowed: PATH.py:NAME")
    return name
