"""The plane (or 3-space) that a motion never leaves, where the definition allows it: found by a check, not by name."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import dirac
from ..dynamics.rules import init, step
from ..game import Players
from .programs import System, datum

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

    axes: np.ndarray
    phi: np.ndarray
    theta: np.ndarray
    x0: np.ndarray | None

    def back(self, coordinates: np.ndarray) -> np.ndarray:
        """(N, ..., k) -> (N, ..., d)."""
        return np.einsum("n...k,knd->n...d", coordinates, self.axes)


def frame(phi: np.ndarray, theta: np.ndarray, x0: np.ndarray | None) -> Frame:
    """The axes spanned by the datum (if any), phi and theta, by Gram-Schmidt, twice for accuracy.

    Example:
        >>> f = frame(np.array([[0.0, 3.0, 0.0]]), np.array([[1.0, 1.0, 0.0]]), None)
        >>> f.phi.tolist(), f.theta.tolist()
        ([[3.0, 0.0]], [[1.0, 1.0]])
    """
    count = phi.shape[0]
    vectors = ([] if x0 is None else [np.broadcast_to(x0, phi.shape)]) + [phi, theta]
    axes = np.zeros((len(vectors), *phi.shape))
    for k, vector in enumerate(vectors):
        rest = np.array(vector, float)
        for _ in range(2):
            for axis in axes[:k]:
                rest -= np.einsum("nd,nd->n", rest, axis)[:, None] * axis
        size, whole = np.linalg.norm(rest, axis=1), np.linalg.norm(vector, axis=1)
        used = size > 8 * np.finfo(float).eps * whole
        axes[k][used] = rest[used] / size[used, None]
    inside = [np.einsum("nd,knd->nk", np.broadcast_to(v, phi.shape), axes) for v in vectors]
    return Frame(axes, inside[-2], inside[-1], None if x0 is None or not count else inside[0][0])


def flattens(system: System, dim: int, small: int) -> bool:
    """Whether the motion in ``dim`` dimensions is, in any ``small``-dimensional subspace, the one defined there.

    Compared on random states in random subspaces: the field, or the players after a few iterations of the rule. True for
    rotation-invariant variants (theory.md section 2), false for what acts on each coordinate (Adam, a box).

    Args:
        system: its numbers may vary over trajectories, which are then all drawn from.
        dim: the dimension of the start.
        small: 2, or 3 with a datum.
    """
    rng = np.random.default_rng(20_180_104)
    leaves, tree = jax.tree.flatten(system._replace(x0=None))
    varied = [np.ravel(np.asarray(leaf, float)) for leaf in leaves]
    count = max([_DRAWS, *(min(len(v), 4 * _DRAWS) for v in varied)])
    drawn = [v[np.linspace(0, len(v) - 1, count).round().astype(int)] for v in varied]
    with jax.enable_x64(True):
        q = np.linalg.qr(rng.normal(size=(count, dim, small)))[0]
        scale = np.exp(rng.uniform(-2.5, 1.5, size=(2, count, 1)))
        states = Players(*(scale * rng.normal(size=(2, count, small))))
        x0 = None if system.x0 is None else np.abs(rng.normal(size=(count, small)))
        systems = jax.tree.unflatten(tree, [jnp.asarray(v) for v in drawn])
        inside, outside = _both(systems, jnp.asarray(q), Players(*map(jnp.asarray, states)), x0)
    for a, b in zip(inside, outside, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        if not np.allclose(a, b, rtol=1e-9, atol=1e-11 * max(1.0, np.nanmax(np.abs(a), initial=0.0)), equal_nan=True):
            return False
        if not np.isfinite(a).any():
            return False
    return True


@jax.jit
def _both(systems: System, q: Any, states: Players, x0: Any) -> tuple[Players, Players]:
    def one(system: System, q: Any, z: Players, x0: Any) -> tuple[Players, Players]:
        def at(x: Any) -> System:
            return system._replace(x0=None if x is None else tuple(x))

        def out(x: Any) -> Any:
            return q @ x

        inside = _moved(at(x0), z)
        outside = _moved(at(None if x0 is None else out(x0)), Players(out(z.phi), out(z.theta)))
        return Players(out(inside.phi), out(inside.theta)), outside

    return jax.vmap(one)(systems, q, states, x0)


def _moved(system: System, z: Players) -> Players:
    game = dirac.game(system.variant, datum(system, z.theta))
    if system.rule is None:
        return game.motion(z)
    state = init(system.rule, game, z)
    for _ in range(_ITERATIONS):
        state = step(system.rule, game, state)
    return state.players
