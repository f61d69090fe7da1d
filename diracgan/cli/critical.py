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
    output,
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
    out: Annotated[
        str | None,
        output("Draw where the eigenvalues go as it is turned: .png, .pdf, .svg, or moving .gif, .mp4."),
    ] = None,
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
    if out is not None:
        from ..plotting.saving import check

        check(out)
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
    if out is not None:
        where: dict[str, Any] = {"dim": dim, "x0": start.given().get("x0"), **rates.arguments()}
        _draw(found, made, chosen, low, high, where, out)
    if format == "json":
        print(dumps("diracgan.critical/1", found.as_dict()))
        return
    _say(found)


def _draw(
    found: Any,
    variant: Any,
    rule: Any,
    low: float | None,
    high: float | None,
    where: dict[str, Any],
    out: str,
) -> None:
    """The locus over the range asked for, or around what is critical."""
    from pathlib import Path

    import numpy as np

    from ..analysis.linear.locus import locus
    from ..plotting import animate_locus, locus_figure, save
    from ..plotting.saving import ANIMATIONS

    shown = [v for v in found.values if found.low < v < found.high]
    first = found.low if low is None else low
    usual = 1.5 * shown[-1] if shown and shown[-1] > 0 else max(2.0 * abs(found.now or 0.0), 2.0)
    last = min(found.high, usual if high is None else high)
    moving = Path(out).suffix.lower() in ANIMATIONS
    shown = [v for v in shown if first < v < last]
    values = np.linspace(first, last, 81 if moving else 601)
    if shown and not moving:  # the first threshold may lie decades below the last
        values = np.unique(
            np.concatenate([values, np.linspace(first, min(2 * abs(shown[0]), last), 201), shown])
        )
    if found.parameter == "n_critic":
        values = np.arange(int(first), int(last) + 1)
    rows = locus(variant, found.parameter, values, rule, **where)
    arguments: dict[str, Any] = {
        "name": found.parameter, "kind": "flow" if rule is None else "map",
        "critical": shown[:4] or None,
        "title": f"{found.variant}: {'eigenvalues' if rule is None else 'multipliers'} as {found.parameter} goes "
        f"from {values[0]:g} to {values[-1]:g}",
    }  # fmt: skip
    if moving:
        save(animate_locus(values, rows, **arguments), out)
    else:
        save(locus_figure(values, rows, below=found.text, **arguments), out)


def _say(found: Any) -> None:
    print(f"{found.variant}, d = {found.dim}" + (f", {found.rule}" if found.rule else ", flow"))
    for t in found.thresholds:
        print(f"  {found.parameter} = {t.value:.15g} (error {t.error:.1g}): {t.below} below, {t.above} above")
    if found.status is not None and found.now is not None:
        print(f"now {found.parameter} = {found.now:g}: {found.status}")
    print(found.text)
