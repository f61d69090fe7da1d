"""When to stop a run: what its losses can say, and what they cannot."""

from __future__ import annotations

from collections.abc import Sequence

from .regime_kinds import RegimeKind
from .regimes import LossRegime
from .signs import sign_of

_FAILED = (RegimeKind.WON, RegimeKind.COLLAPSED, RegimeKind.DEAD, RegimeKind.DIVERGING)
# of runs of ours that failed, how many a monitor saw by two losses alone (benchmarks/monitor.md)
_BY_LOSSES = (
    "; of 90 runs that failed, two losses alone showed 80, 61 of them in time: log samples' spread and weights' norms "
    "beside them"
)


def can_stop(found: Sequence[LossRegime], names: Sequence[str] = ()) -> str:
    """Whether to stop a run, as far as its losses can say, and how sure losses without anything beside them are.

    Args:
        found: its regimes, in order.
        names: of the series that the log has.

    Example:
        >>> can_stop([])
        'the log says nothing: losses alone do not tell when to stop'
    """
    if not found:
        return "the log says nothing: losses alone do not tell when to stop"
    r, failed = found[-1], _failed_since(found)
    before = f"before {failed:.6g}, where it began to fail" if failed < r.start else "before"
    said = {
        RegimeKind.DIVERGING: f"yes: it diverges since {r.start:.6g}; use a checkpoint from {before}",
        RegimeKind.DEAD: f"yes: nothing moves since {r.start:.6g}; use a checkpoint from {before}",
        RegimeKind.COLLAPSED: f"yes: the samples have lost their variety since {r.start:.6g}; use a checkpoint from "
        f"{before}",
        RegimeKind.WON: f"yes, or change it: the {r.player} has won since {r.start:.6g}, and the other learns little "
        f"or nothing more; compare samples with a checkpoint from {before}",
        RegimeKind.DRIFTING: "the losses still move, so the players do too; whether samples still improve only a "
        "sample metric (such as FID) can say",
        RegimeKind.ROTATING: "the losses cannot say: the players turn around a point that does not move; average the "
        "weights over several turns and judge those samples",
        RegimeKind.START: "no: the run has hardly begun",
        RegimeKind.TRANSIENT: "no: the run is on its way to another state",
    }
    if r.kind in said:
        return said[r.kind]
    alone = not any(map(sign_of, names))
    return (
        f"the losses cannot say: they stay where they are since {r.start:.6g}, which fits a finished run as well as a "
        f"stalled one; a sample metric (such as FID) that no longer falls can say it{_BY_LOSSES if alone else ''}"
    )


def _failed_since(found: Sequence[LossRegime]) -> float:
    """The clock at the first of the failures that a run ends with, whatever transients lie between them."""
    since = found[-1].start
    for r in reversed(found):
        if r.kind in _FAILED:
            since = r.start
        elif r.kind is not RegimeKind.TRANSIENT:
            break
    return since
