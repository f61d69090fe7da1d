"""The forecast from one checkpoint: the linear response of the whole optimiser step to minibatch noise.

    d+ = A d + kick,   A the Jacobian of one full-batch iteration on (weights, moments), kick a minibatch iteration
    less the state itself, both at the frozen checkpoint.

No number is fitted to a run. Multipliers are cut to 1 - 25/steps: what the line remembers for longer, the run forgets
by its curvature. That, and by how much intervals of the linear system are widened, was chosen on pilot runs.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any

import equinox as eqx
import numpy as np
from numpy.typing import ArrayLike

from ..errors import callback, integer
from ..game import Game, Players
from ..jax_settings import own_settings
from ..numerics.reduced_order import capped, driven
from ..pytrees import Pytree
from ..records import Record
from ..rules import Rule
from ..training.run import Run
from .checkpoint import Checkpoint, checkpoint
from .jax_step import JaxCheckpoint, JaxStep, settled
from .linear_response import LinearisedStep, LinearResponse, linear_response
from .measured_game import MeasuredGame
from .settings import Setting, changed

UNSTABLE = 1.01  # a turning multiplier beyond this leaves the linear regime within some hundred iterations
DEPARTS = 1.02  # and one that does not turn leaves along its direction: 1.013 was harmless, 1.037 was not
RUNS = 12  # of the reduced system, each as long as the window
_MEMORIES = (
    25  # of the longest memory that a window holds: at 5, samples spread a quarter too far on the pilot runs
)
_TURNING = 5  # a multiplier turns where a window holds so many of its turns
_MODEL = 1.35  # factor by which nine of ten pilot spreads were within the linear system's
_LEVEL = (5.0, 95.0)  # percentiles of the runs
_TURNS = 2.0  # that half a window must hold of an oscillation
_BAND = 0.25  # of the logarithm of the frequency, over which a spectrum is smoothed


@dataclasses.dataclass(frozen=True)
class SeriesForecast:
    """What one monitored series does over the window.

    Attributes:
        now: its value at the checkpoint.
        level: its mean over the window; ``level_low``, ``level_high`` hold nine runs of ten.
        spread: its standard deviation around its own straight line; ``spread_low`` and ``spread_high`` likewise, with
            what the linear system itself was wrong by in nine of ten pilot runs.
        mean_frequency: sqrt(E x'^2/E x^2), the mean rate at which it passes its line (Rice), radians per iteration.
        frequency: the angular frequency at which its variance per octave peaks, per iteration; None where that only
            falls; ``frequency_low`` and ``frequency_high`` hold the peaks of nine runs of ten.
        averaged: the spread of the averaged generator's series over that of the generator's, above 1 where that drifts:
            the average starts with it, and lags; None without an average, and for series that the critic is part of.
    """

    now: float
    level: float
    level_low: float
    level_high: float
    spread: float
    spread_low: float
    spread_high: float
    mean_frequency: float | None
    frequency: float | None
    frequency_low: float | None
    frequency_high: float | None
    averaged: float | None

    @property
    def words(self) -> list[str]:
        """Level, spread and its interval, iterations a turn, and what an average leaves, as a table shows them."""
        turn = "-" if not self.mean_frequency else f"{2.0 * np.pi / self.mean_frequency:.4g}"
        numbers = (self.level, self.spread, self.spread_low, self.spread_high)
        return [
            *(f"{x:.4g}" for x in numbers),
            turn,
            "-" if self.averaged is None else f"{self.averaged:.3g}",
        ]


class ForecastStatus(StrEnum):
    """What the linearised iteration says of a setting."""

    SPREADS = "spreads"
    """Losses fluctuate about a level."""
    DEPARTS = "departs"
    """A multiplier that does not turn exceeds 1.02: losses are not to be trusted."""
    UNSTABLE = "unstable"
    """A multiplier that turns exceeds 1.01."""


@dataclasses.dataclass(frozen=True)
class SettingForecast:
    """The forecast under one setting.

    Attributes:
        setting: what was changed, in words.
        status: a :class:`ForecastStatus`; of an unstable one there are no series.
        growth: the modulus of the leading turning multiplier; ``angle`` its argument, radians per iteration. None of
            both where none turns.
        departure: the largest multiplier that does not turn; None where all do.
        series: name -> :class:`SeriesForecast`: loss_d, loss_g, d_real, d_fake, samples_0, ...
        text: in words.
    """

    setting: str
    status: str
    growth: float | None
    angle: float | None
    departure: float | None
    series: dict[str, SeriesForecast]
    text: str


@dataclasses.dataclass(frozen=True)
class Forecast(Record):
    """What :func:`forecast` finds.

    Attributes:
        settings: one forecast each, the run's own first.
        steps: iterations of the window.
        size: of the optimiser's full state.
        products: with the transposed Jacobian, that each setting took.
    """

    settings: list[SettingForecast]
    steps: int
    size: int
    products: int

    @property
    def unstable(self) -> int:
        """How many of the settings are unstable."""
        return sum(s.status == ForecastStatus.UNSTABLE for s in self.settings)


def forecast(
    run: Run | MeasuredGame | Game | str | os.PathLike[str],
    settings: Iterable[Mapping[str, Any] | str] = (),
    steps: int = 2500,
    *,
    samples: int = 256,
    seed: int = 0,
    players: Players | None = None,
    rule: Rule | None = None,
    memory: Pytree = None,
    batch: int | None = None,
    tell: Callable[[int, int, str], None] | None = None,
) -> Forecast:
    """The spread and the spectrum of losses, logits and samples over the next iterations, from one checkpoint.

    d+ = A d + kick, with A the Jacobian of one whole full-batch iteration on (weights, the optimiser's memory) and
    kick what a minibatch's iteration does, both at the frozen checkpoint; reduced by a Krylov space of A^T to what is
    monitored, and followed for ``steps`` iterations. Losses are evaluated as they are written on the logits that
    follow. Neither networks nor optimiser move.

    Args:
        run: a training run of ours of one seed, its folder, or a :class:`~diracgan.game.Game` with ``players``,
            ``rule``, ``memory`` and ``batch``; or your own training in JAX or PyTorch, from
            :func:`diracgan.measure.game` with ``optimiser`` (in JAX and ``state``): its losses, and the mean logits
            with ``critic``, to first order.
        settings: others to try from the same checkpoint, each ``"lr=2e-3,batch=256"`` or a mapping: the rule's
            parameters, ``ratio`` (lr_d/lr_g), ``batch``, ``ema``, the variant's parameters and penalties.
        steps: iterations of the window.
        samples: of a mixture, on which everything is monitored; a finite problem is taken whole.
        seed: of all draws.
        players: where a Game is.
        rule: how it moves.
        memory: what the rule remembers there; None for a rule without memory.
        batch: samples in a Game's minibatch, drawn from its own with replacement.
        tell: called before each setting, and after the last, with how many are done, how many there are, and which
            it is.

    Returns:
        A :class:`Forecast`. Its intervals hold nine of ten runs of the linear system; how far real runs stay from it
        is measured in docs/howto/forecast.md.

    Raises:
        InputError: for what is not a run, a run whose optimiser remembers nothing yet, or a setting that is not one.

    References:
        Mandt, Hoffman, Blei 2017 (arXiv 1704.04289), for constant-rate SGD as an Ornstein-Uhlenbeck process.

    Example:
        >>> import diracgan as dg
        >>> run = dg.train("ns:r1=0.1", "points8", networks={"width": 4}, steps=300, batch=16)
        >>> found = dg.forecast(run, ["lr=1e-4"], steps=100, samples=32)
        >>> [s.setting for s in found.settings]
        ['as it is', 'lr=1e-4']
        >>> found.settings[1].series["d_real"].spread < found.settings[0].series["d_real"].spread
        True
    """
    callback("tell", tell)
    steps, seed = integer("steps", steps, low=50), integer("seed", seed, low=0)
    several = isinstance(settings, Iterable) and not isinstance(settings, str | Mapping)
    tried: list[Any] = list(settings) if several else [settings]
    with own_settings(True):
        at, now = checkpoint(run, players, rule, memory, batch, samples)
        change = changed if isinstance(at, JaxCheckpoint) else at.changed
        wanted = [now, *(change(now, given) for given in tried)]
        found, size, products = [], 0, 0
        for done, setting in enumerate(wanted):
            if tell is not None:
                tell(done, len(wanted), setting.label)
            response = linear_response(under(at, setting, steps, seed), seed)
            found.append(_forecast(response, setting, steps, seed))
            size, products = response.size, response.model.products
        if tell is not None:
            tell(len(wanted), len(wanted), wanted[-1].label)
    return Forecast(found, steps, size, products)


def under(at: Any, setting: Setting, steps: int, seed: int) -> LinearisedStep:
    """The iteration under a setting; where gradients are others, with the memory that they make at held players."""
    there = at.under(setting)
    if setting.other_gradients and isinstance(there, Checkpoint):
        there = eqx.tree_at(lambda c: c.memory, there, settled(there, steps, seed + 1))
    return JaxStep(there) if isinstance(there, JaxCheckpoint) else there


def _forecast(response: LinearResponse, setting: Setting, steps: int, seed: int) -> SettingForecast:
    growth, angle, departure = leading_multipliers(response.model.multipliers, steps)
    if growth is not None and growth > UNSTABLE:
        text = f"unstable: a multiplier of {growth:.5g} turns by {angle:.3g} an iteration and grows"
        return SettingForecast(
            setting.label, ForecastStatus.UNSTABLE.value, growth, angle, departure, {}, text
        )
    made, averages = followed(response, steps, seed, setting.ema)
    found = {n: _described(x, averages.get(n)) for n, x in made.items()}
    loss = found["loss_g"]
    text = f"loss_g spreads by {loss.spread:.3g} around {loss.level:.4g}"
    if loss.mean_frequency:
        text += f", {2 * np.pi / loss.mean_frequency:.3g} iterations a turn"
    departs = departure is not None and departure > DEPARTS
    if departs:
        text += f"; it departs: a multiplier of {departure:.5g} does not turn, so do not trust the losses"
    status = ForecastStatus.DEPARTS if departs else ForecastStatus.SPREADS
    return SettingForecast(setting.label, status.value, growth, angle, departure, found, text)


def leading_multipliers(
    multipliers: np.ndarray, steps: int
) -> tuple[float | None, float | None, float | None]:
    """Modulus and argument of the largest multiplier that turns at least once in a fifth of the window, and the modulus
    of the largest other one.

    Example:
        >>> import numpy as np
        >>> leading_multipliers(np.array([1.02, 0.5j, -0.5j]), 1000)
        (0.5, 1.5707963267948966, 1.02)
    """
    turns = np.abs(np.angle(multipliers)) >= 2.0 * np.pi * _TURNING / steps
    still = float(np.abs(multipliers[~turns]).max()) if not np.all(turns) else None
    if not np.any(turns):
        return None, None, still
    first = multipliers[turns][np.argmax(np.abs(multipliers[turns]))]
    return float(np.abs(first)), float(np.abs(np.angle(first))), still


def followed(
    response: LinearResponse, steps: int, seed: int, ema: float | None = None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every series along every run of the reduced system, (runs, steps + 1), and those of the averaged generator."""
    model = response.model
    slow = capped(model.transition, 1.0 - _MEMORIES / steps)
    outputs = driven(slow, model.output, response.kicks, steps, RUNS, seed)
    outputs = np.concatenate([np.zeros_like(outputs[:, :1]), outputs], axis=1)
    made, averages = response.step.series(response.monitors, outputs), {}
    if ema is not None:
        from scipy.signal import lfilter

        of_samples = {n: x for n, x in made.items() if n.startswith("samples")}
        for n, x in of_samples.items():
            averages[n] = x[:, :1] + lfilter([1.0 - ema], [1.0, -ema], x - x[:, :1], axis=1)
    return made, averages


def _described(x: np.ndarray, average: np.ndarray | None) -> SeriesForecast:
    now, x = float(x[0, 0]), x[:, 1:]
    level, wide, peaks = x.mean(axis=1), spread(x), peak_frequency(x)
    whole, peaks = peak_frequency(x, together=True)[0], peaks[np.isfinite(peaks)]
    turns = np.isfinite(whole) and len(peaks) > 0
    averaged = None
    if average is not None and np.any(wide > 0):
        averaged = float(np.mean(spread(average[:, 1:])) / np.mean(wide))
    level_low, level_high = _interval(level)
    spread_low, spread_high = _interval(wide)
    frequency_low, frequency_high = _interval(peaks) if turns else (None, None)
    rates = mean_frequency(x)
    return SeriesForecast(
        now=now,
        level=float(level.mean()),
        level_low=level_low,
        level_high=level_high,
        spread=float(wide.mean()),
        spread_low=spread_low / _MODEL,
        spread_high=spread_high * _MODEL,
        mean_frequency=float(np.mean(rates)) if np.all(np.isfinite(rates)) else None,
        frequency=float(whole) if turns else None,
        frequency_low=frequency_low,
        frequency_high=frequency_high,
        averaged=averaged,
    )


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, _LEVEL)
    return float(low), float(high)


def spread(x: ArrayLike) -> np.ndarray:
    """The standard deviation of series (..., steps) around their own straight lines.

    Example:
        >>> import numpy as np
        >>> round(float(spread(3.0 * np.arange(100.0) + np.resize([1.0, -1.0], 100))), 3)
        1.0
    """
    from scipy.signal import detrend

    return np.std(detrend(np.asarray(x, float), axis=-1), axis=-1)


def mean_frequency(x: ArrayLike) -> np.ndarray:
    """The mean rate at which series (..., steps) pass their own straight lines, radians per iteration; NaN at rest.

    By Rice's formula sqrt(E x'^2/E x^2), for x(t + 1) - x(t): of a long series of one frequency w it is w, to about one
    part in the radians that the series turns by. Many more crossings than peaks of a spectrum go into it, so that
    it scatters little from run to run.

    References:
        Rice 1945, Mathematical Analysis of Random Noise (doi 10.1002/j.1538-7305.1945.tb00453.x), section 3.3.

    Example:
        >>> import numpy as np
        >>> round(float(mean_frequency(np.sin(0.1 * np.arange(2000)))), 3)  # 200 radians: to half a percent
        0.1
    """
    from scipy.signal import detrend

    rows = detrend(np.asarray(x, float), axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.mean(np.diff(rows, axis=-1) ** 2, axis=-1) / np.mean(rows**2, axis=-1)
    return 2.0 * np.arcsin(np.minimum(0.5 * np.sqrt(ratio), 1.0))


def peak_frequency(x: ArrayLike, *, together: bool = False) -> np.ndarray:
    """The angular frequency at which each series' variance per octave peaks, (runs,), or of all together, (1,).

    Welch's spectrum S over halves of the window, as omega S(omega), smoothed over a quarter of a factor e: what is slow
    and falls like a random walk's has no peak, and is NaN; a broad band has one where most of its variance is.

    Args:
        x: (runs, steps).
        together: whether the spectra are averaged first.

    Example:
        >>> import numpy as np
        >>> t = np.arange(2000)
        >>> round(float(peak_frequency(np.sin(0.1 * t)[None])[0]), 2)
        0.1
    """
    from scipy.signal import detrend, welch

    rows = detrend(np.asarray(x, float), axis=-1)
    length = max(rows.shape[-1] // 2, 8)
    cycles, power = welch(rows, window="hann", nperseg=length, axis=-1)
    power = power.mean(axis=0, keepdims=True) if together else power
    omega = 2.0 * np.pi * cycles[1:]
    grid = np.geomspace(2.0 * np.pi * _TURNS / length, np.pi, 400)
    near = np.exp(-0.5 * (np.log(grid[:, None] / omega) / _BAND) ** 2) / omega  # d omega/omega: equal octaves
    octaves = (power[:, 1:] * omega) @ near.T / near.sum(axis=1)
    peak = np.argmax(octaves, axis=1)
    return np.where((peak > 0) & (octaves.max(axis=1) > 0), grid[peak], np.nan)
