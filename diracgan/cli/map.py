"""``diracgan map``: basins, stability charts and orbit diagrams, with their pictures."""

from __future__ import annotations

from typing import Annotated, Any

import typer

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
from .sweep import CourseOptions, WorkOptions

_KINDS = ("basins", "stability", "bifurcation")


@takes(VariantOptions, StartOptions, RateOptions, RuleOptions, CourseOptions, WorkOptions)
def command(
    variant: VariantOptions,
    start: StartOptions,
    rates: RateOptions,
    rule: RuleOptions,
    course: CourseOptions,
    work: WorkOptions,
    kind: Annotated[
        str, typer.Argument(metavar="basins|stability|bifurcation", help="Which map.", show_default=False)
    ],
    axes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=GRID...",
            help="Its axes, if not the usual ones: gamma=0:2:201 lr=0.01:2:200.",
            show_default=False,
        ),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over", metavar="NAME=GRID", help="The same as an option; repeatable.", show_default=False
        ),
    ] = None,
    out: Annotated[str | None, output("The picture: .png, .pdf or .svg.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            help="Keep the sweep in a .zarr folder; it goes on where it was.",
            show_default=False,
        ),
    ] = None,
    format: Format = "text",
) -> None:
    """Draw which limit each start reaches, where the equilibrium is stable, or the limit set against a parameter.

    Stability charts carry the exact threshold curve, basins the field and the limit cycles. Axes by default: phi0,
    theta0 (basins); lam or gamma, the weight of R1, and lr or a flow's rate_ratio (stability); lr, or a flow's lam or
    gamma (bifurcation). Maps are in d = 1, the plane (phi, theta), unless --dim, a start or a datum says otherwise.

    Example: diracgan map stability --variant ns --rule simultaneous gamma=0:1:101 lr=0.01:4:100 --out chart.png
    """
    choice("format", format, TEXT_OR_JSON)
    choice("kind of map", kind, _KINDS)
    if out is not None:
        from ..files import destination

        destination(out, (".png", ".pdf", ".svg"))
    from ..reporting import dumps
    from ..sweeps import basins, bifurcation, stability
    from ..sweeps.grids import grids

    make = {"basins": basins, "stability": stability, "bifurcation": bifurcation}[kind]
    arguments = {**start.given(), **rates.arguments(), **course.given(), **work.given()}
    made, moves = variant.build(), rule.build()
    found = make(made, grids([*(axes or []), *(over or [])]), rule=moves, out=data, **arguments)
    saved = None
    if out is not None:
        from ..gallery.basins_overlay import on_top
        from ..plotting import map_figure, save

        over_it = on_top(made, found, moves) if kind == "basins" else {}
        saved = save(map_figure(found, **over_it), out)
    if format == "json":
        print(dumps("diracgan.map/1", _record(kind, found) | ({"out": str(saved)} if saved else {})))
        return
    _say(kind, found)
    for path in (saved, data):
        if path is not None:
            print(path)


def _record(kind: str, found: Any) -> dict[str, Any]:
    from .sweep import _record

    record = {"kind": kind, **_record(found.drop_vars("threshold", errors="ignore"), whole=True)}
    if "threshold" in found:
        record["threshold"] = found["threshold"].values
    return record


def _say(kind: str, found: Any) -> None:
    import numpy as np

    from ..reporting import show
    from .sweep import dimension

    print(f"{found.attrs['variant']}, {found.attrs.get('rule', 'flow')}, {dimension(found)}: map of {kind}")
    codes = found["status" if kind == "stability" else "limit"]
    words = codes.attrs["flag_meanings"].split()
    counts = np.bincount(np.ravel(codes.values), minlength=len(words))
    show([codes.name, "points"], [[w, int(n)] for w, n in zip(words, counts, strict=True) if n])
    if "threshold" in found:
        print(_threshold(found, kind))


def _threshold(found: Any, kind: str) -> str:
    """What there is to say of where stability changes."""
    import numpy as np

    words = found["status"].attrs["flag_meanings"].split()
    seen = {words[k] for k in np.unique(found["status"].values)}
    values = np.asarray(found["threshold"].values)
    names = [str(d) for d in found["margin"].dims]
    if not values.size:
        stable = "stable everywhere" if seen == {"stable"} else "stable nowhere"
        return f"no threshold: {stable} on this grid ({', '.join(sorted(seen))})"
    if kind == "bifurcation":
        return "\n".join(f"stability changes at {names[0]} = {x:.10g}" for x in values)
    ends = values.reshape(-1, 2)
    spans = ", ".join(f"{n} from {x.min():.6g} to {x.max():.6g}" for n, x in zip(names, ends.T, strict=True))
    return f"exact threshold: {len(values)} pieces of a curve, {spans} (--format json lists them)"
