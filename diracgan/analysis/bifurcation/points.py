"""Bifurcation points: their kind, what is born there, and its size beyond the threshold."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from ...errors import instance, number
from ...numerics.normal_form import NormalForm, eigenvector, real_eigenvalue
from ...numerics.path_following import PathPoint
from ...records import Record
from ...vocabulary import Vocabulary
from ..linear.status import Status
from .born_path import Born, Origin, born_at, law_until, squared_amplitude
from .equilibrium_forms import REAL, cubic_form, equilibrium_at, extent, jumping_derivatives
from .family import Family

NEAR = 1e-6  # a growth rate within this of 0 at a refined point is critical
FARTHEST = 1e3  # times 1 and the start: a branch is followed no further
_ALIKE = 1e-5  # two critical eigenvalues that differ by less are one, counted twice
_TANGENT_RANK = 1e-9  # of a branch's tangent: singular values that count as 0
_TURNS_BACK = 1e-6  # of a tangent: its share along the parameter where that turns back
_RESONANT = 1e-4  # of k: a multiplier whose k-th power is nearer to 1 is a root of unity
_NOTHING = 1e-14  # of a value that is said: 0 up to the rounding of its refinement
_PLACE = 1e-8  # of a state: how well a branch point is known along the curve that crosses
_CUBIC = 3.0  # times the cubic coefficient and the distance: how the quadratic one changes beside the point
_FLAT = 1e-9  # of a growth rate's change with the parameter: no crossing


class PointKind(Vocabulary):
    """The local bifurcations of one parameter; ``words`` is their name in a sentence.

    Example:
        >>> PointKind("neimark-sacker").words
        'Neimark-Sacker'
    """

    FOLD = "fold", "fold"
    BRANCH_POINT = "branch-point", "branch point"
    HOPF = "hopf", "Hopf"
    NEIMARK_SACKER = "neimark-sacker", "Neimark-Sacker"
    FLIP = "flip", "flip (period doubling)"


@dataclasses.dataclass(frozen=True)
class Bifurcation(Record):
    """A point of a branch at which its stability changes, with what the normal form says of it.

    Attributes:
        kind: one of :class:`PointKind`.
        parameter: its name; ``value`` where it happens.
        phi: the critic there; ``theta`` the generator; ``state`` all that evolves, (n,).
        residual: largest |F_i| there.
        eigenvalue: the critical eigenvalue or multiplier, with an imaginary part >= 0.
        multiplicity: how many critical eigenvalues (pairs) there are.
        crossing: d(growth rate)/d(parameter), of the real part or modulus; None where the parameter turns back.
        coefficient: of the cubic normal form (docs/concepts/normal-forms.md), of a fold the quadratic one; None where
            there is none.
        criticality: supercritical, subcritical, transcritical, degenerate, or "" where nothing is known.
        scale: k in radius ~ k sqrt(|parameter - value|); None where it does not apply. :meth:`law_until` says where it
            ends.
        side: 1 where what is born exists above ``value``, -1 below, 0 where that is not known.
        resonance: of a Neimark-Sacker point the strong resonance 1:1 to 1:4 on which it lies, or "".
        at_end: whether it lies at an end of the range, beyond which nothing was seen.
        text: one sentence in words.
        born: what the normal form says is born, e.g. "a stable circle of radius about 1.4 sqrt(lr - 0.2)"; empty
            where it says nothing.
    """

    kind: PointKind
    parameter: str
    value: float
    phi: np.ndarray
    theta: np.ndarray
    state: np.ndarray
    residual: float
    eigenvalue: complex
    multiplicity: int
    crossing: float | None
    coefficient: float | None
    criticality: str
    scale: float | None
    side: int
    resonance: str
    at_end: bool
    text: str
    born: str
    tangent: np.ndarray = dataclasses.field(repr=False)
    family: Family = dataclasses.field(repr=False)

    @property
    def birth(self) -> str:
        """Of which variant, rule and dimension what is born where."""
        around = self.family.around
        rule = "flow" if around.rule is None else around.rule.name
        head = f"{around.variant.label.replace('=', ' = ')}, {rule}, d = {self.family.dim}: "
        if not self.born:
            return head + self.text
        what = (
            "is born"
            if self.criticality == "supercritical"
            else "closes in, and beyond nothing near holds the motion"
        )
        return f"{head}at {self.parameter} = {said(self.value)} {self.born} {what}"

    @property
    def newborn(self) -> str:
        """What the cubic normal form is of: a limit cycle, a circle, an orbit of period 2k, a pair of equilibria."""
        return _newborn(self.family, self.kind)

    @property
    def origin(self) -> Origin:
        """From where what is born is followed."""
        return Origin(self.family, self.state, self.value, self.eigenvalue)

    def born_at(self, value: float) -> Born | None:
        """What is born, itself, at another value; None where nothing is known to exist or Newton's method loses it."""
        beyond = number("value", value) - self.value
        if self.kind is PointKind.FOLD or self.coefficient is None or beyond * self.side <= 0:
            return None
        return born_at(self.origin, value)

    def radius(self, value: float) -> float | None:
        """The largest |(phi, theta - x0)|, from the equilibrium, of what is born, at another value.

        By what is born itself, stable or not: the invariant circle, the cycle, the orbit of period 2k or the pair of
        equilibria, followed from the normal form. None where nothing is known to exist.
        """
        found = self.born_at(value)
        return None if found is None else found.extent[1]

    def law_until(self, within: float = 0.02) -> float | None:
        """The parameter's value up to which the law of the radius, with ``scale``, is off by ``within`` at most.

        By what is born itself; looked for as far again as the threshold is from 0. None of folds, where there is no
        law, where it is further off at once, and where what is born is not found close by.

        Raises:
            InputError: for a share that is not above 0 and at most 1.
        """
        share = number("within", within, low=0, open_low=True, high=1)
        if self.kind is PointKind.FOLD or self.scale is None or not self.side:
            return None
        room = self.side * (abs(self.value) if abs(self.value) > NEAR else 1.0)
        domain = self.family.handles[0].domain
        if (end := domain.high if self.side > 0 else domain.low) is not None:
            room = self.side * min(abs(room), abs(end - self.value))
        return law_until(self.origin, self.scale, room, share)

    def normal_form_radius(self, value: float) -> float | None:
        """The radius by the normal form alone, at another value, whose error grows like |value - threshold|.

        The normal form is taken at ``value`` itself, with the equilibrium, its eigenvalue and the coefficient there;
        None on the side on which nothing exists, or where there is no normal form.
        """
        value = number("value", value)
        if self.coefficient is None or self.kind is PointKind.FOLD:
            return None
        at = equilibrium_at(self.family, self.state, value)
        form = None if at is None else cubic_form(self.family, at, value, self.eigenvalue)
        square = 0.0 if form is None else squared_amplitude(self.family, form)
        return math.sqrt(square) * extent(form, self.family.dim) if form is not None and square > 0 else None


def check_point(point: object) -> Bifurcation:
    """``point``, or InputError where it is not a bifurcation."""
    return instance("point", point, Bifurcation, "one of the points of dg.bifurcation.branch(...)")


def classify(family: Family, point: PathPoint, turns: bool, at_end: bool) -> Bifurcation | None:
    """What a refined point of a branch is; None where no eigenvalue is critical there.

    Args:
        family: the field or map.
        point: of the path, with its tangent and Jacobian.
        turns: whether the parameter turns back there.
        at_end: whether it lies at an end of the range.
    """
    values, growth, errors = family.spectrum(point.jacobian)
    critical = values[np.abs(growth) <= np.maximum(NEAR, errors)]
    if not len(critical):
        return None
    critical = critical[np.argsort(np.abs(growth[np.abs(growth) <= np.maximum(NEAR, errors)]))]
    lead = complex(critical[0])
    turning = abs(lead.imag) > REAL
    if turning:
        kind = PointKind.NEIMARK_SACKER if family.discrete else PointKind.HOPF
        alike = critical[np.abs(np.abs(np.imag(critical)) - abs(np.imag(lead))) <= _ALIKE]
        lead, count = complex(lead.real, abs(lead.imag)), len(alike) // 2
    else:
        flips = family.discrete and lead.real < 0
        kind = PointKind.FLIP if flips else PointKind.FOLD if turns else PointKind.BRANCH_POINT
        count = int(np.sum(np.abs(critical - lead) <= _ALIKE))
    x, value = point.u[:-1], float(point.u[-1])
    phi, theta = family.players(x)
    made = {
        "kind": kind,
        "parameter": family.handles[0].name,
        "value": value,
        "phi": np.array(phi),
        "theta": np.array(theta),
        "state": np.array(x),
        "residual": point.residual,
        "eigenvalue": lead,
        "multiplicity": max(count, 1),
        "at_end": at_end,
        "tangent": point.tangent,
        "family": family,
    }
    return Bifurcation(
        **made, **_born(family, kind, point, lead, max(count, 1), bool(growth[0] > NEAR), at_end)
    )


def at_threshold(family: Family, players: np.ndarray, value: float) -> Bifurcation | None:
    """What happens to an equilibrium at a threshold of its stability; None where no eigenvalue is critical there.

    Args:
        family: of one number.
        players: (phi, theta) of the equilibrium, (2d,).
        value: of the number.
    """
    x = family.rest(players, [value])
    residual, slope = family.equations(np.append(x, value))
    if not (np.all(np.isfinite(residual)) and np.all(np.isfinite(slope))):
        return None
    move = np.linalg.lstsq(slope[:, :-1], -slope[:, -1], rcond=_TANGENT_RANK)[0]
    tangent = np.append(move, 1.0)
    point = PathPoint(
        np.append(x, value), tangent / np.linalg.norm(tangent), slope, float(np.max(np.abs(residual)))
    )
    return classify(family, point, turns=False, at_end=False)


def _born(
    family: Family,
    kind: PointKind,
    point: PathPoint,
    lead: complex,
    count: int,
    unstable: bool,
    at_end: bool,
) -> dict[str, Any]:
    """The normal form's part of a bifurcation."""
    x, value, name = point.u[:-1], float(point.u[-1]), family.handles[0].name
    found: dict[str, Any] = {
        "crossing": None,
        "coefficient": None,
        "criticality": "",
        "scale": None,
        "side": 0,
        "born": "",
        "resonance": resonance(lead) if kind is PointKind.NEIMARK_SACKER else "",
    }
    head = f"{name} = {0.0 if abs(value) < _NOTHING else value:.10g}: {kind.words}"
    if at_end:
        head += " at an end of the range"
    if found["resonance"]:
        head += f", on the strong resonance {found['resonance']}"
    if count > 1:
        why = f"{count} {'pairs of ' if lead.imag else ''}critical eigenvalues coincide"
        if family.dim > 1:
            why += ": on a line through the datum the normal form of d = 1 holds"
        return found | {"text": f"{head}; {why}"}
    if why := family.roughness or jumping_derivatives(family, x, [value]):
        return found | {"text": f"{head}; {why}"}
    found["crossing"] = _crossing(family, point, lead)
    if kind is PointKind.FOLD:
        return found | _fold(family, point, head)
    if found["crossing"] is None:
        return found | {"text": f"{head}; the branch stands upright there, so that no law in {name} holds"}
    form = cubic_form(family, x, value, lead)
    if form is None:
        return found | {"text": f"{head}; no normal form: a derivative is not finite there"}
    if kind is PointKind.BRANCH_POINT:
        quadratic = real_eigenvalue(family.derivatives(x, [value]), lead.real, quadratic=True)
        # beside the point itself, which is known to a few digits less, the cubic term counts as a quadratic one
        beside = _CUBIC * abs(form.coefficient) * _PLACE * (1.0 + float(np.linalg.norm(x)))
        if quadratic is not None and abs(quadratic.coefficient) > 10 * quadratic.error + beside:
            found |= {"coefficient": quadratic.coefficient, "criticality": "transcritical"}
            return found | {"text": f"{head}, transcritical: two branches exchange their stability"}
    said = found | _cubic_words(family, kind, form, found["crossing"], head, unstable, value)
    if said["born"] and (named := said["resonance"]):
        said["text"] += f"; on this resonance it may be torn, or locked to orbits of period {named[-1]}"
    return said


def _cubic_words(
    family: Family,
    kind: PointKind,
    form: NormalForm,
    crossing: float,
    head: str,
    unstable: bool,
    value: float,
) -> dict[str, Any]:
    c = -form.coefficient if kind is PointKind.FLIP else form.coefficient  # < 0 bounds the amplitude
    found: dict[str, Any] = {"coefficient": form.coefficient}
    if abs(c) <= form.error or abs(crossing) <= _FLAT:
        what = "the cubic coefficient" if abs(c) <= form.error else "the speed of the crossing"
        return found | {"criticality": "degenerate", "text": f"{head}, degenerate: {what} is 0 to rounding"}
    side = int(np.sign(-crossing / c))
    scale = math.sqrt(abs(crossing / c)) * extent(form, family.dim)
    found |= {"criticality": "supercritical" if c < 0 else "subcritical", "side": side, "scale": scale}
    born = _newborn(family, kind)
    name = family.handles[0].name
    domain = family.handles[0].domain
    ends = (domain.high, domain.low)
    if (end := ends[side < 0]) is not None and abs(value - end) <= NEAR:
        found |= {"side": 0, "scale": None}
        where = f"{name} {'>' if side > 0 else '<'} {end:g}, which is not allowed"
        return found | {"text": f"{head}, {found['criticality']}; what is born there is a {born} for {where}"}
    stable = Status.STABLE if c < 0 and not unstable else Status.UNSTABLE
    law = f"of radius about {scale:.5g} sqrt({_distance(name, value, side)})"
    thing = f"{'an' if stable is Status.UNSTABLE else 'a'} {stable} {born} {law}"
    where = f"for {name} {'>' if side > 0 else '<'} {said(value)}"
    return found | {"born": thing, "text": f"{head}, {found['criticality']}; {where} there is {thing}"}


def said(value: float) -> str:
    """A parameter's value in a sentence; what rounding leaves of 0 is 0."""
    return "0" if abs(value) < _NOTHING else f"{value:.6g}"


def _distance(name: str, value: float, side: int) -> str:
    """How far beyond a threshold, e.g. lr - 0.2, k + 1, -k."""
    at = said(value)
    if side < 0:
        return f"-{name}" if at == "0" else f"{at} - {name}"
    return name if at == "0" else f"{name} + {at[1:]}" if value < 0 else f"{name} - {at}"


def _newborn(family: Family, kind: PointKind) -> str:
    return {
        PointKind.HOPF: "limit cycle",
        PointKind.NEIMARK_SACKER: "circle",
        PointKind.FLIP: f"orbit of period {2 * family.period}",
        PointKind.BRANCH_POINT: "pair of equilibria",
        PointKind.FOLD: "pair of equilibria",
    }[kind]


def _fold(family: Family, point: PathPoint, head: str) -> dict[str, Any]:
    """The two equilibria that meet: p - p* ~ -(b/s) a^2 with b the quadratic coefficient, s = p^H dF/dp."""
    x, value = point.u[:-1], float(point.u[-1])
    form = real_eigenvalue(family.derivatives(x, [value]), 1.0 if family.discrete else 0.0, quadratic=True)
    if form is None:
        return {"text": f"{head}; a derivative is not finite there"}
    turned = point.jacobian[:, -1]
    pull = float(np.real(form.adjoint) @ turned)
    unmoved = abs(pull) <= _FLAT * np.linalg.norm(form.adjoint) * np.linalg.norm(turned)
    if abs(form.coefficient) <= form.error or unmoved:
        return {"coefficient": form.coefficient, "criticality": "degenerate", "text": f"{head}, degenerate"}
    side = int(np.sign(-pull / form.coefficient))
    name = family.handles[0].name
    scale = math.sqrt(abs(pull / form.coefficient)) * float(np.linalg.norm(form.vector[: 2 * family.dim]))
    return {
        "coefficient": form.coefficient,
        "side": side,
        "scale": scale,
        "text": f"{head}; for {name} {'>' if side > 0 else '<'} {value:.6g} there are two {family.kind}, "
        f"which meet and vanish there",
    }


def _crossing(family: Family, point: PathPoint, lead: complex) -> float | None:
    """How fast the critical growth rate changes with the parameter along the branch."""
    along = point.tangent[-1]
    if abs(along) < _TURNS_BACK:
        return None
    turned = family.slope_along(point.u, point.tangent) / along
    value, q, p = eigenvector(family.matrix(point.jacobian), lead)
    slope = complex(np.vdot(p, turned @ q))
    return float((np.conj(value) * slope).real / abs(value)) if family.discrete else slope.real


def resonance(multiplier: complex) -> str:
    """The strong resonance 1:1 to 1:4 on which a multiplier lies, or ""."""
    for k in (1, 2, 3, 4):
        if abs(multiplier**k - 1.0) < _RESONANT * k:
            return f"1:{k}"
    return ""
