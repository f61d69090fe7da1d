"""``dg.simulate``: a labelled trajectory of the flow or of a rule from a start."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from .. import dirac
from ..errors import InputError, integer, shown
from ..game import Players
from ..jax_settings import own_settings, seeded
from ..lazy import module_on_use
from ..memory import check_rows
from ..parameters import Parametric
from ..rules import Rule, check_rule
from ..variants import Variant, check_variant
from . import noise as minibatch
from .collinear import line_of
from .engines import TimeSpan, engine, fitting
from .filippov import DiracSystem, unlocated
from .iterations import iterate, row_numbers
from .motion_result import MotionResult
from .regimes import integrate
from .starts import DEFAULT_T1, MOST_STEPS, check_rates, check_untraced, given, starts, times
from .trajectory import Trajectory, identity, versions

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = module_on_use("xarray")

_ATOL = 1e-12
_OF_START = 1e-9  # of the start's distance from (0, x0): what an absolute tolerance is at most

_Data = dict[str, np.ndarray]
_Record = dict[str, Any]


def simulate(
    variant: Variant,
    phi0: ArrayLike | None = None,
    theta0: ArrayLike | None = None,
    *,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    t1: float | None = None,
    ts: ArrayLike | None = None,
    solver: str | None = None,
    backend: str = "diffrax",
    rtol: float = 1e-9,
    atol: float | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    ema_tau: float | None = None,
    rule: Rule | None = None,
    steps: int | None = None,
    every: int = 1,
    sde: ArrayLike | None = None,
    sde_step: float | None = None,
    seed: int | None = None,
) -> xr.Dataset:
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
        backend: ``"diffrax"`` or ``"scipy"``: whose default solver is taken when none is named; SciPy's is DOP853, and
            LSODA from a start that is stiff.
        rtol: relative tolerance (1e-9).
        atol: absolute tolerance; None for 1e-12, or 1e-9 of the start's distance from (0, x0) where that is less.
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
        are NaN. ``events`` lists the switching surfaces met: time and crossing, slide or leave; ``unlocated``, where
        it is there, names operations of the losses whose switches are not looked for.

    Raises:
        InputError: for arguments that are not allowed, naming them, and under jit, vmap or grad.

    References:
        Filippov 1988 for what happens at a discontinuity; docs/theory.md section 1 for the conventions.

    Example:
        >>> import diracgan as dg
        >>> traj = dg.simulate(dg.variant("wgan-linear"), phi0=[1.0], theta0=[0.0], t1=3.141592653589793)
        >>> round(float(traj.phi[-1, 0]), 6), traj.attrs["result"]
        (-1.0, 'ok')
    """
    return run(
        variant,
        phi0,
        theta0,
        dim=dim,
        x0=x0,
        t1=t1,
        ts=ts,
        solver=solver,
        backend=backend,
        rtol=rtol,
        atol=atol,
        rate_d=rate_d,
        rate_g=rate_g,
        ema_tau=ema_tau,
        rule=rule,
        steps=steps,
        every=every,
        sde=sde,
        sde_step=sde_step,
        seed=seed,
    ).to_xarray()


def run(
    variant: Variant,
    phi0: ArrayLike | None = None,
    theta0: ArrayLike | None = None,
    *,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    t1: float | None = None,
    ts: ArrayLike | None = None,
    solver: str | None = None,
    backend: str = "diffrax",
    rtol: float = 1e-9,
    atol: float | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    ema_tau: float | None = None,
    rule: Rule | None = None,
    steps: int | None = None,
    every: int = 1,
    sde: ArrayLike | None = None,
    sde_step: float | None = None,
    seed: int | None = None,
) -> Trajectory:
    """Like :func:`simulate`, returning a light :class:`Trajectory` that needs no xarray."""
    check_variant(variant)
    check_untraced(
        "simulate", variant, phi0, theta0, x0, t1, ts, rtol, atol, rate_d, rate_g, ema_tau, rule, sde
    )
    if rule is not None:
        check_rule(rule)
    drawn_from = (-1 if sde is None else 0) if seed is None else _seed(seed)
    began = time.perf_counter()
    phi, theta, datum = starts(phi0, theta0, dim, x0)
    start, rates = Players(phi, theta), check_rates(rate_d, rate_g, rule)
    provenance = identity(variant) | {"x0": json.dumps(datum.tolist())}
    noise, random = _noise(sde, sde_step, seed, rule, len(datum), solver, backend)
    with own_settings(True):
        if rule is None:
            if steps is not None:
                raise InputError(f"steps = {shown(steps)} needs a rule; allowed without one: t1")
            if integer("every", every, low=1) > 1:
                raise InputError(f"every = {every} needs a rule; allowed without one: ts")
            tau = None if ema_tau is None else given("ema_tau", ema_tau, low=0, open_low=True)
            span = _span(t1, ts, rtol, _default_atol(start, datum) if atol is None else atol)
            check_rows(len(span.ts), len(datum) * (2 if tau is None else 4), "give fewer times ts")
            system = DiracSystem(*dirac.cast((variant, datum, rates, tau), jnp.float64))
            if noise is None:
                data, outcome = _flow(solver, backend, system, start, span)
                unseen = ", ".join(unlocated(system))
                outcome |= {"unlocated": unseen} if unseen else {}
                outcome |= {"rtol": span.rtol, "atol": span.atol}
            else:
                data, outcome = _noisy_flow(system, start, span.ts, noise, random["sde_step"])
            provenance |= {"t1": span.t1, "rate_d": rates.phi, "rate_g": rates.theta}
            provenance |= {} if tau is None else {"ema_tau": tau}
        else:
            _refuse_flow(t1, ts, ema_tau)
            data, outcome = _steps(variant, rule, start, datum, steps, every, noise)
    provenance |= outcome | random
    provenance |= {"seed": drawn_from, "versions": versions()}
    return Trajectory(data, provenance | {"wall_time_s": time.perf_counter() - began})


def _span(t1: float | None, ts: ArrayLike | None, rtol: float, atol: float) -> TimeSpan:
    end = given("t1", DEFAULT_T1 if t1 is None else t1, low=0, open_low=True)
    kept = times(ts, end, limited=t1 is not None)
    return TimeSpan(
        0.0,
        float(kept[-1]) if t1 is None else end,
        kept,
        given("rtol", rtol, low=1e-14, high=1, open_high=True),
        given("atol", atol, low=0, open_low=True),
    )


def _default_atol(start: Players, datum: np.ndarray) -> float:
    """An absolute tolerance far below the start's distance from (0, x0), as far as floats beside the datum allow."""
    size = max(float(np.max(np.abs(x))) for x in (start.phi, start.theta - datum))
    finest = max(_OF_START * size, np.finfo(float).eps * float(np.max(np.abs(datum))))
    return min(_ATOL, finest) if finest > 0 else _ATOL


def _refuse_flow(t1: object, ts: object, ema_tau: object) -> None:
    """InputError for what belongs to the flow and was given with a rule."""
    if t1 is not None or ts is not None:
        raise InputError("t1 and ts belong to the flow; a rule has steps and every")
    if ema_tau is not None:
        raise InputError("ema_tau belongs to the flow; a rule has ema")


def _seed(seed: object) -> int:
    return integer("seed", seed, low=0, high=2**32 - 1)


def _noise(
    sde: Any, h: Any, seed: Any, rule: Any, dim: int, solver: str | None, backend: str
) -> tuple[minibatch.MinibatchNoise | None, dict[str, Any]]:
    """The minibatch noise that was asked for, and what is recorded of it."""
    if sde is None:
        if h is not None:
            raise InputError(f"sde_step = {shown(h)} needs sde, the covariance of the noise")
        return None, {}
    sigma = minibatch.covariance(sde, dim)
    record: dict[str, Any] = {"sde": json.dumps(sigma.tolist())}
    if rule is not None:
        if h is not None:
            raise InputError(
                f"sde_step = {shown(h)} belongs to the flow; a rule's noise takes its learning rates"
            )
    else:
        record["sde_step"] = minibatch.step_size(h)
        if solver is not None or backend != "diffrax":
            raise InputError(
                "solver and backend belong to the flow without noise; with sde it is diffrax's ShARK"
            )
    with own_settings(True):
        key = seeded(0 if seed is None else _seed(seed))
        return minibatch.MinibatchNoise(jnp.asarray(minibatch.root(sigma)), key), record


def _flow(
    solver: str | None, backend: str, system: DiracSystem, z: Players, span: TimeSpan
) -> tuple[_Data, _Record]:
    line = line_of(system, z)
    on = system if line is None else line.flat(system)
    y = _state(on, z if line is None else line.down(z))
    name, use = engine(fitting(solver, backend, on, y, span.t1), backend)
    out = integrate(use, on, y, span)
    data = _named(on, span.ts, out.ys)
    if line is not None:
        data = {n: x if n == "time" else line.up(n, x) for n, x in data.items()}
    return data, _outcome(out.result, out.when, out.text, out.events) | {"solver": name}


def _noisy_flow(
    system: DiracSystem, z: Players, ts: np.ndarray, noise: minibatch.MinibatchNoise, h: float
) -> tuple[_Data, _Record]:
    ys, longest, failed = minibatch.solve(system, _state(system, z), ts, noise, h)
    if failed is None:
        outcome = _outcome(MotionResult.OK, math.nan, f"reached t = {ts[-1]:.10g}", [])
    else:
        outcome = _outcome(MotionResult.DIVERGED, failed, f"left the float range by t = {failed:.10g}", [])
    return _named(system, ts, ys), outcome | {"solver": minibatch.SOLVER, "solver_step": longest}


def _state(system: DiracSystem, z: Players) -> np.ndarray:
    on = dirac.game(system.variant, system.x0).project(z)  # a clipped critic starts on its box
    return np.concatenate([*on] * (1 if system.tau is None else 2))


def _named(system: DiracSystem, ts: np.ndarray, ys: np.ndarray) -> dict[str, np.ndarray]:
    d = system.dim
    names = ("phi", "theta", "phi_ema", "theta_ema")[: ys.shape[1] // d]
    return {"time": ts} | {n: ys[:, i * d : (i + 1) * d] for i, n in enumerate(names)}


def _outcome(result: MotionResult, t: float, text: str, events: list[Any]) -> dict[str, Any]:
    listed = [{"time": when, "kind": what} for when, what in events]
    return {"result": result.value, "result_time": t, "result_text": text, "events": json.dumps(listed)}


def _steps(
    variant: Variant,
    rule: Rule,
    z: Players,
    x0: np.ndarray,
    steps: int | None,
    every: int,
    noise: minibatch.MinibatchNoise | None,
) -> tuple[_Data, _Record]:
    count = integer("steps", 200 if steps is None else steps, low=1, high=MOST_STEPS)
    every = integer("every", every, low=1, high=MOST_STEPS)
    width = len(x0) * (2 if rule.ema is None else 4)
    check_rows(count // every + 2, width, "give fewer steps, or a larger every")
    out = iterate(variant, rule, z, x0, row_numbers(count, every), noise)
    h = float(rule.time_step)
    data = {"time": out.steps * h, "step": out.steps} | out.rows
    outcome = _outcome(out.result, out.when * h, out.text, [])
    outcome |= {"rule": rule.label, "rule_name": rule.name, "steps": count, "every": every}
    return data, outcome | {"rule_hyperparameters": json.dumps(rule.hyperparameters, default=_plain)}


def _plain(value: Any) -> Any:
    return value.label if isinstance(value, Parametric) else str(value)
