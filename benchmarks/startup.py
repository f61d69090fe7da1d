"""How long a single answer takes: the picture against a plain SciPy script, the help against ``import jax``.

    python benchmarks/startup.py [--repeat 7] [--json]

A picture is drawn twice over: of a motion that is computed (``DIRACGAN_CACHE=0``; what JAX compiles is kept), and
again, from the numbers that were kept of it. Every line is measured in the same run, rivals in turn, and given as a
ratio of medians: absolute times depend on the machine, ratios hardly.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# What a person would write by hand for the same path: the field typed in, pyplot, no eigenvalues.
PLAIN = """
import numpy as np
from scipy.integrate import solve_ivp
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
lam = 0.1
def field(t, z):
    return np.concatenate([-z[2:] - 2 * lam * z[:2], z[:2]])
path = solve_ivp(field, (0, 40), [0.1, 0.2, 0.2, 0.1], method="DOP853", rtol=1e-9, atol=1e-12,
                 t_eval=np.linspace(0, 40, 1001))
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 5.7))
left.plot(path.y[2], path.y[3])
right.plot(path.t, np.hypot(path.y[0], path.y[1]))
right.plot(path.t, np.hypot(path.y[2], path.y[3]))
fig.savefig("plain.png")
"""

DIRACGAN = [sys.executable, "-m", "diracgan"]
PLOT = [*DIRACGAN, "plot", "--variant", "wgan-gp", "--c", "0"]
CASES = {
    "plot, new": (["env", "DIRACGAN_CACHE=0", *PLOT], [sys.executable, "-c", PLAIN], 2.0),
    "plot, again": (PLOT, [sys.executable, "-c", PLAIN], 1.2),
    "help": ([*DIRACGAN, "--help"], [sys.executable, "-c", "import jax"], 0.5),
}


def seconds(command: list[str], folder: str) -> float:
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--repeat", type=int, default=7)
    reader.add_argument("--json", action="store_true")
    given = reader.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (ours, rival, goal) in CASES.items():
            for command in (ours, rival):  # files into the disk cache, sources into byte code
                seconds(command, folder)
            pairs = [(seconds(ours, folder), seconds(rival, folder)) for _ in range(given.repeat)]
            mine, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
            rows.append(
                {"case": name, "seconds": mine, "rival_seconds": theirs, "ratio": mine / theirs, "goal": goal}
            )
        assert (Path(folder) / "wgan-gp-c0.png").is_file()
    if given.json:
        print(json.dumps(rows))
        return
    for r in rows:
        print(
            f"{r['case']}: {r['seconds']:.2f} s against {r['rival_seconds']:.2f} s,"
            f" ratio {r['ratio']:.2f} (goal: at most {r['goal']:g})"
        )


if __name__ == "__main__":
    main()
