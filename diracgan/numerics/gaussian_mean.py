"""The mean of a piecewise smooth function of a Gaussian number, smooth in the Gaussian's mean and deviation.

Its derivatives are those of the heat equation, dE f/dm = E f' and dE f/dv = E f'' / 2 in the mean m and the variance
v, with what the jumps of f at its kinks add: as precise as f' and f'' at any size, where the mean of e f / s is a small
difference of large terms.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_derivatives import SymbolicZero
from jax.flatten_util import ravel_pytree

Integrand = Callable[[Array, Array | None, Array], Array]
"""(u (1,), the signs of its switching functions or None for f as it stands, constants (n,)) -> f(u), of any shape."""

_MOST = 384  # equispaced nodes; the same with half of them must agree
_COARSE, _FINE = 128, 192  # nodes between two kinks; both must agree
_FAR = 40.0  # standard deviations: the density underflows beyond
_REACH = 9.0  # standard deviations: the weight beyond is under 1e-18


def gaussian_mean(
    f: Integrand, mean: Array, spread: Array, kinks: Array, sides: Array, constants: Array
) -> Array:
    """E f(mean + spread e) for e ~ N(0, 1), where f has finite derivatives on both sides of every kink.

    Args:
        f: the integrand.
        mean: of the Gaussian number, (1,).
        spread: its standard deviation, (1,); its sign does not matter.
        kinks: where f is not smooth, in ascending order and infinite where there is none, (K,).
        sides: the signs of f's switching functions between them, (K + 1, m).
        constants: what f reads besides, (n,).

    Returns:
        The mean, to 1e-12 of its size, or NaN where two rules do not agree.

    Example:
        >>> one, none = jnp.ones(1), jnp.zeros(0)
        >>> round(float(gaussian_mean(lambda u, side, c: jnp.sum(u**2), one, 2 * one, none, none[None], none)), 5)
        5.0
    """
    return checked(*_both_rules(f, mean, spread * spread, kinks, jax.lax.stop_gradient(sides), constants))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _both_rules(
    f: Integrand, mean: Array, variance: Array, kinks: Array, sides: Array, constants: Array
) -> Array:
    """The mean by a coarse and by a fine rule, (2, ...)."""
    return _quadrature(f, mean, variance, kinks, constants)


@functools.partial(jax.jit, static_argnums=0)
def _quadrature(f: Integrand, mean: Array, variance: Array, kinks: Array, constants: Array) -> Array:
    """The same, traced once for all who ask.

    A rule in t, where e = centre + width sinh t: its nodes lie closest where u is near 0, at a distance on which losses
    bend, and the wider apart the further off, so that a few serve spreads of any size. Without a kink it is the
    trapezoidal rule, which on what falls off at both ends converges geometrically; between kinks Gauss's.
    """
    spread = jnp.sqrt(variance)
    frame, reach = _frame(mean, spread, not kinks.size)
    cuts = _cuts(kinks, mean, spread, reach)

    def term(row: Array) -> Array:
        e, weights = _nodes(row[0], frame, jnp.concatenate([-reach, cuts, reach]))
        values = _at(lambda x: f(mean + spread * x, None, constants), e)
        return jnp.multiply.outer(row[1:], jnp.tensordot(weights, values, 1))

    return _sum(term, frame, bool(kinks.size), jax.eval_shape(f, mean, None, constants).shape, mean.dtype)


@functools.partial(_both_rules.defjvp, symbolic_zeros=True)
def _by_heat_equation(f: Integrand, primals: Any, tangents: Any) -> tuple[Array, Array]:
    mean, _, kinks, _, constants = primals
    by_mean, by_variance, by_kinks, _, by_constants = tangents
    value = _both_rules(f, *primals)
    change = jnp.zeros_like(value)

    def edges(f: Integrand, mean: Array) -> Array:
        return jnp.sum(_edges(f, mean, *primals[1:]), axis=0) if kinks.size else jnp.zeros((), mean.dtype)

    if not isinstance(by_mean, SymbolicZero):
        change += (_both_rules(_slope(f), *primals) + edges(f, mean)) * by_mean[0]
    if not isinstance(by_variance, SymbolicZero):
        twice = _both_rules(_slope(_slope(f)), *primals) + edges(_slope(f), mean)
        if kinks.size:
            twice += jax.jvp(lambda m: edges(f, m), (mean,), (jnp.ones_like(mean),))[1]
        change += 0.5 * twice * by_variance[0]
    if kinks.size and not isinstance(by_kinks, SymbolicZero):
        change -= jnp.tensordot(by_kinks, _edges(f, *primals), 1)
    if constants.size and not isinstance(by_constants, SymbolicZero):
        change += _both_rules(_gradient(f), *primals) @ by_constants
    return value, change


def _edges(f: Integrand, mean: Array, variance: Array, kinks: Array, sides: Array, constants: Array) -> Array:
    """How f jumps at every kink, times the density there, (K, ...)."""
    far = (kinks - mean) ** 2 >= _FAR**2 * variance
    size = jnp.where(far, 1.0, variance)
    places = jnp.where(far, mean, kinks)  # of an infinite one a second derivative would be NaN
    density = jnp.where(far, 0.0, jnp.exp(-0.5 * (places - mean) ** 2 / size) / jnp.sqrt(size))
    high, low = (
        jax.vmap(lambda u, side: f(u, side, constants))(places[:, None], some)
        for some in (sides[1:], sides[:-1])
    )
    weights = 0.3989422804014327 * density
    return (high - low) * weights.reshape(-1, *[1] * (high.ndim - 1))


def moving_mean(f: Integrand, mean: Array, spread: Array, kinks: Array, constants: Array) -> Array:
    """The same where f may have infinite derivatives at its kinks: Gauss's nodes between them, which move with them.

    Args:
        f: the integrand, read as it stands; a number.
        mean: of the Gaussian number, (1,).
        spread: its standard deviation, (1,); its sign does not matter.
        kinks: where f is not smooth, (K,).
        constants: what f reads besides, (n,).

    Returns:
        The mean, or NaN where two rules do not agree.

    Example:
        >>> one = jnp.ones(1)
        >>> root = lambda u, side, c: jnp.sum(jnp.abs(u) ** 1.5)
        >>> round(float(moving_mean(root, 0 * one, one, 0 * one, one[:0])), 5)
        0.86004
    """
    spread = _size(spread)
    frame, reach = _frame(*jax.lax.stop_gradient((mean, spread)), False)
    cuts = _cuts(kinks, mean, spread, reach)
    moving, restore = ravel_pytree((mean, spread, cuts, constants))

    def term(row: Array, frame: Array, moving: Array) -> Array:
        mean, spread, cuts, constants = restore(moving)
        reach = frame[3:]
        e, weights = _nodes(row[0], frame, jnp.concatenate([-reach, cuts, reach]))
        values = _at(lambda x: f(mean + spread * x, None, constants), e)
        return row[1:] * jnp.sum(weights * values)

    return checked(*_moving_sum(term, (2,), frame, moving))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _moving_sum(term: Callable[..., Array], shape: tuple[int, ...], frame: Array, moving: Array) -> Array:
    """The sum of term(row, frame, moving), of that shape, over Gauss's rows, differentiated under the sum."""
    return _sum(lambda row: term(row, frame, moving), frame, True, shape[1:], moving.dtype)


@_moving_sum.defjvp
def _under_the_sum(
    term: Callable[..., Array], shape: tuple[int, ...], primals: Any, tangents: Any
) -> tuple[Array, Array]:
    slopes = _moving_sum(jax.jacrev(term, argnums=2), (*shape, primals[1].size), *primals)
    return _moving_sum(term, shape, *primals), slopes @ tangents[1]


def _sum(
    term: Callable[[Array], Array], frame: Array, split: bool, shape: tuple[int, ...], dtype: Any
) -> Array:
    """The sum of a term over the rows of a rule whose first entry is less than the frame's, (2, *shape)."""

    def add(total: Array, row: Array) -> tuple[Array, None]:
        return total + jnp.where(row[0] < frame[0], term(row), 0.0), None

    rows = jnp.asarray(_gauss_rows() if split else _trapezoidal_rows(), dtype)
    return jax.lax.scan(add, jnp.zeros((2, *shape), dtype), rows)[0]


def _at(f: Callable[[Array], Array], nodes: Array) -> Array:
    """A function at each node; a single one is quicker to trace without a batch."""
    return jax.vmap(f)(nodes) if nodes.size > 1 else f(nodes[0])[None]


def _nodes(place: Array, frame: Array, cuts: Array) -> tuple[Array, Array]:
    """The nodes of a row, one between every two cuts, and their weights."""
    count, centre, width = frame[:3]
    ends = jnp.arcsinh((cuts - centre) / width)
    lengths = jnp.diff(ends) / count
    up = jnp.exp(ends[:-1] + lengths * (place + 0.5))
    e = centre + 0.5 * width * (up - 1.0 / up)
    return e, lengths * 0.5 * width * (up + 1.0 / up) * density(e)


def _size(spread: Array) -> Array:
    return spread * jax.lax.stop_gradient(jnp.sign(spread))


def _cuts(kinks: Array, mean: Array, spread: Array, reach: Array) -> Array:
    """Where the kinks lie in standard deviations, none further than the reach."""
    off = kinks - mean
    far = jnp.abs(off) >= _FAR * spread
    places = jnp.where(far, jnp.inf, off) / jnp.where(far, 1.0, spread)
    return jax.lax.clamp(
        jnp.broadcast_to(-reach, places.shape), places, jnp.broadcast_to(reach, places.shape)
    )


def _frame(mean: Array, spread: Array, equispaced: bool) -> tuple[Array, Array]:
    """The number of nodes (1 for a rule that brings its own), their centre, width and reach; the reach."""
    size = jnp.sqrt(spread * spread + 0.1)
    reach, width = _REACH + jnp.abs(spread), 3.0 / size
    centre = jnp.clip(-mean * spread / size**2, -_REACH, _REACH)
    count = jnp.ones_like(mean)
    if equispaced:
        step = jnp.minimum(0.25 / jnp.sqrt(width * width + centre * centre), 0.055)
        length = jnp.arcsinh((reach - centre) / width) + jnp.arcsinh((reach + centre) / width)
        count = jnp.minimum(2.0 * jnp.ceil(0.5 * length / step), _MOST)
    return jnp.concatenate([count, centre, width, reach]), reach


def checked(coarse: Array, fine: Array) -> Array:
    """The finer of two rules, NaN unless the coarser gives the same.

    Their error falls geometrically with the number of nodes: half as many again err by the power 3/2 of what is seen,
    and twice as many by its square.

    Example:
        >>> one = jnp.ones(())
        >>> float(checked(one, one)), float(checked(one, 2 * one))
        (1.0, nan)
    """
    allowed = jnp.finfo(fine.dtype).eps ** 0.55
    agree = jnp.abs(fine - jax.lax.stop_gradient(coarse)) <= allowed * (1.0 + jnp.abs(fine))
    return fine * jnp.where(agree, 1.0, jnp.nan)  # a factor, so that derivatives are NaN too


def polynomial_mean(f: Callable[[Array], Array], degree: int, mean: Array, spread: Array) -> Array:
    """E f(mean + spread e) of a polynomial f of that degree.

    Args:
        f: (1,) -> a number.
        degree: that of f.
        mean: of the Gaussian number, (1,).
        spread: its standard deviation, (1,).

    Returns:
        f + s^2 f''/2 + s^4 f''''/8 + ...

    Example:
        >>> one = jnp.ones(1)
        >>> float(polynomial_mean(lambda u: jnp.sum(u**4), 4, 0 * one, one))
        3.0
    """
    total, weight = f(mean), jnp.ones_like(spread[0])
    for k in range(1, degree // 2 + 1):
        f, weight = _slope(_slope(f)), weight * spread[0] * spread[0] / (2 * k)
        total += weight * f(mean)
    return total


@functools.lru_cache(maxsize=128)
def _slope(f: Callable[..., Array]) -> Callable[..., Array]:
    """The derivative by the first argument, (1,); traced once for all who ask."""

    @jax.jit
    def slope(u: Array, *more: Any) -> Array:
        return jax.jvp(lambda x: f(x, *more), (u,), (jnp.ones_like(u),))[1]

    return slope


@functools.lru_cache(maxsize=128)
def _gradient(f: Integrand) -> Integrand:
    """The derivative by the constants."""
    return jax.jit(jax.jacrev(f, argnums=2))


def kinked_polynomial_mean(coefficients: np.ndarray, kinks: np.ndarray, mean: Array, spread: Array) -> Array:
    """E f(mean + spread e) of f(u) = sum of a_j (u - c_0)^j + sum over kinks c of b_j(c) max(u - c, 0)^j.

    By the recursion E x^j = E[x] E x^(j-1) + (j - 1) s^2 E x^(j-2), also of the positive part, which begins with
    Phi(x/s) and x Phi(x/s) + s phi(x/s).

    Args:
        coefficients: a, then b of every kink, (K + 1, degree + 1).
        kinks: in ascending order, (K,).
        mean: of the Gaussian number, (1,).
        spread: its standard deviation, (1,); its sign does not matter.

    Returns:
        The mean.

    Example:
        >>> one = jnp.ones(1)
        >>> round(float(kinked_polynomial_mean(np.array([[0.0, 0.0], [0.0, 1.0]]), np.zeros(1), 0 * one, one)), 6)
        0.398942
    """
    size = _size(spread)[0]
    x = mean[0] - kinks[0]
    total = _combined(coefficients[0], jnp.ones_like(x), x, x, size)
    for jumps, c in zip(coefficients[1:], kinks, strict=True):
        x = mean[0] - c
        far = jnp.abs(x) >= _FAR * size
        z = jnp.where(far, _FAR * jnp.sign(x), x) / jnp.where(far, 1.0, size)
        above = 0.5 + 0.5 * jax.lax.erf(0.7071067811865476 * z)
        total += _combined(jumps, above, x * above + size * density(z), x, size)
    return total


def _combined(weights: np.ndarray, zeroth: Array, first: Array, x: Array, size: Array) -> Array:
    """The weighted sum of E x^j, from the first two."""
    powers = [zeroth, first]
    for j in range(2, len(weights)):
        powers.append(x * powers[-1] + (j - 1) * size * size * powers[-2])
    used = [float(w) * p for w, p in zip(weights, powers, strict=False) if w]
    return sum(used, jnp.zeros_like(x))


def density(e: Array) -> Array:
    """The density of N(0, 1).

    Example:
        >>> round(float(density(jnp.zeros(()))), 6)
        0.398942
    """
    return jnp.exp(-0.5 * e * e) * 0.3989422804014327


@functools.cache
def gauss(n: int, pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the Gauss-Legendre rule with n nodes on each of so many pieces of [0, 1].

    Example:
        >>> gauss(1, 2)[0].tolist()
        [0.25, 0.75]
    """
    nodes, weights = np.polynomial.legendre.leggauss(n)
    starts = np.arange(pieces)[:, None]
    return ((starts + 0.5 + 0.5 * nodes) / pieces).ravel(), np.tile(0.5 * weights / pieces, pieces)


@functools.cache
def _gauss_rows() -> np.ndarray:
    """The nodes of a coarse and of a fine rule on [0, 1], less 1/2, and their weights in one and in the other."""
    (a, v), (b, w) = gauss(_COARSE, 1), gauss(_FINE, 1)
    return np.stack([np.r_[a, b] - 0.5, np.r_[v, 0 * w], np.r_[0 * v, w]], axis=1)


@functools.cache
def _trapezoidal_rows() -> np.ndarray:
    """The numbers of equispaced nodes, and their weights if every other one counts, and if all do."""
    k = np.arange(_MOST)
    return np.stack([k, 2.0 * (k % 2 == 0), np.ones(_MOST)], axis=1)
