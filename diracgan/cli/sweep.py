"""``diracgan sweep``: any quantity over any grid."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from ..errors import InputError
from ..sweeps.quantity import LINEAR, POINT, QUANTITIES, TAIL, WHOLE
from .layer import CommandResult, OverwriteOption, Table, argument, make_room, option, with_help
from .options import EffortOption, GameOptions, given_in

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

_PRINTED = 100_000  # points beyond which a result is not printed


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """How long the players are followed, and how."""

    panel: ClassVar[str] = "Runs"
    t1: Annotated[float | None, option("End time; 200 by default.", short="-T")] = None
    dt: Annotated[float | None, option("Step size of a flow (rk4); 0.01 by default.")] = None
    steps: Annotated[int | None, option("Number of iterations; 2000 by default.", short="-n")] = None
    method: Annotated[
        str | None,
        option("How a flow is integrated; rk4 by default, tsit5 with --adaptive.", metavar="rk4|tsit5"),
    ] = None
    adaptive: Annotated[bool, option("Adapt the steps of a flow to its tolerances.")] = False
    rtol: Annotated[float | None, option("Relative tolerance of --adaptive; 1e-6 by default.")] = None
    atol: Annotated[float | None, option("Absolute tolerance of --adaptive; 1e-9 by default.")] = None
    dtype: Annotated[
        str | None, option("Precision of the runs; float64 by default.", metavar="float64|float32")
    ] = None
    escape: Annotated[float | None, option("Radius of escape; 1000 by default.")] = None
    ball: Annotated[float | None, option("Radius of arrival at the equilibrium; 1e-3 by default.")] = None
    ema_tau: Annotated[float | None, option("Time constant of the moving average, for ema_gain.")] = None
    effort: EffortOption = 1.0


@dataclasses.dataclass(frozen=True)
class WorkOptions:
    """Where a sweep is computed, in pieces of which size."""

    panel: ClassVar[str] = "Computation"
    chunk: Annotated[
        int | None, option("How many points are computed and stored at a time.", metavar="POINTS")
    ] = None
    devices: Annotated[int | None, option("Cores or GPUs of this machine; all by default.", metavar="N")] = (
        None
    )
    scheduler: Annotated[
        str | None, option("Let the workers of a Dask cluster compute.", metavar="tcp://HOST:PORT")
    ] = None


@dataclasses.dataclass(frozen=True)
class GridOptions:
    """The grid: words NAME=GRID, and how its points are computed."""

    run: RunOptions
    work: WorkOptions
    axes: Annotated[
        list[str] | None, argument("NAME=GRID...", "The axes: gamma=0:2:201 lr=log:1e-3:1:50 n_critic=1,2,5.")
    ] = None
    over: Annotated[list[str] | None, option("An axis, as an option; repeatable.", metavar="NAME=GRID")] = (
        None
    )

    def grids(self, game: GameOptions) -> dict[str, Any]:
        """Name -> values of every axis; InputError where ``game`` sets one of them to a single value."""
        from ..sweeps.grids import grids

        found, fixed = grids([*(self.axes or []), *(self.over or [])]), game.settings()
        for name in (n for n in found if n in fixed):
            raise InputError(f"{name} is set twice, to {fixed[name]} and by an axis; allowed: once")
        return found

    def arguments(self) -> dict[str, Any]:
        """How runs and work are done, by the library's names."""
        return {**given_in(self.run), **given_in(self.work)}


@dataclasses.dataclass(frozen=True)
class StoreOptions:
    """Where the answer is kept."""

    panel: ClassVar[str] = "Result"
    out: Annotated[
        str | None,
        option(
            "A .zarr folder, written chunk by chunk; the same command continues where it was stopped.",
            metavar="FOLDER",
            short="-o",
        ),
    ] = None
    overwrite: OverwriteOption = False


def _quantities() -> str:
    """The quantities with one line each, by how they are found, for the help."""

    def listed(*groups: str) -> list[str]:
        of = [q for q in QUANTITIES.values() if q.group in groups]
        return [f"- {q.name}: {q.help}" + (f"; one of {', '.join(q.flags)}" if q.flags else "") for q in of]

    return "\n".join(
        [
            "Quantities of the linearisation at the equilibrium, fast (stable where margin > 0):\n",
            *listed(LINEAR),
            "\nQuantities of a run from the start, r = |(phi, theta - x0)|:\n",
            *listed(WHOLE, TAIL),
            "\nPoint by point, slow:\n",
            *listed(POINT),
            "- PATH.py:FUNCTION: your own, of a point (its .variant, .rule, .phi0, .theta0, .x0, .values) to a number",
        ]
    )


@with_help(_quantities())
def command(
    game: GameOptions,
    grid: GridOptions,
    store: StoreOptions,
    quantity: Annotated[
        list[str] | None,
        option(
            "What is computed at every point; margin by default; PATH.py:FUNCTION for your own.",
            metavar="NAME,...",
            names="quantity",
            short="-q",
        ),
    ] = None,
) -> CommandResult:
    """Compute one or several quantities at every point of a grid.

    Axes: any number, flag or choice of the variant, of a penalty (gamma is r1, the weight of R1, where the variant has
    no gamma of its own) or of the rule (lr, lr_ratio, n_critic, ema), rate_d, rate_g, rate_ratio and ema_tau of a flow,
    phi0, theta0, x0 (with their component where d > 1: phi0[1]), dim. Grids: LOW:HIGH:COUNT with both ends,
    log:LOW:HIGH:COUNT, or values with commas.

    Without --dim or a start, d is 1 for quantities of the linearisation alone and where phi0 or theta0 is an axis,
    else 2.

    Example: diracgan sweep gamma=0:2:201 lr=log:1e-3:1:50 --variant ns --rule simultaneous --out chart.zarr
    """
    over = grid.grids(game)
    if not over:
        raise InputError("no axis; allowed: at least one, such as gamma=0:2:201")
    made, rule = game.build()

    from ..sweeps import sweep

    out = store.out
    how = {"rule": rule, "out": out, **grid.arguments(), **game.from_start()}
    found = make_room(lambda: sweep(made, over, quantity or "margin", **how), store.overwrite)
    whole = out is None or math.prod(found.sizes.values()) <= _PRINTED
    return CommandResult(record(found, whole) | ({"out": str(out)} if out else {}), _said(found, out))


def record(found: xr.Dataset, whole: bool) -> dict[str, Any]:
    """The axes, what every variable is, and, unless it is large, its values."""
    axes = {n: _values(found[n]) for n in found.dims if n in found.coords}
    about = {k: found.attrs[k] for k in ("variant", "rule", "dim", "fingerprint") if k in found.attrs}
    quantities = {}
    for name, x in found.data_vars.items():
        quantities[name] = {"dims": list(x.dims), "units": x.attrs.get("units", "1")}
        if words := _words(x):
            quantities[name]["meanings"] = words
        if whole:
            quantities[name]["values"] = x.values
    return {**about, "axes": axes, "quantities": quantities}


def _words(x: xr.DataArray) -> list[str]:
    """What the codes of a variable stand for."""
    return x.attrs.get("flag_meanings", "").split()


def _values(coordinate: xr.DataArray) -> list[str] | np.ndarray:
    return _words(coordinate) or coordinate.values


def dimension(found: xr.Dataset) -> str:
    """In which dimension a sweep was made."""
    dim = found.attrs.get("dim", "?")
    return "d varied" if dim == "axis" else f"d = {dim}"


def counts(x: xr.DataArray) -> Iterator[tuple[str, int]]:
    """How often each word of a coded variable stands in it."""
    import numpy as np

    words = _words(x)
    found = np.sum([np.bincount(np.ravel(b), minlength=len(words)) for b in _pieces(x)], axis=0)
    return ((w, int(n)) for w, n in zip(words, found, strict=True) if n)


def _said(found: xr.Dataset, out: str | None) -> Iterator[str | Table]:
    axes = " x ".join(f"{n} ({k})" for n, k in found.sizes.items() if n in found.coords)
    yield f"{found.attrs['variant']}, {found.attrs.get('rule') or 'flow'}, {dimension(found)}: {axes}"
    rows: list[list[Any]] = []
    for name, x in found.data_vars.items():
        if _words(x):
            rows += [[name, w, n] for w, n in counts(x)]
        else:
            rows.append([name, _range(x), math.prod(found.sizes[d] for d in x.dims if d in found.coords)])
    yield Table(["quantity", "values", "points"], rows)
    if out is not None:
        yield str(out)
    else:
        yield from _points(found)


def _range(x: xr.DataArray) -> str:
    """The finite values from the least to the largest, and how many others there are."""
    import numpy as np

    low, high, infinite, missing = np.inf, -np.inf, 0, 0
    for b in _pieces(x):
        fine = b[np.isfinite(b)]
        low, high = min(low, fine.min(initial=np.inf)), max(high, fine.max(initial=-np.inf))
        infinite, missing = infinite + int(np.isinf(b).sum()), missing + int(np.isnan(b).sum())
    said = [f"{low:.6g} to {high:.6g}" if low < high else f"{low:.6g}"] if low <= high else []
    said += [f"infinite at {infinite:,}"] if infinite else []
    if missing and len(x.dims) == len([d for d in x.dims if d in x.coords]):
        said += [f"none at {missing:,}"]  # an orbit has as many samples as there are
    return "; ".join(said)


def _pieces(x: xr.DataArray) -> Iterator[np.ndarray]:
    """The values, a part at a time."""
    step = max(1, 2**21 // max(1, x.size // x.shape[0]))
    return (x[i : i + step].values for i in range(0, x.shape[0], step))


def _points(found: xr.Dataset) -> Iterator[str | Table]:
    """The points themselves, as long as they are few."""
    dims = [n for n in found.dims if n in found.coords]
    single = [n for n, x in found.data_vars.items() if set(x.dims) <= set(dims)]
    if not single or math.prod(found.sizes[n] for n in dims) > 40:
        return
    rows = []
    for index in itertools.product(*(range(found.sizes[n]) for n in dims)):
        where = dict(zip(dims, index, strict=True))
        cells = [_cell(_values(found[n])[i]) for n, i in where.items()]
        for n in single:
            words = _words(found[n])
            value = found[n].isel({k: i for k, i in where.items() if k in found[n].dims}).values.item()
            cells.append(words[int(value)] if words else _cell(value))
        rows.append(cells)
    yield ""
    yield Table([*map(str, dims), *map(str, single)], rows)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else f"{float(value):.9g}"
