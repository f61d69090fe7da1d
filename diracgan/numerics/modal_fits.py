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
from scipy.stats import chi2

from .autoregression import Autoregression, is_flip
from .records import fitted_line, shortened, smoothed, without_spikes
from .resonance import Resonance, background, periodogram, resonance
from .steady_modes import CHANCE, ModeSearch, OscillationMode, steady_modes, visible

Array = np.ndarray
_FLIPS = 0.36  # a sign that changes from row to row is an oscillation where it lasts for four periods
_SLOW = 15.0  # turns in a record, below which red noise may pass for a mode
_WANDERS = 4.0  # a wandering one must turn so often: fewer bins do not tell a resonance from a red spectrum
_JUMP = 0.5  # of its range, in one row: what a sawtooth does and a rotation of 8 rows or more does not


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
    search = ModeSearch(models, steady_modes(y[alive].tobytes(), len(models), most) if models else None)
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
    return len(omega) * float(chi2.sf(max(gain, 0.0), 4)) < CHANCE


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
    models: list[Autoregression], y: Array, search: ModeSearch, steady: bool
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
        if not seen or chance > CHANCE:
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
        power[c] = other.power if other.chance < CHANCE else 0.0
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
