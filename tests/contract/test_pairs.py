"""What every registered rule promises on every registered variant: one whole iteration as a pure map."""

from __future__ import annotations

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan.dynamics import run
from diracgan.rules import RULES as ALL_RULES
from diracgan.variants import VARIANTS as ALL_VARIANTS

VARIANTS = [n for n in ALL_VARIANTS if ALL_VARIANTS[n].__module__.startswith("diracgan.")]
RULES = [n for n in ALL_RULES if ALL_RULES[n].__module__.startswith("diracgan.")]
compiled = sys.modules["diracgan.dynamics.flow"]._next
PHI, THETA, X0 = np.array([0.004, 0.007]), np.array([0.9, -0.35]), np.array([0.25, 0.6])


def leaves(tree) -> list[np.ndarray]:
    return [np.asarray(x) for x in jax.tree.leaves(tree)]


# every rule on a smooth variant, every variant under one rule, and rules of each kind where a loss has a kink or a box;
# the whole product is slow
FEW = [("wgan-gp", "adam"), ("wgan-gp", "extragradient"), ("wgan-gp", "implicit")]
FEW += [("wgan-clip", "adam"), ("wgan-clip", "lookahead")]
PAIRS = [
    pytest.param(v, r, marks=[pytest.mark.slow] * (v != "ns" and r != "alternating" and (v, r) not in FEW))
    for v in VARIANTS
    for r in RULES
]


@pytest.mark.parametrize(("variant", "rule"), PAIRS)
def test_an_iteration_is_finite_pure_and_keeps_its_dtype(variant, rule):
    s = dg.step(dg.variant(variant), dg.rule(rule, lr=0.01), X0)
    phi, theta = jnp.asarray(PHI, jnp.float32), jnp.asarray(THETA, jnp.float32)
    start = s.init(phi, theta)
    kept = leaves(start)
    once, again = s.next(start), s.next(start)
    assert all(np.all(np.isfinite(x)) for x in leaves(once))
    for a, b in zip(leaves(once), leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(leaves(start), kept, strict=True):
        np.testing.assert_array_equal(a, b)
    assert {x.dtype for x in once.players} == {jnp.dtype("float32")}
    assert [x.dtype for x in leaves(once)] == [x.dtype for x in leaves(start)]  # so that a scan can carry it
    assert jax.tree.structure(once) == jax.tree.structure(start)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n not in ("extragradient", "lookahead"))) for n in RULES],
)
def test_a_rule_compiles_once_batches_differentiates_and_averages(name):
    variant = dg.variant("ns").with_(r1=0.3)
    rule = dg.rule(name, lr=0.05, ema=0.9)
    with jax.enable_x64(True):
        phi, theta = jnp.asarray(PHI), jnp.asarray(THETA)
        s = dg.step(variant, rule, X0)
        start = s.init(phi, theta)
        once = s.next(start)
        size = compiled._cache_size()
        for k in range(4):
            dg.step(variant.with_(r1=0.1 * k), dataclasses.replace(rule, lr=0.01 + k, ema=0.5), X0).next(
                start
            )
        assert compiled._cache_size() == size

        with jax.disable_jit():
            for a, b in zip(leaves(s.next(start)), leaves(once), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)

        batch = jax.vmap(s)(jnp.stack([phi, 2 * phi]), jnp.stack([theta, -theta]))
        for k, pair in enumerate(((phi, theta), (2 * phi, -theta))):
            for a, b in zip(batch, s(*pair), strict=True):
                np.testing.assert_allclose(a[k], b, rtol=1e-10, atol=1e-13)

        def end(lr):
            return jnp.sum(
                jnp.concatenate(dg.step(variant, dataclasses.replace(rule, lr=lr), X0)(phi, theta))
            )

        h = 1e-6
        slope = (end(0.05 + h) - end(0.05 - h)) / (2 * h)
        if name != "lookahead":  # whose inner rule has the learning rate
            assert float(jax.grad(end)(0.05)) == pytest.approx(float(slope), rel=1e-6, abs=1e-9)
        for mean, before, after in zip(once.ema, start.players, once.players, strict=True):
            np.testing.assert_allclose(mean, 0.9 * before + 0.1 * after, rtol=1e-14)


@pytest.mark.slow  # fast, of some, by plain loops: dynamics/test_trajectories.py::test_steps_are_those_of_a_plain_loop
@pytest.mark.parametrize("name", RULES)
def test_simulate_repeats_the_step(name):
    variant, rule = dg.variant("wgan-gp", c=0.3), dg.rule(name, lr=0.02)
    traj = run(variant, PHI, THETA, x0=X0, rule=rule, steps=7, every=3)
    with jax.enable_x64(True):
        s = dg.step(variant, rule, X0)
        state, rows = s.init(jnp.asarray(PHI), jnp.asarray(THETA)), []
        for k in range(8):
            if k in (0, 3, 6, 7):
                rows.append(np.concatenate(state.players))
            state = s.next(state)
    np.testing.assert_array_equal(traj["step"], [0, 3, 6, 7])
    np.testing.assert_allclose(np.hstack([traj["phi"], traj["theta"]]), rows, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(traj["time"], 0.02 * np.array([0, 3, 6, 7]))
