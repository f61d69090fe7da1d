"""Distant cycles of an adaptive rule (Adam), which its averaged flow knows and a run of bounded length misses."""

from __future__ import annotations

import numpy as np

from ..kinds import Kind, Outcome
from ..slow_flow.beyond_rest import adaptive_flow
from .evidence import Answer, Case

_OPEN = (Kind.LIMIT_CYCLE, Kind.DIVERGES, Kind.UNDECIDED)


def by_averaging(case: Case, answer: Answer) -> Answer:
    """The answer, but that of the averaged flow for an adaptive rule in d = 1 whose run was too short to decide."""
    if answer.kind not in _OPEN or "period" in answer.numbers:
        return answer
    x0 = np.asarray(case.full.x0)
    flow = adaptive_flow(case.variant, case.rule, len(x0), x0, case.start)
    if flow is None or flow.iterated:
        return answer
    case.note(f"averaged flow: {flow.text}; computed from {flow.computed_from}")
    case.note(f"the run itself: {answer.text}")
    text = f"{flow.text}, by its averaged flow"
    if flow.kind is Outcome.GROWING:
        if flow.unbounded and answer.kind is Kind.DIVERGES:
            return answer
        kind = Kind.DIVERGES if flow.unbounded else Kind.UNDECIDED
        exponent = {} if flow.growth is None else {"exponent": -flow.growth}
        return Answer(kind, exponent, text if flow.unbounded else f"undecided: {text}")
    numbers = {"radius_phi": flow.amplitude, "radius_theta": flow.amplitude_theta, "period": flow.period}
    text += "; whether neighbours among single steps come together there is more than an average says"
    return Answer(Kind.LIMIT_CYCLE, numbers, text)
