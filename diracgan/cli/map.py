"""``diracgan map``: basins, stability charts and orbit diagrams, with their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from .. import gallery
from ..errors import unknown
from .layer import CommandResult, OverwriteOption, Table, argument, drawn_in, make_room, option
from .options import GameOptions
from .sweep import GridOptions, counts, dimension, record

if TYPE_CHECKING:
    import xarray as xr


def command(
    game: GameOptions,
    kind: Annotated[str, argument("basins|stability|bifurcation", "Which map.")],
    grid: GridOptions,
    out: Annotated[str | None, drawn_in("The picture")] = None,
    data: Annotated[
        str | None, option("Keep the sweep in this .zarr folder, and continue it.", metavar="FOLDER")
    ] = None,
    overwrite: OverwriteOption = False,
) -> CommandResult:
    """Draw which limit each start reaches, where the equilibrium is stable, or the limit set against a parameter.

    Stability charts carry the exact threshold curve, basins the field and the limit cycles. Axes by default: phi0,
    theta0 (basins); lam or gamma, the weight of R1, and lr or a flow's rate_ratio (stability); lr, or a flow's lam or
    gamma (bifurcation). Maps are in d = 1, the plane (phi, theta), unless --dim, a start or a datum says otherwise.

    Example: diracgan map stability --variant ns --rule simultaneous gamma=0:1:101 lr=0.01:4:100 --out chart.png
    """
    from ..sweeps.maps import MAPS

    if kind not in MAPS:
        raise unknown("kind of map", kind, MAPS)
    over = grid.grids(game)
    made, rule = game.build()
    how = {"rule": rule, "out": data, **game.from_start(), **grid.arguments()}
    found = make_room(lambda: MAPS[kind](made, over, **how), overwrite)
    return CommandResult(
        _record(kind, found), _said(kind, found, data), draw=lambda: gallery.map_page(made, found, rule)
    )


def _record(kind: str, found: xr.Dataset) -> dict[str, Any]:
    about = {"kind": kind, **record(found.drop_vars("threshold", errors="ignore"), whole=True)}
    return about | ({"threshold": found["threshold"].values} if "threshold" in found else {})


def _said(kind: str, found: xr.Dataset, data: str | None) -> Iterator[str | Table]:
    yield f"{found.attrs['variant']}, {found.attrs.get('rule', 'flow')}, {dimension(found)}: map of {kind}"
    codes = found["status" if kind == "stability" else "limit"]
    yield Table([str(codes.name), "points"], [[w, n] for w, n in counts(codes)])
    if "threshold" in found:
        yield _threshold(found, kind)
    if data is not None:
        yield data


def _threshold(found: xr.Dataset, kind: str) -> str:
    """What there is to say of where stability changes."""
    import numpy as np

    from ..analysis.linear.status import Status

    values = np.asarray(found["threshold"].values)
    names = [str(d) for d in found["margin"].dims]
    if not values.size:
        seen = sorted(w for w, _ in counts(found["status"]))
        stable = "stable everywhere" if seen == [Status.STABLE] else "stable nowhere"
        return f"no threshold: {stable} on this grid ({', '.join(seen)})"
    if kind == "bifurcation":
        return "\n".join(f"stability changes at {names[0]} = {x:.10g}" for x in values)
    ends = values.reshape(-1, 2)
    spans = ", ".join(f"{n} from {x.min():.6g} to {x.max():.6g}" for n, x in zip(names, ends.T, strict=True))
    return f"exact threshold: {len(values)} pieces of a curve, {spans} (--format json lists them)"
