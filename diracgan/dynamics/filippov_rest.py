"""Rest on a discontinuity that is not a surface: where the limits of the field around a point balance.

A norm in d >= 2 switches at a point, not across a surface, and so has no regimes. A motion drawn into that point stays,
by Filippov's definition, when 0 is in the convex hull of the field's limits there.
"""

from __future__ import annotations

import jax
import numpy as np
from jax import Array

from ..numerics.convex_hull import distance_to_hull
from .filippov import DiracSystem, natural

_NEAR, _NEARER, _BALANCED = 1e-6, 1e-8, 1e-3


def rests(system: DiracSystem, y: np.ndarray) -> bool:
    """Whether the field around ``y`` (n,) jumps, and pulls in all directions at once.

    A jump is as large from nearer by, where a field that is merely steep is not.
    """
    if not np.all(np.isfinite(y)):
        return False
    ways = np.random.default_rng(1).normal(size=(64, len(y)))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    ways = max(1.0, float(np.max(np.abs(y)))) * np.concatenate([ways, -ways])
    around, nearer = (np.asarray(_fields(system, y + scale * ways)) for scale in (_NEAR, _NEARER))
    if np.sum(np.all(np.isfinite(around), axis=1)) < len(ways) / 2:
        return False
    around, nearer = (f[np.all(np.isfinite(f), axis=1)] for f in (around, nearer))
    if not len(nearer):
        return False
    ranges = np.ptp(around, axis=0)
    jumps = ranges.max() > 0.1 * np.max(np.abs(around)) and np.ptp(nearer, axis=0).max() > 0.5 * ranges.max()
    # however large the jump in one component, none may pull to one side alone
    sides = np.all((around.min(axis=0) <= _BALANCED * ranges) & (around.max(axis=0) >= -_BALANCED * ranges))
    return bool(jumps and sides and distance_to_hull(around) <= _BALANCED * np.max(np.abs(around)))


@jax.jit
def _fields(system: DiracSystem, points: Array) -> Array:
    return jax.vmap(lambda y: natural(system, y)[1])(points)
