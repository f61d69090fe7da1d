"""A traced function in formulas: its scalar operations with SymPy's functions.

Nothing is typed in twice: what :func:`formulas` returns is the definition itself, read off the program that JAX traces
from it. SymPy is imported when it is needed, for it takes a third of a second.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, SupportsFloat, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from .scalar_program import Node, NotScalarizable, trace

Expression: TypeAlias = Any
"""A formula, condition or matrix of SymPy's, whose classes do not type what their operations give."""


class NoFormula(InputError):
    """A loss is not written in functions that have a formula here; the message names what has none."""


def formulas(fn: Callable[..., Any], *symbols: Any) -> list[np.ndarray]:
    """What ``fn`` computes from symbols.

    Args:
        fn: a traceable function.
        *symbols: pytrees whose leaves are SymPy expressions or object arrays of them, in the shapes that ``fn`` takes.

    Returns:
        One object array of expressions for each leaf of the result. Branches on an equality are taken as not equal: an
        equality holds on a thin set only. What ``jax.lax.stop_gradient`` stops is in the function :func:`stopped`.

    Raises:
        NoFormula: naming an operation that has no formula here.

    Example:
        >>> import sympy as sp
        >>> x = sp.Symbol("x", real=True)
        >>> formulas(lambda x: jnp.sum(x**2) + jnp.abs(x[0]), np.array([x, x]))[0].item()
        2*x**2 + Abs(x)
    """
    cells = [np.asarray(x, dtype=object) for x in jax.tree.leaves(symbols)]
    dtype = jnp.result_type(float)
    shapes = [jax.ShapeDtypeStruct(c.shape, dtype) for c in cells]
    try:
        program = trace(fn, *jax.tree.unflatten(jax.tree.structure(symbols), shapes), keep=_ARGUMENTS)
    except NotScalarizable as why:
        raise NoFormula(f"the loss has no formula: {why}") from None
    values = program.evaluate([x for c in cells for x in c.flat], _expression, exact)
    return program.leaves(values)


@functools.cache
def functions() -> tuple[Any, Any]:
    """The SymPy functions sigma (logistic) and softplus, with their derivatives and values.

    Example:
        >>> sigma, softplus = functions()
        >>> sigma(2).evalf(6), softplus(2).diff(), softplus(0)
        (0.880797, 0, log(2))
    """
    import sympy as sp

    def defined(
        name: str,
        at_zero: Expression,
        slope: Callable[[Expression], Expression],
        value: Callable[[Expression], Expression],
        tex: str,
    ) -> Expression:
        def latex(self: Expression, printer: Any, exp: str | None = None) -> str:
            power = "" if exp is None else f"^{{{exp}}}"
            return rf"{tex}{power}\left({printer._print(self.args[0])}\right)"

        def evaluated(self: Expression, prec: int) -> Expression:
            if not self.args[0].is_number:
                return None
            # to as many digits as these are bits: none that count are lost where it is tiny
            return sp.Float(value(self.args[0]).evalf(prec), precision=prec)

        body = {
            "nargs": 1,
            "is_real": True,
            "is_positive": True,
            "eval": classmethod(lambda cls, x: at_zero if x == 0 else None),
            "fdiff": lambda self, argindex=1: slope(self),
            "_eval_evalf": evaluated,
            "_latex": latex,
        }
        return type(name, (sp.Function,), body)

    sigma = defined(
        "sigma",
        sp.Rational(1, 2),
        lambda f: f * f.func(-f.args[0]),
        lambda x: 1 / (1 + sp.exp(-x)),
        r"\sigma",
    )
    softplus = defined(
        "softplus",
        sp.log(2),
        lambda f: sigma(f.args[0]),
        lambda x: sp.log(1 + sp.exp(x)),
        r"\operatorname{softplus}",
    )
    return sigma, softplus


@functools.cache
def stopped() -> Expression:
    """The SymPy function sg(x) = x whose derivative is 0: what ``jax.lax.stop_gradient`` does.

    Example:
        >>> import sympy as sp
        >>> x, sg = sp.Symbol("x", real=True), stopped()
        >>> (x * sg(x)).diff(x), released((x * sg(x)).diff(x)), sg(2)
        (sg(x), x, 2)
    """
    import sympy as sp

    body = {
        "nargs": 1,
        "is_real": True,
        "eval": classmethod(lambda cls, x: x if x.is_number else None),
        "fdiff": lambda self, argindex=1: sp.Integer(0),
    }
    return type("sg", (sp.Function,), body)


def __getattr__(name: str) -> Any:
    """The functions by their names: pickled expressions look for them here."""
    if name in ("sigma", "softplus"):
        return functions()[name == "softplus"]
    if name == "sg":
        return stopped()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def released(e: Expression) -> Expression:
    """An expression with its stopped values as the values that they are: what is left once it is differentiated."""
    return e.replace(stopped(), lambda x: x)


def exact(value: SupportsFloat) -> Expression:
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


# ---------------------------------------------------------------- scalar operation -> SymPy's function


def _expression(node: Node, args: list[Any]) -> Expression:
    """A node's formula, from those of its arguments."""
    if node.op == "integer_pow":
        return args[0] ** node.detail["y"]
    known = _library() | _elementwise()
    if node.op in known:
        return known[node.op](*args)
    name = node.detail.name if node.op == "arrays" else node.op
    raise NoFormula(f"the loss uses the operation {name!r}, for which no formula is known")


# Functions of JAX and of this package that are known as a whole, and how many arguments each takes.
_ARGUMENTS = {
    "softplus": 1,
    "logaddexp": 2,
    "log_sigmoid": 1,
    "root": 1,
    "power": 2,
    "relu": 1,
    "stop_gradient": 1,
}


@functools.cache
def _library() -> dict[str, Callable[..., Any]]:
    import sympy as sp

    _, softplus = functions()
    return {
        "softplus": softplus,
        "logaddexp": lambda x, y: softplus(x - y) + y,
        "log_sigmoid": lambda x: -softplus(-x),
        "root": sp.sqrt,
        "power": lambda x, a: x**a,
        "relu": lambda x: sp.Max(x, 0),
        "stop_gradient": stopped(),
    }


@functools.cache
def _elementwise() -> dict[str, Callable[..., Any]]:
    import sympy as sp

    def same(x: Expression, y: Expression) -> Expression:
        return sp.true if x == y else sp.false

    names = (
        "exp log tanh sinh cosh sin cos tan asin acos atan atan2 asinh acosh atanh erf erfc digamma sqrt cbrt sign "
        "floor".split()
    )
    return {
        **{name: getattr(sp, name) for name in names},
        "lgamma": sp.loggamma,
        "erf_inv": sp.erfinv,
        "ceil": sp.ceiling,
        "abs": sp.Abs,
        "max": sp.Max,
        "min": sp.Min,
        "and": sp.And,
        "or": sp.Or,
        "not": sp.Not,
        "logistic": functions()[0],
        "add": lambda x, y: x + y,
        "sub": lambda x, y: x - y,
        "mul": lambda x, y: x * y,
        "div": lambda x, y: x / y,
        "neg": lambda x: -x,
        "exp2": lambda x: 2**x,
        "log1p": lambda x: sp.log(1 + x),
        "expm1": lambda x: sp.exp(x) - 1,
        "rsqrt": lambda x: 1 / sp.sqrt(x),
        "square": lambda x: x**2,
        "pow": lambda x, y: x**y,
        "round": lambda x: sp.floor(x + sp.Rational(1, 2)),
        "clamp": lambda low, x, high: sp.Min(sp.Max(x, low), high),
        "gt": lambda x, y: x > y,
        "ge": lambda x, y: x >= y,
        "lt": lambda x, y: x < y,
        "le": lambda x, y: x <= y,
        "eq": same,
        "ne": lambda x, y: sp.Not(same(x, y)),
        "select_n": _choice,
        "convert_element_type": _as_number,
        "is_finite": lambda x: sp.true,
        "reduce_precision": lambda x: x,
    }


def _choice(which: Expression, *cases: Expression) -> Expression:
    import sympy as sp

    if which in (sp.true, sp.false):
        return cases[int(bool(which))]
    if not isinstance(which, sp.logic.boolalg.Boolean):
        return cases[int(which)]
    return cases[0] if cases[0] == cases[1] else sp.Piecewise((cases[1], which), (cases[0], True))


def _as_number(x: Expression) -> Expression:
    import sympy as sp

    if x in (sp.true, sp.false):
        return sp.Integer(int(bool(x)))
    return sp.Piecewise((1, x), (0, True)) if isinstance(x, sp.logic.boolalg.Boolean) else x
