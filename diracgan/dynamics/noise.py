"""Minibatch noise: each player's velocity plus N(0, Sigma).

A rule's step of size h then errs by h N(0, Sigma); the flow becomes the SDE dz = F dt + sqrt(h) Sigma^(1/2)
dW, whose increments over a time h have the variance of one such step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.flatten_util import ravel_pytree

from ..errors import InputError, number, shown
from ..game import GameLike, Players, WrappedGame
from ..rules import move_both
from .filippov import DiracSystem, velocity

SOLVER = "shark"
_LARGEST_STEP, _STEPS = 0.02, 1_000_000
_CHUNK = 1024  # steps of one compiled call: between two of them Ctrl-C can stop it


class MinibatchNoise(NamedTuple):
    """The root of the covariance, (2d, 2d), and the key that the noise is drawn with."""

    root: Array
    key: Array


class NoisyGame(WrappedGame):
    """A game whose players, when they step, are kicked by their step size times ``kick(draw)``.

    Args:
        game: any game.
        kick: number of the evaluation -> a vector over all parameters, the critic's first.
    """

    def __init__(self, game: GameLike, kick: Callable[[Any], Array]) -> None:
        super().__init__(game)
        self.kick = kick

    def apply_step(self, players: Players, rates: Players, draw: int | Array = 0) -> Players:
        """The players kicked, and then brought back to the game's constraint."""
        unravel = ravel_pytree(players)[1]
        return self.game.apply_step(move_both(players, rates, unravel(self.kick(draw))), rates, draw)


def noisy(game: GameLike, noise: MinibatchNoise | None, iteration: int | Array) -> GameLike:
    """The game of one iteration: every step of every player draws its own noise."""
    if noise is None:
        return game
    key = jax.random.fold_in(noise.key, iteration)
    size = noise.root.shape[0]

    def kick(draw: int | Array) -> Array:
        return noise.root @ jax.random.normal(jax.random.fold_in(key, draw), (size,), noise.root.dtype)

    return NoisyGame(game, kick)


def covariance(sde: Any, dim: int) -> np.ndarray:
    """Sigma as a (2d, 2d) matrix, the critic's d entries first.

    Args:
        sde: a variance (the same for all entries), 2d variances, or the matrix.
        dim: the dimension d.

    Raises:
        InputError: for another shape, or what is not a covariance.

    Example:
        >>> covariance(0.5, 1).tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """
    n = 2 * dim
    try:
        given = np.asarray(sde, dtype=np.float64)
    except Exception:  # a stranger's object may raise anything when it is read as numbers
        given = np.empty(0)
    if given.shape not in ((), (n,), (n, n)):
        shape = "x".join(map(str, given.shape)) if given.size else shown(sde)
        raise InputError(
            f"sde is {shape}; allowed in d = {dim}: a variance, {n} variances, or a {n}x{n} covariance"
        )
    matrix = given if given.ndim == 2 else np.diag(np.broadcast_to(given, (n,)))
    if not np.all(np.isfinite(matrix)) or not np.allclose(matrix, matrix.T, rtol=1e-12, atol=0):
        raise InputError("sde is not a covariance; allowed: a finite symmetric matrix")
    least, largest = np.linalg.eigvalsh(matrix)[[0, -1]]
    if least < -1e-12 * max(largest, 0.0) or largest < 0:
        raise InputError(f"sde has the variance {least:.4g} in some direction; allowed: none below 0")
    return matrix


def root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root of a covariance."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def solve(
    system: DiracSystem, y: np.ndarray, ts: np.ndarray, noise: MinibatchNoise, h: float
) -> tuple[np.ndarray, float, float | None]:
    """The SDE from ``y`` at time 0 to the times ``ts``, in fixed steps of diffrax's ShARK (strong order 1.5).

    The steps are as long as h/4, 0.02 and 0.2/|J| at the start allow (but no more than a million), and one
    ends on every saved time. A key gives the same path for the same times. Switchings of the field are not
    located: the noise blurs them.

    Args:
        system: what flows.
        y: the state, averages included.
        ts: times to save, increasing.
        noise: its covariance's root and its key.
        h: the learning rate that the flow stands for.

    Returns:
        The states at ``ts``, the longest step, and the first saved time without a finite state, or None.

    Raises:
        InputError: for a clipped critic, whose box the noise would ignore.
    """
    if system.variant.constraint == "clipped":
        raise InputError("sde on the flow of a clipped critic would leave its box; allowed: sde with a rule")
    slope = float(jnp.linalg.norm(_jacobian(system, y), 2))
    longest = min(0.25 * h, _LARGEST_STEP, 0.2 / slope if np.isfinite(slope) and slope > 0 else np.inf)
    longest = max(longest, float(ts[-1]) / _STEPS)
    regular = longest * np.arange(1, int(ts[-1] / longest) + 1)
    nearest = np.abs(regular[:, None] - ts[np.searchsorted(ts[:-1], regular)[:, None] - [0, 1]]).min(axis=1)
    grid = np.unique(np.concatenate([[0.0], ts, regular[(nearest > 1e-6 * longest) & (regular < ts[-1])]]))
    rows, ys = np.searchsorted(grid, ts), np.tile(y, (len(ts), 1))
    for k in range(0, len(grid) - 1, _CHUNK):
        part = grid[k : k + _CHUNK + 1]
        beyond = part[-1] + longest * np.arange(1, _CHUNK + 2 - len(part))  # every call has one shape
        states = np.asarray(_solve(system, y, np.append(part, beyond), noise, h))
        kept = (rows > k) & (rows < k + len(part))
        ys[kept], y = states[rows[kept] - k - 1], states[len(part) - 2]
    bad = ~np.all(np.isfinite(ys), axis=1)
    first = int(np.argmax(bad)) if bad.any() else None
    if first is not None:
        ys[first:] = np.nan
    return ys, longest, None if first is None else float(ts[first])


@jax.jit
def _jacobian(system: DiracSystem, y: Array) -> Array:
    return jax.jacfwd(lambda y: velocity(system, y))(y)


@jax.jit
def _solve(system: DiracSystem, y: Array, grid: Array, noise: MinibatchNoise, h: Array) -> Array:
    """The states at the ends of the steps between the times ``grid``."""
    import diffrax

    n, d = y.shape[0], system.dim
    rates = jnp.repeat(jnp.stack([*system.rates]), d)
    spread = jnp.zeros((n, 2 * d)).at[: 2 * d].set(jnp.sqrt(h) * rates[:, None] * noise.root)
    path = diffrax.UnsafeBrownianPath(shape=(2 * d,), key=noise.key, levy_area=diffrax.SpaceTimeLevyArea)
    terms = diffrax.MultiTerm(
        diffrax.ODETerm(lambda t, y, args: velocity(system, y)),
        diffrax.ControlTerm(lambda t, y, args: spread, path),
    )
    sol = diffrax.diffeqsolve(
        terms,
        diffrax.ShARK(),
        grid[0],
        grid[-1],
        None,
        y,
        saveat=diffrax.SaveAt(steps=True),
        stepsize_controller=diffrax.StepTo(ts=grid),
        max_steps=_CHUNK,
        adjoint=diffrax.ForwardMode(),
        throw=False,
    )
    return jnp.asarray(sol.ys)


def step_size(h: object) -> float:
    """The learning rate of the SDE, checked.

    Raises:
        InputError: when it is missing or not positive.
    """
    if h is None:
        raise InputError("sde on the flow needs sde_step, the learning rate h in sqrt(h) Sigma^(1/2) dW")
    return number("sde_step", h, low=0, open_low=True)
