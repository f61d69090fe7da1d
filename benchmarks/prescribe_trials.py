"""How well gamma can be told at all, and what trials tell of it: the twenty games of benchmarks/prescribe.py again.

    python benchmarks/prescribe.py --out prescribe.jsonl
    python benchmarks/prescribe_trials.py prescribe.jsonl [--out trials.jsonl] [--report]

Each game is swept a second time with three other seeds, and tried: one run of every gamma of the sweep with an eighth
of its batch, one seed, by :func:`chosen`, a recipe that was picked on six other games (24 units) and written down
before these were tried. Trials see 9 x 1,500 x 8 samples where the sweep sees 27 x 1,500 x 64. One JSON line per game.
"""

from __future__ import annotations

import argparse
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


def report(sweeps: dict[str, Any], lines: list[dict[str, Any]]) -> None:
    how, g = prescribe.PROTOCOL["reach"], gammas()
    rows: list[dict[str, Any]] = []
    print("| game | best | of a second sweep | of the best | trials | of the best |\n|" + " --- |" * 6)
    for x in lines:
        first, second = np.array(sweeps[x["game"]]["scores"]), np.mean(x["again"], axis=1)
        best, other = float(g[np.argmin(first)]), float(g[np.argmin(second)])
        preset = first[np.argmin(np.abs(np.log(g / prescribe.PROTOCOL["sweep"]["preset"])))]
        rule = sweeps[x["game"]]["rules"]["second"]["gamma"]
        rows.append(
            {
                "flat": int(np.sum(first <= (1.0 + how["flat"]) * first.min())) >= 5,
                "a second sweep": near(other, best),
                "trials": near(x["gamma"], best),
                "the rule": near(rule, best),
                "the rule, of the second sweep's": near(rule, other),
                "trials, of the second sweep's": near(x["gamma"], other),
                "no worse": x["score"] <= (1.0 + how["worse"]) * preset,
                "of_best": x["score"] / first.min(),
            }
        )
        worse = first[np.argmin(second)] / first.min()
        print(
            f"| {x['game']} | {best:.3g}{' (flat)' if rows[-1]['flat'] else ''} | {other:.3g} | {worse:.2f} "
            f"| {x['gamma']:.3g} | {rows[-1]['of_best']:.2f} |"
        )
    sharp = [r for r in rows if not r["flat"]]
    for name in (
        "a second sweep",
        "trials",
        "the rule",
        "the rule, of the second sweep's",
        "trials, of the second sweep's",
    ):
        print(f"{name}: within a factor {how['within']:g} in {sum(r[name] for r in sharp)} of {len(sharp)}")
    ratio = [r["of_best"] for r in rows]
    print(
        f"trials: no worse than the preset in {sum(r['no worse'] for r in rows)} of {len(rows)}; "
        f"distance over the best's: at most {max(ratio):.3g}, median {np.median(ratio):.3g}"
    )


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
