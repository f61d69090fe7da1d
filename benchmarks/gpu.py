"""What a GPU does for ensembles, spectra, sweeps and training: ratios against a limit, diffrax and PyTorch.

    python benchmarks/gpu.py [--seconds 220] [--only fixed,adaptive,...] [--json FILE]

Any card that JAX sees, one of them, all in one run of under four minutes: every section has its share of them, and
what would begin later is left out and said. Says which card, versions and precision; errors are against float64 on the
processor, for both sides of a ratio. A peer that is missing or fails, and a section that fails, cost their own lines
alone, which say why. The limit is ``limit.cu``, by hand, started in the same way. Without a card it counts what steps
of RK4 take, if NVRTC and nvdisasm are there.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import diracgan as dg
from diracgan.ensemble import cuda_backend, foreign_call
from diracgan.ensemble.blocks import cores
from diracgan.errors import one_line


def neighbour(name: str) -> Any:
    """Another script of this folder as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


peers = neighbour("ensemble")  # diffrax, starts and ends
machine_code = neighbour("machine_code")
NS = dg.variant("ns")
ON_DEVICE = {"arrays": "jax"}


class Sizes(NamedTuple):
    """How much of everything: trajectories, steps, and trajectories of slower peers and of the errors."""

    many: int = 2**22
    steps: int = 5000
    runs: int = 2**20
    few: int = 2**16
    checked: int = 512
    spectra: int = 10**6
    points: int = 10**6
    training: int = 200


@dataclasses.dataclass
class Line:
    """One measurement: a rate against another one, with errors where there are any; or why there is none."""

    what: str
    rate: float = float("nan")
    unit: str = ""
    against: str = ""
    other: float = float("nan")
    aim: float | None = None
    error: float = float("nan")
    others_error: float = float("nan")
    why: str = ""

    @property
    def ratio(self) -> float:
        return self.rate / self.other

    def __str__(self) -> str:
        if not np.isfinite(self.rate):
            return f"{self.what:<34} not measured: {self.why}"
        against = f"{self.ratio:8.3g} of {self.against} ({self.other:.2e})" if self.against else ""
        against = f"no ratio to {self.against}: {self.why}" if self.why else against
        aim = "" if self.aim is None else f", aim {self.aim:g}"
        errors = [f"{x:.1e}" for x in (self.error, self.others_error) if np.isfinite(x)]
        said = f", errors {' and '.join(errors)}" if errors else ""
        return f"{self.what:<34} {self.rate:9.3g} {self.unit:<10} {against}{aim}{said}"


def best(job: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """The least time of a few, after one to compile, and the last answer; JAX's answers are waited for."""
    times, answer = [], None
    for _ in range(repeats + 1):
        began = time.perf_counter()
        answer = jax.block_until_ready(job())
        times.append(time.perf_counter() - began)
    return min(times[1:]), answer


def compared(line: Line, measured: Callable[[], Line]) -> Line:
    """The line once its rival is measured; where that is missing or fails, our own rate stands and says why."""
    try:
        return measured()
    except Exception as why:  # not installed, out of memory, another version: our figure stands without it
        return dataclasses.replace(line, why=one_line(why))


def beside(line: Line, rival: Callable[[], tuple[float, float]]) -> Line:
    """The line with a rival's rate and error, where it has them."""

    def measured() -> Line:
        other, error = rival()
        return dataclasses.replace(line, other=other, others_error=error)

    return compared(line, measured)


def each(parts: dict[str, Callable[[], Iterator[Line]]]) -> Iterator[Line]:
    """The lines of all parts; one that fails says why in a line of its own."""
    for name, part in parts.items():
        try:
            yield from part()
        except Exception as why:  # the others go on
            yield Line(name, why=one_line(why))


def limit(dtype: str, adaptive: bool) -> Callable[[Any, Any, int, float], list[Any]]:
    """The loop written by hand: starts (N, 2), steps, and the step or the end -> the rows of the state."""
    loop = cuda_backend.CudaLoop(machine_code.by_hand(dtype, adaptive))

    @jax.jit
    def run(phi: Any, theta: Any, steps: Any, h: Any) -> list[Any]:
        rows = [*phi.T, *theta.T]
        return foreign_call.call(loop.launch, loop.text, [h, *rows, steps], rows)

    def call(phi: Any, theta: Any, steps: int, h: float) -> list[Any]:
        with jax.enable_x64(dtype == "float64"):
            return jax.block_until_ready(run(phi, theta, jnp.int32(steps), jnp.asarray(h, dtype)))

    return call


def on_card(dtype: str, *both: np.ndarray) -> list[Any]:
    with jax.enable_x64(dtype == "float64"):
        return [jnp.asarray(z, dtype) for z in both]


def exact(variant: Any, phi: np.ndarray, theta: np.ndarray, t1: float) -> np.ndarray:
    """The ends in float64 on the processor, to 1e-12."""
    cpu = jax.local_devices(backend="cpu")[:1]
    how = dict(adaptive=True, rtol=1e-12, atol=1e-14, max_steps=10**6, devices=cpu)
    return peers.ends(dg.ensemble(variant, phi, theta, t1=t1, **how))


def distance(found: Any, truth: np.ndarray) -> float:
    """The largest distance where both are finite."""
    return float(np.nanmax(np.abs(np.asarray(found, float) - truth)))


# ---------------------------------------------------------------- sections


def fixed(sizes: Sizes) -> Iterator[Line]:
    """RK4, dt = 0.01: the kernel, and the whole call with NumPy's arrays."""
    phi, theta = peers.starts(sizes.many, 2)
    truth = exact(NS, phi[: sizes.checked], theta[: sizes.checked], 10.0)
    return each(
        {
            f"RK4 {dtype}": functools.partial(_fixed, dtype, phi, theta, truth, sizes)
            for dtype in ("float32", "float64")
        }
    )


def _fixed(dtype: str, phi: np.ndarray, theta: np.ndarray, truth: np.ndarray, sizes: Sizes) -> Iterator[Line]:
    there, h, work = on_card(dtype, phi, theta), 0.01, sizes.many * sizes.steps
    how = dict(dt=h, dtype=dtype)
    checked = dg.ensemble(NS, *(z[: sizes.checked] for z in there), t1=10.0, **how, **ON_DEVICE)
    error = distance(peers.ends(checked), truth)
    ours = work / best(lambda: dg.ensemble(NS, *there, t1=sizes.steps * h, **how, **ON_DEVICE).phi.data)[0]
    mine = Line(f"RK4 {dtype}, {made_by(checked)}", ours, "steps/s", error=error)

    def by_hand() -> tuple[float, float]:
        run = limit(dtype, adaptive=False)
        off = distance(np.stack(run(*(z[: sizes.checked] for z in there), 1000, h)).T, truth)
        return work / best(lambda: run(*there, sizes.steps, h))[0], off

    def by_diffrax() -> tuple[float, float]:
        peer = peers.diffrax_flow(NS, dtype, 10.0, h)
        took, found = best(lambda: peer(phi[: sizes.few], theta[: sizes.few]), 1)
        return sizes.few * 1000 / took, distance(found[: sizes.checked], truth)

    yield beside(dataclasses.replace(mine, against="the limit", aim=0.95), by_hand)
    yield beside(dataclasses.replace(mine, against="diffrax", aim=25), by_diffrax)
    whole = work / best(lambda: dg.ensemble(NS, phi, theta, t1=sizes.steps * h, **how).phi.data)[0]
    yield Line("the same from and to NumPy", whole, "steps/s", "that on the card", ours)


def call(sizes: Sizes) -> Iterator[Line]:
    """What a call costs besides its steps."""
    there = on_card("float64", *peers.starts(sizes.many, 2))
    took, _ = best(lambda: dg.ensemble(NS, *there, t1=0.01, dt=0.01, **ON_DEVICE).phi.data)
    yield Line("one step of all, on the card", 1 / took, "calls/s", "20 ms", 50.0, 1)


def adaptive(sizes: Sizes) -> Iterator[Line]:
    """rtol 1e-6, atol 1e-9 to T = 40: the kernel, the whole call, and diffrax."""
    phi, theta = peers.starts(sizes.many, 2)
    truth = exact(NS, phi[: sizes.checked], theta[: sizes.checked], 40.0)
    there, how = on_card("float64", phi[: sizes.runs], theta[: sizes.runs]), dict(t1=40.0, adaptive=True)
    made = dg.ensemble(NS, *there, **how, **ON_DEVICE)
    error = distance(peers.ends(made, sizes.checked), truth)
    ours = sizes.runs / best(lambda: dg.ensemble(NS, *there, **how, **ON_DEVICE).phi.data)[0]
    mine = Line(f"adaptive float64, {made_by(made)}", ours, "runs/s", error=error)

    def by_hand() -> tuple[float, float]:
        run = limit("float64", adaptive=True)
        off = distance(np.stack(run(*(z[: sizes.checked] for z in there), 100_000, 40.0)).T, truth)
        return sizes.runs / best(lambda: run(*there, 100_000, 40.0))[0], off

    yield beside(dataclasses.replace(mine, against="the limit", aim=0.5), by_hand)
    yield _against_diffrax(NS, mine, truth, sizes, 100)
    whole = sizes.many / best(lambda: dg.ensemble(NS, phi, theta, **how).phi.data, 2)[0]
    yield Line("the same from and to NumPy", whole, "runs/s", "2e7", 2e7, 1)


def smooth(sizes: Sizes) -> Iterator[Line]:
    """The same for other variants, against diffrax."""
    phi, theta = peers.starts(sizes.few, 2)
    there = on_card("float64", phi, theta)

    def one(name: str) -> Iterator[Line]:
        variant = dg.variant(name)
        truth = exact(variant, phi[: sizes.checked], theta[: sizes.checked], 40.0)
        took, made = best(lambda: dg.ensemble(variant, *there, t1=40.0, adaptive=True, **ON_DEVICE))
        error = distance(peers.ends(made, sizes.checked), truth)
        mine = Line(f"adaptive {name}, {made_by(made)}", sizes.few / took, "runs/s", error=error)
        yield _against_diffrax(variant, mine, truth, sizes, 25)

    return each({f"adaptive {n}": functools.partial(one, n) for n in peers.smooth_variants() if n != "ns"})


def rooflines(sizes: Sizes) -> Iterator[Line]:
    """RK4 of every smooth variant against what the card could do of its own instructions."""
    if why := machine_code.needed():
        raise RuntimeError(why)
    from cuda.core import Device  # pyright: ignore[reportMissingImports]

    card = Device(jax.local_devices()[0].local_hardware_id or 0)
    phi, theta = peers.starts(sizes.many, 2)

    def one(loop: Any) -> Iterator[Line]:
        there, steps = on_card(loop.dtype, phi, theta), sizes.steps // 5
        how = dict(t1=steps * 0.01, dt=0.01, dtype=loop.dtype)
        took, made = best(lambda: dg.ensemble(dg.variant(loop.variant), *there, **how, **ON_DEVICE), 2)
        what = f"RK4 {loop.dtype} {loop.variant}, {made_by(made)}"
        mine = Line(what, sizes.many * steps / took, "steps/s", "its roofline")

        def measured() -> Line:
            counts = loop.counts.result()
            bound, by = machine_code.peak(card, loop.dtype).roofline(counts)
            return dataclasses.replace(mine, against=f"its roofline of {by}: {counts}", other=bound)

        yield compared(mine, measured)

    loops = machine_code.counted(peers.smooth_variants(), f"sm_{card.arch}")
    yield from each({f"RK4 {x.dtype} {x.variant}": functools.partial(one, x) for x in loops})


def _against_diffrax(variant: Any, mine: Line, truth: np.ndarray, sizes: Sizes, aim: float) -> Line:
    phi, theta = peers.starts(sizes.few, 2)

    def rival() -> tuple[float, float]:
        peer = peers.diffrax_flow(variant, "float64", 40.0, None)
        took, found = best(lambda: peer(phi, theta), 1)
        return sizes.few / took, distance(found[: sizes.checked], truth)

    return beside(dataclasses.replace(mine, against="diffrax", aim=aim), rival)


def made_by(e: Any) -> str:
    """The engine of an ensemble, and why it is no better one."""
    why = e.attrs.get("fallback")
    return e.attrs["engine"] + (f" ({why})" if why else "")


def spectra(sizes: Sizes) -> Iterator[Line]:
    """Eigenvalues of a family, against copying as many bytes to the host."""
    family = dataclasses.replace(dg.variant("wgan-gp", c=0.0), lam=np.linspace(0.1, 3.0, sizes.spectra))
    took, _ = best(lambda: dg.spectra(family, sizes.spectra).eigenvalues)
    answer = jnp.zeros((sizes.spectra, 8), jnp.float32)
    copied, _ = best(lambda: np.array(jnp.asarray(answer + 1)))
    yield Line("spectra", sizes.spectra / took, "a second", "copying them", sizes.spectra / copied)


def sweep(sizes: Sizes) -> Iterator[Line]:
    """Where runs go, over the start's plane, in d = 1; the processor has a tenth of the points."""
    processor = jax.local_devices(backend="cpu")[0]

    def rate(points: int, device: Any) -> float:
        side, times = round(np.sqrt(points)), []
        over = {name: np.linspace(0.1, 1.0, side) for name in ("phi0", "theta0")}
        with jax.default_device(device):
            for _ in range(2):  # the first one compiles
                with tempfile.TemporaryDirectory() as folder:
                    how = dict(dim=1, t1=40.0, progress=False, chunk=min(side**2, 250_000))
                    began = time.perf_counter()
                    dg.sweep(NS, over, "limit", out=Path(folder) / "limits.zarr", **how)
                    times.append(time.perf_counter() - began)
        return side**2 / times[1]

    mine = Line("sweep of limit", rate(sizes.points, None), "points/s")
    other = dict(against=f"{cores()} cores of the processor", aim=20 * 2 / cores())
    yield beside(dataclasses.replace(mine, **other), lambda: (rate(sizes.points // 10, processor), np.nan))


def training(sizes: Sizes) -> Iterator[Line]:
    """A step of each player, in the default precision and in exact one, against PyTorch eager."""
    steps = neighbour("training")
    with tempfile.TemporaryDirectory() as folder:
        cases = {
            "MLP step": ("ring8", steps.MLP, 256, 1e-3, sizes.training, 3.0),
            "DCGAN step": (steps.pictures(folder), steps.DCGAN, 128, 2e-4, max(2, sizes.training // 10), 1.0),
        }

        def one(name: str, precision: str | None) -> Iterator[Line]:
            problem, networks, batch, lr, count, aim = cases[name]
            with jax.default_matmul_precision(precision or "default"):
                ours, players, on = steps.trainer(problem, networks, batch, lr)
                (alone,) = steps.side_by_side([ours], count, 1)
                word = "exact" if precision else "default precision (TF32)"
                mine = Line(f"{name}, {word}", 1 / alone, "steps/s", "PyTorch eager", aim=aim)

                def measured() -> Line:
                    if steps.torch is None:
                        raise RuntimeError("PyTorch is missing (pip install torch)")
                    steps.torch.backends.cuda.matmul.allow_tf32 = precision is None
                    steps.torch.backends.cudnn.allow_tf32 = precision is None
                    both = [ours, steps.rival(players, on, batch, lr)]
                    took, theirs = steps.side_by_side(both, count, 3)
                    return dataclasses.replace(mine, rate=1 / took, other=1 / theirs)

                yield compared(mine, measured)

        yield from each(
            {
                f"{name}, {precision or 'default'}": functools.partial(one, name, precision)
                for name in cases
                for precision in (None, "highest")
            }
        )


SECTIONS: dict[str, tuple[Callable[[Sizes], Iterator[Line]], float]] = {
    "fixed": (fixed, 35),
    "adaptive": (adaptive, 30),
    "call": (call, 5),
    "smooth": (smooth, 55),
    "rooflines": (rooflines, 35),
    "training": (training, 35),
    "sweep": (sweep, 20),
    "spectra": (spectra, 5),
}
"""Name -> section and its share of the time; what matters most comes first, and what it leaves goes to the next."""


# ---------------------------------------------------------------- the report


def needed() -> str:
    """What is missing, in one line, or ""."""
    wanted = "nothing is measured; needs a card, its driver and pip install 'diracgan[cuda]'"
    try:
        cards = [d for d in jax.local_devices() if d.platform == "gpu"]
    except Exception as why:  # a platform that was asked for and cannot start
        asked = os.environ.get("JAX_PLATFORMS")
        return f"no GPU that JAX sees (JAX_PLATFORMS={asked}: {one_line(why)}): {wanted}"
    if not cards:
        return f"no GPU that JAX sees: {wanted}"
    try:
        jax.local_devices(backend="cpu")
    except Exception as why:  # it was not asked for
        return (
            f"no processor that JAX sees ({one_line(why)}): errors are against it; set JAX_PLATFORMS=cuda,cpu"
        )
    return ""


def without_a_card() -> Iterator[str]:
    """The instructions of steps, where the compiler is there and JAX can start."""
    try:
        jax.local_devices(backend="cpu")
    except Exception:  # `needed` has said why
        return
    if not machine_code.needed():
        yield from machine_code.table(peers.smooth_variants())


def machine() -> str:
    """The card, versions and the precision of products."""
    card = jax.local_devices()[0]

    def of(package: str) -> str:
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            return f"no {package}"

    packages = ", ".join(of(p) for p in ("jax", "jaxlib", "cuda-core", "diffrax", "torch", "diracgan"))
    precision = jax.config.jax_default_matmul_precision or "JAX's default, TF32 where the card has it"
    launches = cuda_backend.missing(card) or "compiled CUDA is launched"
    return (
        f"{card.device_kind}; {packages}\nmatrix products in float32: {precision}; "
        f"float64 and loops: exact\nloops: {launches}"
    )


def report(names: list[str], sizes: Sizes, seconds: float) -> list[Line]:
    """Every section in its turn, line by line, while there is time: none takes that of those after it."""
    began, lines, until = time.perf_counter(), [], 0.0
    share = seconds / sum(SECTIONS[name][1] for name in names)
    for name in names:
        section, part = SECTIONS[name]
        until += share * part
        if (passed := time.perf_counter() - began) > seconds:
            print(f"{name}: left out after {passed:.0f} s")
            continue
        try:
            for line in section(sizes):
                lines.append(line)
                print(line, flush=True)
                if (passed := time.perf_counter() - began) > until:
                    print(f"{name}: ends after {passed:.0f} s, with what it has")
                    break
        except Exception as why:  # one section's failure must not cost the others
            lines.append(Line(name, why=one_line(why)))
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--seconds", type=float, default=220.0, help="no line begins later")
    reader.add_argument("--only", default=",".join(SECTIONS), help=f"sections, among {', '.join(SECTIONS)}")
    reader.add_argument("--json", type=Path, help="write the lines to this file too")
    given = reader.parse_args()
    if said := needed():
        print(said)
        for line in without_a_card():
            print(line, flush=True)
        return
    print(machine(), flush=True)
    lines = report(given.only.split(","), Sizes(), given.seconds)
    if given.json:
        rows = [
            {k: None if v != v else v for k, v in (dataclasses.asdict(x) | {"ratio": x.ratio}).items()}
            for x in lines
        ]
        given.json.write_text(json.dumps({"machine": machine(), "lines": rows}, indent=1))


if __name__ == "__main__":
    main()
