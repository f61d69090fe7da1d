"""The bifurcations of cycles: folds, period doublings, tori, branch points, and where they meet surfaces anew."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np

from ...numerics.continuation import SolutionPath
from ...numerics.path_following import PathPoint
from ...numerics.sign_changes import Monitor, SignChange
from ...records import Record
from ...vocabulary import Vocabulary
from .contacts import Touching
from .cycle_equations import CycleEquations
from .points import resonance

_REAL = 1e-6  # of the imaginary part of a multiplier that is real
_NEAR = 1e-4  # of the unit circle: a refined multiplier there is critical
_UPRIGHT = 1e-8  # of a tangent: the parameter stands still
_TURNS = 1e-3  # of a tangent near a fold


class CycleKind(Vocabulary):
    """The local bifurcations of cycles.

    Example:
        >>> CycleKind("torus").words
        'torus (Neimark-Sacker)'
    """

    FOLD = "fold-of-cycles", "fold of cycles"
    PERIOD_DOUBLING = "period-doubling", "period doubling"
    TORUS = "torus", "torus (Neimark-Sacker)"
    BRANCH_POINT = "branch-point-of-cycles", "branch point of cycles"
    GRAZING = "grazing", "grazing"
    GRAZING_SLIDING = "grazing-sliding", "grazing-sliding"
    CROSSING_SLIDING = "crossing-sliding", "crossing-sliding"
    SWITCHING_SLIDING = "switching-sliding", "switching-sliding"
    ADDING_SLIDING = "adding-sliding", "adding-sliding"


@dataclasses.dataclass(frozen=True)
class CyclePoint(Record):
    """A cycle at which the stability of its branch changes, or at which it meets a switching surface in a new way.

    Attributes:
        kind: one of :class:`CycleKind`.
        parameter: its name; ``value`` where it happens.
        period: of the cycle there.
        phi: the critic at a point of it, where it meets a surface anew at that point; ``theta`` the generator;
            ``state`` both, (2d,).
        residual: largest entry of the shooting equations.
        multiplier: the critical one, with an imaginary part >= 0; at a surface the largest beside it.
        trivial_error: how far the trivial multiplier is from 1 there.
        side: of a fold 1 where the two cycles exist above ``value``, -1 below; else 0.
        resonance: of a torus the strong resonance 1:1 to 1:4 on which it lies, or "".
        at_end: whether it lies at an end of the branch, beyond which nothing was seen.
        text: one sentence in words.
    """

    kind: CycleKind
    parameter: str
    value: float
    period: float
    phi: np.ndarray
    theta: np.ndarray
    state: np.ndarray
    residual: float
    multiplier: complex
    trivial_error: float
    side: int
    resonance: str
    at_end: bool
    text: str
    equations: CycleEquations = dataclasses.field(repr=False)
    path_point: PathPoint = dataclasses.field(repr=False)

    @property
    def is_thrown(self) -> bool:
        """Whether it grazes a surface whose far side carries the motion away: no branch goes on there."""
        return self.kind is CycleKind.GRAZING and self.at_end


def cycle_monitors(equations: CycleEquations) -> Monitor:
    """What changes its sign at a fold, a period doubling, a torus and a branch point.

    The tangent's parameter, prod (mu_i + 1), prod (mu_i mu_j - 1) over pairs and prod (mu_i - 1), of the multipliers
    but the trivial one.
    """

    def seen(point: PathPoint) -> tuple[np.ndarray, np.ndarray]:
        values, errors = equations.multipliers(point.jacobian)
        pairs = list(itertools.combinations(range(len(values)), 2))
        products = np.array([values[i] * values[j] for i, j in pairs])
        off = np.array([abs(values[i]) * errors[j] + abs(values[j]) * errors[i] for i, j in pairs])
        parts = [
            _product(values + 1.0, errors),
            _product(products - 1.0, off),
            _product(values - 1.0, errors),
        ]
        return (
            np.array([point.tangent[-1], *(v for v, _ in parts)]),
            np.array([_UPRIGHT, *(e for _, e in parts)]),
        )

    return seen


def _product(factors: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """The real product of factors, and how far it may be off."""
    bigger = np.abs(factors) + errors
    without = [np.prod(np.delete(bigger, k)) for k in range(len(bigger))]
    return float(np.prod(factors).real), float(np.sum(errors * without))


def classify_cycle(equations: CycleEquations, path: SolutionPath, change: SignChange) -> CyclePoint | None:
    """What a refined point of a branch of cycles is; None where no multiplier is critical there."""
    point = change.point
    kind = (CycleKind.FOLD, CycleKind.PERIOD_DOUBLING, CycleKind.TORUS, CycleKind.BRANCH_POINT)[
        change.monitor
    ]
    values, _ = equations.multipliers(point.jacobian)
    turns = abs(point.tangent[-1]) <= _TURNS
    if kind is CycleKind.BRANCH_POINT and turns:
        return None
    if kind is CycleKind.FOLD and change.at_end:
        return None
    wanted = {CycleKind.PERIOD_DOUBLING: -1.0}.get(kind, 1.0)
    turning = values[np.abs(np.imag(values)) > _REAL]
    if kind is CycleKind.TORUS:
        if not len(turning):
            return None  # two real multipliers of product 1: a neutral saddle
        lead = complex(turning[np.argmin(np.abs(np.abs(turning) - 1.0))])
        critical = abs(abs(lead) - 1.0) <= _NEAR
    else:
        lead = complex(values[np.argmin(np.abs(values - wanted))])
        critical = abs(lead - wanted) <= (np.sqrt(_NEAR) if kind is CycleKind.FOLD else _NEAR)
    if not critical:
        return None
    z, period, value = equations.parts(point.u)
    d, name = equations.family.dim, equations.family.handles[0].name
    side = _side(path, change, value) if kind is CycleKind.FOLD else 0
    named = resonance(lead) if kind is CycleKind.TORUS else ""
    lead = complex(lead.real, abs(lead.imag))
    return CyclePoint(
        kind=kind,
        parameter=name,
        value=value,
        period=period,
        phi=z[:d],
        theta=z[d:],
        state=z,
        residual=point.residual,
        multiplier=lead,
        trivial_error=equations.trivial(point.jacobian),
        side=side,
        resonance=named,
        at_end=change.at_end,
        text=_words(kind, name, value, period, side, lead, named),
        equations=equations,
        path_point=point,
    )


def cycle_at_surface(equations: CycleEquations, found: Touching, near: PathPoint) -> CyclePoint:
    """A cycle that grazes a surface, or begins or ends to slide, next to a point of its branch."""
    d, name = equations.family.dim, equations.family.handles[0].name
    kind = _at_surface(found)
    thrown = kind is CycleKind.GRAZING and found.pushed < 0
    values, _ = equations.multipliers(near.jacobian)
    lead = complex(values[np.argmax(np.abs(values))])
    head = f"{name} = {found.number:.10g}: {kind.words}, period {found.period:.6g}"
    return CyclePoint(
        kind=kind,
        parameter=name,
        value=found.number,
        period=found.period,
        phi=found.state[:d],
        theta=found.state[d:],
        state=found.state,
        residual=found.residual,
        multiplier=complex(lead.real, abs(lead.imag)),
        trivial_error=equations.trivial(near.jacobian),
        side=0,
        resonance="",
        at_end=thrown,
        text=f"{head}; {_AT_SURFACE[kind]}" + (", beyond which the motion is carried away" if thrown else ""),
        equations=equations,
        path_point=near,
    )


def _at_surface(found: Touching) -> CycleKind:
    """Which event it is; where a slide begins, by whether what is tangent there goes on to the far side."""
    if found.within_slide:
        return CycleKind.ADDING_SLIDING
    if not found.contact.happens:
        return CycleKind.GRAZING_SLIDING if found.pushed > 0 else CycleKind.GRAZING
    crosses = found.departs < 0 if found.departs else found.contact.happens == "crossing"
    return CycleKind.CROSSING_SLIDING if crosses else CycleKind.SWITCHING_SLIDING


_AT_SURFACE = {
    CycleKind.GRAZING: "the cycle touches a surface on which the field switches",
    CycleKind.GRAZING_SLIDING: "the cycle touches a surface that pushes it back: beyond, a part of it slides along",
    CycleKind.CROSSING_SLIDING: "on one side of it the cycle crosses a surface, on the other it slides along it first",
    CycleKind.SWITCHING_SLIDING: "the cycle's slide along a surface begins where that begins to hold the motion",
    CycleKind.ADDING_SLIDING: "the cycle's slide touches the border of where the surface holds it: beyond, it leaves "
    "the surface and comes back to it",
}


def _side(path: SolutionPath, change: SignChange, value: float) -> int:
    near = path.points[change.before : change.after + 1]
    return int(np.sign(np.sum([p.u[-1] - value for p in near])))


def _words(
    kind: CycleKind, name: str, value: float, period: float, side: int, lead: complex, named: str
) -> str:
    head = f"{name} = {value:.10g}: {kind.words}, period {period:.6g}"
    if kind is CycleKind.FOLD:
        sign = ">" if side > 0 else "<"
        return f"{head}; for {name} {sign} {value:.6g} there are two cycles, which meet and vanish there"
    if kind is CycleKind.PERIOD_DOUBLING:
        return f"{head}; a cycle of twice the period is born"
    if kind is CycleKind.TORUS:
        on = f", on the strong resonance {named}" if named else ""
        return f"{head}; a torus is born, which turns by {abs(np.angle(lead)):.6g} each time round{on}"
    return f"{head}; another branch of cycles crosses, as where a symmetry is broken"
