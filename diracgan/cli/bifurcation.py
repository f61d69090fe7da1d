"""``diracgan bifurcation``: branches, and what is born on them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Annotated, Any

from ..errors import InputError
from ..progress import progress
from .layer import CommandResult, argument, option, output, picture
from .options import AnyVariantOptions, RateOptions, RuleOptions, StartOptions, headline, only_one

_GENERATIONS = 3  # of a cascade of period doublings that are followed


def command(
    variant: AnyVariantOptions,
    start: StartOptions,
    rates: RateOptions,
    rule: RuleOptions,
    name: Annotated[str | None, argument("NAME", "The variant, as --variant takes it.")] = None,
    over: Annotated[
        list[str] | None,
        option(
            "--over",
            "The parameter that varies, and its range; twice for curves in two parameters.",
            metavar="NAME=LOW:HIGH",
        ),
    ] = None,
    switch: Annotated[
        bool, option("--switch", "Follow the branches born at branch points and flips.")
    ] = False,
    circles: Annotated[
        bool,
        option("--circles", "Follow the circle near --phi0, --theta0 on which both players turn (d >= 2)."),
    ] = False,
    out: Annotated[str | None, output("Draw the diagram: .png, .pdf, .svg.", picture)] = None,
) -> CommandResult:
    """Follow an equilibrium as a parameter varies, and find what is born where its stability changes, with the cycles
    of Hopf points; over two parameters, the curves of such points over the map of stability.

    d = 1 unless --dim or --x0 says otherwise; --phi0 and --theta0 name an equilibrium other than (0, x0).

    Example: diracgan bifurcation ns --r1 0.05 --over lr=0.01:0.4 --rule simultaneous

    Example: diracgan bifurcation ns --over gamma=0.01:1 --over lr=0.01:4 --rule alternating --out atlas.png
    """
    wanted = only_one("variant", name, variant.variant, "diracgan bifurcation ns --over gamma=0:2")
    made = dataclasses.replace(variant, variant=wanted).build()
    given = start.given()
    at = None if "phi0" not in given and "theta0" not in given else (given.get("phi0"), given.get("theta0"))
    how = {"dim": start.dimension(default=1), "x0": given.get("x0"), **rates.arguments()}
    if len(over or []) > 1:
        return _atlas(made, over or [], rule.build(), at, how, out, switch)
    varied = only_one("parameter", (over or [None])[0], None, example="--over gamma=0:2")
    if circles:
        return _circles(made, varied, rule.build(), given, rates.arguments(), out)
    return _branch(made, varied, rule.build(), at, how, out, switch)


def _atlas(
    made: Any, over: list[str], rule: Any, at: Any, how: dict[str, Any], out: str | None, switch: bool
) -> CommandResult:
    from ..analysis.bifurcation import atlas, no_useful_linearisation

    if switch:
        raise InputError("--switch follows what is born along one number; allowed: one --over with it")
    if (why := no_useful_linearisation(rule)) and rule.is_adaptive and how["dim"] == 1:
        return _adaptive(made, over, rule, at, how["x0"], out, why)
    with progress() as bar:
        found = atlas(made, over, rule, at, progress=bar, **how)
    if out is not None:
        from ..gallery.pictures import atlas_page
        from ..plotting import save

        save(atlas_page(made, found, rule), out)
    said = [
        headline(found),
        found.text,
        *(f"  {c.text}" for c in found.curves),
        *([] if out is None else [out]),
    ]
    return CommandResult(found.as_dict() | ({} if out is None else {"out": out}), said, found.notes)


def _adaptive(
    made: Any, over: list[str], rule: Any, at: Any, x0: Any, out: str | None, why: str
) -> CommandResult:
    """The cycles on which an adaptive rule ends, where its equilibrium says nothing."""
    from ..analysis.bifurcation import adaptive_chart

    with progress() as bar:
        found = adaptive_chart(made, over, rule, at or (None, None), x0, progress=bar)
    if out is not None:
        from ..plotting import adaptive_figure, save

        save(adaptive_figure(found), out)
    said = [headline(found), found.text, *([] if out is None else [out])]
    record = found.as_dict() | ({} if out is None else {"out": out})
    return CommandResult(record, said, [f"{why}: shown are the cycles on which it ends"])


def _branch(
    made: Any, over: str, rule: Any, at: Any, how: dict[str, Any], out: str | None, switch: bool
) -> CommandResult:
    from ..analysis.bifurcation import branch, no_useful_linearisation

    found = branch(made, over, rule, at, **how)
    cycles, notes = _cycles(found)
    if why := no_useful_linearisation(rule):
        notes.append(f"{why}; see diracgan averaged, or draw its cycles with a second --over")
    born, complaints = _switched(found) if switch else ([], [])
    born, complaints = [*cycles, *born], [*notes, *complaints]
    if out is not None:
        from ..plotting import branches_figure, save
        from ..plotting.branches import branch_title

        save(branches_figure([found, *born], title=branch_title(found), below=_below(found, born)), out)
    record = found.as_dict() | ({"born": [b.as_dict() for b in born]} if born or switch else {})
    record |= {} if out is None else {"out": out}
    return CommandResult(record, _said(found, born, out), complaints)


def _circles(
    made: Any, over: str, rule: Any, given: dict[str, Any], rates: dict[str, Any], out: str | None
) -> CommandResult:
    from ..analysis.bifurcation import rotating_states

    if not {"phi0", "theta0"} <= set(given) or given.get("x0") is not None:
        raise InputError("--circles starts on a circle about 0; allowed: --phi0 and --theta0, without --x0")
    found = rotating_states(made, over, (given["phi0"], given["theta0"]), rule, **rates)
    if out is not None:
        from ..plotting import branches_figure, save
        from ..plotting.branches import branch_title

        save(branches_figure([found], title=branch_title(found), below=found.text), out)
    record = found.as_dict() | ({} if out is None else {"out": out})
    return CommandResult(record, _said(found, [], out))


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
    """The branches that are born at branch points and flips, with their flips, and why some are missing."""
    from ..analysis.bifurcation import switch

    points = [p for p in found.points if p.kind in ("branch-point", "flip")]
    if not points:
        return [], ["no branch point and no flip lies on this branch: there is nothing to switch to"]
    return _cascade(points, lambda p: switch(p, found.low, found.high), "flip")


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


def _below(found: Any, born: list[Any]) -> str:
    return "; ".join(b.text for b in (found, *born[:1]))


def _said(found: Any, born: list[Any], out: str | None) -> Iterator[str]:
    yield headline(found)
    for b in (found, *born):
        yield f"{b.text}; largest residual {b.residuals.max():.1g}"
        for point in b.points:
            yield f"  {point.text}"
        yield f"  begins: {b.ends[0]}; ends: {b.ends[1]}"
    if out is not None:
        yield out
