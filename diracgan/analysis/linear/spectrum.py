"""Linear analysis at a point: is it an equilibrium, is there a derivative, and what do the eigenvalues decide?"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ... import dirac
from ...dynamics.filippov import System, natural, unpack
from ...dynamics.simulate import starts, vector
from ...errors import InputError, number
from ...game import Players
from ...numerics import derivative, eigen
from ...parameters import text
from ...rules import Rule
from ...variants import Variant
from ..dynamical_system import flatten, map_change

# |F| at an equilibrium may be this much of the field's size around it, and of 1.
RESIDUAL = 1e-10


@dataclasses.dataclass(frozen=True)
class Spectrum:
    """What the linearisation at one point says, and everything it was computed from.

    Attributes:
        kind: ``"flow"`` or ``"map"``.
        status: stable, unstable, marginal (|margin| <= error: undecided by the linearisation), no-derivative or
            not-an-equilibrium.
        text: the same in words.
        eigenvalues: of the flow's Jacobian, by decreasing real part, ties by decreasing imaginary part; of a map,
            its multipliers. Empty where there is no derivative.
        multipliers: of one whole iteration (or period) on its full state, without EMA; empty for a flow.
        ema_multipliers: those that EMA adds; empty without.
        spectral_radius: largest modulus of the multipliers; None for a flow.
        jacobian: of the field, or of the iteration; None where there is none.
        differentiable: whether the field has a derivative there; None where it has no value.
        is_equilibrium: whether the point is one (at a jump: whether 0 is in the convex hull of the limits).
        residual: |F|, or |step(z) - z|, largest entry; None where the critic itself has no value.
        margin: -max Re (flow) or 1 - max modulus (map): positive is stable; None without eigenvalues.
        error: bound on the margin's error.
        numerical_abscissa: initial growth rate of the worst perturbation (a map: its numerical radius).
        transient_growth: largest growth of a perturbation before it decays; infinite for unstable ones.
        variant: label of the variant; ``hyperparameters`` its numbers.
        dim: dimension d; ``x0`` the datum; ``at`` the point, (phi, theta).
        rule: label of the rule, or None; ``period`` iterations in one application of the map.
        rate_d: factor on the critic's velocity; ``rate_g`` on the generator's.
    """

    kind: str
    status: str
    text: str
    eigenvalues: np.ndarray
    multipliers: np.ndarray
    ema_multipliers: np.ndarray
    spectral_radius: float | None
    jacobian: np.ndarray | None
    differentiable: bool | None
    is_equilibrium: bool
    residual: float | None
    margin: float | None
    error: float | None
    numerical_abscissa: float | None
    transient_growth: float | None
    variant: str
    hyperparameters: dict[str, Any]
    dim: int
    x0: list[float]
    at: dict[str, list[float]]
    rule: str | None
    period: int
    rate_d: float
    rate_g: float

    def as_dict(self) -> dict[str, Any]:
        """Name -> value of every attribute."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


def spectrum(
    variant: Variant,
    dim: int | None = None,
    x0: Any = None,
    at: Any = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    rule: Rule | None = None,
) -> Spectrum:
    """Linearise the flow, or one whole iteration of ``rule``, at a point.

    J = dF/dz at z* = (0, x0); for a rule the Jacobian of the iteration on its full state (momentum, past gradients).
    In float64, whatever jax is set to.

    Args:
        variant: from :func:`diracgan.variant`.
        dim: dimension d (1, or that of ``x0`` or ``at``).
        x0: the datum, shape (d,) or a number; None for 0.
        at: the point as (phi, theta); None for (0, x0).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).
        rule: from :func:`diracgan.rule`; None for the flow.

    Returns:
        A :class:`Spectrum`. A marginal one is *undecided*: see :func:`diracgan.verdict`.

    Raises:
        InputError: for arguments that are not allowed.

    References:
        docs/theory.md sections 2 to 4; Mescheder et al. 2018 (arXiv 1801.04406), theorem 3.

    Example:
        >>> import diracgan as dg
        >>> s = dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=0.5))
        >>> s.status, round(s.margin, 12)
        ('stable', 0.5)
        >>> dg.spectrum(dg.variant("wgan-gp", c=1.0)).status
        'no-derivative'
    """
    if not isinstance(variant, Variant):
        raise InputError(f"{variant!r} is no variant; allowed: what dg.variant(...) returns")
    point, datum = place(dim, x0, at)
    rates = Players(
        number("rate_d", rate_d, low=0, open_low=True), number("rate_g", rate_g, low=0, open_low=True)
    )
    common: dict[str, Any] = {
        "kind": "flow" if rule is None else "map",
        "variant": variant.label,
        "hyperparameters": variant.hyperparameters,
        "dim": len(datum),
        "x0": datum.tolist(),
        "at": {n: p.tolist() for n, p in point._asdict().items()},
        "rule": None if rule is None else rule.label,
        "period": 1 if rule is None else rule.period,
        "rate_d": rates.phi,
        "rate_g": rates.theta,
    }
    with jax.enable_x64(True):
        system = System(*dirac.cast((variant, datum, rates), jnp.float64), None)
        if not np.all(np.isfinite(np.asarray(logits(system, np.concatenate(point))))):
            where = ", ".join(text(float(x)) for x in point.phi)
            reason = f"the critic itself has no value at phi = ({where}), so there is no equilibrium"
            return _without("not-an-equilibrium", reason, None, False, None, common)
        if rule is None:
            probe = derivative.probe_with(functools.partial(_look_at_flow, system), np.concatenate(point))
            return _judge(derivative.judge(probe), common, np.empty(0, complex))
        if rules_out := rule.linearisable:
            return _without("no-derivative", rules_out, False, True, 0.0, common)
        start, both, ema = _iteration(system, rule, point)
        found = judge_map(derivative.probe_with(both, start), start)
        return _judge(found, common, ema)


def place(dim: int | None, x0: Any, at: Any) -> tuple[Players, np.ndarray]:
    """The point that is asked about, (0, x0) where none is named, and the datum."""
    if at is None:
        _, _, datum = starts(None, None, _dim_of(dim, x0), x0)
        return Players(np.zeros_like(datum), datum), datum
    try:
        phi, theta = at
    except (TypeError, ValueError):
        raise InputError(f"at = {at!r} is no point; allowed: (phi, theta), each with d entries") from None
    phi, theta, datum = starts(vector("at phi", phi), vector("at theta", theta), dim, x0)
    return Players(phi, theta), datum


def _dim_of(dim: int | None, x0: Any) -> int:
    return dim if dim is not None else (1 if x0 is None else len(vector("x0", x0)))


@jax.jit
def logits(system: System, y: Array) -> Array:
    """What the critic says of the datum: not finite where the critic itself has no value."""
    return dirac.game(system.variant, system.x0).logits(unpack(system, y).phi, system.x0[None])


@jax.jit
def _look_at_flow(system: System, y: Array, points: Array) -> tuple[Array, Array, Array]:
    return _values_and_slopes(lambda y: natural(system, y)[1], y, points)


def _values_and_slopes(fn: Any, y: Array, points: Array) -> tuple[Array, Array, Array]:
    """fn(y), its Jacobian there and fn at the points, from one trace of ``fn``: three would compile thrice as long."""
    n = y.shape[0]
    at = jnp.concatenate([jnp.broadcast_to(y, (n, n)), points])
    along = jnp.concatenate([jnp.eye(n, dtype=y.dtype), jnp.zeros_like(points)])
    values, slopes = jax.vmap(lambda p, t: jax.jvp(fn, (p,), (t,)))(at, along)
    return values[0], slopes[:n].T, values[n:]


def _iteration(system: System, rule: Rule, point: Players) -> tuple[np.ndarray, Any, np.ndarray]:
    """The full state at the fixed point as one vector, the probe of (step - identity) there, and EMA's multipliers."""
    rule = dirac.cast(rule, jnp.float64)
    start = np.asarray(rest_state(system, rule, np.concatenate(point)))
    decay = [] if rule.ema is None else [float(rule.ema) ** rule.period] * (2 * system.dim)
    return start, functools.partial(_look_at_map, system, rule), np.array(decay, complex)


@jax.jit
def rest_state(system: System, rule: Rule, y: Array) -> Array:
    """The rule's full state, as one vector, when the players have rested at ``y`` for ever."""
    z = unpack(system, y)
    return flatten((z, rule.rest(dirac.game(system.variant, system.x0), z)))


@jax.jit
def _look_at_map(system: System, rule: Rule, state: Array, points: Array) -> tuple[Array, Array, Array]:
    change = functools.partial(map_change, system, rule)
    return _values_and_slopes(change, state, points)


def judge_map(probe: derivative.Probe, z: np.ndarray) -> derivative.Derivative:
    """What a probe of step(z) - z says: at a tiny learning rate that is all rounding, and what is no kink of step(z)
    itself is none."""
    found = derivative.judge(probe)
    if found.kind != "kink":
        return found
    one = np.eye(len(z))
    steps = np.repeat(derivative.SCALES, len(probe.directions)).reshape(probe.around.shape[:2])[..., None]
    whole = derivative.judge(
        derivative.Probe(
            probe.value + z,
            probe.jacobian + one,
            probe.around + z + steps * probe.directions,
            probe.directions,
            None if probe.beside is None else probe.beside + one,
        )
    )
    if whole.jacobian is None:
        return found
    residual = float(np.max(np.abs(probe.value)))
    return derivative.Derivative("smooth", whole.jacobian - one, whole.error, residual, found.size)


def _judge(found: derivative.Derivative, common: dict[str, Any], ema: np.ndarray) -> Spectrum:
    bound = RESIDUAL * (1.0 + found.size)
    residual = None if not np.isfinite(found.distance) else found.distance
    if found.kind == "none":
        reason = "the field has no finite value around this point, so it is no equilibrium"
        return _without("not-an-equilibrium", reason, None, False, None, common)
    if found.distance > bound * (1e4 if found.kind == "jump" else 1.0):
        return _without("not-an-equilibrium", f"the field does not vanish here: |F| = {found.distance:.3g}",
                        found.kind == "smooth", False, residual, common)  # fmt: skip
    if found.jacobian is None:
        what = "jumps" if found.kind == "jump" else "has a kink"
        reason = f"the field {what} at this equilibrium, so there is no Jacobian and no eigenvalue"
        return _without("no-derivative", reason, False, True, residual, common)
    return _decided(found.jacobian, found.error, residual, common, ema)


def _decided(
    jacobian: np.ndarray, entry_error: float, residual: float | None, common: dict[str, Any], ema: np.ndarray
) -> Spectrum:
    discrete = common["kind"] == "map"
    matrix = jacobian + np.eye(len(jacobian)) if discrete else jacobian
    values, errors = eigen.eigenvalues(matrix, entry_error)
    heights = np.abs(values) if discrete else values.real
    margin = float(1.0 - heights.max() if discrete else -heights.max()) + 0.0  # no negative zero
    error = float(errors[heights + errors >= heights.max()].max())
    status = "marginal" if abs(margin) <= error else ("stable" if margin > 0 else "unstable")
    stable = {"stable": True, "unstable": False}.get(status)
    return Spectrum(
        status=status,
        text=_words(status, values, margin, discrete, common["period"]),
        eigenvalues=values,
        multipliers=values if discrete else np.empty(0, complex),
        ema_multipliers=ema,
        spectral_radius=float(heights.max()) if discrete else None,
        jacobian=matrix,
        differentiable=True,
        is_equilibrium=True,
        residual=residual,
        margin=margin,
        error=error,
        numerical_abscissa=eigen.numerical_radius(matrix) if discrete else eigen.numerical_abscissa(matrix),
        transient_growth=eigen.transient_growth(matrix, stable, discrete),
        **common,
    )


def _words(status: str, values: np.ndarray, margin: float, discrete: bool, period: int) -> str:
    turning = bool(np.any(np.abs(values.imag) > 1e-9 * (1e-300 + np.abs(values).max())))
    way = "spiral" if turning else "direct"
    per = f"{period} iterations" if period > 1 else "iteration"
    if status == "marginal":
        where = "on the unit circle" if discrete else "on the imaginary axis"
        return f"undecided: the leading eigenvalue lies {where}, so the linearisation does not decide"
    if status == "stable":
        law = f"by a factor of {1 - margin:.4g} per {per}" if discrete else f"like exp(-{margin:.4g} t)"
        return f"stable: small perturbations decay {law} ({way})"
    law = f"by a factor of {1 - margin:.4g} per {per}" if discrete else f"like exp({-margin:.4g} t)"
    return f"unstable: small perturbations grow {law} ({way})"


def _without(
    status: str,
    reason: str,
    differentiable: bool | None,
    is_equilibrium: bool,
    residual: float | None,
    common: dict[str, Any],
) -> Spectrum:
    empty = np.empty(0, complex)
    return Spectrum(
        status=status,
        text=f"{status.replace('-', ' ')}: {reason}",
        eigenvalues=empty,
        multipliers=empty,
        ema_multipliers=empty,
        spectral_radius=None,
        jacobian=None,
        differentiable=differentiable,
        is_equilibrium=is_equilibrium,
        residual=residual,
        margin=None,
        error=None,
        numerical_abscissa=None,
        transient_growth=None,
        **common,
    )
