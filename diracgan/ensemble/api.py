"""Ensembles: arrays of starts in, labelled arrays out."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from ..dynamics.trajectory import versions
from ..errors import InputError, integer, number, unknown
from ..game import Players
from ..parameters import Parametric, parameters
from ..rules import Rule
from ..variants import Variant, modifiers
from . import reduction
from .adaptive_steps import integrate
from .blocks import choose
from .fixed_steps import Outcome, Task, iterate
from .methods import METHODS
from .statistics import INVARIANT, asked
from .vector_field import Motion, System, motion

STATUS = ("ok", "diverged", "max steps", "stiff")
"""How a trajectory ended, by the number in ``status``."""


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Named arrays over trajectories and their provenance; :meth:`to_xarray` labels them.

    Attributes:
        data: name -> (dimensions, array).
        coords: name -> (dimensions, array).
        attrs: provenance, plain values only.
    """

    data: dict[str, tuple[tuple[str, ...], np.ndarray]]
    coords: dict[str, tuple[tuple[str, ...], np.ndarray]]
    attrs: dict[str, Any]

    def __getitem__(self, name: str) -> np.ndarray:
        return (self.data if name in self.data else self.coords)[name][1]

    def __contains__(self, name: str) -> bool:
        return name in self.data or name in self.coords

    def to_xarray(self) -> Any:
        """The same as an :class:`xarray.Dataset`."""
        import xarray as xr

        made = xr.Dataset(dict(self.data), coords=dict(self.coords), attrs=dict(self.attrs))
        made["status"].attrs = {"flag_values": list(range(len(STATUS))), "flag_meanings": ", ".join(STATUS)}
        return made


def ensemble(variant: Variant, phi0: Any, theta0: Any, **arguments: Any) -> Any:
    """Integrate many trajectories of the Dirac GAN at once, from arrays of starts.

    z' = F(z) by fixed or adaptive steps, or z+ = rule(z). Derived from the variant's definition; whole blocks of
    trajectories go through all their steps inside the cache, on all cores. Any number of the variant or of the rule may
    be an array of shape (N,): one value a trajectory. Switching surfaces are not located here (``simulate`` does): a
    trajectory that crosses one has first-order accuracy there.

    Args:
        variant: any variant.
        phi0: the critic's starts, shape (N, d); (N,) for d = 1.
        theta0: the generator's starts, likewise.
        t1: end of the flow (40).
        dt: fixed step of the flow (0.01); t1 and the times to save are multiples of it.
        method: ``"rk4"`` or ``"tsit5"``; adaptive steps are tsit5's.
        adaptive: choose the steps by ``rtol`` and ``atol``.
        rtol: relative tolerance of adaptive steps (1e-6; 1e-4 in float32).
        atol: absolute tolerance (1e-9; 1e-6 in float32).
        max_steps: adaptive steps after which a trajectory is given up (16,384).
        rule: from :func:`diracgan.rule`; then ``steps`` iterations are made.
        steps: number of iterations (200).
        x0: the datum, shape (d,) or a number; None for 0.
        rate_d: factor on the critic's velocity in the flow.
        rate_g: factor on the generator's.
        dtype: ``"float64"`` or ``"float32"``.
        save: ``"final"``; ``"stats"`` or names among min, max, mean_radius, arc, escape_time, entry_time; or increasing
            times (for a rule: iterations).
        escape: the radius of ``escape_time`` (1e3).
        ball: the radius of ``entry_time``, around (0, x0) (1e-3).
        devices: None for all cores or accelerators, a number of them, or a list of jax devices.

    Returns:
        An :class:`xarray.Dataset` with phi and theta (trajectory, component), or (trajectory, time, component) at saved
        times, phi_ema and theta_ema with a rule's EMA, the statistics asked for (min and max as ``phi_min``,
        ``theta_max``, ...; seen after every fixed step, eight times in an adaptive one), and ``status`` (trajectory):
        0 ok, 1 diverged, 2 max steps, 3 stiff (the step fell below rounding: a pole or a discontinuity). What did not
        end well is NaN. ``attrs`` say what produced it and how (``fused``, ``reduced``).

    Raises:
        InputError: for arguments that are not allowed, naming them.

    References:
        Kutta 1901; Tsitouras 2011 (doi 10.1016/j.camwa.2011.06.002).

    Example:
        >>> import numpy as np, diracgan as dg
        >>> e = dg.ensemble(dg.variant("wgan-linear"), np.ones((3, 1)), np.zeros((3, 1)), t1=3.0, dt=0.01)
        >>> e.phi.dims, round(float(e.phi[0, 0]), 6)
        (('trajectory', 'component'), -0.989992)
    """
    return run(variant, phi0, theta0, **arguments).to_xarray()


def run(
    variant: Variant,
    phi0: Any,
    theta0: Any,
    *,
    t1: float | None = None,
    dt: float | None = None,
    method: str | None = None,
    adaptive: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    max_steps: int | None = None,
    rule: Rule | None = None,
    steps: int | None = None,
    x0: Any = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    dtype: Any = "float64",
    save: Any = "final",
    escape: float = 1e3,
    ball: float = 1e-3,
    devices: int | Sequence[Any] | None = None,
) -> Ensemble:
    """Like :func:`ensemble`, returning a light :class:`Ensemble` that needs no xarray."""
    began = time.perf_counter()
    kind = _dtype(dtype)
    phi, theta = starts(phi0, theta0)
    count, dim = phi.shape
    datum = _datum(x0, dim)
    names, times = asked(save)
    radii = (number("escape", escape, low=0, open_low=True), number("ball", ball, low=0, open_low=True))
    variant = _of(variant, Variant, "variant", count)
    rates = Players(
        number("rate_d", rate_d, low=0, open_low=True), number("rate_g", rate_g, low=0, open_low=True)
    )
    flow = {"t1": t1, "dt": dt, "method": method, "rtol": rtol, "atol": atol, "max_steps": max_steps}
    if rule is not None:
        others = flow | {
            "adaptive": adaptive or None,
            "rate_d": _unless_one(rates.phi),
            "rate_g": _unless_one(rates.theta),
        }
        course = _rule_course(_of(rule, Rule, "rule", count), steps, times, others)
    elif steps is not None:
        raise InputError(f"steps = {steps} needs a rule; allowed without one: t1 and dt")
    else:
        course = (_adaptive_course if adaptive else _fixed_course)(flow, rates, times, kind)
    still = rates if adaptive and rates != Players(1.0, 1.0) else None
    system = System(variant, course.rule, None if datum is None else tuple(datum), still)
    small, frame = 2 if datum is None else 3, None
    if dim > small and set(names) <= INVARIANT and reduction.flattens(system, dim, small):
        frame = reduction.frame(phi, theta, datum)
        phi, theta = frame.phi, frame.theta
        system = system._replace(x0=None if frame.x0 is None else tuple(frame.x0))
    with jax.enable_x64(kind == np.float64):
        where = choose(devices)
        system = jax.tree.map(lambda x: np.asarray(x, kind), system)
        watch = (np.asarray(radii[0], kind), np.asarray(radii[1], kind), system.x0)
        moves = motion(system, phi.shape[1], kind)
        players = moves.pack(phi, theta, kind)
        task = Task(moves, names, jax.tree.leaves(system), players, watch, np.asarray(course.h, kind), where)
        if course.tolerances is None:
            outcome = iterate(task, course.stops)
        else:
            outcome = integrate(task, course.stops, course.tolerances, course.max_steps)
    data, coords = _labelled(outcome, frame, moves, times is not None)
    if times is not None:
        coords |= course.coords
    about = described(variant)
    attrs = {
        "variant": about.label,
        "variant_name": about.name or type(about).__name__,
        "hyperparameters": json.dumps(about.hyperparameters, default=str),
        "reference": about.reference,
        "x0": json.dumps([0.0] * dim if datum is None else datum.tolist()),
        **course.attrs,
        "dtype": kind.name,
        "fused": moves.note or "yes",
        "reduced": "no" if frame is None else f"from {dim} to the {small} dimensions that the start spans",
        "engine": outcome.engine,
        "devices": f"{where.workers} {where.platform}",
    }
    if names:
        attrs |= {"escape": radii[0], "ball": radii[1]}
    return Ensemble(
        data, coords, attrs | {"versions": versions(), "wall_time_s": time.perf_counter() - began}
    )


# ---------------------------------------------------------------- what is to be done


class _Course(NamedTuple):
    """How time passes.

    Attributes:
        rule: what makes a step; None for adaptive ones.
        h: time of one step; an array where a learning rate is one.
        stops: numbers of steps, or times where steps are adaptive.
        tolerances: rtol and atol of adaptive steps, else None.
        max_steps: of adaptive steps.
        coords: coordinates of the saved rows.
        attrs: provenance.
    """

    rule: Rule | None
    h: Any
    stops: list[Any]
    tolerances: tuple[float, float] | None
    max_steps: int
    coords: dict[str, Any]
    attrs: dict[str, Any]


def _rule_course(rule: Rule, steps: Any, times: Any, others: dict[str, Any]) -> _Course:
    for name, value in others.items():
        if value is not None:
            raise InputError(f"{name} belongs to the flow; a rule has steps and its learning rates")
    total = integer("steps", 200 if steps is None else steps, low=1)
    stops = [total] if times is None else _counts("iteration", times, 1.0, total)
    h, about = np.asarray(rule.time_step, float), described(rule)
    coords = {"step": (("time",), np.asarray(stops))}
    coords["time"] = (("time",), np.asarray(stops) * (float(h) if h.ndim == 0 else 1.0))
    attrs = {"rule": about.label, "rule_name": about.name, "steps": total}
    attrs["rule_hyperparameters"] = json.dumps(about.hyperparameters, default=str)
    return _Course(rule, h, stops, None, 0, coords, attrs)


def _fixed_course(flow: dict[str, Any], rates: Players, times: Any, kind: np.dtype) -> _Course:
    for name in ("rtol", "atol", "max_steps"):
        if flow[name] is not None:
            raise InputError(f"{name} = {flow[name]} belongs to adaptive=True; fixed steps have dt")
    method = "rk4" if flow["method"] is None else flow["method"]
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    end, h = _end(flow), number("dt", 0.01 if flow["dt"] is None else flow["dt"], low=0, open_low=True)
    total = _counts("t1", [end], h, None)[0]
    stops = [total] if times is None else _counts("time to save", times, h, total)
    coords = {"time": (("time",), np.asarray(stops) * h)}
    lr = {"lr": h} if rates == Players(1.0, 1.0) else {"lr_d": h * rates.phi, "lr_g": h * rates.theta}
    step = METHODS[method](**lr)  # type: ignore[call-arg]
    attrs = {"method": method, "t1": end, "dt": h, "steps": total, "rate_d": rates.phi, "rate_g": rates.theta}
    return _Course(step, h, stops, None, 0, coords, attrs)


def _adaptive_course(flow: dict[str, Any], rates: Players, times: Any, kind: np.dtype) -> _Course:
    if flow["dt"] is not None:
        raise InputError(f"dt = {flow['dt']} belongs to fixed steps; adaptive ones have rtol and atol")
    if flow["method"] not in (None, "tsit5"):
        raise InputError(f"method {flow['method']!r} estimates no error; allowed with adaptive=True: 'tsit5'")
    single = kind == np.float32
    rtol = number("rtol", (1e-4 if single else 1e-6) if flow["rtol"] is None else flow["rtol"], low=0, high=1)
    atol = number(
        "atol", (1e-6 if single else 1e-9) if flow["atol"] is None else flow["atol"], low=0, open_low=True
    )
    most = integer("max_steps", 16_384 if flow["max_steps"] is None else flow["max_steps"], low=1)
    end = _end(flow)
    stops = [end] if times is None else _increasing(times, end)
    attrs = {"method": "tsit5", "t1": end, "adaptive": 1, "rtol": rtol, "atol": atol, "max_steps": most}
    attrs |= {"rate_d": rates.phi, "rate_g": rates.theta}
    return _Course(None, 0.0, stops, (rtol, atol), most, {"time": (("time",), np.asarray(stops))}, attrs)


def _end(flow: dict[str, Any]) -> float:
    return number("t1", 40.0 if flow["t1"] is None else flow["t1"], low=0, open_low=True)


def _counts(what: str, times: Any, h: float, most: int | None) -> list[int]:
    """``times`` as numbers of steps of length ``h``, which they must be within rounding."""
    counts = []
    for t in _increasing(times, math.inf if most is None else most * h * (1 + 1e-12)):
        nearest = max(round(t / h), 1 if most is None else 0)
        if abs(t - nearest * h) > 1e-9 * max(t, h):
            unit = "a whole number" if what == "iteration" else f"a multiple of dt = {h:g}"
            raise InputError(f"{what} = {t:.12g} is not {unit}; the nearest is {nearest * h:.12g}")
        counts.append(nearest)
    return counts


def _increasing(times: Any, end: float) -> list[float]:
    try:
        found = np.asarray(times, float)
    except (TypeError, ValueError):
        found = np.zeros((0, 0))
    if found.ndim != 1 or not found.size:
        raise InputError("save: allowed are 'final', 'stats', names of statistics, or a list of times")
    if not np.isfinite(found).all() or (np.diff(found) <= 0).any() or found[0] < 0 or found[-1] > end:
        raise InputError(
            f"times to save must increase within [0, {end:g}]; got {found[0]:g} to {found[-1]:g}"
        )
    return [float(t) for t in found]


# ---------------------------------------------------------------- what is given


def starts(phi0: Any, theta0: Any) -> tuple[np.ndarray, np.ndarray]:
    """The starts as two float64 arrays (N, d) of one shape.

    Raises:
        InputError: for other shapes, no trajectory, or entries that are not finite.
    """
    both = []
    for name, value in (("phi0", phi0), ("theta0", theta0)):
        try:
            array = np.asarray(value, float)
        except (TypeError, ValueError):
            raise InputError(f"{name} is no array of numbers; allowed: shape (N, d)") from None
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2 or 0 in array.shape:
            raise InputError(
                f"{name} has shape {np.shape(value)}; allowed: (N, d) with N, d >= 1, or (N,) for d = 1"
            )
        if not np.isfinite(array).all():
            raise InputError(f"{name} has entries that are not finite; allowed: finite numbers")
        both.append(array)
    if both[0].shape != both[1].shape:
        raise InputError(f"phi0 has shape {both[0].shape} and theta0 {both[1].shape}; they must agree")
    return both[0], both[1]


def described(thing: Any) -> Any:
    """The variant or rule with every array replaced by words: what provenance can hold."""
    return jax.tree.map(lambda x: "array" if np.ndim(x) else x, thing)


def _dtype(dtype: Any) -> np.dtype:
    try:
        kind = np.dtype(dtype)
    except TypeError:
        kind = np.dtype(object)
    if kind not in (np.dtype("float32"), np.dtype("float64")):
        raise unknown("dtype", dtype, ("float32", "float64"))
    return kind


def _datum(x0: Any, dim: int) -> np.ndarray | None:
    """x0 as a vector, or None where it is 0."""
    if x0 is None:
        return None
    try:
        datum = np.asarray(x0, float)
    except (TypeError, ValueError):
        raise InputError(f"x0 = {x0!r} is no vector of numbers; allowed: {dim} numbers, or one") from None
    if datum.shape not in ((), (1,), (dim,)) or not np.isfinite(datum).all():
        raise InputError(f"x0 has shape {datum.shape}; allowed: {dim} finite numbers, or one")
    return np.broadcast_to(datum, (dim,)).copy() if datum.any() else None


def _unless_one(x: float) -> float | None:
    return None if x == 1.0 else x


def _of(thing: Any, kind: type[Parametric], what: str, count: int) -> Any:
    """``thing``, its arrays checked: one number a trajectory, each within its domain."""
    if not isinstance(thing, kind):
        raise InputError(f"{thing!r} is no {what}; allowed: what dg.{what}(...) returns")
    known = parameters(type(thing)) | modifiers()
    values = {n: getattr(thing, n) for n in parameters(type(thing))} | getattr(thing, "extras", {})
    for name, value in values.items():
        if np.ndim(value) == 0:
            continue
        if np.shape(value) != (count,):
            raise InputError(
                f"{name} has shape {np.shape(value)}; allowed: one number, or ({count},) as the starts"
            )
        for end in (np.min(value), np.max(value)):
            known[name].check(float(end))
    return thing


def _labelled(
    outcome: Outcome, frame: reduction.Frame | None, moves: Motion, several: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outcome with its dimensions; what did not end well is NaN."""
    failed, half = outcome.status != 0, moves.players // 2
    data: dict[str, Any] = {}
    for k, name in enumerate(("phi", "theta", "phi_ema", "theta_ema")[: 4 if moves.ema else 2]):
        rows = np.stack([np.vstack(r[k * half : (k + 1) * half]).T for r in outcome.rows], axis=1)
        rows[failed, -1] = np.nan
        rows[~np.isfinite(rows).all(axis=2)] = np.nan
        rows = rows if frame is None else frame.back(rows).astype(rows.dtype)
        data[name] = (
            (("trajectory", "time", "component"), rows)
            if several
            else (("trajectory", "component"), rows[:, 0])
        )
    for name, value in outcome.seen.items():
        if name in ("min", "max"):
            for k, player in enumerate(("phi", "theta")):
                both = np.vstack(value[k * half : (k + 1) * half]).T
                data[f"{player}_{name}"] = (("trajectory", "component"), both)
        elif name == "mean_radius":
            total, lived, last = value
            with np.errstate(invalid="ignore"):
                data[name] = (("trajectory",), np.where(lived > 0, total / lived, last))
        else:
            data[name] = (("trajectory",), value)
    data["status"] = (("trajectory",), outcome.status)
    count, dim = len(outcome.status), data["phi"][1].shape[-1]
    return data, {
        "trajectory": (("trajectory",), np.arange(count)),
        "component": (("component",), np.arange(dim)),
    }
