"""A variant in formulas: its losses, field, Jacobian and eigenvalues by SymPy, and what follows from them.

The formulas are read off the traced losses (:mod:`.algebra`); the statements are computed from the field, not looked
up, so a user's loss is explained as well as a built-in one.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import dirac
from ..errors import InputError, integer
from ..game import Game, Players
from ..parameters import plain, text
from ..variants import Variant
from .algebra import exact, formulas, functions
from .spectrum import Spectrum, spectrum

if TYPE_CHECKING:
    from sympy import Expr


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A variant in formulas and words. ``str`` of it is the text that ``diracgan explain`` prints.

    Attributes:
        variant: its label.
        summary: one line on what it is.
        reference: where the loss comes from.
        dim: the dimension d of the formulas.
        losses: L_D and L_G of one real and one fake sample, of their logits D_r and D_f.
        dirac_losses: the same on the Dirac GAN, with the penalties.
        field: phi' and theta', 2d expressions.
        jacobian: of the field at (0, 0), a SymPy matrix; None where there is none.
        eigenvalues: expression and multiplicity of each; empty where there is none, or no formula.
        values: the numbers that the symbols stand for.
        where: what the abbreviations in the field stand for.
        notes: what is known to happen, one sentence each.
    """

    variant: str
    summary: str
    reference: str
    dim: int
    losses: dict[str, Expr]
    dirac_losses: dict[str, Expr]
    field: dict[str, Expr]
    jacobian: Any
    eigenvalues: list[tuple[Expr, int]]
    values: dict[str, Any]
    where: dict[str, str]
    notes: list[str]

    def __str__(self) -> str:
        return render(self, "text")

    def as_dict(self) -> dict[str, Any]:
        """Name -> plain value of every attribute, expressions as text."""
        return {
            **{
                n: getattr(self, n)
                for n in ("variant", "summary", "reference", "dim", "values", "where", "notes")
            },
            **{
                n: {k: str(e) for k, e in getattr(self, n).items()}
                for n in ("losses", "dirac_losses", "field")
            },
            "jacobian": None
            if self.jacobian is None
            else [[str(e) for e in row] for row in self.jacobian.tolist()],
            "eigenvalues": [{"value": str(e), "multiplicity": n} for e, n in self.eigenvalues],
        }


def explain(variant: Variant, dim: int = 1) -> Explanation:
    """Explain a variant: formulas from its definition, and what they imply, with the datum at 0.

    phi' = -grad_phi L_D and theta' = -grad_theta L_G, differentiated by SymPy; the eigenvalues are those of the
    Jacobian at (0, 0), where :func:`~diracgan.spectrum` finds a derivative.

    Args:
        variant: any variant, from :func:`diracgan.variant` or a user's.
        dim: the dimension of the formulas, 1 or 2; the notes are on both.

    Returns:
        An :class:`Explanation`.

    Raises:
        InputError: for another dimension, or naming an operation of the loss that has no formula.

    References:
        theory.md section 2, for what follows from the form of the field.

    Example:
        >>> import diracgan as dg
        >>> e = dg.explain(dg.variant("ns"))
        >>> e.field["theta'"], e.eigenvalues[0]
        (phi*sigma(-phi*theta), (I/2, 1))
    """
    if not isinstance(variant, Variant):
        raise InputError(f"{variant!r} is no variant; allowed: what dg.variant(...) returns")
    if integer("dim", dim, low=1) > 2:
        raise InputError(f"dim = {dim} has no formulas; allowed: 1, 2 (which decides every d >= 2)")
    with jax.enable_x64(True):
        model = _Model(variant, dim)
        seen = {d: spectrum(variant, dim=d) for d in (1, 2)}
        jacobian, eigenvalues = _linearised(model, seen[dim])
        notes = list(_notes(variant, model if dim == 1 else _Model(variant, 1), seen))
    short = _Short(model)
    return Explanation(
        variant=variant.label,
        summary=type(variant).summary() or f"{variant.name or type(variant).__name__}, without a description",
        reference=variant.reference,
        dim=dim,
        losses=model.losses,
        dirac_losses={n: short(e) for n, e in model.dirac_losses.items()},
        field={n: short(e) for n, e in zip(model.names, model.field, strict=True)},
        jacobian=jacobian,
        eigenvalues=eigenvalues,
        values=model.values,
        where=short.where,
        notes=notes,
    )


# ---------------------------------------------------------------- formulas


class _Model:
    """The variant on the Dirac GAN with symbols for phi, theta and the hyperparameters that are not 0.

    Attributes:
        phi: the critic's symbols, theta the generator's; z both.
        noise: the standard normal variables that the field is a mean over; empty without instance noise.
        field: 2d expressions, of which with noise the mean is meant.
    """

    def __init__(self, variant: Variant, dim: int) -> None:
        """Derive everything for the dimension ``dim``."""
        import sympy as sp

        def symbols(name: str) -> list[Any]:
            names = [name] if dim == 1 else [f"{name}_{i + 1}" for i in range(dim)]
            return [sp.Symbol(n, real=True) for n in names]

        self.variant, self.dim = variant, dim
        self.phi, self.theta = symbols("phi"), symbols("theta")
        self.z = [*self.phi, *self.theta]
        self.names = [f"{s}'" for s in self.z]
        e_real, e_fake = symbols("e_r"), symbols("e_f")
        self.noise = [*e_real, *e_fake] if "noise" in variant.extras else []
        symbolic, self.values = _symbolic(variant)
        try:
            self._derive(symbolic, e_real, e_fake)
        except InputError as error:
            if "no formula" in str(error):
                raise
            self.values = {}  # a loss that asks what its parameter is wants numbers
            self._derive(jax.tree.map(lambda x: exact(plain(x)), variant), e_real, e_fake)

    def _derive(self, variant: Variant, e_real: list[Any], e_fake: list[Any]) -> None:
        import sympy as sp

        one = [np.array([sp.Symbol(n, real=True)]) for n in ("D_r", "D_f")]
        samples = [np.array([[sp.Symbol(n, real=True)]]) for n in ("x_r", "x_f")]

        def bare(which: str) -> Any:
            return lambda v, r, f, xr, xf: Game(v, xr, None, dirac.critic, dirac.generator)._value(
                which, r, f, xf
            )

        def on_dirac(which: str) -> Any:
            def loss(v: Variant, players: Players, real: Any, shift: Any) -> Any:
                game = Game(v, real[None], shift, dirac.critic, lambda theta, z: (theta + z)[None])
                return getattr(game, which)(players)

            return loss

        width = variant.extras.get("noise", 0)
        real, shift = (np.array([width * e for e in es], dtype=object) for es in (e_real, e_fake))
        players = Players(np.array(self.phi, dtype=object), np.array(self.theta, dtype=object))
        which = {"L_D": "critic_loss", "L_G": "generator_loss"}
        self.losses = {
            n: _neat(formulas(bare(w), variant, *one, *samples)[0].item()) for n, w in which.items()
        }
        self.dirac_losses = {
            n: formulas(on_dirac(w), variant, players, real, shift)[0].item() for n, w in which.items()
        }
        raw = [-sp.diff(self.dirac_losses["L_D"], p) for p in self.phi]
        raw += [-sp.diff(self.dirac_losses["L_G"], t) for t in self.theta]
        self.field = _transformed(variant, [_switched(e) for e in raw], self.z)

    @property
    def numbers(self) -> dict[Any, Any]:
        """Symbol -> the number that it stands for."""
        import sympy as sp

        return {sp.Symbol(n, **_assumed(x)): exact(x) for n, x in self.values.items()}


def _symbolic(variant: Variant) -> tuple[Variant, dict[str, Any]]:
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


def _transformed(variant: Variant, field: list[Any], z: list[Any]) -> list[Any]:
    """The field as consensus optimisation and symplectic adjustment change it; see :func:`diracgan.game.transform`."""
    import sympy as sp

    gamma, lam = (variant.extras.get(n, 0) for n in ("consensus", "sga"))
    if gamma == 0 and lam == 0:
        return field
    v = sp.Matrix(field)
    j = v.jacobian(z)
    return list(v - gamma * j.T * v + lam / 2 * (j - j.T) * v)


def _switched(e: Any) -> Any:
    """With the step function of a maximum's derivative written as its two cases."""
    import sympy as sp

    return e.replace(sp.Heaviside, lambda x, *_: sp.Piecewise((1, x > 0), (0, True)))


def _neat(e: Any) -> Any:
    """The shortest of what a few cheap rewritings give."""
    import sympy as sp

    tries = []
    for t in dict.fromkeys((e, _signed(e))):
        tries += [t, sp.factor_terms(t)] + ([] if t.has(sp.Piecewise) else [sp.factor_terms(sp.expand(t))])
    tries = [t.replace(lambda n: n.is_Add, _folded) for t in tries]
    return min(tries, key=lambda t: (sp.count_ops(t), tries.index(t)))


def _folded(add: Any) -> Any:
    """c sigma(x) - c = -c sigma(-x) and c softplus(x) - c x = c softplus(-x), where a sum holds both terms."""
    import sympy as sp

    sigma, softplus = functions()
    for f in add.atoms(sigma, softplus):
        x, terms = f.args[0], sp.Add.make_args(add)
        for term in terms:
            c = term / f
            if c.has(f):
                continue
            gone, put = (-c, -c * sigma(-x)) if isinstance(f, sigma) else (-c * x, c * softplus(-x))
            rest = sp.Add(*(t for t in terms if t is not term)) - sp.expand(gone)
            if len(sp.Add.make_args(rest)) < len(terms) - 1 or rest == 0:
                return (
                    (rest + put).replace(lambda n: n.is_Add, _folded) if (rest + put).is_Add else rest + put
                )
    return add


def _signed(e: Any) -> Any:
    """With x^2 written |x|^2 beside |x|, so that quotients of the two cancel."""
    import sympy as sp

    for x in {a.args[0] for a in e.atoms(sp.Abs, sp.sign) if a.args[0].is_Symbol}:
        size = sp.Symbol("size", positive=True)
        e = sp.expand(e.subs(sp.sign(x), x / size).subs(sp.Abs(x), size))
        e = e.replace(
            lambda n, x=x: n.is_Pow and n.base == x and n.exp.is_Integer,
            lambda n, x=x, size=size: size ** (n.exp - n.exp % 2) * x ** (n.exp % 2),
        )
        e = sp.Add(*(_sign_of(sp.powsimp(t), x, size) for t in sp.Add.make_args(sp.expand(e))))
        e = e.subs(size, sp.Abs(x))
    return e


def _sign_of(term: Any, x: Any, size: Any) -> Any:
    """One product with x = sign(x) |x| put back: x/|x| as sign(x), an even power of |x| as that of x."""
    import sympy as sp

    power = sp.degree(term, x) if term.is_polynomial(x) else 0
    exponent = sp.simplify(size * term.diff(size) / term) if term.has(size) else sp.Integer(0)
    if exponent.has(size):
        return term
    rest = sp.powsimp(term / size**exponent / x**power)
    if power == 1 and exponent == -1:
        return rest * sp.sign(x)
    if exponent.is_Integer and exponent % 2 == 0:
        return rest * x ** (power + exponent)
    return rest * x**power * sp.Abs(x) ** exponent


class _Short:
    """Abbreviations in d = 2: s = phi.theta and the norms."""

    def __init__(self, model: _Model) -> None:
        """Find which ones the field uses."""
        import sympy as sp

        self.dim, self.where = model.dim, {}
        self.whole: dict[Any, Any] = {}
        self.parts: list[list[tuple[Any, Any]]] = []
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

    def __call__(self, e: Any) -> Any:
        """The shortest form of an expression."""
        import sympy as sp

        if self.dim == 1:
            return _neat(e)
        tries = [_neat(e).subs(self.whole)]
        e = sp.powsimp(sp.expand(tries[0]))
        for choice in itertools.product(*self.parts):
            tries.append(sp.powsimp(sp.expand(e.subs(choice))))
        return min(map(_neat, tries), key=sp.count_ops)


def _linearised(model: _Model, seen: Spectrum) -> tuple[Any, list[tuple[Any, int]]]:
    """The Jacobian at the origin and its eigenvalues, held against the numerical ones; None where there is none."""
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


def _jacobians(model: _Model) -> Iterator[Callable[[], Any]]:
    """What the Jacobian at the origin may be: by substitution, with numbers for symbols, by a limit."""
    import sympy as sp

    raw = sp.Matrix(model.field).jacobian(model.z)
    origin = dict.fromkeys(model.z, 0)

    def limit() -> Any:
        eps = sp.Symbol("eps", positive=True)
        ray = {x: eps * w for x, w in zip(model.z, (2, 3, 5, 7) if model.dim == 2 else (2, 5), strict=True)}
        return raw.subs(ray).applyfunc(sp.simplify).applyfunc(lambda e: sp.limit(e, eps, 0, "+"))

    yield lambda: _mean(raw.subs(origin), model.noise)
    yield lambda: _mean(raw.subs(model.numbers).applyfunc(sp.simplify).subs(origin), model.noise)
    if not model.noise:
        yield limit


def _mean(matrix: Any, noise: list[Any]) -> Any:
    """The mean over standard normal variables of a matrix of polynomials in them; else the matrix as it is."""
    import sympy as sp

    def entry(e: Any) -> Any:
        if not noise or not e.has(*noise):
            return e
        e = sp.expand(e)
        if not e.is_polynomial(*noise):
            return sp.nan
        terms = sp.Poly(e, *noise).terms()
        return sum(c * math.prod(0 if p % 2 else sp.factorial2(p - 1) for p in powers) for powers, c in terms)

    return matrix.applyfunc(entry)


def _eigenvalues(j: Any, numbers: dict[Any, Any]) -> list[tuple[Any, int]]:
    """Formulas, for blocks that couple one component of phi with that of theta; else none."""
    import sympy as sp

    d = j.rows // 2
    found: dict[Any, int] = {}
    for i, k in itertools.product(range(2 * d), repeat=2):
        if i % d != k % d and j[i, k] != 0:
            return []
    for i in range(d):
        block = j.extract([i, i + d], [i, i + d])
        half, square = block.trace() / 2, sp.factor(sp.expand((block.trace() / 2) ** 2 - block.det()))
        number = square.subs(numbers)
        turning = number.is_number and number < 0
        root = (sp.I if turning else 1) * sp.sqrt(sp.factor_terms(sp.expand(-square if turning else square)))
        for sign in (1, -1):
            value = half + sign * root
            found[value] = found.get(value, 0) + 1
    return list(found.items())


# ---------------------------------------------------------------- what follows


def _notes(variant: Variant, line: _Model, seen: dict[int, Spectrum]) -> Iterator[str]:
    """What is known to happen, each computed from the field."""
    yield from _on_the_constraint(variant)
    if line.noise:
        yield "The formulas stand for their mean over the independent standard normal e_r and e_f (instance noise)."
    if (kinks := _kinks(line)) and not line.noise:
        yield f"d = 1: the formula changes where {kinks}."
    for d, s in seen.items():
        yield f"d {'=' if d == 1 else '>='} {d}: {s.text}."
        if s.jacobian is not None and np.linalg.matrix_rank(s.jacobian, tol=1e-9) < 2 * d:
            yield f"d {'=' if d == 1 else '>='} {d}: the Jacobian is singular."
    numeric = _Numeric(variant)
    yield from _equilibria(numeric)
    yield from _rotation(line, numeric)
    yield from _datum(variant, numeric)
    if any(s.status not in ("stable", "unstable") for s in seen.values()):
        yield "Beyond the linearisation: `diracgan verdict` follows the motion from a given start."


def _on_the_constraint(variant: Variant) -> Iterator[str]:
    if variant.constraint == "clipped":
        yield (
            "The formulas hold inside the box |phi_i| < clip; on a face the outward component of phi' is 0, and a step "
            "is clipped back onto it. The box is not rotation invariant: d = 2 does not stand for every d."
        )
    if variant.constraint == "normalised":
        yield "D(x) = phi.x/|phi|: |phi| never acts, and phi' is orthogonal to phi, so |phi| is conserved."


def _kinks(line: _Model) -> str:
    import sympy as sp

    found: set[Any] = set()
    for e in map(_neat, line.field):
        atoms: Any = e.atoms(sp.sign, sp.Abs, sp.core.relational.Relational)
        found |= {a.args[0] if len(a.args) == 1 else a.args[0] - a.args[1] for a in atoms}
    moving = [sp.factor_terms(f) for f in found if f.has(*line.z)]
    return " and ".join(sorted({f"{min(str(f), str(-f), key=len)} = 0" for f in moving}))


class _Numeric:
    """The field on fixed random points, for questions that are answered by trying."""

    def __init__(self, variant: Variant) -> None:
        """Draw the points."""
        self.variant = variant
        self.draw = np.random.default_rng(20190602)

    def at(self, phi: Any, theta: Any, x0: Any = None) -> Players:
        """The field at many points, (n, d) each."""
        f = jax.vmap(dirac.field(self.variant, x0))
        return Players(*(np.asarray(v) for v in f(jnp.asarray(phi, float), jnp.asarray(theta, float))))

    def points(self, dim: int, n: int = 24) -> tuple[np.ndarray, np.ndarray]:
        """Two sets of points, those of phi inside the box of a clipped critic."""
        phi, theta = self.draw.normal(size=(2, n, dim))
        return self.inside(phi), theta

    def inside(self, phi: np.ndarray) -> np.ndarray:
        """Points of phi that the critic's constraint allows."""
        if self.variant.constraint != "clipped":
            return phi
        return float(self.variant.clip) * np.tanh(phi)  # type: ignore[attr-defined]


def _vanishes(values: Any, size: Any = 1.0) -> bool:
    return bool(np.all(np.isfinite(values)) and np.all(np.abs(values) <= 1e-10 * (1.0 + np.abs(size))))


def _equilibria(numeric: _Numeric) -> Iterator[str]:
    for d in (1, 2):
        phi, theta = numeric.points(d)
        for point, shown in (((0 * phi, theta), "(0, theta)"), ((phi, 0 * theta), "(phi, 0)")):
            if _vanishes(np.concatenate(numeric.at(*point), axis=1)):
                what = "line" if d == 1 else f"{d}-dimensional plane"
                yield f"d = {d}: the equilibria form a {what}: every {shown} is one, so the limit depends on the start."


def _rotation(line: _Model, numeric: _Numeric) -> Iterator[str]:
    """The a/b form and the wedge, and what the energy does."""
    phi, theta = numeric.points(2)
    v = numeric.at(phi, theta)
    size = np.concatenate(v, axis=1)
    crossed = np.stack([_cross(v.phi, theta), _cross(v.theta, phi)])
    if not _vanishes(crossed, size.max() if np.all(np.isfinite(size)) else np.inf):
        return
    box = "Inside the box: " if numeric.variant.constraint == "clipped" else ""
    yield (
        f"{box}d >= 2: phi' is parallel to theta and theta' to phi, so the wedge l = |phi ^ theta| is conserved: "
        "from a start that is not collinear the equilibrium is never reached."
    )
    other_phi, other = numeric.points(2)
    other *= (np.sum(phi * theta, axis=1) / np.sum(other_phi * other, axis=1))[:, None]
    w = numeric.at(other_phi, other)
    sides = ((v, phi, theta), (w, other_phi, other))
    ratios = np.array([[-_along(u.phi, t), _along(u.theta, p)] for u, p, t in sides])
    if not _vanishes(ratios[0] - ratios[1], np.max(np.abs(ratios))) or line.noise:
        return
    yield from _energy(line)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _along(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sum(a * b, axis=1) / np.sum(b * b, axis=1)


def _energy(line: _Model) -> Iterator[str]:
    """phi' = -a(s) theta, theta' = b(s) phi: what follows from a and b."""
    import sympy as sp

    (phi,), (theta,) = line.phi, line.theta
    s = sp.Symbol("s", real=True)
    a = _neat(-line.field[0].subs({theta: 1}, simultaneous=True).subs(phi, s))
    b = _neat(line.field[1].subs({phi: 1}, simultaneous=True).subs(theta, s))
    yield f"a/b form: phi' = -a(s) theta, theta' = b(s) phi with s = phi.theta, a(s) = {_words(a)}, b(s) = {_words(b)}."
    a, b = (e.subs(line.numbers) for e in (a, b))
    a0, b0 = (sp.simplify(e.subs(s, 0)) for e in (a, b))
    if not (a0.is_finite and b0.is_finite and (a0 * b0).is_positive):
        return
    fast = sp.sqrt(a0 * b0)
    yield (
        f"a(0) b(0) = {sp.nsimplify(a0 * b0)} > 0: the eigenvalues are +-{sp.simplify(fast)} i, each d times, so the "
        "linearisation never decides; E = (|phi|^2/a(0) + |theta|^2/b(0))/2 has E' = -s (a(s)/a(0) - b(s)/b(0))."
    )
    bracket = a / a0 - b / b0
    shape = sp.lambdify(s, bracket, modules=[_numeric_functions(), "numpy"])
    grid = np.linspace(-3, 3, 61)
    heights = np.broadcast_to(np.asarray(shape(grid), float), grid.shape)
    if _vanishes(heights):
        yield "The bracket is 0: E is conserved, every orbit is neutral, in any dimension."
        return
    if _vanishes(heights[np.abs(grid) <= 0.1]):
        falls = np.all(grid * heights >= -1e-12)
        rest = "E falls where it is not" if falls else "where it is not, E may grow"
        yield f"The bracket is 0 near s = 0: small orbits are neutral, in any dimension; {rest}."
        return
    k = float(sp.diff(bracket, s).subs(s, 0))
    reach = "for every s that was tried" if np.all(grid * np.sign(k) * heights >= -1e-12) else "near s = 0"
    rate = k * float(a0 * b0)
    if k > 1e-12:
        big, period = float(sp.sqrt(a0 / b0)), 2 * math.pi / float(fast)
        yield (
            f"The bracket rises like {k:.6g} s, with the sign of s {reach}: E falls. d = 1 converges, but only like "
            f"t^(-1/2): E t -> {2 / rate:.6g}."
        )
        yield (
            f"d >= 2, l > 0: onto the circle s = 0, where |phi| = {math.sqrt(big):.6g} sqrt(l), |theta| = "
            f"{1 / math.sqrt(big):.6g} sqrt(l) and the period is {period:.6g}."
        )
    elif k < -1e-12:
        yield f"The bracket falls like {k:.6g} s: E grows near s = 0, so the equilibrium repels."
    else:
        yield "The bracket is flat at s = 0: E changes at a higher order than E^2."


def _numeric_functions() -> dict[str, Any]:
    """What SymPy's own functions here are for numbers."""
    return {"sigma": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), "softplus": lambda x: np.logaddexp(x, 0.0)}


def _datum(variant: Variant, numeric: _Numeric) -> Iterator[str]:
    phi, theta = numeric.points(2)
    shift = np.array([0.7, -0.4])
    here, there = numeric.at(phi, theta), numeric.at(phi, theta + shift, shift)
    gap = np.concatenate(here, axis=1) - np.concatenate(there, axis=1)
    if _vanishes(gap, np.nanmax(np.abs(np.concatenate(here, axis=1)))):
        yield "The loss depends on D_f - D_r alone: with a datum x0 everything is the same about theta = x0."
        return
    moved = spectrum(variant, dim=1, x0=1.0)
    yield f"Not translation invariant, for the critic has no bias: with x0 = 1 in d = 1, {moved.text}."


# ---------------------------------------------------------------- rendering

FORMATS = ("text", "latex", "markdown", "json")


def render(e: Explanation, format: str) -> str:
    """An explanation as text, LaTeX (the body of a document) or markdown.

    Example:
        >>> import diracgan as dg
        >>> print(render(dg.explain(dg.variant("wgan-linear")), "text").splitlines()[0])
        wgan-linear: WGAN with an unconstrained linear critic: a pure rotation
    """
    return {"text": _text, "latex": _latex, "markdown": _markdown}[format](e)


def _sections(e: Explanation) -> list[tuple[str, list[tuple[str, Any]]]]:
    """Titles with their equations: left side, and the right one as an expression."""
    eigen = [
        (f"mu_{i + 1}" + (f" ({n} times)" if n > 1 else ""), v) for i, (v, n) in enumerate(e.eigenvalues)
    ]
    sections = [
        ("Losses, of one real and one fake sample", list(e.losses.items())),
        ("Losses on the Dirac GAN, with penalties", list(e.dirac_losses.items())),
        (f"Field, d = {e.dim}", list(e.field.items())),
    ]
    if e.jacobian is not None:
        sections.append(("Jacobian at (0, 0)", [("J", e.jacobian)]))
    if eigen:
        sections.append(("Eigenvalues", eigen))
    return sections


def _meanings(e: Explanation) -> list[str]:
    found = [f"{n} = {text(x)}" for n, x in e.values.items()] + [f"{n} = {x}" for n, x in e.where.items()]
    shown = str([*e.dirac_losses.values(), *e.field.values()])
    if "sigma(" in shown:
        found.append("sigma(x) = 1/(1 + exp(-x))")
    if "softplus(" in shown:
        found.append("softplus(x) = log(1 + exp(x))")
    return found


def _text(e: Explanation) -> str:
    lines = [f"{e.variant}: {e.summary}"]
    for title, equations in _sections(e):
        lines += ["", title]
        for left, right in equations:
            if hasattr(right, "tolist"):
                rows = [[_words(x) for x in row] for row in right.tolist()]
                width = max(len(x) for row in rows for x in row)
                lines += ["  [" + "  ".join(x.rjust(width) for x in row) + "]" for row in rows]
            else:
                lines.append(f"  {left} = {_words(right)}")
    if meanings := _meanings(e):
        lines += ["", "with " + "; ".join(meanings)]
    lines += ["", "What happens", *(f"  - {note}" for note in e.notes)]
    return "\n".join([*lines, "", f"Reference: {e.reference or 'none given'}"])


def _words(e: Any) -> str:
    """An expression as text, with [condition] for what is 1 where it holds and 0 elsewhere."""
    from sympy.printing.str import StrPrinter

    class Printer(StrPrinter):
        def _print_Abs(self, a: Any) -> str:
            return f"|{self._print(a.args[0])}|"

        def _print_Piecewise(self, p: Any) -> str:
            if [value for value, _ in p.args] == [1, 0]:
                return f"[{self._print(p.args[0][1])}]"
            cases = [f"{self._print(value)} if {self._print(where)}" for value, where in p.args[:-1]]
            return f"({' else '.join([*cases, self._print(p.args[-1][0])])})"

    return Printer().doprint(e)


def _tex(value: Any) -> str:
    import sympy as sp

    known = {"|phi|": r"\lVert\phi\rVert", "|theta|": r"\lVert\theta\rVert", "lam": r"\lambda"}
    names = {s: known[s.name] for s in getattr(value, "free_symbols", ()) if s.name in known}
    names |= {s: rf"\mathrm{{{s.name}}}".replace("_", r"\_") for s in value.free_symbols if _is_word(s.name)}
    return sp.latex(value, symbol_names=names)


def _is_word(name: str) -> bool:
    head = name.split("_")[0]
    return len(head) > 1 and head not in ("phi", "theta", "lam", "gamma", "beta", "sigma") and "|" not in name


def _tex_left(name: str) -> str:
    head, _, times = name.partition(" (")
    prime, head = "'" * head.endswith("'"), head.rstrip("'")
    base, _, index = head.partition("_")
    base = rf"\{base}" if base in ("phi", "theta", "mu") else base
    shown = base + (rf"_{{{index}}}" if index else "") + prime
    return shown + (rf"\;({times[:-1].replace('times', chr(92) + 'text{ times}')})" if times else "")


def _markdown(e: Explanation) -> str:
    lines = [f"## {e.variant}", "", e.summary + "."]
    for title, equations in _sections(e):
        lines += ["", f"### {title}", ""]
        lines += [f"$$ {_tex_left(left)} = {_tex(right)} $$" for left, right in equations]
    if meanings := _meanings(e):
        lines += ["", "with " + "; ".join(f"`{m}`" for m in meanings) + "."]
    lines += ["", "### What happens", "", *(f"- {note}" for note in e.notes)]
    return "\n".join([*lines, "", f"Reference: {e.reference or 'none given'}"])


def _latex(e: Explanation) -> str:
    lines = [rf"\section*{{{plain_tex(e.variant)}}}", plain_tex(e.summary) + "."]
    for title, equations in _sections(e):
        lines += [rf"\subsection*{{{plain_tex(title)}}}", r"\begin{align*}"]
        lines.append(" \\\\\n".join(f"  {_tex_left(left)} &= {_tex(right)}" for left, right in equations))
        lines.append(r"\end{align*}")
    if meanings := _meanings(e):
        lines.append("with " + plain_tex("; ".join(meanings)) + ".")
    lines += [r"\subsection*{What happens}", r"\begin{itemize}"]
    lines += [rf"  \item {plain_tex(note)}" for note in e.notes]
    return "\n".join([*lines, r"\end{itemize}", f"Reference: {plain_tex(e.reference or 'none given')}"])


def plain_tex(words: str) -> str:
    """Words with what LaTeX reserves written out."""
    table = {
        "\\": r"\textbackslash{}",
        "_": r"\_",
        "^": r"\^{}",
        "&": r"\&",
        "%": r"\%",
        "#": r"\#",
        "$": r"\$",
    }
    table |= {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "{": r"\{", "}": r"\}"}
    return "".join(table.get(c, c) for c in words)
