"""What `dg.prescribe` says beside gamma, each tried once: the ratio of learning rates, the lazy interval, the average.

    python benchmarks/prescribe_others.py [--designs 0 1] [--problems gauss2d curve]

Games of diracgan/comparison/prescription.toml. A pilot of 500 steps, one seed, is measured at gamma = 3 and, for the
ratio, which stands in place of R1, without; then come whole runs, three other seeds, with what was prescribed, a
quarter and four times of it. The score is the protocol's sample distance.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import prescribe
from jax import Array

import diracgan as dg
from diracgan.game import Game, Players
from diracgan.measure.noise import ResampledGame
from diracgan.rules import Rule

GAMMA, PILOT, SEEDS, FACTORS = 3.0, 500, [20, 21, 22], (0.25, 1.0, 4.0)


@jax.jit
def advance(rules: Rule, games: Game, states: Any, keys: Array, lazy: Array, decay: Array) -> Any:
    """PIECE iterations with R1 on every ``lazy``-th alone, as many times as strong, and averaged generators."""

    def one(rule: Rule, game: Game, state: Any, key: Array, lazy: Array) -> Any:
        def go(state: Any, each: Any) -> tuple[Any, None]:
            (at, memory, means), (key, t) = state, each
            weight = jnp.where(t % lazy == 0, lazy, 0) * game.variant.added["r1"]
            now = dataclasses.replace(game, variant=game.variant.with_(r1=weight))
            at, memory = rule.iterate(
                ResampledGame(now, key, prescribe.PROTOCOL["training"]["batch"]), at, memory
            )
            means = jax.tree.map(
                lambda m, x: m + (1 - decay.reshape(-1, *[1] * x.ndim)) * (x - m), means, at.theta
            )
            return (at, memory, means), None

        return jax.lax.scan(go, state, (jax.random.split(key, prescribe.PIECE), jnp.arange(prescribe.PIECE)))[
            0
        ]

    return jax.vmap(one)(rules, games, states, keys, lazy)


def pilot(design: prescribe.Design) -> tuple[float, int, float]:
    """The ratio of learning rates, the lazy interval and the half-life in iterations, unrounded formulas."""
    modes = []
    for gamma in (GAMMA, 1e-6):
        seeds = [200] * len(SEEDS)
        rules, games, at = prescribe.started(design, [gamma], seeds)
        state = prescribe.trained(rules, games, (at, prescribe.memories(rules, games, at)), seeds, PILOT)
        modes.append(np.asarray(prescribe.mode(rules, games, state)[0], float))
    (omega, _, _, steepest), (turn, bare, _, _) = modes
    lazy = max(1, int(min(1.0 / (GAMMA * steepest), 1.0 / omega)))
    return 4.0 * turn**2 / bare**2, lazy, float(np.log(2.0) / omega)


def whole(design: prescribe.Design, plans: list[tuple[float, float, int]], lives: list[float]) -> np.ndarray:
    """Mean scores of (gamma, factor on lr_d, lazy) plans, (plans, 1 + half-lives): of the generators and averages."""
    _, games, at = prescribe.started(design, [p[0] for p in plans], SEEDS)
    each = [faster(design, p[1]) for p in plans for _ in SEEDS]
    rules = jax.tree.map(lambda *v: jnp.asarray(v, jnp.float32), *each)
    lazy = jnp.repeat(jnp.asarray([p[2] for p in plans]), len(SEEDS))
    means = jax.tree.map(lambda x: jnp.repeat(x[:, None], len(lives), axis=1), at.theta)
    state = (at, prescribe.memories(rules, games, at), means)
    decay = jnp.asarray(0.5 ** (1.0 / np.array(lives)), jnp.float32)
    for piece in range(prescribe.PROTOCOL["training"]["steps"] // prescribe.PIECE):
        keys = jnp.stack([jax.random.fold_in(jax.random.key(7 * s + 3), piece) for s in SEEDS] * len(plans))
        state = advance(rules, games, state, keys, lazy, decay)
    columns = [state[0].theta, *(jax.tree.map(lambda m, k=k: m[:, k], state[2]) for k in range(len(lives)))]
    scores = [prescribe.distances(games, Players(state[0].phi, theta)) for theta in columns]
    return np.mean(np.reshape(scores, (len(columns), len(plans), len(SEEDS))), axis=2).T


def faster(design: prescribe.Design, factor: float) -> Rule:
    """The design's rule with the critic's learning rate times ``factor``."""
    how = prescribe.PROTOCOL["optimisers"]
    rates = {"lr_d": factor * how[design.optimiser], "lr_g": how[design.optimiser]}
    if design.optimiser == "sgd":
        return dg.rule("alternating", **rates)
    return dg.rule("adam", **rates, beta1=how["beta1"], alternating=True)


def main() -> None:
    options = argparse.ArgumentParser(description="The other prescriptions, each tried once.")
    options.add_argument("--designs", type=int, nargs="*", default=[0, 1])
    options.add_argument("--problems", nargs="*", default=["gauss2d", "curve"])
    given = options.parse_args()
    for k in given.designs:
        for name in given.problems:
            design = prescribe.Design(name, *prescribe.PROTOCOL["games"]["designs"][k])
            ratio, lazy, life = pilot(design)
            plans = [(1e-6, 1.0, 1), *((1e-6, f * ratio, 1) for f in FACTORS), (GAMMA, 1.0, 1)]
            plans += [(GAMMA, 1.0, max(1, round(f * lazy))) for f in FACTORS]
            found = whole(design, plans, [f * life for f in (0.25, 1.0, 4.0, 16.0)])
            print(
                f"{design.name}: ratio {ratio:.3g}, lazy {lazy}, half-life {life:.3g} iterations", flush=True
            )
            for plan, row in zip(plans, found, strict=True):
                print(
                    f"  gamma {plan[0]:g}, lr_d x {plan[1]:.3g}, lazy {plan[2]}: {np.array2string(row, precision=3)}"
                )


if __name__ == "__main__":
    main()
