"""What the tests of ensembles share: starts, and references written from the definition alone."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from diracgan import dirac
from diracgan.ensemble import c_backend
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
    """Run everything by XLA, however long."""
    monkeypatch.setenv("DIRACGAN_C", "0")
