"""The Dirac game's prediction for a measured oscillation."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np

from ..analysis.kinds import KINDS, Kind
from ..analysis.linear.spectrum import spectrum
from ..analysis.verdict.api import verdict
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


class _Theory(NamedTuple):
    """What theory says of a game: the first four attributes of a :class:`Prediction`."""

    source: str
    status: str
    frequency: float | None
    damping: float | None


def predicted_by(game: ComparedGame, lead: Oscillation | None) -> Prediction | None:
    """Compare an oscillation with the Dirac game of the same variant and rule; None without a variant."""
    variant, rule = game.variant, game.rule
    if variant is None:
        return None
    theory = _of_theory(variant, game)
    of = f"the Dirac game of {variant.label}, {rule.label if rule is not None else 'flow'}"
    if theory.frequency is None:
        return _without_frequency(theory, of, lead)
    said = f"{of} turns by {theory.frequency:.4g} per step"
    if theory.damping is not None:
        goes = f"its amplitude goes like exp({-theory.damping:.3g} n)"
        said += f" and {goes if theory.damping else 'keeps its amplitude'}"
    if lead is None:
        return Prediction(*theory, 1, None, None, f"{said}; the log shows no such turning")
    return _compared(theory, theory.frequency, said, lead)


def _without_frequency(theory: _Theory, of: str, lead: Oscillation | None) -> Prediction:
    """What is said where theory names no frequency."""
    if theory.status in KINDS and Kind(theory.status).is_orbit:
        text = f"{of} ends on a cycle of unknown period"
    else:
        text = f"{of} does not turn ({theory.status})"
        text += ": what turns here is not what its theory describes" if lead is not None else ""
    return Prediction(*theory, 1, None, None, text)


def _compared(theory: _Theory, frequency: float, said: str, lead: Oscillation) -> Prediction:
    """What is said where both turn: whether frequency and damping agree."""
    damping, ratio = theory.damping, lead.frequency / frequency
    multiple = 2 if abs(math.log(ratio / 2)) < min(abs(math.log(ratio)), 0.05) else 1
    scale = ratio / multiple
    apart = abs(lead.frequency - multiple * frequency)
    near = apart <= max(0.05 * multiple * frequency, 3 * lead.frequency_error)
    off = 0.0 if damping is None else abs(lead.damping - multiple * damping)
    close = off <= max(3 * lead.damping_error, 0.1 * multiple * abs(damping or 0.0))
    fades = close or off <= 0.02 * lead.frequency
    untold = near and damping is not None and not math.isfinite(lead.damping_error)
    twice = " (twice it, as losses and products of both players do)" if multiple == 2 else ""
    if untold:
        text = f"{said}: the log agrees in frequency{twice}, and does not tell how its amplitude goes"
    elif near and fades:
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
    return Prediction(*theory, multiple, scale, None if untold else near and fades, text)


def _per_turn(damping: float, frequency: float) -> str:
    return f"{2 * math.pi * damping / frequency:.3g}"


def _of_theory(variant: Variant, game: ComparedGame) -> _Theory:
    """From the linearisation where it turns, else from the verdict."""
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
            return _Theory("linearisation", s.status, abs(float(w.imag)), damping)
        if not np.any(fast & (values.real > 0)):
            return _Theory("linearisation", s.status, None, None)
    r = verdict(variant, rule=rule, x0=x0, dim=max(dim, 2) if x0 is None else dim, effort=0.3, edge=False)
    period = r.numbers.get("period")
    frequency = r.numbers.get("frequency") or (2 * math.pi / period if period else None)
    if frequency is None:
        return _Theory("verdict", r.kind, None, None)
    rate = 0.0 if Kind(r.kind).is_orbit else r.numbers.get("rate")
    pace = 1.0 if rule is not None or h is None else h
    return _Theory("verdict", r.kind, frequency * pace, None if rate is None else rate * pace)
