"""What a critic's outputs on real and on fake samples say: one player has won, or the critic is at chance."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from ..variants import Variant
from .levels import labels_of, limits_of, regressed, toward

_SURE = 0.97  # of its way to victory, more than a loss needs: a mean output says less than a mean of losses
_SAME = 0.1  # of how far apart outputs are where a player has won: what is closer is the same


@dataclasses.dataclass(frozen=True)
class OutputLimits:
    """What a critic's outputs on real and fake samples are held against.

    Attributes:
        middle: what it says of every sample at chance.
        reach: how far apart from it both must be where a player has won.
        logistic: whether it may be logged as a probability.
    """

    middle: float
    reach: float
    logistic: bool

    def winner(self, real: float, fake: float) -> str | None:
        """``"critic"``, ``"generator"`` or None: each kind of samples on its own side, as far as it takes."""
        apart = min(real - self.middle, self.middle - fake), min(fake - self.middle, self.middle - real)
        return "critic" if apart[0] >= self.reach else "generator" if apart[1] >= self.reach else None

    def at_chance(self, real: float, fake: float) -> bool:
        """Whether the same is said of both, near the middle."""
        off = abs(0.5 * (real + fake) - self.middle)
        return abs(real - fake) <= _SAME * self.reach and off <= 2 * _SAME * self.reach

    def probabilities(self) -> OutputLimits:
        """The same of sigmoid(output)."""
        middle, high = (1 / (1 + math.exp(-x)) for x in (self.middle, self.middle + self.reach))
        return OutputLimits(middle, high - middle, False)


def output_limits(v: Variant) -> OutputLimits | None:
    """Where a critic's outputs say who has won; None for a loss whose values tell nothing, as a Wasserstein critic's.

    Example:
        >>> import diracgan as dg
        >>> limits = output_limits(dg.variant("ns"))
        >>> limits.winner(5.0, -5.0), limits.winner(1.0, -1.0), limits.probabilities().winner(0.99, 0.01)
        ('critic', None, 'critic')
    """
    import jax
    import jax.numpy as jnp

    found = limits_of(v)
    if found is None:
        return None
    low, high = labels_of(v) if regressed(v) else (-1.0, 1.0)
    middle, x = (low + high) / 2, (jnp.zeros((1, 2)), jnp.ones((1, 2)))
    apart = (high - low) / 2 * np.geomspace(0.1, 20.0, 100)
    losses = jax.vmap(lambda h: v.critic_loss(jnp.array([middle]) + h, jnp.array([middle]) - h, *x))(apart)
    way = [toward(float(d), found.chance[0], found.critic_won[0]) for d in losses]
    far = [h for h, share in zip(apart, way, strict=True) if share >= _SURE]
    return OutputLimits(middle, float(far[0]), v.labelled and not regressed(v)) if far else None
