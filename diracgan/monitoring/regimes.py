"""The regimes of a run: what its losses do from when to when, what that means, and what it does not mean."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from ..numerics.change_points import block_means, change_points
from ..numerics.modal_fits import ModalFit, OscillationMode, oscillation_modes
from ..variants import Variant
from . import levels
from .clocks import FEWEST
from .logs import Log
from .regime_kinds import MEANS, RegimeKind
from .roles import losses

TURNS = 0.2  # share of a loss's variance from which a regime is said to rotate
_SHORT = 0.25  # of the run: a first regime that is longer is not a start
_NEAR = 0.08  # of its level: within that a loss is at chance
_MOST = 4  # series that are looked at where none is named as a loss
_STEP = 40  # rows; a piece of no more that lies between two levels is one step
_CONSTANT = 0.95  # of a regime's rows hold one value: it is constant
_GROWS = 4.0


@dataclasses.dataclass(frozen=True)
class LossRegime:
    """What a run does for a while.

    Attributes:
        kind: a :class:`RegimeKind`.
        start: the clock at its first row; ``end`` at its last.
        end: see ``start``.
        first: its first row; ``rows`` how many it has.
        rows: see ``first``.
        level: series -> median.
        change: series -> what a straight line rises over it.
        player: "critic" or "generator", where one has won.
        evidence: the numbers that say so.
        means: what it means.
        means_not: what it does not mean.
    """

    kind: RegimeKind
    start: float
    end: float
    first: int
    rows: int
    level: dict[str, float]
    change: dict[str, float]
    player: str | None
    evidence: str
    means: str
    means_not: str


@dataclasses.dataclass(frozen=True)
class _Stretch:
    """A stretch between two change points with what is asked of it, series by series."""

    first: int
    last: int
    median: np.ndarray
    noise: np.ndarray
    rise: np.ndarray
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
    """

    critic: int | None
    generator: int | None
    variant: Variant | None
    guessed: bool

    def player(self, row: int) -> str | None:
        """Whose loss a row among the series is."""
        return {self.critic: "critic", self.generator: "generator"}.get(row)

    @functools.cached_property
    def limits(self) -> levels.LossLimits | None:
        """What the losses' values are held against; None where they tell nothing."""
        return None if self.variant is None else levels.limits_of(self.variant)


def meaning_of(log: Log, variant: Variant | None) -> Meaning:
    """Which series are the players' losses, and which loss function they belong to."""
    critic, generator = losses(log.names)
    places = [None if n is None else log.names.index(n) for n in (critic, generator)]
    values = [None if k is None else log.values[k] for k in places]
    found = variant if variant is not None else levels.guessed(*values)
    return Meaning(places[0], places[1], found, variant is None)


def regimes(log: Log, meaning: Meaning) -> list[LossRegime]:
    """Divide a log into its regimes.

    Args:
        log: the series.
        meaning: whose losses they are.

    Returns:
        The regimes in their order; together they cover every row.

    Example:
        >>> from diracgan.monitoring.logs import read
        >>> rng = np.random.default_rng(0)
        >>> n = np.arange(400)
        >>> d = np.where(n < 250, 1.38, 1.38 * np.exp(-(n - 250) / 10)) + 0.02 * np.abs(rng.normal(size=400))
        >>> g = np.where(n < 250, 0.69, 6.0) + 0.02 * rng.normal(size=400)
        >>> log = read({"d_loss": d, "g_loss": g})
        >>> [r.kind.value for r in regimes(log, meaning_of(log, None))][::2]
        ['at-chance', 'player-won']
    """
    pieces = _pieces(log, meaning)
    made: list[LossRegime] = []
    for k, p in enumerate(pieces):
        before = pieces[k - 1] if k else None
        now = _regime(log, meaning, p, before, len(pieces) - 1 == k, made[-1] if made else None)
        if made and _same(made[-1], now, p):
            made[-1] = _joined(log, made[-1], now)
        else:
            made.append(now)
    return _bounded(_with_growth(log, meaning, made))


def _bounded(made: list[LossRegime]) -> list[LossRegime]:
    """The regimes, of which one that grows only up to where a player has won is on its way there."""
    means, means_not = MEANS[RegimeKind.TRANSIENT]
    way = {"kind": RegimeKind.TRANSIENT, "means": means, "means_not": means_not}
    return [
        dataclasses.replace(r, **way) if r.kind is RegimeKind.DIVERGING and after is RegimeKind.WON else r
        for r, after in zip(made, [*(r.kind for r in made[1:]), None], strict=True)
    ]


def _with_growth(log: Log, meaning: Meaning, made: list[LossRegime]) -> list[LossRegime]:
    """The regimes, of which the last ones are one that diverges where they grow together as such a one does."""
    rising = (RegimeKind.TRANSIENT, RegimeKind.DRIFTING, RegimeKind.DIVERGING)
    k = len(made)
    while k > 1 and made[k - 1].kind in rising:
        k -= 1
    if len(made) - k < 2:
        return made
    whole = _stretch(log.values, made[k].first, made[-1].first + made[-1].rows)
    grown = _growth(log, whole, _shown(meaning, len(log.names)))
    if not grown and made[-1].kind is not RegimeKind.DIVERGING:
        return made
    means, means_not = MEANS[RegimeKind.DIVERGING]
    joined = made[k]
    for r in made[k + 1 :]:
        joined = _joined(log, joined, r)
    evidence = grown or made[-1].evidence
    said = dataclasses.replace(
        joined, kind=RegimeKind.DIVERGING, evidence=evidence, means=means, means_not=means_not
    )
    return [*made[:k], said]


def _shown(meaning: Meaning, count: int) -> list[int]:
    """The rows of the series that regimes are judged by: the losses, or the first where none is named so."""
    named = [k for k in (meaning.critic, meaning.generator) if k is not None]
    return named or list(range(min(count, _MOST)))


def _pieces(log: Log, meaning: Meaning) -> list[_Stretch]:
    values = log.values
    rows = values.shape[1]
    shown = values[_shown(meaning, len(values))]
    quiet = _still(shown)
    fixed = np.flatnonzero(np.diff(quiet.astype(int))) + 1
    shown = _without_rotation(shown)
    period = max((_period(y) for y in shown), default=0.0)
    shortest = int(max(2.5 * period, 12))
    cuts = change_points(shown, min(shortest, rows), fixed if len(fixed) <= 8 else None)
    cuts = _with_sharp_steps(shown, cuts)
    return [_stretch(values, a, b) for a, b in zip(cuts, [*cuts[1:], rows], strict=True)]


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


def _goes_on_growing(values: np.ndarray, mode: OscillationMode, first: int) -> bool:
    """Whether a mode that grows still does so at the end: what sets in and then keeps its size does not."""
    n = np.arange(first, values.shape[1])
    turned = (values[:, first:] - values[:, first:].mean(axis=1, keepdims=True)) * np.exp(
        -1j * mode.omega * n
    )
    size = [float(np.abs(p.mean(axis=1)).max()) for p in np.array_split(turned, 8, axis=1)]
    expected = -mode.sigma * len(n) / 8  # of its logarithm, from the last eighth but one to the last
    return math.log(max(size[-1], 1e-300) / max(size[-2], 1e-300)) > 0.5 * expected


def _without_rotation(values: np.ndarray) -> np.ndarray:
    """The series without a mode that goes through the whole run: its waves are no change."""
    moving = np.ptp(values, axis=1) > 0
    if values.shape[1] < FEWEST or not moving.any():
        return values
    fit = oscillation_modes(values[moving], most=1)
    if not fit.modes or not fit.modes[0].steady or fit.first >= values.shape[1] // 2:
        return values
    m, n = fit.modes[0], np.arange(values.shape[1]) - fit.first
    wave = m.amplitudes[:, None] * np.exp(-m.sigma * n) * np.cos(m.omega * n + m.phases[:, None])
    sets_in = -m.sigma * len(n) > math.log(_GROWS) and not _goes_on_growing(values[moving], m, fit.first)
    if _share(fit, values[moving]) < TURNS or sets_in:
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
    power[:3] = 0.0
    if not power.sum() > 0:
        return 0.0
    k = int(np.argmax(power))
    near = power[max(k - 1, 0) : k + 2].sum()
    # a slow one that is one of few bins of a red spectrum does not count
    return float(edges[-1]) / k if near > 0.25 * power.sum() and k >= 4 else 0.0


def _stretch(values: np.ndarray, a: int, b: int) -> _Stretch:
    part = values[:, a:b]
    means, _ = block_means(part, 40) if b - a >= 8 else (part, None)
    t = np.linspace(-0.5, 0.5, means.shape[1])
    slope = (means - means.mean(axis=1, keepdims=True)) @ t / (t @ t)
    left = means - means.mean(axis=1, keepdims=True) - slope[:, None] * t
    error = left.std(axis=1) / math.sqrt(max(float(t @ t), 1e-12)) + 1e-300
    noise = 1.4826 * np.median(np.abs(np.diff(part, axis=1)), axis=1) / math.sqrt(2)
    scale = np.maximum(np.maximum(noise, left.std(axis=1)), 1e-3 * np.abs(np.median(part, axis=1)))
    moves = bool(np.any((np.abs(slope) > 5 * error) & (np.abs(slope) > 1.5 * scale)))
    constant = np.mean(part == np.median(part, axis=1, keepdims=True), axis=1) >= _CONSTANT
    constant |= np.ptp(part, axis=1) <= 1e-9 * np.maximum(np.abs(part).max(axis=1), 1e-300)
    return _Stretch(a, b, np.median(part, axis=1), noise, slope, moves, constant)


def _regime(
    log: Log, meaning: Meaning, p: _Stretch, before: _Stretch | None, last: bool, previous: LossRegime | None
) -> LossRegime:
    kind, player, evidence = _kind(log, meaning, p, before, last, previous)
    at = log.first + log.interval * np.array([p.first, p.last - 1])
    means, means_not = MEANS[kind]
    if kind in (RegimeKind.CHANCE, RegimeKind.SETTLED, RegimeKind.DRIFTING) and meaning.variant is not None:
        means_not = levels.chance_note(meaning.variant) if meaning.limits is None else means_not
    if player is not None:
        means = f"the {'discriminator (critic)' if player == 'critic' else 'generator'} has won"
    return LossRegime(
        kind,
        float(at[0]),
        float(at[1]),
        p.first,
        p.last - p.first,
        dict(zip(log.names, map(float, p.median), strict=True)),
        dict(zip(log.names, map(float, p.rise), strict=True)),
        player,
        evidence,
        means,
        means_not,
    )


def _kind(
    log: Log, meaning: Meaning, p: _Stretch, before: _Stretch | None, last: bool, previous: LossRegime | None
) -> tuple[RegimeKind, str | None, str]:
    shown = _shown(meaning, len(log.names))
    said = ", ".join(f"{log.names[k]} {p.median[k]:.4g}" for k in shown[:3])
    part = log.values[:, p.first : p.last]
    won = _winner(meaning, p)
    grown = _growth(log, p, shown)
    if (grown and won is None) or (last and log.broken is not None and _growth(log, p, shown, 2.0)):
        ended = f", not finite from {log.broken:.10g} on" if last and log.broken is not None else ""
        return RegimeKind.DIVERGING, None, f"{said}; {grown or 'growing'}{ended}"
    if all(p.constant[k] for k in shown) and won is None:
        levelled = [
            (log.names[k], levels.level_named(float(p.median[k]), meaning.player(k), meaning.limits))
            for k in shown
        ]
        named = "".join(f"; {name} is at {level}" for name, level in levelled if level)
        return RegimeKind.DEAD, None, f"{said}, the same on every row{named}"
    if won is not None:
        return RegimeKind.WON, won, said + _left(meaning, p, won)
    if p.last - p.first >= FEWEST and not all(p.constant[k] for k in shown):
        moving = part[[k for k in shown if not p.constant[k]]]
        fit = oscillation_modes(moving, most=1)
        share = _share(fit, moving)
        if share >= TURNS:
            mode = fit.modes[0]
            grows = mode.steady and -mode.sigma * (p.last - p.first) > math.log(_GROWS)
            if grows and last and _goes_on_growing(moving, mode, fit.first):
                times = math.exp(-mode.sigma * (p.last - p.first))
                return RegimeKind.DIVERGING, None, f"{said}; an oscillation that grows {times:.3g} times"
            period = 2 * math.pi / mode.omega * log.interval
            return (
                RegimeKind.ROTATING,
                None,
                f"{said}; a period of {period:.4g} {log.unit} holds {100 * share:.0f} %",
            )
    flipped = _flip(meaning, p, before, shown, previous)
    if flipped:
        return RegimeKind.FLIPPED, None, f"{said}; {flipped}"
    length = (p.last - p.first) / log.values.shape[1]
    begun = previous is not None and previous.kind is RegimeKind.START and p.moves
    if (before is None or begun) and p.last <= _SHORT * log.values.shape[1] and not last:
        return RegimeKind.START, None, said
    jump = _jump(log, p, before, shown, previous)
    if jump and not _at_chance(meaning, p):
        return RegimeKind.NEW_TERM, None, f"{said}; {jump}"
    if before is not None and not last and p.moves and length <= 0.15:
        return RegimeKind.TRANSIENT, None, said
    if _at_chance(meaning, p):
        return RegimeKind.CHANCE, None, f"{said}, within {100 * _NEAR:.0f} % of chance"
    if p.moves:
        k = max(shown, key=lambda k: abs(p.rise[k]) / (p.noise[k] + 1e-3 * abs(p.median[k]) + 1e-300))
        return RegimeKind.DRIFTING, None, f"{said}; {log.names[k]} changes by {p.rise[k]:+.3g}"
    return RegimeKind.SETTLED, None, said


def _share(fit: ModalFit, part: np.ndarray) -> float:
    if not fit.modes:
        return 0.0
    variance = np.maximum(part.var(axis=1), 1e-300)
    return float(np.max(np.minimum(fit.modes[0].power / variance, 1.0)))


def _winner(meaning: Meaning, p: _Stretch) -> str | None:
    if meaning.limits is None or meaning.critic is None:
        return None
    g = None if meaning.generator is None else float(p.median[meaning.generator])
    return meaning.limits.winner(float(p.median[meaning.critic]), g)


def _left(meaning: Meaning, p: _Stretch, won: str) -> str:
    """What the generator's gradient is where a player has won."""
    if meaning.generator is None or meaning.variant is None:
        return ""
    value = float(p.median[meaning.generator])
    clip = levels.ceiling_near(value)
    if clip is not None and won == "critic":
        return f": {value:.5g} is {clip}, a ceiling that clipping makes, and no gradient passes it"
    slope = next(x.gradient for x in levels.levels(meaning.variant) if x.kind == f"{won}-won")
    return f"; {slope:.2g} of gradient is left to the generator for each logit"


def _growth(log: Log, p: _Stretch, shown: list[int], times: float = _GROWS) -> str:
    """In words, how the losses grow in a piece; empty where they do not."""
    count = max((p.last - p.first) // 10, 2)
    for k in shown:
        y = log.values[k, p.first : p.last]
        earlier = log.values[k, : p.first]
        usual = max(float(np.percentile(np.abs(earlier if len(earlier) > 8 else y[:count]), 95)), 1e-12)
        end, begin = float(np.median(np.abs(y[-count:]))), float(np.median(np.abs(y[:count])))
        middle = float(np.median(np.abs(y[len(y) // 2 - count : len(y) // 2 + count]))) + 1e-12
        # growth that feeds on itself: as much in the second half as in the first, in ratio
        feeds = end > max(2.5, 0.5 * middle / max(begin, 1e-12)) * middle or times < _GROWS
        if feeds and end > times * usual and end > times * begin:
            return f"{log.names[k]} grows from {begin:.3g} to {end:.3g}"
    return ""


def _at_chance(meaning: Meaning, p: _Stretch) -> bool:
    limits = meaning.limits
    if limits is None or meaning.critic is None:
        return False
    d = float(p.median[meaning.critic])
    scale = max(limits.chance)
    near = [abs(d - c) <= _NEAR * max(abs(c), 0.5 * scale) for c in limits.chance]
    if meaning.generator is None:
        return any(near)
    g = float(p.median[meaning.generator])
    return any(near) and abs(g - limits.chance_g) <= 1.5 * _NEAR * max(abs(limits.chance_g), 0.5 * scale)


def _flip(
    meaning: Meaning, p: _Stretch, before: _Stretch | None, shown: list[int], previous: LossRegime | None
) -> str:
    if before is None or previous is None or previous.kind in (RegimeKind.START, RegimeKind.TRANSIENT):
        return ""
    for k in shown:
        was, now = before.median[k], p.median[k]
        if abs(was) > 4 * (before.noise[k] + p.noise[k]) and abs(was + now) < 0.3 * abs(was):
            return f"a loss changes its sign, from {was:.4g} to {now:.4g}"
    limits = meaning.limits
    if limits is None or meaning.critic is None or meaning.generator is None:
        return ""
    level = min(
        limits.chance, key=lambda c: abs(c - 0.5 * (before.median[meaning.critic] + p.median[meaning.critic]))
    )
    d = [(x.median[meaning.critic] - level) / max(abs(level), 0.5) for x in (before, p)]
    g = [
        (x.median[meaning.generator] - limits.chance_g) / max(abs(limits.chance_g), 0.5) for x in (before, p)
    ]
    far = 0.15
    if d[0] * d[1] < 0 and g[0] * g[1] < 0 and min(map(abs, [*d, *g])) > far and d[0] * g[0] < 0:
        return "the loss that was below chance is above it, and the other way round"
    return ""


def _jump(
    log: Log, p: _Stretch, before: _Stretch | None, shown: list[int], previous: LossRegime | None
) -> str:
    if (
        before is None
        or previous is None
        or previous.kind in (RegimeKind.START, RegimeKind.TRANSIENT, RegimeKind.ROTATING)
    ):
        return ""
    width = max(4, min(p.last - p.first, before.last - before.first) // 10)
    steps, jumps = {}, {}
    for k in shown:
        a = log.values[k, max(p.first - 2 * width, before.first) : p.first - width // 2]
        b = log.values[k, p.first + width // 2 : p.first + 2 * width]
        if len(a) < 2 or len(b) < 2:
            return ""
        noise = max(before.noise[k], p.noise[k], 1e-3 * abs(before.median[k]), 1e-300)
        jumps[k] = abs(float(np.mean(b) - np.mean(a)))
        steps[k] = float(np.mean(b) - np.mean(a)) / noise
    slide = (
        6 * width / (p.last - p.first) * np.abs(p.rise)
    )  # what its slope alone makes between the two windows
    moved = [k for k in shown if abs(steps[k]) > 4 and jumps[k] > slide[k]]
    calm = [k for k in shown if abs(steps[k]) < 1.5]
    if len(moved) == 1 and len(moved) + len(calm) == len(shown) and len(shown) > 1:
        k = moved[0]
        return (
            f"{log.names[k]} goes from {before.median[k]:.4g} to {p.median[k]:.4g} at once, the other goes on"
        )
    return ""


def _same(one: LossRegime, other: LossRegime, p: _Stretch) -> bool:
    """Whether a regime only goes on."""
    apart = [abs(one.level[n] - x) for n, x in other.level.items()]
    near = all(a <= 3 * s for a, s in zip(apart, p.noise, strict=True))
    if one.kind in (RegimeKind.NEW_TERM, RegimeKind.FLIPPED):  # after its onset such a one is settled
        close = [a <= 0.05 * abs(x) for a, x in zip(apart, other.level.values(), strict=True)]
        return (near or all(close)) and other.kind in (RegimeKind.SETTLED, RegimeKind.CHANCE)
    if one.kind is not other.kind or one.player != other.player:
        return False
    return near if one.kind is RegimeKind.SETTLED else True


def _joined(log: Log, one: LossRegime, other: LossRegime) -> LossRegime:
    whole = _stretch(log.values, one.first, other.first + other.rows)
    evidence = other.evidence if one.kind is other.kind else one.evidence
    return dataclasses.replace(
        one,
        end=other.end,
        rows=one.rows + other.rows,
        evidence=evidence,
        level=dict(zip(log.names, map(float, whole.median), strict=True)),
        change=dict(zip(log.names, map(float, whole.rise), strict=True)),
    )
