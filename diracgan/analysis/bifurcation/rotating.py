"""Branches of circles in d >= 2: relative equilibria, continued as equilibria of the rotation invariants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from ...dynamics.filippov import DiracSystem, velocity
from ...errors import InputError
from ...jax_settings import own_settings
from ...rules import Rule
from ...variants import Variant
from ..dynamical_system import ContinuousSystem, DiscreteSystem, map_change
from ..linear.parameter_handle import ParameterHandle
from ..linear.settings import LinearSettings, settings
from ..orbits.rotating_states import commutes_with_rotations
from .branch import Branch, follow, present_within, varied
from .family import Family
from .varying_parameters import Corners, numbers_at

_SAMPLES, _AROUND, _COSINE = 5, 0.1, 0.9  # states looked at: how far around the start, their largest |cos|
_STEP = 0.02  # along the branch, of the range
_CONSERVED = 1e-9  # of what it could change by: the wedge stands still
_HELD = -1.0  # eigenvalue given to the conserved wedge
_FLAT = 1e-6  # of |phi| |theta|: a smaller wedge lies on a line
_START = 0.3  # of a start's squares: what Newton's method may move it


class RotatingFamily(Family):
    """The motion of x = (|phi|^2, |theta|^2, phi . theta), which rotations leave alone; it is that of every d >= 2.

    Where the wedge l^2 = |phi|^2 |theta|^2 - (phi . theta)^2 is conserved, circles of every l exist, and that of the
    start is kept: F(x) + v (l^2 - l0^2), which gives the wedge's eigenvalue 0 another value and leaves the others.

    Attributes:
        wedge: l0^2, or None where it is not conserved.
    """

    def __init__(
        self, around: LinearSettings, handles: Sequence[ParameterHandle], wedge: float | None
    ) -> None:
        super().__init__(around, handles, times=1)
        self.wedge = wedge

    @property
    def _motion(self) -> Callable[..., Array]:
        return _reduced_change

    @property
    def _extra(self) -> float | None:
        return self.wedge

    @property
    def kind(self) -> str:
        """What a branch of it consists of."""
        return "circles"

    @property
    def roughness(self) -> str:
        """Why no normal form is taken: its amplitude would be one of the squares."""
        return "seen in |phi|^2, |theta|^2 and phi . theta: at a Hopf or Neimark-Sacker point the radii begin to swing"

    def players(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """phi and theta in the plane, phi along its first axis."""
        with own_settings(True):
            z = np.asarray(jax.vmap(_in_plane)(jnp.atleast_2d(states)))
        z = z.reshape(*states.shape[:-1], 4)
        return z[..., :2], z[..., 2:]

    def counted(self, values: np.ndarray) -> np.ndarray:
        """Those of the eigenvalues that belong to the motion itself."""
        return values if self.wedge is None else np.delete(values, int(np.argmin(np.abs(values - _HELD))))


def rotating_states(
    variant: Variant,
    over: str,
    start: tuple[ArrayLike, ArrayLike],
    rule: Rule | None = None,
    low: float | None = None,
    high: float | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> Branch:
    """Follow a circle in d >= 2, on which both players only turn, as one parameter varies: a relative equilibrium.

    A motion that commutes with rotations moves |phi|^2, |theta|^2 and phi . theta among themselves. A circle is an
    equilibrium of theirs, and is followed and judged like one: stable where all their eigenvalues say so, which leaves
    out where on the circle the players are, and in which plane. Where the wedge of phi and theta is conserved, circles
    come in families; the start's is kept, and its eigenvalue 0 left out.

    Args:
        variant: from :func:`diracgan.variant`.
        over: the parameter that varies, also with its range: ``"lam=0.1:2"``.
        start: (phi, theta) on the circle, or close to it, in d >= 2, not on one line.
        rule: one without a memory, from :func:`diracgan.rule`; None for the flow.
        low: least value of the number; by default its least allowed one.
        high: largest value; by default twice the present one, or 1.
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).

    Returns:
        A :class:`Branch` of circles; ``phi`` and ``theta`` are those of a point in the plane with phi along its first
        axis, ``states`` are (|phi|^2, |theta|^2, phi . theta).

    Raises:
        InputError: for arguments that are not allowed, a motion that does not commute with rotations, or a start
            without a circle nearby.

    References:
        Golubitsky, Stewart, Schaeffer 1988, Singularities and Groups in Bifurcation Theory II, chapter XVI.

    Example:
        >>> import diracgan as dg
        >>> v = dg.variant("wgan-gp", c=1.0, lam=0.5)
        >>> found = rotating_states(v, "lam=0.1:2", start=([1.0, 0.0], [0.0, -1.0]))
        >>> bool(abs(found.states - [1, 1, 0]).max() < 1e-9), set(found.statuses)
        (True, {'stable'})
    """
    given = settings(variant, rule, None, None, start, rate_d, rate_g)
    phi, theta = given.point
    if len(phi) < 2:
        raise InputError("the start has d = 1, where nothing turns; allowed: a start in d >= 2")
    x = np.array([phi @ phi, theta @ theta, phi @ theta])
    if not x[0] * x[1] - x[2] ** 2 > _FLAT * x[0] * x[1]:
        raise InputError(
            "phi and theta of the start lie on one line, on which nothing turns; allowed: other starts"
        )
    z = np.asarray(_in_plane(jnp.asarray(x)), float)
    around = settings(variant, rule, 2, None, (z[:2], z[2:]), rate_d, rate_g)
    handle, low_, high_ = varied(around, over, low, high)
    now = present_within(handle, low_, high_, "start is")
    free = RotatingFamily(around, [handle], None)
    _check_rotations(around, free.flow.system([now]), z)
    family = (
        RotatingFamily(around, [handle], float(x[0] * x[1] - x[2] ** 2)) if _conserves(free, x, now) else free
    )
    found = follow(family, np.append(x, now), low_, high_, largest=_STEP)
    begun = found.states[
        int(np.argmin(np.linalg.norm(found.states - x, axis=1) + np.abs(found.values - now)))
    ]
    if np.linalg.norm(begun - x) > _START * np.linalg.norm(x):
        raise InputError(
            f"no circle lies near the start; Newton's method finds one at {begun.round(6).tolist()}"
        )
    return found


def _check_rotations(around: LinearSettings, system: DiracSystem, z: np.ndarray) -> None:
    with own_settings(True):
        rule = around.rule
        motion = ContinuousSystem(system) if rule is None else DiscreteSystem(system, rule)
        begun: Any = motion.begin(z[:2], z[2:])
        flat = motion.flat(begun)
        if len(flat) != 4:
            raise InputError(
                f"{rule.label if rule else ''} has a memory; allowed: the flow, or rules without one"
            )
        if not commutes_with_rotations(motion, z):
            raise InputError(
                f"{around.variant.label} does not commute with rotations there, so that no state only turns"
            )


def _conserves(family: RotatingFamily, x: np.ndarray, value: float) -> bool:
    """Whether the flow conserves the wedge, as seen around a state."""
    if family.discrete:
        return False
    for draw in np.random.default_rng(0).normal(size=(_SAMPLES, 3)):
        y = x * (1.0 + _AROUND * np.clip(draw, -1, 1))
        y[2] = np.clip(y[2], -_COSINE, _COSINE) * np.sqrt(y[0] * y[1])
        change, g = family.equations(np.append(y, value))[0], np.array([y[1], y[0], -2 * y[2]])
        if not abs(g @ change) <= _CONSERVED * np.linalg.norm(g) * np.linalg.norm(change):
            return False
    return True


def _in_plane(x: Array) -> Array:
    """(phi, theta) in the plane of squares a, b and product s, phi along its first axis, theta turned by its sign."""
    a, b, s = x
    long = jnp.sqrt(a)
    return jnp.stack([long, jnp.zeros_like(a), s / long, -jnp.sqrt(b - s * s / a)])


def _squares(z: Array) -> Array:
    phi, theta = z[:2], z[2:]
    return jnp.stack([phi @ phi, theta @ theta, phi @ theta])


def _reduced_change(corners: Corners, x0: Array, x: Array, ps: Array, wedge: Array | float | None) -> Array:
    """The change of (|phi|^2, |theta|^2, phi . theta), with the wedge held where one is given."""
    variant, rates, rule = numbers_at(corners, ps)
    system, z = DiracSystem(variant, x0, rates, None), _in_plane(x)
    if rule is not None:
        return _squares(z + map_change(system, rule.bias_corrected, z)) - x
    change = jax.jvp(_squares, (z,), (velocity(system, z),))[1]
    if wedge is None:
        return change
    a, b, s = x
    g = jnp.stack([b, a, -2 * s])
    return change + _HELD * g * (a * b - s * s - wedge) / (g @ g)
