"""``diracgan simulate``: the trajectory as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from .layer import CommandResult, Table, output
from .options import MotionOptions, VariantOptions

if TYPE_CHECKING:
    import os

    from ..dynamics.trajectory import Trajectory


def _stored(path: str) -> object:
    from ..dynamics.store import SUFFIXES
    from ..files import destination

    return destination(path, SUFFIXES)


def command(
    variant: VariantOptions,
    motion: MotionOptions,
    out: Annotated[
        str | None, output("Keep the trajectory: .nc, .zarr, .npz, .csv or .json.", _stored)
    ] = None,
) -> CommandResult:
    """Compute a trajectory of the flow, or of a rule's steps, and print or save it.

    Example: diracgan simulate --variant ns --r1 0.3 --t1 100 --out ns.nc
    """
    made, arguments = variant.build(), motion.arguments()

    from ..dynamics import run
    from ..dynamics.store import as_json, save

    traj = run(made, **arguments)
    saved = save(traj, out) if out is not None else None
    return CommandResult(as_json(traj) | ({"out": saved} if saved else {}), _said(traj, saved))


def _said(traj: Trajectory, saved: str | os.PathLike[str] | None) -> Iterator[str | Table]:
    import numpy as np

    names = [n for n in ("step", "time", "phi", "theta", "phi_ema", "theta_ema") if n in traj]
    rows = len(traj["time"])
    shown = sorted({round(i * (rows - 1) / 10) for i in range(11)})
    cells = [[np.atleast_1d(np.asarray(traj[n][i])) for n in names] for i in shown]
    yield Table(
        names, [["  ".join(f"{x:.6g}" for x in cell) for cell in row] for row in cells], traj.attrs["variant"]
    )
    yield f"{traj.attrs['result']}: {traj.attrs['result_text']}; {rows} rows, {len(shown)} shown"
    if saved is not None:
        yield str(saved)
