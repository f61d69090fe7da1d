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
from diracgan.measure.noise import ResampledGame
from diracgan.rules import Rule
from diracgan.training import networks
from diracgan.training.architecture import Architecture, players
from diracgan.training.problems import problem

RAW = files("diracgan.comparison").joinpath("prescription.toml").read_bytes()
PROTOCOL = tomllib.loads(RAW.decode())
PIECE = 250  # iterations of one program, so that runs of any length share it


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


def started(design: Design, gammas: list[float], seeds: list[int]) -> tuple[Rule, Game, Players]:
    """The rules, games and networks of every seed with every gamma, stacked, the gammas outermost; in float32."""
    how, train = PROTOCOL["games"], PROTOCOL["training"]
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

    def each(a: Any) -> Array:
        return jnp.tile(jnp.asarray(a, jnp.float32), (len(gammas),) + (1,) * (np.ndim(a) - 1))

    lanes = len(gammas) * len(seeds)
    variants = [dg.variant(design.loss).with_(r1=float(g)) for g in gammas for _ in seeds]
    game = Game(
        jax.tree.map(lambda *v: jnp.asarray(v, jnp.float32), *variants),
        each(np.stack(x)),
        each(np.stack(z)),
        networks.critic,
        networks.generator,
        mix=jnp.full(lanes, 0.5, jnp.float32),
        jitter=jnp.zeros(lanes, jnp.float32),
    )
    rules = jax.tree.map(lambda v: jnp.full(lanes, v, jnp.float32), rule_of(design))
    return rules, game, jax.tree.map(each, operators.stacked(nets))


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


def trained(rules: Rule, games: Game, state: Any, seeds: list[int], steps: int, done: int = 0) -> Any:
    """The states after ``steps`` more steps; equal seeds see equal minibatches."""
    copies = len(games.mix) // len(seeds)
    for piece in range(done // PIECE, (done + steps) // PIECE):
        keys = jnp.stack([jax.random.fold_in(jax.random.key(7 * s + 3), piece) for s in seeds] * copies)
        state = advance(rules, games, state, keys, PROTOCOL["training"]["batch"])
    return state


def scores(design: Design, gammas: list[float]) -> np.ndarray:
    """The mean sample distance of the protocol at the end, of every gamma and seed."""
    from scipy.spatial import cKDTree

    seeds = list(range(PROTOCOL["sweep"]["seeds"]))
    rules, games, at = started(design, gammas, seeds)
    state = trained(rules, games, (at, memories(rules, games, at)), seeds, PROTOCOL["training"]["steps"])
    made, data = np.asarray(generated(games, state[0])), np.asarray(games.x_real)
    each = [
        (cKDTree(b).query(a)[0].mean() + cKDTree(a).query(b)[0].mean()) / 2
        if np.isfinite(a).all()
        else np.inf
        for a, b in zip(made, data, strict=True)
    ]
    return np.reshape(each, (len(gammas), len(seeds)))


@jax.jit
def mode(rules: Rule, games: Game, states: Any) -> Any:
    """(omega, damping without R1, R1's per unit of gamma) of the strongest coupling, per iteration, of every run."""

    def one(rule: Rule, game: Game, state: Any) -> Array:
        at, memory = state
        y, n_d = operators.flat(at), operators.flat(Players(at.phi, ())).size
        root, critic = jnp.sqrt(operators.flat(rule.step_sizes(at, memory))), jnp.arange(y.size) < n_d

        def field(y: Array, penalty: float) -> Array:
            return operators.flat(game.velocity(operators.unflat(at, y), penalty=penalty))

        def image(v: Array, penalty: float = 1.0) -> Array:
            return root * jax.jvp(lambda y: field(y, penalty), (y,), (root * v,))[1]

        def back(u: Array) -> Array:
            return root * jax.vjp(lambda y: field(y, 1.0), y)[1](root * u)[0]

        def unit(v: Array) -> Array:
            return v / jnp.maximum(jnp.linalg.norm(v), 1e-30)

        def turned(v: Array, _: None) -> tuple[Array, None]:
            return unit(jnp.where(critic, 0.0, back(unit(jnp.where(critic, image(v), 0.0))))), None

        start = unit(jnp.where(critic, 0.0, jax.random.normal(jax.random.key(0), y.shape)))
        v = jax.lax.scan(turned, start, None, length=15)[0]
        pushed = jnp.where(critic, image(v), 0.0)
        u = unit(pushed)
        damped = image(u)
        omega = jnp.sqrt(jnp.maximum(-jnp.linalg.norm(pushed) * (v @ damped), 0.0))
        bare = -(u @ image(u, 0.0))
        return jnp.stack([omega, bare, (-(u @ damped) - bare) / game.variant.added.get("r1", 1.0)])

    return jax.vmap(one)(rules, games, states)


def prescribed(design: Design) -> tuple[list[float], list[list[float]]]:
    """What is prescribed after each piece of the run that is measured, and the mode that it follows from."""
    how, (low, high, _) = PROTOCOL["prescription"], PROTOCOL["sweep"]["gammas"]
    seeds, gamma, done, state = [how["seed"]], how["start"], 0, None
    found, seen = [], []
    for steps in how["steps"]:
        rules, games, at = started(design, [gamma], seeds)
        state = trained(rules, games, state or (at, memories(rules, games, at)), seeds, steps, done)
        omega, bare, kappa = np.asarray(mode(rules, games, state)[0], float)
        done += steps
        wanted = (2.0 * how["ratio"] * omega - bare) / kappa if kappa > 0 else np.nan
        gamma = float(np.clip(wanted, low, high)) if np.isfinite(wanted) else gamma
        found.append(float(wanted)), seen.append([omega, bare, kappa])
    return [*found, gamma], seen


def cost() -> float:
    """Gradient evaluations of a prescription over those of a sweep: three products with the Jacobian on each batch,
    thirty for the coupling on eight batches' worth of samples, two evaluations each."""
    how, train = PROTOCOL["prescription"], PROTOCOL["training"]
    whole = 2.0 * PROTOCOL["sweep"]["gammas"][2] * PROTOCOL["sweep"]["seeds"] * train["steps"]
    measured = 2 * (3 * how["batches"] + 30 * train["samples"] / train["batch"])
    return (2 * sum(how["steps"]) + len(how["steps"]) * measured) / whole


def measured(design: Design) -> dict[str, Any]:
    """One line of the file."""
    began, sweep = time.process_time(), PROTOCOL["sweep"]
    found, seen = prescribed(design)
    tell(f"{design.name}: prescribed gamma {found}")
    gammas = np.geomspace(*sweep["gammas"][:2], int(sweep["gammas"][2])).tolist()
    each = scores(design, [*gammas, found[-1]])
    return {
        "game": design.name,
        "protocol": hashlib.sha256(RAW).hexdigest(),
        "gammas": gammas,
        "each": each[:-1].tolist(),
        "scores": each[:-1].mean(axis=1).tolist(),
        "prescribed": found,
        "gamma": found[-1],
        "mode": seen,
        "score": float(each[-1].mean()),
        "preset_score": float(each[gammas.index(min(gammas, key=lambda g: abs(g - sweep["preset"])))].mean()),
        "cost": cost(),
        "processor_s": time.process_time() - began,
    }


def judged(line: dict[str, Any]) -> dict[str, Any]:
    """What the protocol asks of one game."""
    how = PROTOCOL["reach"]
    scores, gammas, gamma = np.array(line["scores"]), np.array(line["gammas"]), line["gamma"]

    def near(best: Any) -> bool:
        return bool(np.any(np.abs(np.log(gamma / np.atleast_1d(best))) <= np.log(how["within"]) * (1 + 1e-9)))

    alone = [float(gammas[i]) for i in np.argmin(line["each"], axis=0)]  # each seed's own best
    return {
        "best": float(gammas[np.argmin(scores)]),
        "flat": int(np.sum(scores <= (1.0 + how["flat"]) * scores.min())) >= 5,
        "within": near(gammas[np.argmin(scores)]),
        "plateau": near(gammas[scores <= (1.0 + how["plateau"]) * scores.min()]),
        "no_worse": line["score"] <= (1.0 + how["worse"]) * line["preset_score"],
        "cheap": line["cost"] <= how["cost"],
        "seeds_agree": max(alone) <= how["within"] * min(alone),
    }


def report(lines: list[dict[str, Any]]) -> None:
    def said(x: bool) -> str:
        return "yes" if x else "no"

    print("| game | prescribed | best | flat | in x2 | of 5 % | there | at best | at preset | seeds agree |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    found = [judged(x) for x in lines]
    for x, j in zip(lines, found, strict=True):
        print(
            f"| {x['game']} | {x['gamma']:.3g} | {j['best']:.3g} | {said(j['flat'])} | {said(j['within'])} | "
            f"{said(j['plateau'])} | {x['score']:.3f} | {min(x['scores']):.3f} | {x['preset_score']:.3f} | "
            f"{said(j['seeds_agree'])} |"
        )
    for name, some in (
        ("all", found),
        ("not ring8", [j for x, j in zip(lines, found, strict=True) if "ring8" not in x["game"]]),
    ):
        sharp = [j for j in some if not j["flat"]]
        print(
            f"{name}: {len(some)} games; {sum(j['within'] for j in sharp)} of {len(sharp)} that are not flat within a "
            f"factor {PROTOCOL['reach']['within']:g} of the best, {sum(j['plateau'] for j in sharp)} of one within "
            f"5 % of it; {sum(j['no_worse'] for j in some)} no worse than the preset; seeds agree in "
            f"{sum(j['seeds_agree'] for j in sharp)}; cost {cost():.1%}"
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
