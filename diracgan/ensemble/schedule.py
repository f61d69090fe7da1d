"""The time schedule of an ensemble: iterations of a rule, fixed steps, or adaptive steps."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, integer, number, one_of, shown
from ..game import Players
from ..parameters import Parametric
from ..rules import Rule
from .methods import METHODS

P = TypeVar("P", bound=Parametric)

MOST_STEPS = 2**31 - 1
"""Steps are counted in 32 bits."""


def step_count(steps: object) -> int:
    """``steps`` as a number of steps that can be counted.

    Raises:
        InputError: for anything but a whole number from 1 to :data:`MOST_STEPS`.

    Example:
        >>> step_count(200.0)
        200
    """
    return integer("steps", steps, low=1, high=MOST_STEPS)


def too_many_steps(what: str, t: float, h: float) -> InputError:
    """The error for a time ``t`` that steps of length ``h`` do not reach."""
    return InputError(
        f"dt = {h:g} is too small for {what} = {t:g}: {t / h:.3g} steps; "
        f"allowed: at most {MOST_STEPS} steps, dt >= {t / MOST_STEPS:.3g}"
    )


def described(thing: P) -> P:
    """The variant or rule with every array replaced by words: what provenance can hold."""
    return jax.tree.map(lambda x: "array" if np.ndim(x) else x, thing)


class Schedule(NamedTuple):
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


class EnsembleRequest(NamedTuple):
    """What is asked of a system and its starts.

    Attributes:
        schedule: how time passes.
        names: the statistics asked for.
        radii: of escape and of the ball.
        kind: the type of every number.
        several: whether the rows have a time.
        small: the dimension that the motion is reduced to, or None.
    """

    schedule: Schedule
    names: tuple[str, ...]
    radii: tuple[float, float]
    kind: np.dtype
    several: bool
    small: int | None = None


def rule_schedule(rule: Rule, steps: object, times: ArrayLike | None, others: dict[str, Any]) -> Schedule:
    """The iterations of a rule; InputError for any of ``others`` (what belongs to a flow) that is not None."""
    for name, value in others.items():
        if value is not None:
            raise InputError(f"{name} belongs to the flow; a rule has steps and its learning rates")
    total = step_count(200 if steps is None else steps)
    stops = [total] if times is None else _counts("iteration", times, 1.0, total)
    h, about = np.asarray(rule.time_step, float), described(rule)
    coords = {"step": (("time",), np.asarray(stops))}
    coords["time"] = (("time",), np.asarray(stops) * (float(h) if h.ndim == 0 else 1.0))
    attrs = {"rule": about.label, "rule_name": about.name, "steps": total}
    attrs["rule_hyperparameters"] = json.dumps(about.hyperparameters, default=str)
    return Schedule(rule, h, stops, None, 0, coords, attrs)


def fixed_schedule(flow: dict[str, Any], rates: Players, times: ArrayLike | None, kind: np.dtype) -> Schedule:
    """A flow in fixed steps: ``flow`` holds t1, dt, method, rtol, atol and max_steps as they were given."""
    for name in ("rtol", "atol", "max_steps"):
        if flow[name] is not None:
            raise InputError(f"{name} = {shown(flow[name])} belongs to adaptive=True; fixed steps have dt")
    method = one_of("method", "rk4" if flow["method"] is None else flow["method"], METHODS)
    end, h = _end(flow), number("dt", 0.01 if flow["dt"] is None else flow["dt"], low=0, open_low=True)
    total = _counts("t1", [end], h, None)[0]
    stops = [total] if times is None else _counts("time to save", times, h, total)
    coords = {"time": (("time",), np.asarray(stops) * h)}
    lr = {"lr": h} if rates == Players(1.0, 1.0) else {"lr_d": h * rates.phi, "lr_g": h * rates.theta}
    step = METHODS[method](**lr)
    attrs = {"method": method, "t1": end, "dt": h, "steps": total, "rate_d": rates.phi, "rate_g": rates.theta}
    return Schedule(step, h, stops, None, 0, coords, attrs)


def adaptive_schedule(
    flow: dict[str, Any], rates: Players, times: ArrayLike | None, kind: np.dtype
) -> Schedule:
    """A flow in adaptive steps; ``kind`` decides the usual tolerances."""
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
    return Schedule(None, 0.0, stops, (rtol, atol), most, {"time": (("time",), np.asarray(stops))}, attrs)


def _end(flow: dict[str, Any]) -> float:
    return number("t1", 40.0 if flow["t1"] is None else flow["t1"], low=0, open_low=True)


def _counts(what: str, times: ArrayLike | None, h: float, most: int | None) -> list[int]:
    """``times`` as numbers of steps of length ``h``, which they must be within rounding."""
    counts = []
    for t in _increasing(times, math.inf if most is None else most * h * (1 + 1e-12)):
        if t / h > MOST_STEPS:
            raise too_many_steps(what, t, h)
        nearest = max(round(t / h), 1 if most is None else 0)
        if abs(t - nearest * h) > 1e-9 * max(t, h):
            unit = "a whole number" if what == "iteration" else f"a multiple of dt = {h:g}"
            raise InputError(f"{what} = {t:.12g} is not {unit}; the nearest is {nearest * h:.12g}")
        counts.append(nearest)
    return counts


def _increasing(times: ArrayLike | None, end: float) -> list[float]:
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
