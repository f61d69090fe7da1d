"""How what `dg.prescribe` measures moves with the resolution of images and with the batch: slopes of power laws.

    python benchmarks/prescribe_law.py [--steps 400] [--only resolution|batch]

Images of one bright spot at a random place, the same scene at 8, 16 and 32 pixels; a dense and a convolutional pair of
networks, neither normalised, Adam 1e-3, R1 of 10, two seeds. One line a run on standard output, then the slopes of
log omega, log kappa and log gamma with 90 % intervals (Student's t over the runs of one kind of network).
"""

from __future__ import annotations

import argparse
import itertools
from typing import Any

import numpy as np
import prescribe
from scipy.stats import linregress, t

import diracgan as dg
from diracgan.training import Architecture
from diracgan.training.problems import Problem, problem, samples

SEEDS, GAMMA, STEPS, LATENT = [0, 1], 10.0, 250, 8
SIDES, BATCHES = (8, 16, 32), (32, 128, 512)
NETWORKS = {
    "dense": Architecture(kind="mlp", width=32),
    "convolutional": Architecture(kind="dcgan", width=4, norm_d="none", norm_g="none"),
}


def spots(side: int, count: int = 512) -> Problem:
    """``count`` images of one Gaussian spot, a seventh of the image wide, sampled at the pixels' centres."""
    at = (np.arange(side) + 0.5) / side
    centre = np.random.default_rng(0).uniform(0.2, 0.8, (count, 2))
    near = np.exp(-0.5 * ((at - centre[..., None]) / 0.15) ** 2)
    image = 2.0 * near[:, 0, :, None] * near[:, 1, None, :] - 1.0
    return samples(image[..., None].astype(np.float32), latent=LATENT, images=True)


def measured(made: Problem, network: Architecture, batch: int, steps: int) -> np.ndarray:
    """(omega, damping without R1, kappa, gamma) of every seed, per iteration, after ``steps`` of training."""
    rule = dg.rule("adam", lr=1e-3, beta1=0.5, alternating=True)
    rules, games, at = prescribe.stacked(made, network, "ns", rule, [GAMMA], SEEDS)
    start = (at, prescribe.memories(rules, games, at))
    state = prescribe.trained(rules, games, start, SEEDS, steps, batch=batch)
    found = np.asarray(prescribe.mode(rules, games, state), float)
    design = prescribe.Design("spots", network.width, "ns", "adam")
    gamma = [prescribe.rule_for(design, prescribe.PROTOCOL["rules"]["second"], *row) for row in found]
    return np.column_stack([found, gamma])


def law(size: list[float], value: list[float]) -> str:
    """The exponent of a power law and its 90 % interval."""
    value = [v if v > 0 else np.nan for v in value]
    kept = np.isfinite(value)
    fit: Any = linregress(np.log(np.array(size)[kept]), np.log(np.array(value)[kept]))
    half = t.ppf(0.95, kept.sum() - 2) * fit.stderr
    return f"{fit.slope:+.2f} ({fit.slope - half:+.2f} to {fit.slope + half:+.2f})"


def main() -> None:
    options = argparse.ArgumentParser(description="Prescriptions by resolution and batch.")
    options.add_argument("--steps", type=int, default=STEPS)
    options.add_argument("--only", choices=("resolution", "batch"))
    given = options.parse_args()
    plans: list[tuple[str, str, list[tuple[float, Problem, int]]]] = [
        ("resolution", "pixels", [(float(s * s), spots(s), 64) for s in SIDES]),
        ("batch", "batch", [(float(b), spots(16), b) for b in BATCHES]),
    ]
    for (plan, unit, runs), kind in itertools.product(plans, NETWORKS):
        if given.only in (None, plan) and (plan, kind) != ("batch", "convolutional"):
            told(kind, unit, runs, NETWORKS[kind], given.steps)
    if given.only != "resolution":
        told(
            "points8",
            "batch",
            [(float(b), problem("points8"), b) for b in BATCHES],
            NETWORKS["dense"],
            given.steps,
        )


def told(kind: str, unit: str, runs: list[tuple[float, Problem, int]], network: Any, steps: int) -> None:
    sizes, rows = [], []
    for size, made, batch in runs:
        for row in measured(made, network, batch, steps):
            words = zip(("omega", "damping", "kappa", "steepest", "gamma"), row, strict=True)
            print(f"{kind} {unit} = {size:g}: " + ", ".join(f"{n} {x:.3g}" for n, x in words), flush=True)
            sizes.append(size)
            rows.append(row)
    for name, column in (("omega", 0), ("kappa", 2), ("steepest", 3), ("gamma", 4)):
        print(f"  {kind}: {name} goes like {unit}^{law(sizes, [float(r[column]) for r in rows])}", flush=True)


if __name__ == "__main__":
    main()
