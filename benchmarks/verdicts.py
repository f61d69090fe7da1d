"""What a verdict costs: games, rules, dimensions and sizes of starts drawn by seed, in one process.

    python benchmarks/verdicts.py [--count 40] [--seed 0] [--json]

Processor time at the default effort, with the compilation of what no earlier verdict has compiled, by XLA or by the C
compiler. Half of the starts have phi and theta on one line through the datum. Run it with an empty folder as
JAX_COMPILATION_CACHE_DIR, or none, for what a first process pays.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

import jax
import numpy as np

import diracgan as dg

RULES = (None, "simultaneous", "alternating", "adam")
DIMENSIONS = (1, 2, 5)
SMALLEST, LARGEST = 1e-6, 10.0


def draw(seed: int, k: int) -> tuple[str, str | None, int, np.ndarray, np.ndarray]:
    """The k-th variant, rule, dimension and start."""
    rng = np.random.default_rng([seed, k])
    names = sorted(dg.variants())
    name, rule, dim = names[rng.integers(len(names))], RULES[rng.integers(4)], DIMENSIONS[rng.integers(3)]
    size = SMALLEST * (LARGEST / SMALLEST) ** rng.uniform()
    phi, theta = rng.normal(size=(2, dim))
    if rng.integers(2):
        theta = phi * rng.normal()
    scale = size / np.sqrt(phi @ phi + theta @ theta)
    return name, rule, dim, scale * phi, scale * theta


def spent() -> float:
    """Processor time so far, with that of the C compiler."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def measured(seed: int, k: int, compiled: list[str]) -> dict[str, Any]:
    """One verdict, its processor time, and how many programs were compiled for it."""
    name, rule, dim, phi, theta = draw(seed, k)
    before, began = len(compiled), spent()
    v = dg.verdict(dg.variant(name), phi, theta, rule=None if rule is None else dg.rule(rule, lr=0.1))
    return {
        "k": k,
        "variant": name,
        "rule": rule or "flow",
        "d": dim,
        "size": float(np.sqrt(phi @ phi + theta @ theta)),
        "seconds": spent() - began,
        "programs": len(compiled) - before,
        "evaluations": v.evaluations,
        "kind": v.kind,
    }


def main() -> None:
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--count", type=int, default=40)
    reader.add_argument("--seed", type=int, default=0)
    reader.add_argument("--json", action="store_true")
    given = reader.parse_args()
    compiled: list[str] = []

    def hear(event: str, _: float, **more: Any) -> None:
        if event.endswith("backend_compile_duration"):
            compiled.append(str(more.get("fun_name")))

    jax.monitoring.register_event_duration_secs_listener(hear)
    rows = []
    for k in range(given.count):
        rows.append(measured(given.seed, k, compiled))
        if not given.json:
            print(
                "{k:4d} {variant:18s} {rule:13s} d = {d} |z| = {size:8.2g} {seconds:6.2f} s, "
                "{programs:2d} programs, {evaluations:8.2g} evaluations: {kind}".format(**rows[-1]),
                flush=True,
            )
    seconds = np.array([row["seconds"] for row in rows])
    summary = {
        "median": float(np.median(seconds)),
        "largest": float(np.max(seconds)),
        "share under 1 s": float(np.mean(seconds < 1)),
        "share under 10 s": float(np.mean(seconds < 10)),
        "undecided": int(sum(row["kind"] == "undecided" for row in rows)),
        "cores": os.cpu_count(),
    }
    print(json.dumps({"rows": rows, "summary": summary}) if given.json else summary)


if __name__ == "__main__":
    main()
