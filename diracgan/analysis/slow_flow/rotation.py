"""One rotation of the players under a rule, by the rule's own map: its memory's response, and the gain in radius.

A rule that divides by the root of a second moment makes steps of a size of its own. Around the equilibrium of a GAN the
players then turn in many steps, while the radius and the second moments change slowly. At a given radius the memory is
brought to its response by rotations that start at that radius again and again; what the last one gains or loses, per
step, is the slow field. Every number here is an iteration of the map: no formula of any optimiser is written down.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ... import dirac
from ...game import Players
from ...numerics.stroboscopic import first_return
from ...pytrees import Pytree
from ...rules import Rule, float_vector
from ...variants import Variant

LEAST_RADIUS = 3.0  # in steps: a rotation then takes a dozen
RADII = 8  # looked at in one call
_SHARE = 5.0  # of the longest memory: how long it is brought to its response
_SLOW = 0.02  # radians per step: slow against any memory of the gradient's mean
_PERIOD = 3.6  # steps of a rotation over its radius in steps, at least nearly; a square needs 4
SHORT = 4.0  # steps: a memory that no polynomial through the steps about a passage of 0 can follow
FAR = 20.0  # in steps: from there on a passage is over long before the next
_FREE = 16.0  # rotations over whose phases a short memory is averaged; fewer near by, where each changes the radius
_LEAST_LIMIT = 20_000.0  # a quarter turn may leave hundreds of steps farther out: beta1 = 0.95 above beta2
_MOST_TURNS = 12.0  # steps of a rotation over its radius in steps; a circle needs 4.4, a square 4


class SlowSystem(NamedTuple):
    """What turns, in one dimension.

    Attributes:
        variant: what is minimised.
        rule: what moves, long after its start.
        x0: the datum, (1,).
        sizes: how far each player moves in a step (root mean square): the unit of its radius.
    """

    variant: Variant
    rule: Rule
    x0: Array
    sizes: Players

    def step(self, state: tuple[Players, Pytree]) -> tuple[Players, Pytree]:
        """One whole period of the rule."""
        return self.rule.over_a_period(dirac.game(self.variant, self.x0))(*state)

    def height(self, state: tuple[Players, Pytree]) -> Array:
        """The section: the discriminator (critic) passes 0 upwards."""
        return state[0].phi[0]

    def radius(self, state: tuple[Players, Pytree]) -> Array:
        """The generator's distance from the datum, in its own steps."""
        return jnp.abs(state[0].theta - self.x0)[0] / self.sizes.theta

    def on_section(self, radius: Array, memory: Pytree) -> tuple[Players, Pytree]:
        """The state on the section at a radius."""
        return Players(jnp.zeros(1), self.x0 - radius * self.sizes.theta), memory

    def on_circle(self, radius: Array, angle: Array) -> Players:
        """The players on the ellipse of a radius, turning from the section on."""
        phi, theta = radius * self.sizes.phi, radius * self.sizes.theta
        return Players(jnp.sin(angle)[None] * phi, self.x0 - jnp.cos(angle)[None] * theta)


class SlowDrift(NamedTuple):
    """What one rotation from a radius does, the memory in its response.

    Attributes:
        rate: change of the radius per step, in steps.
        period: steps of the rotation.
        found: whether it came round.
        state: at its end.
    """

    rate: Array
    period: Array
    found: Array
    state: tuple[Players, Pytree]


def forced(system: SlowSystem, radius: Array, omega: Array | float, steps: Array) -> tuple[Pytree, Players]:
    """The memory after the players were led round a circle, and the mean squares of the steps it then made."""
    game = dirac.game(system.variant, system.x0)
    run = system.rule.over_a_period(game)
    start = system.rule.rest(game, system.on_circle(radius, jnp.zeros(())))

    def once(n: Array, now: tuple[Pytree, Players]) -> tuple[Pytree, Players]:
        memory, sums = now
        players = system.on_circle(radius, (n - steps + 1) * omega)
        after, memory = run(players, memory)
        late = n >= steps // 2
        moved = jax.tree.map(
            lambda s, a, b: s + jnp.where(late, jnp.sum((a - b) ** 2), 0.0), sums, after, players
        )
        return memory, moved

    memory, sums = jax.lax.fori_loop(0, steps, once, (start, Players(jnp.zeros(()), jnp.zeros(()))))
    return memory, jax.tree.map(lambda s: s / (steps - steps // 2), sums)


@jax.jit
def step_sizes(system: SlowSystem, radius: Array, steps: Array) -> Players:
    """Root mean square of each player's steps on the circle of a radius, in units of ``system.sizes``."""
    return jax.tree.map(jnp.sqrt, forced(system, radius, _SLOW, steps)[1])


@jax.jit
def memory_slope(system: SlowSystem, radius: Array, steps: Array) -> Array:
    """The derivative of the memory after a step with respect to the memory before, where players are held."""
    memory, _ = forced(system, radius, _SLOW, steps)
    players = system.on_circle(radius, jnp.ones(()))
    vector, restore = float_vector(memory)
    run = system.rule.over_a_period(dirac.game(system.variant, system.x0))
    return jax.jacfwd(lambda x: float_vector(run(players, restore(x))[1])[0])(vector)


def drift(system: SlowSystem, radius: Array, memory_steps: Array) -> SlowDrift:
    """The slow field at a radius."""
    spent = (_SHARE * memory_steps).astype(int) + 64
    memory, _ = forced(system, radius, jnp.sqrt(2.0) / radius, spent)
    most = rotation_limit(radius)

    def more(now: tuple[SlowDrift, Array]) -> Array:
        last, left = now
        return last.found & (left > 0)

    def again(now: tuple[SlowDrift, Array]) -> tuple[SlowDrift, Array]:
        last, left = now
        back = first_return(system.step, system.height, system.on_section(radius, last.state[1]), most)
        new = SlowDrift((system.radius(back.state) - radius) / back.steps, back.steps, back.found, back.state)
        return new, left - back.steps

    nothing = SlowDrift(jnp.zeros(()), jnp.zeros(()), jnp.asarray(True), system.on_section(radius, memory))
    long = jnp.maximum(_SHARE * memory_steps, 2.0 * _PERIOD * radius)
    return jax.lax.while_loop(more, again, (nothing, long))[0]


def rotation_limit(radius: Array | float) -> Array | float:
    """Steps after which a rotation from a radius is given up."""
    return _MOST_TURNS * radius + _LEAST_LIMIT


@jax.jit
def drifts(system: SlowSystem, radii: Array, memory_steps: Array) -> SlowDrift:
    """The slow field at many radii, one after the other, each with its own length of the memory."""
    return jax.lax.map(lambda now: drift(system, *now), (radii, memory_steps))


class FreeDrift(NamedTuple):
    """The slow field over many rotations of the map, none of which is put back on the section.

    Attributes:
        rate: change of the radius per step, in steps.
        period: steps of a rotation.
    """

    rate: Array
    period: Array


@jax.jit
def free_drifts(system: SlowSystem, radii: Array, memory_steps: Array) -> FreeDrift:
    """The slow field where the memory lasts a few steps: what a passage of 0 does then hangs on where the steps fall.

    A return to phi = 0 has all its steps fall alike, and no polynomial goes through a memory of two steps there. So
    the map runs freely, and phi/h - theta/h is compared half-way between two passages, where both players keep their
    pace and it does not change.
    """
    run = system.rule.over_a_period(dirac.game(system.variant, system.x0))

    def places(players: Players) -> tuple[Array, Array]:
        phi, theta = players.phi[0] / system.sizes.phi, (players.theta - system.x0)[0] / system.sizes.theta
        return phi + theta, phi - theta

    def of_one(now: tuple[Array, Array]) -> FreeDrift:
        radius, long = now
        memory = forced(system, radius, jnp.sqrt(2.0) / radius, (_SHARE * long).astype(int) + 64)[0]
        turns = jnp.clip(radius // 4, 1.0, _FREE)
        most = (turns + 2) * rotation_limit(radius)

        def more(state: tuple[Players, Pytree, Array, Array, Array, Array]) -> Array:
            return (state[2] < most) & (state[3] <= turns)

        def once(
            state: tuple[Players, Pytree, Array, Array, Array, Array],
        ) -> tuple[Players, Pytree, Array, Array, Array, Array]:
            players, memory, n, passed, first, last = state
            after, memory = run(players, memory)
            old, (new, size) = places(players)[0], places(after)
            crossed = (old < 0) & (new >= 0)
            at = jnp.stack([size, n - old / jnp.where(crossed, new - old, 1.0)])
            first = jnp.where(crossed & (passed == 0), at, first)
            return after, memory, n + 1, passed + crossed, first, jnp.where(crossed, at, last)

        start = system.on_circle(radius, jnp.zeros(()))
        nothing = jnp.full(2, jnp.nan)
        zero = jnp.asarray(0)
        end = jax.lax.while_loop(more, once, (start, memory, zero, zero, nothing, nothing))
        (size, began), (last, ended) = end[4], end[5]
        rate = (
            radius * ((last / size) ** 2 - 1.0) / (2.0 * (ended - began))
        )  # R dR/dn hardly changes on the way
        return FreeDrift(jnp.where(end[3] > turns, rate, jnp.nan), (ended - began) / turns)

    return jax.lax.map(of_one, (radii, jnp.broadcast_to(memory_steps, radii.shape)))


class ReturnMap(NamedTuple):
    """One rotation from a state on the section, with everything free.

    Attributes:
        change: of the generator's position and of the memory, (n,).
        slope: its derivative, (n, n).
        period: steps.
    """

    change: Array
    slope: Array
    period: Array


def free_vector(state: tuple[Players, Pytree]) -> Array:
    """What is free on the section: the generator, and the memory's floating-point entries."""
    return float_vector((state[0].theta, state[1]))[0]


def from_vector(state: tuple[Players, Pytree], vector: Array) -> tuple[Players, Pytree]:
    """The state on the section with these free entries, counters as in ``state``."""
    theta, memory = float_vector((state[0].theta, state[1]))[1](vector)
    return Players(jnp.zeros(1), theta), memory


@jax.jit
def return_map(system: SlowSystem, state: tuple[Players, Pytree], vector: Array, most: Array) -> ReturnMap:
    """What a rotation changes, with its derivative."""

    def change(x: Array) -> tuple[Array, tuple[Array, Array]]:
        back = first_return(system.step, system.height, from_vector(state, x), most)
        moved = free_vector(back.state) - x
        return moved, (moved, back.steps)

    slope, (moved, steps) = jax.jacfwd(change, has_aux=True)(vector)
    return ReturnMap(moved, slope, steps)


class Extent(NamedTuple):
    """What the players did over a window of steps, and over as many steps before it.

    Attributes:
        phi: largest |phi| in the window; ``theta`` largest |theta - x0|.
        swing: root mean square of phi in the window; ``before`` in the window before.
        period: mean number of steps from one upward passage of phi through 0 to the next; NaN without two.
        finite: whether all stayed finite.
    """

    phi: Array
    theta: Array
    swing: Array
    before: Array
    period: Array
    finite: Array


class _Crossings(NamedTuple):
    first: Array
    last: Array
    passages: Array


@jax.jit
def extent(system: SlowSystem, state: tuple[Players, Pytree], steps: Array, share: Array) -> Extent:
    """Follow the map itself and watch the last ``share`` of the steps."""
    run = system.rule.over_a_period(dirac.game(system.variant, system.x0))
    window = (share * steps).astype(int)

    def once(
        n: Array, now: tuple[Pytree, Players, Players, _Crossings]
    ) -> tuple[Pytree, Players, Players, _Crossings]:
        (players, memory), largest, squares, seen = now
        after, memory = run(players, memory)
        old, new = players.phi[0], after.phi[0]
        late, earlier = n >= steps - window, (n >= steps - 2 * window) & (n < steps - window)
        off = Players(jnp.abs(new), jnp.abs(after.theta - system.x0)[0])
        largest = jax.tree.map(lambda a, b: jnp.where(late, jnp.maximum(a, b), a), largest, off)
        # the critic's mean square in the window, and in the one before
        squares = Players(
            squares.phi + jnp.where(late, new**2, 0.0), squares.theta + jnp.where(earlier, new**2, 0.0)
        )
        crossed = late & (old < 0) & (new >= 0)
        at = n - old / jnp.where(crossed, new - old, 1.0)
        first = jnp.where(crossed & (seen.passages == 0), at, seen.first)
        seen = _Crossings(first, jnp.where(crossed, at, seen.last), seen.passages + crossed)
        return (after, memory), largest, squares, seen

    zero = jnp.zeros(())
    start = (state, Players(zero, zero), Players(zero, zero), _Crossings(zero, zero, jnp.asarray(0)))
    (players, _), largest, squares, seen = jax.lax.fori_loop(0, steps, once, start)
    between = (seen.last - seen.first) / jnp.maximum(seen.passages - 1, 1)
    return Extent(
        largest.phi,
        largest.theta,
        jnp.sqrt(squares.phi / window),
        jnp.sqrt(squares.theta / window),
        jnp.where(seen.passages > 1, between, jnp.nan),
        jnp.isfinite(players.phi[0]) & jnp.isfinite(players.theta[0]),
    )
