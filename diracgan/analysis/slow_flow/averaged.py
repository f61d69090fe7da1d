"""The averaged flow of an adaptive rule (Adam, RMSProp, AdamW, AMSGrad) in the Dirac game."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from ... import dirac
from ...dynamics.starts import check_untraced, starts
from ...errors import InputError
from ...game import Players
from ...jax_settings import own_settings
from ...parameters import parameters
from ...records import Record
from ...rules import Rule, check_rule, rule as make_rule
from ...variants import Variant, check_variant
from ..decision_thresholds import T
from ..kinds import Kind, Outcome
from .coordinates import falls_apart
from .cycles import Cycle, cycle_between
from .rotation import (
    FAR,
    LEAST_RADIUS,
    RADII,
    SHORT,
    SlowSystem,
    drifts,
    extent,
    free_drifts,
    memory_slope,
    step_sizes,
)

_FACTOR = 1.3  # from one radius to the next
_MOST_RADIUS = 1e5  # steps of the players; there one rotation takes half a million iterations
# the same beyond it: all rotations together then take as long as 1.5 of the last, and not 4
_FAR_FACTOR = 3.0
_FARTHEST = 1e6  # steps from which a start is followed
_ADAPTIVE = 3.0  # a step that is so much longer for a ten times larger gradient follows the gradient
_FORGOTTEN = 1e-9  # from 1: the decay of a memory that never forgets
_ITERATED = (400_000, 1_600_000)  # iterations; the second where the first has not settled
_WINDOW = 0.2  # of an iterated run, at its end, that is compared with as long a window before
_WINDOWS_APART = math.log(9 / 7)  # the last fifth's middle against that of the fifth before
_WEAKER = 1e-3  # a smaller pull outwards, relatively, than at seven radii before: a cycle may lie beyond
_SAME_POWER = 0.1  # p of n^p after the one and the other
_ARRIVED = 0.05
_SETTLED = 0.05  # change of the root mean square of phi from one window of an iterated run to the next
_ROTATIONS = 5.0  # fewer in a window tell a cycle from nothing
_BESIDE = 1e-6  # of phi: starts so close end alike where the size is the map's, and not the start's
_AT_REST = 1e-6  # of a step


@dataclasses.dataclass(frozen=True, kw_only=True)
class AveragedFlow(Record):
    """The slow motion of a rule, averaged over one rotation of the players.

    Attributes:
        kind: what the start leads to, in the words of verdicts and of runs: limit-cycle (of many steps a turn), orbit
            (within bounds from step to step, without such a rotation), equilibrium, growing or undecided.
        amplitude: largest |phi| in the end; None where it grows or is undecided.
        amplitude_theta: largest |theta - x0|, likewise.
        period: iterations of one rotation, or None.
        cycles: every cycle that was found, stable or not, by increasing radius.
        radii: sampled radii of the generator when phi = 0, in its own steps, (k,).
        drift: change of the radius per iteration in those units, the memory in its response, (k,): the slow field.
        periods: iterations of a rotation there, (k,); NaN, as the drift, where the players do not come round.
        step_sizes: how far the critic and the generator move in one iteration, (2,): the units.
        memory_times: over how many iterations the rule's memory averages, by increasing time; inf: it never forgets.
        growth: p of radius ~ n^p at the largest radius, where it grows; else None.
        unbounded: whether it grows, and R dR/dn did not weaken over the last radii; False also where it does not grow.
        arrival: iterations from the start to within 5 % of the cycle's radius, along the slow field; else None.
        iterated: iterations of the map itself that the answer rests on; 0 where the averaged flow gives it.
        text: the answer in words.
        computed_from: what was computed, in words.
        variant: label; ``hyperparameters`` its numbers; ``rule`` label.
        x0: the datum; ``dim`` the dimension d: where that is more than 1, all is said of one coordinate.
        start: phi and theta there.
    """

    kind: Kind | Outcome
    amplitude: float | None
    amplitude_theta: float | None
    period: float | None
    cycles: list[Cycle]
    radii: np.ndarray
    drift: np.ndarray
    periods: np.ndarray
    step_sizes: np.ndarray
    memory_times: np.ndarray
    growth: float | None
    unbounded: bool
    arrival: float | None
    iterated: int
    text: str
    computed_from: str
    variant: str
    hyperparameters: dict[str, Any]
    rule: str
    x0: float
    dim: int
    start: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class _Destination:
    """What the start leads to, without the field around it."""

    kind: Kind | Outcome
    amplitude: float | None = None
    amplitude_theta: float | None = None
    period: float | None = None
    iterated: int = 0
    finite: bool = True
    radius: float | None = None  # of the cycle, in steps, where the averaged flow gives it
    arrival: float | None = None
    growth: float | None = None
    unbounded: bool = False
    beside: float | None = None  # the amplitude from a start right beside


def averaged(
    variant: Variant,
    rule: Rule | str,
    *,
    phi0: ArrayLike | None = None,
    theta0: ArrayLike | None = None,
    x0: ArrayLike | None = None,
    dim: int | None = None,
) -> AveragedFlow:
    """The averaged flow of an adaptive rule in the Dirac game, d = 1, and the cycle that it ends on.

    Slow are the radius and the second moments, fast is the angle. At each radius the map itself is followed round the
    equilibrium, the memory in its response; dR/dn = (R after one rotation - R)/(its iterations). Where that changes
    its sign, the map's return to phi = 0 has a fixed point: the cycle, found by Newton's method on the map, with the
    multipliers of one rotation. Bias correction is over there. Where a rotation takes fewer than a dozen steps there is
    nothing to average: the map itself is iterated from the start, which ``iterated`` says.

    In d > 1 an adaptive rule steps in every coordinate by itself, and each turns about as fast as the others: their
    d - 1 phase differences are as slow as the amplitudes, and are moved by the same coupling, so that an average over
    all angles would leave out what decides. Where the loss is linear, nothing couples them: each is a game of d = 1,
    and the answer that of one.

    Args:
        variant: from :func:`diracgan.variant`.
        rule: from :func:`diracgan.rule` or :func:`diracgan.rule.from_optax`, or its name with parameters,
            ``"adam:lr=0.01,beta1=0.5"``; its steps must not shrink with the gradient.
        phi0: the critic's start, a number; 0.1.
        theta0: the generator's start; 0.2.
        x0: the datum; 0.
        dim: d; more than 1 only where each coordinate is a game of its own, as is tried, and without a start.

    Returns:
        An :class:`AveragedFlow`.

    Raises:
        InputError: for arguments that are not allowed, or a rule whose steps follow the size of the gradient.

    References:
        Sanders, Verhulst, Murdock 2007, Averaging Methods in Nonlinear Dynamical Systems; Calvo, Chartier, Murua,
        Sanz-Serna 2011 (doi 10.1016/j.apnum.2011.06.007); Kingma, Ba 2015 (arXiv 1412.6980).

    Example:
        >>> import diracgan as dg
        >>> flow = dg.averaged(dg.variant("wgan-linear"), "adam:lr=0.01,beta1=0.5,beta2=0.999")
        >>> flow.kind.value, round(flow.amplitude, 3), round(flow.period, 1)
        ('limit-cycle', 1.55, 688.9)
    """
    check_untraced("dg.averaged", variant, rule, phi0, theta0)
    check_variant(variant)
    made = make_rule(rule) if isinstance(rule, str) else check_rule(rule)
    return _averaged_from(variant, made, phi0, theta0, dim, x0)


def _averaged_from(
    variant: Variant,
    rule: Rule,
    phi0: ArrayLike | None,
    theta0: ArrayLike | None,
    dim: int | None,
    x0: ArrayLike | None,
) -> AveragedFlow:
    """The averaged flow from a start; InputError where there is none."""
    phi, theta, datum = starts(phi0, theta0, 1 if phi0 is theta0 is dim is None else dim, x0)
    moves = dataclasses.replace(rule, ema=None)
    if len(datum) != 1:
        return _of_each_coordinate(variant, moves, datum, phi0 is theta0 is None)
    if not math.hypot(phi[0], theta[0] - datum[0]) > 0:
        raise InputError("the start is the equilibrium; allowed: phi0 and theta0 elsewhere")
    with own_settings(True):
        return _computed(variant, moves, datum, Players(phi, theta))


def _of_each_coordinate(variant: Variant, rule: Rule, datum: np.ndarray, anywhere: bool) -> AveragedFlow:
    """The averaged flow of one coordinate, where each is a game of its own and none has a start of its own."""
    with own_settings(True):
        if anywhere and falls_apart(variant, rule, datum):
            found = _averaged_from(variant, rule, None, None, None, datum[:1])
            text = f"{found.text}, in each of the {len(datum)} coordinates"
            return dataclasses.replace(found, dim=len(datum), text=text)
    raise InputError(
        f"the game has d = {len(datum)}; allowed: d = 1: in more every coordinate turns, as fast as the others, so "
        "that no single angle is left to average over; where the loss is linear (wgan-linear) each coordinate is a "
        "game of d = 1 and has the answer of one, without a start; else ask verdict or simulate"
    )


def _computed(variant: Variant, rule: Rule, datum: np.ndarray, start: Players) -> AveragedFlow:
    """The slow field, its cycles, and where the start is led."""
    phi, off = float(start.phi[0]), float(start.theta[0] - datum[0])
    system = _system(variant, rule, datum)
    times = _memory_times(system, math.hypot(phi, off))
    memory = float(np.max(times[np.isfinite(times)], initial=1.0))
    system = system._replace(sizes=_sizes(system, math.hypot(phi, off), memory, rule))
    first = math.hypot(phi / float(system.sizes.phi), off / float(system.sizes.theta))
    if first > _FARTHEST:
        raise InputError(
            f"the start is {first:.3g} steps from the equilibrium; allowed: at most {_FARTHEST:g}"
        )
    forgets = bool(np.all(np.isfinite(times)))  # else what the memory answers depends on all that was
    radii, rates, periods = _sampled(system, first, memory, forgets)
    turned = np.flatnonzero(rates[1:] * rates[:-1] < 0) if forgets else []
    found = (cycle_between(system, radii[k], radii[k + 1], memory) for k in turned)
    cycles = [c for c in found if c is not None]
    end = _end(first, radii, rates, cycles)
    if end is None or not (
        forgets or end.kind is Outcome.GROWING
    ):  # who goes outwards meets all for the first time
        end = _iterated(variant, rule, datum, start, system.sizes)
        if end.kind is Outcome.ORBIT:
            near = start._replace(phi=start.phi + _BESIDE)
            end = dataclasses.replace(
                end, beside=_iterated(variant, rule, datum, near, system.sizes).amplitude
            )
    every = rule.period
    return AveragedFlow(
        kind=end.kind,
        amplitude=end.amplitude,
        amplitude_theta=end.amplitude_theta,
        period=None if end.period is None else every * end.period,
        cycles=[_in_iterations(c, every) for c in cycles],
        radii=radii,
        drift=rates / every,
        periods=every * periods,
        step_sizes=np.array([float(s) for s in system.sizes]),
        memory_times=every * times,
        growth=end.growth,
        unbounded=end.unbounded,
        arrival=None if end.arrival is None else every * end.arrival,
        iterated=every * end.iterated,
        text=_text(end, every, radii),
        computed_from=_source(end, radii, memory, every),
        variant=variant.label,
        hyperparameters=variant.hyperparameters,
        rule=rule.label,
        x0=float(datum[0]),
        dim=1,
        start=(phi, float(start.theta[0])),
    )


def _system(variant: Variant, rule: Rule, datum: np.ndarray) -> SlowSystem:
    """The rule long after its start, the players' steps not yet measured."""
    cast = dirac.cast((variant, _both_rates(rule).bias_corrected, datum), jnp.float64)
    return SlowSystem(*cast, sizes=Players(jnp.ones(()), jnp.ones(())))


def _both_rates(rule: Rule) -> Rule:
    """The same rule with a rate for each player, so that ``lr`` and ``lr_d`` with ``lr_g`` share what is compiled."""
    rates = rule.rates
    return dataclasses.replace(rule, lr_d=rates.phi, lr_g=rates.theta) if rule.lr_sets_steps else rule


def _memory_times(system: SlowSystem, distance: float) -> np.ndarray:
    """1/(1 - decay) of every decay of the memory."""
    slope = np.asarray(memory_slope(system, jnp.asarray(distance), jnp.asarray(1000)))
    left = 1.0 - np.abs(np.linalg.eigvals(slope)) if slope.size else np.empty(0)
    with np.errstate(divide="ignore"):
        return np.sort(np.where(left > _FORGOTTEN, 1.0 / np.maximum(left, _FORGOTTEN), np.inf))


def _sizes(system: SlowSystem, distance: float, memory: float, rule: Rule) -> Players:
    """How far each player moves in a step, about the start; InputError where that follows the gradient."""
    steps = jnp.asarray(int(5 * memory) + 1000)
    sizes, inner = (step_sizes(system, jnp.asarray(r), steps) for r in (distance, distance / 10))
    if not all(math.isfinite(float(s)) for s in (*sizes, *inner)):
        raise InputError(
            f"the steps of {rule.label} are not finite about |z| = {distance:.3g}; allowed: a start nearer by"
        )
    ratios = [float(a) / max(float(b), T.tiny) for a, b in zip(sizes, inner, strict=True)]
    if max(ratios) < _ADAPTIVE and min(float(s) for s in sizes) > 0:
        return sizes
    if "eps" in parameters(type(rule)):
        who = "critic" if ratios[0] > ratios[1] else "generator"
        raise InputError(
            f"the {who}'s gradient about |z| = {distance:.3g} is so small that eps dominates the steps of "
            f"{rule.label}; allowed: a smaller eps, or a start farther out"
        )
    raise InputError(
        f"the steps of {rule.label} follow the size of the gradient about |z| = {distance:.3g}; allowed: rules "
        "that divide by the root of a second moment (adam, or optax's through rule.from_optax); for others ask "
        "verdict and bifurcation, or start farther out if it is eps that dominates here"
    )


def _sampled(
    system: SlowSystem, first: float, memory: float, forgets: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The slow field from a few steps' radius to beyond the start, and on while it points outwards."""
    radii, rates, periods = [np.empty(0)] * 3
    low, beyond = LEAST_RADIUS, max(2 * first, _MOST_RADIUS)
    while True:
        more = _from(low)
        wanted = more <= _FAR_FACTOR * beyond
        more = np.where(wanted, more, LEAST_RADIUS)  # where a rotation costs nothing
        # what never forgets is led round once at least
        long = np.full(RADII, memory) if forgets else np.maximum(memory, more)
        found = drifts(system, jnp.asarray(more), jnp.asarray(long))
        fine = np.asarray(found.found) & np.isfinite(found.rate)
        gained = np.asarray(found.rate)
        if memory < SHORT and more[-1] > FAR:
            free = free_drifts(system, jnp.asarray(more), jnp.asarray(memory)).rate
            gained = np.where((more > FAR) & np.isfinite(free), free, gained)
        radii = np.append(radii, more[wanted])
        rates = np.append(rates, np.where(fine, gained, np.nan)[wanted])
        periods = np.append(periods, np.where(fine, found.period, np.nan)[wanted])
        low = _after(radii[-1])
        if radii[-1] > 2 * first and (low > _MOST_RADIUS or not rates[-1] > 0):
            return radii, rates, periods


def _after(radius: float) -> float:
    """The radius that is looked at after one."""
    return radius * (_FACTOR if radius < _MOST_RADIUS else _FAR_FACTOR)


def _from(low: float) -> np.ndarray:
    """As many radii as are looked at in one call, from the lowest on."""
    radii = [low]
    while len(radii) < RADII:
        radii.append(_after(radii[-1]))
    return np.array(radii)


def _end(first: float, radii: np.ndarray, rates: np.ndarray, cycles: list[Cycle]) -> _Destination | None:
    """Where the slow field leads from a radius; None where it leaves what can be averaged."""
    k = int(np.clip(np.searchsorted(radii, first), 1, len(radii) - 1))
    around = [c for c in cycles if radii[k - 1] <= c.radius <= radii[k]]
    if rates[k - 1] * rates[k] < 0 and len(around) != 1:
        return None
    if around and first < around[0].radius:
        k -= 1
    outwards = rates[k] > 0
    on_the_way = rates[k:] if outwards else rates[: k + 1][::-1]
    turned = np.flatnonzero((on_the_way > 0) != outwards)
    if not np.all(np.isfinite(on_the_way[: turned[0] + 1] if len(turned) else on_the_way)):
        return None
    if len(turned) == 0:
        return _grows(radii, rates) if outwards else None
    j = k + turned[0] - 1 if outwards else k - turned[0]
    reached = [c for c in cycles if radii[j] <= c.radius <= radii[j + 1]]
    if len(reached) != 1 or not reached[0].stable:
        return None
    c = reached[0]
    arrival = _arrival(first, c.radius, radii, rates)
    size = c.amplitude, c.amplitude_theta
    return _Destination(Kind.LIMIT_CYCLE, *size, c.period, radius=c.radius, arrival=arrival)


def _iterated(
    variant: Variant, rule: Rule, datum: np.ndarray, players: Players, sizes: Players
) -> _Destination:
    """The map itself, from the start, until its amplitude no longer changes."""
    cast = dirac.cast((variant, _both_rates(rule), datum, players), jnp.float64)
    system = SlowSystem(*cast[:3], sizes=Players(jnp.ones(()), jnp.ones(())))
    state = (cast[3], rule.memory(dirac.game(cast[0], cast[2]), cast[3]))
    powers: list[float] = []
    steps = 0
    for steps in _ITERATED:
        seen = extent(system, state, jnp.asarray(steps), jnp.asarray(_WINDOW))
        swing, before = float(seen.swing), float(seen.before)
        if not seen.finite:
            return _Destination(Outcome.UNDECIDED, iterated=steps, finite=False)
        if max(float(seen.phi / sizes.phi), float(seen.theta / sizes.theta)) < _AT_REST:
            return _Destination(Outcome.EQUILIBRIUM, 0.0, 0.0, iterated=steps)
        turned = math.isnan(float(seen.period)) or _ROTATIONS * float(seen.period) <= _WINDOW * steps
        if turned and abs(swing - before) <= _SETTLED * swing:
            break
        powers.append(math.log(swing / max(before, T.tiny)) / _WINDOWS_APART)
    else:
        grows = min(powers) > _SETTLED and np.ptp(powers) <= _SAME_POWER
        kind, growth = (Outcome.GROWING, powers[-1]) if grows else (Outcome.UNDECIDED, None)
        return _Destination(kind, iterated=_ITERATED[-1], growth=growth)
    period = None if math.isnan(float(seen.period)) else float(seen.period)
    kind = Kind.LIMIT_CYCLE if period is not None and period > 4 * LEAST_RADIUS else Outcome.ORBIT
    return _Destination(kind, float(seen.phi), float(seen.theta), period, steps)


def _grows(radii: np.ndarray, rates: np.ndarray) -> _Destination:
    """p of R ~ n^p from dR/dn ~ R^q at the largest two radii, and whether R dR/dn weakens for ever.

    It does not where it hardly falls, or falls towards a limit: over the second half of the last radii by less than
    half of what it fell over the first half, where a logarithm falls as much.
    """
    q = np.log(rates[-1] / rates[-2]) / np.log(radii[-1] / radii[-2])
    first, middle, last = (radii * rates)[[-RADII, -RADII // 2, -1]]
    growth = float(1.0 / (1.0 - q)) if q < 1 else math.inf
    steady = last > (1 - _WEAKER) * first or middle - last < 0.5 * (first - middle)
    return _Destination(Outcome.GROWING, growth=growth, unbounded=bool(steady))


def _in_iterations(c: Cycle, every: int) -> Cycle:
    """The times of a cycle in iterations, of which a period of the rule has ``every``."""
    relaxation = None if c.relaxation is None else every * c.relaxation
    return dataclasses.replace(c, period=every * c.period, relaxation=relaxation)


def _arrival(first: float, radius: float, radii: np.ndarray, rates: np.ndarray) -> float:
    """Periods of the rule from a radius to within 5 % of a cycle's, along the slow field."""
    inwards = first > radius
    end = radius * (1 + _ARRIVED if inwards else 1 - _ARRIVED)
    if (first <= end) == inwards:
        return 0.0
    way = np.geomspace(first, end, 400)
    known = np.isfinite(rates)
    speed = np.abs(np.interp(np.log(way), np.log(radii[known]), (radii * rates)[known])) / way
    return float(np.trapezoid(1.0 / np.maximum(speed, T.tiny), np.abs(way - first)))


def _text(end: _Destination, every: int, radii: np.ndarray) -> str:
    period = "" if end.period is None else f", one rotation in {every * end.period:.4g} iterations"
    if end.kind is Kind.LIMIT_CYCLE:
        size = f"|phi| = {end.amplitude:.4g}, |theta - x0| = {end.amplitude_theta:.4g}"
        after = "" if end.arrival is None else f", reached after some {every * end.arrival:.2g}"
        return f"ends on a cycle of {size}{period}{after}"
    if end.kind is Outcome.ORBIT:
        size = f"|phi| = {end.amplitude:.4g}, |theta - x0| = {end.amplitude_theta:.4g}"
        return f"ends within {size}{period}{_hangs(end)}"
    if end.kind is Outcome.GROWING and end.iterated:
        return f"grows like n^{end.growth:.2g} over the {every * end.iterated:,} iterations that were made"
    if end.kind is Outcome.GROWING:
        beyond = (
            "outwards there as strongly"
            if end.unbounded
            else "ever weaker outwards there: one may lie beyond"
        )
        return f"grows like n^{end.growth:.2g}: no cycle up to a radius of {radii[-1]:.3g} steps, {beyond}"
    if end.kind is Outcome.EQUILIBRIUM:
        return "settles on the equilibrium: near it the steps shrink with the gradient"
    if not end.finite:
        return f"undecided: the players are not finite within {every * end.iterated:,} iterations"
    return f"undecided: after {every * end.iterated:,} iterations the amplitude has not settled"


def _hangs(end: _Destination) -> str:
    """That the size of a chatter hangs on the last digits of its start, where it does: chaos, or an edge of basins."""
    here, there = end.amplitude or 0.0, end.beside
    if there is None or abs(here - there) <= _SETTLED * max(here, there):
        return ""
    return f", a size that hangs on the start's last digits: {_BESIDE:g} beside it |phi| = {there:.4g}"


def _source(end: _Destination, radii: np.ndarray, memory: float, every: int) -> str:
    field = (
        f"the slow field at {len(radii)} radii from {radii[0]:.3g} to {radii[-1]:.3g} steps, one rotation of the map "
        f"each after {5 * memory * every:.3g} iterations of memory"
    )
    if end.iterated:
        return (
            f"{every * end.iterated:,} iterations of the map from the start; {field} does not lead to a cycle"
        )
    if memory < SHORT:
        field += f", from {FAR:g} steps on several that run freely, for the memory lasts {memory * every:.3g} alone"
    if end.kind is Outcome.GROWING:
        return field
    if memory < SHORT and (end.radius or 0.0) > FAR:
        return f"{field}; the cycle where those change their sign"
    return f"{field}; the cycle by Newton's method on the map's return to phi = 0"
