"""``diracgan attractors``: what starts in a box end on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from .. import plotting
from ..errors import InputError
from ..progress import progress
from .layer import CommandResult, Table, endings, option, output
from .options import DatumOption, NamedVariantOptions, RuleOptions, given_in, headline, vector

if TYPE_CHECKING:
    from ..analysis.bifurcation.attractors import Attractors


@dataclasses.dataclass(frozen=True)
class BoxOptions:
    """Which starts are followed, and how far."""

    dim: Annotated[
        int | None, option("Dimension of the Dirac game; 1 by default.", metavar="D", short="-d")
    ] = None
    x0: DatumOption = None
    box: Annotated[float, option("Half width of the box of starts; 2 by default.")] = 2.0
    starts: Annotated[int, option("How many starts; 100 by default.")] = 100
    steps: Annotated[
        int, option("Iterations, or steps of the flow, from each; 10000 by default.", short="-n")
    ] = 10_000
    step_size: Annotated[float | None, option("Step size of the flow; 0.02 by default.")] = None
    seed: Annotated[int, option("Seed of the random starts; 0 by default.")] = 0

    def arguments(self) -> dict[str, Any]:
        """What ``attractors`` wants to know besides the game."""
        return {**given_in(self), "x0": vector("x0", self.x0)}


def command(
    variant: NamedVariantOptions,
    rule: RuleOptions,
    box: BoxOptions,
    out: Annotated[
        str | None,
        output(
            "Draw the starts and what they end on, or keep the result: .png, .pdf, .svg, .json.",
            endings(".png", ".pdf", ".svg", ".json"),
            draws=True,
        ),
    ] = None,
) -> CommandResult:
    """Find the attractors of starts in a box, the share of each, and how large a kick the equilibrium survives.

    Example: diracgan attractors ns --r1 0.5 --rule optimistic --lr 1.28 --box 1.5
    """
    from ..analysis.bifurcation import attractors

    made, moves = variant.build_named("diracgan attractors ns --r1 0.1"), rule.build()
    if moves is not None and box.step_size is not None:
        raise InputError("--step-size belongs to the flow; with --rule use --lr")
    with progress() as bar:
        found = attractors(made, moves, progress=bar, **box.arguments())
    return CommandResult(found.as_dict(), _said(found), draw=lambda: plotting.attractors_figure(found))


def _said(found: Attractors) -> Iterator[str | Table]:
    yield headline(found)
    rows = [
        (
            a.kind,
            f"{100 * a.share:.3g} % ({100 * a.share_low:.3g} to {100 * a.share_high:.3g})",
            "" if a.radius is None else f"{a.radius:.5g}",
            a.text,
        )
        for a in found.found
    ]
    yield Table(("kind", "share of starts", "largest |z|", "what happens"), rows)
    for edge in found.edges:
        one, two = (found.found[k].kind for k in edge.between)
        yield f"edge between {one} and {two}: |z| = {edge.distance:.6g}, known to {edge.gap:.1g}"
    yield found.text
