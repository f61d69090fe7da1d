"""Where the linear status changes along one parameter: intervals of one status, and the thresholds between them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ..linear.decision import DECIDED, Status
from ..linear.margins import BATCH, Margin, margins
from ..linear.parameter_handle import ParameterHandle
from ..linear.settings import LinearSettings

_EPS = float(np.finfo(float).eps)
_INTEGERS = (1, 2, 3, 4, 6, 8, 16, 32, 64)  # each value is a program of its own


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
    """The margin as a function of one parameter, and how often it was asked."""

    def __init__(self, around: LinearSettings, handle: ParameterHandle) -> None:
        self.around, self.handle, self.count = around, handle, 0

    def many(self, values: Sequence[float] | np.ndarray) -> list[Margin]:
        """The margins at several values."""
        self.count += len(values)
        return margins([self.handle.set(self.around, x) for x in values])

    def one(self, value: float) -> Margin:
        """The margin at one value."""
        return self.many([value])[0]


# ---------------------------------------------------------------- integers


def over_integers(scan: ParameterScan, low: int, high: int) -> tuple[list[Interval], list[Threshold]]:
    """Small integers, then ever wider apart, with each change followed to two neighbours."""
    if high - low > 512:
        raise InputError(f"{high - low + 1} integers are too many; allowed: high - low <= 512")
    asked = sorted({low, high, *(n for n in _INTEGERS if low <= n <= high), *range(high, low, -64)})
    known = dict(zip(asked, scan.many(asked), strict=True))
    while True:
        ns = sorted(known)
        gaps = [
            (a, b)
            for a, b in zip(ns, ns[1:], strict=False)
            if b > a + 1 and known[a].status != known[b].status
        ]
        if not gaps:
            break
        middle = [(a + b) // 2 for a, b in gaps]
        known |= dict(zip(middle, scan.many(middle), strict=True))
    runs: list[Interval] = []
    for n in sorted(known):
        s = known[n].status
        if runs and runs[-1].status == s:
            runs[-1] = dataclasses.replace(runs[-1], high=float(n))
        else:
            runs.append(Interval(float(n), float(n), s))
    edges = [
        Threshold(b.low, 0.0, a.status, b.status, b.status) for a, b in zip(runs, runs[1:], strict=False)
    ]
    return runs, edges


# ---------------------------------------------------------------- real numbers


def _grid(low: float, high: float) -> np.ndarray:
    """Evenly over the range, and ever closer to its ends and to 0."""
    width = high - low
    near = width * np.geomspace(1e-9, 1.0, 6 * BATCH // 4)
    parts = [np.linspace(low, high, BATCH + 1), low + near, high - near[near < width / 2]]
    if low < 0 < high:
        parts += [np.geomspace(high * 1e-9, high, 40), -np.geomspace(-low * 1e-9, -low, 40), [0.0]]
    return np.unique(np.clip(np.concatenate(parts), low, high))


def over_reals(
    scan: ParameterScan, low: float, high: float, open_low: bool, open_high: bool
) -> tuple[list[Interval], list[Threshold]]:
    """The intervals and thresholds of a real parameter; an open end is not itself allowed."""
    xs = _grid(low, high)
    xs = xs[int(open_low) : len(xs) - int(open_high)]
    xs, found = _followed(scan, xs, scan.many(xs))
    pieces = _pieces(scan, xs, found)
    return _assembled(scan, pieces, low, high, open_low, open_high)


def _followed(scan: ParameterScan, xs: np.ndarray, found: list[Margin]) -> tuple[np.ndarray, list[Margin]]:
    """Look closer where |margin| dips between values of one status: it may cross 0 twice, or touch it."""
    for _ in range(6):
        size = np.array([abs(m.value) if m.status in DECIDED else np.nan for m in found])
        dips = [
            i
            for i in range(1, len(xs) - 1)
            if size[i] < size[i - 1] and size[i] <= size[i + 1]
            and found[i - 1].status == found[i].status == found[i + 1].status
            and xs[i + 1] - xs[i - 1] > 1e-7 * max(abs(xs[i]), 1e-3 * (xs[-1] - xs[0]))
            and size[i] > 1e2 * found[i].error
        ]  # fmt: skip
        if not dips:
            break
        extra = np.unique(np.concatenate([np.linspace(xs[i - 1], xs[i + 1], 15)[1:-1] for i in dips[:16]]))
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
        if others and depth < 3:  # a third status between: each half has one change
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
    return max(4 * _EPS * max(abs(a), abs(b)), 1e-18)


def _assembled(
    scan: ParameterScan, pieces: list[_Piece], low: float, high: float, open_low: bool, open_high: bool
) -> tuple[list[Interval], list[Threshold]]:
    """Intervals and thresholds, with stretches that are marginal by rounding only put in their place."""
    pieces = _at_the_edges(pieces, low, high, open_low, open_high)
    bounds = [low, *[(a.last + b.first) / 2 for a, b in zip(pieces, pieces[1:], strict=False)], high]
    spans = [[p.status, bounds[i], bounds[i + 1], 0.0, 0.0] for i, p in enumerate(pieces)]
    for i, (a, b) in enumerate(zip(pieces, pieces[1:], strict=False)):
        spans[i][4] = spans[i + 1][3] = (b.first - a.last) / 2 + _EPS * abs(bounds[i + 1])
    if len(pieces) > 1 and pieces[0].first == pieces[0].last == low:
        spans[0][2] = spans[1][1] = low
    if len(pieces) > 1 and pieces[-1].first == pieces[-1].last == high:
        spans[-1][1] = spans[-2][2] = high
    spans = _without_rounding(scan, spans, low, high, open_low, open_high)
    for one, two in zip(spans, spans[1:], strict=False):  # what rounding cannot tell from 0 is 0
        if abs(one[2]) <= 2 * one[4] and one[2] not in (low, high):
            one[2] = two[1] = 0.0
    intervals = [Interval(a, b, s) for s, a, b, _, _ in spans]
    edges: list[Threshold] = []
    skip = False
    for i, (one, two) in enumerate(zip(spans, spans[1:], strict=False)):
        if skip:
            skip = False
            continue
        if two[1] == two[2] and i + 2 < len(spans):  # a single value between two stretches
            edges.append(Threshold(two[1], two[3], one[0], spans[i + 2][0], two[0]))
            skip = True
        else:
            edges.append(
                Threshold(one[2], one[4], one[0], two[0], one[0] if one[1] == one[2] else _at(scan, one[2]))
            )
    return intervals, edges


def _at_the_edges(
    pieces: list[_Piece], low: float, high: float, open_low: bool, open_high: bool
) -> list[_Piece]:
    """Changes too close to an end of the range to be told from it happen at the end."""
    nothing = 1e-11 * max(1.0, abs(low)), 1e-11 * max(1.0, abs(high))
    inner = [p for p in pieces if p.last > low + nothing[0] and p.first < high - nothing[1]]
    if len(inner) == len(pieces) or not inner:
        return pieces
    if inner[0] is not pieces[0]:
        inner = inner if open_low else [_Piece(pieces[0].status, low, low), *inner]
    if inner[-1] is not pieces[-1]:
        inner = inner if open_high else [*inner, _Piece(pieces[-1].status, high, high)]
    return inner


def _at(scan: ParameterScan, value: float) -> str:
    return scan.one(value).status


def _without_rounding(
    scan: ParameterScan, spans: list[list[Any]], low: float, high: float, open_low: bool, open_high: bool
) -> list[list[Any]]:
    """Marginal stretches that are one value seen through rounding become that value, or vanish at an open end.

    Near a zero of the margin like C (p - p*)^q every value with |margin| below its error is called marginal: for rk4
    on a rotation (q = 6) a hundredth of the range. Which it is, a stretch or a point, the law of the margin beside it
    tells.
    """
    out: list[list[Any]] = []
    scale = high - low
    for i, (status, a, b, ea, eb) in enumerate(spans):
        if status != Status.MARGINAL:
            out.append([status, a, b, ea, eb])
            continue
        before = spans[i - 1] if i else None
        after = spans[i + 1] if i + 1 < len(spans) else None
        at_low, at_high = before is None, after is None
        narrow = b - a <= 1e-5 * scale and b - a <= 1e-3 * max(abs(a), abs(b), 1e-3 * scale)
        if at_low and at_high:
            out.append([status, a, b, ea, eb])
        elif before is not None and after is not None:
            if narrow or (_law(scan, b, after[2], a) and _law(scan, a, before[1], b)):
                x, error = _crossing(scan, a, b, before[0], after[0])
                out.append([status, x, x, error, error])
            else:
                out.append([status, a, b, ea, eb])
        else:
            end, edge, far, is_open = (a, b, after[2], open_low) if at_low else (b, a, before[1], open_high)  # type: ignore[index]
            if narrow or _law(scan, edge, far, end):
                if not is_open:
                    out.append([status, end, end, abs(edge - end), abs(edge - end)])
                elif at_low:
                    spans[i + 1][1] = a
                else:
                    out[-1][2] = b
            else:
                out.append([status, a, b, ea, eb])
    for one, two in zip(
        out, out[1:], strict=False
    ):  # a stretch ends where the law of the margin beyond it begins
        if Status.MARGINAL in (one[0], two[0]) and one[1] < one[2] and two[1] < two[2]:
            left = one[0] == Status.MARGINAL
            beyond = one[2] + 2 * one[4] * (1 if left else -1)
            seen = _seen_late(scan, one[2], beyond, two[2] if left else one[1])
            one[2] = two[1] = one[2] - seen if left else one[2] + seen
            one[4] = two[3] = one[4] + seen
    for before, after in zip(out, out[1:], strict=False):  # close the gaps that points have left
        if after[1] == after[2]:
            before[2], before[4] = after[1], after[3]
        elif before[1] == before[2]:
            after[1], after[3] = before[2], before[4]
    return out


def _law(scan: ParameterScan, edge: float, far: float, origin: float) -> bool:
    """Whether the margin beyond ``edge`` grows like a power of the distance from ``origin`` and not from ``edge``."""
    width = abs(edge - origin)
    sign = 1.0 if far > edge else -1.0
    reach = min(1.0, abs(far - edge) / width) * width
    steps = reach * np.geomspace(0.02, 0.9, 16)
    found = scan.many(edge + sign * steps)
    rows = [(d, abs(m.value)) for d, m in zip(steps, found, strict=True) if m.status in DECIDED and m.value]
    if len(rows) < 4:
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
    steps = (far - edge) * np.geomspace(1e-12, 1e-2, 40)
    found = scan.many(edge + steps)
    clear = [
        (abs(d), abs(m.value)) for d, m in zip(steps, found, strict=True) if abs(m.value) > 1e2 * m.error
    ]
    rows = clear[:6]  # the closest tell the law best
    first = scan.one(beyond)
    if len(rows) < 3 or first.status not in DECIDED or not first.value:
        return 0.0
    d, size = np.log(np.array(rows)).T
    q, log_c = np.polyfit(d, size, 1)
    if q < 0.1:
        return 0.0
    late = np.exp((np.log(abs(first.value)) - log_c) / q) - abs(beyond - edge)
    return float(np.clip(late, 0.0, rows[0][0]))


def _crossing(scan: ParameterScan, a: float, b: float, before: str, after: str) -> tuple[float, float]:
    """The zero of the margin between a and b, and how far it may be off."""
    if before in DECIDED and after in DECIDED and before != after:
        from scipy.optimize import brentq

        width = max(b - a, 8 * _narrow(a, b))
        left, right = a - 64 * width, b + 64 * width
        ml, mr = scan.many([left, right])
        if ml.status == before and mr.status == after and ml.value * mr.value < 0:
            found: Any = brentq(
                lambda p: scan.one(float(p)).value, left, right, xtol=1e-300, rtol=np.float64(4 * _EPS)
            )
            x = float(found)
            slope = abs(mr.value - ml.value) / (right - left)
            here = scan.one(x)
            error = here.error / slope if slope > 0 and np.isfinite(here.error) else width
            return x, float(min(error, width) + 4 * _EPS * abs(x))
    return (a + b) / 2, (b - a) / 2 + _EPS * abs(b)
