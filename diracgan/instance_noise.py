"""Instance noise on logits: the mean of a loss over Gaussian noise on its samples, by quadrature.

On an affine critic noise of standard deviation sigma on a sample moves its logit by N(0, (sigma |grad D|)^2):
one dimension, whatever that of the samples. The integral is split where the loss has a kink, and two rules must
agree; where they do not the mean is NaN, as a wrong number would not be told from a right one. On losses like ns
they do as long as the logit's deviation is under about 20.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .tracing.switching import evaluate
from .variants import Variant

Loss = Callable[[Array, Array], Array]  # (real, fake), each (1,) -> a scalar: a batch of one

_PIECES, _PAIR_PIECES = 32, 2  # each interval is cut into so many pieces; 32 and 64 nodes on each must agree
_REACH = 9.0  # standard deviations: the weight beyond is under 1e-18


def smooth_mean(
    loss: Loss, coupling: str, real: Array, fake: Array, spread_real: Array, spread_fake: Array
) -> Array:
    """The mean of ``loss`` over independent Gaussian noise on its two logits.

    E loss(real + spread_real e1, fake + spread_fake e2) with e1, e2 ~ N(0, 1).

    Args:
        loss: (real, fake) -> scalar, each of shape (1,).
        coupling: ``"separable"`` (one function of each), ``"difference"`` (of real - fake) or ``"pairs"``.
        real: the mean of the real logit, shape (1,).
        fake: the mean of the fake logit, shape (1,).
        spread_real: standard deviation of the real logit, shape (1,); its sign does not matter.
        spread_fake: that of the fake one.

    Returns:
        The mean, to 1e-12 of its size, or NaN; smooth in all arguments where a spread is not 0.

    Example:
        >>> one = jnp.ones(1)
        >>> mean = smooth_mean(lambda r, f: jnp.sum(r**2 + f), "separable", 0 * one, one, 2 * one, one)
        >>> round(float(mean), 6)
        5.0
    """

    # Its name is among the smooth functions of diracgan.tracing.switching: what the noise averages has no kink left.
    @jax.jit
    def mean_over_noise(r: Array, f: Array, a: Array, b: Array) -> Array:
        if coupling == "separable":
            over_real = _line(lambda u: loss(u, f), r, a)
            return over_real + _line(lambda u: loss(r, u), f, b) - loss(r, f)
        if coupling == "difference":
            return _line(lambda u: loss(r, u), f, jnp.sqrt(a * a + b * b))
        return _plane(loss, r, f, a, b)

    return mean_over_noise(real, fake, spread_real, spread_fake)


def spreads(slopes: Array, sigma: Array) -> Array:
    """Standard deviation of the logits of noisy samples: slopes (n, ...) of the critic at them -> (n,).

    sigma |grad D|; one entry keeps its sign, and more are kept off 0 by 1e-6, for the mean is an even, smooth
    function of the spread while |grad D| has a kink: its second derivative is then right at grad D = 0 too.
    """
    flat = slopes.reshape(len(slopes), -1)
    if flat.shape[1] == 1:
        return sigma * flat[:, 0]
    return sigma * jnp.sqrt(jnp.sum(flat * flat, axis=1) + 1e-12)


def coupling(loss: Loss) -> str:
    """How a loss of two logits couples them, found by evaluating it: separable, difference or pairs."""
    rng = np.random.default_rng(20160914)
    points = rng.normal(size=(2, 2, 400)) * 10.0 ** rng.uniform(-1, 1.3, size=(1, 1, 400))
    with jax.ensure_compile_time_eval():
        (r, s), (f, g) = jnp.asarray(points, jnp.result_type(float))
        at = jax.jit(jax.vmap(lambda a, b: loss(a[None], b[None])))
        corners = [np.asarray(at(a, b)) for a, b in ((r, f), (s, g), (r, g), (s, f))]
        shifted = np.asarray(at(r + s, f + s))
    size = 1 + sum(map(np.abs, corners)) + np.max(np.abs(points))
    tolerance = 1e3 * float(jnp.finfo(corners[0].dtype).eps) * size
    if np.all(np.abs(corners[0] + corners[1] - corners[2] - corners[3]) <= tolerance):
        return "separable"
    return "difference" if np.all(np.abs(shifted - corners[0]) <= tolerance) else "pairs"


@functools.lru_cache(maxsize=256)
def _coupling_of(structure: Any, which: str) -> str:
    rng = np.random.default_rng(20161107)
    leaves = [float(x) for x in rng.uniform(0.4, 1.6, structure.num_leaves)]
    variant = jax.tree.unflatten(structure, leaves)
    x = np.zeros((1, 1))
    return coupling(lambda real, fake: getattr(variant, which)(real, fake, x, x))


def coupling_of(variant: Variant, which: str) -> str:
    """How ``critic_loss`` or ``generator_loss`` of a variant couples its logits, whatever its numbers are."""
    return _coupling_of(jax.tree.structure(variant), which)


def _line(g: Callable[[Array], Array], mean: Array, spread: Array) -> Array:
    """E g(mean + spread e): mean and spread (1,)."""
    reach = _REACH + jnp.abs(spread)
    cuts = _kinks(g, mean, spread)
    cuts = [
        -reach,
        *(jnp.sort(jnp.clip(jnp.concatenate(cuts), -reach, reach))[:, None] if cuts else ()),
        reach,
    ]

    def rule(n: int, pieces: int) -> Array:
        nodes, weights = (jnp.asarray(x, spread.dtype) for x in _rule(n, pieces))
        total = jnp.zeros((), spread.dtype)
        for low, high in itertools.pairwise(cuts):
            e = low + (high - low) * nodes[:, None]
            values = jax.vmap(g)(mean + spread * e)
            total = total + jnp.sum(weights * values * _density(e[:, 0]) * (high - low))
        return total

    return _checked(rule, _PIECES, spread.dtype)


def _kinks(g: Callable[[Array], Array], mean: Array, spread: Array) -> list[Array]:
    """Where g(mean + spread e) has its kinks in e: a Newton step on its switching functions, as if linear."""

    def switching(u: Array) -> Array:
        return evaluate(g, (u,))[1]

    if jax.eval_shape(switching, mean).shape[0] == 0:
        return []
    values, slopes = jax.jvp(switching, (mean,), (spread,))
    level = slopes == 0
    return [jnp.where(level, jnp.inf, -values / jnp.where(level, 1.0, slopes)).astype(spread.dtype)]


def _plane(loss: Loss, r: Array, f: Array, a: Array, b: Array) -> Array:
    reach = [_REACH + jnp.abs(s) for s in (a, b)]

    def rule(n: int, pieces: int) -> Array:
        nodes, weights = (jnp.asarray(x, a.dtype) for x in _rule(n, pieces))
        e, h = ((2.0 * nodes[:, None] - 1.0) * c for c in reach)
        values = jax.vmap(lambda i: jax.vmap(lambda k: loss(r + a * i, f + b * k))(h))(e)
        left, right = (weights * _density(x[:, 0]) * 2.0 * c for x, c in ((e, reach[0]), (h, reach[1])))
        return left @ values @ right

    return _checked(rule, _PAIR_PIECES, a.dtype)


def _checked(rule: Callable[[int, int], Array], pieces: int, dtype: Any) -> Array:
    """The rule with 64 nodes a piece, NaN unless 32 give the same, for then it errs by the square of that."""
    coarse, fine = jax.lax.stop_gradient(rule(32, pieces)), rule(64, pieces)
    allowed = jnp.finfo(dtype).eps ** 0.55
    agree = jnp.abs(fine - coarse) <= allowed * (1.0 + jnp.abs(fine))
    return fine * jnp.where(agree, 1.0, jnp.nan)  # a factor, so that derivatives are NaN too


def _density(e: Array) -> Array:
    return jnp.exp(-0.5 * e * e) * 0.3989422804014327


@functools.cache
def _rule(n: int, pieces: int) -> Any:
    """Nodes and weights of the Gauss-Legendre rule with n nodes on each of so many pieces of [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    starts = np.arange(pieces)[:, None]
    return ((starts + 0.5 + 0.5 * nodes) / pieces).ravel(), np.tile(0.5 * weights / pieces, pieces)
