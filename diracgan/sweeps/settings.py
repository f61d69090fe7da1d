"""Settings of the runs of a sweep, checked before anything is computed."""

from __future__ import annotations

import dataclasses
from typing import Any, TypedDict

import numpy as np

from ..analysis.decision_thresholds import checked_effort
from ..ensemble.schedule import adaptive_schedule, fixed_schedule, step_count
from ..errors import InputError, as_text, flag, number, shown, unknown
from ..game import Players
from ..rules import Rule

T1, STEPS, DT = 200.0, 2000, 0.01
"""How long a sweep follows: time of a flow, iterations of a rule, step of a flow."""


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """How long and how the players are followed.

    Attributes:
        flow: what :func:`diracgan.ensemble` is told about time: t1, dt, method, ..., or steps.
        end: the number of steps, or for adaptive ones the end time.
        escape: radius of escape.
        ball: radius around the equilibrium that counts as it.
        ema_tau: time constant of the flow's weight average.
        effort: of verdicts.
        dtype: of the numbers that are integrated.
    """

    flow: dict[str, Any]
    end: float
    escape: float
    ball: float
    ema_tau: Any
    effort: float
    dtype: str


class RunArguments(TypedDict, total=False):
    """The words of :func:`diracgan.sweep` for how runs are followed: what :func:`run_settings` takes."""

    t1: float | None
    dt: float | None
    steps: int | None
    method: str | None
    adaptive: bool
    rtol: float | None
    atol: float | None
    dtype: str
    escape: float
    ball: float
    ema_tau: float | None
    effort: float


def run_settings(
    rule: Rule | None,
    *,
    t1: Any = None,
    dt: Any = None,
    steps: Any = None,
    method: str | None = None,
    adaptive: bool = False,
    rtol: Any = None,
    atol: Any = None,
    dtype: str = "float64",
    escape: float = 1e3,
    ball: float = 1e-3,
    ema_tau: Any = None,
    effort: float = 1.0,
) -> RunSettings:
    """How runs are followed, checked.

    Raises:
        InputError: for values that are not allowed, or what belongs to a flow given with a rule.
    """
    flow: dict[str, Any] = {"t1": t1, "dt": dt, "method": method, "rtol": rtol, "atol": atol}
    steps_vary = {"adaptive": True} if flag("adaptive", adaptive) else {}
    given = {n: x for n, x in flow.items() if x is not None} | steps_vary
    if as_text(dtype) not in ("float32", "float64"):
        raise unknown("dtype", dtype, ("float32", "float64"))
    if rule is not None:
        if given or ema_tau is not None:
            raise InputError(
                f"{next(iter(given), 'ema_tau')} belongs to the flow; a rule has steps (and ema)"
            )
        end: float = step_count(STEPS if steps is None else steps)
        flow = {"steps": end}
    else:
        if steps is not None:
            raise InputError(f"steps = {shown(steps)} needs a rule; allowed without one: t1 and dt")
        usual = {"t1": T1} if adaptive else {"t1": T1, "dt": DT}
        complete = {**dict.fromkeys(flow), "max_steps": None, **usual, **given}
        checked = (adaptive_schedule if adaptive else fixed_schedule)(
            complete, Players(1.0, 1.0), None, np.dtype(dtype)
        )
        flow, end = given | {n: checked.attrs[n] for n in usual}, checked.stops[-1]
    tau = None if ema_tau is None else number("ema_tau", ema_tau, low=0, open_low=True)
    outer, inner = (number(n, x, low=0, open_low=True) for n, x in (("escape", escape), ("ball", ball)))
    return RunSettings(flow, end, outer, inner, tau, checked_effort(effort), str(dtype))
