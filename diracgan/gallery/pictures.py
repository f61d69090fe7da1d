"""Pictures that both a command and the gallery draw: the computation and the figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.kinds import Kind
from ..rules import Rule
from ..variants import Variant
from .basins_overlay import flat_field

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

    from ..analysis import Critical, Verdict
    from ..analysis.bifurcation import Atlas
    from ..dynamics import Trajectory
    from ..plotting.stability_charts import StabilityChart

__all__ = ["atlas_page", "law", "locus_page", "side_by_side", "smooth_run"]

_CELLS = 61  # of a map of stability in either direction
JUDGED = ("phi0", "theta0", "x0", "dim", "rule", "rate_d", "rate_g")  # what a run and its verdict share


def smooth_run(variant: Variant, *start: Any, **how: Any) -> Trajectory:
    """A run as it is drawn: a flow's rows stand so close that its path has no corners.

    Args:
        variant: what moves.
        start: of both players; and ``how``, as :func:`diracgan.simulate` takes them.
        how: the rest.
    """
    from ..dynamics import run
    from ..plotting.series import smooth_rows

    traj = run(variant, *start, **how)
    if how.get("rule") is not None or {"ts", "sde"} & how.keys():
        return traj
    clock = np.asarray(traj["time"], float)
    rows = smooth_rows(traj)
    return run(variant, *start, **how, ts=np.linspace(0.0, clock[-1], rows)) if rows > len(clock) else traj


def law(variant: Variant, found: Verdict, rule: Rule | None, where: Mapping[str, Any]) -> Figure:
    """The radius until the verdict is plain to see, with its law.

    Args:
        variant: what moves.
        found: its verdict.
        rule: how, or None for the flow.
        where: start, datum and rates, as :func:`diracgan.simulate` takes them.
    """
    from ..dynamics import run
    from ..plotting.laws import law_figure

    n = found.numbers
    usual = 1e4 if found.kind == Kind.CONVERGES_SUBLINEARLY else 400.0
    last = max(20.0 / n["rate"] if n.get("rate", 0) > 0 else usual, 20.0)
    ends = (0.999 * n[k] for k in ("blow_up_time", "capture_time") if n.get(k, 0) > 0)
    last = min(last, 1e5, *ends)
    if rule is not None:
        steps = int(min(max(last, 200), 20000))
        traj = run(variant, rule=rule, steps=steps, every=max(1, steps // 4000), **where)
    else:
        ts = np.union1d(np.linspace(0, last, 2001), np.geomspace(1e-3, last, 1001))
        traj = run(variant, ts=ts, t1=float(ts[-1]), backend="scipy", **where)
    return law_figure(traj, found)


def atlas_page(variant: Variant, found: Atlas, rule: Rule | None) -> Figure:
    """The curves of an atlas over the map of where the equilibrium (0, x0) is stable; another one without the map.

    Args:
        variant: what moves.
        found: the curves.
        rule: how, or None for the flow.
    """
    from ..plotting.atlas import atlas_figure

    at_rest = not np.any(found.at["phi"]) and found.at["theta"] == found.x0
    return atlas_figure(found, stability=_stability(variant, found, rule) if at_rest else None)


def _stability(variant: Variant, found: Atlas, rule: Rule | None) -> StabilityChart:
    """Where the equilibrium is stable in the rectangle of an atlas, without the threshold: its curves are that."""
    from ..analysis.linear.parameter_handle import parameter_handle, set_all
    from ..analysis.linear.settings import settings
    from ..analysis.linear.status import STATUSES
    from ..plotting.cells import grid_axis
    from ..plotting.stability_charts import StabilityChart
    from ..sweeps.linear import linear

    # the weight average moves nothing
    moves = None if rule is None else dataclasses.replace(rule, ema=None)
    rates: dict[str, Any] = {} if rule is not None else {"rate_d": found.rate_d, "rate_g": found.rate_g}
    around = settings(variant, moves, found.dim, found.x0, **rates)
    handles = [parameter_handle(around, name) for name in found.parameters]
    spans = [np.linspace(low, high, _CELLS) for low, high in zip(found.low, found.high, strict=True)]
    x, y = (grid_axis(h.name, h.about, values) for h, values in zip(handles, spans, strict=True))
    seen = linear(set_all(around, handles, [x.ravel() for x in np.meshgrid(*spans)]), _CELLS**2)
    status, margin = (values.reshape(_CELLS, _CELLS) for values in (seen.status, seen.margin))
    return StabilityChart(x, y, np.array(STATUSES)[status], margin, rule is not None)


def locus_page(
    variant: Variant,
    found: Critical,
    rule: Rule | None,
    where: Mapping[str, Any],
    *,
    low: float | None = None,
    high: float | None = None,
    moving: bool = False,
) -> Figure | FuncAnimation:
    """Where the eigenvalues go as a parameter varies, over the range asked for or around what is critical.

    Args:
        variant: what moves.
        found: the parameter's critical values.
        rule: how, or None for the flow.
        where: dimension, datum and rates, as :func:`diracgan.spectrum` takes them.
        low: where to begin; None for where the search began.
        high: where to end; None for a little beyond what is critical.
        moving: whether it is an animation.
    """
    from ..analysis.linear.margins import locus
    from ..plotting.letters import with_letters
    from ..plotting.spectra import LocusOptions, animate_locus, locus_figure

    shown = [v for v in found.values if found.low < v < found.high]
    first = found.low if low is None else low
    usual = 1.5 * shown[-1] if shown and shown[-1] > 0 else max(2.0 * abs(found.now or 0.0), 2.0)
    last = min(found.high, usual if high is None else high)
    shown = [v for v in shown if first < v < last]
    values: Any = np.linspace(first, last, 81 if moving else 601)
    if shown and not moving:  # the first threshold may lie decades below the last
        near = np.linspace(first, min(2 * abs(shown[0]), last), 201)
        values = np.unique(np.concatenate([values, near, shown]))
    if found.parameter == "n_critic":
        values = np.arange(int(first), int(last) + 1)
    rows = locus(variant, found.parameter, values, rule, **where)
    what, kind = ("eigenvalues", "flow") if rule is None else ("multipliers", "map")
    how: LocusOptions = {"name": found.parameter, "kind": kind, "critical": shown[:4] or None}
    span = f"{what} as {found.parameter} goes from {values[0]:g} to {values[-1]:g}"
    if moving:
        return animate_locus(values, rows, title=f"{found.variant}: {span}", **how)
    born = [point.birth.partition(": ")[2] for point in found.born if first < point.value < last][:2]
    return locus_figure(
        values,
        rows,
        title=f"{found.variant}: {found.text}",
        below=with_letters("; ".join([span, *born])),
        **how,
    )


def side_by_side(
    variants: Sequence[tuple[str, Variant]],
    how: Mapping[str, Any],
    *,
    title: str = "",
    below: str = "",
    columns: int | None = None,
    effort: float = 1.0,
) -> tuple[Figure, list[Verdict]]:
    """Several variants from one start, each with what becomes of it.

    Args:
        variants: names and what moves.
        how: start, rule or rates, and how long, as :func:`diracgan.simulate` takes them.
        title: of the page, before how many converge; by default how many there are.
        below: the line under it; by default what moved them, and until when.
        columns: panels in a row; by default as fits.
        effort: factor on each verdict's budget.

    Returns:
        The page, and the verdicts.
    """
    from ..analysis import verdict
    from ..plotting.small_multiples import multiples, verdict_words

    judged = {k: how[k] for k in JUDGED if k in how}
    runs = [smooth_run(v, **how) for _, v in variants]
    found = [verdict(v, effort=effort, edge=False, **judged) for _, v in variants]
    panels = [
        (name, traj, verdict_words(f)) for (name, _), traj, f in zip(variants, runs, found, strict=True)
    ]
    rule = how.get("rule")
    clock, unit, moved = ("time", "t", "flow") if rule is None else ("step", "step", rule.label)
    until = f"{moved}, d = {runs[0]['phi'].shape[1]}, until {unit} = {float(runs[0][clock][-1]):g}"
    arrived = sum(Kind(f.kind).arrives for f in found)
    converge = "converges" if arrived == 1 else "converge"
    title = f"{title or f'{len(panels)} variants from one start'}: {arrived} of {len(panels)} {converge}"
    x0, rates = how.get("x0"), {k: how[k] for k in ("rate_d", "rate_g") if k in how}
    fields = [flat_field(v, x0, **rates) for _, v in variants] if runs[0]["phi"].shape[1] == 1 else []
    return multiples(panels, title=title, below=below or until, columns=columns, fields=fields), found
