"""The defining equations of a bifurcation curve: F(x, p, q) = 0 with a test function that vanishes on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...errors import InputError
from ...numerics.critical_eigenvalues import Criterion, Group, critical_function, critical_group
from ...numerics.normal_form import NormalForm, complex_pair, real_eigenvalue
from ...numerics.path_following import PathPoint
from ..decision_thresholds import T
from .equilibrium_forms import REAL, jumping_derivatives
from .family import Family
from .points import PointKind

_UNMOVED = 1e-13  # of |F|: an equilibrium for every pair of parameters that was tried
_WITHIN = 0.3  # a place between two corners that is not symmetric
_PAIR = 1e-9  # of a determinant: what rounding leaves where a pair becomes real
_SOLVED = 1e-6  # of what vanishes: near enough to the curve to know its eigenvalues by
_NO_SIGN = 1e-12  # a product of eigenvalues' distances below this is 0 to rounding


class CriticalMatrix(NamedTuple):
    """The matrix at a point, and its critical eigenvalues.

    Attributes:
        x: the state; ``ps`` the two parameters.
        matrix: whose eigenvalues count, (n, n).
        group: the critical ones.
    """

    x: np.ndarray
    ps: np.ndarray
    matrix: np.ndarray
    group: Group


class CriticalSystem:
    """The equations of a curve, in u = (x, p, q), or in u = (p, q) where the equilibrium moves with neither.

    Attributes:
        family: the field or map over the two parameters.
        kind: of the points on the curve.
        criterion: what is critical on it.
        start: the first u.
    """

    def __init__(
        self,
        family: Family,
        kind: PointKind,
        state: np.ndarray,
        ps: np.ndarray,
        eigenvalue: complex,
        corners: np.ndarray,
    ) -> None:
        self.family, self.kind = family, kind
        self.criterion = _criterion(kind, family.discrete)
        self._state = state
        tried = [*corners, *(_WITHIN * corners[:1] + (1.0 - _WITHIN) * corners[1:])]
        still = [family.equations(np.append(state, p))[0] for p in tried]
        self.moves = not all(np.all(np.abs(f) <= _UNMOVED) for f in still)
        self.start = np.append(state, ps) if self.moves else np.array(ps, float)
        self._is_smooth = not (family.roughness or jumping_derivatives(family, state, list(ps)))
        self._units = np.ptp(corners, axis=0)
        self._known_at = [np.array(ps) / self._units]
        self._known = [np.array([eigenvalue, np.conj(eigenvalue)])]
        # each point of a path is asked several times: on the way, as its monitor and for the record
        self._solved: dict[bytes, tuple[np.ndarray, np.ndarray, CriticalMatrix | None]] = {}
        self._forms: dict[bytes, NormalForm | None] = {}

    def check_regular(self) -> None:
        """Refuse a start through which no single curve passes."""
        singular = np.linalg.svd(self.equations(self.start)[1], compute_uv=False)
        if np.all(np.isfinite(singular)) and singular[-1] <= _UNMOVED * (1.0 + singular[0]):
            p, q = (h.name for h in self.family.handles)
            raise InputError(
                f"through this {self.kind.words} point passes no single curve in ({p}, {q}), as where it lies at all "
                "their values, or where curves cross; allowed: two parameters that move it"
            )

    def whole(self, u: np.ndarray) -> np.ndarray:
        """(x, p, q)."""
        return u if self.moves else np.append(self._state, u)

    def look(self, u: np.ndarray) -> CriticalMatrix:
        """The matrix and its critical eigenvalues."""
        found = self._at(u)[2]
        return found or self._look(u, self.family.equations(self.whole(u))[1])

    def _look(self, u: np.ndarray, slope: np.ndarray) -> CriticalMatrix:
        x, ps = self.family.split(self.whole(u))
        matrix = self.family.matrix(slope)
        if self.criterion.is_pair:
            nearest = np.argmin(np.linalg.norm(np.array(self._known_at) - ps / self._units, axis=1))
            near = self._known[int(nearest)]
        else:
            near = np.array([self.criterion.value])
        return CriticalMatrix(x, ps, matrix, critical_group(matrix, near, self.criterion))

    def equations(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Their values and Jacobian at u."""
        return self._at(u)[:2]

    def _at(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, CriticalMatrix | None]:
        """The same, and the matrix where it is finite."""
        key = u.tobytes()
        if key not in self._solved:
            self._solved[key] = self._made(u)
        return self._solved[key]

    def _made(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray, CriticalMatrix | None]:
        residual, slope, slopes = self.family.equations_with_slopes(self.whole(u), len(u))
        there = np.all(np.isfinite(residual)) and np.all(np.isfinite(slope)) and np.all(np.isfinite(slopes))
        if not there or not (self.moves or np.max(np.abs(residual)) <= _SOLVED):
            return np.full(len(u) - 1, np.nan), np.full((len(u) - 1, len(u)), np.nan), None
        now = self._look(u, slope)
        value, turned = critical_function(now.group, self.criterion, slopes)
        if self.criterion.is_pair and abs(value) < _SOLVED:
            self._known_at.append(now.ps / self._units)
            self._known.append(now.group.values)
        if not self.moves:
            return np.array([value]), turned[None], now
        return np.append(residual, value), np.vstack([slope, turned]), now

    def is_bifurcation(self, u: np.ndarray) -> bool:
        """Whether the pair is complex: beyond a Bogdanov-Takens point or the resonances 1:1 and 1:2 it is real."""
        if not self.criterion.is_pair:
            return True
        e = self.look(u).group.matrix
        inside = np.linalg.det(e).real if self.kind is PointKind.HOPF else 1.0 - abs(np.trace(e).real / 2.0)
        return bool(inside > -_PAIR)

    def eigenvalue(self, u: np.ndarray) -> complex:
        """The critical eigenvalue, with an imaginary part >= 0."""
        if not self.criterion.is_pair:
            return complex(self.criterion.value)
        e = self.look(u).group.matrix
        if self.kind is PointKind.HOPF:
            return 1j * np.sqrt(max(np.linalg.det(e).real, 0.0))
        cosine = float(np.clip(np.trace(e).real / 2.0, -1.0, 1.0))
        return complex(cosine, np.sqrt(1.0 - cosine**2))

    def coefficient(self, u: np.ndarray, along: np.ndarray | None = None) -> tuple[float, float]:
        """The normal form's coefficient (cubic; of a fold quadratic, by ``along`` given a sign) and its error.

        NaN where there is none: a map without a second derivative, a branch point.
        """
        none = (np.nan, np.nan)
        key = u.tobytes()
        if key not in self._forms:
            self._forms[key] = self._normal_form(u)
        form = self._forms[key]
        if form is None:
            return none
        turned = 1.0
        if self.kind is PointKind.FOLD and along is not None:
            turned = float(np.sign(np.real(form.vector) @ along[: len(form.vector)])) or 1.0
        return turned * form.coefficient, form.error

    def _normal_form(self, u: np.ndarray) -> NormalForm | None:
        if not self._is_smooth or self.kind is PointKind.BRANCH_POINT or not self.is_bifurcation(u):
            return None
        found = self.family.derivatives(*self.family.split(self.whole(u)))
        if self.criterion.is_pair:
            critical = self.eigenvalue(u)
            return None if critical.imag < REAL else complex_pair(found, critical, self.family.discrete)
        fold = self.kind is PointKind.FOLD
        return real_eigenvalue(found, float(self.criterion.value), flips=not fold, quadratic=fold)

    @property
    def names(self) -> list[str]:
        """Of the points of codimension two, in the order of :meth:`monitors`."""
        return _NAMES[self.kind, self.family.discrete]

    def monitors(self, point: PathPoint) -> tuple[np.ndarray, np.ndarray]:
        """What changes its sign at points of codimension two, and how far each may be off."""
        now = self.look(point.u)
        e, others = now.group.matrix, now.group.others

        def apart(value: float) -> float:
            return float(np.prod(others - value).real)

        if self.kind is PointKind.HOPF:
            values = [float(np.linalg.det(e).real), apart(0.0)]
        elif self.kind is PointKind.NEIMARK_SACKER:
            k = float(np.trace(e).real) / 2.0
            values = [_defect(e, 1.0), _defect(e, -1.0), k + 0.5, k, apart(1.0), apart(-1.0)]
        else:
            critical = float(self.criterion.value)
            double = _minors(e - critical * np.eye(len(e))) * apart(critical)
            crossed = -np.sign(critical) * np.eye(len(now.matrix))
            values = [double] + ([float(np.linalg.det(now.matrix - crossed))] if self.family.discrete else [])
        c, error = self.coefficient(point.u, point.tangent)
        values, errors = np.array([*values, c]), np.array([*[_NO_SIGN] * len(values), error])
        unknown = ~np.isfinite(values)
        return np.where(unknown, 0.0, values), np.where(unknown, np.inf, errors)


def _criterion(kind: PointKind, discrete: bool) -> Criterion:
    if kind is PointKind.HOPF:
        return Criterion.IMAGINARY_PAIR
    if kind is PointKind.NEIMARK_SACKER:
        return Criterion.UNIT_PAIR
    if kind is PointKind.FLIP:
        return Criterion.MINUS_ONE
    return Criterion.ONE if discrete else Criterion.ZERO


def _defect(matrix: np.ndarray, double: float) -> float:
    """0 where a pair on the circle meets at 1 or -1; not where all of the matrix is near that, as at lr = 0.

    1 -+ (tr E)/2 is half the square of the pair's distance from there, and is taken of |E -+ 1|^2.
    """
    off = np.linalg.norm(matrix - double * np.eye(2))
    return float((1.0 - double * np.trace(matrix).real / 2.0) / max(off**2, T.tiny))


def _minors(matrix: np.ndarray) -> float:
    """The sum of the principal minors of size k - 1: 0 where a singular matrix has a double eigenvalue 0."""
    size = len(matrix)
    kept = [np.delete(np.delete(matrix, k, 0), k, 1) for k in range(size)]
    return float(np.sum([np.linalg.det(m) if size > 1 else 1.0 for m in kept]).real)


_NAMES = {
    (PointKind.HOPF, False): ["Bogdanov-Takens", "fold-Hopf", "Bautin"],
    (PointKind.NEIMARK_SACKER, True): [
        "1:1 resonance",
        "1:2 resonance",
        "1:3 resonance",
        "1:4 resonance",
        "fold-Neimark-Sacker",
        "flip-Neimark-Sacker",
        "Chenciner",
    ],
    (PointKind.FLIP, True): ["1:2 resonance", "fold-flip", "generalised flip"],
    (PointKind.FOLD, False): ["Bogdanov-Takens", "cusp"],
    (PointKind.FOLD, True): ["1:1 resonance", "fold-flip", "cusp"],
    (PointKind.BRANCH_POINT, False): ["Bogdanov-Takens", ""],
    (PointKind.BRANCH_POINT, True): ["1:1 resonance", "fold-flip", ""],
}
