"""Where a training step runs: lowered for CUDA and TPU, spread over devices, several seeds at once."""

from __future__ import annotations

import os
import subprocess
import sys

import jax
import jax.export
import jax.numpy as jnp
import pytest

import diracgan as dg
from diracgan.training.architecture import Architecture, players
from diracgan.training.layers import product
from diracgan.training.problems import problem
from diracgan.training.runs import start
from diracgan.training.trainer import TrainingSetup, begin, iteration


def lowered(setup: TrainingSetup, state) -> jax.export.Exported:
    """One iteration, exported for machines that are not here."""
    leaves, shape = jax.tree.flatten((setup, state))

    def flat(*leaves):
        return jax.tree.leaves(iteration(*jax.tree.unflatten(shape, leaves)))

    return jax.export.export(jax.jit(flat), platforms=["cuda", "tpu"])(*map(jnp.asarray, leaves))


@pytest.mark.parametrize("kind", [pytest.param("mlp", marks=pytest.mark.slow), "dcgan"])
def test_a_step_lowers_for_cuda_and_tpu(kind, folder):
    from diracgan.training.config import configure

    how = {
        "mlp": {"width": 8, "norm_d": "spectral", "minibatch": "std"},
        "dcgan": {"width": 4, "norm_d": "layer", "condition": "projection", "dropout_d": 0.3},
    }
    made = configure(
        dg.variant("wgan-gp").with_(r1=0.1),
        "ring8" if kind == "mlp" else "digits",
        rule_=dg.rule("adam", alternating=True, n_critic=2, ema=0.99),
        networks=how[kind],
        tricks=["instance-noise:std=0.1,until=100", "clip-gradient", "orthogonal"],
        averages=(0.9,),
        training={"classifier": False, "batch": 8},
    )
    made = lowered(*start(made))
    assert set(made.platforms) == {"cuda", "tpu"}
    assert made.mlir_module_serialized


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_only_a_cpu_writes_the_transpose_out(platform):
    x = jnp.ones((32, 16))
    slope = jax.jit(jax.grad(lambda w: jnp.sum(product(x, w) ** 2)))
    text = jax.export.export(slope, platforms=[platform])(jnp.ones((16, 16))).mlir_module()
    assert ("optimization_barrier" in text) == (platform == "cpu")


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_a_step_computes_in_what_it_is_told(dtype):
    on = problem("ring8")
    both = players(Architecture(width=8), on, jax.random.key(0))
    setup = TrainingSetup(
        dg.variant("ns"), dg.rule("alternating", lr=0.1), on, (), None, None, batch=8, compute=dtype
    )
    text = jax.jit(lambda s: iteration(setup, s)).lower(begin(setup, both, 0)).as_text()
    assert ("xbf16" in text) == (dtype is not None)


SPREAD = """
import json, jax, numpy as np
from diracgan.training import train
how = dict(networks={"width": 8}, batch=16, steps=5, log_every=5, rule=None)
assert len(jax.devices()) == 4
runs = [train("ns:r1=0.1", "ring8", devices=n, **how) for n in (1, 4)]
state = runs[1].state.inner.players.phi.head.w
assert len(state.sharding.device_set) == 4
for a, b in zip(*(jax.tree.leaves(r.players) for r in runs)):
    np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)
from diracgan.training.trainer import _next
text = jax.jit(_next).lower(runs[1].setup, runs[1].state).compile().as_text()
assert "all-reduce" in text, "no gradient is summed over devices"
print("spread")
"""


@pytest.mark.slow  # no fast witness: four devices need an interpreter of their own
def test_a_minibatch_spread_over_devices_is_the_same_step():
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
        "JAX_PLATFORMS": "cpu",
    }
    done = subprocess.run([sys.executable, "-c", SPREAD], env=environment, capture_output=True, text=True)
    assert done.stdout.strip() == "spread", done.stderr[-2000:]
