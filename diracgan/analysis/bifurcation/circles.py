"""The invariant circle that is born at a Neimark-Sacker point, followed from there."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...errors import InputError, number
from ...records import Record
from ..linear.status import Status
from .born_path import SHOWN, Born
from .circle_exponents import exponents_on
from .points import Bifurcation, PointKind, check_point

_TURNS = 2000  # applications of the map along which exponents are taken


@dataclasses.dataclass(frozen=True)
class Circle(Record):
    """An invariant circle of a rule's map.

    Attributes:
        parameter: its name; ``value`` where the circle lies.
        radius: largest |(phi, theta) - the fixed point|; ``least_radius`` the smallest.
        predicted: the radius by the normal form, whose error grows like |value - threshold|.
        rotation: angle by which the map turns it, in radians.
        exponents: Lyapunov exponents on it per application (about an orbit of period k, of k), by decreasing value; the
            tangential one is 0.
        exponent_errors: how far each may be off, of the finite orbit and of the circle's finite series.
        attracts: whether every other exponent is negative beyond its error.
        residual: largest |f(K(angle)) - K(angle + rotation)|.
        points: phi and theta along it, (512, 2d).
    """

    parameter: str
    value: float
    radius: float
    least_radius: float
    predicted: float | None
    rotation: float
    exponents: np.ndarray
    exponent_errors: np.ndarray
    attracts: bool
    residual: float
    points: np.ndarray


def circle(point: Bifurcation, value: float) -> Circle:
    """The invariant circle born at a Neimark-Sacker point, at another value of its parameter, stable or not.

    Started on the normal form close to the point, and followed from there by Newton's method on its parametrisation.

    Args:
        point: a Neimark-Sacker point.
        value: of the parameter, on the side where the circle exists.

    Raises:
        InputError: for another kind of point, the wrong side, or where no smooth circle is found.

    Example:
        >>> import diracgan as dg
        >>> v, rule = dg.variant("ns").with_(r1=0.05), dg.rule("simultaneous", lr=0.1)
        >>> point = dg.bifurcation.branch(v, over="lr=0.01:0.4", rule=rule).points[0]
        >>> found = dg.bifurcation.circle(point, 0.202)
        >>> round(found.radius, 4), found.attracts
        (0.065, True)
    """
    check_point(point)
    if point.kind is not PointKind.NEIMARK_SACKER:
        raise InputError(f"a {point.kind.words} gives birth to no circle; allowed: Neimark-Sacker points")
    if point.coefficient is None or point.criticality == "degenerate":
        raise InputError(f"{point.text}: there is no normal form to start from")
    span = number("value", value) - point.value
    if span * point.side <= 0:
        side = "above" if point.side > 0 else "below"
        raise InputError(
            f"{point.parameter} = {value:g}: no circle there; it exists {side} {point.value:.10g}"
        )
    found = point.born_at(value)
    if found is None:
        raise InputError(
            f"no smooth circle was found up to {point.parameter} = {value:g}: it ends or locks before"
        )
    return _described(point, found)


def _described(point: Bifurcation, found: Born) -> Circle:
    family, value, ring = point.family.repeated(point.family.times or 1), found.value, found.circle
    assert ring is not None
    least, most = found.extent
    (on,) = exponents_on(family, [ring], [value], _TURNS)
    exponents, errors = np.append(on.along, on.across), np.append(on.along_error, on.across_errors)
    order = np.argsort(-exponents, kind="stable")
    return Circle(
        parameter=point.parameter,
        value=value,
        radius=most,
        least_radius=least,
        predicted=point.normal_form_radius(value),
        rotation=ring.rotation,
        exponents=exponents[order],
        exponent_errors=errors[order],
        attracts=on.status == Status.STABLE,
        residual=ring.residual,
        points=ring.dense(SHOWN)[:, : 2 * family.dim],
    )
