"""Pieces of a run between change points, and whose losses they belong to."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..numerics.change_points import block_means, change_points
from ..numerics.modal_fits import ModalFit, oscillation_modes
from ..numerics.steady_modes import OscillationMode
from ..variants import Variant, variant as make_variant
from . import levels
from .clocks import FEWEST
from .logs import Log
from .outputs import OutputLimits, output_limits
from .roles import losses
from .signs import GRADIENTS, logarithms, signs

TURNS = 0.2  # share of a loss's variance from which a regime is said to rotate
GROWS = 4.0
_MOST = 4  # series that are looked at where none is named as a loss
_STILL_THERE = 0.8  # of what it was: what has shrunk to less within the first piece fades
_FADE_ROWS = 8  # rows whose mean tells whether something still fades
_STEP = 40  # rows; a piece of no more that lies between two levels is one step
_CUT = ("spread", "covered", "real", "fake")  # signs whose levels mean something
_CONSTANT = 0.95  # of a regime's rows hold one value: it is constant


@dataclasses.dataclass(frozen=True)
class LogPiece:
    """A stretch between two change points with what it is examined for, series by series; ``moves``: any loss does."""

    first: int
    last: int
    median: np.ndarray
    noise: np.ndarray
    rise: np.ndarray
    moving: np.ndarray
    moves: bool
    constant: np.ndarray


@dataclasses.dataclass(frozen=True)
class Meaning:
    """The losses of a log, and the loss function they are measured by.

    Attributes:
        critic: row of the critic's loss among the series, or None.
        generator: row of the generator's, or None.
        variant: the loss function, or None where nothing tells.
        guessed: whether it is a guess.
        limits: what the losses' values are held against; None where they tell nothing.
        outputs: what the critic's outputs are held against, where a log has them.
    """

    critic: int | None
    generator: int | None
    variant: Variant | None
    guessed: bool
    limits: levels.LossLimits | None = None
    outputs: OutputLimits | None = None

    def player(self, row: int) -> str | None:
        """Whose loss a row among the series is."""
        return {self.critic: "critic", self.generator: "generator"}.get(row)


def meaning_of(log: Log, variant: Variant | None) -> Meaning:
    """Which series are the players' losses, and which loss function they belong to."""
    critic, generator = losses(log.names)
    places = [None if n is None else log.names.index(n) for n in (critic, generator)]
    values = [None if k is None else log.values[k] for k in places]
    found = levels.loss_seen(variant, *values)
    limits = None if found is None else levels.limits_seen(found, *values)
    told = {"real", "fake"} <= signs(log.names).keys()
    outputs = output_limits(found or make_variant("ns")) if told else None
    return Meaning(places[0], places[1], found, variant is None, limits, outputs)


def notes_on_loss(meaning: Meaning, given: Variant | None) -> list[str]:
    """What was guessed of the loss that the log is read by."""
    notes = []
    if meaning.guessed and meaning.variant is not None:
        notes.append(
            f"no variant was named; by its range the loss is taken for {meaning.variant.label}: a guess"
        )
    elif meaning.variant is not None and given is not None and meaning.variant.label != given.label:
        notes.append(
            f"both losses rest at chance of {meaning.variant.label}, not of {given.label}, and are read by it: a guess"
        )
    if levels.in_bits(meaning.variant, meaning.limits):
        notes.append(
            "its logarithms are taken to be to base 2: at chance 2 and 1, not 1.386 and 0.693; a guess"
        )
    return notes


def shown_rows(meaning: Meaning, count: int) -> list[int]:
    """The rows of the series that regimes are judged by: the losses, or the first where none is named so."""
    named = [k for k in (meaning.critic, meaning.generator) if k is not None]
    return named or list(range(min(count, _MOST)))


def pieces_of(log: Log, meaning: Meaning) -> list[LogPiece]:
    """The log from change point to change point of its losses, and of what tells the variety of samples."""
    values = log.values
    count = values.shape[1]
    beside = {sign: log.names.index(n) for sign, n in signs(log.names).items()}
    rows = dict.fromkeys(
        [*shown_rows(meaning, len(values)), *(k for sign, k in beside.items() if sign in _CUT)]
    )
    gradients = [logarithms(values[k]) for sign, k in beside.items() if sign in GRADIENTS]
    shown = np.stack([*values[list(rows)], *gradients])
    quiet = _still(shown)
    fixed = np.flatnonzero(np.diff(quiet.astype(int))) + 1
    shown = _without_rotation(shown)
    period = max((_period(y) for y in shown), default=0.0)
    shortest = int(max(2.5 * period, 12))
    cuts = change_points(shown, min(shortest, count), fixed if len(fixed) <= 8 else None)
    cuts = _with_whole_fade(shown, _with_sharp_steps(shown, cuts))
    judged = shown_rows(meaning, len(values))
    return [stretch_of(values, a, b, judged) for a, b in zip(cuts, [*cuts[1:], count], strict=True)]


def _with_sharp_steps(values: np.ndarray, cuts: list[int]) -> list[int]:
    """The cuts, of which the two around a short piece that holds nothing but one step become one at that step."""
    made, ends = list(cuts), [*cuts[1:], values.shape[1]]
    for a, b in zip(cuts[1:], ends[1:], strict=True):
        before = max((c for c in made if c < a), default=None)
        if b - a > _STEP or b == values.shape[1] or before is None or a not in made:
            continue
        w = min(_STEP, a - before, values.shape[1] - b)
        left, right = np.median(values[:, a - w : a], axis=1), np.median(values[:, b : b + w], axis=1)
        k = int(np.argmax(np.abs(right - left) / (values.std(axis=1) + 1e-300)))
        inner = values[k, a:b]
        share = (inner - left[k]) / (right[k] - left[k] + 1e-300)
        later = share > 0.5
        step = a + int(np.argmax(later)) if later.any() else b
        # it passes from one level to the other once, and rests on hardly a row between them
        if np.all(later[step - a :]) and np.count_nonzero(np.abs(share - 0.5) < 0.25) <= 2:
            made = sorted((set(made) - {a, b}) | {step})
    return made


def _with_whole_fade(values: np.ndarray, cuts: list[int]) -> list[int]:
    """The cuts, of which the first is where what fades from the beginning has faded: straight pieces end it early."""
    if len(cuts) < 2:
        return cuts
    cut, end = cuts[1], cuts[2] if len(cuts) > 2 else values.shape[1]
    far = min(cut, (end - cut) // 2)
    if far < _FADE_ROWS:
        return cuts
    later, degree = np.arange(cut + far, end), int(end - cut > 3 * cut)
    faded = 0
    for y in values:
        line = np.polyfit(later, y[later], degree)
        off = y[:end] - np.polyval(line, np.arange(end))
        early, *_, late = (float(np.mean(part)) for part in np.array_split(off[:cut], 3))
        if abs(late) > _STILL_THERE * abs(early):  # nothing fades yet: what comes is a change of its own
            continue
        begun = float(np.mean(off[:cut]))
        error = max(3.0 * float(np.std(off[cut + far :])) / math.sqrt(_FADE_ROWS), 0.1 * abs(begun))
        sign = math.copysign(1.0, begun)
        parts = sign * off[cut : cut + far // _FADE_ROWS * _FADE_ROWS].reshape(-1, _FADE_ROWS).mean(axis=1)
        faded = max(faded, int(np.argmin([*(parts > error), False])) * _FADE_ROWS)
    return [0, cut + faded, *cuts[2:]]


def goes_on_growing(values: np.ndarray, mode: OscillationMode, first: int) -> bool:
    """Whether a mode that grows still does so at the end: what sets in and then keeps its size does not."""
    n = np.arange(first, values.shape[1])
    turned = (values[:, first:] - values[:, first:].mean(axis=1, keepdims=True)) * np.exp(
        -1j * mode.omega * n
    )
    size = [float(np.abs(p.mean(axis=1)).max()) for p in np.array_split(turned, 8, axis=1)]
    expected = -mode.sigma * len(n) / 8  # of its logarithm, from the last eighth but one to the last
    return math.log(max(size[-1], 1e-300) / max(size[-2], 1e-300)) > 0.5 * expected


def _without_rotation(values: np.ndarray) -> np.ndarray:
    """The series without a mode that goes through the whole run: its waves are not a change."""
    moving = np.ptp(values, axis=1) > 0
    if values.shape[1] < FEWEST or not moving.any():
        return values
    fit = strongest_mode(values[moving])
    if not fit.modes or not fit.modes[0].steady or fit.first >= values.shape[1] // 2:
        return values
    m, n = fit.modes[0], np.arange(values.shape[1]) - fit.first
    wave = m.amplitudes[:, None] * np.exp(-m.sigma * n) * np.cos(m.omega * n + m.phases[:, None])
    back, ago = values[moving][:, fit.first :][:, ::-1], dataclasses.replace(m, sigma=-m.sigma)
    changes = abs(m.sigma) * len(n) > math.log(GROWS)
    sets_in = changes and m.sigma < 0 and not goes_on_growing(values[moving], m, fit.first)
    # what fades does so from the beginning
    stops = changes and m.sigma > 0 and not goes_on_growing(back, ago, 0)
    if share_of(fit, values[moving]) < TURNS or sets_in or stops:
        return values
    made = values.copy()
    made[moving] -= wave
    return made


def _still(values: np.ndarray) -> np.ndarray:
    """Rows within a long stretch on which no series changes at all."""
    rows = values.shape[1]
    same = np.all(np.diff(values, axis=1, prepend=np.nan) == 0, axis=0)
    edges = np.flatnonzero(np.diff(same.astype(int), prepend=0, append=0))
    made = np.zeros(rows, bool)
    for a, b in zip(edges[::2], edges[1::2], strict=True):
        if b - a >= max(10, rows // 20):
            made[a:b] = True
    return made


def _period(y: np.ndarray) -> float:
    """The period that holds a quarter of a series' variance in three bins, in rows; 0 where there is none."""
    means, edges = block_means(y[None], 512)
    c = means[0] - np.polyval(np.polyfit(np.arange(means.shape[1]), means[0], 1), np.arange(means.shape[1]))
    power = np.abs(np.fft.rfft(c * np.hanning(len(c)))) ** 2
    whole = power[1:].sum()
    power[:3] = 0.0
    if not power.sum() > 0:
        return 0.0
    k = int(np.argmax(power))
    near = power[max(k - 1, 0) : k + 2].sum()
    # a slow one that is one of few bins of a red spectrum does not count
    of = max(0.25 * power.sum(), 0.1 * whole)  # nor one that is what a ramp leaves
    return float(edges[-1]) / k if near > of and k >= 4 and _turns_again(c, k) else 0.0


def _turns_again(y: np.ndarray, cycles: int) -> bool:
    """Whether a wave of so many cycles is there for three of them, as what a step leaves at its frequency is not."""
    turns = np.exp(-2j * math.pi * cycles * np.arange(len(y)) / len(y))
    parts = zip(np.array_split(y, cycles), np.array_split(turns, cycles), strict=True)
    sizes = np.array([abs(np.mean(_without_line(p) * turn)) for p, turn in parts])
    return bool(np.count_nonzero(sizes > 0.5 * sizes.max()) >= 3)


def _without_line(y: np.ndarray) -> np.ndarray:
    """What a straight line leaves: a ramp is not a wave in any cycle."""
    t = np.arange(len(y)) - (len(y) - 1) / 2
    return y - y.mean() - t * (t @ y) / max(float(t @ t), 1.0)


def stretch_of(values: np.ndarray, a: int, b: int, judged: list[int]) -> LogPiece:
    """The rows from ``a`` to ``b`` of (series, rows): level, noise, rise, and whether what is judged moves at all."""
    part = values[:, a:b]
    means, _ = block_means(part, 40) if b - a >= 8 else (part, None)
    t = np.linspace(-0.5, 0.5, means.shape[1])
    slope = (means - means.mean(axis=1, keepdims=True)) @ t / (t @ t)
    left = means - means.mean(axis=1, keepdims=True) - slope[:, None] * t
    error = left.std(axis=1) / math.sqrt(max(float(t @ t), 1e-12)) + 1e-300
    noise = 1.4826 * np.median(np.abs(np.diff(part, axis=1)), axis=1) / math.sqrt(2)
    scale = np.maximum(np.maximum(noise, left.std(axis=1)), 1e-3 * np.abs(np.median(part, axis=1)))
    moving = (np.abs(slope) > 5 * error) & (np.abs(slope) > 1.5 * scale)
    moves = bool(np.any(moving[judged]))
    constant = np.mean(part == np.median(part, axis=1, keepdims=True), axis=1) >= _CONSTANT
    constant |= np.ptp(part, axis=1) <= 1e-9 * np.maximum(np.abs(part).max(axis=1), 1e-300)
    return LogPiece(a, b, np.median(part, axis=1), noise, slope, moving, moves, constant)


def strongest_mode(part: np.ndarray) -> ModalFit:
    """The fit of a stretch by its strongest mode; one that holds little may be an overtone, which is found first."""
    fit = oscillation_modes(part, most=1)
    return oscillation_modes(part, most=2) if fit.modes and share_of(fit, part) < TURNS else fit


def share_of(fit: ModalFit, part: np.ndarray) -> float:
    """The share of the variance that the strongest mode holds, in the series where it holds most."""
    if not fit.modes:
        return 0.0
    variance = np.maximum(part.var(axis=1), 1e-300)
    return float(np.max(np.minimum(fit.modes[0].power / variance, 1.0)))
