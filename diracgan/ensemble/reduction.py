"""Reduction to the invariant plane (or 3-space) of a motion, found by a check, not by the variant's name."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array

from ..jax_settings import own_settings
from ..tracing.scalar_program import Program
from .vector_field import EnsembleSystem, step_program

_ITERATIONS = 3  # of a rule: enough that its memory has been used
_DRAWS = 12


class Frame(NamedTuple):
    """Orthonormal axes of each trajectory's own plane.

    Attributes:
        axes: shape (k, N, d); an axis that is not needed is 0.
        phi: the critic's start in them, (N, k).
        theta: the generator's, (N, k).
        x0: the datum in them, (k,), or None.
    """

    axes: Any
    phi: Any
    theta: Any
    x0: Any

    def back(self, coordinates: Array | np.ndarray, xp: ModuleType = np) -> np.ndarray:
        """(N, ..., k) -> (N, ..., d)."""
        return xp.einsum("n...k,knd->n...d", coordinates, self.axes)


def frame(
    phi: Array | np.ndarray, theta: Array | np.ndarray, x0: Array | np.ndarray | None, xp: ModuleType = np
) -> Frame:
    """The axes spanned by the datum (if any), phi and theta, by Gram-Schmidt, twice for accuracy.

    Args:
        phi: the critic's starts, (N, d).
        theta: the generator's, (N, d).
        x0: the datum, (d,), or None.
        xp: NumPy or jax.numpy.

    Example:
        >>> f = frame(np.array([[0.0, 3.0, 0.0]]), np.array([[1.0, 1.0, 0.0]]), None)
        >>> f.phi.tolist(), f.theta.tolist()
        ([[3.0, 0.0]], [[1.0, 1.0]])
    """
    vectors = ([] if x0 is None else [xp.broadcast_to(x0, phi.shape)]) + [phi, theta]
    axes: list[Any] = []
    for vector in vectors:
        rest = vector
        for axis in 2 * axes:
            rest = rest - xp.einsum("nd,nd->n", rest, axis)[:, None] * axis
        size, whole = (xp.sqrt(xp.einsum("nd,nd->n", v, v))[:, None] for v in (rest, vector))
        used = size > 8 * float(np.finfo(phi.dtype).eps) * whole
        axes.append(xp.where(used, rest / xp.where(used, size, 1), 0))
    inside = [xp.stack([xp.einsum("nd,nd->n", v, axis) for axis in axes], axis=1) for v in vectors]
    return Frame(xp.stack(axes), inside[-2], inside[-1], None if x0 is None else inside[0][0])


def flattens(system: EnsembleSystem, dim: int, small: int) -> bool:
    """Whether the motion in ``dim`` dimensions is, in any ``small``-dimensional subspace, the one defined there.

    Compared on random states in random subspaces: the velocity, or the state after some iterations of the rule. True
    for rotation-invariant variants (docs/theory.md section 2), false for what acts on each coordinate (Adam, a box).

    Args:
        system: its numbers may vary over trajectories, which are then all drawn from.
        dim: the dimension of the start.
        small: 2, or 3 with a datum.
    """
    numbers = [np.ravel(x) if np.ndim(x) == 0 else x for x in jax.tree.leaves(system._replace(x0=None))]
    count = max([_DRAWS, *(min(len(v), 4 * _DRAWS) for v in numbers)])
    drawn = [np.asarray(v[np.linspace(0, len(v) - 1, count).round().astype(int)], float) for v in numbers]
    axes, within, beyond = _random_states(count, dim, small)
    with own_settings(True):
        low, high = (
            _moved(system, drawn, None if system.x0 is None else datum, players)
            for *players, datum in (within, beyond)
        )
    low = _out(axes, low)
    fine = np.isfinite(low) & np.isfinite(high)
    with np.errstate(invalid="ignore"):  # both infinite: the same, as far as can be seen
        same = np.abs(high - low) <= 1e-9 * np.abs(low).max(axis=-1, keepdims=True, where=fine, initial=1e-3)
    return bool(fine.any() and (same | ~fine).all() and (np.isfinite(low) == np.isfinite(high)).all())


@functools.lru_cache(maxsize=64)
def _random_states(count: int, dim: int, small: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random subspaces (count, dim, small), and phi, theta and a datum within, (3, count, small), and outside."""
    rng = np.random.default_rng(20_180_104)
    axes = np.linalg.qr(rng.normal(size=(count, dim, small)))[0]
    players = np.exp(rng.uniform(-2.5, 1.5, size=(2, count, 1))) * rng.normal(size=(2, count, small))
    within = np.stack([*players, np.abs(rng.normal(size=(count, small)))])
    return axes, within, _out(axes, within)


def _out(axes: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Coordinates (..., count, small) in subspaces as vectors (..., count, dim)."""
    return np.einsum("ndk,...nk->...nd", axes, vectors)


def _moved(
    system: EnsembleSystem, numbers: list[np.ndarray], x0: np.ndarray | None, players: list[np.ndarray]
) -> np.ndarray:
    """The velocities, or the players after a few iterations, of two players (n, d) each; (2, n, d)."""
    dim = players[0].shape[-1]
    system = system._replace(x0=None if x0 is None else (0.0,) * dim)
    moves = step_program(system, dim, np.float64)
    tail = [] if x0 is None else list(x0.T)
    leaves, entries = _in_place(system, numbers, tail), moves.pack(players[0], players[1], np.dtype(float))
    go = moves.advance.on_host if isinstance(moves.advance, Program) else jax.jit(moves.advance)
    if moves.begin is None:
        after = go([*leaves, *entries])
    else:
        after = moves.at_once([*leaves, *entries])
        for _ in range(_ITERATIONS):
            after = go([*leaves, *after])
    rows = np.empty((moves.players, *np.shape(entries[0])))
    for k, x in enumerate(after[: moves.players]):
        rows[k] = x
    return rows.reshape(2, dim, -1).swapaxes(1, 2)


def _in_place(system: EnsembleSystem, numbers: list[Any], x0: list[Any]) -> list[Any]:
    """The system's leaves in order, the datum's among them."""
    rest, datum = iter(numbers), iter(x0)
    of_datum = jax.tree.leaves(
        jax.tree.map(lambda _: False, system)._replace(x0=None if not x0 else (True,) * len(x0))
    )
    return [next(datum) if mine else next(rest) for mine in of_datum]
