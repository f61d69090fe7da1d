"""Games in which every coordinate is one of d = 1 of its own, by the rule's own map."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ... import dirac
from ...game import Players
from ...jax_settings import own_settings
from ...rules import Rule
from ...variants import Variant

_SIZES = (0.01, 1.0, 30.0)  # of the starts that are compared; 30: beyond the kinks of hinge losses
_STEPS = 25  # periods of the rule from each
_SAME = 1e-9  # of the distance


def falls_apart(variant: Variant, rule: Rule, x0: np.ndarray) -> bool:
    """Whether players in d dimensions do what d games of one dimension do, as tried from three starts.

    So it is where the loss is linear in the logits and penalties add up over the coordinates (wgan-linear, R1, L2), and
    the rule moves each coordinate by its own gradient, as Adam does and a clipped norm does not.

    Args:
        variant: what is minimised.
        rule: how the players move.
        x0: the datum, (d,).

    Example:
        >>> import diracgan as dg
        >>> rule = dg.rule("adam", lr=0.01)
        >>> [falls_apart(dg.variant(name), rule, np.zeros(2)) for name in ("wgan-linear", "ns")]
        [True, False]
    """
    random = np.random.default_rng(0)
    for size in _SIZES:
        phi, off = size * random.standard_normal((2, len(x0)))
        start, parts = Players(phi, off), Players(phi[:, None], off[:, None])
        with own_settings(True):
            cast = dirac.cast((variant, rule, x0, start, parts), jnp.float64)
            whole, alone = _whole_and_parts(*cast)
        apart = np.abs(np.asarray(whole) - np.asarray(alone))
        if not np.all(apart <= _SAME * (size + np.abs(alone).max())):
            return False
    return True


@jax.jit
def _whole_and_parts(
    variant: Variant, rule: Rule, x0: Array, start: Players, parts: Players
) -> tuple[Array, Array]:
    """phi and theta - x0 after some steps, of the whole game and of its coordinates as games of their own, (2, d)."""

    def after(x0: Array, start: Players) -> Array:
        game, players = dirac.game(variant, x0), start._replace(theta=x0 + start.theta)
        step = rule.over_a_period(game)
        state = (players, rule.memory(game, players))
        (end, _) = jax.lax.fori_loop(0, _STEPS, lambda _, now: step(*now), state)
        return jnp.stack([end.phi, end.theta - x0])

    alone = jax.vmap(after, in_axes=(None, 0))(x0[:1], parts)
    return after(x0, start), alone[:, :, 0].T
