"""A traced function as formulas: its jaxpr, interpreted with symbols in place of numbers.

Nothing is typed in twice: what :func:`formulas` returns is the definition itself, read off the program that jax traces
from it. SymPy is imported when it is needed, for it takes a third of a second.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from ..errors import InputError

Cells = np.ndarray  # of dtype object: SymPy expressions


def formulas(fn: Callable[..., Any], *symbols: Any) -> list[Cells]:
    """What ``fn`` computes from symbols.

    Args:
        fn: a traceable function.
        *symbols: pytrees whose leaves are SymPy expressions or object arrays of them, in the shapes that ``fn`` takes.

    Returns:
        One object array of expressions for each leaf of the result. Branches on an equality are taken as not equal: an
        equality holds on a thin set only.

    Raises:
        InputError: naming an operation that has no formula here.

    Example:
        >>> import sympy as sp
        >>> x = sp.Symbol("x", real=True)
        >>> formulas(lambda x: jnp.sum(x**2) + jnp.abs(x[0]), np.array([x, x]))[0].item()
        2*x**2 + Abs(x)
    """
    cells = [np.asarray(x, dtype=object) for x in jax.tree.leaves(symbols)]
    structure = jax.tree.structure(symbols)
    dtype = jnp.result_type(float)
    shapes = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(c.shape, dtype) for c in cells])
    closed = jax.make_jaxpr(fn)(*shapes)
    return _run(closed.jaxpr, closed.consts, cells)


@functools.cache
def functions() -> tuple[Any, Any]:
    """The SymPy functions sigma (logistic) and softplus, with their derivatives and values at 0."""
    import sympy as sp

    def defined(name: str, at_zero: Any, slope: Any, tex: str) -> Any:
        def latex(self: Any, printer: Any, exp: str | None = None) -> str:
            power = "" if exp is None else f"^{{{exp}}}"
            return rf"{tex}{power}\left({printer._print(self.args[0])}\right)"

        body = {
            "nargs": 1,
            "is_real": True,
            "is_positive": True,
            "eval": classmethod(lambda cls, x: at_zero if x == 0 else None),
            "fdiff": lambda self, argindex=1: slope(self),
            "_latex": latex,
        }
        return type(name, (sp.Function,), body)

    sigma = defined("sigma", sp.Rational(1, 2), lambda f: f * f.func(-f.args[0]), r"\sigma")
    softplus = defined("softplus", sp.log(2), lambda f: sigma(f.args[0]), r"\operatorname{softplus}")
    return sigma, softplus


def exact(value: Any) -> Any:
    """A number as SymPy should know it: a fraction where it is one, log 2 where it is that, else the float.

    Example:
        >>> exact(0.25), exact(2.0), exact(0.6931471805599453)
        (1/4, 2, log(2))
    """
    import sympy as sp

    if isinstance(value, (bool, np.bool_)):
        return sp.true if value else sp.false
    x = float(value)
    if not math.isfinite(x):
        return sp.nan if math.isnan(x) else sp.oo * int(math.copysign(1, x))
    near = Fraction(x).limit_denominator(10_000)
    if float(near) == x:
        return sp.Rational(near.numerator, near.denominator)
    for known in (sp.log(2), sp.pi, sp.sqrt(2), sp.E):
        ratio = Fraction(x / float(known)).limit_denominator(12)
        if ratio and math.isclose(x, float(ratio * Fraction(float(known))), rel_tol=1e-15):
            return sp.Rational(ratio.numerator, ratio.denominator) * known
    return sp.Float(x, 17)


# ---------------------------------------------------------------- the interpreter


def _run(jaxpr: Jaxpr, consts: Sequence[Any], args: Sequence[Cells]) -> list[Cells]:
    known: dict[Any, Cells] = {}

    def read(a: Any) -> Cells:
        return _cells(a.val) if isinstance(a, Literal) else known[a]

    known.update(zip(jaxpr.constvars, map(_cells, consts), strict=True))
    known.update(zip(jaxpr.invars, args, strict=True))
    for eqn in jaxpr.eqns:
        known.update(zip(eqn.outvars, _equation(eqn, [read(a) for a in eqn.invars]), strict=True))
    return [read(a) for a in jaxpr.outvars]


def _equation(eqn: Any, ins: list[Cells]) -> list[Cells]:
    name = eqn.primitive.name
    body = next((p for p in eqn.params.values() if isinstance(p, (Jaxpr, ClosedJaxpr))), None)
    if body is not None and name in _CALLS:
        inner = body if isinstance(body, ClosedJaxpr) else ClosedJaxpr(body, ())
        whole = _library(inner)
        return [_each(whole, *ins)] if whole else _run(inner.jaxpr, inner.consts, ins)
    if name in _elementwise():
        return [_each(functools.partial(_elementwise()[name], **_kept(eqn)), *ins)]
    if name in _REDUCTIONS:
        return [_reduce(_REDUCTIONS[name], ins[0], eqn.params["axes"])]
    if name == "dot_general":
        return [_dot(ins[0], ins[1], eqn.params["dimension_numbers"])]
    if name in _MOVES:
        return _move(eqn, ins)
    raise InputError(f"the loss uses the operation {name!r}, for which no formula is known")


_CALLS = frozenset(
    {"jit", "pjit", "closed_call", "core_call", "remat", "checkpoint", "custom_jvp_call", "custom_vjp_call"}
)
_MOVES = frozenset(
    {
        "broadcast_in_dim",
        "reshape",
        "squeeze",
        "expand_dims",
        "transpose",
        "slice",
        "rev",
        "concatenate",
        "gather",
    }
    | {"dynamic_slice", "split", "pad"}
)


def _kept(eqn: Any) -> dict[str, Any]:
    return {"y": eqn.params["y"]} if eqn.primitive.name == "integer_pow" else {}


def _library(body: ClosedJaxpr) -> Callable[..., Any] | None:
    """The formula of a library function, by its name and its home; None for what is to be looked into."""
    import sympy as sp

    info = getattr(body.jaxpr.debug_info, "func_src_info", "") or ""
    name, _, home = info.partition(" at ")
    if not any(f"/{package}/" in home for package in ("jax", "diracgan")):
        return None
    _, softplus = functions()
    return {
        "softplus": lambda x, *_: softplus(x),
        "logaddexp": lambda x, y: softplus(x - y) + y,
        "log_sigmoid": lambda x: -softplus(-x),
        "root": sp.sqrt,
        "power": lambda x, a: x**a,
        "relu": lambda x: sp.Max(x, 0),
    }.get(name)


@functools.cache
def _elementwise() -> dict[str, Callable[..., Any]]:
    import sympy as sp

    sigma, _ = functions()

    def choose(which: Any, *cases: Any) -> Any:
        if which in (sp.true, sp.false) or not isinstance(which, sp.logic.boolalg.Boolean):
            return cases[int(bool(which)) if which in (sp.true, sp.false) else int(which)]
        return cases[0] if cases[0] == cases[1] else sp.Piecewise((cases[1], which), (cases[0], True))

    def same(x: Any, y: Any) -> Any:
        return sp.true if x == y else sp.false

    return {
        "add": lambda x, y: x + y,
        "add_any": lambda x, y: x + y,
        "sub": lambda x, y: x - y,
        "mul": lambda x, y: x * y,
        "div": lambda x, y: x / y,
        "neg": lambda x: -x,
        "exp": sp.exp,
        "exp2": lambda x: 2**x,
        "log": sp.log,
        "log1p": lambda x: sp.log(1 + x),
        "expm1": lambda x: sp.exp(x) - 1,
        "tanh": sp.tanh,
        "sinh": sp.sinh,
        "cosh": sp.cosh,
        "sin": sp.sin,
        "cos": sp.cos,
        "tan": sp.tan,
        "asin": sp.asin,
        "acos": sp.acos,
        "atan": sp.atan,
        "atan2": sp.atan2,
        "asinh": sp.asinh,
        "erf": sp.erf,
        "erfc": sp.erfc,
        "lgamma": sp.loggamma,
        "logistic": sigma,
        "sqrt": sp.sqrt,
        "rsqrt": lambda x: 1 / sp.sqrt(x),
        "cbrt": sp.cbrt,
        "square": lambda x: x**2,
        "integer_pow": lambda x, y: x**y,
        "pow": lambda x, y: x**y,
        "abs": sp.Abs,
        "sign": sp.sign,
        "floor": sp.floor,
        "ceil": sp.ceiling,
        "round": lambda x, *_: sp.floor(x + sp.Rational(1, 2)),
        "max": sp.Max,
        "min": sp.Min,
        "clamp": lambda low, x, high: sp.Min(sp.Max(x, low), high),
        "gt": lambda x, y: x > y,
        "ge": lambda x, y: x >= y,
        "lt": lambda x, y: x < y,
        "le": lambda x, y: x <= y,
        "eq": same,
        "ne": lambda x, y: sp.Not(same(x, y)),
        "and": sp.And,
        "or": sp.Or,
        "not": sp.Not,
        "select_n": choose,
        "convert_element_type": lambda x: {sp.true: sp.Integer(1), sp.false: sp.Integer(0)}.get(x, x),
        "is_finite": lambda x: sp.true,
        "copy": lambda x: x,
        "stop_gradient": lambda x: x,
        "reduce_precision": lambda x: x,
    }


_REDUCTIONS: dict[str, str] = {
    "reduce_sum": "Add",
    "reduce_prod": "Mul",
    "reduce_max": "Max",
    "reduce_min": "Min",
    "reduce_and": "And",
    "reduce_or": "Or",
}


def _cells(value: Any) -> Cells:
    numbers = np.asarray(value)
    if numbers.dtype == object:
        return numbers
    out = np.empty(numbers.shape, object)
    for index in np.ndindex(numbers.shape):
        out[index] = exact(numbers[index])
    return out


def _each(fn: Callable[..., Any], *ins: Cells) -> Cells:
    wide = np.broadcast_arrays(*ins)
    out = np.empty(wide[0].shape, object)
    for index in np.ndindex(out.shape):
        out[index] = fn(*(w[index] for w in wide))
    return out


def _reduce(kind: str, x: Cells, axes: Sequence[int]) -> Cells:
    import sympy as sp

    rest = [n for i, n in enumerate(x.shape) if i not in axes]
    last = np.moveaxis(x, tuple(axes), tuple(range(x.ndim - len(axes), x.ndim))).reshape(*rest, -1)
    out = np.empty(rest, object)
    for index in np.ndindex(*rest):
        out[index] = getattr(sp, kind)(*last[index])
    return out


def _dot(x: Cells, y: Cells, numbers: Any) -> Cells:
    (left, right), (both_left, both_right) = numbers
    free = [
        [i for i in range(a.ndim) if i not in used and i not in shared]
        for a, used, shared in ((x, left, both_left), (y, right, both_right))
    ]
    shared = [x.shape[i] for i in both_left]
    sizes = [[a.shape[i] for i in f] for a, f in zip((x, y), free, strict=True)]
    inner = math.prod(x.shape[i] for i in left)
    a = x.transpose(*both_left, *free[0], *left).reshape(math.prod(shared), math.prod(sizes[0]), inner)
    b = y.transpose(*both_right, *right, *free[1]).reshape(math.prod(shared), inner, math.prod(sizes[1]))
    out = np.empty((len(a), a.shape[1], b.shape[2]), object)
    for k, i, j in np.ndindex(*out.shape):
        out[k, i, j] = sum(a[k, i] * b[k, :, j])
    return out.reshape((*shared, *sizes[0], *sizes[1]))


def _move(eqn: Any, ins: list[Cells]) -> list[Cells]:
    """What only moves entries is done by jax itself, on their numbers."""
    entries: list[Any] = []
    indices = []
    for k, (a, x) in enumerate(zip(eqn.invars, ins, strict=True)):
        data = k == 0 or eqn.primitive.name in ("concatenate", "pad")
        if data:
            indices.append(np.arange(len(entries), len(entries) + x.size, dtype=np.int32).reshape(x.shape))
            entries += list(x.ravel())
        else:
            indices.append(np.array([int(v) for v in x.ravel()], a.aval.dtype).reshape(x.shape))
    moved = eqn.primitive.bind(*(jnp.asarray(i) for i in indices), **eqn.params)
    table = np.empty(len(entries), object)
    table[:] = entries
    return [table[np.asarray(m)] for m in (moved if eqn.primitive.multiple_results else [moved])]
