"""The verdict on one start: the reduced system that is followed, and the judges' answer."""

from __future__ import annotations

import dataclasses
import logging

import jax.numpy as jnp
import numpy as np

from ... import dirac
from ...dynamics.collinear import InvariantLine, invariant_line, line_of
from ...dynamics.filippov import DiracSystem
from ...errors import one_line
from ...game import Players
from ...jax_settings import own_settings
from ...variants.loss_errors import raised_by_loss
from ..kinds import Kind
from ..linear.settings import LinearSettings
from ..linear.spectrum import spectrum_of
from ..linear.status import DECIDED, Status
from .adaptive import by_averaging
from .decide import decide
from .evidence import Answer, Case, allowed, by

_log = logging.getLogger(__name__)


def answer_from(asked: LinearSettings, budget: float, label: str = "") -> tuple[Case, Answer]:
    """What happens from a point, with at most ``budget`` field evaluations; ``undecided`` where the loss fails.

    A log's lines about it begin with ``label``.
    """
    variant, rule = asked.variant, asked.rule
    # what leaves the float range is judged as the infinity or NaN that it becomes
    with own_settings(True), np.errstate(all="ignore"):
        system = DiracSystem(*dirac.cast((variant, asked.x0, asked.rates), jnp.float64), tau=None)
        begin = Players(*(np.asarray(p) for p in allowed(system, asked.point)))
        line = (
            None if rule is not None else line_of(system, begin) or _line_that_decides(asked, system, begin)
        )
        case = Case(variant, system, rule, begin, line, budget, decide)
        case.label = label
        try:
            found = decide(case)
            averaged = by_averaging(case, found)
            if averaged is found:
                return case, found
            answer = by(by_averaging, averaged)
            _log.debug("%s%s in its place: %s", label, answer.judge, answer.text)
            return case, answer
        except Exception as error:
            if not raised_by_loss(error, variant):  # a bug of ours never hides behind "undecided"
                raise
            case.note("the loss itself raised an error while it was followed")
            text = f"undecided: the loss failed with {one_line(error)}"
            return case, by(answer_from, Answer(Kind.UNDECIDED, {}, text))


def _line_that_decides(asked: LinearSettings, system: DiracSystem, begin: Players) -> InvariantLine | None:
    """The line through a datum other than 0 on which the linearisation decides, though across it it does not.

    What rounding puts beside the line would never come to rest.
    """
    line = invariant_line(system, begin) if np.any(asked.x0) else None
    if line is None:
        return None
    data = (np.asarray(x) for x in (asked.x0, line.flat(system).x0))
    at_rest = (dataclasses.replace(asked, point=Players(np.zeros_like(x), x), x0=x) for x in data)
    whole, on = (spectrum_of(around).status for around in at_rest)
    return line if whole == Status.MARGINAL and on in DECIDED else None
