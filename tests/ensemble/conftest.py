"""What the tests of ensembles share: starts, and references written from the definition alone."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import functools
import importlib.machinery
import re
import shutil
import subprocess
import sys
import tempfile
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan import dirac
from diracgan.ensemble import api, c_backend, cuda_backend, engine_choice, gpu_backend
from diracgan.ensemble.blocks import Devices
from diracgan.game import Players
from diracgan.rules import init, step


def starts(count, dim, seed=0):
    """Two arrays (count, dim) of standard normal numbers."""
    return np.random.default_rng(seed).normal(size=(2, count, dim))


@functools.partial(jax.jit, static_argnames="steps")
def _iterated(variant, rule, x0, phi, theta, steps):
    def one(a, b):
        game = dirac.game(variant, x0)
        state = init(rule, game, Players(a, b))
        return jax.lax.fori_loop(0, steps, lambda _, s: step(rule, game, s), state).players

    return jax.vmap(one)(phi, theta)


def iterated(variant, rule, phi, theta, steps, x0=None):
    """``steps`` iterations of ``rule``, by vmap over the rule's own functions: (N, 2 d) in float64."""
    with jax.enable_x64(True):
        variant, rule = dirac.cast((variant, rule), jnp.float64)
        x0 = jnp.zeros(phi.shape[1]) if x0 is None else jnp.asarray(x0, float)
        return np.concatenate(
            _iterated(variant, rule, x0, jnp.asarray(phi), jnp.asarray(theta), steps), axis=1
        )


@functools.partial(jax.jit, static_argnames="steps")
def _rk4(variant, x0, phi, theta, h, steps):
    def f(z):
        return dirac.game(variant, x0).velocity(z)

    def move(z, h, v):
        return Players(z.phi + h * v.phi, z.theta + h * v.theta)

    def once(_, z):
        a = f(z)
        b = f(move(z, h / 2, a))
        c = f(move(z, h / 2, b))
        d = f(move(z, h, c))
        mean = Players(*((p + 2 * q + 2 * r + s) / 6 for p, q, r, s in zip(a, b, c, d, strict=True)))
        return dirac.game(variant, x0).project(move(z, h, mean))

    return jax.vmap(lambda a, b: jax.lax.fori_loop(0, steps, once, Players(a, b)))(phi, theta)


def rk4(variant, phi, theta, h, steps, x0=None):
    """Classical Runge-Kutta, written here: (N, 2 d) in float64."""
    with jax.enable_x64(True):
        x0 = jnp.zeros(phi.shape[1]) if x0 is None else jnp.asarray(x0, float)
        variant = dirac.cast(variant, jnp.float64)
        return np.concatenate(_rk4(variant, x0, jnp.asarray(phi), jnp.asarray(theta), h, steps), axis=1)


def joined(e):
    """phi and theta of an ensemble side by side: (N, 2 d)."""
    return np.concatenate([np.asarray(e["phi"]), np.asarray(e["theta"])], axis=-1)


def assert_equal(found, expected, tolerance=1e-12):
    """Equal within ``tolerance`` of the largest state, where the reference is finite; not finite where it is not."""
    fine = np.isfinite(expected).all(axis=1)
    assert fine.any()
    np.testing.assert_array_equal(np.isfinite(found).all(axis=1), fine)
    assert np.abs(found[fine] - expected[fine]).max() <= tolerance * np.abs(expected[fine]).max()


@pytest.fixture
def in_registers(c_compiler, monkeypatch):
    """Run everything that can be in compiled C, however short."""
    monkeypatch.setattr(c_backend, "WORTH", 0)


@pytest.fixture
def through_xla(monkeypatch):
    """Run everything by XLA on the processor, however long."""
    monkeypatch.setenv("DIRACGAN_C", "0")
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        yield


SHIM = """
#include <cmath>
#include <cstdint>
using namespace std;
#define __global__
#define __device__
#define __forceinline__ inline
struct Index { long long x; };
static Index blockIdx = {0}, threadIdx = {0}, blockDim = {1}, gridDim = {1};
#define __expf(x) expf(x)
static inline float __fdividef(float a, float b) { return a / b; }
"""
EVERY_THREAD = """
extern "C" void launch(long long grid, long long block, PARAMETERS) {
  gridDim.x = grid; blockDim.x = block;
  for (blockIdx.x = 0; blockIdx.x < grid; blockIdx.x++)
    for (threadIdx.x = 0; threadIdx.x < block; threadIdx.x++) run(NAMES);
}
"""


@functools.cache
def cpp_compiler():
    """The path of a C++ compiler; skips where there is none. A skip within one of XLA's callbacks would be an error."""
    compiler = next((path for n in ("c++", "g++", "clang++") if (path := shutil.which(n))), None)
    if compiler is None:
        pytest.skip("no C++ compiler is installed")
    return compiler


@functools.cache
def shimmed(source):
    """A kernel for the processor: a function of a grid, a block, addresses, and the number of trajectories."""
    compiler = cpp_compiler()
    found = re.search(r"\brun\(([^)]*)\) {", source)
    assert found
    names = ", ".join(re.findall(r"\w+(?=,|$)", found[1]))
    after = EVERY_THREAD.replace("PARAMETERS", found[1]).replace("NAMES", names)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "kernel.cpp").write_text(SHIM + source + after)
        command = [compiler, "-O1", "-w", "-std=c++17", "-shared", "-fPIC", "kernel.cpp", "-o", "kernel.so"]
        subprocess.run(command, check=True, cwd=folder)
        run = ctypes.CDLL(str(Path(folder) / "kernel.so")).launch

    def launch(grid, block, *values):
        assert len(values) == found[1].count(",") + 1
        run(ctypes.c_longlong(grid), ctypes.c_longlong(block), *(ctypes.c_void_p(int(v)) for v in values))

    return launch


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Take the path that a GPU takes, with the processor for one, from where there is no cuda-core."""
    there = Devices("gpu", tuple(jax.local_devices(backend="cpu")[:1]), 1)
    monkeypatch.setattr(api, "choose", lambda devices: there)
    monkeypatch.setattr(gpu_backend, "INTERPRET", True)
    monkeypatch.setitem(sys.modules, "cuda", None)
    caches = (
        engine_choice.engine,
        cuda_backend.missing,
        cuda_backend._compiled_for,
        cuda_backend._on_device,
    )
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


class FakeCuda:
    """cuda-core's part that is used here, for the processor: what it is called with, and kernels through the shim."""

    def __init__(self):
        self.current, self.launched, self.texts = None, [], []

        class Program:
            def __init__(self, code, code_type, options):
                assert code_type == "c++"
                assert options == {"arch": "sm_90", "std": "c++17"}
                self.code = code

            def compile(self, target_type, *, cache=None):
                assert target_type == "cubin"
                shimmed(self.code)  # a text that does not compile is said here, as by NVRTC
                return self

            def get_kernel(kernel, name):
                assert name == "run"
                assert self.current is not None, "a module is loaded into the current context"
                return kernel.code

        class Device:
            arch = "90"

            def __init__(self, index):
                self.index = index

            def set_current(device):
                self.current = device.index

        class Stream:
            @staticmethod
            def from_handle(handle):
                assert type(handle) is int
                return handle

        @dataclasses.dataclass(kw_only=True)
        class LaunchConfig:
            grid: int
            block: int

        self.parts = dict(Program=Program, ProgramOptions=dict, Device=Device, Stream=Stream)
        self.parts |= dict(LaunchConfig=LaunchConfig, launch=self.launch)

    def launch(self, stream, config, kernel, *given):
        """cuda-core packs whole numbers as pointers, NumPy's by their type; others are not taken."""
        assert {type(x) for x in given[:-1]} == {int}
        assert type(given[-1]) is np.int64
        assert all(x % 16 == 0 for x in given[:-1])
        self.launched.append((stream, config.grid, config.block))
        self.texts.append(kernel)
        shimmed(kernel)(config.grid, config.block, *given)

    def install(self, monkeypatch):
        """Put it in the place of the installed one."""
        for name, parts in {
            "cuda": {},
            "cuda.core": self.parts,
            "cuda.core.utils": {"FileStreamProgramCache": contextlib.nullcontext},
        }.items():
            module = types.ModuleType(name)
            module.__spec__ = importlib.machinery.ModuleSpec(name, None)
            module.__dict__.update(parts)
            monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def through_the_shim(as_on_a_gpu, monkeypatch):
    """A card whose kernels a shim runs on the processor: all from the trial launch to the result but the driver."""
    cpp_compiler()
    fake = FakeCuda()
    fake.install(monkeypatch)
    return fake
