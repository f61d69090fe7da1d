"""The linearisation for whole arrays of hyperparameters: one program, and one decision, for all points."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ..analysis.linear.decision import decide, leading_frequency
from ..analysis.linear.probing import HostProbe, host_probe, probe, without
from ..analysis.linear.settings import LinearSettings
from ..dynamics.filippov import DiracSystem
from ..game import Players
from ..jax_settings import own_settings
from ..numerics import derivative
from ..rules import Rule

# So many points, and operations on numbers, are seen by NumPy before XLA has compiled a program.
_FEW, _SOONER = 16_384, 2e8
# Points that are looked at together by either: what they need stays in the cache.
_ROWS, _BLOCK = 128, 512
_CHUNK = 64  # at most so many blocks are decided together, likewise


class LinearQuantities(NamedTuple):
    """What the linearisation says at every point, arrays (N,).

    Attributes:
        status: index into :data:`~diracgan.analysis.linear.status.STATUSES`.
        margin: -max Re of the eigenvalues, or 1 - max modulus of the multipliers; NaN where there are none.
        radius: largest modulus of the multipliers, of a flow exp(max Re); NaN where there are none.
        angle: of the eigenvalue that lasts longest and turns: its frequency, or angle per period of the rule; 0 if
            none does.
    """

    status: np.ndarray
    margin: np.ndarray
    radius: np.ndarray
    angle: np.ndarray


def linear(around: LinearSettings, count: int) -> LinearQuantities:
    """Linearise at ``count`` points.

    Args:
        around: its numbers are numbers, or arrays (count,); its datum and point (d,) or (count, d).
        count: how many points.

    Example:
        >>> import dataclasses, numpy as np, diracgan as dg
        >>> from diracgan.analysis.linear.settings import settings
        >>> v = dataclasses.replace(dg.variant("wgan-gp", c=0.0), lam=np.array([0.0, 0.5]))
        >>> [x.tolist() for x in linear(settings(v), 2)[:2]]
        [[2, 0], [0.0, 0.5]]
    """
    found = LinearQuantities(np.empty(count, np.int8), *(np.empty(count) for _ in range(3)))
    around = _reduced(around)
    for rows, seen, alive in _looked(around, count):
        decided = decide(seen, alive, around.discrete)
        found.status[rows], found.margin[rows] = decided.status, decided.margin
        w: Any = decided.eigenvalues
        found.radius[rows] = np.abs(w).max(axis=1) if around.discrete else np.exp(w.real.max(axis=1))
        angle = leading_frequency(w, around.discrete)
        found.angle[rows] = np.where(np.isnan(decided.margin), np.nan, angle)
    return found


def part(around: LinearSettings, i: int) -> LinearSettings:
    """The settings of one point, its numbers plain.

    Example:
        >>> import numpy as np, diracgan as dg
        >>> from diracgan.analysis.linear.settings import settings
        >>> part(settings(dg.variant("ns").with_(r1=np.array([0.1, 0.2]))), 1).variant.label
        'ns + r1=0.2'
    """

    def one(x: ArrayLike) -> ArrayLike:
        return float(np.asarray(x)[i]) if np.ndim(x) else x

    def row(x: np.ndarray) -> np.ndarray:
        return x[i] if np.ndim(x) == 2 else x

    variant, rule, rates = jax.tree.map(one, (around.variant, around.rule, around.rates))
    return LinearSettings(variant, rule, Players(*map(row, around.point)), row(around.x0), rates)


def _reduced(around: LinearSettings) -> LinearSettings:
    """The same question in the plane that decides every dimension, where there is one (docs/theory.md section 2)."""
    if around.x0.shape[-1] <= 2 or any(np.any(x) for x in (around.x0, *around.point)):
        return around
    from ..ensemble import reduction
    from ..ensemble.vector_field import EnsembleSystem

    rates = None if around.rule is not None else around.rates
    if not reduction.flattens(
        EnsembleSystem(around.variant, around.rule, None, rates), around.x0.shape[-1], 2
    ):
        return around
    return dataclasses.replace(
        around, x0=around.x0[..., :2], point=Players(*(p[..., :2] for p in around.point))
    )


def _looked(
    around: LinearSettings, count: int
) -> Iterator[tuple[np.ndarray, derivative.Derivative, np.ndarray]]:
    """Every point looked at, in chunks of blocks of one shape: which points, their derivatives, and what is alive."""
    linearises = np.broadcast_to(around.rule is None or around.rule.linearises, count)
    for rule, points in (
        (around.rule, np.flatnonzero(linearises)),
        (None, np.flatnonzero(~linearises)),  # where the rule has no map to look at, its field is
    ):
        if not len(points):
            continue
        quick = host_probe(*jax.tree.map(lambda x: x[0], _numbers(around, rule, points[:1])))
        if quick is not None and len(points) <= _FEW and len(points) * quick.price <= _SOONER:
            seen = _by_numpy(quick, around, rule, points)
        else:
            seen = _by_xla(around, rule, points)
        for rows, found, alive in seen:
            yield rows, found if linearises[rows[0]] else without(found), alive


_Seen = Iterator[tuple[np.ndarray, derivative.Derivative, np.ndarray]]


def _by_numpy(quick: HostProbe, around: LinearSettings, rule: Rule | None, points: np.ndarray) -> _Seen:
    for start in range(0, len(points), _ROWS):
        rows = points[start : start + _ROWS]
        seen = quick(*_numbers(around, rule, rows))
        yield rows, derivative.judge(seen.probe, np), seen.alive


def _by_xla(around: LinearSettings, rule: Rule | None, points: np.ndarray) -> _Seen:
    look = _compiled()("cpu" if jax.default_backend() == "cpu" else "gpu")
    block = min(_BLOCK, len(points))
    blocks = -(-len(points) // block)
    blocks = -(-blocks // -(-blocks // _CHUNK))  # every chunk has one shape, and little is filled up
    for start in range(0, len(points), blocks * block):
        rows = points[start : start + blocks * block]
        index = np.pad(rows, (0, blocks * block - len(rows)), mode="edge").reshape(blocks, block)
        with own_settings(True):
            seen, alive = jax.tree.map(
                lambda x, n=len(rows): np.asarray(x).reshape(-1, *x.shape[2:])[:n],
                look(*_numbers(around, rule, index)),
            )
        yield rows, seen, alive


def _numbers(
    around: LinearSettings, rule: Rule | None, index: np.ndarray
) -> tuple[DiracSystem, Rule | None, np.ndarray]:
    """The numbers of the points ``index``, whose shape is in front of theirs."""

    def spread(x: ArrayLike) -> np.ndarray:
        x = np.asarray(x, float)
        return x[index] if x.ndim else np.broadcast_to(x, index.shape)

    def vectors(x: np.ndarray) -> np.ndarray:
        x = np.asarray(x, float)
        return x[index] if x.ndim == 2 else np.broadcast_to(x, (*index.shape, len(x)))

    variant, rates, rule = jax.tree.map(spread, (around.variant, around.rates, rule))
    at = np.concatenate([vectors(p) for p in around.point], axis=-1)
    # NumPy's numbers in the places of JAX's
    return DiracSystem(variant, vectors(around.x0), rates, None), rule, at  # type: ignore[arg-type]


def _look_at(system: DiracSystem, rule: Rule | None, at: Array) -> tuple[derivative.Derivative, Array]:
    def block(given: tuple[DiracSystem, Rule | None, Array]) -> tuple[derivative.Derivative, Array]:
        seen = jax.vmap(probe)(*given)
        return derivative.judge(seen.probe, jnp), seen.alive

    return jax.lax.map(block, (system, rule, at))


@functools.cache
def _compiled() -> Callable[[str], Callable[..., tuple[derivative.Derivative, Array]]]:
    from ..ensemble.blocks import compiled

    return compiled(_look_at, static=0)
