"""Games of flax's and equinox's networks, as their users write them, against dense Jacobians by jacfwd."""

from __future__ import annotations

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import diracgan as dg

flax = pytest.importorskip("flax", reason="flax is not needed by diracgan")
from flax import linen, nnx  # noqa: E402

pytestmark = pytest.mark.slow  # the fast witness: tests/measure/test_own_game.py


def losses(apply):
    """Non-saturating losses of two networks that ``apply(network, inputs)`` calls."""

    def critic_loss(phi, theta, batch):
        real, fake = apply(phi, batch[0]), apply(phi, apply(theta, batch[1]))
        return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake)) + 0.1 * jnp.mean(real**2)

    def generator_loss(phi, theta, batch):
        return jnp.mean(jax.nn.softplus(-apply(phi, apply(theta, batch[1]))))

    return critic_loss, generator_loss


class LinenNetwork(linen.Module):
    out: tuple[int, ...]

    @linen.compact
    def __call__(self, x):
        h = linen.Conv(2, (3, 3), param_dtype=float)(x)
        h = linen.gelu(linen.LayerNorm(param_dtype=float)(h))
        h = linen.WeightNorm(linen.Dense(4, param_dtype=float))(h.reshape(len(x), -1))
        made = linen.Dense(int(np.prod(self.out)), param_dtype=float)(jnp.tanh(h))
        return made.reshape(len(x), *self.out)


def of_linen(keys, x):
    nets = LinenNetwork((1,)), LinenNetwork((4, 4, 1))
    players = [{"net": n.init(k, x)["params"]} for n, k in zip(nets, keys, strict=True)]
    parts = [lambda p, x, net=net: net.apply({"params": p["net"]}, x) for net in nets]

    def critic_loss(phi, theta, batch):
        return losses(lambda p, x: parts[p is theta](p, x))[0](phi, theta, batch)

    def generator_loss(phi, theta, batch):
        return losses(lambda p, x: parts[p is theta](p, x))[1](phi, theta, batch)

    return players, critic_loss, generator_loss


class NnxNetwork(nnx.Module):
    def __init__(self, out, rngs):
        self.out = out
        self.conv = nnx.Conv(1, 2, (3, 3), param_dtype=float, rngs=rngs)
        self.norm = nnx.GroupNorm(2, num_groups=2, param_dtype=float, rngs=rngs)
        self.last = nnx.Linear(32, int(np.prod(out)), param_dtype=float, rngs=rngs)

    def __call__(self, x):
        h = nnx.silu(self.norm(self.conv(x)))
        return self.last(h.reshape(len(x), -1)).reshape(len(x), *self.out)


def of_nnx(keys, x):
    players = [NnxNetwork(out, nnx.Rngs(k)) for out, k in zip(((1,), (4, 4, 1)), (0, 1), strict=True)]
    return players, *losses(lambda net, x: net(x))


class EquinoxCritic(eqx.Module):
    conv: eqx.nn.Conv2d
    cell: eqx.nn.GRUCell
    last: eqx.nn.Linear

    def __init__(self, key):
        one, two, three = jax.random.split(key, 3)
        self.conv = eqx.nn.Conv2d(1, 2, 3, padding=1, dtype=float, key=one)
        self.cell = eqx.nn.GRUCell(8, 3, dtype=float, key=two)
        self.last = eqx.nn.Linear(3, 1, dtype=float, key=three)

    def __call__(self, x):
        rows = jnp.moveaxis(jnp.tanh(self.conv(jnp.moveaxis(x, -1, 0))), 1, 0).reshape(4, -1)
        h, _ = jax.lax.scan(lambda h, row: (self.cell(row, h), None), jnp.zeros(3), rows)
        return self.last(h)


class EquinoxGenerator(eqx.Module):
    up: eqx.nn.ConvTranspose2d
    norm: eqx.nn.LayerNorm
    slope: eqx.nn.PReLU

    def __init__(self, key):
        self.up = eqx.nn.ConvTranspose2d(1, 1, 2, stride=2, dtype=float, key=key)
        self.norm = eqx.nn.LayerNorm((4, 4, 1), dtype=float)
        self.slope = eqx.nn.PReLU(jnp.float64(0.2))

    def __call__(self, x):
        h = self.up(jnp.moveaxis(x[::2, ::2], -1, 0))
        return self.slope(self.norm(jnp.moveaxis(h, 0, -1)))


def of_equinox(keys, x):
    return [EquinoxCritic(keys[0]), EquinoxGenerator(keys[1])], *losses(lambda net, x: jax.vmap(net)(x))


@pytest.mark.parametrize("made", [of_linen, of_nnx, of_equinox])
def test_the_flow_is_that_of_the_dense_jacobian(made):
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(0), 3)
        batch = tuple(jax.random.normal(keys[2], (2, 6, 4, 4, 1), float))
        players, critic_loss, generator_loss = made(keys[:2], batch[0])
        measured = dg.measure.game(critic_loss, generator_loss, *players, [batch])
        if made is of_nnx:
            graphs, states = zip(*(nnx.split(p) for p in players), strict=True)
            whole = [lambda s, g=g: nnx.merge(g, s) for g in graphs]
        else:
            states = [eqx.filter(p, eqx.is_array) for p in players]
            still = [eqx.filter(p, eqx.is_array, inverse=True) for p in players]
            whole = [lambda s, rest=rest: eqx.combine(s, rest) for rest in still]
        flat, restore = ravel_pytree(tuple(states))

        def field(y):
            phi, theta = restore(y)
            down = jax.grad(lambda s: critic_loss(whole[0](s), whole[1](theta), batch))(phi)
            side = jax.grad(lambda s: generator_loss(whole[0](phi), whole[1](s), batch))(theta)
            return -ravel_pytree((down, side))[0]

        dense = np.asarray(jax.jit(jax.jacfwd(field))(flat))
    rng = np.random.default_rng(0)
    for v in rng.standard_normal((3, len(dense))):
        np.testing.assert_allclose(measured.matvec(v), dense @ v, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(measured.rmatvec(v), dense.T @ v, rtol=1e-6, atol=1e-9)
    found = measured.spectrum("fastest", 4)
    assert max(np.abs(np.linalg.eigvals(dense) - mu).min() for mu in found.eigenvalues) < 1e-6
