"""Instance noise on logits: the mean of a loss over Gaussian noise on its samples, by quadrature.

On an affine critic noise of standard deviation sigma on a sample moves its logit by N(0, (sigma |grad D|)^2):
one dimension, whatever that of the samples. The integral is split where the loss has a kink. Of a loss that is a
polynomial in between, like hinge, it is a closed form; of any other two rules must agree, and where they do not the
mean is NaN, as a wrong number would not be told from a right one. On losses like ns they do as long as the logit's
deviation is under about 120.
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
from jax.flatten_util import ravel_pytree

from .tracing.jaxpr import interpret, read
from .tracing.switching import evaluate, polynomial_degree
from .variants import Variant

Loss = Callable[[Array, Array], Array]  # (real, fake), each (1,) -> a scalar: a batch of one

_MOST = 384  # equispaced nodes; the same with half of them must agree
_COARSE, _FINE = 128, 192  # nodes between two kinks; both must agree
_PAIR_PIECES = 2  # in a plane each side is cut into so many pieces; 32 and 64 nodes on each must agree
_MOST_DEGREE = 4  # of a polynomial that is integrated in closed form
_MOMENTS = [1.0, 0.0, 1.0, 0.0, 3.0]  # of e^k, for k up to that degree
_FAR = 40.0  # standard deviations: the density underflows beyond
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
    """E g(mean + spread e): mean and spread (1,).

    A rule in t, where e = centre + width sinh t: its nodes lie closest where the logit is near 0, at a distance on
    which losses bend, and the wider apart the further off, so that a few serve spreads of any size. Without a kink it
    is the trapezoidal rule, which on what falls off at both ends converges geometrically; between kinks Gauss's.

    Without a kink the derivative by the variance is half the mean of g'' (Stein): as precise as g'' at any size, where
    the mean of e g' is a small difference of large terms.
    """
    if not _depends(g, mean):
        return g(mean)
    degree = polynomial_degree(g, (mean,))
    if degree <= _MOST_DEGREE:
        return _piecewise_polynomial(g, int(degree), mean, spread)
    function, constants = jax.closure_convert(g, mean)
    kinks = _roots(*_surfaces(lambda u: function(u, *constants), mean, spread))
    frame, reach = _frame(jax.lax.stop_gradient(mean), jax.lax.stop_gradient(spread), not kinks)
    cuts = _ascending([jax.lax.clamp(-reach, c, reach) for c in kinks])
    variance = None if kinks else spread * spread
    moving, restore = ravel_pytree((mean, (spread, cuts) if kinks else (), constants))

    def term(row: Array, frame: Array, moving: Array) -> Array:
        count, centre, width, reach, spread = (frame[k : k + 1] for k in range(5))
        mean, split, constants = restore(moving)
        spread, cuts = split or (spread, [])
        ends = jnp.arcsinh((jnp.concatenate([-reach, *cuts, reach]) - centre) / width)
        lengths = jnp.diff(ends) / count
        up = jnp.exp(ends[:-1] + lengths * (row[0] + 0.5))
        e = centre + 0.5 * width * (up - 1.0 / up)
        stretch = lengths * 0.5 * width * (up + 1.0 / up)
        values = jnp.stack([function(mean + spread * x, *constants) for x in e])
        return row[1:] * jnp.sum(stretch * _density(e) * values)

    rows = jnp.asarray(_gauss_rows() if kinks else _trapezoidal_rows(), spread.dtype)
    return _checked(*_sum_over_rows(term, (2,), rows, frame, variance, moving))


def _piecewise_polynomial(g: Callable[[Array], Array], degree: int, mean: Array, spread: Array) -> Array:
    """E g(mean + spread e) of a g that is a polynomial between kinks, from the moments of e between them.

    Of relu, with Phi and phi the normal distribution and its density: mean Phi(mean/spread) + spread phi(mean/spread).
    """
    reach = _REACH + jnp.abs(jax.lax.stop_gradient(spread))
    surfaces, slopes = _surfaces(g, mean, spread)
    cuts = _ascending([jax.lax.clamp(-reach, c, reach) for c in _roots(surfaces, slopes)])
    below = [[0.0] * (degree + 1), *(_moments(degree, c) for c in cuts), _MOMENTS[: degree + 1]]
    surfaces, slopes, cuts = jax.lax.stop_gradient((surfaces, slopes, cuts))
    total = jnp.zeros((), mean.dtype)
    for k, (low, high) in enumerate(itertools.pairwise([-reach, *cuts, reach])):
        modes = jax.lax.sign(surfaces + slopes * (0.5 * (low + high)))  # a surface is linear here
        terms = _taylor(lambda u, modes=modes: evaluate(g, (u,), modes)[0], degree, mean, spread)
        total += sum(jnp.sum(c * (b - a)) for c, a, b in zip(terms, below[k], below[k + 1], strict=True))
    return total


def _taylor(f: Callable[[Array], Array], degree: int, at: Array, step: Array) -> list[Array]:
    """The coefficients c_k of f(at + e step) = sum of c_k e^k, for k = 0, ..., degree."""
    if degree == 0:
        return [f(at)]
    terms, slopes = jax.jvp(lambda u: _taylor(f, degree - 1, u, step), (at,), (step,))
    return [*terms, slopes[-1] / degree]


def _moments(degree: int, end: Array) -> list[Array]:
    """The integrals of e^k over the normal density up to an end, for k = 0, ..., degree."""
    density = _density(end)
    found = [0.5 + 0.5 * jax.lax.erf(0.7071067811865476 * end), -density]
    for k in range(2, degree + 1):
        found.append((k - 1) * found[k - 2] - end ** (k - 1) * density)
    return found[: degree + 1]


def _frame(mean: Array, spread: Array, equispaced: bool) -> tuple[Array, Array]:
    """The number of nodes (1 for a rule that brings its own), their centre, width and reach, the spread; the reach."""
    size = jnp.sqrt(spread * spread + 0.1)
    reach, width = _REACH + jnp.abs(spread), 3.0 / size
    centre = jnp.clip(-mean * spread / size**2, -_REACH, _REACH)
    count = jnp.ones_like(mean)
    if equispaced:
        step = jnp.minimum(0.25 / jnp.sqrt(width * width + centre * centre), 0.055)
        length = jnp.arcsinh((reach - centre) / width) + jnp.arcsinh((reach + centre) / width)
        count = jnp.minimum(2.0 * jnp.ceil(0.5 * length / step), _MOST)
    return jnp.concatenate([count, centre, width, reach, spread]), reach


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _sum_over_rows(
    term: Callable[..., Array],
    shape: tuple[int, ...],
    rows: Array,
    frame: Array,
    variance: Array | None,
    moving: Array,
) -> Array:
    """The sum of term(row, frame, moving), of that shape, over rows whose first entry is less than the frame's.

    It is differentiated by ``moving`` under the sum, and by the variance as half the second derivative by the mean,
    which stands first in ``moving``.
    """

    def add(total: Array, row: Array) -> tuple[Array, None]:
        return total + jnp.where(row[0] < frame[0], term(row, frame, moving), 0.0), None

    return jax.lax.scan(add, jnp.zeros(shape, moving.dtype), rows)[0]


@_sum_over_rows.defjvp
def _under_the_sum(
    term: Callable[..., Array], shape: tuple[int, ...], primals: Any, tangents: Any
) -> tuple[Array, Array]:
    size = primals[3].size
    slopes = _sum_over_rows(jax.jacrev(term, argnums=2), (*shape, size), *primals)
    change = slopes @ tangents[3]
    if tangents[2] is not None:
        mean = np.eye(1, size, dtype=primals[3].dtype)[0]

        def bend(row: Array, frame: Array, moving: Array) -> Array:
            def slope(at: Array) -> Array:
                return jax.jvp(lambda z: term(row, frame, z), (at,), (mean,))[1]

            return jax.jvp(slope, (moving,), (mean,))[1]

        change += 0.5 * _sum_over_rows(bend, shape, *primals) * tangents[2]
    return _sum_over_rows(term, shape, *primals), change


def _depends(g: Callable[[Array], Array], at: Array) -> bool:
    """Whether g's value depends on its argument at all, by its trace."""
    function, _ = read(g, at)
    return interpret(function, [True], lambda o, ins: [any(ins)] * len(o.outputs), lambda value: False)[0]


def _surfaces(g: Callable[[Array], Array], mean: Array, spread: Array) -> tuple[Array, Array]:
    """The switching functions of g(mean + spread e) at e = 0, and their derivatives by e."""
    return jax.jvp(lambda u: evaluate(g, (u,))[1].astype(u.dtype), (mean,), (spread,))


def _roots(values: Array, slopes: Array) -> list[Array]:
    """Where switching functions vanish in e, infinite if far: a Newton step from e = 0, as if they were linear."""
    far, one = jnp.abs(values) >= _FAR * jnp.abs(slopes), jnp.ones_like(values)
    places = jax.lax.select(far, jnp.inf * one, -values / jax.lax.select(far, one, slopes))
    return [places[k : k + 1] for k in range(places.size)]


def _ascending(values: list[Array]) -> list[Array]:
    """A few values in order, by comparisons of two."""
    for end in range(len(values) - 1, 0, -1):
        for i in range(end):
            a, b = values[i : i + 2]
            values[i : i + 2] = jnp.minimum(a, b), jnp.maximum(a, b)
    return values


def _plane(loss: Loss, r: Array, f: Array, a: Array, b: Array) -> Array:
    reach = [_REACH + jnp.abs(s) for s in (a, b)]

    def rule(n: int) -> Array:
        nodes, weights = (jnp.asarray(x, a.dtype) for x in _rule(n, _PAIR_PIECES))
        e, h = ((2.0 * nodes[:, None] - 1.0) * c for c in reach)
        values = jax.vmap(lambda i: jax.vmap(lambda k: loss(r + a * i, f + b * k))(h))(e)
        left, right = (weights * _density(x[:, 0]) * 2.0 * c for x, c in ((e, reach[0]), (h, reach[1])))
        return left @ values @ right

    return _checked(rule(32), rule(64))


def _checked(coarse: Array, fine: Array) -> Array:
    """The finer of two rules, NaN unless the coarser gives the same.

    Their error falls geometrically with the number of nodes: half as many again err by the power 3/2 of what is seen,
    and twice as many by its square.
    """
    allowed = jnp.finfo(fine.dtype).eps ** 0.55
    agree = jnp.abs(fine - jax.lax.stop_gradient(coarse)) <= allowed * (1.0 + jnp.abs(fine))
    return fine * jnp.where(agree, 1.0, jnp.nan)  # a factor, so that derivatives are NaN too


def _density(e: Array) -> Array:
    return jnp.exp(-0.5 * e * e) * 0.3989422804014327


@functools.cache
def _rule(n: int, pieces: int) -> Any:
    """Nodes and weights of the Gauss-Legendre rule with n nodes on each of so many pieces of [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    starts = np.arange(pieces)[:, None]
    return ((starts + 0.5 + 0.5 * nodes) / pieces).ravel(), np.tile(0.5 * weights / pieces, pieces)


@functools.cache
def _gauss_rows() -> np.ndarray:
    """The nodes of a coarse and of a fine rule on [0, 1], less 1/2, and their weights in one and in the other."""
    (a, v), (b, w) = _rule(_COARSE, 1), _rule(_FINE, 1)
    return np.stack([np.r_[a, b] - 0.5, np.r_[v, 0 * w], np.r_[0 * v, w]], axis=1)


@functools.cache
def _trapezoidal_rows() -> np.ndarray:
    """The numbers of equispaced nodes, and their weights if every other one counts, and if all do."""
    k = np.arange(_MOST)
    return np.stack([k, 2.0 * (k % 2 == 0), np.ones(_MOST)], axis=1)
