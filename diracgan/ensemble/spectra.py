"""Eigenvalues at the equilibrium for whole families, in closed form (2x2 blocks) where the variant allows it.

A field that commutes with every rotation has at the origin the Jacobian [[a I, b I], [c I, e I]]: the eigenvalues of
[[a, b], [c, e]], each d times.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from .. import dirac
from ..analysis.linear.decision import residual_bound
from ..dynamics.starts import check_untraced
from ..errors import InputError, integer
from ..game import Players
from ..jax_settings import own_settings
from ..numerics import derivative, eigen
from ..tracing.scalar_program import NotScalarizable, Program, trace
from ..variants import Variant, check_variant
from . import c_backend, loop_source, reduction
from .blocks import Devices, across, choose, compiled, layout, over
from .fixed_steps import Across, by_block
from .vector_field import EnsembleSystem, VmappedFunction

_BLOCK = 4096
_WORTH = 100_000  # members from which on compiling C pays


class Spectra(NamedTuple):
    """Eigenvalues of a family.

    Attributes:
        eigenvalues: shape (N, 2) or (N, 2 d): by decreasing real part, ties by decreasing imaginary part; NaN where the
            point is not an equilibrium or the field has no derivative there.
        multiplicity: how often each counts: d for closed blocks, else 1.
        closed: whether the closed form was used.
    """

    eigenvalues: np.ndarray
    multiplicity: int
    closed: bool


def spectra(variant: Variant, count: int, dim: int = 2) -> Spectra:
    """Eigenvalues of the flow at the origin for ``count`` members of a family, datum 0.

    Args:
        variant: its numbers may be arrays (count,), one a member.
        count: N.
        dim: the dimension d.

    Returns:
        A :class:`Spectra`.

    Raises:
        InputError: for arrays of another length.

    References:
        Mescheder, Geiger, Nowozin 2018 (arXiv 1801.04406), section 2.

    Example:
        >>> import dataclasses, numpy as np, diracgan as dg
        >>> v = dataclasses.replace(dg.variant("wgan-gp", c=0.0), lam=np.array([0.6, 1.25]))
        >>> np.allclose(dg.spectra(v, 2).eigenvalues, [[-0.6 + 0.8j, -0.6 - 0.8j], [-0.5, -2.0]], atol=1e-12)
        True
    """
    check_untraced("dg.spectra", check_variant(variant))
    count, dim = integer("count", count, low=1), integer("dim", dim, low=1)
    system = jax.tree.map(lambda x: np.asarray(x, float), EnsembleSystem(variant, None, None, None))
    leaves = jax.tree.leaves(system)
    for leaf in leaves:
        if leaf.shape not in ((), (count,)):
            raise InputError(
                f"{variant.label[:60]}: an array has shape {leaf.shape}; allowed: numbers, or ({count},)"
            )
    closed = dim == 1 or reduction.flattens(system, max(dim, 3), 2)
    small = 1 if closed else dim
    with own_settings(True):
        program = functools.partial(
            _program, jax.tree.structure(system), small, 1 if dim == 1 else max(2, small)
        )
        found, doubted = _everywhere(program(derivative.SCALES[-1:]), closed, count, leaves)
        if doubted:  # the finest scale alone shows most families to be linear there
            found, _ = _everywhere(program(derivative.SCALES), closed, count, leaves)
    if closed:
        values = found.T
    else:
        matrices = found.T.reshape(count, 2 * dim, 2 * dim)
        sound = np.isfinite(matrices).all(axis=(1, 2))
        values: Any = np.full((count, 2 * dim), complex(np.nan, np.nan))
        values[sound] = eigen.eigenvalues(matrices[sound]).values
    return Spectra(values, dim if closed else 1, closed)


@functools.lru_cache(maxsize=64)
def _program(
    structure: Any, small: int, checked: int, scales: tuple[float, ...]
) -> Program | VmappedFunction:
    """The Jacobian's entries in ``small`` dimensions, and whether the field has that derivative in ``checked`` ones.

    Decided as :func:`diracgan.spectrum` does, along one direction and its opposite: that crosses every kink and jump.
    """
    scalar = jax.ShapeDtypeStruct((), np.dtype(float))
    system = jax.tree.unflatten(structure, [scalar] * structure.num_leaves)
    way = derivative.directions(2 * checked)[0]

    def field(system: EnsembleSystem, y: Array, dim: int) -> Array:
        v = dirac.game(system.variant, jnp.zeros(dim)).motion(Players(y[:dim], y[dim:]))
        return jnp.concatenate(v)

    def look(system: EnsembleSystem) -> tuple[Array, Array]:
        jacobian = jax.jacfwd(lambda y: field(system, y, small))(jnp.zeros(2 * small))
        blocks = jacobian if small == checked else jnp.kron(jacobian, jnp.eye(checked))
        centre = field(system, jnp.zeros(2 * checked), checked)
        around = [[field(system, s * e * way, checked) for s in (1, -1)] for e in scales]
        return jacobian, _is_sound(centre, around, blocks @ way)

    try:
        return trace(look, system)
    except NotScalarizable:
        return VmappedFunction(look, system)


@functools.lru_cache(maxsize=64)
def _pair(look: Program | VmappedFunction, leaves: int) -> Program:
    """From the leaves to both real parts and the larger imaginary part, as one program."""
    scalar = jax.ShapeDtypeStruct((), np.dtype(float))
    return trace(lambda *values: _pairs(look(values)), *[scalar] * leaves)


def _in_registers(
    look: Program | VmappedFunction, count: int, leaves: list[Any], devices: Devices
) -> tuple[np.ndarray, bool] | None:
    """The two eigenvalues of closed blocks, (2, N), by compiled C, and whether any is NaN; None where there is none."""
    if devices.platform != "cpu" or count < _WORTH or not isinstance(look, Program):
        return None
    pair, varies = _pair(look, len(leaves)), tuple(x.ndim > 0 for x in leaves)
    run = c_backend.loop(loop_source.complex_pairs, pair, varies, np.dtype(np.float64))
    if run is None:
        return None
    group = c_backend.GROUP
    out, whole = np.empty((2, count), complex), count - count % group
    each = group * -(-whole // (group * devices.workers))

    def work(start: int) -> bool:
        end = min(start + each, whole)
        return run.fill([x[start:end] if x.ndim else x for x in leaves], list(out[:, start:end]))

    doubted = any(over(devices, work, list(range(0, whole, each)), lambda start: None, (run, count)))
    if whole < count:  # what fills no vector: the last group once more
        last, end = np.empty((2, group), complex), [x[-group:] if x.ndim else x for x in leaves]
        doubted |= run.fill(end, list(last))
        out[:, whole:] = last[:, whole - count :]
    return out, doubted


def _has_nan(row: np.ndarray) -> bool:
    """Whether any number of a row is NaN, by their sum: no array of answers is made."""
    return bool(np.isnan(np.sum(np.real(row))))


def _put(pairs: Any, rows: Sequence[np.ndarray]) -> None:
    """Write the larger and smaller real part and the imaginary part of complex pairs (2, n)."""
    pairs.real[0], pairs.real[1], pairs.imag[0] = rows
    np.negative(rows[2], out=pairs.imag[1])


def _everywhere(
    look: Program | VmappedFunction, closed: bool, count: int, leaves: list[Any]
) -> tuple[np.ndarray, bool]:
    """The two eigenvalues of closed blocks, (2, N), or the Jacobian's entries, and whether one is NaN: not believed."""
    devices = choose(None)
    if closed and (found := _in_registers(look, count, leaves, devices)) is not None:
        return found
    plan = layout(count, _BLOCK, devices.workers)
    cut = [plan.split(x) if x.ndim else [x] * plan.shares for x in leaves]
    like = np.zeros((plan.blocks, plan.block))
    size = like.size
    run = _look(devices.platform)
    entries = int(np.prod(look.shapes[0]))
    out = np.empty((2, count), complex) if closed else np.empty((entries, count))

    def work(share: list[Any]) -> None:
        rows = run(look, closed, across(devices.platform), [*share[1:], like])
        rows = [np.asarray(row).reshape(-1) for row in rows]
        mine = out[..., share[0] * size : (share[0] + 1) * size]
        rows = [row[: mine.shape[-1]] for row in rows]
        if closed:
            _put(mine, rows)
        else:
            mine[:] = rows

    shares = [[i, *(c[i] for c in cut)] for i in range(plan.shares)]
    over(
        devices,
        work,
        shares,
        lambda share: run(look, closed, across(devices.platform), [*share[1:], like]),
        (run, look, closed, like.shape),
    )
    return out, _has_nan(out[0])


def _look_at(
    look: Program | VmappedFunction, closed: bool, over_blocks: Across, share: list[Any]
) -> list[Any]:
    def block(values: list[Any]) -> list[Any]:
        *leaves, like = values
        found = [
            jnp.broadcast_to(x, (*jnp.shape(x)[:-1], like.size)).reshape(-1, like.size) for x in look(leaves)
        ]
        rows = [row for x in found for row in x]
        return _pairs(rows) if closed else [jnp.where(rows[-1], x, jnp.nan) for x in rows[:-1]]

    return by_block(block, share, over_blocks)


def _is_sound(centre: Array, around: list[list[Array]], slope: Array) -> Array:
    """Whether the point is an equilibrium with the slope found there, by the thresholds of the one decision.

    Args:
        centre: F there, (n,).
        around: F at all scales, or at the finest, ahead and behind, (n,) each.
        slope: the derivative along that direction, (n,).
    """
    linear, resting = jnp.concatenate([slope, -slope]), jnp.concatenate([centre, centre])
    values = [jnp.concatenate(both) for both in around]
    scales = derivative.SCALES[-len(values) :]
    *farther, near = [_size(f - resting - e * linear) / e for e, f in zip(scales, values, strict=True)]
    steepness = 2 * _size(slope)  # of both
    if not farther:  # the field is as large as its linear part where this holds
        bound = residual_bound(scales[-1] * steepness, 0.0)
        return (near <= derivative.rounding_floor(0.0, steepness)) & (_size(resting) <= bound)
    floor = derivative.rounding_floor(_size(values[-1]), steepness)
    coarsest, coarse = farther
    smooth = derivative.falls(jnp, coarse, near, floor)
    smooth |= derivative.falls_slowly(jnp, coarsest, coarse, near)
    change = _size(values[0] - values[1]) / derivative.SCALES[0]
    return smooth & (_size(resting) <= residual_bound(_size(values[-1]), change))


def _size(x: Array) -> Array:
    """The sum of the entries: compiled loops add faster than they compare."""
    return jnp.sum(jnp.abs(x))


def _pairs(looked: list[Any]) -> list[Any]:
    """Both real parts and the larger imaginary part, NaN where they are not believed.

    Only what comes out is made NaN: entries that are the same for all members stay constants of the compiled loop.
    """
    *entries, sound = looked
    return [jnp.where(sound, x, jnp.nan) for x in _closed(*entries)]


def _closed(a: Array, b: Array, c: Array, e: Array) -> list[Any]:
    """Both real parts and the larger imaginary part of the eigenvalues of [[a, b], [c, e]]."""
    half, middle = 0.5 * (a - e), 0.5 * (a + e)
    square = half * half + b * c
    root = jnp.sqrt(jnp.abs(square))  # one for both cases: a root costs as much as all the rest
    apart, turn = jnp.where(square >= 0.0, root, 0.0), jnp.where(square >= 0.0, 0.0, root)
    far = middle + jnp.where(middle < 0.0, -apart, apart)
    # by their product: a difference would lose the digits of one that is much smaller than the other
    product = a * e - b * c
    near = jnp.where(apart > 0.0, product / far, middle)
    return [jnp.maximum(near, far), jnp.minimum(near, far), turn]


_look = compiled(_look_at, static=3)
