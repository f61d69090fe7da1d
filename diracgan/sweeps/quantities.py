"""The quantities of a sweep, and how each is found for many points at once."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsFloat, TypeAlias, cast

import numpy as np
from jax import Array

from ..analysis.kinds import Kind
from ..analysis.linear.settings import LinearSettings
from ..analysis.thresholds.weight_averaging import flow_gain, gain
from ..analysis.verdict.api import verdict
from ..ensemble.api import ensemble
from ..ensemble.blocks import Device
from ..errors import InputError, as_text, one_line, unknown
from ..jax_settings import own_settings
from ..registry import import_source, source_and_rest
from ..rules import Rule
from . import limit_sets
from .linear import linear, part
from .quantity import LINEAR, POINT, QUANTITIES, SAMPLES, TAIL, WHOLE, Point, Quantity
from .settings import RunSettings

QuantityLike: TypeAlias = str | Quantity | Callable[[Point], SupportsFloat]
"""What names one quantity: its name, itself, or a user's own function."""

_OTHER_NAMES = {
    "spectral_margin": "margin",
    "radius": "spectral_radius",
    "verdict_kind": "verdict",
    "kind": "verdict",
    "period_time": "period",
    "gain": "ema_gain",
}


@dataclasses.dataclass(frozen=True)
class PointBatch:
    """Many points at once: numbers, or arrays over points.

    Attributes:
        setup: variant, rule, datum, point and rates.
        phi: the critic's starts, (N, d).
        theta: the generator's starts, (N, d).
        settings: how they are followed.
        values: axis -> its value at every point, (N,).
    """

    setup: LinearSettings
    phi: np.ndarray
    theta: np.ndarray
    settings: RunSettings
    values: dict[str, np.ndarray]

    @property
    def count(self) -> int:
        """How many points."""
        return len(self.phi)


def quantities(
    given: QuantityLike | Sequence[QuantityLike] | Mapping[str, QuantityLike],
) -> tuple[Quantity, ...]:
    """The quantities that ``given`` names.

    Args:
        given: a name, a function of a :class:`Point`, the text ``"path.py:function"`` or ``"package.module:function"``,
            or several of these; text may name several, separated by commas. A mapping gives functions names of
            their own.

    Raises:
        InputError: for what is not a quantity, naming the nearest.

    Example:
        >>> [q.name for q in quantities("margin, escape-time")]
        ['margin', 'escape_time']
    """
    if isinstance(given, Mapping):
        given = [_renamed(as_text(name), _quantity(q)) for name, q in given.items()]
    if (
        isinstance(given, str)
        or callable(given)
        or isinstance(given, Quantity)
        or not isinstance(given, Sequence)
    ):
        given = [given]
    found = [
        _quantity(part)
        for a in given
        for part in (filter(str.strip, a.split(",")) if isinstance(a, str) else [a])
    ]
    if not found:
        raise InputError(f"no quantity asked for; allowed: {', '.join(QUANTITIES)}, or a function")
    names = [q.name for q in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"the quantity {name} is asked for twice; allowed: once (a mapping gives functions names of their own)"
            )
    return tuple(found)


def _renamed(name: str, q: Quantity) -> Quantity:
    if q.name == name:
        return q
    if q.function is None:
        raise InputError(f"{q.name} cannot be called {name!r}; allowed: names of your own for your functions")
    if not name.isidentifier() or name in QUANTITIES:
        raise InputError(f"{name!r} cannot name a function; allowed: a new name of letters, digits and _")
    return dataclasses.replace(q, name=name)


def _quantity(given: QuantityLike) -> Quantity:
    if isinstance(given, Quantity):
        return given
    if callable(given):
        return Quantity(
            getattr(given, "__name__", "function").strip("<>"), POINT, "a user's function", function=given
        )
    text = as_text(given).strip()
    if ":" in text:
        return dataclasses.replace(
            _quantity(function(text)), help=f"a user's function, {source_and_rest(text)[1]}"
        )
    name = text.lower().replace("-", "_").replace(" ", "_")
    name = _OTHER_NAMES.get(name, name)
    if name not in QUANTITIES:
        raise unknown("quantity", text, (*QUANTITIES, "path.py:function"))
    return QUANTITIES[name]


def function(spec: str) -> Callable[[Point], SupportsFloat]:
    """The function that ``path.py:name`` or ``package.module:name`` names.

    Raises:
        InputError: when the file or the function is missing, or the file raises on import.
    """
    source, name = source_and_rest(spec)
    module = import_source(source, f"has the function of the quantity {spec!r}")
    made = getattr(module, name, None)
    if made is None or not callable(made):
        choices = [
            n for n, x in vars(module).items() if inspect.isfunction(x) and x.__module__ == module.__name__
        ]
        raise unknown(f"function in {source}", name, choices)
    return cast("Callable[[Point], SupportsFloat]", made)


def fingerprint(q: Quantity) -> str:
    """What tells a quantity from another one: its name, and of a user's function its source."""
    if q.function is None:
        return q.name
    try:
        text = inspect.getsource(q.function)
    except (OSError, TypeError):
        code = getattr(q.function, "__code__", None)
        text = repr((getattr(code, "co_code", q.name), getattr(code, "co_consts", ())))
    return f"{q.name}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


class Stopped(Exception):
    """Nobody waits for the answer any more."""


def measure(
    case: PointBatch,
    wanted: Sequence[Quantity],
    device: Device | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> dict[str, np.ndarray]:
    """Every quantity at every point.

    Args:
        case: the points.
        wanted: the quantities.
        device: the accelerator to use; None for one core.
        stopped: whether nobody waits any more; then :class:`Stopped` is raised between points that are slow.

    Returns:
        Name -> array (N, ...).
    """
    found: dict[str, np.ndarray] = {}
    names = {g: [q.name for q in wanted if q.group == g] for g in (LINEAR, WHOLE, TAIL)}
    if names[LINEAR]:
        found |= _linear(case, names[LINEAR])
    if names[WHOLE]:
        found |= _whole(case, names[WHOLE], device)
    if names[TAIL]:
        found |= _tail(case, names[TAIL], device)
    found |= {q.name: _points(case, q, stopped) for q in wanted if q.group == POINT}
    return {q.name: np.ascontiguousarray(found[q.name], q.dtype) for q in wanted}


def check(
    wanted: Sequence[Quantity], rule: Rule | None, varied: Sequence[str], settings: RunSettings
) -> None:
    """Raise InputError where a quantity makes no sense for what moves."""
    for q in wanted:
        if q.needs_rule and rule is None:
            raise InputError(f"{q.name} belongs to a rule; for the flow ask for margin")
        if not q.needs_average:
            continue
        average, given = ("ema_tau", settings.ema_tau) if rule is None else ("ema", rule.ema)
        if given is None and average not in varied:
            where = " of a flow needs ema_tau" if rule is None else " needs the rule's ema"
            raise InputError(f"{q.name}{where}, as a number or as an axis")


def _linear(case: PointBatch, names: Sequence[str]) -> dict[str, np.ndarray]:
    rule = case.setup.rule
    decay = None if rule is None else rule.ema
    setup = (
        case.setup
        if rule is None
        else dataclasses.replace(case.setup, rule=dataclasses.replace(rule, ema=None))
    )
    seen = linear(setup, case.count)
    angle = seen.angle / (1 if rule is None else rule.period)
    found = {"margin": seen.margin, "spectral_radius": seen.radius, "status": seen.status, "frequency": angle}
    if "ema_gain" in names:
        with np.errstate(invalid="ignore"):
            found["ema_gain"] = (
                flow_gain(case.settings.ema_tau, angle)
                if rule is None
                else gain(np.asarray(decay, float), angle)
            )
    return {n: found[n] for n in names}


def _follow(case: PointBatch, save: Any, device: Device | None, arrays: str = "numpy") -> dict[str, Any]:
    """The ensemble of a case on one core (or accelerator), so that its numbers do not depend on how many there are."""
    s, c = case.setup, case.settings
    rates = {} if s.rule is not None else {"rate_d": float(s.rates.phi), "rate_g": float(s.rates.theta)}
    made = ensemble(
        s.variant,
        case.phi,
        case.theta,
        x0=s.x0,
        rule=s.rule,
        save=save,
        dtype=c.dtype,
        escape=c.escape,
        ball=c.ball,
        devices=1 if device is None else [device],
        arrays=arrays,
        **rates,
        **c.flow,
    )
    return {str(n): x.data for n, x in made.data_vars.items()}


def _whole(case: PointBatch, names: Sequence[str], device: Device | None) -> dict[str, np.ndarray]:
    watched = [n for n in names if n != "final_radius"]
    e = _follow(case, watched or "final", device)
    found = {n: np.asarray(e[n], float) for n in watched}
    if "final_radius" in names:
        r = np.sqrt(
            np.sum(e["phi"] ** 2, axis=1, dtype=float)
            + np.sum((e["theta"] - case.setup.x0) ** 2, axis=1, dtype=float)
        )
        found["final_radius"] = np.where(e["status"] == 1, np.inf, r)
    return found


def _tail(case: PointBatch, names: Sequence[str], device: Device | None) -> dict[str, np.ndarray]:
    c, discrete = case.settings, case.setup.rule is not None
    rows = limit_sets.rows(c.end, None if discrete else c.flow.get("dt"), bool(c.flow.get("adaptive")))
    there = device is not None and device.platform != "cpu"
    with own_settings(True):
        # an accelerator also judges the rows, which would take longer to fetch than to compute
        e = _follow(case, rows.save, device, "jax" if there else "numpy")
        seen = limit_sets.tail(rows, e["phi"], e["theta"], case.setup.x0, e["status"], discrete)
        return {n: np.asarray(x) for n, x in _judged(seen, c, names).items()}


def _judged(seen: limit_sets.Tail, c: RunSettings, names: Sequence[str]) -> dict[str, Any]:
    """The quantities of a tail."""
    makers: dict[str, Callable[[], Array | np.ndarray]] = {
        "limit_radius": seen.radius,
        "radius_phi": lambda: seen.radius("phi"),
        "radius_theta": lambda: seen.radius("theta"),
        "limit_phi": lambda: seen.middle("phi"),
        "limit_theta": lambda: seen.middle("theta"),
        "period": seen.period,
        "limit": lambda: seen.limit(c.ball, c.escape),
        "orbit": lambda: seen.orbit(SAMPLES, c.escape),
    }
    return {n: makers[n]() for n in names}


def _points(case: PointBatch, q: Quantity, stopped: Callable[[], bool]) -> np.ndarray:
    found = np.full(case.count, q.missing, q.dtype)
    for i in range(case.count):
        if stopped():
            raise Stopped
        s = part(case.setup, i)
        values = {n: x[i].item() for n, x in case.values.items()}
        here = Point(
            s.variant,
            s.rule,
            case.phi[i],
            case.theta[i],
            s.x0,
            float(s.rates.phi),
            float(s.rates.theta),
            values,
        )
        if q.function is None:
            judged = verdict(here.variant, effort=case.settings.effort, edge=False, **here.arguments)
            found[i] = Kind(judged.kind).number
            continue
        try:
            found[i] = float(q.function(here))
        except Exception as error:  # a user's function raises what it likes; where it did is what helps
            where = ", ".join(
                f"{n} = {x:g}" if isinstance(x, float) else f"{n} = {x}" for n, x in values.items()
            )
            raise InputError(f"the quantity {q.name} failed at {where}: {one_line(error)}") from error
    return found
