"""What decides a marginal equilibrium in the plane: the first Lyapunov coefficient, by autodiff.

References:
    Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 3.5, eq. 3.20.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def lyapunov_coefficient(field: Callable[[Array], Array], z: np.ndarray) -> float | None:
    """The first Lyapunov coefficient l1 of a planar field at a point with the eigenvalues +-i omega.

    On the circle of amplitude rho (z = 2 Re(rho q e^(i omega t)), |q| = 1) rho' = omega l1 rho^3 + ...: negative means
    that the equilibrium attracts, though only like t^(-1/2); zero, to rounding, leaves it open.

    Args:
        field: smooth, (2,) -> (2,).
        z: the equilibrium, (2,).

    Returns:
        l1, or None where the derivatives are not finite or the eigenvalues do not turn.

    Example:
        >>> import jax
        >>> with jax.enable_x64(True):
        ...     round(lyapunov_coefficient(lambda z: jnp.array([-z[1] - z[0] ** 3, z[0]]), np.zeros(2)), 6)
        -0.75
    """
    derivatives = [field]
    for _ in range(3):
        derivatives.append(jax.jacfwd(derivatives[-1]))
    a, b, c = (np.asarray(d(jnp.asarray(z))) for d in derivatives[1:])
    if not all(np.all(np.isfinite(d)) for d in (a, b, c)):
        return None
    values, vectors = np.linalg.eig(a)
    k = int(np.argmax(values.imag))
    omega = float(values[k].imag)
    if omega <= 0:
        return None
    q = vectors[:, k] / np.linalg.norm(vectors[:, k])
    adjoint_values, adjoint = np.linalg.eig(a.T)
    p = adjoint[:, int(np.argmin(np.abs(adjoint_values - values[k].conj())))]
    p = p / np.vdot(p, q).conj()  # <p, q> = 1

    def second(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.einsum("ijk,j,k->i", b, x, y)

    third = np.einsum("ijkl,j,k,l->i", c, q, q, q.conj())
    around = second(q, np.linalg.solve(a, second(q, q.conj())))
    double = second(q.conj(), np.linalg.solve(2j * omega * np.eye(2) - a, second(q, q)))
    return float((np.vdot(p, third) - 2 * np.vdot(p, around) + np.vdot(p, double)).real / (2 * omega))
