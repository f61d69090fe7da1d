"""A measured series as a mean (a trend and oscillations) with red and white noise, fitted in the frequency domain.

References:
    Whittle 1953 (the likelihood as a sum over the bins of a discrete Fourier transform).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.linalg import lstsq
from scipy.optimize import least_squares, minimize

Array = np.ndarray

MOST_ROWS = 4096  # a longer series is averaged in blocks, or cut, to this many rows
FLOOR = 1e-16  # power below this share of the series is what rounding and unfinished fits leave


def shortened(values: Array) -> tuple[Array, int, int]:
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


class SpectralRecord:
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
        """How many series share the modes."""
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
class NoisyModes:
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
        """The Bayesian information criterion: the smaller, the better the model."""
        return self.parameters * math.log(self.residual.size) - 2 * self.likelihood


def fitted_amplitudes(record: SpectralRecord, basis: Array, noise: Array) -> tuple[Array, Array]:
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


def noise_spectrum(power: Array, turn: Array) -> tuple[Array, float]:
    """The red and white spectrum A/|1 - a e^-iw|^2 + B that is most likely for this power, and its likelihood."""
    power = power + FLOOR
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
    return np.maximum(level * spectrum(best.x), FLOOR), -float(best.fun) - len(p) * math.log(level)


def fitted(
    record: SpectralRecord,
    decays: list[float],
    poles: list[complex],
    noise: Array | None = None,
    rounds: int = 4,
) -> NoisyModes:
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
                return fitted_amplitudes(record, record.basis(*unpack(x)), s)[1].ravel()

            scales = np.array([1.0] * k + [scale] * (2 * len(poles)))
            x = least_squares(left, x, x_scale=scales, max_nfev=25, xtol=1e-10, ftol=1e-10).x
        decays, poles = unpack(x)
        basis = record.basis(decays, poles)
        amplitudes = fitted_amplitudes(record, basis, background)[0]
        residual = np.abs(record.data - amplitudes @ basis.T) ** 2
        each = [noise_spectrum(r, record.turn) for r in residual]
        background = np.stack([e[0] for e in each])
        before, likelihood = likelihood, sum(e[1] for e in each)
        if abs(likelihood - before) < 1e-3:
            break
    count = (
        len(decays) + 2 * len(poles) + record.channels * (3 + 1 + len(decays) + 2 * len(poles))
    )  # three of the noise
    return NoisyModes(decays, poles, amplitudes, background, residual, likelihood, count)


def fitted_trend(record: SpectralRecord) -> NoisyModes:
    """The trend alone: a ramp, and up to two real exponentials where they say more."""
    best = fitted(record, [], [])
    for _ in range(2):
        rates = np.geomspace(2.0 / record.count, 1.0, 12)

        def cost(r: float, now: NoisyModes = best) -> float:
            basis = record.basis([*now.decays, r], [])
            return float(np.sum(fitted_amplitudes(record, basis, now.background)[1] ** 2))

        guess = float(min(rates, key=cost))
        more = fitted(record, [*best.decays, guess], [], best.background)
        if more.bic > best.bic - 6:
            break
        best = more
    return best
