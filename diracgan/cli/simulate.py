"""``diracgan simulate``: the trajectory as data."""

from __future__ import annotations

from typing import Annotated

from .options import (
    TEXT_OR_JSON,
    FlowOptions,
    Format,
    NoiseOptions,
    RateOptions,
    RuleOptions,
    StartOptions,
    StepOptions,
    VariantOptions,
    choice,
    motion,
    output,
    takes,
)


@takes(VariantOptions, StartOptions, FlowOptions, StepOptions, RateOptions, RuleOptions, NoiseOptions)
def command(
    variant: VariantOptions,
    start: StartOptions,
    flow: FlowOptions,
    steps: StepOptions,
    rates: RateOptions,
    rule: RuleOptions,
    noise: NoiseOptions,
    out: Annotated[str | None, output(".nc, .zarr, .npz, .csv or .json.")] = None,
    format: Format = "text",
) -> None:
    """Compute a trajectory of the flow, or of a rule's steps, and save or print it.

    Example: diracgan simulate --variant ns --r1 0.3 --t1 100 --out ns.nc
    """
    choice("format", format, TEXT_OR_JSON)
    if out is not None:
        from ..dynamics.store import SUFFIXES
        from ..files import destination

        destination(out, SUFFIXES)
    made = variant.build()
    arguments = {**start.given(), **motion(flow, steps, rates, rule, noise)}

    from ..dynamics import run
    from ..dynamics.store import as_json, save
    from ..reporting import dumps, show

    traj = run(made, **arguments)
    saved = save(traj, out) if out is not None else None
    if format == "json":
        print(dumps("diracgan.simulate/1", as_json(traj) | ({"out": saved} if saved else {})))
        return
    names = [n for n in ("step", "time", "phi", "theta", "phi_ema", "theta_ema") if n in traj]
    rows = len(traj["time"])
    shown = sorted({round(i * (rows - 1) / 10) for i in range(11)})
    show(names, [[_cell(traj[n][i]) for n in names] for i in shown], title=traj.attrs["variant"])
    print(f"{traj.attrs['result']}: {traj.attrs['result_text']}; {rows} rows, {len(shown)} shown")
    if saved is not None:
        print(saved)


def _cell(value: object) -> str:
    import numpy as np

    return "  ".join(f"{x:.6g}" for x in np.atleast_1d(np.asarray(value)))
