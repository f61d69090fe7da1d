"""What the tests of ensembles share: starts, and references written from the definition alone."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan import dirac
from diracgan.ensemble import api, c_backend, cuda_backend, gpu_backend, on_device
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
static const Index blockIdx = {0}, threadIdx = {0}, blockDim = {1}, gridDim = {1};
#define __expf(x) expf(x)
static inline float __fdividef(float a, float b) { return a / b; }
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
    """A kernel as a function of addresses and the number of trajectories: one thread that goes through all of them."""
    compiler = cpp_compiler()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "kernel.cpp").write_text(SHIM + source)
        command = [compiler, "-O1", "-w", "-std=c++17", "-shared", "-fPIC", "kernel.cpp", "-o", "kernel.so"]
        subprocess.run(command, check=True, cwd=folder)
        run = ctypes.CDLL(str(Path(folder) / "kernel.so")).run
    return lambda *values: run(*(ctypes.c_void_p(int(v)) for v in values))


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Take the path that a GPU takes, with the processor for one, from where JAX sees no GPU."""
    there = Devices("gpu", tuple(jax.local_devices(backend="cpu")[:1]), 1)
    monkeypatch.setattr(api, "choose", lambda devices: there)
    monkeypatch.setattr(cuda_backend, "missing", lambda: "JAX sees no GPU")
    monkeypatch.setattr(gpu_backend, "INTERPRET", True)
    on_device.engine.cache_clear()
    on_device.whole_run.cache_clear()
    yield
    on_device.engine.cache_clear()
    on_device.whole_run.cache_clear()


@pytest.fixture
def through_the_shim(as_on_a_gpu, monkeypatch):
    """Kernels run by a shim for the processor in place of cuda-core's launch, with the arguments that it would get."""
    cpp_compiler()

    def launch(loop, reads, writes, place):
        shimmed(loop.text)(*cuda_backend.arguments(reads, writes))

    monkeypatch.setattr(cuda_backend, "missing", lambda: "")
    monkeypatch.setattr(cuda_backend.CudaLoop, "launch", launch)
