"""``dg.verdict``: what truly happens from a start; followed, measured and refined, never looked up.

The motion is followed tightly, and looked at in windows of some eight turns at times that grow geometrically. What the
windows have in common names the kind: a point approached, an amplitude falling by a power law, an orbit that no longer
changes, growth. Newton then refines the end that was named, and its multipliers say whether it attracts.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from numpy.typing import ArrayLike

from ...dynamics.starts import check_rates, check_untraced, starts
from ...errors import flag
from ...game import Players
from ...records import Record
from ...rules import Rule, check_rule
from ...variants import Variant, check_variant
from ..decision_thresholds import T, checked_effort
from ..kinds import Kind
from ..linear.settings import LinearSettings
from .evidence import Answer, Case
from .from_start import answer_from
from .kicks import kick_from

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Verdict(Record):
    """What happens from one start, and the numbers and observations that prove it.

    Attributes:
        kind: one of :data:`~diracgan.analysis.kinds.KINDS`.
        numbers: where they apply: rate, rate_error, frequency (angular), half_life, exponent, exponent_error,
            constant and constant_error of r ~ C t^-p (p < 0 for growth), radius_phi, radius_theta, period, floquet,
            floquet_error (the largest of their moduli), approach_exponent (the p of the distance to an orbit),
            limit_phi, limit_theta, conserved, capture_time, blow_up_time; linear_status and nearby of a start on an
            equilibrium, lyapunov_exponent where neighbours separate, edge (of the basin, on the start's ray). Of maps
            per iteration.
        evidence: what was done and seen, one line each.
        text: the verdict in one sentence.
        variant: label of the variant; ``hyperparameters`` its numbers.
        rule: label of the rule, or None for the flow.
        phi0: the critic's start; ``theta0`` the generator's; ``x0`` the datum.
        rate_d: factor on the critic's velocity; ``rate_g`` on the generator's.
        effort: the budget's factor; ``evaluations`` what was spent, each of a mean over noise counted as the
            number of plain ones that take as long; ``time`` until when the motion was followed.
    """

    kind: str
    numbers: dict[str, Any]
    evidence: list[str]
    text: str
    variant: str
    hyperparameters: dict[str, Any]
    rule: str | None
    phi0: list[float]
    theta0: list[float]
    x0: list[float]
    rate_d: float
    rate_g: float
    effort: float
    evaluations: float
    time: float


def verdict(
    variant: Variant,
    phi0: ArrayLike | None = None,
    theta0: ArrayLike | None = None,
    rule: Rule | None = None,
    x0: ArrayLike | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    effort: float = 1.0,
    dim: int | None = None,
    edge: bool = True,
) -> Verdict:
    """Say what truly happens from (phi0, theta0), also where eigenvalues say nothing.

    Computed from the field or the map alone: a renamed variant has the same verdict. Deterministic; in float64.

    Args:
        variant: from :func:`diracgan.variant`.
        phi0: the critic's start, shape (d,); None for the default start in d = ``dim`` (2).
        theta0: the generator's start, shape (d,).
        rule: from :func:`diracgan.rule`; None for the flow.
        x0: the datum, shape (d,) or a number; None for 0.
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).
        effort: factor on the budget of field evaluations; 1 takes about 10 s at worst; from 1e-4 to 1e4.
        dim: the dimension when no start is given.
        edge: whether to say too, of a start that ends on an attractor, from how far away on its ray something else
            attracts (:func:`diracgan.bifurcation.kick`): ``numbers["edge"]``.

    Returns:
        A :class:`Verdict`. Whatever the loss does (NaN, constants, jumps), the answer is a verdict, at worst
        ``undecided`` with its reason.

    Raises:
        InputError: for arguments that are not allowed.

    References:
        docs/theory.md sections 2 and 3; Kuznetsov 2004; Filippov 1988.

    Example:
        >>> import diracgan as dg
        >>> v = dg.verdict(dg.variant("wgan-gp", c=0.0, lam=0.5), [1.0], [0.5])
        >>> v.kind, round(v.numbers["rate"], 9)
        ('converges-exponentially', 0.5)
    """
    check_variant(variant)
    check_untraced("dg.verdict", variant, rule)
    if rule is not None:
        check_rule(rule)
    phi, theta, datum = starts(phi0, theta0, dim, x0)
    rates = check_rates(rate_d, rate_g, rule)
    effort, edge = checked_effort(effort), flag("edge", edge)
    budget = T.budget * effort
    asked = LinearSettings(variant, rule, Players(phi, theta), datum, rates)
    case, answer = answer_from(asked, budget)
    if edge:
        answer = _with_edge(case, answer, asked, budget)
    _log.debug("decided by %s: %s", answer.judge, answer.text)
    return Verdict(
        kind=Kind(answer.kind).value,
        numbers=answer.numbers,
        evidence=case.evidence,
        text=answer.text,
        variant=variant.label,
        hyperparameters=variant.hyperparameters,
        rule=None if rule is None else rule.label,
        phi0=phi.tolist(),
        theta0=theta.tolist(),
        x0=datum.tolist(),
        rate_d=rates.phi,
        rate_g=rates.theta,
        effort=effort,
        evaluations=case.spent,
        time=case.time,
    )


def _with_edge(case: Case, answer: Answer, asked: LinearSettings, budget: float) -> Answer:
    """The answer with where else the ray leads."""
    found = kick_from(asked, case, answer, budget)
    if found is None:
        return answer
    return answer._replace(
        numbers=answer.numbers | {"edge": found.distance}, text=f"{answer.text}; {found.text}"
    )
