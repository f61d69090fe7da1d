"""``diracgan ema``: what averaging the weights does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from .. import plotting
from ..errors import InputError
from .layer import CommandResult, Table, drawn_in, flag, option
from .options import DECAY, AnyVariantOptions, RateOptions, RuleOptions, StartOptions, given_in, vector

if TYPE_CHECKING:
    from ..analysis.thresholds.weight_averaging import Averaging


@dataclasses.dataclass(frozen=True)
class AverageOptions:
    """Which averages, and of which orbit where no variant gives it."""

    omega: Annotated[
        float | None, option("Angular frequency per unit of time, where no variant gives it.")
    ] = None
    h: Annotated[float | None, option("Time per step; the rule's by default.")] = None
    decay: Annotated[str | None, option("Decays, in [0, 1).", metavar="B,B")] = None
    tau: Annotated[str | None, option("Time constants of the flow's average.", metavar="T,T")] = None
    reduction: Annotated[
        float | None,
        option("Find the decay that makes the orbit K times smaller.", metavar="K", called="--reduce"),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """What was asked for, by the library's names."""
        decays = {
            "decay": vector("decay", self.decay, **DECAY),
            "tau": vector("tau", self.tau, low=0, open_low=True),
        }
        return given_in(self) | {k: x for k, x in decays.items() if x is not None}


def command(
    variant: AnyVariantOptions,
    start: StartOptions,
    rates: RateOptions,
    rule: RuleOptions,
    average: AverageOptions,
    out: Annotated[str | None, drawn_in("Draw the Bode curve with this orbit on it")] = None,
) -> CommandResult:
    """Show the gain of a weight average as a function of its decay, and find the decay for a wanted gain.

    Without --decay or --tau, a curve over all of them (in full as JSON). With --rule, --h or --decay for steps, else
    for the flow.

    Example: diracgan ema --variant ns --rule alternating --lr 0.1 --reduce 50
    """
    made, chosen, given = variant.build_any(), rule.build(), start.given()
    if made is None and given:
        raise InputError(f"{flag(next(iter(given)))} belongs to a variant; add --variant NAME")
    where: dict[str, Any] = rates.arguments()
    if made is not None:
        where |= {"dim": start.dimension(default=1), "x0": given.get("x0")}

    from ..analysis import ema

    found = ema(made, chosen, **average.arguments(), **where)
    return CommandResult(found.as_dict(), _said(found), draw=lambda: plotting.bode_figure(found))


def _said(found: Averaging) -> Iterator[str | Table]:
    what, values = ("decay", found.decays) if found.kind == "steps" else ("tau", found.taus)
    shown = range(0, len(values), 1 if len(values) <= 30 else 10)
    rows = [[f"{values[i]:.10g}", f"{found.gains[i]:.6g}", f"{found.phases[i]:.6g}"] for i in shown]
    yield Table([what, "gain", "phase"], rows)
    yield found.text
