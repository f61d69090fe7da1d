"""``diracgan critical``: where stability changes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import InputError
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
    parameter: Annotated[
        str | None,
        typer.Argument(
            metavar="PARAMETER",
            help="What is turned: r1, lam, lr, lr_ratio, beta, n_critic, rate_ratio, ... of the variant or the rule.",
            show_default=False,
        ),
    ] = None,
    named: Annotated[
        str | None,
        typer.Option("--parameter", metavar="NAME", help="The same as an option.", show_default=False),
    ] = None,
    low: Annotated[
        float | None, typer.Option("--low", help="Where the search begins.", show_default=False)
    ] = None,
    high: Annotated[float | None, typer.Option("--high", help="Where it ends.", show_default=False)] = None,
    format: Format = "text",
) -> None:
    """Find every value of a parameter at which the equilibrium's stability changes.

    d = 1 unless --dim or --x0 says otherwise; the start itself does not matter here.

    Example: diracgan critical r1 --variant ns --rule simultaneous --lr 0.1
    """
    choice("format", format, TEXT_OR_JSON)
    if parameter is not None and named is not None and parameter != named:
        raise InputError(f"two parameters, {parameter} and {named}; allowed: one")
    wanted = parameter or named
    if not wanted:
        raise InputError(
            "which parameter? e.g. diracgan critical r1 --variant ns; allowed: see diracgan list"
        )
    made, chosen, dim = variant.build(), rule.build(), start.dimension(default=1)

    from ..analysis import critical
    from ..reporting import dumps

    found = critical(
        made,
        wanted,
        rule=chosen,
        dim=dim,
        x0=start.given().get("x0"),
        low=low,
        high=high,
        **rates.arguments(),
    )
    if format == "json":
        print(dumps("diracgan.critical/1", found.as_dict()))
        return
    _say(found)


def _say(found: Any) -> None:
    print(f"{found.variant}, d = {found.dim}" + (f", {found.rule}" if found.rule else ", flow"))
    for t in found.thresholds:
        print(f"  {found.parameter} = {t.value:.15g} (error {t.error:.1g}): {t.below} below, {t.above} above")
    if found.status is not None and found.now is not None:
        print(f"now {found.parameter} = {found.now:g}: {found.status}")
    print(found.text)
