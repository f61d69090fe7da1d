"""Noise-driven oscillations: a resonance in a spectrum, with errors that hold for kicked oscillators.

The periodogram's bins are independent and exponentially distributed around the spectrum (Whittle 1953); the most likely
parameters are found by Fisher scoring on the logarithm of the spectrum.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from scipy.stats import chi2

Array = np.ndarray
_ROUNDS = 60
_LOG_SIGMA = (-12.0, 1.0)  # where the damping's logarithm is looked for


@dataclasses.dataclass(frozen=True)
class Resonance:
    """A resonance over red and white noise.

    Attributes:
        omega: angular frequency per row; pi for what changes sign from row to row.
        sigma: damping of each kick, per row.
        errors: standard errors of omega and sigma; that of sigma is infinite at an end of the search.
        power: the share of the variance that the resonance holds.
        gain: twice the logarithm of how much likelier it is than red and white noise alone.
        chance: how likely red and white noise alone would look like it.
        spectrum: (bins,) of everything, as the periodogram's expectation.
        noise: (bins,) without the resonance.
        innovation: the variance that is left when the past is known.
    """

    omega: float
    sigma: float
    errors: tuple[float, float]
    power: float
    gain: float
    chance: float
    spectrum: Array
    noise: Array
    innovation: float


def periodogram(y: Array) -> tuple[Array, Array]:
    """Angular frequencies of the bins 1 ... J and the power in them, |FFT|^2 / rows."""
    bins = np.arange(1, (len(y) - 1) // 2 + 1)
    return 2 * np.pi * bins / len(y), np.abs(np.fft.rfft(y)[bins]) ** 2 / len(y)


def scored(log_spectrum: Callable[[Array], Array], x: Array, power: Array) -> tuple[Array, float, Array]:
    """The most likely parameters, minus their log-likelihood, and their covariance.

    Args:
        log_spectrum: parameters -> (bins,).
        x: where to begin.
        power: (bins,) the periodogram.
    """

    def cost(x: Array) -> float:
        s = log_spectrum(x)
        return float(np.sum(s + power * np.exp(-s)))

    def slopes(x: Array, s: Array) -> Array:
        step = 1e-5
        return np.stack([(log_spectrum(x + step * e) - s) / step for e in np.eye(len(x))], axis=1)

    now, brake = cost(x), 1e-2
    for _ in range(_ROUNDS):
        s = log_spectrum(x)
        j = slopes(x, s)
        g, h = j.T @ (power * np.exp(-s) - 1.0), j.T @ j
        scale = np.diag(h) + 1e-12
        while brake < 1e8:
            move = np.clip(np.linalg.solve(h + brake * np.diag(scale), g), -1.0, 1.0)
            then = cost(x + move)
            if then < now:
                break
            brake *= 6.0
        else:
            break
        brake, gain = max(brake / 8.0, 1e-8), now - then
        x, now = x + move, then
        if gain < 1e-5:
            break
    s = log_spectrum(x)
    j = slopes(x, s)
    inverse = np.linalg.pinv(j.T @ j, rcond=1e-12, hermitian=True)
    # the spread of the scores themselves: what a spectrum of another shape adds to the errors
    spread = j * (power * np.exp(-s) - 1.0)[:, None]
    robust = inverse @ (spread.T @ spread) @ inverse
    return x, now, np.where(np.eye(len(x)) > 0, np.maximum(inverse, robust), inverse)


def _noise(x: Array, cosine: Array) -> Array:
    memory = 1 / (1 + math.exp(-float(np.clip(x[1], -30, 30))))
    red = (1 - memory) ** 2 / (1 + memory**2 - 2 * memory * cosine)
    return np.exp(np.clip(x[0], -60, 60)) * red + np.exp(np.clip(x[2], -60, 60))


def background(omega: Array, power: Array) -> tuple[Array, float]:
    """The most likely red and white spectrum of a periodogram, and minus its log-likelihood."""
    level, cosine = float(np.mean(power)) + 1e-300, np.cos(omega)
    p = power / level + 1e-14
    low, high = float(p[: max(3, len(p) // 40)].mean()), float(p[len(p) // 2 :].mean())
    tries = [
        scored(lambda x: np.log(_noise(x, cosine)), np.array([math.log(low), m, math.log(high)]), p)
        for m in (0.5, 3.0)
    ]
    x, cost, _ = min(tries, key=lambda t: t[1])
    return level * _noise(x, cosine), cost + len(p) * math.log(level)


def resonance(y: Array, start: complex, fixed: bool = False) -> Resonance:
    """Fit a resonance near the pole exp(start) to a series without its trend.

    Args:
        y: (rows,).
        start: -sigma + i omega of the first guess.
        fixed: keep omega and sigma as they are, and fit the sizes alone.

    Returns:
        The :class:`Resonance`.

    Example:
        >>> from scipy.signal import lfilter
        >>> kicks = np.random.default_rng(0).normal(size=2000)
        >>> y = lfilter([1], [1, -2 * 0.95 * np.cos(0.5), 0.95**2], kicks)
        >>> found = resonance(y, -0.1 + 0.4j)
        >>> round(found.omega, 1), bool(abs(found.sigma + np.log(0.95)) < 3 * found.errors[1])
        (0.5, True)
    """
    omega, power = periodogram(y)
    level, cosine = float(np.mean(power)) + 1e-300, np.cos(omega)
    p = power / level + 1e-14
    turn, flips = np.exp(-1j * omega), start.imag >= np.pi - 1e-9

    def shape(s: float, w: float) -> Array:
        z = math.exp(-s) * np.exp(1j * w)
        if flips:
            return 1 / np.abs(1 - z.real * turn) ** 2
        return 1 / np.abs((1 - z * turn) * (1 - np.conj(z) * turn)) ** 2

    def pole(x: Array) -> tuple[float, float]:
        if fixed:
            return -start.real, start.imag
        return math.exp(float(np.clip(x[4], *_LOG_SIGMA))), math.pi if flips else float(x[5])

    def parts(x: Array) -> tuple[Array, Array]:
        hump = shape(*pole(x))
        return _noise(x, cosine), np.exp(np.clip(x[3], -60, 60)) * hump / hump.max()

    null, cost0 = background(omega, power)
    near = np.abs(omega - start.imag) <= max(-start.real, 2 * np.pi / len(y))
    peak = float(p[near].mean()) if near.any() else 1.0
    first = [math.log(float(null[0]) / level), 1.0, math.log(float(null.min()) / level), math.log(peak)]
    rest = [] if fixed else [math.log(-start.real)] if flips else [math.log(-start.real), start.imag]
    x, cost, covariance = scored(lambda x: np.log(np.add(*parts(x)) + 1e-300), np.array([*first, *rest]), p)
    sigma, w = pole(x)
    noise, hump = parts(x)
    gain = 2 * (cost0 - len(p) * math.log(level) - cost)
    errors = (0.0, 0.0)
    if not fixed:
        inside = _LOG_SIGMA[0] < x[4] < _LOG_SIGMA[1]
        errors = (
            0.5 / len(y) if flips else math.sqrt(max(covariance[5, 5], 0.0)),
            sigma * math.sqrt(max(covariance[4, 4], 0.0)) if inside else math.inf,
        )
    variance = max(float(np.var(y)), 1e-300)
    return Resonance(
        w,
        sigma,
        errors,
        min(2 * level * float(hump.sum()) / len(y) / variance, 1.0),
        max(gain, 0.0),
        min(1.0, len(p) * float(chi2.sf(max(gain, 0.0), 3))),
        level * (noise + hump),
        level * noise,
        float(np.exp(np.mean(np.log(level * (noise + hump))))),
    )
