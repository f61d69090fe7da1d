"""The Dirac game as a piecewise smooth system: regimes, their guards, and the motion where one ends.

Between its switching surfaces the field is smooth, and an integrator sees only one smooth piece at a time: a *regime*
with its branches frozen. A regime ends where a *guard* falls below 0. There the trajectory crosses, or, where the field
points at the surface from both sides, slides along it by Filippov's rule.

References:
    Filippov 1988, Differential Equations with Discontinuous Righthand Sides, chapter 2.
"""

# A regime's arrays are traced or of the host, as the caller's are: functions take both, and are declared for one.
# pyright: reportArgumentType=false

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..game import Game, Players, Sites
from ..jax_settings import own_settings
from ..numerics.float_range import LARGEST
from ..tracing.host import at_once
from ..variants import Variant

#: Of the state: how far below 0 the guard of a surface may fall on which a regime starts, so that it can leave it.
SLACK = 1e-13


class DiracSystem(NamedTuple):
    """What flows: the variant, the datum (d,), the players' rates and the time constant of the EMA, or None."""

    variant: Variant
    x0: Array
    rates: Players
    tau: Array | None

    @property
    def dim(self) -> int:
        """The dimension d of the datum."""
        return self.x0.shape[0]


class Regime(NamedTuple):
    """One smooth piece; how many surfaces it slides along, K, is part of its shape.

    Attributes:
        modes: the branch of every site, +1 or -1, shape (m,).
        flips: for each surface slid upon, which sites switch there: booleans, shape (K, m).
        surfaces: the switching function of each surface slid upon, shape (K,).
        slack: added to the guards of surfaces on which the regime starts, shape (m,).
    """

    modes: Array
    flips: Array
    surfaces: Array
    slack: Array

    @property
    def sliding(self) -> int:
        """How many surfaces the motion stays on."""
        return len(self.flips)


def pack(players: Players, ema: Players | None = None) -> Array:
    """The state as one vector: phi, theta and, with EMA, their averages."""
    return jnp.concatenate([*players, *(ema or ())])


def unpack(system: DiracSystem, y: Array) -> Players:
    """The players in a state vector (..., 2d) or (..., 4d)."""
    d = system.dim
    return Players(y[..., :d], y[..., d : 2 * d])


def sites(system: DiracSystem) -> Sites:
    """Where the losses may switch: the same for all numbers of a variant."""
    leaves, structure = jax.tree.flatten((system.variant, system.x0))
    return _sites(structure, tuple(np.shape(x) for x in leaves))


@lru_cache(maxsize=1024)
def _sites(structure: Any, shapes: tuple[Any, ...]) -> Sites:
    """Traced with numbers that stay unknown, as whoever follows the flow traces the losses too."""
    found = []

    def look(game: Game, z: Players) -> None:
        found.append(game.sites(z))

    def play(leaves: list[Any], z: Players) -> None:
        # the game handed over, as the field's trace does: then both share what the losses were traced to
        jax.eval_shape(look, dirac.game(*jax.tree.unflatten(structure, leaves)), z)

    leaves = [jax.ShapeDtypeStruct(shape, float) for shape in shapes]
    player = leaves[-1]  # x0 is the last
    with own_settings(True):
        jax.eval_shape(play, leaves, Players(player, player))
    return found[0]


def surface_count(system: DiracSystem) -> int:
    """How many switching functions the two losses have."""
    return sites(system).surfaces


def unlocated(system: DiracSystem) -> tuple[str, ...]:
    """The operations of the losses whose switches are crossed unseen, by JAX's names."""
    return sites(system).unlocated


def jumps_nowhere(system: DiracSystem) -> bool:
    """Whether the field is known to be smooth wherever it is finite, however steep."""
    return sites(system).smooth


def face_count(system: DiracSystem) -> int:
    """How many of the last switching functions are faces of the box that clips the critic."""
    return sites(system).faces


def frozen_velocity(system: DiracSystem, y: Array, modes: Array | None = None) -> Array:
    """dy/dt with the branches frozen by ``modes``, or as the losses stand; NaN where a frozen branch has no value."""
    z = unpack(system, y)
    return _whole(system, y, dirac.game(system.variant, system.x0).motion(z, modes))


def _whole(system: DiracSystem, y: Array, v: Players) -> Array:
    """The players' velocities at their rates and, with EMA, those of the averages."""
    v = Players(*(rate * part for rate, part in zip(system.rates, v, strict=True)))
    if system.tau is None:
        return pack(v)
    d, z = system.dim, unpack(system, y)
    ema = Players(y[2 * d : 3 * d], y[3 * d :])
    return pack(v, Players(*((a - b) / system.tau for a, b in zip(z, ema, strict=True))))


_FEW = 4  # sites of which every branch is computed


def every_branch(system: DiracSystem, y: Array, modes: Array | None = None) -> Array:
    """:func:`velocity` without a loop: NaN beyond a surface where there are many sites."""
    if modes is None or not 0 < modes.shape[0] <= _FEW:
        return frozen_velocity(system, y, modes)
    z, game = unpack(system, y), dirac.game(system.variant, system.x0)
    choices = jnp.stack([modes, *(_freed(game, z, modes, k) for k in range(len(modes) + 1))])
    found = jax.vmap(lambda modes: pack(game.motion(z, modes)))(choices)
    v = found[0]
    for other in found[1:]:
        v = jnp.where(jnp.any(jnp.isnan(v)), other, v)
    return _whole(system, y, Players(*jnp.split(v, 2)))


@at_once(frozen_velocity, every_branch)
def velocity(system: DiracSystem, y: Array, modes: Array | None = None) -> Array:
    """dy/dt with the branches frozen by ``modes``, or as the losses stand.

    A frozen branch may have no value beyond its surface, as |s|^(3/2) continued to (-|s|)^(3/2) has none; the branch
    beyond takes its place there, so that a trial step that reaches across has a value.
    """
    z, game = unpack(system, y), dirac.game(system.variant, system.x0)
    v = game.motion(z, modes)
    if modes is not None and modes.shape[0]:
        v = _continued(game, z, modes, v)
    return _whole(system, y, v)


def _continued(game: Game, z: Players, modes: Array, v: Players) -> Players:
    """The field, or where it has no value that with the first frozen branch freed that brings one, else with all.

    Only branches beyond their surface are freed, and one alone if that will do: two losses may switch on one surface,
    and a jump of the other there would hold a trial step up.
    """

    def without_value(now: tuple[Array, Players]) -> Array:
        return jnp.any(jnp.isnan(pack(now[1]))) & (now[0] <= len(modes))

    def freed(now: tuple[Array, Players]) -> tuple[Array, Players]:
        return now[0] + 1, game.motion(z, _freed(game, z, modes, now[0]))

    return jax.lax.while_loop(without_value, freed, (jnp.asarray(0), v))[1]


def _freed(game: Game, z: Players, modes: Array, k: Array | int) -> Array:
    """The branches with the k-th freed, or after the last one all, of those beyond their surfaces."""
    beyond = ~(modes * game.surfaces(z, modes) >= 0)
    return jnp.where(beyond & ((jnp.arange(len(modes)) == k) | (k == len(modes))), -modes, modes)


def surfaces(system: DiracSystem, y: Array, modes: Array | None = None) -> Array:
    """The switching functions (m,), each smooth when the branches are frozen."""
    return dirac.game(system.variant, system.x0).surfaces(unpack(system, y), modes)


Velocity = Callable[..., Array]


def flow_by(velocity: Velocity, system: DiracSystem, y: Array, regime: Regime) -> Array:
    """dy/dt in a regime, by a given velocity of its branches."""
    if regime.modes.shape[0] == 0:
        return velocity(system, y)
    if regime.sliding == 0:
        return velocity(system, y, regime.modes)
    slide = _slide(velocity, system, y, regime)
    normals, inner = slide.normals, slide.normals @ slide.normals.T
    v = slide.here + slide.shares @ slide.steps
    v = v - _solved(inner, normals @ v) @ normals
    return v - _solved(inner, _back(system, y, regime, slide.units, v)) @ normals


_HELD = 3.0  # times as fast as a gradient shrinks: how fast what is left of its switching function falls


def _back(system: DiracSystem, y: Array, regime: Regime, units: Array, v: Array) -> Array:
    """How fast the functions of the surfaces slid upon, in given units (K,), fall towards 0 while y' is ``v``, (K,).

    They are 0 to rounding only. Where the gradient shrinks along a slide, as that of phi theta does with phi on
    theta = 0, a function that keeps its value leaves the surface: theta = rounding / phi.
    """

    def held(y: Array) -> Array:
        return _slid_upon(regime, surfaces(system, y, regime.modes)) / units

    normals, changes = jax.jvp(jax.jacfwd(held), (y,), (v,))
    shrinking = -jnp.sum(normals * changes, axis=1) / jnp.sum(normals * normals, axis=1)
    return _HELD * jnp.maximum(shrinking, 0.0) * held(y)


def guards_by(velocity: Velocity, system: DiracSystem, y: Array, regime: Regime) -> Array:
    """The guards of a regime, by a given velocity of its branches."""
    size = jnp.where(jnp.all(jnp.isfinite(y)), LARGEST - jnp.max(jnp.abs(y)), -1.0)[None]
    if regime.modes.shape[0] == 0:
        return size
    held = regime.modes * surfaces(system, y, regime.modes) + regime.slack
    if regime.sliding == 0:
        return jnp.concatenate([jnp.where(jnp.isnan(held), 1.0, held), size])
    held = jnp.where(jnp.isnan(held) | jnp.any(regime.flips, axis=0), 1.0, held)
    shares = _pushed(velocity, system, y, regime)
    return jnp.concatenate([held, shares, 1.0 - shares, size])


def watch_by(velocity: Velocity, system: DiracSystem, y: Array, regime: Regime) -> tuple[Array, Array]:
    """The guards and their time derivatives, by a given velocity of the branches."""
    v = flow_by(velocity, system, y, regime)
    return jax.jvp(lambda y: guards_by(velocity, system, y, regime), (y,), (v,))


def lost(system: DiracSystem, y: Array | np.ndarray, regime: Regime) -> bool:
    """Whether a branch of a regime, or one across a surface slid upon, has no value; where none, no other will help.

    The shares of surfaces that coincide have none either.
    """
    modes = np.asarray(regime.modes)
    sides = [modes, *np.where(np.asarray(regime.flips), -modes, modes)]
    return any(np.any(np.isnan(_frozen(system, y, side))) for side in sides)


@at_once()
def _frozen(system: DiracSystem, y: Array, modes: Array) -> Array:
    return frozen_velocity(system, y, modes)


@at_once(partial(flow_by, frozen_velocity), partial(flow_by, every_branch), mends=lost)
def flow_in(system: DiracSystem, y: Array, regime: Regime) -> Array:
    """dy/dt in a regime: its own smooth field, or Filippov's combination of the fields beside the surfaces."""
    return flow_by(velocity, system, y, regime)


@at_once(partial(guards_by, frozen_velocity), partial(guards_by, every_branch), mends=lost)
def guards(system: DiracSystem, y: Array, regime: Regime) -> Array:
    """Positive while the regime lasts: m surfaces, K slides left on this side, K on the far side, the float range."""
    return guards_by(velocity, system, y, regime)


@at_once(partial(watch_by, frozen_velocity), partial(watch_by, every_branch), mends=lost)
def watch(system: DiracSystem, y: Array, regime: Regime) -> tuple[Array, Array]:
    """The guards and their time derivatives."""
    return watch_by(velocity, system, y, regime)


def hermite_minimum(before: tuple[Array, Array], after: tuple[Array, Array], h: Array) -> tuple[Array, Array]:
    """Where guards that are above 0 at both ends of a step are lowest within it, and how low.

    Args:
        before: guards and their slopes at the beginning, each (k,).
        after: the same at the end.
        h: length of the step.

    Returns:
        The lowest values of the cubic through these, infinite for guards without a minimum inside, and their
        places as shares of the step, each (k,).
    """
    (g0, s0), (g1, s1) = before, after
    slope, rise = h * s0, g1 - g0
    square, cube = 3 * rise - h * (2 * s0 + s1), h * (s0 + s1) - 2 * rise
    inside = (g0 > 0) & (g1 > 0) & (s0 < 0) & (s1 > 0)
    root = jnp.sqrt(jnp.maximum(square**2 - 3 * cube * slope, 0.0))
    share = jnp.where(inside, -slope / jnp.where(inside, square + root, 1.0), 0.5)
    return jnp.where(inside, g0 + share * (slope + share * (square + share * cube)), jnp.inf), share


def guard_count(regime: Regime) -> int:
    """How many guards a regime has; the last is the float range."""
    return len(regime.modes) + 2 * regime.sliding + 1


class _Slide(NamedTuple):
    """What is known at a point on the K surfaces of a slide.

    Attributes:
        here: the field on this side, (n,).
        steps: what is added to it across each surface, (K, n).
        shares: Filippov's shares of these, (K,).
        normals: the surfaces' gradients in ``units``, (K, n).
        units: the largest entries of these gradients, (K,).
        stands: across which surfaces the field does not change, as sqrt|g| does not, (K,).
    """

    here: Array
    steps: Array
    shares: Array
    normals: Array
    units: Array
    stands: Array


def _slide(velocity: Velocity, system: DiracSystem, y: Array, regime: Regime) -> _Slide:
    """The fields beside the surfaces slid upon, and Filippov's shares of them.

    The shares make every surface function slid upon stand still: n_j . (here + sum_k share_k step_k) = 0. Where the
    field does not change they are about 1/2, as the speed through the surface is.
    """
    here = velocity(system, y, regime.modes)
    steps = jax.vmap(lambda modes: velocity(system, y, modes))(_far_sides(regime)) - here
    normals = jax.jacfwd(lambda y: _slid_upon(regime, surfaces(system, y, regime.modes)))(y)
    # a slide towards a corner shortens them until no square is left
    units = jnp.max(jnp.abs(normals), axis=1)
    units = jnp.where(units > 0, units, 1.0)
    normals = normals / units[:, None]
    matrix, pull = normals @ steps.T, -normals @ here
    largest = jnp.linalg.norm(normals, axis=1) * jnp.max(jnp.abs(here))
    stands = jnp.abs(jnp.diag(matrix)) <= 1e-9 * largest
    # where a jump dies with the field, Newton's derivative sees the surface to the end
    speed = _slid_upon(regime, regime.modes) * pull / jnp.where(largest > 0, _LEAVES * largest, 1.0)
    share = 0.5 + 0.5 * jnp.clip(speed, -1.0, 1.0)
    matrix, pull = matrix + jnp.diag(jnp.where(stands, 1.0, 0.0)), jnp.where(stands, share, pull)
    return _Slide(here, steps, _solved(matrix, pull), normals, units, stands)


def _far_sides(regime: Regime) -> Array:
    """The branches across each of the surfaces slid upon, (K, m)."""
    return jnp.where(regime.flips, -regime.modes, regime.modes)


def _pushed(velocity: Velocity, system: DiracSystem, y: Array, regime: Regime) -> Array:
    """Filippov's shares (K,), which leave [0, 1] where a slide ends.

    Where the field is the same on both sides no share balances a speed through the surface, and to stay there is a
    solution only while there is none. So the share leaves its 1/2 with the push, by :func:`told_from_a_root`.
    """
    slide = _slide(velocity, system, y, regime)
    far_sides, sides = _far_sides(regime), _slid_upon(regime, regime.modes)

    def field(k: int, y: Array, modes: Array) -> Array:
        """Beside the k-th surface, that along the others."""
        v = here = velocity(system, y, modes)
        for i in range(regime.sliding):
            if i != k:
                v = v + slide.shares[i] * (
                    velocity(system, y, jnp.where(regime.flips[i], -modes, modes)) - here
                )
        return v

    def held(y: Array) -> Array:
        return sides * _slid_upon(regime, surfaces(system, y, regime.modes)) / slide.units

    g, ends = held(y), []
    for k in range(regime.sliding):
        normal = sides[k] * slide.normals[k]
        points, off = beside_foot(system, y, g[k], normal)
        branches = jnp.stack([*[regime.modes] * 3, *[far_sides[k]] * 2])
        v = jax.vmap(partial(field, k))(points, branches)
        push, root = told_from_a_root(v @ normal, held(points[0])[k], off)
        least = _LEAVES * jnp.linalg.norm(normal) * jnp.max(jnp.abs(v)) + root
        ends.append(0.5 - 0.5 * push / jnp.where(least == 0, 1.0, least))
    return jnp.where(slide.stands, jnp.stack(ends), slide.shares)


# of the field: the speed through a surface on which it would stand, by which the motion leaves it
_LEAVES = 1e-7
_BESIDE = 1e-12  # of the state and the datum: how far beside a surface a root is looked at
_FURTHER = 16.0  # times as far, a second time
_AT_MOST = 4.0  # times the root that was measured further off


def beside_foot(system: DiracSystem, y: Array, g: Array, normal: Array) -> tuple[Array, Array]:
    """Five points for :func:`told_from_a_root` (5, n), and by how much the switching function differs at the second.

    The first is the foot of ``y`` on a surface, where its function is ``g`` with the gradient ``normal``; then come
    two on this side, where that is above 0, and two on the far one.
    """
    way = normal / (normal @ normal)
    size = jnp.maximum(jnp.max(jnp.abs(y)), jnp.max(jnp.abs(system.x0)))
    off = _BESIDE * size * jnp.linalg.norm(normal)
    distances = jnp.array([0.0, 1.0, _FURTHER, -1.0, -_FURTHER])
    return y - g * way + (off * distances)[:, None] * way, off


def told_from_a_root(speeds: Array, left: Array, off: Array) -> tuple[Array, Array]:
    """The push through a surface towards this side, and how much of it a root may be, by the speeds there.

    With the speed v(g) = a + b |g|^p, a push is a, which stays on the surface, and a root is b |g|^p, which dies with
    g. A point of the surface is known to rounding only: there g = ``left`` is not 0, and sqrt|g| far above rounding.
    From v at ``off`` and 16 ``off``, far beyond ``left``, 16^p = (v2 - v0)/(v1 - v0), and there b |g|^p is
    (v1 - v0) |left/off|^p, whatever a is.

    Where the root leads back against the push from ``off`` already, that is none: the motion stays nearer, where
    b |g|^p = a, and about which it is far stiffer than anything else.
    """
    v0, v1, v2, w1, w2 = speeds

    def root(near: Array, far: Array) -> Array:
        grown = jnp.where(near != v0, (far - v0) / jnp.where(near != v0, near - v0, 1.0), 1.0)
        power = jnp.log(jnp.clip(grown, 1.0, _FURTHER)) / math.log(_FURTHER)
        return jnp.abs(near - v0) * jnp.minimum(jnp.abs(left) / jnp.where(off > 0, off, 1.0), 1.0) ** power

    away = jnp.where(v0 > 0, v1, -w1) > 0
    return jnp.where(away, v0, 0.0), _AT_MOST * jnp.maximum(root(v1, v2), root(w1, w2))


# Numbers alone, neither an index nor a library's solver: a slide is then a scalar program, for NumPy and for C.


def _slid_upon(regime: Regime, g: Array) -> Array:
    """Of the switching functions (m,) those of the surfaces slid upon, (K,)."""
    return jnp.sum(jnp.where(regime.surfaces[:, None] == jnp.arange(len(g)), g, 0.0), axis=1)


def _solved(matrix: Array, right: Array) -> Array:
    """Solve a few linear equations by elimination with row exchanges."""
    rows = list(jnp.concatenate([matrix, right[:, None]], axis=1))
    for k in range(len(rows)):
        for i in range(k + 1, len(rows)):
            swaps = jnp.abs(rows[i][k]) > jnp.abs(rows[k][k])
            top, low = jnp.where(swaps, rows[i], rows[k]), jnp.where(swaps, rows[k], rows[i])
            rows[k], rows[i] = top, low - low[k] / top[k] * top
    found: list[Array] = []
    for k in reversed(range(len(rows))):
        known = sum(a * x for a, x in zip(rows[k][k + 1 : -1], found, strict=True))
        found.insert(0, (rows[k][-1] - known) / rows[k][k])
    return jnp.stack(found)


class Crossing(NamedTuple):
    """What is known at a point on a surface, for choosing the next regime."""

    g: Array  # switching functions (m,)
    speeds: Array  # their time derivatives under the present modes (m,)
    normals: Array  # their gradients (m, n)


def _look_by(velocity: Velocity, system: DiracSystem, y: Array, modes: Array) -> Crossing:
    def g(y: Array) -> Array:
        return surfaces(system, y, modes)

    normals = jax.jacfwd(g)(y)
    return Crossing(g(y), normals @ velocity(system, y, modes), normals)


@at_once(partial(_look_by, frozen_velocity), partial(_look_by, every_branch))
def look(system: DiracSystem, y: Array, modes: Array) -> Crossing:
    """The switching functions, their gradients and speeds at ``y`` with the branches frozen."""
    return _look_by(velocity, system, y, modes)


@at_once()
def natural(system: DiracSystem, y: Array) -> tuple[Array, Array]:
    """The switching functions and :func:`natural_velocity`."""
    return surfaces(system, y), natural_velocity(system, y)


@at_once()
def natural_velocity(system: DiracSystem, y: Array) -> Array:
    """The velocity as the losses stand; NaN where a loss has no value itself."""
    game, z = dirac.game(system.variant, system.x0), jax.lax.stop_gradient(unpack(system, y))
    lost = jnp.isnan(game.critic_loss(z)) | jnp.isnan(game.generator_loss(z))
    return jnp.where(lost, jnp.nan, velocity(system, y))


def plain(modes: Array | np.ndarray) -> Regime:
    """A regime without sliding."""
    return Regime(modes, np.zeros((0, len(modes)), bool), np.zeros(0, int), np.zeros(len(modes)))
