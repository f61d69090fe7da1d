"""The smallest kick of a start that ends on another attractor."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ...game import Players
from ...rules import Rule
from ...variants import Variant
from ..basins import DIVERGED, Runs, bisected
from ..decision_thresholds import T
from ..kinds import Kind
from ..linear.settings import LinearSettings, settings
from .from_start import answer_from

_REACH = 8.0  # times the start's distance from (0, x0), or this much itself
_STARTS, _STEPS = 24, 10_000
_WORDS = {
    Kind.DIVERGES: "it diverges",
    Kind.FINITE_TIME: "it blows up in finite time",
    Kind.CHAOTIC: "a chaotic motion attracts",
    Kind.QUASI_PERIODIC: "a torus attracts",
    Kind.LIMIT_CYCLE: "a cycle attracts",
    Kind.LIMIT_CIRCLE: "a circle attracts",
    Kind.CONVERGES_ELSEWHERE: "another point attracts",
    Kind.CONVERGES_EXPONENTIALLY: "the equilibrium attracts",
}


@dataclasses.dataclass(frozen=True)
class Kick:
    """Where the ray from (0, x0) through a start leaves its basin of attraction.

    Attributes:
        distance: from (0, x0).
        kind: of the verdict just beyond.
        text: both in words.
    """

    distance: float
    kind: str
    text: str


def kick(
    variant: Variant,
    phi0: Any,
    theta0: Any,
    rule: Rule | None = None,
    x0: Any = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
) -> Kick | None:
    """Where, on the ray from (0, x0) through a start, starts end on something else; None where none was met.

    Args:
        variant: from :func:`diracgan.variant`.
        phi0: the critic's start, (d,).
        theta0: the generator's, (d,).
        rule: from :func:`diracgan.rule`; None for the flow.
        x0: the datum; None for 0.
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).

    Raises:
        InputError: for arguments that are not allowed.

    Example:
        >>> import diracgan as dg
        >>> kick(dg.variant("wgan-gp", c=0.0, lam=0.5), [0.1], [0.2], dg.rule("simultaneous", lr=0.1)) is None
        True
    """
    return kick_from(settings(variant, rule, None, x0, (phi0, theta0), rate_d, rate_g))


def kick_from(asked: LinearSettings) -> Kick | None:
    """:func:`kick` of arguments that have been checked; the start is their point."""
    start, d = np.concatenate(asked.point), len(asked.x0)
    centre = np.concatenate([np.zeros(d), asked.x0])
    size = float(np.linalg.norm(start - centre))
    if size == 0:
        return None
    way, reach = (start - centre) / size, _REACH * max(size, 1.0)
    runs = Runs(asked.variant, asked.rule, asked.x0, T.edge_step, _STEPS, reach, asked.rates)
    starts = centre + np.linspace(size, reach, _STARTS)[:, None] * way
    labels = runs.labels(starts)
    other = np.flatnonzero((labels != labels[0]) & runs.has_settled(labels))
    if not len(other) or not runs.has_settled(labels[:1])[0] or labels[0] == DIVERGED:
        return (
            None  # a start from which steps of this size diverge tells nothing of one that was seen to settle
        )
    k = int(other[0])
    there = Players(starts[k][:d], starts[k][d:])
    _, beyond = answer_from(dataclasses.replace(asked, point=there), T.edge_effort * T.budget)
    group = int(labels[k])
    size_there = f" of up to |z| = {runs.known[group].largest:.3g}" if group >= 0 else ""
    words = _WORDS.get(beyond.kind, f"a motion{size_there} attracts ({beyond.kind})")
    if beyond.kind == Kind.CONVERGES_EXPONENTIALLY and runs.known[labels[0]].largest <= T.at_home * reach:
        return None  # it only takes longer
    inner, outer = bisected(runs, starts[k - 1][None], starts[k][None], int(labels[k - 1]))
    distance = float(np.linalg.norm(0.5 * (inner + outer)[0] - centre))
    return Kick(distance, beyond.kind.value, f"from |z| > {distance:.3g} along this ray {words} instead")
