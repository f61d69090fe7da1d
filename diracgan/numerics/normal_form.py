"""Coefficients of the normal forms of local bifurcations, which decide where the linearisation does not.

On the centre manifold of a critical eigenvalue the motion is that of a normal form in one real or complex amplitude a:

    flow, +-i omega (Hopf)                a' = (lambda + c |a|^2) a
    map, e^(+-i angle) (Neimark-Sacker)   a+ = (mu + c |a|^2 e^(i angle)) a
    flow, 0; map, +1 (pitchfork)          a' = (lambda + c a^2) a; the same for a+ - a
    map, -1 (flip)                        a+ = -(1 + epsilon - c a^2) a

with z = z* + 2 Re(a q) of a pair and z = z* + a q of a real eigenvalue, |q| = 1.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory, sections 3.5, 5.4 and 9.7 (eq. 3.20, 5.39, 5.52).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

_ROUNDING = 1e-9  # of what a coefficient's terms could be: below, it is not told from 0


class Derivatives(NamedTuple):
    """A field or map at a point: F'(z), and F''(z)(u, v), F'''(z)(u, v, w) along pairs and triples of real directions.

    Attributes:
        first: (n, n).
        second: symmetric and bilinear, (m, n), (m, n) -> (m, n) for m pairs.
        third: symmetric and trilinear, likewise.
    """

    first: np.ndarray
    second: Callable[[np.ndarray, np.ndarray], np.ndarray]
    third: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


class NormalForm(NamedTuple):
    """The normal form's coefficient at a critical eigenvalue.

    Attributes:
        coefficient: the real part of c; of a quadratic form its one coefficient.
        error: below which it is not told from 0.
        shift: the imaginary part of c: how the frequency changes with |a|^2; 0 of a real eigenvalue.
        eigenvalue: the critical one.
        vector: q, |q| = 1.
        adjoint: p, with p^H q = 1.
    """

    coefficient: float
    error: float
    shift: float
    eigenvalue: complex
    vector: np.ndarray
    adjoint: np.ndarray


def derivatives(field: Callable[[Array], Array], z: np.ndarray) -> Derivatives:
    """The derivatives of a pure function at a point by autodiff."""
    at = jnp.asarray(z)

    def along(*ways: Array) -> Array:
        f = field
        for way in ways:
            f = functools.partial(lambda f, way, x: jax.jvp(f, (x,), (way,))[1], f, way)
        return f(at)

    def many(*ways: np.ndarray) -> np.ndarray:
        return np.asarray(jax.vmap(along)(*map(jnp.asarray, ways)))

    return Derivatives(np.asarray(jax.jacfwd(field)(at)), many, many)


def complex_pair(d: Derivatives, eigenvalue: complex, discrete: bool) -> NormalForm | None:
    """The cubic coefficient at a simple complex pair: Hopf of a flow, Neimark-Sacker of a map.

    Args:
        d: the derivatives.
        eigenvalue: close to the critical one, with a positive imaginary part.
        discrete: whether they are a map's.

    Returns:
        The normal form; None where a derivative is not finite, the eigenvalue has a Jordan block, or a smaller matrix
        is singular.

    Example:
        >>> with jax.enable_x64(True):
        ...     spiral = lambda z: jnp.array([-2 * z[1], 2 * z[0]]) - 0.3 * jnp.sum(z**2) * z
        ...     found = complex_pair(derivatives(spiral, np.zeros(2)), 2j, discrete=False)
        >>> round(found.coefficient, 9)  # rho' = -0.3 rho^3 with rho = sqrt(2) |a|
        -0.6
    """
    value, q, p = eigenvector(d.first, eigenvalue)
    if not np.all(np.isfinite(p)):
        return None
    n = len(q)
    turn = value / abs(value) if discrete else 1j * value.imag
    still, double = (np.eye(n), turn**2 * np.eye(n)) if discrete else (0.0 * np.eye(n), 2 * turn * np.eye(n))
    try:
        mean, turning = _linear(d.second, [(q, q.conj()), (q, q)])
        around = np.linalg.solve(still - d.first, mean)
        twice = np.linalg.solve(double - d.first, turning)
    except np.linalg.LinAlgError:
        return None
    bent = _linear(d.second, [(q, around), (q.conj(), twice)])
    vectors = [_linear(d.third, [(q, q, q.conj())])[0], 2 * bent[0], bent[1]]
    terms = [np.vdot(p, v) for v in vectors]
    c = 0.5 * np.sum(terms) / (turn if discrete else 1.0)
    return _made(c, _sizes(p, vectors), value, q, p)


def real_eigenvalue(
    d: Derivatives, eigenvalue: float, flips: bool = False, quadratic: bool = False
) -> NormalForm | None:
    """The coefficient at a simple real eigenvalue: 0 of a flow, +1 or (``flips``) -1 of a map.

    Args:
        d: the derivatives of a field or a map.
        eigenvalue: close to the critical one.
        flips: whether it is a multiplier of -1.
        quadratic: the coefficient b of a' = ... + b a^2 instead, which a fold and a transcritical point have.

    Returns:
        The normal form; None where a derivative is not finite, the eigenvalue has a Jordan block, or a smaller matrix
        is singular.

    Example:
        >>> with jax.enable_x64(True):
        ...     pitchfork = lambda z: jnp.array([z[0] * z[1] - 3 * z[0] ** 3, z[0] ** 2 - z[1]])
        ...     found = real_eigenvalue(derivatives(pitchfork, np.zeros(2)), 0.0)
        >>> round(found.coefficient, 9)  # on the centre manifold z1 = z0^2 + ..., so that z0' = -2 z0^3
        -2.0
    """
    value, q, p = eigenvector(d.first, eigenvalue)
    if not np.all(np.isfinite(p)):
        return None
    q, p = np.real(q), np.real(p)
    (bent,) = _linear(d.second, [(q, q)])
    if quadratic:
        return _made(float(0.5 * p @ bent), _sizes(p, [bent]), value, q, p)
    n = len(q)
    try:
        if flips:
            around = np.linalg.solve(d.first - np.eye(n), bent)
        else:  # on the complement of the kernel
            bordered = np.block([[d.first - value.real * np.eye(n), q[:, None]], [p[None], np.zeros((1, 1))]])
            around = np.linalg.solve(bordered, np.append(bent - q * (p @ bent), 0.0))[:-1]
    except np.linalg.LinAlgError:
        return None
    vectors = [_linear(d.third, [(q, q, q)])[0] / 6, -0.5 * _linear(d.second, [(q, around)])[0]]
    return _made(float(sum(p @ v for v in vectors)), _sizes(p, vectors), value, q, p)


def lyapunov_coefficient(found: Derivatives) -> float | None:
    """The first Lyapunov coefficient l1 of a planar field at a point with the eigenvalues +-i omega.

    On the circle of amplitude rho (z = 2 Re(rho q e^(i omega t)), |q| = 1) rho' = omega l1 rho^3 + ...: negative means
    that the equilibrium attracts, though only like t^(-1/2); zero, to rounding, leaves it open.

    Args:
        found: the derivatives of a smooth field at an equilibrium.

    Returns:
        l1, or None where the derivatives are not finite or the eigenvalues do not turn.

    Example:
        >>> import jax
        >>> with jax.enable_x64(True):
        ...     found = derivatives(lambda z: jnp.array([-z[1] - z[0] ** 3, z[0]]), np.zeros(2))
        ...     round(lyapunov_coefficient(found), 6)
        -0.75
    """
    if not np.all(np.isfinite(found.first)):
        return None
    values = np.linalg.eigvals(found.first)
    critical = complex(values[np.argmax(values.imag)])
    if critical.imag <= 0:
        return None
    form = complex_pair(found, critical, discrete=False)
    return None if form is None else form.coefficient / critical.imag


def eigenvector(a: np.ndarray, eigenvalue: complex) -> tuple[complex, np.ndarray, np.ndarray]:
    """The eigenvalue nearest to a given one, its vector q and adjoint p, p^H q = 1; p is not finite where that is 0."""
    values, vectors = np.linalg.eig(a)
    k = int(np.argmin(np.abs(values - eigenvalue)))
    adjoint_values, adjoint = np.linalg.eig(a.T)
    p = adjoint[:, int(np.argmin(np.abs(adjoint_values - np.conj(values[k]))))]
    q = vectors[:, k] / np.linalg.norm(vectors[:, k])
    with np.errstate(divide="ignore", invalid="ignore"):  # of a Jordan block
        return complex(values[k]), q, p / np.conj(np.vdot(p, q))


def _sizes(p: np.ndarray, vectors: list[np.ndarray]) -> float:
    """How large the terms p^H v of a coefficient could be: what rounding is measured by."""
    return float(np.linalg.norm(p) * sum(np.linalg.norm(v) for v in vectors))


def _made(c: complex, size: float, value: complex, q: np.ndarray, p: np.ndarray) -> NormalForm | None:
    if not np.isfinite(c):
        return None
    return NormalForm(float(np.real(c)), _ROUNDING * size, float(np.imag(c)), value, q, p)


def _linear(real: Callable[..., np.ndarray], ways: Sequence[tuple[np.ndarray, ...]]) -> list[np.ndarray]:
    """A function that is linear in each of several real directions, at several tuples of complex ones."""
    rows, of, weights = [], [], []
    for k, way in enumerate(ways):
        parts = [[(1.0, np.real(x)), *([(1j, np.imag(x))] if np.any(np.imag(x)) else [])] for x in way]
        for chosen in itertools.product(*parts):
            rows.append([x for _, x in chosen])
            of.append(k)
            weights.append(np.prod([w for w, _ in chosen]))
    values = real(*np.swapaxes(np.array(rows, float), 0, 1))
    values = np.array(weights)[:, None] * values
    return [values[np.array(of) == k].sum(axis=0) for k in range(len(ways))]
