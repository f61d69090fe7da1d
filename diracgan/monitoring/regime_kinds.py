"""The kinds of regimes, what each means and does not mean, and what helps: one vocabulary for logs and live runs."""

from __future__ import annotations

import enum


class RegimeKind(enum.StrEnum):
    """The kinds of regimes: what a run does over a stretch of its steps."""

    START = "start"
    TRANSIENT = "transient"
    CHANCE = "at-chance"
    SETTLED = "settled"
    ROTATING = "rotating"
    DRIFTING = "drifting"
    WON = "player-won"
    ONE_SIDED = "one-sided"
    COLLAPSED = "collapsed"
    DEAD = "dead"
    DIVERGING = "diverging"
    FLIPPED = "flipped"
    NEW_TERM = "new-term"


MEANS = {
    RegimeKind.START: (
        "the players leave their initial weights",
        "how the run continues cannot be told from it",
    ),
    RegimeKind.TRANSIENT: ("the run goes from one state to another", "its values belong to neither"),
    RegimeKind.CHANCE: (
        "the discriminator (critic) does no better than chance",
        "equal losses are not equal quality",
    ),
    RegimeKind.SETTLED: (
        "both losses stay where they are: the players keep each other in balance",
        "a level between chance and a player's victory does not measure quality",
    ),
    RegimeKind.ROTATING: (
        "the players chase each other",
        "the last weights are no better than earlier ones of the same turn",
    ),
    RegimeKind.DRIFTING: (
        "one player gains slowly on the other",
        "one loss that falls is not progress by itself",
    ),
    RegimeKind.WON: ("one player has won", "a loss near 0 is not a good model"),
    RegimeKind.ONE_SIDED: (
        "one player moves far more than the other, which cannot follow",
        "the losses may still look balanced",
    ),
    RegimeKind.COLLAPSED: (
        "the samples have lost most of their spread, or of the modes that they had",
        "losses near chance do not mean that samples are varied",
    ),
    RegimeKind.DEAD: ("nothing moves any more", "a constant loss is not convergence"),
    RegimeKind.DIVERGING: (
        "the losses grow without bound",
        "waiting does not help: what has grown does not come back",
    ),
    RegimeKind.FLIPPED: (
        "the player that led is now behind, or a loss has changed its sign",
        "a changed sign may be another convention of what is logged",
    ),
    RegimeKind.NEW_TERM: (
        "one loss jumps while the other continues: another term has been added to it, or its weight was changed",
        "values before and after are not the same quantity",
    ),
}

REMEDY = {
    RegimeKind.WON: "slow the winner (rate, steps per turn) or damp the critic with R1; go back to a checkpoint",
    RegimeKind.DRIFTING: "save a checkpoint; slow the critic (rate, steps per turn) or damp it with R1",
    RegimeKind.ONE_SIDED: "save a checkpoint; bring the two learning rates within a factor of ten of each other",
    RegimeKind.COLLAPSED: "go back to a checkpoint from before; slow the generator, or give the critic more steps",
    RegimeKind.DEAD: "go back to a checkpoint; look for a clipped logarithm, a dead layer, a learning rate of 0",
    RegimeKind.DIVERGING: "go back to a checkpoint from before and halve the learning rates, or add a penalty",
    RegimeKind.ROTATING: "average the weights; to damp it, add R1 or make the critic faster",
    RegimeKind.FLIPPED: "check that labels and signs are what they were; if so, the leader changed: nothing to do",
    RegimeKind.NEW_TERM: "compare each loss with its own past from here on only",
}

# what a monitor warns of; of drifting, where it goes to a player's victory
WARNED = (
    RegimeKind.WON,
    RegimeKind.ONE_SIDED,
    RegimeKind.COLLAPSED,
    RegimeKind.DEAD,
    RegimeKind.DIVERGING,
    RegimeKind.FLIPPED,
    RegimeKind.DRIFTING,
)
