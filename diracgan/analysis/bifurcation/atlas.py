"""The bifurcation curves of an equilibrium in a rectangle of two parameters."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError, callback
from ...records import Record
from ...rules import Rule
from ...variants import Variant
from ..decision_thresholds import T
from ..linear.parameter_handle import ParameterHandle
from ..linear.settings import AskedAbout, LinearSettings, settings
from .branch import Branch, checked_start, follow
from .curves import (
    SAME_POINT,
    CodimensionTwo,
    Curve,
    Rectangle,
    check_linear,
    check_noiseless,
    coincide,
    follow_curve,
    follow_cycle_curve,
    plane,
    rectangle,
)
from .cycle_curves import FOLLOWED
from .cycle_points import CyclePoint
from .cycles import born_cycles
from .equilibrium_forms import equilibrium_at
from .family import Family
from .points import Bifurcation, PointKind

_SLICES = 3  # branches in either direction, on which the curves are met
_ON_IT = 2e-3  # of the ranges: a point this near to a curve of its kind lies on it
_HELD = 0.1  # of the range: from a point further away no slice is begun
_SAME_STATE = 0.1
_ALIKE = 0.02  # of two critical eigenvalues


@dataclasses.dataclass(frozen=True, kw_only=True)
class Atlas(Rectangle, AskedAbout, Record):
    """The curves of a rectangle.

    Attributes:
        parameters: the two names; ``low`` and ``high`` their ranges.
        curves: of fold, branch point, Hopf, Neimark-Sacker and flip points; of folds and period doublings of cycles.
        notes: what was left out, and why.
        text: one sentence in words.
    """

    curves: list[Curve]
    notes: list[str]
    text: str


def atlas(
    variant: Variant,
    over: Sequence[str],
    rule: Rule | None = None,
    start: tuple[ArrayLike, ArrayLike] | None = None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    rate_d: float = 1.0,
    rate_g: float = 1.0,
    progress: Callable[[int, int], None] | None = None,
) -> Atlas:
    """The curves of bifurcations of an equilibrium in two parameters, with their points of codimension two.

    Branches along three lines in either direction meet the curves; each is followed once. A curve that crosses none of
    these lines is not seen. In a flow the cycles born at the Hopf points of the first line are followed, and with them
    the curves of their folds and period doublings.

    Args:
        variant: from :func:`diracgan.variant`.
        over: two parameters with their ranges: ``("gamma=0.01:1", "lr=0.01:4")``.
        rule: from :func:`diracgan.rule`; None for the flow.
        start: an equilibrium (phi, theta) at the present values; None for (0, x0).
        dim: dimension d (1, or that of ``x0`` or ``start``).
        x0: the datum; None for 0.
        rate_d: factor on the critic's velocity (flow).
        rate_g: factor on the generator's velocity (flow).
        progress: called with how many branches were followed, of how many.

    Returns:
        An :class:`Atlas`.

    Raises:
        InputError: for arguments that are not allowed, a start that is not an equilibrium, or one without a derivative.

    Example:
        >>> import diracgan as dg
        >>> over = ("gamma=0.1:0.9", "lr=0.1:3.5")
        >>> found = dg.bifurcation.atlas(dg.variant("ns"), over, rule=dg.rule("simultaneous"))
        >>> [p.name for p in found.curves[0].points]
        ['1:4 resonance', '1:3 resonance']
    """
    callback("progress", progress)
    around = settings(variant, rule, dim, x0, start, rate_d, rate_g)
    check_linear(around)
    handles, low, high = plane(around, over)
    scan = _Scan(around, handles, low, high)
    check_noiseless(scan.family)
    for k, (found, turned, held) in enumerate(scan.branches()):
        for point in found.points:
            scan.add(point, turned, held)
        if k == 0:
            scan.add_cycles(found, held)
        if progress is not None:
            progress(k + 1, 2 * _SLICES + 1)
    place = rectangle(handles, low, high)
    return Atlas(
        curves=scan.curves,
        notes=list(dict.fromkeys(scan.notes)),
        text=_words(place["parameters"], scan.curves, bool(scan.notes)),
        **place,
        **around.provenance,
    )


class _Scan:
    """Branches along lines of a rectangle, and the curves that pass through their points."""

    def __init__(
        self,
        around: LinearSettings,
        handles: Sequence[ParameterHandle],
        low: np.ndarray,
        high: np.ndarray,
    ) -> None:
        self.around, self.low, self.high = around, low, high
        self.family = Family(around, handles)
        self.curves: list[Curve] = []
        self.notes: list[str] = []
        shares = (np.arange(_SLICES) + 0.5) / _SLICES
        self.lines = low + shares[:, None] * (high - low)

    def branches(self) -> Iterator[tuple[Branch, int, float]]:
        """Branches over the first (0) or second (1) parameter, and what the other is held at."""
        now = [
            float(h.now) if h.now is not None and a <= float(h.now) <= b else 0.5 * (a + b)
            for h, a, b in zip(self.family.handles, self.low, self.high, strict=True)
        ]
        at = np.concatenate(self.around.point)
        line = self.family.line(0, now[1])
        begin = checked_start(line.parameters.at(now[:1], at), line.handles[0].name, now[0], at, line)
        base = self._along(0, now[1], line.rest(begin, now[:1]), now[0])
        yield base, 0, now[1]
        middle, through = base, now[1]
        for p in self.lines[:, 0]:
            for found in self._crossing(base, 1, float(p), now[1]):
                yield found, 1, float(p)
                middle, through = found, float(p)
        if middle is base:
            return
        for q in self.lines[:, 1]:
            for found in self._crossing(middle, 0, float(q), through):
                yield found, 0, float(q)

    def _along(self, k: int, held: float, x: np.ndarray, begin: float) -> Branch:
        return follow(self.family.line(k, held), np.append(x, begin), float(self.low[k]), float(self.high[k]))

    def _crossing(self, base: Branch, k: int, held: float, begin: float) -> list[Branch]:
        """The branch over parameter k that starts on ``base``, where the other one is ``held``."""
        nearest = int(np.argmin(np.abs(base.values - held)))
        if abs(base.values[nearest] - held) > _HELD * (base.high - base.low):
            return []
        x = equilibrium_at(base.family, base.states[nearest], held)
        try:
            return [] if x is None else [self._along(k, held, x, begin)]
        except InputError:
            return []

    def add(self, point: Bifurcation, k: int, held: float) -> None:
        """Follow the curve through a point on a branch over parameter k, unless it lies on a known one."""
        at = np.array([point.value, held] if k == 0 else [held, point.value])
        if any(self._lies_on(point, at, c) for c in self.curves):
            return
        if point.multiplicity > 1:
            self.notes.append(coincide(point))
            return
        try:
            self.curves.append(follow_curve(self.family, point, at, self.low, self.high))
        except InputError as error:
            self.notes.append(str(error))

    def add_cycles(self, found: Branch, held: float) -> None:
        """Follow the curves through the folds and period doublings of the cycles born on a branch over parameter 0."""
        for hopf in (p for p in found.points if p.kind is PointKind.HOPF and p.side and p.multiplicity == 1):
            try:
                points = born_cycles(hopf, found.low, found.high).points
            except InputError as error:
                self.notes.append(str(error))
                continue
            for point in (p for p in points if p.kind in FOLLOWED):
                at = np.array([point.value, held])
                if any(self._on_cycles(point, at, c) for c in self.curves):
                    continue
                try:
                    self.curves.append(follow_cycle_curve(self.family, point, at, self.low, self.high))
                except InputError as error:
                    self.notes.append(str(error))

    def _on_cycles(self, point: CyclePoint, at: np.ndarray, known: Curve) -> bool:
        if known.kind is not point.kind or known.periods is None:
            return False
        off, k = self._distance(known, at)
        return off <= _ON_IT and bool(abs(known.periods[k] / point.period - 1.0) <= _SAME_STATE)

    def _distance(self, known: Curve, at: np.ndarray) -> tuple[float, int]:
        """How far a point lies from a curve, in units of the ranges, and after which of the curve's points."""
        path, at = known.values / (self.high - self.low), at / (self.high - self.low)
        ways = np.diff(path, axis=0)
        lengths = np.maximum(np.sum(ways**2, axis=1), T.tiny)
        shares = np.clip(np.sum((at - path[:-1]) * ways, axis=1) / lengths, 0.0, 1.0)
        off = np.linalg.norm(path[:-1] + shares[:, None] * ways - at, axis=1)
        k = int(np.argmin(off))
        return float(off[k]), k

    def _lies_on(self, point: Bifurcation, at: np.ndarray, known: Curve) -> bool:
        if known.kind is not point.kind:
            return False
        off, k = self._distance(known, at)
        same_state = np.linalg.norm(known.states[k : k + 2] - point.state, axis=1).min() <= _SAME_STATE
        two = known.eigenvalues[k : k + 2]
        alike = np.abs(two - point.eigenvalue).min() <= _ALIKE + abs(two[1] - two[0])
        return bool(off <= _ON_IT and same_state and alike)


def _words(names: tuple[str, str], curves: Sequence[Curve], left_out: bool) -> str:
    if not curves:
        none = "no curve of bifurcations was followed" if left_out else "no bifurcation was met"
        return f"{none} in ({names[0]}, {names[1]})"
    met = Counter(c.kind.words for c in curves)
    said = ", ".join(f"{count} {kind}" for kind, count in met.items())
    points: list[CodimensionTwo] = []  # where two curves meet, both name the point
    for p in (p for c in curves for p in c.points):
        if not any(p.name == q.name and np.allclose(p.values, q.values, rtol=SAME_POINT) for q in points):
            points.append(p)
    return f"curves in ({names[0]}, {names[1]}): {said}; points of codimension two: {len(points)}"
