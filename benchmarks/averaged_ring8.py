"""What the averaged flow of Adam can say of a network on ring8, without minibatches, and what is measured there.

``python benchmarks/averaged_ring8.py [--seed0 1000]``: networks of 10 units (tanh, two hidden layers), ns with R1, 256
samples in every iteration, Adam 2e-3, beta2 0.999, in turns, 10,000 iterations, of which the last 2,500 are measured.

The forecast, fixed before seeds from 0 were run: at iteration 7,500 take the field's Jacobian J and Adam's own step
per unit of gradient s; of the eigenvalues mu of diag(s) J that turn (|Im| > |Re|/2, a period below the window) the
least damped one. Its delta = -Re mu/|Im mu| is the damping per radian of docs/concepts/adam.md, whose balance
tau1 w^2 = 1/(8 tau2) + w delta gives the angle w per iteration. On the cycle every weight then has the root mean
square lr/w, in the phases psi of the eigenvector; the mean logit that of lr/w |sum_i dD/dw_i exp(i psi_i)|. Where w
exceeds half a radian there is no rotation of many steps, and where delta < 0 the mode grows: no cycle is forecast.
Right is a spread within 20 %. Beside it, what holds on any cycle of Adam: that weights have the root mean square
lr/w, with the mean frequency w of the mean logit as it is measured.
"""

from __future__ import annotations

import argparse
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import diracgan as dg
from diracgan.game import Game, Players
from diracgan.measure import operators
from diracgan.measure.forecast import mean_frequency, spread
from diracgan.training import Architecture, networks
from diracgan.training.architecture import players
from diracgan.training.problems import problem

WIDTH, SAMPLES, LR, BETA2 = 10, 256, 2e-3, 0.999
STEPS, WINDOW = 7_500, 2_500
R1, BETA1 = (0.001, 0.1), (0.5, 0.9)
FASTEST, TURNS, WITHIN = 0.5, 0.5, 0.20


class Checkpoint(NamedTuple):
    """A run before its last iterations: the game, the networks and what Adam remembers."""

    game: Game
    players: Players
    memory: Any


def fresh(r1: float, seed: int) -> tuple[Game, Players]:
    """The game on samples that stay, and new networks."""
    made, keys = problem("ring8", latent=2), jax.random.split(jax.random.key(seed), 3)
    shape = Architecture(kind="mlp", width=WIDTH, depth=2, activation_d="tanh", activation_g="tanh")
    nets = operators.doubled(players(shape, made, keys[0]))
    x = jnp.asarray(np.asarray(made.everything(keys[1], SAMPLES).x[:SAMPLES], float))
    z = jax.random.normal(keys[2], (SAMPLES, 2), jnp.float64)
    variant = dg.variant("ns").with_(r1=r1)
    return Game(operators.doubled(variant), x, z, networks.critic, networks.generator), nets


def mean_logit(game: Game, at: Players) -> Array:
    """Of the real samples."""
    return jnp.mean(game.logits(at.phi, game.x_real))


@jax.jit
def trained(rule: dg.Rule, game: Game, at: Players) -> tuple[Checkpoint, Array, Array]:
    """The checkpoint, and of the iterations after it the mean logits and all weights."""

    def once(state: Any, _: None) -> tuple[Any, tuple[Array, Array]]:
        state = rule.iterate(game, *state)
        return state, (mean_logit(game, state[0]), operators.flat(state[0]))

    start = jax.lax.fori_loop(0, STEPS, lambda _, s: rule.iterate(game, *s), (at, rule.memory(game, at)))
    return Checkpoint(game, *start), *jax.lax.scan(once, start, length=WINDOW)[1]


@jax.jit
def linearised(rule: dg.Rule, at: Checkpoint) -> tuple[Array, Array]:
    """diag(s) J at a checkpoint, and the mean logit's gradient."""
    game, here, memory = at
    sizes = rule.step_sizes(here, memory)
    y = operators.flat(here)
    slope = jax.jacfwd(lambda y: operators.flat(game.velocity(operators.unflat(here, y))))(y)
    gradient = jax.grad(lambda y: mean_logit(game, operators.unflat(here, y)))(y)
    return operators.flat(sizes)[:, None] * slope, gradient


def forecast(matrix: np.ndarray, gradient: np.ndarray, beta1: float) -> tuple[float, float, float]:
    """Damping per radian, angle per iteration and spread of the mean logit on the cycle; NaN where there is none."""
    mu, vectors = np.linalg.eig(matrix)
    turning = np.flatnonzero((mu.imag > TURNS * np.abs(mu.real)) & (mu.imag > 2.0 * math.pi / WINDOW))
    if not len(turning):
        return math.nan, math.nan, math.nan
    k = turning[np.argmin(-mu[turning].real / mu[turning].imag)]
    delta = float(-mu[k].real / mu[k].imag)
    tau1, tau2 = beta1 / (1.0 - beta1), 1.0 / (1.0 - BETA2)
    angle = (delta + math.sqrt(delta**2 + tau1 / (2.0 * tau2))) / (2.0 * tau1)
    if angle > FASTEST or delta < 0:
        return delta, angle, math.nan
    phases = vectors[:, k] / np.abs(vectors[:, k])
    return delta, angle, LR / angle * abs(gradient @ phases)


def main() -> None:
    """A row for each run, and how many are right."""
    options = argparse.ArgumentParser(description="The averaged flow on ring8.")
    options.add_argument("--seed0", type=int, default=0)
    options.add_argument("--seeds", type=int, default=2)
    given = options.parse_args()
    columns = [
        "R1",
        "beta1",
        "seed",
        "delta",
        "period",
        "weights/lr",
        "spread",
        "period",
        "weights/lr",
        "spread",
    ]
    print("| " + " | ".join(columns) + " |\n" + "| --- " * len(columns) + "|")
    ratios, relations = [], []
    with jax.enable_x64(True):
        for r1 in R1:
            for seed in range(given.seed0, given.seed0 + given.seeds):
                game, nets = fresh(r1, seed)
                for beta1 in BETA1:
                    rule = operators.doubled(
                        dg.rule("adam", lr=LR, beta1=beta1, beta2=BETA2, alternating=True)
                    )
                    at, logits, weights = trained(rule, game, nets)
                    matrix, gradient = (np.asarray(x) for x in linearised(rule, at))
                    delta, angle, said = forecast(matrix, gradient, beta1)
                    moved = float(np.sqrt(np.mean(spread(np.asarray(weights).T) ** 2))) / LR
                    seen = float(spread(np.asarray(logits)))
                    period = 2.0 * math.pi / float(mean_frequency(np.asarray(logits)))
                    ratios.append(said / seen)
                    relations.append(period / (2.0 * math.pi) / moved)
                    row = [f"{delta:.3g}", f"{2 * math.pi / angle:.3g}", f"{1 / angle:.3g}", f"{said:.3g}"]
                    row += [f"{period:.3g}", f"{moved:.3g}", f"{seen:.3g}"]
                    print("| " + " | ".join([f"{r1:g}", f"{beta1:g}", str(seed), *row]) + " |", flush=True)
    known = np.array(ratios)[np.isfinite(ratios)]
    right = int(np.sum(np.abs(known - 1.0) <= WITHIN))
    print(f"\n{len(known)} of {len(ratios)} runs have a forecast; within 20 %: {right}", end="")
    print(f"; forecast over measured {known.min():.2g} to {known.max():.2g}" if len(known) else "")
    for k, beta1 in enumerate(BETA1):
        own = ", ".join(f"{x:.2f}" for x in relations[k :: len(BETA1)])
        print(f"beta1 {beta1:g}: lr/w over the weights' root mean square: {own}")


if __name__ == "__main__":
    main()
