"""The other curve of solutions through a branch point.

Reference:
    Keller 1977, in Applications of Bifurcation Theory, 359.
"""

from __future__ import annotations

import numpy as np

from .path_following import Equations, PathPoint


def crossing_tangent(equations: Equations, point: PathPoint) -> np.ndarray | None:
    """The tangent of the other curve through a branch point, or None where the second derivatives do not tell.

    In the two-dimensional kernel of F' spanned by a and b, with w F' = 0, the tangents x a + y b of the two curves
    solve x^2 w F''(a, a) + 2 x y w F''(a, b) + y^2 w F''(b, b) = 0.

    Args:
        equations: F and its Jacobian.
        point: the branch point.

    Example:
        >>> def pitchfork(u):
        ...     return np.array([u[0] * u[1] - u[0] ** 3]), np.array([[u[1] - 3 * u[0] ** 2, u[0]]])
        >>> at = PathPoint(np.zeros(2), np.array([0.0, 1.0]), np.zeros((1, 2)), 0.0)
        >>> np.abs(crossing_tangent(pitchfork, at)).round(6).tolist()
        [1.0, 0.0]
    """
    left, _, right = np.linalg.svd(point.jacobian)
    w, basis = left[:, -1], right[-2:]
    h = 1e-4 * max(1.0, float(np.linalg.norm(point.u)))
    form = np.empty((2, 2))
    for i, a in enumerate(basis):
        bent = (equations(point.u + h * a)[1] - equations(point.u - h * a)[1]) / (2 * h)
        form[i] = [w @ bent @ b for b in basis]
    form = 0.5 * (form + form.T)
    values, vectors = np.linalg.eigh(form)
    if not values[0] < 0 < values[1]:  # the two curves cross transversally only where the form is indefinite
        return None
    ways = [
        np.sqrt(values[1]) * vectors[:, 0] + sign * np.sqrt(-values[0]) * vectors[:, 1] for sign in (1, -1)
    ]
    tangents = [(x @ basis) / np.linalg.norm(x @ basis) for x in ways]
    return min(tangents, key=lambda t: abs(float(t @ point.tangent)))
