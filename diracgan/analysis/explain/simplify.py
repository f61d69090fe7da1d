"""Short forms of formulas: a few cheap rewritings, of which the shortest wins, and how they print."""

from __future__ import annotations

from ...tracing.symbolic import Expression, functions


def simplify(e: Expression) -> Expression:
    """The shortest of what a few cheap rewritings give."""
    import sympy as sp

    tries = []
    for t in dict.fromkeys((e, _by_modulus(e))):
        tries += [t, sp.factor_terms(t)] + ([] if t.has(sp.Piecewise) else [sp.factor_terms(sp.expand(t))])
    tries = [t.replace(lambda n: n.is_Add, _reflected) for t in tries]
    return min(tries, key=lambda t: (sp.count_ops(t), tries.index(t)))


def _reflected(add: Expression) -> Expression:
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
                    (rest + put).replace(lambda n: n.is_Add, _reflected)
                    if (rest + put).is_Add
                    else rest + put
                )
    return add


def _by_modulus(e: Expression) -> Expression:
    """With x^2 written |x|^2 beside |x|, so that quotients of the two cancel."""
    import sympy as sp

    for x in {a.args[0] for a in e.atoms(sp.Abs, sp.sign) if a.args[0].is_Symbol}:
        size = sp.Symbol("size", positive=True)
        e = sp.expand(e.subs(sp.sign(x), x / size).subs(sp.Abs(x), size))
        e = e.replace(
            lambda n, x=x: n.is_Pow and n.base == x and n.exp.is_Integer,
            lambda n, x=x, size=size: size ** (n.exp - n.exp % 2) * x ** (n.exp % 2),
        )
        e = sp.Add(*(_sign_restored(sp.powsimp(t), x, size) for t in sp.Add.make_args(sp.expand(e))))
        e = e.subs(size, sp.Abs(x))
    return e


def _sign_restored(term: Expression, x: Expression, size: Expression) -> Expression:
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


def as_text(e: Expression) -> str:
    """An expression as text, with [condition] for what is 1 where it holds and 0 elsewhere."""
    from sympy.printing.str import StrPrinter

    class Printer(StrPrinter):
        def _print_Abs(self, a: Expression) -> str:
            return f"|{self._print(a.args[0])}|"

        def _print_Piecewise(self, p: Expression) -> str:
            if [value for value, _ in p.args] == [1, 0]:
                return f"[{self._print(p.args[0][1])}]"
            cases = [f"{self._print(value)} if {self._print(where)}" for value, where in p.args[:-1]]
            return f"({' else '.join([*cases, self._print(p.args[-1][0])])})"

    return Printer().doprint(e)
