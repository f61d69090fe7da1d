"""``diracgan eig``: what the linearisation says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from ..errors import InputError
from .layer import CommandResult, option
from .options import GameOptions, complex_words, headline, vector

if TYPE_CHECKING:
    from ..analysis.linear.spectrum import Spectrum


def command(
    game: GameOptions,
    at: Annotated[
        str | None,
        option("The point: d numbers of phi, then d of theta; (0, x0) by default.", metavar="PHI,THETA"),
    ] = None,
) -> CommandResult:
    """Linearise at the equilibrium: eigenvalues of the flow, or multipliers of one iteration of a rule.

    d = 1 unless --dim, --x0 or a start says otherwise; the start itself does not matter here.

    Example: diracgan eig --variant wgan-gp --c 0 --rule extragradient --lr 0.2
    """
    (made, rule), where = game.build(), game.at_equilibrium()
    point, dim = _point(at), where["dim"]
    if point is not None:
        if len(point[0]) != dim and game.start.given().keys() & {"dim", "phi0", "theta0"}:
            raise InputError(f"--at has {2 * len(point[0])} numbers; allowed for d = {dim}: {2 * dim}")
        where = {**where, "dim": None, "at": point}

    from ..analysis import spectrum

    found = spectrum(made, rule=rule, **{k: x for k, x in where.items() if x is not None})
    return CommandResult(found.as_dict(), _said(found))


def _said(s: Spectrum) -> Iterator[str]:
    yield headline(s)
    for value in s.eigenvalues:
        size = f"   |.| = {abs(value):.12g}" if s.kind == "map" else ""
        yield f"  {'' if value.real < 0 else '+'}{complex_words(value)}{size}"
    if not len(s.eigenvalues):
        yield f"  no {'multipliers' if s.kind == 'map' else 'eigenvalues'}"
    numbers = {
        "residual": s.residual,
        "margin": s.margin,
        "error bound": s.error,
        "spectral radius": s.spectral_radius,
        "numerical radius" if s.kind == "map" else "numerical abscissa": s.numerical_abscissa,
        "transient growth": s.transient_growth,
    }
    yield from (f"{label}: {value:.6g}" for label, value in numbers.items() if value is not None)
    if len(s.ema_multipliers):
        yield "multipliers of the average: " + ", ".join(f"{x.real:.6g}" for x in s.ema_multipliers)
    yield s.text


def _point(text: str | None) -> tuple[list[float], list[float]] | None:
    numbers = vector("at", text)
    if numbers is None:
        return None
    if len(numbers) % 2:
        raise InputError(f"--at {text!r} has {len(numbers)} numbers; allowed: d of phi, then d of theta")
    half = len(numbers) // 2
    return numbers[:half], numbers[half:]
