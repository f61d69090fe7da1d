"""Differentiability at a point: autodiff is believed where finite differences at three scales agree.

At a kink or a jump autodiff through a safe norm reports a clean but false derivative (docs/theory.md section 2).
Along a random direction w the mismatch |F(z + e w) - F(z) - e J w| / e falls with e where F is differentiable, stays
where F has a kink (a field homogeneous of degree 1 passes every test along the axes, never one along random
directions), and grows like 1/e at a jump. Many points are looked at at once.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

SCALES = (1e-3, 1e-5, 1e-7)
SMOOTH, KINK, JUMP, NONE = range(4)
ROUNDING = 50 * float(np.finfo(float).eps)
FALLS = 0.3  # of a mismatch, from a scale to the next: where it falls by more there is a derivative
# likewise, where it falls by one power of the scale, to within a share
FALLS_SLOWLY, ALIKE = 0.9, 0.05
_CLOSE = 1e-9  # as far away autodiff is tried where it fails at the point itself
_BESIDE = ((0, 1), (0, -1), (1, 1), (1, -1))  # there: which direction, and its sign


class Probe(NamedTuple):
    """A function seen from one point, or from each of N points with N in front of every shape.

    Attributes:
        value: F(z), (n,).
        jacobian: by autodiff, (n, n); may hold NaN.
        around: F(z + e w) for each scale e and direction w, (3, k, n).
        directions: the w, unit vectors times each coordinate's scale, (k, n), each with its opposite.
        beside: Jacobians by autodiff at points close by, (4, n, n).
        terms: at each scale, how large the terms are whose difference F is; 0 for a sum without cancellation, (3, n).
    """

    value: Any
    jacobian: Any
    around: Any
    directions: Any
    beside: Any
    terms: Any


class Derivative(NamedTuple):
    """What the probes of N points say.

    Attributes:
        kind: ``SMOOTH``, ``KINK``, ``JUMP`` (bounded) or ``NONE`` (no finite value around the point), (N,).
        jacobian: where smooth, else 0, (N, n, n).
        error: how far its entries may be off, beyond rounding, (N,).
        residual: |F(z)|, its largest entry, less what rounding explains, (N,).
        size: the largest |F| that was seen close around the point, (N,).
        slope: how much F changes over a unit of length, (N,).
        near: F closest around the point, (N, k, n), and ``finite`` where it has a value, (N, k).
    """

    kind: Any
    jacobian: Any
    error: Any
    residual: Any
    size: Any
    slope: Any
    near: Any
    finite: Any


def directions(n: int) -> np.ndarray:
    """Fixed random unit vectors for a probe in n dimensions, each with its opposite: (k, n).

    Not the axes: they lie in the thin sets where a quotient 0/0 is given a value that is not its limit.
    """
    drawn = np.random.default_rng(20180113).normal(size=(4 * n + 9, n))
    half = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return np.concatenate([half, -half])


def counts(n: int) -> tuple[int, int]:
    """At how many points in n dimensions a probe asks for values with slopes, and for values alone."""
    return (1 + len(_BESIDE)) * n, len(SCALES) * len(directions(n))


def probe(f: Callable[[Array], Array], z: Array, cancels: bool = False) -> Probe:
    """Look at a function around one point; traceable.

    Args:
        f: (n,) -> (n,).
        z: the point, (n,).
        cancels: whether f is a small difference of terms as large as its argument, as step(z) - z is.
    """

    def pushed(points: Array, ways: Array, others: Array) -> tuple[Array, Array, Array]:
        # one trace for the values and for the slopes: each would compile anew
        ys, ws = jnp.concatenate([points, others]), jnp.concatenate([ways, jnp.zeros_like(others)])
        values, rates = jax.vmap(lambda y, w: jax.jvp(f, (y,), (w,)))(ys, ws)
        return values[: len(points)], rates[: len(points)], values[len(points) :]

    return probe_by(pushed, z, cancels, jnp)


def probe_by(
    pushed: Callable[[Any, Any, Any], tuple[Any, Any, Any]],
    z: Any,
    cancels: bool = False,
    xp: ModuleType = np,
) -> Probe:
    """Look at a function around one point, or around each of N, by what it is at many points at once.

    Args:
        pushed: points, directions and further points, (..., P, n) each -> values of the function at the points, its
            derivatives along the directions there, and its values at the further points.
        z: the point, (n,), or the points, (N, n).
        cancels: as for :func:`probe`.
        xp: ``numpy``, or ``jax.numpy`` to be traced.
    """
    *many, n = z.shape
    unit = xp.maximum(1.0, xp.abs(z))
    ws = xp.asarray(directions(n)) * unit[..., None, :]
    scales = xp.asarray(SCALES)[:, None]
    around = z[..., None, None, :] + scales[..., None] * ws[..., None, :, :]
    places = xp.stack([z, *(z + sign * _CLOSE * ws[..., k, :] for k, sign in _BESIDE)], axis=-2)
    ways = xp.broadcast_to(xp.tile(xp.eye(n), (1 + len(_BESIDE), 1)), (*many, counts(n)[0], n))
    values, rates, others = pushed(xp.repeat(places, n, axis=-2), ways, around.reshape(*many, -1, n))
    slopes = xp.swapaxes(rates.reshape(*places.shape, n), -1, -2)
    terms = (xp.abs(z)[..., None, :] + scales * unit[..., None, :]) * float(cancels)
    return Probe(
        values[..., 0, :],
        slopes[..., 0, :, :],
        others.reshape(around.shape),
        ws,
        slopes[..., 1:, :, :],
        terms,
    )


@np.errstate(invalid="ignore", over="ignore")
def judge(seen: Probe, xp: ModuleType) -> Derivative:
    """Decide from the probes of N points where the function is differentiable, and with which Jacobian.

    Args:
        seen: the probes.
        xp: ``numpy``, which needs no compilation, or ``jax.numpy``, to be traced into the program that looks.
    """
    n, half = seen.directions.shape[-1], seen.directions.shape[1] // 2
    # A quotient 0/0 has no value on a set that is never met: directions along which there is none are left out.
    finite = xp.all(xp.isfinite(seen.around), axis=(1, 3))
    finite = xp.tile(finite[:, :half] & finite[:, half:], (1, 2))
    around = xp.where(finite[:, None, :, None], seen.around, 0.0)
    kept = xp.sum(finite, axis=1)
    mean = around[:, -1].sum(axis=1) / xp.maximum(kept, 1)[:, None]
    centre = xp.where(xp.all(xp.isfinite(seen.value), axis=1, keepdims=True), seen.value, mean)
    noise = ROUNDING * seen.terms
    size = xp.maximum(xp.max(xp.abs(around[:, -1]), axis=(1, 2)), xp.max(xp.abs(centre), axis=1))
    off = xp.where(finite[:, None, :, None], around - centre[:, None, None], 0.0)
    jacobian, error, smooth = _believed(xp, seen, around, off, finite, noise, size)
    # of every entry by itself: in other units of the players a large one would hide the jump of a small one
    spread = xp.max(xp.maximum(xp.abs(off) - noise[:, :, None], 0.0), axis=2)
    jump = xp.any((spread[:, 2] > 0.3 * spread[:, 1]) & (spread[:, 2] > 1e-9 * size[:, None]), axis=1)
    kind = xp.where(smooth, SMOOTH, xp.where(jump, JUMP, KINK))
    return Derivative(
        kind=xp.where(kept < 4 * n, NONE, kind),
        jacobian=jacobian,
        error=error,
        residual=xp.max(xp.maximum(xp.abs(centre) - noise[:, -1], 0.0), axis=1),
        size=size,
        slope=xp.max(xp.abs(around[:, 0] - around[:, 1]), axis=(1, 2)) / SCALES[0],
        near=around[:, -1],
        finite=finite,
    )


def falls(xp: ModuleType, coarse: Array, fine: Array, floor: Array) -> Array:
    """Whether the mismatch falls from the middle to the finest scale, or is what rounding leaves."""
    return fine <= xp.maximum(FALLS * coarse, floor)


def falls_slowly(xp: ModuleType, coarsest: Array, coarse: Array, fine: Array) -> Array:
    """Whether it falls, however slowly, by one power of the scale, as of |x|^1.2: that of a kink comes to stay."""
    even = coarsest * fine  # the middle one's square, of a power
    return (fine <= FALLS_SLOWLY * coarse) & (xp.abs(coarse**2 - even) <= ALIKE * even)


def rounding_floor(value: Array | float, slope: Array) -> Array:
    """What rounding leaves of a mismatch at the finest scale, of terms as large as F there and |J| max(1, |z|)."""
    return ROUNDING * (value + slope + np.finfo(float).tiny) / SCALES[2]


def _believed(
    xp: ModuleType, seen: Probe, around: Array, off: Array, finite: Array, noise: Array, size: Array
) -> tuple[Array, Array, Array]:
    """The Jacobian that agrees with the differences, how far off it may be, and whether any agrees.

    By autodiff at the point, by autodiff close by, or the differences' own.
    """
    scales = xp.asarray(SCALES)[:, None]

    def mismatch(jacobian: Array) -> tuple[Array, Array]:
        """|F(z + e w) - F(z) - e J w| / e at every scale, its largest, and what rounding leaves of it."""
        linear = xp.where(finite[..., None], seen.directions @ xp.swapaxes(jacobian, 1, 2), 0.0)
        miss = xp.abs(off - scales[:, None] * linear[:, None]) - noise[:, :, None]
        rest = xp.max(xp.maximum(miss, 0.0), axis=(2, 3)) / scales[:, 0]
        floor = rounding_floor(*(xp.max(xp.abs(x), axis=(1, 2)) for x in (around[:, 2], linear)))
        return xp.where(xp.all(xp.isfinite(jacobian), axis=(1, 2))[:, None], rest, xp.nan), floor

    def holds(jacobian: Array) -> Array:
        rest, floor = mismatch(jacobian)
        return falls(xp, rest[:, 1], rest[:, 2], floor)

    def holds_slowly(jacobian: Array) -> Array:
        rest, _ = mismatch(jacobian)
        return falls_slowly(xp, *(rest[:, k] for k in range(3)))

    here = holds(seen.jacobian) | holds_slowly(seen.jacobian)

    def otherwise() -> tuple[Array, Array, Array]:
        fitted, fits_off, finest = _fitted(xp, around, seen.directions, finite, size)
        close = _tidy(xp, seen.beside.mean(axis=1))
        # a slope that still changes from the differences to here may change as much again on the way to the point
        spread, change = (
            xp.max(x, axis=(1, 2)) for x in (xp.ptp(seen.beside, axis=1), xp.abs(close - finest))
        )
        told = 1e-8 * (xp.max(xp.abs(finest), axis=(1, 2)) + size)  # from what rounding leaves of differences
        close_off = xp.maximum(spread, xp.where(change > told, change, 0.0))
        beside, fit = holds(close), holds(fitted)
        choices = [here, beside, fit]
        jacobian = xp.select([c[:, None, None] for c in choices], [seen.jacobian, close, fitted], 0.0)
        return (
            jacobian,
            xp.select(choices, [xp.zeros_like(size), close_off, fits_off], 0.0),
            here | beside | fit,
        )

    return _either(xp, xp.all(here), lambda: (seen.jacobian, xp.zeros_like(size), here), otherwise)


def _fitted(
    xp: ModuleType, around: Array, ws: Array, finite: Array, size: Array
) -> tuple[Array, Array, Array]:
    """The matrix that explains the differences best, how far off it may be, and that of the finest ones."""
    fits = _fits(xp, around, ws, finite)
    gaps = xp.max(xp.abs(fits[:, 1:] - fits[:, :-1]), axis=(2, 3))
    # the middle scale where rounding spoils the smallest, else the smallest, which is off by its share of the gap
    middle = gaps[:, 0] <= 10 * gaps[:, 1]
    rounding = 1e-9 * (xp.max(xp.abs(fits[:, 1]), axis=(1, 2)) + size)
    off = xp.maximum(rounding, xp.maximum(gaps[:, 1] / 30, gaps[:, 0] / 1000))
    ratio = xp.minimum(gaps[:, 1] / xp.maximum(gaps[:, 0], np.finfo(float).tiny), 0.9)
    off = xp.where(gaps[:, 1] > 10 * rounding, xp.maximum(off, gaps[:, 1] * ratio / (1.0 - ratio)), off)
    return _tidy(xp, xp.where(middle[:, None, None], fits[:, 1], fits[:, 2])), off, fits[:, 2]


def _fits(xp: ModuleType, around: Array, ws: Array, finite: Array) -> Array:
    """The matrices that explain the differences at every scale best, (N, 3, n, n)."""
    n, half = ws.shape[-1], ws.shape[1] // 2
    plain = directions(n)[:half]
    unit = ws[:, 0] / plain[0]  # the coordinates' scales
    differences = (around[:, :, :half] - around[:, :, half:]) / (2 * xp.asarray(SCALES)[:, None, None])

    def everywhere() -> Array:
        return xp.asarray(np.linalg.pinv(plain)) @ differences

    def where_finite() -> Array:
        used = plain * finite[:, :half, None]
        square = xp.swapaxes(used, 1, 2) @ used + 1e-300 * xp.eye(n)
        return xp.linalg.solve(square[:, None], xp.swapaxes(used, 1, 2)[:, None] @ differences)

    fits = _either(xp, xp.all(finite), everywhere, where_finite)
    return xp.swapaxes(fits / unit[:, None, :, None], 2, 3)


def _tidy(xp: ModuleType, jacobian: Array) -> Array:
    """With exact zeros where the entries are zero but for rounding, so that what is decoupled stays so."""
    largest = xp.max(xp.abs(jacobian), axis=(1, 2), keepdims=True)
    return xp.where(xp.abs(jacobian) > 1e-9 * largest, jacobian, 0.0)


def _either(xp: ModuleType, condition: Any, one: Callable[[], Any], other: Callable[[], Any]) -> Any:
    """Only what is needed of two answers, traced or not."""
    if xp is jnp:
        return jax.lax.cond(condition, one, other)
    return one() if condition else other()
