"""What every registered variant promises about its field; the registry grows, and this suite with it."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan import dirac
from diracgan.game import Players
from diracgan.parameters import parameters
from diracgan.variants import VARIANTS as ALL_VARIANTS

BUILT_IN = [n for n in ALL_VARIANTS if ALL_VARIANTS[n].__module__.startswith("diracgan.")]
# smooth, kinked, clipped, normalised, and of pairs: what costs most to trace is slow for the others
FEW = ("ns", "wgan-gp", "wgan-clip", "gan-qp", "ragan")
few_of_them = pytest.mark.parametrize("variant", slow_but(BUILT_IN, *FEW), indirect=True)
# a generic point, off every kink, inside a clipping box
PHI, THETA, X0 = np.array([0.004, 0.007]), np.array([0.9, -0.35]), np.array([0.25, 0.6])
FAR = np.array([0.4, 0.71])


def point(v) -> tuple[np.ndarray, np.ndarray]:
    return (PHI if v.constraint == "clipped" else FAR), THETA


@pytest.fixture(params=BUILT_IN)
def variant(request):
    return dg.variant(request.param)


@pytest.fixture
def doubles():
    with jax.enable_x64(True):
        yield


def both(v, phi, theta) -> np.ndarray:
    return np.concatenate(dg.field(v, X0)(jnp.asarray(phi), jnp.asarray(theta)))


@jax.jit
def losses(v, x0, phi, theta):
    game = dirac.game(v, x0)
    return jnp.stack([game.critic_loss(Players(phi, theta)), game.generator_loss(Players(phi, theta))])


def test_the_field_is_minus_the_slope_of_each_players_loss(variant, doubles):
    phi, theta = point(variant)
    at = lambda p, q: np.asarray(losses(dirac.cast(variant, float), jnp.asarray(X0), p, q))  # noqa: E731
    got, h = both(variant, phi, theta), 1e-6
    assert np.all(np.isfinite(got))
    for i, e in enumerate(np.eye(2) * h):
        assert got[i] == pytest.approx(
            -(at(phi + e, theta) - at(phi - e, theta))[0] / (2 * h), rel=1e-6, abs=1e-8
        )
        assert got[2 + i] == pytest.approx(
            -(at(phi, theta + e) - at(phi, theta - e))[1] / (2 * h), rel=1e-6, abs=1e-8
        )


@few_of_them
def test_compiled_and_interpreted_agree(variant, doubles):
    phi, theta = point(variant)
    compiled = both(variant, phi, theta)
    with jax.disable_jit():
        np.testing.assert_allclose(both(variant, phi, theta), compiled, rtol=1e-12, atol=1e-14)
    inside = jax.jit(lambda p, q: dg.field(variant, X0)(p, q))(jnp.asarray(phi), jnp.asarray(theta))
    np.testing.assert_allclose(np.concatenate(inside), compiled, rtol=1e-12, atol=1e-14)


@few_of_them
def test_a_batch_is_a_loop(variant, doubles):
    phi, theta = point(variant)
    phis, thetas = (np.stack([x, x[::-1] * 0.7, -x * 0.4]) for x in (phi, theta))
    batch = jax.vmap(dg.field(variant, X0))(phis, thetas)
    for k in range(3):
        np.testing.assert_allclose(
            np.concatenate([b[k] for b in batch]), both(variant, phis[k], thetas[k]), rtol=1e-12
        )


@few_of_them
def test_the_dtype_is_kept(variant):
    phi, theta = (jnp.asarray(x, jnp.float32) for x in point(variant))
    single = dg.field(variant, X0)(phi, theta)
    assert {x.dtype for x in single} == {jnp.dtype("float32")}
    with jax.enable_x64(True):
        assert {x.dtype for x in dg.field(variant, X0)(phi, theta)} == {jnp.dtype("float32")}
        double = dg.field(variant, X0)(*(jnp.asarray(x) for x in point(variant)))
        assert {x.dtype for x in double} == {jnp.dtype("float64")}
    np.testing.assert_allclose(np.concatenate(single), np.concatenate(double), rtol=2e-5, atol=1e-5)


@few_of_them
def test_the_field_differentiates_through_every_hyperparameter(variant, doubles):
    v = variant.with_(l2=0.2, r1=0.3)
    phi, theta = point(v)
    weights = np.array([0.3, -1.0, 0.7, 0.2])

    def value(v):
        return jnp.concatenate(dg.field(v, X0)(jnp.asarray(phi), jnp.asarray(theta))) @ weights

    slopes, h = jax.grad(value)(dirac.cast(v, float)), 1e-6
    for name, p in parameters(type(v)).items():
        if p.kind == "number" and getattr(v, name) is not None:
            x = float(getattr(v, name))
            up, down = (float(value(dataclasses.replace(v, **{name: x + side * h}))) for side in (1, -1))
            assert getattr(slopes, name) == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-7), name
    for name, x in v.extras.items():
        up, down = (float(value(v.with_(**{name: x + side * h}))) for side in (1, -1))
        assert slopes.extras[name] == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-7), name


@few_of_them
def test_one_compilation_serves_all_values(variant, doubles):
    v = variant.with_(l2=0.2)
    both(v, *point(v))
    before = dirac._velocity._cache_size()
    for k in range(5):
        numbers = {
            n: getattr(v, n) * (1 + 0.01 * k)
            for n, p in parameters(type(v)).items()
            if p.kind == "number" and getattr(v, n) is not None
        }
        both(dataclasses.replace(v, **numbers).with_(l2=0.3 + k), *point(v))
    assert dirac._velocity._cache_size() == before


@pytest.mark.parametrize("variant", slow_but(BUILT_IN, "ns", "wgan-gp", "gan-qp"), indirect=True)
def test_nothing_global_changes(variant):
    before = (jax.config.jax_enable_x64, jax.config.jax_debug_nans, jax.config.jax_default_matmul_precision)
    dg.spectrum(variant, dim=1)
    assert (
        jax.config.jax_enable_x64,
        jax.config.jax_debug_nans,
        jax.config.jax_default_matmul_precision,
    ) == before
    assert jnp.zeros(1).dtype == jnp.float32


def test_it_says_what_it_is(variant):
    assert variant.reference
    assert dg.variants()[variant.name]
    assert variant.label.startswith(variant.name)
    again = dg.variant(variant.name, **{k: x for k, x in variant.hyperparameters.items() if x is not None})
    assert again.hyperparameters == variant.hyperparameters
    assert jax.tree.structure(again) == jax.tree.structure(variant)
