"""``diracgan tune``: the values that converge fastest."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import InputError, number
from .options import (
    TEXT_OR_JSON,
    Format,
    RateOptions,
    RuleOptions,
    StartOptions,
    VariantOptions,
    choice,
    takes,
)


@takes(VariantOptions, StartOptions, RateOptions, RuleOptions)
def command(
    variant: VariantOptions,
    start: StartOptions,
    rates: RateOptions,
    rule: RuleOptions,
    parameters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME[=LOW:HIGH]...",
            help="What is tuned, each with a range if it matters: r1 lr=0:2.",
            show_default=False,
        ),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over", metavar="NAME[=LOW:HIGH]", help="The same as an option; repeatable.", show_default=False
        ),
    ] = None,
    format: Format = "text",
) -> None:
    """Find the values of the named parameters at which small perturbations die fastest.

    d = 1 unless --dim or --x0 says otherwise; the start itself does not matter here.

    Example: diracgan tune r1 lr --variant ns --rule alternating
    """
    choice("format", format, TEXT_OR_JSON)
    asked = _ranges([*(parameters or []), *(over or [])])
    made, chosen, dim = variant.build(), rule.build(), start.dimension(default=1)

    from ..analysis import tune
    from ..reporting import dumps

    found = tune(made, asked, rule=chosen, dim=dim, x0=start.given().get("x0"), **rates.arguments())
    if format == "json":
        print(dumps("diracgan.tune/1", found.as_dict()))
        return
    _say(found)


def _ranges(words: list[str]) -> dict[str, tuple[float, float] | None]:
    found: dict[str, tuple[float, float] | None] = {}
    for word in (w for text in words for w in text.split(",")):
        name, equals, span = (x.strip() for x in word.partition("="))
        low, colon, high = span.partition(":")
        if not name or (equals and not (low and colon and high)):
            raise InputError(f"{word!r} is no parameter to tune; allowed: NAME or NAME=LOW:HIGH")
        if name in found:
            raise InputError(f"{name} is named twice; allowed: once")
        found[name] = (number(f"low of {name}", low), number(f"high of {name}", high)) if equals else None
    if not found:
        raise InputError("which parameters? e.g. diracgan tune r1 lr --variant ns --rule alternating")
    return found


def _say(found: Any) -> None:
    print(f"{found.variant}, d = {found.dim}" + (f", {found.rule}" if found.rule else ", flow"))
    for name, value in found.best.items():
        low, high = found.ranges[name]
        print(f"  {name} = {value:.12g}   (searched from {low:g} to {high:g})")
    for value in found.eigenvalues:
        print(f"  {value.real:+.12g} {'-' if value.imag < 0 else '+'} {abs(value.imag):.12g}i")
    if found.best:
        unit = "iteration" if found.rule else "unit of time"
        print(f"rate: {found.rate:.12g} per {unit}; margin: {found.margin:.12g}")
    print(found.text)
