"""The learning rate, or beta1, above which a trained network's checkpoint is unstable."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from ..errors import integer, one_of
from ..game import Players
from ..records import Record
from ..rules import Rule
from .checkpoint import checkpoint
from .forecast import UNSTABLE, leading_multipliers, under
from .linear_response import AnyCheckpoint, step_model
from .settings import Setting, changed

_TOLERANCE = 0.05  # of the logarithm of what is varied


class _Scale(NamedTuple):
    """How a parameter is varied: on which logarithm, and how far."""

    to_log: Callable[[float], float]
    from_log: Callable[[float], float]
    most: float


_SCALES = {
    "lr": _Scale(np.log, np.exp, float(np.log(32.0))),
    "beta1": _Scale(lambda b: -np.log1p(-b), lambda s: -np.expm1(-s), float(np.log(32.0))),
}


@dataclasses.dataclass(frozen=True)
class CriticalSetting(Record):
    """What :func:`critical_setting` finds.

    Attributes:
        parameter: ``lr`` or ``beta1``.
        now: the run's own.
        value: from which on the checkpoint is unstable; None where it is so already, or nowhere that was looked at.
        growth: the modulus of the leading turning multiplier at the run's own setting; None where none turns.
        angle: its argument at ``value``, radians per iteration; None without.
        largest: up to where the checkpoint is stable, as far as was looked; ``now`` where it is not.
        products: with the transposed Jacobian, that it took.
        text: in words.
    """

    parameter: str
    now: float
    value: float | None
    growth: float | None
    angle: float | None
    largest: float
    products: int
    text: str


def critical_setting(
    run: Any,
    parameter: str = "lr",
    steps: int = 2500,
    *,
    samples: int = 256,
    seed: int = 0,
    players: Players | None = None,
    rule: Rule | None = None,
    memory: Any = None,
    batch: int | None = None,
) -> CriticalSetting:
    """The learning rate, or the beta1, from which on a run would blow up from its last checkpoint.

    There the leading turning multiplier of the whole optimiser step, the optimiser's memory in it, passes 1.01, beyond
    which :func:`~diracgan.forecast` calls a setting unstable. Neither networks nor optimiser move: in a run that goes
    on for long at another setting, the curvature follows it.

    Args:
        run: as in :func:`~diracgan.forecast`, as are ``samples``, ``seed``, ``players``, ``rule``, ``memory`` and
            ``batch``.
        parameter: ``"lr"`` (of both players, in their ratio) or ``"beta1"``.
        steps: iterations of the window within which it is to blow up.
        samples: of a mixture, on which everything is monitored.
        seed: of all draws.
        players: where a Game is.
        rule: how it moves.
        memory: what the rule remembers there.
        batch: samples in a Game's minibatch.

    Returns:
        A :class:`CriticalSetting`. How far it is from runs is measured in docs/howto/forecast.md.

    Raises:
        InputError: for what is not a run, or a parameter that its rule does not have.

    Example:
        >>> import diracgan as dg
        >>> run = dg.train("ns:r1=0.1", "points8", networks={"width": 4}, steps=300, batch=16)
        >>> found = dg.critical_setting(run, "lr", 200, samples=32)
        >>> found.value > found.now
        True
    """
    one_of("parameter", parameter, tuple(_SCALES))
    steps, seed = integer("steps", steps, low=50), integer("seed", seed, low=0)
    with jax.enable_x64(True):
        at, now = checkpoint(run, players, rule, memory, batch, samples)
        varied = _varied(now, parameter)
        return _crossed(at, varied, parameter, steps, seed)


def _varied(now: Setting, parameter: str) -> Callable[[float | None], Setting]:
    """The setting at a value; None for the run's own."""
    changed(
        now, {parameter: _value(now, parameter)}
    )  # refuses rules without it, or whose steps are their own
    if parameter == "lr":
        own = {n: x for n, x in _rates(now.rule).items() if x is not None}

        def at_rate(value: float | None) -> Setting:
            factor = 1.0 if value is None else value / _value(now, parameter)
            return now._replace(rule=dataclasses.replace(now.rule, **{n: factor * x for n, x in own.items()}))

        return at_rate
    return lambda value: now if value is None else changed(now, {parameter: value})


def _rates(rule: Rule) -> dict[str, Any]:
    return {n: getattr(rule, n) for n in ("lr", "lr_d", "lr_g")}


def _value(now: Setting, parameter: str) -> float:
    return float(now.rule.rates.theta if parameter == "lr" else getattr(now.rule, parameter, 0.0))


def _crossed(
    at: AnyCheckpoint, varied: Callable[[float | None], Setting], parameter: str, steps: int, seed: int
) -> CriticalSetting:
    scale, now = _SCALES[parameter], _value(varied(None), parameter)
    seen: dict[float, tuple[float, float | None]] = {}
    products = 0

    def beyond(s: float) -> float:
        nonlocal products
        value = None if s == start else float(scale.from_log(s))
        model = step_model(under(at, varied(value), steps, seed), seed)[0]
        products += model.products
        growth, angle, _ = leading_multipliers(model.multipliers, steps)
        seen[s] = (growth or 0.0, angle)
        return float(np.log(max(growth or 0.0, 1e-3) / UNSTABLE))

    start = float(scale.to_log(now))
    last, height, width = start, beyond(start), float(np.log(2.0))
    growth = seen[start][0] or None
    if height > 0:
        text = f"unstable at {parameter} = {now:.4g} already: a turning multiplier of {growth:.5g}"
        return CriticalSetting(parameter, now, None, growth, seen[start][1], now, products, text)
    while last < start + scale.most:
        further = last + width
        if (above := beyond(further)) > 0:
            s = _root(beyond, last, further, height, above)
            value, angle = float(scale.from_log(s)), seen[min(seen, key=lambda x: abs(x - s))][1]
            text = f"unstable from {parameter} = {value:.3g} on, where a mode that turns by {angle:.3g} grows"
            return CriticalSetting(parameter, now, value, growth, angle, value, products, text)
        last, height = further, above
    largest = float(scale.from_log(last))
    text = f"stable up to {parameter} = {largest:.3g}, where the search ends"
    return CriticalSetting(parameter, now, None, growth, None, largest, products, text)


def _root(f: Callable[[float], float], a: float, b: float, below: float, above: float) -> float:
    """Where f passes 0 between a and b, by regula falsi (Illinois)."""
    while b - a > _TOLERANCE:
        c = float(np.clip(a - below * (b - a) / (above - below), a + 0.1 * (b - a), b - 0.1 * (b - a)))
        value = f(c)
        if value > 0:
            b, above, below = c, value, 0.5 * below
        else:
            a, below, above = c, value, 0.5 * above
    return 0.5 * (a + b)


__all__ = ["CriticalSetting", "critical_setting"]
