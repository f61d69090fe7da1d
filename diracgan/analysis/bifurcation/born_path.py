"""What is born at a bifurcation point, followed from its normal form to other values of the parameter."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ...jax_settings import own_settings
from ...numerics.invariant_circle import LEAST_POINTS, InvariantCircle, invariant_circle
from ...numerics.normal_form import NormalForm
from ..dynamical_system import ContinuousSystem
from ..orbits.shooting import periodic_orbit
from .equilibrium_forms import REAL, cubic_form, equilibrium_at, extent
from .family import Family

PointsMap = Callable[[np.ndarray], np.ndarray]
_FIRST = (0.02, 0.1, 0.3, 1.0)  # of the way: where the normal form is believed
_GROWTH = 1.6  # of the step on the way
_LEAST_STEP, _MISSED = 1e-3, 8  # on the way, of it; steps on it that Newton's method may miss
_OTHER = (0.5, 2.0)  # of the size that is looked for: what is found beyond is something else
_TIMES = 4.0
_PARTS = tuple(
    _TIMES**-k for k in range(7, -1, -1)
)  # of the room beyond a threshold, where a law is held against it
_BISECTIONS = 6
SHOWN = 512  # points of a circle that is drawn


class Born(NamedTuple):
    """What was born, at a value of the parameter.

    Attributes:
        value: of the parameter.
        centre: the equilibrium there, (n,).
        points: on it, by which it is found, (m, n).
        clock: the angle by which the map turns a circle, the period of a cycle; unused of points that rest.
        extent: least and largest distance of its players from those of the equilibrium.
        circle: what it is of a Neimark-Sacker point; None else.
    """

    value: float
    centre: np.ndarray
    points: np.ndarray
    clock: float
    extent: tuple[float, float]
    circle: InvariantCircle | None = None


class Origin(NamedTuple):
    """A point at which something is born by a cubic normal form.

    Attributes:
        family: of one number.
        state: the equilibrium or fixed point there.
        value: of the number.
        eigenvalue: the critical one.
    """

    family: Family
    state: np.ndarray
    value: float
    eigenvalue: complex


def born_at(origin: Origin, value: float, known: Born | None = None) -> Born | None:
    """What is born at ``origin``, at a value of the parameter; None where Newton's method loses it on the way."""
    way = list(path_to(origin, value, known))
    return way[-1] if way and way[-1].value == value else None


def path_to(origin: Origin, value: float, known: Born | None = None) -> Iterator[Born]:
    """What is born at ``origin``, on the way to a value of the parameter, as far as Newton's method follows it.

    Started on the normal form near the threshold, or at what is ``known`` of it before, and followed by growing as the
    square root of the distance from the threshold does.
    """
    span, missed = value - origin.value, 0
    found, step = known, 1.0
    if known is None:
        tried = (_first(origin, origin.value + share * span if share < 1.0 else value) for share in _FIRST)
        found = next((born for born in tried if born is not None), None)
        step = 0.0 if found is None else (found.value - origin.value) / span
    while found is not None:
        yield found
        share = (found.value - origin.value) / span
        if found.value == value:
            return
        before, found = found, None
        step = min(step * _GROWTH, 1.0 - share)
        while found is None and step > _LEAST_STEP and missed < _MISSED:
            ahead = value if step >= 1.0 - share else origin.value + (share + step) * span
            found = _next(origin, before, ahead)
            if found is None:
                step, missed = 0.5 * step, missed + 1


def law_until(origin: Origin, scale: float, room: float, within: float) -> float | None:
    """The value up to which ``scale`` sqrt(distance) is within a share of the largest extent of what is born.

    Args:
        origin: where it is born.
        scale: of the law.
        room: how far from there is looked, with the sign of the side.
        within: the share.

    Returns:
        The value; None where the law is further off right at the point, or nothing was found close by.
    """
    found: dict[float, Born | None] = {0.0: None}

    def holds(part: float) -> bool | None:
        known = found[max(p for p, born in found.items() if p < part and (born is not None or not p))]
        found[part] = born = born_at(origin, origin.value + part * room, known)
        off = None if born is None else abs(scale * math.sqrt(abs(part * room)) / born.extent[1] - 1)
        return None if off is None else off <= within

    reached, beyond = 0.0, math.inf
    for part in _PARTS:  # what Newton's method misses tells nothing
        held = holds(part)
        if held is False or (held is None and reached):
            beyond = part
            break
        reached = part if held else reached
    for _ in range(_BISECTIONS if reached and beyond < math.inf else 0):
        middle = 0.5 * (reached + beyond)
        reached, beyond = (middle, beyond) if holds(middle) else (reached, middle)
    return origin.value + reached * room if reached else None


def squared_amplitude(family: Family, form: NormalForm) -> float:
    """The square of the amplitude of what is born, by the normal form at a value of the parameter; <= 0: nothing.

    0 too where the coefficient is 0 to rounding, so that the cubic terms decide nothing.
    """
    if abs(form.coefficient) <= form.error:
        return 0.0
    if not family.discrete:
        return -form.eigenvalue.real / form.coefficient
    flips = abs(form.eigenvalue.imag) <= REAL and form.eigenvalue.real < 0
    return (1.0 if flips else -1.0) * (abs(form.eigenvalue) - 1.0) / form.coefficient


def _first(origin: Origin, value: float) -> Born | None:
    """That of the normal form, refined."""
    family = origin.family
    at = equilibrium_at(family, origin.state, value)
    form = None if at is None else cubic_form(family, at, value, origin.eigenvalue)
    if at is None or form is None or not (square := squared_amplitude(family, form)) > 0:
        return None
    turning = abs(form.eigenvalue.imag) > REAL
    count = 2 if not turning else LEAST_POINTS if family.discrete else 1
    angles = 2 * np.pi * np.arange(count) / count
    around = (2 if turning else 1) * math.sqrt(square) * np.real(np.exp(1j * angles)[:, None] * form.vector)
    pulse = float(np.angle(form.eigenvalue)) if family.discrete else 2 * np.pi / (form.eigenvalue.imag or 1.0)
    return _refined(origin, at, at + around, pulse, value, math.sqrt(square) * extent(form, family.dim))


def _next(origin: Origin, before: Born, value: float) -> Born | None:
    at = equilibrium_at(origin.family, origin.state, value)
    if at is None:
        return None
    grown = math.sqrt((value - origin.value) / (before.value - origin.value))
    points = at + grown * (before.points - before.centre)
    return _refined(origin, at, points, before.clock, value, grown * before.extent[1])


def _refined(
    origin: Origin, at: np.ndarray, points: np.ndarray, clock: float, value: float, size: float
) -> Born | None:
    """What Newton's method makes of a guess; None where that is nothing, or of another size."""
    family, players, circle = origin.family, 2 * origin.family.dim, None
    if abs(origin.eigenvalue.imag) <= REAL:
        flips = family.discrete and origin.eigenvalue.real < 0
        again = family.repeated((2 if flips else 1) * (family.times or 1))
        found = [equilibrium_at(again, z, value) for z in points]
        seen = None if any(z is None for z in found) else np.array(found)
        points = points if seen is None else seen
    elif family.discrete:
        circle = invariant_circle(*maps(family.repeated(family.times or 1), value), points, clock)
        seen = None if circle is None else circle.dense(SHOWN)
        points, clock = (points, clock) if circle is None else (circle.points, circle.rotation)
    else:
        with own_settings(True):
            flow = ContinuousSystem(family.flow.system([value]))
            orbit = periodic_orbit(flow, points[0], clock)
            seen = None if orbit is None else flow.advance(orbit.flat, 0.0, orbit.period, 1).zs
        points, clock = (points, clock) if orbit is None else (orbit.flat[None], orbit.period)
    if seen is None:
        return None
    sizes = np.linalg.norm(seen[:, :players] - at[:players], axis=1)
    if not _OTHER[0] < sizes.max() / size < _OTHER[1]:
        return None
    return Born(value, at, points, clock, (float(sizes.min()), float(sizes.max())), circle)


def maps(family: Family, value: float) -> tuple[PointsMap, PointsMap]:
    """The map of many points and its slopes."""

    def step(points: np.ndarray) -> np.ndarray:
        return points + family.at_many(points, [value])[0]

    def slope(points: np.ndarray) -> np.ndarray:
        return family.at_many(points, [value])[1]

    return step, slope
