"""One oscillation of a log in the clock's unit, and in words."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..numerics.steady_modes import OscillationMode
from .logs import Log


@dataclasses.dataclass(frozen=True)
class Oscillation:
    """One oscillation of a log, per step of its clock.

    Attributes:
        frequency: angular frequency per step; ``frequency_error`` its standard error.
        period: 2 pi / frequency, in steps.
        damping: amplitude goes like exp(-damping n); negative where it grows; ``damping_error`` its
            standard error, infinite where the log does not tell.
        amplitude: series -> amplitude at the first row (of a wandering one: its usual size).
        phase: series -> phase at the first row in radians; nan where the phase wanders.
        share: series -> part of its variance.
        steady: False where the phase wanders, as of an oscillation that noise keeps going; damping is then that of
            each kick.
        exponential: False where the envelope is not a single exponential; damping is then its best one.
        chance: how likely red or white noise alone would show it.
    """

    frequency: float
    frequency_error: float
    period: float
    damping: float
    damping_error: float
    amplitude: dict[str, float]
    phase: dict[str, float]
    share: dict[str, float]
    steady: bool
    exponential: bool
    chance: float

    def drift(self, steps: float) -> int:
        """Whether it dies (1), grows (-1) or does neither (0) noticeably within so many steps."""
        clear = abs(self.damping) > max(3 * self.damping_error, 0.3 / steps)
        return 0 if not clear or not self.steady else (1 if self.damping > 0 else -1)


def oscillation_of(m: OscillationMode, log: Log) -> Oscillation:
    """A mode in the clock's unit, by the series' names."""
    per = 1.0 / log.interval
    variance = np.maximum(log.values.var(axis=1), 1e-300)
    return Oscillation(
        frequency=m.omega * per,
        frequency_error=m.errors[0] * per,
        period=2 * math.pi / (m.omega * per),
        damping=m.sigma * per,
        damping_error=m.errors[1] * per,
        amplitude=log.named(m.amplitudes),
        phase=log.named(m.phases),
        share=log.named(np.minimum(m.power / variance, 1.0)),
        steady=m.steady,
        exponential=m.exponential,
        chance=m.chance,
    )


def lags_of(lead: Oscillation) -> dict[str, float]:
    """Series -> phase against the first one in degrees, of those that move at all."""
    phases = list(lead.phase.items())
    if not lead.steady or len(phases) < 2:
        return {}
    first = phases[0][1]
    return {name: 180.0 - (180.0 - math.degrees(p - first)) % 360.0 for name, p in phases[1:]}


def in_words(kind: str, found: list[Oscillation], lag: dict[str, float], log: Log) -> str:
    """The oscillations of a log in one line."""
    unit = log.unit
    if kind == "none":
        return f"no oscillation to speak of in {log.values.shape[1]} rows: trend and noise explain them"
    o = found[0]
    wanders = "an oscillation whose phase wanders (noise keeps it going, or its period changes)"
    parts = [
        f"{'rotation' if o.steady else wanders} with a period of {o.period:.5g} {unit} "
        f"(frequency {o.frequency:.5g} ± {o.frequency_error:.2g})"
    ]
    if not math.isfinite(o.damping_error):
        what = "it dies or grows" if o.steady else "long a kick of it lasts"
        parts.append(f"{'whether' if o.steady else 'how'} {what} the log does not tell")
    elif not o.steady:
        parts.append(f"each kick of it dies like exp(-{o.damping:.3g} n) (± {o.damping_error:.1g})")
    elif abs(o.damping) <= 3 * o.damping_error:
        parts.append(f"neither growing nor dying (damping {o.damping:.2g} ± {o.damping_error:.2g})")
    else:
        how = "dying" if o.damping > 0 else "growing"
        parts.append(f"{how} like exp({-o.damping:+.3g} n) (± {o.damping_error:.2g})")
    if not o.exponential:
        parts.append("its envelope is not a single exponential")
    name, share = max(o.share.items(), key=lambda kv: kv[1])
    parts.append(f"{100 * share:.0f} % of the variance of {name}")
    parts += [f"{n} {_turned(d)}" for n, d in lag.items()]
    if len(found) > 1:
        parts.append(f"besides periods of {', '.join(f'{x.period:.4g}' for x in found[1:])}")
    return "; ".join(parts)


def _turned(degrees: float) -> str:
    """A phase beside another's, in words."""
    whole = round(abs(degrees))
    return "in phase" if whole == 0 else f"{'lags' if degrees < 0 else 'leads'} by {whole}°"
