"""Ready-made sweeps: basins, stability charts and orbit diagrams.

In d = 1, the plane (phi, theta), unless a dimension, a start or a datum says otherwise.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from ..analysis.kinds import Outcome
from ..analysis.linear.status import DECIDED, Status
from ..dynamics.starts import starts
from ..errors import InputError, mapping
from ..files import path_of
from ..game import Players
from ..lazy import module_on_use
from ..parameters import parameters
from ..rules import Rule
from ..variants import Variant, check_variant
from .axes import components
from .executors import Executor, choose_executor
from .linear import linear
from .settings import RunArguments, RunSettings, run_settings
from .specification import Specification, Start
from .sweep import computed, planned

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = module_on_use("xarray")


class MapOptions(RunArguments, total=False):
    """What a map takes besides its variant, rule and axes: the words of :func:`diracgan.sweep`."""

    phi0: Any
    theta0: Any
    dim: int | None
    x0: Any
    at: Any
    rate_d: float
    rate_g: float
    chunk: int | Sequence[int] | None
    executor: Executor | None
    devices: Any
    scheduler: Any
    progress: Callable[[int, int], None] | bool | None


_STABLE = Status.STABLE.number
_DECIDED = tuple(Status(s).number for s in DECIDED)
_BISECTIONS = 60


def basins(
    variant: Variant,
    over: Mapping[str, Any] | None = None,
    *,
    rule: Rule | None = None,
    out: str | os.PathLike[str] | None = None,
    **rest: Unpack[MapOptions],
) -> xr.Dataset:
    """Which limit each start reaches, as seen until the end of the run.

    Args:
        variant: any variant.
        over: two axes of the start; None for phi0 and theta0 from -2 to 2 (in d >= 2 theta0[0] and theta0[1]).
        rule: None for the flow.
        out: a ``.zarr`` folder for the sweep, or None.
        **rest: what :func:`diracgan.sweep` takes besides, see there.

    Returns:
        An :class:`xarray.Dataset` with ``limit`` (numbers that stand for ``flag_meanings``), ``limit_radius``,
        ``limit_phi`` and ``limit_theta``.

    Example:
        >>> import diracgan as dg
        >>> found = basins(dg.variant("wgan-gp", c=0.0), {"phi0": "-1:1:3", "theta0": "-1:1:3"}, t1=100.0)
        >>> found.limit.values.tolist()
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]]
    """
    asked = _asked("basins", variant, rule, rest)
    names = ("phi0", "theta0") if asked.start.dimension in (None, 1) else ("theta0[0]", "theta0[1]")
    grids = over or dict.fromkeys(names, "-2:2:81")
    return _map(asked, grids, 2, ["limit", "limit_radius", "limit_phi", "limit_theta"], out)[2]


def stability(
    variant: Variant,
    over: Mapping[str, Any] | None = None,
    *,
    rule: Rule | None = None,
    out: str | os.PathLike[str] | None = None,
    **rest: Unpack[MapOptions],
) -> xr.Dataset:
    """Where the equilibrium is stable in a plane of two parameters, with the exact threshold.

    The margin's sign changes between points of the grid are followed to rounding along its lines.

    Args:
        variant: any variant.
        over: two axes; None for lam (or gamma, the weight of R1) and lr (of the flow: rate_ratio).
        rule: None for the flow.
        out: a ``.zarr`` folder for the sweep, or None.
        **rest: what :func:`diracgan.sweep` takes besides, see there.

    Returns:
        An :class:`xarray.Dataset` with ``margin``, ``status`` and ``threshold`` (segment, end, coordinate): the
        threshold curve as segments whose ends lie on the grid's lines.

    References:
        docs/theory.md section 4 for closed forms.

    Example:
        >>> import diracgan as dg
        >>> found = stability(
        ...     dg.variant("ns"), {"gamma": "0.1:1:4", "lr": "0.1:3.9:5"}, rule=dg.rule("simultaneous")
        ... )
        >>> x, y = found.threshold.values.reshape(-1, 2).T
        >>> bool(abs(y - 4 * x).max() < 1e-9)  # stable where lr < 4 gamma
        True
    """
    if not over:
        other = {"rate_ratio": "log:0.1:10:101"} if rule is None else {"lr": "0.01:2:100"}
        over = _weight(variant, 101) | other
    specification, values, found = _map(
        _asked("stability", variant, rule, rest), over, 2, ["margin", "status"], out
    )
    return found.assign(threshold=(("segment", "end", "coordinate"), threshold(specification, values, found)))


def bifurcation(
    variant: Variant,
    over: Mapping[str, Any] | None = None,
    *,
    rule: Rule | None = None,
    out: str | os.PathLike[str] | None = None,
    **rest: Unpack[MapOptions],
) -> xr.Dataset:
    """The limit set against one parameter: an orbit diagram.

    Args:
        variant: any variant.
        over: one axis; None for lam (or gamma), with a rule for lr.
        rule: None for the flow.
        out: a ``.zarr`` folder for the sweep, or None.
        **rest: what :func:`diracgan.sweep` takes besides, see there.

    Returns:
        An :class:`xarray.Dataset` with ``orbit`` (parameter, sample), ``limit``, ``margin``, ``status`` and
        ``threshold`` (change): the values at which the linear stability changes, to rounding. Attractors may be
        several: the samples are those of the start, of its mirror image in (0, x0), and of both four times as far
        away, one after the other, NaN where a run leaves; ``limit`` is the first one's.

    Example:
        >>> import diracgan as dg
        >>> v, rule = dg.variant("wgan-gp", c=0.0, lam=0.5), dg.rule("simultaneous")
        >>> found = bifurcation(v, {"lr": "0.8:1.1:4"}, rule=rule)
        >>> found.threshold.values.round(9).tolist()
        [1.0]
    """
    if not over:
        over = {"lr": "0.01:2:400"} if rule is not None else _weight(variant, 401)
    wanted = ["orbit", "limit", "margin", "status"]
    asked = _asked("bifurcation", variant, rule, rest)
    specification, values, found = _map(asked, over, 1, wanted, out)
    others = [] if components(over) or {"dim", "x0"} & set(over) else _around(specification.start)
    further = [dataclasses.replace(asked, start=start) for start in others]
    runs = [found] + [_map(a, over, 1, wanted[:2])[2] for a in further]
    orbit = xr.concat([_that_stays(run) for run in runs], "sample").assign_attrs(found.orbit.attrs)
    found = found.drop_vars("orbit").assign(orbit=orbit).assign_attrs(starts=len(runs))
    return found.assign(threshold=(("change",), threshold(specification, values, found).reshape(-1)))


def _around(start: Start) -> list[Start]:
    """The mirror image of a start in (0, x0), and both four times as far away."""
    phi0, theta0, x0 = starts(start.phi0, start.theta0, start.dim, start.x0)
    return [dataclasses.replace(start, phi0=k * phi0, theta0=x0 + k * (theta0 - x0)) for k in (-1, 4, -4)]


def _that_stays(run: xr.Dataset) -> xr.DataArray:
    """The orbit, NaN where it grows or diverges."""
    words = np.array(str(run["limit"].attrs["flag_meanings"]).split())[np.asarray(run["limit"])]
    return run["orbit"].where(~np.isin(words, (Outcome.GROWING, Outcome.DIVERGES))[:, None])


MAPS: dict[str, Callable[..., xr.Dataset]] = {
    "basins": basins,
    "stability": stability,
    "bifurcation": bifurcation,
}
"""Name -> the function that makes a map of that kind."""


def _weight(variant: Variant, count: int) -> dict[str, str]:
    """The axis that comes by itself: lam where the variant has one, else gamma; from 0 on where that is allowed.

    Example:
        >>> import diracgan as dg
        >>> _weight(dg.variant("gan-qp"), 5), _weight(dg.variant("ns"), 5)
        ({'lam': '0.02:2:5'}, {'gamma': '0:2:5'})
    """
    lam = parameters(type(check_variant(variant))).get("lam")
    low = 0.02 if lam is not None and lam.open_low else 0
    return {"gamma" if lam is None else "lam": f"{low}:2:{count}"}


@dataclasses.dataclass(frozen=True)
class _Asked:
    """What a map's arguments say, each in its place.

    Attributes:
        kind: of the map.
        variant: what is minimised; ``rule`` how the players move, None for the flow.
        start: where runs begin, and what a linearisation is at.
        rates: factors on the flow's velocities.
        settings: how runs are followed.
        who: computes.
        how: it does: its chunks, and who hears of its progress.
    """

    kind: str
    variant: Variant
    rule: Rule | None
    start: Start
    rates: Players
    settings: RunSettings
    who: Executor
    how: dict[str, Any]


def _asked(kind: str, variant: Variant, rule: Rule | None, rest: MapOptions) -> _Asked:
    unexpected = set(rest) - MapOptions.__optional_keys__
    if unexpected:
        raise InputError(
            f"a map of {kind} takes no {', '.join(sorted(unexpected))}; for other maps there is sweep"
        )
    given: dict[str, Any] = dict(rest)
    start = Start(**{n: given.pop(n, None) for n in ("phi0", "theta0", "dim", "x0", "at")})
    rates = Players(*(given.pop(n, 1.0) for n in ("rate_d", "rate_g")))
    who = choose_executor(*(given.pop(n, None) for n in ("executor", "devices", "scheduler")))
    how = {n: given.pop(n) for n in ("chunk", "progress") if n in given}
    return _Asked(kind, variant, rule, start, rates, run_settings(rule, **given), who, how)


def _map(
    asked: _Asked,
    over: Mapping[str, Any],
    axes: int,
    wanted: list[str],
    out: str | os.PathLike[str] | None = None,
) -> tuple[Specification, dict[str, np.ndarray], xr.Dataset]:
    """Its question, the values of its axes and its dataset; in d = 1 where nothing says otherwise."""
    kind, start = asked.kind, asked.start
    over = mapping("over", over, "axes and their grids")
    if out is not None:
        path_of("out", out)
    if len(over) != axes:
        raise InputError(
            f"a map of {kind} has {axes} {'axes' if axes > 1 else 'axis'}, not {', '.join(over)}"
        )
    if start.dimension is None and start.at is None and "dim" not in over and not components(over):
        start = dataclasses.replace(start, dim=1)
    specification, values = planned(
        asked.variant, over, wanted, asked.rule, start, asked.rates, asked.settings
    )
    if any(a.words for a in specification.axes):
        raise InputError(f"a map of {kind} needs axes of numbers; for choices there is sweep")
    path = None if out is None else os.fspath(out)
    found = computed(specification, values, out=path, who=asked.who, **asked.how).load()
    return specification, values, found.assign_attrs(map=kind)


# ---------------------------------------------------------------- thresholds


def threshold(
    specification: Specification, values: Mapping[str, np.ndarray], found: xr.Dataset
) -> np.ndarray:
    """Where the linear stability changes between points of a grid, each change followed to rounding.

    Args:
        specification: the question of a sweep over one or two axes.
        values: its axes.
        found: its dataset, with margin and status.

    Returns:
        In one dimension the values, (changes,); in two the curve as segments, (segments, 2, 2), whose ends lie on the
        grid's lines.
    """
    xs = [np.asarray(x, float) for x in values.values()]
    orders = [np.argsort(x) for x in xs]
    status = np.asarray(found.status)[np.ix_(*orders)]
    xs = [x[o] for x, o in zip(xs, orders, strict=True)]
    edges = [_edges(status, xs, k, specification.axes[k].loop) for k in range(len(xs))]
    low, high = (np.concatenate([e[i] for e in edges]) for i in (0, 1))
    sure = np.concatenate([e[2] for e in edges])
    points = _bisected(specification, low, high, sure, np.concatenate([e[3] for e in edges]))
    if len(xs) == 1:
        return np.sort(points[:, 0])
    return _joined(status == _STABLE, points, len(edges[0][0]), [a.loop for a in specification.axes])


def _edges(status: np.ndarray, xs: list[np.ndarray], k: int, loop: bool) -> tuple[np.ndarray, ...]:
    """Of the grid's edges along axis ``k`` with a change: both ends, whether both are decided, and whether the first
    is stable."""
    a, b = (np.moveaxis(status, k, 0)[s] for s in (slice(None, -1), slice(1, None)))
    change = ((a == _STABLE) != (b == _STABLE)) & (not loop)
    where = np.argwhere(np.moveaxis(change, 0, k))
    ahead = where.copy()
    ahead[:, k] += 1

    def at(index: np.ndarray) -> np.ndarray:
        return np.stack([x[i] for x, i in zip(xs, index.T, strict=True)], axis=1).reshape(-1, len(xs))

    first = status[tuple(where.T)]
    sure = np.isin(first, _DECIDED) & np.isin(status[tuple(ahead.T)], _DECIDED)
    return at(where), at(ahead), sure, first == _STABLE


def _bisected(
    specification: Specification, low: np.ndarray, high: np.ndarray, sure: np.ndarray, first: np.ndarray
) -> np.ndarray:
    """The points between ``low`` and ``high`` at which stability changes, all edges at a time."""
    low, high = low.copy(), high.copy()
    for certain in (
        True,
        False,
    ):  # the margin's sign, where both ends have one; else what the linearisation decides
        which = np.flatnonzero(sure == certain)
        for _ in range(_BISECTIONS if which.size else 0):
            a, b = low[which], high[which]
            if np.all(np.abs(b - a) <= 2 * np.finfo(float).eps * np.maximum(np.abs(a), np.abs(b))):
                break
            middle = (a + b) / 2
            same = _stable(specification, middle, certain) == first[which]
            low[which[same]], high[which[~same]] = middle[same], middle[~same]
    return (low + high) / 2


def _stable(specification: Specification, points: np.ndarray, certain: bool) -> np.ndarray:
    """Whether the equilibrium is stable at every point (N, axes)."""
    stable = np.zeros(len(points), bool)
    loops = [k for k, a in enumerate(specification.axes) if a.loop]
    for value in np.unique(points[:, loops], axis=0):
        here = np.flatnonzero(np.all(points[:, loops] == value, axis=1))
        case = specification.case({a.name: points[here, k] for k, a in enumerate(specification.axes)})
        seen = linear(case.setup, len(here))
        stable[here] = seen.margin > 0 if certain else seen.status == _STABLE
    return stable


def _joined(stable: np.ndarray, points: np.ndarray, along_first: int, loops: list[bool]) -> np.ndarray:
    """Segments between the changes on the sides of every cell of the grid (marching squares)."""
    number = {}
    count = 0
    for k in (0, 1):
        a, b = (np.moveaxis(stable, k, 0)[s] for s in (slice(None, -1), slice(1, None)))
        for index in np.argwhere(np.moveaxis((a != b) & (not loops[k]), 0, k)):
            number[(k, *index.tolist())] = count
            count += 1
        assert k or count == along_first
    cells = {
        (i - di, j - dj)
        for k, i, j in number
        for di, dj in (((0, 0), (0, 1)) if k == 0 else ((0, 0), (1, 0)))
    }
    segments = []
    for i, j in sorted(cells):
        if not (0 <= i < stable.shape[0] - 1 and 0 <= j < stable.shape[1] - 1):
            continue
        sides = [(0, i, j), (1, i + 1, j), (0, i, j + 1), (1, i, j)]  # around the cell
        hit = [points[number[s]] for s in sides if s in number]
        segments += [(hit[n], hit[n + 1]) for n in range(0, len(hit) - 1, 2)]
    return np.array(segments).reshape(-1, 2, 2)
