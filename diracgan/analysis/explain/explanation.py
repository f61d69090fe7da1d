"""A variant in formulas: its losses, field, Jacobian and eigenvalues by SymPy, and what follows from them.

The formulas are read off the traced losses (:mod:`diracgan.tracing.symbolic`); the statements are computed from the
field, not looked up, so a user's loss is explained as well as a built-in one.
"""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from ...dirac import game
from ...dynamics.starts import check_untraced
from ...errors import InputError
from ...game import Players
from ...jax_settings import own_settings
from ...parameters import text
from ...rules import Rule, check_rule, rule as make_rule
from ...variants import Variant, check_variant
from ..linear.settings import settings
from ..linear.spectrum import spectrum
from ..slow_flow.beyond_rest import beyond_rest
from .implications import at_datum, implications, numeric_functions
from .render import Document, render
from .symbolic_model import Abbreviations, SymbolicModel, linearised

if TYPE_CHECKING:
    from sympy import Expr

_AGREE = 1e-6  # relative to 1 and the field: both are computed in double precision


@dataclasses.dataclass(frozen=True)
class Explanation:
    """A variant in formulas and words. ``str`` of it is the text that ``diracgan explain`` prints.

    Attributes:
        variant: its label.
        summary: one line on what it is.
        reference: where the loss comes from.
        dim: the dimension d of the formulas; ``x0`` the datum.
        losses: L_D and L_G of one real and one fake sample, of their logits D_r and D_f.
        dirac_losses: the same on the Dirac GAN, with the penalties.
        field: phi' and theta', 2d expressions.
        jacobian: of the field at (0, x0), a SymPy matrix; None where there is none.
        eigenvalues: expression and multiplicity of each; empty where there is none, or no formula.
        values: the numbers that the symbols stand for.
        where: what the abbreviations in the field stand for.
        notes: what is known to happen, one sentence each.
    """

    variant: str
    summary: str
    reference: str
    dim: int
    x0: list[float]
    losses: dict[str, Expr]
    dirac_losses: dict[str, Expr]
    field: dict[str, Expr]
    jacobian: Any
    eigenvalues: list[tuple[Expr, int]]
    values: dict[str, Any]
    where: dict[str, str]
    notes: list[str]

    def __str__(self) -> str:
        return self.render("text")

    def __reduce__(self) -> tuple[Any, ...]:
        held = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return _unpickled, (pickle.dumps(held),)

    def render(self, format: str) -> str:
        """As ``"text"``, ``"latex"`` (the body of a document) or ``"markdown"``.

        Example:
            >>> import diracgan as dg
            >>> print(dg.explain(dg.variant("wgan-linear")).render("markdown").splitlines()[0])
            ## wgan-linear
        """
        return render(
            Document(
                self.variant, self.summary, self._sections(), self._meanings(), self.notes, self.reference
            ),
            format,
        )

    def _sections(self) -> list[tuple[str, list[tuple[str, Any]]]]:
        sections: list[tuple[str, list[tuple[str, Any]]]] = [
            ("Losses, of one real and one fake sample", list(self.losses.items())),
            ("Losses on the Dirac GAN, with penalties", list(self.dirac_losses.items())),
            (f"Field, d = {self.dim}", list(self.field.items())),
        ]
        if self.jacobian is not None:
            at = "(0, x0)" if any(self.x0) else "(0, 0)"
            sections.append((f"Jacobian at {at}", [("J", self.jacobian)]))
        if self.eigenvalues:
            times = [f" ({n} times)" if n > 1 else "" for _, n in self.eigenvalues]
            shown = [
                (f"mu_{i}{t}", v)
                for i, (t, (v, _)) in enumerate(zip(times, self.eigenvalues, strict=True), 1)
            ]
            sections.append(("Eigenvalues", shown))
        return sections

    def _meanings(self) -> list[str]:
        found = [f"{n} = {text(x)}" for n, x in self.values.items()]
        found += [f"{n} = {x}" for n, x in self.where.items()]
        shown = str([*self.dirac_losses.values(), *self.field.values()])
        if "sigma(" in shown:
            found.append("sigma(x) = 1/(1 + exp(-x))")
        if "softplus(" in shown:
            found.append("softplus(x) = log(1 + exp(x))")
        if "sg(" in shown:
            found.append("sg(x) = x, held still: it has no derivative in a player's gradient")
        return found

    def as_dict(self) -> dict[str, Any]:
        """Name -> plain value of every attribute, expressions as text."""
        return {
            **{
                n: getattr(self, n)
                for n in ("variant", "summary", "reference", "dim", "x0", "values", "where", "notes")
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


def _unpickled(held: bytes) -> Explanation:
    """An explanation with its expressions as they were written: SymPy would evaluate them anew."""
    from sympy import evaluate

    with evaluate(False):
        return Explanation(**pickle.loads(held))


def explain(
    variant: Variant, dim: int | None = None, rule: Rule | str | None = None, x0: ArrayLike | None = None
) -> Explanation:
    """Explain a variant: formulas from its definition, and what they imply.

    phi' = -grad_phi L_D and theta' = -grad_theta L_G, differentiated by SymPy; the eigenvalues are those of the
    Jacobian at (0, x0), where :func:`~diracgan.spectrum` finds a derivative.

    Args:
        variant: any variant, from :func:`diracgan.variant` or a user's.
        dim: the dimension of the formulas, 1 (or that of ``x0``) or 2; with the datum 0 the notes are on both.
        rule: from :func:`diracgan.rule`, or its name with parameters; adds what its steps do in d = 1, by the
            multipliers at rest and, for an adaptive rule (Adam), by its averaged flow.
        x0: the datum, a number or (d,); None for 0.

    Returns:
        An :class:`Explanation`.

    Raises:
        InputError: for another dimension, naming an operation of the loss that has no formula, or where a derivative of
            its own (``jax.custom_jvp``, ``jax.custom_vjp``) is not that of the formula.

    References:
        docs/theory.md section 2, for what follows from the form of the field.

    Example:
        >>> import diracgan as dg
        >>> e = dg.explain(dg.variant("ns"))
        >>> e.field["theta'"], e.eigenvalues[0]
        (phi*sigma(-phi*theta), (I/2, 1))
        >>> dg.explain(dg.variant("ns"), rule="adam:lr=0.01,beta1=0.5").notes[-1].split(" cycle of ")[-1][:-22]
        '|phi| = 0.5308, |theta - x0| = 0.5308, one rotation in 236.2 iterations, reached after some 1.2e+03'
    """
    check_variant(variant)
    check_untraced("dg.explain", variant, rule)
    by = None if rule is None else make_rule(rule) if isinstance(rule, str) else check_rule(rule)
    datum = settings(variant, None, dim, x0).x0
    if (dim := len(datum)) > 2:
        raise InputError(f"dim = {dim} has no formulas; allowed: 1, 2 (which decides every d >= 2)")
    moved = bool(np.any(datum))
    with own_settings(True):
        model = SymbolicModel(variant, dim, datum.tolist())
        _check_derivatives(model, datum)
        seen = (
            {d: spectrum(variant, dim=d) for d in (1, 2)} if not moved else {dim: spectrum(variant, x0=datum)}
        )
        jacobian, eigenvalues = linearised(model, seen[dim])
        if moved:
            notes = list(at_datum(variant, model, seen[dim]))
        else:
            notes = list(implications(variant, model if dim == 1 else SymbolicModel(variant, 1), seen))
    if by is not None:
        notes.append(_under(variant, by, datum))
    short = Abbreviations(model)
    return Explanation(
        variant=variant.label,
        summary=type(variant).summary() or f"{variant.name or type(variant).__name__}, without a description",
        reference=variant.reference,
        dim=dim,
        x0=datum.tolist(),
        losses=model.losses,
        dirac_losses={n: short(e) for n, e in model.dirac_losses.items()},
        field={n: short(e) for n, e in zip(model.names, model.field, strict=True)},
        jacobian=jacobian,
        eigenvalues=eigenvalues,
        values=model.values,
        where=short.where,
        notes=notes,
    )


def _under(variant: Variant, rule: Rule, datum: np.ndarray) -> str:
    """What a rule's steps do, in d = 1 where the datum is 0."""
    datum = datum if np.any(datum) else np.zeros(1)
    beyond = beyond_rest(variant, rule, datum.tolist()) if len(datum) == 1 else ""
    return f"under {rule.label}, d = {len(datum)}: {spectrum(variant, x0=datum, rule=rule).text}{beyond}"


def _check_derivatives(model: SymbolicModel, x0: np.ndarray) -> None:
    """Hold the field in symbols against the field: SymPy knows no derivative that a loss brings with it."""
    import sympy as sp

    if model.noise or sp.Tuple(*model.field).has(sp.Derivative, sp.Subs, sp.DiracDelta):
        return  # its mean is not taken yet, or it has no numbers
    d = model.dim
    at = np.cos(1.0 + 2.0 * np.arange(2 * d)) / 2
    modules = [numeric_functions(), "scipy", "numpy"]
    with np.errstate(all="ignore"):
        by_symbols = sp.lambdify(model.z, [e.subs(model.numbers) for e in model.field], modules)(*at)
    by_autodiff = np.concatenate(game(model.variant, jnp.asarray(x0)).velocity(Players(at[:d], at[d:])))
    gap = np.abs(np.array(by_symbols) - by_autodiff)
    if np.any(gap > _AGREE * (1 + np.abs(by_autodiff))):
        raise InputError(
            f"the field of {model.variant.label} is not the derivative of its losses' formulas, as jax.custom_jvp "
            "or jax.custom_vjp can bring about; allowed: losses whose derivatives are those of their formulas"
        )
