"""The averaged flow of Adam against iterated runs: a hundred combinations, drawn by seed.

``python benchmarks/averaged.py > benchmarks/averaged.md`` writes the results page; some two minutes on two cores.
"""

from __future__ import annotations

import itertools
import math
import random
import time

import numpy as np

import diracgan as dg

SEED, COUNT, STEPS = 17, 100, 400_000
MOST_STEPS = 40_000_000  # of a run that starts next to its cycle
FAR = 100_000  # iterations to a cycle from which on the run starts next to it
GAMES = {
    "ns": dg.variant("ns"),
    "wgan-linear": dg.variant("wgan-linear"),
    "lsgan": dg.variant("lsgan"),
    "hinge": dg.variant("hinge"),
    "ns + r1=0.1": dg.variant("ns").with_(r1=0.1),
}
GRID = tuple(itertools.product(GAMES, (False, True), (0.0, 0.5, 0.9), (0.9, 0.99, 0.999), (1e-4, 1e-3, 1e-2)))


def drawn() -> list[tuple]:
    """The hundred combinations: game, taking turns, beta1, beta2, lr."""
    chosen = random.Random(SEED).sample(GRID, COUNT)
    return sorted(chosen, key=lambda c: (list(GAMES).index(c[0]), *c[1:]))


def made(combination: tuple) -> tuple:
    """The variant and the rule of a combination."""
    game, turns, beta1, beta2, lr = combination
    return GAMES[game], dg.rule("adam", lr=lr, beta1=beta1, beta2=beta2, alternating=turns)


def iterated(variant, rule, steps: int, phi0: float = 0.1, theta0: float = 0.2) -> tuple[float, float]:
    """Largest |phi| over the last fifth, and the mean time between upward passages of phi through 0."""
    every = max(1, steps // 2_000_000)
    traj = dg.simulate(variant, rule=rule, steps=steps, every=every, phi0=[phi0], theta0=[theta0])
    phi = traj.phi.values[:, 0]
    phi = phi[-len(phi) // 5 :]
    up = np.flatnonzero((phi[:-1] < 0) & (phi[1:] >= 0))
    at = up - phi[up] / (phi[up + 1] - phi[up])
    return float(np.abs(phi).max()), every * float(np.diff(at).mean()) if len(up) > 1 else math.nan


def followed(flow: dg.analysis.AveragedFlow, steps: int) -> tuple[float, float]:
    """Amplitude and period after ``steps`` by the slow field alone, where it grows: dn = dR/rate."""
    known = np.isfinite(flow.drift)
    log_radii, speeds = np.log(flow.radii[known]), (flow.radii * flow.drift)[known]
    start = math.hypot(flow.start[0] / flow.step_sizes[0], flow.start[1] / flow.step_sizes[1])
    way = np.geomspace(start, flow.radii[-1], 20_000)
    pace = way / np.interp(np.log(way), log_radii, speeds)
    spent = np.append(0.0, np.cumsum(0.5 * (pace[1:] + pace[:-1]) * np.diff(way)))
    radius = float(np.interp(steps, spent, way))
    half = np.interp(np.log(np.interp([0.8 * steps, steps], spent, way)), log_radii, flow.periods[known])
    return radius * flow.step_sizes[0], float(half.mean())


def compared(combination: tuple) -> tuple[str, float, float, float, float, float]:
    """What the averaged flow says, the two amplitudes, the two periods, and the seconds of the answer."""
    variant, rule = made(combination)
    began = time.perf_counter()
    flow = dg.averaged(variant, rule)
    spent = time.perf_counter() - began
    word = "iterated" if flow.iterated else flow.kind.value
    amplitude, period = flow.amplitude, flow.period
    if flow.kind.value == "growing":
        amplitude, period = followed(flow, STEPS)
        run = iterated(variant, rule, STEPS)
    elif flow.arrival is None or flow.arrival < FAR:
        run = iterated(variant, rule, STEPS)
    else:  # a run from (0.1, 0.2) would take too long: it starts 3 % inside
        cycle = next(c for c in flow.cycles if c.amplitude == flow.amplitude)
        steps = int(min(max(STEPS, 6 * (cycle.relaxation or 0.0), 12 * cycle.period), MOST_STEPS))
        run = iterated(variant, rule, steps, 0.0, -0.97 * cycle.radius * flow.step_sizes[1])
        word += f", run of {steps:.1e} from 3 % inside"
    return word, amplitude or math.nan, run[0], period or math.nan, run[1], spent


def main() -> None:
    """Print the table and what it says."""
    print("# The averaged flow of Adam against iterated runs")
    print(
        f"\n`python benchmarks/averaged.py`: {COUNT} of {len(GRID)} combinations, drawn with seed {SEED}; d = 1, "
        f"eps 1e-8, from (0.1, 0.2), largest |phi| over the last fifth of {STEPS:,} steps. *iterated*: the answer is "
        "itself an iterated run, because there is no rotation to average over. *growing*: the amplitude after as many "
        "steps, by the slow field alone. Seconds include compilation where a game or an order of moves is new.\n"
    )
    measured = "amplitude | iterated | off (%) | period | iterated | off (%)"
    print(f"| game | moves | beta1 | beta2 | lr | answer | {measured} | s |")
    print("| --- " * 13 + "|")
    rows = []
    for combination in drawn():
        word, a, run_a, t, run_t, spent = compared(combination)
        off = 100 * (a / run_a - 1), 100 * (t / run_t - 1)
        rows.append((word, *off, spent))
        game, turns, beta1, beta2, lr = combination
        order = "alternating" if turns else "simultaneous"
        print(
            f"| {game} | {order} | {beta1:g} | {beta2:g} | {lr:g} | {word} | {a:.5g} | {run_a:.5g} | {off[0]:.2f} | "
            f"{t:.5g} | {run_t:.5g} | {off[1]:.2f} | {spent:.2f} |",
            flush=True,
        )
    for name, kept in (
        ("All", rows),
        ("Without the iterated ones", [r for r in rows if r[0] != "iterated"]),
    ):
        amplitude, period = (np.array([r[k] for r in kept]) for k in (1, 2))
        print(
            f"\n{name}: {np.sum(np.abs(amplitude) <= 5)} of {len(kept)} amplitudes within 5 %, "
            f"{np.sum(np.abs(period) <= 2)} of {len(kept)} periods within 2 %; the largest errors "
            f"{np.nanmax(np.abs(amplitude)):.2g} % and {np.nanmax(np.abs(period)):.2g} %; "
            f"median {np.median([r[3] for r in kept]):.2g} s."
        )


if __name__ == "__main__":
    main()
