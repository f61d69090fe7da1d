"""``diracgan sweep``: any quantity over any grid."""

from __future__ import annotations

import dataclasses
import math
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
    _option,
    choice,
    output,
    takes,
)

_RUN, _WORK = "Runs", "Who computes"
_PRINTED = 100_000  # points beyond which a result is not printed


@dataclasses.dataclass(frozen=True)
class CourseOptions:
    """How long and how the players are followed."""

    t1: Annotated[float | None, _option("--t1", "-T", panel=_RUN, help="End time of a flow; 200.")] = None
    dt: Annotated[float | None, _option("--dt", panel=_RUN, help="Step of a flow (rk4); 0.01.")] = None
    steps: Annotated[int | None, _option("--steps", "-n", panel=_RUN, help="Iterations of a rule; 2000.")] = (
        None
    )
    method: Annotated[
        str | None, _option("--method", metavar="rk4|tsit5", panel=_RUN, help="Method of a flow.")
    ] = None
    adaptive: Annotated[
        bool, _option("--adaptive", panel=_RUN, help="Steps of a flow by its tolerances.")
    ] = False
    rtol: Annotated[float | None, _option("--rtol", panel=_RUN, help="Relative tolerance.")] = None
    atol: Annotated[float | None, _option("--atol", panel=_RUN, help="Absolute tolerance.")] = None
    dtype: Annotated[
        str | None,
        _option("--dtype", metavar="float64|float32", panel=_RUN, help="Numbers that runs are made of."),
    ] = None
    escape: Annotated[float | None, _option("--escape", panel=_RUN, help="Radius of escape; 1000.")] = None
    ball: Annotated[
        float | None,
        _option("--ball", panel=_RUN, help="Radius around the equilibrium that counts as it; 1e-3."),
    ] = None
    ema_tau: Annotated[
        float | None,
        _option("--ema-tau", panel=_RUN, help="Time constant of the flow's average, for ema_gain."),
    ] = None
    effort: Annotated[
        float | None, _option("--effort", panel=_RUN, help="Factor on a verdict's budget; 1.")
    ] = None

    def given(self) -> dict[str, Any]:
        """What was asked for, by the library's names."""
        return {k: x for k, x in vars(self).items() if x is not None and x is not False}


@dataclasses.dataclass(frozen=True)
class WorkOptions:
    """Who computes, in pieces of which size."""

    chunk: Annotated[
        int | None,
        _option(
            "--chunk", metavar="POINTS", panel=_WORK, help="Points that are computed and kept at a time."
        ),
    ] = None
    devices: Annotated[
        int | None, _option("--devices", metavar="N", panel=_WORK, help="Cores or GPUs of this machine; all.")
    ] = None
    scheduler: Annotated[
        str | None,
        _option(
            "--scheduler",
            metavar="tcp://HOST:PORT",
            panel=_WORK,
            help="Let the workers of a Dask cluster compute.",
        ),
    ] = None

    def given(self) -> dict[str, Any]:
        """What was asked for, by the library's names."""
        return {k: x for k, x in vars(self).items() if x is not None}


@takes(VariantOptions, StartOptions, RateOptions, RuleOptions, CourseOptions, WorkOptions)
def command(
    variant: VariantOptions,
    start: StartOptions,
    rates: RateOptions,
    rule: RuleOptions,
    course: CourseOptions,
    work: WorkOptions,
    axes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=GRID...",
            help="What is turned: gamma=0:2:201 lr=log:1e-3:1:50 n_critic=1,2,5.",
            show_default=False,
        ),
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            "--over", metavar="NAME=GRID", help="The same as an option; repeatable.", show_default=False
        ),
    ] = None,
    quantity: Annotated[
        list[str] | None,
        typer.Option(
            "--quantity",
            "-q",
            metavar="NAME,...",
            help="What is asked at every point; margin by default; PATH.py:FUNCTION for your own.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        str | None,
        output("A .zarr folder, written chunk by chunk; the same command goes on where it was stopped."),
    ] = None,
    format: Format = "text",
) -> None:
    """Ask one or several quantities at every point of a grid.

    Axes: any number, flag or choice of the variant, of a penalty (gamma is r1, the weight of R1, where the variant has
    no gamma of its own) or of the rule (lr, lr_ratio, n_critic, ema), rate_d, rate_g, rate_ratio and ema_tau of a flow,
    phi0, theta0, x0 (with their component where d > 1: phi0[1]), dim. Grids: LOW:HIGH:COUNT with both ends,
    log:LOW:HIGH:COUNT, or values with commas.

    Quantities of the linearisation at the equilibrium, fast:

    - margin: spectral margin, -max Re or 1 - max modulus; stable where > 0 (the default)
    - status: stable, unstable, marginal, no-derivative, not-an-equilibrium
    - spectral_radius: largest modulus of the multipliers of one iteration (needs a rule)
    - frequency: angular frequency of the leading eigenvalue that turns
    - ema_gain: amplitude of the weight average over that of the orbit (needs ema, or ema_tau)

    Quantities of a run from the start, r = |(phi, theta - x0)|:

    - final_radius: r at the end
    - escape_time, entry_time: first time with r >= --escape, with r <= --ball
    - limit: equilibrium, converging, elsewhere, orbit, growing, diverges, undecided, as seen until the end
    - limit_radius, radius_phi, radius_theta: largest r, |phi|, |theta - x0| in the last half
    - limit_phi, limit_theta: middle of the first component at the end
    - period: mean time of a turn in the last half
    - orbit: last turning points of theta - x0 (its length where d > 1), or a rule's last iterates

    Point by point, slow:

    - verdict: the kind that diracgan verdict finds, up to seconds a point
    - PATH.py:FUNCTION: your own, of a point (its .variant, .rule, .phi0, .theta0, .x0, .values) to a number

    Without --dim or a start, d is 1 for quantities of the linearisation alone and where phi0 or theta0 is an axis,
    else 2.

    Example: diracgan sweep gamma=0:2:201 lr=log:1e-3:1:50 --variant ns --rule simultaneous --out chart.zarr
    """
    choice("format", format, TEXT_OR_JSON)
    from ..sweeps.grids import grids

    over_ = grids([*(axes or []), *(over or [])])
    if not over_:
        raise InputError("no axis; allowed: at least one, such as gamma=0:2:201")
    arguments = {**start.given(), **rates.arguments(), **course.given()}

    from ..reporting import dumps
    from ..sweeps import sweep

    found = sweep(
        variant.build(), over_, quantity or "margin", rule=rule.build(), out=out, **work.given(), **arguments
    )
    if format == "json":
        whole = out is None or math.prod(found.sizes.values()) <= _PRINTED
        print(dumps("diracgan.sweep/1", _record(found, whole) | ({"out": str(out)} if out else {})))
        return
    _say(found, out)


def _record(found: Any, whole: bool) -> dict[str, Any]:
    """The axes, what every variable is, and, unless it is large, its values."""
    axes = {n: _values(found[n]) for n in found.dims if n in found.coords}
    about = {k: found.attrs[k] for k in ("variant", "rule", "dim", "fingerprint") if k in found.attrs}
    quantities = {}
    for name, x in found.data_vars.items():
        quantities[name] = {"dims": list(x.dims), "units": x.attrs.get("units", "1")}
        if "flag_meanings" in x.attrs:
            quantities[name]["meanings"] = x.attrs["flag_meanings"].split()
        if whole:
            quantities[name]["values"] = x.values
    return {**about, "axes": axes, "quantities": quantities}


def _values(coordinate: Any) -> Any:
    words = coordinate.attrs.get("flag_meanings")
    return words.split() if words else coordinate.values


def _say(found: Any, out: str | None) -> None:
    import numpy as np

    from ..reporting import show

    rule = found.attrs.get("rule")
    print(
        f"{found.attrs['variant']}, {rule or 'flow'}, {dimension(found)}: "
        + " x ".join(f"{n} ({k})" for n, k in found.sizes.items() if n in found.coords)
    )
    rows = []
    for name, x in found.data_vars.items():
        if "flag_meanings" in x.attrs:
            words = x.attrs["flag_meanings"].split()
            counts = np.sum([np.bincount(np.ravel(b), minlength=len(words)) for b in _pieces(x)], axis=0)
            rows += [[name, w, int(n)] for w, n in zip(words, counts, strict=True) if n]
            continue
        rows.append([name, _range(x), math.prod(found.sizes[d] for d in x.dims if d in found.coords)])
    show(["quantity", "values", "points"], rows)
    if out is None:
        _table(found)
    else:
        print(out)


def dimension(found: Any) -> str:
    """In which dimension a sweep was made."""
    dim = found.attrs.get("dim", "?")
    return "d turned" if dim == "axis" else f"d = {dim}"


def _range(x: Any) -> str:
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


def _pieces(x: Any) -> Any:
    """The values, a part at a time."""
    step = max(1, 2**21 // max(1, x.size // x.shape[0]))
    return (x[i : i + step].values for i in range(0, x.shape[0], step))


def _table(found: Any) -> None:
    """The points themselves, as long as they are few."""
    from ..reporting import show

    dims = [n for n in found.dims if n in found.coords]
    single = [n for n, x in found.data_vars.items() if set(x.dims) <= set(dims)]
    if not single or math.prod(found.sizes[n] for n in dims) > 40:
        return
    rows = []
    import itertools

    for index in itertools.product(*(range(found.sizes[n]) for n in dims)):
        where = dict(zip(dims, index, strict=True))
        cells = [_cell(_values(found[n])[i]) for n, i in where.items()]
        for n in single:
            words = found[n].attrs.get("flag_meanings", "").split()
            value = found[n].isel({k: i for k, i in where.items() if k in found[n].dims}).values.item()
            cells.append(words[int(value)] if words else _cell(value))
        rows.append(cells)
    print()
    show([*dims, *single], rows)


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else f"{float(value):.9g}"
