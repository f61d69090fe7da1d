"""``dg.sweep``: any quantity over any grid, chunk by chunk, interrupted and resumed at will."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..dynamics.starts import check_rates
from ..dynamics.trajectory import identity, versions
from ..ensemble.blocks import DeviceChoice
from ..ensemble.fixed_steps import engine
from ..errors import InputError, callback, integer
from ..game import Players
from ..lazy import module_on_use
from ..progress import progress as bar
from ..rules import Rule
from ..variants import Variant
from . import grids, limit_sets
from .axes import Axis
from .executors import Executor, choose_executor
from .provenance import described, labelled
from .quantities import QuantityLike, quantities
from .quantity import LINEAR, POINT, TAIL, WHOLE
from .settings import RunSettings, run_settings
from .specification import Specification, Start, question
from .store import SCHEMA, GridLayout, StoredVariable, sink

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = module_on_use("xarray")

_POINTS = {LINEAR: 65_536, POINT: 8}
_PROMISE = "bit for bit by the same engine on the same kind of machine; another engine or processor rounds differently"
_MOST_CHUNKS = 10_000_000
_BYTES = 48 * 2**20  # of trajectories in a chunk
_ENDS = 65_536


def sweep(
    variant: Variant,
    over: Mapping[str, ArrayLike],
    quantity: QuantityLike | Sequence[QuantityLike] | Mapping[str, QuantityLike] = "margin",
    *,
    rule: Rule | None = None,
    phi0: ArrayLike | None = None,
    theta0: ArrayLike | None = None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    at: tuple[ArrayLike, ArrayLike] | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    out: str | os.PathLike[str] | None = None,
    chunk: int | Sequence[int] | None = None,
    executor: Executor | None = None,
    devices: DeviceChoice = None,
    scheduler: Any = None,
    progress: Callable[[int, int], None] | bool | None = None,
    t1: float | None = None,
    dt: float | None = None,
    steps: int | None = None,
    method: str | None = None,
    adaptive: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    dtype: str = "float64",
    escape: float = 1e3,
    ball: float = 1e-3,
    ema_tau: float | None = None,
    effort: float = 1.0,
) -> xr.Dataset:
    """Ask one or several quantities at every point of a grid of hyperparameters, starts or dimensions.

    Linear quantities are computed for whole arrays of hyperparameters by one program; runs are fused ensembles;
    verdicts and a user's own functions go point by point. Chunks are written as they are found, and a sweep that was
    stopped goes on where it was: the same numbers, to the last bit, wherever they are computed.

    Args:
        variant: any variant.
        over: name -> grid. Names: any number, flag or choice of the variant, of what ``with_`` adds (``r1``; ``gamma``
            is the same where the variant has no gamma), of the rule (``lr``, ``lr_ratio``, ``n_critic``, ``ema``),
            ``rate_d``, ``rate_g``, ``rate_ratio`` and ``ema_tau`` of the flow, ``phi0``, ``theta0`` (with an index in
            d >= 2: ``phi0[1]``), ``x0``, ``dim``. Grids: arrays, lists, or text: ``"0:2:201"``, ``"log:1e-3:1:50"``.
        quantity: a name of :data:`diracgan.sweeps.QUANTITIES`, a function of a :class:`diracgan.sweeps.Point`,
            ``"path.py:function"``, or a list of these; a mapping gives functions names of their own.
        rule: from :func:`diracgan.rule`; None for the flow.
        phi0: the critic's start, shape (d,); with ``theta0`` None the default start.
        theta0: the generator's start.
        dim: the dimension when no start is given; None is 1 where all quantities are linear or phi0 or theta0 is an
            axis, else 2, and the attribute ``dim`` of the result says which.
        x0: the datum, shape (d,) or a number; None for 0.
        at: the equilibrium of linear quantities, as (phi, theta); None for (0, x0).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's.
        out: a ``.zarr`` folder; None keeps the result in memory.
        chunk: points in a chunk, or values of each axis; what each worker loses at most when the sweep is stopped.
        executor: who computes, in place of ``devices`` or ``scheduler``: see :class:`diracgan.sweeps.Executor`.
        devices: cores or accelerators of this machine; None for all.
        scheduler: address of a Dask scheduler (``tcp://host:port``), a cluster or a client.
        progress: called with the points done and all points; None shows a bar where standard error is a terminal,
            False none.
        t1: how long a flow is followed (200).
        dt: its fixed step (0.01).
        steps: how many iterations of a rule are followed (2000).
        method: ``"rk4"`` or ``"tsit5"``.
        adaptive: choose the flow's steps by ``rtol`` and ``atol``.
        rtol: relative tolerance of adaptive steps.
        atol: absolute tolerance of adaptive steps.
        dtype: ``"float64"`` or ``"float32"``: of the numbers that are followed.
        escape: the radius of ``escape_time``, and beyond which a run has diverged.
        ball: the radius of ``entry_time``, within which a run is at the equilibrium.
        ema_tau: time constant of the flow's weight average.
        effort: of verdicts.

    Returns:
        An :class:`xarray.Dataset` with the axes as dimensions, one variable a quantity, units and provenance; values of
        a store are read when they are used.

    Raises:
        InputError: for arguments that are not allowed, a store made with other parameters or that cannot be written.

    References:
        docs/theory.md section 4 for what stability charts must show.

    Example:
        >>> import diracgan as dg
        >>> found = dg.sweep(dg.variant("wgan-gp", c=0.0), {"lam": "0:1:3"}, "margin")
        >>> found.margin.dims, found.margin.values.tolist()
        (('lam',), [0.0, 0.5, 1.0])
    """
    settings = run_settings(
        rule,
        t1=t1,
        dt=dt,
        steps=steps,
        method=method,
        adaptive=adaptive,
        rtol=rtol,
        atol=atol,
        dtype=dtype,
        escape=escape,
        ball=ball,
        ema_tau=ema_tau,
        effort=effort,
    )
    rates = Players(rate_d, rate_g)
    specification, values = planned(
        variant, over, quantity, rule, Start(phi0, theta0, dim, x0, at), rates, settings
    )
    who = choose_executor(executor, devices, scheduler)
    return computed(specification, values, out=out, chunk=chunk, who=who, progress=progress)


def planned(
    variant: Variant,
    over: Mapping[str, ArrayLike],
    quantity: QuantityLike | Sequence[QuantityLike] | Mapping[str, QuantityLike],
    rule: Rule | None,
    start: Start,
    rates: Players,
    settings: RunSettings,
) -> tuple[Specification, dict[str, np.ndarray]]:
    """The specification of a sweep and the values of its axes, everything checked."""
    given = grids.named(over)
    wanted = quantities(quantity)
    made = question(
        variant,
        rule,
        start=start,
        rates=check_rates(*rates),
        names=list(given),
        quantities=wanted,
        settings=settings,
    )
    values = {a.name: _checked(a, given[a.name]) for a in made.axes}
    for q in wanted:
        if q.name in values:
            raise InputError(f"{q.name} is an axis and a quantity; rename the function")
    return made, values


def computed(
    specification: Specification,
    values: Mapping[str, np.ndarray],
    *,
    out: str | os.PathLike[str] | None = None,
    chunk: Any = None,
    who: Executor | None = None,
    progress: Callable[[int, int], None] | bool | None = None,
) -> xr.Dataset:
    """Answer a specification on a grid; see :func:`sweep`."""
    if not isinstance(progress, bool):
        callback("progress", progress)
    laid = layout(specification, values, chunk)
    if laid.chunks > _MOST_CHUNKS:
        raise InputError(
            f"the grid makes {laid.chunks} chunks; allowed: {_MOST_CHUNKS}, so fewer values or larger chunks"
        )
    with sink(out, laid) as kept:
        missing = kept.missing()
        if missing:
            points = sum(laid.points(k) for k in range(laid.chunks))
            done = points - sum(laid.points(k) for k in missing)
            chosen = choose_executor() if who is None else who
            with _shown(progress, done) as tell:
                for index, found in chosen.run(specification, _jobs(laid, values, missing)):
                    kept.write(index, found)
                    done += laid.points(index)
                    tell(done, points)
                    del found  # before the next one is asked for
        return kept.dataset()


def _jobs(
    laid: GridLayout, values: Mapping[str, np.ndarray], missing: Sequence[int]
) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """The values of the axes in every chunk, the last ones padded, so that all have one shape."""
    for index in missing:
        block = {}
        for (name, x), where, size in zip(values.items(), laid.slices(index), laid.chunk, strict=True):
            inside = x[where]
            block[name] = np.concatenate([inside, np.repeat(inside[-1:], size - len(inside))])
        yield index, block


# ---------------------------------------------------------------- layout


def layout(specification: Specification, values: Mapping[str, np.ndarray], chunk: Any = None) -> GridLayout:
    """The grid cut into chunks, with what every variable says about itself."""
    shape = tuple(len(x) for x in values.values())
    cut = _chunk(specification, values, chunk)
    follows = any(q.group in (WHOLE, TAIL) for q in specification.quantities)
    ran_by = engine() if follows else "NumPy or XLA"  # by the size of a chunk, wherever it is computed
    about = described(specification) | {
        "axes": {n: _digest(x) for n, x in values.items()},
        "chunk": list(cut),
        "versions": json.loads(versions()) | {"platform": _platform(), "engine": ran_by},
    }
    text = json.dumps(about, sort_keys=True)
    discrete = specification.rule is not None
    fields = {
        q.name: StoredVariable(np.dtype(q.dtype), q.missing, q.extra, q.attributes(discrete))
        for q in specification.quantities
    }
    coords = {a.name: _coordinate(a, values[a.name]) for a in specification.axes}
    variant, rule = labelled(specification, values)
    attrs: dict[str, Any] = {
        "schema": SCHEMA,
        **identity(variant),
        "start": json.dumps(about["start"]),
        "dim": "axis" if "dim" in values else len(about["start"]["phi0"]),
    }
    if rule is not None:
        attrs |= {"rule": rule.label, "rule_name": rule.name}
    else:
        attrs |= {"rate_d": float(specification.rates.phi), "rate_g": float(specification.rates.theta)}
    by_size = ran_by == "compiled C"  # a chunk that is not worth its compilation is XLA's
    attrs |= {"engine": "compiled C or XLA" if by_size else ran_by, "reproducible": _PROMISE}
    attrs |= {"settings": json.dumps(about["settings"]), "versions": versions(), "question": text}
    attrs["fingerprint"] = hashlib.sha256(text.encode()).hexdigest()
    return GridLayout(dict(zip(values, shape, strict=True)), cut, coords, fields, attrs)


def _platform() -> str:
    import jax

    return jax.default_backend()


def _digest(x: np.ndarray) -> str:
    return f"{len(x)} values, {hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()[:16]}"


def _coordinate(axis: Axis, x: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """An axis' values as numbers, and what they mean."""
    attrs: dict[str, Any] = {
        "long_name": axis.help or axis.name,
        "units": "time" if axis.name == "ema_tau" else "1",
    }
    if axis.words:
        return np.arange(len(x)), attrs | {
            "flag_values": list(range(len(x))),
            "flag_meanings": " ".join(x.tolist()),
        }
    return x, attrs


def _checked(axis: Axis, x: np.ndarray) -> np.ndarray:
    """The values of an axis, each in its domain: the ends of what is varied smoothly, all of what loops."""
    if x.dtype.kind == "U" and not axis.words:
        flags = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}
        x = np.array([flags.get(str(w).lower(), math.nan) for w in x])
        if np.isnan(x).any():
            raise InputError(
                f"the axis {axis.name} has values that are not numbers; allowed: {grids.ALLOWED}"
            )
    if axis.words and x.dtype.kind != "U":
        x = np.array([f"{v:g}" for v in x])
    for value in x if axis.loop else (x.min(), x.max()):
        axis.check(value.item())
    return x


def _chunk(specification: Specification, values: Mapping[str, np.ndarray], chunk: Any) -> tuple[int, ...]:
    """Values of each axis in a chunk: whole rows, as many as fit; of an axis that loops one."""
    shape, loops = tuple(len(x) for x in values.values()), [a.loop for a in specification.axes]
    if chunk is not None and np.ndim(chunk) == 1:
        if len(chunk) != len(shape):
            raise InputError(
                f"chunk has {len(chunk)} numbers for {len(shape)} axes; allowed: one each, or one number"
            )
        sizes = [min(integer("chunk", c, low=1), n) for c, n in zip(chunk, shape, strict=True)]
        for a, c in zip(specification.axes, sizes, strict=True):
            if a.loop and c > 1:
                raise InputError(
                    f"chunk = {c} along {a.name}; allowed: 1, as each value is a computation of its own"
                )
        return tuple(sizes)
    left = _most(specification, values) if chunk is None else integer("chunk", chunk, low=1)
    sizes = []
    for n, loop in zip(reversed(shape), reversed(loops), strict=True):
        c = 1 if loop else min(n, max(left, 1))
        c = math.ceil(n / math.ceil(n / c))  # of about the same size, so that little is padding
        sizes.append(c)
        left //= c
    return tuple(reversed(sizes))


def _most(specification: Specification, values: Mapping[str, np.ndarray]) -> int:
    """How many points a chunk may have: what keeps a worker busy for about a second, and within its memory."""
    most = [_POINTS.get(q.group, _ENDS) for q in specification.quantities]
    groups = {q.group for q in specification.quantities}
    if groups - {LINEAR, POINT}:
        drafted = specification.draft(specification.start.dim).phi.shape[-1]
        dims = int(values["dim"].max()) if "dim" in values else drafted
        rows = 1
        if TAIL in groups:
            c = specification.settings
            dt = None if specification.rule is not None else c.flow.get("dt")
            rows = len(limit_sets.rows(c.end, dt, "adaptive" in c.flow).save)
        most.append(max(1, _BYTES // (16 * dims * rows)))
    return min(most)


# ---------------------------------------------------------------- progress


@contextlib.contextmanager
def _shown(given: Any, done: int) -> Iterator[Callable[[int, int], Any]]:
    """A function to be told about progress; a bar on a terminal, unless another one is given."""
    if callable(given) or given is False:
        yield given or _nothing
        return
    with bar(done) as shown:
        yield shown or _nothing


def _nothing(done: int, points: int) -> None:
    """Nobody is to be told."""
