"""The kinds of regimes, what each means and does not mean, and what helps: one vocabulary for logs and live runs."""

from __future__ import annotations

from ..vocabulary import Vocabulary


class RegimeKind(Vocabulary):
    """The kinds of regimes: what a run does over a stretch of its steps.

    Attributes:
        meaning: what the run does.
        means_not: what that does not say.
        remedy: what helps; empty where nothing is wrong.
    """

    def __init__(self, word: str, meaning: str, means_not: str, remedy: str = "") -> None:
        super().__init__(word, meaning)
        self.means_not, self.remedy = means_not, remedy

    START = "start", "the players leave their initial weights", "how the run continues cannot be told from it"
    TRANSIENT = (
        "transient",
        "the run goes from one state to another",
        "its values belong to neither",
    )
    CHANCE = (
        "at-chance",
        "the discriminator (critic) does no better than chance",
        "equal losses are not equal quality",
    )
    SETTLED = (
        "settled",
        "both losses stay where they are: the players keep each other in balance",
        "a level between chance and a player's victory does not measure quality",
    )
    ROTATING = (
        "rotating",
        "the players chase each other",
        "the last weights are no better than earlier ones of the same turn",
        "average the weights; to damp it, add R1 or make the critic faster",
    )
    DRIFTING = (
        "drifting",
        "one player gains slowly on the other",
        "one loss that falls is not progress by itself",
        "save a checkpoint; slow the critic (rate, steps per turn) or damp it with R1",
    )
    WON = (
        "player-won",
        "one player has won",
        "a loss near 0 is not a good model",
        "slow the winner (rate, steps per turn) or damp the critic with R1; go back to a checkpoint",
    )
    ONE_SIDED = (
        "one-sided",
        "one player moves far more than the other, which cannot follow",
        "the losses may still look balanced",
        "save a checkpoint; bring the two learning rates within a factor of ten of each other",
    )
    COLLAPSED = (
        "collapsed",
        "the samples have lost most of their spread, or of the modes that they had",
        "losses near chance do not mean that samples are varied",
        "go back to a checkpoint from before; slow the generator, or give the critic more steps",
    )
    DEAD = (
        "dead",
        "nothing moves any more",
        "a constant loss is not convergence",
        "go back to a checkpoint; look for a clipped logarithm, a dead layer, a learning rate of 0",
    )
    DIVERGING = (
        "diverging",
        "the losses grow without bound",
        "waiting does not help: what has grown does not come back",
        "go back to a checkpoint from before and halve the learning rates, or add a penalty",
    )
    FLIPPED = (
        "flipped",
        "the player that led is now behind, or a loss has changed its sign",
        "a changed sign may be another convention of what is logged",
        "check that labels and signs are what they were; if so, the leader changed: nothing to do",
    )
    NEW_TERM = (
        "new-term",
        "one loss jumps while the other continues: another term has been added to it, or its weight was changed",
        "values before and after are not the same quantity",
        "compare each loss with its own past from here on only",
    )

    @property
    def warned(self) -> bool:
        """Whether a live monitor warns of it: of what calls for a remedy, unless it may be meant."""
        return bool(self.remedy) and self not in (RegimeKind.ROTATING, RegimeKind.NEW_TERM)
