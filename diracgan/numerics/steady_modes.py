"""Damped modes of a steady phase that several series share, found one by one by their likelihood."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2

from .autoregression import DIGITS, Autoregression, gain_of, is_flip, scan

Array = np.ndarray
CHANCE = 1e-6  # how often pure noise may look like an oscillation
_LASTS = 3.0  # a mode is seen until it has shrunk to exp(-3)
_CYCLES = 1.0  # and must turn so often until then
_IN_RECORD = 1.5  # and so often in the whole record
_DAMPINGS = (
    0.0,
    1.5,
    4.0,
    10.0,
    25.0,
    60.0,
    -1.5,
    -4.0,
    -10.0,
)  # times the record's length, where the search looks


@dataclasses.dataclass(frozen=True)
class OscillationMode:
    """One oscillation A exp(-sigma n) cos(omega n + delta) of a record, per row.

    Attributes:
        omega: angular frequency in (0, pi]; pi is a period of two rows.
        sigma: damping; negative where the oscillation grows.
        errors: standard errors of omega and sigma; infinite where the record does not tell.
        amplitudes: A at the first row, one for each channel.
        phases: delta, one for each channel.
        power: mean square over the record, one for each channel.
        chance: how likely noise alone would look like this.
        steady: False for an oscillation whose phase wanders: one that noise keeps going.
        exponential: False where the envelope is not a single exponential.
    """

    omega: float
    sigma: float
    errors: tuple[float, float]
    amplitudes: Array
    phases: Array
    power: Array
    chance: float
    steady: bool = True
    exponential: bool = True


def _aliased(s: complex) -> complex:
    """The same mode with its angular frequency in [0, pi], as rows tell it."""
    w = abs(s.imag) % (2 * np.pi)
    return complex(s.real, 2 * np.pi - w if w > np.pi else w)


def visible(s: complex, rows: int, slack: float = 1.0) -> bool:
    """Whether a mode turns often enough, before it has died or the record ends, to be called an oscillation."""
    lasts = min(rows, _LASTS / max(abs(s.real), 1e-300))
    turns = s.imag / (2 * np.pi)
    return lasts * turns >= slack * _CYCLES and rows * turns >= slack * _IN_RECORD


class SteadyModes(NamedTuple):
    """The steady modes that a search has found, each with its chance, and the noise's orders beside them."""

    poles: tuple[complex, ...]
    chances: tuple[float, ...]
    orders: tuple[int, ...]


@functools.lru_cache(maxsize=8)  # a log's regimes and its oscillations are often asked of the same rows
def steady_modes(record: bytes, series: int, most: int) -> SteadyModes:
    """At most so many steady modes of float64 rows, (series, rows)."""
    before = steady_modes(record, series, most - 1) if most > 1 else None
    if before is not None and len(before.poles) < most - 1:
        return before
    models = [Autoregression(y) for y in np.frombuffer(record).reshape(series, -1)]
    search = ModeSearch(models, before)
    search.add()
    return SteadyModes(tuple(search.poles), tuple(search.chances), tuple(search.orders))


class ModeSearch:
    """Modes that several series share, added one by one."""

    def __init__(self, models: list[Autoregression], found: SteadyModes | None = None) -> None:
        """Go on from what was ``found`` in the same series."""
        self.models = models
        self.poles = [] if found is None else list(found.poles)
        self.chances = [] if found is None else list(found.chances)
        self.orders = [m.order([])[0] for m in models] if found is None else list(found.orders)
        self.rows = models[0].rows if models else 0

    def add(self) -> bool:
        """Add the likeliest mode, if noise would not show the like."""
        before = [m.order(self.poles) for m in self.models]
        self.orders = [o for o, _ in before]
        # an autoregression of many lags hides a mode from the search; one of few leaves the noise its colour
        tried = [self._candidate(o) for o in {tuple(self.orders), tuple(min(o, 1) for o in self.orders)}]
        tried = [t for t in tried if t is not None]
        if not tried:
            return False
        s, after = min(tried, key=lambda t: sum(a for _, a in t[1]))
        gain = sum(b for _, b in before) - sum(a for _, a in after)
        gain = min(gain, self._local_gain(s, before, after))
        count = self.models[0].count
        chance = min(1.0, count * float(chi2.sf(max(gain, 0.0), 2 * len(self.models) + 2)))
        width = 1 if is_flip(s) else 2
        paid = (width * len(self.models) + width) * math.log(count)
        if chance > CHANCE or gain < paid or not visible(s, self.rows):
            return False
        self.poles, self.chances, self.orders = (
            [*self.poles, s],
            [*self.chances, chance],
            [o for o, _ in after],
        )
        return True

    def _candidate(self, first: tuple[int, ...]) -> tuple[complex, list[tuple[int, float]]] | None:
        """The likeliest mode that is seen from these orders, with the orders that it then needs."""
        guess = self._guess(list(first))
        if guess is None:
            return None
        orders = [m.order([*self.poles, guess])[0] for m in self.models]
        s = self._refined(guess, self.poles, orders)
        return s, [m.order([*self.poles, s]) for m in self.models]

    def _guess(self, orders: list[int]) -> complex | None:
        size = 1 << (2 * self.rows - 1).bit_length()
        omega = 2 * np.pi * np.arange(size // 2 + 1) / size
        bases = [m.base(o, self.poles) for m, o in zip(self.models, orders, strict=True)]
        best, chosen = 0.0, None
        for times in _DAMPINGS:
            sigma = times / self.rows
            total = scan(self.models, bases, sigma, size)
            lasts = min(self.rows, _LASTS / max(abs(sigma), 1e-300))
            total[(omega * lasts < 2 * np.pi * 0.6) | (omega * self.rows < 2 * np.pi * _IN_RECORD * 0.6)] = (
                0.0
            )
            k = int(np.argmax(total))
            if total[k] > best:
                best, chosen = float(total[k]), complex(-sigma, omega[k])
        return chosen

    def _gain(self, others: list[complex], orders: list[int]):
        bases = [m.base(o, others) for m, o in zip(self.models, orders, strict=True)]

        def gain(s: complex) -> float:
            columns = self.models[0].columns([_aliased(s)])
            return sum(gain_of(m, b, columns) for m, b in zip(self.models, bases, strict=True))

        return gain

    def _refined(self, s: complex, others: list[complex], orders: list[int]) -> complex:
        gain = self._gain(others, orders)
        scale = 1.0 / self.rows

        def pole(x: Array) -> complex:
            s = _aliased(complex(-float(np.clip(x[0] * scale, -3, 3)), float(x[1] * scale)))
            return complex(s.real, max(s.imag, 1e-3 * scale))

        x = np.array([-s.real / scale, s.imag / scale])
        simplex = x + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.7]])
        found = minimize(
            lambda x: -gain(pole(x)),
            x,
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 2e-3, "fatol": 1e-3, "maxfev": 120},
        )
        best = pole(found.x)
        if self._is_like_flip(best):
            flip = complex(best.real, np.pi)
            if gain(flip) > gain(best) - math.log(self.rows) * len(self.models):
                return flip
        return best

    def _local_gain(
        self, s: complex, before: list[tuple[int, float]], after: list[tuple[int, float]]
    ) -> float:
        """The gain over the rows where the mode lives: noise that is louder at one end is not a mode."""
        model = self.models[0]
        lives = int(min(max(_LASTS / max(abs(s.real), 1e-300), 12.0), model.count))
        part = slice(-lives, None) if s.real > 0 else slice(0, lives)
        total = 0.0
        for m, (p, _), (q, _) in zip(self.models, before, after, strict=True):
            without, with_ = m.fit(p, self.poles), m.fit(q, [*self.poles, s])
            left = [
                f.residual[part] @ f.residual[part] + DIGITS**2 * lives * (1 + f.lags @ f.lags)
                for f in (without, with_)
            ]
            total += lives * math.log(left[0] / left[1])
            total += (p - q) * math.log(m.count)
        return total

    def _is_like_flip(self, s: complex) -> bool:
        """Whether it is so near to a period of two rows that this record cannot tell them apart."""
        return np.pi - s.imag < 2.0 / self.rows

    def errors(self, k: int) -> tuple[float, float]:
        """Standard errors of omega and sigma of a mode: the curvature of its profile likelihood.

        Infinite where that is not the one of a maximum; those of a flip for what this record cannot tell from one.
        """
        s, others = self.poles[k], [p for j, p in enumerate(self.poles) if j != k]
        gain, step = self._gain(others, self.orders), 0.05 / self.rows
        if self._is_like_flip(s):
            flip = complex(s.real, np.pi)
            bend = (gain(flip + step) + gain(flip - step) - 2 * gain(flip)) / step**2
            return 0.5 / self.rows, 1 / math.sqrt(-bend / 2) if bend < 0 else math.inf
        h = np.empty((2, 2))
        at = gain(s)
        for i, a in enumerate((1j, 1.0)):
            h[i, i] = (gain(s + step * a) + gain(s - step * a) - 2 * at) / step**2
        h[0, 1] = h[1, 0] = (
            gain(s + step * (1 + 1j))
            + gain(s - step * (1 + 1j))
            - gain(s + step * (1j - 1))
            - gain(s - step * (1j - 1))
        ) / (4 * step**2)
        if not np.linalg.eigvalsh(h).max() < 0:
            return math.inf, math.inf
        covariance = np.linalg.inv(-h / 2)
        return math.sqrt(covariance[0, 0]), math.sqrt(covariance[1, 1])

    def modes(self, channels: int, alive: Array) -> tuple[list[OscillationMode], Array]:
        """The modes, and their sum over the rows; those within each other's width are one."""
        if len(self.poles) > 1:
            for k, s in enumerate(self.poles):
                others = [p for j, p in enumerate(self.poles) if j != k]
                self.poles[k] = self._refined(s, others, self.orders)
        fits = [m.fit(o, self.poles) for m, o in zip(self.models, self.orders, strict=True)]
        powers = np.arange(1, 7)
        size = np.zeros((channels, len(self.poles)), complex)
        for c, f in zip(np.flatnonzero(alive), fits, strict=True):
            passes = [1 - np.sum(f.lags * np.exp(-s * powers[: len(f.lags)])) for s in self.poles]
            size[c] = f.modes / np.array(passes)
        n = np.arange(self.rows)
        waves = np.stack([np.exp(np.clip(s * n, -700, 700)) for s in self.poles])
        parts = np.real(size[:, :, None] * waves[None])
        power = (parts**2).mean(axis=2)
        order = sorted(range(len(self.poles)), key=lambda k: -float(power[:, k].sum()))
        groups: list[list[int]] = []
        for k in order:
            for g in groups:
                width = abs(self.poles[k].real) + abs(self.poles[g[0]].real) + 3 * np.pi / self.rows
                if abs(self.poles[k].imag - self.poles[g[0]].imag) < width:
                    g.append(k)
                    break
            else:
                groups.append([k])
        made = []
        for g in groups:
            k = g[0]
            s = self.poles[k]
            made.append(
                OscillationMode(
                    omega=s.imag,
                    sigma=-s.real + 0.0,
                    errors=self.errors(k),
                    amplitudes=np.abs(size[:, k]),
                    phases=np.angle(size[:, k]),
                    power=power[:, k],
                    chance=min(self.chances[i] for i in g),
                    exponential=len(g) == 1,
                )
            )
        return made, parts.sum(axis=1)
