"""Search for the parameter values at which small perturbations decay fastest."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ...numerics import eigen
from ..linear.decision import heights
from ..linear.margins import BATCH, Margin, margins, matrices, slopes
from ..linear.parameter_handle import ParameterHandle, set_all
from ..linear.settings import LinearSettings
from ..linear.status import WITH_EIGENVALUES
from .search_tolerances import S


@dataclasses.dataclass(frozen=True)
class FastestDecay:
    """The end of one search.

    Attributes:
        here: the settings with the values found.
        values: parameter -> its value; ``integers`` those that were not searched but tried.
        rate: of decay, negative where it grows; NaN where there is no derivative.
        margin: there.
        smooth: whether the rate has a derivative there.
        unique: whether nothing far away is as good.
        alone: whether elsewhere in the ranges there is no derivative.
    """

    here: LinearSettings
    values: dict[str, float]
    rate: float
    margin: Margin
    smooth: bool
    unique: bool
    integers: dict[str, int]
    alone: bool = False


class FastestDecaySearch:
    """The search over real parameters, in coordinates in [0, 1] that are denser near the low end of a wide
    range."""

    def __init__(self, around: LinearSettings, ranges: Mapping[ParameterHandle, tuple[float, float]]) -> None:
        self.around, self.handles = around, list(ranges)
        self.low = np.array([a for a, _ in ranges.values()])
        self.high = np.array([b for _, b in ranges.values()])
        wide = np.array([a >= 0 and b > S.wide * max(a, S.lowest) for a, b in ranges.values()], dtype=bool)
        self.bend = np.where(wide, S.denser, S.even)
        # an end that is not allowed itself is kept clear of
        clear = S.end * (self.high - self.low)
        domains = [k.domain for k in self.handles]
        self.open_low = np.array([d.open_low for d in domains], bool) & (self.low == [d.low for d in domains])
        self.open_high = np.array([d.open_high for d in domains], bool) & (
            self.high == [d.high for d in domains]
        )
        self.first, self.last = self.low + clear * self.open_low, self.high - clear * self.open_high
        self.count = 0
        self.trusted = False
        self.seen: list[tuple[np.ndarray, np.ndarray]] = []  # coordinates and abscissas of the global search

    def values(self, u: np.ndarray) -> np.ndarray:
        """Parameters of coordinates (..., P)."""
        share = np.expm1(self.bend * u) / np.expm1(self.bend)
        return self.inside(self.low + (self.high - self.low) * share)

    def inside(self, x: np.ndarray) -> np.ndarray:
        """The nearest parameters that are allowed."""
        return np.clip(x, self.first, self.last)

    def coordinates(self, x: np.ndarray) -> np.ndarray:
        """The coordinates of parameters."""
        share = (x - self.low) / (self.high - self.low)
        return np.clip(np.log1p(share * np.expm1(self.bend)) / self.bend, 0.0, 1.0)

    def set_to(self, x: np.ndarray) -> LinearSettings:
        """The settings with these values of the parameters."""
        return set_all(self.around, self.handles, map(float, x))

    def abscissas(self, xs: np.ndarray) -> np.ndarray:
        """What is minimised: the largest real part, or the largest modulus; infinite without a derivative."""
        self.count += len(xs)
        setups = [self.set_to(x) for x in xs]
        if not self.trusted:
            return np.array(
                [self._abscissa(m.eigenvalues) if len(m.eigenvalues) else np.inf for m in margins(setups)]
            )
        found = matrices(setups)
        fine = np.all(np.isfinite(found), axis=(1, 2))
        out = np.full(len(xs), np.inf)
        if np.any(fine):
            out[fine] = self._abscissa(eigen.eigenvalues(found[fine]).values)
        return out

    def _abscissa(self, w: np.ndarray) -> Any:
        return np.max(heights(w, self.around.discrete), axis=-1)

    def abscissa(self, x: np.ndarray) -> float:
        """The same at one point."""
        return float(self.abscissas(np.asarray(x, float)[None])[0])

    def run(self) -> FastestDecay:
        """A global search, then a local one."""
        if not self.handles:
            return self._end(np.empty(0), smooth=True, unique=True)
        start = self._start()
        first = self.abscissas(self.values(start))
        self.trusted = bool(np.all(np.isfinite(first)))
        if not np.any(np.isfinite(first)):
            return self._on_a_face() or self._end(self.values(start[0]), smooth=False, unique=True)
        from scipy.optimize import differential_evolution

        ended = differential_evolution(
            lambda u: self._noted(u.T),
            [(0.0, 1.0)] * len(self.handles),
            # SciPy's stub names fewer types than it takes
            init=start,  # type: ignore[arg-type]
            maxiter=S.generations,
            tol=S.population_spread[0],
            # SciPy's stub names fewer types than it takes
            atol=S.population_spread[1],  # type: ignore[arg-type]
            mutation=S.mutation,
            recombination=S.recombination,
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
        x = self._snapped(x, S.shorter_smooth if smooth else S.shorter)
        return self._end(x, smooth, self._unique(x))

    def _on_a_face(self) -> FastestDecay | None:
        """The best with one parameter at an end of its range: a kink may vanish there, as wgan-gp's at c = 0."""
        found = []
        for i, k in enumerate(self.handles if len(self.handles) <= S.faces else []):
            for end, is_open in ((self.low[i], self.open_low[i]), (self.high[i], self.open_high[i])):
                if is_open:
                    continue
                others = {q: (self.low[j], self.high[j]) for j, q in enumerate(self.handles) if j != i}
                search = FastestDecaySearch(k.set(self.around, float(end)), others)
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

    def _polished(self, x: np.ndarray, rounds: int = S.simplices) -> np.ndarray:
        """Simplex after simplex, each smaller and started from the best so far: they cope with kinks and
        cusps."""
        from scipy.optimize import minimize

        size = np.maximum(S.first_simplex * np.abs(x), S.small * (self.high - self.low))
        best, value = x, self.abscissa(x)
        for _ in range(rounds):
            simplex = np.vstack([best, *(np.clip(best + s, self.low, self.high) for s in np.diag(size))])
            flat = [i for i in range(len(x)) if np.all(simplex[i + 1] == best)]
            for i in flat:
                simplex[i + 1, i] = best[i] - size[i]
            out = minimize(
                lambda p: self.abscissa(self.inside(p)),
                best,
                method="Nelder-Mead",
                options={
                    "initial_simplex": simplex,
                    "xatol": S.last_simplex,
                    "fatol": 0.0,
                    "maxiter": S.steps_of_a_simplex * len(x),
                },
            )
            there = self.inside(out.x)
            gain = value - self.abscissa(there)
            if gain > 0:
                best, value = there, value - gain
            size = np.maximum(size * S.smaller, S.last_simplex * np.maximum(np.abs(best), S.small))
        return best

    def _stationary(self, x: np.ndarray) -> np.ndarray | None:
        """The point near x at which the derivative of the leading eigenvalue vanishes; None where it has
        none."""
        from scipy.optimize import root

        span = self.high - self.low
        inner = (x > self.low + S.end * span) & (x < self.high - S.end * span)
        if not np.all(inner) or self._gradient(x) is None:
            return None

        def slope(p: np.ndarray) -> np.ndarray:
            found = self._gradient(p)
            return np.full(len(x), np.nan) if found is None else found

        with np.errstate(all="ignore"):
            out = root(slope, x, method="hybr", options={"xtol": S.root, "factor": S.root_factor})
        close = np.all(np.abs(out.x - x) <= S.root_moved * np.maximum(np.abs(x), S.small * span))
        size = float(np.max(np.abs(out.fun))) if np.all(np.isfinite(out.fun)) else np.inf
        if not close or size > S.root_slope or self.abscissa(out.x) > self.abscissa(x) + S.root_gain:
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
        # SciPy's stub names fewer types than it takes
        w, left, right = eig(a, left=True, right=True)  # type: ignore[misc]
        abscissas = heights(w, self.around.discrete)
        top = abscissas.max()
        lead = w[np.argmax(abscissas)]
        apart = S.same_height * max(1.0, abs(lead))
        same = np.abs(w - lead) <= apart
        mates = same | (np.abs(w - np.conj(lead)) <= apart)
        # other eigenvalues with the same abscissa would make a kink
        if np.any((abscissas > top - apart) & ~mates) or abs(lead) < S.arrives_at_once:
            return None
        rows, columns = left[:, same].conj().T, right[:, same]
        overlap = rows @ columns
        if np.min(np.linalg.svd(overlap, compute_uv=False)) < S.overlap:
            return None
        changes = slopes(self.around, self.handles, x)
        self.count += 1
        per = [np.trace(np.linalg.solve(overlap, rows @ da @ columns)) / same.sum() for da in changes]
        if self.around.rule is None:
            return np.array([p.real for p in per])
        return np.array([(np.conj(lead) * p).real / abs(lead) for p in per])

    def _snapped(self, x: np.ndarray, reach: float) -> np.ndarray:
        """Onto an end of the range, or a short number within ``reach``, where that is as good to rounding."""
        value = self.abscissa(x)
        for i in range(len(x)):
            near = S.near_end * (self.high[i] - self.low[i])
            ends = [e for e in (self.first[i], self.last[i]) if abs(e - x[i]) < near]
            rounded = [float(f"{x[i]:.{n}g}") for n in S.digits]
            short = [r for r in rounded if abs(r - x[i]) <= reach * max(abs(x[i]), S.shorter_small)]
            for shorter in (*ends, *short):
                if not self.first[i] <= shorter <= self.last[i]:
                    continue
                there = x.copy()
                there[i] = shorter
                if self.abscissa(there) <= value:  # a cusp shows a distance d as sqrt(d): not worse at all
                    x, value = there, self.abscissa(there)
                    break
        return x

    def _noted(self, u: np.ndarray) -> np.ndarray:
        found = self.abscissas(self.values(u))
        self.seen.append((u.copy(), found))
        return found

    def _unique(self, x: np.ndarray) -> bool:
        """Whether a descent from the best value seen far away ends higher, or here."""
        us, abscissas = (np.concatenate(part) for part in zip(*self.seen, strict=True))
        away = np.max(np.abs(us - self.coordinates(x)), axis=1) > S.away
        if not np.any(away & np.isfinite(abscissas)):
            return True
        other = self._polished(
            self.values(us[np.argmin(np.where(away, abscissas, np.inf))]), rounds=S.fewer_simplices
        )
        here, there = self.abscissa(x), self.abscissa(other)
        far = float(np.max(np.abs(self.coordinates(other) - self.coordinates(x)))) > S.elsewhere
        return not (far and there <= here + S.as_good * max(1.0, abs(here)))

    def _end(self, x: np.ndarray, smooth: bool, unique: bool) -> FastestDecay:
        here = self.set_to(x)
        margin = margins([here])[0]
        self.count += 1
        rate = math.nan
        if margin.status in WITH_EIGENVALUES:
            abscissa = float(self._abscissa(margin.eigenvalues))
            period = 1 if here.rule is None else here.rule.period
            rate = (
                -abscissa
                if here.rule is None
                else (math.inf if abscissa < S.arrives_at_once else -math.log(abscissa) / period)
            )
        values = {k.name: float(v) for k, v in zip(self.handles, x, strict=True)}
        return FastestDecay(here, values, rate, margin, smooth, unique, {})
