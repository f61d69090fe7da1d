"""How well gamma can be told at all, and what trials tell of it: the twenty games of benchmarks/prescribe.py again.

    python benchmarks/prescribe.py --out prescribe.jsonl
    python benchmarks/prescribe_trials.py prescribe.jsonl [--out trials.jsonl] [--report]

Each game is swept a second time with three other seeds, and tried: one run of every gamma of the sweep with an eighth
of its batch, one seed, by :func:`chosen`, a recipe that was picked on six other games (24 units) and written down
before these were tried. Trials see 9 x 1,500 x 8 samples where the sweep sees 27 x 1,500 x 64. One JSON line per game.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import prescribe

AGAIN = [23, 24, 25]  # seeds of the second sweep
BATCH, SEED = 8, 300  # of the trials
LOOKS = 4  # at the trials, the last ones, one every PIECE iterations


def gammas() -> np.ndarray:
    low, high, points = prescribe.PROTOCOL["sweep"]["gammas"]
    return np.geomspace(low, high, int(points))


def chosen(scores: np.ndarray) -> float:
    """Between the two neighbouring gammas whose mean logarithm of the distance, (looks, gammas), is least.

    Distances are means over the looks, and count at most as twice the least one.
    """
    mean = np.mean(scores, axis=0)
    each, g = np.log(np.minimum(mean, 2.0 * mean.min())), gammas()
    return float(np.sqrt(g[1:] * g[:-1])[np.argmin(each[1:] + each[:-1])])


def looks(design: prescribe.Design, seeds: list[int], batch: int, count: int) -> np.ndarray:
    """The distances at the last ``count`` looks at runs of every gamma, (looks, gammas, seeds)."""
    rules, games, at = prescribe.started(design, gammas().tolist(), seeds)
    state, piece, found = (at, prescribe.memories(rules, games, at)), prescribe.PIECE, []
    pieces = prescribe.PROTOCOL["training"]["steps"] // piece
    for k in range(pieces):
        state = prescribe.trained(rules, games, state, seeds, piece, k * piece, batch)
        if k >= pieces - count:
            found.append(np.reshape(prescribe.distances(games, state[0]), (-1, len(seeds))))
    return np.array(found)


def measured(design: prescribe.Design) -> dict[str, Any]:
    """One line of the file."""
    trial = looks(design, [SEED], BATCH, LOOKS)[:, :, 0]
    gamma = chosen(trial)
    return {
        "game": design.name,
        "trial": trial.tolist(),
        "gamma": gamma,
        "score": float(np.mean(prescribe.scores(design, gamma))),
        "again": looks(design, AGAIN, prescribe.PROTOCOL["training"]["batch"], 1)[0].tolist(),
    }


def near(a: float, b: float) -> bool:
    return abs(np.log(a / b)) <= np.log(prescribe.PROTOCOL["reach"]["within"]) * (1 + 1e-9)


def flat(scores: np.ndarray) -> bool:
    return int(np.sum(scores <= (1.0 + prescribe.PROTOCOL["reach"]["flat"]) * scores.min())) >= 5


def told(first: np.ndarray, second: np.ndarray, numbers: dict[str, float]) -> dict[str, bool]:
    """What is within a factor 2 of the first sweep's best: the second's best, the middle by it, the numbers."""
    best = gammas()[np.argmin(first)]
    own = {"a second sweep": gammas()[np.argmin(second)], "a second sweep's middle": chosen(second[None])}
    return {name: near(x, best) for name, x in (own | numbers).items()}


def shares(each: np.ndarray, numbers: dict[str, float]) -> dict[str, float]:
    """:func:`told` over all splits of six seeds in two sweeps of three, those left out whose first is flat."""
    found, bests = [], []
    for some in itertools.combinations(range(6), 3):
        first, second = each[:, some].mean(axis=1), np.delete(each, some, axis=1).mean(axis=1)
        if not flat(first):
            found.append(told(first, second, numbers))
            bests.append(gammas()[np.argmin(first)])
    if not found:
        return {}
    tried = np.geomspace(gammas()[0], gammas()[-1], 201)
    most = max(float(np.mean([near(x, best) for best in bests])) for x in tried)
    return {name: float(np.mean([f[name] for f in found])) for name in found[0]} | {"the best number": most}


def report(sweeps: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    g, how, once, split, ratio, safe = gammas(), prescribe.PROTOCOL, [], [], [], 0
    print("| game | best | of a second sweep | of the best | trials | of the best |\n|" + " --- |" * 6)
    for x in lines:
        sweep = sweeps[x["game"]]
        first, second = np.array(sweep["scores"]), np.mean(x["again"], axis=1)
        numbers = {"trials": x["gamma"], "the rule": sweep["rules"]["second"]["gamma"]}
        once += [] if flat(first) else [told(first, second, numbers)]
        split.append(shares(np.hstack([sweep["each"], x["again"]]), numbers))
        preset = first[np.argmin(np.abs(np.log(g / how["sweep"]["preset"])))]
        safe += x["score"] <= (1.0 + how["reach"]["worse"]) * preset
        ratio.append(x["score"] / first.min())
        best, other = (f"{g[np.argmin(s)]:.3g}" for s in (first, second))
        row = [
            x["game"],
            best + " (flat)" * flat(first),
            other,
            f"{first[np.argmin(second)] / first.min():.2f}",
        ]
        print("| " + " | ".join([*row, f"{x['gamma']:.3g}", f"{ratio[-1]:.2f}"]) + " |")
    print("within a factor 2 of the best, in games that are not flat, and in splits of six seeds:")
    split = [x for x in split if x]
    for name in split[0]:
        games = f"{sum(x[name] for x in once)} of {len(once)}, " if name in once[0] else ""
        print(f"{name}: {games}{np.mean([x[name] for x in split]):.0%} of splits, {len(split)} games")
    print(f"trials: at most 10 % above gamma = 10 in {safe} of {len(lines)};", end=" ")
    print(f"distance over the best's: at most {max(ratio):.3g}, median {np.median(ratio):.3g}")


def main() -> None:
    options = argparse.ArgumentParser(description="Second sweeps and trials of the games of prescribe.py.")
    options.add_argument("sweeps", help="what prescribe.py wrote")
    options.add_argument("--out", default="trials.jsonl")
    options.add_argument("--report", action="store_true")
    given = options.parse_args()
    sweeps = {x["game"]: x for x in map(json.loads, Path(given.sweeps).read_text().splitlines())}
    out = Path(given.out)
    lines = [json.loads(x) for x in out.read_text().splitlines()] if out.is_file() else []
    done = {x["game"] for x in lines}
    for design in [] if given.report else prescribe.designs():
        if design.name not in done:
            lines.append(measured(design))
            with out.open("a") as file:
                file.write(json.dumps(lines[-1]) + "\n")
            print(f"{design.name}: {lines[-1]['gamma']:.3g}", file=sys.stderr, flush=True)
    report(sweeps, lines)


if __name__ == "__main__":
    main()
