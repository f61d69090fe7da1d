"""The verdict on one start: the reduced system that is followed, and the judges' answer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ... import dirac
from ...dynamics.collinear import line_of
from ...dynamics.filippov import DiracSystem
from ...errors import one_line
from ...game import Players
from ...rules import Rule
from ...variants import Variant
from ..kinds import Kind
from .adaptive import by_averaging
from .decide import decide
from .evidence import Answer, Case
from .loss_errors import raised_by_loss


def answer_from(
    variant: Variant, start: Players, datum: np.ndarray, rule: Rule | None, rates: Players, budget: float
) -> tuple[Case, Answer]:
    """What happens from ``start``, with at most ``budget`` field evaluations; ``undecided`` where the loss fails."""
    with jax.enable_x64(True):
        system = DiracSystem(*dirac.cast((variant, datum, rates), jnp.float64), tau=None)
        # a clipped critic starts on its box
        projected = dirac.game(system.variant, system.x0).project(start)
        begin = Players(*(np.asarray(p) for p in projected))
        line = line_of(system, begin) if rule is None else None
        case = Case(variant, system, rule, begin, line, budget, decide)
        try:
            return case, by_averaging(case, decide(case))
        except Exception as error:
            if not raised_by_loss(error, variant):  # a bug of ours never hides behind "undecided"
                raise
            case.note("the loss itself raised an error while it was followed")
            return case, Answer(Kind.UNDECIDED, {}, f"undecided: the loss failed with {one_line(error)}")
