"""What a step of a compiled loop is made of, counted in its machine code, and what a card can do of it a second.

Needs NVRTC and nvdisasm (``pip install 'diracgan[cuda]' nvidia-cuda-nvdisasm``, or a CUDA toolkit), and no card.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import diracgan as dg
from diracgan.ensemble import cuda_backend, engine_choice
from diracgan.ensemble.blocks import Devices, cores
from diracgan.ensemble.vector_field import EnsembleSystem, step_program

_BYTES = 16  # of an instruction, since Volta
_ARITHMETIC = {"float32": r"F(ADD|MUL|FMA)\b", "float64": r"D(ADD|MUL|FMA|SETP)\b"}
_SPECIAL = r"MUFU\b"
_COUNTER = r"U?(?:IADD3?|VIADD)\b"
_MOST = 64  # steps in one round of a loop; larger whole numbers are added to exponents


class Counts(NamedTuple):
    """Instructions that a thread issues in one step, on the shortest way round the loop.

    Attributes:
        instructions: all of them.
        arithmetic: sums, products and comparisons of the loop's own type.
        special: those of the unit for special functions: exp2, log2, reciprocals, roots.
    """

    instructions: float
    arithmetic: float
    special: float

    def __str__(self) -> str:
        every, own, special = (f"{x:.4g}" for x in self)
        return f"{every} instructions a step, {own} arithmetic, {special} special functions"


class Peak(NamedTuple):
    """How many of each a card does at most, a second; the fields are those of :class:`Counts`."""

    instructions: float
    arithmetic: float
    special: float

    def roofline(self, counts: Counts) -> tuple[float, str]:
        """Steps a second at most, and what bounds them."""
        bounds = {k: most / n for k, most, n in zip(self._fields, self, counts, strict=True) if n}
        tightest = min(bounds, key=lambda k: bounds[k])
        return bounds[tightest], tightest.replace("special", "special functions")


def peak(card: Any, dtype: str) -> Peak:
    """What a card can do at most, by its own properties.

    A multiprocessor issues an instruction to 4 times 32 lanes in a cycle and has 16 units for special functions and 64
    (compute capability 7.x and 8.0) or 128 lanes of single precision; the driver says how many times fewer of double
    (CUDA C++ programming guide, "Throughput of native arithmetic instructions").

    Args:
        card: a device of cuda-core.
        dtype: the loop's type.
    """
    has = card.properties
    version = (has.compute_capability_major, has.compute_capability_minor)
    lanes = 64 if version <= (8, 0) else 128
    if dtype == "float64":
        lanes /= has.single_to_double_precision_perf_ratio
    cycles = 1e3 * has.clock_rate * has.multiprocessor_count
    return Peak(128 * cycles, lanes * cycles, 16 * cycles)


def needed() -> str:
    """What is missing for counting, in one line, or ""."""
    if importlib.util.find_spec("cuda") is None or importlib.util.find_spec("cuda.core") is None:
        return "instructions are not counted: cuda-core is not installed (diracgan's extra 'cuda' brings it)"
    return "" if _disassembler() else "instructions are not counted: needs nvdisasm (nvidia-cuda-nvdisasm)"


def _disassembler() -> str | None:
    try:
        packed = [Path(str(f.locate())) for f in files("nvidia-cuda-nvdisasm") or () if f.stem == "nvdisasm"]
    except PackageNotFoundError:
        packed = []
    return str(packed[0]) if packed else shutil.which("nvdisasm")


def counts(source: str, dtype: str, arch: str) -> Counts:
    """A step of the loop of a source, from :mod:`diracgan.ensemble.cuda_backend` or ``limit.cu``.

    Args:
        source: the text.
        dtype: the loop's type.
        arch: for which architecture it is compiled, such as ``"sm_90"``.
    """
    disassembler = _disassembler()
    assert disassembler is not None
    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "kernel.cubin"
        code.write_bytes(cuda_backend.compiled(source, arch).code)
        command = [disassembler, "-json", str(code)]
        _, functions = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    (kernel,) = (f for f in functions if f["function-name"] == "run")
    return in_loop(kernel["sass-instructions"], dtype)


class Counted(NamedTuple):
    """RK4 of a variant and what a step of it takes, or will be found to take."""

    variant: str
    dtype: str
    counts: Future[Counts]


def counted(variants: list[str], arch: str) -> list[Counted]:
    """RK4 of variants in d = 2 with its instructions, in both precisions; the compilers work beside one another."""
    with ThreadPoolExecutor(cores()) as pool:
        return [
            Counted(name, dtype, pool.submit(counts, step_source(name, dtype), dtype, arch))
            for dtype in ("float32", "float64")
            for name in variants
        ]


def table(variants: list[str], arch: str = "sm_90") -> Iterator[str]:
    """What needs no card: the instructions of a step, for Hopper if nothing else is said, in lines."""
    yield f"RK4, d = 2, compiled for {arch}:"
    for dtype in ("float32", "float64"):
        yield f"{dtype} limit.cu: {counts(by_hand(dtype), dtype, arch)}"
    for loop in counted(variants, arch):
        yield f"{loop.dtype} {loop.variant}: {loop.counts.result()}"


def by_hand(dtype: str, adaptive: bool = False) -> str:
    """The text of the limit."""
    head = f"#define T {'double' if dtype == 'float64' else 'float'}\n" + "#define ADAPTIVE\n" * adaptive
    return head + Path(__file__).with_name("limit.cu").read_text()


def step_source(name: str, dtype: str) -> str:
    """The text that a card is given for RK4 of a variant in d = 2."""
    kind = np.dtype(dtype)
    with jax.enable_x64(dtype == "float64"):
        given = EnsembleSystem(dg.variant(name), dg.rule("rk4", lr=0.01), None, None)
        system = jax.tree.map(lambda x: np.asarray(x, kind), given)
        about = engine_choice.DeviceRun(
            motion=step_program(system, 2, kind),
            names=(),
            devices=Devices("gpu", tuple(jax.local_devices(backend="cpu")[:1]), 1),
            dtype=kind,
            varies=(False,) * len(jax.tree.leaves(system)),
            size=cuda_backend.THREADS,
            dim=2,
            datum=0,
            adaptive=False,
            reduced=False,
            several=False,
            worth=True,
        )
        loop = engine_choice.compiled_loop(cuda_backend, about, False)
        assert isinstance(loop, cuda_backend.CudaLoop)
        return loop.text


def in_loop(code: list[dict[str, Any]], dtype: str) -> Counts:
    """A step of the time loop in a kernel's instructions, as nvdisasm writes them in JSON.

    The time loop is the longest of those that lie in one other loop, that over trajectories. On the way round, every
    jump is made that shortens it: what it leaves out are special cases (an exponential that overflows, a reciprocal of
    a subnormal number) and branches of a loss. So no step takes fewer. The compiler makes several steps in one round of
    a short loop; how many says the counter.
    """
    target = {i: int(x["operands"], 16) // _BYTES for i, x in enumerate(code) if _jumps(x)}
    loops = [(to, i) for i, to in target.items() if to < i]
    around = {a: sum(b[0] <= a[0] and a[1] <= b[1] for b in loops) - 1 for a in loops}
    begin, end = max((a for a in loops if around[a] == 1), key=lambda a: a[1] - a[0])
    way = [code[i] for i in _shortest(code, target, begin, end)]
    moved = [m for x in way if 0 < (m := _counted(x)) <= _MOST]
    if len(moved) != 1:
        raise ValueError(f"the time loop has {len(moved)} counters")
    names = [x["opcode"] for x in way]
    found = [len(names), *(sum(bool(re.match(p, n)) for n in names) for p in (_ARITHMETIC[dtype], _SPECIAL))]
    return Counts(*(n / moved[0] for n in found))


def _jumps(instruction: dict[str, Any]) -> bool:
    return instruction["opcode"].split(".")[0] == "BRA" and instruction["operands"].startswith("0x")


def _counted(instruction: dict[str, Any]) -> int:
    """By how much an instruction changes a whole number in its place, or 0."""
    if not re.match(_COUNTER, instruction["opcode"]) or "predicate" in instruction:
        return 0
    kept, *added = (x.removesuffix(".reuse") for x in instruction["operands"].split(","))
    if kept not in added:
        return 0
    by = [int(x, 16) for x in added if re.fullmatch(r"-?0x[0-9a-f]+", x)]
    return min(by[0], 2**32 - by[0]) if len(by) == 1 and by[0] >= 0 else -by[0] if by else 0


def _shortest(code: list[dict[str, Any]], target: dict[int, int], begin: int, end: int) -> list[int]:
    """The fewest instructions from the loop's first to the jump back."""
    before, waiting = {begin: begin}, deque([begin])
    while waiting:
        i = waiting.popleft()
        if i == end:
            break
        always = i in target and "predicate" not in code[i] and "," not in code[i]["operands"]
        for to in ([] if always else [i + 1]) + ([target[i]] if i in target else []):
            if begin <= to <= end and to not in before:
                before[to] = i
                waiting.append(to)
    way = [end]
    while way[-1] != begin:
        way.append(before[way[-1]])
    return way[::-1]
