"""Weight averaging (EMA) of an orbit: its gain, and its limits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError, number, shown
from ...numerics.float_range import LARGEST
from ...records import Record
from ...rules import Rule
from ...variants import Variant
from ..kinds import Kind, Outcome
from ..linear.decision import leading_frequency
from ..linear.margins import Margin, margins
from ..linear.settings import settings
from ..linear.status import Status
from ..slow_flow.averaged import AveragedFlow
from ..slow_flow.beyond_rest import adaptive_flow, without_rest

_CURVE = 121  # values on the default curve, from no averaging to a horizon of a million
_RESTS = (0.9, 1e-6)  # 1 - decay on it
_TURNS = (1e-2, 1e4)  # tau times the frequency on it, of the flow


@dataclasses.dataclass(frozen=True, kw_only=True)
class Averaging(Record):
    """The gain of a weight average over its decay, for an orbit of one frequency.

    Attributes:
        kind: ``"steps"`` (decay beta, zbar+ = beta zbar + (1 - beta) z+) or ``"flow"`` (tau, zbar' = (z - zbar)/tau).
        omega: angular frequency of the orbit, per unit of time.
        h: time from one average to the next; None for a flow.
        angle: omega h, the angle per iteration; None for a flow.
        decays: the decays beta; empty for a flow.
        taus: the time constants: -h / log(beta) for steps.
        gains: amplitude of the average over that of the orbit, one for each.
        phases: by how much the average lags behind, as a negative angle in radians.
        reduction: k, if it was asked for; ``decay`` (or ``tau``) then reduces the orbit k-fold.
        decay: that decay, or None.
        tau: its time constant, or None.
        horizon: 1/(1 - decay): how many iterations it averages over, or None.
        spectral_radius: of the rule's multipliers, or exp(max Re) of the flow per unit of time; None without a variant.
        status: of the linearisation; None without a variant.
        slows_above: the decay (or tau) above which averaging slows a convergent run; None where there is none.
        cycle_amplitude: largest |phi| of the cycle, or of the pattern of a few steps, on which an adaptive rule ends,
            whose frequency this then is (:func:`diracgan.averaged`, d = 1); else None.
        text: the same in words.
        variant: label, or None; ``rule`` label, or None; ``dim`` the dimension.
    """

    kind: str
    omega: float
    h: float | None = None
    angle: float | None = None
    decays: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))
    taus: np.ndarray
    gains: np.ndarray
    phases: np.ndarray
    reduction: float | None
    decay: float | None = None
    tau: float | None = None
    horizon: float | None = None
    spectral_radius: float | None
    status: str | None = None
    slows_above: float | None
    cycle_amplitude: float | None = None
    text: str = ""
    variant: str | None = None
    rule: str | None = None
    dim: int | None = None


def gain(decay: ArrayLike, angle: ArrayLike) -> np.float64 | np.ndarray:
    """Amplitude of the EMA of an orbit over the orbit's own: (1 - beta)/|1 - beta exp(-i omega h)|.

    Args:
        decay: beta in [0, 1), a number or an array.
        angle: omega h in radians, a number or an array.

    Returns:
        A number or an array in (0, 1].

    References:
        docs/theory.md section 4; Yazici et al. 2018 (arXiv 1806.04498).

    Example:
        >>> round(float(gain(0.99, 0.05)), 4)
        0.1971
    """
    beta = np.asarray(decay, float)
    # |1 - beta e^-iw|^2 = (1 - beta)^2 + 4 beta sin^2(w/2), without cancellation
    swing = 2.0 * np.sqrt(beta) * np.sin(np.asarray(angle, float) / 2.0)
    return (1.0 - beta) / np.hypot(1.0 - beta, swing)


def flow_gain(tau: ArrayLike, omega: ArrayLike) -> np.float64 | np.ndarray:
    """The same in continuous time: 1/|1 + i omega tau|.

    Example:
        >>> round(float(flow_gain(1.0, 1.0)), 6)
        0.707107
    """
    return 1.0 / np.hypot(1.0, np.asarray(tau, float) * np.asarray(omega, float))


def decay_for(reduction: float, angle: float) -> tuple[float, float]:
    """The decay whose EMA reduces an orbit ``reduction``-fold, and 1 - decay, which is the accurate one near 1.

    The root in [0, 1) of (k^2 - 1) beta^2 - 2 (k^2 - cos w) beta + (k^2 - 1) = 0; the other root is its inverse.

    Args:
        reduction: k >= 1.
        angle: w = omega h in radians.

    Returns:
        beta and 1 - beta; NaN where no decay does it (an orbit that stands still, sin(w/2) = 0).

    Example:
        >>> beta, rest = decay_for(10.0, 0.05)
        >>> round(float(gain(beta, 0.05)), 12)
        0.1
    """
    a, d = reduction**2 - 1.0, 2.0 * math.sin(angle / 2.0) ** 2  # k^2 - cos w = a + d
    if a <= 0.0:
        return 0.0, 1.0
    if d <= 0.0:
        return math.nan, math.nan
    swing = math.sqrt(d * (2.0 * a + d))
    return a / (a + d + swing), (d + swing) / (a + d + swing)


def ema(
    variant: Variant | None = None,
    rule: Rule | None = None,
    *,
    omega: float | None = None,
    h: float | None = None,
    decay: float | Sequence[float] | None = None,
    tau: float | Sequence[float] | None = None,
    reduction: float | None = None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    at: tuple[ArrayLike, ArrayLike] | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> Averaging:
    """What an exponential moving average makes of an orbit: its gain, the decay for a wanted one, and its price.

    |G| = (1 - beta)/|1 - beta exp(-i omega h)| for steps, 1/|1 + i omega tau| for the flow. The average adds the
    multiplier beta (or the eigenvalue -1/tau) and moves no other: it cannot make a divergent run converge, and slows a
    convergent one where beta exceeds its spectral radius.

    Args:
        variant: whose orbit; None when ``omega`` is given.
        rule: how its players move; None for the flow. The frequency is that of the leading multipliers; of an adaptive
            rule (Adam) in d = 1, that of the cycle or the pattern of steps on which it ends; in more dimensions the
            multipliers hold at rest alone, which ``text`` says.
        omega: angular frequency per unit of time, in place of the linearisation's.
        h: time from one average to the next, with ``omega``; the rule's time step by default, 1 without one. Neither
            ``h`` nor ``rule`` nor ``decay``: the flow.
        decay: one or several decays beta in [0, 1); by default a curve over all of them.
        tau: one or several time constants > 0 of the flow's average, in place of ``decay``.
        reduction: k >= 1: find the decay (or tau) that reduces the orbit k-fold.
        dim: dimension d (1, or that of ``x0`` or ``at``).
        x0: the datum; None for 0.
        at: the equilibrium; None for (0, x0).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).

    Returns:
        An :class:`Averaging`.

    Raises:
        InputError: for arguments that are not allowed, or where no frequency can be found.

    References:
        docs/theory.md section 4; Yazici et al. 2018 (arXiv 1806.04498).

    Example:
        >>> import diracgan as dg
        >>> a = dg.ema(omega=0.5, h=0.1, decay=[0.99, 0.999, 0.9999])
        >>> [float(f"{g:.4g}") for g in a.gains]
        [0.1971, 0.02001, 0.002]
    """
    if variant is None and (rule is not None or omega is None):
        raise InputError("whose orbit? give a variant (with or without a rule), or omega (and h)")
    if variant is None:
        rates = {n: None if r == 1 else r for n, r in (("rate_d", rate_d), ("rate_g", rate_g))}
        _refuse_of_games({"dim": dim, "x0": x0, "at": at, **rates})
    if decay is not None and tau is not None:
        raise InputError("decay belongs to steps and tau to the flow; give one of them")
    if rule is not None and h is not None:
        raise InputError("a rule has a time step of its own; give h only without one")
    steps = tau is None and (rule is not None or h is not None or decay is not None)
    if rule is not None and not steps:
        raise InputError("tau belongs to the flow; a rule's average has a decay")
    found, about = None, {}
    if variant is not None:
        around = settings(variant, rule, dim, x0, at, rate_d, rate_g)
        found = margins([around])[0]
        about = {n: around.provenance[n] for n in ("variant", "rule", "dim")} | {"status": found.status}
    step = None if not steps else _time_step(rule, h)
    flow = None if omega is not None or at is not None else adaptive_flow(variant, rule, dim, x0)
    turns = flow if flow is not None and flow.kind in (Kind.LIMIT_CYCLE, Outcome.ORBIT) else None
    if turns is not None and turns.period is not None and step is not None:
        frequency = 2 * math.pi / (turns.period * step)
        about["cycle_amplitude"] = turns.amplitude
    else:
        frequency = _frequency(variant, rule, found, omega)
    k = None if reduction is None else number("reduction", reduction, low=1.0, high=LARGEST)
    if step is not None:
        made = _of_steps(frequency, step, rule.ema if rule is not None and decay is None else decay, k)
    else:
        made = _of_flow(frequency, tau, k)
    if k is not None and k > 1 and math.isnan(made["decay"] if steps else made["tau"]):
        raise InputError(
            "nothing turns here (frequency 0), so no average reduces it; allowed: orbits with omega > 0"
        )
    radius, slows = _price(found, rule, steps, step)
    averaging = Averaging(
        omega=frequency,
        reduction=k,
        spectral_radius=radius,
        slows_above=slows,
        **about,
        **made,
    )
    return dataclasses.replace(averaging, text=_words(averaging) + _regime(averaging, rule, flow, omega))


def _refuse_of_games(given: Mapping[str, Any]) -> None:
    """InputError for what says something about a game, where none is given."""
    for name, value in given.items():
        if value is not None:
            raise InputError(
                f"{name} = {shown(value)} needs a variant; allowed beside omega: h, decay, tau, reduction"
            )


def _of_steps(frequency: float, step: float, given: ArrayLike | None, k: float | None) -> dict[str, Any]:
    """What an average with these decays does, and the decay that reduces the orbit k-fold."""
    angle = number("omega * h", frequency * step, low=0)
    betas, rests = _decays(given)
    gains = rests / np.hypot(rests, 2.0 * np.sqrt(betas) * np.sin(angle / 2.0))
    with np.errstate(divide="ignore"):
        taus = np.where(betas > 0, -step / np.log1p(-rests), 0.0)
    phases = np.angle(rests / (1.0 - betas * np.exp(-1j * angle)))
    made = {"kind": "steps", "h": step, "angle": angle, "decays": betas, "taus": taus, "gains": gains}
    made["phases"] = phases + 0.0  # no negative zero
    if k is not None:
        made["decay"], rest = decay_for(k, angle)
        made["tau"] = 0.0 if rest >= 1.0 else -step / math.log1p(-rest)  # NaN where no decay does it
        made["horizon"] = 1.0 / rest
    return made


def _of_flow(frequency: float, given: ArrayLike | None, k: float | None) -> dict[str, Any]:
    """The same for the flow's average with these time constants."""
    taus = _taus(given, frequency)
    tau = None if k is None else (math.sqrt(k * k - 1.0) / frequency if frequency else math.nan)
    gains, phases = flow_gain(taus, frequency), -np.arctan(frequency * taus) + 0.0
    return {"kind": "flow", "taus": taus, "gains": gains, "phases": phases, "tau": tau}


def _time_step(rule: Rule | None, h: float | None) -> float:
    if rule is not None:
        return float(rule.time_step)
    return number("h", 1.0 if h is None else h, low=0, open_low=True)


def _frequency(
    variant: Variant | None, rule: Rule | None, found: Margin | None, omega: float | None
) -> float:
    """Of the orbit per unit of time: as given, or of the eigenvalue that lasts longest and turns."""
    if omega is not None:
        return number("omega", omega, low=0, open_low=True)
    assert found is not None
    assert variant is not None
    w = found.eigenvalues
    if not len(w):
        raise InputError(
            f"{variant.label} has no eigenvalues here ({found.status}), so no frequency; give omega=, "
            "for an orbit of period T 2 pi/T (a verdict finds it)"
        )
    turning = float(leading_frequency(w, rule is not None))
    return turning if rule is None else turning / (rule.period * float(rule.time_step))


def _decays(given: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """The decays and 1 minus them, each accurate."""
    if given is None:
        rests = np.concatenate([[1.0], np.geomspace(*_RESTS, _CURVE - 1)])
        return 1.0 - rests, rests
    betas = np.array([number("decay", b, low=0, high=1, open_high=True) for b in np.atleast_1d(given)])
    if not len(betas):
        raise InputError("no decay given; allowed: numbers in [0, 1)")
    return betas, 1.0 - betas


def _taus(given: ArrayLike | None, omega: float) -> np.ndarray:
    if given is None:
        return np.geomspace(*_TURNS, _CURVE) / (omega or 1.0)
    taus = np.array([number("tau", t, low=0, open_low=True) for t in np.atleast_1d(given)])
    if not len(taus):
        raise InputError("no tau given; allowed: numbers > 0")
    return taus


def _price(
    found: Margin | None, rule: Rule | None, steps: bool, step: float | None
) -> tuple[float | None, float | None]:
    """The spectral radius per iteration, and the decay or time constant above which averaging slows the
    run."""
    if found is None or not len(found.eigenvalues):
        return None, None
    if rule is None:
        rate = found.value  # -max Re
        radius = math.exp(-rate * (step or 1.0))
        return radius, (None if found.status != Status.STABLE else (radius if steps else 1.0 / rate))
    radius = float(np.max(np.abs(found.eigenvalues))) ** (1.0 / rule.period)
    return radius, (radius if found.status == Status.STABLE else None)


def _words(a: Averaging) -> str:
    parts = []
    if a.omega:
        orbit = (
            f"angle {a.angle:.6g} per iteration"
            if a.angle is not None
            else f"angular frequency {a.omega:.6g}"
        )
        parts.append(f"an orbit of {orbit}")
        given = a.decays if a.kind == "steps" else a.taus
        if len(given) <= 8:
            name = "decay" if a.kind == "steps" else "tau"
            parts += [f"{name} {x:.10g} leaves {g:.4g} of it" for x, g in zip(given, a.gains, strict=True)]
    else:
        parts.append("nothing turns here, so there is no orbit to average away")
    if a.reduction is not None and a.omega:
        if a.decay is not None:
            over = f" ({a.horizon:.4g} iterations)" if a.horizon else ""
            parts.append(f"decay {a.decay:.10g}{over} reduces it {a.reduction:g}-fold")
        else:
            parts.append(f"tau {a.tau:.6g} reduces it {a.reduction:g}-fold")
    if a.cycle_amplitude is None:
        parts += _of_the_run_itself(a)
    return "; ".join(parts)


def _of_the_run_itself(a: Averaging) -> list[str]:
    """What linear theory says of the run that is averaged."""
    if a.status == Status.STABLE and a.slows_above is not None:
        name = "decay" if a.kind == "steps" else "tau"
        return [f"the run converges by itself; {name} above {a.slows_above:.6g} slows it"]
    if a.status == Status.UNSTABLE:
        return ["the run itself is unstable: averaging cannot make it converge"]
    if a.status == Status.MARGINAL:
        return [
            "the run itself does not converge to first order; its average does as far as the orbit is centred"
        ]
    return []


def _regime(a: Averaging, rule: Rule | None, flow: AveragedFlow | None, omega: float | None) -> str:
    """On what an adaptive rule ends and what of that is left, or where the linearisation that was asked holds."""
    if omega is not None:
        return ""
    if a.cycle_amplitude is None or flow is None:
        return without_rest(rule, flow)
    size = f"|phi| = {a.cycle_amplitude:.4g}"
    end = (
        f"stays within {size}, by iterating it"
        if flow.iterated
        else f"ends on a cycle of {size}, by its averaged flow"
    )
    left = f", of which {a.cycle_amplitude / a.reduction:.4g} is left" if a.reduction else ""
    return f"; the run {end}{left}"
