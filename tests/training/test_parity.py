"""A training step on linear players is the Dirac system's step: one code path, to the last digits."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import slow_but

import diracgan as dg
from diracgan.dynamics import run
from diracgan.rules import RULES as ALL_RULES, init, step
from diracgan.training.architecture import Architecture, players
from diracgan.training.games import minibatches
from diracgan.training.problems import problem, samples
from diracgan.variants import VARIANTS as ALL_VARIANTS

VARIANTS = [n for n in ALL_VARIANTS if ALL_VARIANTS[n].__module__.startswith("diracgan.")]
RULES = [n for n in ALL_RULES if ALL_RULES[n].__module__.startswith("diracgan.")]
# one penalty or transform at a time, and what each stands on
MODIFIERS = [
    {"l2": 0.2},
    {"r1": 0.3},
    {"r2": 0.3},
    {"gp": 0.4},
    {"gp": 0.4, "gp_center": 0.0, "gp_at": "real"},
    {"gp": 0.4, "gp_center": 0.3, "gp_at": "fake"},
    {"gp": 0.4, "gp_at": "noisy"},
    {"lecam": 0.2},
    {"clc": 0.2},
    {"smooth_real": 0.1},
    {"smooth_fake": 0.1},
    {"consensus": 0.3},
    {"sga": 0.5},
]
STEPS = 6
PHI, THETA, X0 = np.array([0.21, -0.14, 0.3]), np.array([0.4, 0.25, -0.1]), np.array([0.3, -0.2, 0.5])


def trained(variant, rule, d: int) -> np.ndarray:
    """Rows (phi, theta) of the training game's steps."""
    with jax.enable_x64(True):
        on = problem("dirac", x0=X0[:d], phi0=PHI[:d], theta0=THETA[:d])
        both = players(Architecture(), on, jax.random.key(0))

        @jax.jit
        def next_(k, state):
            return step(rule, minibatches(variant, on, jax.random.key(k), 1), state)

        state = init(rule, minibatches(variant, on, jax.random.key(0), 1), both)
        rows = []
        for k in range(STEPS + 1):
            z = state.players
            rows.append(np.concatenate([z.phi.w, z.theta.point]))
            if state.ema is not None:
                rows[-1] = np.concatenate([rows[-1], state.ema.phi.w, state.ema.theta.point])
            state = next_(jnp.int32(k), state)
        return np.array(rows)


def simulated(variant, rule, d: int) -> np.ndarray:
    traj = run(variant, PHI[:d], THETA[:d], x0=X0[:d], rule=rule, steps=STEPS)
    names = [n for n in ("phi", "theta", "phi_ema", "theta_ema") if n in traj]
    return np.concatenate([np.asarray(traj[n]) for n in names], axis=1)


def same(variant, rule, d: int) -> None:
    ours, theirs = trained(variant, rule, d), simulated(variant, rule, d)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", slow_but(RULES, "simultaneous", "alternating", "adam", "lookahead"))
def test_every_rule_with_its_whole_state(name):
    same(dg.variant("ns").with_(r1=0.3), dg.rule(name, lr=0.05, ema=0.9), 2)


def test_optax():
    import optax

    rule = dg.rule.from_optax(optax.adam(0.05), optax.sgd(0.02, momentum=0.5), alternating=True, ema=0.9)
    same(dg.variant("ns").with_(r1=0.3), rule, 2)


@pytest.mark.parametrize("variant", slow_but(VARIANTS, "ns", "wgan-gp", "wgan-clip", "gan-qp", "ragan"))
def test_every_variant(variant):
    same(dg.variant(variant), dg.rule("alternating", lr=0.05), 2)


@pytest.mark.parametrize(
    "changes",
    slow_but(MODIFIERS, *MODIFIERS[1:2], *MODIFIERS[6:8], *MODIFIERS[9:10], *MODIFIERS[11:12]),
    ids=str,
)
def test_every_penalty_and_transform(changes):
    same(dg.variant("ns").with_(**changes), dg.rule("alternating", lr=0.05, n_critic=2, lazy=2), 2)


@pytest.mark.parametrize("d", slow_but([1, 3], 3))
def test_other_dimensions(d):
    same(dg.variant("wgan-gp", c=0.4).with_(l2=0.1), dg.rule("adam", lr=0.01, alternating=True), d)


def test_linear_players_learn_a_problem_of_ones_own_that_asks_for_them():
    """Of WGAN with linear players phi' = mean x - theta and theta' = phi, whatever the problem is called."""
    on = samples([[0.5, 1.0], [1.5, -2.0]], latent=0, network="linear", fixed=True)
    with jax.enable_x64(True):
        both = players(Architecture(), on, jax.random.key(0))
        v = minibatches(dg.variant("wgan-linear"), on, jax.random.key(0), 2).velocity(both)
    np.testing.assert_allclose(v.phi.w, [1.0 - 0.2, -0.5 - 0.1], rtol=1e-6)
    np.testing.assert_allclose(v.theta.point, [0.1, 0.2], rtol=1e-6)


def test_linear_players_are_refused_where_the_problem_does_not_ask_for_them():
    for on in (problem("ring8"), samples(np.zeros((1, 2, 2)), network="linear")):
        with pytest.raises(dg.InputError, match="linear players belong to problems of vectors"):
            Architecture(kind="linear").resolved(on)
