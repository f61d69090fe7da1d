"""The spectral margins of many settings at once, on which thresholds, tuning and charts rest.

All settings that differ only in numbers share one program.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ... import dirac
from ...dynamics.filippov import DiracSystem, velocity
from ...errors import InputError
from ...jax_settings import own_settings
from ...pytrees import Pytree
from ...rules import Rule
from ...variants import Variant
from ..dynamical_system import map_change
from .decision import Decision, decide
from .parameter_handle import ParameterHandle, parameter_handle, set_all
from .probing import filled_up, look, rest_state
from .settings import LinearSettings, settings
from .status import STATUSES, WITH_EIGENVALUES

BATCH = 64


class Margin(NamedTuple):
    """What the linearisation says of one question.

    Attributes:
        status: one of :data:`~diracgan.analysis.linear.status.STATUSES`.
        value: -max Re of the eigenvalues, or 1 - max modulus of the multipliers; NaN where there are none.
        error: bound on its error, as of a spectrum; NaN where there is no value.
        eigenvalues: of the flow, or the multipliers of the map; empty where there are none.
    """

    status: str
    value: float
    error: float
    eigenvalues: np.ndarray


def margins(batch: Sequence[LinearSettings]) -> list[Margin]:
    """The margin of every question, with one program for all that differ in numbers only.

    Example:
        >>> import diracgan as dg
        >>> from diracgan.analysis.linear.settings import settings
        >>> found = margins([settings(dg.variant("wgan-gp", c=0.0, lam=x)) for x in (0.0, 0.5)])
        >>> [(m.status, round(m.value, 12)) for m in found]
        [('marginal', 0.0), ('stable', 0.5)]
    """
    found: dict[int, Margin] = {}
    groups: dict[Any, list[int]] = {}
    for i, s in enumerate(batch):
        groups.setdefault((jax.tree.structure((s.variant, s.rule)), s.has_map), []).append(i)
    for members in groups.values():
        for chunk in _chunks(members, BATCH):
            decided = decisions([batch[i] for i in chunk], BATCH)
            found |= dict(zip(chunk, each(decided), strict=True))
    return [found[i] for i in range(len(batch))]


def decisions(batch: Sequence[LinearSettings], size: int) -> Decision:
    """What the linearisation says of settings of one structure, at most ``size``, which a compiled program takes."""
    with own_settings(True):
        seen, alive = look(*stacked(batch), size, no_map=batch[0].discrete and not batch[0].has_map)
    return decide(seen, alive, batch[0].discrete)


def each(decided: Decision) -> list[Margin]:
    """The margin at every point that was decided."""
    statuses = [STATUSES[s] for s in decided.status]
    values = [
        w if s in WITH_EIGENVALUES else np.empty(0, complex)
        for s, w in zip(statuses, decided.eigenvalues, strict=True)
    ]
    return list(map(Margin, statuses, decided.margin.tolist(), decided.error.tolist(), values))


def _chunks(members: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (members[k : k + size] for k in range(0, len(members), size))


def stacked(batch: Sequence[LinearSettings]) -> tuple[DiracSystem, Rule | None, np.ndarray]:
    """Settings of one structure as one batch, N in front of every number."""
    flat = [_numbers_of(s) for s in batch]
    # NumPy's arrays: a compiled program takes them at once, while to put each on the device costs more than a spectrum
    system, rule = jax.tree.map(lambda *leaves: np.array(leaves, dtype=np.float64), *flat)
    return system, rule, np.array([np.concatenate(s.point) for s in batch])


def _numbers_of(s: LinearSettings) -> tuple[DiracSystem, Rule | None]:
    # NumPy's numbers in the places of JAX's
    return DiracSystem(s.variant, s.x0, s.rates, None), s.rule  # type: ignore[arg-type]


def matrices(batch: Sequence[LinearSettings]) -> np.ndarray:
    """The Jacobian of every one of settings of one structure by autodiff, unjudged: of the field, or of a rule's map,
    (K, n, n).

    Example:
        >>> import diracgan as dg
        >>> from diracgan.analysis.linear.settings import settings
        >>> matrices([settings(dg.variant("wgan-linear"))])[0].tolist()
        [[0.0, -1.0], [1.0, 0.0]]
    """
    with own_settings(True):
        chunks = [[batch[i] for i in chunk] for chunk in _chunks(range(len(batch)), BATCH)]
        # a single one, of which a search asks thousands, by a program of its own
        parts = [filled_up(stacked(chunk), BATCH if len(batch) > 1 else 1) for chunk in chunks]
        found = np.concatenate([np.asarray(_matrices(*part)) for part in parts])[: len(batch)]
    return found + (np.eye(found.shape[1]) if batch[0].discrete else 0.0)


def slopes(
    around: LinearSettings, handles: Sequence[ParameterHandle], values: Sequence[float] | np.ndarray
) -> np.ndarray:
    """How that matrix changes with each parameter at these values, by autodiff, (P, n, n)."""
    here = set_all(around, handles, values)
    # every parameter enters its numbers linearly, so that a difference of leaves is their exact tangent
    further = [set_all(around, handles, row) for row in np.asarray(values) + np.eye(len(handles))]
    with own_settings(True):
        base = dirac.cast(_numbers_of(here), jnp.float64)
        ahead = [dirac.cast(_numbers_of(there), jnp.float64) for there in further]
        tangents = jax.tree.map(lambda x, *ys: jnp.stack([y - x for y in ys]), base, *ahead)
        return np.asarray(_slopes(base, np.concatenate(here.point), tangents))


def locus(
    variant: Variant,
    parameter: str,
    values: Sequence[float] | np.ndarray,
    rule: Rule | None = None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    at: tuple[ArrayLike, ArrayLike] | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> np.ndarray:
    """The eigenvalues (or multipliers) at every value of one parameter.

    Args:
        variant: from :func:`diracgan.variant`.
        parameter: as :func:`diracgan.critical` takes it.
        values: of the parameter, (K,).
        rule: from :func:`diracgan.rule`; None for the flow.
        dim: dimension d (1, or that of ``x0`` or ``at``).
        x0: the datum; None for 0.
        at: the equilibrium; None for (0, x0).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).

    Returns:
        Complex numbers, (K, m), each row in the order of a spectrum; NaN where there is no derivative.

    Raises:
        InputError: for arguments that are not allowed, or where no value has eigenvalues.

    Example:
        >>> import diracgan as dg
        >>> locus(dg.variant("wgan-gp", c=0.0), "lam", [0.5, 1.0]).round(6).real.tolist()
        [[-0.5, -0.5], [-1.0, -1.0]]
    """
    around = settings(variant, rule, dim, x0, at, rate_d, rate_g)
    handle = parameter_handle(around, parameter)
    rows = [m.eigenvalues for m in margins([handle.set(around, x) for x in values])]
    size = max((len(r) for r in rows), default=0)
    if not size:
        raise InputError(
            f"{variant.label} has no eigenvalues for any {handle.name} here; see diracgan verdict"
        )
    return np.stack([r if len(r) == size else np.full(size, np.nan, complex) for r in rows])


def _matrix(system: DiracSystem, rule: Rule | None, y: Array) -> Array:
    if rule is None:
        return jax.jacfwd(partial(velocity, system))(y)
    return jax.jacfwd(partial(map_change, system, rule.at_rest))(rest_state(system, rule, y))


_matrices = jax.jit(jax.vmap(_matrix))


@jax.jit
def _slopes(base: tuple[DiracSystem, Rule | None], at: Array, tangents: Pytree) -> Array:
    def matrix(numbers: tuple[DiracSystem, Rule | None]) -> Array:
        return _matrix(numbers[0], numbers[1], at)

    return jax.vmap(lambda t: jax.jvp(matrix, (base,), (t,))[1])(tangents)
