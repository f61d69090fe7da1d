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
    output,
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
    out: Annotated[
        str | None, output("Draw the radius over time with the law found: .png, .pdf or .svg.")
    ] = None,
    format: Format = "text",
) -> None:
    """Say what truly happens from a start, also where eigenvalues say nothing.

    Computed from the field or the map: converges (how fast, where to), orbits, circles, cycles, diverges,
    gets stuck,
    or undecided with its reason.

    Example: diracgan verdict --variant ns --phi0 1 --theta0 1
    """
    choice("format", format, TEXT_OR_JSON)
    if out is not None:
        from ..files import destination

        destination(out, (".png", ".pdf", ".svg"))
    made, chosen = variant.build(), rule.build()
    if chosen is not None and (rates.rate_d, rates.rate_g) != (1.0, 1.0):
        raise InputError("--rate-d and --rate-g belong to the flow; with --rule use --lr-d and --lr-g")

    from ..analysis import verdict
    from ..reporting import dumps

    where: dict[str, Any] = {**start.given(), **rates.arguments()}
    found = verdict(made, rule=chosen, effort=effort, **where)
    if out is not None:
        _draw(made, chosen, found, where, out)
    if format == "json":
        print(dumps("diracgan.verdict/1", found.as_dict()))
        return
    _say(found)


def _draw(variant: Any, rule: Any, found: Any, where: dict[str, Any], out: str) -> None:
    """The radius until the verdict is plain to see, with its law."""
    import math

    import numpy as np

    from ..dynamics import run
    from ..plotting import law_figure, save

    n = found.numbers
    last = (
        20.0 / n["rate"] if n.get("rate", 0) > 0 else 1e4 if found.kind == "converges-sublinearly" else 400.0
    )
    last = min(
        max(last, 20.0), 1e5, *(0.999 * n[k] for k in ("blow_up_time", "capture_time") if n.get(k, 0) > 0)
    )
    if rule is not None:
        steps = int(min(max(last, 200), 20000))
        traj = run(variant, rule=rule, steps=steps, every=max(1, steps // 4000), **where)
    else:
        ts = np.union1d(np.linspace(0, last, 2001), np.geomspace(1e-3, last, 1001))
        traj = run(variant, ts=ts, t1=float(ts[-1]), backend="scipy", **where)
    assert math.isfinite(last)
    save(law_figure(traj, found), out)


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
