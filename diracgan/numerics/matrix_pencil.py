"""Eigenvalues from a trajectory alone: the matrix pencil."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError, integer, number, real_array


def pencil(series: ArrayLike, rank: int = 2, delays: int | None = None, cutoff: float = 1e-12) -> np.ndarray:
    """The multipliers z of y_t = sum_i c_i z_i^t, from the series alone.

    Hankel matrices Y0, Y1 of the series and of the same one step later, Y0 = U s V^T cut to ``rank``: the eigenvalues
    of U^T Y1 V / s. Exact for a series of that rank; what is nonlinear in the deviation adds an error of its order.

    Args:
        series: deviations from rest, one row per iteration, (T,) or (T, n).
        rank: how many multipliers; 2 for a run that starts on one complex eigenmode.
        delays: rows of the series in one row of the Hankel matrix; None for one, or T/3 where n < rank.
        cutoff: singular values below this share of the largest are taken for 0.

    Returns:
        (rank,), complex, by decreasing modulus, ties by decreasing imaginary part; as many NaN at the end as the
        series' rank is smaller, all of one that is not finite.

    Raises:
        InputError: for a series that is too short.

    References:
        Hua & Sarkar 1990, IEEE Trans. ASSP 38(5), 814; with vectors and one delay, the dynamic mode decomposition.

    Example:
        >>> import numpy as np
        >>> t = np.arange(40)
        >>> z = pencil(0.9**t * np.cos(0.3 * t))
        >>> round(float(abs(z[0])), 9), round(float(np.angle(z[0])), 9)
        (0.9, 0.3)
    """
    y = real_array("series", series)
    y = real_array("series", y[:, None] if y.ndim == 1 else y, (None, None))
    cutoff = number("cutoff", cutoff, low=0.0, high=1.0)
    rank = integer("rank", rank, low=1)
    rows = (
        (1 if y.shape[1] >= rank else max(rank, len(y) // 3))
        if delays is None
        else integer("delays", delays, low=1)
    )
    columns = len(y) - rows
    if columns < rank:
        raise InputError(f"a series of {len(y)} rows is too short; allowed: at least {rows + rank}")
    nothing = np.full(rank, np.nan + 0j)
    if not np.all(np.isfinite(y)):
        return nothing
    hankel = np.stack([y[i : i + rows].ravel() for i in range(columns + 1)], axis=1)
    u, s, vt = np.linalg.svd(hankel[:, :-1], full_matrices=False)
    rank = int(np.sum(s[:rank] > cutoff * s[0]))
    u, s, vt = u[:, :rank], s[:rank], vt[:rank]
    found = np.linalg.eigvals((u.T @ hankel[:, 1:] @ vt.T) / s) if rank else nothing[:0]
    order = np.lexsort((-np.imag(found), -np.round(np.abs(found), 12)))
    return np.append(found[order], nothing[rank:])
