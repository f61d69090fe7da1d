"""``diracgan compare-variants``: several variants from one start, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from ..errors import InputError
from .layer import CommandResult, Table, argument, option, output, picture
from .options import MotionOptions


def command(
    motion: MotionOptions,
    variants: Annotated[
        list[str], argument("NAME...", "Variants: NAME[:k=v,...], PATH.py:NAME[:k=v,...]; at most 24.")
    ],
    effort: Annotated[
        float, option("--effort", "Factor on a verdict's budget of field evaluations; 1 by default.")
    ] = 1.0,
    out: Annotated[
        str, output("The picture: .png, .pdf or .svg; compare-variants.png by default.", picture)
    ] = "compare-variants.png",
) -> CommandResult:
    """Draw several variants from one start on one scale, each with its verdict.

    Example: diracgan compare-variants ns wgan wgan-gp:c=0 wgan-gp:c=1 gan-qp
    """
    if len(variants) > 24:
        raise InputError(f"{len(variants)} variants cannot be told apart in one picture; allowed: at most 24")
    from ..variants import parse

    made, how = [parse(v) for v in variants], motion.drawn()

    from ..analysis import verdict
    from ..dynamics import run
    from ..plotting import multiples, save, verdict_words

    judged = {k: how[k] for k in ("phi0", "theta0", "x0", "dim", "rule", "rate_d", "rate_g") if k in how}
    runs = [run(v, **how) for v in made]
    found = [verdict(v, effort=effort, **judged) for v in made]
    panels = [(v.label, traj, verdict_words(f)) for v, traj, f in zip(made, runs, found, strict=True)]
    title = f"{len(made)} variants from one start"
    save(multiples(panels, title=title, below=_below(runs[0], how.get("rule"))), out)
    names = [v.label for v in made]
    whole = [{"variant": name, **f.as_dict()} for name, f in zip(names, found, strict=True)]
    return CommandResult({"variants": whole, "out": out}, _said(names, found, out))


def _below(traj: Any, rule: Any) -> str:
    """What moved the players, in which dimension, and until when."""
    clock, name = ("time", "t") if rule is None else ("step", "step")
    moved = "flow" if rule is None else rule.label
    return f"{moved}, d = {traj['phi'].shape[1]}, until {name} = {float(traj[clock][-1]):g}"


def _said(names: list[str], found: list[Any], out: str) -> Iterator[str | Table]:
    yield Table(
        ["variant", "verdict", "in words"], [[n, f.kind, f.text] for n, f in zip(names, found, strict=True)]
    )
    yield out
