"""What brings the cycle on which an adaptive rule ends to a wanted size: its parameters, or the weights' average."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from ...errors import InputError, number
from ...records import Record
from ...rules import Rule
from ...rules.per_player import GENERATOR
from ...variants import Variant
from ..linear.parameter_handle import parameter_handle, set_all, settable
from ..linear.settings import LinearSettings, settings
from ..slow_flow.averaged import AveragedFlow, averaged
from ..slow_flow.sized import Scale, SizedCycle, log_ratio, size_of, sized_cycle
from .tune import asked_for, range_of
from .weight_averaging import decay_for

_USUAL = ("lr", "lr_d", "lr_g", "lr_ratio", "beta1", "beta2", "b1", "b2", "decay")
_BELOW, _ABOVE = 1e-3, 10.0  # of the present learning rate, between which another is looked for
_RATIOS = (1e-2, 1e2)  # between which a ratio of learning rates is
_DECAYS = {"beta2": 0.5, "b2": 0.5, "decay": 0.5}  # the shortest memory of the squares that is looked at
_LONGEST = 1.0 - 1e-4  # and the longest
_MOVES = 0.01  # a parameter whose best value changes the size by less does nothing
_CLOSE = 1e-3  # relative error of the size
_ROOT: dict[str, Any] = {"xtol": 1e-6, "rtol": 1e-6, "maxiter": 25, "disp": False}  # of a share of the way


@dataclasses.dataclass(frozen=True)
class CycleChange(Record):
    """One change of the parameters, and the cycle to which it leads.

    Attributes:
        values: parameter -> its new value; the others keep theirs.
        reached: whether the cycle then has the wanted size; else it is the nearest that these parameters reach.
        amplitude: largest |theta - x0| in the end; ``amplitude_phi`` largest |phi|.
        period: iterations of one rotation; None without one.
        stable: whether the cycle attracts, by its multipliers; None where an iterated run stays within that size.
        arrival: iterations from (0.1, 0.2) to within 5 % of it; None where that is not known.
        iterated: iterations of the map that this rests on; 0 where the averaged flow gives it.
    """

    values: dict[str, float]
    reached: bool
    amplitude: float
    amplitude_phi: float
    period: float | None
    stable: bool | None
    arrival: float | None
    iterated: int


@dataclasses.dataclass(frozen=True)
class TunedCycle(Record):
    """All that gives the cycle of an adaptive rule a wanted size.

    Attributes:
        amplitude: the wanted largest |theta - x0|.
        now: the cycle of the rule as it is, as a change of nothing; None where it grows or is undecided.
        changes: of each parameter alone, then of all together.
        decay: of the weight average that leaves that size of the present cycle; 0 where it is no larger; None where
            nothing turns.
        half_life: ln 2/-ln(decay) iterations, or None; ``horizon`` 1/(1 - decay).
        memory_times: over how many iterations the rule's memory averages; inf: it never forgets.
        regime: where all of that holds.
        text: the answer in words.
        variant: label; ``rule`` label; ``dim`` the dimension; ``x0`` the datum.
    """

    amplitude: float
    now: CycleChange | None
    changes: list[CycleChange]
    decay: float | None
    half_life: float | None
    horizon: float | None
    memory_times: np.ndarray
    regime: str
    text: str
    variant: str
    rule: str
    dim: int
    x0: list[float]


def tune_cycle(
    variant: Variant,
    amplitude: float,
    rule: Rule,
    over: Mapping[str, tuple[float, float] | None] | Iterable[str] | None = None,
    *,
    dim: int | None = None,
    x0: ArrayLike | None = None,
) -> TunedCycle:
    """Parameters of an adaptive rule, and the weight average, that bring its cycle to a wanted largest |theta - x0|.

    Each parameter alone: a root of log A - log A_wanted, A by :func:`diracgan.averaged`, on a scale on which the
    parameter's effect is even (its logarithm; of decays how far they are from 1). All together: each the same share of
    its way from the present value to where it alone makes A least, or largest where A is to grow. The average: beta
    whose gain (1 - beta)/|1 - beta exp(-2 pi i/period)| is A_wanted/A, exact for a sine; of a squarer cycle it leaves
    less.

    Args:
        variant: from :func:`diracgan.variant`.
        amplitude: the wanted largest |theta - x0|, > 0.
        rule: from :func:`diracgan.rule`; adaptive, see :func:`diracgan.averaged`.
        over: parameters that may change, as :func:`diracgan.critical` takes them, each with a range (low, high) or None
            for its own; by default the learning rate, the ratio of both, and the decays of the rule's memory.
        dim: d; more than 1 only where each coordinate is a game of its own (a linear loss): the size is of one.
        x0: the datum; 0.

    Returns:
        A :class:`TunedCycle`.

    Raises:
        InputError: for arguments that are not allowed, or where there is no averaged flow.

    References:
        Yazici et al. 2018 (arXiv 1806.04498) for the average; docs/concepts/adam.md.

    Example:
        >>> import diracgan as dg
        >>> rule = dg.rule("adam", lr=0.01, beta1=0.5)
        >>> found = dg.analysis.tune_cycle(dg.variant("wgan-linear"), 0.5, rule, ["lr"])
        >>> round(found.changes[0].values["lr"], 6), round(found.half_life)
        (0.003226, 223)
    """
    wanted = number("amplitude", amplitude, low=0, open_low=True)
    around = settings(variant, rule, dim, x0)
    present = averaged(variant, rule, dim=len(around.x0), x0=around.x0)  # refuses what has none
    alone = dataclasses.replace(around, x0=around.x0[:1])
    ranges = _ranges(alone, over)
    sized = [
        sized_cycle(variant, name, wanted, rule, low=ends[0], high=ends[1], x0=alone.x0, player=GENERATOR)
        for name, ends in ranges.items()
    ]
    changes = [change for found in sized for change in _alone(alone, found)]
    if (together := _together(alone, sized, present, wanted)) is not None:
        changes.append(together)
    decay, rest = _average(present, wanted)
    half_life = None if not decay or rest is None else math.log(2.0) / -math.log1p(-rest)
    return TunedCycle(
        amplitude=wanted,
        now=_change({}, present, True),
        changes=changes,
        decay=decay,
        half_life=half_life,
        horizon=None if rest is None else 1.0 / rest,
        memory_times=present.memory_times,
        regime=_regime(present, rule),
        text=_text(wanted, present, changes, decay, half_life),
        variant=variant.label,
        rule=rule.label,
        dim=len(around.x0),
        x0=around.x0.tolist(),
    )


def _ranges(
    around: LinearSettings, over: Mapping[str, tuple[float, float] | None] | Iterable[str] | None
) -> dict[str, tuple[float | None, float | None]]:
    """The parameters and where each is looked for; None where its own bounds are meant."""
    rule = around.rule
    assert rule is not None
    if over is None:
        known = settable(around)
        fixed = {"lr_d", "lr_g"} if None in (rule.lr_d, rule.lr_g) else {"lr"}
        names = [n for n in _USUAL if n in known and n not in fixed] if rule.lr_sets_steps else []
        if not names:
            raise InputError(
                f"{rule.label} holds its own numbers; allowed: over=, with parameters of the variant"
            )
        over = names
    return {
        name: _range(around, name) if ends is None else range_of(name, ends)
        for name, ends in asked_for(over).items()
    }


def _range(around: LinearSettings, name: str) -> tuple[float | None, float | None]:
    handle = parameter_handle(around, name)
    if handle.is_ratio:
        return _RATIOS
    if name in ("lr", "lr_d", "lr_g"):
        here = float(handle.now)
        return _BELOW * here, _ABOVE * here
    return _DECAYS.get(name), _LONGEST if handle.domain.high == 1.0 else None


def _change(values: dict[str, float], flow: AveragedFlow, reached: bool) -> CycleChange | None:
    """The cycle of a flow; None where it grows or is undecided."""
    if flow.amplitude is None or flow.amplitude_theta is None:
        return None
    cycle = [c for c in flow.cycles if not flow.iterated and c.amplitude == flow.amplitude]
    return CycleChange(
        values=values,
        reached=reached,
        amplitude=flow.amplitude_theta,
        amplitude_phi=flow.amplitude,
        period=flow.period,
        stable=cycle[0].stable if cycle else None,
        arrival=flow.arrival,
        iterated=flow.iterated,
    )


def _alone(around: LinearSettings, found: SizedCycle) -> list[CycleChange]:
    """What one parameter does: every value that reaches the size, or the value that comes nearest."""
    pairs = [(x, f, True) for x, f in zip(found.values, found.flows, strict=True)]
    if not pairs and (best := _nearest(found)) is not None:
        pairs = [(best, _flow(around, {found.parameter: best}), False)]
    made = (_change({found.parameter: x}, flow, reached) for x, flow, reached in pairs)
    return [change for change in made if change is not None]


def _nearest(found: SizedCycle) -> float | None:
    """The value that was looked at whose size is nearest to the wanted one; None where no size is known."""
    known = np.isfinite(found.amplitudes) & (found.amplitudes > 0)
    if not np.any(known):
        return None
    apart = np.abs(np.log(found.amplitudes[known] / found.amplitude))
    return float(found.looked[known][np.argmin(apart)])


def _flow(around: LinearSettings, values: Mapping[str, float]) -> AveragedFlow:
    handles = [parameter_handle(around, name) for name in values]
    at = set_all(around, handles, values.values())
    assert at.rule is not None
    return averaged(at.variant, at.rule, x0=at.x0)


def _together(
    around: LinearSettings, sized: list[SizedCycle], present: AveragedFlow, wanted: float
) -> CycleChange | None:
    """All that move the size, each the same share of its way; None where fewer than two do, or none need."""
    here = size_of(present, GENERATOR)
    if math.isnan(here) or abs(log_ratio(here, wanted)) <= _CLOSE:
        return None
    ways = {}
    for found in sized:
        sizes = np.where(np.isfinite(found.amplitudes), found.amplitudes, np.nan)
        if np.all(np.isnan(sizes)):
            continue
        k = int(np.nanargmin(sizes) if wanted < here else np.nanargmax(sizes))
        handle = parameter_handle(around, found.parameter)
        if handle.now is None or abs(log_ratio(float(sizes[k]), here)) < _MOVES:
            continue
        scale = Scale.of(handle.domain, found.looked[0])
        ways[found.parameter] = (scale, scale.to(float(handle.now)), scale.to(float(found.looked[k])))
    if len(ways) < 2:
        return None

    def at(share: float) -> dict[str, float]:
        return {n: scale.back(a + share * (b - a)) for n, (scale, a, b) in ways.items()}

    def height(share: float) -> float:
        return log_ratio(size_of(_flow(around, at(share)), GENERATOR), wanted)

    share: Any = 1.0
    if height(0.0) * height(1.0) < 0:
        share = brentq(height, 0.0, 1.0, **_ROOT)
    values = at(float(share))
    flow = _flow(around, values)
    return _change(values, flow, abs(log_ratio(size_of(flow, GENERATOR), wanted)) <= _CLOSE)


def _average(flow: AveragedFlow, wanted: float) -> tuple[float | None, float | None]:
    """The decay of the average that leaves the wanted size of a cycle, and 1 - decay; None where nothing turns."""
    size = size_of(flow, GENERATOR)
    if size <= wanted:
        return 0.0, 1.0
    if flow.period is None or not math.isfinite(size):
        return None, None
    return decay_for(size / wanted, 2.0 * math.pi / flow.period)


def _regime(flow: AveragedFlow, rule: Rule) -> str:
    """Where the answer holds, with this rule's own numbers."""
    memory = ", ".join(dict.fromkeys(f"{t:.4g}" for t in flow.memory_times))
    turn = (
        "where no rotation of many steps is left, a run of the map itself"
        if flow.iterated or flow.period is None
        else f"one rotation ({flow.period:.4g} iterations) being many steps"
    )
    below = rule.linear_below
    eps = "" if below is None else f", velocities staying above {below:g}"
    of = "" if flow.dim == 1 else f", of each of {flow.dim} coordinates by itself"
    return (
        f"holds without minibatches' noise, from (0.1, 0.2){of}; {turn}{eps}; the memory averages over {memory} "
        "iterations, and the cycle is reached after several of them"
    )


def _text(
    wanted: float, now: AveragedFlow, changes: list[CycleChange], decay: float | None, half_life: float | None
) -> str:
    reached = [_words(c.values) for c in changes if c.reached]
    said = [f"|theta - x0| = {wanted:g} on the cycle: {' or '.join(reached)}" if reached else ""]
    said += [
        f"{', '.join(c.values)} {'alone does' if len(c.values) == 1 else 'together do'} not reach it, nearest "
        f"{c.amplitude:.4g} at {_words(c.values)}"
        for c in changes
        if not c.reached
    ]
    size = size_of(now, GENERATOR)
    if size <= wanted:
        said.append(f"as it is, the rule's own is {size:.4g}")
    elif decay is None:
        said.append(
            "no average leaves that of what does not turn"
            if math.isfinite(size)
            else f"as it is, it {now.text}"
        )
    elif half_life is not None:
        average = f"decay {decay:.8g}, a half-life of {half_life:.4g} iterations"
        said.append(f"else average the weights with {average}")
    return "; ".join(s for s in said if s)


def _words(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {x:.6g}" for name, x in values.items())
