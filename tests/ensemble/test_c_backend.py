"""The head of compiled C: functions of vectors, on processors with and without long registers."""

from __future__ import annotations

import platform
import subprocess

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.ensemble import c_backend, loop_source
from diracgan.ensemble.methods import RK4
from diracgan.ensemble.vector_field import EnsembleSystem, step_program
from diracgan.tracing.c_compiler import compiler
from diracgan.tracing.scalar_program import trace

on_x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86 processors")
pytestmark = pytest.mark.usefixtures("c_compiler")

FUNCTIONS = {
    "exp": (jnp.exp, np.exp),
    "tanh": (jnp.tanh, np.tanh),
    "sigmoid": (lambda x: 0.5 + 0.5 * jnp.tanh(0.5 * x), lambda x: 1 / (1 + np.exp(-x))),
}


@on_x86
@pytest.mark.parametrize("machine", ["native", "x86-64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_within_their_bounds_and_beyond_them(name, dtype, machine, monkeypatch):
    ours, theirs = FUNCTIONS[name]
    kind = np.dtype(dtype)
    monkeypatch.setattr(c_backend, "MACHINE", f"-march={machine}")
    c_backend.vector_bytes.cache_clear()
    with jax.enable_x64(dtype == "float64"):
        program = trace(lambda x: [ours(x)], jax.ShapeDtypeStruct((), kind))
    loop = c_backend.loop(loop_source.fixed_steps, program, (), (True,), kind)
    assert loop is not None
    far = [np.nan, np.inf, -np.inf, 1e30, -1e30, 750.0, -750.0, 0.0, -0.0]
    x = np.array([*far, *np.linspace(-60, 60, c_backend.GROUP - len(far))], kind)
    found = x.copy()
    loop([], [found], 1)
    with np.errstate(over="ignore"):
        expected = theirs(x)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(expected))
    fine = np.isfinite(expected)
    x, found, expected = x[fine], found[fine], expected[fine]
    # an argument is rounded by |x| eps/2, an exponential then by as much relative to itself; a sigmoid ends at tiny
    eps, tiny = np.finfo(kind).eps, np.finfo(kind).tiny
    within = (8 + np.minimum(np.abs(x), 800)) * eps * np.abs(expected) + 4 * tiny
    assert (np.abs(found - expected) <= within).all()


@on_x86
@pytest.mark.parametrize("machine", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_vector_of_a_loop_is_put_together_lane_by_lane(dtype, machine, tmp_path, monkeypatch):
    # gcc did so for numbers that all lanes share, within the loop: 645 masks a step of RK4 on AVX-512
    kind = np.dtype(dtype)
    monkeypatch.setattr(c_backend, "MACHINE", f"-march={machine}")
    with jax.enable_x64(dtype == "float64"):
        system = jax.tree.map(kind.type, EnsembleSystem(dg.variant("ns"), RK4(lr=0.01), None, None))
        program = step_program(system, 2, kind).advance
    leaves = (False,) * len(jax.tree.leaves(system))
    (tmp_path / "loop.c").write_text(
        c_backend.source(loop_source.fixed_steps, program, leaves, (True,) * 4, kind)
    )
    asked = [str(compiler()), *c_backend._FLAGS, c_backend.MACHINE, "-S", "loop.c", "-o", "loop.s"]
    subprocess.run(asked, cwd=tmp_path, check=True)
    words = (tmp_path / "loop.s").read_text().split()
    assert [w for w in words if w.startswith(("vinsert", "vunpck", "vpinsr", "kmov"))] == []
