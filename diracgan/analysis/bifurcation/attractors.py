"""The attractors that starts in a box reach, grouped by what they are, and the edges of their basins."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError, callback, integer, number, one_line
from ...files import path_of, read_text
from ...records import Record
from ...rules import Rule
from ...variants import Variant
from ..basins import DIVERGED, SAME, UNSETTLED, Basins, bisected
from ..decision_thresholds import T
from ..kinds import Kind
from ..linear.settings import AskedAbout, LinearSettings, settings
from ..linear.spectrum import spectrum
from ..many_runs import ROWS, Runs
from ..verdict.api import verdict

SCHEMA = "diracgan.attractors/1"
_KEPT = 256  # rows of an attractor's motion
_NUMBERS = 2**26  # of all starts together
_BESIDE = 1e-4  # of the box: how far from (0, x0) a start lies that stands for its basin
_TRIES = 4  # pairs of starts between which an edge is looked for
_MET = 1e-2  # of the box: ends of a bisection further apart than this lie on the edges of others
_LEVEL = 0.95  # of the bounds on shares


@dataclasses.dataclass(frozen=True)
class Attractor:
    """One thing that starts end on.

    Attributes:
        kind: of the verdict from ``phi0``, ``theta0``, or diverges.
        share: of the starts that end on it; ``share_low`` and ``share_high`` a 95 % interval (Clopper and Pearson).
        count: of these starts.
        phi0: one of them, its critic; ``theta0`` its generator.
        centre: mean (phi, theta) on it; None where it diverges.
        radius: largest |(phi, theta - x0)| on it; None where it diverges.
        text: the verdict in words.
        points: (phi, theta) along its last rows, of a start on it, (rows, 2d); None where it diverges.
    """

    kind: str
    share: float
    share_low: float
    share_high: float
    count: int
    phi0: list[float]
    theta0: list[float]
    centre: list[float] | None
    radius: float | None
    text: str
    points: list[list[float]] | None


@dataclasses.dataclass(frozen=True)
class Edge:
    """A point between two basins.

    Attributes:
        between: the attractors' indices.
        point: (phi, theta), halfway between two starts that end on the one and on the other.
        gap: the distance of these two.
        distance: of the point from (0, x0).
    """

    between: tuple[int, int]
    point: list[float]
    gap: float
    distance: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attractors(AskedAbout, Record):
    """The attractors of a box, and everything they were computed from.

    Attributes:
        found: the attractors, by decreasing share.
        edges: one point between the basins of every pair that met.
        survives: the least distance from (0, x0) at which an edge of its basin was met; None where it does not
            attract, or where no edge was met.
        unsettled: share of the starts whose end had not settled, those still on their way to the equilibrium included.
        text: one sentence in words.
        drawn: the starts, (n, 2d); ``ends_on`` the attractor of each, -1 where its end had not settled, (n,).
        box: half width of the box about (0, x0); ``starts`` how many; ``steps`` of each; ``seed`` of the draws.
        variant: label; ``hyperparameters`` its numbers; ``rule`` label or None; ``dim`` d; ``x0`` the datum; ``at``
            (0, x0), the middle of the box; ``rate_d`` and ``rate_g`` 1.
    """

    found: list[Attractor]
    edges: list[Edge]
    survives: float | None
    unsettled: float
    text: str
    drawn: list[list[float]]
    ends_on: list[int]
    box: float
    starts: int
    steps: int
    seed: int

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Attractors:
        """Read what ``diracgan attractors --out FILE.json`` wrote.

        Raises:
            InputError: for a file that is missing, or holds something else.
        """
        given = path_of("path", path)
        try:
            kept = json.loads(read_text(given))
            if kept.pop("schema") != SCHEMA:
                raise ValueError("its schema is another")
            found = [Attractor(**one) for one in kept.pop("found")]
            edges = [Edge(**(one | {"between": tuple(one["between"])})) for one in kept.pop("edges")]
            return cls(found=found, edges=edges, **kept)
        except OSError as error:
            raise InputError(f"{given!r} cannot be read: {one_line(error)}") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{given!r} does not hold attractors ({one_line(error)}); allowed: what diracgan attractors --out wrote"
            ) from None


def attractors(
    variant: Variant,
    rule: Rule | None = None,
    box: float = 2.0,
    starts: int = 100,
    steps: int = 10_000,
    step_size: float = 0.02,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Attractors:
    """What starts in a box end on, with the share of each, and how large a kick the equilibrium survives.

    Args:
        variant: from :func:`diracgan.variant`.
        rule: from :func:`diracgan.rule`; None for the flow.
        box: half width of the box |phi_i|, |theta_i - x0_i| <= box from which starts are drawn evenly.
        starts: how many.
        steps: how long each is followed, in iterations, or in the flow's steps.
        step_size: of the flow's Runge-Kutta steps. Where the field switches, each start is followed with its switchings
            located; on the way to an edge where steps of half this size end elsewhere.
        dim: dimension d (1, or that of ``x0``).
        x0: the datum; None for 0.
        seed: of the draws.
        progress: called with how many starts were followed, of how many.

    Returns:
        An :class:`Attractors`.

    Raises:
        InputError: for arguments that are not allowed.

    References:
        Menck, Heitzig, Marwan, Kurths 2013, Nature Physics 9, 89 (basin stability); Clopper & Pearson 1934.

    Example:
        >>> import diracgan as dg
        >>> v = dg.variant("ns").with_(r1=0.5)
        >>> found = dg.attractors(v, rule=dg.rule("simultaneous", lr=0.1), box=1.0, starts=20, steps=2000)
        >>> [(a.kind, a.share) for a in found.found], found.survives is None
        ([('converges-exponentially', 1.0)], True)
    """
    asked = settings(variant, rule, dim, x0)
    box = number("box", box, low=0, high=T.unbounded, open_low=True)
    starts = integer("starts", starts, low=1, high=100_000)
    steps = integer("steps", steps, low=2 * ROWS, high=10**8)
    seed = integer("seed", seed, low=0)
    callback("progress", progress)
    h = number("step_size", step_size, low=0, open_low=True)
    d = len(asked.x0)
    if starts * 2 * d > _NUMBERS:
        raise InputError(
            f"starts = {starts} of {2 * d} numbers each are too many; allowed: {_NUMBERS // (2 * d)} in d = {d}"
        )
    runs = Runs(variant, rule, asked.x0, h, steps, box)
    draws = runs.centre + box * np.random.default_rng(seed).uniform(-1, 1, size=(starts, 2 * d))
    basins = Basins(runs)
    labels = basins.located_labels(draws, progress)
    order = sorted(set(labels) - {UNSETTLED}, key=lambda g: -int(np.sum(labels == g)))
    found = [_attractor(basins, g, labels, draws, asked) for g in order]
    passing = [g for g, one in zip(order, found, strict=True) if _passes_through(basins, g, one)]
    if passing:
        labels = np.where(np.isin(labels, passing), UNSETTLED, labels)
        found = [one for g, one in zip(order, found, strict=True) if g not in passing]
        order = [g for g in order if g not in passing]
    kept = [g for g, one in zip(order, found, strict=True) if _is_one_of_many(one, asked)]
    for kind in (Kind.NEUTRAL_ORBIT, Kind.CONVERGES_ELSEWHERE):
        family = [g for g, one in zip(order, found, strict=True) if g in kept and one.kind == kind]
        if len(family) > 1:
            order, found, labels = _as_one(family, order, found, labels)
    edges = _edges(basins, order, labels, draws)
    survives = None if _is_kept(basins, kept, order) else _survives(basins, labels, draws)
    unsettled = float(np.mean(labels == UNSETTLED))
    return Attractors(
        found=found,
        edges=edges,
        survives=survives,
        unsettled=unsettled,
        drawn=draws.tolist(),
        ends_on=[order.index(g) if g in order else -1 for g in labels.tolist()],
        text=_words(found, survives, unsettled),
        box=box,
        starts=starts,
        steps=steps,
        seed=seed,
        **asked.provenance,
    )


def _attractor(
    basins: Basins, group: int, labels: np.ndarray, draws: np.ndarray, asked: LinearSettings
) -> Attractor:
    runs, members = basins.runs, np.flatnonzero(labels == group)
    nearest = members[np.argmin(np.linalg.norm(draws[members] - runs.centre, axis=1))]
    start, d = draws[nearest], len(runs.centre) // 2
    told = verdict(
        asked.variant,
        start[:d],
        start[d:],
        rule=asked.rule,
        x0=asked.x0,
        effort=T.edge_effort,
        edge=False,
    )
    end = None if group == DIVERGED else basins.known[group]
    rows = None if end is None else runs.tail(start)
    return Attractor(
        kind=told.kind,
        **_share(len(members), len(labels)),
        phi0=start[:d].tolist(),
        theta0=start[d:].tolist(),
        centre=None if end is None else end.centre.tolist(),
        radius=None if end is None else end.largest,
        text=told.text,
        points=None if rows is None else rows[-_KEPT:].tolist(),
    )


def _share(count: int, starts: int) -> dict[str, Any]:
    """The share of so many of the starts, with its bounds."""
    from scipy.special import betaincinv

    others, beyond = starts - count, 0.5 * (1.0 - _LEVEL)
    return {
        "share": count / starts,
        "share_low": float(betaincinv(count, others + 1, beyond)),
        "share_high": 1.0 if not others else float(betaincinv(count + 1, others, 1.0 - beyond)),
        "count": count,
    }


def _is_one_of_many(found: Attractor, asked: LinearSettings) -> bool:
    """Whether ends like this one fill a continuum: neutral orbits, or rest on a line of equilibria."""
    if found.kind != Kind.CONVERGES_ELSEWHERE or found.centre is None:
        return found.kind == Kind.NEUTRAL_ORBIT
    d = len(asked.x0)
    at = spectrum(asked.variant, x0=asked.x0, at=(found.centre[:d], found.centre[d:]), rule=asked.rule)
    values = at.eigenvalues if asked.rule is None else np.asarray(at.multipliers) - 1.0
    return bool(len(values) and np.min(np.abs(values)) <= T.line_of_rest)


def _as_one(
    family: list[int], order: list[int], found: list[Attractor], labels: np.ndarray
) -> tuple[list[int], list[Attractor], np.ndarray]:
    """The groups, what they are and the labels, with all ends of a continuum as one."""
    labels = np.where(np.isin(labels, family), family[0], labels)
    kept = {g: one for g, one in zip(order, found, strict=True) if g not in family[1:]}
    text = f"{kept[family[0]].text}; these ends fill a continuum, and others come to one of their own"
    share = _share(int(np.sum(labels == family[0])), len(labels))
    kept[family[0]] = dataclasses.replace(kept[family[0]], text=text, **share)
    order = sorted(kept, key=lambda g: -kept[g].count)
    return order, [kept[g] for g in order], labels


def _passes_through(basins: Basins, group: int, found: Attractor) -> bool:
    """Whether what starts were at after their steps is not an end: on the way to rest, or undecided, then elsewhere.

    What is far off then has diverged only where the verdict does not leave that open.
    """
    if found.radius is None:
        return found.kind == Kind.UNDECIDED
    if Kind(found.kind).arrives:
        return found.radius > SAME * basins.runs.box
    if found.kind != Kind.UNDECIDED:
        return False
    start = np.array([found.phi0 + found.theta0])
    return bool(basins.grouped(basins.runs.ends(start, longer=4))[0] != group)


def _edges(basins: Basins, order: list[int], labels: np.ndarray, draws: np.ndarray) -> list[Edge]:
    """Between every two attractors that meet, a point on the edge, by bisection between near starts.

    Where others lie between, the two ends of the bisection stay apart: then the next nearest starts are tried.
    """
    from scipy.spatial import KDTree

    found = []
    for i, a in enumerate(order):
        for j in range(i + 1, len(order)):
            one, two = draws[labels == a], draws[labels == order[j]]
            gaps, nearest = KDTree(two).query(one)
            for k in np.argsort(gaps)[:_TRIES]:
                start, other = one[k][None], two[np.asarray(nearest)[k]][None]
                # from both sides: close to an edge a run takes long to settle
                inner = bisected(basins, start, other, a)[0][0]
                outer = bisected(basins, other, start, order[j])[0][0]
                gap, middle = float(np.linalg.norm(inner - outer)), 0.5 * (inner + outer)
                if gap <= _MET * basins.runs.box:
                    off = float(np.linalg.norm(middle - basins.runs.centre))
                    found.append(Edge((i, j), middle.tolist(), gap, off))
                    break
    return found


def _home(basins: Basins) -> int:
    """What a start beside (0, x0) ends on."""
    centre, box = basins.runs.centre, basins.runs.box
    return int(basins.labels(centre[None] + _BESIDE * box / np.sqrt(len(centre)))[0])


def _is_kept(basins: Basins, family: list[int], order: list[int]) -> bool:
    """Whether what is beside (0, x0) stays there, as other ends of a continuum do: it attracts nothing."""
    if len(family) < 2:
        return False
    home = _home(basins)
    return home in family or home not in order


def _survives(basins: Basins, labels: np.ndarray, draws: np.ndarray) -> float | None:
    """The least distance from (0, x0) at which a ray towards a start that ends elsewhere leaves its basin."""
    centre, box = basins.runs.centre, basins.runs.box
    home = _home(basins)
    away = draws[(labels != home) & (labels != UNSETTLED)]
    if not len(away) or home < 0 or basins.known[home].largest > SAME * box:
        return None
    inner, _ = bisected(basins, np.tile(centre, (len(away), 1)), away, home)
    return float(np.min(np.linalg.norm(inner - centre, axis=1)))


def _words(found: list[Attractor], survives: float | None, unsettled: float) -> str:
    parts = [f"{100 * a.share:.3g} % {a.kind}" for a in found]
    if unsettled:
        parts.append(f"{100 * unsettled:.3g} % not settled")
    kick = "" if survives is None else f"; the equilibrium survives kicks of up to about |z| = {survives:.4g}"
    return ", ".join(parts) + kick
