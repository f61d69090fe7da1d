"""The one vocabulary of linear statuses; imports nothing else, so that plotting may read it."""

from __future__ import annotations

from ...vocabulary import Vocabulary


class Status(Vocabulary):
    """What the linearisation can say; ``meaning`` says it in words, ``words`` for a title.

    Example:
        >>> Status("marginal").meaning
        '|margin| <= error: undecided'
    """

    def __init__(self, word: str, meaning: str, words: str) -> None:
        super().__init__(word, meaning)
        self.words = words

    STABLE = "stable", "small perturbations decay: margin > error", "linearly stable"
    UNSTABLE = "unstable", "some grow: margin < -error", "linearly unstable"
    MARGINAL = "marginal", "|margin| <= error: undecided", "undecided by eigenvalues"
    NO_DERIVATIVE = (
        "no-derivative",
        "a kink or a jump at the equilibrium: no Jacobian, no eigenvalues",
        "no derivative at the equilibrium",
    )
    NOT_AN_EQUILIBRIUM = (
        "not-an-equilibrium",
        "the field does not vanish there, or has no value",
        "no equilibrium",
    )


STATUSES = tuple(s.value for s in Status)
"""The words; arrays hold their numbers."""
WITH_EIGENVALUES = STATUSES[:3]
DECIDED = STATUSES[:2]
