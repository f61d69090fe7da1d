"""The shooting equations of a periodic orbit of the flow in one parameter, with its return map.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory, sections 1.5 (return map) and 10.2 (shooting).
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from ...dynamics.engines import TimeSpan
from ...dynamics.event_loop import event_loop
from ...dynamics.filippov import natural
from ...dynamics.regimes import integrate
from ...jax_settings import own_settings
from ...numerics import eigen
from ...numerics.path_following import PathPoint
from .family import Family

_TRANSVERSAL = 0.2  # least cosine between the motion and the section's normal
_SMALLEST = 1e-5  # of the first orbit's length: a smaller motion is an equilibrium
_SHRUNK = (
    0.02  # of the first orbit's length, or of 1: a branch that ends at a smaller one ends on an equilibrium
)
_LONGEST = 100.0  # times the first period
_LARGEST = 3e3  # norm of a monodromy matrix, beyond which shooting is too inaccurate
_NEARLY, _HALFWAY = 0.9, 0.3  # of the one and of the other, from which they are named as the reason
TRIVIAL = 1e-6  # how far the trivial multiplier may be from 1
_ROWS, _ROWS_AT_SWITCHINGS, _DENSE = 128, 512, 2048
_SHOWN = (1e-10, 1e-12)  # relative and absolute tolerance of rows; the second times the orbit's size
_ACCURACY = 1e-9  # of a multiplier, for the integration over a turn


class Spread(NamedTuple):
    """How far an orbit reaches: largest |phi|, |theta - x0| and |(phi, theta - x0)| on it."""

    phi: float
    theta: float
    both: float


@dataclasses.dataclass(frozen=True)
class CycleEquations:
    """u = (z, T/T0, p) -> (Phi_T(z; p) - z, w . (z - anchor)): zero at an orbit of period T from the section.

    p are the family's numbers, one along a branch and two along a curve.

    Attributes:
        family: the flow in the parameter.
        anchor: a point of the section, (n,); ``normal`` its unit normal w, along the motion.
        unit: T0, the period that counts as 1.
        first: the first orbit's period; ``length`` how far its motion went in that time, at its speed on the section.
    """

    family: Family
    anchor: np.ndarray
    normal: np.ndarray
    unit: float
    first: float
    length: float

    def __call__(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Their values and Jacobian, NaN where the motion does not cross the section or does not get around."""
        n = len(self.anchor)
        z, span = u[:n], u[n] * self.unit
        nothing = np.full(n + 1, np.nan), np.full((n + 1, len(u)), np.nan)
        if not 0 < span <= _LONGEST * self.first or not np.all(np.isfinite(u)):
            return nothing
        found = self.family.flow.carried(z, span, u[n + 1 :])
        if found is None or not self._crosses(found.velocity, span):
            return nothing
        if not np.linalg.norm(found.by_state) <= _LARGEST:
            return nothing
        slope = np.column_stack([found.by_state - np.eye(n), self.unit * found.velocity, found.by_numbers])
        value = np.append(found.end - z, self.normal @ (z - self.anchor))
        return value, np.vstack([slope, np.append(self.normal, np.zeros(len(u) - n))])

    def _crosses(self, velocity: np.ndarray, span: float) -> bool:
        speed = np.linalg.norm(velocity)
        moves = bool(speed * span > _SMALLEST * self.length)
        return moves and bool(self.normal @ velocity > _TRANSVERSAL * speed)

    def why_not_beyond(self, point: PathPoint) -> str:
        """Why no branch is followed beyond a point, where that is seen there; else empty."""
        n, (_, span, p) = len(self.anchor), self.parts(point.u)
        travelled = float(np.linalg.norm(self.velocity(point.jacobian))) * span
        if span > _NEARLY * _LONGEST * self.first:
            return f"the period grows beyond {span:.4g}, as where an orbit nears an equilibrium (homoclinic)"
        if (
            np.linalg.norm(point.jacobian[:n, :n]) > _HALFWAY * _LARGEST
            or self.trivial(point.jacobian) > TRIVIAL
        ):
            factor = float(np.linalg.norm(point.jacobian[:n, :n]))
            return (
                f"neighbours separate {factor:.3g} times over the period of {span:.4g}, as near a homoclinic orbit: "
                f"beyond, shooting does not know the trivial multiplier to {TRIVIAL:g}"
            )
        if travelled < _SHRUNK * min(self.length, 1.0):
            return f"the cycles shrink onto an equilibrium near {self.family.handles[0].name} = {p:.3g}"
        return ""

    def parts(self, u: np.ndarray) -> tuple[np.ndarray, float, float]:
        """The state, the period and the (first) number."""
        n = len(self.anchor)
        return u[:n], float(u[n] * self.unit), float(u[n + 1])

    def met(self, u: np.ndarray) -> tuple[str, ...]:
        """What happens on the way round: crossing, slide, leave; nothing where the motion does not get around."""
        z, span, _ = self.parts(u)
        found = self.family.flow.carried(z, span, self.numbers(u))
        return () if found is None else found.met

    def numbers(self, u: np.ndarray) -> np.ndarray:
        """The family's numbers, (P,)."""
        return u[len(self.anchor) + 1 :]

    def velocity(self, jacobian: np.ndarray) -> np.ndarray:
        """Of the motion on the section, of the equations' Jacobian at an orbit."""
        n = len(self.anchor)
        return jacobian[:n, n] / self.unit

    def return_map(self, jacobian: np.ndarray) -> np.ndarray:
        """The derivative of the return map to the section, (n - 1, n - 1), whose eigenvalues are the multipliers but 1.

        B^T (1 - f w^T/(w . f)) M B with M the monodromy matrix, f the velocity and B a basis of the section.
        """
        n, f, w = len(self.anchor), self.velocity(jacobian), self.normal
        basis = np.linalg.svd(w[None])[2][1:].T
        monodromy = jacobian[:n, :n] + np.eye(n)
        return basis.T @ (np.eye(n) - np.outer(f, w) / (w @ f)) @ monodromy @ basis

    def trivial(self, jacobian: np.ndarray) -> float:
        """|M f - f|/|f|: how far the multiplier of the orbit's own direction is from 1."""
        n, f = len(self.anchor), self.velocity(jacobian)
        return float(np.linalg.norm(jacobian[:n, :n] @ f) / np.linalg.norm(f))

    def multipliers(self, jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the return map, and how far each may be off."""
        matrix = self.return_map(jacobian)
        values, errors = eigen.eigenvalues(matrix)
        return values.astype(complex), errors + _ACCURACY * (1.0 + float(np.linalg.norm(matrix)))

    def rows(self, u: np.ndarray) -> np.ndarray:
        """States along the orbit at equal times, its end left out, (rows, n)."""
        z, span, _ = self.parts(u)
        system = self.family.flow.system(self.numbers(u))
        count = _ROWS_AT_SWITCHINGS if self.family.flow.switches else _ROWS
        with own_settings(True):
            ts = np.arange(count) * (span / count)
            size = float(np.max(np.abs(z)))
            return integrate(event_loop, system, z, TimeSpan(0.0, span, ts, _SHOWN[0], _SHOWN[1] * size)).ys

    def spread(self, rows: np.ndarray) -> Spread:
        """How far the orbit reaches, between rows by their trigonometric interpolation."""
        coefficients = np.fft.rfft(rows, axis=0)
        dense = np.fft.irfft(coefficients, _DENSE, axis=0) * (_DENSE / len(rows))
        d = self.family.dim
        dense[:, d:] -= self.family.around.x0
        phi, theta = np.sum(dense[:, :d] ** 2, axis=1), np.sum(dense[:, d:] ** 2, axis=1)
        return Spread(*(float(np.sqrt(part.max())) for part in (phi, theta, phi + theta)))


def sections(equations: CycleEquations, u: np.ndarray) -> list[tuple[CycleEquations, np.ndarray, float]]:
    """Other sections of the orbit at ``u``, best ones first: equations, the orbit on them, the time until there.

    Through points of fast motion, far from where the field switches.
    """
    _, span, _ = equations.parts(u)
    rows, numbers = equations.rows(u), equations.numbers(u)
    with own_settings(True):
        system = equations.family.flow.system(numbers)
        seen = [natural(system, y) for y in rows]
    surfaces, velocities = (np.array([np.asarray(s[k]) for s in seen]) for k in (0, 1))
    speeds = np.linalg.norm(velocities, axis=1)
    merit = speeds / speeds.max()
    if surfaces.shape[1]:
        met = np.abs(surfaces).max(axis=0) > 0
        merit = merit * np.min(
            np.abs(surfaces[:, met]) / np.abs(surfaces[:, met]).max(axis=0), axis=1, initial=1.0
        )
    found = []
    for k in _peaks(merit):
        f = velocities[k]
        made = dataclasses.replace(equations, anchor=rows[k], normal=f / np.linalg.norm(f), unit=span)
        found.append((made, np.concatenate([rows[k], [1.0], numbers]), k * span / len(rows)))
    return found


def _peaks(merit: np.ndarray) -> list[int]:
    """Three rows of high merit, a sixth of a turn apart at least."""
    chosen: list[int] = []
    n = len(merit)
    for k in np.argsort(-merit):
        if all(min(abs(k - j), n - abs(k - j)) >= n // 6 for j in chosen):
            chosen.append(int(k))
        if len(chosen) == 3:
            break
    return chosen


def moved_tangent(
    before: CycleEquations, u: np.ndarray, tangent: np.ndarray, after: CycleEquations, time: float
) -> np.ndarray | None:
    """A tangent of the branch, carried along the orbit for ``time`` to another section."""
    n = len(before.anchor)
    found = before.family.flow.carried(u[:n], time, before.numbers(u))
    if found is None:
        return None
    moved = found.by_state @ tangent[:n] + found.by_numbers @ before.numbers(tangent)
    moved -= found.velocity * (after.normal @ moved) / (after.normal @ found.velocity)
    return np.concatenate([moved, [tangent[n] * before.unit / after.unit], before.numbers(tangent)])
