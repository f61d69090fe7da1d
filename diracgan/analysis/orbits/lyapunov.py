"""Lyapunov exponents from a start, of the flow or of a rule's iterations."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from ... import dirac
from ...dynamics.filippov import DiracSystem, surface_count
from ...dynamics.starts import check_rates, check_untraced, starts
from ...errors import InputError, integer, number
from ...game import Players
from ...jax_settings import own_settings
from ...numerics.lyapunov import Exponents
from ...records import Record
from ...rules import Rule, check_rule
from ...variants import Variant, check_variant
from ..decision_thresholds import T
from ..dynamical_system import DiscreteSystem
from .lyapunov_exponents import exponents_along, exponents_of_flow

_LEAST = 2000  # steps
_STEPS = (T.chaotic_iterations, 40_000)  # of a rule and of the flow


@dataclasses.dataclass(frozen=True)
class LyapunovExponents(Record):
    """How fast neighbours of a motion separate, in every direction.

    Attributes:
        values: by decreasing value, per unit of time or per iteration, (n,).
        errors: two standard deviations of their means by the scatter of blocks of the orbit, and what may be growth
            like a power of time, whose exponent is 0, (n,).
        dimension: by Kaplan and Yorke.
        variant: label; ``rule`` label or None for the flow.
        phi0: the critic's start; ``theta0`` the generator's; ``x0`` the datum.
        steps: how many, of which the first fifth is left out; ``step_size`` of the flow's, or None.
    """

    values: np.ndarray
    errors: np.ndarray
    dimension: float
    variant: str
    rule: str | None
    phi0: list[float]
    theta0: list[float]
    x0: list[float]
    steps: int
    step_size: float | None


def lyapunov(
    variant: Variant,
    phi0: ArrayLike | None = None,
    theta0: ArrayLike | None = None,
    rule: Rule | None = None,
    x0: ArrayLike | None = None,
    steps: int | None = None,
    step_size: float = 0.02,
    dim: int | None = None,
) -> LyapunovExponents:
    """The Lyapunov exponents along the motion from a start, by QR decompositions, on everything that evolves.

    Args:
        variant: from :func:`diracgan.variant`.
        phi0: the critic's start, (d,); None for the default start in d = ``dim`` (2).
        theta0: the generator's, (d,).
        rule: from :func:`diracgan.rule`; None for the flow.
        x0: the datum, (d,) or a number; None for 0.
        steps: iterations, 200000 by default, or Runge-Kutta steps of the flow, 40000 by default; the first fifth is
            left out.
        step_size: of the flow's steps.
        dim: the dimension when no start is given.

    Returns:
        :class:`LyapunovExponents`.

    Raises:
        InputError: for arguments that are not allowed, a flow whose field switches, or an orbit that leaves what
            numbers hold.

    References:
        Benettin, Galgani, Giorgilli, Strelcyn 1980, Meccanica 15, 9.

    Example:
        >>> import diracgan as dg
        >>> found = dg.lyapunov(dg.variant("ns").with_(r1=0.5), [0.3], [0.2])
        >>> found.values.round(3).tolist()  # it converges; the eigenvalues are -1/4 +- i sqrt(3)/4
        [-0.25, -0.25]
    """
    check_variant(variant)
    check_untraced("dg.lyapunov", variant, rule)
    if rule is not None:
        check_rule(rule)
    phi, theta, datum = starts(phi0, theta0, dim, x0)
    steps = integer("steps", _STEPS[rule is None] if steps is None else steps, low=_LEAST, high=10**8)
    h = number("step_size", step_size, low=0, open_low=True)
    with own_settings(True):
        game = dirac.cast((variant, datum, check_rates(1.0, 1.0, rule)), jnp.float64)
        system = DiracSystem(*game, tau=None)
        begin = dirac.game(system.variant, system.x0).project(Players(phi, theta))
        if rule is None:
            found = _of_flow(system, np.concatenate([np.asarray(p) for p in begin]), steps, h, variant.label)
        else:
            motion = DiscreteSystem(system, rule)
            found = exponents_along(motion, motion.begin(*map(np.asarray, begin)), steps // motion.period)
    if not np.all(np.isfinite(found.values)):
        raise InputError(
            f"the motion of {variant.label} from {phi.tolist()}, {theta.tolist()} leaves what numbers hold, so that "
            "it has no exponents; allowed: a start that stays bounded, see diracgan verdict"
        )
    return LyapunovExponents(
        values=found.values,
        errors=found.errors,
        dimension=found.dimension,
        variant=variant.label,
        rule=None if rule is None else rule.label,
        phi0=phi.tolist(),
        theta0=theta.tolist(),
        x0=datum.tolist(),
        steps=steps,
        step_size=None if rule is not None else h,
    )


def _of_flow(system: DiracSystem, start: np.ndarray, steps: int, h: float, label: str) -> Exponents:
    """Per unit of time."""
    if surface_count(system):
        raise InputError(
            f"the field of {label} switches, where neighbours part by a jump that these steps do not see; "
            "allowed: smooth fields, a rule; diracgan verdict has the multipliers of cycles that switch"
        )
    return exponents_of_flow(system, start, steps, h)
