"""Oscillations in a measured series: candidates from a matrix pencil, fitted and tested against coloured noise.

Every series is a trend, some modes A exp(-sigma n) cos(omega n + delta) and noise whose spectrum is red and white. Its
discrete Fourier transform then has independent bins, so that likelihoods are sums over bins (Whittle 1953) and the
error of a frequency is set by the noise near that frequency, not by its total.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.linalg import lstsq
from scipy.optimize import least_squares, minimize
from scipy.stats import chi2

Array = np.ndarray

MOST_ROWS = 4096  # a longer series is averaged in blocks, or cut, to this many rows
_CHANCE = 1e-6  # how often pure noise may look like an oscillation
_LASTS = 3.0  # a mode is seen until it has shrunk to exp(-3)
_CYCLES = 1.0  # and must turn so often until then
_IN_RECORD = 1.5  # and so often in the whole record
_WANDERS = 4.0  # a wandering one must turn so often: fewer bins do not tell a resonance from a red spectrum
_FLOOR = 1e-16  # power below this share of the series is what rounding and unfinished fits leave


@dataclasses.dataclass(frozen=True)
class Mode:
    """One oscillation A exp(-sigma n) cos(omega n + delta) of a record, per row.

    Attributes:
        omega: angular frequency in (0, pi].
        sigma: damping; negative where the oscillation grows.
        errors: standard errors of omega and sigma.
        amplitudes: A at the first row, one for each channel.
        phases: delta, one for each channel.
        power: mean square over the record, one for each channel.
        chance: how likely noise alone would look like this.
        steady: False for an oscillation whose phase wanders: one that noise keeps going.
        exponential: False where the envelope is no single exponential.
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
class Found:
    """What a record holds.

    Attributes:
        modes: the oscillations, strongest first; empty where there is none to speak of.
        noise: standard deviation of what neither trend nor modes explain, one for each channel.
        fitted: trend and modes, as the record's values, (channels, rows).
        frequencies: angular frequencies of the bins.
        power: power of every bin without its trend, (channels, bins).
        background: the noise's share of it.
        rows: how many rows were used, and ``block``: how many of the record's rows each is the mean of.
        first: the first of the record's rows that was used.
    """

    modes: list[Mode]
    noise: Array
    fitted: Array
    frequencies: Array
    power: Array
    background: Array
    rows: int
    block: int
    first: int


def modes(values: Array, most: int = 3) -> Found:
    """Find the oscillations of a record.

    Args:
        values: (channels, rows) of finite numbers at equal intervals; channels are seen as one system, whose
            modes they share.
        most: look for at most so many modes.

    Returns:
        A :class:`Found`, per row of ``values``.

    References:
        Hua & Sarkar 1990 (matrix pencil); Whittle 1953; Mann & Lees 1996 (lines against red noise).

    Example:
        >>> n = np.arange(400)
        >>> rng = np.random.default_rng(0)
        >>> y = np.exp(-0.005 * n) * np.cos(0.2 * n) + 0.05 * rng.normal(size=400)
        >>> (m,) = modes(y[None]).modes
        >>> round(m.omega, 3), round(m.sigma, 3), m.steady
        (0.2, 0.005, True)
    """
    rows, block, first = _reduced(np.asarray(values, float))
    record = _Record(rows)
    null = _null(record)
    found, chances = _steady(record, null, most)
    wandering, chance = _wandering(record, null, found)
    if wandering is not None and wandering.bic < found.bic and chance < _CHANCE:
        made = [dataclasses.replace(_wandering_mode(record, wandering, block), chance=chance)]
        best = wandering
    else:
        made, best = _merged(record, found, chances, block), found
    return Found(
        modes=sorted(made, key=lambda m: -float(np.sum(m.power / record.scale**2))),
        noise=record.scale * np.sqrt(best.residual.mean(axis=1)),
        fitted=_curve(record, best),
        frequencies=record.omega / block,
        power=null.residual,
        background=best.background,
        rows=record.count,
        block=block,
        first=first,
    )


# ---------------- the record and its model


class _Record:
    """A record in the frequency domain: unit variance, bins 1 .. J."""

    def __init__(self, values: Array) -> None:
        self.count = values.shape[1]
        self.mean = values.mean(axis=1)
        scale = values.std(axis=1)
        self.scale = np.where(scale > 1e-12 * np.abs(self.mean) + 1e-300, scale, 1.0)
        self.values = (values - self.mean[:, None]) / self.scale[:, None]
        self.bins = np.arange(1, (self.count - 1) // 2 + 1)
        self.omega = 2 * np.pi * self.bins / self.count
        self.data = np.fft.rfft(self.values, axis=1)[:, self.bins] / math.sqrt(self.count)
        self.turn = np.exp(-1j * self.omega)
        self.ramp = np.fft.rfft(np.linspace(-1, 1, self.count))[self.bins] / math.sqrt(self.count)

    @property
    def channels(self) -> int:
        return len(self.values)

    def power_of(self, z: complex) -> Array:
        """The transform of z^n, scaled so that its largest value is 1."""
        peak = max(math.log(abs(z)) * (self.count - 1), 0.0)
        last = np.exp(self.count * np.log(complex(z)) - peak)
        return (math.exp(-peak) - last) / (1.0 - z * self.turn) / math.sqrt(self.count)

    def basis(self, decays: Sequence[float], poles: Sequence[complex]) -> Array:
        """The columns of the mean, (bins, columns): ramp, real exponentials, and two for every mode."""
        columns = [self.ramp, *(self.power_of(math.exp(-r)) for r in decays)]
        for s in poles:
            z = np.exp(s)
            up, down = self.power_of(z), self.power_of(np.conj(z))
            columns += [(up + down) / 2, (up - down) / 2j]
        return np.stack(columns, axis=1)

    def sampled(self, decays: Sequence[float], poles: Sequence[complex]) -> Array:
        """The same columns over the rows, (rows, columns)."""
        n = np.arange(self.count)
        columns = [np.linspace(-1, 1, self.count), *(np.exp(-r * n) for r in decays)]
        for s in poles:
            z = np.exp(s * n - max(s.real, 0.0) * (self.count - 1))
            columns += [z.real, z.imag]
        return np.stack(columns, axis=1)


@dataclasses.dataclass(frozen=True)
class _Model:
    """A mean (trend and modes) and the spectrum of the noise around it, fitted."""

    decays: list[float]
    poles: list[complex]
    amplitudes: Array  # (channels, columns)
    background: Array  # (channels, bins)
    residual: Array  # (channels, bins): power that the mean leaves
    likelihood: float
    parameters: int
    peak: complex | None = None

    @property
    def bic(self) -> float:
        return self.parameters * math.log(self.residual.size) - 2 * self.likelihood


def _amplitudes(record: _Record, basis: Array, noise: Array) -> tuple[Array, Array]:
    """The least-squares amplitudes of every channel, and what is left, whitened, (channels, 2 bins)."""
    made, left = [], []
    for y, s in zip(record.data, noise, strict=True):
        w = 1 / np.sqrt(s)
        a = np.concatenate([(basis * w[:, None]).real, (basis * w[:, None]).imag])
        b = np.concatenate([(y * w).real, (y * w).imag])
        x = np.asarray(lstsq(a, b, cond=1e-11, lapack_driver="gelsy", check_finite=False)[0])  # type: ignore[index]
        made.append(x)
        left.append(b - a @ x)
    return np.stack(made), np.stack(left)


def _noise(power: Array, turn: Array) -> tuple[Array, float]:
    """The red and white spectrum A/|1 - a e^-iw|^2 + B that is most likely for this power, and its likelihood."""
    power = power + _FLOOR
    level = float(power.mean())
    p = power / level

    def spectrum(x: Array) -> Array:
        red, memory, white = math.exp(x[0]), math.tanh(x[1]), math.exp(x[2])
        return red * (1 - memory) ** 2 / np.abs(1 - memory * turn) ** 2 + white

    def cost(x: Array) -> float:
        s = spectrum(x)
        return float(np.sum(np.log(s) + p / s))

    low = float(p[: max(4, len(p) // 50)].mean())
    tail = max(float(np.median(p[len(p) // 2 :])) / 0.7, 1e-14)
    bounds = [(-40.0, 25.0), (-1.0, 5.0), (-40.0, 5.0)]
    starts = [(math.log(max(low, 1e-12)), a, math.log(tail)) for a in (0.3, 1.2, 2.5)]
    tries = [minimize(cost, s, method="L-BFGS-B", bounds=bounds) for s in starts]
    best = min(tries, key=lambda t: t.fun)
    return np.maximum(level * spectrum(best.x), _FLOOR), -float(best.fun) - len(p) * math.log(level)


def _fit(
    record: _Record, decays: list[float], poles: list[complex], noise: Array | None = None, rounds: int = 4
) -> _Model:
    """The most likely model with so many real exponentials and modes, from these first guesses."""
    background = np.ones(record.data.shape) if noise is None else noise
    k, scale = len(decays), 1.0 / record.count

    def unpack(x: Array) -> tuple[list[float], list[complex]]:
        omega = np.clip(x[k + 1 :: 2], 1e-3 * scale, np.pi)
        sigma = np.clip(x[k::2] if len(x) > k else x[:0], -3.0, 3.0)
        return [math.exp(min(max(v, -20.0), 1.5)) for v in x[:k]], (-sigma + 1j * omega).tolist()

    x = np.array([math.log(r) for r in decays] + [v for s in poles for v in (-s.real, s.imag)])
    amplitudes, residual, likelihood = np.empty(0), np.empty(0), -math.inf
    for _ in range(rounds):
        if len(x):

            def left(x: Array, s: Array = background) -> Array:
                return _amplitudes(record, record.basis(*unpack(x)), s)[1].ravel()

            scales = np.array([1.0] * k + [scale] * (2 * len(poles)))
            x = least_squares(left, x, x_scale=scales, max_nfev=25, xtol=1e-10, ftol=1e-10).x
        decays, poles = unpack(x)
        basis = record.basis(decays, poles)
        amplitudes = _amplitudes(record, basis, background)[0]
        residual = np.abs(record.data - amplitudes @ basis.T) ** 2
        each = [_noise(r, record.turn) for r in residual]
        background = np.stack([e[0] for e in each])
        before, likelihood = likelihood, sum(e[1] for e in each)
        if abs(likelihood - before) < 1e-3:
            break
    count = (
        len(decays) + 2 * len(poles) + record.channels * (3 + 1 + len(decays) + 2 * len(poles))
    )  # three of the noise
    return _Model(decays, poles, amplitudes, background, residual, likelihood, count)


def _null(record: _Record) -> _Model:
    """The trend alone: a ramp, and up to two real exponentials where they say more."""
    best = _fit(record, [], [])
    for _ in range(2):
        rates = np.geomspace(2.0 / record.count, 1.0, 12)

        def cost(r: float, now: _Model = best) -> float:
            basis = record.basis([*now.decays, r], [])
            return float(np.sum(_amplitudes(record, basis, now.background)[1] ** 2))

        guess = float(min(rates, key=cost))
        more = _fit(record, [*best.decays, guess], [], best.background)
        if more.bic > best.bic - 6:
            break
        best = more
    return best


# ---------------- modes


def _steady(record: _Record, null: _Model, most: int) -> tuple[_Model, list[float]]:
    """The modes that say more than the noise, one after the other, and the chance of each."""
    best, chances = null, []
    guesses = _pencil(record)
    for _ in range(most):
        more = _one_more(record, best, guesses)
        if more is None:
            break
        gain = 2 * (more.likelihood - best.likelihood)
        chance = min(1.0, len(record.bins) * float(chi2.sf(gain, 2 * record.channels + 2)))
        if chance > _CHANCE or not all(_visible(s, record.count) for s in more.poles):
            break
        best, chances = more, [*chances, chance]
    return best, chances


def _one_more(record: _Record, now: _Model, guesses: list[complex]) -> _Model | None:
    """The model with one mode more that leaves least."""
    ratio = (now.residual / now.background).sum(axis=0)
    ratio[record.omega < 2 * np.pi * _IN_RECORD / record.count * 0.6] = 0.0
    peaks = record.omega[np.argsort(ratio)[-3:]]
    tried = [s for s in guesses if all(abs(s - p) > 0.3 / record.count for p in now.poles)]
    tried += [-d / record.count + 1j * w for w in peaks for d in (0.1, 2.0, 8.0)]
    tried = [s for s in tried if _visible(s, record.count, slack=0.6)]
    if not tried:
        return None

    def cost(s: complex) -> float:
        basis = record.basis(now.decays, [*now.poles, s])
        return float(np.sum(_amplitudes(record, basis, now.background)[1] ** 2))

    first = sorted(tried, key=cost)[:2]
    fits = [_fit(record, now.decays, [*now.poles, s], now.background) for s in first]
    return max(fits, key=lambda m: m.likelihood)


def _visible(s: complex, rows: int, slack: float = 1.0) -> bool:
    """Whether a mode turns often enough, before it has died or the record ends, to be called an oscillation."""
    lasts = min(rows, _LASTS / max(abs(s.real), 1e-300))
    turns = s.imag / (2 * np.pi)
    return lasts * turns >= slack * _CYCLES and rows * turns >= slack * _IN_RECORD


def _pencil(record: _Record, order: int = 10) -> list[complex]:
    """The logarithms of a matrix pencil's poles in the upper half plane, from the Hankel matrices of all channels."""
    length = min(record.count // 3, 300)
    cut = record.values[:, : min(record.count, 1500)]
    windows = [np.lib.stride_tricks.sliding_window_view(y, length + 1) for y in cut]
    _, _, rows = np.linalg.svd(np.concatenate(windows), full_matrices=False)
    space = rows[:order].T
    poles = np.linalg.eigvals(np.linalg.lstsq(space[:-1], space[1:], rcond=None)[0])
    poles = poles[(np.abs(poles) > 1e-3) & (np.imag(poles) > 1e-9)]
    return [complex(np.log(z)) for z in poles]


def _wandering(record: _Record, null: _Model, steady: _Model) -> tuple[_Model | None, float]:
    """The trend with a resonance in the noise: an oscillation that noise keeps going, whose phase wanders."""
    ratio = (null.residual / null.background).sum(axis=0)
    smooth = np.convolve(ratio, np.ones(5) / 5, mode="same")
    ok = record.omega * record.count >= 2 * np.pi * _IN_RECORD
    if not ok.any():
        return None, 1.0
    centres = [float(record.omega[np.argmax(np.where(ok, smooth, 0.0))]), *(s.imag for s in steady.poles[:1])]
    floor = np.maximum(null.background, _FLOOR)
    seen = null.residual + _FLOOR
    levels = seen.mean(axis=1)

    def spectrum(x: Array) -> Array:
        z = np.exp(-math.exp(x[0]) + 1j * x[1])
        shape = 1 / np.abs((1 - z * record.turn) * (1 - np.conj(z) * record.turn)) ** 2
        shape = shape / shape.max()
        made = []
        for c in range(record.channels):
            red, memory, white, peak = x[2 + 4 * c : 6 + 4 * c]
            a = math.tanh(memory)
            s = math.exp(red) * (1 - a) ** 2 / np.abs(1 - a * record.turn) ** 2 + math.exp(white)
            made.append(levels[c] * (s + math.exp(peak) * shape))
        return np.maximum(np.stack(made), _FLOOR)

    def cost(x: Array) -> float:
        s = spectrum(x)
        return float(np.sum(np.log(s) + seen / s))

    tries = []
    for w in centres:
        for width in (0.03, 0.15):
            start = [math.log(width * w), w]
            for c in range(record.channels):
                near = int(np.argmin(np.abs(record.omega - w)))
                peak = max(float(smooth[near]) * floor[c, near] / levels[c], 1e-8)
                low = max(float(np.median(floor[c][: max(4, len(ok) // 20)])) / levels[c], 1e-12)
                start += [
                    math.log(low),
                    1.0,
                    math.log(max(floor[c].min() / levels[c], 1e-12)),
                    math.log(peak),
                ]
            bounds = [(math.log(0.5 / record.count), 0.0), (2 * np.pi * _IN_RECORD / record.count, np.pi)]
            bounds += [(-40.0, 25.0), (-1.0, 5.0), (-40.0, 5.0), (-40.0, 25.0)] * record.channels
            start = [min(max(s, lo), hi) for s, (lo, hi) in zip(start, bounds, strict=True)]
            tries.append(minimize(cost, start, method="L-BFGS-B", bounds=bounds))
    best = min(tries, key=lambda t: t.fun)
    s = complex(-math.exp(best.x[0]), best.x[1])
    likelihood = -float(best.fun)
    if not _visible(s, record.count) or s.imag * record.count < 2 * np.pi * _WANDERS:
        return None, 1.0
    gain = 2 * (likelihood - null.likelihood)
    chance = min(1.0, len(record.bins) * float(chi2.sf(gain, record.channels + 2)))
    made = dataclasses.replace(
        null, background=spectrum(best.x), likelihood=likelihood, peak=s,
        parameters=null.parameters + 2 + record.channels,
    )  # fmt: skip
    return made, chance


# ---------------- what is reported


def _merged(record: _Record, model: _Model, chances: list[float], block: int) -> list[Mode]:
    """The modes, of which those that lie within each other's width are one with an envelope of its own."""
    if not model.poles:
        return []
    order = sorted(range(len(model.poles)), key=lambda k: -_energy(record, model, k))
    groups: list[list[int]] = []
    for k in order:
        s = model.poles[k]
        for g in groups:
            lead = model.poles[g[0]]
            width = abs(s.real) + abs(lead.real) + 3 * np.pi / record.count
            if abs(s.imag - lead.imag) < width:
                g.append(k)
                break
        else:
            groups.append([k])
    if any(len(g) > 1 for g in groups):
        model = _fit(record, model.decays, [model.poles[g[0]] for g in groups], model.background)
        kept = list(range(len(groups)))
    else:
        kept = [g[0] for g in groups]
    errors = _errors(record, model)
    made = []
    for k, g in zip(kept, groups, strict=True):
        if not _visible(model.poles[k], record.count, slack=0.9):
            continue
        made.append(_mode(record, model, k, errors[k], min(chances[i] for i in g), len(g) == 1, block))
    return made


def _mode(
    record: _Record,
    model: _Model,
    k: int,
    errors: tuple[float, float],
    chance: float,
    single: bool,
    block: int,
) -> Mode:
    s = complex(model.poles[k])
    first = 1 + len(model.decays) + 2 * k
    # a cos-part and a sin-part at the first row; growing modes are scaled to their last
    shrink = math.exp(-max(s.real, 0.0) * (record.count - 1))
    complex_ = (model.amplitudes[:, first] - 1j * model.amplitudes[:, first + 1]) * shrink * record.scale
    if block > 1:  # the mean of a block, back to its first row
        z = np.exp(s / block)
        complex_ = complex_ * block * (1 - z) / (1 - z**block)
    columns = record.sampled([], [s])[:, 1:]
    power = ((model.amplitudes[:, first : first + 2] @ columns.T) ** 2).mean(axis=1) * record.scale**2
    return Mode(
        omega=s.imag / block, sigma=-s.real / block + 0.0, errors=(errors[0] / block, errors[1] / block),
        amplitudes=np.abs(complex_), phases=np.angle(complex_), power=power, chance=chance, exponential=single,
    )  # fmt: skip


def _energy(record: _Record, model: _Model, k: int) -> float:
    first = 1 + len(model.decays) + 2 * k
    columns = record.sampled([], [model.poles[k]])[:, 1:]
    return float(np.sum((model.amplitudes[:, first : first + 2] @ columns.T) ** 2))


def _errors(record: _Record, model: _Model) -> list[tuple[float, float]]:
    """Standard errors of omega and sigma of every mode: the Cramer-Rao bound with the noise near each bin."""
    step = 1e-5 / record.count

    def mean(poles: list[complex]) -> Array:
        return model.amplitudes @ record.basis(model.decays, poles).T

    slopes = []
    for k in range(len(model.poles)):
        for direction in (1j, 1.0):
            moved = [
                [s + sign * step * direction * (j == k) for j, s in enumerate(model.poles)]
                for sign in (1, -1)
            ]
            slopes.append((mean(moved[0]) - mean(moved[1])) / (2 * step))
    basis = record.basis(model.decays, model.poles)
    information = np.zeros((len(slopes), len(slopes)))
    for c in range(record.channels):
        w = np.sqrt(2 / model.background[c])
        a = np.concatenate([(basis * w[:, None]).real, (basis * w[:, None]).imag])
        d = np.stack([np.concatenate([(x[c] * w).real, (x[c] * w).imag]) for x in slopes], axis=1)
        d = d - a @ np.linalg.lstsq(a, d, rcond=1e-11)[0]
        information += d.T @ d
    spread = np.sqrt(np.maximum(np.diag(np.linalg.pinv(information)), 0.0))
    return [(float(spread[2 * k]), float(spread[2 * k + 1])) for k in range(len(model.poles))]


def _wandering_mode(record: _Record, model: _Model, block: int) -> Mode:
    s = model.peak
    assert s is not None
    z = np.exp(s)
    shape = 1 / np.abs((1 - z * record.turn) * (1 - np.conj(z) * record.turn)) ** 2
    extra = np.maximum(model.background - model.background.min(axis=1, keepdims=True), 0.0)
    near = np.abs(record.omega - s.imag) < 3 * max(abs(s.real), 2 * np.pi / record.count)
    power = 2 * (extra * near).sum(axis=1) / record.count * record.scale**2
    # each coherence time 1/sigma of the record is one look at the frequency: Fisher information of the peak
    looks = np.array([_slope(record, s, d) for d in (1j, 1.0)]) * (model.background > 2 * np.median(
        model.background, axis=1, keepdims=True)).any(axis=0)  # fmt: skip
    errors = 1 / np.sqrt(np.maximum((looks**2).sum(axis=1) * record.channels, 1e-300))
    del shape
    return Mode(
        omega=s.imag / block, sigma=-s.real / block,
        errors=(float(errors[0]) / block, float(errors[1]) / block),
        amplitudes=np.sqrt(2 * power), phases=np.full(record.channels, np.nan), power=power, chance=1.0,
        steady=False,
    )  # fmt: skip


def _slope(record: _Record, s: complex, direction: complex) -> Array:
    """The derivative of the log of a resonance's spectrum along a direction of its pole."""
    step = 1e-6 * abs(s)

    def log(p: complex) -> Array:
        z = np.exp(p)
        return -2 * np.log(np.abs((1 - z * record.turn) * (1 - np.conj(z) * record.turn)))

    return (log(s + step * direction) - log(s - step * direction)) / (2 * step)


def _curve(record: _Record, model: _Model) -> Array:
    """Trend and modes over the rows, in the record's units; the constant is what makes the means agree."""
    made = model.amplitudes @ record.sampled(model.decays, model.poles).T
    made = made + (record.values - made).mean(axis=1, keepdims=True)
    return made * record.scale[:, None] + record.mean[:, None]


def _reduced(values: Array) -> tuple[Array, int, int]:
    """At most MOST_ROWS rows: block means where what turns fastest is slow enough for them, else the last rows."""
    rows = values.shape[1]
    if rows <= MOST_ROWS:
        return values, 1, 0
    block = -(-rows // MOST_ROWS)
    t = np.linspace(-1, 1, rows)
    fastest = 0.0
    for y in values:
        y = y - np.polyval(np.polyfit(t, y, 1), t)
        power = np.abs(np.fft.rfft(y)[1:]) ** 2
        edges = np.unique(np.geomspace(1, len(power), 60).astype(int))
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            part = power[low - 1 : high]
            k = int(np.argmax(part))
            # a line stands out of its band; the loudest of so many bins of noise does not
            if len(part) > 8 and part[k] > 6 * math.log(rows) * np.median(part):
                fastest = max(fastest, 2 * np.pi * (low + k) / rows)
    if fastest * block > 1.2:
        return values[:, -MOST_ROWS:], 1, rows - MOST_ROWS
    first = rows % block
    return values[:, first:].reshape(len(values), -1, block).mean(axis=2), block, first
