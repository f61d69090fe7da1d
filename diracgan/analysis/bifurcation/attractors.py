"""What else attracts: the ends of many starts in a box, grouped by what they are, and the edges of their basins."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ... import dirac
from ...dynamics.filippov import DiracSystem, surface_count, velocity
from ...errors import InputError, integer, number
from ...game import Players
from ...records import NestedRecord
from ...rules import Rule, init, step
from ...variants import Variant
from ..linear.settings import LinearSettings, settings
from ..verdict.verdict import verdict

_ROWS = 512  # states of the last quarter of a run (of the shortest, its last half), by which its end is known
_AT_ONCE = 2**24  # numbers of such states held at once
_NUMBERS = 2**26  # of all starts together
_SAME = 0.02  # of its size: by which two ends of one attractor may differ
_AT_REST = 1e-6  # of the box: a motion smaller than this is at rest
_STEADY = 0.01  # relative change of its size by which a motion has not settled
_FAR = 1e6  # boxes: beyond, a start has diverged
_LEVEL = 0.95  # of the bounds on shares
_HALVINGS = 30
_DIVERGED, _UNSETTLED = -1, -2


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


@dataclasses.dataclass(frozen=True)
class Attractors(NestedRecord):
    """The attractors of a box, and everything they were computed from.

    Attributes:
        found: the attractors, by decreasing share.
        edges: one point between the basins of every pair that met.
        survives: the least distance from (0, x0) at which an edge of its basin was met; None where it does not
            attract, or where no edge was met.
        unsettled: share of the starts whose end had not settled.
        text: one sentence in words.
        box: half width of the box about (0, x0); ``starts`` how many; ``steps`` of each; ``seed`` of the draws.
        variant: label; ``hyperparameters`` its numbers; ``rule`` label or None; ``dim`` d; ``x0`` the datum.
    """

    found: list[Attractor]
    edges: list[Edge]
    survives: float | None
    unsettled: float
    text: str
    box: float
    starts: int
    steps: int
    seed: int
    variant: str
    hyperparameters: dict[str, Any]
    rule: str | None
    dim: int
    x0: list[float]


def attractors(
    variant: Variant,
    rule: Rule | None = None,
    box: float = 2.0,
    starts: int = 100,
    steps: int = 10_000,
    step_size: float = 0.02,
    dim: int | None = None,
    x0: Any = None,
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
        step_size: of the flow's Runge-Kutta steps. Switchings are not located: where the field switches, each start is
            followed with steps of half this size too, and has not settled where the ends differ.
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
    box = number("box", box, low=0, open_low=True)
    starts = integer("starts", starts, low=1, high=100_000)
    steps = integer("steps", steps, low=2 * _ROWS, high=10**8)
    seed = integer("seed", seed, low=0)
    if not (progress is None or callable(progress)):
        raise InputError(f"progress = {progress!r} is not a function; allowed: one of two numbers, or None")
    h = number("step_size", step_size, low=0, open_low=True)
    d = len(asked.x0)
    if starts * 2 * d > _NUMBERS:
        raise InputError(
            f"starts = {starts} of {2 * d} numbers each are too many; allowed: {_NUMBERS // (2 * d)} in d = {d}"
        )
    runs = Runs(variant, rule, asked.x0, h, steps, box)
    draws = runs.centre + box * np.random.default_rng(seed).uniform(-1, 1, size=(starts, 2 * d))
    labels = runs.labels(draws, progress)
    order = sorted(set(labels) - {_UNSETTLED}, key=lambda g: -int(np.sum(labels == g)))
    found = [_attractor(runs, g, labels, draws, asked) for g in order]
    edges = _edges(runs, order, labels, draws)
    survives = _survives(runs, labels, draws)
    unsettled = float(np.mean(labels == _UNSETTLED))
    return Attractors(
        found=found,
        edges=edges,
        survives=survives,
        unsettled=unsettled,
        text=_words(found, survives, unsettled),
        box=box,
        starts=starts,
        steps=steps,
        seed=seed,
        variant=variant.label,
        hyperparameters=variant.hyperparameters,
        rule=None if rule is None else rule.label,
        dim=d,
        x0=asked.x0.tolist(),
    )


class _End(NamedTuple):
    """What the last rows of a run have in common.

    Attributes:
        numbers: largest and smallest distance from (0, x0), diameter, and centre, (3 + 2d,).
        spread: of these between the quarters of the rows.
        change: of the root mean square distance, from the first half of the rows to the second.
    """

    numbers: np.ndarray
    spread: np.ndarray
    change: float

    @property
    def largest(self) -> float:
        return float(self.numbers[0])

    @property
    def diameter(self) -> float:
        return float(self.numbers[2])

    @property
    def centre(self) -> np.ndarray:
        return self.numbers[3:]


def _at_rest(point: np.ndarray, distance: float) -> _End:
    return _End(np.concatenate([[distance, distance, 0.0], point]), np.zeros(3 + len(point)), 0.0)


class Runs:
    """Many starts followed at once, and what their ends have in common."""

    def __init__(
        self, variant: Variant, rule: Rule | None, x0: np.ndarray, h: float, steps: int, box: float
    ) -> None:
        with jax.enable_x64(True):
            self.system = DiracSystem(*dirac.cast((variant, x0, Players(1.0, 1.0)), jnp.float64), None)
            self.rule = None if rule is None else dirac.cast(dataclasses.replace(rule, ema=None), jnp.float64)
        self.h, self.steps, self.box = h, steps, box
        self.switches = rule is None and surface_count(self.system) > 0
        self.centre = np.concatenate([np.zeros(len(x0)), x0])
        self.known: list[_End] = []

    def ends(
        self, draws: np.ndarray, tell: Callable[[int, int], None] | None = None, finer: int = 1
    ) -> list[_End | None]:
        """How every start ends, with ``finer`` times as many and as short steps; None where it diverges."""
        h, steps = self.h / finer, self.steps * finer
        every = max(1, steps // 4 // _ROWS)
        at_once = max(1, _AT_ONCE // (_ROWS * draws.shape[1]))
        found: list[_End | None] = []
        for k in range(0, len(draws), at_once):
            part = draws[k : k + at_once]
            with jax.enable_x64(True):
                rows = _last_rows(self.system, self.rule, part, h, steps - every * _ROWS, every)
            found += [self._described(z) for z in np.asarray(rows)]
            if tell is not None:
                tell(len(found), len(draws))
        return found

    def _described(self, z: np.ndarray) -> _End | None:
        if not np.all(np.isfinite(z)) or np.max(np.abs(z)) > _FAR * self.box:
            return None
        halves = [
            np.sqrt(np.mean(np.sum((half - self.centre) ** 2, axis=1))) for half in np.array_split(z, 2)
        ]
        spread = np.ptp([self._numbers(quarter) for quarter in np.array_split(z, 4)], axis=0)
        return _End(self._numbers(z), spread, float(halves[1] - halves[0]))

    def _numbers(self, z: np.ndarray) -> np.ndarray:
        sizes = np.linalg.norm(z - self.centre, axis=1)
        return np.concatenate([[sizes.max(), sizes.min(), np.max(np.ptp(z, axis=0))], z.mean(axis=0)])

    def grouped(self, ends: list[_End | None]) -> np.ndarray:
        """The attractor of every end: an index into those known, to which new ones are added."""
        return np.array([self._group(e) for e in ends])

    def _group(self, end: _End | None) -> int:
        if end is None:
            return _DIVERGED
        small = _AT_REST * self.box
        if end.diameter > small and abs(end.change) > _STEADY * end.largest:
            if end.change > 0 or end.largest >= 0.1 * self.box:
                return _UNSETTLED
            end = _at_rest(self.centre, 0.0)  # on its way to (0, x0)
        elif end.diameter <= small:
            end = _at_rest(end.centre, end.largest)
        for k, other in enumerate(self.known):
            least = _SAME * max(other.largest, other.diameter, 50 * small)
            # of a chaotic or long motion the rows are a sample, which a second one differs from
            off = np.maximum(least, 2.0 * np.maximum(end.spread, other.spread))
            if np.all(np.abs(end.numbers - other.numbers) <= off):
                return k
        self.known.append(end)
        return len(self.known) - 1

    @staticmethod
    def has_settled(labels: np.ndarray) -> np.ndarray:
        """Whether it is known where each start ends."""
        return labels != _UNSETTLED

    def labels(self, draws: np.ndarray, tell: Callable[[int, int], None] | None = None) -> np.ndarray:
        """The attractor of every start; where the field switches, only one that does not depend on the step."""
        found = self.grouped(self.ends(draws, tell))
        if not self.switches:
            return found
        return np.where(self.grouped(self.ends(draws, finer=2)) == found, found, _UNSETTLED)


@functools.partial(jax.jit, static_argnums=(5,))
def _last_rows(
    system: DiracSystem, rule: Rule | None, draws: Array, h: Array, before: Array, every: int
) -> Array:
    """The players in the last rows of every run, (n, rows, 2d)."""
    game, d = dirac.game(system.variant, system.x0), system.x0.shape[0]

    def once(state: Any) -> Any:
        if rule is not None:
            return step(rule, game, state)
        k1 = velocity(system, state)
        k2 = velocity(system, state + h / 2 * k1)
        k3 = velocity(system, state + h / 2 * k2)
        return state + h / 6 * (k1 + 2 * k2 + 2 * k3 + velocity(system, state + h * k3))

    def run(z: Array) -> Array:
        state = z if rule is None else init(rule, game, Players(z[:d], z[d:]))
        state = jax.lax.fori_loop(0, before, lambda _, s: once(s), state)

        def row(state: Any, _: None) -> tuple[Any, Array]:
            state = jax.lax.fori_loop(0, every, lambda _, s: once(s), state)
            return state, state if rule is None else jnp.concatenate([*state.players])

        return jax.lax.scan(row, state, None, length=_ROWS)[1]

    return jax.vmap(run)(draws)


def _attractor(
    runs: Runs, group: int, labels: np.ndarray, draws: np.ndarray, asked: LinearSettings
) -> Attractor:
    from scipy.stats import binomtest

    members = np.flatnonzero(labels == group)
    interval = binomtest(len(members), len(labels)).proportion_ci(_LEVEL)
    nearest = members[np.argmin(np.linalg.norm(draws[members] - runs.centre, axis=1))]
    start, d = draws[nearest], len(runs.centre) // 2
    told = verdict(asked.variant, start[:d], start[d:], rule=asked.rule, x0=asked.x0, effort=0.2)
    end = None if group == _DIVERGED else runs.known[group]
    return Attractor(
        kind=told.kind,
        share=len(members) / len(labels),
        share_low=float(interval.low),
        share_high=float(interval.high),
        count=len(members),
        phi0=start[:d].tolist(),
        theta0=start[d:].tolist(),
        centre=None if end is None else end.centre.tolist(),
        radius=None if end is None else end.largest,
        text=told.text,
    )


def _edges(runs: Runs, order: list[int], labels: np.ndarray, draws: np.ndarray) -> list[Edge]:
    """Between every two attractors, a point on the edge, by bisection between the two nearest starts."""
    from scipy.spatial import KDTree

    found = []
    for i, a in enumerate(order):
        for j in range(i + 1, len(order)):
            one, two = draws[labels == a], draws[labels == order[j]]
            gaps, nearest = KDTree(two).query(one)
            k = int(np.argmin(gaps))
            m = int(np.asarray(nearest)[k])
            # from both sides: close to an edge a run takes long to settle
            inner = bisected(runs, one[k][None], two[m][None], a)[0]
            outer = bisected(runs, two[m][None], one[k][None], order[j])[0]
            middle = 0.5 * (inner[0] + outer[0])
            gap, off = float(np.linalg.norm(inner - outer)), float(np.linalg.norm(middle - runs.centre))
            found.append(Edge((i, j), middle.tolist(), gap, off))
    return found


def bisected(runs: Runs, inner: np.ndarray, outer: np.ndarray, group: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of starts, the first of which ends on ``group`` and the second not, brought together."""
    for _ in range(_HALVINGS):
        middle = 0.5 * (inner + outer)
        stays = (runs.labels(middle) == group)[:, None]
        inner, outer = np.where(stays, middle, inner), np.where(stays, outer, middle)
    return inner, outer


def _survives(runs: Runs, labels: np.ndarray, draws: np.ndarray) -> float | None:
    """The least distance from (0, x0) at which a ray towards a start that ends elsewhere leaves its basin."""
    centre = runs.centre
    home = int(runs.labels(centre[None] + 1e-4 * runs.box / np.sqrt(len(centre)))[0])
    away = draws[(labels != home) & (labels != _UNSETTLED)]
    if not len(away) or home < 0 or runs.known[home].largest > _SAME * runs.box:
        return None
    inner, _ = bisected(runs, np.tile(centre, (len(away), 1)), away, home)
    return float(np.min(np.linalg.norm(inner - centre, axis=1)))


def _words(found: list[Attractor], survives: float | None, unsettled: float) -> str:
    parts = [f"{100 * a.share:.3g} % {a.kind}" for a in found]
    if unsettled:
        parts.append(f"{100 * unsettled:.3g} % not settled")
    kick = "" if survives is None else f"; the equilibrium survives kicks of up to about |z| = {survives:.4g}"
    return ", ".join(parts) + kick
