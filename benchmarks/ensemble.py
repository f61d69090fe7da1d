"""Ensembles against what the machine can do at most and against the usual tools: one table of ratios with errors.

    python benchmarks/ensemble.py [--quick] [--limit PATH.c ...] [--march MACHINE] [--only rk4,...] [--json FILE]

Every pair is measured in turn, several times, and the best time of each counts. Nothing else should run meanwhile, but
for what is measured by processor time: the sections ``kernels`` (of one thread each, the median of ratios), ``smooth``
and half of ``spectra`` (of all threads). ``--limit`` names C files with the functions of ``limit.c`` (the same names
and arguments), of which the fastest counts, ``--march`` the processor that both sides are compiled for (x86-64-v3:
AVX2). A GPU is measured by ``gpu.py``.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import diracgan as dg
from diracgan import dirac
from diracgan.ensemble import c_backend, loop_source
from diracgan.ensemble.api import ensemble
from diracgan.ensemble.methods import RK4
from diracgan.ensemble.spectra import spectra
from diracgan.ensemble.vector_field import EnsembleSystem, step_program
from diracgan.game import Players

HERE = Path(__file__).parent
FLAGS = "-O3 -mprefer-vector-width=512 -ffast-math -fopenmp -shared -fPIC -w".split()
PEEL = (
    "--param max-completely-peeled-insns=2000 --param max-completely-peel-times=64".split()
)  # gcc: unroll over vectors
NS = dg.variant("ns")
_MOST_STEPS = 4096  # of diffrax: all wait for one that stands still, as at some starts of wgan-div


@dataclasses.dataclass
class Row:
    """One line of the table: what, against what, the two rates, their ratio, what is aimed at, and the errors."""

    what: str
    against: str
    rate: float
    other: float
    aim: float | None
    error: float = float("nan")
    others_error: float = float("nan")
    unit: str = "trajectory-steps/s"

    @property
    def ratio(self) -> float:
        return self.rate / self.other

    def __str__(self) -> str:
        aim = "" if self.aim is None else f">= {self.aim:g}"
        errors = f"{_error(self.error)} {_error(self.others_error)}"
        rates = f"{self.rate:9.2e} {self.other:9.2e} {self.ratio:9.3g}"
        return f"{self.what:<38} {self.against:<26} {rates} {aim:>8} {errors}"


HEAD = f"{'what':<38} {'against':<26} {'ours/s':>9} {'theirs/s':>9} {'ratio':>9} {'aim':>8} {'error':>8} {'theirs':>8}"


def _error(x: float) -> str:
    return f"{x:8.1e}" if np.isfinite(x) else f"{'':8}"


def side_by_side(
    *jobs: Callable[[], Any], repeats: int = 3, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """The best time of each job, measured in turn after one round to warm up."""
    best = [float("inf")] * len(jobs)
    for k in range(repeats + 1):
        for i, job in enumerate(jobs):
            began = clock()
            job()
            if k:
                best[i] = min(best[i], clock() - began)
    return best


class Limit:
    """The C limits, compiled here."""

    def __init__(self, sources: list[Path]) -> None:
        self.folder, self.libraries = tempfile.TemporaryDirectory(), []
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
        for source in sources:
            if compiler is None or not source.exists():
                why = "no compiler" if compiler is None else f"{source} is not there"
            elif (found := self._compiled(compiler, source)) is not None:
                self.libraries.append(found)
                continue
            else:
                why = f"{compiler} does not take {source}"
            print(f"no C limit: {why}", file=sys.stderr)

    def _compiled(self, compiler: str, source: Path) -> ctypes.CDLL | None:
        target = Path(self.folder.name) / f"limit{len(self.libraries)}.so"
        for extra in (PEEL, []):
            command = [compiler, *FLAGS, c_backend.MACHINE, *extra, str(source), "-o", str(target), "-lm"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return ctypes.CDLL(str(target))
        return None

    def _functions(self, *names: str) -> list[Any]:
        return [getattr(lib, n) for lib in self.libraries for n in names if hasattr(lib, n)]

    def rk4(
        self, dtype: str, phi: np.ndarray, theta: np.ndarray, steps: int, h: float
    ) -> list[Callable[[], np.ndarray]]:
        """Jobs that return the final states (4, N), one for each width that a file has."""
        number = ctypes.c_float if dtype == "float32" else ctypes.c_double
        start = np.concatenate([phi.T, theta.T]).astype(dtype)
        kind = "f32" if dtype == "float32" else "f64"

        def job(function: Any) -> Callable[[], np.ndarray]:
            def call() -> np.ndarray:
                y = start.copy()
                function(
                    ctypes.c_void_p(y.ctypes.data), ctypes.c_long(y.shape[1]), ctypes.c_long(steps), number(h)
                )
                return y

            return call

        return [job(f) for f in self._functions(*(f"rk4_{kind}_u{u}" for u in (1, 2, 4, 8)))]

    def train(
        self, dtype: str, phi: np.ndarray, theta: np.ndarray, steps: int, h: float, alternate: bool
    ) -> list[Callable[[], np.ndarray]]:
        """Jobs that return theta and phi at the end, (2, N), one for each file."""
        number = ctypes.c_float if dtype == "float32" else ctypes.c_double

        def job(function: Any) -> Callable[[], np.ndarray]:
            def call() -> np.ndarray:
                y = np.stack([theta, phi]).astype(dtype)
                rows = [ctypes.c_void_p(y[i].ctypes.data) for i in (0, 1)]
                function(
                    *rows, ctypes.c_long(y.shape[1]), ctypes.c_long(steps), number(h), ctypes.c_int(alternate)
                )
                return y

            return call

        return [job(f) for f in self._functions("train_f32" if dtype == "float32" else "train_f64")]


def starts(count: int, dim: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, count, dim))


def ends(e: Any, count: int | None = None) -> np.ndarray:
    return np.concatenate([e["phi"], e["theta"]], axis=1)[:count].astype(float)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


# ---------------------------------------------------------------- peers


def diffrax_flow(
    variant: Any, dtype: str, t1: float, dt: float | None, rtol: float = 1e-6, atol: float = 1e-9
) -> Any:
    """diffrax's Tsit5 under vmap on the library's own field: fixed steps of ``dt``, or adaptive ones."""
    import diffrax

    controller = diffrax.ConstantStepSize() if dt else diffrax.PIDController(rtol=rtol, atol=atol)

    @jax.jit
    def solve(variant: Any, starts: Any) -> Any:
        def one(y0: Any) -> Any:
            half = y0.shape[0] // 2

            def field(t: Any, y: Any, args: Any) -> Any:
                return jnp.concatenate(
                    dirac.game(args, jnp.zeros(half, y.dtype)).velocity(Players(y[:half], y[half:]))
                )

            found = diffrax.diffeqsolve(
                diffrax.ODETerm(field),
                diffrax.Tsit5(),
                0.0,
                t1,
                dt,
                y0,
                args=variant,
                saveat=diffrax.SaveAt(t1=True),
                stepsize_controller=controller,
                max_steps=_MOST_STEPS,
                throw=False,
            )
            return jnp.where(found.result == diffrax.RESULTS.successful, found.ys[0], jnp.nan)

        return jax.vmap(one)(starts)

    def call(phi: np.ndarray, theta: np.ndarray) -> np.ndarray:
        with jax.enable_x64(dtype == "float64"):
            both = jnp.asarray(np.concatenate([phi, theta], axis=1), dtype)
            return np.asarray(solve(dirac.cast(variant, dtype), both), float)

    return call


def scipy_flow(phi: np.ndarray, theta: np.ndarray, t1: float) -> np.ndarray:
    """scipy's RK45, one trajectory after the other, the field typed in by hand."""
    from scipy.integrate import solve_ivp

    def field(_: float, y: np.ndarray) -> np.ndarray:
        s = 1 / (1 + np.exp(-(y[:2] @ y[2:])))
        return np.concatenate([-s * y[2:], (1 - s) * y[:2]])

    both = np.concatenate([phi, theta], axis=1)
    return np.array([solve_ivp(field, (0, t1), y, rtol=1e-6, atol=1e-9).y[:, -1] for y in both])


def stepped(phi: np.ndarray, theta: np.ndarray, steps: int, h: float, alternate: bool) -> np.ndarray:
    """Gradient steps of the non-saturating GAN by NumPy, the field typed in by hand."""
    for _ in range(steps):
        s = 1 / (1 + np.exp(-phi * theta))
        moved = phi - h * theta * s
        s = 1 / (1 + np.exp(-moved * theta)) if alternate else s
        phi, theta = moved, theta + h * (moved if alternate else phi) * (1 - s)
    return np.concatenate([phi, theta], axis=1)


# ---------------------------------------------------------------- sections


def kernels(limit: Limit, quick: bool) -> Iterator[Row]:
    """The compiled loop of RK4 alone against the C limit, one thread each: processor time, the median of ratios."""
    count, steps = 8192, 200 if quick else 1000
    phi, theta = starts(count, 2)
    for library in limit.libraries:
        library.omp_set_num_threads(1)
    for dtype in ("float32", "float64"):
        kind = np.dtype(dtype)
        with jax.enable_x64(dtype == "float64"):
            system = EnsembleSystem(NS, RK4(lr=0.01), None, None)
            leaves = [np.asarray(x, kind) for x in jax.tree.leaves(system)]
            program = step_program(jax.tree.map(lambda x, kind=kind: np.asarray(x, kind), system), 2, kind)
        varies = (False,) * len(leaves), (True,) * 4
        loop = c_backend.loop(loop_source.fixed_steps, program.advance, *varies, kind)
        jobs = limit.rk4(dtype, phi, theta, steps, 0.01)
        if loop is None or not jobs:
            continue
        entries = [np.ascontiguousarray(x, kind) for x in (*phi.T, *theta.T)]

        def ours(loop: Any = loop, leaves: Any = leaves, entries: Any = entries) -> None:
            loop(leaves, [x.copy() for x in entries], steps)

        times = np.array([[_of_processor(job) for job in (ours, *jobs)] for _ in range(8)])[1:]
        mine, best = times[:, 0], times[:, 1:].min(axis=1)
        rate, ratio = count * steps / np.median(mine), float(np.median(best / mine))
        yield Row(f"rk4 {dtype}, {c_backend.MACHINE[7:]}, kernel", "C in registers", rate, rate / ratio, 0.85)
    for library in limit.libraries:
        library.omp_set_num_threads(os.cpu_count() or 1)


def _of_processor(job: Callable[[], Any]) -> float:
    began = time.thread_time()
    job()
    return time.thread_time() - began


def fixed(limit: Limit, quick: bool) -> Iterator[Row]:
    """RK4, d = 2, dt = 0.01: against the C limit and diffrax."""
    count, steps, few = (16_384, 1000, 2048) if quick else (131_072, 1000, 131_072)
    phi, theta = starts(count, 2)
    truth = ends(
        ensemble(NS, phi[:2000], theta[:2000], t1=steps * 0.01, adaptive=True, rtol=1e-13, atol=1e-14)
    )
    for dtype in ("float32", "float64"):
        last: dict[str, Any] = {}

        def ours(dtype: str = dtype, last: dict[str, Any] = last) -> None:
            last["ours"] = ensemble(NS, phi, theta, t1=steps * 0.01, dt=0.01, dtype=dtype)

        jobs = limit.rk4(dtype, phi, theta, steps, 0.01)
        mine, *theirs = side_by_side(ours, *jobs)
        rate, error = count * steps / mine, distance(ends(last["ours"], 2000), truth)
        if theirs:
            best = jobs[int(np.argmin(theirs))]
            off = distance(best().T[:2000].astype(float), truth)
            yield Row(f"rk4 {dtype}", "C in registers", rate, count * steps / min(theirs), 0.55, error, off)
        peer = diffrax_flow(NS, dtype, steps * 0.01, 0.01)
        (slow,) = side_by_side(lambda peer=peer: peer(phi[:few], theta[:few]), repeats=1)
        off = distance(peer(phi[:2000], theta[:2000]), truth)
        yield Row(f"rk4 {dtype}", "diffrax Tsit5, same steps", rate, few * steps / slow, 45, error, off)
        os.environ["DIRACGAN_C"] = "0"
        try:
            (plain,) = side_by_side(ours)
        finally:
            del os.environ["DIRACGAN_C"]
        yield Row(
            f"rk4 {dtype}, through XLA",
            "diffrax Tsit5, same steps",
            count * steps / plain,
            few * steps / slow,
            45,
        )


def adaptive(limit: Limit, quick: bool) -> Iterator[Row]:
    """rtol 1e-6, atol 1e-9, T = 40: ns against diffrax and scipy, per trajectory."""
    count = 32_768 if quick else 131_072
    phi, theta = starts(count, 2)
    yield _against_diffrax("ns", phi, theta, count, time.perf_counter)
    (slow,) = side_by_side(lambda: scipy_flow(phi[:20], theta[:20], 40.0), repeats=1)
    (mine,) = side_by_side(lambda: ensemble(NS, phi, theta, t1=40.0, adaptive=True), repeats=1)
    yield Row("adaptive ns", "scipy RK45", count / mine, 20 / slow, 1000, unit="trajectories/s")


def smooth(limit: Limit, quick: bool) -> Iterator[Row]:
    """The same for every smooth variant against diffrax on a part of the runs: processor time, all threads."""
    phi, theta = starts(32_768, 2)
    for name in smooth_variants():
        yield _against_diffrax(name, phi, theta, 1024 if quick else 8192, time.process_time)


def smooth_variants() -> list[str]:
    """Those without a switching surface."""
    at = Players(jnp.ones(2), jnp.ones(2))
    return [
        name for name in dg.variants() if not dirac.game(dg.variant(name), jnp.zeros(2)).surfaces(at).size
    ]


def _against_diffrax(
    name: str, phi: np.ndarray, theta: np.ndarray, few: int, clock: Callable[[], float]
) -> Row:
    """Enough runs for compiled C; diffrax, which waits for the slowest, has no more of them than it is given."""
    variant, last = dg.variant(name), {}
    how = dict(t1=40.0, adaptive=True, rtol=1e-12, atol=1e-14, max_steps=10**6)
    truth = ends(ensemble(variant, phi[:500], theta[:500], **how))
    peer = diffrax_flow(variant, "float64", 40.0, None)

    def ours() -> None:
        last["ours"] = ensemble(variant, phi, theta, t1=40.0, adaptive=True)

    def theirs() -> None:
        last["theirs"] = peer(phi[:few], theta[:few])

    mine, other = side_by_side(ours, theirs, clock=clock)
    arrived = np.isfinite(last["theirs"]).all(axis=1)
    if not arrived.all():
        print(f"diffrax stands still at {np.sum(~arrived)} of {few} starts of {name}", file=sys.stderr)
    kept = arrived[:500]
    errors = distance(ends(last["ours"], 500), truth), distance(last["theirs"][:500][kept], truth[kept])
    rates = len(phi) / mine, few / other
    return Row(f"adaptive {name}", "diffrax Tsit5, vmapped", *rates, 10, *errors, unit="trajectories/s")


def rules(limit: Limit, quick: bool) -> Iterator[Row]:
    """Gradient steps, d = 1: against the C limit; NumPy, step by step, is the truth."""
    count, steps = (16_384, 10_000) if quick else (100_352, 10_000)
    phi, theta = 0.5 * starts(count, 1)
    for dtype, name in itertools.product(("float32", "float64"), ("simultaneous", "alternating")):
        rule, last = dg.rule(name, lr=0.01), {}

        def ours(dtype: str = dtype, rule: Any = rule, last: dict[str, Any] = last) -> None:
            last["ours"] = ensemble(NS, phi, theta, rule=rule, steps=steps, dtype=dtype)

        jobs = limit.train(dtype, phi[:, 0], theta[:, 0], steps, 0.01, name == "alternating")
        if not jobs:
            continue
        mine, *each = side_by_side(ours, *jobs)
        theirs, job = min(each), jobs[int(np.argmin(each))]
        truth = stepped(phi[:1000], theta[:1000], steps, 0.01, name == "alternating")
        off = distance(job()[::-1].T[:1000].astype(float), truth)
        error = distance(ends(last["ours"], 1000), truth)
        yield Row(
            f"{name} {dtype}", "C in registers", count * steps / mine, count * steps / theirs, 0.5, error, off
        )


def families(limit: Limit, quick: bool) -> Iterator[Row]:
    """Eigenvalues at the equilibrium: against copying them, and numpy.linalg.eigvals of the 2d x 2d matrices.

    A closed form costs what writing its answer costs, so the copy of as many bytes is the limit.
    LAPACK finds out by balancing that the matrices fall into 2 x 2 blocks; in another basis it has to work.
    """
    count, checked, few = 1_000_000, 100_000, 5_000 if quick else 100_000
    mu, lam = np.linspace(0.0, 2.0, count), np.random.default_rng(0).uniform(0.1, 3.0, count)
    cases = {
        "ns + r1": (dataclasses.replace(NS.with_(r1=0.1), extras={"r1": mu}), -mu, 0.5),
        "wgan-gp, c = 0": (dataclasses.replace(dg.variant("wgan-gp", c=0.0), lam=lam), -2 * lam, 1.0),
    }
    for (name, (family, damping, turn)), dim, turned in itertools.product(
        cases.items(), (2, 4, 8), (False, True)
    ):
        matrices = np.zeros((few, 2 * dim, 2 * dim))
        for k in range(dim):
            matrices[:, k, k] = damping[:few]
            matrices[:, k, k + dim], matrices[:, k + dim, k] = -turn, turn
        if turned:
            basis = np.linalg.qr(np.random.default_rng(1).normal(size=(2 * dim, 2 * dim)))[0]
            matrices = basis @ matrices @ basis.T
        answer = spectra(family, count, dim).eigenvalues
        # by themselves and often: milliseconds, which emptied caches or a short disturbance would decide
        both = (lambda family=family, dim=dim: spectra(family, count, dim)), answer.copy
        mine, copied = side_by_side(*both, repeats=40)
        used, of_copy = side_by_side(*both, repeats=40, clock=time.process_time)
        (theirs,) = side_by_side(lambda m=matrices: np.linalg.eigvals(m))
        root = np.sqrt(damping[:checked, None] ** 2 / 4 - turn**2 + 0j)
        exact = damping[:checked, None] / 2 + root * np.array([1, -1])
        error = np.abs(answer[:checked] - exact).max()
        name, kind = f"spectra, {name}, d = {dim}{', turned' if turned else ''}", dict(unit="spectra/s")
        yield Row(name, "copying the answer", count / mine, count / copied, 0.8, error, **kind)
        yield Row(name, "the same in processor time", count / used, count / of_copy, 0.8, error, **kind)
        yield Row(name, "numpy.linalg.eigvals", count / mine, few / theirs, None, error, **kind)


def catalogue(limit: Limit, quick: bool) -> Iterator[Row]:
    """Every other variant against ns: one definition, one class of speed."""
    count, steps = 16_384, 1000
    phi, theta = starts(count, 2)
    for name in dg.variants():
        variant = dg.variant(name)
        mine, base = side_by_side(
            lambda v=variant: ensemble(v, phi, theta, t1=steps * 0.01, dt=0.01),
            lambda: ensemble(NS, phi, theta, t1=steps * 0.01, dt=0.01),
            repeats=2,
        )
        yield Row(f"rk4 float64, {name}", "the same for ns", count * steps / mine, count * steps / base, None)


SECTIONS = dict(
    kernels=kernels,
    rk4=fixed,
    adaptive=adaptive,
    smooth=smooth,
    rules=rules,
    spectra=families,
    catalogue=catalogue,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--limit", type=Path, nargs="+", default=[HERE / "limit.c"], help="C sources of the limit"
    )
    parser.add_argument("--march", default="native", help="the processor that C is compiled for")
    parser.add_argument("--quick", action="store_true", help="fewer trajectories")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections, among {', '.join(SECTIONS)}")
    parser.add_argument("--json", type=Path, help="write the rows to this file too")
    given = parser.parse_args()
    c_backend.MACHINE = f"-march={given.march}"
    limit, rows = Limit(given.limit), []
    print(HEAD)
    for name in given.only.split(","):
        for row in SECTIONS[name](limit, given.quick):
            rows.append(dataclasses.asdict(row) | {"ratio": row.ratio})
            print(row, flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
