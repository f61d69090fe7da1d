"""What moves an ensemble: the field of a variant, or one iteration of a rule, as a program on scalars."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .. import dirac
from ..dynamics.rules import Rule, init, step
from ..game import Players
from ..lanes import NotApart, Program, trace
from ..variants import Variant


class System(NamedTuple):
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
class Motion:
    """A system's programs. Scalars go in as the system's leaves, then the state's; they come out as the state's.

    Attributes:
        advance: the velocity, or the state after one iteration.
        begin: the players -> the rule's whole state; None for the flow.
        size: how many scalars the players have, 2 d.
        ema: where the averaged players stand in the state; None where there are none.
        note: why it does not run at full speed, or "".
    """

    advance: Callable[[Sequence[Any]], list[Any]]
    begin: Callable[[Sequence[Any]], list[Any]] | None
    size: int
    ema: slice | None
    note: str

    def lanes(self, system: Sequence[bool]) -> list[bool]:
        """Which entries of a rule's state vary over trajectories, given which leaves of the system do."""
        players = [True] * self.size
        if self.begin is None:
            return players
        if not isinstance(self.begin, Program) or not isinstance(self.advance, Program):
            return [True] * self.begin.entries  # type: ignore[attr-defined]
        state = self.begin.spread([*system, *players])
        while True:
            after = [a or b for a, b in zip(state, self.advance.spread([*system, *state]), strict=True)]
            if after == state:
                return state
            state = after


def motion(system: System, dim: int, dtype: Any) -> Motion:
    """The programs of ``system`` in ``dim`` dimensions: made once for all values of its numbers.

    Example:
        >>> import diracgan as dg
        >>> motion(System(dg.variant("ns"), None, None, None), 2, "float64").note
        ''
    """
    return _motion(jax.tree.structure(system), dim, np.dtype(dtype), bool(jax.config.jax_enable_x64))


@functools.lru_cache(maxsize=512)
def _motion(structure: Any, dim: int, dtype: np.dtype, double: bool) -> Motion:
    scalar, vector = jax.ShapeDtypeStruct((), dtype), jax.ShapeDtypeStruct((dim,), dtype)
    system = jax.tree.unflatten(structure, [scalar] * structure.num_leaves)
    players = Players(vector, vector)
    if system.rule is None:
        advance, notes = _apart(_velocity, system, players)
        return Motion(advance, None, 2 * dim, None, notes)
    state = jax.eval_shape(_begin, system, players)
    begin, note = _apart(_begin, system, players)
    advance, notes = _apart(_iterate, system, state)
    if not (isinstance(begin, Program) and isinstance(advance, Program)):  # of one kind, so that their states agree
        begin, advance = _Mapped(_begin, system, players), _Mapped(_iterate, system, state)
    total = sum(leaf.size for leaf in jax.tree.leaves(state))
    ema = None if state.ema is None else slice(total - 2 * dim, total)
    return Motion(advance, begin, 2 * dim, ema, notes or note)


def datum(system: System, like: Any) -> Any:
    """The datum as a vector like ``like``."""
    return jnp.zeros(like.shape, like.dtype) if system.x0 is None else jnp.stack(system.x0).astype(like.dtype)


def _velocity(system: System, players: Players) -> Players:
    v = dirac.game(system.variant, datum(system, players.theta)).motion(players)
    return v if system.rates is None else Players(system.rates.phi * v.phi, system.rates.theta * v.theta)


def _begin(system: System, players: Players) -> Any:
    assert system.rule is not None
    return init(system.rule, dirac.game(system.variant, datum(system, players.theta)), players)


def _iterate(system: System, state: Any) -> Any:
    assert system.rule is not None
    return step(system.rule, dirac.game(system.variant, datum(system, state.players.theta)), state)


def _apart(fn: Callable[..., Any], *examples: Any) -> tuple[Any, str]:
    try:
        program = trace(fn, *examples)
    except NotApart as why:
        return _Mapped(fn, *examples), f"not taken apart: {why}"
    note = f"partly taken apart: {', '.join(program.whole)} run on stacked arrays" if program.whole else ""
    return program, note


class _Mapped:
    """The same interface where a function cannot be taken apart: jax.vmap over trajectories, a few times slower."""

    def __init__(self, fn: Callable[..., Any], *examples: Any) -> None:
        self.fn = fn
        self.leaves, self.tree = jax.tree.flatten(examples)
        self.entries = sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(fn, *examples)))

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        rest = iter(values)
        arrays, axes = [], []
        for leaf in self.leaves:
            entries = [jnp.asarray(next(rest), leaf.dtype) for _ in range(leaf.size)]
            lanes = next((x.shape for x in entries if x.ndim), ())
            stacked = jnp.stack([jnp.broadcast_to(x, lanes) for x in entries]) if entries else jnp.zeros((0, *lanes))
            arrays.append(stacked.reshape(*leaf.shape, *lanes))
            axes.append(-1 if lanes else None)

        def run(*leaves: Any) -> list[Any]:
            out = self.fn(*jax.tree.unflatten(self.tree, leaves))
            return [jnp.ravel(x) for x in jax.tree.leaves(out)]

        return [row for x in jax.vmap(run, in_axes=tuple(axes), out_axes=-1)(*arrays) for row in x]
