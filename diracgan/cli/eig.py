"""``diracgan eig``: what the linearisation says."""

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
    vector,
)


@takes(VariantOptions, StartOptions, RateOptions, RuleOptions)
def command(
    variant: VariantOptions,
    start: StartOptions,
    rates: RateOptions,
    rule: RuleOptions,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="PHI,THETA", help="The point: d numbers of phi, then d of theta; (0, x0)."
        ),
    ] = None,
    format: Format = "text",
) -> None:
    """Linearise at the equilibrium: eigenvalues of the flow, or multipliers of one iteration of a rule.

    d = 1 unless --dim, --x0 or a start says otherwise; the start itself does not matter here.

    Example: diracgan eig --variant wgan-gp --c 0 --rule extragradient --lr 0.2
    """
    choice("format", format, TEXT_OR_JSON)
    made, chosen, dim = variant.build(), rule.build(), start.dimension(default=1)
    point = _point(at)
    if point is not None and len(point[0]) != dim and start.given().keys() & {"dim", "phi0", "theta0"}:
        raise InputError(f"--at has {2 * len(point[0])} numbers; allowed for d = {dim}: {2 * dim}")

    from ..analysis import spectrum
    from ..reporting import dumps

    if chosen is not None and (rates.rate_d, rates.rate_g) != (1.0, 1.0):
        raise InputError("--rate-d and --rate-g belong to the flow; with --rule use --lr-d and --lr-g")
    where: dict[str, Any] = {"dim": dim} if point is None else {"at": point}
    where |= rates.arguments()
    found = spectrum(made, x0=start.given().get("x0"), rule=chosen, **where)
    if format == "json":
        print(dumps("diracgan.eig/1", found.as_dict()))
        return
    _say(found)


def _say(s: Any) -> None:
    name = "multipliers" if s.kind == "map" else "eigenvalues"
    print(f"{s.variant}, d = {s.dim}" + (f", {s.rule}" if s.rule else ", flow"))
    for value in s.eigenvalues:
        size = f"   |.| = {abs(value):.12g}" if s.kind == "map" else ""
        print(f"  {value.real:+.12g} {'-' if value.imag < 0 else '+'} {abs(value.imag):.12g}i{size}")
    if not len(s.eigenvalues):
        print(f"  no {name}")
    lines = [
        ("residual", s.residual),
        ("margin", s.margin),
        ("error bound", s.error),
        ("spectral radius", s.spectral_radius),
        ("numerical radius" if s.kind == "map" else "numerical abscissa", s.numerical_abscissa),
        ("transient growth", s.transient_growth),
    ]
    for label, value in lines:
        if value is not None:
            print(f"{label}: {value:.6g}")
    if len(s.ema_multipliers):
        print("multipliers of the average: " + ", ".join(f"{x.real:.6g}" for x in s.ema_multipliers))
    print(s.text)


def _point(text: str | None) -> tuple[list[float], list[float]] | None:
    numbers = vector("at", text)
    if numbers is None:
        return None
    if len(numbers) % 2:
        raise InputError(f"--at {text!r} has {len(numbers)} numbers; allowed: d of phi, then d of theta")
    half = len(numbers) // 2
    return numbers[:half], numbers[half:]
