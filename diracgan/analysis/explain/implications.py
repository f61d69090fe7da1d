"""What follows from a variant's field, one sentence each, computed from it (also for a user's own loss)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from ... import dirac
from ...game import Players
from ...variants import Variant
from ..linear.spectrum import Spectrum, spectrum
from ..linear.status import DECIDED
from .simplify import as_text, simplify
from .symbolic_model import SymbolicModel, slope

_MEAN = "The formulas stand for their mean over the independent standard normal e_r and e_f (instance noise)."


def implications(variant: Variant, model: SymbolicModel, seen: dict[int, Spectrum]) -> Iterator[str]:
    """What is known to happen, each computed from the field."""
    yield from _on_the_constraint(variant)
    if model.noise:
        yield _MEAN
    if (none := _without_value(seen)) is not None:
        yield none
        return
    if (kinks := _kinks(model)) and not model.noise:
        yield f"d = 1: the formula changes where {kinks}."
    for d, s in seen.items():
        yield f"d {'=' if d == 1 else '>='} {d}: {s.text}."
        if s.jacobian is not None and np.linalg.matrix_rank(s.jacobian, tol=1e-9) < 2 * d:
            yield f"d {'=' if d == 1 else '>='} {d}: the Jacobian is singular."
    sampled = _SampledField(variant)
    yield from _equilibria(sampled)
    yield from _rotation(model, sampled)
    yield from _datum(variant, sampled)
    if any(s.status not in DECIDED for s in seen.values()):
        yield "Beyond the linearisation: `diracgan verdict` follows the motion from a given start."


def at_datum(variant: Variant, model: SymbolicModel, seen: Spectrum) -> Iterator[str]:
    """What is known to happen about (0, x0), for a datum other than 0."""
    yield from _on_the_constraint(variant)
    if model.noise:
        yield _MEAN
    if (kinks := _kinks(model)) and not model.noise:
        yield f"d = {model.dim}: the formula changes where {kinks}."
    yield f"d = {model.dim}, x0 = {', '.join(f'{x:g}' for x in np.atleast_1d(seen.x0))}: {seen.text}."
    if seen.jacobian is not None and np.linalg.matrix_rank(seen.jacobian, tol=1e-9) < 2 * model.dim:
        yield f"d = {model.dim}: the Jacobian is singular."
    if seen.status not in DECIDED:
        yield "Beyond the linearisation: `diracgan verdict --x0` follows the motion from a given start."


def _on_the_constraint(variant: Variant) -> Iterator[str]:
    if variant.constraint == "clipped":
        yield (
            "The formulas hold inside the box |phi_i| < clip; on a face the outward component of phi' is 0, and a step "
            "is clipped back onto it. The box is not rotation invariant: d = 2 does not stand for every d."
        )
    if variant.constraint == "normalised":
        yield length_of_the_critic(variant)


def length_of_the_critic(variant: Variant) -> str:
    """What becomes of |phi| under a normalised critic, which does not see it."""
    sampled = _SampledField(variant)
    phi, theta = sampled.points(2)
    pull = _along(sampled.at(phi, theta).phi, phi)
    known = "D(x) = phi.x/|phi|: |phi| never acts"
    if _vanishes(pull):
        return f"{known}, and phi' is orthogonal to phi, so |phi| is conserved."
    rate = float(np.mean(pull))
    if not (rate < 0 and _vanishes(pull - rate, rate)):
        return f"{known} on D."
    return (
        f"{known} on D, and shrinks like exp({rate:.6g} t), towards phi = 0, where D has no value; in d >= 2 the "
        "direction of phi turns ever faster."
    )


def _without_value(seen: dict[int, Spectrum]) -> str | None:
    """What is to be said of losses that have no finite value where a GAN should rest."""
    if any(s.differentiable is not None or s.residual is not None for s in seen.values()):
        return None
    if not all("no finite value" in s.text for s in seen.values()):
        return None
    return (
        "The losses have no finite value at (0, 0), nor around it: there is no equilibrium there, no motion near it, "
        "and the formulas mean nothing there. From a start where they have a value, ask `diracgan verdict`."
    )


def _kinks(model: SymbolicModel) -> str:
    import sympy as sp

    found: set[Any] = set()
    for e in map(simplify, model.field):
        atoms: Any = e.atoms(sp.sign, sp.Abs, sp.core.relational.Relational)
        found |= {a.args[0] if len(a.args) == 1 else a.args[0] - a.args[1] for a in atoms}
    moving = [sp.factor_terms(f) for f in found if f.has(*model.z)]
    steps: set[Any] = set().union(*(e.atoms(sp.floor, sp.ceiling) for e in map(simplify, model.field)))
    whole = sorted({f"{sp.factor_terms(a.args[0])} is a whole number" for a in steps if a.has(*model.z)})
    return " and ".join(whole + sorted({f"{min(str(f), str(-f), key=len)} = 0" for f in moving}))


class _SampledField:
    """The field on fixed random points, for questions that are answered by trying."""

    def __init__(self, variant: Variant) -> None:
        """Draw the points."""
        self.variant = variant
        self.draw = np.random.default_rng(20190602)

    def at(self, phi: Any, theta: Any, x0: ArrayLike | None = None) -> Players:
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
        # a clipped variant has one
        return float(self.variant.clip) * np.tanh(phi)  # type: ignore[attr-defined]


def _vanishes(values: Any, size: Any = 1.0) -> bool:
    return bool(np.all(np.isfinite(values)) and np.all(np.abs(values) <= 1e-10 * (1.0 + np.abs(size))))


def _equilibria(sampled: _SampledField) -> Iterator[str]:
    for d in (1, 2):
        phi, theta = sampled.points(d)
        for point, shown in (((0 * phi, theta), "(0, theta)"), ((phi, 0 * theta), "(phi, 0)")):
            if _vanishes(np.concatenate(sampled.at(*point), axis=1)):
                what = "line" if d == 1 else f"{d}-dimensional plane"
                yield f"d = {d}: the equilibria form a {what}: every {shown} is one, so the limit depends on the start."


def _rotation(model: SymbolicModel, sampled: _SampledField) -> Iterator[str]:
    """The a/b form and the wedge, and what the energy does."""
    phi, theta = sampled.points(2)
    v = sampled.at(phi, theta)
    size = np.concatenate(v, axis=1)
    crossed = np.stack([_cross(v.phi, theta), _cross(v.theta, phi)])
    if not _vanishes(crossed, size.max() if np.all(np.isfinite(size)) else np.inf):
        return
    box = "Inside the box: " if sampled.variant.constraint == "clipped" else ""
    yield (
        f"{box}d >= 2: phi' is parallel to theta and theta' to phi, so the wedge l = |phi ^ theta| is conserved: "
        "from a start that is not collinear the equilibrium is never reached."
    )
    other_phi, other = sampled.points(2)
    other *= (np.sum(phi * theta, axis=1) / np.sum(other_phi * other, axis=1))[:, None]
    w = sampled.at(other_phi, other)
    sides = ((v, phi, theta), (w, other_phi, other))
    ratios = np.array([[-_along(u.phi, t), _along(u.theta, p)] for u, p, t in sides])
    if not _vanishes(ratios[0] - ratios[1], np.max(np.abs(ratios))) or model.noise:
        return
    yield from _energy(model)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _along(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sum(a * b, axis=1) / np.sum(b * b, axis=1)


def _energy(model: SymbolicModel) -> Iterator[str]:
    """phi' = -a(s) theta, theta' = b(s) phi: what follows from a and b."""
    import sympy as sp

    (phi,), (theta,) = model.phi, model.theta
    s = sp.Symbol("s", real=True)
    a = simplify(-model.field[0].subs({theta: 1}, simultaneous=True).subs(phi, s))
    b = simplify(model.field[1].subs({phi: 1}, simultaneous=True).subs(theta, s))
    shown = f"a(s) = {as_text(a)}, b(s) = {as_text(b)}"
    yield f"a/b form: phi' = -a(s) theta, theta' = b(s) phi with s = phi.theta, {shown}."
    a, b = (e.subs(model.numbers) for e in (a, b))
    a0, b0 = (sp.simplify(e.subs(s, 0)) for e in (a, b))
    if not (a0.is_finite and b0.is_finite and (a0 * b0).is_positive):
        return
    bracket = a / a0 - b / b0
    # one number at a time: what SymPy 1.13 writes for a maximum takes no arrays
    shape = np.vectorize(sp.lambdify(s, bracket, modules=[numeric_functions(), "numpy"]), otypes=[float])
    beside = shape([-1e-9, 1e-9])
    if not abs(beside[1] - beside[0]) < 1e-6:
        yield "a or b jumps at s = 0, where the losses switch: no eigenvalue and no law follows from them."
        return
    fast = sp.sqrt(a0 * b0)
    yield (
        f"a(0) b(0) = {sp.nsimplify(a0 * b0)} > 0: the eigenvalues are +-{sp.simplify(fast)} i, each d times, so the "
        "linearisation never decides; E = (|phi|^2/a(0) + |theta|^2/b(0))/2 has E' = -s (a(s)/a(0) - b(s)/b(0))."
    )
    grid = np.linspace(-3, 3, 61)
    heights = shape(grid)
    if _vanishes(heights):
        yield "The bracket is 0: E is conserved, every orbit is neutral, in any dimension."
        return
    if _vanishes(heights[np.abs(grid) <= 0.1]):
        falls = np.all(grid * heights >= -1e-12)
        rest = "E falls where it is not" if falls else "where it is not, E may grow"
        yield f"The bracket is 0 near s = 0: small orbits are neutral, in any dimension; {rest}."
        return
    try:
        k = float(slope(bracket, s).subs(s, 0))
    except TypeError:  # a sign or a step at s = 0
        k = math.nan
    if not math.isfinite(k):
        yield "The bracket has no derivative at s = 0, where the losses switch: no law follows from it."
        return
    reach = "for every s that was tried" if np.all(grid * np.sign(k) * heights >= -1e-12) else "near s = 0"
    rate = k * float(a0 * b0)
    if k > 1e-12:
        big, period = float(sp.sqrt(a0 / b0)), 2 * math.pi / float(fast)
        yield (
            f"The bracket rises like {_times(k)}s, with the sign of s {reach}: E falls. d = 1 converges, but only like "
            f"t^(-1/2): E t -> {2 / rate:.6g}."
        )
        yield (
            f"d >= 2, l > 0: onto the circle s = 0, where |phi| = {_times(math.sqrt(big))}sqrt(l), |theta| = "
            f"{_times(1 / math.sqrt(big))}sqrt(l) and the period is {period:.6g}."
        )
    elif k < -1e-12:
        yield f"The bracket falls like {_times(k)}s: E grows near s = 0, so the equilibrium repels."
    else:
        yield "The bracket is flat at s = 0: E changes at a higher order than E^2."


def _times(factor: float) -> str:
    shown = f"{factor:.6g} "
    return {"1 ": "", "-1 ": "-"}.get(shown, shown)


def numeric_functions() -> dict[str, Any]:
    """What SymPy's own functions here are for numbers."""
    return {"sigma": lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), "softplus": lambda x: np.logaddexp(x, 0.0)}


def _datum(variant: Variant, sampled: _SampledField) -> Iterator[str]:
    phi, theta = sampled.points(2)
    shift = np.array([0.7, -0.4])
    here, there = sampled.at(phi, theta), sampled.at(phi, theta + shift, shift)
    gap = np.concatenate(here, axis=1) - np.concatenate(there, axis=1)
    if _vanishes(gap, np.nanmax(np.abs(np.concatenate(here, axis=1)))):
        yield "The loss depends on D_f - D_r alone: with a datum x0 everything is the same about theta = x0."
        return
    moved = spectrum(variant, dim=1, x0=1.0)
    yield f"Not translation invariant, for the critic has no bias: with x0 = 1 in d = 1, {moved.text}."
