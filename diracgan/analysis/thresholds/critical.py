"""Critical values: where the linear status changes as any parameter of a variant or a rule varies."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
from numpy.typing import ArrayLike

from ...errors import increasing, integer, number, word
from ...parameters import Parameter, text
from ...records import Record
from ...rules import Rule
from ...variants import Variant
from ..bifurcation.family import Family
from ..bifurcation.points import Bifurcation, at_threshold
from ..linear.margins import margins
from ..linear.parameter_handle import ParameterHandle, parameter_handle
from ..linear.settings import AskedAbout, LinearSettings, settings
from ..linear.status import Status
from ..slow_flow.beyond_rest import beyond_rest
from .status_intervals import Interval, ParameterScan, Threshold, over_integers, over_reals

_REACH = 1e3  # a parameter without an upper bound is looked for here
_MOST = 64  # of an integer without an upper bound


@dataclasses.dataclass(frozen=True)
class Critical(AskedAbout, Record):
    """Where stability changes as one parameter changes, and everything it was computed from.

    Attributes:
        parameter: its name; ``now`` its present value, or None.
        values: the thresholds' values, increasing; empty where the status never changes.
        thresholds: the same with error and the status on either side.
        intervals: the whole range by status.
        low: where the search began; ``high`` where it ended.
        status: the status at the present value, or None.
        text: one sentence in words.
        evaluations: how many spectra it took.
        around: the settings that were asked about.
    """

    parameter: str
    now: float | None
    values: list[float]
    thresholds: list[Threshold]
    intervals: list[Interval]
    low: float
    high: float
    status: str | None
    text: str
    evaluations: int
    around: LinearSettings = dataclasses.field(repr=False)

    @functools.cached_property
    def born(self) -> list[Bifurcation]:
        """What is born at each threshold between stable and unstable, computed when it is first asked.

        Example:
            >>> import diracgan as dg
            >>> v = dg.variant("ns").with_(r1=0.05)
            >>> found = dg.critical(v, "lr", rule=dg.rule("simultaneous"))
            >>> found.born[0].birth.partition(": ")[2]
            'at lr = 0.2 a stable circle of radius about 1.4528 sqrt(lr - 0.2) is born'
        """
        sides = {str(Status.STABLE), str(Status.UNSTABLE)}
        values = [t.value for t in self.thresholds if {t.below, t.above} == sides]
        handle = parameter_handle(self.around, self.parameter) if values else None
        if handle is None or handle.is_integer:
            return []
        family = Family(self.around, [handle])
        found = [at_threshold(family, np.concatenate(self.around.point), value) for value in values]
        return [point for point in found if point is not None]


def critical(
    variant: Variant,
    parameter: str,
    rule: Rule | None = None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    at: tuple[ArrayLike, ArrayLike] | None = None,
    low: float | None = None,
    high: float | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> Critical:
    """Every value of ``parameter`` at which the linear stability of the equilibrium changes.

    A zero of the margin -max Re(mu) (flow) or 1 - max |mu| (rule), the end of a stretch on which it is zero, or of one
    on which there is no derivative: scanned on a fixed grid, its dips followed down, then found to rounding by Brent's
    method or by bisection of the status.

    Args:
        variant: from :func:`diracgan.variant`.
        parameter: a number of the variant, of a penalty or transform (``"r1"``), of the rule (``"lr"``, ``"lr_ratio"``
            = lr_d / lr_g with lr_g kept, ``"beta"``, ``"n_critic"``), or of the flow (``"rate_ratio"``).
        rule: from :func:`diracgan.rule`; None for the flow.
        dim: dimension d (1, or that of ``x0`` or ``at``).
        x0: the datum; None for 0.
        at: the equilibrium, as (phi, theta); None for (0, x0).
        low: where the search begins; by default the parameter's least allowed value.
        high: where it ends; by default the largest allowed value, or 1000 (whole numbers: 64).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).

    Returns:
        A :class:`Critical`; its ``text`` says what holds where, also when nothing changes, and its ``born`` what
        the normal form says is born at the thresholds.

    Raises:
        InputError: for arguments that are not allowed.

    References:
        docs/theory.md section 4; Brent 1973, Algorithms for Minimization without Derivatives, chapter 4.

    Example:
        >>> import diracgan as dg
        >>> found = dg.critical(dg.variant("wgan-gp", c=0.0, lam=0.5), "lr", rule=dg.rule("simultaneous"))
        >>> [round(x, 10) for x in found.values], found.thresholds[0].below
        ([1.0], 'stable')
    """
    around = settings(variant, rule, dim, x0, at, rate_d, rate_g)
    if word("parameter", parameter).strip() == "ema" and rule is not None:
        return _of_ema(around)
    handle = parameter_handle(around, parameter)
    scan, intervals, edges = scanned(around, handle, low, high)
    now = None if handle.now is None else float(handle.now)
    status = None if now is None else margins([handle.set(around, handle.now)])[0].status
    return Critical(
        parameter=handle.name,
        now=now,
        values=[e.value for e in edges],
        thresholds=edges,
        intervals=intervals,
        low=scan.low,
        high=scan.high,
        status=status,
        text=_words(handle.name, intervals, edges, handle.is_integer)
        + beyond_rest(around.variant, around.rule, around.x0),
        evaluations=scan.count + int(status is not None),
        around=around,
        **around.provenance,
    )


def scanned(
    around: LinearSettings, handle: ParameterHandle, low: float | None = None, high: float | None = None
) -> tuple[ParameterScan, list[Interval], list[Threshold]]:
    """The linear status along one parameter: intervals of one status, and the thresholds between them."""
    scan = ParameterScan(around, handle, *_range(handle.domain, handle.is_integer, low, high))
    return scan, *(over_integers(scan) if handle.is_integer else over_reals(scan))


def _of_ema(around: LinearSettings) -> Critical:
    here = margins([around])[0].status
    decay = around.rule.ema if around.rule is not None else None
    return Critical(
        parameter="ema",
        now=decay,
        values=[],
        thresholds=[],
        intervals=[Interval(0.0, 1.0, here)],
        low=0.0,
        high=1.0,
        status=here,
        text=f"{here} for every ema in [0, 1): averaging adds the multiplier ema and moves none: it decides nothing",
        evaluations=1,
        around=around,
        **around.provenance,
    )


def _range(
    domain: Parameter, integers: bool, low: float | None, high: float | None
) -> tuple[float, float, bool, bool]:
    """Where to look, and whether the ends themselves are left out."""

    def end(side: str, given: float | None, otherwise: float) -> float:
        if given is None:
            return otherwise
        if integers:
            return float(integer(side, given, low=int(domain.low or 0)))
        return number(side, given, low=domain.low, high=domain.high)

    if integers:
        first = end("low", low, float(max(int(domain.low or 0), 0)))
        last = end("high", high, max(float(_MOST), first))
    else:
        first = end("low", low, -_REACH if domain.low is None else domain.low)
        last = end("high", high, _REACH if domain.high is None else domain.high)
    increasing(first, last)
    open_low = domain.open_low and domain.low is not None and first <= domain.low
    open_high = domain.open_high and domain.high is not None and last >= domain.high
    return first, last, open_low, open_high


def digits(x: float, error: float) -> str:
    """A number without digits beyond its error, and at most twelve.

    Example:
        >>> digits(0.412345678, 3e-4), digits(0.1 + 0.2, 0.0)
        ('0.412', '0.3')
    """
    if not math.isfinite(x):
        return str(x)
    known = 12
    if error > 0 and x:
        known = min(max(math.floor(math.log10(abs(x))) - math.floor(math.log10(error)), 1), 12)
    return text(float(f"{x:.{known}g}"))


def _words(name: str, intervals: list[Interval], edges: list[Threshold], integers: bool) -> str:
    errors = {e.value: e.error for e in edges}

    def said(x: float) -> str:
        return digits(x, errors.get(x, 0.0))

    if len(intervals) == 1:
        (only,) = intervals
        span = f"{name} from {said(only.low)} to {said(only.high)}"
        if only.status == Status.NO_DERIVATIVE:
            return f"no threshold: the field has no derivative at the equilibrium for any {span}; a verdict decides"
        if only.status == Status.NOT_AN_EQUILIBRIUM:
            return f"no threshold: the point is not an equilibrium for any {span}; give at=(phi, theta), or see verdict"
        undecided = ", where the linearisation does not decide" if only.status == Status.MARGINAL else ""
        return f"no threshold: {only.status} for every {span}{undecided}"
    parts = []
    for i, part in enumerate(intervals):
        if part.low == part.high:
            where = f"at {name} = {said(part.low)}"
        elif i == 0:
            where = f"for {name} {'<=' if integers else '<'} {said(part.high)}"
        elif i == len(intervals) - 1:
            where = f"for {name} {'>=' if integers else '>'} {said(part.low)}"
        elif integers:
            where = f"for {name} from {said(part.low)} to {said(part.high)}"
        else:
            where = f"for {said(part.low)} < {name} < {said(part.high)}"
        parts.append(f"{part.status} {where}")
    return "; ".join(parts)
