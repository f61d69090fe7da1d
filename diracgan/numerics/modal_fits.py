"""Oscillations in a measured series: damped modes in coloured noise, and oscillations that noise keeps going.

Modes are looked for over all frequencies and dampings at once (:mod:`.autoregression`), refined by their likelihood,
and kept only where an autoregression alone does not explain the series as well. Where it does, and turns, the
oscillation is one that noise keeps going, and is fitted as a resonance (:mod:`.resonance`).

References:
    Hannan & Quinn 1989 (frequencies in autoregressive noise); Whittle 1953; Schwarz 1978.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2

from .autoregression import DIGITS, Autoregression, gain_of, is_flip, scan
from .records import fitted_line, shortened, smoothed, without_spikes
from .resonance import Resonance, background, periodogram, resonance

Array = np.ndarray
_CHANCE = 1e-6  # how often pure noise may look like an oscillation
_LASTS = 3.0  # a mode is seen until it has shrunk to exp(-3)
_CYCLES = 1.0  # and must turn so often until then
_IN_RECORD = 1.5  # and so often in the whole record
_FLIPS = 0.36  # a sign that changes from row to row is an oscillation where it lasts for four periods
_SLOW = 15.0  # turns in a record, below which red noise may pass for a mode
_WANDERS = 4.0  # a wandering one must turn so often: fewer bins do not tell a resonance from a red spectrum
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
_JUMP = 0.5  # of its range, in one row: what a sawtooth does and a rotation of 8 rows or more does not


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


@dataclasses.dataclass(frozen=True)
class ModalFit:
    """What a record holds.

    Attributes:
        modes: the oscillations, strongest first; empty where there is none to speak of.
        noise: standard deviation of what neither trend nor modes explain, one for each channel.
        fitted: trend and modes, as the record's values, (channels, rows).
        frequencies: angular frequencies of the bins.
        power: power of every bin without its trend, (channels, bins).
        background: the noise's share of it.
        rows: how many rows were used, and ``block``: how many of the record's rows each is the mean of.
        block: see ``rows``.
        first: the first of the record's rows that was used.
        sawtooth: the period in rows after which a series begins anew, where that is what repeats; None elsewhere.
    """

    modes: list[OscillationMode]
    noise: Array
    fitted: Array
    frequencies: Array
    power: Array
    background: Array
    rows: int
    block: int
    first: int
    sawtooth: float | None = None


def oscillation_modes(values: Array, most: int = 3) -> ModalFit:
    """Find the oscillations of a record.

    Args:
        values: (channels, rows) of finite numbers at equal intervals; channels are seen as one system, whose
            modes they share.
        most: look for at most so many modes.

    Returns:
        A :class:`ModalFit`, per row of ``values``.

    Example:
        >>> n = np.arange(400)
        >>> rng = np.random.default_rng(0)
        >>> y = np.exp(-0.005 * n) * np.cos(0.2 * n) + 0.05 * rng.normal(size=400)
        >>> (m,) = oscillation_modes(y[None]).modes
        >>> round(m.omega, 3), round(m.sigma, 3), m.steady
        (0.2, 0.005, True)
    """
    rows, block, first = shortened(np.asarray(values, float))
    mean = rows.mean(axis=1)
    spread = rows.std(axis=1)
    alive = spread > 1e-12 * np.abs(mean) + 1e-300
    scale = np.where(alive, spread, 1.0)
    y = without_spikes((rows - mean[:, None]) / scale[:, None])
    models = [Autoregression(c) for c, a in zip(y, alive, strict=True) if a]
    search = _ModeSearch(models)
    for _ in range(most):
        if not search.add():
            break
    teeth = _sawtooth(y[alive], search.poles)
    if teeth is not None:
        search.poles, search.chances = [], []
    made, curves = search.modes(len(rows), alive) if search.poles else ([], np.zeros(rows.shape))
    slow = min((s.imag for s in search.poles), default=np.pi) * search.rows < 2 * np.pi * _SLOW
    if made and slow and not _beyond_red_noise(y, curves):
        search.poles, made, curves = [], [], np.zeros(rows.shape)
    wandering = None if teeth is not None else _wandering(models, y[alive], search, bool(made))
    trend = np.stack([smoothed(c) for c in y - curves])
    noise_spectra = []
    omega = periodogram(y[0])[0]
    if wandering is not None:
        made, curves = [_wandering_mode(wandering, y, alive)], np.zeros(rows.shape)
    orders = iter(search.orders)
    plain = iter(models)
    for a in alive:
        noise_spectra.append(
            _spectrum(next(plain), next(orders), search.poles, omega) if a else np.ones(len(omega))
        )
    left = y - curves - trend
    return ModalFit(
        modes=sorted(
            (_scaled(m, scale, block) for m in made), key=lambda m: -float(np.sum(m.power / scale**2))
        ),
        noise=scale * left.std(axis=1),
        fitted=(curves + trend) * scale[:, None] + mean[:, None],
        frequencies=omega / block,
        power=np.stack([periodogram(c - fitted_line(c))[1] for c in y]),
        background=np.stack(noise_spectra),
        rows=rows.shape[1],
        block=block,
        first=first,
        sawtooth=None if teeth is None else teeth * block,
    )


def _beyond_red_noise(y: Array, curves: Array) -> bool:
    """Whether the modes also say more than red and white noise, which takes more lags than are allowed for."""
    lead = int(np.argmax(curves.var(axis=1)))
    whole, left = y[lead], y[lead] - curves[lead]
    omega, power = periodogram(whole - fitted_line(whole))
    gain = 2 * (background(omega, power)[1] - background(omega, periodogram(left - fitted_line(left))[1])[1])
    return len(omega) * float(chi2.sf(max(gain, 0.0), 4)) < _CHANCE


def _scaled(m: OscillationMode, scale: Array, block: int) -> OscillationMode:
    """A mode per row of the record, in its units."""
    turn = np.ones(1, complex)
    if block > 1 and m.steady:  # the mean of a block, back to its first row
        z = np.exp(complex(-m.sigma, m.omega) / block)
        turn = np.array([block * (1 - z) / (1 - z**block)])
    phases = (m.phases + np.angle(turn) + np.pi) % (2 * np.pi) - np.pi
    return dataclasses.replace(
        m,
        omega=m.omega / block,
        sigma=m.sigma / block,
        errors=(m.errors[0] / block, m.errors[1] / block),
        amplitudes=m.amplitudes * scale * np.abs(turn),
        phases=phases,
        power=m.power * scale**2,
    )


def _spectrum(model: Autoregression, order: int, poles: list[complex], omega: Array) -> Array:
    found = model.fit(order, poles)
    powers = np.exp(-1j * np.outer(omega, np.arange(1, order + 1)))
    return found.cost / model.count / np.maximum(np.abs(1 - powers @ found.lags) ** 2, 1e-12)


def _aliased(s: complex) -> complex:
    """The same mode with its angular frequency in [0, pi], as rows tell it."""
    w = abs(s.imag) % (2 * np.pi)
    return complex(s.real, 2 * np.pi - w if w > np.pi else w)


def visible(s: complex, rows: int, slack: float = 1.0) -> bool:
    """Whether a mode turns often enough, before it has died or the record ends, to be called an oscillation."""
    lasts = min(rows, _LASTS / max(abs(s.real), 1e-300))
    turns = s.imag / (2 * np.pi)
    return lasts * turns >= slack * _CYCLES and rows * turns >= slack * _IN_RECORD


# ---------------- steady modes


class _ModeSearch:
    """Modes that several series share, added one by one."""

    def __init__(self, models: list[Autoregression]) -> None:
        self.models, self.poles, self.chances = models, [], []
        self.orders = [m.order([])[0] for m in models]
        self.rows = models[0].rows if models else 0

    def add(self) -> bool:
        """Add the likeliest mode, if noise would not show the like."""
        if not self.models:
            return False
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
        if chance > _CHANCE or gain < paid or not visible(s, self.rows):
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
            total = np.sum([scan(m, b, sigma, size) for m, b in zip(self.models, bases, strict=True)], axis=0)
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


def _sawtooth(y: Array, poles: list[complex]) -> float | None:
    """The period after which a series jumps back to where it began, if that is what repeats."""
    if not poles:
        return None
    period = 2 * np.pi / min(s.imag for s in poles)
    rows = y.shape[1]
    if not 7.5 <= period <= rows / 3:
        return None
    for c in y:
        best, shape = 0.0, None
        for length in range(max(8, int(period * 0.94)), int(period * 1.06) + 2):
            count = rows // length
            folded = c[: count * length].reshape(count, length)
            profile = (folded - folded.mean(axis=1, keepdims=True)).mean(axis=0)
            if profile.var() > best:
                best, shape = float(profile.var()), profile
        if shape is not None and best > 0.1 * float(np.var(c - fitted_line(c))):
            steps = np.diff(np.append(shape, shape[0]))
            back = np.abs(steps).max()
            if back > _JUMP * np.ptp(shape) and back > 3 * np.sort(np.abs(steps))[-2]:
                return float(len(shape))
    return None


# ---------------- wandering ones


def _wandering(
    models: list[Autoregression], y: Array, search: _ModeSearch, steady: bool
) -> tuple[int, Resonance] | None:
    """A resonance that noise keeps going, in the series that shows it best; None where there is none, or a steady
    mode says more."""
    best: tuple[int, Resonance] | None = None
    chosen = range(len(models))
    if steady:  # the series that the mode explains best is where the other explanation must hold
        explained = [m.fit(o, search.poles).cost for m, o in zip(models, search.orders, strict=True)]
        chosen = [int(np.argmin(explained))]
    for c in chosen:
        model = models[c]
        order = model.order([])[0]
        plain = model.fit(order, [])
        lags = plain.lags
        roots = np.roots(np.concatenate([[1.0], -lags])) if order else np.empty(0)
        turning = [
            np.log(r + 0j)
            for r in roots
            if (r.imag > 1e-9 or (r.real < 0 and abs(r.imag) <= 1e-9)) and abs(r) > 0.05
        ]
        turning = [complex(min(s.real, -1e-3 / model.rows), abs(s.imag)) for s in turning]
        turning = [
            s
            for s in turning
            if visible(s, model.rows, 0.7)
            and s.imag * model.rows >= 2 * np.pi * _WANDERS
            and not (is_flip(s) and -s.real > _FLIPS)
        ]
        if not turning:
            continue
        found = resonance(y[c] - fitted_line(y[c]), max(turning, key=lambda s: s.real))
        pole = complex(-found.sigma, found.omega)
        seen = (
            visible(pole, model.rows)
            and 0 < found.omega <= np.pi
            and found.omega * model.rows >= 2 * np.pi * _WANDERS
        )
        looks = 3 * np.sum(plain.residual**2) ** 2 / np.sum(plain.residual**4) / model.count
        # a few loud rows are few looks at the spectrum
        chance = min(1.0, model.count / 2 * float(chi2.sf(found.gain * min(float(looks), 1.0), 3)))
        if not seen or chance > _CHANCE:
            continue
        if steady:
            after = model.fit(search.orders[c], search.poles).cost / model.count
            if found.innovation > after * (1 + math.log(model.count) / model.count):
                continue
        if best is None or found.power > best[1].power:
            best = (c, found)
    return best


def _wandering_mode(found: tuple[int, Resonance], y: Array, alive: Array) -> OscillationMode:
    lead, r = found
    power = np.zeros(len(y))
    for k, c in enumerate(np.flatnonzero(alive)):
        if k == lead:
            power[c] = r.power
            continue
        other = resonance(y[c] - fitted_line(y[c]), complex(-r.sigma, r.omega), fixed=True)
        power[c] = other.power if other.chance < _CHANCE else 0.0
    return OscillationMode(
        omega=r.omega,
        sigma=r.sigma,
        errors=r.errors,
        amplitudes=np.sqrt(2 * power),
        phases=np.full(len(y), np.nan),
        power=power,
        chance=r.chance,
        steady=False,
    )
