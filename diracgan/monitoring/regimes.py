"""Regimes of a run: what its losses do from when to when, what that means, and what it does not mean."""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import NamedTuple

import numpy as np

from . import levels
from .clocks import FEWEST
from .logs import Log
from .pieces import (
    GROWS,
    TURNS,
    LogPiece,
    Meaning,
    goes_on_growing,
    pieces_of,
    share_of,
    shown_rows,
    stretch_of,
    strongest_mode,
)
from .regime_kinds import RegimeKind
from .roles import player_words
from .signs import levels_at, outputs_at_chance, signs, told
from .swings import outrun

_SHORT = 0.25  # of the run: a first regime that is longer is not a start
_SOON = 0.08  # the same for one that keeps its level
_FADING = 0.4  # the same for one that moves less and less


@dataclasses.dataclass(frozen=True)
class LossRegime:
    """What a run does over a stretch of its steps.

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


class Earlier(NamedTuple):
    """What lies before a piece.

    Attributes:
        piece: the piece before it, or None.
        regime: the regime that this one belongs to, or None.
        steady: the last piece that was not on its way from one level to another, where chance has a level the last
            one in which a player was ahead, or None.
    """

    piece: LogPiece | None = None
    regime: LossRegime | None = None
    steady: LogPiece | None = None


def regimes(log: Log, meaning: Meaning) -> list[LossRegime]:
    """Divide a log into its regimes.

    Args:
        log: the series.
        meaning: whose losses they are.

    Returns:
        The regimes in their order; together they cover every row.

    Example:
        >>> from diracgan.monitoring.logs import read
        >>> from diracgan.monitoring.pieces import meaning_of
        >>> rng = np.random.default_rng(0)
        >>> n = np.arange(400)
        >>> d = np.where(n < 250, 1.38, 1.38 * np.exp(-(n - 250) / 10)) + 0.02 * np.abs(rng.normal(size=400))
        >>> g = np.where(n < 250, 0.69, 6.0) + 0.02 * rng.normal(size=400)
        >>> log = read({"d_loss": d, "g_loss": g})
        >>> [r.kind.value for r in regimes(log, meaning_of(log, None))][::2]
        ['at-chance', 'player-won']
    """
    pieces = pieces_of(log, meaning)
    made: list[LossRegime] = []
    earlier = Earlier()
    for k, p in enumerate(pieces):
        now = _regime(log, meaning, p, earlier, len(pieces) - 1 == k)
        if made and _same(made[-1], now, p):
            made[-1] = _joined(log, made[-1], now)
        else:
            made.append(now)
        under_way = now.kind in (RegimeKind.START, RegimeKind.TRANSIENT)
        even = (
            earlier.steady is not None and _leader(meaning, p) is None
        )  # in between, however slowly it goes
        earlier = Earlier(p, made[-1], earlier.steady if under_way or even else p)
    return _with_end(log, _with_bends(log, _bounded(_with_growth(log, meaning, made))))


def _with_end(log: Log, made: list[LossRegime]) -> list[LossRegime]:
    """The regimes, of which the last row is one of its own where the series stop being finite after it."""
    last = made[-1]
    if log.broken is None or last.kind is RegimeKind.DIVERGING or last.rows < 2:
        return made
    end = float(log.at[-1])
    row = dataclasses.replace(last, start=end, end=end, first=last.first + last.rows - 1, rows=1, player=None)
    ended = _become(RegimeKind.DIVERGING, row, f"not finite from {log.clock} {log.broken:.10g} on")
    return [*made[:-1], dataclasses.replace(last, end=end - log.interval, rows=last.rows - 1), ended]


def _become(kind: RegimeKind, regime: LossRegime, evidence: str) -> LossRegime:
    """A regime that is taken for one of another kind."""
    means, means_not = kind.meaning, kind.means_not
    return dataclasses.replace(regime, kind=kind, evidence=evidence, means=means, means_not=means_not)


def _bounded(made: list[LossRegime]) -> list[LossRegime]:
    """The regimes, of which one that grows only up to where a player has won is on its way there."""
    return [
        _become(RegimeKind.TRANSIENT, r, r.evidence)
        if r.kind is RegimeKind.DIVERGING and after is RegimeKind.WON
        else r
        for r, after in zip(made, [*(r.kind for r in made[1:]), None], strict=True)
    ]


def _with_bends(log: Log, made: list[LossRegime]) -> list[LossRegime]:
    """The regimes, of which a short one that moves as the drift after it does is a part of that drift."""
    kept = made[:1]
    for r in made[1:]:
        one = kept[-1]
        if (one.kind, r.kind) == (RegimeKind.TRANSIENT, RegimeKind.DRIFTING) and _goes_alike(one, r):
            said = {n: getattr(r, n) for n in ("kind", "evidence", "means", "means_not")}
            kept[-1] = dataclasses.replace(_joined(log, one, r), **said)
        else:
            kept.append(r)
    return kept


def _goes_alike(one: LossRegime, other: LossRegime) -> bool:
    """Whether each series moves the same way in both, at rates within a factor of four."""
    rates = [(one.change[n] / one.rows, x / other.rows) for n, x in other.change.items()]
    return all(a * b > 0 and 0.25 < a / b < 4.0 for a, b in rates)


def _with_growth(log: Log, meaning: Meaning, made: list[LossRegime]) -> list[LossRegime]:
    """The regimes, of which the last ones are one that diverges where they grow together as such a one does."""
    rising = (RegimeKind.TRANSIENT, RegimeKind.DRIFTING, RegimeKind.DIVERGING)
    k = len(made)
    while k > 1 and made[k - 1].kind in rising:
        k -= 1
    if len(made) - k < 2:
        return made
    whole = stretch_of(log.values, made[k].first, made[-1].first + made[-1].rows, [])
    grown = _growth(log, whole, shown_rows(meaning, len(log.names)))
    if not grown and made[-1].kind is not RegimeKind.DIVERGING:
        return made
    joined = functools.reduce(functools.partial(_joined, log), made[k:])
    return [*made[:k], _become(RegimeKind.DIVERGING, joined, grown or made[-1].evidence)]


def _regime(log: Log, meaning: Meaning, p: LogPiece, earlier: Earlier, last: bool) -> LossRegime:
    kind, player, evidence = _kind(log, meaning, p, earlier, last)
    at = log.first + log.interval * np.array([p.first, p.last - 1])
    means, means_not = kind.meaning, kind.means_not
    if kind in (RegimeKind.CHANCE, RegimeKind.SETTLED, RegimeKind.DRIFTING) and meaning.variant is not None:
        means_not = levels.chance_note(meaning.variant) if meaning.limits is None else means_not
    if player is not None:
        means = f"the {player_words(player)} has won"
    return LossRegime(
        kind,
        float(at[0]),
        float(at[1]),
        p.first,
        p.last - p.first,
        log.named(p.median),
        log.named(p.rise),
        player,
        evidence,
        means,
        means_not,
    )


def _moved_when_won(earlier: Earlier, won: str, shown: list[int]) -> bool:
    """Whether the losses still moved after a player had won: where they then stand still, training has ended."""
    piece, previous, _ = earlier
    if piece is None or previous is None:
        return False
    if previous.kind is RegimeKind.DEAD:
        return True
    return previous.player == won and not all(piece.constant[k] for k in shown)


def _kind(
    log: Log, meaning: Meaning, p: LogPiece, earlier: Earlier, last: bool
) -> tuple[RegimeKind, str | None, str]:
    before, previous, steady = earlier
    shown = shown_rows(meaning, len(log.names))
    said = ", ".join(f"{log.names[k]} {p.median[k]:.4g}" for k in shown[:3])
    part = log.values[:, p.first : p.last]
    won = _winner(meaning, p)
    grown = _growth(log, p, shown)
    if (grown and won is None) or (last and log.broken is not None and _growth(log, p, shown, 2.0)):
        ended = f", not finite from {log.broken:.10g} on" if last and log.broken is not None else ""
        return RegimeKind.DIVERGING, None, f"{said}; {grown or 'growing'}{ended}"
    seen = levels_at(log.names, log.values, p.first, p.last)
    sign = told(signs(log.names), seen, meaning.limits is not None, meaning.outputs) if won is None else None
    if sign is not None:
        return sign.kind, sign.player, f"{said}; {sign.evidence}"
    constant = all(p.constant[k] for k in shown)
    if constant and won is not None and _moved_when_won(earlier, won, shown):
        return RegimeKind.DEAD, None, f"{said}, the same on every row since the {player_words(won)} has won"
    if constant and won is None:
        levelled = [
            (log.names[k], levels.level_named(float(p.median[k]), meaning.player(k), meaning.limits))
            for k in shown
        ]
        named = "".join(f"; {name} is at {level}" for name, level in levelled if level)
        return RegimeKind.DEAD, None, f"{said}, the same on every row{named}"
    if won is not None:
        return RegimeKind.WON, won, said + _left(meaning, p, won)
    together = _outrun(meaning, part)
    if together is not None:
        how = f"both losses swing together (correlation {together:.2f}), the critic's above chance"
        return RegimeKind.ONE_SIDED, None, f"{said}; {how}: the generator outruns it"
    turning = _turning(log, p, shown, last)
    if turning is not None:
        kind, how = turning
        return kind, None, f"{said}; {how}"
    flipped = "" if steady is None else _flip(meaning, p, steady, shown)
    if flipped:
        return RegimeKind.FLIPPED, None, f"{said}; {flipped}"
    length = (p.last - p.first) / log.values.shape[1]
    begun = previous is not None and previous.kind is RegimeKind.START and p.moves
    short = _SHORT if p.moves else _SOON
    short = _FADING if before is None and p.moves and _fades(part[shown]) else short
    if (before is None or begun) and p.last <= short * log.values.shape[1] and not last:
        return RegimeKind.START, None, said
    jump = _jump(log, p, before, shown, previous)
    chance = _at_chance(meaning, p) or (meaning.critic is None and outputs_at_chance(seen, meaning.outputs))
    if jump and not chance:
        return RegimeKind.NEW_TERM, None, f"{said}; {jump}"
    if before is not None and not last and p.moves and length <= 0.15:
        return RegimeKind.TRANSIENT, None, said
    if chance:
        return RegimeKind.CHANCE, None, f"{said}, within {100 * levels.NEAR:.0f} % of chance"
    if p.moves:
        moving = [k for k in shown if p.moving[k]]
        k = max(moving, key=lambda k: abs(p.rise[k]) / (p.noise[k] + 1e-3 * abs(p.median[k]) + 1e-300))
        return RegimeKind.DRIFTING, None, f"{said}; {log.names[k]} changes by {p.rise[k]:+.3g}"
    return RegimeKind.SETTLED, None, said


def _turning(log: Log, p: LogPiece, shown: list[int], last: bool) -> tuple[RegimeKind, str] | None:
    """Rotating, or diverging in an oscillation that grows, and how; None where none carries the piece."""
    if p.last - p.first < FEWEST or all(p.constant[k] for k in shown):
        return None
    moving = log.values[[k for k in shown if not p.constant[k]], p.first : p.last]
    fit = strongest_mode(moving)
    share = share_of(fit, moving)
    if share < TURNS:
        return None
    mode = fit.modes[0]
    grows = mode.steady and -mode.sigma * (p.last - p.first) > math.log(GROWS)
    if grows and last and goes_on_growing(moving, mode, fit.first):
        times = math.exp(-mode.sigma * (p.last - p.first))
        return RegimeKind.DIVERGING, f"an oscillation that grows {times:.3g} times"
    period = 2 * math.pi / mode.omega * log.interval
    return RegimeKind.ROTATING, f"a period of {period:.4g} {log.unit} holds {100 * share:.0f} %"


def _fades(part: np.ndarray) -> bool:
    """Whether a piece moves less and less, as a run does that leaves its initial weights."""
    a, b, c = (np.median(y, axis=1) for y in np.array_split(part, 3, axis=1))
    k = int(np.argmax(np.abs(c - a)))
    return bool(abs(b[k] - a[k]) > 2 * abs(c[k] - b[k]))


def _winner(meaning: Meaning, p: LogPiece) -> str | None:
    if meaning.limits is None or meaning.critic is None:
        return None
    g = None if meaning.generator is None else float(p.median[meaning.generator])
    return meaning.limits.winner(float(p.median[meaning.critic]), g, not p.moves)


def _outrun(meaning: Meaning, part: np.ndarray) -> float | None:
    """How both losses swing together where a generator outruns its critic; else None."""
    if meaning.limits is None or meaning.critic is None or meaning.generator is None:
        return None
    d, g = part[meaning.critic], part[meaning.generator]
    return outrun(d, g, meaning.limits.behind(d, g, float(np.percentile(d, 99))))


def _leader(meaning: Meaning, p: LogPiece) -> str | None:
    """Who is ahead in a piece; "" where the losses' values do not tell."""
    if meaning.limits is None or meaning.critic is None or meaning.generator is None:
        return ""
    return meaning.limits.leader(float(p.median[meaning.critic]), float(p.median[meaning.generator]))


def _left(meaning: Meaning, p: LogPiece, won: str) -> str:
    """What the generator's gradient is where a player has won."""
    if meaning.generator is None or meaning.variant is None:
        return ""
    value = float(p.median[meaning.generator])
    clip = levels.ceiling_near(value)
    if clip is not None and won == "critic":
        return f": {value:.5g} is {clip}, a ceiling that clipping makes, and no gradient passes it"
    slope = next(x.gradient for x in levels.levels(meaning.variant, meaning.limits) if x.kind == f"{won}-won")
    return f"; the slope of the generator's loss in a fake logit is {slope:.2g} there"


def _growth(log: Log, p: LogPiece, shown: list[int], times: float = GROWS) -> str:
    """In words, how the losses grow in a piece; empty where they do not."""
    count = max((p.last - p.first) // 10, 2)
    for k in shown:
        y = log.values[k, p.first : p.last]
        earlier = log.values[k, : p.first]
        usual = max(float(np.percentile(np.abs(earlier if len(earlier) > 8 else y[:count]), 95)), 1e-12)
        end, begin = float(np.median(np.abs(y[-count:]))), float(np.median(np.abs(y[:count])))
        middle = float(np.median(np.abs(y[len(y) // 2 - count : len(y) // 2 + count]))) + 1e-12
        # growth that feeds on itself: as much in the second half as in the first, in ratio
        feeds = end > max(2.5, 0.5 * middle / max(begin, 1e-12)) * middle or times < GROWS
        if feeds and end > times * usual and end > times * begin:
            return f"{log.names[k]} grows from {begin:.3g} to {end:.3g}"
    return ""


def _at_chance(meaning: Meaning, p: LogPiece) -> bool:
    limits = meaning.limits
    if limits is None or meaning.critic is None:
        return False
    g = None if meaning.generator is None else float(p.median[meaning.generator])
    return limits.at_chance(float(p.median[meaning.critic]), g)


def _flip(meaning: Meaning, p: LogPiece, steady: LogPiece, shown: list[int]) -> str:
    """In words, how the losses have changed sides since they last kept a level; empty where they have not."""
    for k in shown:
        was, now = steady.median[k], p.median[k]
        if abs(was) > 4 * (steady.noise[k] + p.noise[k]) and abs(was + now) < 0.3 * abs(was):
            return f"a loss changes its sign, from {was:.4g} to {now:.4g}"
    limits = meaning.limits
    if limits is None or meaning.critic is None or meaning.generator is None:
        return ""
    was, now = ((float(x.median[meaning.critic]), float(x.median[meaning.generator])) for x in (steady, p))
    if limits.flipped(was, now):
        return "the loss that was below chance is above it, and the other way round"
    return ""


def _jump(
    log: Log, p: LogPiece, before: LogPiece | None, shown: list[int], previous: LossRegime | None
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
        own = max(float(np.std(a)), float(np.std(b)))  # of noise that lasts: differences show less of it
        noise = max(before.noise[k], p.noise[k], own, 1e-3 * abs(before.median[k]), 1e-300)
        jumps[k] = abs(float(np.mean(b) - np.mean(a)))
        steps[k] = float(np.mean(b) - np.mean(a)) / noise
    slide = (
        6 * width / (p.last - p.first) * np.abs(p.rise)
    )  # what its slope alone makes between the two windows
    moved = [k for k in shown if abs(steps[k]) > 4 and jumps[k] > slide[k]]
    calm = [k for k in shown if abs(steps[k]) < 1.5]
    if len(moved) == 1 and len(moved) + len(calm) == len(shown) and len(shown) > 1:
        k = moved[0]
        return f"{log.names[k]} goes from {before.median[k]:.4g} to {p.median[k]:.4g} at once, the other continues"
    return ""


def _same(one: LossRegime, other: LossRegime, p: LogPiece) -> bool:
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
    whole = stretch_of(log.values, one.first, other.first + other.rows, [])
    evidence = other.evidence if one.kind is other.kind else one.evidence
    return dataclasses.replace(
        one,
        end=other.end,
        rows=one.rows + other.rows,
        evidence=evidence,
        level=log.named(whole.median),
        change=log.named(whole.rise),
    )
