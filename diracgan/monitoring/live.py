"""``dg.Monitor``: a run watched while it trains, in constant memory, with at most one warning per regime."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ..errors import InputError, number, shown
from ..rules import Rule
from ..variants import Variant, variant
from . import levels
from .clocks import FEWEST
from .diagnose import Diagnosis, diagnose
from .halves import halves
from .logs import read
from .outputs import OutputLimits, output_limits
from .pieces import meaning_of
from .regime_kinds import RegimeKind
from .regimes import regimes
from .roles import losses, player_words
from .signs import GRADIENTS, SLOW, RunningMean, Sign, logarithm, outputs_at_chance, signs, told
from .swings import Swings

_KEPT = 1024  # rows that are kept; when they are full, neighbours are averaged
_SERIES = 256  # names that are kept; a loop that makes a name at every step would fill the memory
_PATIENCE = 25  # updates in a row that a condition must hold
_BEGUN = 50  # updates after which a series has a usual size
_SAME = 10  # updates of one value after which it is that value, not a mean, that a series is at
_STILL = 200  # updates without a change, after which nothing moves
_GROWS = 8.0
_NEARING, _LATELY = 0.8, 0.3  # share of its way to victory that a critic has come, and come lately


@dataclasses.dataclass(frozen=True)
class TrainingWarning:
    """A warning about a run, from a monitor.

    Attributes:
        step: where it was said.
        kind: the :class:`~diracgan.monitoring.regime_kinds.RegimeKind` that begins.
        evidence: the numbers that say so.
        remedy: what to try.
    """

    step: float
    kind: RegimeKind
    evidence: str
    remedy: str

    def __str__(self) -> str:
        """One line."""
        return f"step {self.step:.10g}: {self.kind.value.replace('-', ' ')}: {self.evidence}; {self.remedy}"


class Monitor:
    """Watches a run's losses while it trains.

    Args:
        variant: the loss that is trained, or its name; None has the monitor guess among the usual ones.
        rule: how it is trained, for what :meth:`diagnose` compares; None compares with the flow.

    Raises:
        InputError: for a variant that is not known, or an update whose step or value is not a number.

    Example:
        >>> import math, diracgan as dg
        >>> watch = dg.Monitor(variant="ns")
        >>> for step in range(400):
        ...     said = watch.update(step, d_loss=1.3 * math.exp(-step / 40), g_loss=0.7 + step / 40)
        ...     if said is not None:
        ...         print(said.kind.value)
        player-won
        >>> watch.state()["regime"]
        'player-won'
    """

    def __init__(self, variant: Variant | str | None = None, rule: Rule | None = None) -> None:
        """See the class."""
        self.variant = _made(variant)
        if rule is not None and not isinstance(rule, Rule):
            raise InputError(
                f"rule = {shown(rule)} is not a rule; allowed: what dg.rule(...) returns, or None"
            )
        self.rule = rule
        self.warnings: list[TrainingWarning] = []
        self._limits = None if self.variant is None else levels.limits_of(self.variant)
        self._bounded = self.variant is None or self._limits is not None  # False: known to be Wasserstein's
        self._outputs: OutputLimits | None = None
        self._running: dict[str, RunningMean] = {}
        self._gradients: dict[str, RunningMean] = {}  # of the logarithms
        self._rows: dict[str, np.ndarray] = {}
        self._steps = np.empty(_KEPT)
        self._count, self._block, self._held, self._begun = 0, 1, 0, 0.0
        self._pending: dict[
            str, list[float]
        ] = {}  # name -> sum and count of what the next row is the mean of
        self._kind, self._streak, self._candidate = RegimeKind.START, 0, RegimeKind.START
        self._roles: tuple[str | None, str | None] = (None, None)
        self._signs: dict[str, str] = {}
        self._halves: tuple[str, str, str] | None = None  # the critic's loss and its halves
        self._flips, self._swings, self._calm = 0, Swings(), 1 / SLOW  # updates before swings tell anything
        self._led: tuple[float, float] | None = None  # both losses when a player was last ahead
        self._step, self._broken, self._left_out = math.nan, False, 0
        self._found: tuple[int, RegimeKind] | None = None  # what a diagnosis said, and after how many rows

    def update(self, step: float, **values: float) -> TrainingWarning | None:
        """Take one step's losses, and anything else that moves.

        Args:
            step: the clock.
            **values: name -> number, e.g. ``d_loss=1.3, g_loss=0.7``; tensors of one element will do. Of more than
                256 names the first are watched.

        Returns:
            A warning where a regime begins that calls for one, else None.
        """
        self._step = at = number("step", step)
        numbers = {name: scalar(name, value) for name, value in values.items()}
        if self._halves is not None and {*self._halves[1:]} <= numbers.keys():
            whole, one, other = self._halves
            numbers = {whole: numbers[one] + numbers[other], **numbers}
        named = len(self._running)
        for name, x in numbers.items():
            if not math.isfinite(x):
                self._broken = True
                return self._enter(at, Sign(RegimeKind.DIVERGING, f"{name} is {x}"))
        numbers = self._kept_of(numbers)
        for name, x in numbers.items():
            running = self._running.setdefault(name, RunningMean(x, x))
            running.add(x, _BEGUN)
            if name in self._gradients:
                self._gradients[name].add(logarithm(x), _BEGUN)
        self._broken = False
        if len(self._running) > named:
            self._name(list(self._running))
        self._keep(at, numbers)
        self._swing(numbers)
        found = self._judge()
        self._streak = self._streak + 1 if found.kind is self._candidate else 1
        self._candidate = found.kind
        return self._enter(at, found) if self._streak >= _PATIENCE else None

    def _kept_of(self, numbers: dict[str, float]) -> dict[str, float]:
        """These numbers without those of new names beyond the first :data:`_SERIES`, which are counted."""
        if len(self._running) + len(numbers) <= _SERIES:
            return numbers
        room = _SERIES - len(self._running)
        fresh = [n for n in numbers if n not in self._running]
        dropped = {*fresh[max(room, 0) :]}
        self._left_out += len(dropped)
        return {n: x for n, x in numbers.items() if n not in dropped}

    def _name(self, names: list[str]) -> None:
        """What each of these series is."""
        self._roles, self._signs = losses(names), signs(names)
        self._halves = self._halves or halves(names)
        for sign in GRADIENTS:
            if sign in self._signs:
                self._gradients.setdefault(self._signs[sign], RunningMean(0.0, 0.0))
        if "real" in self._signs and "fake" in self._signs:
            self._outputs = output_limits(self.variant or variant("ns"))

    def state(self) -> dict[str, Any]:
        """The regime, the warnings, the running means, and how many numbers had one name too many, as plain numbers.

        The regime is that of a diagnosis of all that is kept, which takes some tenths of a second; before there are
        24 rows, what the running means say.
        """
        return {
            "step": self._step,
            "updates": max((r.seen for r in self._running.values()), default=0),
            "regime": self._regime().value,
            "means": {n: r.fast for n, r in self._running.items()},
            "left_out": self._left_out,
            "warnings": [{**dataclasses.asdict(w), "kind": w.kind.value} for w in self.warnings],
        }

    def _regime(self) -> RegimeKind:
        """The last regime of what is kept, found once for as many rows."""
        if self._broken or self._count < FEWEST:
            return self._kind
        if self._found is None or self._found[0] != self._count:
            try:
                log = read(self.series(), step="step")
                self._found = self._count, regimes(log, meaning_of(log, self.variant))[-1].kind
            except InputError:  # such as series of which none varies
                self._found = self._count, self._kind
        return self._found[1]

    def series(self) -> dict[str, np.ndarray]:
        """What is kept: the steps and every series, at most 1,024 rows of means over equal parts."""
        rows = {n: v[: self._count].copy() for n, v in self._rows.items()}
        return {"step": self._steps[: self._count].copy(), **rows}

    def diagnose(self) -> Diagnosis:
        """The whole diagnosis of what is kept: regimes, oscillations, advice.

        Raises:
            InputError: before 24 updates.
        """
        if self._count < FEWEST:
            raise InputError(f"{self._count} rows are too few to diagnose; allowed: at least {FEWEST}")
        return diagnose(self.series(), self.variant, self.rule, step="step")

    def _enter(self, at: float, found: Sign) -> TrainingWarning | None:
        if found.kind is self._kind:
            return None
        self._kind = found.kind
        if found.kind is RegimeKind.FLIPPED:  # the step is not a swing
            self._flips += 1
            self._calm = max(r.seen for r in self._running.values()) + 2 / SLOW
        if not found.kind.warned:
            return None
        said = TrainingWarning(at, found.kind, found.evidence, found.remedy or found.kind.remedy)
        self.warnings = [*self.warnings[-63:], said]
        return said

    def _judge(self) -> Sign:
        """What the running means look like now."""
        d, g = (None if n is None else self._running[n] for n in self._roles)
        beside = {*self._signs.values()}
        names = [n for n in self._roles if n is not None] or [n for n in self._running if n not in beside]
        shown = [self._running[n] for n in names]
        if max((r.seen for r in shown or self._running.values()), default=0) < _BEGUN // 2:
            return Sign(RegimeKind.START, "")
        said = ", ".join(f"{n} {_of_late(r):.4g}" for n, r in zip(names, shown, strict=True))
        won = self._won(d, g)
        if won is not None:
            return Sign(RegimeKind.WON, f"{said}: the {player_words(won)} has won{self._named()}")
        seen = self._beside()
        return (
            told(self._signs, seen, self._bounded, self._outputs)
            or self._failing(d, g, list(zip(names, shown, strict=True)), said)
            or self._lead(d, g, list(zip(names, shown, strict=True)))
            or self._outrun(said)
            or Sign(RegimeKind.CHANCE if self._at_chance(d, g, seen) else RegimeKind.SETTLED, said)
        )

    def _beside(self) -> dict[str, RunningMean]:
        """Sign -> its running means, where it has been given often enough to be believed."""
        if not self._signs:
            return {}
        running = {sign: self._gradients.get(n, self._running[n]) for sign, n in self._signs.items()}
        return {sign: r for sign, r in running.items() if r.seen >= _BEGUN}

    def _failing(
        self, d: RunningMean | None, g: RunningMean | None, shown: list[tuple[str, RunningMean]], said: str
    ) -> Sign | None:
        """A critic that is about to win, a loss that grows, or losses that do not move."""
        if self._nearing(d, g):
            evidence = f"{said}: the discriminator (critic) is about to win, and its loss still falls"
            return Sign(RegimeKind.DRIFTING, evidence)
        for n, r in shown:
            usual = max(r.typical, 0.3)
            at = _of_late(r)
            if r.seen > _BEGUN and abs(r.fast) > _GROWS * usual and not levels.ceiling_near(at):
                return Sign(
                    RegimeKind.DIVERGING, f"{n} is {at:.4g}, {abs(at) / usual:.3g} times its usual size"
                )
        still = min((r.still for _, r in shown), default=0)
        if still >= _STILL:
            return Sign(RegimeKind.DEAD, f"{said}, the same for {still} updates{self._named()}")
        return None

    def _at_chance(self, d: RunningMean | None, g: RunningMean | None, seen: dict[str, RunningMean]) -> bool:
        """Whether the critic is at chance: by the losses, or by its outputs where its loss is not given."""
        if d is None:
            return outputs_at_chance(seen, self._outputs)
        return self._limits is not None and self._limits.at_chance(d.fast, None if g is None else g.fast)

    def _won(self, d: RunningMean | None, g: RunningMean | None) -> str | None:
        if d is None:
            return None
        if d.seen % _PATIENCE == 1 and (self.variant is None or self.variant.labelled):
            # what a diagnosis of all this would hold them against
            kept = [None if n is None else self._seen(n) for n in self._roles]
            found = levels.loss_seen(self.variant, *kept)
            self._limits = None if found is None else levels.limits_seen(found, *kept)
            self._bounded = found is None or self._limits is not None
        rests = abs(d.fast - d.slow) < levels.NEAR * abs(d.slow)
        return (
            None
            if self._limits is None
            else self._limits.winner(d.fast, None if g is None else g.fast, rests)
        )

    def _nearing(self, d: RunningMean | None, g: RunningMean | None) -> bool:
        """Whether the critic's loss is most of its way to where it has won, and has come a good part of it lately."""
        if d is None or self._limits is None:
            return False
        now = self._limits.critic_lead(d.fast, None if g is None else g.fast)
        before = self._limits.critic_lead(d.slow, None if g is None else g.slow)
        return now >= _NEARING and now - before >= _LATELY

    def _lead(
        self, d: RunningMean | None, g: RunningMean | None, shown: list[tuple[str, RunningMean]]
    ) -> Sign | None:
        """A lead that has changed hands, both losses across chance, or a sign where chance has no level."""
        if min((r.seen for _, r in shown), default=0) * SLOW <= 1:
            return None
        if self._limits is not None and d is not None and g is not None:
            slow, fast = (d.slow, g.slow), (d.fast, g.fast)
            led = (
                self._led or slow
            )  # however slowly the lead changes hands, it is held against who led before
            if self._limits.leader(*slow) is not None:
                self._led = slow
            if not self._limits.flipped(led, fast):
                return None
            self._led = led if not self._limits.flipped(led, slow) else slow
            moved = ", ".join(
                f"{n} goes from {was:.4g} to {r.fast:.4g}" for (n, r), was in zip(shown, led, strict=True)
            )
            if self._flips > 1:
                return Sign(
                    RegimeKind.ROTATING, f"{moved}: the lead has changed hands {self._flips} times before"
                )
            return Sign(RegimeKind.FLIPPED, f"{moved}: the player that led is behind")
        for n, r in shown:
            clear = abs(r.slow) > 4 * r.spread and r.fast * r.slow < 0
            if clear and abs(r.slow + r.fast) < 0.3 * abs(r.slow):
                return Sign(
                    RegimeKind.FLIPPED, f"{n} has changed its sign, from {r.slow:.4g} to {r.fast:.4g}"
                )
        return None

    def _swing(self, numbers: dict[str, float]) -> None:
        """Take what both losses swing by, where both are given and chance has a level."""
        d, g = self._roles
        if self._limits is not None and d in numbers and g in numbers:
            critic, other = self._running[d], self._running[g]
            behind = self._limits.behind(critic.fast, other.fast, critic.largest)
            self._swings.add(numbers[d], numbers[g], bool(behind))

    def _outrun(self, said: str) -> Sign | None:
        d, _ = self._roles
        if d is None or self._running[d].seen < self._calm or not self._swings.outrun:
            return None
        how = f"both losses swing together (correlation {self._swings.correlation:.2f}), the critic's above chance"
        return Sign(
            RegimeKind.ONE_SIDED, f"{said}: {how}: the generator outruns it, and samples may collapse"
        )

    def _named(self) -> str:
        """What the levels are at which the losses stand still."""
        found = [
            (n, levels.level_named(self._running[n].last, player, self._limits))
            for n, player in zip(self._roles, ("critic", "generator"), strict=True)
            if n is not None and self._running[n].still >= _SAME
        ]
        return "".join(f"; {name} is at {level}" for name, level in found if level)

    def _seen(self, name: str) -> np.ndarray:
        """What is kept of a series so far, or its running mean where nothing is yet."""
        kept = self._rows.get(name, np.empty(0))[: self._count]
        kept = kept[np.isfinite(kept)]
        return kept if len(kept) else np.array([self._running[name].fast])

    def _keep(self, at: float, numbers: dict[str, float]) -> None:
        """Keep a row; where all are taken, neighbours are averaged and later rows are means of as many.

        A mean is that of the values that were given: a loss may be logged on some of the updates only.
        """
        if self._held == 0:
            self._begun, self._pending = at, {}
        for name, x in numbers.items():
            total = self._pending.setdefault(name, [0.0, 0])
            total[0], total[1] = total[0] + x, total[1] + 1
        self._held += 1
        if self._held < self._block:
            return
        if self._count == _KEPT:
            half = _KEPT // 2
            self._steps[:half] = self._steps[::2]
            for v in self._rows.values():
                pairs = v.reshape(half, 2)
                given = np.isfinite(pairs).sum(axis=1)
                v[:half] = np.where(given, np.nansum(pairs, axis=1) / np.maximum(given, 1), np.nan)
                v[half:] = np.nan
            self._count, self._block = half, 2 * self._block
            return  # what is pending goes on as the first part of a longer row
        self._steps[self._count] = self._begun
        for name, (total, count) in self._pending.items():
            self._rows.setdefault(name, np.full(_KEPT, np.nan))[self._count] = total / count
        self._count, self._held = self._count + 1, 0


def _of_late(r: RunningMean) -> float:
    """What a series is: its value where that stands still, which its running mean still lags behind, else the mean."""
    return r.last if r.still >= _SAME else r.fast


def scalar(name: str, value: Any) -> float:
    """The number in what a training loop holds: a number, or a tensor or an array of one element.

    Raises:
        InputError: for anything else.
    """
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InputError(
            f"{name} = {shown(value)} is not a number; allowed: numbers and tensors of one element"
        ) from None


def _made(given: Variant | str | None) -> Variant | None:
    if given is None or isinstance(given, Variant):
        return given
    if not isinstance(given, str):
        raise InputError(
            f"variant = {shown(given)} is not a variant; allowed: a name, dg.variant(...), or None"
        )
    return variant(given)
