"""The loops as CUDA C++: compiled for a processor behind a few macros they give the numbers of the definition, and
NVRTC compiles them, without a GPU, into code that keeps its state in registers."""

from __future__ import annotations

import ctypes
import io
import re
import shutil
import subprocess

import jax
import numpy as np
import pytest

import diracgan as dg
from diracgan.ensemble import adaptive_steps, c_backend, compiled_adaptive, cuda_backend
from diracgan.ensemble.methods import RK4
from diracgan.ensemble.vector_field import EnsembleSystem, step_program
from diracgan.tracing.scalar_program import Program

from .conftest import starts

SHIM = """
#include <cmath>
#include <cstdint>
using namespace std;
#define __global__
#define __device__
#define __forceinline__ inline
struct Index { long long x; };
static const Index blockIdx = {0}, threadIdx = {0}, blockDim = {1}, gridDim = {1};
#define __expf(x) expf(x)
static inline float __fdividef(float a, float b) { return a / b; }
"""
CONTROL = adaptive_steps.CONTROL


@pytest.fixture
def doubles():
    """Every number in double precision."""
    with jax.enable_x64(True):
        yield


def on_the_processor(source, folder):
    """The kernel as a function of NumPy arrays: one thread that goes through all trajectories."""
    compiler = next((path for n in ("c++", "g++", "clang++") if (path := shutil.which(n))), None)
    if compiler is None:
        pytest.skip("no C++ compiler is installed")
    (folder / "kernel.cpp").write_text(SHIM + source)
    command = [compiler, "-O1", "-w", "-std=c++17", "-shared", "-fPIC", "kernel.cpp", "-o", "kernel.so"]
    subprocess.run(command, check=True, cwd=folder)
    run = ctypes.CDLL(str(folder / "kernel.so")).run

    def call(leaves, entries, steps):
        results = [np.array(x) for x in entries]
        tables = [
            (ctypes.c_void_p * max(len(xs), 1))(*(x.ctypes.data for x in xs))
            for xs in (leaves, entries, results)
        ]
        run(*tables, ctypes.c_longlong(max(x.size for x in entries)), ctypes.c_longlong(steps))
        return results

    return call


def program_of(variant, rule, dim, dtype):
    """The step, its leaves and the state of some starts."""
    with jax.enable_x64(np.dtype(dtype) == np.float64):
        system = jax.tree.map(lambda x: np.asarray(x, dtype), EnsembleSystem(variant, rule, None, None))
        moves, leaves = step_program(system, dim, dtype), jax.tree.leaves(system)
        players = moves.pack(*starts(5, dim), np.dtype(dtype))
        state = players if rule is None else [np.asarray(x) for x in moves.at_once([*leaves, *players])]
    if not isinstance(moves.advance, Program):
        pytest.skip(moves.note)
    state = [np.broadcast_to(x, 5).copy() if x.dtype == dtype else x for x in state]
    return moves.advance, leaves, state


def agree(variant, rule, tmp_path):
    program, leaves, state = program_of(variant, rule, 2, "float64")
    varies = [x.ndim > 0 for x in state]
    try:
        source = cuda_backend.write(program, [False] * len(leaves), varies, np.dtype("float64"))
    except cuda_backend.NotWritable as why:
        pytest.skip(f"no text: {why}")
    expected = state
    for _ in range(7):
        expected = program.on_host([*leaves, *expected])
    found = on_the_processor(source, tmp_path)(leaves, state, 7)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, np.broadcast_to(b, a.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["ns", "wgan", "gan-qp"])
def test_a_variant_gives_the_definition_s_numbers(name, c_compiler, doubles, tmp_path):
    agree(dg.variant(name), RK4(lr=0.05), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(dg.variants()))
def test_every_variant_gives_the_definition_s_numbers(name, c_compiler, doubles, tmp_path):
    agree(dg.variant(name), RK4(lr=0.05), tmp_path)


@pytest.mark.parametrize("name", ["adam", "alternating"])
def test_a_rule_gives_the_definition_s_numbers(name, c_compiler, doubles, tmp_path):
    agree(dg.variant("ns"), dg.rule(name, lr=0.05, ema=0.9), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(dg.rules()))
def test_every_rule_gives_the_definition_s_numbers(name, c_compiler, doubles, tmp_path):
    agree(dg.variant("ns"), dg.rule(name, lr=0.05), tmp_path)


@pytest.mark.parametrize("names", [(), ("min", "max", "mean_radius", "arc", "escape_time", "entry_time")])
def test_adaptive_steps_are_those_of_the_processor(names, c_compiler, doubles, tmp_path):
    field, leaves, state = program_of(dg.variant("ns"), None, 2, "float64")
    n, count, dtype = len(state), state[0].size, np.dtype("float64")
    looks = compiled_adaptive.looks_at(names, n, 0, 8, dtype) if names else None
    varies = [False] * len(leaves)
    numbers = [np.float64(x) for x in (1e-9, 1e-12, 1e-14, 3.0, 1.0, 0.1)]
    radius = np.sqrt(sum(x**2 for x in state))
    nothing, never = np.zeros(count), np.full(count, np.nan)
    begun = {"min": state, "max": state, "mean_radius": [nothing, nothing, radius], "arc": [nothing]}
    begun |= {"escape_time": [np.where(radius < 1, never, 0)], "entry_time": [never]}
    seen = [x for name in sorted(names) for x in begun[name]]
    entries = [*state, np.full(count, 3.0), nothing, nothing, nothing, *seen]
    entries = [np.ascontiguousarray(np.tile(x, 128)[:128]) for x in entries]
    source = cuda_backend.write_adaptive(field, varies, looks, CONTROL, dtype)
    held = [np.atleast_1d(np.asarray(x, dtype)) for x in (*leaves, *numbers)]
    found = on_the_processor(source, tmp_path)(held, entries, 10_000)
    expected = [x.copy() for x in entries]
    c_backend.adaptive_kernel(field, varies, looks, CONTROL, dtype)(held, expected, 10_000)
    assert (expected[n] == 0).all()  # all have arrived
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        if k not in (n + 1, n + 3):  # sizes and numbers of steps differ by the accuracy of a fifth root
            np.testing.assert_allclose(a, b, rtol=1e-4 if k > n else 1e-8, atol=1e-4 if k > n else 1e-8)


def assembled(source):
    """Registers and bytes of spills of a kernel for Hopper, as the assembler reports them."""
    pytest.importorskip("cuda.core", reason="needs the extra cuda")
    log = io.StringIO()
    cuda_backend.compiled(source, "sm_90", log)
    registers = int(re.search(r"Used (\d+) registers", log.getvalue())[1])
    spills = [int(n) for n in re.findall(r"(\d+) bytes spill", log.getvalue())]
    return registers, sum(spills)


def sources(name, dtype):
    dtype = np.dtype(dtype)
    step, leaves, state = program_of(dg.variant(name), RK4(lr=0.05), 2, dtype)
    yield cuda_backend.write(step, [False] * len(leaves), [True] * len(state), dtype)
    field, leaves, state = program_of(dg.variant(name), None, 2, dtype)
    yield cuda_backend.write_adaptive(field, [False] * len(leaves), None, CONTROL, dtype)


@pytest.mark.parametrize("name", ["ns", "wgan-gp"])
def test_nvrtc_keeps_the_state_in_registers(name):
    for source in sources(name, "float32"):
        registers, spills = assembled(source)
        assert registers <= 128
        assert spills == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(dg.variants()))
def test_nvrtc_keeps_the_state_of_every_variant_in_registers(name):
    for source in sources(name, "float32"):
        assert assembled(source)[1] == 0
