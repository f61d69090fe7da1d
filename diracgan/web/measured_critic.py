"""The Dirac game with a critic whose value, slope and curvature at the data move together, as a network's do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..game import Game, Players
from ..jax_settings import own_settings
from ..pytrees import Pytree
from ..rules import Rule, init, step
from ..variants import Variant

if TYPE_CHECKING:
    from ..rules import State

_I, _J = np.triu_indices(2)  # the entries of a symmetric matrix
_TWICE = np.where(_I == _J, 0.5, 1.0)


def measured_critic(phi: Pytree, datum: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How a network's value, slope and curvature at the datum hang on its weights, in as few weights.

    Args:
        phi: the network, (n, 2) -> (n,).
        datum: the real sample, (2,).

    Returns:
        A, (6, 6), whose A A^T is how far a unit of gradient of each moves the others; w, (6,), with A w as they are.
    """

    def jet(phi: Pytree) -> Array:
        def one(x: Array | np.ndarray) -> Array:
            return phi(x[None])[0]

        return jnp.concatenate([one(datum)[None], jax.grad(one)(datum), jax.hessian(one)(datum)[_I, _J]])

    slopes = [np.reshape(x, (6, -1)) for x in jax.tree.leaves(jax.jit(jax.jacrev(jet))(phi))]
    left, sizes, _ = np.linalg.svd(np.concatenate(slopes, axis=1).astype(float), full_matrices=False)
    mixed = left * sizes
    return mixed, np.linalg.lstsq(mixed, np.asarray(jet(phi), float), rcond=None)[0]


def critic_of(mixed: Array) -> Callable[[Array, Array], Array]:
    """D(x) = b + phi.x + x.H x/2 with (b, phi, H) = A w.

    Example:
        >>> float(critic_of(np.eye(6))(jnp.array([1.0, 2.0, 0.0, 0.0, 0.0, 0.0]), jnp.array([[3.0, 5.0]]))[0])
        7.0
    """

    def critic(w: Array, x: Array) -> Array:
        y = mixed @ w
        return y[0] + x @ y[1:3] + (_TWICE * x[:, _I] * x[:, _J]) @ y[3:]

    return critic


def generator_path(
    variant: Variant,
    moved: Rule,
    critic: tuple[np.ndarray, np.ndarray],
    theta0: np.ndarray,
    rows: int,
    every: int,
) -> np.ndarray:
    """The generator's point every so many steps from the start, (rows, 2), against a :func:`measured_critic`.

    Args:
        variant: its losses; ``moved`` the rule, with the learning rate of each player.
        critic: of the network.
        theta0: the start, from the datum, (2,).
        rows: how many, the start included; ``every`` steps apart.
    """
    with own_settings(True):
        mixed, w = map(jnp.asarray, critic)
        game = Game(variant, jnp.zeros((1, 2)), None, critic_of(mixed), dirac.generator)
        by = dirac.cast(moved, jnp.float64)

        def some(state: State, _: None) -> tuple[Any, Array]:
            state = jax.lax.fori_loop(0, every, lambda _, s: step(by, game, s), state)
            return state, state.players.theta

        start = init(by, game, Players(w, jnp.asarray(theta0)))
        path = jax.jit(lambda s: jax.lax.scan(some, s, None, length=rows - 1)[1])(start)
        return np.concatenate([theta0[None], np.asarray(path)])
