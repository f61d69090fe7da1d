"""``diracgan tune``: the values that converge fastest, or that give an adaptive rule's cycle a wanted size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from ..errors import InputError
from ..registry import parameter_range
from .layer import CommandResult, Table, argument, option
from .options import GameOptions, complex_words, headline

if TYPE_CHECKING:
    from ..analysis.thresholds.tune import Tuned
    from ..analysis.thresholds.tuned_cycle import CycleChange, TunedCycle
    from ..rules import Rule
    from ..variants import Variant


def command(
    game: GameOptions,
    parameters: Annotated[
        list[str] | None,
        argument(
            "NAME[=LOW:HIGH]...", "The parameters to tune, each with a range where one is wanted: r1 lr=0:2."
        ),
    ] = None,
    over: Annotated[
        list[str] | None, option("A parameter, as an option; repeatable.", metavar="NAME[=LOW:HIGH]")
    ] = None,
    amplitude: Annotated[
        float | None,
        option(
            "Give the cycle of an adaptive rule (Adam) this largest |theta - x0| instead; NAME may be left out."
        ),
    ] = None,
) -> CommandResult:
    """Find the values of the named parameters at which small perturbations decay fastest.

    An adaptive rule does not come to rest: --amplitude finds what gives the cycle on which it ends a wanted size, and
    the weight average that leaves as much of it. d = 1 unless --dim or --x0 says otherwise; the start itself does not
    matter here.

    Example: diracgan tune r1 lr --variant ns --rule alternating
    """
    asked = _ranges([*(parameters or []), *(over or [])])
    made, rule = game.build()
    if amplitude is not None:
        return _cycle(made, amplitude, rule, asked, game)
    if not asked:
        raise InputError("which parameters? e.g. diracgan tune r1 lr --variant ns --rule alternating")

    from ..analysis import tune

    found = tune(made, asked, rule=rule, **game.at_equilibrium())
    return CommandResult(found.as_dict(), _said(found))


def _cycle(
    made: Variant,
    amplitude: float,
    rule: Rule | None,
    asked: dict[str, tuple[float, float] | None],
    game: GameOptions,
) -> CommandResult:
    """What gives an adaptive rule's cycle a wanted size, in place of the fastest decay."""
    from ..analysis import tune_cycle

    if rule is None:
        raise InputError("--amplitude is of an adaptive rule's cycle; allowed: --rule adam:lr=0.01")
    where = game.at_equilibrium()
    tuned = tune_cycle(made, amplitude, rule, asked or None, dim=where["dim"], x0=where["x0"])
    return CommandResult(tuned.as_dict(), _changes(tuned))


def _changes(found: TunedCycle) -> Iterator[str | Table]:
    yield headline(found)
    rows = [] if found.now is None else [["as it is", *_row(found.now)]]
    for change in found.changes:
        what = ", ".join(f"{n} = {x:.6g}" for n, x in change.values.items())
        rows.append([what if change.reached else f"{what} (nearest)", *_row(change)])
    yield Table(["change", "|theta - x0|", "|phi|", "period", "attracts", "reached after"], rows)
    yield f"{found.text}\n{found.regime}"


def _row(change: CycleChange) -> list[str]:
    sizes = [f"{change.amplitude:.4g}", f"{change.amplitude_phi:.4g}"]
    attracts = {True: "yes", False: "no", None: "iterated" if change.iterated else "undecided"}[change.stable]
    times = ["-" if t is None else f"{t:.4g}" for t in (change.period, change.arrival)]
    return [*sizes, times[0], attracts, times[1]]


def _ranges(words: list[str]) -> dict[str, tuple[float, float] | None]:
    found: dict[str, tuple[float, float] | None] = {}
    for word in (w for text in words for w in text.split(",")):
        name, ends = parameter_range(word)
        if name in found:
            raise InputError(f"{name} is named twice; allowed: once")
        found[name] = ends
    return found


def _said(found: Tuned) -> Iterator[str]:
    yield headline(found)
    for name, value in found.best.items():
        low, high = found.ranges[name]
        yield f"  {name} = {value:.12g}   (searched from {low:g} to {high:g})"
    for value in found.eigenvalues:
        yield f"  {'' if value.real < 0 else '+'}{complex_words(value)}"
    if found.best:
        unit = "iteration" if found.rule else "unit of time"
        yield f"rate: {found.rate:.12g} per {unit}; margin: {found.margin:.12g}"
    yield found.text
