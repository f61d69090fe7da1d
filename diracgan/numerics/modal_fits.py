"""Oscillations in a measured series: candidates from a matrix pencil, fitted and tested against coloured noise.

Every series is a trend, some modes A exp(-sigma n) cos(omega n + delta) and noise whose spectrum is red and white. Its
discrete Fourier transform then has independent bins, so that likelihoods are sums over bins (Whittle 1953) and the
error of a frequency is set by the noise near that frequency, not by its total.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy.optimize import minimize
from scipy.stats import chi2

from .noisy_modes import FLOOR, NoisyModes, SpectralRecord, fitted, fitted_amplitudes, fitted_trend, shortened

Array = np.ndarray
_CHANCE = 1e-6  # how often pure noise may look like an oscillation
_LASTS = 3.0  # a mode is seen until it has shrunk to exp(-3)
_CYCLES = 1.0  # and must turn so often until then
_IN_RECORD = 1.5  # and so often in the whole record
_WANDERS = 4.0  # a wandering one must turn so often: fewer bins do not tell a resonance from a red spectrum


@dataclasses.dataclass(frozen=True)
class OscillationMode:
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
        first: the first of the record's rows that was used.
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


def oscillation_modes(values: Array, most: int = 3) -> ModalFit:
    """Find the oscillations of a record.

    Args:
        values: (channels, rows) of finite numbers at equal intervals; channels are seen as one system, whose
            modes they share.
        most: look for at most so many modes.

    Returns:
        A :class:`ModalFit`, per row of ``values``.

    References:
        Hua & Sarkar 1990 (matrix pencil); Whittle 1953; Mann & Lees 1996 (lines against red noise).

    Example:
        >>> n = np.arange(400)
        >>> rng = np.random.default_rng(0)
        >>> y = np.exp(-0.005 * n) * np.cos(0.2 * n) + 0.05 * rng.normal(size=400)
        >>> (m,) = oscillation_modes(y[None]).modes
        >>> round(m.omega, 3), round(m.sigma, 3), m.steady
        (0.2, 0.005, True)
    """
    rows, block, first = shortened(np.asarray(values, float))
    record = SpectralRecord(rows)
    null = fitted_trend(record)
    found, chances = _steady(record, null, most)
    wandering, chance = _wandering(record, null, found)
    if wandering is not None and wandering.bic < found.bic and chance < _CHANCE:
        made = [dataclasses.replace(_wandering_mode(record, wandering, block), chance=chance)]
        best = wandering
    else:
        made, best = _merged(record, found, chances, block), found
    return ModalFit(
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


# ---------------- modes


def _steady(record: SpectralRecord, null: NoisyModes, most: int) -> tuple[NoisyModes, list[float]]:
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


def _one_more(record: SpectralRecord, now: NoisyModes, guesses: list[complex]) -> NoisyModes | None:
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
        return float(np.sum(fitted_amplitudes(record, basis, now.background)[1] ** 2))

    first = sorted(tried, key=cost)[:2]
    fits = [fitted(record, now.decays, [*now.poles, s], now.background) for s in first]
    return max(fits, key=lambda m: m.likelihood)


def _visible(s: complex, rows: int, slack: float = 1.0) -> bool:
    """Whether a mode turns often enough, before it has died or the record ends, to be called an oscillation."""
    lasts = min(rows, _LASTS / max(abs(s.real), 1e-300))
    turns = s.imag / (2 * np.pi)
    return lasts * turns >= slack * _CYCLES and rows * turns >= slack * _IN_RECORD


def _pencil(record: SpectralRecord, order: int = 10) -> list[complex]:
    """The logarithms of a matrix pencil's poles in the upper half plane, from the Hankel matrices of all channels."""
    length = min(record.count // 3, 300)
    cut = record.values[:, : min(record.count, 1500)]
    windows = [np.lib.stride_tricks.sliding_window_view(y, length + 1) for y in cut]
    _, _, rows = np.linalg.svd(np.concatenate(windows), full_matrices=False)
    space = rows[:order].T
    poles = np.linalg.eigvals(np.linalg.lstsq(space[:-1], space[1:], rcond=None)[0])
    poles = poles[(np.abs(poles) > 1e-3) & (np.imag(poles) > 1e-9)]
    return [complex(np.log(z)) for z in poles]


def _wandering(
    record: SpectralRecord, null: NoisyModes, steady: NoisyModes
) -> tuple[NoisyModes | None, float]:
    """The trend with a resonance in the noise: an oscillation that noise keeps going, whose phase wanders."""
    ratio = (null.residual / null.background).sum(axis=0)
    smooth = np.convolve(ratio, np.ones(5) / 5, mode="same")
    ok = record.omega * record.count >= 2 * np.pi * _IN_RECORD
    if not ok.any():
        return None, 1.0
    centres = [float(record.omega[np.argmax(np.where(ok, smooth, 0.0))]), *(s.imag for s in steady.poles[:1])]
    floor = np.maximum(null.background, FLOOR)
    seen = null.residual + FLOOR
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
        return np.maximum(np.stack(made), FLOOR)

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


def _merged(
    record: SpectralRecord, model: NoisyModes, chances: list[float], block: int
) -> list[OscillationMode]:
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
        model = fitted(record, model.decays, [model.poles[g[0]] for g in groups], model.background)
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
    record: SpectralRecord,
    model: NoisyModes,
    k: int,
    errors: tuple[float, float],
    chance: float,
    single: bool,
    block: int,
) -> OscillationMode:
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
    return OscillationMode(
        omega=s.imag / block, sigma=-s.real / block + 0.0, errors=(errors[0] / block, errors[1] / block),
        amplitudes=np.abs(complex_), phases=np.angle(complex_), power=power, chance=chance, exponential=single,
    )  # fmt: skip


def _energy(record: SpectralRecord, model: NoisyModes, k: int) -> float:
    first = 1 + len(model.decays) + 2 * k
    columns = record.sampled([], [model.poles[k]])[:, 1:]
    return float(np.sum((model.amplitudes[:, first : first + 2] @ columns.T) ** 2))


def _errors(record: SpectralRecord, model: NoisyModes) -> list[tuple[float, float]]:
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


def _wandering_mode(record: SpectralRecord, model: NoisyModes, block: int) -> OscillationMode:
    s = model.peak
    assert s is not None
    extra = np.maximum(model.background - model.background.min(axis=1, keepdims=True), 0.0)
    near = np.abs(record.omega - s.imag) < 3 * max(abs(s.real), 2 * np.pi / record.count)
    power = 2 * (extra * near).sum(axis=1) / record.count * record.scale**2
    # each coherence time 1/sigma of the record is one look at the frequency: Fisher information of the peak
    looks = np.array([_slope(record, s, d) for d in (1j, 1.0)]) * (model.background > 2 * np.median(
        model.background, axis=1, keepdims=True)).any(axis=0)  # fmt: skip
    errors = 1 / np.sqrt(np.maximum((looks**2).sum(axis=1) * record.channels, 1e-300))
    return OscillationMode(
        omega=s.imag / block, sigma=-s.real / block,
        errors=(float(errors[0]) / block, float(errors[1]) / block),
        amplitudes=np.sqrt(2 * power), phases=np.full(record.channels, np.nan), power=power, chance=1.0,
        steady=False,
    )  # fmt: skip


def _slope(record: SpectralRecord, s: complex, direction: complex) -> Array:
    """The derivative of the log of a resonance's spectrum along a direction of its pole."""
    step = 1e-6 * abs(s)

    def log(p: complex) -> Array:
        z = np.exp(p)
        return -2 * np.log(np.abs((1 - z * record.turn) * (1 - np.conj(z) * record.turn)))

    return (log(s + step * direction) - log(s - step * direction)) / (2 * step)


def _curve(record: SpectralRecord, model: NoisyModes) -> Array:
    """Trend and modes over the rows, in the record's units; the constant is what makes the means agree."""
    made = model.amplitudes @ record.sampled(model.decays, model.poles).T
    made = made + (record.values - made).mean(axis=1, keepdims=True)
    return made * record.scale[:, None] + record.mean[:, None]
