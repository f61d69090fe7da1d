"""``diracgan verdict``: what truly happens."""

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
    effort: Annotated[
        float, typer.Option("--effort", help="Factor on the budget of field evaluations; 1 by default.")
    ] = 1.0,
    format: Format = "text",
) -> None:
    """Say what truly happens from a start, also where eigenvalues say nothing.

    Computed from the field or the map: converges (how fast, where to), orbits, circles, cycles, diverges,
    gets stuck,
    or undecided with its reason.

    Example: diracgan verdict --variant ns --phi0 1 --theta0 1
    """
    choice("format", format, TEXT_OR_JSON)
    made, chosen = variant.build(), rule.build()
    if chosen is not None and (rates.rate_d, rates.rate_g) != (1.0, 1.0):
        raise InputError("--rate-d and --rate-g belong to the flow; with --rule use --lr-d and --lr-g")

    from ..analysis import verdict
    from ..reporting import dumps

    where: dict[str, Any] = {**start.given(), **rates.arguments()}
    found = verdict(made, rule=chosen, effort=effort, **where)
    if format == "json":
        print(dumps("diracgan.verdict/1", found.as_dict()))
        return
    _say(found)


def _say(found: Any) -> None:
    phi0, theta0 = (", ".join(f"{x:.6g}" for x in start) for start in (found.phi0, found.theta0))
    print(
        f"{found.variant}" + (f", {found.rule}" if found.rule else ", flow") + f", from ({phi0}), ({theta0})"
    )
    print(f"verdict: {found.kind}")
    for name, value in found.numbers.items():
        print(f"  {name}: {_shown(value)}")
    for line in found.evidence:
        print(f"  - {line}")
    print(found.text)


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {_shown(x)}" for k, x in value.items())
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(x) for x in value)
    if isinstance(value, complex):
        return f"{value.real:.10g} {'-' if value.imag < 0 else '+'} {abs(value.imag):.10g}i"
    return f"{value:.10g}"
