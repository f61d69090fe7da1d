"""Residuals, Jacobians and finite differences of many Dirac systems: the input of the decision."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ... import dirac
from ...dynamics.filippov import DiracSystem, natural_velocity, unpack
from ...numerics import derivative
from ...rules import Rule, float_vector
from ...tracing.host import at_once, in_rows, program_of
from ...tracing.scalar_program import Program
from ..dynamical_system import map_along, map_change

Batch = TypeVar("Batch")

# operations on numbers, up to which NumPy answers a batch as soon as a program that is compiled
_AT_ONCE = 2e7


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
        return Probed(derivative.probe(lambda y: natural_velocity(system, y), y), alive)
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
    system: DiracSystem, rule: Rule | None, at: np.ndarray, size: int, no_map: bool = False
) -> tuple[derivative.Derivative, Any]:
    """The derivative of a batch of systems at their points, and where the critic has a value.

    Args:
        system: N of one structure, every leaf with N in front.
        rule: likewise, or None.
        at: the points, (N, 2d).
        size: what XLA compiles a program for where NumPy has none: a batch is filled up to it.
        no_map: whether the rule has no linearisation even where the field has one; then there is no derivative.
    """
    rule = None if no_map else rule
    quick = host_probe(*jax.tree.map(lambda x: np.asarray(x)[0], (system, rule, at)))
    if quick is not None and (len(at) == 1 or len(at) * quick.price <= _AT_ONCE):
        seen = quick(system, rule, at)
    else:
        by_xla = _probes(*filled_up((system, rule, at), size))
        seen = jax.tree.map(lambda x: np.asarray(x)[: len(at)], by_xla)
    found = derivative.judge(seen.probe, np)
    return without(found) if no_map else found, seen.alive


def filled_up(batch: Batch, size: int) -> Batch:
    """A batch of ``size``, the last of its entries repeated, so that every batch has one shape."""
    return jax.tree.map(lambda x: np.concatenate([x, np.repeat(x[-1:], size - len(x), axis=0)]), batch)


class HostProbe(NamedTuple):
    """How NumPy sees systems of one structure; made by :func:`host_probe`.

    Attributes:
        change: the scalar program of the field, or of the map's change, and its derivative along a way.
        rest: that of the rule's full state at rest; None for a field.
        logits: that of what the critic says of the datum.
        price: operations on numbers that one system takes.
    """

    change: Program
    rest: Program | None
    logits: Program
    price: int

    def __call__(self, system: DiracSystem, rule: Rule | None, at: np.ndarray) -> Probed:
        """Look at a batch, as :func:`look` takes it."""
        given, y = (system, at) if rule is None else ((system, rule.at_rest), at)
        if self.rest is not None:
            y = in_rows(self.rest, (system, rule), at[:, None])[0][:, 0]

        def seen(
            points: np.ndarray, ways: np.ndarray, others: np.ndarray
        ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            values, slopes = in_rows(self.change, given, points, ways)
            return values, slopes, in_rows(self.change.of_first_leaf, given, others, others)[0]

        alive = np.all(np.isfinite(in_rows(self.logits, system, at[:, None])[0][:, 0]), axis=-1)
        return Probed(derivative.probe_by(seen, y, cancels=rule is not None), alive)


def host_probe(system: DiracSystem, rule: Rule | None, y: np.ndarray) -> HostProbe | None:
    """How NumPy sees systems of the structure of this one; None where they have no scalar program."""
    said = program_of(_logits, system, y)
    if rule is None:
        rest, change = None, program_of(_field_along, system, y, y)
    else:
        rest = program_of(_rest_state, (system, rule), y)
        z = y if rest is None else np.zeros(rest.shapes[0])
        change = None if rest is None else program_of(map_along, (system, rule.at_rest), z, z)
    if said is None or change is None:
        return None
    slopes, values = derivative.counts(change.shapes[0][0])
    return HostProbe(change, rest, said, slopes * change.price + values * change.of_first_leaf.price)


def _logits(system: DiracSystem, y: Array) -> Array:
    return logits(system, y)


def _rest_state(given: tuple[DiracSystem, Rule], y: Array) -> Array:
    return rest_state(*given, y)


def _field_along(system: DiracSystem, y: Array, way: Array) -> tuple[Array, Array]:
    """The field as the losses stand, and its derivative along a way."""
    return jax.jvp(lambda y: natural_velocity(system, y), (y,), (way,))


def without(found: derivative.Derivative) -> derivative.Derivative:
    """The same where what moves has no derivative although the field has one."""
    return found._replace(kind=np.where(found.kind == derivative.SMOOTH, derivative.KINK, found.kind))
