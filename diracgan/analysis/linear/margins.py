"""The spectral margin of many settings at once: what thresholds, tuning and charts are made of.

A :class:`Setup` is one question to the linearisation, a :class:`ParameterHandle` one number in it that can be turned.
All
settings that differ only in numbers share one compiled program.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ... import dirac
from ...dynamics.filippov import System, velocity
from ...errors import InputError, number, unknown
from ...game import Players
from ...numerics import derivative, eigen
from ...parameters import Parameter, parameters
from ...rules import Rule
from ...variants import Variant, modifiers
from ..dynamical_system import map_change
from .spectrum import RESIDUAL, judge_map, logits, place, rest_state

BATCH = 64


@dataclasses.dataclass(frozen=True)
class Setup:
    """One question to the linearisation: what is minimised, how the players move, and where."""

    variant: Variant
    rule: Rule | None
    point: Players
    x0: np.ndarray
    rates: Players

    @property
    def provenance(self) -> dict[str, Any]:
        """What a record says about where its numbers come from."""
        return {
            "variant": self.variant.label,
            "hyperparameters": self.variant.hyperparameters,
            "rule": None if self.rule is None else self.rule.label,
            "dim": len(self.x0),
            "x0": self.x0.tolist(),
            "at": {n: p.tolist() for n, p in self.point._asdict().items()},
            "rate_d": float(self.rates.phi),
            "rate_g": float(self.rates.theta),
        }


def setup(
    variant: Variant,
    rule: Rule | None = None,
    dim: int | None = None,
    x0: Any = None,
    at: Any = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> Setup:
    """Check the arguments that every linear question takes; see :func:`diracgan.spectrum`.

    Raises:
        InputError: for arguments that are not allowed.

    Example:
        >>> import diracgan as dg
        >>> setup(dg.variant("ns"), dim=2).x0.tolist()
        [0.0, 0.0]
    """
    if not isinstance(variant, Variant):
        raise InputError(f"{variant!r} is no variant; allowed: what dg.variant(...) returns")
    if rule is not None and not isinstance(rule, Rule):
        raise InputError(f"{rule!r} is no rule; allowed: what dg.rule(...) returns, or None for the flow")
    if rule is not None and (rate_d, rate_g) != (1.0, 1.0):
        raise InputError("rate_d and rate_g belong to the flow; a rule has lr_d and lr_g")
    point, datum = place(dim, x0, at)
    rates = Players(
        *(number(n, x, low=0, open_low=True) for n, x in (("rate_d", rate_d), ("rate_g", rate_g)))
    )
    return Setup(variant, rule, point, datum, rates)


# ---------------------------------------------------------------- what can be turned


@dataclasses.dataclass(frozen=True)
class ParameterHandle:
    """One number of a setup that can be turned.

    Attributes:
        name: as it was asked for.
        domain: what is allowed.
        turn: (setup, value) -> the setup with that value.
        now: its present value, or None.
    """

    name: str
    domain: Parameter
    turn: Callable[[Setup, Any], Setup]
    now: Any

    @property
    def whole(self) -> bool:
        """Whether only whole numbers make sense."""
        return self.domain.kind == "integer"


def knob(around: Setup, name: str) -> ParameterHandle:
    """The number called ``name``: of the variant, a penalty or transform on it, the rule, or the flow's
    rates.

    Args:
        around: the setup that is asked about.
        name: e.g. ``"r1"``, ``"lr"``, ``"lr_ratio"`` (lr_d / lr_g, lr_g kept), ``"rate_ratio"``,
        ``"n_critic"``;
            where a variant and its rule share a name, ``"variant.NAME"`` or ``"rule.NAME"``; of a rule inside
            a rule
            ``"inner.beta"``. ``"gamma"`` is the weight of R1, ``"r1"``, where nothing else is called so.

    Raises:
        InputError: for an unknown name, one that is no number, or one that decides nothing.

    Example:
        >>> import diracgan as dg
        >>> knob(setup(dg.variant("ns")), "r1").domain.low
        0.0
    """
    wanted = name.strip().replace("-", "_")
    found = {**_of_flow(around), **_of_rule(around), **_of_variant(around)}
    hits = [k for k in found if k == wanted or k.partition(".")[2] == wanted]
    if not hits and wanted == "gamma":
        hits = ["variant.r1"]
    if len(hits) > 1:
        raise InputError(f"{name!r} names several numbers; allowed: {', '.join(sorted(hits))}")
    if not hits:
        if around.rule is None and wanted in ("lr", "lr_d", "lr_g", "lr_ratio", "ema", "n_critic", "beta"):
            raise InputError(f"{wanted} belongs to a rule; give one, or ask for rate_d, rate_g or rate_ratio")
        raise unknown("parameter", name, _numbers_in(found))
    if wanted == "lr" and around.rule is not None and None not in (around.rule.lr_d, around.rule.lr_g):
        raise InputError("lr decides nothing while lr_d and lr_g are given; allowed: lr_d, lr_g, lr_ratio")
    domain, turn, now = found[hits[0]]
    if domain.kind not in ("number", "integer"):
        raise InputError(
            f"{name} is a {domain.kind}, not a number; allowed: parameters with a numerical value"
        )
    return ParameterHandle(wanted, domain, turn, now)


def turnable(around: Setup) -> set[str]:
    """The names that :func:`knob` knows.

    Example:
        >>> import diracgan as dg
        >>> sorted(turnable(setup(dg.variant("ns"))) & {"gamma", "r1", "lr", "rate_d"})
        ['gamma', 'r1', 'rate_d']
    """
    return _numbers_in({**_of_flow(around), **_of_rule(around), **_of_variant(around)})


def _numbers_in(found: dict[str, _Entry]) -> set[str]:
    return {"gamma"} | {
        k.partition(".")[2] for k, (p, _, _) in found.items() if p.kind in ("number", "integer")
    }


_Entry = tuple[Parameter, Callable[[Setup, Any], Setup], Any]


def _of_variant(around: Setup) -> dict[str, _Entry]:
    v = around.variant

    def own(name: str) -> Callable[[Setup, Any], Setup]:
        return lambda s, x: dataclasses.replace(s, variant=dataclasses.replace(s.variant, **{name: x}))

    def added(name: str) -> Callable[[Setup, Any], Setup]:
        return lambda s, x: dataclasses.replace(s, variant=s.variant.with_(**{name: x}))

    found: dict[str, _Entry] = {}
    for n, p in parameters(type(v)).items():
        found[f"variant.{n}"] = (p, own(n), getattr(v, n))
    for n, p in modifiers().items():
        if f"variant.{n}" not in found:
            found[f"variant.{n}"] = (p, added(n), v.modifications.get(n))
    return found


def _of_rule(around: Setup) -> dict[str, _Entry]:
    rule = around.rule
    if rule is None:
        return {}

    found: dict[str, _Entry] = {}
    for path, (p, change, now) in _numbers(rule).items():

        def turn(s: Setup, x: Any, change: Callable[[Any, Any], Any] = change) -> Setup:
            return dataclasses.replace(s, rule=change(s.rule, x))

        found[f"rule.{path}"] = (p, turn, now)
    return found


def _numbers(rule: Rule) -> dict[str, tuple[Parameter, Callable[[Any, Any], Any], Any]]:
    """The parameters of a rule, those of a rule inside it as ``inner.NAME``, and the ratio of its learning
    rates."""
    found: dict[str, tuple[Parameter, Callable[[Any, Any], Any], Any]] = {}
    for n, p in parameters(type(rule)).items():
        now = getattr(rule, n)
        if isinstance(now, Rule):
            shared = parameters(Rule)  # the learning rates are the outer rule's
            for below, (q, change, value) in _numbers(now).items():
                if below in shared or below == "lr_ratio":
                    continue
                found[f"{n}.{below}"] = (
                    q,
                    lambda r, x, n=n, change=change: dataclasses.replace(r, **{n: change(getattr(r, n), x)}),
                    value,
                )
            continue
        found[n] = (p, lambda r, x, n=n: dataclasses.replace(r, **{n: x}), now)
    ratio = Parameter("lr_ratio", None, low=0.0, open_low=True, help="lr_d / lr_g, with lr_g kept")
    if "lr" in found:
        found["lr_ratio"] = (
            ratio,
            lambda r, x: dataclasses.replace(r, lr_d=x * r.rates.theta, lr_g=r.rates.theta),
            rule.rates.phi / rule.rates.theta,
        )
    return found


def _of_flow(around: Setup) -> dict[str, _Entry]:
    if around.rule is not None:
        return {}
    rate = Parameter("rate", 1.0, low=0.0, open_low=True)

    def turned(make: Callable[[Players, Any], Players]) -> Callable[[Setup, Any], Setup]:
        return lambda s, x: dataclasses.replace(s, rates=make(s.rates, x))

    phi, theta = around.rates
    return {
        "flow.rate_d": (rate, turned(lambda r, x: r._replace(phi=x)), phi),
        "flow.rate_g": (rate, turned(lambda r, x: r._replace(theta=x)), theta),
        "flow.rate_ratio": (rate, turned(lambda r, x: r._replace(phi=x * r.theta)), phi / theta),
    }


# ---------------------------------------------------------------- margins


class Margin(NamedTuple):
    """What the linearisation says of one setup.

    Attributes:
        status: as of :class:`diracgan.analysis.Spectrum`.
        value: -max Re of the eigenvalues, or 1 - max modulus of the multipliers; NaN where there are none.
        error: bound on its error.
        eigenvalues: of the flow, or the multipliers of the map.
    """

    status: str
    value: float
    error: float
    eigenvalues: np.ndarray


def margins(setups: Sequence[Setup]) -> list[Margin]:
    """The margin of every setup, with one compiled program for all that differ in numbers only.

    Example:
        >>> import diracgan as dg
        >>> found = margins([setup(dg.variant("wgan-gp", c=0.0, lam=x)) for x in (0.0, 0.5)])
        >>> [(m.status, round(m.value, 12)) for m in found]
        [('marginal', 0.0), ('stable', 0.5)]
    """
    found: list[Margin | None] = [None] * len(setups)
    groups: dict[Any, list[int]] = {}
    for i, s in enumerate(setups):
        if s.rule is not None and s.rule.linearisable:
            found[i] = _NO_DERIVATIVE
        else:
            groups.setdefault(jax.tree.structure((s.variant, s.rule)), []).append(i)
    with jax.enable_x64(True):
        for members in groups.values():
            for chunk in _chunks(members, BATCH):
                probes, at, alive = _probes([setups[i] for i in chunk])
                for i, p, z, ok in zip(chunk, probes, at, alive, strict=True):
                    found[i] = _judge(p, z, setups[i].rule is not None) if ok else _NO_EQUILIBRIUM
    return [m for m in found if m is not None]


_NO_DERIVATIVE = Margin("no-derivative", np.nan, np.nan, np.empty(0, complex))
_NO_EQUILIBRIUM = Margin("not-an-equilibrium", np.nan, np.nan, np.empty(0, complex))

_values = jax.jit(jax.vmap(logits))
_rests = jax.jit(jax.vmap(rest_state))


@jax.jit
@jax.vmap
def _look(system: System, rule: Rule | None, start: Any, points: Any, close: Any) -> tuple[Any, ...]:
    """F, or step - identity: its value and Jacobian at the start, values around it, Jacobians close by."""
    change = partial(velocity, system) if rule is None else partial(map_change, system, rule)
    n, m = start.shape[0], points.shape[0]
    # one trace of what is looked at: every place with the direction along which its slope is wanted
    places = jnp.concatenate([points, jnp.repeat(jnp.concatenate([start[None], close]), n, axis=0)])
    along = jnp.concatenate([jnp.zeros_like(points), jnp.tile(jnp.eye(n), (1 + len(close), 1))])
    values, rates = jax.vmap(lambda p, t: jax.jvp(change, (p,), (t,)))(places, along)
    slopes = jnp.swapaxes(rates[m:].reshape(1 + len(close), n, n), 1, 2)
    return values[m], slopes[0], values[:m], slopes[1:]


def _chunks(members: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (members[k : k + size] for k in range(0, len(members), size))


def _probes(setups: Sequence[Setup]) -> tuple[list[derivative.Probe], np.ndarray, np.ndarray]:
    """A probe of every setup of one structure, its full state, and whether the critic has a value there."""
    system, rule, at = stacked(setups)
    alive = np.all(np.isfinite(np.asarray(_values(system, at))), axis=1)
    start = at if rule is None else np.asarray(_rests(system, rule, at))
    ws = derivative.directions(start.shape[1]) * np.maximum(1.0, np.abs(start))[:, None, :]
    points = np.concatenate([start[:, None, :] + e * ws for e in derivative.SCALES], axis=1)
    close = start[:, None, :] + 1e-9 * np.stack([ws[:, 0], -ws[:, 0], ws[:, 1], -ws[:, 1]], axis=1)
    looked = _look(system, rule, start, points, close)
    value, jacobian, around, beside = (np.asarray(x) for x in looked)
    shape = (len(derivative.SCALES), ws.shape[1], start.shape[1])
    probes = [
        derivative.Probe(value[i], jacobian[i], around[i].reshape(shape), ws[i], beside[i])
        for i in range(len(setups))
    ]
    return probes, start[: len(setups)], alive[: len(setups)]


def stacked(setups: Sequence[Setup], size: int = BATCH) -> tuple[System, Rule | None, np.ndarray]:
    """Setups of one structure as one batch, padded with the last one so that every batch has the same
    shape."""
    padded = [*setups, *[setups[-1]] * (size - len(setups))]
    flat = [(System(s.variant, s.x0, s.rates, None), s.rule) for s in padded]  # type: ignore[arg-type]
    system, rule = jax.tree.map(lambda *leaves: jnp.asarray(np.array(leaves, dtype=np.float64)), *flat)
    return system, rule, np.array([np.concatenate(s.point) for s in padded])


def matrices(setups: Sequence[Setup]) -> np.ndarray:
    """The Jacobian of every setup of one structure by autodiff, unjudged: of the field, or of a rule's map,
    (K, n, n).

    Example:
        >>> import diracgan as dg
        >>> matrices([setup(dg.variant("wgan-linear"))])[0].tolist()
        [[0.0, -1.0], [1.0, 0.0]]
    """
    with jax.enable_x64(True):
        parts = [stacked([setups[i] for i in chunk]) for chunk in _chunks(range(len(setups)), BATCH)]
        found = np.concatenate([np.asarray(_matrices(*part)) for part in parts])[: len(setups)]
    return found + (np.eye(found.shape[1]) if setups[0].rule is not None else 0.0)


def slopes(around: Setup, knobs: Sequence[ParameterHandle], values: Sequence[float]) -> np.ndarray:
    """How that matrix changes with each knob at these values, by autodiff, (P, n, n)."""
    here = around
    for k, x in zip(knobs, values, strict=True):
        here = k.turn(here, x)
    with jax.enable_x64(True):
        base, at = _numbers_of(here)
        # every knob enters its numbers linearly, so that a difference of leaves is their exact tangent
        ahead = [_numbers_of(k.turn(here, x + 1.0))[0] for k, x in zip(knobs, values, strict=True)]
        tangents = jax.tree.map(lambda x, *ys: jnp.stack([y - x for y in ys]), base, *ahead)
        return np.asarray(_slopes(base, at, tangents))


def _numbers_of(s: Setup) -> tuple[tuple[System, Rule | None], np.ndarray]:
    pair = (System(s.variant, s.x0, s.rates, None), s.rule)  # type: ignore[arg-type]
    return dirac.cast(pair, jnp.float64), np.concatenate(s.point)


def _matrix(system: System, rule: Rule | None, y: Any) -> Any:
    if rule is None:
        return jax.jacfwd(partial(velocity, system))(y)
    return jax.jacfwd(partial(map_change, system, rule))(rest_state(system, rule, y))


_matrices = jax.jit(jax.vmap(_matrix))


@jax.jit
def _slopes(base: tuple[System, Rule | None], at: Any, tangents: Any) -> Any:
    def matrix(numbers: tuple[System, Rule | None]) -> Any:
        return _matrix(numbers[0], numbers[1], at)

    return jax.vmap(lambda t: jax.jvp(matrix, (base,), (t,))[1])(tangents)


def _judge(probe: derivative.Probe, z: np.ndarray, discrete: bool) -> Margin:
    found = judge_map(probe, z) if discrete else derivative.judge(probe)
    bound = RESIDUAL * (1.0 + found.size) * (1e4 if found.kind == "jump" else 1.0)
    if found.kind == "none" or found.distance > bound:
        return _NO_EQUILIBRIUM
    if found.jacobian is None:
        return _NO_DERIVATIVE
    matrix = found.jacobian + np.eye(len(found.jacobian)) if discrete else found.jacobian
    try:
        values, errors = eigen.eigenvalues(matrix, found.error)
    except np.linalg.LinAlgError:  # entries at the end of the float range
        return _NO_DERIVATIVE
    heights = np.abs(values) if discrete else np.real(values)
    margin = float(1.0 - heights.max() if discrete else -heights.max()) + 0.0
    error = float(errors[heights + errors >= heights.max()].max())
    status = "marginal" if abs(margin) <= error else ("stable" if margin > 0 else "unstable")
    return Margin(status, margin, error, values)


__all__ = [
    "BATCH",
    "Margin",
    "ParameterHandle",
    "Setup",
    "knob",
    "margins",
    "matrices",
    "setup",
    "slopes",
    "stacked",
]
