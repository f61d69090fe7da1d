"""Rules that solve for their step: implicit Euler, and competitive gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from ...game import Game, Players
from .base import Rule, move_both
from .registry import register_rule

# Up to this many parameters a linear system is solved by its matrix, beyond by GMRES on products with it.
DENSE = 512
_NEWTON_STEPS = 100
_HALVINGS = 30


@register_rule("implicit", reference="backward Euler; as a proximal rule in games: Martinet 1970")
class Implicit(Rule):
    """Backward Euler, the step that uses the field where it arrives: z+ = z + h F(z+).

    Solved by Newton's method from z, with halved steps where a whole one does not help, down to rounding; an
    iteration without a solution gives NaN. Derivatives are those of the implicit function theorem:
    multipliers 1/(1 - zeta).

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> s = dg.step(dg.variant("wgan-linear"), dg.rule("implicit", lr=1.0))
        >>> [round(float(x[0]), 6) for x in s(jnp.array([1.0]), jnp.array([0.0]))]
        [0.5, 0.5]
    """

    def iterate(self, game: Game, players: Players, memory: Any) -> tuple[Players, Any]:
        """Solve w - z - h F(w) = 0 for w."""
        flat, unravel = ravel_pytree(players)

        def residual(w: Array) -> Array:
            there = unravel(w)
            return w - ravel_pytree(move_both(players, self.rates, game.velocity(there)))[0]

        solution = jax.lax.custom_root(residual, flat, _newton, _solve)
        return game.land(unravel(solution), self.rates), memory


@register_rule("cgd", reference="arXiv 1905.12103, algorithm 1")
class CompetitiveGradient(Rule):
    """Competitive gradient descent: both players step to the Nash equilibrium of their bilinear local game.

    With f = L_D and g = L_G, general-sum:
    dphi = -h (I - h^2 D_pt f D_tp g)^-1 (grad_phi f - h D_pt f grad_theta g), where D_pt is the mixed
    derivative in phi and theta, and dtheta likewise. Solved as the pair dphi = h (F_phi + J_pt dtheta),
    dtheta = h (F_theta + J_tp dphi) in the field F and its Jacobian J, each player with its own h. On the
    bilinear game this is the implicit step: multipliers 1/(1 - zeta).

    Example:
        >>> import diracgan as dg
        >>> s = dg.spectrum(dg.variant("wgan-linear"), rule=dg.rule("cgd", lr=0.5))
        >>> s.status, round(s.spectral_radius, 4)
        ('stable', 0.8944)
    """

    def iterate(self, game: Game, players: Players, memory: Any) -> tuple[Players, Any]:
        """Solve (I - h J_off) dz = h F, J_off the Jacobian without its diagonal blocks."""
        flat, unravel = ravel_pytree(players)
        at_rest = jax.tree.map(jnp.zeros_like, players)
        goal = ravel_pytree(move_both(at_rest, self.rates, game.velocity(players)))[0]

        def system(step: Array) -> Array:
            dphi, dtheta = unravel(step)
            phi, theta = players
            of_phi = jax.jvp(lambda t: game.velocity(Players(phi, t)).phi, (theta,), (dtheta,))[1]
            of_theta = jax.jvp(lambda p: game.velocity(Players(p, theta)).theta, (phi,), (dphi,))[1]
            return step - ravel_pytree(move_both(at_rest, self.rates, Players(of_phi, of_theta)))[0]

        return game.land(unravel(flat + _solve(system, goal)), self.rates), memory


def _solve(system: Callable[[Array], Array], goal: Array) -> Array:
    """x with system(x) = goal, for a linear ``system``."""
    if goal.size <= DENSE:
        return jnp.linalg.solve(jax.jacfwd(system)(jnp.zeros_like(goal)), goal)
    from jax.scipy.sparse.linalg import gmres

    tolerance = 10 * float(jnp.finfo(goal.dtype).eps)
    return gmres(system, goal, tol=tolerance, atol=0.0, restart=50, maxiter=100)[0]


def _newton(f: Callable[[Array], Array], start: Array) -> Array:
    """A root of f, by Newton's method with halved steps; NaN where it finds none."""
    eps = float(jnp.finfo(start.dtype).eps)

    def size(x: Array) -> Array:
        return jnp.linalg.norm(f(x))

    def shorter(trial: tuple[Array, Array], x: Array, dx: Array, now: Array) -> Array:
        share, halvings = trial
        return ~(size(x + share * dx) < now) & (halvings < _HALVINGS)

    def once(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, now, count = state
        value, slope = jax.linearize(f, x)
        dx = -_solve(slope, value)
        share, _ = jax.lax.while_loop(
            lambda trial: shorter(trial, x, dx, now),
            lambda trial: (0.5 * trial[0], trial[1] + 1),
            (jnp.ones((), x.dtype), jnp.int32(0)),
        )
        there = x + share * dx
        better = size(there) < now
        return jnp.where(better, there, x), size(there), jnp.where(better, count + 1, _NEWTON_STEPS)

    x, _, _ = jax.lax.while_loop(
        lambda state: (state[2] < _NEWTON_STEPS) & (state[1] > 0),
        once,
        (start, size(start), jnp.int32(0)),
    )
    scale = jnp.linalg.norm(start) + jnp.linalg.norm(x)
    solved = size(x) <= 1e3 * eps * jnp.maximum(scale, jnp.finfo(start.dtype).tiny / eps)
    return jnp.where(solved, x, jnp.nan)
