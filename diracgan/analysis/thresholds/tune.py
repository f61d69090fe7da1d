"""The best values: which numbers of a variant and a rule make the equilibrium attract fastest?"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError, integer, number
from ...parameters import text
from ...rules import Rule
from ...variants import Variant
from ..linear.decision import WITH_EIGENVALUES
from ..linear.margins import BATCH, Margin, margins, matrices, slopes
from ..linear.parameter_handle import ParameterHandle, parameter_handle
from ..linear.settings import LinearSettings, settings
from .critical import critical

_REACH = 100.0  # an upper bound for a parameter that has none
_GENERATIONS = 120
_COMBINATIONS = 32  # of whole numbers: each is a program and a search of its own
_FINEST = 1e-12


@dataclasses.dataclass(frozen=True)
class Tuned:
    """The values that maximise the rate, and everything they were computed from.

    Attributes:
        best: parameter -> the value that maximises the rate; empty where nothing could be compared.
        rate: exponential rate there: -max Re of the eigenvalues (flow, per unit of time), or -log of the
        spectral
            radius per iteration; negative where even the best one grows, infinite where all multipliers
            vanish.
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
        variant: label of the variant as it was given; ``hyperparameters`` its numbers.
        rule: label, or None for the flow.
        dim: dimension d; ``x0`` the datum; ``at`` the point.
        rate_d: factor on the critic's velocity; ``rate_g`` on the generator's.
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
    variant: str
    hyperparameters: dict[str, Any]
    rule: str | None
    dim: int
    x0: list[float]
    at: dict[str, list[float]]
    rate_d: float
    rate_g: float
    evaluations: int

    def as_dict(self) -> dict[str, Any]:
        """Name -> value of every attribute."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def tune(
    variant: Variant,
    over: Mapping[str, tuple[float, float] | None] | Iterable[str],
    rule: Rule | None = None,
    dim: int | None = None,
    x0: Any = None,
    at: Any = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> Tuned:
    """Find the values of the parameters ``over`` at which small perturbations die fastest.

    Maximises -max Re(mu) of the flow, or -log max |mu| of one iteration: a global search first (differential
    evolution
    with a fixed seed), then Newton on the derivative of the leading eigenvalue where it has one, Nelder and
    Mead's
    simplex where eigenvalues meet.

    Args:
        variant: from :func:`diracgan.variant`.
        over: names as :func:`diracgan.critical` takes them, each with a range (low, high) or None for its
        default:
            what is allowed, at most 100.
        rule: from :func:`diracgan.rule`; None for the flow.
        dim: dimension d (1, or that of ``x0`` or ``at``).
        x0: the datum; None for 0.
        at: the equilibrium, as (phi, theta); None for (0, x0).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).

    Returns:
        A :class:`Tuned`. Deterministic.

    Raises:
        InputError: for arguments that are not allowed.

    References:
        Storn & Price 1997 (differential evolution); Burke, Lewis & Overton 2001 (optima of spectral abscissae
        are
        typically non-smooth, at defective matrices).

    Example:
        >>> import diracgan as dg
        >>> best = dg.tune(dg.variant("wgan-gp", c=0.0), {"lam": (0.0, 4.0)})
        >>> round(best.best["lam"], 6), round(best.rate, 6)
        (1.0, 1.0)
    """
    around = settings(variant, rule, dim, x0, at, rate_d, rate_g)
    ranges = _ranges(around, over)
    whole = {k: r for k, r in ranges.items() if k.is_integer}
    real = {k: r for k, r in ranges.items() if not k.is_integer}
    found: list[_Best] = []
    count = 0
    for values in itertools.product(*(range(int(a), int(b) + 1) for a, b in whole.values())):
        here = around
        for k, n in zip(whole, values, strict=True):
            here = k.set(here, n)
        search = _Search(here, real)
        best = search.run()
        count += search.count
        found.append(dataclasses.replace(best, whole=dict(zip((k.name for k in whole), values, strict=True))))
    best = max(found, key=lambda b: b.rate if not math.isnan(b.rate) else -math.inf)
    return _record(around, ranges, best, count)


def _ranges(around: LinearSettings, over: Any) -> dict[ParameterHandle, tuple[float, float]]:
    asked: dict[str, Any] = dict(over) if isinstance(over, Mapping) else dict.fromkeys(_names(over))
    if not asked:
        raise InputError("nothing to tune; allowed: at least one parameter in over")
    found = {}
    for name, given in asked.items():
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
            try:
                first, last = given
            except (TypeError, ValueError):
                raise InputError(f"the range of {name} = {given!r} is none; allowed: (low, high)") from None
            if k.is_integer:
                first, last = (
                    integer(f"{e} of {name}", x, low=int(low or 0))
                    for e, x in (("low", first), ("high", last))
                )
            else:
                first, last = (
                    number(f"{e} of {name}", x, low=low, high=high)
                    for e, x in (("low", first), ("high", last))
                )
        if not (first <= last if k.is_integer else first < last):
            raise InputError(f"low = {first:g} of {name} must be below high = {last:g}")
        found[k] = (float(first), float(last))
    counts = [int(b - a) + 1 for k, (a, b) in found.items() if k.is_integer]
    if math.prod(counts) > _COMBINATIONS:
        raise InputError(
            f"{math.prod(counts)} combinations of whole numbers; allowed: at most {_COMBINATIONS}"
        )
    if len(found) - len(counts) > 6:
        raise InputError(f"{len(found) - len(counts)} parameters at once; allowed: at most 6")
    return found


def _names(over: Any) -> list[str]:
    names = [over] if isinstance(over, str) else list(over)
    if not all(isinstance(n, str) for n in names):
        raise InputError(f"over = {over!r}; allowed: names, or a mapping of names to (low, high) or None")
    return names


@dataclasses.dataclass(frozen=True)
class _Best:
    """The end of one search."""

    here: LinearSettings
    values: dict[str, float]
    rate: float
    margin: Margin
    smooth: bool
    unique: bool
    whole: dict[str, int]
    alone: bool = False  # elsewhere in the ranges there is no derivative


class _Search:
    """The search over real parameters, in coordinates in [0, 1] that are denser near the low end of a wide
    range."""

    def __init__(self, around: LinearSettings, ranges: Mapping[ParameterHandle, tuple[float, float]]) -> None:
        self.around, self.handles = around, list(ranges)
        self.low = np.array([a for a, _ in ranges.values()])
        self.high = np.array([b for _, b in ranges.values()])
        wide = np.array([a >= 0 and b > 50 * max(a, 0.02) for a, b in ranges.values()], dtype=bool)
        self.bend = np.where(wide, math.log(1e5), 1e-9)
        # an end that is not allowed itself is kept clear of
        self.open = np.array(
            [1e-9 * (b - a) * (k.domain.open_low and a == k.domain.low) for k, (a, b) in ranges.items()]
        )
        self.open_high = np.array(
            [1e-9 * (b - a) * (k.domain.open_high and b == k.domain.high) for k, (a, b) in ranges.items()]
        )
        self.count = 0
        self.trusted = False
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []  # coordinates and heights of the global search

    def values(self, u: np.ndarray) -> np.ndarray:
        """Parameters of coordinates (..., P)."""
        share = np.expm1(self.bend * u) / np.expm1(self.bend)
        return np.clip(
            self.low + (self.high - self.low) * share, self.low + self.open, self.high - self.open_high
        )

    def coordinates(self, x: np.ndarray) -> np.ndarray:
        """The coordinates of parameters."""
        share = (x - self.low) / (self.high - self.low)
        return np.clip(np.log1p(share * np.expm1(self.bend)) / self.bend, 0.0, 1.0)

    def set_to(self, x: np.ndarray) -> LinearSettings:
        here = self.around
        for k, value in zip(self.handles, x, strict=True):
            here = k.set(here, float(value))
        return here

    def heights(self, xs: np.ndarray) -> np.ndarray:
        """What is minimised: the largest real part, or the largest modulus; infinite without a derivative."""
        self.count += len(xs)
        setups = [self.set_to(x) for x in xs]
        if not self.trusted:
            found = [(m.eigenvalues if m.status in WITH_EIGENVALUES else None) for m in margins(setups)]
            return np.array([np.inf if w is None else self._height(w) for w in found])
        found = matrices(setups)
        fine = np.all(np.isfinite(found), axis=(1, 2))
        out = np.full(len(xs), np.inf)
        if np.any(fine):
            w = np.linalg.eigvals(found[fine])
            out[fine] = np.max(np.abs(w) if self.around.rule is not None else np.real(w), axis=1)
        return out

    def _height(self, w: np.ndarray) -> float:
        return float(np.max(np.abs(w) if self.around.rule is not None else np.real(w)))

    def height(self, x: np.ndarray) -> float:
        return float(self.heights(np.asarray(x, float)[None])[0])

    def run(self) -> _Best:
        if not self.handles:
            return self._end(np.empty(0), smooth=True, unique=True)
        start = self._start()
        first = self.heights(self.values(start))
        self.trusted = bool(np.all(np.isfinite(first)))
        if not np.any(np.isfinite(first)):
            return self._on_a_face() or self._end(self.values(start[0]), smooth=False, unique=True)
        from scipy.optimize import differential_evolution

        ended = differential_evolution(
            lambda u: self._noted(u.T),
            [(0.0, 1.0)] * len(self.handles),
            init=start,  # type: ignore[arg-type]
            maxiter=_GENERATIONS,
            tol=1e-9,
            atol=1e-12,  # type: ignore[arg-type]
            mutation=(0.4, 0.9),
            recombination=0.8,
            rng=np.random.default_rng(0),
            vectorized=True,
            updating="deferred",
            polish=False,
        )
        x = self._polished(self.values(np.asarray(ended.x)))
        stationary = self._stationary(x)
        smooth = stationary is not None
        if stationary is not None:
            x = stationary
        x = self._snapped(x, 1e-12 if smooth else 1e-9)
        return self._end(x, smooth, self._unique(x))

    def _on_a_face(self) -> _Best | None:
        """The best with one knob at an end of its range: a kink may vanish there, as wgan-gp's does at c =
        0."""
        found = []
        for i, k in enumerate(self.handles if len(self.handles) <= 3 else []):
            for end, is_open in ((self.low[i], self.open[i]), (self.high[i], self.open_high[i])):
                if is_open:
                    continue
                others = {q: (self.low[j], self.high[j]) for j, q in enumerate(self.handles) if j != i}
                search = _Search(k.set(self.around, float(end)), others)
                best = search.run()
                self.count += search.count
                if not math.isnan(best.rate):
                    found.append(
                        dataclasses.replace(best, values={**best.values, k.name: float(end)}, alone=True)
                    )
        return max(found, key=lambda b: b.rate, default=None)

    def _start(self) -> np.ndarray:
        from scipy.stats import qmc

        points = qmc.Sobol(len(self.handles), scramble=True, rng=np.random.default_rng(0)).random(BATCH)
        now = [k.now for k in self.handles]
        if all(isinstance(n, (int, float)) for n in now):  # where the caller stands is worth a look
            x = np.clip(np.array(now, float), self.low, self.high)
            points[0] = self.coordinates(x)
        return points

    def _polished(self, x: np.ndarray, rounds: int = 12) -> np.ndarray:
        """Simplex after simplex, each smaller and started from the best so far: they cope with kinks and
        cusps."""
        from scipy.optimize import minimize

        span = self.high - self.low
        size = np.maximum(0.05 * np.abs(x), 1e-3 * span)
        best, value = x, self.height(x)
        for _ in range(rounds):
            simplex = np.vstack([best, *(np.clip(best + s, self.low, self.high) for s in np.diag(size))])
            flat = [i for i in range(len(x)) if np.all(simplex[i + 1] == best)]
            for i in flat:
                simplex[i + 1, i] = best[i] - size[i]
            out = minimize(
                lambda p: self.height(np.clip(p, self.low + self.open, self.high - self.open_high)),
                best,
                method="Nelder-Mead",
                options={"initial_simplex": simplex, "xatol": 1e-15, "fatol": 0.0, "maxiter": 120 * len(x)},
            )
            there = np.clip(out.x, self.low + self.open, self.high - self.open_high)
            gain = value - self.height(there)
            if gain > 0:
                best, value = there, value - gain
            size = np.maximum(size * 0.1, 1e-15 * np.maximum(np.abs(best), 1e-3))
        return best

    def _stationary(self, x: np.ndarray) -> np.ndarray | None:
        """The point near x at which the derivative of the leading eigenvalue vanishes; None where it has
        none."""
        from scipy.optimize import root

        inner = (x > self.low + 1e-9 * (self.high - self.low)) & (
            x < self.high - 1e-9 * (self.high - self.low)
        )
        if not np.all(inner) or self._gradient(x) is None:
            return None

        def slope(p: np.ndarray) -> np.ndarray:
            found = self._gradient(p)
            return np.full(len(x), np.nan) if found is None else found

        with np.errstate(all="ignore"):
            out = root(slope, x, method="hybr", options={"xtol": 1e-15, "factor": 0.1})
        close = np.all(np.abs(out.x - x) <= 1e-4 * np.maximum(np.abs(x), 1e-3 * (self.high - self.low)))
        size = float(np.max(np.abs(out.fun))) if np.all(np.isfinite(out.fun)) else np.inf
        if not close or size > 1e-8 or self.height(out.x) > self.height(x) + 1e-12:
            return None
        return np.asarray(out.x)

    def _gradient(self, x: np.ndarray) -> np.ndarray | None:
        """Of the largest real part or modulus: the mean over the leading eigenvalue's copies of l' dA r / l'
        r."""
        from scipy.linalg import eig

        here = self.set_to(x)
        a = matrices([here])[0]
        if not np.all(np.isfinite(a)):
            return None
        w, left, right = eig(a, left=True, right=True)  # type: ignore[misc]
        heights = np.abs(w) if self.around.rule is not None else np.real(w)
        top = heights.max()
        lead = w[np.argmax(heights)]
        same = np.abs(w - lead) <= 1e-9 * max(1.0, abs(lead))
        mates = same | (np.abs(w - np.conj(lead)) <= 1e-9 * max(1.0, abs(lead)))
        # other eigenvalues at the same height would make a kink
        if np.any((heights > top - 1e-9 * max(1.0, abs(top))) & ~mates) or abs(lead) < 1e-6:
            return None
        rows, columns = left[:, same].conj().T, right[:, same]
        overlap = rows @ columns
        if np.linalg.cond(overlap) > 1e8 or np.min(np.linalg.svd(overlap, compute_uv=False)) < 1e-6:
            return None
        changes = slopes(self.around, self.handles, [float(v) for v in x])
        self.count += 1
        per = [np.trace(np.linalg.solve(overlap, rows @ da @ columns)) / same.sum() for da in changes]
        if self.around.rule is None:
            return np.array([p.real for p in per])
        return np.array([(np.conj(lead) * p).real / abs(lead) for p in per])

    def _snapped(self, x: np.ndarray, reach: float) -> np.ndarray:
        """Onto an end of the range, or a short number within ``reach``, where that is as good to rounding."""
        value = self.height(x)
        for i in range(len(x)):
            near = 1e-5 * (self.high[i] - self.low[i])
            ends = [
                e
                for e in (self.low[i] + self.open[i], self.high[i] - self.open_high[i])
                if abs(e - x[i]) < near
            ]
            rounded = [float(f"{x[i]:.{n}g}") for n in (6, 9, 12)]
            short = [r for r in rounded if abs(r - x[i]) <= reach * max(abs(x[i]), 1e-2)]
            for shorter in (*ends, *short):
                if not self.low[i] + self.open[i] <= shorter <= self.high[i] - self.open_high[i]:
                    continue
                there = x.copy()
                there[i] = shorter
                if self.height(there) <= value:  # a cusp shows a distance d as sqrt(d): not worse at all
                    x, value = there, self.height(there)
                    break
        return x

    def _noted(self, u: np.ndarray) -> np.ndarray:
        found = self.heights(self.values(u))
        self.seen.append((u.copy(), found))
        return found

    def _unique(self, x: np.ndarray) -> bool:
        """Whether a descent from the best value seen far away ends higher, or here."""
        us, heights = (np.concatenate(part) for part in zip(*self.seen, strict=True))
        away = np.max(np.abs(us - self.coordinates(x)), axis=1) > 0.1
        if not np.any(away & np.isfinite(heights)):
            return True
        other = self._polished(self.values(us[np.argmin(np.where(away, heights, np.inf))]), rounds=5)
        here, there = self.height(x), self.height(other)
        far = float(np.max(np.abs(self.coordinates(other) - self.coordinates(x)))) > 0.02
        return not (far and there <= here + 1e-6 * max(1.0, abs(here)))

    def _end(self, x: np.ndarray, smooth: bool, unique: bool) -> _Best:
        here = self.set_to(x)
        margin = margins([here])[0]
        self.count += 1
        rate = math.nan
        if margin.status in WITH_EIGENVALUES:
            height = self._height(margin.eigenvalues)
            period = 1 if here.rule is None else here.rule.period
            rate = (
                -height if here.rule is None else (math.inf if height < 1e-6 else -math.log(height) / period)
            )
        values = {k.name: float(v) for k, v in zip(self.handles, x, strict=True)}
        return _Best(here, values, rate, margin, smooth, unique, {})


def _record(
    around: LinearSettings, ranges: Mapping[ParameterHandle, tuple[float, float]], best: _Best, count: int
) -> Tuned:
    named = {k.name: r for k, r in ranges.items()}
    values: dict[str, float] = {**best.values, **best.whole}
    known = not math.isnan(best.rate)
    chosen = {n: values[n] for n in named} if known else {}
    at_bound = [n for n, x in chosen.items() if _touches(x, named[n], n in best.whole)]
    intervals: dict[str, tuple[float, float]] = {}
    if best.margin.status == "stable":
        for k in ranges:
            if not k.is_integer:
                found = critical(**_arguments(best.here), parameter=k.name)
                inside = [
                    i for i in found.intervals if i.low <= chosen[k.name] <= i.high and i.status == "stable"
                ]
                if inside:
                    low, high = inside[0].low, inside[0].high
                    intervals[k.name] = (low, math.inf if high >= found.high else high)
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
        text=_words(best, chosen, at_bound, intervals),
        evaluations=count,
        **around.provenance,
    )


def _arguments(s: LinearSettings) -> dict[str, Any]:
    rates = {} if s.rule is not None else {"rate_d": s.rates.phi, "rate_g": s.rates.theta}
    return {"variant": s.variant, "rule": s.rule, "x0": s.x0, "at": tuple(s.point), **rates}


def _touches(x: float, span: tuple[float, float], whole: bool) -> bool:
    low, high = span
    if whole:
        return low < high and x in (low, high)
    return min(x - low, high - x) <= 1e-9 * (high - low)


def _words(
    best: _Best,
    chosen: Mapping[str, float],
    at_bound: Sequence[str],
    intervals: Mapping[str, tuple[float, float]],
) -> str:
    if not chosen:
        why = "has no derivative" if best.margin.status == "no-derivative" else "is no equilibrium"
        return f"nothing to compare: the point {why} anywhere in these ranges; ask for a verdict"
    where = ", ".join(f"{n} = {_n(x)}" for n, x in chosen.items())
    discrete = best.here.rule is not None
    if best.margin.status != "stable":
        if at_bound and not best.alone:
            return f"nowhere stable: the rate grows towards the end of the range of {', '.join(at_bound)}, at {where}"
        verb = (
            "at best marginal, at" if best.margin.status == "marginal" else "unstable everywhere; least so at"
        )
        said = f"{verb} {where}"
    elif math.isinf(best.rate):
        said = f"fastest at {where}: every multiplier vanishes, so small perturbations end after finitely many steps"
    else:
        per = "per iteration" if discrete else "per unit of time"
        said = f"fastest at {where}: small perturbations decay like exp(-{best.rate:.6g} n) {per}"
        said = said if discrete else said.replace(" n) per unit of time", " t)")
    if best.alone:
        said += "; elsewhere in these ranges the field has no derivative"
    elif at_bound:
        said += f"; the rate still grows at the end of the range of {', '.join(at_bound)}"
    elif not best.smooth:
        said += "; not a smooth optimum: eigenvalues meet there"
    if not best.unique:
        said += "; other values far from these are as good"
    for n, (low, high) in intervals.items():
        said += (
            f"; stable for {_n(low)} < {n} < {_n(high)}"
            if high < math.inf
            else f"; stable for {n} > {_n(low)}"
        )
    return said


def _n(x: float) -> str:
    return text(float(f"{x:.9g}"))


__all__: Sequence[str] = ("Tuned", "tune")
