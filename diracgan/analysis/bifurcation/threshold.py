"""A bifurcation's parameter value as a differentiable function of the other parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ... import dirac
from ...errors import InputError, listed, shown
from .branch import present, real_handle
from .curves import check_linear, check_noiseless, coincide
from .equilibrium_forms import cubic_form
from .family import Family, change_of
from .points import Bifurcation, PointKind, check_point

_STAGES = 64  # on the way from the point to the numbers asked for
_NEWTON = 4  # iterations at each
_MOST = 6  # numbers: the family holds 2^(1 + this) copies of all leaves
_REAL = 1e-6  # of the imaginary part of an eigenvalue
_SOLVED = 1e3  # roundings of the equations' terms: what is left of them at a solution


def threshold(point: Bifurcation, others: Sequence[str]) -> Callable[[Any], Array]:
    """The value of the parameter at which a bifurcation happens, as a function of other numbers.

    Newton's method on F(x, p, q) = 0 together with F_x v = (critical eigenvalue) v and a normalisation of v, followed
    from the point to the numbers q that are asked for; its derivatives by the implicit function theorem. The function
    passes jit, vmap, grad and their compositions, in the caller's precision.

    Args:
        point: a fold, Hopf, Neimark-Sacker or flip point of a branch.
        others: names of up to six other numbers, which have values at the point.

    Returns:
        A function of an array of their values, (P,), in the order of ``others``; NaN where the point is not followed
        that far, or where its pair has become real.

    Raises:
        InputError: for another kind of point, or names that are not allowed.

    References:
        Kuznetsov 2004, Elements of Applied Bifurcation Theory, section 10.2 (defining systems).

    Example:
        >>> import jax, diracgan as dg
        >>> v, rule = dg.variant("ns").with_(r1=0.05), dg.rule("simultaneous", lr=0.1)
        >>> point = dg.bifurcation.branch(v, over="lr=0.01:0.4", rule=rule).points[0]
        >>> lr = dg.bifurcation.threshold(point, ["gamma"])
        >>> with jax.enable_x64(True):
        ...     values = jax.vmap(jax.value_and_grad(lambda g: lr(g[None])))(jax.numpy.array([0.05, 0.2]))
        >>> [x.round(9).tolist() for x in values]  # lr = 4 gamma
        [[0.2, 0.8], [4.0, 4.0]]
    """
    kinds = (PointKind.FOLD, PointKind.HOPF, PointKind.NEIMARK_SACKER, PointKind.FLIP)
    if check_point(point).kind not in kinds:
        raise InputError(f"a {point.kind.words} has no simple equations; allowed: {', '.join(kinds)}")
    if point.multiplicity > 1:
        raise InputError(coincide(point))
    if not 1 <= len(others := listed("others", others, "names, e.g. ['gamma']")) <= _MOST:
        raise InputError(
            f"others = {shown(others)} are not one to {_MOST} names; allowed: a list, e.g. ['gamma']"
        )
    around = point.family.parameters.at([point.value], point.state)
    check_linear(around)
    handles = [real_handle(around, n) for n in (point.parameter, *others)]
    now = np.array([present(h) for h in handles])
    if len({h.name for h in handles}) < len(handles):
        raise InputError(f"{[h.name for h in handles]} name a number twice; allowed: different ones")
    family = Family(around, handles, point.family.times)
    check_noiseless(family)
    begin = now[1:]
    start, covector = _start(point, family, np.append(point.value, begin))

    def found(values: Any) -> Array:
        values = jnp.asarray(values)
        # a number of Python's is the double that it became, and a whole number is one as well
        dtype = jnp.promote_types(jnp.result_type(values.dtype, float), jnp.float32)
        given = dirac.cast((*family.parameters.given, start, covector, begin), dtype)
        return _solved(point.kind, family.discrete, family.times, given, values.astype(dtype))

    return found


def _start(point: Bifurcation, family: Family, ps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(x, Re v, Im v, frequency or angle, p) at the point, or (x, v, p), and what v is normalised by."""
    x, lead = point.state, complex(point.eigenvalue)
    if point.kind in _PAIRS:
        form = cubic_form(point.family, x, point.value, lead)
        if form is None:
            raise InputError(f"{point.parameter} = {point.value:g}: a derivative is not finite there")
        v = form.vector / np.linalg.norm(form.vector)
        turn = np.angle(lead) if family.discrete else lead.imag
        return np.concatenate([x, v.real, v.imag, [turn, point.value]]), np.concatenate([v.real, v.imag])
    values, vectors = np.linalg.eig(family.matrix(family.equations(np.append(x, ps))[1][:, : len(x)]))
    v = np.real(vectors[:, int(np.argmin(np.abs(values - lead)))])
    v = v / np.linalg.norm(v)
    return np.concatenate([x, v, [point.value]]), v


def _solved(kind: PointKind, discrete: bool, times: int | None, given: Any, values: Array) -> Array:
    corners, x0, start, covector, begin = given

    def equations(y: Array, q: Array) -> Array:
        n = (len(y) - 2) // 3 if len(covector) > 1 and kind in _PAIRS else (len(y) - 1) // 2
        ps = jnp.append(y[-1], q)
        x = y[:n]

        def change(x: Array) -> Array:
            return change_of(corners, x0, x, ps, times)

        value, push = jax.linearize(change, x)
        if kind not in _PAIRS:
            v = y[n : 2 * n]
            lead = -2.0 if kind is PointKind.FLIP else 0.0  # of the change; of a map less 1
            return jnp.concatenate([value, push(v) - lead * v, (covector @ v - 1.0)[None]])
        re, im, turn = y[n : 2 * n], y[2 * n : 3 * n], y[3 * n]
        a, b = (jnp.cos(turn) - 1.0, jnp.sin(turn)) if discrete else (0.0, turn)
        p, q_ = covector[:n], covector[n:]
        scale = jnp.stack([p @ re + q_ @ im - 1.0, p @ im - q_ @ re])
        return jnp.concatenate([value, push(re) - a * re + b * im, push(im) - b * re - a * im, scale])

    def newton(y: Array, q: Array) -> Array:
        for_q = jax.jacfwd(equations, 0)
        return jax.lax.fori_loop(
            0, _NEWTON, lambda _, y: y - jnp.linalg.solve(for_q(y, q), equations(y, q)), y
        )

    def solve(_: Any, y: Array) -> Array:
        def stage(k: Array, y: Array) -> Array:
            share = (k + 1).astype(begin.dtype) / _STAGES
            return newton(y, begin + share * (jax.lax.stop_gradient(values) - begin))

        return jax.lax.fori_loop(0, _STAGES, stage, y)

    def tangent(linear: Any, right: Array) -> Array:
        return jnp.linalg.solve(jax.jacfwd(linear)(right), right)

    y = jax.lax.custom_root(lambda y: equations(y, values), start, solve, tangent)
    left = jnp.max(jnp.abs(equations(y, values)))
    allowed = _SOLVED * jnp.finfo(y.dtype).eps * (1.0 + jnp.max(jnp.abs(y)))
    holds = left <= allowed
    if kind in _PAIRS:  # where the pair has become real, another equation holds
        holds &= jnp.abs(jnp.sin(y[-2]) if discrete else y[-2]) > _REAL
    return jnp.where(jax.lax.stop_gradient(holds), y[-1], jnp.nan)


_PAIRS = (PointKind.HOPF, PointKind.NEIMARK_SACKER)
