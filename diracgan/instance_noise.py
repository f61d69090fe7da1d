"""Instance noise on logits: the mean of a loss over Gaussian noise on its samples, by quadrature.

On an affine critic noise of standard deviation sigma on a sample moves its logit by N(0, (sigma |grad D|)^2):
one dimension, whatever that of the samples. The integral is split where the loss has a kink, also where one kink
stands inside another, as in a clip. Of a loss that is a polynomial in between, like hinge, it is a closed form; of any
other two rules must agree, and where they do not the mean is NaN, as a wrong number would not be told from a right one.
On losses like ns they do as long as the logit's deviation is under about 120.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .errors import InputError
from .numerics.gaussian_mean import (
    Integrand,
    checked,
    density,
    gauss,
    gaussian_mean,
    kinked_polynomial_mean,
    moving_mean,
    polynomial_mean,
)
from .tracing.piecewise import MOST_KNOWN, Form, Kinks, form_of, kinks_by_newton, kinks_of, polynomials
from .tracing.switching import branched, evaluate
from .variants import Variant

Loss = Callable[..., Array]  # (real, fake, *constants), each logit (1,) -> a scalar: a batch of one

_PAIR_PIECES = 2  # in a plane each side is cut into so many pieces; 32 and 64 nodes on each must agree
_MOST_DEGREE = 4  # of a polynomial that is integrated in closed form
_MISSED = 1e-4  # of a derivative of size 1, above the rounding of 32 bits
_REACH = 9.0  # standard deviations: the weight beyond is under 1e-18


UNKNOWN_MEAN = (
    f"a mean over noise is known of losses that switch at no more than {MOST_KNOWN} places, which move with no "
    "parameter (or only linearly), and that do not bend much more sharply than the noise is wide"
)
"""What a mean over noise that is NaN may lack."""


def smooth_mean(
    loss: Loss,
    coupling: str,
    real: Array,
    fake: Array,
    spread_real: Array,
    spread_fake: Array,
    constants: Sequence[Array] = (),
) -> Array:
    """The mean of ``loss`` over independent Gaussian noise on its two logits.

    E loss(real + spread_real e1, fake + spread_fake e2) with e1, e2 ~ N(0, 1).

    Args:
        loss: (real, fake, *constants) -> scalar, each logit of shape (1,); it closes over nothing that is traced. What
            is traced of it is kept for as long as it is the same object.
        coupling: ``"separable"`` (one function of each), ``"difference"`` (of real - fake) or ``"pairs"``.
        real: the mean of the real logit, shape (1,).
        fake: the mean of the fake logit, shape (1,).
        spread_real: standard deviation of the real logit, shape (1,); its sign does not matter.
        spread_fake: that of the fake one.
        constants: what the loss reads besides.

    Returns:
        The mean, to 1e-12 of its size, or NaN; smooth in all arguments where a spread is not 0.

    Example:
        >>> one = jnp.ones(1)
        >>> mean = smooth_mean(lambda r, f: jnp.sum(r**2 + f), "separable", 0 * one, one, 2 * one, one)
        >>> round(float(mean), 6)
        5.0
    """
    zero = jnp.zeros_like(real)

    # Its name is among the smooth functions of diracgan.tracing.switching: what the noise averages has no kink left.
    @jax.jit
    def mean_over_noise(r: Array, f: Array, a: Array, b: Array, constants: Sequence[Array]) -> Array:
        if coupling == "separable":
            over_both = _line(loss, 0, r, a, constants) + _line(loss, 1, f, b, constants)
            return over_both - loss(zero, zero, *constants)
        if coupling == "difference":
            return _line(loss, 1, f - r, jnp.sqrt(a * a + b * b), constants)
        return _plane(lambda r, f: loss(r, f, *constants), r, f, a, b)

    return mean_over_noise(real, fake, spread_real, spread_fake, tuple(constants))


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

    def loss(real: Array, fake: Array) -> Array:
        return getattr(variant, which)(real, fake, x, x)

    if _holds_still(loss):
        raise InputError(
            f"{which} of {variant.name or type(variant).__name__!r} stops a gradient, under instance noise; allowed: a "
            "loss without jax.lax.stop_gradient, or no noise"
        )
    return coupling(loss)


def _holds_still(loss: Loss) -> bool:
    """Whether derivatives of a loss of two logits would miss a stopped value; they miss none in a logsumexp's shift."""
    with jax.ensure_compile_time_eval():
        at = tuple(jnp.asarray([u]) for u in np.random.default_rng(20170113).normal(size=2))
        traced = branched(loss, at)
        missed = jax.grad(lambda held: traced(at, held=held)[0])(at) if traced.stops else at
        return traced.stops and bool(jnp.max(jnp.abs(jnp.concatenate(missed))) > _MISSED)


def coupling_of(variant: Variant, which: str) -> str:
    """How ``critic_loss`` or ``generator_loss`` of a variant couples its logits, whatever its numbers are."""
    return _coupling_of(jax.tree.structure(variant), which)


class _Pieces(NamedTuple):
    """A loss as a function of one logit: what its trace tells, where it has kinks, and its polynomials in between."""

    of: Callable[..., Array]
    integrand: Integrand
    form: Form
    kinks: Kinks | None
    coefficients: np.ndarray | None


@functools.lru_cache(maxsize=256)
def _pieces(loss: Loss, which: int, dtype: Any, shapes: tuple[tuple[int, ...], ...]) -> _Pieces:
    """The loss as a function of the real (0) or of the fake logit (1), while the other one is 0."""
    zero = np.zeros(1, dtype)

    def of(u: Array, *constants: Array) -> Array:
        return loss(zero, u, *constants) if which else loss(u, zero, *constants)

    ends = np.cumsum([math.prod(shape) for shape in shapes])

    @jax.jit
    def integrand(u: Array, side: Array | None, flat: Array) -> Array:
        parts = jnp.split(flat, ends[:-1]) if len(ends) else []
        constants = [p.reshape(shape) for p, shape in zip(parts, shapes, strict=True)]
        return of(u, *constants) if side is None else evaluate(lambda u: of(u, *constants), (u,), side)[0]

    numbers = [jax.ShapeDtypeStruct(shape, dtype) for shape in shapes]
    form = form_of(of, (zero,), numbers)
    kinks = kinks_of(of, numbers) if form.depth else Kinks(np.zeros(0), np.zeros((1, 0)))
    coefficients = None
    if kinks is not None and len(kinks.places) and form.degree <= _MOST_DEGREE:
        coefficients = polynomials(of, kinks.places, int(form.degree), numbers)
    return _Pieces(of, integrand, form, kinks, coefficients)


def _line(loss: Loss, which: int, mean: Array, spread: Array, constants: Sequence[Array]) -> Array:
    """The mean over the noise on one logit, while the other one is 0: mean and spread (1,)."""
    constants = [jnp.asarray(c, mean.dtype) for c in constants]
    one = _pieces(loss, which, mean.dtype, tuple(c.shape for c in constants))

    def of(u: Array) -> Array:
        return one.of(u, *constants)

    if not one.form.moving:
        return of(mean)
    if one.kinks is None and not one.form.linear:
        # one step of Newton's method does not find the kinks, and two rules may agree beside them
        numbers = [mean, spread, *(c.ravel() for c in constants)]
        return jnp.sum(jnp.concatenate(numbers)) * jnp.nan  # of all, so that derivatives are NaN too
    kinks = one.kinks or kinks_by_newton(of, one.form.depth, mean)
    if one.coefficients is not None:
        return kinked_polynomial_mean(one.coefficients, np.asarray(kinks.places), mean, spread)
    if not len(kinks.places) and one.form.degree <= _MOST_DEGREE:
        return polynomial_mean(of, int(one.form.degree), mean, spread)
    flat = jnp.concatenate([c.ravel() for c in constants] or [mean[:0]])
    places, sides = (jnp.asarray(x, mean.dtype) for x in kinks)
    if one.form.singular and len(places):
        return moving_mean(one.integrand, mean, spread, places, flat)
    return gaussian_mean(one.integrand, mean, spread, places, sides, flat)


def _plane(loss: Loss, r: Array, f: Array, a: Array, b: Array) -> Array:
    reach = [_REACH + jnp.abs(s) for s in (a, b)]

    def rule(n: int) -> Array:
        nodes, weights = (jnp.asarray(x, a.dtype) for x in gauss(n, _PAIR_PIECES))
        e, h = ((2.0 * nodes[:, None] - 1.0) * c for c in reach)
        values = jax.vmap(lambda i: jax.vmap(lambda k: loss(r + a * i, f + b * k))(h))(e)
        left, right = (weights * density(x[:, 0]) * 2.0 * c for x, c in ((e, reach[0]), (h, reach[1])))
        return left @ values @ right

    return checked(rule(32), rule(64))
