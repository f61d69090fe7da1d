"""The Dirac game as a piecewise smooth system: regimes, their guards, and what happens where one ends.

Between its switching surfaces the field is smooth, and an integrator sees only one smooth piece at a time: a *regime*
with its branches frozen. A regime ends where a *guard* falls below 0. There the trajectory crosses, or, where the field
points at the surface from both sides, slides along it by Filippov's rule.

References:
    Filippov 1988, Differential Equations with Discontinuous Righthand Sides, chapter 2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..game import Players
from ..variants import Variant

LARGEST = 1e150  # the square of a state beyond this leaves the float range


class System(NamedTuple):
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
    """One smooth piece.

    Attributes:
        modes: the branch of every site on this side, +1 or -1, shape (m,).
        other: the branches on the far side of the surface ``index``.
        sliding: whether the motion stays on the surface ``index``.
        index: the surface that was met last.
        slack: added to the guards of surfaces on which the regime starts, shape (m,).
    """

    modes: Array
    other: Array
    sliding: Array
    index: Array
    slack: Array


def pack(players: Players, ema: Players | None = None) -> Array:
    """The state as one vector: phi, theta and, with EMA, their averages."""
    return jnp.concatenate([*players, *(ema or ())])


def unpack(system: System, y: Array) -> Players:
    """The players in a state vector (..., 2d) or (..., 4d)."""
    d = system.dim
    return Players(y[..., :d], y[..., d : 2 * d])


def surface_count(system: System) -> int:
    """How many switching functions the two losses have."""
    z = jnp.zeros_like(system.x0)
    return jax.eval_shape(dirac.game(system.variant, system.x0).surfaces, Players(z, z)).shape[0]


def velocity(system: System, y: Array, modes: Array | None = None) -> Array:
    """dy/dt with the branches frozen by ``modes``, or as the losses stand."""
    z = unpack(system, y)
    v = dirac.game(system.variant, system.x0).velocity(z, modes=modes)
    v = Players(*(rate * part for rate, part in zip(system.rates, v, strict=True)))
    if system.tau is None:
        return pack(v)
    d = system.dim
    ema = Players(y[2 * d : 3 * d], y[3 * d :])
    return pack(v, Players(*((a - b) / system.tau for a, b in zip(z, ema, strict=True))))


def surfaces(system: System, y: Array, modes: Array | None = None) -> Array:
    """The switching functions (m,), each smooth when the branches are frozen."""
    return dirac.game(system.variant, system.x0).surfaces(unpack(system, y), modes)


def flow_in(system: System, y: Array, regime: Regime) -> Array:
    """dy/dt in a regime: its own smooth field, or Filippov's combination of the two beside the surface."""
    if regime.modes.shape[0] == 0:
        return velocity(system, y)

    def slide(y: Array) -> Array:
        here, there, down, up = _beside(system, y, regime)
        share = down / (down - up)  # of the far side's field, so that the surface function stands still
        return here + share * (there - here)

    return jax.lax.cond(regime.sliding, slide, lambda y: velocity(system, y, regime.modes), y)


def guards(system: System, y: Array, regime: Regime) -> Array:
    """Positive while the regime lasts: m surfaces, leaving the slide on either side, the float range: (m + 3,)."""
    size = LARGEST - jnp.max(jnp.abs(y))
    if regime.modes.shape[0] == 0:
        return size[None]
    held = regime.modes * surfaces(system, y, regime.modes) + regime.slack
    _, _, down, up = _beside(system, y, regime)
    same = regime.modes != regime.other
    held = jnp.where(regime.sliding & same, 1.0, held)
    leave = jnp.where(regime.sliding, jnp.stack([-down, up]), 1.0)
    return jnp.concatenate([held, leave, size[None]])


def _beside(system: System, y: Array, regime: Regime) -> tuple[Array, Array, Array, Array]:
    """The fields on both sides, and their speeds across the surface, counted towards this side."""
    normal = jax.grad(lambda y: surfaces(system, y, regime.modes)[regime.index])(y) * regime.modes[regime.index]
    here, there = velocity(system, y, regime.modes), velocity(system, y, regime.other)
    return here, there, normal @ here, normal @ there


class Crossing(NamedTuple):
    """What is known at a point on a surface, for choosing the next regime."""

    g: Array  # switching functions (m,)
    speeds: Array  # their time derivatives under the present modes (m,)
    normals: Array  # their gradients (m, n)


@jax.jit
def look(system: System, y: Array, modes: Array) -> Crossing:
    """The switching functions, their gradients and speeds at ``y`` with the branches frozen."""

    def g(y: Array) -> Array:
        return surfaces(system, y, modes)

    normals = jax.jacfwd(g)(y)
    return Crossing(g(y), normals @ velocity(system, y, modes), normals)


@jax.jit
def natural(system: System, y: Array) -> tuple[Array, Array]:
    """The switching functions and the velocity as the losses stand."""
    return surfaces(system, y), velocity(system, y)


def start(system: System, y: Array) -> Regime:
    """The regime in which a trajectory from ``y`` begins."""
    g, v = (np.asarray(a) for a in natural(system, y))
    modes = np.where(g >= 0, 1.0, -1.0)
    regime = plain(modes)
    seen: set[int] = set()
    for _ in range(len(modes)):
        near = look(system, y, modes)
        on = [k for k in np.flatnonzero(_vanishing(near, y)) if k not in seen]
        if not on:
            break
        k = int(on[0])
        flipped, together = _flip(near, y, modes, k)
        seen.update(together)
        here, there = float(near.speeds[k]), float(look(system, y, flipped).speeds[k])
        side = modes[k]
        if here * side >= 0 and there * side >= 0:
            regime = plain(modes, together)
        elif here * side <= 0 and there * side <= 0:
            modes = flipped
            regime = plain(modes, together)
        elif here * side < 0 < there * side:
            return Regime(modes, flipped, np.asarray(True), np.asarray(k), np.zeros(len(modes)))
        else:  # pushed off on both sides: the solution is not unique, the loss as it stands chooses
            if float(np.asarray(near.normals)[k] @ v) * side < 0:
                modes = flipped
            regime = plain(modes, together)
    return regime


def plain(modes: np.ndarray, on: list[int] | None = None) -> Regime:
    """A regime without sliding, that starts on the surfaces ``on``."""
    slack = np.zeros(len(modes))
    slack[on or []] = _SLACK
    return Regime(modes, modes, np.asarray(False), np.asarray(0), slack)


def after(system: System, y: Array, regime: Regime, guard: int) -> tuple[Regime, str]:
    """The regime that follows when ``guard`` has fallen to 0, and what happened: crossing, slide or leave."""
    m = len(regime.modes)
    if guard >= m:  # the end of a slide
        stay = guard == m
        modes = np.asarray(regime.modes if stay else regime.other)
        return plain(modes, list(np.flatnonzero(np.asarray(regime.modes) != np.asarray(regime.other)))), "leave"
    modes = np.asarray(regime.modes)
    near = look(system, y, modes)
    flipped, together = _flip(near, y, modes, guard)
    if bool(regime.sliding):  # a second surface during a slide: cross it, and slide on
        other = np.where(flipped != modes, flipped, np.asarray(regime.other))
        slack = np.zeros(m)
        slack[together] = _SLACK
        return Regime(flipped, other, regime.sliding, regime.index, slack), "crossing"
    side = modes[guard]
    there = float(look(system, y, flipped).speeds[guard]) * side
    here = float(near.speeds[guard]) * side
    if here <= 0 < there:
        return Regime(modes, flipped, np.asarray(True), np.asarray(guard), np.zeros(m)), "slide"
    return plain(flipped, together), "crossing"


_SLACK = 1e-13
_PARALLEL = 1e-9


def _vanishing(near: Crossing, y: Array) -> np.ndarray:
    scale = np.linalg.norm(np.asarray(near.normals), axis=1) * max(1.0, float(np.max(np.abs(y))))
    return np.abs(np.asarray(near.g)) <= 1e-12 * scale


def _flip(near: Crossing, y: Array, modes: np.ndarray, k: int) -> tuple[np.ndarray, list[int]]:
    """Modes on the far side of surface k: every site that shares the surface switches with it."""
    normals = np.asarray(near.normals)
    lengths = np.linalg.norm(normals, axis=1)
    parallel = np.abs(normals @ normals[k]) >= (1 - _PARALLEL) * lengths * lengths[k]
    scale = 1e-9 * lengths * max(1.0, float(np.max(np.abs(y))))
    shared = parallel & (lengths > 0) & (np.abs(np.asarray(near.g)) <= scale)
    shared[k] = True
    return np.where(shared, -modes, modes), [int(i) for i in np.flatnonzero(shared)]
