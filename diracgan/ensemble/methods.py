"""The fixed-step methods of a flow: each is a rule, so that there is one way to iterate."""

from __future__ import annotations

import functools

import jax
import numpy as np

from ..game import GameLike, Players
from ..pytrees import Pytree
from ..rules import Rule
from ..rules.runge_kutta import RK4


@functools.cache
def tableau() -> tuple[list[list[float]], list[float]]:
    """Tsitouras' 5(4) pair (2011): the rows a_i, the last of which is the solution, and the weights of the error."""
    import diffrax

    t = diffrax.Tsit5.tableau
    return [np.asarray(row).tolist() for row in t.a_lower], np.asarray(t.b_error).tolist()


class Tsit5(Rule):
    """One step of Tsitouras' fifth-order method (doi 10.1016/j.camwa.2011.06.002)."""

    def iterate(self, game: GameLike, players: Players, memory: Pytree) -> tuple[Players, Pytree]:
        """Six stages."""
        slopes, new = [game.velocity(players)], players
        for k, row in enumerate(tableau()[0], 1):
            pull = jax.tree.map(
                lambda *v, row=row: sum(c * x for c, x in zip(row, v, strict=True) if c), *slopes
            )
            new = Players(
                *(
                    jax.tree.map(lambda z, v, h=h: z + h * v, z, v)
                    for z, v, h in zip(players, pull, self.rates, strict=True)
                )
            )
            if k < len(tableau()[0]):
                slopes.append(game.velocity(new))
        return game.apply_step(new, self.rates), memory


METHODS: dict[str, type[Rule]] = {"rk4": RK4, "tsit5": Tsit5}
"""Name -> the rule that makes one step of length ``lr``."""
