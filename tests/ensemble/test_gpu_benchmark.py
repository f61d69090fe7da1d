"""The benchmark for cards: its sections run by the shim, its limit is the same motion, without a card it says so."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import diracgan as dg

from .conftest import rk4, starts

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "gpu_benchmark", module)
    spec.loader.exec_module(module)
    return module


def test_the_limit_is_the_same_motion(gpu, through_the_shim):
    phi, theta = starts(128, 2)
    with jax.enable_x64(True):
        ends = np.stack(gpu.limit("float64", adaptive=False)(phi, theta, 30, 0.01)).T
        along = np.stack(gpu.limit("float64", adaptive=True)(phi, theta, 10_000, 2.0)).T
    np.testing.assert_allclose(ends, rk4(dg.variant("ns"), phi, theta, 0.01, 30), rtol=0, atol=1e-13)
    # rtol 1e-6
    np.testing.assert_allclose(along, rk4(dg.variant("ns"), phi, theta, 0.01, 200), rtol=0, atol=1e-5)


@pytest.mark.slow  # fast, that the limit is the same motion: the test above
def test_every_section_runs(gpu, through_the_shim, capsys):
    sizes = gpu.Sizes(256, 10, 256, 128, 64, 1000, 100, 2)
    names = [n for n in gpu.SECTIONS if n not in ("training", "smooth", "sweep", "rooflines")]
    lines = gpu.report(names, sizes, math.inf)
    assert len(lines) == 6 + 3 + 1 + 1, capsys.readouterr().out
    assert all(line.rate > 0 and str(line) for line in lines)
    assert max(x.error for x in lines if x.unit == "runs/s" and x.error == x.error) < 1e-4


def test_a_section_that_fails_and_one_that_is_late_cost_no_other(gpu, monkeypatch, capsys):
    def fails(sizes):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(
        gpu, "SECTIONS", {"fails": (fails, 1), "one": (lambda sizes: [gpu.Line("a", 1.0, "b")], 1)}
    )
    assert [x.what for x in gpu.report(["fails", "one"], gpu.Sizes(), math.inf)] == ["fails", "a"]
    assert gpu.report(["one"], gpu.Sizes(), -1.0) == []
    said = capsys.readouterr().out
    assert re.search("fails +not measured: RuntimeError: out of memory", said)
    assert "one: left out" in said


def test_a_section_that_takes_its_share_leaves_the_others_theirs(gpu, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(gpu.time, "perf_counter", lambda: now[0])

    def lines(count, each):
        def section(sizes):
            for k in range(count):
                now[0] += each
                yield gpu.Line(f"{count} {k}", 1.0)

        return section

    monkeypatch.setattr(
        gpu,
        "SECTIONS",
        {"long": (lines(100, 10), 60), "short": (lines(2, 5), 20), "last": (lines(50, 1), 20)},
    )
    made = [x.what.split()[0] for x in gpu.report(["long", "short", "last"], gpu.Sizes(), 100)]
    assert made.count("100") == 7  # the line that was begun at 60 is finished
    assert made.count("2") == 2
    assert made.count("50") == 21  # what the second left is the third's


def instruction(opcode, operands="", predicate=None):
    return {"opcode": opcode, "operands": operands} | ({"predicate": predicate} if predicate else {})


def test_a_step_is_the_shortest_way_round_the_loop_within_one_other(gpu):
    """Two steps a round, each an exponential with a special case that is left out."""
    code = [
        instruction("LDG.E", "R1,desc[UR8][R2.64]"),  # of the loop over trajectories
        instruction("FMUL", "R3,R1,R1"),  # 1: here the time loop begins
        instruction("MUFU.EX2", "R3,R3"),
        instruction("BRA", "0x60", "@!P0"),
        instruction("IADD3", "R7,R7,-0x100000,RZ"),  # an exponent, which is no counter
        instruction("FMUL", "R3,R3,R3"),
        instruction("FADD.FTZ", "R1,R3,1"),  # 6
        instruction("FSETP.GT.AND", "P1,PT,R1,R2,PT"),
        instruction("MUFU.RCP", "R3,R3"),
        instruction("FFMA", "R1,R3,R1.reuse,R1"),
        instruction("IADD3", "R9,R9,-0x2,RZ"),
        instruction("BRA", "0x10", "@P0"),
        instruction("STG.E", "desc[UR8][R2.64],R1"),
        instruction("BRA", "0x0", "@!P2"),
        instruction("EXIT"),
    ]
    assert gpu.machine_code.in_loop(code, "float32") == (9 / 2, 3 / 2, 2 / 2)
    up = [instruction("VIADD", "R9,R9,0x1") if x["operands"] == "R9,R9,-0x2,RZ" else x for x in code]
    assert gpu.machine_code.in_loop(up, "float32") == (9, 3, 2)
    with pytest.raises(ValueError, match="0 counters"):
        gpu.machine_code.in_loop(
            [instruction("NOP") if x["operands"][:3] == "R9," else x for x in code], "float32"
        )


class Card:
    """What the driver says of an H200: 132 multiprocessors, 1.98 GHz."""

    class properties:
        compute_capability_major, compute_capability_minor = 9, 0
        clock_rate, multiprocessor_count, single_to_double_precision_perf_ratio = 1_980_000, 132, 2


def test_the_roofline_is_the_tightest_of_three(gpu):
    code = gpu.machine_code
    single, double = code.peak(Card, "float32"), code.peak(Card, "float64")
    assert 2 * single.arithmetic == pytest.approx(66.9e12, rel=1e-3)  # the card's data sheet: 67 TFLOPS
    assert 2 * double.arithmetic == pytest.approx(33.5e12, rel=2e-3)  # 34
    cycles = 132 * 1.98e9
    assert single.roofline(code.Counts(91, 76, 8)) == (pytest.approx(cycles * 128 / 91), "instructions")
    assert double.roofline(code.Counts(300, 160, 4)) == (pytest.approx(cycles * 64 / 160), "arithmetic")
    assert single.roofline(code.Counts(91, 76, 20)) == (pytest.approx(cycles * 16 / 20), "special functions")
    assert single.roofline(code.Counts(35.5, 34, 0))[1] == "instructions"


def test_the_counted_text_is_the_one_that_is_launched(gpu, through_the_shim):
    phi, theta = starts(128, 2)
    e = dg.ensemble(dg.variant("wgan-gp"), phi, theta, t1=0.1, dt=0.01)
    assert e.attrs["engine"] == "compiled CUDA"
    assert through_the_shim.texts[-1] == gpu.machine_code.step_source("wgan-gp", "float64")


def test_the_limit_takes_an_exponential_and_a_reciprocal_a_stage(gpu):
    if why := gpu.machine_code.needed():
        pytest.skip(why)
    counts = gpu.machine_code.counts(gpu.machine_code.by_hand("float32"), "float32", "sm_90")
    assert counts.special == 4 * 2
    # dot product 2, its scale and 1 + exp 2, 1 - s and four products 5 each stage; eight, eight, eight and four updates
    assert counts.arithmetic >= 4 * 9 + 3 * 8 + 4
    assert counts.instructions > counts.arithmetic + counts.special


def test_a_peer_or_a_part_that_fails_costs_its_own_line_alone(gpu):
    def missing():
        raise ModuleNotFoundError("No module named 'diffrax'")

    def part(count):
        yield gpu.Line("before", 1.0)
        if count > 1:
            raise MemoryError
        yield gpu.Line("after", 1.0)

    line = gpu.beside(gpu.Line("ours", 2.0, "steps/s", "diffrax", error=1e-6), missing)
    assert line.rate == 2.0
    assert "no ratio to diffrax: ModuleNotFoundError: No module named 'diffrax'" in str(line)
    assert gpu.beside(line, lambda: (0.5, 1e-5)).ratio == 4.0
    lines = list(gpu.each({"large": lambda: part(2), "small": lambda: part(1)}))
    assert [x.what for x in lines] == ["before", "large", "before", "after"]
    assert "not measured: MemoryError" in str(lines[1])


def test_a_training_step_is_timed_beside_its_rival_and_alone_where_that_is_missing(gpu, monkeypatch):
    backends = SimpleNamespace(cuda=SimpleNamespace(matmul=SimpleNamespace()), cudnn=SimpleNamespace())
    steps = SimpleNamespace(
        torch=SimpleNamespace(backends=backends),
        MLP="mlp",
        DCGAN="dcgan",
        pictures=lambda folder: "pictures",
        trainer=lambda *how: ("ours", "players", "data"),
        rival=lambda *how: "rival",
        side_by_side=lambda jobs, count, rounds: [0.25] if jobs == ["ours"] else [0.5, 2.0],
    )
    monkeypatch.setattr(gpu, "neighbour", lambda name: steps)
    both = list(gpu.training(gpu.Sizes()))
    assert [(x.rate, x.ratio) for x in both] == [(2.0, 4.0)] * 4
    steps.torch = None
    alone = list(gpu.training(gpu.Sizes()))
    assert [x.rate for x in alone] == [4.0] * 4
    assert all("no ratio to PyTorch eager: RuntimeError: PyTorch is missing" in str(x) for x in alone)


@pytest.mark.slow  # an interpreter of its own; the reason: test_cuda_backend.py
def test_without_a_card_it_ends_with_one_line_and_what_can_be_counted(gpu):
    if any(d.platform == "gpu" for d in jax.local_devices()):
        pytest.skip("there is a GPU")
    for platforms in ("", "cuda"):  # what JAX finds, and a platform that cannot start here
        made = subprocess.run(
            [sys.executable, str(SCRIPT)],
            env=os.environ | {"JAX_PLATFORMS": platforms},
            capture_output=True,
            text=True,
            check=True,
        )
        said, *counted = made.stdout.splitlines()
        assert said.startswith("no GPU that JAX sees")
        assert bool(counted) == (platforms == "" and not gpu.machine_code.needed())
