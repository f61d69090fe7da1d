"""The pure core of the flow and of the steps: arrays in, arrays out, under jit, vmap and grad."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from .. import dirac
from ..errors import InputError, integer, number, one_of
from ..game import Players
from ..jax_settings import own_settings
from ..parameters import is_traced
from ..rules import Rule, State, check_rule, step as one_iteration
from ..variants import Variant, check_variant
from .engines import DIFFRAX, diffrax_solver, step_control
from .filippov import DiracSystem, pack, unpack, velocity
from .iterations import first_state


@own_settings()
def flow(
    variant: Variant,
    phi0: ArrayLike,
    theta0: ArrayLike,
    ts: ArrayLike,
    *,
    x0: ArrayLike | None = None,
    rate_d: ArrayLike = 1.0,
    rate_g: ArrayLike = 1.0,
    solver: str = "tsit5",
    rtol: float | None = None,
    atol: float | None = None,
    max_steps: int = 100_000,
) -> Players:
    """The flow from (phi0, theta0) at time 0, at the times ``ts``.

    z' = (rate_d F_phi, rate_g F_theta). Discontinuities are left to the step size control, and derivatives are those
    of the smooth motion between them; :func:`~diracgan.simulate` locates them as events.

    Args:
        variant: any variant; its hyperparameters may be traced.
        phi0: the critic's start, shape (d,).
        theta0: the generator's start, shape (d,).
        ts: increasing times >= 0, shape (n,).
        x0: the datum, shape (d,) or a number; None for 0.
        rate_d: factor on the critic's velocity.
        rate_g: factor on the generator's velocity.
        solver: tsit5, dopri5, dopri8 or kvaerno5.
        rtol: relative tolerance; None for 1e-9 in float64, 1e-5 in float32.
        atol: absolute tolerance; None for 1e-12 in float64, 1e-7 in float32.
        max_steps: how many steps the solver may take; beyond, and after a failure, the rows are infinite or NaN.

    Returns:
        ``Players(phi, theta)``, each (n, d). Passes jit, vmap and grad, also through the hyperparameters.

    Raises:
        InputError: for an unknown solver, or what is not a variant, a vector or a number.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> z = dg.flow(dg.variant("wgan-linear"), jnp.array([1.0]), jnp.array([0.0]), jnp.array([0.5]))
        >>> round(float(z.phi[0, 0]), 4)
        0.8776
    """
    import diffrax

    one_of("solver of the pure flow", solver, DIFFRAX)
    check_variant(variant)
    z, datum = dirac.arrays({"phi0": phi0, "theta0": theta0}, x0)
    if z.phi.ndim != 1 or z.phi.shape != z.theta.shape:
        raise InputError(f"phi0 {z.phi.shape} and theta0 {z.theta.shape}: allowed: vectors of one length d")
    dtype, double = datum.dtype, datum.dtype == jnp.float64
    ts = dirac.array("ts", ts).astype(dtype)
    if ts.ndim != 1 or not ts.size:
        raise InputError(f"ts has the shape {ts.shape}; allowed: a vector of at least one time")
    max_steps = integer("max_steps", max_steps, low=1, high=10**9)
    for n, tolerance in (("rtol", rtol), ("atol", atol)):
        if tolerance is not None:
            _scalar(n, tolerance)
    rates = Players(_scalar("rate_d", rate_d), _scalar("rate_g", rate_g))
    system = DiracSystem(*dirac.cast((variant, datum, rates), dtype), tau=None)
    sol = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: _where_finite(args[0], args[1], y)),
        diffrax_solver(solver),
        jnp.zeros((), dtype),
        ts[-1],
        None,
        pack(z),
        args=(system, pack(z)),
        saveat=diffrax.SaveAt(ts=ts),
        stepsize_controller=step_control(
            (1e-9 if double else 1e-5) if rtol is None else rtol,
            (1e-12 if double else 1e-7) if atol is None else atol,
        ),
        max_steps=max_steps,
        throw=False,
    )
    rows: Any = sol.ys
    return unpack(system, rows)


def _where_finite(system: DiracSystem, start: Array, y: Array) -> Array:
    """dy/dt; NaN where it is not finite, with the derivative of a constant.

    Such a stage is one of a step that is rejected, on which nothing depends; 0 times its derivatives, which are not
    finite either, would be NaN. So the field is differentiated at the start in its place.
    """
    seen = jax.lax.stop_gradient(velocity(system, y))
    finite = jnp.all(jnp.isfinite(seen))
    return jnp.where(finite, velocity(system, jnp.where(finite, y, start)), jnp.nan)


def _scalar(name: str, value: ArrayLike) -> Array:
    """A number above 0, as an array without axes; one that is traced is believed to be above 0."""
    x = dirac.array(name, value)
    if x.ndim:
        raise InputError(f"{name} has the shape {x.shape}; allowed: a number")
    if not is_traced(x):
        number(name, value, low=0.0, open_low=True)
    return x


@dataclasses.dataclass(frozen=True)
class RuleStep:
    """One whole iteration of a rule on the Dirac game; made by :func:`step`."""

    variant: Variant
    rule: Rule
    x0: ArrayLike | None = None

    def init(self, phi: ArrayLike, theta: ArrayLike) -> State:
        """The optimiser's state before the first iteration: players, memory and EMA."""
        return first_state(*self._parts({"phi": phi, "theta": theta}))

    def next(self, state: State) -> State:
        """The state after one more iteration."""
        variant, rule, x0, _ = self._parts(state.players._asdict())
        return _next(variant, rule, x0, state)

    def __call__(self, phi: ArrayLike, theta: ArrayLike) -> Players:
        """The players after the first iteration from (phi, theta)."""
        return self.next(self.init(phi, theta)).players

    def _parts(self, players: dict[str, Any]) -> tuple[Variant, Rule, Array, Players]:
        z, datum = dirac.arrays(players, self.x0)
        return *dirac.cast((self.variant, self.rule), datum.dtype), datum, z


def step(variant: Variant, rule: Rule, x0: ArrayLike | None = None) -> RuleStep:
    """One whole iteration of ``rule`` on the Dirac GAN of ``variant``, as pure functions.

    Args:
        variant: any variant; its hyperparameters may be traced.
        rule: any rule, likewise.
        x0: the datum, shape (d,) or a number; None for 0.

    Returns:
        A :class:`RuleStep`: ``s(phi, theta)`` is one iteration from rest; ``state = s.init(phi, theta)`` and
        ``state = s.next(state)`` carry memory and EMA along. All of it passes jit, vmap and grad.

    Raises:
        InputError: for what is not a variant, or not a rule.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> s = dg.step(dg.variant("wgan-linear"), dg.rule("simultaneous", lr=0.5))
        >>> phi, theta = s(jnp.array([1.0]), jnp.array([1.0]))
        >>> float(phi[0]), float(theta[0])
        (0.5, 1.5)
    """
    if x0 is not None:
        dirac.array("x0", x0)
    return RuleStep(check_variant(variant), check_rule(rule), x0)


@jax.jit
def _next(variant: Variant, rule: Rule, x0: Array, state: State) -> State:
    return one_iteration(rule, dirac.game(variant, x0), state)
