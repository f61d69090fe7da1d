"""Where a traced function switches, and the smooth pieces that it switches between.

A loss with ``abs``, ``max``, ``where`` or a norm is smooth between its *surfaces*. Its jaxpr names them: every
operation with a branch is a *site*, its operand a function that vanishes on the surface. :func:`evaluate` interprets
the jaxpr either as it stands, or with every branch frozen by a vector of modes (+1 or -1, one per site entry): frozen,
the function is smooth across the surface, which is what locating an event and Filippov's rule need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, jaxpr_as_fun

from ..variants._math import root

# Library functions that are smooth although their programs branch.
_SMOOTH = frozenset(
    {
        "softplus",
        "logaddexp",
        "logaddexp2",
        "log_sigmoid",
        "logsumexp",
        "sigmoid",
        "xlogy",
        "sinc",
        "mean_over_noise",
    }
)
_COMPARE = {"gt": 1.0, "ge": 1.0, "lt": -1.0, "le": -1.0}
_CALLS = frozenset({"jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "custom_jvp_call"})
_STAIRS = frozenset({"floor", "ceil", "round"})
_SITES = frozenset({"abs", "sign", "max", "min", "clamp", "sqrt", "rsqrt", "pow", *_COMPARE, *_STAIRS})


def evaluate(fn: Callable[..., Any], args: Sequence[Any], modes: Array | None = None) -> tuple[Any, Array]:
    """Evaluate ``fn(*args)`` and its switching functions.

    Args:
        fn: any traceable function.
        args: its arguments, pytrees of arrays; sites are looked for in what depends on them.
        modes: None for ``fn`` as it stands, or one sign per site entry, in the order that this function returns.

    Returns:
        ``fn``'s value and the switching functions, shape (m,): entry i is positive where mode i is +1. At a tie
        ``abs`` and norms have the derivative 0, the smallest element of what their kink allows.

    Example:
        >>> import jax.numpy as jnp
        >>> value, surfaces = evaluate(lambda x: jnp.abs(x - 1.0), (jnp.asarray(3.0),))
        >>> float(value), [float(s) for s in surfaces]
        (2.0, [2.0])
    """
    closed, shape = jax.make_jaxpr(fn, return_shape=True)(*args)
    flat = jax.tree.leaves(args)
    walk = _Walk(modes)
    out = walk.run(closed.jaxpr, closed.consts, flat, [False] * len(closed.consts), [True] * len(flat), [])[0]
    dtype = jnp.result_type(float)
    surfaces = jnp.concatenate([jnp.ravel(s).astype(dtype) for s in walk.surfaces] or [jnp.zeros(0, dtype)])
    return jax.tree.unflatten(jax.tree.structure(shape), out), surfaces


class _Walk:
    """One pass over a jaxpr: values, what they depend on, and signed roots of what are squares."""

    def __init__(self, modes: Array | None) -> None:
        self.modes, self.used, self.surfaces = modes, 0, []

    def site(self, surface: Array) -> Array | None:
        """Record a switching function; return its frozen signs, or None when nothing is frozen."""
        self.surfaces.append(surface)
        if self.modes is None:
            return None
        size = int(np.size(surface))
        signs = self.modes[self.used : self.used + size].reshape(np.shape(surface))
        self.used += size
        return signs.astype(surface.dtype)

    def run(
        self,
        jaxpr: Jaxpr,
        consts: Sequence[Any],
        args: Sequence[Any],
        moving_consts: Sequence[bool],
        moving_args: Sequence[bool],
        roots_in: Sequence[Any],
    ) -> tuple[list[Any], list[bool], list[Any]]:
        value: dict[Any, Any] = {}
        moving: dict[Any, bool] = {}
        roots: dict[Any, Any] = {}
        for names, values, flags in (
            (jaxpr.constvars, consts, moving_consts),
            (jaxpr.invars, args, moving_args),
        ):
            for n, x, m in zip(names, values, flags, strict=True):
                value[n], moving[n] = x, m
        roots.update({n: r for n, r in zip(jaxpr.invars, roots_in, strict=False) if r is not None})

        def read(a: Any) -> Any:
            return a.val if isinstance(a, Literal) else value[a]

        def moves(a: Any) -> bool:
            return not isinstance(a, Literal) and moving[a]

        def root_of(a: Any) -> Any:
            return None if isinstance(a, Literal) else roots.get(a)

        for eqn in jaxpr.eqns:
            ins = [read(a) for a in eqn.invars]
            flags = [moves(a) for a in eqn.invars]
            body = _body(eqn)
            if body is not None and any(flags):
                outs, out_flags, out_roots = self.run(
                    body.jaxpr,
                    body.consts,
                    ins,
                    [False] * len(body.consts),
                    flags,
                    [root_of(a) for a in eqn.invars],
                )
            else:
                outs = self.one(eqn, ins, root_of) if any(flags) else _bind(eqn, ins)
                out_flags = [any(flags)] * len(outs)
                out_roots = [_root(eqn, ins, root_of)] + [None] * (len(outs) - 1)
            for n, x, m, r in zip(eqn.outvars, outs, out_flags, out_roots, strict=True):
                value[n], moving[n] = x, m
                if r is not None:
                    roots[n] = r
        outvars = jaxpr.outvars
        return [read(a) for a in outvars], [moves(a) for a in outvars], [root_of(a) for a in outvars]

    def one(self, eqn: Any, ins: list[Any], root_of: Callable[[Any], Any]) -> list[Any]:
        """Evaluate one equation, with its branch frozen where it has one."""
        name = eqn.primitive.name
        if not ins or name not in _SITES or not jnp.issubdtype(jnp.result_type(ins[0]), jnp.floating):
            return _bind(eqn, ins)
        x = jnp.asarray(ins[0])
        if name == "abs":
            signs = self.site(x)
            return [x * (jax.lax.stop_gradient(jnp.sign(x)) if signs is None else signs)]
        if name == "sign":
            signs = self.site(x)
            return [jnp.sign(x) if signs is None else signs]
        if name in ("max", "min"):
            y = jnp.asarray(ins[1])
            signs = self.site(x - y)
            if signs is None:
                return _bind(eqn, ins)
            return [jnp.where((signs > 0) == (name == "max"), x, y)]
        if name == "clamp":
            low, mid, high = (jnp.asarray(i) for i in ins)
            above, below = self.site(mid - low), self.site(high - mid)
            if above is None or below is None:
                return _bind(eqn, ins)
            return [jnp.where(above < 0, low, jnp.where(below < 0, high, mid))]
        if name in _STAIRS:
            return [self.stairs(eqn, ins, x)]
        if name in _COMPARE:
            signs = self.site(x - jnp.asarray(ins[1]))
            return _bind(eqn, ins) if signs is None else [signs * _COMPARE[name] > 0]
        return self.power(eqn, ins, root_of(eqn.invars[0]))

    def stairs(self, eqn: Any, ins: list[Any], x: Any) -> Any:
        """floor and its kin: the sign says whether the step is even; frozen, one reaches half a step further."""
        name = eqn.primitive.name
        down = {"floor": x, "ceil": -x, "round": x + 0.5}[name]
        signs = self.site(jnp.sin(jnp.pi * down))
        if signs is None:
            return _bind(eqn, ins)[0]
        odd = 0.5 - 0.5 * signs
        step = jax.lax.stop_gradient(2.0 * jnp.round(0.5 * (down - 0.5 - odd)) + odd)
        return -step if name == "ceil" else step

    def power(self, eqn: Any, ins: list[Any], r: Any) -> list[Any]:
        """sqrt and its kin: of a square, |r|, a site; of anything else, a root that is right at 0."""
        name = eqn.primitive.name
        if name == "pow" and not _is_half(ins[1]):
            return _bind(eqn, ins)
        if r is None:
            return _bind(eqn, ins) if name == "rsqrt" else [root(jnp.asarray(ins[0]))]
        signs = self.site(r)
        size = r * (jax.lax.stop_gradient(jnp.sign(r)) if signs is None else signs)
        return [1.0 / size if name == "rsqrt" else size]


def _body(eqn: Any) -> ClosedJaxpr | None:
    """The program inside a call, where it should be looked into."""
    name = eqn.primitive.name
    if name not in _CALLS or eqn.params.get("name") in _SMOOTH:
        return None
    inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
    if inner is None:
        return None
    body = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())
    # A custom derivative is the author's word, but for the bare ones of abs, max (relu) and sqrt.
    return None if name == "custom_jvp_call" and not _is_one_site(body.jaxpr) else body


def _is_one_site(jaxpr: Jaxpr) -> bool:
    if len(jaxpr.eqns) != 1:
        return False
    eqn = jaxpr.eqns[0]
    inner = eqn.params.get("jaxpr")
    return _is_one_site(inner.jaxpr) if inner is not None else eqn.primitive.name in _SITES


def _bind(eqn: Any, ins: list[Any]) -> list[Any]:
    inner = next((p for p in eqn.params.values() if isinstance(p, (Jaxpr, ClosedJaxpr))), None)
    if inner is not None:
        named = {a: x for a, x in zip(eqn.invars, ins, strict=True) if not isinstance(a, Literal)}
        names = dict(arg_names=("",) * len(named), result_paths=("",) * len(eqn.outvars))
        origin = inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
        alone = Jaxpr((), list(named), eqn.outvars, [eqn], debug_info=origin.debug_info._replace(**names))
        return list(jaxpr_as_fun(ClosedJaxpr(alone, ()))(*named.values()))
    out = eqn.primitive.bind(*ins, **eqn.params)
    return list(out) if eqn.primitive.multiple_results else [out]


def _is_half(exponent: Any) -> bool:
    return not isinstance(exponent, jax.core.Tracer) and np.ndim(exponent) == 0 and float(exponent) == 0.5


def _root(eqn: Any, ins: list[Any], root_of: Callable[[Any], Any]) -> Any:
    """r with the equation's value = r^2, entry by entry, where that is plain to see; else None."""
    name, params = eqn.primitive.name, eqn.params
    if name == "integer_pow" and params["y"] > 0 and params["y"] % 2 == 0:
        return jnp.asarray(ins[0]) ** (params["y"] // 2)
    if name == "square":
        return ins[0]
    if name == "mul" and eqn.invars[0] is eqn.invars[1]:
        return ins[0]
    if name == "dot_general" and eqn.invars[0] is eqn.invars[1] and np.size(ins[0]) == 1:
        return jnp.reshape(ins[0], eqn.outvars[0].aval.shape)
    if name in ("mul", "div"):
        for k, other in ((0, 1), (1, 0)):
            r, factor = root_of(eqn.invars[k]), ins[other]
            if r is not None and (name == "mul" or k == 0) and _is_positive(factor):
                scale = np.sqrt(factor)
                return r * scale if name == "mul" else r / scale
        return None
    r = root_of(eqn.invars[0]) if eqn.invars else None
    if r is None:
        return None
    if name in (
        "reduce_sum",
        "reshape",
        "squeeze",
        "expand_dims",
        "reduce_max",
        "copy",
        "convert_element_type",
    ):
        out = eqn.outvars[0].aval
        return jnp.reshape(r, out.shape) if np.size(r) == out.size else None
    if name == "broadcast_in_dim" and np.size(r) == eqn.outvars[0].aval.size:
        return jnp.reshape(r, eqn.outvars[0].aval.shape)
    return None


def _is_positive(x: Any) -> bool:
    return not isinstance(x, jax.core.Tracer) and np.ndim(x) == 0 and float(x) > 0
