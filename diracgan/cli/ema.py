"""``diracgan ema``: what averaging the weights does."""

from __future__ import annotations

import dataclasses
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
    output,
    takes,
)


@dataclasses.dataclass(frozen=True)
class _Whose(VariantOptions):
    """A variant, where the frequency is not given."""

    variant: Annotated[  # type: ignore[assignment]
        str | None,
        typer.Option(
            "--variant", "-v", metavar="NAME", rich_help_panel="Variant", help="Whose orbit; or --omega.",
            show_default=False,
        ),
    ] = None  # fmt: skip


@takes(_Whose, StartOptions, RateOptions, RuleOptions)
def command(
    variant: _Whose,
    start: StartOptions,
    rates: RateOptions,
    rule: RuleOptions,
    omega: Annotated[
        float | None, typer.Option("--omega", help="Angular frequency per unit of time.", show_default=False)
    ] = None,
    h: Annotated[
        float | None, typer.Option("--h", help="Time from one average to the next.", show_default=False)
    ] = None,
    decay: Annotated[
        str | None, typer.Option("--decay", metavar="B,B", help="Decays in [0, 1).", show_default=False)
    ] = None,
    tau: Annotated[
        str | None,
        typer.Option(
            "--tau", metavar="T,T", help="Time constants of the flow's average.", show_default=False
        ),
    ] = None,
    reduction: Annotated[
        float | None,
        typer.Option(
            "--reduce", metavar="K", help="Find the decay that reduces the orbit K-fold.", show_default=False
        ),
    ] = None,
    out: Annotated[
        str | None, output("Draw the Bode curve with this orbit on it: .png, .pdf or .svg.")
    ] = None,
    format: Format = "text",
) -> None:
    """Show the gain of a weight average over its decay, and the decay for a wanted one.

    Without --decay or --tau, a curve over all of them (as JSON in full). Steps where --rule, --h or --decay
    is given,
    the flow otherwise.

    Example: diracgan ema --variant ns --rule alternating --lr 0.1 --reduce 50
    """
    choice("format", format, TEXT_OR_JSON)
    if out is not None:
        from ..files import destination

        destination(out, (".png", ".pdf", ".svg"))
    made = _variant(variant)
    if made is None and start.given():
        raise InputError(f"--{next(iter(start.given()))} belongs to a variant; add --variant NAME")
    chosen = rule.build()
    place: dict[str, Any] = (
        {} if made is None else {"dim": start.dimension(default=1), "x0": start.given().get("x0")}
    )

    from ..analysis import ema
    from ..reporting import dumps

    found = ema(
        made,
        chosen,
        omega=omega,
        h=h,
        decay=_numbers("decay", decay),
        tau=_numbers("tau", tau),
        reduction=reduction,
        **place,
        rate_d=rates.rate_d,
        rate_g=rates.rate_g,
    )
    if out is not None:
        from ..plotting import bode_figure, save

        save(bode_figure(found), out)
    if format == "json":
        print(dumps("diracgan.ema/1", found.as_dict()))
        return
    _say(found)


def _variant(options: _Whose) -> Any:
    if options.variant is not None:
        return options.build()
    given = [f.name for f in dataclasses.fields(options) if getattr(options, f.name) not in (None, [])]
    if given:
        raise InputError(f"--{given[0]} belongs to a variant; add --variant NAME")
    return None


def _numbers(name: str, words: str | None) -> list[float] | None:
    return None if words is None else [number(name, w.strip()) for w in words.split(",")]


def _say(found: Any) -> None:
    from ..reporting import show

    what, values = ("decay", found.decays) if found.kind == "steps" else ("tau", found.taus)
    shown = range(0, len(values), 1 if len(values) <= 30 else 10)
    show(
        [what, "gain", "phase"],
        [[f"{values[i]:.10g}", f"{found.gains[i]:.6g}", f"{found.phases[i]:.6g}"] for i in shown],
    )
    print(found.text)
