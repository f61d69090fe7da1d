"""Intervals of one linear status along a parameter, and the thresholds between them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ..decision_thresholds import T
from ..linear.margins import BATCH, Margin, margins
from ..linear.parameter_handle import ParameterHandle
from ..linear.settings import LinearSettings
from ..linear.status import DECIDED, Status
from .search_tolerances import S


@dataclasses.dataclass(frozen=True)
class Threshold:
    """One value at which the status changes.

    Attributes:
        value: where.
        error: how far it may be off.
        below: the status below it.
        above: the status above it.
        at: the status at the value itself.
    """

    value: float
    error: float
    below: str
    above: str
    at: str


@dataclasses.dataclass(frozen=True)
class Interval:
    """A stretch of values with one status; ``low == high`` for a single value."""

    low: float
    high: float
    status: str


class ParameterScan:
    """The margin as a function of one parameter on a range, and how often it was asked.

    Attributes:
        low: the range's lower end, which is not itself allowed if ``open_low``.
        high: its upper end, likewise with ``open_high``.
    """

    def __init__(
        self,
        around: LinearSettings,
        handle: ParameterHandle,
        low: float,
        high: float,
        open_low: bool = False,
        open_high: bool = False,
    ) -> None:
        self.around, self.handle, self.count = around, handle, 0
        self.low, self.high, self.open_low, self.open_high = low, high, open_low, open_high

    def many(self, values: Sequence[float] | np.ndarray) -> list[Margin]:
        """The margins at several values."""
        self.count += len(values)
        return margins([self.handle.set(self.around, x) for x in values])

    def one(self, value: float) -> Margin:
        """The margin at one value."""
        return self.many([value])[0]


# ---------------------------------------------------------------- integers


def over_integers(scan: ParameterScan) -> tuple[list[Interval], list[Threshold]]:
    """Small integers, then ever wider apart, with each change followed to two neighbours."""
    low, high = int(scan.low), int(scan.high)
    if high - low > S.most_integers:
        raise InputError(f"{high - low + 1} integers are too many; allowed: high - low <= {S.most_integers}")
    tried = sorted(
        {low, high, *(n for n in S.integers if low <= n <= high), *range(high, low, -S.integers_apart)}
    )
    known = dict(zip(tried, scan.many(tried), strict=True))
    while True:
        ns = sorted(known)
        pairs = zip(ns, ns[1:], strict=False)
        middle = [(a + b) // 2 for a, b in pairs if b > a + 1 and known[a].status != known[b].status]
        if not middle:
            break
        known |= dict(zip(middle, scan.many(middle), strict=True))
    runs: list[Interval] = []
    for n in sorted(known):
        s = known[n].status
        if runs and runs[-1].status == s:
            runs[-1] = dataclasses.replace(runs[-1], high=float(n))
        else:
            runs.append(Interval(float(n), float(n), s))
    both = zip(runs, runs[1:], strict=False)
    return runs, [Threshold(b.low, 0.0, a.status, b.status, b.status) for a, b in both]


# ---------------------------------------------------------------- real numbers


def _grid(low: float, high: float) -> np.ndarray:
    """Evenly over the range, and ever closer to its ends and to 0."""
    width = high - low
    near = width * np.geomspace(S.end, 1.0, S.values_near_ends)
    parts = [np.linspace(low, high, BATCH + 1), low + near, high - near[near < width / 2]]
    if low < 0 < high:
        near = np.geomspace(S.end, 1.0, S.values_near_zero)
        parts += [high * near, low * near, [0.0]]
    return np.unique(np.clip(np.concatenate(parts), low, high))


def over_reals(scan: ParameterScan) -> tuple[list[Interval], list[Threshold]]:
    """The intervals and thresholds of a real parameter."""
    xs = _grid(scan.low, scan.high)
    xs = xs[int(scan.open_low) : len(xs) - int(scan.open_high)]
    return _assembled(scan, _pieces(scan, *_followed(scan, xs, scan.many(xs))))


def _followed(scan: ParameterScan, xs: np.ndarray, found: list[Margin]) -> tuple[np.ndarray, list[Margin]]:
    """Look closer where |margin| dips between values of one status: it may cross 0 twice, or touch it."""
    rounds, most, across = S.dips
    for _ in range(rounds):
        size = np.array([abs(m.value) if m.status in DECIDED else np.nan for m in found])
        clear = size > S.clear * np.array([m.error for m in found])
        wide = xs[2:] - xs[:-2] > S.dip * np.maximum(np.abs(xs[1:-1]), S.small * (xs[-1] - xs[0]))
        lowest = (size[1:-1] < size[:-2]) & (size[1:-1] <= size[2:]) & clear[1:-1] & wide
        dips = [
            int(i)
            for i in 1 + np.flatnonzero(lowest)
            if found[i - 1].status == found[i].status == found[i + 1].status
        ]
        if not dips:
            break
        extra = np.unique(
            np.concatenate([np.linspace(xs[i - 1], xs[i + 1], across)[1:-1] for i in dips[:most]])
        )
        extra = np.setdiff1d(extra, xs)
        if not len(extra):
            break
        merged = np.concatenate([xs, extra])
        order = np.argsort(merged)
        both = [*found, *scan.many(extra)]
        xs, found = merged[order], [both[i] for i in order]
    return xs, found


@dataclasses.dataclass
class _Piece:
    """A run of one status between the outermost values at which it was seen."""

    status: str
    first: float
    last: float


def _pieces(scan: ParameterScan, xs: np.ndarray, found: list[Margin]) -> list[_Piece]:
    """Runs of equal status, their ends brought together until no float is left between them."""
    pieces = [_Piece(found[0].status, float(xs[0]), float(xs[0]))]
    for i in range(1, len(xs)):
        a, b = float(xs[i - 1]), float(xs[i])
        if found[i].status == pieces[-1].status:
            pieces[-1].last = b
            continue
        for status, x in _between(scan, (a, found[i - 1].status), (b, found[i].status)):
            if status == pieces[-1].status:
                pieces[-1].last = x
            else:
                pieces.append(_Piece(status, x, x))
    return pieces


def _between(
    scan: ParameterScan, left: tuple[float, str], right: tuple[float, str], depth: int = 0
) -> list[tuple[str, float]]:
    """The values from left to right at which the status was seen to change, both sides of each change."""
    (a, here), (b, there) = left, right
    if here == there:
        return [(there, b)]
    while b - a > _narrow(a, b):
        inside = np.unique(np.linspace(a, b, BATCH + 2)[1:-1])
        inside = inside[(inside > a) & (inside < b)]
        if not len(inside):
            break
        states = [m.status for m in scan.many(inside)]
        others = [k for k, s in enumerate(states) if s not in (here, there)]
        if others and depth < S.third_status:  # a third status between: each half has one change
            k = others[len(others) // 2]
            middle = (float(inside[k]), states[k])
            return [
                *_between(scan, (a, here), middle, depth + 1),
                *_between(scan, middle, (b, there), depth + 1),
            ]
        change = next((k for k, s in enumerate(states) if s != here), len(states))
        a = float(inside[change - 1]) if change else a
        b = float(inside[change]) if change < len(states) else b
    return [(here, a), (there, b)]


def _narrow(a: float, b: float) -> float:
    return max(S.neighbours * S.eps * max(abs(a), abs(b)), S.nothing)


@dataclasses.dataclass
class _Span:
    """A stretch of one status between two ends, and how far each of them may be off."""

    status: str
    low: float
    high: float
    low_error: float = 0.0
    high_error: float = 0.0

    @property
    def is_point(self) -> bool:
        return self.low == self.high

    def shrink(self, x: float, error: float) -> None:
        """Become the one value ``x``."""
        self.low = self.high = x
        self.low_error = self.high_error = error


def _assembled(scan: ParameterScan, pieces: list[_Piece]) -> tuple[list[Interval], list[Threshold]]:
    """Intervals and thresholds, with stretches that are marginal by rounding only put in their place."""
    pieces = _at_the_edges(scan, pieces)
    bounds = [scan.low, *[(a.last + b.first) / 2 for a, b in itertools.pairwise(pieces)], scan.high]
    spans = [_Span(p.status, *ends) for p, ends in zip(pieces, itertools.pairwise(bounds), strict=True)]
    for i, (a, b) in enumerate(itertools.pairwise(pieces)):
        spans[i].high_error = spans[i + 1].low_error = (b.first - a.last) / 2 + S.eps * abs(bounds[i + 1])
    if len(pieces) > 1 and pieces[0].first == pieces[0].last == scan.low:
        spans[0].high = spans[1].low = scan.low
    if len(pieces) > 1 and pieces[-1].first == pieces[-1].last == scan.high:
        spans[-1].low = spans[-2].high = scan.high
    spans = _without_rounding(scan, spans)
    for one, two in itertools.pairwise(spans):  # what rounding cannot tell from 0 is 0
        if abs(one.high) <= S.zero * one.high_error and one.high not in (scan.low, scan.high):
            one.high = two.low = 0.0
    edges: list[Threshold] = []
    taken: _Span | None = None
    for i, (one, two) in enumerate(itertools.pairwise(spans)):
        if one is taken:
            continue
        if two.is_point and i + 2 < len(spans):  # a single value between two stretches
            taken = two
            edges.append(Threshold(two.low, two.low_error, one.status, spans[i + 2].status, two.status))
        else:
            at = one.status if one.is_point else scan.one(one.high).status
            edges.append(Threshold(one.high, one.high_error, one.status, two.status, at))
    return [Interval(s.low, s.high, s.status) for s in spans], edges


def _at_the_edges(scan: ParameterScan, pieces: list[_Piece]) -> list[_Piece]:
    """Changes too close to an end of the range to be told from it happen at the end."""
    low, high = scan.low, scan.high
    nothing = S.same_end * max(1.0, abs(low)), S.same_end * max(1.0, abs(high))
    inner = [p for p in pieces if p.last > low + nothing[0] and p.first < high - nothing[1]]
    if len(inner) == len(pieces) or not inner:
        return pieces
    if inner[0] is not pieces[0]:
        inner = inner if scan.open_low else [_Piece(pieces[0].status, low, low), *inner]
    if inner[-1] is not pieces[-1]:
        inner = inner if scan.open_high else [*inner, _Piece(pieces[-1].status, high, high)]
    return inner


def _without_rounding(scan: ParameterScan, spans: list[_Span]) -> list[_Span]:
    """Marginal stretches that are one value seen through rounding become that value, or vanish at an open end.

    Near a zero of the margin like C (p - p*)^q every value with |margin| below its error is called marginal: for rk4
    on a rotation (q = 6) a hundredth of the range. Which it is, a stretch or a point, the law of the margin beside it
    tells.
    """
    kept: list[_Span] = []
    scale = scan.high - scan.low
    for i, span in enumerate(spans):
        kept.append(span)
        before, after = spans[i - 1] if i else None, spans[i + 1] if i + 1 < len(spans) else None
        a, b = span.low, span.high
        of_range, of_value = S.narrow
        narrow = b - a <= min(of_range * scale, of_value * max(abs(a), abs(b), S.small * scale))
        if span.status != Status.MARGINAL:
            continue
        if before is not None and after is not None:
            if narrow or (_law(scan, b, after.high, a) and _law(scan, a, before.low, b)):
                span.shrink(*_crossing(scan, a, b, before.status, after.status))
        elif after is not None and (narrow or _law(scan, b, after.high, a)):
            span.shrink(a, b - a)
            if scan.open_low:
                kept.pop()
                after.low = a
        elif before is not None and (narrow or _law(scan, a, before.low, b)):
            span.shrink(b, b - a)
            if scan.open_high:
                kept.pop()
                before.high = b
    for one, two in itertools.pairwise(kept):  # a stretch ends where the law of the margin beyond it begins
        if Status.MARGINAL in (one.status, two.status) and not one.is_point and not two.is_point:
            left = one.status == Status.MARGINAL
            beyond = one.high + 2 * one.high_error * (1 if left else -1)
            seen = _seen_late(scan, one.high, beyond, two.high if left else one.low)
            one.high = two.low = one.high - seen if left else one.high + seen
            one.high_error = two.low_error = one.high_error + seen
    for one, two in itertools.pairwise(kept):  # close the gaps that points have left
        if two.is_point:
            one.high, one.high_error = two.low, two.low_error
        elif one.is_point:
            two.low, two.low_error = one.high, one.low_error
    return kept


def _law(scan: ParameterScan, edge: float, far: float, origin: float) -> bool:
    """Whether the margin beyond ``edge`` grows like a power of the distance from ``origin`` and not from ``edge``."""
    width = abs(edge - origin)
    sign = 1.0 if far > edge else -1.0
    reach = min(1.0, abs(far - edge) / width) * width
    steps = reach * np.geomspace(*S.law)
    found = scan.many(edge + sign * steps)
    rows = [(d, abs(m.value)) for d, m in zip(steps, found, strict=True) if m.status in DECIDED and m.value]
    if len(rows) < S.law_values:
        return False
    d, size = np.log(np.array(rows)).T
    rests = []
    for distance in (d, np.log(np.exp(d) + width)):
        design = np.stack([distance, np.ones_like(distance)], axis=1)
        fit = np.linalg.lstsq(design, size, rcond=None)[0]
        rests.append(float(np.sum((design @ fit - size) ** 2)))
    return rests[1] < rests[0]


def _seen_late(scan: ParameterScan, edge: float, beyond: float, far: float) -> float:
    """How far beyond the end ``edge`` of a marginal stretch the margin, C d^q there, first exceeds its error.

    ``beyond`` is a value whose margin is seen.
    """
    steps = (far - edge) * np.geomspace(*S.seen_late)
    found = scan.many(edge + steps)
    clear = [
        (abs(d), abs(m.value)) for d, m in zip(steps, found, strict=True) if abs(m.value) > S.clear * m.error
    ]
    least, most = S.closest
    rows = clear[:most]  # the closest tell the law best
    first = scan.one(beyond)
    if len(rows) < least or first.status not in DECIDED or not first.value:
        return 0.0
    d, size = np.log(np.array(rows)).T
    q, log_c = np.polyfit(d, size, 1)
    if q < S.flat:
        return 0.0
    late = np.exp((np.log(abs(first.value)) - log_c) / q) - abs(beyond - edge)
    return float(np.clip(late, 0.0, rows[0][0]))


def _crossing(scan: ParameterScan, a: float, b: float, before: str, after: str) -> tuple[float, float]:
    """The zero of the margin between a and b, and how far it may be off."""
    if before in DECIDED and after in DECIDED and before != after:
        from scipy.optimize import brentq

        width = max(b - a, S.least_width * _narrow(a, b))
        left, right = a - S.beside * width, b + S.beside * width
        ml, mr = scan.many([left, right])
        if ml.status == before and mr.status == after and ml.value * mr.value < 0:
            found: Any = brentq(
                lambda p: scan.one(float(p)).value,
                left,
                right,
                xtol=T.tiny,
                rtol=np.float64(S.neighbours * S.eps),
            )
            x = float(found)
            slope = abs(mr.value - ml.value) / (right - left)
            here = scan.one(x)
            error = here.error / slope if slope > 0 and np.isfinite(here.error) else width
            return x, float(min(error, width) + S.neighbours * S.eps * abs(x))
    return (a + b) / 2, (b - a) / 2 + S.eps * abs(b)
