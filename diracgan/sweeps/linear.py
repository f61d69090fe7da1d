"""The linearisation at the equilibrium for whole arrays of hyperparameters: one compiled program for all points.

What :mod:`diracgan.analysis` does carefully for one setting is done here for as many as wanted: derivative by autodiff,
the same differences at three scales to see whether to believe it, eigenvalues with an error bound. Points at which that
leaves a doubt are handed to :func:`diracgan.analysis.linear.margins.margins`.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..analysis.dynamical_system import map_change
from ..analysis.linear.margins import Setup, margins
from ..analysis.linear.spectrum import RESIDUAL, logits, rest_state
from ..dynamics.filippov import System, velocity
from ..ensemble import reduction
from ..ensemble.blocks import compiled
from ..ensemble.vector_field import System as Moving
from ..game import Players
from ..numerics import derivative, eigen
from ..numerics.convex_hull import distance_to_hull
from ..rules import Rule

STATUS = ("stable", "unstable", "marginal", "no-derivative", "not-an-equilibrium")
"""What the linearisation says, by the number in ``status``."""

_EPS = float(np.finfo(float).eps)
_BLOCK = 512  # points that are looked at together: what they need stays in the cache
_SMOOTH, _KINK, _JUMP, _DOUBT = 0, 1, 2, 3


class Linear(NamedTuple):
    """What the linearisation says at every point, arrays (N,).

    Attributes:
        status: index into :data:`STATUS`.
        margin: -max Re of the eigenvalues, or 1 - max modulus of the multipliers; NaN where there are none.
        radius: largest modulus of the multipliers, of a flow exp(max Re); NaN where there are none.
        angle: of the eigenvalue that lasts longest and turns: its frequency, or angle per iteration; 0 if none does.
    """

    status: np.ndarray
    margin: np.ndarray
    radius: np.ndarray
    angle: np.ndarray


def linear(setup: Setup, count: int, careful: bool = True) -> Linear:
    """Linearise at ``count`` points.

    Args:
        setup: its numbers are numbers, or arrays (count,); its datum and point (d,) or (count, d).
        count: how many points.
        careful: whether points in doubt get a second look; a search for the margin's zero has no need of it.

    Example:
        >>> import dataclasses, numpy as np, diracgan as dg
        >>> from diracgan.analysis.linear.margins import setup
        >>> v = dataclasses.replace(dg.variant("wgan-gp", c=0.0), lam=np.array([0.0, 0.5]))
        >>> [x.tolist() for x in linear(setup(v), 2)[:2]]
        [[2, 0], [0.0, 0.5]]
    """
    rule = setup.rule
    if rule is not None and rule.linearisable:
        nan = np.full(count, np.nan)
        return Linear(np.full(count, STATUS.index("no-derivative"), np.int8), nan, nan.copy(), nan.copy())
    setup = _reduced(setup)
    with jax.enable_x64(True):
        seen = _seen(setup, count)
        n = seen.jacobian.shape[-1]
        found = _decided(seen, rule, n)
        status, margin, radius, angle = (np.array(x) for x in found[:4])
        for i, (k, m) in zip(*_careful(setup, found.doubt & careful), strict=True):
            status[i], margin[i], radius[i], angle[i] = k, *m
    return Linear(status.astype(np.int8), margin, radius, angle)


def part(setup: Setup, i: int) -> Setup:
    """The setup of one point, its numbers plain.

    Example:
        >>> import numpy as np, diracgan as dg
        >>> from diracgan.analysis.linear.margins import setup
        >>> part(setup(dg.variant("ns").with_(r1=np.array([0.1, 0.2]))), 1).variant.label
        'ns + r1=0.2'
    """

    def one(x: Any) -> Any:
        return float(np.asarray(x)[i]) if np.ndim(x) else x

    def row(x: np.ndarray) -> np.ndarray:
        return x[i] if np.ndim(x) == 2 else x

    variant, rule, rates = jax.tree.map(one, (setup.variant, setup.rule, setup.rates))
    return Setup(variant, rule, Players(*map(row, setup.point)), row(setup.x0), rates)


def _reduced(setup: Setup) -> Setup:
    """The same question in the plane that decides every dimension, where there is one (docs/theory.md section 2)."""
    if setup.x0.shape[-1] <= 2 or any(np.any(x) for x in (setup.x0, *setup.point)):
        return setup
    rates = None if setup.rule is not None else setup.rates
    if not reduction.flattens(Moving(setup.variant, setup.rule, None, rates), setup.x0.shape[-1], 2):
        return setup
    return dataclasses.replace(setup, x0=setup.x0[..., :2], point=Players(*(p[..., :2] for p in setup.point)))


# ---------------------------------------------------------------- looking


class _Seen(NamedTuple):
    """What is seen at every point.

    Attributes:
        kind: smooth, a kink, a jump, or in doubt.
        alive: whether the critic has a value there.
        bound: on the residual of an equilibrium.
        distance: the residual.
        near: the values closest around.
        jacobian: where smooth.
        error: how far its entries may be off.
    """

    kind: Any
    alive: Any
    bound: Any
    distance: Any
    near: Any
    jacobian: Any
    error: Any


def _seen(setup: Setup, count: int) -> _Seen:
    """Every point looked at, in blocks of one shape."""
    block = min(_BLOCK, count)
    blocks = -(-count // block)
    index = np.minimum(np.arange(blocks * block), count - 1).reshape(blocks, block)

    def spread(x: Any) -> np.ndarray:
        return np.broadcast_to(np.asarray(x, float), (count, *np.shape(x)[int(np.ndim(x) > 0) :]))[index]

    def vectors(x: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.asarray(x, float), (count, np.shape(x)[-1]))[index]

    numbers: Any = jax.tree.map(spread, (setup.variant, setup.rates, setup.rule))
    system = System(numbers[0], jnp.asarray(vectors(setup.x0)), numbers[1], None)
    at = np.concatenate([vectors(p) for p in setup.point], axis=-1)
    got = _look("cpu" if jax.default_backend() == "cpu" else "gpu")(
        system, jax.tree.map(spread, setup.rule), at
    )
    return jax.tree.map(lambda x: np.asarray(x).reshape(blocks * block, *x.shape[2:])[:count], got)


def _look_at(system: System, rule: Rule | None, at: Array) -> _Seen:
    return jax.lax.map(lambda block: jax.vmap(_look_at_one)(*block), (system, rule, at))


_look = compiled(_look_at, static=0)


def _look_at_one(system: System, rule: Rule | None, y: Array) -> _Seen:
    """One point: as :func:`diracgan.numerics.derivative.judge`, wherever every value around it is finite."""
    if rule is None:
        start, f = y, functools.partial(velocity, system)
    else:
        start, f = rest_state(system, rule, y), functools.partial(map_change, system, rule)
    n = start.shape[0]
    ws = jnp.asarray(derivative.directions(n)) * jnp.maximum(1.0, jnp.abs(start))
    scales = jnp.asarray(derivative.SCALES)
    around = jax.vmap(jax.vmap(f))(start + scales[:, None, None] * ws)
    # one trace for the slopes there and close by: each would compile anew
    places = jnp.stack([start, *(start + 1e-9 * w for k in (0, 1) for w in (ws[k], -ws[k]))])
    along = jnp.tile(jnp.eye(n), (len(places), 1))
    values, rates = jax.vmap(lambda z, w: jax.jvp(f, (z,), (w,)))(jnp.repeat(places, n, axis=0), along)
    value, slopes = values[0], jnp.swapaxes(rates.reshape(len(places), n, n), 1, 2)
    centre = jnp.where(jnp.all(jnp.isfinite(value)), value, around[-1].mean(axis=0))
    distance = jnp.max(jnp.abs(centre))
    size = jnp.maximum(jnp.max(jnp.abs(around[-1])), distance)
    jacobian, error, smooth = _believed(slopes[0], slopes[1:], ws, around, centre, size)
    spread = jnp.max(jnp.abs(around - centre), axis=(1, 2))
    jump = (spread[2] > 0.3 * spread[1]) & (spread[2] > 1e-9 * size)
    kind = jnp.where(smooth, _SMOOTH, jnp.where(jump, _JUMP, _KINK))
    kind = jnp.where(jnp.all(jnp.isfinite(around)), kind, _DOUBT)
    alive = jnp.all(jnp.isfinite(logits(system, y)))
    return _Seen(kind, alive, RESIDUAL * (1.0 + size), distance, around[-1], jacobian, error)


def _believed(
    here: Array, beside: Array, ws: Array, around: Array, centre: Array, size: Array
) -> tuple[Array, Array, Array]:
    """The Jacobian that agrees with the differences: by autodiff there, close by, or the differences' own."""
    n, half = ws.shape[1], ws.shape[0] // 2
    scales = jnp.asarray(derivative.SCALES)
    close = _tidy(beside.mean(axis=0))
    differences = (around[:, :half] - around[:, half:]) / (2 * scales[:, None, None])
    plain = derivative.directions(n)[:half]
    lengths = ws[0] / plain[0]  # the coordinates' scales
    fits = jnp.stack([(jnp.asarray(np.linalg.pinv(plain)) @ d / lengths[:, None]).T for d in differences])
    gaps = jnp.max(jnp.abs(fits[1:] - fits[:-1]), axis=(1, 2))
    rounding = 1e-9 * (jnp.max(jnp.abs(fits[1])) + size)
    fitted = _tidy(jnp.where(gaps[0] <= 10 * gaps[1], fits[1], fits[2]))
    off = jnp.maximum(rounding, jnp.maximum(gaps[1] / 30, gaps[0] / 1000))

    def holds(jacobian: Array) -> Array:
        linear = ws @ jacobian.T
        rest = jnp.max(jnp.abs(around - centre - scales[:, None, None] * linear), axis=(1, 2)) / scales
        seen = jnp.max(jnp.abs(around), axis=(1, 2)) + jnp.max(jnp.abs(linear))
        floor = 50 * _EPS * (seen + np.finfo(float).tiny) / scales
        return jnp.all(jnp.isfinite(jacobian)) & (rest[2] <= jnp.maximum(0.3 * rest[1], floor[2]))

    choices = ((here, jnp.zeros(())), (close, jnp.max(jnp.ptp(beside, axis=0))), (fitted, off))
    jacobian, error, smooth = jnp.zeros_like(here), jnp.zeros(()), jnp.asarray(False)
    for matrix, its_error in choices:
        use = ~smooth & holds(matrix)
        jacobian, error = jnp.where(use, matrix, jacobian), jnp.where(use, its_error, error)
        smooth = smooth | use
    return jacobian, error, smooth


def _tidy(jacobian: Array) -> Array:
    return jnp.where(jnp.abs(jacobian) > 1e-9 * jnp.max(jnp.abs(jacobian)), jacobian, 0.0)


# ---------------------------------------------------------------- deciding


class _Decided(NamedTuple):
    status: np.ndarray
    margin: np.ndarray
    radius: np.ndarray
    angle: np.ndarray
    doubt: np.ndarray


def _decided(seen: _Seen, rule: Rule | None, n: int) -> _Decided:
    discrete = rule is not None
    values, errors = _eigenvalues(seen.jacobian + (np.eye(n) if discrete else 0.0), seen.error)
    heights = np.abs(values) if discrete else values.real
    top = heights.max(axis=1)
    margin = (1.0 - top if discrete else -top) + 0.0
    error = np.max(np.where(heights + errors >= top[:, None], errors, 0.0), axis=1)
    marginal = np.abs(margin) <= error
    status = np.where(marginal, 2, np.where(margin > 0, 0, 1))
    status = np.where((seen.kind == _KINK) | (seen.kind == _JUMP), 3, status)
    status = np.where(seen.alive & _at_rest(seen), status, 4)
    without = status >= 3
    radius = top if discrete else np.exp(top)
    angle = _turning(values, heights, discrete)
    # closed forms of pairs are as sharp as they get; a general bound is worth a second look
    blunt = (marginal | ~np.isfinite(margin)) & (_largest_block(seen.jacobian) > 2)
    doubt = (blunt & (status < 3)) | (seen.alive & (seen.kind == _DOUBT))
    margin, radius, angle = (np.where(without, np.nan, x) for x in (margin, radius, angle))
    return _Decided(status, margin, radius, angle, doubt)


def _at_rest(seen: _Seen) -> np.ndarray:
    """Whether the residual is within its bound; at a jump, the distance of 0 from what the field jumps between."""
    fine = seen.distance <= seen.bound
    for i in np.flatnonzero((seen.kind == _JUMP) & seen.alive):
        fine[i] = distance_to_hull(seen.near[i]) <= 1e4 * seen.bound[i]
    return fine


def _turning(values: Any, heights: np.ndarray, discrete: bool) -> np.ndarray:
    turning = np.abs(np.angle(values)) if discrete else np.abs(values.imag)
    turns = turning > 1e-9 * np.maximum(1.0, turning.max(axis=1, keepdims=True))
    leading = np.argmax(np.where(turns, heights, -np.inf), axis=1)
    angle = np.take_along_axis(turning, leading[:, None], axis=1)[:, 0]
    return np.where(turns.any(axis=1), angle, 0.0)


def _eigenvalues(a: np.ndarray, entry_error: np.ndarray) -> tuple[Any, np.ndarray]:
    """Eigenvalues and error bounds (N, n) of matrices (N, n, n), as :func:`diracgan.numerics.eigen.eigenvalues`."""
    pairs = [_of_block(a[:, block][:, :, block], entry_error) for block in _blocks(a)]
    return np.concatenate([w for w, _ in pairs], axis=1), np.concatenate([e for _, e in pairs], axis=1)


def _blocks(a: np.ndarray) -> list[np.ndarray]:
    return eigen.blocks(np.any(a != 0, axis=0).astype(float))


def _largest_block(a: np.ndarray) -> int:
    return max(len(b) for b in _blocks(a))


def _of_block(a: np.ndarray, entry_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if a.shape[1] == 1:
        return a[:, 0].astype(complex), 10 * _EPS * np.abs(a[:, 0]) + entry_error[:, None]
    return _pairs(a, entry_error) if a.shape[1] == 2 else _general(a, entry_error)


@np.errstate(all="ignore")
def _pairs(a: np.ndarray, entry_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both eigenvalues of every 2 x 2 block in closed form: middle +- sqrt(discriminant)."""
    slack = 10 * _EPS * np.abs(a) + entry_error[:, None, None]
    (p, q), (r, s) = ((a[:, i, 0], a[:, i, 1]) for i in (0, 1))
    middle, half, det = (p + s) / 2, (p - s) / 2, p * s - q * r
    gap = half**2 + q * r
    root = np.sqrt(np.abs(gap))
    off_middle = (slack[:, 0, 0] + slack[:, 1, 1]) / 2
    crossed = np.abs(q) * slack[:, 1, 0] + np.abs(r) * slack[:, 0, 1] + slack[:, 0, 1] * slack[:, 1, 0]
    off_gap = 2 * np.abs(half) * off_middle + off_middle**2 + crossed
    off_root = np.minimum(np.where(root > 0, off_gap / root, np.inf), np.sqrt(off_gap)) + _EPS * root
    large = middle + np.copysign(root, middle)
    small = np.where(large != 0, det / large, 0.0)  # the difference of middle and root would lose its digits
    off_det = (
        np.abs(p) * slack[:, 1, 1] + np.abs(s) * slack[:, 0, 0] + slack[:, 0, 0] * slack[:, 1, 1] + crossed
    )
    off_large = off_middle + off_root
    off_small = np.minimum(
        off_large, np.where(large != 0, (off_det + np.abs(small) * off_large) / np.abs(large), np.inf)
    )
    turning = gap < 0
    one = np.where(turning, middle + 1j * root, large)
    two = np.where(turning, middle - 1j * root, small)
    errors = np.stack(
        [np.where(turning, off_large, off_large), np.where(turning, off_large, off_small)], axis=1
    )
    return np.stack([one, two], axis=1), errors


def _general(a: np.ndarray, entry_error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n = a.shape[1]
    fine = np.all(np.isfinite(a), axis=(1, 2))
    w, right = np.linalg.eig(np.where(fine[:, None, None], a, np.eye(n)))
    size = np.linalg.norm(a, axis=(1, 2))
    perturbation = 10 * _EPS * size + n * entry_error
    worst = (2 * size + perturbation) ** (1 - 1 / n) * perturbation ** (1 / n)
    try:
        left = np.linalg.inv(right)
        conditions = np.linalg.norm(left, axis=2) * np.linalg.norm(right, axis=1)
    except np.linalg.LinAlgError:
        conditions = np.full(w.shape, np.inf)
    return np.where(fine[:, None], w, np.nan), np.minimum(conditions * perturbation[:, None], worst[:, None])


# ---------------------------------------------------------------- a second look


def _careful(
    setup: Setup, doubt: np.ndarray
) -> tuple[np.ndarray, list[tuple[int, tuple[float, float, float]]]]:
    """What :func:`diracgan.analysis.linear.margins.margins` says where there is doubt."""
    which = np.flatnonzero(doubt)
    discrete = setup.rule is not None
    told = []
    for m in margins([part(setup, int(i)) for i in which]):
        if not len(m.eigenvalues):
            told.append((STATUS.index(m.status), (np.nan, np.nan, np.nan)))
            continue
        w: Any = np.asarray(m.eigenvalues)[None]
        heights = np.abs(w) if discrete else w.real
        radius = heights.max() if discrete else np.exp(heights.max())
        angle = float(_turning(w, heights, discrete)[0])
        told.append((STATUS.index(m.status), (m.value, float(radius), angle)))
    return which, told
