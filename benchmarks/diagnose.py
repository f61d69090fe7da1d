"""What `diracgan diagnose` finds, and does not find, on seeded made-up logs: python benchmarks/diagnose.py [part]

Parts: nulls (1,000 series without a rotation), found (rotations at 20 dB), kicked (errors of oscillations that noise
keeps going), regimes (labelled segments), time (10,000 rows x 10 series), stream (10^7 rows), live (time of an update).
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.signal import lfilter

import diracgan as dg
from diracgan.monitoring.logs import read
from diracgan.monitoring.pieces import meaning_of
from diracgan.monitoring.regimes import regimes
from diracgan.numerics.modal_fits import oscillation_modes

ROWS = 400
NULLS = ("white", "ar1", "ar2", "ar3", "walk", "step", "spike", "decay", "clip", "counter", "sawtooth")


def null(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A series without a rotation."""
    n, e = np.arange(ROWS), rng.normal(size=ROWS)

    def autoregressive(roots: np.ndarray) -> np.ndarray:
        return lfilter([1.0], np.poly(roots).real, rng.normal(size=ROWS + 200))[200:]

    return {
        "white": lambda: e,
        "ar1": lambda: autoregressive(rng.uniform(-0.5, 0.99, 1)),
        "ar2": lambda: autoregressive(rng.uniform(-0.5, 0.98, 2)),
        "ar3": lambda: autoregressive(rng.uniform(-0.5, 0.95, 3)),
        "walk": lambda: e.cumsum(),
        "step": lambda: np.where(n < rng.integers(20, 380), 0.0, rng.uniform(1, 20)) + 0.3 * e,
        "spike": lambda: rng.uniform(10, 50) * (n == rng.integers(5, 395)) + 0.5 * e,
        "decay": lambda: np.exp(-n / rng.uniform(10, 200)) + rng.uniform(0, 0.1) * e,
        "clip": lambda: np.clip(e.cumsum() / rng.uniform(3, 10), -1.0, 1.0),
        "counter": lambda: np.floor(n / rng.integers(1, 20)) % rng.integers(8, 60),
        "sawtooth": lambda: (n % (p := int(rng.integers(12, 100)))) / p + rng.uniform(0, 0.2) * e,
    }[kind]()


def nulls(each: int = 91) -> None:
    steady, wandering = Counter(), Counter()
    for j, kind in enumerate(NULLS):
        for seed in range(each):
            found = oscillation_modes(
                np.asarray(null(kind, np.random.default_rng([j, seed])), float)[None]
            ).modes
            steady[kind] += bool(found) and found[0].steady
            wandering[kind] += bool(found) and not found[0].steady
    total = each * len(NULLS)
    print(
        f"nulls: {total} series; false rotations {sum(steady.values())} ({100 * sum(steady.values()) / total:.1f} %)"
    )
    print("  by kind:", dict(+steady), "; said to wander:", dict(+wandering))


def damped(seed: int) -> tuple[np.ndarray, float, float]:
    rng, n = np.random.default_rng(seed), np.arange(ROWS)
    omega, sigma = rng.uniform(0.1, 1.5), rng.uniform(2, 6) / ROWS
    y = np.exp(-sigma * n) * np.cos(omega * n + rng.uniform(0, 6))
    return 3 + y + 0.1 * np.sqrt(np.mean(y**2)) * rng.normal(size=ROWS), omega, sigma


def found(count: int = 200) -> None:
    good, scores = 0, []
    for seed in range(1000, 1000 + count):
        y, omega, sigma = damped(seed)
        modes = oscillation_modes(y[None]).modes
        if modes and modes[0].steady:
            m = modes[0]
            good += abs(m.omega / omega - 1) < 0.01 and abs(m.sigma / sigma - 1) < 0.1
            scores += [(m.omega - omega) / m.errors[0], (m.sigma - sigma) / m.errors[1]]
    z = np.abs(scores)
    print(f"found at 20 dB: {good} of {count} with frequency within 1 % and damping within 10 %;")
    print(f"  |z| > 3 in {100 * np.mean(z > 3):.1f} %, root mean square {np.sqrt(np.mean(z**2)):.2f}")


def kicked(count: int = 150) -> None:
    for r in (0.9, 0.95, 0.99):
        scores, kinds = [], Counter()
        for seed in range(count):
            rng = np.random.default_rng([seed, int(1000 * r)])
            omega = rng.uniform(0.2, 1.5)
            y = lfilter([1], [1, -2 * r * np.cos(omega), r * r], rng.normal(size=1000))[400:]
            modes = oscillation_modes(y[None]).modes
            kinds["none" if not modes else "rotation" if modes[0].steady else "wandering"] += 1
            if modes:
                m = modes[0]
                scores += [(m.omega - omega) / m.errors[0], (m.sigma + np.log(r)) / m.errors[1]]
        z = np.abs(scores)
        print(
            f"kicked, r = {r}: {dict(kinds)}; |z| > 3 in {100 * np.mean(z > 3):.1f} %, rms {np.sqrt(np.mean(z**2)):.2f}"
        )


# ---------------- labelled segments


def run_of(kinds: tuple[str, ...], seed: int) -> tuple[dict[str, np.ndarray], list[tuple[int, int, str]]]:
    """A run made of segments of these kinds: its losses, and (first row, end, kind) of each."""
    rng = np.random.default_rng(seed)
    d, g, marks, at = [], [], [], 0
    level_d, level_g = rng.uniform(0.8, 1.1), rng.uniform(0.9, 1.3)
    noise = rng.uniform(0.02, 0.05)
    for kind in kinds:
        rows = int(rng.integers(60, 90) if kind == "start" else rng.integers(250, 450))
        n = np.arange(rows)
        a, b = _segment(kind, n, rng, level_d, level_g)
        quiet = 0.0 if kind == "dead" else noise * (0.1 if kind == "player-won" else 1.0)
        level_d, level_g = float(a[-1]), float(b[-1])
        d.append(
            a + quiet * np.abs(rng.normal(size=rows))
            if kind == "player-won"
            else a + quiet * rng.normal(size=rows)
        )
        g.append(b + noise * (kind != "dead") * rng.normal(size=rows))
        marks.append((at, at + rows, kind))
        at += rows
    return {"d_loss": np.concatenate(d), "g_loss": np.concatenate(g)}, marks


def _segment(
    kind: str, n: np.ndarray, rng: np.random.Generator, d: float, g: float
) -> tuple[np.ndarray, np.ndarray]:
    one, t = np.ones(len(n)), n / len(n)
    if kind == "start":
        fade = np.exp(-4 * t)
        return d + 0.7 * fade, g - 0.5 * fade
    if kind == "at-chance":
        return 1.386 * one, 0.693 * one
    if kind == "settled":
        return d * one, g * one
    if kind == "rotating":
        w, size = rng.uniform(0.15, 0.8), rng.uniform(0.15, 0.3)
        return d + size * np.sin(w * n), g + size * (np.cos(w * n) - 1)
    if kind == "drifting":
        return d - rng.uniform(0.2, 0.4) * t, g + rng.uniform(0.4, 0.9) * t
    if kind == "player-won":
        return 0.002 * one, rng.choice([16.118, 7.0, 27.631]) * one
    if kind == "dead":
        return d * one, g * one
    if kind == "diverging":
        return d + 0.05 * (np.exp(n / (len(n) / rng.uniform(5, 8))) - 1), g * one
    if kind == "flipped":
        return (0.8 if d > 1.386 else 1.9) * one, (1.3 if g < 0.693 else 0.35) * one
    if kind == "new-term":
        return (d + rng.uniform(0.4, 1.0)) * one, g * one
    raise ValueError(kind)


RUNS = (
    ("start", "settled", "drifting"),
    ("at-chance", "player-won"),
    ("start", "rotating", "at-chance"),
    ("settled", "dead"),
    ("settled", "diverging"),
    ("settled", "new-term"),
    ("settled", "flipped"),
    ("start", "drifting", "player-won"),
    ("rotating", "dead"),
    ("at-chance", "rotating"),
    ("start", "settled", "new-term"),
    ("drifting", "diverging"),
    ("start", "at-chance", "dead"),
)


def labelled(seeds: range = range(30)) -> tuple[int, int, Counter]:
    """How many of the labelled segments have the label of most of their rows, and what others were taken for."""
    right, total, wrong = 0, 0, Counter()
    for seed in seeds:
        series, marks = run_of(RUNS[seed % len(RUNS)], seed)
        log = read(series)
        parts = regimes(log, meaning_of(log, dg.variant("ns")))
        said = np.concatenate([np.full(r.rows, r.kind.value, dtype="U12") for r in parts])
        for first, end, kind in marks:
            most = Counter(said[first:end].tolist()).most_common(1)[0][0]
            right, total = right + (most == kind), total + 1
            if most != kind:
                wrong[(kind, most)] += 1
    return right, total, wrong


def segments() -> None:
    right, total, wrong = labelled()
    print(
        f"regimes: {right} of {total} labelled segments right ({100 * right / total:.1f} %); wrong: {dict(wrong)}"
    )


# ---------------- costs


def costs() -> None:
    n, rng = np.arange(10_000), np.random.default_rng(0)
    turning = {
        f"s{k}": np.exp(-2e-4 * n) * np.cos(0.02 * n + k) + 0.3 * rng.normal(size=len(n)) for k in range(10)
    }
    walks = {f"s{k}": rng.normal(size=len(n)).cumsum() for k in range(10)}
    dg.diagnose(np.cos(np.arange(100.0)))  # imports
    for name, log in (("a rotation in ten series", turning), ("ten random walks", walks)):
        begun = time.process_time()
        dg.diagnose(log)
        print(f"time: 10,000 rows x 10, {name}: {time.process_time() - begun:.2f} s of processor time")


def stream(rows: int = 10_000_000) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.csv"
        block = "".join(
            f"{{}},{1.3 + 0.001 * (k % 97):.4f},{0.7 + 0.001 * (k % 89):.4f}\n" for k in range(10_000)
        )
        with path.open("w") as file:
            file.write("step,d_loss,g_loss\n")
            for k in range(rows // 10_000):
                file.write(block.format(*range(10_000 * k, 10_000 * (k + 1))))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        begun = time.process_time()
        log = read(path)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"stream: {log.values.shape[1]:,} rows, {path.stat().st_size / 2**20:.0f} MB, in "
            f"{time.process_time() - begun:.0f} s; {peak:.0f} MB at most ({before:.0f} before)"
        )


def live(updates: int = 20_000) -> None:
    monitor, rng = dg.Monitor(variant="ns"), np.random.default_rng(0)
    values = rng.normal(size=(updates, 2)).tolist()
    begun = time.process_time()
    for step, (a, b) in enumerate(values):
        monitor.update(step, d_loss=1.386 + 0.1 * a, g_loss=0.693 + 0.1 * b)
    print(
        f"live: {1e3 * (time.process_time() - begun) / updates:.4f} ms an update; warnings {len(monitor.warnings)}"
    )


PARTS = {
    "nulls": nulls,
    "found": found,
    "kicked": kicked,
    "regimes": segments,
    "time": costs,
    "stream": stream,
    "live": live,
}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
