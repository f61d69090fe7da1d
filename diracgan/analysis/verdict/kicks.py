"""The smallest kick of a start that ends on another attractor."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import ArrayLike

from ...game import Players
from ...jax_settings import own_settings
from ...rules import Rule
from ...variants import Variant
from ..basins import DIVERGED, SAME, Basins, bisected
from ..decision_thresholds import T
from ..dynamical_system import ContinuousSystem
from ..kinds import Kind
from ..linear.settings import LinearSettings, settings
from ..many_runs import Runs
from .evidence import Answer, Case
from .from_start import answer_from
from .scales import scales

_REACH = 8.0  # times the start's distance from (0, x0), or that at which the field is bent last
_STARTS, _STEPS, _HALVINGS = 24, 4096, 16
_SAME_EDGE = 0.02  # by which the end of a start's basin may differ from the beginning of the other
ATTRACTING = (
    Kind.CONVERGES_EXPONENTIALLY,
    Kind.CONVERGES_SUBLINEARLY,
    Kind.LIMIT_CYCLE,
    Kind.QUASI_PERIODIC,
    Kind.CHAOTIC,
)
"""Of starts whose ray is looked along: their neighbours end alike."""
_AWAY = (Kind.DIVERGES, Kind.FINITE_TIME)
_WORDS = {
    Kind.DIVERGES: "it diverges",
    Kind.FINITE_TIME: "it blows up in finite time",
    Kind.CHAOTIC: "a chaotic motion attracts",
    Kind.QUASI_PERIODIC: "a torus attracts",
    Kind.LIMIT_CYCLE: "a cycle attracts",
    Kind.LIMIT_CIRCLE: "a circle attracts",
    Kind.CONVERGES_ELSEWHERE: "another point attracts",
    Kind.CONVERGES_EXPONENTIALLY: "the equilibrium attracts",
    Kind.CONVERGES_SUBLINEARLY: "the equilibrium attracts",
}
"""What lies beyond, where that is one attractor and not one orbit of many."""


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
    phi0: ArrayLike,
    theta0: ArrayLike,
    rule: Rule | None = None,
    x0: ArrayLike | None = None,
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

    None too where a start's neighbours do not end alike (a neutral orbit), where what lies beyond is none of the named
    kinds, where its beginning is blurred, and where it takes too long: the rule's steps solve equations, or noise is
    averaged over hundreds of nodes.

    Raises:
        InputError: for arguments that are not allowed.

    Example:
        >>> import diracgan as dg
        >>> kick(dg.variant("wgan-gp", c=0.0, lam=0.5), [0.1], [0.2], dg.rule("simultaneous", lr=0.1)) is None
        True
    """
    asked = settings(variant, rule, None, x0, (phi0, theta0), rate_d, rate_g)
    return kick_from(asked, *answer_from(asked, T.budget), T.budget)


def kick_from(asked: LinearSettings, case: Case, answer: Answer, budget: float) -> Kick | None:
    """:func:`kick` of arguments that have been checked; ``case`` and ``answer``: what is known of their point."""
    if answer.kind not in ATTRACTING:
        return None
    start, d = np.concatenate(asked.point), len(asked.x0)
    centre = np.concatenate([np.zeros(d), asked.x0])
    size = float(np.linalg.norm(start - centre))
    if size == 0:
        return None
    with own_settings(True):
        flow = ContinuousSystem(case.full)
        if flow.price > T.edge_price:
            return None
        reach = _REACH * max(size, scales(flow, centre).outer)
        h = T.edge_step * _unit_of_time(case, flow, start)
    runs = Runs(asked.variant, asked.rule, asked.x0, h, _STEPS, reach, asked.rates)
    if runs.solves(start):
        return None
    runs.left = T.edge_effort * budget
    basins = Basins(runs)
    seen = _leaves(basins, start, centre + reach / size * (start - centre))
    finer = None if seen is None else _leaves(basins, *seen)
    sides = None if finer is None else _sides(basins, *finer)
    if finer is None or sides is None:
        return None
    there = Players(*np.split(finer[1], 2))
    _, beyond = answer_from(
        dataclasses.replace(asked, point=there), T.edge_effort * budget, "beyond the edge: "
    )
    if not _differs(answer, beyond) or (basins.labels(finer[1:])[0] == DIVERGED) != (beyond.kind in _AWAY):
        return None  # steps of the flow that are too long diverge
    distance = float(np.linalg.norm(sides.mean(axis=0) - centre))
    text = f"from |z| > {distance:.3g} along this ray {_WORDS[beyond.kind]} instead"
    return Kick(distance, beyond.kind.value, text)


def _unit_of_time(case: Case, flow: ContinuousSystem, start: np.ndarray) -> float:
    """In which a motion turns by a radian, by the fastest eigenvalue at (0, x0) or as wide as it is at its start."""
    fastest = 0.0 if case.motion.discrete else float(np.max(np.abs(case.linear.eigenvalues), initial=0.0))
    fastest = fastest or float(np.linalg.norm(flow.as_it_stands(start))) / case.r0
    return 1.0 / fastest if fastest > 0 else 1.0


def _leaves(basins: Basins, one: np.ndarray, two: np.ndarray) -> np.ndarray | None:
    """The last start on a way that ends like its first, and the next one that ends elsewhere; None without such."""
    starts = np.linspace(one, two, _STARTS)
    labels = basins.labels(starts)
    settled = basins.has_settled(labels)
    other = np.flatnonzero((labels != labels[0]) & settled)
    # a start from which steps of this size diverge tells nothing of one that was seen to settle
    if not len(other) or not settled[0] or labels[0] == DIVERGED:
        return None
    return starts[[np.flatnonzero(labels[: other[0]] == labels[0])[-1], other[0]]]


def _sides(basins: Basins, one: np.ndarray, two: np.ndarray) -> np.ndarray | None:
    """The ends of the two basins between two starts, (2, 2d); None where they do not meet, or their ends do."""
    groups = basins.labels(np.stack([one, two]))
    # from both sides: close to an edge a run takes long to settle
    inner, _ = bisected(basins, one[None], two[None], groups[0], _HALVINGS)
    outer, _ = bisected(basins, two[None], one[None], groups[1], _HALVINGS)
    sides = np.concatenate([inner, outer])
    if np.linalg.norm(np.diff(sides, axis=0)) > _SAME_EDGE * np.linalg.norm(sides[1] - basins.runs.centre):
        return None
    return sides if basins.tells_apart(*sides) else None


def _differs(answer: Answer, beyond: Answer) -> bool:
    """Whether what lies beyond is known to be another attractor, and not the same one after a longer way."""
    if beyond.kind not in _WORDS or (answer.kind.arrives and beyond.kind.arrives):
        return False
    measured = [
        name for name in ("radius_phi", "radius_theta") if name in answer.numbers and name in beyond.numbers
    ]
    alike = np.allclose(
        *([n.numbers[name] for name in measured] for n in (answer, beyond)), rtol=SAME, atol=0.0
    )
    return answer.kind != beyond.kind or not (measured and alike)
