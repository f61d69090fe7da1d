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
from diracgan.training.problems import Problem, problem

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


def designs(only: int | None = None) -> list[Design]:
    """All games, or those of the design with that number."""
    given = PROTOCOL["games"]
    kept = given["designs"] if only is None else [given["designs"][only]]
    return [Design(p, *d) for d in kept for p in given["problems"]]


def rule_of(design: Design) -> Rule:
    how = PROTOCOL["optimisers"]
    if design.optimiser == "sgd":
        return dg.rule("alternating", lr=how["sgd"])
    return dg.rule("adam", lr=how["adam"], beta1=how["beta1"], alternating=True)


def stacked(
    made: Problem, network: Architecture, loss: str, rule: Rule, gammas: list[float], seeds: list[int]
) -> tuple[Rule, Game, Players]:
    """The rules, games and networks of every seed with every gamma, the gammas outermost; in float32."""
    count = PROTOCOL["training"]["samples"]
    nets, x, z = [], [], []
    for seed in seeds:
        keys = jax.random.split(jax.random.key(seed), 3)
        nets.append(players(network, made, keys[0]))
        rows = np.asarray(made.everything(keys[1], count).x, float)
        x.append(np.resize(rows, (count, *rows.shape[1:])))
        z.append(np.asarray(jax.random.normal(keys[2], (count, made.inputs))))

    def each(a: Any) -> Array:
        return jnp.tile(jnp.asarray(a, jnp.float32), (len(gammas),) + (1,) * (np.ndim(a) - 1))

    lanes = len(gammas) * len(seeds)
    variants = [dg.variant(loss).with_(r1=float(g)) for g in gammas for _ in seeds]
    game = Game(
        jax.tree.map(lambda *v: jnp.asarray(v, jnp.float32), *variants),
        each(np.stack(x)),
        each(np.stack(z)),
        networks.critic,
        networks.generator,
        mix=jnp.full(lanes, 0.5, jnp.float32),
        jitter=jnp.zeros(lanes, jnp.float32),
    )
    rules = jax.tree.map(lambda v: jnp.full(lanes, v, jnp.float32), rule)
    return rules, game, jax.tree.map(each, operators.stacked(nets))


def started(design: Design, gammas: list[float], seeds: list[int]) -> tuple[Rule, Game, Players]:
    """What :func:`stacked` makes of one game of the protocol."""
    how = PROTOCOL["games"]
    form: dict[str, Any] = {"kind": "mlp", "width": design.width, "depth": how["depth"]}
    form |= {"activation_d": how["activation"], "activation_g": how["activation"]}
    made = problem(design.problem, latent=how["inputs"], **how["problems"][design.problem])
    return stacked(made, Architecture(**form), design.loss, rule_of(design), gammas, seeds)


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


def trained(
    rules: Rule,
    games: Game,
    state: Any,
    seeds: list[int],
    steps: int,
    done: int = 0,
    batch: int | None = None,
) -> Any:
    """The states after ``steps`` more steps; equal seeds see equal minibatches."""
    copies = len(games.mix) // len(seeds)
    for piece in range(done // PIECE, (done + steps) // PIECE):
        keys = jnp.stack([jax.random.fold_in(jax.random.key(7 * s + 3), piece) for s in seeds] * copies)
        state = advance(rules, games, state, keys, batch or PROTOCOL["training"]["batch"])
    return state


def scores(design: Design, gamma: float) -> list[float]:
    """The sample distance of the protocol at the end, of every seed."""
    seeds = PROTOCOL["sweep"]["seeds"]
    rules, games, at = started(design, [gamma], seeds)
    state = trained(rules, games, (at, memories(rules, games, at)), seeds, PROTOCOL["training"]["steps"])
    return distances(games, state[0])


def distances(games: Game, at: Players) -> list[float]:
    """Mean distance from samples to their nearest data and from data to their nearest samples, halved, of each game."""
    from scipy.spatial import cKDTree

    return [
        float(cKDTree(b).query(a)[0].mean() + cKDTree(a).query(b)[0].mean()) / 2
        if np.isfinite(a).all()
        else np.inf
        for a, b in zip(np.asarray(generated(games, at)), np.asarray(games.x_real), strict=True)
    ]


@jax.jit
def mode(rules: Rule, games: Game, states: Any) -> Any:
    """(omega, damping without R1, R1's per unit of gamma, its steepest direction's), per iteration, of every run."""

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

        def bent(v: Array) -> Array:
            return jnp.where(critic, image(v, 0.0) - image(v), 0.0) / game.variant.added.get("r1", 1.0)

        start = jax.random.normal(jax.random.key(0), y.shape)
        v = jax.lax.scan(turned, unit(jnp.where(critic, 0.0, start)), None, length=15)[0]
        steep = jax.lax.scan(
            lambda w, _: (unit(bent(w)), None), unit(jnp.where(critic, start, 0.0)), None, length=20
        )[0]
        pushed = jnp.where(critic, image(v), 0.0)
        u = unit(pushed)
        omega = jnp.sqrt(jnp.maximum(-jnp.linalg.norm(pushed) * (v @ image(u)), 0.0))
        return jnp.stack([omega, -(u @ image(u, 0.0)), u @ bent(u), steep @ bent(steep)])

    return jax.vmap(one)(rules, games, states)


@jax.jit
def losses(games: Game, at: Players) -> Array:
    return jax.vmap(lambda game, z: game.critic_loss(z))(games, at)


def begun(design: Design, how: dict[str, Any]) -> tuple[float, Any, int]:
    """The first gamma of ``how`` with which a run of its first length does not diverge, its state, and all steps made.

    Diverged: the critic's loss with its penalty is not finite, or more than twice what it was before training.
    """
    seeds, made = [how["seed"]] * len(PROTOCOL["sweep"]["seeds"]), 0
    for gamma in how["starts"]:
        rules, games, at = started(design, [gamma], seeds)
        state, before, sound = (at, memories(rules, games, at)), float(losses(games, at)[0]), True
        for done in range(0, how["steps"][0], PIECE):
            state = trained(rules, games, state, seeds, PIECE, done)
            made += PIECE
            sound = float(losses(games, state[0])[0]) <= 2.0 * before  # False also where it is no number
            if not sound:
                break
        if sound:
            break
    return gamma, state, made


def prescribed(design: Design, how: dict[str, Any]) -> dict[str, Any]:
    """What a rule prescribes after each piece of the run that it measures, the modes, and what it costs."""
    (low, high, _), seeds = PROTOCOL["sweep"]["gammas"], [how["seed"]] * len(PROTOCOL["sweep"]["seeds"])
    gamma, state, made = begun(design, how)
    found, seen = [], []
    for k, steps in enumerate(how["steps"]):
        rules, games, _ = started(design, [gamma], seeds)
        if k:
            state = trained(rules, games, state, seeds, steps, sum(how["steps"][:k]))
            made += steps
        seen.append(np.asarray(mode(rules, games, state)[0], float).tolist())
        found.append(rule_for(design, how, *seen[-1]))
        gamma = float(np.clip(found[-1], low, high)) if np.isfinite(found[-1]) else gamma
    return {"gamma": gamma, "found": found, "mode": seen, "cost": cost(made, len(found))}


def rule_for(
    design: Design, how: dict[str, Any], omega: float, bare: float, kappa: float, steepest: float
) -> float:
    """min(max(2 ratio omega - k, 2 least omega)/kappa, share limit/steepest), limit that of plain or averaged steps."""
    beta = PROTOCOL["optimisers"]["beta1"] if design.optimiser == "adam" else 0.0
    if not (kappa > 0 and steepest > 0):
        return np.nan
    bound = how["share"] * 2.0 * (1.0 + beta) / (1.0 - beta) / steepest
    return min(max(2.0 * how["ratio"] * omega - bare, 2.0 * how["least"] * omega) / kappa, bound)


def cost(steps: int, measurements: int) -> float:
    """Gradient evaluations of a prescription over those of a sweep: three products with the Jacobian on each batch,
    thirty for the coupling and twenty for R1's steepest direction on all samples, two evaluations each."""
    sweep, train = PROTOCOL["sweep"], PROTOCOL["training"]
    whole = 2.0 * sweep["gammas"][2] * len(sweep["seeds"]) * train["steps"]
    each = 2 * (3 * PROTOCOL["measurement"]["batches"] + 50 * train["samples"] / train["batch"])
    return (2 * steps + measurements * each) / whole


def measured(design: Design) -> dict[str, Any]:
    """One line of the file."""
    began, sweep = time.process_time(), PROTOCOL["sweep"]
    found = {name: prescribed(design, how) for name, how in PROTOCOL["rules"].items()}
    tell(f"{design.name}: prescribed gamma {[(n, x['gamma']) for n, x in found.items()]}")
    gammas = np.geomspace(*sweep["gammas"][:2], int(sweep["gammas"][2])).tolist()
    each = [scores(design, g) for g in gammas]
    for x in found.values():
        x["score"] = float(np.mean(scores(design, x["gamma"])))
    return {
        "game": design.name,
        "protocol": hashlib.sha256(RAW).hexdigest(),
        "gammas": gammas,
        "each": each,
        "scores": np.mean(each, axis=1).tolist(),
        "rules": found,
        "processor_s": time.process_time() - began,
    }


def judged(line: dict[str, Any], name: str) -> dict[str, Any]:
    """What the protocol asks of one rule in one game."""
    how, found = PROTOCOL["reach"], line["rules"][name]
    scores, gammas, gamma = np.array(line["scores"]), np.array(line["gammas"]), found["gamma"]

    def near(best: Any) -> bool:
        return bool(np.any(np.abs(np.log(gamma / np.atleast_1d(best))) <= np.log(how["within"]) * (1 + 1e-9)))

    alone = [float(gammas[i]) for i in np.argmin(line["each"], axis=0)]  # each seed's own best
    preset = scores[np.argmin(np.abs(np.log(gammas / PROTOCOL["sweep"]["preset"])))]
    return {
        "best": float(gammas[np.argmin(scores)]),
        "flat": int(np.sum(scores <= (1.0 + how["flat"]) * scores.min())) >= 5,
        "within": near(gammas[np.argmin(scores)]),
        "plateau": near(gammas[scores <= (1.0 + how["plateau"]) * scores.min()]),
        "of_best": found["score"] / scores.min(),
        "preset_of_best": preset / scores.min(),
        "no_worse": found["score"] <= (1.0 + how["worse"]) * preset,
        "cost": found["cost"],
        "seeds_agree": max(alone) <= how["within"] * min(alone),
    }


def report(lines: list[dict[str, Any]]) -> None:
    rules = list(PROTOCOL["rules"])
    print("| game | best | flat | preset, of the best |" + "".join(f" {r} | of the best |" for r in rules))
    print("| --- | --- | --- | --- |" + " --- | --- |" * len(rules))
    found = [{r: judged(x, r) for r in rules} for x in lines]
    for x, j in zip(lines, found, strict=True):
        one = j[rules[0]]
        row = f"| {x['game']} | {one['best']:.3g} | {'yes' if one['flat'] else 'no'} | {one['preset_of_best']:.3g} |"
        print(row + "".join(f" {x['rules'][r]['gamma']:.3g} | {j[r]['of_best']:.3f} |" for r in rules))
    for r in rules:
        every = [j[r] for j in found]
        sharp, worst = [j for j in every if not j["flat"]], [j["of_best"] for j in every]
        dear = max(j["cost"] for j in every)
        print(
            f"{r}: {sum(j['within'] for j in sharp)} of {len(sharp)} games that are not flat within a factor "
            f"{PROTOCOL['reach']['within']:g} of the best, {sum(j['plateau'] for j in sharp)} of one within 5 % of it; "
            f"{sum(j['no_worse'] for j in every)} of {len(every)} no worse than the preset; distance over the best's: "
            f"at most {max(worst):.3g}, median {np.median(worst):.3g}; cost at most {dear:.1%}; "
            f"seeds agree in {sum(j['seeds_agree'] for j in sharp)}"
        )


def tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description="Prescribed gamma against sweeps.")
    options.add_argument("--out", default="prescribe.jsonl")
    options.add_argument("--only", type=int, default=len(designs()))
    options.add_argument(
        "--design", type=int, help="number of the only one, so that processes can share the work"
    )
    options.add_argument("--report", action="store_true")
    given = options.parse_args()
    out = Path(given.out)
    lines = [json.loads(x) for x in out.read_text().splitlines()] if out.is_file() else []
    left = [d for d in designs(given.design) if d.name not in {x["game"] for x in lines}]
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
