"""Simulate: a start, a variant and either time or a rule give a labelled trajectory."""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import dirac
from ..errors import InputError, integer, number
from ..game import Players
from ..parameters import Parametric
from ..rules import Rule, State, init, step
from ..variants import Variant
from . import filippov
from . import noise as minibatch
from .engines import Engine, engine
from .filippov import System
from .filippov_rest import rests
from .trajectory import Trajectory, versions

DEFAULT_DIM, DEFAULT_T1, DEFAULT_ROWS = 2, 40.0, 1001
_MOST_DIM = 10_000
_MOST_NUMBERS = 2**28  # of a trajectory that is kept: 2 GiB
_MAX_EVENTS = 20_000
_FAR = 1e8  # steps that fail from beyond have overflown
_BLOW_UP = 1e-7  # a state that would double within this share of its time has no future


def simulate(variant: Variant, **arguments: Any) -> Any:
    """Simulate the Dirac GAN of ``variant``: the flow, or with ``rule`` the discrete steps.

    z' = F(z) from (phi0, theta0) at time 0; or z+ = rule(z). Analysis runs in float64, whatever jax is set to.

    Args:
        variant: from :func:`diracgan.variant`.
        phi0: the critic's start, shape (d,); with ``theta0`` None: the default start in d = ``dim``.
        theta0: the generator's start, shape (d,).
        dim: the dimension when no start is given (2).
        x0: the datum, shape (d,) or a number; None for 0.
        t1: end of the flow (40).
        ts: times to save, increasing in [0, t1]; None for 1001 equispaced ones with both ends.
        solver: tsit5, dopri5, dopri8, kvaerno5 (diffrax) or RK45, DOP853, Radau, LSODA (scipy).
        backend: ``"diffrax"`` or ``"scipy"``: whose default solver is taken when none is named.
        rtol: relative tolerance (1e-9).
        atol: absolute tolerance (1e-12).
        rate_d: factor on the critic's velocity.
        rate_g: factor on the generator's velocity.
        ema_tau: time constant of a weight average, zbar' = (z - zbar)/tau.
        rule: from :func:`diracgan.rule`; then ``steps`` iterations are made, and every ``every``-th is kept.
        steps: number of iterations (200).
        every: rows are 0, every, 2 every, ..., and ``steps``.
        sde: covariance Sigma of minibatch noise on the velocities, (2d, 2d) with the critic's entries first; also 2d
            variances, or one for all. Each step of a player with learning rate h then errs by h N(0, Sigma); the flow
            becomes dz = F dt + sqrt(h) Sigma^(1/2) dW (rate_d and rate_g act on F and on the noise).
        sde_step: the h of that SDE, which is solved in fixed steps; see :func:`diracgan.dynamics.noise.solve`.
        seed: of the noise (0); recorded.

    Returns:
        An :class:`xarray.Dataset` with phi(time, component), theta and, with EMA, phi_ema, theta_ema; coordinates
        time and, with a rule, step (time = step x lr). ``attrs`` say what produced it, and under ``result`` how it
        ended: ok, diverged, stiff, max steps or stuck, with ``result_time`` and ``result_text``; rows after the end
        are NaN. ``events`` lists the switching surfaces met: time and crossing, slide or leave.

    Raises:
        InputError: for arguments that are not allowed, naming them.

    References:
        Filippov 1988 for what happens at a discontinuity; docs/theory.md section 1 for the conventions.

    Example:
        >>> import diracgan as dg
        >>> traj = dg.simulate(dg.variant("wgan-linear"), phi0=[1.0], theta0=[0.0], t1=3.141592653589793)
        >>> round(float(traj.phi[-1, 0]), 6), traj.attrs["result"]
        (-1.0, 'ok')
    """
    return run(variant, **arguments).to_xarray()


def run(
    variant: Variant,
    phi0: Any = None,
    theta0: Any = None,
    *,
    dim: int | None = None,
    x0: Any = None,
    t1: float | None = None,
    ts: Any = None,
    solver: str | None = None,
    backend: str = "diffrax",
    rtol: float = 1e-9,
    atol: float = 1e-12,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    ema_tau: float | None = None,
    rule: Rule | None = None,
    steps: int | None = None,
    every: int = 1,
    sde: Any = None,
    sde_step: float | None = None,
    seed: int | None = None,
) -> Trajectory:
    """Like :func:`simulate`, returning a light :class:`Trajectory` that needs no xarray."""
    if not isinstance(variant, Variant):
        raise InputError(f"{variant!r} is no variant; allowed: what dg.variant(...) returns")
    began = time.perf_counter()
    phi, theta, datum = starts(phi0, theta0, dim, x0)
    rates = Players(
        number("rate_d", rate_d, low=0, open_low=True), number("rate_g", rate_g, low=0, open_low=True)
    )
    provenance: dict[str, Any] = {
        "variant": variant.label,
        "variant_name": variant.name or type(variant).__name__,
        "hyperparameters": json.dumps(variant.hyperparameters, default=str),
        "reference": variant.reference,
        "x0": json.dumps(datum.tolist()),
    }
    noise, random = _noise(sde, sde_step, seed, rule, len(datum), solver, backend)
    with jax.enable_x64(True):
        if rule is None:
            if steps is not None:
                raise InputError(f"steps = {steps} needs a rule; allowed without one: t1")
            end = number("t1", DEFAULT_T1 if t1 is None else t1, low=0, open_low=True)
            times = _times(ts, end, given=t1 is not None)
            end = float(times[-1]) if t1 is None else end
            tau = None if ema_tau is None else number("ema_tau", ema_tau, low=0, open_low=True)
            chosen, use = engine(solver, backend)
            tolerances = (
                number("rtol", rtol, low=1e-14, high=1, open_high=True),
                number("atol", atol, low=0, open_low=True),
            )
            system = System(*dirac.cast((variant, datum, rates, tau), jnp.float64))
            if noise is None:
                data, outcome = _flow(use, system, Players(phi, theta), times, end, *tolerances)
                provenance |= {"solver": chosen, "rtol": tolerances[0], "atol": tolerances[1], "t1": end}
            else:
                data, outcome, used = _noisy_flow(
                    system, Players(phi, theta), times, noise, random["sde_step"]
                )
                provenance |= used | {"t1": end}
            provenance |= {"rate_d": rates.phi, "rate_g": rates.theta}
            provenance |= {} if tau is None else {"ema_tau": tau}
        else:
            if not isinstance(rule, Rule):
                raise InputError(f"{rule!r} is no rule; allowed: what dg.rule(...) returns")
            if rates != Players(1.0, 1.0):
                raise InputError("rate_d and rate_g belong to the flow; a rule has lr_d and lr_g")
            if t1 is not None or ts is not None:
                raise InputError("t1 and ts belong to the flow; a rule has steps and every")
            if ema_tau is not None:
                raise InputError("ema_tau belongs to the flow; a rule has ema")
            count = integer("steps", 200 if steps is None else steps, low=1)
            every = integer("every", every, low=1)
            if 2 * len(phi) * (count // every + 1) > _MOST_NUMBERS:
                raise InputError(
                    f"steps = {count} keeps more rows than fit into memory; allowed: fewer, or every > {every}"
                )
            data, outcome = _iterate(variant, rule, Players(phi, theta), datum, count, every, noise)
            provenance |= {"rule": rule.label, "rule_name": rule.name, "steps": count, "every": every}
            provenance |= {"rule_hyperparameters": json.dumps(rule.hyperparameters, default=_plain)}
    provenance |= outcome | random
    provenance |= {
        "seed": (-1 if sde is None else 0) if seed is None else integer("seed", seed, low=0, high=2**32 - 1),
        "versions": versions(),
    }
    return Trajectory(data, provenance | {"wall_time_s": time.perf_counter() - began})


def _noise(
    sde: Any, h: Any, seed: Any, rule: Any, dim: int, solver: str | None, backend: str
) -> tuple[minibatch.Noise | None, dict[str, Any]]:
    """The minibatch noise that was asked for, and what is recorded of it."""
    if sde is None:
        if h is not None:
            raise InputError(f"sde_step = {h!r} needs sde, the covariance of the noise")
        return None, {}
    sigma = minibatch.covariance(sde, dim)
    record: dict[str, Any] = {"sde": json.dumps(sigma.tolist())}
    if rule is not None:
        if h is not None:
            raise InputError(f"sde_step = {h!r} belongs to the flow; a rule's noise takes its learning rates")
    else:
        record["sde_step"] = minibatch.step_size(h)
        if solver is not None or backend != "diffrax":
            raise InputError(
                "solver and backend belong to the flow without noise; with sde it is diffrax's ShARK"
            )
    with jax.enable_x64(True):
        key = jax.random.key(0 if seed is None else integer("seed", seed, low=0, high=2**32 - 1))
        return minibatch.Noise(jnp.asarray(minibatch.root(sigma)), key), record


def starts(phi0: Any, theta0: Any, dim: int | None, x0: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The start and the datum as float64 vectors of one length, from what was given or the defaults.

    Raises:
        InputError: for lengths that differ, entries that are not finite, or a dimension below 1.
    """
    if dim is not None:
        dim = integer("dim", dim, low=1, high=_MOST_DIM)
    given = {n: vector(n, value) for n, value in (("phi0", phi0), ("theta0", theta0)) if value is not None}
    lengths = {n: len(value) for n, value in given.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(
            f"phi0 has {lengths['phi0']} entries and theta0 has {lengths['theta0']}; they must agree"
        )
    datum = None if x0 is None else vector("x0", x0)
    d = next(
        iter(lengths.values()), dim or (len(datum) if datum is not None and len(datum) > 1 else DEFAULT_DIM)
    )
    if dim is not None and d != dim:
        raise InputError(f"dim = {dim} but the start has {d} entries; give one of them")
    if datum is None or len(datum) not in (1, d):
        if datum is not None:
            raise InputError(f"x0 has {len(datum)} entries; allowed: 1 or {d}, as many as the start")
        datum = np.zeros(d)
    default = dirac.default_start(d)
    phi, theta = given.get("phi0", default[0]), given.get("theta0", default[1])
    return phi, theta, np.broadcast_to(datum, (d,)).copy()


def vector(name: str, value: Any) -> np.ndarray:
    """``value`` as a finite float64 vector of at least one entry, or InputError."""
    entries: Sequence[Any] = [value] if np.ndim(value) == 0 else list(value)
    if not entries or any(np.ndim(e) for e in entries):
        raise InputError(f"{name} = {value!r} is no vector; allowed: a list of at least one number")
    return np.array([number(f"{name}[{i}]" if len(entries) > 1 else name, e) for i, e in enumerate(entries)])


def _times(ts: Any, t1: float, given: bool) -> np.ndarray:
    if ts is None:
        return np.linspace(0.0, t1, DEFAULT_ROWS)
    times = vector("ts", ts)
    if times[0] < 0 or np.any(np.diff(times) <= 0) or (given and times[-1] > t1):
        raise InputError(f"ts must increase within [0, {t1:g}]; it runs from {times[0]:g} to {times[-1]:g}")
    if times[-1] == 0:
        raise InputError("ts ends at 0; allowed: increasing times with an end > 0")
    return times


# ---------------------------------------------------------------- flow


def _flow(
    use: Engine, system: System, z: Players, ts: np.ndarray, t1: float, rtol: float, atol: float
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    line = line_of(system, z)
    if line is not None:
        data, outcome = _flow(use, line.flat(system), line.down(z), ts, t1, rtol, atol)
        return {n: x if n == "time" else line.up(n, x) for n, x in data.items()}, outcome
    out = integrate(use, system, _state(system, z), ts, t1, rtol, atol)
    return _named(system, ts, out.ys), _outcome(out.result, out.when, out.text, out.events)


def _noisy_flow(
    system: System, z: Players, ts: np.ndarray, noise: minibatch.Noise, h: float
) -> tuple[dict[str, np.ndarray], dict[str, Any], dict[str, Any]]:
    ys, longest, failed = minibatch.solve(system, _state(system, z), ts, noise, h)
    if failed is None:
        outcome = _outcome("ok", math.nan, f"reached t = {ts[-1]:.10g}", [])
    else:
        outcome = _outcome("diverged", failed, f"left the float range by t = {failed:.10g}", [])
    return _named(system, ts, ys), outcome, {"solver": minibatch.SOLVER, "solver_step": longest}


def _state(system: System, z: Players) -> np.ndarray:
    on = dirac.game(system.variant, system.x0).project(z)  # a clipped critic starts on its box
    return np.concatenate([*on] * (1 if system.tau is None else 2))


def _named(system: System, ts: np.ndarray, ys: np.ndarray) -> dict[str, np.ndarray]:
    d = system.dim
    names = ("phi", "theta", "phi_ema", "theta_ema")[: ys.shape[1] // d]
    return {"time": ts} | {n: ys[:, i * d : (i + 1) * d] for i, n in enumerate(names)}


class Integrated(NamedTuple):
    """A trajectory over its regimes: rows, where and when it ended, how, and the switchings on the way."""

    ys: np.ndarray
    y: np.ndarray
    t: float
    result: str
    when: float
    text: str
    events: list[tuple[float, str]]
    steps: int


def integrate(
    use: Engine, system: System, y: np.ndarray, ts: np.ndarray, t1: float, rtol: float, atol: float
) -> Integrated:
    """Integrate regime after regime until t1 or until the motion cannot go on.

    Args:
        use: an engine with its solver.
        system: what flows.
        y: the state at time 0, (n,).
        ts: times to keep, in [0, t1], not decreasing, (k,).
        t1: the end.
        rtol: relative tolerance.
        atol: absolute tolerance.

    Returns:
        An :class:`Integrated`; rows after the end are NaN.
    """
    ys = np.full((len(ts), len(y)), np.nan)
    ys[ts == 0] = y
    t, steps = 0.0, 0
    events: list[tuple[float, str]] = []

    def ended(result: str, when: float, text: str) -> Integrated:
        return Integrated(ys, y, t, result, when, text, events, steps)

    v = np.asarray(filippov.natural(system, y)[1])
    if not np.all(np.isfinite(v)):
        return ended("stiff", 0.0, "the field has no finite value at the start")
    if not np.any(v):  # also where the field jumps away on every side: to stay is a solution
        ys[:], t = y, t1
        return ended("ok", math.nan, "rests at an equilibrium")
    regime = filippov.start(system, y)
    repeats = 0
    while True:
        part = use(system, regime, y, t, t1, ts, rtol, atol)
        rows = (ts > t) & (ts <= part.t)
        ys[rows] = part.ys[rows]
        repeats = repeats + 1 if part.t - t <= 1e-13 * (1.0 + t) else 0
        t, y, steps = part.t, part.y, steps + part.steps
        if part.failure or (part.guard is not None and part.guard == filippov.guard_count(regime) - 1):
            if part.failure == "stiff" and rests(system, y):
                ys[ts > t] = y
                return ended("stuck", t, f"rests on a discontinuity since t = {t:.10g}")
            return ended(*_failure(system, part.failure, t, y))
        if part.guard is None:
            return ended(*_end(system, regime, y, t, events))
        regime, happened = filippov.settle(system, y, regime, part.guard)
        events += [(t, what) for what in happened]
        if repeats > 2 * len(regime.modes) + 4:
            text = f"the motion meets its discontinuities again and again at t = {t:.10g} and cannot go on"
            return ended("stuck", t, text)
        if len(events) >= _MAX_EVENTS:
            return ended("max steps", t, f"{_MAX_EVENTS} switchings by t = {t:.10g}")


def _end(
    system: System, regime: filippov.Regime, y: np.ndarray, t: float, events: list[tuple[float, str]]
) -> tuple[str, float, str]:
    if regime.sliding:
        v = np.asarray(filippov.flow_in(system, y, regime))[: 2 * system.dim]
        beside = np.asarray(filippov.velocity(system, y, regime.modes))[: 2 * system.dim]
        if np.max(np.abs(v)) <= 1e-12 * np.max(np.abs(beside)):
            since = next((when for when, what in reversed(events) if what == "slide"), 0.0)
            return "stuck", since, f"rests on a discontinuity since t = {since:.10g}"
    return "ok", math.nan, f"reached t = {t:.10g}"


def _failure(system: System, why: str, t: float, y: np.ndarray) -> tuple[str, float, str]:
    if why == "max steps":
        return "max steps", t, f"gave up at t = {t:.10g} after too many solver steps"
    v = np.asarray(filippov.natural(system, y)[1])
    size, speed = float(np.max(np.abs(y))), float(np.max(np.abs(v)))
    if not why or not np.isfinite(size) or not np.isfinite(speed) or size > 1e8:
        return "diverged", t, f"left the float range at t = {t:.10g}, |z| = {size:.3g}"
    if y @ v > 0 and size <= _BLOW_UP * (1.0 + t) * speed:
        return "diverged", t, f"grows without bound by t = {t:.10g}, |z| = {size:.3g}"
    return "stiff", t, f"the step size fell to rounding at t = {t:.10g}: the motion cannot go on"


def _outcome(result: str, t: float, text: str, events: list[Any]) -> dict[str, Any]:
    listed = [{"time": when, "kind": what} for when, what in events]
    return {"result": result, "result_time": t, "result_text": text, "events": json.dumps(listed)}


class Line(NamedTuple):
    """A line on which the game is one-dimensional: phi = a direction, theta = foot + b direction, both (d,)."""

    direction: np.ndarray
    foot: np.ndarray

    def flat(self, system: System) -> System:
        """The game on the line."""
        return system._replace(x0=jnp.asarray([self.direction @ np.asarray(system.x0)]))

    def down(self, z: Players) -> Players:
        """The coordinates on the line."""
        return Players(*(np.array([self.direction @ p]) for p in z))

    def up(self, name: str, x: np.ndarray) -> np.ndarray:
        """The named rows (n, 1) of a trajectory on the line, in d dimensions (n, d)."""
        return x * self.direction + (self.foot if name.startswith("theta") else 0.0)


def line_of(system: System, z: Players) -> Line | None:
    """The line through the datum that a start lies on, where the game on it is the one-dimensional one.

    On such a line a norm passes through its kink, and only d = 1 names the surface. Found from the field by a check.
    """
    d, x0 = system.dim, np.asarray(system.x0)
    if d == 1 or filippov.face_count(system):
        return None
    arms = (z.phi, z.theta - x0)
    longer = max(arms, key=lambda p: float(np.linalg.norm(p)))
    size = np.linalg.norm(longer)
    if size == 0:
        return None
    u = longer / size
    off = [np.linalg.norm(p - (u @ p) * u) for p in arms]
    if max(off) > 4 * np.finfo(float).eps * (size + np.max(np.abs(z.theta))):
        return None
    line, whole = Line(u, x0 - (u @ x0) * u), system._replace(tau=None)
    flat = line.flat(whole)
    if filippov.surface_count(flat) == filippov.surface_count(whole):
        return None
    for a, b in ((0.3, 0.7), (-1.1, 0.4), (0.9, -1.3), (-0.2, -0.6)):
        b += float(u @ x0)
        small = np.asarray(filippov.natural(flat, jnp.array([a, b]))[1])
        large = np.asarray(filippov.natural(whole, jnp.concatenate([a * u, line.foot + b * u]))[1])
        scale = 1e-13 * (1.0 + float(np.max(np.abs(x0)))) ** 2
        if not np.allclose(np.concatenate([v * u for v in small]), large, rtol=1e-12, atol=scale):
            return None
    return line


# ---------------------------------------------------------------- steps


def _iterate(
    variant: Variant,
    rule: Rule,
    z: Players,
    x0: np.ndarray,
    steps: int,
    every: int,
    noise: minibatch.Noise | None,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    cast = dirac.cast((variant, rule, Players(*z), x0), jnp.float64)
    rows, rest = divmod(steps, every)
    states, first_bad, largest = _scan(*cast, noise, rows, every, rest)
    index = np.append(np.arange(rows + 1) * every, [steps] if rest else []).astype(np.int64)
    named = {"phi": states.players.phi, "theta": states.players.theta}
    if states.ema is not None:
        named |= {"phi_ema": states.ema.phi, "theta_ema": states.ema.theta}
    data = {n: np.asarray(x) for n, x in named.items()}
    failed = int(first_bad)
    if failed <= steps:
        data = {n: np.where((index >= failed)[:, None], np.nan, x) for n, x in data.items()}
        when = failed * float(rule.time_step)
        if float(largest) > _FAR:
            outcome = _outcome("diverged", when, f"left the float range at step {failed}", [])
        else:
            text = f"step {failed} has no finite value, from |z| = {float(largest):.3g} at most"
            outcome = _outcome("stiff", when, text, [])
    else:
        outcome = _outcome("ok", math.nan, f"made {steps} steps", [])
    return {"time": index * float(rule.time_step), "step": index} | data, outcome


_Carry = tuple[State, Any, Any, Any]  # the state, its number, the first bad one, the largest entry before


@functools.partial(jax.jit, static_argnums=(5, 6, 7))
def _scan(
    variant: Variant,
    rule: Rule,
    z: Players,
    x0: Any,
    noise: minibatch.Noise | None,
    rows: int,
    every: int,
    rest: int,
) -> tuple[State, Any, Any]:
    """The kept states, stacked, the first step that is not finite (or a later one), and the largest |z_i| before."""
    game = dirac.game(variant, x0)

    def once(k: Any, carry: _Carry) -> _Carry:
        state, number_, bad, largest = carry
        state = step(rule, minibatch.noisy(game, noise, number_), state)
        z = jnp.abs(jnp.concatenate([*state.players]))
        fine = jnp.all(jnp.isfinite(z))
        largest = jnp.where(
            bad > number_, jnp.maximum(largest, jnp.max(jnp.where(jnp.isnan(z), 0.0, z))), largest
        )
        return state, number_ + 1, jnp.where(fine, bad, jnp.minimum(bad, number_ + 1)), largest

    def row(carry: _Carry, _: Any) -> tuple[_Carry, State]:
        carry = jax.lax.fori_loop(0, every, once, carry)
        return carry, carry[0]._replace(memory=())

    start = init(rule, game, z)
    begin = (start, jnp.int64(0), jnp.int64(2**62), jnp.max(jnp.abs(jnp.concatenate([*start.players]))))
    last, kept = jax.lax.scan(row, begin, None, length=rows)
    pieces = [jax.tree.map(lambda x: x[None], start._replace(memory=())), kept]
    if rest:
        last = jax.lax.fori_loop(0, rest, once, last)
        pieces.append(jax.tree.map(lambda x: x[None], last[0]._replace(memory=())))
    return jax.tree.map(lambda *x: jnp.concatenate(x), *pieces), last[2], last[3]


def _plain(value: Any) -> Any:
    return value.label if isinstance(value, Parametric) else str(value)
