"""JAX's arrays in, JAX's arrays out: the numbers of the default, and nothing on the host in between."""

from __future__ import annotations

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.ensemble import c_backend, compiled_adaptive, on_device
from diracgan.ensemble.api import ensemble

from .conftest import starts

CASES = {
    "flow": (2, dict(t1=0.3, dt=0.01)),
    "datum and statistics": (1, dict(t1=0.3, dt=0.01, save="stats", x0=0.3)),
    "a plane in five dimensions": (5, dict(t1=0.3, dt=0.01, save=[0.1, 0.3])),
    "a rule": (2, dict(rule=dg.rule("adam", lr=0.05, ema=0.9), steps=20, save="stats")),
    "a rule without scalars": (1, dict(rule=dg.rule("cgd", lr=0.05), steps=5)),
    "adaptive": (
        2,
        dict(t1=3.0, adaptive=True, rtol=1e-9, atol=1e-12, save=["arc", "escape_time"], escape=1.0),
    ),
    "too many steps": (2, dict(t1=40.0, adaptive=True, rtol=1e-9, atol=1e-12, max_steps=128)),
}
SLOW = ("datum and statistics", "a rule without scalars", "too many steps")


@pytest.mark.parametrize("case", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in CASES])
def test_the_numbers_are_those_of_the_default(case, c_compiler, monkeypatch):
    monkeypatch.setattr(c_backend, "WORTH", 0)
    monkeypatch.setattr(compiled_adaptive, "WORTH", 0)
    dim, how = CASES[case]
    phi, theta = starts(300, dim)
    on_host = ensemble(dg.variant("ns"), phi, theta, **how)
    with jax.enable_x64(True):
        e = ensemble(dg.variant("ns"), jnp.asarray(phi), jnp.asarray(theta), arrays="jax", **how)
    assert e.attrs["engine"] == on_host.attrs["engine"]
    assert e.sizes == on_host.sizes
    assert set(e.data_vars) == set(on_host.data_vars)
    for name, x in e.data_vars.items():
        assert isinstance(x.data, jax.Array)
        assert x.dtype == on_host[name].dtype
        np.testing.assert_allclose(x.values, on_host[name].values, rtol=1e-12, atol=1e-12, err_msg=str(name))


ADAPTIVE = dict(adaptive=True, rtol=1e-9, atol=1e-12, save="stats")


@pytest.mark.parametrize("how", [dict(dt=0.01), pytest.param(ADAPTIVE, marks=pytest.mark.slow)])
def test_the_numbers_are_those_of_the_default_through_xla(how, through_xla):
    phi, theta = starts(300, 2)
    on_host = ensemble(dg.variant("wgan"), phi, theta, t1=1.0, **how)
    e = ensemble(dg.variant("wgan"), phi, theta, t1=1.0, arrays="jax", **how)
    assert e.attrs["engine"] == "XLA"
    # other blocks take other adaptive steps
    for name in ("phi", "theta"):
        np.testing.assert_allclose(e[name].values, on_host[name].values, rtol=1e-7, atol=1e-7)


def test_nothing_is_moved_to_the_host(monkeypatch):
    """One program takes the arrays that were given, where they are, and what it gives is the result."""
    phi, theta = (jnp.asarray(z, jnp.float32) for z in starts(300, 2))
    calls, run = [], on_device.whole_run("cpu")

    def watched(about, made_by, given):
        calls.append((given.phi, given.theta, run(about, made_by, given)))
        return calls[-1][-1]

    monkeypatch.setattr(on_device, "whole_run", lambda platform: watched)
    e = ensemble(dg.variant("ns"), phi, theta, t1=0.1, arrays="jax", dtype="float32")
    ((given_phi, given_theta, found),) = calls
    for given, mine in ((given_phi, phi), (given_theta, theta)):
        assert given.unsafe_buffer_pointer() == mine.unsafe_buffer_pointer()
    assert all(e[name].data is x for name, x in found.items())


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_the_order_of_step_sizes_is_that_of_whole_numbers_without_sign(kind):
    """XLA sorts pairs by digits on a GPU where these lead them, and by comparisons where floats do."""
    with jax.enable_x64(True):
        sizes = jnp.asarray([np.inf, 0.5, 1e-30, 0.0, 3.0, 0.25, np.inf, 1e-3], kind)
        assert np.asarray(on_device._by_size(sizes)).tolist() == np.argsort(sizes, stable=True).tolist()
        text = jax.jit(on_device._by_size).lower(sizes).as_text()
    assert re.search(r"compare\s+LT, %\w+, %\w+,\s+UNSIGNED : \(tensor<ui32>, tensor<ui32>\)", text)


def test_single_precision_stays_single(c_compiler):
    phi, theta = (jnp.asarray(z, jnp.float32) for z in starts(300, 2))
    e = ensemble(dg.variant("ns"), phi, theta, t1=0.1, arrays="jax", dtype="float32")
    assert e["phi"].dtype == np.float32
    assert e["phi"].data.devices() == phi.devices()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (dict(arrays="torch"), "unknown kind of arrays 'torch'"),
        (dict(arrays="jax", phi0=jnp.full((3, 2), jnp.nan)), "phi0 has entries that are not finite"),
        (dict(arrays="jax", phi0=jnp.ones((3, 2, 2))), "phi0 has shape (3, 2, 2)"),
        (dict(arrays="jax", phi0=1j * jnp.ones((3, 2))), "phi0 is not an array of numbers"),
    ],
)
def test_bad_input(how, said):
    with pytest.raises(dg.InputError) as error:
        ensemble(dg.variant("ns"), **{"phi0": np.ones((3, 2)), "theta0": np.ones((3, 2))} | how)
    assert said in str(error.value)


def test_traced_starts_are_refused():
    with pytest.raises(dg.InputError, match="phi0 is not an array of numbers"):
        jax.jit(lambda z: ensemble(dg.variant("ns"), z, z, t1=1.0, dt=0.1, arrays="jax"))(jnp.ones((3, 2)))
