"""What a sweep costs: points a second against N, d, devices and workers.

    python benchmarks/sweeps.py [--quick] [--workers 1,2]

Every line is a whole ``dg.sweep`` into a store, compiled before. The last column divides by the processor time that it
took, which other work on the machine hardly changes. Runs (``final_radius``) are of 1,000 steps.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import diracgan as dg


def seconds_of_cpu() -> float:
    own, others = (resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + others.ru_utime + others.ru_stime


def measure(folder: Path, points: int, dim: int, quantity: str, **who: Any) -> tuple[float, float]:
    """Points a second, and points a second of processor time (of this process alone)."""
    side = round(np.sqrt(points))
    rule = dg.rule("simultaneous", lr=0.1) if quantity in ("margin", "status") else None
    rest: dict[str, Any] = {} if rule else {"t1": 10.0}
    names = ("gamma", "lr") if rule else (("phi0", "theta0") if dim == 1 else ("phi0[0]", "theta0[0]"))
    over = {name: np.linspace(0.1, 1.0, side) for name in names}
    found = (0.0, 0.0)
    for attempt in (1, 2):  # the first one compiles
        out = folder / f"{attempt}.zarr"
        began, cpu = time.perf_counter(), seconds_of_cpu()
        dg.sweep(dg.variant("ns"), over, quantity, rule=rule, dim=dim, out=out, progress=False, **rest, **who)
        found = side * side / (time.perf_counter() - began), side * side / (seconds_of_cpu() - cpu)
        shutil.rmtree(out)
    return found


def main() -> None:
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--quick", action="store_true", help="a hundredth of the points")
    reader.add_argument("--workers", default="1,2", help="sizes of a local Dask cluster")
    given = reader.parse_args()
    scale = 100 if given.quick else 1
    from diracgan.ensemble.blocks import cores

    print("| quantity | N | d | who computes | points/s | points/s of one core |")
    print("| --- | --- | --- | --- | --- | --- |")

    def line(quantity: str, points: int, dim: int, said: str, **who: Any) -> None:
        with tempfile.TemporaryDirectory() as folder:
            rate, per_core = measure(Path(folder), points // scale, dim, quantity, **who)
        alone = f"{per_core:.2g}" if "worker" not in said else "-"
        print(f"| {quantity} | {points // scale:.0e} | {dim} | {said} | {rate:.2g} | {alone} |", flush=True)

    for quantity in ("margin", "final_radius"):
        for points in (10**5, 10**6):
            line(quantity, points, 1, "1 core", devices=1)
        for dim in (2, 10, 100):
            line(quantity, 10**5, dim, "1 core", devices=1)
        for devices in sorted({1, 2, cores()} - {1}):
            if devices <= cores():
                line(quantity, 10**6, 1, f"{devices} cores", devices=devices)
    try:
        import distributed
    except ImportError:
        return
    for workers in map(int, given.workers.split(",")):
        with distributed.LocalCluster(workers, threads_per_worker=1, dashboard_address=None) as cluster:
            line("final_radius", 10**6, 1, f"{workers} worker{'s' if workers > 1 else ''}", scheduler=cluster)


if __name__ == "__main__":
    main()
