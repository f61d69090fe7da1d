"""Tuning: the parameters of a variant and a rule for which the equilibrium attracts fastest."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError, increasing, integer, listed, number, shown
from ...parameters import text
from ...records import Record
from ...rules import Rule
from ...variants import Variant
from ..linear.parameter_handle import ParameterHandle, parameter_handle, set_all
from ..linear.settings import AskedAbout, LinearSettings, settings
from ..linear.status import Status
from ..slow_flow.averaged import averaged
from ..slow_flow.beyond_rest import beyond_rest
from .critical import scanned
from .rate_search import FastestDecay, FastestDecaySearch
from .search_tolerances import S

_REACH = 100.0  # an upper bound for a parameter that has none
# what an end may be at most: the search tells values apart to ``S.end`` of a range, beyond which one of order 1 is lost
_FARTHEST = 1e6
_COMBINATIONS = 32  # of whole numbers: each is a program and a search of its own


@dataclasses.dataclass(frozen=True)
class Tuned(AskedAbout, Record):
    """The values that maximise the rate, and everything they were computed from.

    Attributes:
        best: parameter -> the value that maximises the rate; empty where nothing could be compared.
        rate: exponential rate there: -max Re of the eigenvalues (flow, per unit of time), or -log of the spectral
            radius per iteration; negative where even the best one grows, infinite where all multipliers vanish.
        margin: the spectral margin there: the same (flow), or 1 - spectral radius of one period.
        status: of the linearisation there.
        eigenvalues: of the flow, or the multipliers of the map, there.
        smooth: whether the rate has a derivative there (it is 0 then); at a non-smooth one eigenvalues meet.
        at_bound: the parameters whose best value is an end of its range: the rate still grows there.
        unique: False where other values, far away, reach the same rate.
        intervals: parameter -> the values around the best, the others kept, for which it stays stable; inf where
            no end was found.
        ranges: parameter -> the range that was searched.
        text: the same in words.
        evaluations: how many spectra it took.
    """

    best: dict[str, float]
    rate: float
    margin: float
    status: str
    eigenvalues: np.ndarray
    smooth: bool
    at_bound: list[str]
    unique: bool
    intervals: dict[str, tuple[float, float]]
    ranges: dict[str, tuple[float, float]]
    text: str
    evaluations: int


def tune(
    variant: Variant,
    over: Mapping[str, tuple[float, float] | None] | Iterable[str],
    rule: Rule | None = None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    at: tuple[ArrayLike, ArrayLike] | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> Tuned:
    """Find the values of the parameters ``over`` at which small perturbations die fastest.

    Maximises -max Re(mu) of the flow, or -log max |mu| of one iteration: a global search first (differential evolution
    with a fixed seed), then Newton on the derivative of the leading eigenvalue where it has one, Nelder and Mead's
    simplex where eigenvalues meet.

    Args:
        variant: from :func:`diracgan.variant`.
        over: names as :func:`diracgan.critical` takes them, each with a range (low, high) or None for its default:
            what is allowed, at most 100. Ends given lie within 1e6.
        rule: from :func:`diracgan.rule`; None for the flow.
        dim: dimension d (1, or that of ``x0`` or ``at``).
        x0: the datum; None for 0.
        at: the equilibrium, as (phi, theta); None for (0, x0).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).

    Returns:
        A :class:`Tuned`. Deterministic.

    Raises:
        InputError: for arguments that are not allowed, or an adaptive rule (Adam), which divides by the size of its
            gradients: :func:`diracgan.analysis.tune_cycle` tunes the cycle on which it ends.

    References:
        Storn & Price 1997 (differential evolution); Burke, Lewis & Overton 2001 (optima of spectral abscissae are
        typically non-smooth, at defective matrices).

    Example:
        >>> import diracgan as dg
        >>> best = dg.tune(dg.variant("wgan-gp", c=0.0), {"lam": (0.0, 4.0)})
        >>> round(best.best["lam"], 6), round(best.rate, 6)
        (1.0, 1.0)
    """
    around = settings(variant, rule, dim, x0, at, rate_d, rate_g)
    ranges = _ranges(around, over)
    _follows_gradients(around)
    whole = {k: r for k, r in ranges.items() if k.is_integer}
    real = {k: r for k, r in ranges.items() if not k.is_integer}
    found: list[FastestDecay] = []
    count = 0
    for values in itertools.product(*(range(int(a), int(b) + 1) for a, b in whole.values())):
        search = FastestDecaySearch(set_all(around, whole, values), real)
        best = search.run()
        count += search.count
        found.append(
            dataclasses.replace(best, integers=dict(zip((k.name for k in whole), values, strict=True)))
        )
    best = max(found, key=lambda b: b.rate if not math.isnan(b.rate) else -math.inf)
    return _record(around, ranges, best, count)


def _follows_gradients(around: LinearSettings) -> None:
    """InputError for a rule that divides by the size of its gradients: it does not end at rest."""
    rule = around.rule
    if rule is None or not rule.is_adaptive:
        return
    try:
        flow = averaged(around.variant, rule)
    except InputError:  # eps dominates, so that linear theory holds from there
        return
    raise InputError(
        f"{rule.label} has no fastest rate: from (0.1, 0.2) in d = 1 it {flow.text}; allowed: rules whose steps follow "
        "the gradient; for a cycle of a given size ask diracgan tune --amplitude SIZE, or dg.analysis.tune_cycle"
    )


def _ranges(
    around: LinearSettings, over: Mapping[str, tuple[float, float] | None] | Iterable[str]
) -> dict[ParameterHandle, tuple[float, float]]:
    wanted = asked_for(over)
    found = {}
    for name, given in wanted.items():
        if name.strip() == "ema":
            raise InputError(
                "ema moves no multiplier of the iteration, so it has no best value; see diracgan ema"
            )
        k = parameter_handle(around, name)
        low, high = k.domain.low, k.domain.high
        if given is None:
            first = (-_REACH if low is None else low) if not k.is_integer else max(int(low or 0), 0)
            last = (_REACH if high is None else high) if not k.is_integer else first + 4
        else:
            first, last = range_of(name, given)
            least = -_FARTHEST if low is None else max(low, -_FARTHEST)
            most = _FARTHEST if high is None else min(high, _FARTHEST)
            first, last = (
                integer(f"{end} of {name}", x, low=int(low or 0))
                if k.is_integer
                else number(f"{end} of {name}", x, low=least, high=most)
                for end, x in (("low", first), ("high", last))
            )
        if not (k.is_integer and first == last):
            increasing(first, last, name)
        found[k] = (float(first), float(last))
    counts = [int(b - a) + 1 for k, (a, b) in found.items() if k.is_integer]
    if math.prod(counts) > _COMBINATIONS:
        raise InputError(
            f"{math.prod(counts)} combinations of whole numbers; allowed: at most {_COMBINATIONS}"
        )
    if len(found) - len(counts) > 6:
        raise InputError(f"{len(found) - len(counts)} parameters at once; allowed: at most 6")
    return found


def asked_for(over: Mapping[str, tuple[float, float] | None] | Iterable[str]) -> dict[str, Any]:
    """The parameters that may change, each with its range as it was given or None."""
    if isinstance(over, Mapping):
        found: dict[str, Any] = dict(over)
    else:
        found = dict.fromkeys([over] if isinstance(over, str) else listed("over", over, "names"))
    if not all(isinstance(n, str) for n in found):
        raise InputError(
            f"over = {shown(over)}; allowed: names, or a mapping of names to (low, high) or None"
        )
    if not found:
        raise InputError("nothing to tune; allowed: at least one parameter in over")
    return found


def range_of(name: str, given: Any) -> tuple[Any, Any]:
    """Both ends of a range."""
    try:
        first, last = given
    except (TypeError, ValueError):
        raise InputError(
            f"the range of {name} = {shown(given)} is not a range; allowed: (low, high)"
        ) from None
    return first, last


def _record(
    around: LinearSettings,
    ranges: Mapping[ParameterHandle, tuple[float, float]],
    best: FastestDecay,
    count: int,
) -> Tuned:
    named = {k.name: r for k, r in ranges.items()}
    values: dict[str, float] = {**best.values, **best.integers}
    known = not math.isnan(best.rate)
    chosen = {n: values[n] for n in named} if known else {}
    at_bound = [n for n, x in chosen.items() if _touches(x, named[n], n in best.integers)]
    intervals: dict[str, tuple[float, float]] = {}
    if best.margin.status == Status.STABLE:
        for k in ranges:
            if not k.is_integer:
                scan, found, _ = scanned(best.here, k)
                for i in found:
                    if i.low <= chosen[k.name] <= i.high and i.status == Status.STABLE:
                        intervals[k.name] = (i.low, math.inf if i.high >= scan.high else i.high)
                        break
    return Tuned(
        best=chosen,
        rate=best.rate + 0.0,  # no negative zero
        margin=best.margin.value,
        status=best.margin.status,
        eigenvalues=best.margin.eigenvalues,
        smooth=best.smooth,
        at_bound=at_bound,
        unique=best.unique,
        intervals=intervals,
        ranges=named,
        text=_words(best, chosen, at_bound, intervals)
        + beyond_rest(best.here.variant, best.here.rule, best.here.x0),
        evaluations=count,
        **around.provenance,
    )


def _touches(x: float, span: tuple[float, float], whole: bool) -> bool:
    low, high = span
    if whole:
        return low < high and x in (low, high)
    return min(x - low, high - x) <= S.end * (high - low)


def _words(
    best: FastestDecay,
    chosen: Mapping[str, float],
    at_bound: Sequence[str],
    intervals: Mapping[str, tuple[float, float]],
) -> str:
    if not chosen:
        why = "has no derivative" if best.margin.status == Status.NO_DERIVATIVE else "is not an equilibrium"
        return f"nothing to compare: the point {why} anywhere in these ranges; ask for a verdict"
    where = ", ".join(f"{n} = {_n(x)}" for n, x in chosen.items())
    discrete = best.here.rule is not None
    if best.margin.status != Status.STABLE:
        if at_bound and not best.alone:
            return f"nowhere stable: the rate grows towards the end of the range of {', '.join(at_bound)}, at {where}"
        marginal = best.margin.status == Status.MARGINAL
        said = f"{'at best marginal, at' if marginal else 'unstable everywhere; least so at'} {where}"
    elif math.isinf(best.rate):
        said = f"fastest at {where}: every multiplier vanishes, so small perturbations end after finitely many steps"
    else:
        law = f"exp(-{best.rate:.6g} n) per iteration" if discrete else f"exp(-{best.rate:.6g} t)"
        said = f"fastest at {where}: small perturbations decay like {law}"
    if best.alone:
        said += "; elsewhere in these ranges the field has no derivative"
    elif at_bound:
        said += f"; the rate still grows at the end of the range of {', '.join(at_bound)}"
    elif not best.smooth:
        said += "; not a smooth optimum: eigenvalues meet there"
    if not best.unique:
        said += "; other values far from these are as good"
    for n, (low, high) in intervals.items():
        bounded = high < math.inf
        said += f"; stable for {_n(low)} < {n} < {_n(high)}" if bounded else f"; stable for {n} > {_n(low)}"
    return said


def _n(x: float) -> str:
    return text(float(f"{x:.9g}"))
