"""Advice against an oscillation: averages, a penalty, the ratio of learning rates."""

from __future__ import annotations

import dataclasses
import math

from ..analysis.linear.spectrum import spectrum
from ..analysis.thresholds.tune import tune
from ..analysis.thresholds.weight_averaging import decay_for, gain
from ..errors import InputError
from ..rules import Rule
from .oscillations import Oscillation
from .prediction import ComparedGame, Prediction

_REDUCE = 10.0  # what an average is asked for
_MOST_LR = 10.0  # learning rates are changed by no more than this factor
LEAST_SHARE = 0.05  # of a series' variance: what moves less of it is not what a run suffers from
# what a clock must count for an average's decay or a penalty's weight to be said
STEPS = ("steps", "rows", "batches", "units of time")


@dataclasses.dataclass(frozen=True)
class Advice:
    """One thing to try.

    Attributes:
        parameter: "ema", "r1", "lr_ratio" or "lr".
        value: what to set it to; None where it should be left alone or a learning rate is needed to say it.
        effect: what is then predicted.
        caveat: when that does not hold.
    """

    parameter: str
    value: float | None
    effect: str
    caveat: str


def advice_on(
    game: ComparedGame,
    lead: Oscillation | None,
    predicted: Prediction | None,
    steps: float,
    unit: str = "steps",
) -> list[Advice]:
    """What would help, each with its effect and when it does not hold.

    Args:
        game: what was trained, and how.
        lead: the strongest oscillation, or None.
        predicted: what the Dirac game says of it.
        steps: how long the oscillation was seen, in the clock's unit.
        unit: what the clock counts: where it is not steps, nothing that is set per step can be said.
    """
    if lead is None and unit not in STEPS:
        return []
    if lead is None:
        quieter = math.sqrt(1.99 / 0.01)
        return [
            Advice(
                "ema",
                0.99,
                f"the average over about 100 steps has {quieter:.0f} times less white noise",
                "there is no oscillation to average away; noise that lasts longer than 100 steps stays",
            ),
        ]
    # losses turn twice as often as the players do; what is to be damped are the players
    multiple = predicted.multiple if predicted is not None else 1
    omega, sigma = lead.frequency / multiple, lead.damping / multiple
    drift = lead.drift(steps)
    if unit not in STEPS:
        return _per_unit(omega, drift, unit)
    return [
        _ema_advice(omega, sigma, drift),
        _r1_advice(game, omega, sigma, predicted),
        _ratio_advice(game, omega, sigma, drift if lead.exponential else min(drift, 0)),
    ]


def _per_unit(omega: float, drift: int, unit: str) -> list[Advice]:
    """What can be said where the clock counts images, epochs or seconds."""
    if drift < 0:
        return [_ema_advice(omega, 0.0, drift)]
    half = (
        math.log(2) * math.sqrt(_REDUCE**2 - 1) / omega
    )  # of an average that lets 1/10 of the swing through
    return [
        Advice(
            "ema_half_life",
            float(f"{half:.2g}"),
            f"an average with a half-life of {half:.2g} {unit} swings {_REDUCE:.0f} times less",
            "it shows the centre of the oscillation and moves nothing in the run",
        ),
        Advice(
            "r1",
            None,
            f"none from these numbers: the clock counts {unit}; a gamma needs steps and a learning rate",
            "try gamma over decades, from the smallest, and compare the damping",
        ),
    ]


def _ema_advice(omega: float, sigma: float, drift: int) -> Advice:
    angle = min(omega, math.pi)
    decay, rest = decay_for(_REDUCE, angle)
    if drift < 0:
        return Advice(
            "ema",
            None,
            "none that lasts: the oscillation grows, and so does its average",
            "first make the run itself stop growing (a penalty, a smaller learning rate)",
        )
    value = _digits(decay, rest)
    effect = f"the average swings {1 / float(gain(value, angle)):.3g} times less, with a memory of {1 / rest:.3g} steps"
    caveat = "it shows the centre of the oscillation and moves nothing in the run; counted per step, from the start"
    if drift > 0 and value > 0 and -math.log(value) < sigma:
        caveat = (
            f"the run itself settles in {1 / sigma:.3g} steps, and this average takes longer to forget its start; "
            f"decay below {math.exp(-sigma):.4g} does not slow it"
        )
    return Advice("ema", value, effect, caveat)


def _digits(decay: float, rest: float) -> float:
    """A decay rounded where it matters: in 1 - decay, to two digits, never below what was asked."""
    if rest <= 0 or decay <= 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(rest)) - 1)
    return 1.0 - max(math.floor(rest / unit), 1) * unit


def _critic_rate(rule: Rule | None, h: float | None) -> float | None:
    if rule is None:
        return h
    known = rule.hyperparameters
    rate = known.get("lr_d") or known.get("lr")
    return None if rate is None else float(rate) * float(known.get("n_critic") or 1)


def _r1_advice(game: ComparedGame, omega: float, sigma: float, predicted: Prediction | None) -> Advice:
    variant, rule, dim, x0, h = game
    caveat = (
        "gamma counts |grad D|^2, whose size is the network's own: begin with a tenth, log again and "
        "compare the damping; beyond it convergence slows down again"
    )
    now = math.hypot(omega, sigma)
    if rule is not None and rule.is_adaptive:
        return Advice(
            "r1",
            None,
            "none from these numbers: the rule divides gradients by their own size, so that its learning "
            "rate says nothing about gamma",
            "try gamma over decades, from the smallest, and compare the damping",
        )
    rate = _critic_rate(rule, h)
    if variant is not None and rule is not None and predicted is not None and predicted.scale:
        try:
            best = tune(variant, {"r1": (0.0, 50.0)}, rule=rule, dim=dim, x0=x0)
        except InputError:
            best = None
        if best is not None and best.best and math.isfinite(best.rate) and best.rate > 0:
            value = best.best["r1"] * predicted.scale
            effect = f"in the Dirac game r1 = {best.best['r1']:.3g} is the fastest, exp(-{best.rate:.3g} n)"
            if abs(predicted.scale - 1) > 0.01:
                effect += (
                    f"; at {predicted.scale:.3g} times its speed that is gamma = {value:.3g} and "
                    f"exp(-{best.rate * predicted.scale:.3g} n)"
                )
            return Advice("r1", float(f"{value:.3g}"), effect, caveat)
    extra = max(2 * (now - sigma), 0.0)
    if extra <= 0.02 * now:
        return Advice("r1", None, "it is damped as well as a penalty on the critic can damp it", caveat)
    dies = f"disturbances die like exp(-{now:.3g} n), in about {3 / now:.3g} steps, without overshoot"
    if rate is None:
        return Advice(
            "r1", None, f"gamma = {extra:.3g}/lr with the critic's learning rate lr: {dies}", caveat
        )
    return Advice("r1", float(f"{extra / rate:.3g}"), dies, caveat)


def _ratio_advice(game: ComparedGame, omega: float, sigma: float, drift: int) -> Advice:
    variant, rule, dim, x0, _ = game
    caveat = "a faster critic also takes larger steps: its own stability ends where lr times its curvature reaches 2"
    if drift <= 0 or sigma < 0.02 * omega:
        effect = (
            "none on the growth by itself; smaller learning rates of both make it grow less per turn"
            if drift < 0
            else "none: an undamped rotation turns with the root of both rates' product, whatever their ratio"
        )
        return Advice(
            "lr_ratio", None, effect, "with a penalty on the critic the ratio does matter: add that first"
        )
    if variant is not None and rule is not None:
        try:
            best = tune(variant, {"lr_ratio": (1.0 / _MOST_LR, _MOST_LR)}, rule=rule, dim=dim, x0=x0)
            s = spectrum(variant, dim=dim, x0=x0, rule=rule)
            before = -math.log(s.spectral_radius) / float(rule.period) if s.spectral_radius else 0.0
        except InputError:
            best, before = None, 0.0
        if best is not None and best.best and before > 0 and math.isfinite(best.rate):
            times = best.rate / before
            if times > 1.05:
                value = float(f"{best.best['lr_ratio']:.3g}")
                return Advice(
                    "lr_ratio",
                    value,
                    f"in the Dirac game the critic at {value:g} times the generator's rate "
                    f"converges {times:.3g} times as fast",
                    caveat,
                )
            return Advice("lr_ratio", None, "the ratio is already the best in the Dirac game", caveat)
    # damping comes with the critic: sigma grows with its rate, the frequency only with the root of it
    factor = min((math.hypot(omega, sigma) / sigma) ** 2, _MOST_LR)
    if factor <= 1.1:
        return Advice("lr_ratio", None, "the damping is as good as a ratio can make it", caveat)
    value = float(f"{factor:.2g}")
    effect = f"a critic {value:g} times as fast, if the damping is the critic's: exp(-{sigma * value:.3g} n)"
    return Advice("lr_ratio", value, effect, caveat)
