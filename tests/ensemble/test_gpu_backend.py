"""The GPU kernel: interpreted, it gives the same numbers; and it lowers to Triton for CUDA."""

from __future__ import annotations

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.ensemble import api, cuda_backend, gpu_backend
from diracgan.ensemble.methods import RK4
from diracgan.ensemble.vector_field import EnsembleSystem, step_program
from diracgan.tracing.scalar_program import trace

from .conftest import assert_equal, iterated, joined, rk4, starts


@pytest.mark.parametrize("name", slow_but(["ns", "wgan", "gan-qp", "lsgan"], "wgan"))
def test_flow(name, as_on_a_gpu):
    phi, theta = starts(700, 2)
    e = api.ensemble(dg.variant(name), phi, theta, t1=0.3, dt=0.01)
    assert e.attrs["engine"] == "one kernel"
    assert_equal(joined(e), rk4(dg.variant(name), phi, theta, 0.01, 30))


@pytest.mark.parametrize("name", slow_but(["alternating", "adam", "lookahead"], "adam"))
def test_rule_with_memory_and_ema(name, as_on_a_gpu):
    phi, theta = starts(300, 1)
    rule = dg.rule(name, lr=0.05, ema=0.9)
    e = api.ensemble(dg.variant("ns"), phi, theta, rule=rule, steps=15, save="stats")
    assert_equal(joined(e), iterated(dg.variant("ns"), rule, phi, theta, 15))


def test_what_cannot_be_scalarized_runs_by_xla(as_on_a_gpu):
    phi, theta = starts(20, 1)
    rule = dg.rule("cgd", lr=0.05)
    e = api.ensemble(dg.variant("ns"), phi, theta, rule=rule, steps=5)
    assert e.attrs["engine"] == "XLA"
    assert_equal(joined(e), iterated(dg.variant("ns"), rule, phi, theta, 5))


def on_an_abstract_h100():
    """From JAX 0.12 on, lowering for a GPU asks which one; before that, there was nothing to ask."""
    if jax.__version_info__ < (0, 12):
        return contextlib.nullcontext()
    device = jax.sharding.AbstractDevice("NVIDIA H100", None, "gpu")
    return jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=device))


@pytest.mark.parametrize("dtype", slow_but(["float32", "float64"], "float32"))
def test_lowers_to_triton(dtype):
    with jax.enable_x64(dtype == "float64"):
        system = jax.tree.map(
            lambda x: np.asarray(x, dtype), EnsembleSystem(dg.variant("wgan-gp"), RK4(lr=0.01), None, None)
        )
        step = step_program(system, 2, dtype).advance
        state = [np.zeros((4, gpu_backend.BLOCK), dtype)] * 4
        run = jax.jit(functools.partial(gpu_backend.steps, step))
        with on_an_abstract_h100():
            lowered = run.trace(jax.tree.leaves(system), state, np.int32(3)).lower(
                lowering_platforms=("cuda",)
            )
    assert "triton" in lowered.as_text()


@pytest.mark.parametrize(
    ("function", "fits"), [(jnp.tanh, True), (jax.scipy.special.digamma, False), (jnp.round, False)]
)
def test_only_what_triton_has_runs_in_the_kernel(function, fits):
    number, array = (jax.ShapeDtypeStruct(shape, np.float32) for shape in ((), (128,)))
    step = trace(lambda h, x: x - h * function(x), jnp.ones(()), jnp.ones(()))
    with on_an_abstract_h100():
        assert gpu_backend.fits(step, [number], [array]) is fits


def test_an_operation_without_a_text_is_named(as_on_a_gpu, monkeypatch):
    monkeypatch.setattr(cuda_backend, "missing", lambda device: "")

    class Factorial(dg.Variant):
        """wgan with the logarithm of a factorial of the real logits."""

        def critic_loss(self, real, fake, x_real, x_fake):
            return jnp.mean(fake) - jnp.mean(jax.scipy.special.gammaln(2 + real**2))

        def generator_loss(self, real, fake, x_real, x_fake):
            return -jnp.mean(fake)

    phi, theta = starts(20, 1)
    e = api.ensemble(Factorial(), phi, theta, t1=0.1, dt=0.01, x0=0.5)
    assert e.attrs["fallback"] == "digamma has no text in CUDA"
