"""The distance of 0 from the convex hull of some vectors."""

from __future__ import annotations

import numpy as np


def distance_to_hull(values: np.ndarray) -> float:
    """Distance of 0 from the convex hull of ``values`` (k, n), by non-negative least squares.

    Example:
        >>> round(distance_to_hull(np.array([[1.0, 1.0], [1.0, -1.0]])), 12)
        1.0
    """
    from scipy.optimize import nnls

    largest = float(np.max(np.abs(values)))
    if largest <= 0:
        return 0.0
    scaled = values.T / largest
    # The weights that come out are those of the nearest point, all of them scaled alike: their sum is put right.
    weights, _ = nnls(np.vstack([scaled, np.ones(len(values))]), np.append(np.zeros(len(scaled)), 1.0))
    return float(np.linalg.norm(scaled @ (weights / weights.sum()))) * largest
