"""What the presets' own numbers do in the Dirac game and on ring8, from 5,000 to 20,000 iterations.

``python benchmarks/presets.py [NAME ...]``: three seeds a preset, networks of 32 units, minibatches of 64; two minutes
of processor time. Each range is that of the seeds. *near*: the share of 2,048 samples within 0.3 of a mode. *spread*:
the standard deviation around the straight line over the last 2,500 iterations of the mean logit of 512 real samples, of
512 made ones, of the difference of both, and of the generator's mean sample; a turn is 2 pi over the mean frequency.
"""

from __future__ import annotations

import sys

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import diracgan as dg
from diracgan.measure.forecast import mean_frequency, spread
from diracgan.training import networks, trainer
from diracgan.training.config import configure
from diracgan.training.generation import sample
from diracgan.training.runs import start

SEEDS, WIDTH, BATCH = 3, 32, 64
EARLY, WINDOW, STEPS = 5_000, 2_500, 20_000
NEAR, SAMPLES, WATCHED = 0.3, 2_048, 512
LEAST = 0.02  # share of the samples at a mode that is covered


@eqx.filter_jit
def followed(setup: trainer.TrainingSetup, state: trainer.TrainState, x: Array, z: Array) -> Array:
    """Of every run and iteration the mean logit of ``x``, that of the samples of ``z``, and their mean, (S, n, 4)."""

    def once(state: trainer.TrainState, _: None) -> tuple[trainer.TrainState, Array]:
        state = trainer.iteration(setup, state)
        phi, theta = state.inner.players
        made = networks.generator(theta, z)
        logits = [jnp.mean(networks.critic(phi, some)) for some in (x, made)]
        return state, jnp.concatenate([jnp.stack(logits), jnp.mean(made, axis=0)])

    return jax.vmap(lambda s: jax.lax.scan(once, s, length=WINDOW)[1])(state)


def covered(setup: trainer.TrainingSetup, state: trainer.TrainState) -> tuple[list[int], list[float]]:
    """Of every run the modes that hold samples, and the share in percent of the samples that are near one."""
    modes, near = [], []
    for k in range(SEEDS):
        theta = trainer.unstack(state, k).inner.players.theta
        x = np.asarray(sample(setup, theta, jax.random.key(0), SAMPLES)[0])
        far = np.linalg.norm(x[:, None] - np.asarray(setup.problem.data), axis=-1)
        close = far.min(axis=1) < NEAR
        shares = np.bincount(far.argmin(axis=1)[close], minlength=far.shape[1]) / SAMPLES
        modes.append(int((shares > LEAST).sum()))
        near.append(100.0 * float(close.mean()))
    return modes, near


def span(values: np.ndarray | list[float] | list[int]) -> str:
    """The least and the largest of several."""
    return f"{np.min(values):.2g} to {np.max(values):.2g}"


def measured(name: str) -> list[str]:
    """The row of a preset."""
    variant, rule = dg.preset(name)
    training = {"steps": STEPS, "batch": BATCH, "seeds": SEEDS}
    setup, state = start(
        configure(variant, "ring8", rule_=rule, networks={"width": WIDTH}, training=training)
    )
    state = trainer.advance(setup, state, EARLY)
    early = covered(setup, state)
    state = trainer.advance(setup, state, STEPS - WINDOW - EARLY)
    late = covered(setup, state)
    x = setup.problem.everything(jax.random.key(1), WATCHED).x
    z = setup.problem.latent(jax.random.key(2), WATCHED)
    series = np.asarray(followed(setup, state, x, z), float).transpose(0, 2, 1)
    real, made = series[:, 0], series[:, 1]
    turns = 2.0 * np.pi / mean_frequency(series[:, :2])
    spreads = [spread(s) for s in (real, made, real - made, series[:, 2:])]
    return [name, *map(span, (*early, *late)), *map(span, spreads), span(turns)]


def main() -> None:
    """Print a row for each preset, then what the Dirac game says."""
    names = sys.argv[1:] or list(dg.presets())
    columns = ["preset", f"modes at {EARLY:,}", "near (%)", f"modes at {STEPS - WINDOW:,}", "near (%)"]
    columns += ["spread: logits of real", "of made", "difference", "mean sample", "iterations a turn"]
    print("| " + " | ".join(columns) + " |\n" + "| --- " * len(columns) + "|")
    for name in names:
        print("| " + " | ".join(measured(name)) + " |", flush=True)
    for name in names:
        print(f"\n{name} in the Dirac game: {dg.averaged(*dg.preset(name)).text}", flush=True)


if __name__ == "__main__":
    main()
