"""Prescribed gamma against sweeps: 20 small GANs, by diracgan/comparison/prescription.toml, which was written first.

    python benchmarks/prescribe.py [--out prescribe.jsonl] [--only N] [--report]

One JSON line per game is appended to the file as soon as the game is done; games that are in it already are not run
again. --only N stops after N more games; --report only reads the file. Progress goes to standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import hashlib
import json
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

import diracgan as dg
from diracgan.game import Game, Players
from diracgan.measure import operators
from diracgan.measure.noise import ResampledGame, drawn
from diracgan.measure.own_game import from_games
from diracgan.rules import Rule
from diracgan.training import networks
from diracgan.training.architecture import Architecture, players
from diracgan.training.problems import problem

RAW = files("diracgan.comparison").joinpath("prescription.toml").read_bytes()
PROTOCOL = tomllib.loads(RAW.decode())
PIECE = 500  # iterations of one program, so that runs of any length share it


@dataclasses.dataclass(frozen=True)
class Design:
    """One game of the protocol."""

    problem: str
    width: int
    loss: str
    optimiser: str

    @property
    def name(self) -> str:
        return f"{self.problem} width={self.width} {self.loss} {self.optimiser}"


def designs() -> list[Design]:
    given = PROTOCOL["games"]
    return [Design(p, *d) for p in given["problems"] for d in given["designs"]]


def rule_of(design: Design) -> Rule:
    how = PROTOCOL["optimisers"]
    if design.optimiser == "sgd":
        return dg.rule("alternating", lr=how["sgd"])
    return dg.rule("adam", lr=how["adam"], beta1=how["beta1"], alternating=True)


def started(design: Design, gamma: float, seeds: list[int]) -> tuple[Rule, Game, Players]:
    """The rule, the games and the networks of several seeds, stacked, in 64 bits."""
    how, train, count = PROTOCOL["games"], PROTOCOL["training"], len(seeds)
    made = problem(design.problem, latent=how["inputs"])
    form: dict[str, Any] = {"kind": "mlp", "width": design.width, "depth": how["depth"]}
    form |= {"activation_d": how["activation"], "activation_g": how["activation"]}
    nets, x, z = [], [], []
    for seed in seeds:
        keys = jax.random.split(jax.random.key(seed), 3)
        nets.append(players(Architecture(**form), made, keys[0]))
        rows = np.asarray(made.everything(keys[1], train["samples"]).x, float)
        x.append(np.resize(rows, (train["samples"], *rows.shape[1:])))
        z.append(np.asarray(jax.random.normal(keys[2], (train["samples"], how["inputs"]))))
    variant = dg.variant(design.loss).with_(r1=gamma)
    game = Game(
        operators.repeated(variant, count),
        jnp.asarray(np.stack(x)),
        jnp.asarray(np.stack(z)),
        networks.critic,
        networks.generator,
        mix=jnp.full(count, 0.5),
        jitter=jnp.zeros(count),
    )
    return operators.repeated(rule_of(design), count), game, operators.doubled(operators.stacked(nets))


@functools.partial(jax.jit, static_argnums=4)
def advance(rules: Rule, games: Game, states: Any, keys: Array, batch: int) -> Any:
    """PIECE iterations of every run on minibatches."""

    def one(rule: Rule, game: Game, state: Any, key: Array) -> Any:
        def go(state: Any, key: Array) -> tuple[Any, None]:
            return rule.iterate(ResampledGame(game, key, batch), *state), None

        return jax.lax.scan(go, state, jax.random.split(key, PIECE))[0]

    return jax.vmap(one)(rules, games, states, keys)


@jax.jit
def memories(rules: Rule, games: Game, at: Players) -> Any:
    return jax.vmap(lambda rule, game, z: rule.memory(game, z))(rules, games, at)


@jax.jit
def generated(games: Game, at: Players) -> Array:
    return jax.vmap(lambda game, z: game.generator(z.theta, game.z))(games, at)


def trained(design: Design, gamma: float, seeds: list[int], steps: int) -> tuple[Rule, Game, Any]:
    rules, games, at = started(design, gamma, seeds)
    state = (at, memories(rules, games, at))
    for piece in range(steps // PIECE):
        keys = jnp.stack([jax.random.fold_in(jax.random.key(7 * s + 3), piece) for s in seeds])
        state = advance(rules, games, state, keys, PROTOCOL["training"]["batch"])
    return rules, games, state


def score(design: Design, gamma: float) -> float:
    """The mean sample distance of the protocol at the end, over its seeds."""
    seeds = list(range(PROTOCOL["sweep"]["seeds"]))
    _, games, state = trained(design, gamma, seeds, PROTOCOL["training"]["steps"])
    made, data = np.asarray(generated(games, state[0])), np.asarray(games.x_real)
    if not np.all(np.isfinite(made)):
        return float("inf")
    from scipy.spatial import cKDTree

    both = [
        (cKDTree(b).query(a)[0].mean() + cKDTree(a).query(b)[0].mean()) / 2
        for a, b in zip(made, data, strict=True)
    ]
    return float(np.mean(both))


def prescribed(design: Design) -> tuple[Any, float]:
    """The prescription at the protocol's weights, and its cost in gradient evaluations on a minibatch."""
    how, train = PROTOCOL["prescription"], PROTOCOL["training"]
    seeds = [
        how["seed"] + i for i in range(PROTOCOL["sweep"]["seeds"])
    ]  # one is measured; as many share the program
    stacked = trained(design, how["gamma"], seeds, how["steps"])
    rule, game, (at, memory) = jax.tree.map(lambda x: x[0], stacked)

    def minibatches() -> Iterator[Game]:
        for i in range(how["batches"]):
            yield drawn(game, jax.random.fold_in(jax.random.key(how["seed"]), i), train["batch"])

    found = dg.prescribe(
        from_games(game, at, minibatches(), rule, memory),
        batches=how["batches"],
        gamma=how["gamma"],
        images=train["batch"],
    )
    large = train["samples"] / train["batch"]
    few = 4 * how["batches"]  # three products and a field on each minibatch; the others are on all samples
    return found, 2.0 * how["steps"] + 2.5 * (few + large * (found.products - 3 * how["batches"]))


def measured(design: Design) -> dict[str, Any]:
    """One game of the protocol as one line of the file."""
    began, sweep = time.process_time(), PROTOCOL["sweep"]
    with jax.enable_x64(True):
        found, cost = prescribed(design)
        tell(f"{design.name}: prescribed gamma {found.gamma.value}")
        gammas = np.geomspace(*sweep["gammas"][:2], int(sweep["gammas"][2]))
        scores = [score(design, float(g)) for g in gammas]
        own = None if found.gamma.value is None else score(design, found.gamma.value)
        preset = score(design, sweep["preset"])
    whole = 2.0 * len(gammas) * sweep["seeds"] * PROTOCOL["training"]["steps"]
    return {
        "game": design.name,
        "protocol": hashlib.sha256(RAW).hexdigest(),
        "gammas": gammas.tolist(),
        "scores": scores,
        "prescription": found.as_dict(),
        "score": own,
        "preset_score": preset,
        "cost": cost / whole,
        "processor_s": time.process_time() - began,
    }


def judged(line: dict[str, Any]) -> dict[str, Any]:
    """What the protocol asks of one game."""
    how = PROTOCOL["reach"]
    scores, gamma = np.array(line["scores"]), line["prescription"]["gamma"]["value"]
    best = line["gammas"][int(np.argmin(scores))]
    flat = int(np.sum(scores <= (1.0 + how["flat"]) * scores.min())) >= 5
    inside = (
        gamma is not None and gamma > 0 and abs(np.log(gamma / best)) <= np.log(how["within"]) * (1 + 1e-9)
    )
    no_worse = line["score"] is not None and line["score"] <= (1.0 + how["worse"]) * line["preset_score"]
    return {
        "best": best,
        "flat": flat,
        "within": inside,
        "no_worse": no_worse,
        "cheap": line["cost"] <= how["cost"],
    }


def report(lines: list[dict[str, Any]]) -> None:
    print(
        f"{'game':32} {'gamma':>8} {'best':>8} {'flat':>5} {'in x2':>5} {'score':>7} {'at best':>7} {'preset':>7} "
        f"{'cost':>6}"
    )
    found = [judged(x) for x in lines]
    for x, j in zip(lines, found, strict=True):
        gamma, own = (
            float("nan") if v is None else v for v in (x["prescription"]["gamma"]["value"], x["score"])
        )
        print(
            f"{x['game']:32} {gamma:8.3g} {j['best']:8.3g} {'yes' if j['flat'] else 'no':>5} "
            f"{'yes' if j['within'] else 'no':>5} {own:7.3f} {min(x['scores']):7.3f} {x['preset_score']:7.3f} "
            f"{x['cost']:6.1%}"
        )
    sharp = [j for j in found if not j["flat"]]
    print(
        f"{len(lines)} of {len(designs())} games; {sum(j['within'] for j in sharp)} of {len(sharp)} that are not flat "
        f"within a factor {PROTOCOL['reach']['within']:g}; {sum(j['no_worse'] for j in found)} no worse than preset; "
        f"{sum(j['cheap'] for j in found)} cheap enough"
    )


def tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description="Prescribed gamma against sweeps.")
    options.add_argument("--out", default="prescribe.jsonl")
    options.add_argument("--only", type=int, default=len(designs()))
    options.add_argument("--report", action="store_true")
    given = options.parse_args()
    out = Path(given.out)
    lines = [json.loads(x) for x in out.read_text().splitlines()] if out.is_file() else []
    left = [d for d in designs() if d.name not in {x["game"] for x in lines}]
    for design in [] if given.report else left[: given.only]:
        lines.append(measured(design))
        with out.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
        tell(
            f"{len(lines)} of {len(designs())} done: {design.name}, {lines[-1]['processor_s']:.0f} s of processor time"
        )
    report(lines)


if __name__ == "__main__":
    main()
