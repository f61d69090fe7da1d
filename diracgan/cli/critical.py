"""``diracgan critical``: where stability changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from .. import gallery
from ..errors import InputError
from .layer import CommandResult, argument, drawing, option, output
from .options import GameOptions, headline, only_one

if TYPE_CHECKING:
    from ..analysis.thresholds.critical import Critical
    from ..plotting.saving import Picture
    from ..rules import Rule
    from ..variants import Variant


@dataclasses.dataclass(frozen=True)
class VariedOptions:
    """The parameter that is varied, and where."""

    parameter: Annotated[
        str | None,
        argument(
            "PARAMETER",
            "What to vary: r1, lam, lr, lr_ratio, beta, n_critic, rate_ratio, ... of the variant or the rule.",
        ),
    ] = None
    named: Annotated[str | None, option("PARAMETER, as an option.", metavar="NAME", called="--parameter")] = (
        None
    )
    low: Annotated[float | None, option("The least value searched.")] = None
    high: Annotated[float | None, option("The largest value searched.")] = None

    @property
    def name(self) -> str:
        """Its name, InputError where none or two are given."""
        return only_one("parameter", self.parameter, self.named, "diracgan critical r1 --variant ns")


def command(
    game: GameOptions,
    varied: VariedOptions,
    amplitude: Annotated[
        float | None,
        option("Find instead where the cycle of an adaptive rule has this largest |theta - x0|."),
    ] = None,
    out: Annotated[
        str | None,
        output(
            "Draw the path of the eigenvalues as it varies: .png, .pdf, .svg, or moving .gif, .mp4.",
            drawing,
            draws=True,
        ),
    ] = None,
) -> CommandResult:
    """Find every value of a parameter at which the equilibrium's stability changes.

    d = 1 unless --dim or --x0 says otherwise; the start itself does not matter here.

    Example: diracgan critical r1 --variant ns --rule simultaneous --lr 0.1
    """
    wanted, low, high = varied.name, varied.low, varied.high
    (made, rule), where = game.build(), game.at_equilibrium()

    from ..analysis import critical

    if amplitude is not None:
        return _sized(made, wanted, amplitude, rule, low, high, where, out)
    found = critical(made, wanted, rule=rule, low=low, high=high, **where)

    def page() -> Picture:
        from ..plotting.saving import is_moving

        return gallery.locus_page(made, found, rule, where, low=low, high=high, moving=is_moving(str(out)))

    record = found.as_dict() | {"born": [p.as_dict() | {"birth": p.birth} for p in found.born]}
    return CommandResult(record, _said(found), draw=page)


def _sized(
    made: Variant,
    wanted: str,
    amplitude: float,
    rule: Rule | None,
    low: float | None,
    high: float | None,
    where: dict[str, Any],
    out: str | None,
) -> CommandResult:
    """Where the cycle has a wanted size, in place of where the equilibrium loses its stability."""
    from ..analysis import sized_cycle

    if rule is None or out is not None or where["dim"] != 1:
        raise InputError(
            "--amplitude is of an adaptive rule's cycle in d = 1; allowed: --rule adam, without --out"
        )
    found = sized_cycle(made, wanted, amplitude, rule, low=low, high=high, x0=where["x0"])
    return CommandResult(found.as_dict(), (headline(found), found.text))


def _said(found: Critical) -> Iterator[str]:
    from ..analysis.thresholds.critical import digits

    yield headline(found)
    for t in found.thresholds:
        shown = digits(t.value, t.error)
        error = t.error + abs(float(shown) - t.value)  # of the number as it is printed
        at = f"{found.parameter} = {shown} (error {error:.1g})"
        yield f"  {at}: {t.below} below, {t.above} above"
    if found.status is not None and found.now is not None:
        yield f"now {found.parameter} = {found.now:g}: {found.status}"
    yield found.text
    for point in found.born:
        yield point.birth
        if point.scale is not None:
            until = point.law_until()
            yield (
                f"  within 2 % of the {point.newborn}'s own radius up to {point.parameter} = {until:.5g}"
                if until is not None
                else f"  that law was not seen to hold anywhere: no {point.newborn} near it was found with that radius"
            )
