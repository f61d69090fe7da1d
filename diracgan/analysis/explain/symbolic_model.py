"""A variant on the Dirac GAN in symbols: losses, field, and the Jacobian and eigenvalues at (0, x0)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from ... import dirac
from ...errors import InputError
from ...game import Game, Players, Samples, loss_value
from ...parameters import plain
from ...tracing.symbolic import Expression, NoFormula, exact, formulas, released
from ...variants import Variant
from ..linear.spectrum import Spectrum
from .simplify import simplify


class SymbolicModel:
    """The variant on the Dirac GAN with symbols for phi, theta and the hyperparameters that are not 0.

    Attributes:
        phi: the critic's symbols, theta the generator's; z both.
        x0: the datum: its symbols, and 0 where it is.
        noise: the standard normal variables that the field is a mean over; empty without instance noise.
        field: 2d expressions, of which with noise the mean is meant.
    """

    def __init__(self, variant: Variant, dim: int, x0: Sequence[float] | None = None) -> None:
        """Derive everything for the dimension ``dim``, and the datum ``x0``, (d,); None for 0."""
        import sympy as sp

        def symbols(name: str) -> list[Expression]:
            names = [name] if dim == 1 else [f"{name}_{i + 1}" for i in range(dim)]
            return [sp.Symbol(n, real=True) for n in names]

        self.variant, self.dim = variant, dim
        self.phi, self.theta = symbols("phi"), symbols("theta")
        self.z = [*self.phi, *self.theta]
        self.names = [f"{s}'" for s in self.z]
        e_real, e_fake = symbols("e_r"), symbols("e_f")
        self.noise = [*e_real, *e_fake] if "noise" in variant.extras else []
        symbolic, self.values = _with_symbols(variant)
        datum = {str(n): x for n, x in zip(symbols("x0"), x0 or [0.0] * dim, strict=True)}
        self.x0 = [sp.Symbol(n, **_assumed(x)) if x else sp.Integer(0) for n, x in datum.items()]
        self.datum = {n: x for n, x in datum.items() if x}
        self.values |= self.datum
        try:
            self._derive(symbolic, e_real, e_fake)
        except NoFormula:
            raise
        except InputError:
            self.values = dict(self.datum)  # a loss that asks what its parameter is wants numbers
            self._derive(jax.tree.map(lambda x: exact(plain(x)), variant), e_real, e_fake)

    def _derive(self, variant: Variant, e_real: list[Expression], e_fake: list[Expression]) -> None:
        import sympy as sp

        one = [np.array([sp.Symbol(n, real=True)]) for n in ("D_r", "D_f")]
        samples = [np.array([[sp.Symbol(n, real=True)]]) for n in ("x_r", "x_f")]

        def on_logits(which: str) -> Expression:
            return lambda v, r, f, xr, xf: loss_value(v, which, r, f, Samples(xr, xf))

        def on_dirac(which: str) -> Expression:
            def loss(v: Variant, players: Players, real: Expression, shift: Expression) -> Expression:
                game = Game(v, real[None], shift, dirac.critic, lambda theta, z: (theta + z)[None])
                return getattr(game, which)(players)

            return loss

        width = variant.extras.get("noise", 0)
        real, shift = (np.array([width * e for e in es], dtype=object) for es in (e_real, e_fake))
        real = real + np.array(self.x0, dtype=object)
        players = Players(np.array(self.phi, dtype=object), np.array(self.theta, dtype=object))
        which = {"L_D": "critic_loss", "L_G": "generator_loss"}
        self.losses = {
            n: simplify(formulas(on_logits(w), variant, *one, *samples)[0].item()) for n, w in which.items()
        }
        self.dirac_losses = {
            n: formulas(on_dirac(w), variant, players, real, shift)[0].item() for n, w in which.items()
        }
        raw = [-slope(self.dirac_losses["L_D"], p) for p in self.phi]
        raw += [-slope(self.dirac_losses["L_G"], t) for t in self.theta]
        self.field = _transformed(variant, [released(_as_cases(e)) for e in raw], self.z)

    @property
    def origin(self) -> dict[Expression, Expression]:
        """(phi, theta) = (0, x0)."""
        return dict(zip(self.z, [0] * self.dim + self.x0, strict=True))

    @property
    def numbers(self) -> dict[Expression, Expression]:
        """Symbol -> the number that it stands for."""
        import sympy as sp

        return {sp.Symbol(n, **_assumed(x)): exact(x) for n, x in self.values.items()}


def slope(e: Expression, x: Expression) -> Expression:
    """The derivative, with that of floor, ceiling and sign 0 as autodiff has it."""
    import sympy as sp

    held: dict[Expression, Expression] = {}
    for k, step in enumerate(sorted(e.atoms(sp.floor, sp.ceiling, sp.sign), key=str)):
        held[sp.Dummy(f"step_{k}", integer=True)] = step
    return sp.diff(e.subs({step: name for name, step in held.items()}), x).subs(held)


def _with_symbols(variant: Variant) -> tuple[Variant, dict[str, Any]]:
    """The variant with symbols for its numbers, zeros kept as they are, and the numbers by their names."""
    import sympy as sp

    leaves, structure = jax.tree_util.tree_flatten_with_path(variant)
    symbols, values = [], {}
    for path, leaf in leaves:
        name, number = path[-1].name if hasattr(path[-1], "name") else path[-1].key, plain(leaf)
        if isinstance(number, (int, float)) and number != 0:
            values[name] = number
            symbols.append(sp.Symbol(name, **_assumed(number)))
        else:
            cells = np.vectorize(exact, otypes=[object])(np.asarray(number))
            symbols.append(cells.item() if cells.ndim == 0 else cells)
    return jax.tree.unflatten(structure, symbols), values


def _assumed(number: float) -> dict[str, bool]:
    return {"positive": True} if number > 0 else {"negative": True}


def _transformed(variant: Variant, field: list[Expression], z: list[Expression]) -> list[Expression]:
    """The field as consensus optimisation and symplectic adjustment change it; see :func:`diracgan.game.transform`."""
    import sympy as sp

    gamma, lam = (variant.extras.get(n, 0) for n in ("consensus", "sga"))
    if gamma == 0 and lam == 0:
        return field
    v = sp.Matrix(field)
    j = sp.Matrix([[slope(e, x) for x in z] for e in field])
    return list(v - gamma * j.T * v + lam / 2 * (j - j.T) * v)


def _as_cases(e: Expression) -> Expression:
    """With the step function of a maximum's derivative written as its two cases."""
    import sympy as sp

    return e.replace(sp.Heaviside, lambda x, *_: sp.Piecewise((1, x > 0), (0, True)))


class Abbreviations:
    """Abbreviations in d = 2: s = phi.theta and the norms."""

    def __init__(self, model: SymbolicModel) -> None:
        """Find which ones the field uses."""
        import sympy as sp

        self.dim, self.where = model.dim, {}
        self.whole: dict[Expression, Expression] = {}
        self.parts: list[list[tuple[Expression, Expression]]] = []
        if model.dim == 1:
            return
        pairs = {
            "s": (sp.Symbol("s", real=True), [p * t for p, t in zip(model.phi, model.theta, strict=True)]),
            "|phi|": (sp.Symbol("|phi|", positive=True) ** 2, [p**2 for p in model.phi]),
            "|theta|": (sp.Symbol("|theta|", positive=True) ** 2, [t**2 for t in model.theta]),
        }
        used = sp.Tuple(*model.field, *model.dirac_losses.values())
        for name, (symbol, (one, two)) in pairs.items():
            if name != "s" and not any(p.base == one + two for p in used.atoms(sp.Pow)):
                continue
            self.whole |= {one + two: symbol, -one - two: -symbol}
            if name != "s":
                self.whole[sp.sqrt(one + two)] = sp.sqrt(symbol)
            self.parts.append([(one, symbol - two), (two, symbol - one)])
            self.where["s" if name == "s" else f"{name}^2"] = f"{one} + {two}".replace("**", "^")

    def __call__(self, e: Expression) -> Expression:
        """The shortest form of an expression."""
        import sympy as sp

        if self.dim == 1:
            return simplify(e)
        tries = [simplify(e).subs(self.whole)]
        e = sp.powsimp(sp.expand(tries[0]))
        for choice in itertools.product(*self.parts):
            tries.append(sp.powsimp(sp.expand(e.subs(choice))))
        return min(map(simplify, tries), key=sp.count_ops)


def linearised(model: SymbolicModel, seen: Spectrum) -> tuple[Expression, list[tuple[Expression, int]]]:
    """The Jacobian at (0, x0) and its eigenvalues, held against the numerical ones; None where there is none."""
    import sympy as sp

    if seen.jacobian is None:
        return None, []
    for attempt in _jacobians(model):
        try:
            candidate = attempt()
        except (ArithmeticError, NotImplementedError, TypeError, ValueError):  # SymPy has no limit there
            continue
        if candidate.has(sp.nan, sp.zoo, sp.oo, sp.DiracDelta, sp.Derivative, sp.AccumBounds, sp.Subs):
            continue
        numbers = candidate.subs(model.numbers)
        if not numbers.free_symbols and np.allclose(
            np.array(numbers.evalf(), float), seen.jacobian, atol=1e-6
        ):
            candidate = candidate.applyfunc(sp.simplify)
            return candidate, _eigenvalues(candidate, model.numbers)
    found = sp.Matrix(np.vectorize(lambda x: exact(float(f"{x:.10g}")), otypes=[object])(seen.jacobian))
    return found, _eigenvalues(found, {})


def _jacobians(model: SymbolicModel) -> Iterator[Callable[[], Expression]]:
    """What the Jacobian at (0, x0) may be: by substitution, with numbers for symbols, by a limit."""
    import sympy as sp

    raw = sp.Matrix(model.field).jacobian(model.z)
    origin = model.origin

    def limit() -> Expression:
        eps = sp.Symbol("eps", positive=True)
        ways = (2, 3, 5, 7) if model.dim == 2 else (2, 5)
        ray = {x: at + eps * w for (x, at), w in zip(origin.items(), ways, strict=True)}
        return raw.subs(ray).applyfunc(sp.simplify).applyfunc(lambda e: sp.limit(e, eps, 0, "+"))

    yield lambda: _mean(raw.subs(origin), model.noise)
    yield lambda: _mean(
        raw.subs(model.numbers).applyfunc(sp.simplify).subs(origin).subs(model.numbers), model.noise
    )
    if not model.noise:
        yield limit


def _mean(matrix: Expression, noise: list[Expression]) -> Expression:
    """The mean over standard normal variables of a matrix of polynomials in them; else the matrix as it is."""
    import sympy as sp

    def entry(e: Expression) -> Expression:
        if not noise or not e.has(*noise):
            return e
        e = sp.expand(e)
        if not e.is_polynomial(*noise):
            return sp.nan
        terms = sp.Poly(e, *noise).terms()
        return sum(c * math.prod(0 if p % 2 else sp.factorial2(p - 1) for p in powers) for powers, c in terms)

    return matrix.applyfunc(entry)


def _eigenvalues(j: Expression, numbers: dict[Expression, Expression]) -> list[tuple[Expression, int]]:
    """Formulas, for blocks that couple one component of phi with that of theta; else none."""
    import sympy as sp

    d = j.rows // 2
    found: dict[Expression, int] = {}
    for i, k in itertools.product(range(2 * d), repeat=2):
        if i % d != k % d and j[i, k] != 0:
            return []
    for i in range(d):
        block = j.extract([i, i + d], [i, i + d])
        half: Expression = block.trace() / 2
        square: Expression = sp.expand(half**2 - block.det())
        turning = square.subs(numbers).is_negative
        root = (sp.I if turning else 1) * sp.sqrt(sp.factor_terms(sp.expand(-square if turning else square)))
        for sign in (1, -1):
            value = half + sign * root
            found[value] = found.get(value, 0) + 1
    return list(found.items())
