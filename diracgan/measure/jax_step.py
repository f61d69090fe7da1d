"""One whole iteration in JAX, linearised at a checkpoint, in 64 bits.

Monitored are the logits of all samples, by their principal directions, and the mean of the generator's samples: every
loss is a function of the first, evaluated as it is written, so that one at its extremum is not linearised away.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import InputError
from ..jax_settings import seeded
from ..numerics.reduced_order import new_directions
from ..pytrees import Pytree
from . import operators
from .batch_checkpoint import SERIES, BatchCheckpoint
from .checkpoint import Checkpoint
from .linear_response import Monitors

JaxCheckpoint = Checkpoint | BatchCheckpoint
LOGITS = 16  # principal directions of the logits that are followed
SAMPLES = 2  # and of the samples' mean
DRAWS = 512  # minibatches
_SCALING = 64  # of which so many give each coordinate its unit
_TOGETHER = 16  # minibatches at once, whose full states are kept
_SPARE = 8  # directions of a range finder beyond those that are kept


@dataclasses.dataclass(frozen=True, eq=False)
class JaxStep:
    """A :class:`~diracgan.measure.linear_response.LinearisedStep` at a checkpoint in JAX."""

    at: JaxCheckpoint

    @functools.cached_property
    def _linear(self) -> tuple[Array, Any]:
        return _linearised(self.at.of_all)

    @property
    def start(self) -> np.ndarray:
        """The full state, (n,)."""
        return np.asarray(self._linear[0])

    @property
    def weights(self) -> int:
        """How many of its entries are weights."""
        return int(operators.flat(self.at.players).shape[0])

    def transposed(self, v: np.ndarray) -> np.ndarray:
        """A^T applied to each of b vectors, (b, n)."""
        return np.asarray(_pulled(self._linear[1], jnp.asarray(v)))

    def deviation(self, seed: int) -> np.ndarray:
        """Each entry's standard deviation over minibatches, (n,)."""
        total, square = np.zeros(len(self.start)), np.zeros(len(self.start))
        for some in self._kicks(_keys(seed)[:_SCALING]):
            kicks = np.asarray(some)
            total, square = total + kicks.sum(axis=0), square + np.sum(kicks**2, axis=0)
        return np.sqrt(np.maximum(square / _SCALING - (total / _SCALING) ** 2, 0.0))

    def kicks(self, basis: np.ndarray, seed: int) -> np.ndarray:
        """A minibatch's iteration less the state itself, in the coordinates of ``basis`` (n, m): (draws, m)."""
        onto = jnp.asarray(basis)
        return np.concatenate([np.asarray(some @ onto) for some in self._kicks(_keys(seed))])

    def _kicks(self, keys: Array) -> Iterator[Array]:
        """A minibatch's iteration less the state itself, (draws, n), some draws at a time."""
        return (_kicked(self.at, self._linear[0], some) for some in keys.reshape(-1, _TOGETHER))

    def monitored(self, scale: np.ndarray, seed: int) -> tuple[np.ndarray, Monitors]:
        """The rows of the outputs, (p, weights), and what they are coordinates of."""
        at = self.at.of_all
        logits, mean = (np.asarray(x) for x in _watched(at, operators.flat(at.players)))
        if not np.all(np.isfinite(logits)):
            raise InputError("the logits are not finite; allowed: a run whose numbers are finite")
        onto, rows = _principal(at, 0, scale, at.followed(len(logits)), LOGITS, seed)
        along, more = _principal(at, 1, scale, np.zeros((len(mean), 0)), SAMPLES, seed)
        return np.concatenate([rows, more]), Monitors(logits, onto, mean @ along)

    def series(self, monitors: Monitors, outputs: np.ndarray) -> dict[str, np.ndarray]:
        """Losses, mean logits and the samples' mean where the outputs (..., p) lead: name -> (...)."""
        k = monitors.onto.shape[1]
        shape = outputs.shape[:-1]
        with_logits = jnp.asarray(outputs[..., :k].reshape(-1, k))
        values = _values(
            self.at.of_all, jnp.asarray(monitors.logits), jnp.asarray(monitors.onto), with_logits
        )
        found: dict[str, np.ndarray] = {n: np.asarray(values[n]) for n in SERIES if n in values}
        for i, now in enumerate(monitors.mean):
            found[f"samples_{i}"] = now + outputs[..., k + i].reshape(-1)
        return {n: x.reshape(shape) for n, x in found.items()}


def _keys(seed: int) -> Array:
    return jax.random.split(seeded(seed), DRAWS)


@eqx.filter_jit
def _linearised(at: JaxCheckpoint) -> tuple[Array, Any]:
    start, step = at.full_step()
    return start, jax.vjp(step, start)[1]


@eqx.filter_jit
def _pulled(pull: Callable[[Array], tuple[Array]], v: Array) -> Array:
    return jax.vmap(lambda u: pull(u)[0])(v)


@eqx.filter_jit
def _kicked(at: JaxCheckpoint, start: Array, keys: Array) -> Array:
    return jax.vmap(lambda key: at.minibatch_step(key) - start)(keys)


@eqx.filter_jit
def settled(at: Checkpoint, count: int, seed: int) -> Pytree:
    """What the rule remembers after ``count`` minibatch iterations in which the players are held."""

    def once(memory: Pytree, key: Array) -> tuple[Any, None]:
        on = at.minibatches(at.game, key)
        return at.rule.over_a_period(on)(at.players, memory)[1], None

    return jax.lax.scan(once, at.memory, jax.random.split(seeded(seed), count))[0]


# ---------------- what is monitored


def _principal(
    at: JaxCheckpoint, which: int, scale: np.ndarray, first: np.ndarray, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Directions in which noise moves a watched vector most, ``first`` among them: (q, k), and their rows (k, w).

    A randomised range finder with one power iteration (Halko, Martinsson, Tropp 2011, arXiv 0909.4061).
    """
    q = len(first)
    if not q:
        return np.zeros((0, 0)), np.zeros((0, len(scale)))
    if q <= max(count, first.shape[1]):
        onto = np.eye(q)
        return onto, _rows(at, which, onto)

    wide = min(count + _SPARE, q)
    random = np.random.default_rng(seed).standard_normal((len(scale), wide))
    y = new_directions(first, _images(at, which, scale[:, None] * random))
    known = first.shape[1]
    # the rows of `first` are not needed yet: one program for both
    rows = _rows(at, which, np.hstack([first, y]))
    y = new_directions(first, _images(at, which, (scale**2 * rows[known:]).T))
    rows = _rows(at, which, np.hstack([first, y]))
    u = np.linalg.svd(rows[known:] * scale, full_matrices=False)[0][:, : count - known]
    return np.hstack([first, y @ u]), np.concatenate([rows[:known], u.T @ rows[known:]])


def _images(at: JaxCheckpoint, which: int, v: np.ndarray) -> np.ndarray:
    """The watched vector's derivative along each column of v, (q, k)."""
    return np.asarray(_pushed(at, which, jnp.asarray(v.T))).T


def _rows(at: JaxCheckpoint, which: int, onto: np.ndarray) -> np.ndarray:
    """The gradients of the watched vector's coordinates along the columns of ``onto``, (k, w)."""
    return np.asarray(_pulled_back(at, which, jnp.asarray(onto.T)))


@eqx.filter_jit
def _watched(at: JaxCheckpoint, w: Array) -> tuple[Array, Array]:
    return at.watched(w)


@eqx.filter_jit
def _pushed(at: JaxCheckpoint, which: int, v: Array) -> Array:
    push = jax.linearize(lambda w: _watched(at, w)[which], operators.flat(at.players))[1]
    return jax.lax.map(push, v)


@eqx.filter_jit
def _pulled_back(at: JaxCheckpoint, which: int, u: Array) -> Array:
    pull = jax.vjp(lambda w: _watched(at, w)[which], operators.flat(at.players))[1]
    return jax.lax.map(lambda u: pull(u)[0], u)


# ---------------- from coordinates to series


@eqx.filter_jit
def _values(at: JaxCheckpoint, there: Array, onto: Array, y: Array) -> dict[str, Array]:
    return jax.lax.map(lambda y: at.values(there + onto @ y), y, batch_size=64)
