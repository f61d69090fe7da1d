"""``diracgan tune``: the values that converge fastest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from ..errors import InputError
from ..registry import parameter_range
from .layer import CommandResult, argument, option
from .options import GameOptions, complex_words, headline

if TYPE_CHECKING:
    from ..analysis.thresholds.tune import Tuned


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
) -> CommandResult:
    """Find the values of the named parameters at which small perturbations decay fastest.

    d = 1 unless --dim or --x0 says otherwise; the start itself does not matter here.

    Example: diracgan tune r1 lr --variant ns --rule alternating
    """
    asked = _ranges([*(parameters or []), *(over or [])])
    made, rule = game.build()

    from ..analysis import tune

    found = tune(made, asked, rule=rule, **game.at_equilibrium())
    return CommandResult(found.as_dict(), _said(found))


def _ranges(words: list[str]) -> dict[str, tuple[float, float] | None]:
    found: dict[str, tuple[float, float] | None] = {}
    for word in (w for text in words for w in text.split(",")):
        name, ends = parameter_range(word)
        if name in found:
            raise InputError(f"{name} is named twice; allowed: once")
        found[name] = ends
    if not found:
        raise InputError("which parameters? e.g. diracgan tune r1 lr --variant ns --rule alternating")
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
