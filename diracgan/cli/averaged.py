"""``diracgan averaged``: the cycle that Adam ends on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Annotated, Any

from ..errors import InputError
from .layer import CommandResult, Table, argument, output, picture, tell
from .options import AnyVariantOptions, RuleOptions, StartOptions, headline, only_one


def command(
    variant: AnyVariantOptions,
    start: StartOptions,
    rule: RuleOptions,
    name: Annotated[str | None, argument("NAME", "The variant, as --variant takes it.")] = None,
    out: Annotated[
        str | None, output("Draw the slow field and its cycles: .png, .pdf or .svg.", picture)
    ] = None,
) -> CommandResult:
    """Find the cycle on which an adaptive rule (Adam) ends, by its averaged flow; d = 1.

    Example: diracgan averaged wgan-linear --rule adam:lr=0.01,beta1=0.5
    """
    wanted = only_one("variant", name, variant.variant, "diracgan averaged ns --rule adam:lr=0.01")
    if (made := rule.build()) is None:
        raise InputError(
            "which rule? the flow has no steps of a size of its own; allowed: --rule adam:lr=0.01"
        )

    from ..analysis import averaged

    found = averaged(dataclasses.replace(variant, variant=wanted).build(), made, **start.given())
    if out is not None:
        from ..plotting.saving import save
        from ..plotting.slow_flow import slow_flow_figure

        save(slow_flow_figure(found), out)
        tell(f"drawn in {out}")
    return CommandResult(found.as_dict(), _said(found))


def _said(found: Any) -> Iterator[str | Table]:
    yield headline(found)
    rows = [[f"{x:.5g}" for x in row] for row in zip(found.radii, found.drift, found.periods, strict=True)]
    yield Table(["radius, in steps", "drift per iteration", "period"], rows[::2])
    yield from (f"cycle: |phi| = {c.amplitude:.6g}, period {c.period:.6g}, {c.words}" for c in found.cycles)
    yield f"{found.text}\ncomputed from {found.computed_from}"
