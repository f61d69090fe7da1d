"""``diracgan verdict``: what truly happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from .. import gallery
from .layer import CommandResult, drawn_in
from .options import EffortOption, GameOptions, complex_words

if TYPE_CHECKING:
    from ..analysis.verdict.api import Verdict


def command(
    game: GameOptions,
    effort: EffortOption = 1.0,
    out: Annotated[str | None, drawn_in("Draw the radius over time with the law found")] = None,
) -> CommandResult:
    """Say what truly happens from a start, even where eigenvalues say nothing.

    Computed from the field or the map: converges (how fast, where to), orbits, circles, cycles, diverges, gets stuck,
    or undecided with its reason.

    Example: diracgan verdict --variant ns --phi0 1 --theta0 1
    """
    (made, rule), where = game.build(), game.from_start()

    from ..analysis import verdict

    found = verdict(made, rule=rule, effort=effort, **where)
    return CommandResult(found.as_dict(), _said(found), draw=lambda: gallery.law(made, found, rule, where))


def _said(found: Verdict) -> Iterator[str]:
    phi0, theta0 = (", ".join(f"{x:.6g}" for x in start) for start in (found.phi0, found.theta0))
    yield f"{found.variant}, {found.rule or 'flow'}, from ({phi0}), ({theta0})"
    yield f"verdict: {found.kind}"
    yield from (f"  {name}: {_shown(value)}" for name, value in found.numbers.items())
    yield from (f"  - {line}" for line in found.evidence)
    yield found.text


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, dict):
        return ", ".join(f"{k} {_shown(x)}" for k, x in value.items())
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(x) for x in value)
    if isinstance(value, complex):
        return complex_words(value, 10)
    return f"{value:.10g}"
