"""One interface to both motions: the flow, and the iterations of a rule."""

from __future__ import annotations

import abc
import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..dynamics import filippov, switchings
from ..dynamics.compiled_loops import rule_loop
from ..dynamics.engines import MAX_STEPS, TimeSpan
from ..dynamics.event_loop import event_loop
from ..dynamics.filippov import DiracSystem, Regime
from ..dynamics.iterations import advance, first_state, started
from ..dynamics.motion_result import MotionResult
from ..dynamics.regimes import integrate
from ..game import Players
from ..numerics.float_range import LARGEST
from ..numerics.normal_form import Derivatives, derivatives
from ..pytrees import Pytree
from ..rules import Rule, State, float_vector, init
from ..tracing import c_compiler
from ..tracing.host import along, bound, program_of


class Stretch(NamedTuple):
    """A piece of a motion.

    Attributes:
        t: times or iterations from the motion's start, (rows,).
        zs: phi and theta there, (rows, 2d).
        end: where it ended, to be handed back to ``advance``.
        time: its time or iteration.
        result: how it ended; ``when`` and ``why`` say more.
        cost: field evaluations, roughly.
        switchings: surfaces that were met.
    """

    t: np.ndarray
    zs: np.ndarray
    end: Pytree
    time: float
    result: MotionResult
    when: float
    why: str
    cost: float
    switchings: int


class DynamicalSystem(abc.ABC):
    """A motion as the verdict asks of it; ``flat`` states are vectors of everything that evolves, players first.

    Attributes:
        discrete: whether it goes in steps.
        period: units of time in one application of ``change``.
        price: how many evaluations of a field without a long sum one of this field takes as long as.
    """

    discrete: ClassVar[bool]

    def __init__(self, system: DiracSystem, period: int = 1) -> None:
        self.system, self.dim, self.period = system, system.dim, period
        self.price = _price(system)
        self._last: tuple[np.ndarray, Regime | None, tuple[np.ndarray, np.ndarray]] | None = None
        self._pieces: dict[bytes, Callable[..., list[np.ndarray]] | None] = {}

    @abc.abstractmethod
    def begin(self, phi: np.ndarray, theta: np.ndarray) -> Pytree:
        """The state at the start."""

    @abc.abstractmethod
    def advance(self, state: Pytree, time: float, span: float, rows: int) -> Stretch:
        """Follow the motion for ``span``, with ``rows`` equispaced rows (0: only its end)."""

    @abc.abstractmethod
    def flat(self, state: Pytree) -> np.ndarray:
        """The state as a vector."""

    def change(self, flat: np.ndarray, side: Regime | None = None) -> np.ndarray:
        """F(z), or step(z) - z; on the smooth piece ``side``."""
        return self._seen(flat, side)[0]

    def as_it_stands(self, flat: np.ndarray) -> np.ndarray:
        """:meth:`change` by the losses themselves, whatever surface is met there: quicker, where many are asked for."""
        return self.change(flat)

    def begun(self, zs: np.ndarray) -> np.ndarray:
        """The flat states at the starts ``zs``, (P, 2d) -> (P, n)."""
        return np.array([self.flat(self.begin(*np.split(z, 2))) for z in zs])

    def at_many(self, flats: np.ndarray) -> np.ndarray:
        """:meth:`as_it_stands` at many states at once, (P, n)."""
        return np.array([self.as_it_stands(flat) for flat in flats])

    def jacobian(self, flat: np.ndarray, side: Regime | None = None) -> np.ndarray:
        """Of :meth:`change`."""
        return self._seen(flat, side)[1]

    def side(self, flat: np.ndarray) -> Regime | None:
        """The smooth piece in which a state lies; None where none has to be named."""
        return None

    def ways(self, flat: np.ndarray, side: Any) -> np.ndarray:
        """An orthonormal basis of the directions in which the motion may go on a smooth piece, (n, k)."""
        return np.eye(len(flat))

    @abc.abstractmethod
    def _value_and_slope(self, flat: np.ndarray, side: Regime | None) -> tuple[np.ndarray, np.ndarray]:
        """The change and its Jacobian."""

    def _seen(self, flat: np.ndarray, side: Regime | None) -> tuple[np.ndarray, np.ndarray]:
        """The same, kept for the last state: callers that need one of the two usually need the other as well."""
        if self._last is None or self._last[1] is not side or not np.array_equal(self._last[0], flat):
            self._last = np.array(flat), side, self._value_and_slope(flat, side)
            for kept in self._last[2]:
                kept.flags.writeable = False
        return self._last[2]

    def _by_numpy(
        self, pushed: Callable[..., Any], given: Pytree, key: bytes, flat: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """A function and its derivative at a point, (n,) and (n, n); None where it has no scalar program.

        Args:
            pushed: (given, z, a direction) -> the value and its change in that direction; of the module's level.
            given: its first argument, which ``key`` names.
            key: see ``given``.
            flat: the point.
        """
        if key not in self._pieces:
            self._pieces[key] = bound(pushed, given, flat, flat)
        piece, n = self._pieces[key], len(flat)
        if piece is None:
            return None
        values, slopes = piece(np.broadcast_to(flat, (n, n)), np.eye(n))
        return values[0], slopes.T

    @property
    def near_rest(self) -> DynamicalSystem:
        """The motion about its rest points, with the derivative that it truly has there."""
        return self


ROWS = 1024
_RTOL, _ATOL = 1e-11, 1e-14  # of the motion followed; the second times its size
_EPS, _LEAST = 1e-4, 1e-280  # tolerances below rounding buy nothing
_MOST_SWITCHINGS = 20_000
_EVALUATIONS = (
    13.0,
    1.0e3,
    1.4e4,
)  # of a step, a crossing in a compiled loop, a switching that it comes back from
_WITHOUT_C = (13.0, 1.4e4, 1.4e4)  # no compiled loop passes a switching
_APART = 1e-8  # of the largest singular value: surfaces whose gradients leave less are tangent to each other
_DECADES, _HALVINGS = 160, 45  # towards where a step has a value; of the last decade, down to rounding
_TERMS = 400.0  # operations of a long sum that take as long as a field without one


def _price(system: DiracSystem) -> float:
    """What an evaluation of the field counts: a mean over noise is a sum over hundreds of nodes."""
    if "noise" not in system.variant.extras:
        return 1.0
    program = program_of(filippov.frozen_velocity, system, np.zeros(2 * system.dim))
    return 1.0 if program is None else 1.0 + program.terms / _TERMS


class ContinuousSystem(DynamicalSystem):
    """The flow of a system, followed tightly and with its switchings located."""

    discrete = False

    def __init__(self, system: DiracSystem, most: float = math.inf) -> None:
        """``most``: field evaluations after which following it is given up; each later stretch may take an eighth."""
        super().__init__(system)
        self._left, self._least = most, most / 8.0

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
        atol = _ATOL * self._size(state)
        most = max(self._left, self._least) / self.price
        prices = _EVALUATIONS if c_compiler.available() else _WITHOUT_C
        limits = (
            1 + int(min(MAX_STEPS, most / prices[0])),
            1 + int(min(_MOST_SWITCHINGS, most / prices[1])),
        )
        out = integrate(
            event_loop,
            self.system,
            state,
            TimeSpan(0.0, span, ts, loosened * _RTOL, loosened * atol, *limits),
            before=time,
        )
        times = (out.steps, out.passed, len(out.events) - out.passed)
        cost = self.price * float(np.dot(times, prices))
        self._left -= cost
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

    def as_it_stands(self, flat: np.ndarray) -> np.ndarray:
        """See :class:`DynamicalSystem`."""
        return np.asarray(filippov.natural_velocity(self.system, flat))

    def at_many(self, flats: np.ndarray) -> np.ndarray:
        """See :class:`DynamicalSystem`."""
        found = along(filippov.natural_velocity, self.system, flats)
        return super().at_many(flats) if found is None else found[0]

    def side(self, flat: np.ndarray) -> Regime:
        """The smooth piece in which a state lies."""
        return self._only_piece or switchings.start(self.system, flat)

    @functools.cached_property
    def _only_piece(self) -> Regime | None:
        """Where nothing switches, the whole; else None."""
        return None if filippov.surface_count(self.system) else filippov.plain(np.zeros(0))

    def ways(self, flat: np.ndarray, side: Regime) -> np.ndarray:
        """Along the surfaces slid upon; see :class:`DynamicalSystem`."""
        if not side.sliding:
            return super().ways(flat, side)
        normals = np.asarray(filippov.look(self.system, flat, side.modes).normals)[np.asarray(side.surfaces)]
        _, sizes, ways = np.linalg.svd(normals)
        return ways[np.sum(sizes > _APART * sizes[0]) :].T

    def _value_and_slope(self, flat: np.ndarray, side: Regime | None) -> tuple[np.ndarray, np.ndarray]:
        side = side or self.side(flat)
        if not side.sliding:
            key = np.asarray(side.modes).tobytes()
            found = self._by_numpy(_branch_along, (self.system, side.modes), key, flat)
            if found is not None and np.all(np.isfinite(found[0])):
                return found
        value, slope = map(np.asarray, _flow(self.system, flat, side))
        return value, slope


def _branch_along(given: tuple[DiracSystem, Array], y: Array, way: Array) -> tuple[Array, Array]:
    system, modes = given
    frozen = modes if modes.shape[0] else None
    return jax.jvp(lambda y: filippov.frozen_velocity(system, y, frozen), (y,), (way,))


def runge_kutta_step(system: DiracSystem, y: Array, h: Array) -> Array:
    """The state of a flow after one step of the classical method of order 4; traceable."""
    k1 = filippov.velocity(system, y)
    k2 = filippov.velocity(system, y + h / 2 * k1)
    k3 = filippov.velocity(system, y + h / 2 * k2)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + filippov.velocity(system, y + h * k3))


def field_derivatives(system: DiracSystem, z: np.ndarray) -> Derivatives:
    """The derivatives of a smooth field at a point: its normal form is made from them."""
    if program_of(_thrice_along, system, *[z] * 4) is None:
        return derivatives(functools.partial(filippov.velocity, system), z)

    def by_numpy(fn: Callable[..., Any], *ways: np.ndarray) -> np.ndarray:
        found = along(fn, system, z, *ways)
        return np.full(ways[0].shape, np.nan) if found is None else found[0]

    second, third = (functools.partial(by_numpy, fn) for fn in (_twice_along, _thrice_along))
    return Derivatives(ContinuousSystem(system).jacobian(z), second, third)


def _twice_along(system: DiracSystem, y: Array, u: Array, v: Array) -> Array:
    def once(y: Array) -> Array:
        return jax.jvp(lambda y: filippov.frozen_velocity(system, y), (y,), (u,))[1]

    return jax.jvp(once, (y,), (v,))[1]


def _thrice_along(system: DiracSystem, y: Array, u: Array, v: Array, w: Array) -> Array:
    return jax.jvp(lambda y: _twice_along(system, y, u, v), (y,), (w,))[1]


@jax.jit
def _flow(system: DiracSystem, flat: Array, side: Regime) -> tuple[Array, Array]:
    """The velocity and its derivative: one program, for two would compile the losses twice."""
    return _with_slope(lambda y: filippov.flow_in(system, y, side), flat)


def _with_slope(f: Callable[[Array], Array], y: Array) -> tuple[Array, Array]:
    values, slopes = jax.vmap(lambda w: jax.jvp(f, (y,), (w,)))(jnp.eye(len(y)))
    return values[0], slopes.T


class DiscreteSystem(DynamicalSystem):
    """The iterations of a rule; one unit of time is one iteration."""

    discrete = True

    def __init__(self, system: DiracSystem, rule: Rule, near_rest: bool = False) -> None:
        """Of a system and a rule; its ``change`` is that of the rule which has run for long."""
        super().__init__(system, rule.period)
        self.rule = dirac.cast(dataclasses.replace(rule, ema=None), jnp.float64)  # the average moves nothing
        self.long_run = self.rule.at_rest_as_remembered if near_rest else self.rule.bias_corrected

    def begin(self, phi: np.ndarray, theta: np.ndarray) -> State:
        """The state at the start."""
        return first_state(self.system.variant, self.rule, self.system.x0, Players(phi, theta))

    def flat(self, state: State) -> np.ndarray:
        """The state as a vector, phi and theta first."""
        parts = [np.asarray(x) for x in jax.tree.leaves((state.players, state.memory))]
        return np.concatenate([x.ravel() for x in parts if x.dtype.kind == "f"])

    def begun(self, zs: np.ndarray) -> np.ndarray:
        """See :class:`DynamicalSystem`."""
        found = along(_remembered, (self.system, self.rule), zs)
        return super().begun(zs) if found is None else np.concatenate(found, axis=1)

    def at_many(self, flats: np.ndarray) -> np.ndarray:
        """See :class:`DynamicalSystem`."""
        found = along(map_along, (self.system, self.long_run), flats, flats)
        return super().at_many(flats) if found is None else found[0]

    def advance(self, state: State, time: float, span: float, rows: int) -> Stretch:
        """Follow the motion; see :class:`DynamicalSystem`."""
        count = ROWS if rows else 1
        every = max(1, round(span / count))
        counts = np.zeros(ROWS, int)  # of one shape with and without rows, for one program
        counts[:count] = every
        t, made = time + np.cumsum(counts[:count]), every * count
        end, zs, failed = self._moved(state, counts)
        zs = zs[:count]
        if failed is not None:
            zs = np.where((t >= time + failed)[:, None], np.nan, zs)
            when = time + failed
            why = self._without_a_value(state, failed, when)
            result = MotionResult.STIFF if why else MotionResult.DIVERGED
            return Stretch(t, zs, end, when, result, when, why, self.price * made, 0)
        return Stretch(t, zs, end, time + made, MotionResult.OK, np.nan, "", self.price * made, 0)

    def _without_a_value(self, state: State, failed: int, when: float) -> str:
        """Why the first bad step is none, as where an implicit equation has no solution; "" where it is too large."""
        counts = np.zeros(ROWS, int)
        counts[:2] = failed - 1, 1
        before, after = self._moved(state, counts)[1][:2]
        if np.any(np.abs(after) >= LARGEST) or self._overflows(before):
            return ""
        return f"iteration {when:.0f} has no finite value, from |z| = {np.linalg.norm(before):.3g}"

    def _overflows(self, z: np.ndarray) -> bool:
        """Whether a step has no value as its terms leave the float range: nearer by it leads beyond the largest.

        One that takes many powers leads there from a narrow range of distances alone, next to where it has no value.
        """
        counts = np.zeros(ROWS, int)
        counts[0] = 1

        def reached(decades: float) -> float:
            share = 10.0**-decades
            return float(np.max(np.abs(self._moved(self.begin(*np.split(share * z, 2)), counts)[1][0])))

        near = next((k for k in range(1, _DECADES) if np.isfinite(reached(k))), None)
        if near is None:
            return False
        finite, without = float(near), near - 1.0
        for _ in range(_HALVINGS):
            middle = 0.5 * (finite + without)
            finite, without = (middle, without) if np.isfinite(reached(middle)) else (finite, middle)
        return reached(finite) >= LARGEST

    def _moved(self, state: State, counts: np.ndarray) -> tuple[State, np.ndarray, int | None]:
        """The end of so many steps, the players' rows in between, and the first bad step."""
        loop = rule_loop(self.system, self.rule, state)
        if loop is not None:
            return loop(state, counts, LARGEST)
        start = self.system.variant, self.rule, self.system.x0, None, started(state)
        last, kept = advance(*start, counts, LARGEST)
        zs = np.concatenate([np.asarray(p) for p in kept], axis=1)
        return last.state, zs, int(last.bad) if last.bad <= counts.sum() else None

    def _value_and_slope(self, flat: np.ndarray, side: Regime | None) -> tuple[np.ndarray, np.ndarray]:
        found = self._by_numpy(map_along, (self.system, self.long_run), b"", flat)
        if found is not None:
            return found
        value, slope = map(np.asarray, _map(self.system, self.long_run, flat))
        return value, slope

    @property
    def near_rest(self) -> DiscreteSystem:
        """Under the rule's map at rest."""
        return self._near_rest

    @functools.cached_property
    def _near_rest(self) -> DiscreteSystem:
        return DiscreteSystem(self.system, self.rule, near_rest=True)


def _remembered(given: tuple[DiracSystem, Rule], y: Array) -> list[Array]:
    """The flat full state at a start, in parts."""
    system, rule = given
    state = init(rule, dirac.game(system.variant, system.x0), filippov.unpack(system, y))
    leaves = jax.tree.leaves((state.players, state.memory))
    return [jnp.ravel(x) for x in leaves if jnp.issubdtype(jnp.result_type(x), jnp.floating)]


@jax.jit
def map_change(system: DiracSystem, rule: Rule, flat: Array) -> Array:
    """step(z) - z on the flat full state, for one whole period of the rule: ``at_rest``, or ``bias_corrected``.

    Traced once for all derivatives that are taken of it.
    """
    game = dirac.game(system.variant, system.x0)
    z = filippov.unpack(system, flat)
    _, restore = float_vector((z, rule.rest(game, z)))
    return float_vector(rule.over_a_period(game)(*restore(flat)))[0] - flat


def map_along(given: tuple[DiracSystem, Rule], y: Array, way: Array) -> tuple[Array, Array]:
    """The change of the flat full state, and its derivative along a way."""
    return jax.jvp(lambda y: map_change(*given, y), (y,), (way,))


@jax.jit
def _map(system: DiracSystem, rule: Rule, flat: Array) -> tuple[Array, Array]:
    """The change and its derivative, likewise."""
    return _with_slope(lambda y: map_change(system, rule, y), flat)
