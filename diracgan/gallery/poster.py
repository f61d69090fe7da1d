"""The poster: every loss under the flow and three rules from one start, coloured by verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..rules import Rule
from ..variants import Variant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..plotting.posters import Panel

START: dict[str, Any] = {"phi0": [0.5], "theta0": [0.5]}  # in d = 1; beyond, the usual start
TIME = 60.0  # of a run, in units of the flow's
PERIODS = 6.0  # of a cycle, in a run that is longer for it
MOST_STEPS = 20_000
EFFORT = 0.05  # of a verdict's budget: as `diracgan report` judges the catalogue


def motions(lr: float) -> dict[str, Rule | None]:
    """What moves the players: the heading of a column -> a rule, None for the flow.

    Example:
        >>> [rule and rule.label for rule in motions(0.1).values()][:2]
        [None, 'simultaneous(lr=0.1)']
    """
    from ..rules import rule

    made = {name: rule(name, lr=lr) for name in ("simultaneous", "alternating", "adam")}
    return {"flow": None, **{f"{name}, h = {lr:g}": r for name, r in made.items()}}


def poster(
    variants: Sequence[Variant],
    *,
    lr: float = 0.1,
    dim: int = 1,
    own: int = 0,
    tell: Callable[[int, int, str], None] | None = None,
) -> Figure:
    """Run every variant in every way, judge it, and draw all on one page of size A2.

    Args:
        variants: what moves, one row each.
        lr: the rules' step.
        dim: of the Dirac game.
        own: how many of the last ones are the user's, and marked as such.
        tell: called with how many panels are done, of how many, and which.

    Returns:
        The page.

    Raises:
        InputError: for no variant, or more than fit.

    Example:
        >>> from diracgan.variants import variant
        >>> poster([variant("ns"), variant("wgan-linear")]).texts[0].get_text()  # doctest: +SKIP
        'What a GAN does: 2 losses, 4 ways to move'
    """
    from ..plotting.posters import poster_figure

    ways, rows = motions(lr), []
    for i, v in enumerate(variants):
        row = []
        for j, (name, by) in enumerate(ways.items()):
            row.append(panel(v, by, dim))
            if tell is not None:
                tell(i * len(ways) + j + 1, len(variants) * len(ways), f"{v.label}, {name}")
        rows.append((v.label, i >= len(variants) - own, row))
    start = "φ = θ = 0.5" if dim == 1 else "the usual start"
    return poster_figure(list(ways), rows, below=f"d = {dim}, from {start}, t = {TIME:g} or more")


def panel(variant: Variant, rule: Rule | None, dim: int = 1) -> Panel:
    """One variant moved in one way: its run and its verdict, by the whole budget where a part of it does not decide."""
    from ..analysis import verdict
    from ..analysis.kinds import Kind
    from ..dynamics import run
    from ..plotting.posters import Panel

    start: dict[str, Any] = START if dim == 1 else {"dim": dim}
    found = verdict(variant, rule=rule, effort=EFFORT, edge=False, **start)
    if found.kind == Kind.UNDECIDED:
        found = verdict(variant, rule=rule, edge=False, **start)
    turns = PERIODS * float(found.numbers.get("period") or 0.0)
    turns = turns if math.isfinite(turns) else 0.0
    if rule is None:
        return Panel(run(variant, t1=min(max(TIME, turns), 10 * TIME), backend="scipy", **start), found)
    steps = TIME / float(rule.lr)
    return Panel(run(variant, rule=rule, steps=round(max(steps, min(turns, MOST_STEPS))), **start), found)
