"""The Dirac game's prediction for a measured oscillation."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from ..analysis.kinds import KINDS, Kind
from ..analysis.linear.spectrum import spectrum
from ..analysis.verdict.verdict import verdict
from ..rules import Rule
from ..variants import Variant
from .oscillations import Oscillation


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What the Dirac game says of the same variant and rule.

    Attributes:
        source: "linearisation" or "verdict" (where there is no linearisation).
        status: of the linearisation, or the verdict's kind.
        frequency: per iteration (or unit of time); None where nothing turns.
        damping: per iteration; None where it is not known.
        multiple: 1, or 2 where the log shows twice the frequency, as losses and products of both players do.
        scale: measured over predicted frequency: how many times faster the real game turns.
        agrees: whether frequency and damping agree within their errors and 5 %; None without an oscillation, or where
            only its frequency is known and agrees.
        text: the same in words.
    """

    source: str
    status: str
    frequency: float | None
    damping: float | None
    multiple: int
    scale: float | None
    agrees: bool | None
    text: str


class ComparedGame(NamedTuple):
    """The Dirac game that a log is compared with.

    Attributes:
        variant: the loss that was trained; None where nothing is known of it.
        rule: how it was trained; None for the flow.
        dim: its dimension.
        x0: its datum.
        h: time per step, or the critic's learning rate where no rule says it.
    """

    variant: Variant | None
    rule: Rule | None
    dim: int
    x0: Any
    h: float | None


def predicted_by(game: ComparedGame, lead: Oscillation | None) -> Prediction | None:
    """Compare an oscillation with the Dirac game of the same variant and rule; None without a variant."""
    variant, rule = game.variant, game.rule
    if variant is None:
        return None
    source, status, frequency, damping = _of_theory(variant, game)
    of = f"{variant.label}, {rule.label if rule is not None else 'flow'}"
    if frequency is None:
        turns = status in KINDS and Kind(status).is_orbit
        text = f"the Dirac game of {of} " + (
            "ends on a cycle of unknown period" if turns else f"does not turn ({status})"
        )
        if lead is not None and not turns:
            text += ": what turns here is not what its theory describes"
        return Prediction(source, status, None, damping, 1, None, None, text)
    said = f"the Dirac game of {of} turns by {frequency:.4g} per step"
    if damping is not None:
        said += (
            f" and its amplitude goes like exp({-damping:.3g} n)" if damping else " and keeps its amplitude"
        )
    if lead is None:
        return Prediction(
            source, status, frequency, damping, 1, None, None, f"{said}; the log shows no such turning"
        )
    ratio = lead.frequency / frequency
    multiple = 2 if abs(math.log(ratio / 2)) < min(abs(math.log(ratio)), 0.05) else 1
    scale = ratio / multiple
    near = abs(lead.frequency - multiple * frequency) <= max(
        0.05 * multiple * frequency, 3 * lead.frequency_error
    )
    off = 0.0 if damping is None else abs(lead.damping - multiple * damping)
    close = off <= max(3 * lead.damping_error, 0.1 * multiple * abs(damping or 0.0))
    fades = close or off <= 0.02 * lead.frequency
    twice = " (twice it, as losses and products of both players do)" if multiple == 2 else ""
    if near and damping is not None and not math.isfinite(lead.damping_error):
        text = f"{said}: the log agrees in frequency{twice}, and does not tell how its amplitude goes"
        return Prediction(source, status, frequency, damping, multiple, scale, None, text)
    if near and fades:
        text = f"{said}: the log agrees{twice}"
        text += "" if close else f", with exp({-lead.damping:.3g} n)"
    elif near:
        text = f"{said}: the log agrees in frequency{twice}, but its amplitude goes like exp({-lead.damping:.3g} n)"
    else:
        text = (
            f"{said}: the log turns {scale:.3g} times as fast, which is how strongly its players are coupled, "
            "compared with the Dirac game"
        )
        if damping is not None:
            text += f"; damping per turn {_per_turn(damping, frequency)} predicted, "
            text += f"{_per_turn(lead.damping, lead.frequency)} measured"
    return Prediction(source, status, frequency, damping, multiple, scale, near and fades, text)


def _per_turn(damping: float, frequency: float) -> str:
    return f"{2 * math.pi * damping / frequency:.3g}"


def _of_theory(variant: Variant, game: ComparedGame) -> tuple[str, str, float | None, float | None]:
    """Source, status, angular frequency and damping per step of what the theory says."""
    _, rule, dim, x0, h = game
    s = spectrum(variant, dim=dim, x0=x0, rule=rule)
    values = np.asarray(s.multipliers if rule is not None else s.eigenvalues)
    if len(values):
        if rule is not None:
            period = float(rule.period)
            with np.errstate(divide="ignore"):
                values = np.log(values.astype(complex)) / period
        else:
            values = values * (1.0 if h is None else h)
        fast = (
            np.abs(values.real) > 0.5
        )  # not near the equilibrium for even one iteration: says nothing of orbits
        turning = np.abs(values.imag) > 1e-9 * max(1.0, float(np.abs(values).max(initial=0.0)))
        pick = np.flatnonzero(turning & ~fast) if rule is not None else np.flatnonzero(turning)
        if len(pick):
            w = values[pick[np.argmax(values.real[pick])]]
            damping = 0.0 if abs(w.real) <= (s.error or 0.0) else -float(w.real)  # rounding damps nothing
            return "linearisation", s.status, abs(float(w.imag)), damping
        if not np.any(fast & (values.real > 0)):
            return "linearisation", s.status, None, None
    r = verdict(variant, rule=rule, x0=x0, dim=max(dim, 2) if x0 is None else dim, effort=0.3, edge=False)
    period = r.numbers.get("period")
    frequency = r.numbers.get("frequency") or (2 * math.pi / period if period else None)
    if frequency is None:
        return "verdict", r.kind, None, None
    rate = 0.0 if Kind(r.kind).is_orbit else r.numbers.get("rate")
    pace = 1.0 if rule is not None or h is None else h
    return "verdict", r.kind, frequency * pace, None if rate is None else rate * pace
