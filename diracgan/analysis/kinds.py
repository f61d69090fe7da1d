"""The one vocabulary of verdicts: the kinds, and what a run of finite length shows of each.

A new kind is one more member of :class:`Kind` and a judge that returns it; the report's schema, its gate, sweeps, the
pictures and ``diagnose`` read it here.
"""

from __future__ import annotations

from ..vocabulary import Vocabulary


class Outcome(Vocabulary):
    """Where a run of finite length is going, as sweeps classify it (their ``limit``); ``meaning`` says it in words.

    Example:
        >>> Outcome.ORBIT.meaning
        'on an orbit, or settling on one'
    """

    EQUILIBRIUM = "equilibrium", "within the ball around (0, x0)"
    CONVERGING = "converging", "towards (0, x0)"
    ELSEWHERE = "elsewhere", "at rest at another point"
    ORBIT = "orbit", "on an orbit, or settling on one"
    GROWING = "growing", "growing without an end in sight"
    DIVERGES = "diverges", "beyond the float range or the radius of escape"
    UNDECIDED = "undecided", "none of these until the end of the run"


_POINT = (Outcome.EQUILIBRIUM, Outcome.CONVERGING)
_ELSEWHERE = (Outcome.ELSEWHERE, Outcome.EQUILIBRIUM)


class Kind(Vocabulary):
    """What truly happens from a start.

    Attributes:
        meaning: what it says, as the table of docs/concepts/verdicts.md has it.
        words: for under a picture.
        outcomes: what a run of finite length may show of it, besides ``undecided``.

    Example:
        >>> Kind("limit-cycle").words, Kind.LIMIT_CYCLE == "limit-cycle", Kind.LIMIT_CYCLE.is_orbit
        ('onto a limit cycle', True, True)
    """

    def __init__(self, word: str, meaning: str, words: str, outcomes: tuple[Outcome, ...]) -> None:
        super().__init__(word, meaning)
        self.words, self.outcomes = words, outcomes

    CONVERGES_EXPONENTIALLY = (
        "converges-exponentially",
        "arrives at the equilibrium, like exp(-rate t)",
        "converges exponentially",
        _POINT,
    )
    CONVERGES_SUBLINEARLY = (
        "converges-sublinearly",
        "arrives at the equilibrium, like C t^-p",
        "converges, slower than any exponential",
        _POINT,
    )
    CONVERGES_ELSEWHERE = (
        "converges-elsewhere",
        "comes to rest, or creeps to rest, but not at the equilibrium",
        "comes to rest elsewhere",
        _ELSEWHERE,
    )
    NEUTRAL_ORBIT = (
        "neutral-orbit",
        "keeps the orbit it starts on, and so do its neighbours",
        "a neutral orbit",
        (Outcome.ORBIT,),
    )
    LIMIT_CIRCLE = (
        "limit-circle",
        "ends with constant |φ| and |θ|",
        "onto a circle",
        (Outcome.ORBIT,),
    )
    LIMIT_CYCLE = (
        "limit-cycle",
        "ends on a closed orbit that attracts, from one side at least",
        "onto a limit cycle",
        (Outcome.ORBIT,),
    )
    DIVERGES = (
        "diverges",
        "leaves every bounded set",
        "diverges",
        (Outcome.DIVERGES, Outcome.GROWING),
    )
    FINITE_TIME = (
        "finite-time",
        "leaves every bounded set before a finite time (blow-up)",
        "blows up in finite time",
        (Outcome.DIVERGES,),
    )
    STUCK = (
        "stuck",
        "rests after a finite time, on a discontinuity or where the field is as steep as a square root",
        "stuck on a discontinuity",
        _ELSEWHERE,
    )
    AT_EQUILIBRIUM = (
        "at-equilibrium",
        "starts on an equilibrium; the text says what a nearby start does",
        "starts at rest",
        _ELSEWHERE,
    )
    UNDECIDED = (
        "undecided",
        "not known, with the reason",
        "undecided",
        tuple(Outcome),
    )
    QUASI_PERIODIC = (
        "quasi-periodic",
        "turns with two frequencies on a torus that attracts",
        "onto a torus",
        (Outcome.ORBIT,),
    )
    CHAOTIC = (
        "chaotic",
        "stays bounded while neighbours separate exponentially",
        "chaos",
        (Outcome.ORBIT,),
    )

    @property
    def arrives(self) -> bool:
        """Whether the motion comes to the equilibrium."""
        return self in (Kind.CONVERGES_EXPONENTIALLY, Kind.CONVERGES_SUBLINEARLY)

    @property
    def is_orbit(self) -> bool:
        """Whether the motion goes round for ever."""
        return Outcome.ORBIT in self.outcomes and self is not Kind.UNDECIDED


KINDS: tuple[str, ...] = tuple(kind.value for kind in Kind)
"""The kinds as plain strings, in the order in which sweeps number them."""

OUTCOMES: tuple[str, ...] = tuple(outcome.value for outcome in Outcome)
"""The outcomes as plain strings, in the order in which sweeps number them."""
