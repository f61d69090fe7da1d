"""``diracgan bifurcation``: branches, and what is born on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from .. import gallery, plotting
from ..errors import InputError
from ..progress import progress
from .layer import CommandResult, drawn_in, option
from .options import NamedVariantOptions, RateOptions, RuleOptions, StartOptions, headline, only_one

if TYPE_CHECKING:
    from ..rules import Rule
    from ..variants import Variant

_GENERATIONS = 3  # of a cascade of period doublings that are followed


@dataclasses.dataclass(frozen=True)
class BranchOptions:
    """Over what a branch is followed, and what else is."""

    over: Annotated[
        list[str] | None,
        option(
            "The parameter that varies, and its range; twice for curves in two parameters.",
            metavar="NAME=LOW:HIGH",
        ),
    ] = None
    switch: Annotated[
        bool, option("Follow what is born at branch points, flips and Neimark-Sacker points.")
    ] = False
    circles: Annotated[
        bool, option("Follow the circle near --phi0, --theta0 on which both players turn (d >= 2).")
    ] = False
    period: Annotated[
        int | None,
        option("Follow the orbit through --phi0, --theta0 that comes back after so many iterations."),
    ] = None

    def axes(self, at: object) -> list[str]:
        """What is varied, from a start ``at`` or None; InputError for options that do not go together."""
        over = self.over or []
        if self.period is not None and (at is None or self.circles or len(over) > 1):
            raise InputError(
                "--period follows the orbit through one start; allowed: --phi0 and --theta0 and one --over with it"
            )
        if self.switch and len(over) > 1:
            raise InputError("--switch follows what is born along one number; allowed: one --over with it")
        return over or [only_one("parameter", None, None, example="--over gamma=0:2")]


def command(
    variant: NamedVariantOptions,
    start: StartOptions,
    rates: RateOptions,
    rule: RuleOptions,
    wanted: BranchOptions,
    out: Annotated[str | None, drawn_in("Draw the diagram")] = None,
) -> CommandResult:
    """Follow an equilibrium as a parameter varies, and find what is born where its stability changes, with the cycles
    of Hopf points; over two parameters, the curves of such points over the map of stability.

    d = 1 unless --dim or --x0 says otherwise; --phi0 and --theta0 name an equilibrium other than (0, x0).

    Example: diracgan bifurcation ns --r1 0.05 --over lr=0.01:0.4 --rule simultaneous

    Example: diracgan bifurcation ns --over gamma=0.01:1 --over lr=0.01:4 --rule alternating --out atlas.png
    """
    made, moves = variant.build_named("diracgan bifurcation ns --over gamma=0:2"), rule.build()
    given = start.given()
    at = _equilibrium(given)
    how = {"dim": start.dimension(default=1), "x0": given.get("x0"), **rates.arguments()}
    axes = wanted.axes(at)
    if len(axes) > 1:
        return _atlas(made, axes, moves, at, how)
    if wanted.circles:
        return _circles(made, axes[0], moves, given, rates.arguments())
    return _branch(made, axes[0], moves, at, how | {"period": wanted.period}, wanted.switch)


def _equilibrium(given: dict[str, Any]) -> tuple[list[float], list[float]] | None:
    """The equilibrium that a start names, if one is given."""
    if ("phi0" in given) != ("theta0" in given):
        raise InputError(
            "an equilibrium has a critic and a generator; allowed: both --phi0 and --theta0, or neither"
        )
    return (given["phi0"], given["theta0"]) if "phi0" in given else None


def _atlas(
    made: Variant,
    over: list[str],
    rule: Rule | None,
    at: tuple[list[float], list[float]] | None,
    how: dict[str, Any],
) -> CommandResult:
    """The curves of bifurcations; of an adaptive rule whose equilibrium says nothing, the cycles on which it ends."""
    from ..analysis.bifurcation import adaptive_chart, atlas, no_useful_linearisation

    if (why := no_useful_linearisation(rule)) and rule is not None and rule.is_adaptive and how["dim"] == 1:
        with progress() as bar:
            chart = adaptive_chart(made, over, rule, at or (None, None), how["x0"], progress=bar)
        said, notes = [headline(chart), chart.text], [f"{why}: shown are the cycles on which it ends"]
        return CommandResult(chart.as_dict(), said, notes, draw=lambda: plotting.adaptive_figure(chart))
    with progress() as bar:
        found = atlas(made, over, rule, at, progress=bar, **how)
    said = [headline(found), found.text, *(f"  {c.text}" for c in found.curves)]
    return CommandResult(
        found.as_dict(), said, found.notes, draw=lambda: gallery.atlas_page(made, found, rule)
    )


def _branch(
    made: Variant,
    over: str,
    rule: Rule | None,
    at: tuple[list[float], list[float]] | None,
    how: dict[str, Any],
    switch: bool,
) -> CommandResult:
    from ..analysis.bifurcation import branch, no_useful_linearisation

    found = branch(made, over, rule, at, **how)
    born, notes = _cycles(found)
    if why := no_useful_linearisation(rule):
        notes.append(f"{why}; see diracgan averaged, or draw its cycles with a second --over")
    if switch:
        more, missing = _switched(found)
        born, notes = [*born, *more], [*notes, *missing]
    record = found.as_dict() | ({"born": [b.as_dict() for b in born]} if born or switch else {})
    return CommandResult(record, _said([found, *born]), notes, draw=lambda: _figure([found, *born]))


def _circles(
    made: Variant, over: str, rule: Rule | None, given: dict[str, Any], rates: dict[str, Any]
) -> CommandResult:
    from ..analysis.bifurcation import rotating_states

    if not {"phi0", "theta0"} <= set(given) or given.get("x0") is not None:
        raise InputError("--circles starts on a circle about 0; allowed: --phi0 and --theta0, without --x0")
    found = rotating_states(made, over, (given["phi0"], given["theta0"]), rule, **rates)
    return CommandResult(found.as_dict(), _said([found]), draw=lambda: _figure([found]))


def _figure(found: list[Any]) -> Any:
    """A branch, the first of these, with those that are born on it."""
    from ..plotting.branches import branch_title

    below = "; ".join(b.text for b in found[:2])
    return plotting.branches_figure(found, title=branch_title(found[0]), below=below)


def _cycles(found: Any) -> tuple[list[Any], list[str]]:
    """The branches of cycles that are born at Hopf points, with their doublings, and why some are missing."""
    from ..analysis.bifurcation import born_cycles, doubled_cycles

    def born(point: Any) -> list[Any]:
        if point.kind == "hopf":
            return [born_cycles(point, found.low, found.high)]
        return [doubled_cycles(point, found.low, found.high)]

    hopf = [p for p in found.points if p.kind == "hopf"]
    return _cascade(hopf, born, "period-doubling")


def _switched(found: Any) -> tuple[list[Any], list[str]]:
    """What is born at branch points, flips and Neimark-Sacker points, with its flips, and why some is missing."""
    from ..analysis.bifurcation import born_circles, switch

    def born(point: Any) -> list[Any]:
        if point.kind == "neimark-sacker":
            return [born_circles(point, found.low, found.high)]
        return switch(point, found.low, found.high)

    points = [p for p in found.points if p.kind in ("branch-point", "flip", "neimark-sacker")]
    if not points:
        return [], [
            "no branch point, flip or Neimark-Sacker point lies on this branch: there is nothing to switch to"
        ]
    return _cascade(points, born, "flip")


def _cascade(points: list[Any], follow: Any, doubling: str) -> tuple[list[Any], list[str]]:
    """The branches born at points, and at the doublings on these, to the third generation; and what is missing."""
    born, notes, done = [], [], {p.value for p in points}
    for _ in range(_GENERATIONS):
        made = []
        for point in points:
            try:
                made += follow(point)
            except InputError as error:
                notes.append(str(error))
        born += made
        points = [p for b in made for p in b.points if p.kind == doubling and p.value not in done]
        done |= {p.value for p in points}
    if points:
        values = ", ".join(f"{p.value:.10g}" for p in points)
        notes.append(
            f"what is born at the further doublings at {points[0].parameter} = {values} is not followed"
        )
    return born, notes


def _said(found: list[Any]) -> Iterator[str]:
    yield headline(found[0])
    for b in found:
        yield f"{b.text}; largest residual {b.residuals.max():.1g}"
        for point in b.points:
            yield f"  {point.text}"
        yield f"  begins: {b.ends[0]}; ends: {b.ends[1]}"
