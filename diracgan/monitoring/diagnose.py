"""The oscillation doctor: what a logged training run does, what was predicted, and what would help."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..analysis.linear.spectrum import spectrum
from ..analysis.thresholds.tune import tune
from ..analysis.thresholds.weight_averaging import decay_for, gain
from ..analysis.verdict.kinds import KINDS, Kind
from ..analysis.verdict.verdict import verdict
from ..errors import InputError, number
from ..numerics.modal_fits import ModalFit, OscillationMode, oscillation_modes
from ..rules import Rule
from ..variants import Variant
from . import logs

_REDUCE = 10.0  # what an average is asked for
_MOST_LR = 10.0  # learning rates are turned by no more than this
LEAST_SHARE = 0.05  # of a series' variance: what moves less of it is not what a run suffers from


@dataclasses.dataclass(frozen=True)
class Oscillation:
    """One oscillation of a log, per step of its clock.

    Attributes:
        frequency: angular frequency per step; ``frequency_error`` its standard error.
        period: 2 pi / frequency, in steps.
        damping: amplitude goes like exp(-damping n); negative where it grows; ``damping_error`` its standard
        error.
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
        agrees: whether frequency and damping agree within their errors and 5 %; None without an oscillation.
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


@dataclasses.dataclass(frozen=True)
class Advice:
    """One thing to try.

    Attributes:
        knob: "ema", "r1", "lr_ratio" or "lr".
        value: what to set it to; None where it should be left alone or a learning rate is needed to say it.
        effect: what is then predicted.
        caveat: when that does not hold.
    """

    knob: str
    value: float | None
    effect: str
    caveat: str


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """What a log holds.

    Attributes:
        kind: "rotation" (steady phase), "wandering" (the phase wanders, as of an oscillation that noise keeps going) or
            "none".
        oscillations: strongest first.
        lag: series -> phase of the strongest oscillation against the first series, in degrees in (-180, 180]; about
            +-90 between two players that chase each other.
        noise: series -> standard deviation of what neither trend nor oscillation explains.
        predicted: what the Dirac game says, if a variant was named.
        recommendations: what to try.
        text: the same in words.
        names: of the series; ``rows`` how many rows were used; ``clock`` what counts them, ``interval`` from row to
            row.
        notes: what was left out or changed.
        variant: label, or None; ``rule`` label, or None.
        log: the series; ``fit`` the fitted model (both for the picture).
    """

    kind: str
    oscillations: list[Oscillation]
    lag: dict[str, float]
    noise: dict[str, float]
    predicted: Prediction | None
    recommendations: list[Advice]
    text: str
    names: list[str]
    rows: int
    clock: str
    interval: float
    notes: list[str]
    variant: str | None
    rule: str | None
    log: logs.Log
    fit: ModalFit

    def as_dict(self) -> dict[str, Any]:
        """Name -> value of every attribute but the series themselves."""
        whole = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("log", "fit")
        }
        for name in ("oscillations", "recommendations"):
            whole[name] = [dataclasses.asdict(x) for x in whole[name]]
        whole["predicted"] = None if self.predicted is None else dataclasses.asdict(self.predicted)
        return whole


def diagnose(
    series: Any,
    variant: Variant | None = None,
    rule: Rule | None = None,
    *,
    columns: Sequence[str] | None = None,
    step: str | None = None,
    interval: float | None = None,
    after: float | None = None,
    dim: int = 1,
    x0: Any = None,
    h: float | None = None,
) -> Diagnosis:
    """Find the oscillations of a logged training run, compare them with theory, and say what would help.

    Each series is a trend, modes A exp(-sigma n) cos(omega n + delta) that all series share, and noise with a red
    and a white part. Modes are found by a matrix pencil, fitted by maximum likelihood and kept only when noise shows
    the like once in a million records.

    Args:
        series: a file (.csv, .tsv, .jsonl, .json, .npz), a mapping of names to numbers, a result of
            :func:`diracgan.simulate`, or an array of shape (rows,) or (rows, series).
        variant: the loss that was trained, for a comparison with its Dirac game.
        rule: how it was trained; None compares with the flow.
        columns: the series to look at; all by default.
        step: the name of the column that counts steps; the usual names are known.
        interval: steps from row to row, where no column says so.
        after: leave out what is before this step.
        dim: dimension of the Dirac game.
        x0: its datum.
        h: time per step, to compare with the flow, or the critic's learning rate where no rule says it.

    Returns:
        A :class:`Diagnosis`; frequencies and dampings per step.

    Raises:
        InputError: for files or values that are not allowed.

    References:
        Hua & Sarkar 1990 (matrix pencil); docs/theory.md sections 2 to 4.

    Example:
        >>> import numpy as np, diracgan as dg
        >>> n = np.arange(600)
        >>> noise = 0.05 * np.random.default_rng(0).normal(size=600)
        >>> found = dg.diagnose(np.exp(-0.004 * n) * np.cos(0.1 * n) + noise)
        >>> found.kind, round(found.oscillations[0].period)
        ('rotation', 63)
    """
    if variant is None and rule is not None:
        raise InputError("a rule predicts nothing without a variant; give both")
    pace = None if h is None else number("h", h, low=0, open_low=True)
    log = logs.read(series, columns, step, interval, after)
    fit = oscillation_modes(log.values)
    found = [_oscillation(m, log) for m in fit.modes]
    lead = found[0] if found else None
    predicted = None if variant is None else _prediction(variant, rule, dim, x0, pace, lead)
    advice = _advice(variant, rule, dim, x0, pace, lead, predicted, log.values.shape[1] * log.interval)
    kind = "none" if lead is None else "rotation" if lead.steady else "wandering"
    notes = list(log.notes)
    if fit.first and fit.block == 1:
        notes.append(f"only the last {fit.rows} rows were used")
    elif fit.block > 1:
        notes.append(f"means of {fit.block} rows were used")
    if lead is not None and lead.period < 4 * log.interval:
        notes.append(
            f"a period of {lead.period / log.interval:.3g} rows: something faster may look like it; log more often"
        )
    if lead is not None and not _matters(lead):
        notes.append(
            f"the oscillation holds {100 * max(lead.share.values()):.2g} % of the variance; below "
            f"{100 * LEAST_SHARE:.0f} % nothing is recommended against it"
        )
    lag = {} if lead is None else _lags(lead)
    return Diagnosis(
        kind=kind,
        oscillations=found,
        lag=lag,
        noise=dict(zip(log.names, (float(x) for x in fit.noise), strict=True)),
        predicted=predicted,
        recommendations=advice,
        text=_words(kind, found, lag, log),
        names=log.names,
        rows=log.values.shape[1],
        clock=log.clock,
        interval=log.interval,
        notes=notes,
        variant=None if variant is None else variant.label,
        rule=None if rule is None else rule.label,
        log=log,
        fit=fit,
    )


def _oscillation(m: OscillationMode, log: logs.Log) -> Oscillation:
    per = 1.0 / log.interval
    variance = np.maximum(log.values.var(axis=1), 1e-300)

    def named(values: np.ndarray) -> dict[str, float]:
        return dict(zip(log.names, (float(x) for x in values), strict=True))

    return Oscillation(
        frequency=m.omega * per,
        frequency_error=m.errors[0] * per,
        period=2 * math.pi / (m.omega * per),
        damping=m.sigma * per,
        damping_error=m.errors[1] * per,
        amplitude=named(m.amplitudes),
        phase=named(m.phases),
        share=named(np.minimum(m.power / variance, 1.0)),
        steady=m.steady,
        exponential=m.exponential,
        chance=m.chance,
    )


def _lags(lead: Oscillation) -> dict[str, float]:
    phases = list(lead.phase.items())
    if not lead.steady or len(phases) < 2:
        return {}
    first = phases[0][1]
    return {name: 180.0 - (180.0 - math.degrees(p - first)) % 360.0 for name, p in phases[1:]}


# ---------------- comparison with the Dirac game


def _prediction(
    variant: Variant, rule: Rule | None, dim: int, x0: Any, h: float | None, lead: Oscillation | None
) -> Prediction:
    source, status, frequency, damping = _of_theory(variant, rule, dim, x0, h)
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


def _of_theory(
    variant: Variant, rule: Rule | None, dim: int, x0: Any, h: float | None
) -> tuple[str, str, float | None, float | None]:
    """Source, status, angular frequency and damping per step of what the theory says."""
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
    r = verdict(variant, rule=rule, x0=x0, dim=max(dim, 2) if x0 is None else dim, effort=0.3)
    period = r.numbers.get("period")
    frequency = r.numbers.get("frequency") or (2 * math.pi / period if period else None)
    if frequency is None:
        return "verdict", r.kind, None, None
    rate = 0.0 if Kind(r.kind).is_orbit else r.numbers.get("rate")
    pace = 1.0 if rule is not None or h is None else h
    return "verdict", r.kind, frequency * pace, None if rate is None else rate * pace


# ---------------- what would help


def _advice(
    variant: Variant | None,
    rule: Rule | None,
    dim: int,
    x0: Any,
    h: float | None,
    lead: Oscillation | None,
    predicted: Prediction | None,
    steps: float,
) -> list[Advice]:
    if lead is None:
        quieter = math.sqrt(1.99 / 0.01)
        return [
            Advice("ema", 0.99, f"the average over about 100 steps has {quieter:.0f} times less white noise",
                   "there is no oscillation to average away; noise that lasts longer than 100 steps stays"),
        ]  # fmt: skip
    if not _matters(lead):
        return []
    # losses turn twice as often as the players do; what is to be damped are the players
    multiple = predicted.multiple if predicted is not None else 1
    omega, sigma = lead.frequency / multiple, lead.damping / multiple
    drift = lead.drift(steps)
    return [
        _ema_advice(omega, sigma, drift),
        _r1_advice(variant, rule, dim, x0, h, omega, sigma, predicted),
        _ratio_advice(variant, rule, dim, x0, omega, sigma, drift if lead.exponential else min(drift, 0)),
    ]


def _matters(lead: Oscillation) -> bool:
    return max(lead.share.values()) >= LEAST_SHARE


def _rescales(rule: Rule | None) -> bool:
    """Whether the rule divides gradients by their own size: its learning rate is then no time per step."""
    if rule is None:
        return False
    inner = (x for x in vars(rule).values() if isinstance(x, Rule))
    return rule.name in ("adam", "optax") or any(map(_rescales, inner))


def _ema_advice(omega: float, sigma: float, drift: int) -> Advice:
    angle = min(omega, math.pi)
    decay, rest = decay_for(_REDUCE, angle)
    if drift < 0:
        return Advice(
            "ema", None, "none that lasts: the oscillation grows, and so does its average",
            "first make the run itself stop growing (a penalty, a smaller learning rate)",
        )  # fmt: skip
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


def _r1_advice(
    variant: Variant | None,
    rule: Rule | None,
    dim: int,
    x0: Any,
    h: float | None,
    omega: float,
    sigma: float,
    predicted: Prediction | None,
) -> Advice:
    caveat = (
        "gamma counts |grad D|^2, whose size is the network's own: begin with a tenth, log again and "
        "compare the damping; beyond it convergence slows down again"
    )
    now = math.hypot(omega, sigma)
    if _rescales(rule):
        return Advice(
            "r1", None, "none from these numbers: the rule divides gradients by their own size, so that its learning "
            "rate says nothing about gamma", "try gamma over decades, from the smallest, and compare the damping",
        )  # fmt: skip
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


def _ratio_advice(
    variant: Variant | None, rule: Rule | None, dim: int, x0: Any, omega: float, sigma: float, drift: int
) -> Advice:
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
                    "lr_ratio", value, f"in the Dirac game the critic at {value:g} times the generator's rate "
                    f"converges {times:.3g} times as fast", caveat,
                )  # fmt: skip
            return Advice("lr_ratio", None, "the ratio is already the best in the Dirac game", caveat)
    # damping comes with the critic: sigma grows with its rate, the frequency only with the root of it
    factor = min((math.hypot(omega, sigma) / sigma) ** 2, _MOST_LR)
    if factor <= 1.1:
        return Advice("lr_ratio", None, "the damping is as good as a ratio can make it", caveat)
    value = float(f"{factor:.2g}")
    effect = f"a critic {value:g} times as fast, if the damping is the critic's: exp(-{sigma * value:.3g} n)"
    return Advice("lr_ratio", value, effect, caveat)


def _words(kind: str, found: list[Oscillation], lag: dict[str, float], log: logs.Log) -> str:
    unit = {"row": "rows", "time": "units of time", "t": "units of time"}.get(log.clock, "steps")
    if kind == "none":
        return f"no oscillation to speak of in {log.values.shape[1]} rows: trend and noise explain them"
    o = found[0]
    wanders = "an oscillation whose phase wanders (noise keeps it going, or its period changes)"
    parts = [
        f"{'rotation' if o.steady else wanders} with a period of {o.period:.5g} {unit} "
        f"(frequency {o.frequency:.5g} ± {o.frequency_error:.2g})"
    ]
    if not o.steady:
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
    parts += [f"{n} {'lags' if d < 0 else 'leads'} by {abs(d):.0f}°" for n, d in lag.items()]
    if len(found) > 1:
        parts.append(f"besides periods of {', '.join(f'{x.period:.4g}' for x in found[1:])}")
    return "; ".join(parts)


__all__ = ["Advice", "Diagnosis", "Oscillation", "Prediction", "diagnose"]
