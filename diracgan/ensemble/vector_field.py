"""The field of a variant, or one iteration of a rule, as a scalar program."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import DTypeLike

from .. import dirac
from ..game import Players
from ..parameters import in_double
from ..rules import Rule, State, init, step
from ..tracing.scalar_program import NotScalarizable, Program, trace
from ..variants import Variant


class EnsembleSystem(NamedTuple):
    """Everything that a motion depends on besides its state: a pytree of numbers, or of one number a trajectory.

    Attributes:
        variant: what is minimised.
        rule: None for the flow.
        x0: the datum's entries; None for 0, which then costs nothing.
        rates: factors on the flow's two velocities; None for 1.
    """

    variant: Variant
    rule: Rule | None
    x0: tuple[Any, ...] | None
    rates: Players | None


@dataclasses.dataclass(frozen=True, eq=False)
class StepProgram:
    """A system's motion, on lists of arrays whose last axis runs over trajectories.

    In scalar form, an entry is one scalar of the state, shape (trajectories,); elsewhere, one leaf of it, shape
    (d, trajectories). What is the same for all trajectories is a number. The players' entries come first.

    Attributes:
        advance: the system's leaves, then the state's entries -> the velocity's, or the state's after an iteration.
        begin: the system's leaves, then the players' -> the rule's whole state; None for the flow.
        players: how many entries the players have: 2 d, or 2.
        ema: where the averaged players stand in the state; None where there are none.
        note: why it does not run at full speed, or "".
    """

    advance: Callable[[Sequence[Any]], list[Any]]
    begin: Callable[[Sequence[Any]], list[Any]] | None
    players: int
    ema: slice | None
    note: str

    @property
    def is_scalar(self) -> bool:
        """Whether an entry is a scalar."""
        return isinstance(self.advance, Program)

    @property
    def kept(self) -> list[int]:
        """Which entries of the state are results: the players' and, where there are any, their averages'."""
        return [*range(self.players), *(range(*self.ema.indices(self.ema.stop)) if self.ema else ())]

    def pack(
        self, phi: Array | np.ndarray, theta: Array | np.ndarray, dtype: np.dtype, xp: ModuleType = np
    ) -> list[Any]:
        """The players' entries from arrays (N, d), by NumPy or jax.numpy."""
        both = [xp.stack(list(z.T)).astype(dtype) for z in (phi, theta)]
        return [row for z in both for row in z] if self.is_scalar else both

    def at_once(self, values: Sequence[Any]) -> list[Any]:
        """The rule's whole state at the start, from NumPy arrays."""
        assert self.begin is not None
        return (
            self.begin.on_host(values)
            if isinstance(self.begin, Program)
            else jax.jit(self.begin)(list(values))
        )


def step_program(system: EnsembleSystem, dim: int, dtype: DTypeLike) -> StepProgram:
    """The motion of ``system`` in ``dim`` dimensions: made once for all values of its numbers.

    Example:
        >>> import diracgan as dg
        >>> step_program(EnsembleSystem(dg.variant("ns"), None, None, None), 2, "float32").note
        ''
    """
    return _step_program(jax.tree.structure(system), dim, np.dtype(dtype), in_double())


@functools.lru_cache(maxsize=512)
def _step_program(structure: Any, dim: int, dtype: np.dtype, double: bool) -> StepProgram:
    scalar, vector = jax.ShapeDtypeStruct((), dtype), jax.ShapeDtypeStruct((dim,), dtype)
    system = jax.tree.unflatten(structure, [scalar] * structure.num_leaves)
    players = Players(vector, vector)
    state = players if system.rule is None else jax.eval_shape(_begin, system, players)
    try:
        if 2 * dim > _WIDE:
            raise NotScalarizable(f"it has {dim} dimensions that cannot be reduced")
        advance: Any = trace(_velocity if system.rule is None else _iterate, system, state)
        begin: Any = None if system.rule is None else trace(_begin, system, players)
        if advance.sums:
            raise NotScalarizable("it has long sums")
        first = 2 * dim
        whole = sorted({*advance.on_arrays, *(begin.on_arrays if begin else ())})
        note = f"partly in scalar operations: {', '.join(whole)} run on stacked arrays" if whole else ""
    except NotScalarizable as why:
        advance = VmappedFunction(_velocity if system.rule is None else _iterate, system, state)
        begin = None if system.rule is None else VmappedFunction(_begin, system, players)
        first, note = 2, f"not in scalar operations: {why}"
    total = len(begin.outputs) if isinstance(begin, Program) else len(jax.tree.leaves(state))
    ema = slice(total - first, total) if getattr(state, "ema", None) is not None else None
    return StepProgram(advance, begin, first, ema, note)


_WIDE = 64  # components beyond which separate arrays are no longer worth their compilation


def datum(system: EnsembleSystem, like: Array) -> Array:
    """The datum as a vector like ``like``."""
    return jnp.zeros(like.shape, like.dtype) if system.x0 is None else jnp.stack(system.x0).astype(like.dtype)


def _velocity(system: EnsembleSystem, players: Players) -> Players:
    v = dirac.game(system.variant, datum(system, players.theta)).motion(players)
    return v if system.rates is None else Players(system.rates.phi * v.phi, system.rates.theta * v.theta)


def _begin(system: EnsembleSystem, players: Players) -> State:
    assert system.rule is not None
    return init(system.rule, dirac.game(system.variant, datum(system, players.theta)), players)


def _iterate(system: EnsembleSystem, state: State) -> State:
    assert system.rule is not None
    return step(system.rule, dirac.game(system.variant, datum(system, state.players.theta)), state)


class VmappedFunction:
    """The same interface where there is no scalar form: jax.vmap over trajectories, a few times slower."""

    def __init__(self, fn: Callable[..., Any], *examples: Any) -> None:
        self.fn = fn
        self.leaves, self.tree = jax.tree.flatten(examples)
        self.shapes: list[tuple[int, ...]] = [
            leaf.shape for leaf in jax.tree.leaves(jax.eval_shape(fn, *examples))
        ]

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """Evaluate on one array a leaf, the last axis over trajectories; or a value for all of them."""
        arrays = [jnp.asarray(x, leaf.dtype) for x, leaf in zip(values, self.leaves, strict=True)]
        axes = tuple(-1 if x.ndim > leaf.ndim else None for x, leaf in zip(arrays, self.leaves, strict=True))

        def run(*leaves: Any) -> list[Any]:
            return jax.tree.leaves(self.fn(*jax.tree.unflatten(self.tree, leaves)))

        return jax.vmap(run, in_axes=axes, out_axes=-1)(*arrays)
