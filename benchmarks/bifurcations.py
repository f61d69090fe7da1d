"""What branches and curves of bifurcations cost in processor time, the first time and when all is compiled.

    python benchmarks/bifurcations.py [NAME ...]

Run it with an empty folder as JAX_COMPILATION_CACHE_DIR, or none, for what a first process pays.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

import diracgan as dg


class TwoFolds(dg.Variant):
    """phi' = k + phi - phi^3/3, theta' = -theta, with the datum 1."""

    k: float = 0.0

    def critic_loss(self, real: Any, fake: Any, x_real: Any, x_fake: Any) -> Any:
        """The integral of phi'."""
        return -jnp.mean(self.k * real + real**2 / 2 - real**4 / 12)

    def generator_loss(self, real: Any, fake: Any, x_real: Any, x_fake: Any) -> Any:
        """The integral of theta'."""
        return 0.5 * jnp.mean(x_fake**2)


class VanDerPol(dg.Variant):
    """phi' = (k - theta^2) phi - theta, theta' = phi, with the datum 1."""

    k: float = 0.3

    def critic_loss(self, real: Any, fake: Any, x_real: Any, x_fake: Any) -> Any:
        """The integral of phi'."""
        theta = x_fake[:, 0]
        return -jnp.mean((self.k - theta**2) * real**2 / 2 - theta * real)

    def generator_loss(self, real: Any, fake: Any, x_real: Any, x_fake: Any) -> Any:
        """The integral of theta'."""
        return -jnp.mean(fake)


NS = dg.variant("ns")
REST = ([0.0], [0.0])


def equilibria() -> int:
    """Points of a branch through two folds."""
    return len(dg.bifurcation.branch(TwoFolds(), "k=-1:1", start=([-(3**0.5)], [0.0]), x0=1.0).values)


def cycles() -> int:
    """Cycles from a Hopf point."""
    (hopf,) = dg.bifurcation.branch(VanDerPol(), "k=-1:1.5", start=REST, x0=1.0).points
    return len(dg.bifurcation.born_cycles(hopf, -1.0, 1.5).values)


def heavy_ball() -> int:
    """Curves of ns + R1 under alternating heavy ball."""
    rule = dg.rule("heavy-ball", beta=0.3, alternating=True)
    return len(dg.bifurcation.atlas(NS, ("gamma=0.01:1", "lr=0.02:5"), rule).curves)


def adam() -> int:
    """Curves of ns + R1 under Adam with eps = 1e-3."""
    return len(dg.bifurcation.atlas(NS, ("gamma=0.05:2", "lr=0.0001:0.02"), dg.rule("adam", eps=1e-3)).curves)


def main() -> None:
    """Time each twice."""
    made: list[Callable[[], int]] = [equilibria, cycles, heavy_ball, adam]
    for measured in [f for f in made if f.__name__ in sys.argv[1:] or not sys.argv[1:]]:
        spent = []
        for _ in range(2):
            begin = time.process_time()
            count = measured()
            spent.append(time.process_time() - begin)
        print(f"{measured.__name__}: {count}; first {spent[0]:.2f} s, again {spent[1]:.2f} s", flush=True)


if __name__ == "__main__":
    main()
