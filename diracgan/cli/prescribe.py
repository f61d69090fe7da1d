"""``diracgan prescribe``: gamma, rates, lazy interval and average for a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from .layer import CommandResult, Table, argument, option

if TYPE_CHECKING:
    from ..comparison.prescription import Prescription


def command(
    run: Annotated[str, argument("RUN", "The folder of a run that `diracgan train` made.")],
    batches: Annotated[int, option("How many minibatches are measured; 50 by default.")] = 50,
    seed: Annotated[int, option("Seed of the bootstrap over minibatches; 0 by default.")] = 0,
) -> CommandResult:
    """Say which R1, learning rates, lazy interval and weight average suit a run, from its game at its last weights.

    Each number comes with an interval over batches, what must hold for it, and what to check afterwards.

    Example: diracgan prescribe ring8-run --batches 50
    """
    from ..comparison import prescribe

    found = prescribe(run, batches=batches, seed=seed)
    return CommandResult(found.as_dict(), _said(found))


def _said(found: Prescription) -> Iterator[str | Table]:
    names = ("gamma", "rate_ratio", "lazy", "ema_half_life")
    numbers = [(n, getattr(found, n)) for n in names]
    rows = [
        [n, *("-" if x is None else f"{x:.4g}" for x in (p.value, p.low, p.high)), p.unit] for n, p in numbers
    ]
    yield Table(["number", "value", "low", "high", "unit"], rows)
    for n, p in numbers:
        yield f"- {n.replace('_', ' ')}: {p.text}. Assumes: {p.assumption}. Check: {p.check}."
    if found.gamma.best_low is not None:
        low, high = found.gamma.best_low, found.gamma.best_high
        yield (
            "low and high say what other batches would have given, not what is best: the best gamma of a sweep is to "
            f"be expected from {low:.2g} to {high:.2g}, nine times in ten, as in the games below."
        )
    yield (
        "Held against sweeps of 20 small games, gamma was safe rather than best: distances at most 17 % above the "
        "best's, within a factor 2 of it in 6 of 18; measure again at weights trained with it (docs/howto/gamma.md)."
    )
    yield f"from {found.batches} batches and {found.products} products with the Jacobian"
