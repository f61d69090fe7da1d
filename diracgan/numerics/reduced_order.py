"""Reduced-order models: a large linear system d+ = A d + kick for a few outputs C d.

A block Krylov space of A^T that begins with the outputs' rows: an orthonormal basis Q whose first columns span C^T,
then A^T C^T, ... With x = Q^T d the small system is x+ = (Q^T A Q) x + Q^T kick, y = C Q x. Its first responses C A^k
are exact, and its slow multipliers converge first, which are what a long window is made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_EXHAUSTED = 1e-10  # of its length, what is left of a direction that the basis already holds
_WELL = 1e-3  # from which on what is left is orthogonal to the basis to 1e-13 as it is


class ReducedModel(NamedTuple):
    """x+ = transition x + basis^T kick, y = output x.

    Attributes:
        transition: Q^T A Q, (m, m).
        output: C Q, (p, m).
        basis: Q, (n, m).
        products: with A^T, that it took.
    """

    transition: np.ndarray
    output: np.ndarray
    basis: np.ndarray
    products: int

    @property
    def multipliers(self) -> np.ndarray:
        """The eigenvalues of the transition, by decreasing modulus, (m,)."""
        values = np.linalg.eigvals(self.transition)
        return values[np.argsort(-np.abs(values), kind="stable")]


def reduced(transposed: Callable[[np.ndarray], np.ndarray], rows: np.ndarray, most: int) -> ReducedModel:
    """The small system that answers for the outputs ``rows``.

    Args:
        transposed: (b, n) -> (b, n), A^T applied to each of b vectors.
        rows: C, (p, n).
        most: largest basis; where the space is exhausted before, the small system is exact.

    Returns:
        A :class:`ReducedModel`.

    References:
        Antoulas 2005, Approximation of Large-Scale Dynamical Systems, chapter 11 (one-sided Krylov projection).

    Example:
        >>> import numpy as np
        >>> a = np.array([[0.9, 0.0, 0.0], [0.0, 0.5, 0.2], [0.0, 0.0, 0.1]])
        >>> small = reduced(lambda v: v @ a, np.array([[0.0, 1.0, 0.0]]), most=10)
        >>> small.transition.shape, [round(float(x.real), 9) for x in small.multipliers]
        ((2, 2), [0.5, 0.1])
    """
    basis, held = np.empty((rows.shape[1], most), order="F"), 0
    within = np.zeros(
        (most + len(rows), most)
    )  # Q^T A^T Q: an image lies in the basis and the block that it adds
    block = new_directions(basis[:, :0], rows.T)
    while block.shape[1] and held + block.shape[1] <= most:
        own = slice(held, held + block.shape[1])
        basis[:, own], held = block, own.stop
        image = np.asarray(transposed(block.T)).T
        block = new_directions(basis[:, :held], image)
        within[:held, own] = basis[:, :held].T @ image
        within[held : held + block.shape[1], own] = block.T @ image
    found = basis[:, :held]
    return ReducedModel(within[:held, :held].T, rows @ found, found, held)


def new_directions(basis: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """An orthonormal basis of what ``vectors`` (n, b) add to an orthonormal ``basis``; rounding is left out.

    Example:
        >>> import numpy as np
        >>> abs(new_directions(np.eye(3)[:, :1], np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]]))).round(9).tolist()
        [[0.0], [1.0], [0.0]]
    """
    size = np.linalg.norm(vectors, axis=0)
    some = size > 0
    left = np.asfortranarray(vectors if np.all(some) else vectors[:, some]) / size[some]
    for _ in range(2):  # twice is enough (Kahan)
        left -= basis @ (basis.T @ left)
    q, r = np.linalg.qr(left)
    u, s, _ = np.linalg.svd(r)
    fresh = q @ u[:, s > _EXHAUSTED]
    if np.all(s > _WELL):
        return fresh
    return np.linalg.qr(fresh - basis @ (basis.T @ fresh))[0]


def capped(transition: np.ndarray, most: float) -> np.ndarray:
    """The matrix with its eigenvalues' moduli cut to ``most``, their arguments and vectors as they are.

    Example:
        >>> import numpy as np
        >>> capped(np.diag([1.02, 0.5]), 0.998).round(3).tolist()
        [[0.998, 0.0], [0.0, 0.5]]
    """
    values, vectors = np.linalg.eig(transition)
    size = np.abs(values)
    if not len(size) or size.max() <= most:
        return transition
    short = values * np.minimum(1.0, most / np.maximum(size, 1e-300))
    return np.real((vectors * short) @ np.linalg.pinv(vectors))


def driven(
    transition: np.ndarray, output: np.ndarray, kicks: np.ndarray, steps: int, runs: int, seed: int = 0
) -> np.ndarray:
    """Outputs of ``runs`` runs from x = 0, each step kicked by one of ``kicks``, drawn with replacement.

    Args:
        transition: (m, m).
        output: (p, m).
        kicks: (draws, m).
        steps: how many.
        runs: how many.
        seed: of the draws.

    Returns:
        (runs, steps, p).

    Example:
        >>> import numpy as np
        >>> driven(np.array([[0.5]]), np.eye(1), np.array([[1.0]]), 3, 1)[0, :, 0].tolist()
        [1.0, 1.5, 1.75]
    """
    chosen = np.random.default_rng(seed).integers(0, len(kicks), (steps, runs))
    x, y = np.zeros((len(transition), runs)), np.empty((steps, len(output), runs))
    for t in range(steps):
        x = transition @ x + kicks[chosen[t]].T
        y[t] = output @ x
    return np.moveaxis(y, 2, 0)
