"""The parameter value at which an adaptive rule's cycle has a given size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from ...errors import InputError, increasing, number, one_of
from ...parameters import Parameter
from ...records import Record
from ...rules import Rule
from ...rules.per_player import CRITIC, GENERATOR
from ...variants import Variant
from ..decision_thresholds import T
from ..kinds import Outcome
from ..linear.parameter_handle import ParameterHandle, parameter_handle
from ..linear.settings import settings
from .averaged import AveragedFlow, averaged

_LOOKS = 9  # at values in between, before the ends are narrowed
_LEAST, _LARGEST = 1e-6, 10.0  # where the parameter itself has no closer bounds
_LARGEST_DECAY = 1.0 - 1e-4
_MOST_LOG = 30.0  # of the size over the wanted one, where it is 0 or infinite
# tolerances on the scale of the number, and how often it is looked at
_ROOT: dict[str, Any] = {"xtol": 1e-9, "rtol": 1e-6, "maxiter": 25, "disp": False}
_CLOSE = 1e-3  # relative error of the size
_LARGEST_OF = {CRITIC: "|phi|", GENERATOR: "|theta - x0|"}


@dataclasses.dataclass(frozen=True)
class SizedCycle(Record):
    """The values of a number at which the cycle has a wanted size, and all that was looked at.

    Attributes:
        parameter: its name; ``amplitude`` the wanted largest |theta - x0|, or |phi|; ``player`` whose.
        values: where the cycle has it, increasing; empty where it has it nowhere.
        looked: values that were looked at, increasing, (k,).
        amplitudes: the player's there, inf where it grows, NaN where it is undecided, (k,).
        flows: the averaged flow at each of ``values``.
        text: the answer in words.
        variant: label; ``rule`` label; ``dim`` 1; ``x0`` the datum.
    """

    parameter: str
    amplitude: float
    player: str
    values: list[float]
    looked: np.ndarray
    amplitudes: np.ndarray
    flows: list[AveragedFlow]
    text: str
    variant: str
    rule: str
    dim: int
    x0: list[float]


def sized_cycle(
    variant: Variant,
    parameter: str,
    amplitude: float,
    rule: Rule,
    *,
    low: float | None = None,
    high: float | None = None,
    x0: ArrayLike | None = None,
    player: str = GENERATOR,
) -> SizedCycle:
    """The values of one number at which an adaptive rule ends on a cycle of a wanted size, d = 1.

    Looked for between values that are equispaced (near 1: by how far they are from 1; positive numbers: by their
    logarithm); two changes between neighbours are not seen. At beta1 = beta2 the size has a pole.

    Args:
        variant: from :func:`diracgan.variant`.
        parameter: beta1, beta2, lr, lr_ratio, r1, ..., as :func:`diracgan.critical` takes it.
        amplitude: the wanted largest |theta - x0|, or |phi|, > 0.
        rule: from :func:`diracgan.rule`; adaptive, see :func:`diracgan.averaged`.
        low: the least value that is looked at.
        high: the largest.
        x0: the datum; 0.
        player: whose amplitude: ``"theta"``, as :func:`diracgan.analysis.tune_cycle` has it, or ``"phi"``.

    Returns:
        A :class:`SizedCycle`.

    Raises:
        InputError: for arguments that are not allowed.

    Example:
        >>> import diracgan as dg
        >>> rule = dg.rule("adam", lr=0.01, beta1=0.0)
        >>> found = dg.analysis.sized_cycle(dg.variant("wgan-linear"), "beta2", 0.2829, rule, low=0.9, high=0.999)
        >>> [round(value, 3) for value in found.values]
        [0.99]
    """
    wanted = number("amplitude", amplitude, low=0, open_low=True)
    one_of("player", player, (CRITIC, GENERATOR))
    around = settings(variant, rule, 1, x0)
    handle = parameter_handle(around, parameter)
    if handle.is_integer:
        raise InputError(f"{parameter} is a whole number; allowed: beta1, beta2, lr, lr_ratio, r1, eps, ...")
    ends = _ends(handle, low, high)
    scale = Scale.of(handle.domain, ends[0])
    seen: dict[float, float] = {}
    refused: dict[float, InputError] = {}

    def flow(value: float) -> AveragedFlow:
        at = handle.set(around, value)
        assert at.rule is not None
        return averaged(at.variant, at.rule, x0=at.x0)

    def size(place: float) -> float:
        value = scale.back(place)
        try:
            found = flow(value)
        except InputError as error:  # there the steps follow the gradient
            refused[value], seen[value] = error, math.nan
            return math.nan
        seen[value] = size_of(found, player)
        return log_ratio(seen[value], wanted)

    places = np.linspace(scale.to(ends[0]), scale.to(ends[1]), _LOOKS)
    heights = np.array([size(p) for p in places])
    if len(refused) == len(places):
        averaged(variant, rule, x0=around.x0)  # which says the same of the rule as it was given
        raise next(iter(refused.values()))
    values = []
    for k in np.flatnonzero(heights[1:] * heights[:-1] < 0):
        found: Any = brentq(size, places[k], places[k + 1], **_ROOT)
        root = float(found)
        if abs(size(root)) <= _CLOSE:
            values.append(scale.back(root))
    looked = np.array(sorted(seen))
    amplitudes = np.array([seen[x] for x in looked])
    flows = [flow(x) for x in values]
    return SizedCycle(
        parameter=handle.name,
        amplitude=wanted,
        player=player,
        values=values,
        looked=looked,
        amplitudes=amplitudes,
        flows=flows,
        text=_text(handle.name, _LARGEST_OF[player], wanted, flows, values, looked, amplitudes),
        variant=variant.label,
        rule=rule.label,
        dim=1,
        x0=around.x0.tolist(),
    )


def size_of(flow: AveragedFlow, player: str) -> float:
    """A player's amplitude in the end; inf where it grows, NaN where it is undecided."""
    amplitude = flow.amplitude if player == CRITIC else flow.amplitude_theta
    unknown = math.inf if flow.kind is Outcome.GROWING else math.nan
    return unknown if amplitude is None else amplitude


def log_ratio(size: float, wanted: float) -> float:
    """log(size/wanted), bounded where either is 0 or infinite."""
    ratio = math.log(max(size, T.tiny)) - math.log(max(wanted, T.tiny))
    return float(np.clip(ratio, -_MOST_LOG, _MOST_LOG))


class Scale(NamedTuple):
    """On which a number is looked at: by how far it is from 1, by its logarithm, or as it is.

    Attributes:
        to: the number -> its place.
        back: its place -> the number.
    """

    to: Callable[[float], float]
    back: Callable[[float], float]

    @classmethod
    def of(cls, domain: Parameter, low: float) -> Scale:
        """The scale of a number with a domain, looked at from ``low`` on."""
        if domain.high == 1.0:
            return cls(lambda x: -math.log1p(-x), lambda p: float(-math.expm1(-p)))
        if low > 0:
            return cls(math.log, lambda p: float(math.exp(p)))
        return cls(float, float)


def _ends(handle: ParameterHandle, low: float | None, high: float | None) -> tuple[float, float]:
    """Between which values a number is looked at."""
    top = handle.domain.high
    most = _LARGEST_DECAY if top == 1.0 else min(_LARGEST, math.inf if top is None else top)
    floor = 0.0 if top == 1.0 else _LEAST
    first = number(f"low of {handle.name}", floor if low is None else low, low=handle.domain.low)
    last = number(f"high of {handle.name}", most if high is None else high, high=top)
    increasing(first, last)
    return first, last


def _text(
    name: str,
    size: str,
    wanted: float,
    flows: list[AveragedFlow],
    values: list[float],
    looked: np.ndarray,
    amplitudes: np.ndarray,
) -> str:
    known = amplitudes[np.isfinite(amplitudes)]
    if not values:
        span = f"from {known.min():.4g} to {known.max():.4g}" if len(known) else "nowhere finite"
        return f"no {name} from {looked[0]:.6g} to {looked[-1]:.6g} gives {size} = {wanted:g}: it is {span}"
    found = [
        f"{name} = {x:.6g}" + ("" if f.period is None else f" (one rotation in {f.period:.4g} iterations)")
        for x, f in zip(values, flows, strict=True)
    ]
    source = "iterated runs" if any(f.iterated for f in flows) else "the averaged flow"
    return f"a cycle of {size} = {wanted:g} at {', '.join(found)}, by {source} without minibatches' noise"
