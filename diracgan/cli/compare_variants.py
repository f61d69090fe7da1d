"""``diracgan compare-variants``: several variants from one start, side by side."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ..errors import InputError
from .options import (
    TEXT_OR_JSON,
    FlowOptions,
    Format,
    NoiseOptions,
    RateOptions,
    RuleOptions,
    StartOptions,
    StepOptions,
    choice,
    motion,
    output,
    takes,
)


@takes(StartOptions, FlowOptions, StepOptions, RateOptions, RuleOptions, NoiseOptions)
def command(
    start: StartOptions,
    flow: FlowOptions,
    steps: StepOptions,
    rates: RateOptions,
    rule: RuleOptions,
    noise: NoiseOptions,
    variants: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...", help="Variants: NAME[:k=v,...], PATH.py:NAME[:k=v,...]; at most 24."
        ),
    ],
    effort: Annotated[
        float, typer.Option("--effort", help="Factor on the budget of each verdict; 1 by default.")
    ] = 1.0,
    out: Annotated[str, output("The picture: .png, .pdf or .svg; compare-variants.png by default.")] = (
        "compare-variants.png"
    ),
    format: Format = "text",
) -> None:
    """Draw several variants from one start on one scale, each with its verdict.

    Example: diracgan compare-variants ns wgan wgan-gp:c=0 wgan-gp:c=1 gan-qp
    """
    choice("format", format, TEXT_OR_JSON)
    if len(variants) > 24:
        raise InputError(f"{len(variants)} variants cannot be told apart in one picture; allowed: at most 24")
    from ..files import destination
    from ..variants import parse

    destination(out, (".png", ".pdf", ".svg"))
    made = [parse(v) for v in variants]
    how = motion(flow, steps, rates, rule, noise)
    if not {"rule", "sde", "solver", "backend"} & how.keys():
        how["backend"] = "scipy"

    from ..analysis import verdict
    from ..dynamics import run
    from ..plotting import multiples, save, verdict_words
    from ..reporting import dumps, show

    place = start.given()
    judged = {k: how[k] for k in ("rule", "rate_d", "rate_g") if k in how}
    runs, rows = [], []
    for v in made:
        traj = run(v, **place, **how)
        found = verdict(v, effort=effort, **place, **judged)
        runs.append((v.label, traj, verdict_words(found)))
        rows.append((v.label, found))
    last: Any = runs[0][1]
    moved = how["rule"].label if "rule" in how else "flow"
    dim = last["phi"].shape[1]
    clock = "step" if "rule" in how else "t"
    end = f"{clock} = {float(last['step' if clock == 'step' else 'time'][-1]):g}"
    save(
        multiples(
            runs, title=f"{len(runs)} variants from one start", below=f"{moved}, d = {dim}, until {end}"
        ),
        out,
    )
    if format == "json":
        whole = [{"variant": name, **found.as_dict()} for name, found in rows]
        print(dumps("diracgan.compare-variants/1", {"variants": whole, "out": out}))
        return
    show(["variant", "verdict", "in words"], [[name, f.kind, f.text] for name, f in rows])
    print(out)
