"""Minibatch noise of the field at an equilibrium, and the noise floor of a run."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..errors import InputError, instance, integer, number, real_array, shown
from ..game import Game, Players, WrappedGame
from ..jax_settings import own_settings, seeded
from ..training.games import MinibatchGame
from . import operators


class ResampledGame(WrappedGame):
    """A game on minibatches: evaluation number ``draw`` of an iteration sees its own real samples and latents."""

    def __init__(self, game: Game, key: Array, batch: int) -> None:
        super().__init__(game)
        self.whole, self.key, self.batch = game, key, batch

    def velocity(self, players: Players, draw: int | Array = 0, penalty: float | Array = 1.0) -> Players:
        """The field on the minibatch of this draw."""
        mine = drawn(self.whole, jax.random.fold_in(self.key, draw), self.batch)
        return mine.velocity(players, penalty=penalty)


def drawn(game: Game, key: Array, batch: int) -> Game:
    """The game on ``batch`` real samples and latents, drawn independently and with replacement."""
    first, second = jax.random.split(key)
    i = jax.random.randint(first, (batch,), 0, game.x_real.shape[0])

    def pick(z: Array) -> Array:
        return z[jax.random.randint(second, (batch,), 0, z.shape[0])]

    return dataclasses.replace(game, x_real=game.x_real[i], z=jax.tree.map(pick, game.z))


def gradient_covariance(
    game: Game, players: Players, batch: int, basis: ArrayLike | None = None, draws: int = 4000, seed: int = 0
) -> np.ndarray:
    """The covariance of the joint field over minibatches, from ``draws`` of them.

    Args:
        game: on all its samples.
        players: where.
        batch: samples of a minibatch.
        basis: (n, m), the directions of interest; None for all n.
        draws: how many minibatches; the relative error of a variance is sqrt(2/draws).
        seed: of the minibatches.

    Returns:
        (m, m).

    Example:
        >>> import jax.numpy as jnp, numpy as np, diracgan as dg
        >>> from diracgan.game import Game, Players
        >>> g = Game(dg.variant("wgan-linear"), jnp.array([[-1.0], [1.0]]), jnp.array([[0.0]]),
        ...          lambda phi, x: x @ phi, lambda theta, z: theta + z)
        >>> c = dg.measure.gradient_covariance(g, Players(jnp.zeros(1), jnp.zeros(1)), batch=1)
        >>> round(float(c[0, 0]), 1), float(c[1, 1])
        (1.0, 0.0)
    """
    instance("game", game, Game, "what a run or a problem makes, see dg.measure")
    if isinstance(game, MinibatchGame):
        raise InputError(
            "game is that of a run's minibatch; allowed: a Game of all samples, or "
            "dg.measure.from_run(run).gradient_covariance()"
        )
    instance("players", players, Players, "the players of that game")
    seed = integer("seed", seed, low=0)
    basis = None if basis is None else real_array("basis", basis, (None, None))
    batch, draws = integer("batch", batch, low=1), integer("draws", draws, low=2)
    with own_settings(True):
        game, players = operators.doubled((game, players))
        n = operators.flat(players).shape[0]
        onto = jnp.eye(n) if basis is None else jnp.asarray(basis, jnp.float64)
        keys = jax.random.split(seeded(seed), draws)
        fields = np.asarray(_fields(game, players, keys, onto, batch))
    return np.atleast_2d(np.cov(fields, rowvar=False))


@functools.partial(jax.jit, static_argnums=4)
def _fields(game: Game, players: Players, keys: Array, onto: Array, batch: int) -> Array:
    def one(key: Array) -> Array:
        return operators.flat(drawn(game, key, batch).velocity(players)) @ onto

    return jax.lax.map(one, keys, batch_size=200)


@dataclasses.dataclass(frozen=True)
class NoiseFloor:
    """What noise holds a run at, mode by mode.

    Attributes:
        multipliers: of the modes that decay, (k,).
        power: E |c|^2 of each mode's coefficient c, (k,).
        ema_power: the same of the averaged players, (k,); None without.
        covariance: of (c, averaged c), from the augmented Lyapunov equation.
        left: the modes' coefficients of a deviation y are ``left @ y``, (k, m).
    """

    multipliers: np.ndarray
    power: np.ndarray
    ema_power: np.ndarray | None
    covariance: np.ndarray
    left: np.ndarray


def alternating_step(
    jacobian: np.ndarray, lr_d: float, lr_g: float
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """One alternating iteration about an equilibrium, and how an error of either player's velocity enters it.

    Args:
        jacobian: of the field, (2p, 2p), the critic's half first.
        lr_d: the critic's learning rate; ``lr_g`` the generator's.

    Example:
        >>> alternating_step(np.array([[0.0, -1.0], [1.0, 0.0]]), 0.5, 0.5)[0].tolist()
        [[1.0, -0.5], [0.5, 0.75]]
    """
    p = len(jacobian) // 2
    first, second = (np.diag(np.repeat(who, p)) for who in ([lr_d, 0.0], [0.0, lr_g]))
    after = np.eye(2 * p) + second @ jacobian  # the generator sees the moved critic
    return after @ (np.eye(2 * p) + first @ jacobian), (after @ first, second)


def _square(name: str, value: Any, size: int | None = None) -> np.ndarray:
    """A finite square matrix, of ``size`` rows where that is given, or InputError; a number is one of one row."""
    x = np.atleast_2d(real_array(name, value))
    x = real_array(name, x, (size or len(x),) * 2)
    if not np.all(np.isfinite(x)):
        raise InputError(f"{name} holds numbers that are not finite; allowed: finite numbers")
    return x


def floor(
    step: ArrayLike,
    kicks: Sequence[ArrayLike],
    covariance: ArrayLike,
    ema: float | None = None,
    slowest: float = 1e-4,
) -> NoiseFloor:
    """The stationary noise around a stable equilibrium, of the players and of their average.

    y+ = S y + sum_j B_j e_j with e_j of covariance Sigma: C = S C S* + sum_j B_j Sigma B_j*, on the modes that decay;
    with ybar+ = beta ybar + (1 - beta) y+ the same equation for (y, ybar).

    Args:
        step: S, the Jacobian of one iteration, (m, m).
        kicks: B_j, how the noise of each evaluation of the field moves the players, (m, m) each.
        covariance: Sigma, of one evaluation, (m, m).
        ema: beta, or None.
        slowest: modes with 1 - |multiplier| below this are left out: neutral ones have no floor.

    Returns:
        A :class:`NoiseFloor`.

    Raises:
        InputError: when a mode grows.

    Example:
        >>> import numpy as np
        >>> f = floor([[0.5]], [[[0.1]]], [[3.0]], ema=0.9)
        >>> round(float(f.power[0]), 9), round(float(f.ema_power[0] / f.power[0]), 9)
        (0.04, 0.138755981)
    """
    from scipy.linalg import solve_discrete_lyapunov

    s = _square("step", step)
    sigma = _square("covariance", covariance, len(s))
    if not isinstance(kicks, (list, tuple, np.ndarray)):
        raise InputError(
            f"kicks = {shown(kicks)} are not matrices; allowed: a list of them, of shape {s.shape}"
        )
    values, vectors = np.linalg.eig(s)
    if np.abs(values).max() > 1.0 + 1e-9:
        raise InputError(
            f"a mode grows by {np.abs(values).max():.6g} per iteration; allowed: a stable equilibrium"
        )
    decaying = np.abs(values) < 1.0 - number("slowest", slowest, low=0.0)
    left, values = np.linalg.pinv(vectors)[decaying], values[decaying]
    push = [left @ _square(f"kicks[{j}]", b, len(s)) for j, b in enumerate(kicks)]
    drive = sum((p @ sigma @ p.conj().T for p in push), np.zeros((len(values),) * 2, complex))
    a = np.diag(values)
    if ema is not None:
        keep = number("ema", ema, low=0.0, high=1.0, open_high=True)
        eye, mixed = np.eye(len(values)), (1.0 - keep) * drive
        a = np.block([[a, 0.0 * eye], [(1.0 - keep) * a, keep * eye]])
        drive = np.block([[drive, mixed], [mixed, (1.0 - keep) * mixed]])
    found = solve_discrete_lyapunov(a, drive) if len(values) else np.zeros((0, 0), complex)
    power = np.real(np.diag(found))
    k = len(values)
    return NoiseFloor(values, power[:k], None if ema is None else power[k:], found, left)
