"""``diracgan critical``: where stability changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from .layer import CommandResult, argument, drawing, option, output
from .options import GameOptions, headline, only_one


def command(
    game: GameOptions,
    parameter: Annotated[
        str | None,
        argument(
            "PARAMETER",
            "What is turned: r1, lam, lr, lr_ratio, beta, n_critic, rate_ratio, ... of the variant or the rule.",
        ),
    ] = None,
    named: Annotated[str | None, option("--parameter", "The same as an option.", metavar="NAME")] = None,
    low: Annotated[float | None, option("--low", "Where the search begins.")] = None,
    high: Annotated[float | None, option("--high", "Where it ends.")] = None,
    out: Annotated[
        str | None,
        output(
            "Draw where the eigenvalues go as it is turned: .png, .pdf, .svg, or moving .gif, .mp4.", drawing
        ),
    ] = None,
) -> CommandResult:
    """Find every value of a parameter at which the equilibrium's stability changes.

    d = 1 unless --dim or --x0 says otherwise; the start itself does not matter here.

    Example: diracgan critical r1 --variant ns --rule simultaneous --lr 0.1
    """
    wanted = only_one("parameter", parameter, named, "diracgan critical r1 --variant ns")
    (made, rule), where = game.build(), game.at_equilibrium()

    from ..analysis import critical

    found = critical(made, wanted, rule=rule, low=low, high=high, **where)
    if out is not None:
        _draw(found, made, rule, low, high, where, out)
    return CommandResult(found.as_dict(), _said(found))


def _draw(
    found: Any,
    variant: Any,
    rule: Any,
    low: float | None,
    high: float | None,
    where: dict[str, Any],
    out: str,
) -> None:
    """The locus over the range asked for, or around what is critical."""
    from pathlib import Path

    import numpy as np

    from ..analysis.linear.locus import locus
    from ..plotting import animate_locus, locus_figure, save
    from ..plotting.saving import ANIMATIONS

    shown = [v for v in found.values if found.low < v < found.high]
    first = found.low if low is None else low
    usual = 1.5 * shown[-1] if shown and shown[-1] > 0 else max(2.0 * abs(found.now or 0.0), 2.0)
    last = min(found.high, usual if high is None else high)
    moving = Path(out).suffix.lower() in ANIMATIONS
    shown = [v for v in shown if first < v < last]
    values = np.linspace(first, last, 81 if moving else 601)
    if shown and not moving:  # the first threshold may lie decades below the last
        near = np.linspace(first, min(2 * abs(shown[0]), last), 201)
        values = np.unique(np.concatenate([values, near, shown]))
    if found.parameter == "n_critic":
        values = np.arange(int(first), int(last) + 1)
    rows = locus(variant, found.parameter, values, rule, **where)
    what = "eigenvalues" if rule is None else "multipliers"
    arguments: dict[str, Any] = {
        "name": found.parameter,
        "kind": "flow" if rule is None else "map",
        "critical": shown[:4] or None,
        "title": f"{found.variant}: {what} as {found.parameter} goes from {values[0]:g} to {values[-1]:g}",
    }
    if moving:
        save(animate_locus(values, rows, **arguments), out)
    else:
        save(locus_figure(values, rows, below=found.text, **arguments), out)


def _said(found: Any) -> Iterator[str]:
    from ..analysis.thresholds.critical import digits

    yield headline(found)
    for t in found.thresholds:
        at = f"{found.parameter} = {digits(t.value, t.error)} (error {t.error:.1g})"
        yield f"  {at}: {t.below} below, {t.above} above"
    if found.status is not None and found.now is not None:
        yield f"now {found.parameter} = {found.now:g}: {found.status}"
    yield found.text
