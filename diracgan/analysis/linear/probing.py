"""Residuals, Jacobians and finite differences of many Dirac systems: the input of the decision."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ... import dirac
from ...dynamics.filippov import DiracSystem, natural, unpack
from ...numerics import derivative
from ...rules import Rule, float_vector
from ...tracing.host import along, at_once, program_of
from ..dynamical_system import map_along, map_change


class Probed(NamedTuple):
    """What is seen of one system, or of each of N: the field or the map, and whether the critic has a value there."""

    probe: derivative.Probe
    alive: Any


def probe(system: DiracSystem, rule: Rule | None, y: Array) -> Probed:
    """Look at one system around its point ``y`` = (phi, theta); traceable.

    A rule is seen on its full state, as when the players have rested at the point for ever.
    """
    alive = jnp.all(jnp.isfinite(logits(system, y)))
    if rule is None:
        return Probed(derivative.probe(lambda y: natural(system, y)[1], y), alive)
    change = functools.partial(map_change, system, rule.at_rest)
    return Probed(derivative.probe(change, rest_state(system, rule, y), cancels=True), alive)


@at_once()
def logits(system: DiracSystem, y: Array) -> Array:
    """What the critic says of the datum: not finite where the critic itself has no value."""
    return dirac.game(system.variant, system.x0).logits(unpack(system, y).phi, system.x0[None])


@at_once()
def rest_state(system: DiracSystem, rule: Rule, y: Array) -> Array:
    """The rule's full state, as one vector, when the players have rested at ``y`` for ever."""
    z = unpack(system, y)
    return float_vector((z, rule.rest(dirac.game(system.variant, system.x0), z)))[0]


_probes = jax.jit(jax.vmap(probe))


def look(
    system: DiracSystem, rule: Rule | None, at: Array | np.ndarray, no_map: bool = False
) -> tuple[derivative.Derivative, Any]:
    """The derivative of a batch of systems at their points, and where the critic has a value.

    Args:
        system: N of one structure, every leaf with N in front.
        rule: likewise, or None.
        at: the points, (N, 2d).
        no_map: whether the rule has no linearisation even where the field has one; then there is no derivative.
    """
    rule = None if no_map else rule
    seen = _on_host(system, rule, np.asarray(at)) if len(at) == 1 else None
    seen = jax.tree.map(np.asarray, _probes(system, rule, at)) if seen is None else seen
    found = derivative.judge(seen.probe, np)
    return without(found) if no_map else found, seen.alive


def _on_host(system: DiracSystem, rule: Rule | None, at: np.ndarray) -> Probed | None:
    """One system seen by NumPy; None where it has no scalar program."""
    system, rule = jax.tree.map(lambda x: np.asarray(x)[0], (system, rule))
    y = at[0] if rule is None else np.asarray(rest_state(system, rule, at[0]))
    pushed, given = (_field_along, system) if rule is None else (map_along, (system, rule.at_rest))
    if program_of(pushed, given, y, y) is None:
        return None
    alive: Any = np.all(np.isfinite(np.asarray(logits(system, at[0]))))
    # the probe is written for JAX's arrays; NumPy's have all that it asks of them
    found = derivative.probe_by(lambda ys, ws: along(pushed, given, ys, ws), y, cancels=rule is not None)  # pyright: ignore[reportArgumentType, reportReturnType]
    return jax.tree.map(lambda x: np.asarray(x)[None], Probed(found, alive))


def _field_along(system: DiracSystem, y: Array, way: Array) -> tuple[Array, Array]:
    """The field as the losses stand, and its derivative along a way."""
    return jax.jvp(lambda y: natural(system, y)[1], (y,), (way,))


def without(found: derivative.Derivative) -> derivative.Derivative:
    """The same where what moves has no derivative although the field has one."""
    return found._replace(kind=np.where(found.kind == derivative.SMOOTH, derivative.KINK, found.kind))
