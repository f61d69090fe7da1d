"""What linear theory leaves out where a rule is adaptive: it holds at rest, where no run under that rule ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ...errors import InputError
from ...rules import Rule
from ...variants import Variant
from ..kinds import Outcome
from .averaged import AveragedFlow, averaged


def adaptive_flow(
    variant: Variant | None,
    rule: Rule | None,
    dim: int | None = None,
    x0: ArrayLike | None = None,
    start: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
) -> AveragedFlow | None:
    """The averaged flow, where the rule is adaptive and there is one that leads somewhere; None for everything else.

    Example:
        >>> import diracgan as dg
        >>> adaptive_flow(dg.variant("ns"), dg.rule("simultaneous")) is None
        True
    """
    if variant is None or rule is None or not rule.is_adaptive:
        return None
    phi0, theta0 = start
    alone = phi0 is theta0 is None
    try:
        found = averaged(variant, rule, phi0=phi0, theta0=theta0, dim=dim if alone else None, x0=x0)
    except InputError:  # its steps follow the gradient, or x0 has more dimensions
        return None
    return None if found.kind is Outcome.UNDECIDED else found


def beyond_rest(variant: Variant, rule: Rule | None, x0: ArrayLike) -> str:
    """What an answer of linear theory leaves out where the rule is adaptive, as the end of a sentence.

    Args:
        variant: what is minimised.
        rule: how the players move; None for the flow.
        x0: the datum, (d,); in d > 1, where its coordinates hang together, only where the answer holds is said.

    Example:
        >>> import diracgan as dg
        >>> beyond_rest(dg.variant("wgan-linear"), dg.rule("adam", lr=0.01, beta1=0.5), [0.0])[:66]
        '; that holds while velocities stay below 1e-08; from (0.1, 0.2) it'
    """
    return without_rest(rule, adaptive_flow(variant, rule, np.size(x0), x0))


def without_rest(rule: Rule | None, flow: AveragedFlow | None) -> str:
    """The same, given the rule's averaged flow, where there is one.

    Example:
        >>> import diracgan as dg
        >>> without_rest(dg.rule("adam"), None)
        '; that holds while velocities stay below 1e-08; beyond, no averaged flow is known: ask verdict with a start'
    """
    bound = None if rule is None or not rule.is_adaptive else rule.linear_below
    where = "at rest" if bound is None else f"while velocities stay below {bound:g}"
    if flow is not None:
        source = "by iterating it" if flow.iterated else "by its averaged flow"
        return f"; that holds {where}; from (0.1, 0.2) it {flow.text}, {source}"
    if bound is None:  # its steps may follow the gradient
        return ""
    return f"; that holds {where}; beyond, no averaged flow is known: ask verdict with a start"
