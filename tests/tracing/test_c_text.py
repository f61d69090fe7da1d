"""A scalar program in C gives what NumPy gives, also of what is no number."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan.tracing import c_compiler
from diracgan.tracing.c_text import function
from diracgan.tracing.scalar_program import trace

pytestmark = pytest.mark.usefixtures("c_compiler")
HEAD = "#include <math.h>\n#include <stdint.h>\ntypedef double T;\n"
CALL = "\nvoid run(const double *x, double *out) { f(x, x, out); }\n"


def parts(x):
    whole = x.astype(jnp.int64) if x.dtype != bool else x
    return (
        jnp.sign(x),
        jnp.abs(x),
        jnp.maximum(x, 0.0),
        jnp.minimum(x, 0.0),
        jax.lax.clamp(-1.0, x, 1.0),
        x.astype(bool),
        jax.nn.relu(x),
        jnp.where(jnp.isfinite(x), jnp.sign(whole), 0),
    )


def test_operations_of_one_number_are_numpys():
    with jax.enable_x64(True):
        program = trace(parts, jnp.ones(()))
    run = c_compiler.loaded(HEAD + function("f", program, 0) + CALL, ["-O1", "-w"]).run
    for x in (np.nan, np.inf, -np.inf, -3.5, -0.3, 0.0, 0.3, 1.0, 256.0, 1e6):
        given, out = np.array([x]), np.zeros(len(program.outputs))
        run(*(ctypes.c_void_p(a.ctypes.data) for a in (given, out)))
        np.testing.assert_array_equal(out, np.array(program.on_host(given), float), err_msg=f"of {x}")


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="Linux alone lists what is loaded")
def test_a_library_is_unloaded_with_the_last_of_its_functions():
    def loaded() -> int:
        gc.collect()
        return Path("/proc/self/maps").read_text().count("kernel.so")

    before = loaded()
    one = c_compiler.loaded("int one(void) { return 1; }", []).one
    assert loaded() > before and one() == 1
    del one
    assert loaded() == before
