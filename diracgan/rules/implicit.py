"""Implicit rules: implicit Euler, and competitive gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from ..game import GameLike, Players
from ..pytrees import Pytree
from .base import Rule, chosen, move_both
from .registry import register_rule

# Up to this many parameters a linear system is solved by its matrix, beyond by GMRES on products with it.
DENSE = 512
_NEWTON_STEPS, _PATIENCE, _SHORTEST = 60, 8, 2.0**-30
_ROUNDING = 1e3


@register_rule("implicit", reference="backward Euler; as a proximal rule in games: Martinet 1970")
class Implicit(Rule):
    """Backward Euler, the step that uses the field where it arrives: z+ = z + h F(z+).

    Solved by Newton's method from z down to rounding, and again with halved steps where whole ones lead nowhere;
    an iteration without a solution gives NaN. Derivatives are those of the implicit function theorem:
    multipliers 1/(1 - zeta).

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> s = dg.step(dg.variant("wgan-linear"), dg.rule("implicit", lr=1.0))
        >>> [round(float(x[0]), 6) for x in s(jnp.array([1.0]), jnp.array([0.0]))]
        [0.5, 0.5]
    """

    def iterate(self, game: GameLike, players: Players, memory: Pytree) -> tuple[Players, Pytree]:
        """Solve w - z - h F(w) = 0 for w."""
        flat, unravel = ravel_pytree(players)

        def residual(w: Array) -> Array:
            there = unravel(w)
            return w - ravel_pytree(move_both(players, self.rates, game.velocity(there)))[0]

        solution = jax.lax.custom_root(residual, flat, _newton, _solve)
        return game.apply_step(unravel(solution), self.rates), memory


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

    def iterate(self, game: GameLike, players: Players, memory: Pytree) -> tuple[Players, Pytree]:
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

        return game.apply_step(unravel(flat + _solve(system, goal)), self.rates), memory


def _solve(system: Callable[[Array], Array], goal: Array) -> Array:
    """x with system(x) = goal, for a linear ``system``."""
    if goal.size <= DENSE:
        return jnp.linalg.solve(jax.jacfwd(system)(jnp.zeros_like(goal)), goal)
    from jax.scipy.sparse.linalg import gmres

    tolerance = 10 * float(jnp.finfo(goal.dtype).eps)
    return gmres(system, goal, tol=tolerance, atol=0.0, restart=50, maxiter=100)[0]


class _Search(NamedTuple):
    """Newton's method on its way."""

    x: Array
    best: Array
    residual: Array  # the largest |f_i(best)|
    stale: Array  # steps since the best
    steps: Array
    damped: Array  # steps are halved until they help, once whole ones have not led to a root


def _size(x: Array) -> Array:
    """The largest entry: below 1e-154 and beyond 1e154 a sum of squares is 0 or infinite, and anything a root."""
    return jnp.max(jnp.abs(x))


def _newton(f: Callable[[Array], Array], start: Array) -> Array:
    """A root of f near ``start``, by Newton's method; NaN where it finds none."""
    dtype = start.dtype
    eps, tiny = float(jnp.finfo(dtype).eps), float(jnp.finfo(dtype).tiny)
    nothing = jnp.int32(0)

    def solved(now: _Search) -> Array:
        scale = _size(start) + _size(now.best)
        return now.residual <= _ROUNDING * (eps * scale + tiny)

    def going(now: _Search) -> Array:
        lost = now.damped & (now.stale > 0)
        done = solved(now) & (now.stale > 1)  # two more steps for the last digits
        return (now.steps < _NEWTON_STEPS) & (now.residual > 0) & ~lost & ~done

    def once(now: _Search) -> _Search:
        value, slope = jax.linearize(f, now.x)
        dx = -_solve(slope, value)

        def halve(trial: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            there = now.x + 0.5 * trial[0] * dx
            return 0.5 * trial[0], there, _size(f(there))

        def no_help(trial: tuple[Array, Array, Array]) -> Array:
            first = trial[0] > 1.0
            return first | (now.damped & ~(trial[2] < now.residual) & (trial[0] > _SHORTEST))

        trial = (jnp.full((), 2.0, dtype), now.x, now.residual)
        _, there, residual = jax.lax.while_loop(no_help, halve, trial)
        better = residual < now.residual
        after = _Search(
            there,
            jnp.where(better, there, now.best),
            jnp.where(better, residual, now.residual),
            jnp.where(better, 0, now.stale + 1),
            now.steps + 1,
            now.damped,
        )
        astray = ~now.damped & ~solved(after) & ((after.stale > _PATIENCE) | (after.steps >= _NEWTON_STEPS))
        fresh = _Search(start, start, first, nothing, nothing, jnp.array(True))
        return chosen(astray, fresh, after)

    first = _size(f(start))
    search = _Search(start, start, first, nothing, nothing, jnp.array(False))
    found = jax.lax.while_loop(going, once, search)
    return jnp.where(solved(found), found.best, jnp.nan)
