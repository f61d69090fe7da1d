"""``diracgan averaged``: the cycle that Adam ends on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from .. import plotting
from ..errors import InputError
from .layer import CommandResult, Table, drawn_in
from .options import NamedVariantOptions, RuleOptions, StartOptions, headline

if TYPE_CHECKING:
    from ..analysis.slow_flow.averaged import AveragedFlow


def command(
    variant: NamedVariantOptions,
    start: StartOptions,
    rule: RuleOptions,
    out: Annotated[str | None, drawn_in("Draw the slow field and its cycles")] = None,
) -> CommandResult:
    """Find the cycle on which an adaptive rule (Adam) ends, by its averaged flow; d = 1.

    Example: diracgan averaged wgan-linear --rule adam:lr=0.01,beta1=0.5
    """
    made = variant.build_named("diracgan averaged ns --rule adam:lr=0.01")
    if (moves := rule.build()) is None:
        raise InputError(
            "which rule? the flow has no steps of a size of its own; allowed: --rule adam:lr=0.01"
        )

    from ..analysis import averaged

    found = averaged(made, moves, **start.given())
    return CommandResult(found.as_dict(), _said(found), draw=lambda: plotting.slow_flow_figure(found))


def _said(found: AveragedFlow) -> Iterator[str | Table]:
    yield headline(found)
    rows = [[f"{x:.5g}" for x in row] for row in zip(found.radii, found.drift, found.periods, strict=True)]
    yield Table(["radius, in steps", "drift per iteration", "period"], rows[::2])
    yield from (f"cycle: |phi| = {c.amplitude:.4g}, period {c.period:.4g}, {c.words}" for c in found.cycles)
    yield f"{found.text}\ncomputed from {found.computed_from}"
