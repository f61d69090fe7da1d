"""The benchmark for cards: its sections run by the shim, its limit is the same motion, without a card it says so."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import subprocess
import sys
from pathlib import Path

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
    names = [n for n in gpu.SECTIONS if n not in ("training", "smooth", "sweep")]
    lines = gpu.report(names, sizes, math.inf)
    assert len(lines) == 6 + 3 + 1 + 1, capsys.readouterr().out
    assert all(line.rate > 0 and str(line) for line in lines)
    assert max(x.error for x in lines if x.unit == "runs/s" and x.error == x.error) < 1e-4


def test_a_section_that_fails_and_one_that_is_late_cost_no_other(gpu, monkeypatch, capsys):
    def fails(sizes):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(gpu, "SECTIONS", {"fails": fails, "one": lambda sizes: [gpu.Line("a", 1.0, "b")]})
    assert [x.what for x in gpu.report(["fails", "one"], gpu.Sizes(), math.inf)] == ["fails", "a"]
    assert gpu.report(["one"], gpu.Sizes(), -1.0) == []
    said = capsys.readouterr().out
    assert re.search("fails +not measured: RuntimeError: out of memory", said)
    assert "one: left out" in said


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


@pytest.mark.slow  # an interpreter of its own; the reason: test_cuda_backend.py
def test_without_a_card_it_ends_with_one_line():
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
        assert made.stdout.count("\n") == 1
        assert made.stdout.startswith("no GPU that JAX sees")
