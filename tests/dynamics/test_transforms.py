"""Consensus and symplectic adjustment, away from the origin, against differences of the raw field."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import diracgan as dg
from diracgan import dirac
from diracgan.game import Players

X0 = np.array([0.3, -0.2])
POINTS = np.array([[0.4, -0.7, 0.9, 0.2], [-1.1, 0.3, 0.5, 0.8]])
VARIANTS = [
    dg.variant("ns"),
    dg.variant("saturating").with_(r1=0.3),
    dg.variant("wgan-gp", lam=0.4, c=0.7),
    dg.variant("gan-qp", lam=0.5).with_(l2=0.2),
]


def field(variant):
    f = dg.field(variant, X0)
    return lambda z: np.concatenate(f(*np.split(z, 2)))


def differences(fn, z, e=1e-3):
    """The derivative of ``fn`` at ``z``, last axis: central differences, extrapolated twice (error e^6)."""

    def central(e):
        return np.stack([(fn(z + e * w) - fn(z - e * w)) / (2 * e) for w in np.eye(len(z))], axis=-1)

    a, b, c = central(e), central(e / 2), central(e / 4)
    ab, bc = (4 * b - a) / 3, (4 * c - b) / 3
    return (16 * bc - ab) / 15


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: v.name)
def test_consensus_descends_its_own_objective(variant):
    gamma = 0.37
    with jax.enable_x64(True):
        raw, moved = field(variant), field(variant.with_(consensus=gamma))
        for z in POINTS:
            objective = differences(lambda z: 0.5 * np.sum(raw(z) ** 2), z)
            assert np.allclose(moved(z), raw(z) - gamma * objective, rtol=0, atol=1e-9)


def test_half_the_cross_term_would_be_seen():
    """A published implementation halves the second player's share; at the origin nobody can tell."""
    gamma, z = 0.37, POINTS[0]
    with jax.enable_x64(True):
        raw, moved = field(VARIANTS[0]), field(VARIANTS[0].with_(consensus=gamma))
        jac, v = differences(raw, z), raw(z)
        half = v - gamma * (jac.T @ (np.array([1, 1, 0.5, 0.5]) * v))
        assert np.max(np.abs(moved(z) - half)) > 1e-2


@pytest.mark.parametrize(
    "variant",
    [pytest.param(v, marks=[pytest.mark.slow] * (v.name in ("ns", "gan-qp"))) for v in VARIANTS],
    ids=lambda v: v.name,
)
def test_symplectic_adjustment_turns_the_field(variant):
    with jax.enable_x64(True):
        raw = field(variant)
        for lam, z in zip((0.8, -0.5), POINTS, strict=True):
            jac, v = differences(raw, z), raw(z)
            adjusted = v + 0.5 * lam * (jac - jac.T) @ v
            assert np.allclose(field(variant.with_(sga=lam))(z), adjusted, rtol=0, atol=1e-9)
            both = adjusted - 0.2 * jac.T @ v  # each from the raw field, added
            assert np.allclose(field(variant.with_(sga=lam, consensus=0.2))(z), both, rtol=0, atol=1e-9)


def test_transforms_act_before_the_rates():
    v, z = VARIANTS[0].with_(consensus=0.5), POINTS[0]
    with jax.enable_x64(True):
        moved = field(v)(z)
        phi, theta = dg.step(v, dg.rule("simultaneous", lr_d=0.3, lr_g=0.1), X0)(*np.split(z, 2))
        assert np.allclose(
            np.concatenate([phi, theta]), z + np.repeat([0.3, 0.1], 2) * moved, rtol=0, atol=1e-15
        )


def test_transforms_take_the_frozen_branches():
    """WGAN-GP frozen as if phi < 0 has the field (-theta - 2 lam (phi + c), phi) on both sides."""
    lam, c, gamma, phi, theta = 0.4, 0.7, 0.3, 0.5, 0.9
    with jax.enable_x64(True):
        variant = dirac.cast(dg.variant("wgan-gp", lam=lam, c=c).with_(consensus=gamma), jnp.float64)
        game, z = dirac.game(variant, jnp.zeros(1)), Players(jnp.array([phi]), jnp.array([theta]))
        modes = -jnp.sign(game.surfaces(z))
        found = game.velocity(z, modes=modes)
    v = np.array([-theta - 2 * lam * (phi + c), phi])
    expected = v - gamma * np.array([[-2 * lam, -1.0], [1.0, 0.0]]).T @ v
    assert np.allclose(np.concatenate(found), expected, rtol=0, atol=1e-15)


def test_eigenvalues_of_the_linear_games():
    """J - gamma J^T J on the bilinear game: -gamma +- i; J + lam J^2: -lam +- i."""
    for change in ({"consensus": 0.3}, {"sga": 0.3}):
        values = dg.spectrum(dg.variant("wgan-linear").with_(**change)).eigenvalues
        assert np.allclose(values, [-0.3 + 1j, -0.3 - 1j], rtol=0, atol=1e-14)
