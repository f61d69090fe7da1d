"""A motion that can be followed for as long as wanted: the flow, or the iterations of a rule, behind one face."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..dynamics import filippov
from ..dynamics.engines import TimeSpan
from ..dynamics.event_loop import event_loop
from ..dynamics.filippov import DiracSystem, Regime
from ..dynamics.regimes import integrate
from ..game import Players
from ..rules import Rule, State, init, step


class Stretch(NamedTuple):
    """A piece of a motion.

    Attributes:
        t: times or iterations from the motion's start, (rows,).
        zs: phi and theta there, (rows, 2d).
        end: where it ended, to be handed back to ``advance``.
        time: its time or iteration.
        result: ok, diverged, stiff, max steps or stuck; ``when`` and ``why`` say more.
        cost: field evaluations, roughly.
        switchings: surfaces that were met.
    """

    t: np.ndarray
    zs: np.ndarray
    end: Any
    time: float
    result: str
    when: float
    why: str
    cost: float
    switchings: int


class DynamicalSystem(Protocol):
    """What the verdict needs of a motion; ``flat`` states are vectors of everything that evolves."""

    discrete: bool
    dim: int
    stride: int  # units of time in one application of ``change``

    def begin(self, phi: np.ndarray, theta: np.ndarray) -> Any:
        """The state at the start."""
        ...

    def advance(self, state: Any, time: float, span: float, rows: int) -> Stretch:
        """Follow the motion for ``span``, with ``rows`` equispaced rows (0: only its end)."""
        ...

    def flat(self, state: Any) -> np.ndarray:
        """The state as a vector, phi and theta first."""
        ...

    def change(self, flat: np.ndarray, side: Any = None) -> np.ndarray:
        """F(z), or step(z) - z."""
        ...

    def jacobian(self, flat: np.ndarray, side: Any = None) -> np.ndarray:
        """Of :meth:`change`."""
        ...

    @property
    def near_rest(self) -> DynamicalSystem:
        """The motion about its rest points, with the derivative that it truly has there."""
        ...


ROWS = 1024
_RTOL, _ATOL = 1e-11, 1e-14  # of the motion followed; the second times its size, where that is below 1
_EPS, _LEAST = 1e-4, 1e-280  # tolerances below rounding buy nothing
_EVALUATIONS = {"per step": 13.0, "per switching": 7.0e3}


class ContinuousSystem:
    """The flow of a system, followed tightly and with its switchings located."""

    discrete = False

    def __init__(self, system: DiracSystem) -> None:
        self.system, self.dim, self.stride = system, system.dim, 1

    def begin(self, phi: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """The state at the start."""
        return np.concatenate([phi, theta])

    def flat(self, state: np.ndarray) -> np.ndarray:
        """The state as a vector, phi and theta first."""
        return state

    def advance(
        self, state: np.ndarray, time: float, span: float, rows: int, loosened: float = 1.0
    ) -> Stretch:
        """Follow the motion; see :class:`DynamicalSystem`."""
        ts = np.linspace(0.0, span, ROWS) if rows else np.full(ROWS, span)
        atol = _ATOL * min(1.0, self._size(state))
        asked = TimeSpan(0.0, span, ts, loosened * _RTOL, loosened * atol)
        out = integrate(event_loop, self.system, state, asked)
        cost = _EVALUATIONS["per step"] * out.steps + _EVALUATIONS["per switching"] * len(out.events)
        return Stretch(
            time + ts,
            out.ys,
            out.y,
            time + out.t,
            out.result,
            time + out.when,
            out.text,
            cost,
            len(out.events),
        )

    def _size(self, state: np.ndarray) -> float:
        """The distance from (0, x0), which the absolute tolerance follows: a tiny motion is followed as tightly."""
        d = self.dim
        off = np.concatenate([state[:d], state[d:] - np.asarray(self.system.x0)])
        return max(float(np.linalg.norm(off)), _EPS * float(np.max(np.abs(state))), _LEAST)

    def side(self, flat: np.ndarray) -> Regime:
        """The smooth piece in which a state lies."""
        return filippov.start(self.system, flat)

    def change(self, flat: np.ndarray, side: Regime | None = None) -> np.ndarray:
        """See :class:`DynamicalSystem`."""
        return np.asarray(_flow(self.system, flat, side or self.side(flat)))

    def jacobian(self, flat: np.ndarray, side: Regime | None = None) -> np.ndarray:
        """See :class:`DynamicalSystem`."""
        return np.asarray(_flow_slope(self.system, flat, side or self.side(flat)))

    @property
    def near_rest(self) -> ContinuousSystem:
        """Itself."""
        return self


_flow = jax.jit(filippov.flow_in)
_flow_slope = jax.jit(jax.jacfwd(filippov.flow_in, 1))


class DiscreteSystem:
    """The iterations of a rule; one unit of time is one iteration."""

    discrete = True

    def __init__(self, system: DiracSystem, rule: Rule) -> None:
        self.system, self.dim, self.stride = system, system.dim, rule.period
        self.rule = dirac.cast(dataclasses.replace(rule, ema=None), jnp.float64)  # the average moves nothing

    def begin(self, phi: np.ndarray, theta: np.ndarray) -> State:
        """The state at the start."""
        return _begin(self.system, self.rule, Players(phi, theta))

    def flat(self, state: State) -> np.ndarray:
        """The state as a vector, phi and theta first."""
        return np.asarray(flatten((state.players, state.memory)))

    def advance(self, state: State, time: float, span: float, rows: int) -> Stretch:
        """Follow the motion; see :class:`DynamicalSystem`."""
        every = max(1, round(span / ROWS))
        count = ROWS if rows else 1
        every = every if rows else max(1, round(span))
        last, kept, bad = _rows(self.system, self.rule, state, every, count)
        zs = np.concatenate([np.asarray(kept.phi), np.asarray(kept.theta)], axis=1)
        made = every * count
        t = time + every * np.arange(1, count + 1)
        cost, failed = float(made), int(bad)
        if failed <= made:
            zs = np.where((t >= time + failed)[:, None], np.nan, zs)
            return Stretch(t, zs, last, time + failed, "diverged", time + failed, "", cost, 0)
        return Stretch(t, zs, last, time + made, "ok", np.nan, "", cost, 0)

    def side(self, flat: np.ndarray) -> None:
        """A map needs no piece to be named."""

    def change(self, flat: np.ndarray, side: Any = None) -> np.ndarray:
        """See :class:`DynamicalSystem`."""
        return np.asarray(_map(self.system, self.rule, flat))

    def jacobian(self, flat: np.ndarray, side: Any = None) -> np.ndarray:
        """See :class:`DynamicalSystem`."""
        return np.asarray(_map_slope(self.system, self.rule, flat))

    @property
    def near_rest(self) -> DiscreteSystem:
        """Under the rule's asymptotic map."""
        return _NearRest(self.system, self.rule)


class _NearRest(DiscreteSystem):
    def change(self, flat: np.ndarray, side: Any = None) -> np.ndarray:
        return np.asarray(_rest_map(self.system, self.rule, flat))

    def jacobian(self, flat: np.ndarray, side: Any = None) -> np.ndarray:
        return np.asarray(_rest_slope(self.system, self.rule, flat))


def flatten(tree: Any) -> Array:
    """The floating-point leaves of a pytree as one vector."""
    leaves = [x for x in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
    return jnp.concatenate([jnp.ravel(x) for x in leaves])


def unflatten(like: Any, flat: Array) -> Any:
    """``like`` with its floating-point leaves taken from a vector."""
    leaves, at = [], 0
    for x in jax.tree.leaves(like):
        if jnp.issubdtype(jnp.result_type(x), jnp.floating):
            size = int(np.prod(np.shape(x)))
            leaves.append(flat[at : at + size].reshape(np.shape(x)))
            at += size
        else:
            leaves.append(x)
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


@jax.jit
def _begin(system: DiracSystem, rule: Rule, z: Players) -> State:
    return init(rule, dirac.game(system.variant, system.x0), z)


@functools.partial(jax.jit, static_argnums=4)
def _rows(
    system: DiracSystem, rule: Rule, state: State, every: Array, rows: int
) -> tuple[State, Players, Array]:
    game = dirac.game(system.variant, system.x0)

    def once(_: Any, carry: tuple[State, Array, Array]) -> tuple[State, Array, Array]:
        now, count, bad = carry
        now = step(rule, game, now)
        fine = jnp.max(jnp.abs(jnp.concatenate([*now.players]))) < filippov.LARGEST
        return now, count + 1, jnp.where(fine, bad, jnp.minimum(bad, count + 1))

    def row(carry: Any, _: Any) -> tuple[Any, Players]:
        carry = jax.lax.fori_loop(0, every, once, carry)
        return carry, carry[0].players

    carry, kept = jax.lax.scan(row, (state, jnp.int64(0), jnp.int64(2**62)), None, length=rows)
    return carry[0], kept, carry[2]


def map_change(system: DiracSystem, rule: Rule, flat: Array) -> Array:
    """step(z) - z on the flat full state, for one whole period of the rule, linear about rest as it truly is."""
    game = dirac.game(system.variant, system.x0)
    return _change(rule.linear_map(game), system, rule, flat)


def _far_change(system: DiracSystem, rule: Rule, flat: Array) -> Array:
    """The same wherever the state is."""
    return _change(rule.long_map(dirac.game(system.variant, system.x0)), system, rule, flat)


def _change(whole: Any, system: DiracSystem, rule: Rule, flat: Array) -> Array:
    d = system.dim
    z = Players(flat[:d], flat[d : 2 * d])
    players, memory = unflatten((z, rule.rest(dirac.game(system.variant, system.x0), z)), flat)
    return flatten(whole(players, memory)) - flat


_map = jax.jit(_far_change)
_map_slope = jax.jit(jax.jacfwd(_far_change, 2))
_rest_map = jax.jit(map_change)
_rest_slope = jax.jit(jax.jacfwd(map_change, 2))
