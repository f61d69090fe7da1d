"""Autoregressions with deterministic modes: the likelihood of a damped oscillation in coloured noise.

y_n = c + b n + sum_k a_k y_{n-k} + sum_m (alpha_m Re z_m^n + beta_m Im z_m^n) + e_n: a mode passes a linear filter with
its z unchanged, so that for a given z the model is a linear regression, whatever the noise's colour. Its residual at
every frequency of a grid is read off a few fast Fourier transforms.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

Array = np.ndarray
MOST_LAGS = 6
DIGITS = (
    1e-4  # of a standard deviation: what no log resolves; white noise of that size is allowed for everywhere
)


@dataclasses.dataclass(frozen=True)
class AutoregressiveFit:
    """A regression on its own past and on modes.

    Attributes:
        residual: (rows - MOST_LAGS,).
        cost: sum of squares, with what DIGITS adds.
        trend: constant and slope over [-1, 1].
        lags: a_1 ... a_p.
        modes: alpha - i beta of every mode, at row 0.
    """

    residual: Array
    cost: float
    trend: Array
    lags: Array
    modes: Array


class Autoregression:
    """A series of unit variance on whose rows models of every order are compared.

    Args:
        y: (rows,) with mean 0 and variance 1.
    """

    def __init__(self, y: Array) -> None:
        """See the class."""
        self.most = max(1, min(MOST_LAGS, len(y) // 20))
        self.rows = len(y)
        self.n = np.arange(self.most, len(y))
        self.y = y[self.most :]
        self.lagged = np.stack([y[self.most - k : len(y) - k] for k in range(1, self.most + 1)], axis=1)
        self.trend = np.stack([np.ones(len(self.n)), np.linspace(-1, 1, len(self.n))], axis=1)
        self.ridge = DIGITS * np.sqrt(len(self.n))

    @property
    def count(self) -> int:
        """How many rows are predicted."""
        return len(self.n)

    def columns(self, poles: Sequence[complex]) -> Array:
        """Re z^n and Im z^n, largest at 1; of a negative real z the first alone, (count, columns)."""
        made = []
        for s in poles:
            z = np.exp(s * self.n - max(s.real, 0.0) * (self.rows - 1))
            made += [np.real(z)] if is_flip(s) else [np.real(z), np.imag(z)]
        return np.stack(made, axis=1) if made else np.empty((self.count, 0))

    def design(self, order: int, poles: Sequence[complex]) -> tuple[Array, Array]:
        """The regressors and the target, with a row each for DIGITS below them."""
        x = np.concatenate([self.trend, self.columns(poles), self.lagged[:, :order]], axis=1)
        extra = np.zeros((order + 1, x.shape[1]))
        extra[:order, x.shape[1] - order :] = self.ridge * np.eye(order)
        return np.concatenate([x, extra]), np.concatenate([self.y, np.zeros(order), [self.ridge]])

    def order(self, poles: Sequence[complex]) -> tuple[int, float]:
        """The order with the least Bayesian information criterion, and that criterion without the modes' parameters."""
        x, y = self.design(self.most, poles)
        r = np.asarray(np.linalg.qr(np.concatenate([x, y[:, None]], axis=1), mode="r"))
        first = x.shape[1] - self.most
        # the last column's tail from row k on is what k regressors leave; DIGITS of unused lags never enters
        cost = np.cumsum(r[::-1, -1] ** 2)[::-1][first:]
        criterion = self.count * np.log(cost / self.count) + np.log(self.count) * np.arange(len(cost))
        best = int(np.argmin(criterion))
        return best, float(criterion[best])

    def fit(self, order: int, poles: Sequence[complex]) -> AutoregressiveFit:
        """The least-squares fit of an order and modes."""
        x, y = self.design(order, poles)
        beta = np.linalg.lstsq(x, y, rcond=1e-13)[0]
        left = y - x @ beta
        at, made = 2, []
        for s in poles:
            width = 1 if is_flip(s) else 2
            made.append(complex(beta[at], -beta[at + 1] if width == 2 else 0.0))
            at += width
        shrink = [np.exp(-max(s.real, 0.0) * (self.rows - 1)) for s in poles]
        return AutoregressiveFit(
            left[: self.count], float(left @ left), beta[:2], beta[at:], np.array(made) * np.array(shrink)
        )

    def base(self, order: int, poles: Sequence[complex]) -> tuple[Array, Array, float]:
        """An orthonormal basis of the regressors on the data's rows, the residual there, and its cost."""
        x, y = self.design(order, poles)
        q = np.linalg.qr(x)[0]
        left = y - q @ (q.T @ y)
        return q[: self.count], left[: self.count], float(left @ left)


def is_flip(s: complex) -> bool:
    """Whether the logarithm of a multiplier is that of a negative real one: a period of two rows."""
    return s.imag >= np.pi - 1e-12


def gains(b1: Array, b2: Array, g11: Array, g12: Array, g22: Array) -> Array:
    """What two more regressors take from a sum of squares: b^T G^-1 b, elementwise."""
    with np.errstate(all="ignore"):  # where a regressor is already spanned there is nothing to take
        det = g11 * g22 - g12 * g12
        both = (g22 * b1 * b1 - 2 * g12 * b1 * b2 + g11 * b2 * b2) / det
        one = np.where(g11 > 1e-12, b1 * b1 / g11, 0.0)
        return np.where(det > 1e-6 * g11 * np.maximum(g22, 1e-300), both, one)


def scan(
    models: Sequence[Autoregression], bases: Sequence[tuple[Array, Array, float]], damping: float, size: int
) -> Array:
    """Count times the logarithm by which a mode of this damping would shrink the residuals, at 2 pi k / size.

    Args:
        models: series of the same rows, over which the gains are summed.
        bases: what :meth:`Autoregression.base` gave of each: basis, residual and cost.
        damping: per row; negative for a growing mode.
        size: length of the Fourier transforms, a power of two not below the rows.

    Returns:
        (size/2 + 1,).
    """
    first = models[0]
    window = np.exp(-damping * first.n + min(damping, 0.0) * (first.rows - 1))
    square = np.fft.fft(window**2, size)[2 * np.arange(size // 2 + 1) % size]
    return np.sum([_gains_at(m, b, window, square) for m, b in zip(models, bases, strict=True)], axis=0)


def _gains_at(model: Autoregression, base: tuple[Array, Array, float], window: Array, square: Array) -> Array:
    """What :func:`scan` sums; ``square``: the transform of the squared window, at twice the frequencies."""
    q, left, cost = base
    f = np.fft.rfft(np.concatenate([left[None], q.T]) * window, 2 * (len(square) - 1), axis=1)
    # phases count from the first predicted row; a mode's two columns may be turned into each other at will
    cosines, sines, total = np.real(f), -np.imag(f), float(np.real(square[0]))
    q1, q2 = cosines[1:], sines[1:]
    g11 = (total + np.real(square)) / 2 - np.einsum("ij,ij->j", q1, q1)
    g12 = -np.imag(square) / 2 - np.einsum("ij,ij->j", q1, q2)
    g22 = (total - np.real(square)) / 2 - np.einsum("ij,ij->j", q2, q2)
    taken = np.maximum(gains(cosines[0], sines[0], g11, g12, g22), 0.0)
    ok = (g11 > 1e-6 * total) & (taken < cost)
    return np.where(ok, -model.count * np.log1p(-np.where(ok, taken, 0.0) / cost), 0.0)


def gain_of(model: Autoregression, base: tuple[Array, Array, float], columns: Array) -> float:
    """The same for one mode, from its columns."""
    q, left, cost = base
    spanned = q.T @ columns
    b, gram = columns.T @ left, columns.T @ columns - spanned.T @ spanned
    width = gram.shape[0]
    if width == 1:
        taken = float(b[0] ** 2 / gram[0, 0]) if gram[0, 0] > 1e-12 else 0.0
    else:
        det = gram[0, 0] * gram[1, 1] - gram[0, 1] ** 2
        if det <= 1e-9 * max(gram[0, 0] * gram[1, 1], 1e-300):
            taken = float(b[0] ** 2 / gram[0, 0]) if gram[0, 0] > 1e-12 else 0.0
        else:
            taken = float(
                (gram[1, 1] * b[0] ** 2 - 2 * gram[0, 1] * b[0] * b[1] + gram[0, 0] * b[1] ** 2) / det
            )
    return -model.count * float(np.log1p(-min(max(taken, 0.0), cost * (1 - 1e-12)) / cost))
