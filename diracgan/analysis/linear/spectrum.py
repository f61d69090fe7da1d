"""Linear analysis at a point: is it an equilibrium, is there a derivative, and what do the eigenvalues decide?"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ...numerics import eigen
from ...numerics.derivative import JUMP, NONE, SMOOTH
from ...parameters import text
from ...records import Record
from ...rules import Rule
from ...variants import Variant
from .decision import Decision
from .margins import decisions
from .settings import AskedAbout, LinearSettings, settings
from .status import STATUSES, WITH_EIGENVALUES, Status

_NONE = np.empty(0, complex)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Spectrum(AskedAbout, Record):
    """What the linearisation at one point says, and everything it was computed from.

    Attributes:
        kind: ``"flow"`` or ``"map"``.
        status: one of :data:`~diracgan.analysis.linear.status.STATUSES`; marginal (|margin| <= error) is undecided
            by the linearisation.
        text: the same in words.
        eigenvalues: of the flow's Jacobian, by decreasing real part, ties by decreasing imaginary part; of a map,
            its multipliers. Empty where there is no derivative.
        multipliers: of one whole iteration (or period) on its full state, without EMA; empty for a flow.
        ema_multipliers: those that EMA adds; empty without.
        spectral_radius: largest modulus of the multipliers; None for a flow.
        jacobian: of the field, or of the iteration; None where there is none.
        differentiable: whether the field has a derivative there; None where it has no value.
        is_equilibrium: whether the point is one (at a jump: whether 0 is in the convex hull of the limits).
        residual: |F|, or |step(z) - z|, largest entry; None where the critic itself has no value.
        margin: -max Re (flow) or 1 - max modulus (map): positive is stable; None without eigenvalues.
        error: bound on the margin's error; where it is surely unstable, on how much nearer to 0 the margin may be.
        numerical_abscissa: initial growth rate of the worst perturbation (a map: its numerical radius).
        transient_growth: largest growth of a perturbation before it decays; infinite for unstable ones.
        variant: label of the variant; ``hyperparameters`` its numbers.
        dim: dimension d; ``x0`` the datum; ``at`` the point, (phi, theta).
        rule: label of the rule, or None; ``period`` iterations in one application of the map.
        rate_d: factor on the critic's velocity; ``rate_g`` on the generator's.
    """

    kind: str
    status: str
    text: str
    eigenvalues: np.ndarray = dataclasses.field(default_factory=_NONE.copy)
    multipliers: np.ndarray = dataclasses.field(default_factory=_NONE.copy)
    ema_multipliers: np.ndarray = dataclasses.field(default_factory=_NONE.copy)
    spectral_radius: float | None = None
    jacobian: np.ndarray | None = None
    differentiable: bool | None
    is_equilibrium: bool
    residual: float | None
    margin: float | None = None
    error: float | None = None
    numerical_abscissa: float | None = None
    transient_growth: float | None = None
    period: int


def spectrum(
    variant: Variant,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    at: tuple[ArrayLike, ArrayLike] | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    rule: Rule | None = None,
) -> Spectrum:
    """Linearise the flow, or one whole iteration of ``rule``, at a point.

    J = dF/dz at z* = (0, x0); for a rule the Jacobian of the iteration on its full state (momentum, past gradients).
    In float64, whatever jax is set to.

    Args:
        variant: from :func:`diracgan.variant`.
        dim: dimension d (1, or that of ``x0`` or ``at``).
        x0: the datum, shape (d,) or a number; None for 0.
        at: the point as (phi, theta); None for (0, x0).
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).
        rule: from :func:`diracgan.rule`; None for the flow.

    Returns:
        A :class:`Spectrum`. A marginal one is *undecided*: see :func:`diracgan.verdict`.

    Raises:
        InputError: for arguments that are not allowed.

    References:
        docs/theory.md sections 2 to 4; Mescheder et al. 2018 (arXiv 1801.04406), theorem 3.

    Example:
        >>> import diracgan as dg
        >>> s = dg.spectrum(dg.variant("wgan-gp", c=0.0, lam=0.5))
        >>> s.status, round(s.margin, 12)
        ('stable', 0.5)
        >>> dg.spectrum(dg.variant("wgan-gp", c=1.0)).status
        'no-derivative'
    """
    return spectrum_of(settings(variant, rule, dim, x0, at, rate_d, rate_g))


def spectrum_of(around: LinearSettings) -> Spectrum:
    """The spectrum of settings that have been checked.

    Example:
        >>> import diracgan as dg
        >>> spectrum_of(settings(dg.variant("ns").with_(r1=0.1))).status
        'stable'
    """
    rule, decided = around.rule, decisions([around], 1)
    status = STATUSES[decided.status[0]]
    made = functools.partial(
        Spectrum,
        kind="map" if around.discrete else "flow",
        status=status,
        residual=float(decided.residual[0]) if np.isfinite(decided.residual[0]) else None,
        is_equilibrium=status != Status.NOT_AN_EQUILIBRIUM,
        period=1 if rule is None else rule.period,
        **around.provenance,
    )
    if status in WITH_EIGENVALUES:
        return _with(decided, around, status, made)
    differentiable, residual, reason = _why(decided, around)
    text = f"{status.replace('-', ' ')}: {reason}"
    return made(text=text, differentiable=differentiable, residual=residual)


def _with(decided: Decision, around: LinearSettings, status: str, made: Callable[..., Spectrum]) -> Spectrum:
    rule, values, matrix = around.rule, decided.eigenvalues[0], decided.matrix[0]
    margin = float(decided.margin[0])
    stable = {Status.STABLE: True, Status.UNSTABLE: False}.get(Status(status))
    discrete = around.discrete
    averages = (
        [] if rule is None or rule.ema is None else [float(rule.ema) ** rule.period] * len(around.x0) * 2
    )
    return made(
        text=_words(status, values, margin, discrete, 1 if rule is None else rule.period),
        eigenvalues=values,
        multipliers=values if discrete else _NONE,
        ema_multipliers=np.array(averages, complex),
        spectral_radius=float(np.abs(values).max()) if discrete else None,
        jacobian=matrix,
        differentiable=True,
        margin=margin,
        error=float(decided.error[0]),
        numerical_abscissa=eigen.numerical_radius(matrix) if discrete else eigen.numerical_abscissa(matrix),
        transient_growth=eigen.transient_growth(matrix, stable, discrete),
    )


def _why(decided: Decision, around: LinearSettings) -> tuple[bool | None, float | None, str]:
    """Whether there is a derivative all the same, the residual, and why there are no eigenvalues."""
    residual, kind = float(decided.residual[0]), int(decided.kind[0])
    if not decided.alive[0]:
        where = ", ".join(text(float(x)) for x in around.point.phi)
        return None, None, f"the critic itself has no value at phi = ({where}), so there is no equilibrium"
    if kind == NONE:
        return None, None, "the field has no finite value around this point, so it is not an equilibrium"
    if STATUSES[decided.status[0]] == Status.NOT_AN_EQUILIBRIUM:
        return kind == SMOOTH, residual, f"the field does not vanish here: |F| = {residual:.3g}"
    if around.rule is not None and (reason := around.rule.why_not_linearisable()):
        return False, residual, reason
    what = "jumps" if kind == JUMP else "has a kink"
    return False, residual, f"the field {what} at this equilibrium, so there is no Jacobian and no eigenvalue"


def _words(status: str, values: np.ndarray, margin: float, discrete: bool, period: int) -> str:
    turning = bool(np.any(np.abs(np.imag(values)) > 1e-9 * (1e-300 + np.abs(values).max())))
    way = "spiral" if turning else "direct"
    per = f"{period} iterations" if period > 1 else "iteration"
    if status == Status.MARGINAL:
        where = "on the unit circle" if discrete else "on the imaginary axis"
        return f"undecided: the leading eigenvalue lies {where}, so the linearisation does not decide"
    if status == Status.STABLE:
        law = f"by a factor of {1 - margin:.4g} per {per}" if discrete else f"like exp(-{margin:.4g} t)"
        return f"stable: small perturbations decay {law} ({way})"
    law = f"by a factor of {1 - margin:.4g} per {per}" if discrete else f"like exp({-margin:.4g} t)"
    return f"unstable: small perturbations grow {law} ({way})"
