"""The Dirac game: D(x) = phi.x, the generator is the point theta, the data are the point x0, in any dimension."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import ArrayLike

from .errors import InputError, shown
from .game import Game, Players
from .pytrees import Pytree
from .variants import Variant, check_variant


def critic(phi: Array, x: Array) -> Array:
    """D(x) = phi.x: phi (d,), x (n, d) -> (n,)."""
    return x @ phi


def generator(theta: Array, z: object) -> Array:
    """The one fake sample theta: (d,) -> (1, d)."""
    return theta[None]


def game(variant: Variant, x0: Array) -> Game:
    """The Dirac game of ``variant`` with the datum ``x0``, shape (d,); instance noise is integrated over."""
    noisy = "noise" in variant.extras
    return DiracGame(variant, x_real=x0[None], z=None, critic=critic, generator=generator, averaged=noisy)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class DiracGame(Game):
    """The game of two vectors: its field and its surfaces are traced once for all that is derived from them."""

    def velocity(
        self,
        players: Players,
        draw: int | Array = 0,
        penalty: float | Array = 1.0,
        modes: Array | None = None,
    ) -> Players:
        """The field; nothing in it is drawn."""
        if not isinstance(penalty, float):
            return super().velocity(players, penalty=penalty, modes=modes)
        return _field(self, players, modes, penalty)

    def surfaces(self, players: Players, modes: Array | None = None) -> Array:
        """The switching functions."""
        return _surfaces(self, players, modes)


@functools.partial(jax.jit, static_argnames="penalty")
def _field(game: Game, players: Players, modes: Array | None, penalty: float) -> Players:
    return Game.velocity(game, players, penalty=penalty, modes=modes)


@jax.jit
def _surfaces(game: Game, players: Players, modes: Array | None) -> Array:
    return Game.surfaces(game, players, modes)


@jax.jit
def _velocity(variant: Variant, x0: Array, players: Players) -> Players:
    return game(variant, x0).motion(players)


def field(variant: Variant, x0: ArrayLike | None = None) -> Callable[[Array, Array], Players]:
    """The vector field of the Dirac GAN, by autodiff of the two losses.

    phi' = -grad_phi L_D, theta' = -grad_theta L_G.

    Args:
        variant: any variant.
        x0: the datum, shape (d,) or a number; None for 0.

    Returns:
        A pure function (phi, theta) -> (dphi, dtheta), all of shape (d,), that passes jit, vmap and grad, also through
        the variant's hyperparameters. Arrays keep their dtype.

    Raises:
        InputError: for what is not a variant.

    References:
        Mescheder, Geiger, Nowozin 2018 (arXiv 1801.04406), section 2.

    Example:
        >>> import jax.numpy as jnp, diracgan as dg
        >>> f = dg.field(dg.variant("saturating"))
        >>> dphi, dtheta = f(jnp.array([0.0]), jnp.array([1.0]))
        >>> float(dphi[0]), float(dtheta[0])
        (-0.5, 0.0)
    """
    check_variant(variant)
    if x0 is not None:
        array("x0", x0)

    def velocity(phi: Array, theta: Array) -> Players:
        players, datum = arrays({"phi": phi, "theta": theta}, x0)
        return _velocity(cast(variant, datum.dtype), datum, players)

    return velocity


def arrays(players: Mapping[str, Any], x0: ArrayLike | None) -> tuple[Players, Array]:
    """The named players and the datum, traced or not, as arrays of one floating-point type and one shape.

    Raises:
        InputError: naming what is not made of real numbers, or does not have the players' shape.
    """
    given = [array(name, value) for name, value in players.items()]
    # dtypes, not arrays: one that JAX calls weakly typed (jnp.full(1, 0.6)) would count for less than a half float
    real = [x.dtype for x in given if jnp.issubdtype(x.dtype, jnp.floating)]
    dtype = jnp.result_type(*(real or [float]))
    phi, theta = (p.astype(dtype) for p in given)
    for name, p in zip(players, (phi, theta), strict=True):
        if p.ndim == 0:
            raise InputError(f"{name} = {shown(players[name])} is a number; allowed: an array with d entries")
    if phi.shape != theta.shape:
        first, second = players
        raise InputError(
            f"{first} has the shape {phi.shape} and {second} {theta.shape}; allowed: arrays of one shape"
        )
    datum = array("x0", 0.0 if x0 is None else x0).astype(dtype)
    if datum.shape not in ((), (1,), theta.shape):
        raise InputError(
            f"x0 has the shape {datum.shape}; allowed: a number or {theta.shape}, as the players"
        )
    return Players(phi, theta), jnp.broadcast_to(datum, theta.shape)


def array(name: str, value: ArrayLike) -> Array:
    """``value``, traced or not, as an array of real numbers, or InputError."""
    try:
        if isinstance(value, (str, bytes)):
            raise TypeError(value)
        x = jnp.asarray(value)
        real = not jnp.iscomplexobj(x) and jnp.issubdtype(x.dtype, jnp.number)
    except Exception:  # a stranger's object may raise anything when it is read as numbers
        real, x = False, jnp.zeros(0)
    if not real:
        raise InputError(f"{name} = {shown(value)} is not an array of numbers; allowed: real numbers")
    return x


def cast(tree: Pytree, dtype: DTypeLike) -> Pytree:
    """A variant, a rule or a tuple of such with its numbers as arrays of ``dtype``: one compilation for all values."""
    return jax.tree.map(
        lambda x: jnp.asarray(x, dtype) if isinstance(x, Array) else np.asarray(x, dtype), tree
    )


def default_start(dim: int) -> tuple[np.ndarray, np.ndarray]:
    """phi0 and theta0 when none is given: phi0_i = 0.1 i and theta0 its reverse (d = 1: 0.1 and 0.2).

    Example:
        >>> default_start(1)[1].tolist()
        [0.2]
    """
    phi = np.round(0.1 * np.arange(1, dim + 1), 12)
    return phi, (np.array([0.2]) if dim == 1 else phi[::-1].copy())
