"""The field, or a rule's map on its full state, as a family in one or two parameters: F(x, p) with derivatives."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import Partial

from ...dynamics.filippov import DiracSystem, velocity
from ...jax_settings import own_settings
from ...numerics import eigen
from ...numerics.normal_form import Derivatives
from ...pytrees import Pytree
from ...rules import Rule
from ...tracing.host import along, at_once
from ..dynamical_system import map_change
from ..linear.decision import heights
from ..linear.parameter_handle import ParameterHandle
from ..linear.probing import rest_state
from ..linear.settings import LinearSettings
from .parametrised_flow import ParametrisedFlow
from .varying_parameters import Corners, VaryingParameters, numbers_at

_FEW, _AT_ONCE = 8, 64  # states of one compiled program
_Motion = tuple[Partial, float | None]  # F as a traced function of x and p, and what it takes besides


class Family:
    """F(x, p): the velocity of the flow, or step^k(x) - x of a rule on everything that it remembers.

    Attributes:
        around: the settings whose parameters vary.
        parameters: those that vary.
        flow: the flow over them.
        dim: dimension d; phi and theta are the first 2d entries of x.
        discrete: whether it is a rule's map.
        times: k, applications of the map; None for one about its rest, linear as it truly is there.
    """

    def __init__(
        self, around: LinearSettings, handles: Sequence[ParameterHandle], times: int | None = None
    ) -> None:
        self.parameters, self.times = VaryingParameters(around, handles), times
        self.flow = ParametrisedFlow(self.parameters)
        self.around, self.dim, self.discrete = around, len(around.x0), around.discrete

    @property
    def handles(self) -> tuple[ParameterHandle, ...]:
        """The parameters that vary; p has one entry for each, (P,)."""
        return self.parameters.handles

    def line(self, k: int, held: float) -> Family:
        """The family in which parameter k alone varies, of one in two parameters; compiled as one with it."""
        made = copy.copy(self)
        made.parameters = self.parameters.line(k, held)
        made.flow = ParametrisedFlow(made.parameters)
        return made

    @property
    def _motion(self) -> Callable[..., Array]:
        """F as a traced function of the corners, x0, x, p and :attr:`_extra`."""
        return change_once if self.times == 1 else change_of

    @property
    def _extra(self) -> float | None:
        """What F takes besides."""
        return None if self.times == 1 else self.times

    @property
    def kind(self) -> str:
        """What a branch of it consists of."""
        if not self.discrete:
            return "equilibria"
        return f"orbits of period {self.period}" if (self.times or 1) > 1 else "fixed points"

    @property
    def period(self) -> int:
        """Iterations of the rule in one application of the map; 1 of the flow."""
        rule = self.around.rule
        return (self.times or 1) * (1 if rule is None else rule.period)

    def players(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """phi and theta in states (..., n)."""
        return states[..., : self.dim], states[..., self.dim : 2 * self.dim]

    def counted(self, values: np.ndarray) -> np.ndarray:
        """Those of the eigenvalues that belong to the motion itself."""
        return values

    def repeated(self, times: int) -> Family:
        """The family of the map applied ``times`` times; itself where that is what it is, also away from its rest."""
        rule = self.around.rule
        linear = self.times is None and rule is not None and rule.differs_at_rest
        same = times == (self.times or 1) and not linear
        return self if same else Family(self.around, self.handles, times)

    def rest(self, players: np.ndarray, ps: Sequence[float] | np.ndarray) -> np.ndarray:
        """The full state of players that have rested at (phi, theta) for ever."""
        if not self.discrete:
            return np.asarray(players, float)
        with own_settings(True):
            return np.asarray(
                _rest(
                    self.parameters.corners,
                    self.parameters.x0,
                    np.asarray(players, float),
                    self.parameters.all(ps),
                )
            )

    def equations(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """F and its Jacobian at u = (x, p), (n,) and (n, n + P)."""
        value, change = self._along(_once, *self.split(u), np.eye(len(u)))
        return value[0], change.T

    def equations_with_slopes(self, u: np.ndarray, free: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """F, its Jacobian, and how that by x changes along the last ``free`` entries of u, p included, (free, n, n)."""
        (x, ps), axes = self.split(u), np.eye(len(u))
        n, first = len(x), len(u) - free
        pairs = np.repeat(axes[:n], free, axis=0), np.tile(axes[first:], (n, 1))
        value, by_x, by_free, bent = self._along(_twice, x, ps, *pairs)
        slope = np.concatenate([by_x[::free], by_free[n - first : free]]).T
        return value[0], slope, bent.reshape(n, free, n).transpose(1, 2, 0)

    def at_many(self, xs: np.ndarray, ps: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """F and the matrix whose eigenvalues count at many states, (m, n) and (m, n, n)."""
        m, n = xs.shape
        value, change = self._along(_once, np.repeat(xs, n, axis=0), ps, np.tile(np.eye(n), (m, 1)))
        slope = change.reshape(m, n, n).transpose(0, 2, 1)
        return value[::n], slope + (np.eye(n) if self.discrete else 0.0)

    def _along(
        self, fn: Callable[..., Pytree], xs: np.ndarray, ps: Sequence[float] | np.ndarray, *ways: np.ndarray
    ) -> list[np.ndarray]:
        """F's derivatives along directions of u, or of x alone, as ``fn`` takes them, at one state or at as many.

        By NumPy where F has a scalar program, so that nothing is compiled.
        """
        n = xs.shape[-1]
        fixed = (Partial(self._motion, *self.parameters.given), self._extra)
        moving = xs, self.parameters.all(ps), *(self.parameters.directions(n, w) for w in ways)
        found = along(fn, fixed, *moving)
        return _compiled(fn, fixed, *moving) if found is None else found

    def fixed(
        self, ps: Sequence[float] | np.ndarray
    ) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """F and its Jacobian as functions of x alone."""

        def function(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            value, slope = self.equations(np.append(x, ps))
            return value, slope[:, : len(x)]

        return function

    def split(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The parts x and p of u = (x, p)."""
        count = len(self.handles)
        return u[: len(u) - count], u[len(u) - count :]

    def matrix(self, slope: np.ndarray) -> np.ndarray:
        """The Jacobian whose eigenvalues or multipliers count, of that of F at u."""
        a = slope[:, : len(slope)]
        return a + np.eye(len(a)) if self.discrete else a

    def spectrum(self, slope: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Eigenvalues by decreasing growth rate (real part, or modulus - 1), these rates, and how far each may be off.

        The bounds are those of every linearisation.
        """
        values, errors = eigen.eigenvalues(self.matrix(slope))
        growth = heights(values, self.discrete) - (1.0 if self.discrete else 0.0)
        order = np.argsort(-growth, kind="stable")
        return values[order], growth[order], errors[order]

    def derivatives(self, x: np.ndarray, ps: Sequence[float] | np.ndarray) -> Derivatives:
        """The first three derivatives of the field or of the map, for a normal form."""
        curved = self._itself

        def second(*ways: np.ndarray) -> np.ndarray:
            return curved._along(_twice, x, ps, *ways)[-1]

        def third(*ways: np.ndarray) -> np.ndarray:
            return curved._along(_thrice, x, ps, *ways)[-1]

        return Derivatives(self.matrix(self.equations(np.append(x, ps))[1]), second, third)

    def curvatures(
        self, xs: np.ndarray, ps: Sequence[float] | np.ndarray, way: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """F''(v, v) and F'''(v, v, v) along one direction of x at many states, (m, n) each."""
        second, third = self._itself._along(_thrice, xs, ps, *[np.broadcast_to(way, xs.shape)] * 3)
        return second, third

    @property
    def _itself(self) -> Family:
        """That of the map itself, where it has further derivatives than the one that it shares with its rest's."""
        rule = self.around.rule
        if rule is None or not rule.differs_at_rest or self.roughness:
            return self
        made = copy.copy(self)
        made.times = self.times or 1
        return made

    def slope_along(self, u: np.ndarray, tangent: np.ndarray) -> np.ndarray:
        """How the Jacobian changes along a direction of u, (n, n)."""
        x, ps = self.split(u)
        return self._along(_twice, x, ps, np.eye(len(x)), np.tile(tangent, (len(x), 1)))[-1].T

    @property
    def roughness(self) -> str:
        """Empty, or why the map has no second derivative at a fixed point although it has a first one."""
        rule = self.around.rule
        if rule is None or rule.is_smooth_at_rest:
            return ""
        return f"the map of {rule.name} has no second derivative at rest, so that no normal form tells what is born"


@jax.jit
def change_of(corners: Corners, x0: Array, x: Array, ps: Array, times: Array | int | None) -> Array:
    """F(x, p), traced; ``times`` applications of a map, None for one about its rest."""
    variant, rates, rule = numbers_at(corners, ps)
    system = DiracSystem(variant, x0, rates, None)
    if rule is None:
        return velocity(system, x)
    if times is None:
        return map_change(system, rule.at_rest, x)
    return jax.lax.fori_loop(0, times, lambda _, y: y + map_change(system, rule.bias_corrected, y), x) - x


def change_once(corners: Corners, x0: Array, x: Array, ps: Array, _: None) -> Array:
    """The same for one application, also far from rest, without a loop."""
    variant, rates, rule = numbers_at(corners, ps)
    system = DiracSystem(variant, x0, rates, None)
    return velocity(system, x) if rule is None else map_change(system, rule.bias_corrected, x)


def _field(fixed: _Motion, x: Array, ps: Array) -> tuple[Callable[[Array], Array], Array]:
    """F as a function of u = (x, p) of all numbers, and u."""
    motion, extra = fixed
    n = len(x)
    return lambda u: motion(u[:n], u[n:], extra), jnp.concatenate([x, ps])


def _once(fixed: _Motion, x: Array, ps: Array, v: Array) -> tuple[Array, Array]:
    """F and F'(v)."""
    field, u = _field(fixed, x, ps)
    return jax.jvp(field, (u,), (v,))


def _twice(fixed: _Motion, x: Array, ps: Array, v: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    """F, F'(v), F'(w) and F''(v, w)."""
    field, u = _field(fixed, x, ps)
    (value, by_v), (by_w, both) = jax.jvp(lambda u: jax.jvp(field, (u,), (v,)), (u,), (w,))
    return value, by_v, by_w, both


def _thrice(fixed: _Motion, x: Array, ps: Array, v: Array, w: Array, z: Array) -> tuple[Array, Array]:
    """F''(v, w) and F'''(v, w, z)."""
    field, u = _field(fixed, x, ps)
    return jax.jvp(_pushed(_pushed(field, v), w), (u,), (z,))


def _pushed(f: Callable[[Array], Array], way: Array) -> Callable[[Array], Array]:
    return lambda u: jax.jvp(f, (u,), (way,))[1]


def _compiled(
    fn: Callable[..., Pytree], fixed: _Motion, xs: np.ndarray, ps: np.ndarray, *ways: np.ndarray
) -> list[np.ndarray]:
    """``fn`` at a state or at many, in blocks, so that two programs at most are compiled for all counts of these."""
    count = len(ways[0])
    size = _FEW if count <= _FEW else _AT_ONCE
    moving = [np.broadcast_to(xs, (count, xs.shape[-1])), *ways]
    rows = np.minimum(np.arange(-(-count // size) * size), count - 1).reshape(-1, size)
    with own_settings(True):
        found = [_at_many(fn, fixed, ps, *(part[block] for part in moving)) for block in rows]
    return [np.concatenate([np.asarray(x) for x in parts])[:count] for parts in zip(*found, strict=True)]


@functools.partial(jax.jit, static_argnums=0)
def _at_many(
    fn: Callable[..., Pytree], fixed: _Motion, ps: Array, xs: Array, *ways: Array
) -> tuple[Array, ...]:
    return jax.vmap(lambda x, *ways: fn(fixed, x, ps, *ways))(xs, *ways)


@at_once()
def _rest(corners: Corners, x0: Array, players: Array, ps: Array) -> Array:
    variant, rates, rule = numbers_at(corners, ps)
    assert isinstance(rule, Rule)
    return rest_state(DiracSystem(variant, x0, rates, None), rule, players)
