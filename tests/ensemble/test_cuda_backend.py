"""The loops as CUDA C++: compiled for a processor behind a few macros they give the numbers of the definition, and
NVRTC compiles them, without a GPU, into code that keeps its state in registers."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib.util
import io
import os
import re
import shutil
import subprocess

import jax
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.ensemble import (
    adaptive_steps,
    api,
    c_backend,
    compiled_adaptive,
    cuda_backend,
    engine_choice,
    foreign_call,
    loop_source,
)
from diracgan.ensemble.blocks import Devices
from diracgan.ensemble.methods import RK4
from diracgan.ensemble.vector_field import EnsembleSystem, step_program
from diracgan.tracing.scalar_program import Program
from diracgan.tracing.source_text import NotWritable

from .conftest import SHIM, assert_equal, cpp_compiler, iterated, joined, rk4, shimmed, starts

CONTROL = adaptive_steps.CONTROL


@pytest.fixture
def doubles():
    """Every number in double precision."""
    with jax.enable_x64(True):
        yield


def on_the_processor(source):
    """The kernel as a function of NumPy arrays."""

    def call(leaves, entries, steps):
        results = [np.array(x) for x in entries]
        arrays = [*leaves, *entries, np.array(steps, np.int32), *results]
        shimmed(source)(1, 1, *(x.ctypes.data for x in arrays), max(x.size for x in entries))
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


def agree(variant, rule):
    program, leaves, state = program_of(variant, rule, 2, "float64")
    varies = [False] * len(leaves), [x.ndim > 0 for x in state]
    try:
        source = cuda_backend.source(loop_source.fixed_steps, program, *varies, np.dtype("float64"))
    except NotWritable as why:
        pytest.skip(f"no text: {why}")
    expected = state
    for _ in range(7):
        expected = program.on_host([*leaves, *expected])
    found = on_the_processor(source)(leaves, state, 7)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, np.broadcast_to(b, a.shape), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", slow_but(["ns", "wgan", "gan-qp"], "gan-qp"))
def test_a_variant_gives_the_definition_s_numbers(name, c_compiler, doubles):
    agree(dg.variant(name), RK4(lr=0.05))


@pytest.mark.slow  # fast, of a few: the tests above and below
@pytest.mark.parametrize("name", sorted(dg.variants()))
@pytest.mark.parametrize("rule", [None, *sorted(dg.rules())])
def test_every_variant_and_rule_give_the_definition_s_numbers(name, rule, c_compiler, doubles):
    agree(dg.variant(name), RK4(lr=0.05) if rule is None else dg.rule(rule, lr=0.05))


@pytest.mark.parametrize("name", ["adam", "alternating"])
def test_a_rule_gives_the_definition_s_numbers(name, c_compiler, doubles):
    agree(dg.variant("ns"), dg.rule(name, lr=0.05, ema=0.9))


@pytest.mark.parametrize(
    "names",
    [
        pytest.param((), marks=pytest.mark.slow),
        ("min", "max", "mean_radius", "arc", "escape_time", "entry_time"),
    ],
)
def test_adaptive_steps_are_those_of_the_processor(names, c_compiler, doubles):
    field, leaves, state = program_of(dg.variant("ns"), None, 2, "float64")
    n, count, dtype = len(state), state[0].size, np.dtype("float64")
    looks = compiled_adaptive.looks_at(names, n, 0, 8, dtype) if names else None
    varies = [False] * len(leaves)
    numbers = [np.float64(x) for x in (1e-9, 1e-12, 1e-14, 3.0, *((1.0, 0.1) if names else ()))]
    radius = np.sqrt(sum(x**2 for x in state))
    nothing, never = np.zeros(count), np.full(count, np.nan)
    begun = {"min": state, "max": state, "mean_radius": [nothing, nothing, radius], "arc": [nothing]}
    begun |= {"escape_time": [np.where(radius < 1, never, 0)], "entry_time": [never]}
    seen = [x for name in sorted(names) for x in begun[name]]
    entries = [*state, np.full(count, 3.0), nothing, nothing, nothing, *seen]
    entries = [np.ascontiguousarray(np.tile(x, 128)[:128]) for x in entries]
    what = loop_source.adaptive_steps, field, tuple(varies), looks, CONTROL, dtype
    source = cuda_backend.source(*what)
    held = [np.atleast_1d(np.asarray(x, dtype)) for x in (*leaves, *numbers)]
    found = on_the_processor(source)(held, entries, 10_000)
    expected = [x.copy() for x in entries]
    c_backend.loop(*what)(held, expected, 10_000)
    assert (expected[n] == 0).all()  # all have arrived
    for k, (a, b) in enumerate(zip(found, expected, strict=True)):
        if k not in (n + 1, n + 3):  # sizes and numbers of steps differ by the accuracy of a fifth root
            np.testing.assert_allclose(a, b, rtol=1e-4 if k > n else 1e-8, atol=1e-4 if k > n else 1e-8)


def test_an_ensemble_on_a_gpu_is_the_definition_s(through_the_shim):
    """All but the driver: the trial, the call from within XLA's program, the launches and what they are given."""
    phi, theta = starts(700, 2)
    e = api.ensemble(dg.variant("ns"), phi, theta, t1=0.3, dt=0.01, save=[0.1, 0.3])
    assert "fallback" not in e.attrs
    assert e.attrs["engine"] == "compiled CUDA"
    assert through_the_shim.launched == [(0, 2, 128), (0, 6, 128), (0, 6, 128)]  # 256 in the trial, then 700
    for k, steps in enumerate((10, 30)):
        assert_equal(joined(e.isel(time=k)), rk4(dg.variant("ns"), phi, theta, 0.01, steps))


def test_an_ensemble_larger_than_a_piece_goes_through_in_pieces(through_the_shim, monkeypatch):
    phi, theta = starts(700, 2)
    lam = np.linspace(0.1, 1, 700)  # one number a trajectory is cut like the starts
    variant = dataclasses.replace(dg.variant("wgan-gp", c=0.0), lam=lam)
    whole = api.ensemble(variant, phi, theta, t1=0.3, dt=0.01)
    monkeypatch.setattr(api, "_STREAMED", 256 * 2 * 2 * 8 * 5)  # 256 trajectories; the last pieces overlap
    assert joined(api.ensemble(variant, phi, theta, t1=0.3, dt=0.01)).tolist() == joined(whole).tolist()
    assert_equal(
        joined(whole)[[0, 699]],
        np.vstack(
            [rk4(dg.variant("wgan-gp", c=0.0, lam=lam[i]), phi[[i]], theta[[i]], 0.01, 30) for i in (0, 699)]
        ),
    )


def test_rules_averages_and_statistics_run_on_a_gpu(through_the_shim):
    phi, theta = starts(300, 1)
    rule = dg.rule("adam", lr=0.05, ema=0.9)
    e = api.ensemble(dg.variant("ns"), phi, theta, rule=rule, steps=15, save="stats", escape=2.0)
    assert e.attrs["engine"] == "compiled CUDA"
    assert_equal(joined(e), iterated(dg.variant("ns"), rule, phi, theta, 15))
    away = np.hypot(phi, theta)[:, 0] >= 2
    assert (np.asarray(e["escape_time"])[away] == 0).all()
    assert (np.asarray(e["theta_max"]) >= theta).all()


def test_adaptive_steps_run_on_a_gpu(through_the_shim):
    phi, theta = starts(1500, 2)
    how = dict(t1=2.0, adaptive=True, rtol=1e-9, atol=1e-12)
    e = api.ensemble(dg.variant("ns"), phi, theta, save=[1.0, 2.0], **how)
    assert e.attrs["engine"] == "compiled CUDA"
    assert_equal(joined(e.isel(time=1)), rk4(dg.variant("ns"), phi, theta, 0.005, 400), 1e-7)
    few = api.ensemble(dg.variant("ns"), phi, theta, max_steps=4, **how)
    assert set(np.asarray(few["status"])) == {2}  # too many steps, not a step that was too small


def test_a_trial_while_a_program_is_traced_has_numbers(through_the_shim):
    device, said = jax.local_devices(backend="cpu")[0], []
    jax.jit(lambda x: said.append(cuda_backend.missing(device)) or x)(1.0)
    assert said == [""]


def test_a_kernel_that_does_not_compile_is_left_out_and_said(through_the_shim, monkeypatch):
    monkeypatch.setattr(loop_source, "fixed_steps", lambda *what: "ENTRY run(void *leaf0) { wrong }")
    phi, theta = starts(20, 2)
    e = api.ensemble(dg.variant("ns"), phi, theta, t1=0.1, dt=0.01)
    assert e.attrs["engine"] == "one kernel"
    assert "kernel.cpp" in e.attrs["fallback"]
    assert_equal(joined(e), rk4(dg.variant("ns"), phi, theta, 0.01, 10))


def test_cuda_core_packs_pointers_and_the_count_as_the_kernel_reads_them():
    holder = pytest.importorskip("cuda.core._kernel_arg_handler", reason="needs the extra cuda").ParamHolder
    memory = [foreign_call.ArrayAddress(2**40 + 64 * k, n) for k, n in enumerate((1, 128, 1, 128))]
    given = cuda_backend.arguments(memory[:3], memory[3:])
    held = holder(tuple(given))
    cells = (ctypes.c_void_p * len(given)).from_address(held.ptr)
    read = [ctypes.c_int64.from_address(cell).value for cell in cells]
    assert read == [2**40, 2**40 + 64, 2**40 + 128, 2**40 + 192, 128]


def test_a_kernel_is_launched_on_xla_s_stream_with_a_thread_for_each_trajectory(monkeypatch):
    core = pytest.importorskip("cuda.core", reason="needs the extra cuda")
    launched, kernels = [], []
    monkeypatch.setattr(core, "launch", lambda *given: launched.append(given))
    monkeypatch.setattr(cuda_backend, "_on_device", lambda *which: kernels.append(which) or "the kernel")
    reads, writes = (
        [foreign_call.ArrayAddress(64 * k, n) for k, n in enumerate(sizes)] for sizes in ((1, 1280), (1280,))
    )
    cuda_backend.CudaLoop("text").launch(reads, writes, foreign_call.Place(device=3, stream=0x1234))
    ((stream, config, kernel, *given),) = launched
    assert int(stream.handle) == 0x1234
    assert config.grid[0] * config.block[0] == 1280
    assert (kernel, kernels) == ("the kernel", [("text", 3)])
    assert given == cuda_backend.arguments(reads, writes)


def test_what_a_launch_says_is_an_error_of_the_run():
    import jax.numpy as jnp

    def launch(reads, writes, place):
        raise RuntimeError("CUDA_ERROR_NO_DEVICE")

    x = jnp.zeros(128)
    with pytest.raises(jax.errors.JaxRuntimeError, match="CUDA_ERROR_NO_DEVICE"):
        jax.block_until_ready(jax.jit(lambda x: foreign_call.call(launch, "fails", [x], [x]))(x))


def test_without_cuda_core_the_reason_is_said(as_on_a_gpu):
    phi, theta = starts(20, 1)
    e = api.ensemble(dg.variant("ns"), phi, theta, t1=1.0, adaptive=True)
    assert e.attrs["engine"] == "XLA"
    assert e.attrs["fallback"].startswith("cuda-core is not installed")


def assembled(source):
    """Registers and bytes of spills of a kernel for Hopper, as the assembler reports them."""
    if importlib.util.find_spec("cuda") is not None and importlib.util.find_spec("cuda.core") is not None:
        log = io.StringIO()
        cuda_backend.compiled(source, "sm_90", log)
        said = log.getvalue()
    elif compiler := shutil.which("nvcc"):
        options = [
            "-x",
            "cu",
            "-std=c++17",
            "-cubin",
            "-arch",
            "sm_90",
            "-Xptxas",
            "-v",
            "-o",
            os.devnull,
            "-",
        ]
        said = subprocess.run(
            [compiler, *options], input=source, capture_output=True, text=True, check=True
        ).stderr
    else:
        pytest.skip("needs the extra cuda, or nvcc")
    registers = int(re.search(r"Used (\d+) registers", said)[1])
    spills = [int(n) for n in re.findall(r"(\d+) bytes spill", said)]
    return registers, sum(spills)


@pytest.fixture
def written(monkeypatch):
    """The text that a GPU is given for a variant and a rule, a method or, for adaptive steps, None."""
    monkeypatch.setattr(cuda_backend, "missing", lambda device: "")
    monkeypatch.setattr(cuda_backend.CudaLoop, "fails", lambda loop, device: "")

    def text(variant, rule, names=(), dtype="float32"):
        kind = np.dtype(dtype)
        with jax.enable_x64(dtype == "float64"):
            system = jax.tree.map(lambda x: np.asarray(x, kind), EnsembleSystem(variant, rule, None, None))
            about = engine_choice.DeviceRun(
                motion=step_program(system, 2, kind),
                names=names,
                devices=Devices("gpu", tuple(jax.local_devices(backend="cpu")[:1]), 1),
                dtype=kind,
                varies=(False,) * len(jax.tree.leaves(system)),
                size=128,
                dim=2,
                datum=0,
                adaptive=rule is None,
                reduced=False,
                several=False,
                worth=True,
            )
            engine = engine_choice.engine(about, False)
        if engine.loop is None:
            pytest.skip(engine.why)
        return engine.loop.text

    engine_choice.engine.cache_clear()
    yield text
    engine_choice.engine.cache_clear()


def test_what_is_compiled_is_kept_on_the_disk(tmp_path, monkeypatch):
    pytest.importorskip("cuda.core", reason="needs the extra cuda")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = cuda_backend.compiled(cuda_backend.trial(), "sm_80").code
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and p.read_bytes() == first]
    assert len(kept) == 1
    assert cuda_backend.compiled(cuda_backend.trial(), "sm_80").code == first
    cuda_backend.compiled(cuda_backend.trial(), "sm_90")  # another card is another entry
    assert kept[0].read_bytes() == first


STATISTICS = ("arc", "entry_time", "escape_time", "max", "mean_radius", "min")


@pytest.mark.slow  # a second of a compiler; that the texts are right: the tests by the shim
@pytest.mark.parametrize("rule", [RK4(lr=0.05), None])
def test_the_state_is_kept_in_few_registers(rule, written):
    registers, spills = assembled(written(dg.variant("ns"), rule))
    assert registers <= 64
    assert spills == 0


@pytest.mark.slow  # a compiler each, as above
@pytest.mark.parametrize("names", [(), STATISTICS])
@pytest.mark.parametrize("rule", [RK4(lr=0.05), None])
@pytest.mark.parametrize("name", sorted(dg.variants()))
def test_every_variant_is_kept_in_registers(name, rule, names, written):
    assert assembled(written(dg.variant(name), rule, names))[1] == 0


@pytest.mark.slow  # a compiler each, as above
@pytest.mark.parametrize("name", sorted(dg.rules()))
def test_every_rule_is_kept_in_registers(name, written):
    assert assembled(written(dg.variant("wgan-gp"), dg.rule(name, lr=0.05), STATISTICS))[1] == 0


@pytest.mark.slow  # a compiler each; on a processor: test_on_device.py::test_single_precision_stays_single
@pytest.mark.parametrize("name", sorted(dg.variants()))
def test_single_precision_makes_no_number_double(name, written, tmp_path):
    text = written(dg.variant(name), RK4(lr=0.05), STATISTICS)
    (tmp_path / "kernel.cpp").write_text(SHIM + text)
    command = [cpp_compiler(), "-std=c++17", "-fsyntax-only", "-Werror=double-promotion", "kernel.cpp"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stderr == b""
